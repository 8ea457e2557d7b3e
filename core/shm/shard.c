/* SPDX-License-Identifier: BSD-2-Clause */
/* shard: sets of shards, their locks and their slots. */
#include "core/shm/shard.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/shm/foresee.h"
#include "core/shm/internal.h"

#define SLOT_BYTES_MOST 16000
/* Empty pages that a shard keeps, so that one entity that comes and goes does not carry a page with it. */
#define EMPTY_PAGES_KEPT 1

_Static_assert(sizeof(struct slot) == 32, "every entity pays for its slot header");
_Static_assert(sizeof(struct slot_timer) == 16 && sizeof(struct block) == 16,
	       "positions count 16 bytes");
_Static_assert(sizeof(struct slot_page) <= SLOT_PAGE_HEADER, "slots begin behind the page header");

static size_t round_up(size_t size, size_t multiple)
{
	return (size + multiple - 1) / multiple * multiple;
}

/* ---- sets ---- */
static void shard_set_up(struct shard_set *set, unsigned number)
{
	struct shard *shard = set_shard(set, number);
	lock_init(&shard->lock, LOCK_SHARD);
	shard->base = map_base();
	shard->set = set;
	shard->number = number;
	shard->owner = set->id << 16 | number;
	shard->bucket_count = BUCKETS_FIRST;
	wheel_reset(shard, true);
}

struct shard_set *shard_set_new(const struct shard_type *type, unsigned wanted)
{
	bug_if(type->slot_size < sizeof(struct slot) || type->slot_size > SLOT_BYTES_MOST,
	       "%s: slots of %zu bytes", type->name, type->slot_size);
	bug_if(type->timer_count > SHARD_TIMERS_MOST, "%s: %u timers", type->name,
	       type->timer_count);
	bug_if(wanted > SHARDS_MOST, "%s: %u shards", type->name, wanted);
	struct shard_set *set = shm_reserve(sizeof(*set), type->name);
	if (!set)
		return NULL;
	while (1u << set->shard_bits < wanted)
		set->shard_bits++;
	set->type = type;
	set->count = 1u << set->shard_bits;
	set->timers_offset = (uint32_t)round_up(type->slot_size, 16);
	set->stride = set->timers_offset + type->timer_count * (uint32_t)sizeof(struct slot_timer);
	set->slots_per_page = (uint32_t)((SHM_PAGE_SIZE - SLOT_PAGE_HEADER) / set->stride);
	set->kept_offset = (uint32_t)round_up(sizeof(struct shard), 64);
	set->shard_size = round_up(set->kept_offset + set->stride, 64);
	set->shards = shm_reserve(set->shard_size * set->count, type->name);
	if (!set->shards)
		return NULL;
	struct shard_set **end = map_sets();
	for (set->id = 1; *end; end = &(*end)->next)
		set->id++;
	for (unsigned number = 0; number < set->count; number++)
		shard_set_up(set, number);
	*end = set;
	return set;
}

unsigned shard_count(const struct shard_set *set)
{
	return set->count;
}

unsigned shard_number(const struct shard_set *set, uint64_t hash)
{
	return (unsigned)hash & (set->count - 1);
}

struct shard_set *shard_set_next(struct shard_set *set)
{
	return set ? set->next : *map_sets();
}

const char *shard_set_name(const struct shard_set *set)
{
	return set->type->name;
}

/* ---- locks ---- */
static void fetch_shard(const struct shard *shard)
{
	fetch_to_write(&shard->lock);
	fetch_to_write(&shard->heap);
	fetch_to_write(&shard->wheel);
}

void shard_foresee(struct shard_set *set, uint64_t hash)
{
	struct shard *shard = set_shard(set, shard_number(set, hash));
	fetch_shard(shard);
	index_foresee(shard, hash);
}

#define SLOT_FORESEEN_MOST 512

static void fetch_slot(const struct shard_set *set, const char *slot)
{
	fetch_lines(slot, set->stride < SLOT_FORESEEN_MOST ? set->stride : SLOT_FORESEEN_MOST);
}

void slot_foresee(struct shard_set *set, unsigned number, uint32_t index)
{
	fetch_shard(set_shard(set, number & (set->count - 1)));
	fetch_slot(set, map_base() + ((size_t)index << REF_SHIFT));
}

void shard_foresee_new(struct shard_set *set, uint64_t hash, size_t size)
{
	struct shard *shard = set_shard(set, shard_number(set, hash));
	uint32_t number = __atomic_load_n(&shard->first_partial, __ATOMIC_RELAXED);
	if (number) {
		struct slot_page *page = page_at(shard->base, number);
		uint32_t next = __atomic_load_n(&page->free_first, __ATOMIC_RELAXED);
		if (!next)
			next = __atomic_load_n(&page->fresh, __ATOMIC_RELAXED) + 1;
		if (next <= set->slots_per_page)
			fetch_slot(set, (const char *)page_slot(shard, page, next - 1));
	}
	heap_foresee(shard, size);
}

