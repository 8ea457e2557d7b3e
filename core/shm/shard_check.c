/* SPDX-License-Identifier: BSD-2-Clause */
/* shard_check: walks a shard and tells whether indexes and truths agree. Changes nothing. */
#include <stdarg.h>
#include <stdio.h>

#include "core/base/log.h"
#include "core/shm/internal.h"
#include "core/shm/repair.h"

#define LINES_MOST 20

/* What one walk has found. */
struct check {
	struct shard *shard;
	unsigned wrong;
	uint32_t live;
	uint32_t slot_pages, empty_slot_pages, partial_pages;
	uint32_t timers;
	uint64_t region_blocks; /* blocks in the regions of live slots */
	uint64_t owned_blocks;  /* blocks whose marks name a live slot */
	uint64_t used_bytes;
	uint64_t page_bytes;
	uint32_t free_blocks;
	uint32_t hot_blocks;
};

[[gnu::format(printf, 2, 3)]] static void complain(struct check *check, const char *format, ...)
{
	if (check->wrong++ >= LINES_MOST)
		return;
	char text[200];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_error("%s: shard %u: %s", check->shard->set->type->name, check->shard->number, text);
}

static void check_region(struct check *check, const struct slot *slot)
{
	struct shard *shard = check->shard;
	uint32_t previous = 0;
	uint64_t most = shard->region_bytes / sizeof(struct block);
	for (uint32_t ref = slot->region; ref && most > 0; most--) {
		struct block *block = ref_at(shard, ref);
		if (page_look(ref / REFS_PER_PAGE).owner != shard->owner ||
		    block_owner(block) != slot->index || block->previous != previous) {
			complain(check, "slot %u: its region leads to a block that is not its own",
				 slot->index);
			return;
		}
		check->region_blocks++;
		previous = ref;
		ref = block->next;
	}
}

static void check_slot(struct check *check, struct slot *slot)
{
	struct shard *shard = check->shard;
	if (slot->index != ref_of(shard, slot) || slot->check != slot_checksum(shard, slot)) {
		complain(check, "slot %u: damaged header", ref_of(shard, slot));
		return;
	}
	if (slot->state != SLOT_LIVE) {
		complain(check, "slot %u: state %u while nobody works on it", slot->index,
			 slot->state);
		return;
	}
	check->live++;
	if (!index_has(shard, slot))
		complain(check, "slot %u: not found by its hash", slot->index);
	if (shard->set->type->verify && !shard->set->type->verify(slot))
		complain(check, "slot %u: impossible content", slot->index);
	check_region(check, slot);
	const struct slot_timer *timers = slot_timers(shard, slot);
	for (unsigned which = 0; which < shard->set->type->timer_count; which++) {
		check->timers += timers[which].due != 0;
		if (timers[which].due && (timers[which].due & 3) != which)
			complain(check, "slot %u: timer %u calls itself another", slot->index,
				 which);
	}
}

static void check_slot_page(struct check *check, struct slot_page *page)
{
	struct shard *shard = check->shard;
	uint32_t number = page_number_of(shard->base, page), count = shard->set->slots_per_page;
	uint32_t used = 0, listed = 0;
	if (page->magic != SLOT_PAGE_MAGIC || page->owner != shard->owner || page->fresh > count) {
		complain(check, "page %u: damaged header", number);
		return;
	}
	for (uint32_t n = 0; n < count; n++) {
		struct slot *slot = page_slot(shard, page, n);
		used += slot->state != SLOT_FREE;
		if (slot->state != SLOT_FREE && slot->state != SLOT_SET_ASIDE)
			check_slot(check, slot);
	}
	for (uint32_t n = page->free_first; n && n <= count && listed <= count; listed++) {
		if (page_slot(shard, page, n - 1)->state != SLOT_FREE)
			complain(check, "page %u: slot %u is in use and listed as free", number,
				 n - 1);
		n = page_slot(shard, page, n - 1)->chain;
	}
	if (used != page->used || used + listed + (count - page->fresh) != count)
		complain(check, "page %u: %u slots in use, counted %u, %u listed as free", number,
			 used, page->used, listed);
	check->slot_pages++;
	check->empty_slot_pages += used == 0;
	check->partial_pages += used < count;
	check->page_bytes += SHM_PAGE_SIZE;
}

