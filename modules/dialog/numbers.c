/* SPDX-License-Identifier: BSD-2-Clause */
/* Dialogs by their numbers: messages of other servers name them by these. An index of dialogs; what it finds
 * is looked at, so that an entry whose dialog is gone does no harm. */
#include "modules/dialog/replica.h"

#define SHARDS 16

struct number_entry {
	struct slot slot;
	uint32_t h_entry, h_id;
	struct dialog_name name;
};

static const struct shard_type number_type = {
	.name = "dialog numbers",
	.slot_size = sizeof(struct number_entry),
};

static struct shard_set *set; /* NULL: nobody asks */

bool numbers_prepare(void)
{
	set = shard_set_new(&number_type, SHARDS);
	return set != NULL;
}

static uint64_t hash_numbers(uint32_t h_entry, uint32_t h_id)
{
	return hash_mix(h_entry, h_id);
}

/* Lock held. */
static struct number_entry *find(struct shard *shard, uint64_t hash, uint32_t h_entry,
				 uint32_t h_id)
{
	struct number_entry *entry = slot_first(shard, hash);
	while (entry && (entry->h_entry != h_entry || entry->h_id != h_id))
		entry = slot_next(shard, &entry->slot);
	return entry;
}

bool numbers_add(uint32_t h_entry, uint32_t h_id, struct dialog_name name)
{
	uint64_t hash = hash_numbers(h_entry, h_id);
	if (!set)
		return true;
	numbers_remove(h_entry, h_id);
	struct shard *shard = shard_lock(set, hash);
	struct number_entry *entry = slot_new(shard, hash);
	if (entry) {
		entry->h_entry = h_entry;
		entry->h_id = h_id;
		entry->name = name;
		slot_publish(shard, &entry->slot);
	}
	shard_unlock(shard);
	return entry;
}

void numbers_remove(uint32_t h_entry, uint32_t h_id)
{
	uint64_t hash = hash_numbers(h_entry, h_id);
	if (!set)
		return;
	struct shard *shard = shard_lock(set, hash);
	struct number_entry *entry = find(shard, hash, h_entry, h_id);
	if (entry)
		slot_free(shard, &entry->slot);
	shard_unlock(shard);
}

bool numbers_find(uint32_t h_entry, uint32_t h_id, struct dialog_name *out_name)
{
	uint64_t hash = hash_numbers(h_entry, h_id);
	struct dialog_name name = { 0 };
	struct shard *shard = shard_lock(set, hash);
	const struct number_entry *entry = find(shard, hash, h_entry, h_id);
	if (entry)
		name = entry->name;
	shard_unlock(shard);
	const struct dialog *dialog = entry ? dialog_lock(name, &shard) : NULL;
	if (!dialog)
		return false;
	bool is_right = dialog->h_entry == h_entry && dialog->h_id == h_id;
	shard_unlock(shard);
	if (is_right)
		*out_name = name;
	return is_right;
}