const void *slot_glimpse(uint32_t index)
{
	return page_look(index / REFS_PER_PAGE).kind == PAGE_SLOTS
		       ? map_base() + ((size_t)index << REF_SHIFT)
		       : NULL;
}

struct shard *shard_lock_number(struct shard_set *set, unsigned number)
{
	bug_if(number >= set->count, "%s has no shard %u", set->type->name, number);
	struct shard *shard = set_shard(set, number);
	fetch_shard(shard);
	if (__builtin_expect(lock_take(&shard->lock) == LOCK_OWNER_DIED, 0)) {
		shard_repair(shard);
		lock_mark_consistent(&shard->lock);
	}
	return shard;
}

struct shard *shard_lock(struct shard_set *set, uint64_t hash)
{
	return shard_lock_number(set, shard_number(set, hash));
}

void shard_unlock(struct shard *shard)
{
	bug_if(shard->unfinished != 0, "%s: %u slots are left half done", shard->set->type->name,
	       shard->unfinished);
	lock_release(&shard->lock);
}

/* ---- pages of slots ---- */
static struct slot_page *slot_page_at(struct shard *shard, uint32_t number)
{
	return page_at(shard->base, number);
}

static uint32_t slot_page_number(const struct shard *shard, const struct slot_page *page)
{
	return page_number_of(shard->base, page);
}

/* Keeps the list sorted by page number; new pages mostly have the highest. */
void slot_page_append(struct shard *shard, struct slot_page *page)
{
	uint32_t number = slot_page_number(shard, page);
	uint32_t before = shard->last_page;
	while (before > number)
		before = slot_page_at(shard, before)->previous;
	page->previous = before;
	page->next = before ? slot_page_at(shard, before)->next : shard->first_page;
	if (before)
		slot_page_at(shard, before)->next = number;
	else
		shard->first_page = number;
	if (page->next)
		slot_page_at(shard, page->next)->previous = number;
	else
		shard->last_page = number;
}

static void slot_page_remove(struct shard *shard, struct slot_page *page)
{
	if (page->previous)
		slot_page_at(shard, page->previous)->next = page->next;
	else
		shard->first_page = page->next;
	if (page->next)
		slot_page_at(shard, page->next)->previous = page->previous;
	else
		shard->last_page = page->previous;
}

void slot_page_set_partial(struct shard *shard, struct slot_page *page)
{
	page->previous_partial = 0;
	page->next_partial = shard->first_partial;
	if (shard->first_partial)
		slot_page_at(shard, shard->first_partial)->previous_partial =
			slot_page_number(shard, page);
	shard->first_partial = slot_page_number(shard, page);
}

static void slot_page_clear_partial(struct shard *shard, struct slot_page *page)
{
	if (page->previous_partial)
		slot_page_at(shard, page->previous_partial)->next_partial = page->next_partial;
	else
		shard->first_partial = page->next_partial;
	if (page->next_partial)
		slot_page_at(shard, page->next_partial)->previous_partial = page->previous_partial;
}

static struct slot_page *slot_page_new(struct shard *shard)
{
	struct slot_page *page = page_take(PAGE_SLOTS, shard->owner, 1);
	if (!page)
		return NULL;
	/* All slots read as free before the page counts: what lies here is somebody's old data. The rest of
	 * a slot is cleared when it is taken. */
	memset(page, 0, SLOT_PAGE_HEADER);
	for (uint32_t i = 0; i < shard->set->slots_per_page; i++)
		*page_slot(shard, page, i) = (struct slot){ 0 };
	page->owner = shard->owner;
	store_order();
	CRASH_POINT("slot page cleared");
	__atomic_store_n(&page->magic, SLOT_PAGE_MAGIC, __ATOMIC_RELEASE);
	store_order();
	CRASH_POINT("slot page valid, not listed");
	slot_page_append(shard, page);
	slot_page_set_partial(shard, page);
	shard->empty_slot_pages++;
	shard->page_bytes += SHM_PAGE_SIZE;
	return page;
}

static void slot_page_free(struct shard *shard, struct slot_page *page)
{
	slot_page_clear_partial(shard, page);
	slot_page_remove(shard, page);
	shard->empty_slot_pages--;
	shard->page_bytes -= SHM_PAGE_SIZE;
	CRASH_POINT("slot page unlisted");
	__atomic_store_n(&page->magic, 0, __ATOMIC_RELEASE);
	store_order();
	page_give(page);
}

