/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of metrics in shared memory: one slot for each combination of labels. */
#include "modules/xhttp_prom/prom.h"

#include <stdlib.h>

#include "core/shm/map.h"

#define SHARDS       4
#define EXPIRED_MOST 64
/* Slots that are copied while a lock is held. */
#define STEP 64

enum { TIMER_UNUSED };

struct series {
	struct slot slot;
	const struct metric *metric;     /* at one address in every process */
	struct span labels[LABELS_MOST]; /* in the slot's region, as the buckets */
	int64_t count;
	double number;
	uint64_t *buckets;
};

static bool verify(const void *slot)
{
	const struct series *series = slot;
	return series->metric &&
	       (series->metric->kind != METRIC_HISTOGRAM || shm_contains(series->buckets));
}

static const struct shard_type series_type = {
	.name = "xhttp_prom",
	.slot_size = sizeof(struct series),
	.timer_count = 1,
	.verify = verify,
};

static struct {
	struct shard_set *set;
	int64_t unused_ms; /* 0: they stay */
} state;

bool series_prepare(int64_t unused_ms)
{
	state.set = shard_set_new(&series_type, SHARDS);
	state.unused_ms = unused_ms;
	return state.set != NULL;
}

static uint64_t hash_of(const struct metric *metric, const struct span *labels)
{
	uint64_t hash = hash_span(metric->name);
	for (unsigned i = 0; i < metric->label_count; i++)
		hash = hash_mix(hash, hash_span(labels[i]));
	return hash;
}

/* ---- with the lock held ---- */

static bool is_same(const struct series *series, const struct metric *metric,
		    const struct span *labels)
{
	bool is_same = series->metric == metric;
	for (unsigned i = 0; is_same && i < metric->label_count; i++)
		is_same = span_equal(series->labels[i], labels[i]);
	return is_same;
}

static bool fill(struct shard *shard, struct series *series, const struct series_update *update)
{
	const struct metric *metric = update->metric;
	series->metric = metric;
	for (unsigned i = 0; i < metric->label_count; i++) {
		struct span text = update->labels[i];
		series->labels[i] =
			region_copy(shard, &series->slot, text.len ? text : SPAN_OF("\0"));
		if (!series->labels[i].at)
			return false;
		series->labels[i].len = text.len;
	}
	if (metric->kind == METRIC_HISTOGRAM)
		series->buckets =
			region_zalloc(shard, &series->slot,
				      (metric->bucket_count + 1) * sizeof(series->buckets[0]));
	return metric->kind != METRIC_HISTOGRAM || series->buckets;
}

static struct series *find_or_make(struct shard *shard, uint64_t hash,
				   const struct series_update *update)
{
	struct series *series = slot_first(shard, hash);
	while (series && !is_same(series, update->metric, update->labels))
		series = slot_next(shard, &series->slot);
	if (series)
		return series;
	series = slot_new(shard, hash);
	if (!series)
		return NULL;
	if (!fill(shard, series, update)) {
		slot_free(shard, &series->slot);
		return NULL;
	}
	slot_publish(shard, &series->slot);
	return series;
}

static void apply(struct series *series, const struct series_update *update)
{
	const struct metric *metric = series->metric;
	unsigned bucket = 0;
	switch (update->change) {
	case SERIES_SET:
		series->count = update->count;
		series->number = update->number;
		break;
	case SERIES_ADD:
		series->count = (int64_t)((uint64_t)series->count + (uint64_t)update->count);
		series->number += update->number;
		break;
	case SERIES_OBSERVE:
		while (bucket < metric->bucket_count && update->number > metric->buckets[bucket])
			bucket++;
		series->buckets[bucket]++;
		series->count++;
		series->number += update->number;
		break;
	}
}

bool series_update(const struct series_update *update)
{
	uint64_t hash = hash_of(update->metric, update->labels);
	struct shard *shard = shard_lock(state.set, hash);
	struct series *series = find_or_make(shard, hash, update);
	if (series) {
		apply(series, update);
		if (state.unused_ms)
			timer_arm(shard, &series->slot, TIMER_UNUSED, clock_ms() + state.unused_ms);
	}
	shard_unlock(shard);
	if (!series)
		log_error("no shared memory for the metric %.*s", SPAN_ARGS(update->metric->name));
	return series != NULL;
}

void series_expire(void)
{
	for (unsigned number = 0; number < shard_count(state.set); number++) {
		struct timer_due due[EXPIRED_MOST];
		unsigned count = EXPIRED_MOST;
		while (count == EXPIRED_MOST &&
		       shard_next_deadline(state.set, number) <= clock_ms()) {
			struct shard *shard = shard_lock_number(state.set, number);
			count = wheel_collect(shard, clock_ms(), due, EXPIRED_MOST);
			for (unsigned i = 0; i < count; i++)
				slot_free(shard, due[i].slot);
			shard_unlock(shard);
		}
	}
}

/* ---- copies ---- */

static bool copy(const struct series *series, struct arena *arena, struct series_copy *out)
{
	const struct metric *metric = series->metric;
	size_t size = (metric->bucket_count + 1) * sizeof(out->buckets[0]);
	*out = (struct series_copy){ .metric = metric,
				     .count = series->count,
				     .number = series->number };
	for (unsigned i = 0; i < metric->label_count; i++) {
		out->labels[i] = arena_copy(arena, series->labels[i]);
		if (!out->labels[i].at)
			return false;
	}
	if (metric->kind != METRIC_HISTOGRAM)
		return true;
	out->buckets = arena_alloc(arena, size);
	if (out->buckets)
		memcpy(out->buckets, series->buckets, size);
	return out->buckets != NULL;
}

static int compare(const void *left, const void *right)
{
	const struct series_copy *a = left, *b = right;
	int order = 0;
	if (a->metric != b->metric)
		return a->metric->number < b->metric->number ? -1 : 1;
	for (unsigned i = 0; !order && i < a->metric->label_count; i++)
		order = span_compare(a->labels[i], b->labels[i]);
	return order;
}

/* Up to STEP more of a shard; false when there are none left. */
static bool copy_some(unsigned number, uint32_t *position, struct arena *arena,
		      struct series_copy *out, size_t *count, size_t most)
{
	struct shard *shard = shard_lock_number(state.set, number);
	const struct series *series = NULL;
	for (unsigned i = 0; i < STEP && *count < most && (series = slot_each(shard, position));
	     i++)
		if (copy(series, arena, &out[*count]))
			++*count;
	shard_unlock(shard);
	return series != NULL;
}

struct series_copy *series_collect(struct arena *arena, size_t *out_count)
{
	/* Some may come while we look: they are on the next page. */
	size_t most = shard_set_live(state.set), count = 0;
	struct series_copy *all = ARENA_ARRAY(arena, struct series_copy, most + 1);
	for (unsigned number = 0; all && number < shard_count(state.set); number++) {
		uint32_t position = 0;
		while (copy_some(number, &position, arena, all, &count, most))
			;
	}
	if (!all)
		return NULL;
	qsort(all, count, sizeof(all[0]), compare);
	*out_count = count;
	return all;
}
