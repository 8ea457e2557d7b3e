/* SPDX-License-Identifier: BSD-2-Clause */
/* region: the heap of a shard. Blocks lie side by side in pages of 32 KiB; free ones are kept in
 * lists by size with a bitmap over the lists, so taking and giving back cost the same whatever the
 * heap holds ("two-level segregated fit", Masmano 2004), and neighbours that are free are one
 * block. A split, a merge, a change of owner are each one store of a mark, so walking a page from
 * its start always meets valid marks. */
#include "core/shm/region.h"

#include "core/base/fault.h"
#include "core/shm/foresee.h"
#include "core/shm/internal.h"

#define EMPTY_PAGES_KEPT 1
#define BLOCK_MOST       ((size_t)1 << 30)
/* The smallest rest that becomes a block of its own. */
#define REST_LEAST 2
/* How far a list is searched for a block that fits before a larger one is cut. */
#define SEARCH_MOST 4
/* So many bytes are asked for ahead: an ordinary message. */
#define FORESEEN_MOST 2048

/* ---- marks ---- */
#define MARK_TRUTH (((uint64_t)1 << 44) - 1) /* owner and units; the units before are index */

static uint64_t mark_check(uint32_t ref, uint64_t mark)
{
	return ((mark & MARK_TRUTH) + ((uint64_t)ref << 20) + 1) * 0x9e3779b97f4a7c15u >> 56;
}

static void mark_write(struct shard *shard, struct block *block, uint32_t owner, uint32_t units,
		       uint32_t units_before)
{
	uint64_t mark = owner | (uint64_t)units << 32;
	mark |= mark_check(ref_of(shard, block), mark) << 56 | (uint64_t)units_before << 44;
	store_order();
	__atomic_store_n(&block->mark, mark, __ATOMIC_RELEASE);
	store_order();
}

bool block_is_sound(const struct shard *shard, const struct block *block)
{
	if (block->mark >> 56 != mark_check(ref_of(shard, block), block->mark))
		return false;
	uint32_t units = block_units(block);
	size_t offset = (size_t)((const char *)block - (const char *)page_of(block));
	return offset + ((size_t)units << REF_SHIFT) <= SHM_PAGE_SIZE;
}

void heap_set_owner(struct shard *shard, struct block *block, uint32_t owner)
{
	mark_write(shard, block, owner, block_units(block), block_units_before(block));
}

void heap_make_free(struct shard *shard, struct block *block, uint32_t units, uint32_t units_before)
{
	mark_write(shard, block, OWNER_FREE, units, units_before);
}

static struct block *block_after(const struct block *block)
{
	char *after = (char *)block + ((size_t)block_units(block) << REF_SHIFT);
	return after < (char *)page_of(block) + SHM_PAGE_SIZE ? (struct block *)after : NULL;
}

static struct block *block_before(const struct block *block)
{
	uint32_t units = block_units_before(block);
	return units ? (struct block *)((char *)block - ((size_t)units << REF_SHIFT)) : NULL;
}

static void tell_block_after(struct shard *shard, struct block *block)
{
	struct block *after = block_after(block);
	if (after)
		mark_write(shard, after, block_owner(after), block_units(after),
			   block_units(block));
}

size_t block_bytes(const struct shard *shard, const struct block *block)
{
	uint32_t units = block_units(block);
	if (units)
		return (size_t)units << REF_SHIFT;
	uint32_t pages = page_look(page_number_of(shard->base, block)).pages;
	return pages * SHM_PAGE_SIZE - BIG_PAGE_HEADER;
}

/* ---- lists of free blocks ---- */
/* 1-15 units have a list each; above, every doubling has eight. */
unsigned heap_list_of(uint32_t units)
{
	if (units < 16)
		return units;
	unsigned power = 31 - (unsigned)__builtin_clz(units);
	return 16 + (power - 4) * 8 + (units >> (power - 3) & 7);
}

