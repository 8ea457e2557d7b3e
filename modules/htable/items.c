/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and changing single items. */
#include "modules/htable/items.h"

#include "core/shm/map.h"

static bool verify(const void *slot)
{
	const struct item *item = slot;
	return item->name.at && shm_contains(item->name.at) &&
	       (item->kind == VALUE_INT || (item->text.at && shm_contains(item->text.at)));
}

static const struct shard_type item_type = {
	.name = "htable",
	.slot_size = sizeof(struct item),
	.timer_count = 1,
	.timer_grace_ms = 1000,
	.verify = verify,
};

bool items_prepare(struct table *table)
{
	unsigned shards = table->size <= 4 ? 2 : table->size <= 8 ? 8 : 16;
	table->set = shard_set_new(&item_type, shards);
	table->shared = shm_reserve(sizeof(*table->shared), "htable");
	return table->set && table->shared;
}

unsigned items_bucket(const struct table *table, struct span key)
{
	return (unsigned)(hash_span(key) >> 32 & ((1ull << table->size) - 1));
}

int64_t item_left_s(const struct item_copy *item)
{
	return item->expires_ms ? (item->expires_ms - clock_ms() + 999) / 1000 : 0;
}

/* ---- with the lock held ---- */

struct item *item_find(struct shard *shard, uint64_t hash, struct span key)
{
	struct item *item = slot_first(shard, hash);
	while (item && !span_equal(item->name, key))
		item = slot_next(shard, &item->slot);
	return item;
}

void item_expire(struct shard *shard, struct item *item, int64_t expires_s)
{
	if (expires_s <= 0) {
		item->expires_ms = 0;
		timer_disarm(shard, &item->slot, TIMER_EXPIRY);
		return;
	}
	item->expires_ms = clock_ms() + expires_s * 1000;
	timer_arm(shard, &item->slot, TIMER_EXPIRY, item->expires_ms);
}

/* Empty texts have an address too. */
static struct span copy_text(struct shard *shard, struct item *item, struct span text)
{
	struct span copy = region_copy(shard, &item->slot, text.len ? text : SPAN_OF("\0"));
	copy.len = copy.at ? text.len : 0;
	return copy;
}

static bool item_change_value(struct shard *shard, struct item *item, const struct value *value)
{
	struct span old = item->text, text = { NULL, 0 };
	if (value->kind == VALUE_INT && item->kind == VALUE_INT) {
		item->number = value->number;
		return true;
	}
	if (value->kind == VALUE_TEXT) {
		text = copy_text(shard, item, value->text);
		if (!text.at)
			return false;
	}
	slot_change_begin(shard, &item->slot);
	item->kind = (uint8_t)value->kind;
	item->number = value->number;
	item->text = text;
	slot_change_end(shard, &item->slot);
	region_free(shard, &item->slot, (void *)(uintptr_t)old.at);
	return true;
}

static struct item *item_new(struct shard *shard, struct span key, const struct value *value)
{
	struct item *item = slot_new(shard, hash_span(key));
	if (!item)
		return NULL;
	item->name = copy_text(shard, item, key);
	item->kind = (uint8_t)value->kind;
	item->number = value->number;
	if (value->kind == VALUE_TEXT)
		item->text = copy_text(shard, item, value->text);
	if (!item->name.at || (value->kind == VALUE_TEXT && !item->text.at)) {
		slot_free(shard, &item->slot);
		return NULL;
	}
	slot_publish(shard, &item->slot);
	return item;
}

struct item *item_put(const struct table *table, struct shard *shard, struct item *item,
		      struct span key, const struct value *value)
{
	bool is_fresh = !item || item_is_over(item);
	if (item && !item_change_value(shard, item, value))
		return NULL;
	if (!item)
		item = item_new(shard, key, value);
	if (!item)
		return NULL;
	item->round = table->shared->round;
	if (is_fresh || !table->keeps_expiry)
		item_expire(shard, item, table->expire_s);
	return item;
}

/* ---- by key ---- */

bool items_get(const struct table *table, struct span key, struct arena *arena,
	       struct item_copy *out)
{
	uint64_t hash = hash_span(key);
	struct shard *shard = shard_lock(table->set, hash);
	const struct item *item = item_find(shard, hash, key);
	bool is_there = item && !item_is_over(item);
	if (is_there) {
		*out = (struct item_copy){ .name = key,
					   .value = VALUE_OF_INT(item->number),
					   .expires_ms = item->expires_ms };
		if (item->kind == VALUE_TEXT)
			out->value = VALUE_OF_TEXT(arena_copy(arena, item->text));
	}
	shard_unlock(shard);
	return is_there && (out->value.kind == VALUE_INT || out->value.text.at);
}

bool items_set(const struct table *table, struct span key, const struct value *value,
	       int64_t expires_s)
{
	uint64_t hash = hash_span(key);
	struct shard *shard = shard_lock(table->set, hash);
	struct item *item = item_put(table, shard, item_find(shard, hash, key), key, value);
	if (item && expires_s != EXPIRES_AS_TABLE && table->expire_s)
		item_expire(shard, item, expires_s);
	shard_unlock(shard);
	if (!item)
		log_error("no shared memory for the table \"%.*s\"", SPAN_ARGS(table->name));
	return item != NULL;
}

bool items_add(const struct table *table, struct span key, int64_t n, int64_t *out_number)
{
	uint64_t hash = hash_span(key);
	bool is_good = false;
	struct shard *shard = shard_lock(table->set, hash);
	struct item *item = item_find(shard, hash, key);
	bool is_there = item && !item_is_over(item);
	if (is_there ? item->kind == VALUE_INT : table->has_initial) {
		int64_t number = is_there ? item->number : table->initial;
		number = (int64_t)((uint64_t)number + (uint64_t)n);
		is_good = item_put(table, shard, item, key, &VALUE_OF_INT(number)) != NULL;
		*out_number = number;
	}
	shard_unlock(shard);
	return is_good;
}

bool items_remove(const struct table *table, struct span key)
{
	uint64_t hash = hash_span(key);
	struct shard *shard = shard_lock(table->set, hash);
	struct item *item = item_find(shard, hash, key);
	bool was_there = item && !item_is_over(item);
	if (item)
		slot_free(shard, &item->slot);
	shard_unlock(shard);
	return was_there;
}

bool items_set_expiry(const struct table *table, struct span key, int64_t expires_s)
{
	uint64_t hash = hash_span(key);
	struct shard *shard = shard_lock(table->set, hash);
	struct item *item = item_find(shard, hash, key);
	bool is_there = item && !item_is_over(item);
	if (is_there && table->expire_s)
		item_expire(shard, item, expires_s);
	shard_unlock(shard);
	return is_there;
}
