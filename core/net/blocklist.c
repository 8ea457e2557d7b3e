/* SPDX-License-Identifier: BSD-2-Clause */
/* Destinations to be passed over for a while: a small shared table. What is over is dropped by whoever
 * finds it. */
#include "core/net/blocklist.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/shm/shard.h"

#define SHARDS 4

struct entry {
	struct slot slot;
	struct end_point to;
	int64_t until_ms;
};

static const struct shard_type entry_type = {
	.name = "dst_blocklist",
	.slot_size = sizeof(struct entry),
};

static struct {
	struct shard_set *set; /* NULL: off */
	struct blocklist_options options;
} list;

bool blocklist_prepare(const struct blocklist_options *options)
{
	list.options = *options;
	if (!options->is_on)
		return true;
	list.set = shard_set_new(&entry_type, SHARDS);
	return list.set != NULL;
}

bool blocklist_is_on(void)
{
	return list.set != NULL;
}

/* The entry of a destination; one that is over is freed on the way. Lock held. */
static struct entry *find(struct shard *shard, uint64_t hash, const struct end_point *to)
{
	struct entry *entry = slot_first(shard, hash), *found = NULL;
	while (entry) {
		struct entry *next = slot_next(shard, &entry->slot);
		if (entry->until_ms <= clock_ms())
			slot_free(shard, &entry->slot);
		else if (end_point_equal(&entry->to, to))
			found = entry;
		entry = next;
	}
	return found;
}

static bool is_full(void)
{
	return shard_set_live(list.set) * sizeof(struct entry) >= list.options.bytes_most;
}

/* Frees what is over, or with `all` everything; returns how many went. */
static unsigned sweep(bool all)
{
	unsigned count = 0;
	for (unsigned i = 0; i < shard_count(list.set); i++) {
		uint32_t cursor = 0;
		struct entry *entry;
		struct shard *shard = shard_lock_number(list.set, i);
		while ((entry = slot_each(shard, &cursor)))
			if (all || entry->until_ms <= clock_ms()) {
				slot_free(shard, &entry->slot);
				count++;
			}
		shard_unlock(shard);
	}
	return count;
}

void blocklist_add(const struct end_point *to, int64_t duration_ms)
{
	if (!list.set)
		return;
	uint64_t hash = end_point_hash(to);
	int64_t until_ms = clock_ms() + (duration_ms ? duration_ms : list.options.expire_s * 1000);
	if (is_full() && sweep(false) == 0) {
		log_warning("the blocklist of destinations is full; raise dst_blocklist_mem");
		return;
	}
	struct shard *shard = shard_lock(list.set, hash);
	struct entry *entry = find(shard, hash, to);
	if (entry) {
		if (until_ms > entry->until_ms)
			entry->until_ms = until_ms;
	} else if ((entry = slot_new(shard, hash))) {
		entry->to = *to;
		entry->until_ms = until_ms;
		slot_publish(shard, &entry->slot);
	}
	shard_unlock(shard);
}

bool blocklist_has(const struct end_point *to)
{
	if (!list.set || shard_set_live(list.set) == 0)
		return false;
	uint64_t hash = end_point_hash(to);
	struct shard *shard = shard_lock(list.set, hash);
	bool has = find(shard, hash, to);
	shard_unlock(shard);
	return has;
}

bool blocklist_remove(const struct end_point *to)
{
	if (!list.set)
		return false;
	uint64_t hash = end_point_hash(to);
	struct shard *shard = shard_lock(list.set, hash);
	struct entry *entry = find(shard, hash, to);
	if (entry)
		slot_free(shard, &entry->slot);
	shard_unlock(shard);
	return entry;
}

unsigned blocklist_clear(void)
{
	return list.set ? sweep(true) : 0;
}

struct blocklist_figures blocklist_figures(void)
{
	struct blocklist_figures figures = { .bytes_most = list.options.bytes_most };
	if (list.set)
		figures.entries = (unsigned)shard_set_live(list.set);
	figures.bytes = figures.entries * sizeof(struct entry);
	return figures;
}

bool blocklist_next(uint64_t *cursor, struct end_point *out_to, int64_t *out_remaining_ms)
{
	for (uint64_t number = *cursor >> 32; list.set && number < shard_count(list.set);
	     number++) {
		uint32_t inner = number == *cursor >> 32 ? (uint32_t)*cursor : 0;
		struct shard *shard = shard_lock_number(list.set, (unsigned)number);
		struct entry *entry = slot_each(shard, &inner);
		while (entry && entry->until_ms <= clock_ms())
			entry = slot_each(shard, &inner);
		if (entry) {
			*out_to = entry->to;
			*out_remaining_ms = entry->until_ms - clock_ms();
		}
		shard_unlock(shard);
		*cursor = number << 32 | inner;
		if (entry)
			return true;
	}
	return false;
}
