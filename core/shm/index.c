/* SPDX-License-Identifier: BSD-2-Clause */
/* index: a shard's slots by hash. Linear hashing (Litwin 1980): one bucket is split or joined at a time, so
 * no insertion ever pays for moving all slots. A bucket is one line of memory and knows its slots' hashes:
 * what is not there is not looked for, and a split touches no slot. Of the slots with one hash the newest
 * comes first. Bucket arrays come in segments of 8, 8, 16, 32 … buckets, all but the first from the shard's
 * heap. */
#include <string.h>

#include "core/shm/internal.h"

#define SLOTS_PER_BUCKET \
	3 /* on average; those that still wait for their split have up to twice as many */
#define JOINS_AT_ONCE 8

_Static_assert(sizeof(struct bucket) == 64, "a bucket is a line of memory");

static inline uint32_t power_below(uint32_t n) /* the largest power of two that is <= n */
{
	return 0x80000000u >> __builtin_clz(n);
}

/* ---- buckets ------------------------------------------------------------------------------------------------ */

/* Segment of bucket `n`, and the bucket with which the segment begins. */
static inline uint32_t segment_of(uint32_t n)
{
	return n < BUCKETS_FIRST ? 0
				 : (uint32_t)(__builtin_clz(BUCKETS_FIRST) - __builtin_clz(n)) + 1;
}

static inline uint32_t segment_start(uint32_t segment)
{
	return segment ? BUCKETS_FIRST << (segment - 1) : 0;
}

static size_t segment_size(uint32_t segment)
{
	return segment_start(segment) * sizeof(struct bucket) + sizeof(struct bucket);
}

/* Bucket `n`, which lies in a segment whose block is at `ref`. Touches nothing. */
static struct bucket *bucket_in(struct shard *shard, uint32_t segment, uint32_t ref, uint32_t n)
{
	if (segment == 0)
		return &shard->buckets[n];
	uintptr_t start = (uintptr_t)ref_at(shard, ref) + sizeof(struct block);
	start = (start + sizeof(struct bucket) - 1) & ~(sizeof(struct bucket) - 1);
	return (struct bucket *)start + (n - segment_start(segment));
}

static struct bucket *bucket_at(struct shard *shard, uint32_t n)
{
	uint32_t segment = segment_of(n);
	return bucket_in(shard, segment, shard->segments[segment], n);
}

/* The low bits chose the shard; users may also have few good bits to offer. */
static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash * 0x9e3779b97f4a7c15u >> 32);
}

static uint32_t number_among(uint32_t bucket_count, uint32_t tag)
{
	uint32_t below = power_below(bucket_count);
	uint32_t n = tag & (below * 2 - 1);
	return n < bucket_count ? n : tag & (below - 1);
}

static struct bucket *bucket_of(struct shard *shard, uint32_t tag)
{
	return bucket_at(shard, number_among(shard->bucket_count, tag));
}

void index_foresee(struct shard *shard, uint64_t hash)
{
	uint32_t count = __atomic_load_n(&shard->bucket_count, __ATOMIC_RELAXED);
	uint32_t n = number_among(count, tag_of(hash)), segment = segment_of(n);
	uint32_t ref = __atomic_load_n(&shard->segments[segment], __ATOMIC_RELAXED);
	fetch_to_write(bucket_in(shard, segment, ref, n));
}

/* ---- finding ------------------------------------------------------------------------------------------------ */

static struct slot *rest_find(struct shard *shard, uint32_t ref, uint64_t hash)
{
	while (ref) {
		struct slot *slot = ref_at(shard, ref);
		if (slot->hash == hash)
			return slot;
		ref = slot->chain;
	}
	return NULL;
}

/* Among those before the place `end`, and the rest. */
static struct slot *bucket_find(struct shard *shard, const struct bucket *bucket, uint32_t end,
				uint64_t hash)
{
	const uint32_t tag = tag_of(hash);
	while (end-- > 0) {
		if (bucket->tags[end] != tag)
			continue;
		struct slot *slot = ref_at(shard, bucket->refs[end]);
		if (slot->hash == hash)
			return slot;
	}
	return rest_find(shard, bucket->rest, hash);
}