static void count_block(struct check *check, struct block *block)
{
	struct shard *shard = check->shard;
	uint32_t owner = block_owner(block);
	check->used_bytes += block_bytes(shard, block);
	if (owner == OWNER_INDEX) {
		if (!index_owns(shard, block))
			complain(check, "block %u belongs to the index, which does not know it",
				 ref_of(shard, block));
		return;
	}
	struct slot *slot = slot_locate(shard, owner);
	if (!slot || slot->state == SLOT_FREE)
		complain(check, "block %u belongs to %u, which is no slot in use",
			 ref_of(shard, block), owner);
	else if (slot->state != SLOT_SET_ASIDE)
		check->owned_blocks++;
}

static void check_heap_page(struct check *check, struct heap_page *page)
{
	struct shard *shard = check->shard;
	uint32_t before = 0;
	bool is_free_before = false;
	for (uint32_t at = 0; at < HEAP_UNITS; at += before) {
		struct block *block = (struct block *)((char *)page + HEAP_PAGE_HEADER +
						       ((size_t)at << REF_SHIFT));
		bool is_free = block_owner(block) == OWNER_FREE;
		if (!block_is_sound(shard, block) || block_units(block) == 0 ||
		    block_units_before(block) != before) {
			complain(check, "block %u: damaged mark", ref_of(shard, block));
			return;
		}
		if (is_free && is_free_before)
			complain(check, "block %u: two free blocks side by side",
				 ref_of(shard, block));
		if (is_free)
			check->free_blocks++;
		else if (block_owner(block) == OWNER_NOBODY)
			check->hot_blocks++;
		else
			count_block(check, block);
		is_free_before = is_free;
		before = block_units(block);
	}
	check->page_bytes += SHM_PAGE_SIZE;
}

static void check_page(struct check *check, void *page, struct page_entry entry)
{
	switch ((enum page_kind)entry.kind) {
	case PAGE_SLOTS: check_slot_page(check, page); break;
	case PAGE_HEAP: check_heap_page(check, page); break;
	case PAGE_BIG:
		count_block(check, (struct block *)((char *)page + BIG_PAGE_HEADER));
		check->page_bytes += entry.pages * SHM_PAGE_SIZE;
		break;
	case PAGE_FREE:
	case PAGE_FIXED:
	case PAGE_RUN:
	case PAGE_DAMAGED: break;
	}
}

static void check_free_lists(struct check *check)
{
	struct shard *shard = check->shard;
	uint32_t listed = 0, empty = 0;
	for (unsigned list = 0; list < HEAP_LISTS; list++) {
		uint32_t previous = 0;
		uint32_t ref = shard->heap.first[list];
		if ((ref != 0) != (shard->heap.occupied[list / 64] >> (list & 63) & 1))
			complain(check, "free list %u: its bit lies", list);
		for (; ref && listed <= check->free_blocks; listed++) {
			struct block *block = ref_at(shard, ref);
			if (block_owner(block) != OWNER_FREE || block->previous != previous ||
			    heap_list_of(block_units(block)) != list)
				complain(check, "free list %u: block %u does not belong there",
					 list, ref);
			empty += block_units(block) == HEAP_UNITS;
			previous = ref;
			ref = block->next;
		}
	}
	if (listed != check->free_blocks || empty != shard->heap.empty_pages)
		complain(check, "%u free blocks, %u listed; %u empty pages, counted %u",
			 check->free_blocks, listed, empty, shard->heap.empty_pages);
}