/* A free slot, taken out of its page's list; its state still says free. */
static struct slot *slot_take_free(struct shard *shard)
{
	struct slot_page *page = shard->first_partial ? slot_page_at(shard, shard->first_partial)
						      : slot_page_new(shard);
	if (!page)
		return NULL;
	struct slot *slot;
	if (page->free_first) {
		slot = page_slot(shard, page, page->free_first - 1);
		page->free_first = slot->chain;
	} else {
		slot = page_slot(shard, page, page->fresh++);
	}
	if (page->used++ == 0)
		shard->empty_slot_pages--;
	if (!page->free_first && page->fresh == shard->set->slots_per_page)
		slot_page_clear_partial(shard, page);
	return slot;
}

static void slot_put_free(struct shard *shard, struct slot *slot)
{
	struct slot_page *page = page_of(slot);
	uint32_t offset = (uint32_t)((char *)slot - (char *)page) - SLOT_PAGE_HEADER;
	bool was_full = !page->free_first && page->fresh == shard->set->slots_per_page;
	slot->chain = page->free_first;
	page->free_first = offset / shard->set->stride + 1;
	if (was_full)
		slot_page_set_partial(shard, page);
	if (--page->used > 0)
		return;
	if (++shard->empty_slot_pages > EMPTY_PAGES_KEPT)
		slot_page_free(shard, page);
}

/* ---- slots ---- */
uint32_t slot_checksum(const struct shard *shard, const struct slot *slot)
{
	uint64_t sum = (uint64_t)slot->generation << 32 | slot->index;
	sum = (sum ^ slot->hash ^ (uint64_t)shard->owner << 20) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(sum >> 32) | 1;
}

static void slot_set_state(struct slot *slot, enum slot_state value)
{
	store_order();
	__atomic_store_n(&slot->state, (uint8_t)value, __ATOMIC_RELEASE);
	store_order();
}

void *slot_new(struct shard *shard, uint64_t hash)
{
	struct slot *slot = fault_hits() ? NULL : slot_take_free(shard);
	if (!slot)
		return NULL;
	CRASH_POINT("slot taken, still free");
	memset(slot, 0, shard->set->stride);
	slot->index = ref_of(shard, slot);
	if (++shard->generation == 0)
		shard->generation = 1;
	slot->generation = shard->generation;
	slot->hash = hash;
	slot->shard = (uint16_t)shard->number;
	slot->check = slot_checksum(shard, slot);
	CRASH_POINT("slot filled, still free");
	slot_set_state(slot, SLOT_BUILDING);
	shard->unfinished++;
	CRASH_POINT("slot building");
	return slot;
}

void slot_publish(struct shard *shard, struct slot *slot)
{
	bug_if(slot->state != SLOT_BUILDING, "slot %u is published in state %u", slot->index,
	       slot->state);
	index_insert(shard, slot);
	CRASH_POINT("slot chained, still building");
	slot_set_state(slot, SLOT_LIVE);
	CRASH_POINT("slot live, not counted");
	shard->unfinished--;
	shard->live++;
	index_adjust(shard);
}

/* Blocks that the slot gives up are freed after the change, so what it points to stays as well. */
static void keep_for_repair(struct shard *shard, const struct slot *slot)
{
	shard->kept_index = 0;
	store_order();
	memcpy(shard_kept(shard), slot, shard->set->stride);
	shard->kept_generation = slot->generation;
	store_order();
	shard->kept_index = slot->index;
}

void slot_change_begin(struct shard *shard, struct slot *slot)
{
	bug_if(slot->state != SLOT_LIVE, "slot %u is changed in state %u", slot->index,
	       slot->state);
	keep_for_repair(shard, slot);
	slot_set_state(slot, SLOT_CHANGING);
	shard->unfinished++;
	CRASH_POINT("slot changing");
}

void slot_change_end(struct shard *shard, struct slot *slot)
{
	bug_if(slot->state != SLOT_CHANGING, "slot %u ends a change in state %u", slot->index,
	       slot->state);
	CRASH_POINT("slot changed, still changing");
	slot_set_state(slot, SLOT_LIVE);
	shard->kept_index = 0;
	shard->unfinished--;
}

void slot_free(struct shard *shard, struct slot *slot)
{
	bool was_chained = slot_is_in_use(slot);
	bug_if(!was_chained && slot->state != SLOT_BUILDING, "slot %u is freed in state %u",
	       slot->index, slot->state);
	if (slot->state == SLOT_LIVE)
		shard->unfinished++;
	/* Whoever finds it half freed shall drop the rest. */
	shard->kept_index = 0;
	slot_set_state(slot, SLOT_CHANGING);
	CRASH_POINT("slot leaving");
	timer_disarm_all(shard, slot);
	region_free_all(shard, slot);
	if (was_chained) {
		index_remove(shard, slot);
		shard->live--;
	}
	CRASH_POINT("slot empty, still changing");
	slot_set_state(slot, SLOT_FREE);
	CRASH_POINT("slot free, not listed");
	shard->unfinished--;
	slot->generation = 0;
	slot_put_free(shard, slot);
	index_adjust(shard);
	if (shard->live == 0)
		heap_cool(shard);
}