/* Where the bucket has this slot; its count: among the rest, or nowhere. */
static uint32_t place_of(const struct bucket *bucket, const struct slot *slot)
{
	uint32_t place = 0;
	while (place < bucket->count && bucket->refs[place] != slot->index)
		place++;
	return place;
}

void *slot_first(struct shard *shard, uint64_t hash)
{
	const struct bucket *bucket = bucket_of(shard, tag_of(hash));
	return bucket_find(shard, bucket, bucket->count, hash);
}

void *slot_next(struct shard *shard, const struct slot *slot)
{
	const struct bucket *bucket = bucket_of(shard, tag_of(slot->hash));
	uint32_t place = place_of(bucket, slot);
	return place < bucket->count ? bucket_find(shard, bucket, place, slot->hash)
				     : rest_find(shard, slot->chain, slot->hash);
}

/* ---- changing ----------------------------------------------------------------------------------------------- */

static void place_close(struct bucket *bucket, uint32_t place)
{
	uint32_t behind = --bucket->count - place;
	memmove(&bucket->tags[place], &bucket->tags[place + 1], behind * sizeof(bucket->tags[0]));
	memmove(&bucket->refs[place], &bucket->refs[place + 1], behind * sizeof(bucket->refs[0]));
}

static void add_newest(struct shard *shard, struct bucket *bucket, uint32_t ref, uint32_t tag)
{
	if (bucket->count == BUCKET_WIDTH) { /* the oldest makes room */
		struct slot *oldest = ref_at(shard, bucket->refs[0]);
		oldest->chain = bucket->rest;
		bucket->rest = oldest->index;
		place_close(bucket, 0);
	}
	bucket->tags[bucket->count] = tag;
	bucket->refs[bucket->count++] = ref;
}

static void add_oldest(struct shard *shard, struct bucket *bucket, uint32_t ref, uint32_t tag)
{
	if (bucket->count < BUCKET_WIDTH) {
		memmove(&bucket->tags[1], bucket->tags, bucket->count * sizeof(bucket->tags[0]));
		memmove(&bucket->refs[1], bucket->refs, bucket->count * sizeof(bucket->refs[0]));
		bucket->tags[0] = tag;
		bucket->refs[0] = ref;
		bucket->count++;
		return;
	}
	uint32_t *link = &bucket->rest;
	while (*link)
		link = &((struct slot *)ref_at(shard, *link))->chain;
	*link = ref;
	((struct slot *)ref_at(shard, ref))->chain = 0;
}

/* Adds slots that were the rest of some bucket as the oldest ones, each to the bucket that is its own now. */
static void add_rest(struct shard *shard, uint32_t ref)
{
	while (ref) {
		const struct slot *slot = ref_at(shard, ref);
		uint32_t next = slot->chain, tag = tag_of(slot->hash);
		add_oldest(shard, bucket_of(shard, tag), ref, tag);
		ref = next;
	}
}

void index_insert(struct shard *shard, struct slot *slot)
{
	uint32_t tag = tag_of(slot->hash);
	add_newest(shard, bucket_of(shard, tag), slot->index, tag);
}

void index_remove(struct shard *shard, const struct slot *slot)
{
	struct bucket *bucket = bucket_of(shard, tag_of(slot->hash));
	uint32_t place = place_of(bucket, slot), *link = &bucket->rest;
	if (place < bucket->count) {
		place_close(bucket, place);
		if (!bucket->rest)
			return;
		const struct slot *moved = ref_at(shard, bucket->rest);
		bucket->rest = moved->chain;
		add_oldest(shard, bucket, moved->index, tag_of(moved->hash));
		return;
	}
	while (*link != slot->index) {
		bug_if(*link == 0, "slot %u is not in the index", slot->index);
		link = &((struct slot *)ref_at(shard, *link))->chain;
	}
	*link = slot->chain;
}

/* ---- growing and shrinking ---------------------------------------------------------------------------------- */

static bool segment_add(struct shard *shard, uint32_t segment)
{
	struct block *block = segment < SEGMENTS ? heap_take(shard, segment_size(segment)) : NULL;
	if (!block)
		return false;
	CRASH_POINT("segment taken");
	heap_set_owner(shard, block, OWNER_INDEX);
	CRASH_POINT("segment owned, not entered");
	shard->segments[segment] = ref_of(shard, block);
	return true;
}

