/* SPDX-License-Identifier: BSD-2-Clause */
/* repair: rebuilds the indexes of a shard from its truths. Runs with the lock held by whoever takes
 * it first after the holder died. It may be killed itself: it only ever makes a truth more true, and
 * the next one begins again. */
#include "core/shm/repair.h"

#include "core/base/log.h"
#include "core/shm/internal.h"

/* After so many repairs in a row that did not come to their end, the type's hooks are suspected and
 * no longer called. */
#define HOOKS_TRIED_MOST 2

/* ---- slots ---- */
static bool slot_is_sound(const struct shard *shard, const struct slot *slot)
{
	return slot->index == ref_of(shard, slot) && slot->generation != 0 &&
	       slot->shard == shard->number && slot->check == slot_checksum(shard, slot);
}

static bool content_is_sound(const struct shard *shard, const struct slot *slot)
{
	const struct shard_type *type = shard->set->type;
	return !type->verify || shard->repair_attempts > HOOKS_TRIED_MOST || type->verify(slot);
}

static void timers_rebuild(struct shard *shard, struct slot *slot)
{
	struct slot_timer *timers = slot_timers(shard, slot);
	for (unsigned which = 0; which < shard->set->type->timer_count; which++) {
		if (!timers[which].due)
			continue;
		timers[which].due = (timers[which].due & ~(uint64_t)3) | which;
		wheel_link(shard, &timers[which]);
		shard->wheel.armed++;
	}
}

static void slot_drop(struct shard *shard, struct slot *slot)
{
	const struct shard_type *type = shard->set->type;
	if (type->on_lost && shard->repair_attempts <= HOOKS_TRIED_MOST)
		type->on_lost(slot);
	shard->lost++;
	CRASH_POINT("slot lost");
	store_order();
	__atomic_store_n(&slot->state, SLOT_FREE, __ATOMIC_RELEASE);
	store_order();
}

/* A slot whose change was not finished gets back what it was. */
static void slot_restore(struct shard *shard, struct slot *slot)
{
	if (slot->state != SLOT_CHANGING || shard->kept_index != slot->index ||
	    shard->kept_generation != slot->generation)
		return;
	memcpy(slot + 1, shard_kept(shard) + 1, shard->set->stride - sizeof(*slot));
	CRASH_POINT("slot restored, still changing");
	store_order();
	__atomic_store_n(&slot->state, SLOT_LIVE, __ATOMIC_RELEASE);
	store_order();
}

static void slot_rebuild(struct shard *shard, struct slot *slot)
{
	if (slot->state == SLOT_FREE || slot->state == SLOT_SET_ASIDE)
		return;
	if (slot->state > SLOT_CHANGING || !slot_is_sound(shard, slot)) {
		slot->state = SLOT_SET_ASIDE;
		shard->quarantined++;
		return;
	}
	if (slot->generation > shard->generation)
		shard->generation = slot->generation;
	slot_restore(shard, slot);
	if ((slot->state != SLOT_LIVE || !content_is_sound(shard, slot)) && CRASH_STEP("drop")) {
		slot_drop(shard, slot);
		return;
	}
	slot->region = 0;
	if (CRASH_STEP("index"))
		index_insert(shard, slot);
	if (CRASH_STEP("timers"))
		timers_rebuild(shard, slot);
	if (CRASH_STEP("count of slots"))
		shard->live++;
}

/* Free slots go to the free list from the highest down, so that the lowest are used first. */
static void slot_page_rebuild(struct shard *shard, struct slot_page *page)
{
	uint32_t count = shard->set->slots_per_page;
	page->used = 0;
	page->free_first = 0;
	page->fresh = count;
	for (uint32_t n = count; n-- > 0;) {
		struct slot *slot = page_slot(shard, page, n);
		slot_rebuild(shard, slot);
		if (slot->state == SLOT_FREE) {
			slot->generation = 0;
			slot->chain = page->free_first;
			if (CRASH_STEP("free slots"))
				page->free_first = n + 1;
		} else {
			page->used++;
		}
	}
	slot_page_append(shard, page);
	if (page->free_first)
		slot_page_set_partial(shard, page);
	if (page->used == 0)
		shard->empty_slot_pages++;
	shard->page_bytes += SHM_PAGE_SIZE;
}