static void check_hot(struct check *check)
{
	const struct heap *heap = &check->shard->heap;
	if (check->hot_blocks != heap->hot_count || heap->hot_count > HOT_MOST) {
		complain(check, "%u hot blocks, %u listed", check->hot_blocks, heap->hot_count);
		return;
	}
	for (uint32_t i = 0; i < heap->hot_count; i++) {
		const struct block *block = ref_at(check->shard, heap->hot[i].ref);
		if (block_owner(block) != OWNER_NOBODY || block_units(block) != heap->hot[i].units)
			complain(check, "block %u is hot, and is not", heap->hot[i].ref);
	}
}

static void check_page_lists(struct check *check)
{
	struct shard *shard = check->shard;
	uint32_t pages = 0, partial = 0, last = 0;
	for (uint32_t page = shard->first_page; page && pages <= check->slot_pages; pages++) {
		if (page <= last)
			complain(check, "page %u: the list of pages is not sorted", page);
		last = page;
		page = ((struct slot_page *)page_at(shard->base, page))->next;
	}
	for (uint32_t page = shard->first_partial; page && partial <= check->slot_pages; partial++)
		page = ((struct slot_page *)page_at(shard->base, page))->next_partial;
	if (pages != check->slot_pages || last != shard->last_page)
		complain(check, "%u slot pages, %u listed", check->slot_pages, pages);
	if (partial != check->partial_pages || check->empty_slot_pages != shard->empty_slot_pages)
		complain(check, "%u pages with room, %u listed; %u empty, counted %u",
			 check->partial_pages, partial, check->empty_slot_pages,
			 shard->empty_slot_pages);
}

static void check_sums(struct check *check)
{
	struct shard *shard = check->shard;
	if (check->live != shard->live || index_count(shard) != shard->live)
		complain(check, "%u live slots, counted %u, indexed %u", check->live, shard->live,
			 index_count(shard));
	if (check->timers != shard->wheel.armed || wheel_count(shard) != shard->wheel.armed)
		complain(check, "%u timers armed, counted %u, on the wheel %u", check->timers,
			 shard->wheel.armed, wheel_count(shard));
	if (check->owned_blocks != check->region_blocks)
		complain(check, "%llu blocks belong to slots, %llu found from slots",
			 (unsigned long long)check->owned_blocks,
			 (unsigned long long)check->region_blocks);
	if (check->used_bytes != shard->region_bytes)
		complain(check, "%llu bytes in blocks, counted %llu",
			 (unsigned long long)check->used_bytes,
			 (unsigned long long)shard->region_bytes);
	if (check->page_bytes != shard->page_bytes)
		complain(check, "%llu bytes in pages, counted %llu",
			 (unsigned long long)check->page_bytes,
			 (unsigned long long)shard->page_bytes);
	if (shard->unfinished)
		complain(check, "%u slots half done", shard->unfinished);
}

static unsigned shard_check(struct shard *shard)
{
	struct check check = { .shard = shard };
	for (uint32_t number = 0; number < page_high(); number++) {
		struct page_entry entry = page_look(number);
		bool is_ours = entry.kind == PAGE_SLOTS || entry.kind == PAGE_HEAP ||
			       entry.kind == PAGE_BIG;
		if (is_ours && entry.owner == shard->owner)
			check_page(&check, page_at(shard->base, number), entry);
	}
	check_free_lists(&check);
	check_hot(&check);
	check_page_lists(&check);
	check_sums(&check);
	return check.wrong;
}

unsigned shard_set_check(struct shard_set *set)
{
	unsigned wrong = 0;
	for (unsigned number = 0; number < set->count; number++) {
		struct shard *shard = shard_lock_number(set, number);
		wrong += shard_check(shard);
		shard_unlock(shard);
	}
	return wrong;
}

unsigned shard_check_all_sets(void)
{
	unsigned wrong = shm_check();
	for (struct shard_set *set = shard_set_next(NULL); set; set = shard_set_next(set))
		wrong += shard_set_check(set);
	return wrong;
}