/* ---- finding ---- */
struct slot *slot_locate(struct shard *shard, uint32_t index)
{
	struct page_entry entry = page_look(index / REFS_PER_PAGE);
	if (entry.kind != PAGE_SLOTS || entry.owner != shard->owner)
		return NULL;
	struct slot_page *page = slot_page_at(shard, index / REFS_PER_PAGE);
	uint32_t offset = index % REFS_PER_PAGE << REF_SHIFT;
	if (page->magic != SLOT_PAGE_MAGIC || offset < SLOT_PAGE_HEADER)
		return NULL;
	offset -= SLOT_PAGE_HEADER;
	if (offset % shard->set->stride ||
	    offset / shard->set->stride >= shard->set->slots_per_page)
		return NULL;
	return ref_at(shard, index);
}

void *slot_at(struct shard *shard, uint32_t index, uint32_t generation)
{
	struct slot *slot = slot_locate(shard, index);
	if (!slot || !slot_is_in_use(slot) || slot->generation != generation)
		return NULL;
	return slot;
}

/* The page to look at from `cursor` on: its own when it still is ours, else the next that we have. */
static uint32_t page_from(struct shard *shard, uint32_t cursor)
{
	uint32_t number = cursor / REFS_PER_PAGE;
	struct page_entry entry = page_look(number);
	if (entry.kind == PAGE_SLOTS && entry.owner == shard->owner)
		return number;
	uint32_t page = shard->first_page;
	while (page && page < number)
		page = slot_page_at(shard, page)->next;
	return page;
}

void *slot_each(struct shard *shard, uint32_t *cursor)
{
	uint32_t stride_refs = shard->set->stride >> REF_SHIFT;
	for (uint32_t number = page_from(shard, *cursor); number;
	     number = slot_page_at(shard, number)->next) {
		struct slot_page *page = slot_page_at(shard, number);
		uint32_t first = ref_of(shard, page_slot(shard, page, 0));
		uint32_t n =
			*cursor > first ? (*cursor - first + stride_refs - 1) / stride_refs : 0;
		for (; n < page->fresh; n++) {
			struct slot *slot = page_slot(shard, page, n);
			if (!slot_is_in_use(slot))
				continue;
			*cursor = slot->index + stride_refs;
			return slot;
		}
	}
	*cursor = UINT32_MAX;
	return NULL;
}

/* ---- figures ---- */
#define peek(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

uint32_t shard_live(const struct shard_set *set, unsigned number)
{
	return peek(set_shard(set, number)->live);
}

uint64_t shard_set_live(const struct shard_set *set)
{
	uint64_t live = 0;
	for (unsigned number = 0; number < set->count; number++)
		live += shard_live(set, number);
	return live;
}

void shard_set_usage(const struct shard_set *set, struct shard_usage *out_usage)
{
	struct shard_usage usage = { 0 };
	for (unsigned number = 0; number < set->count; number++) {
		struct shard *shard = set_shard(set, number);
		usage.live += peek(shard->live);
		usage.region_bytes += peek(shard->region_bytes);
		usage.page_bytes += peek(shard->page_bytes);
		usage.repairs += peek(shard->repairs);
		usage.lost += peek(shard->lost);
		usage.quarantined += peek(shard->quarantined);
	}
	usage.slot_bytes = usage.live * set->stride;
	*out_usage = usage;
}

void shard_usage_of(const char *name, struct shard_usage *out_usage)
{
	struct shard_set *set = *map_sets();
	while (set && strcmp(set->type->name, name) != 0)
		set = set->next;
	*out_usage = (struct shard_usage){ 0 };
	if (set)
		shard_set_usage(set, out_usage);
}

uint64_t shard_bytes_of_all_sets(void)
{
	uint64_t bytes = 0;
	for (struct shard_set *set = *map_sets(); set; set = set->next) {
		struct shard_usage usage;
		shard_set_usage(set, &usage);
		bytes += usage.slot_bytes + usage.region_bytes;
	}
	return bytes;
}

static void shard_trim(struct shard *shard)
{
	for (uint32_t number = shard->first_page; number && shard->empty_slot_pages;) {
		struct slot_page *page = slot_page_at(shard, number);
		number = page->next;
		if (page->used == 0)
			slot_page_free(shard, page);
	}
	index_trim(shard);
	heap_trim(shard);
}

void shard_set_trim(struct shard_set *set)
{
	for (unsigned number = 0; number < set->count; number++) {
		struct shard *shard = shard_lock_number(set, number);
		shard_trim(shard);
		shard_unlock(shard);
	}
}