/* ---- heap ---- */
/* Whose block is it? NULL and *out_is_kept tell the index's own blocks from lost ones. */
static struct slot *block_holder(struct shard *shard, const struct block *block, bool *out_is_kept)
{
	uint32_t owner = block_owner(block);
	*out_is_kept = owner == OWNER_INDEX && index_owns(shard, block);
	if (owner <= OWNER_NOBODY)
		return NULL;
	struct slot *slot = slot_locate(shard, owner);
	if (!slot)
		return NULL;
	/* A slot that was set aside may be somebody's only trace: what it holds is not reused. */
	*out_is_kept = slot->state == SLOT_SET_ASIDE;
	return slot->state == SLOT_LIVE ? slot : NULL;
}

static void heap_page_set_aside(struct shard *shard, struct heap_page *page)
{
	page_set_damaged(page);
	shard->quarantined++;
}

static bool big_page_is_sound(const struct shard *shard, const struct heap_page *page)
{
	const struct block *block = (const struct block *)((const char *)page + BIG_PAGE_HEADER);
	return page->magic == BIG_PAGE_MAGIC && block_is_sound(shard, block) &&
	       block_units(block) == 0;
}

static bool heap_page_is_sound(const struct shard *shard, const struct heap_page *page)
{
	uint32_t at = 0;
	if (page->magic != HEAP_PAGE_MAGIC)
		return false;
	while (at < HEAP_UNITS) {
		const struct block *block =
			(const struct block *)((const char *)page + HEAP_PAGE_HEADER +
					       ((size_t)at << REF_SHIFT));
		if (!block_is_sound(shard, block) || block_units(block) == 0)
			return false;
		at += block_units(block);
	}
	return at == HEAP_UNITS;
}

bool memory_page_is_sound(const struct shard *shard, const void *page, enum page_kind kind)
{
	return kind == PAGE_BIG ? big_page_is_sound(shard, page)
				: kind == PAGE_HEAP && heap_page_is_sound(shard, page);
}

static void block_rebuild_used(struct shard *shard, struct block *block, struct slot *holder,
			       uint32_t units_before)
{
	uint64_t mark = block->mark & ~((uint64_t)0xfff << 44);
	__atomic_store_n(&block->mark, mark | (uint64_t)units_before << 44, __ATOMIC_RELEASE);
	shard->region_bytes += (uint64_t)block_units(block) << REF_SHIFT;
	if (holder && CRASH_STEP("regions"))
		region_link(shard, holder, block);
}

/* Walks a page, frees what is nobody's, joins free neighbours. Freeing is the one change of truth. */
static void heap_page_rebuild(struct shard *shard, struct heap_page *page)
{
	char *blocks = (char *)page + HEAP_PAGE_HEADER;
	uint32_t before = 0; /* units of the block before */
	uint32_t free_from = 0, free_units = 0;
	for (uint32_t at = 0; at < HEAP_UNITS;) {
		struct block *block = (struct block *)(blocks + ((size_t)at << REF_SHIFT));
		uint32_t units = block_units(block);
		bool is_kept;
		struct slot *holder = block_holder(shard, block, &is_kept);
		if (!holder && !is_kept) {
			free_from = free_units ? free_from : at;
			free_units += units;
		} else if (free_units) {
			struct block *free_block =
				(struct block *)(blocks + ((size_t)free_from << REF_SHIFT));
			heap_make_free(shard, free_block, free_units, before);
			if (CRASH_STEP("free memory"))
				heap_insert(shard, free_block);
			before = free_units;
			free_units = 0;
		}
		if (holder || is_kept) {
			block_rebuild_used(shard, block, holder, before);
			before = units;
		}
		at += units;
	}
	shard->page_bytes += SHM_PAGE_SIZE;
	if (!free_units)
		return;
	struct block *last = (struct block *)(blocks + ((size_t)free_from << REF_SHIFT));
	heap_make_free(shard, last, free_units, before);
	heap_insert(shard, last);
}