static void bucket_split(struct shard *shard)
{
	uint32_t n = shard->bucket_count;
	uint32_t segment = segment_of(n);
	if (!shard->segments[segment] && !segment_add(shard, segment))
		return; /* fuller buckets until there is memory */
	struct bucket *old = bucket_at(shard, n - power_below(n)), *new = bucket_at(shard, n);
	const struct bucket all = *old;
	old->count = old->rest = new->count = new->rest = 0;
	shard->bucket_count = n + 1;
	CRASH_POINT("bucket splitting");
	for (uint32_t i = 0; i < all.count; i++) {
		bool moves = number_among(n + 1, all.tags[i]) == n;
		add_newest(shard, moves ? new : old, all.refs[i], all.tags[i]);
	}
	add_rest(shard, all.rest);
}

static void bucket_join(struct shard *shard)
{
	uint32_t n = shard->bucket_count - 1;
	struct bucket *lower = bucket_at(shard, n - power_below(n));
	const struct bucket *upper = bucket_at(shard, n);
	shard->bucket_count = n;
	for (uint32_t i = upper->count; i-- > 0;)
		add_oldest(shard, lower, upper->refs[i], upper->tags[i]);
	add_rest(shard, upper->rest);
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
void index_adjust(struct shard *shard)
{
	if (shard->live > shard->bucket_count * SLOTS_PER_BUCKET)
		bucket_split(shard);
	for (unsigned i = 0; i < JOINS_AT_ONCE; i++) {
		if (shard->bucket_count <= BUCKETS_FIRST ||
		    shard->live >= shard->bucket_count * SLOTS_PER_BUCKET / 4)
			return;
		bucket_join(shard);
	}
}

void index_trim(struct shard *shard)
{
	while (shard->bucket_count > BUCKETS_FIRST &&
	       shard->live < shard->bucket_count * SLOTS_PER_BUCKET)
		bucket_join(shard);
}

/* ---- checking and repair ------------------------------------------------------------------------------------ */

bool index_has(struct shard *shard, const struct slot *slot)
{
	uint32_t steps = 0;
	const struct slot *found = slot_first(shard, slot->hash);
	while (found && found != slot && steps++ < shard->live)
		found = slot_next(shard, found);
	return found == slot;
}

uint32_t index_count(struct shard *shard)
{
	uint32_t count = 0;
	for (uint32_t n = 0; n < shard->bucket_count; n++) {
		const struct bucket *bucket = bucket_at(shard, n);
		if (bucket->count > BUCKET_WIDTH || (bucket->rest && bucket->count < BUCKET_WIDTH))
			return UINT32_MAX;
		for (uint32_t i = 0; i < bucket->count; i++) {
			const struct slot *slot = ref_at(shard, bucket->refs[i]);
			if (slot->index != bucket->refs[i] || tag_of(slot->hash) != bucket->tags[i])
				return UINT32_MAX;
		}
		count += bucket->count;
		for (uint32_t ref = bucket->rest; ref && count <= shard->live; count++)
			ref = ((struct slot *)ref_at(shard, ref))->chain;
	}
	return count;
}

/* A page that a repair sets aside takes what lies in it along. */
static bool segment_is_sound(struct shard *shard, uint32_t segment)
{
	uint32_t ref = shard->segments[segment];
	struct page_entry entry = page_look(ref / REFS_PER_PAGE);
	const struct block *block = ref_at(shard, ref);
	return ref && entry.owner == shard->owner &&
	       memory_page_is_sound(shard, page_of(block), entry.kind) &&
	       block_is_sound(shard, block) && block_owner(block) == OWNER_INDEX &&
	       block_bytes(shard, block) >= sizeof(*block) + segment_size(segment);
}

void index_reset(struct shard *shard)
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
		bucket_at(shard, n)->count = bucket_at(shard, n)->rest = 0;
}

bool index_owns(const struct shard *shard, const struct block *block)
{
	uint32_t ref = ref_of(shard, block);
	for (uint32_t segment = 1; segment < SEGMENTS; segment++) {
		if (shard->segments[segment] == ref)
			return true;
	}
	return false;
}
