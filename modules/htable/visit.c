/* SPDX-License-Identifier: BSD-2-Clause */
/* Visiting many items: a few while a lock is held, the rest after others had their turn. */
#include "modules/htable/items.h"

#include <stdlib.h>

/* Slots that are freed before the lock is given back for a moment. */
#define STEP 64

/* ---- cursors ---- */

void cursor_init(struct item_cursor *cursor, const struct table *table)
{
	*cursor = (struct item_cursor){ .table = table };
}

void cursor_free(struct item_cursor *cursor)
{
	free(cursor->buffer);
	cursor->buffer = NULL;
	cursor->capacity = 0;
}

static bool make_room(struct item_cursor *cursor, size_t size)
{
	if (size <= cursor->capacity)
		return true;
	char *buffer = realloc(cursor->buffer, size + 256);
	if (!buffer)
		return false;
	cursor->buffer = buffer;
	cursor->capacity = size + 256;
	return true;
}

/* The copy's texts lie in the cursor's buffer; false when memory is out. */
static bool copy_item(struct item_cursor *cursor, const struct item *item, struct item_copy *out)
{
	if (!make_room(cursor, item->name.len + item->text.len + 1))
		return false;
	memcpy(cursor->buffer, item->name.at, item->name.len);
	*out = (struct item_copy){ .name = { cursor->buffer, item->name.len },
				   .value = VALUE_OF_INT(item->number),
				   .expires_ms = item->expires_ms,
				   .shard = cursor->shard,
				   .index = item->slot.index,
				   .generation = item->slot.generation };
	if (item->kind == VALUE_TEXT) {
		char *text = cursor->buffer + item->name.len;
		memcpy(text, item->text.at, item->text.len);
		out->value = VALUE_OF_TEXT(((struct span){ text, item->text.len }));
	}
	return true;
}

bool cursor_next(struct item_cursor *cursor, struct item_copy *out)
{
	for (; cursor->shard < shard_count(cursor->table->set);
	     cursor->shard++, cursor->position = 0) {
		struct shard *shard = shard_lock_number(cursor->table->set, cursor->shard);
		const struct item *item = slot_each(shard, &cursor->position);
		while (item && item_is_over(item))
			item = slot_each(shard, &cursor->position);
		bool is_good = item && copy_item(cursor, item, out);
		shard_unlock(shard);
		if (item)
			return is_good;
	}
	return false;
}

/* ---- changes of a visited item ---- */

static struct item *lock_item(const struct table *table, const struct item_copy *copy,
			      struct shard **out_shard)
{
	*out_shard = shard_lock_number(table->set, copy->shard);
	return slot_at(*out_shard, copy->index, copy->generation);
}

bool item_change(const struct table *table, const struct item_copy *copy, const struct value *value)
{
	struct shard *shard;
	struct item *item = lock_item(table, copy, &shard);
	bool is_good = item && item_put(table, shard, item, copy->name, value);
	shard_unlock(shard);
	return is_good;
}

bool item_remove(const struct table *table, const struct item_copy *copy)
{
	struct shard *shard;
	struct item *item = lock_item(table, copy, &shard);
	if (item)
		slot_free(shard, &item->slot);
	shard_unlock(shard);
	return item != NULL;
}

bool item_set_expiry(const struct table *table, const struct item_copy *copy, int64_t expires_s)
{
	struct shard *shard;
	struct item *item = lock_item(table, copy, &shard);
	if (item && table->expire_s)
		item_expire(shard, item, expires_s);
	shard_unlock(shard);
	return item != NULL;
}

/* ---- many at once ---- */

/* Frees up to STEP items of a shard that `round` did not set; false when there are no more. */
static bool free_some(const struct table *table, unsigned number, uint32_t *position,
		      const uint32_t *round)
{
	struct shard *shard = shard_lock_number(table->set, number);
	struct item *item = NULL;
	for (unsigned i = 0; i < STEP && (item = slot_each(shard, position)); i++)
		if (!round || item->round != *round)
			slot_free(shard, &item->slot);
	shard_unlock(shard);
	return item != NULL;
}

static void free_all(const struct table *table, const uint32_t *round)
{
	for (unsigned number = 0; number < shard_count(table->set); number++) {
		uint32_t position = 0;
		while (free_some(table, number, &position, round))
			;
	}
}

void items_clear(const struct table *table)
{
	free_all(table, NULL);
}

unsigned items_take_expired(const struct table *table, unsigned number, struct arena *arena,
			    struct item_copy *out, unsigned most)
{
	struct timer_due due[STEP];
	unsigned taken = 0;
	if (shard_next_deadline(table->set, number) > clock_ms())
		return 0;
	struct shard *shard = shard_lock_number(table->set, number);
	unsigned count = wheel_collect(shard, clock_ms(), due, most < STEP ? most : STEP);
	for (unsigned i = 0; i < count; i++) {
		struct item *item = slot_at(shard, due[i].index, due[i].generation);
		if (!item)
			continue;
		out[taken].name = arena_copy(arena, item->name);
		out[taken].value = item->kind == VALUE_TEXT
					   ? VALUE_OF_TEXT(arena_copy(arena, item->text))
					   : VALUE_OF_INT(item->number);
		out[taken++].expires_ms = item->expires_ms;
		slot_free(shard, &item->slot);
	}
	shard_unlock(shard);
	return taken;
}

/* ---- loading ---- */

uint32_t load_begin(const struct table *table)
{
	return ++table->shared->round;
}

bool load_item(const struct table *table, struct span key, const struct value *value,
	       int64_t expires_s, uint32_t round)
{
	uint64_t hash = hash_span(key);
	struct shard *shard = shard_lock(table->set, hash);
	struct item *item = item_put(table, shard, item_find(shard, hash, key), key, value);
	if (item) {
		item->round = round;
		if (table->expire_s)
			item_expire(shard, item,
				    expires_s == EXPIRES_AS_TABLE ? table->expire_s : expires_s);
	}
	shard_unlock(shard);
	return item != NULL;
}

int64_t load_count(const struct table *table, struct span key, uint32_t round)
{
	uint64_t hash = hash_span(key);
	struct shard *shard = shard_lock(table->set, hash);
	const struct item *item = item_find(shard, hash, key);
	int64_t count = item && item->round == round && item->kind == VALUE_INT ? item->number : 0;
	shard_unlock(shard);
	return load_item(table, key, &VALUE_OF_INT(count + 1), EXPIRES_AS_TABLE, round) ? count
											: -1;
}

void load_end(const struct table *table, uint32_t round)
{
	free_all(table, &round);
}