static void big_page_rebuild(struct shard *shard, struct heap_page *page, uint32_t pages)
{
	struct block *block = (struct block *)((char *)page + BIG_PAGE_HEADER);
	bool is_kept;
	struct slot *holder = block_holder(shard, block, &is_kept);
	if (!holder && !is_kept) {
		__atomic_store_n(&page->magic, 0, __ATOMIC_RELEASE);
		page_give(page);
		return;
	}
	if (holder)
		region_link(shard, holder, block);
	shard->page_bytes += pages * SHM_PAGE_SIZE;
	shard->region_bytes += block_bytes(shard, block);
}

static void memory_page_rebuild(struct shard *shard, struct heap_page *page,
				struct page_entry entry)
{
	if (page->magic == 0)
		page_give(page); /* its taker or its giver died halfway */
	else if (!memory_page_is_sound(shard, page, entry.kind))
		heap_page_set_aside(shard, page);
	else if (entry.kind == PAGE_BIG)
		big_page_rebuild(shard, page, entry.pages);
	else
		heap_page_rebuild(shard, page);
}

/* ---- the whole shard ---- */
static void indexes_reset(struct shard *shard)
{
	shard->live = shard->unfinished = 0;
	shard->first_page = shard->last_page = shard->first_partial = 0;
	shard->empty_slot_pages = 0;
	shard->page_bytes = 0;
	wheel_reset(shard, false);
	index_reset(shard);
	heap_reset(shard);
}

static void slots_rebuild(struct shard *shard)
{
	for (uint32_t number = 0; number < page_high(); number++) {
		struct page_entry entry = page_look(number);
		if (entry.kind != PAGE_SLOTS || entry.owner != shard->owner)
			continue;
		struct slot_page *page = page_at(shard->base, number);
		if (page->magic == SLOT_PAGE_MAGIC) {
			slot_page_rebuild(shard, page);
		} else if (page->magic == 0) {
			page_give(page);
		} else {
			page_set_damaged(page);
			shard->quarantined++;
		}
	}
}

static void memory_rebuild(struct shard *shard)
{
	for (uint32_t number = 0; number < page_high(); number++) {
		struct page_entry entry = page_look(number);
		if ((entry.kind == PAGE_HEAP || entry.kind == PAGE_BIG) &&
		    entry.owner == shard->owner)
			memory_page_rebuild(shard, page_at(shard->base, number), entry);
	}
}

void shard_repair(struct shard *shard)
{
	shard->repairs++;
	shard->repair_attempts++;
	uint64_t lost = shard->lost, quarantined = shard->quarantined;
	shm_touch_lock(); /* the dead one may have left a page that only a repair of the table shows */
	indexes_reset(shard);
	CRASH_POINT("repair: indexes empty");
	slots_rebuild(shard);
	CRASH_POINT("repair: slots done");
	memory_rebuild(shard);
	shard->repair_attempts = 0;
	log_warning(
		"%s: shard %u was repaired after a process died: %u slots live, %u lost, %u set aside",
		shard->set->type->name, shard->number, shard->live, (unsigned)(shard->lost - lost),
		(unsigned)(shard->quarantined - quarantined));
}

void shard_touch_all(struct shard_set *set)
{
	for (unsigned number = 0; number < set->count; number++)
		shard_unlock(shard_lock_number(set, number));
}

void shard_touch_all_sets(void)
{
	shm_touch_lock();
	for (struct shard_set *set = shard_set_next(NULL); set; set = shard_set_next(set))
		shard_touch_all(set);
}