void heap_insert(struct shard *shard, struct block *block)
{
	struct heap *heap = &shard->heap;
	unsigned list = heap_list_of(block_units(block));
	block->previous = 0;
	block->next = heap->first[list];
	if (block->next)
		((struct block *)ref_at(shard, block->next))->previous = ref_of(shard, block);
	heap->first[list] = ref_of(shard, block);
	heap->occupied[list / 64] |= (uint64_t)1 << (list & 63);
	if (block_units(block) == HEAP_UNITS)
		heap->empty_pages++;
}

static void heap_remove(struct shard *shard, struct block *block)
{
	struct heap *heap = &shard->heap;
	unsigned list = heap_list_of(block_units(block));
	if (block->previous)
		((struct block *)ref_at(shard, block->previous))->next = block->next;
	else
		heap->first[list] = block->next;
	if (block->next)
		((struct block *)ref_at(shard, block->next))->previous = block->previous;
	if (!heap->first[list])
		heap->occupied[list / 64] &= ~((uint64_t)1 << (list & 63));
	if (block_units(block) == HEAP_UNITS)
		heap->empty_pages--;
}

void heap_reset(struct shard *shard)
{
	shard->heap = (struct heap){ 0 };
	shard->region_bytes = 0;
}

/* The first list at or after `list` that has blocks; HEAP_LISTS when there is none. */
static unsigned list_occupied(const struct heap *heap, unsigned list)
{
	for (unsigned word = list / 64; word < ARRAY_SIZE(heap->occupied); word++) {
		uint64_t bits = heap->occupied[word];
		if (word == list / 64)
			bits &= ~(uint64_t)0 << (list & 63);
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return HEAP_LISTS;
}

static struct block *heap_find(struct shard *shard, uint32_t units)
{
	unsigned list = heap_list_of(units);
	uint32_t ref = shard->heap.first[list];
	for (unsigned i = 0; ref && i < SEARCH_MOST; i++) {
		struct block *block = ref_at(shard, ref);
		if (block_units(block) >= units)
			return block;
		ref = block->next;
	}
	list = list_occupied(&shard->heap, list + 1);
	return list < HEAP_LISTS ? ref_at(shard, shard->heap.first[list]) : NULL;
}

/* ---- pages ---- */
static struct block *heap_grow(struct shard *shard)
{
	struct heap_page *page = page_take(PAGE_HEAP, shard->owner, 1);
	if (!page)
		return NULL;
	struct block *block = (struct block *)((char *)page + HEAP_PAGE_HEADER);
	page->owner = shard->owner;
	heap_make_free(shard, block, HEAP_UNITS, 0);
	CRASH_POINT("heap page filled");
	__atomic_store_n(&page->magic, HEAP_PAGE_MAGIC, __ATOMIC_RELEASE);
	store_order();
	CRASH_POINT("heap page valid");
	shard->page_bytes += SHM_PAGE_SIZE;
	heap_insert(shard, block);
	return block;
}

static void heap_page_free(struct shard *shard, struct heap_page *page, uint32_t pages)
{
	shard->page_bytes -= pages * SHM_PAGE_SIZE;
	__atomic_store_n(&page->magic, 0, __ATOMIC_RELEASE);
	store_order();
	CRASH_POINT("heap page void");
	page_give(page);
}

static struct block *big_take(struct shard *shard, size_t size)
{
	uint32_t pages =
		(uint32_t)((size + sizeof(struct block) + BIG_PAGE_HEADER + SHM_PAGE_SIZE - 1) /
			   SHM_PAGE_SIZE);
	struct heap_page *page = page_take(PAGE_BIG, shard->owner, pages);
	if (!page)
		return NULL;
	struct block *block = (struct block *)((char *)page + BIG_PAGE_HEADER);
	page->owner = shard->owner;
	heap_make_free(shard, block, 0, 0);
	__atomic_store_n(&page->magic, BIG_PAGE_MAGIC, __ATOMIC_RELEASE);
	store_order();
	CRASH_POINT("big page valid");
	shard->page_bytes += pages * SHM_PAGE_SIZE;
	shard->region_bytes += block_bytes(shard, block);
	return block;
}

void heap_trim(struct shard *shard)
{
	heap_cool(shard);
	unsigned list = heap_list_of(HEAP_UNITS);
	for (uint32_t ref = shard->heap.first[list]; ref && shard->heap.empty_pages;) {
		struct block *block = ref_at(shard, ref);
		ref = block->next;
		if (block_units(block) != HEAP_UNITS)
			continue;
		heap_remove(shard, block);
		heap_page_free(shard, page_of(block), 1);
	}
}

/* ---- taking and giving back ---- */
/* Units of a block with room for so many bytes behind its header. */
static uint32_t units_for(size_t size)
{
	uint32_t units = (uint32_t)((size + 15) >> REF_SHIFT) + 1;
	return units < REST_LEAST ? REST_LEAST : units;
}

static void block_cut(struct shard *shard, struct block *block, uint32_t units)
{
	uint32_t rest_units = block_units(block) - units;
	if (rest_units < REST_LEAST)
		return;
	struct block *rest = (struct block *)((char *)block + ((size_t)units << REF_SHIFT));
	heap_make_free(shard, rest, rest_units, units);
	CRASH_POINT("rest written, not valid");
	heap_make_free(shard, block, units, block_units_before(block));
	CRASH_POINT("rest valid, not listed");
	tell_block_after(shard, rest);
	heap_insert(shard, rest);
}

static void fetch_block(const void *at, size_t size)
{
	fetch_lines(at, size < FORESEEN_MOST ? size : FORESEEN_MOST);
}

void heap_foresee(const struct shard *shard, size_t size)
{
	uint32_t units = units_for(size < BLOCK_MOST ? size : BLOCK_MOST);
	if (units > HEAP_UNITS)
		return;
	unsigned list = heap_list_of(units);
	uint32_t hot = __atomic_load_n(&shard->heap.hot_count, __ATOMIC_RELAXED);
	uint32_t ref = __atomic_load_n(&shard->heap.first[list], __ATOMIC_RELAXED);
	if (hot - 1 < HOT_MOST)
		ref = __atomic_load_n(&shard->heap.hot[hot - 1].ref, __ATOMIC_RELAXED);
	else if (!ref && (list = list_occupied(&shard->heap, list + 1)) < HEAP_LISTS)
		ref = __atomic_load_n(&shard->heap.first[list], __ATOMIC_RELAXED);
	if (ref)
		fetch_block(ref_at(shard, ref), size);
}

void region_foresee(const void *at, size_t size)
{
	if (at)
		fetch_block((const struct block *)at - 1, size + sizeof(struct block));
}

/* Takes a block out of the list of hot ones. */
static struct block *hot_remove(struct shard *shard, uint32_t i)
{
	struct heap *heap = &shard->heap;
	struct block *block = ref_at(shard, heap->hot[i].ref);
	heap->hot_count--;
	for (; i < heap->hot_count; i++)
		heap->hot[i] = heap->hot[i + 1];
	return block;
}

/* The newest hot block that fits and is not much too large, out of the list; NULL: none. */
static struct block *hot_take(struct shard *shard, uint32_t units)
{
	const struct heap *heap = &shard->heap;
	for (uint32_t i = heap->hot_count; i-- > 0;)
		if (heap->hot[i].units >= units && heap->hot[i].units <= 2 * units)
			return hot_remove(shard, i);
	return NULL;
}

static struct block *heap_find_or_grow(struct shard *shard, uint32_t units)
{
	struct block *block = heap_find(shard, units);
	if (!block)
		block = heap_grow(shard);
	if (!block && shard->heap.hot_count) {
		heap_cool(shard);
		block = heap_find(shard, units);
	}
	return block;
}

/* A block with room for `size` bytes behind its header, in no list, its owner still nobody. */
struct block *heap_take(struct shard *shard, size_t size)
{
	if (size > BLOCK_MOST)
		return NULL;
	uint32_t units = units_for(size);
	if (units > HEAP_UNITS)
		return big_take(shard, size);
	struct block *block = units >= HOT_UNITS_LEAST ? hot_take(shard, units) : NULL;
	if (!block) {
		block = heap_find_or_grow(shard, units);
		if (!block)
			return NULL;
		heap_remove(shard, block);
		CRASH_POINT("block taken");
		block_cut(shard, block, units);
	}
	shard->region_bytes += (uint64_t)block_units(block) << REF_SHIFT;
	return block;
}

/* Joins a block with its free neighbours. */
static void heap_join(struct shard *shard, struct block *block)
{
	uint32_t units = block_units(block);
	struct block *after = block_after(block);
	if (after && block_owner(after) == OWNER_FREE) {
		heap_remove(shard, after);
		units += block_units(after);
	}
	struct block *before = block_before(block);
	if (before && block_owner(before) == OWNER_FREE) {
		heap_remove(shard, before);
		units += block_units(before);
		/* First free in itself: a walk that finds the merge half done must not see an owner. */
		heap_set_owner(shard, block, OWNER_FREE);
		block = before;
	}
	CRASH_POINT("block leaving");
	heap_make_free(shard, block, units, block_units_before(block));
	CRASH_POINT("block free, not listed");
	if (units == HEAP_UNITS && shard->heap.empty_pages >= EMPTY_PAGES_KEPT) {
		heap_page_free(shard, page_of(block), 1);
		return;
	}
	tell_block_after(shard, block);
	heap_insert(shard, block);
}

static void cool_oldest(struct shard *shard)
{
	heap_join(shard, hot_remove(shard, 0));
}

void heap_cool(struct shard *shard)
{
	while (shard->heap.hot_count)
		cool_oldest(shard);
}

void heap_give(struct shard *shard, struct block *block)
{
	shard->region_bytes -= block_bytes(shard, block);
	if (block_units(block) == 0)
		heap_page_free(shard, page_of(block),
			       page_look(page_number_of(shard->base, block)).pages);
	else
		heap_join(shard, block);
}

/* The same for a block that will soon be wanted again. */
static void heap_give_hot(struct shard *shard, struct block *block)
{
	struct heap *heap = &shard->heap;
	uint32_t units = block_units(block);
	if (units < HOT_UNITS_LEAST) {
		heap_give(shard, block);
		return;
	}
	if (heap->hot_count == HOT_MOST)
		cool_oldest(shard);
	heap_set_owner(shard, block, OWNER_NOBODY);
	CRASH_POINT("block hot, not listed");
	shard->region_bytes -= (uint64_t)units << REF_SHIFT;
	heap->hot[heap->hot_count++] = (struct hot_block){ ref_of(shard, block), units };
}

/* ---- the region of a slot ---- */
void region_link(struct shard *shard, struct slot *slot, struct block *block)
{
	uint32_t ref = ref_of(shard, block);
	block->previous = 0;
	block->next = slot->region;
	if (slot->region)
		((struct block *)ref_at(shard, slot->region))->previous = ref;
	slot->region = ref;
}

void *region_alloc(struct shard *shard, struct slot *slot, size_t size)
{
	bug_if(slot->state == SLOT_FREE, "memory for a slot that is free");
	struct block *block = fault_hits() ? NULL : heap_take(shard, size);
	if (!block)
		return NULL;
	CRASH_POINT("block taken, nobody's");
	heap_set_owner(shard, block, slot->index);
	CRASH_POINT("block owned, not linked");
	region_link(shard, slot, block);
	return block + 1;
}

void *region_zalloc(struct shard *shard, struct slot *slot, size_t size)
{
	void *at = region_alloc(shard, slot, size);
	return at ? memset(at, 0, size) : NULL;
}

static void region_unlink(struct shard *shard, struct slot *slot, struct block *block)
{
	if (block->previous)
		((struct block *)ref_at(shard, block->previous))->next = block->next;
	else
		slot->region = block->next;
	if (block->next)
		((struct block *)ref_at(shard, block->next))->previous = block->previous;
}

/* Pages set aside by a repair are left alone for good. */
static bool block_is_damaged(const struct shard *shard, const struct block *block)
{
	return page_look(page_number_of(shard->base, block)).kind == PAGE_DAMAGED;
}

void region_free(struct shard *shard, struct slot *slot, void *at)
{
	if (!at)
		return;
	struct block *block = (struct block *)at - 1;
	if (__builtin_expect(shard->quarantined != 0, 0) && block_is_damaged(shard, block))
		return;
	bug_if(block_owner(block) != slot->index || !block_is_sound(shard, block),
	       "%p is no block of slot %u", at, slot->index);
	if (slot->state == SLOT_CHANGING)
		shard->kept_index = 0; /* the old content may point to it: no way back */
	region_unlink(shard, slot, block);
	CRASH_POINT("block unlinked, still owned");
	heap_give_hot(shard, block);
}

void region_shrink(struct shard *shard, struct slot *slot, void *at, size_t size)
{
	struct block *block = (struct block *)at - 1;
	uint32_t units = units_for(size);
	if (__builtin_expect(shard->quarantined != 0, 0) && block_is_damaged(shard, block))
		return;
	bug_if(block_owner(block) != slot->index || !block_is_sound(shard, block),
	       "%p is no block of slot %u", at, slot->index);
	if (block_units(block) < units + REST_LEAST)
		return;
	uint32_t rest_units = block_units(block) - units;
	shard->region_bytes -= (uint64_t)rest_units << REF_SHIFT;
	struct block *after = block_after(block);
	if (after && block_owner(after) == OWNER_FREE) {
		heap_remove(shard, after);
		rest_units += block_units(after);
	}
	struct block *rest = (struct block *)((char *)block + ((size_t)units << REF_SHIFT));
	heap_make_free(shard, rest, rest_units, units);
	CRASH_POINT("rest of a block written, not valid");
	mark_write(shard, block, slot->index, units, block_units_before(block));
	CRASH_POINT("rest of a block valid, not listed");
	tell_block_after(shard, rest);
	heap_insert(shard, rest);
}

void region_free_all(struct shard *shard, struct slot *slot)
{
	while (slot->region) {
		struct block *block = ref_at(shard, slot->region);
		bug_if(block_owner(block) != slot->index, "the region of slot %u is damaged",
		       slot->index);
		slot->region = block->next;
		CRASH_POINT("region half freed");
		heap_give(shard, block);
	}
}

struct span region_copy(struct shard *shard, struct slot *slot, struct span s)
{
	if (!s.at)
		return s;
	char *copy = region_alloc(shard, slot, s.len);
	if (!copy)
		return (struct span){ 0 };
	memcpy(copy, s.at, s.len);
	return span_make(copy, s.len);
}

size_t region_block_size(const void *at)
{
	const struct block *block = (const struct block *)at - 1;
	uint32_t units = block_units(block);
	if (units)
		return ((size_t)units << REF_SHIFT) - sizeof(*block);
	return page_look(page_number_of(map_base(), block)).pages * SHM_PAGE_SIZE -
	       BIG_PAGE_HEADER - sizeof(*block);
}

size_t region_bytes(const struct slot *slot)
{
	size_t bytes = 0;
	char *base = map_base();
	for (uint32_t ref = slot->region; ref;) {
		const struct block *block =
			(const struct block *)(base + ((size_t)ref << REF_SHIFT));
		bytes += region_block_size(block + 1) + sizeof(*block);
		ref = block->next;
	}
	return bytes;
}
