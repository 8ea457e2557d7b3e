/* SPDX-License-Identifier: BSD-2-Clause */
/* chains: the index of a shard's slots by hash. Linear hashing (Litwin 1980): one bucket is split
 * or joined at a time, so no insertion ever pays for moving all slots. Bucket arrays come in
 * segments of 64, 64, 128, 256 … buckets, all but the first from the shard's heap. */
#include <string.h>

#include "core/shm/internal.h"

#define JOINS_AT_ONCE 8

static inline uint32_t power_below(uint32_t n) /* the largest power of two that is <= n */
{
	return 0x80000000u >> __builtin_clz(n);
}

/* Segment of bucket `n`, and the bucket with which the segment begins. */
static inline uint32_t segment_of(uint32_t n)
{
	return n < BUCKETS_FIRST ? 0 : (uint32_t)(31 - __builtin_clz(n)) - 5;
}

static inline uint32_t segment_start(uint32_t segment)
{
	return segment ? BUCKETS_FIRST << (segment - 1) : 0;
}

uint32_t *bucket_at(struct shard *shard, uint32_t n)
{
	uint32_t segment = segment_of(n);
	if (segment == 0)
		return &shard->buckets[n];
	struct block *block = ref_at(shard, shard->segments[segment]);
	return (uint32_t *)(block + 1) + (n - segment_start(segment));
}

static uint32_t bucket_number(const struct shard *shard, uint64_t hash)
{
	/* The low bits chose the shard; users may also have few good bits to offer. */
	uint32_t mixed = (uint32_t)(hash * 0x9e3779b97f4a7c15u >> 32);
	uint32_t below = power_below(shard->bucket_count);
	uint32_t n = mixed & (below * 2 - 1);
	return n < shard->bucket_count ? n : mixed & (below - 1);
}

uint32_t *bucket_of(struct shard *shard, uint64_t hash)
{
	return bucket_at(shard, bucket_number(shard, hash));
}

void chain_insert(struct shard *shard, struct slot *slot)
{
	uint32_t *bucket = bucket_of(shard, slot->hash);
	slot->chain = *bucket;
	*bucket = slot->index;
}

void chain_remove(struct shard *shard, struct slot *slot)
{
	uint32_t *link = bucket_of(shard, slot->hash);
	while (*link != slot->index) {
		bug_if(*link == 0, "slot %u is in no chain", slot->index);
		link = &((struct slot *)ref_at(shard, *link))->chain;
	}
	*link = slot->chain;
}

static bool segment_add(struct shard *shard, uint32_t segment)
{
	size_t size = segment_start(segment) * sizeof(uint32_t);
	struct block *block = segment < SEGMENTS ? heap_take(shard, size) : NULL;
	if (!block)
		return false;
	CRASH_POINT("segment taken");
	heap_set_owner(shard, block, OWNER_INDEX);
	CRASH_POINT("segment owned, not entered");
	memset(block + 1, 0, size);
	shard->segments[segment] = ref_of(shard, block);
	return true;
}

static void bucket_split(struct shard *shard)
{
	uint32_t n = shard->bucket_count;
	uint32_t segment = segment_of(n);
	if (!shard->segments[segment] && !segment_add(shard, segment))
		return; /* longer chains until there is memory */
	shard->bucket_count = n + 1;
	*bucket_at(shard, n) = 0;
	uint32_t *link = bucket_at(shard, n - power_below(n));
	uint32_t *end = bucket_at(shard, n);
	while (*link) {
		struct slot *slot = ref_at(shard, *link);
		if (bucket_number(shard, slot->hash) != n) {
			link = &slot->chain;
			continue;
		}
		CRASH_POINT("bucket splitting");
		*end = *link;
		*link = slot->chain;
		end = &slot->chain;
		*end = 0;
	}
}

static void bucket_join(struct shard *shard)
{
	uint32_t n = shard->bucket_count - 1;
	uint32_t *link = bucket_at(shard, n - power_below(n));
	while (*link)
		link = &((struct slot *)ref_at(shard, *link))->chain;
	*link = *bucket_at(shard, n);
	shard->bucket_count = n;
	CRASH_POINT("bucket joined");
	uint32_t segment = segment_of(n);
	if (n != segment_start(segment))
		return;
	struct block *block = ref_at(shard, shard->segments[segment]);
	shard->segments[segment] = 0;
	CRASH_POINT("segment left");
	heap_give(shard, block);
}

/* Joining is faster than leaving, so that a shard that empties has its first buckets only. */
void chain_adjust(struct shard *shard)
{
	if (shard->live > shard->bucket_count)
		bucket_split(shard);
	for (unsigned i = 0; i < JOINS_AT_ONCE; i++) {
		if (shard->bucket_count <= BUCKETS_FIRST || shard->live >= shard->bucket_count / 4)
			return;
		bucket_join(shard);
	}
}

void chain_trim(struct shard *shard)
{
	while (shard->bucket_count > BUCKETS_FIRST && shard->live < shard->bucket_count)
		bucket_join(shard);
}

/* ---- repair ---- */
static bool segment_is_sound(struct shard *shard, uint32_t segment)
{
	uint32_t ref = shard->segments[segment];
	struct page_entry entry = page_look(ref / REFS_PER_PAGE);
	if (ref == 0 || (entry.kind != PAGE_HEAP && entry.kind != PAGE_BIG) ||
	    entry.owner != shard->owner)
		return false;
	const struct block *block = ref_at(shard, ref);
	return block_is_sound(shard, block) && block_owner(block) == OWNER_INDEX &&
	       block_bytes(shard, block) >=
		       sizeof(*block) + segment_start(segment) * sizeof(uint32_t);
}

void chain_reset(struct shard *shard)
{
	uint32_t segment = 1;
	while (segment < SEGMENTS && segment_start(segment) < shard->bucket_count &&
	       segment_is_sound(shard, segment))
		segment++;
	if (shard->bucket_count > segment_start(segment))
		shard->bucket_count = segment_start(segment);
	if (shard->bucket_count < BUCKETS_FIRST)
		shard->bucket_count = BUCKETS_FIRST;
	for (; segment < SEGMENTS; segment++)
		shard->segments[segment] = 0;
	for (uint32_t n = 0; n < shard->bucket_count; n++)
		*bucket_at(shard, n) = 0;
}

bool chain_owns(const struct shard *shard, const struct block *block)
{
	uint32_t ref = ref_of(shard, block);
	for (uint32_t segment = 1; segment < SEGMENTS; segment++) {
		if (shard->segments[segment] == ref)
			return true;
	}
	return false;
}
