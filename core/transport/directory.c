/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory of stream connections: rows in a shared shard set, one per key. */
#include "core/transport/directory.h"

#include "core/base/hash.h"
#include "core/shm/map.h"
#include "core/shm/shard.h"

#define DIRECTORY_SHARDS 16

struct row {
	struct slot slot;
	struct connection_entry entry;
	uint32_t key; /* enum directory_key */
};

static const struct shard_type row_type = { .name = "connections",
					    .slot_size = sizeof(struct row) };

static struct {
	struct shard_set *set;
	_Atomic uint32_t *last_id; /* in shared memory */
	uint32_t (*incarnation)(unsigned process);
} directory;

bool directory_init(uint32_t (*incarnation)(unsigned process))
{
	directory.incarnation = incarnation;
	directory.set = shard_set_new(&row_type, DIRECTORY_SHARDS);
	directory.last_id = shm_reserve(sizeof(*directory.last_id), "connection numbers");
	return directory.set && directory.last_id;
}

uint32_t directory_new_id(void)
{
	struct connection_entry taken;
	uint32_t id;
	do
		id = ++*directory.last_id;
	while (id == 0 || directory_find_id(id, &taken));
	return id;
}

void directory_stamp(struct connection_entry *entry)
{
	entry->incarnation = directory.incarnation(entry->process);
}

/* ---- keys ---- */
static uint64_t hash_of(enum directory_key key, const struct connection_entry *entry)
{
	struct end_point host = entry->peer;
	uint64_t id = entry->id;
	switch (key) {
	case DIRECTORY_ID: return hash_keyed(&id, sizeof(id));
	case DIRECTORY_PEER: return end_point_hash(&entry->peer);
	case DIRECTORY_IP:
		host.port = 0;
		host.transport = 0;
		return end_point_hash(&host);
	}
	return 0;
}

static bool is_current(const struct row *row)
{
	return row->entry.incarnation == directory.incarnation(row->entry.process);
}

/* ---- rows ---- */
bool directory_add(enum directory_key key, const struct connection_entry *entry,
		   struct directory_row *out_row)
{
	uint64_t hash = hash_of(key, entry);
	struct shard *shard = shard_lock(directory.set, hash);
	struct row *row = slot_new(shard, hash);
	if (row) {
		row->entry = *entry;
		row->key = key;
		*out_row = (struct directory_row){ row->slot.index, row->slot.generation,
						   row->slot.shard };
		slot_publish(shard, &row->slot);
	}
	shard_unlock(shard);
	return row != NULL;
}

void directory_remove(const struct directory_row *name)
{
	struct shard *shard = shard_lock_number(directory.set, name->shard);
	struct row *row = slot_at(shard, name->index, name->generation);
	if (row)
		slot_free(shard, &row->slot);
	shard_unlock(shard);
}

bool directory_find_id(uint32_t id, struct connection_entry *out_entry)
{
	uint64_t hash = hash_of(DIRECTORY_ID, &(struct connection_entry){ .id = id });
	struct shard *shard = shard_lock(directory.set, hash);
	bool is_found = false;
	for (struct row *row = slot_first(shard, hash); row && !is_found;
	     row = slot_next(shard, &row->slot)) {
		is_found = row->key == DIRECTORY_ID && row->entry.id == id && is_current(row);
		if (is_found)
			*out_entry = row->entry;
	}
	shard_unlock(shard);
	return is_found;
}

static bool fits(const struct row *row, const struct end_point *peer, const struct end_point *local)
{
	return row->key == DIRECTORY_PEER && end_point_equal(&row->entry.peer, peer) &&
	       (!local || (end_point_same_ip(&row->entry.local, local) &&
			   row->entry.local.port == local->port)) &&
	       is_current(row);
}

bool directory_find_peer(const struct end_point *peer, const struct end_point *local,
			 unsigned process, struct connection_entry *out_entry)
{
	uint64_t hash = end_point_hash(peer);
	struct shard *shard = shard_lock(directory.set, hash);
	bool is_found = false, is_best = false;
	for (struct row *row = slot_first(shard, hash); row && !is_best;
	     row = slot_next(shard, &row->slot)) {
		if (!fits(row, peer, local) || (is_found && row->entry.process != process))
			continue;
		is_found = true;
		is_best = row->entry.process == process;
		*out_entry = row->entry;
	}
	shard_unlock(shard);
	return is_found;
}

unsigned directory_count_ip(const struct end_point *peer, unsigned most)
{
	uint64_t hash = hash_of(DIRECTORY_IP, &(struct connection_entry){ .peer = *peer });
	struct shard *shard = shard_lock(directory.set, hash);
	unsigned count = 0;
	for (struct row *row = slot_first(shard, hash); row && count < most;
	     row = slot_next(shard, &row->slot))
		count += row->key == DIRECTORY_IP && end_point_same_ip(&row->entry.peer, peer) &&
			 is_current(row);
	shard_unlock(shard);
	return count;
}

/* ---- all of them ---- */
bool directory_each(uint64_t *cursor, struct connection_entry *out_entry)
{
	unsigned number = (unsigned)(*cursor >> 32);
	uint32_t within = (uint32_t)*cursor;
	for (; number < shard_count(directory.set); number++, within = 0) {
		struct shard *shard = shard_lock_number(directory.set, number);
		struct row *row;
		while ((row = slot_each(shard, &within)) &&
		       (row->key != DIRECTORY_ID || !is_current(row)))
			;
		if (row)
			*out_entry = row->entry;
		shard_unlock(shard);
		if (row) {
			*cursor = (uint64_t)number << 32 | within;
			return true;
		}
	}
	return false;
}

void directory_adopt(unsigned process)
{
	for (unsigned number = 0; number < shard_count(directory.set); number++) {
		struct shard *shard = shard_lock_number(directory.set, number);
		uint32_t cursor = 0;
		struct row *row;
		while ((row = slot_each(shard, &cursor)) != NULL)
			if (row->entry.process == process && !is_current(row))
				slot_free(shard, &row->slot);
		shard_unlock(shard);
	}
}
