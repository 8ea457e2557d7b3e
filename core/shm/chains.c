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

struct bucket *bucket_at(struct shard *shard, uint32_t n)
{
	uint32_t segment = segment_of(n);
	if (segment == 0)
		return &shard->buckets[n];
	struct block *block = ref_at(shard, shard->segments[segment]);
	return (struct bucket *)(block + 1) + (n - segment_start(segment));
}

/* The low bits chose the shard; users may also have few good bits to offer. */
static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash * 0x9e3779b97f4a7c15u >> 32) & ~BUCKET_HAS_MORE;
}

static uint32_t number_among(uint32_t bucket_count, uint32_t tag)
{
	uint32_t below = power_below(bucket_count);
	uint32_t n = tag & (below * 2 - 1);
	return n < bucket_count ? n : tag & (below - 1);
}

static uint32_t bucket_number(const struct shard *shard, uint32_t tag)
{
	return number_among(shard->bucket_count, tag);
}

static struct bucket *bucket_of(struct shard *shard, uint64_t hash)
{
	return bucket_at(shard, bucket_number(shard, tag_of(hash)));
}

static struct bucket bucket_from(struct shard *shard, uint32_t ref)
{
	const struct slot *first = ref ? ref_at(shard, ref) : NULL;
	if (!first)
		return (struct bucket){ 0 };
	return (struct bucket){ ref, tag_of(first->hash) | (first->chain ? BUCKET_HAS_MORE : 0) };
}

bool bucket_is_sound(struct shard *shard, const struct bucket *bucket)
{
	struct bucket right = bucket_from(shard, bucket->ref);
	return right.ref == bucket->ref && right.tag == bucket->tag;
}

void chain_foresee(struct shard *shard, uint64_t hash)
{
	uint32_t count = __atomic_load_n(&shard->bucket_count, __ATOMIC_RELAXED);
	uint32_t n = number_among(count, tag_of(hash)), segment = segment_of(n);
	uint32_t ref = __atomic_load_n(&shard->segments[segment], __ATOMIC_RELAXED);
	if (segment == 0)
		fetch_to_write(&shard->buckets[n]);
	else /* the index may change meanwhile: nothing is read here */
		fetch_to_write((const char *)ref_at(shard, ref) + sizeof(struct block) +
			       (n - segment_start(segment)) * sizeof(struct bucket));
}

uint32_t chain_begin(struct shard *shard, uint64_t hash)
{
	const struct bucket *bucket = bucket_of(shard, hash);
	if (!((bucket->tag ^ tag_of(hash)) & ~BUCKET_HAS_MORE))
		return bucket->ref;
	if (!(bucket->tag & BUCKET_HAS_MORE))
		return 0;
	return ((const struct slot *)ref_at(shard, bucket->ref))->chain;
}

void chain_insert(struct shard *shard, struct slot *slot)
{
	struct bucket *bucket = bucket_of(shard, slot->hash);
	slot->chain = bucket->ref;
	*bucket = (struct bucket){ slot->index,
				   tag_of(slot->hash) | (slot->chain ? BUCKET_HAS_MORE : 0) };
}

void chain_remove(struct shard *shard, struct slot *slot)
{
	struct bucket *bucket = bucket_of(shard, slot->hash);
	if (bucket->ref == slot->index) {
		*bucket = bucket_from(shard, slot->chain);
		return;
	}
	struct slot *before = NULL;
	for (uint32_t ref = bucket->ref; ref != slot->index; ref = before->chain) {
		bug_if(ref == 0, "slot %u is in no chain", slot->index);
		before = ref_at(shard, ref);
	}
	before->chain = slot->chain;
	if (before->index == bucket->ref && !before->chain)
		bucket->tag &= ~BUCKET_HAS_MORE;
}

static bool segment_add(struct shard *shard, uint32_t segment)
{
	size_t size = segment_start(segment) * sizeof(struct bucket);
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

/* Takes the slots of bucket `n` out of the chain that begins with `*first`. */
static uint32_t chain_divide(struct shard *shard, uint32_t *first, uint32_t n)
{
	uint32_t moved = 0, *end = &moved, *link = first;
	while (*link) {
		struct slot *slot = ref_at(shard, *link);
		if (bucket_number(shard, tag_of(slot->hash)) != n) {
			link = &slot->chain;
			continue;
		}
		CRASH_POINT("bucket splitting");
		*end = *link;
		*link = slot->chain;
		end = &slot->chain;
		*end = 0;
	}
	return moved;
}

static void bucket_split(struct shard *shard)
{
	uint32_t n = shard->bucket_count;
	uint32_t segment = segment_of(n);
	if (!shard->segments[segment] && !segment_add(shard, segment))
		return; /* longer chains until there is memory */
	shard->bucket_count = n + 1;
	struct bucket *old = bucket_at(shard, n - power_below(n)), *new = bucket_at(shard, n);
	if (!old->ref || !(old->tag & BUCKET_HAS_MORE)) {
		bool moves = old->ref && bucket_number(shard, old->tag) == n;
		*new = moves ? *old : (struct bucket){ 0 };
		if (moves)
			*old = (struct bucket){ 0 };
		return;
	}
	uint32_t first = old->ref, moved = chain_divide(shard, &first, n);
	*old = bucket_from(shard, first);
	*new = bucket_from(shard, moved);
}

static void bucket_join(struct shard *shard)
{
	uint32_t n = shard->bucket_count - 1;
	struct bucket *lower = bucket_at(shard, n - power_below(n));
	const struct bucket *upper = bucket_at(shard, n);
	if (!lower->ref) {
		*lower = *upper;
	} else if (upper->ref) {
		struct slot *last = ref_at(shard, lower->ref);
		while (last->chain)
			last = ref_at(shard, last->chain);
		last->chain = upper->ref;
		lower->tag |= BUCKET_HAS_MORE;
	}
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
	if (shard->live > shard->bucket_count + shard->bucket_count / 4)
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
		       sizeof(*block) + segment_start(segment) * sizeof(struct bucket);
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
		*bucket_at(shard, n) = (struct bucket){ 0 };
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
