/* SPDX-License-Identifier: BSD-2-Clause */
/* htable.*: what administrators see and change. */
#include "modules/htable/replica.h"

#include <stdlib.h>

/* The table that argument 0 names; NULL after a fault. */
static struct table *need_table(struct rpc_call *call, const char *missing)
{
	struct span name;
	if (!rpc_arg_text(call, 0, &name)) {
		rpc_fault(call, 500, "%s", missing);
		return NULL;
	}
	struct table *table = table_find(name);
	if (!table)
		rpc_fault(call, 500, "No such htable");
	return table;
}

/* The same with the key in argument 1; `count` arguments are needed. */
static struct table *need_item(struct rpc_call *call, unsigned count, const char *missing,
			       struct span *out_key)
{
	struct table *table = NULL;
	if (rpc_arg_count(call) < count || !rpc_arg_text(call, 1, out_key))
		rpc_fault(call, 500, "%s", missing);
	else
		table = need_table(call, missing);
	if (table)
		locks_wait(table, *out_key, NULL);
	return table;
}

static void add_value(struct rpc_call *call, struct rpc_node *node, const struct value *value)
{
	if (value->kind == VALUE_INT)
		rpc_add_int(call, node, "value", value->number);
	else
		rpc_add_text(call, node, "value", value->text);
}

/* ---- items ---- */

static void run_get(struct rpc_call *call)
{
	enum { FLAG_TEXT = 2 };
	struct span key;
	struct item_copy item;
	char buffer[32];
	struct table *table =
		need_item(call, 2, "Not enough parameters (htable name and key name)", &key);
	if (!table)
		return;
	if (!items_get(table, key, rpc_arena(call), &item)) {
		rpc_fault(call, 500, "Key name doesn't exist in htable.");
		return;
	}
	struct rpc_node *node = rpc_add_struct(call, rpc_add_struct(call, NULL, NULL), "item");
	rpc_add_text(call, node, "name", key);
	add_value(call, node, &item.value);
	rpc_add_int(call, node, "flags", item.value.kind == VALUE_TEXT ? FLAG_TEXT : 0);
	rpc_add_text(call, node, "expire",
		     item.expires_ms ? db_time_write(clock_wall_s_from_ms(item.expires_ms), buffer)
				     : SPAN_OF("NEVER"));
}

static void run_delete(struct rpc_call *call)
{
	struct span key;
	struct table *table =
		need_item(call, 2, "Not enough parameters (htable name & key name)", &key);
	if (!table)
		return;
	bool was_there = items_remove(table, key);
	replica_remove(table, key);
	if (was_there)
		rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Key deleted."));
	else
		rpc_fault(call, 404, "Key not found in htable.");
}

enum { WITHOUT_EXPIRY = 3, WITH_EXPIRY = 4 };

static void set(struct rpc_call *call, bool is_number, unsigned count)
{
	static const char *const missing[] = {
		[WITHOUT_EXPIRY] = "Not enough parameters (htable name, key name and value)",
		[WITH_EXPIRY] = "Not enough parameters (htable name, key name, value and expire)",
	};
	struct span key;
	struct value value = { .kind = is_number ? VALUE_INT : VALUE_TEXT };
	int64_t expires_s = EXPIRES_AS_TABLE;
	struct table *table = need_item(call, count, missing[count], &key);
	if (!table)
		return;
	if (is_number ? !rpc_need_int(call, 2, "value", &value.number)
		      : !rpc_need_text(call, 2, "value", &value.text))
		return;
	if (count == WITH_EXPIRY && !rpc_need_int(call, 3, "expire", &expires_s))
		return;
	if (!items_set(table, key, &value, expires_s)) {
		rpc_fault(call, 500, "Failed to set the item: no shared memory");
		return;
	}
	replica_set(table, key, &value);
	if (count == WITH_EXPIRY)
		replica_expire(table, key, expires_s);
	rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Key set to new value."));
}

static void run_sets(struct rpc_call *call)
{
	set(call, false, WITHOUT_EXPIRY);
}

static void run_seti(struct rpc_call *call)
{
	set(call, true, WITHOUT_EXPIRY);
}

static void run_setxs(struct rpc_call *call)
{
	set(call, false, WITH_EXPIRY);
}

static void run_setxi(struct rpc_call *call)
{
	set(call, true, WITH_EXPIRY);
}

static void run_setex(struct rpc_call *call)
{
	struct span key;
	int64_t expires_s;
	struct table *table = need_item(
		call, 3, "Not enough parameters (htable name, item name and expire)", &key);
	if (!table || !rpc_need_int(call, 2, "expire", &expires_s))
		return;
	items_set_expiry(table, key, expires_s);
	replica_expire(table, key, expires_s);
	rpc_add_text(call, NULL, NULL, SPAN_OF("Ok"));
}

/* ---- tables ---- */

struct dumped {
	struct dumped *next;
	unsigned bucket;
	struct span name;
	struct value value;
};

static int by_bucket(const void *left, const void *right)
{
	const struct dumped *a = *(struct dumped *const *)left, *b = *(struct dumped *const *)right;
	if (a->bucket != b->bucket)
		return a->bucket < b->bucket ? -1 : 1;
	return span_compare(a->name, b->name);
}

/* Copies of all items, sorted; NULL when memory is out. */
static struct dumped **collect(const struct table *table, struct arena *arena, size_t *out_count)
{
	struct dumped *first = NULL, **list;
	struct item_cursor cursor;
	struct item_copy item;
	size_t count = 0;
	bool is_good = true;
	cursor_init(&cursor, table);
	while (is_good && cursor_next(&cursor, &item)) {
		struct dumped *copy = ARENA_NEW(arena, struct dumped);
		if (copy) {
			*copy = (struct dumped){ .next = first,
						 .bucket = items_bucket(table, item.name),
						 .name = arena_copy(arena, item.name),
						 .value = item.value };
			if (item.value.kind == VALUE_TEXT)
				copy->value.text = arena_copy(arena, item.value.text);
			first = copy;
			count++;
		}
		is_good = copy != NULL;
	}
	cursor_free(&cursor);
	list = is_good ? ARENA_ARRAY(arena, struct dumped *, count + 1) : NULL;
	if (!list)
		return NULL;
	for (size_t i = 0; i < count; i++, first = first->next)
		list[i] = first;
	qsort(list, count, sizeof(list[0]), by_bucket);
	*out_count = count;
	return list;
}

static void add_bucket(struct rpc_call *call, struct dumped *const *items, size_t count)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "entry", items[0]->bucket);
	rpc_add_int(call, node, "size", (int64_t)count);
	struct rpc_node *list = rpc_add_array(call, node, "slot");
	for (size_t i = 0; i < count; i++) {
		struct rpc_node *item = rpc_add_struct(call, list, NULL);
		rpc_add_text(call, item, "name", items[i]->name);
		add_value(call, item, &items[i]->value);
		rpc_add_text(call, item, "type",
			     items[i]->value.kind == VALUE_INT ? SPAN_OF("int") : SPAN_OF("str"));
	}
}

static void run_dump(struct rpc_call *call)
{
	struct table *table = need_table(call, "No htable name given");
	size_t count = 0;
	if (!table)
		return;
	struct dumped **items = collect(table, rpc_arena(call), &count);
	if (!items)
		rpc_fault(call, 500, "the table is larger than an answer may be");
	for (size_t from = 0, to = 0; from < count; from = to) {
		while (to < count && items[to]->bucket == items[from]->bucket)
			to++;
		add_bucket(call, items + from, to - from);
	}
}

static void reload_on_worker(const void *data, size_t len)
{
	char name[192] = "htable:reloaded:";
	size_t prefix = strlen(name);
	if (prefix + len >= sizeof(name))
		return;
	memcpy(name + prefix, data, len);
	name[prefix + len] = '\0';
	script_run_event(name, NULL, NULL, NULL);
}

static struct table *need_database_table(struct rpc_call *call)
{
	struct table *table;
	if (!rows_has_database()) {
		rpc_fault(call, 500, "No htable db_url");
		return NULL;
	}
	table = need_table(call, "No htable name given");
	if (table && !table->db_table.len) {
		rpc_fault(call, 500, "No database htable");
		return NULL;
	}
	return table;
}

static void run_reload(struct rpc_call *call)
{
	uint64_t count;
	struct table *table = need_database_table(call);
	if (!table)
		return;
	if (!rows_load(table, &count)) {
		rpc_fault(call, 500, "Htable could not be reloaded; it is as it was");
		return;
	}
	worker_post(0, reload_on_worker, table->name.at, table->name.len);
	rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Htable reloaded."));
}

static void run_store(struct rpc_call *call)
{
	uint64_t count;
	struct table *table = need_database_table(call);
	if (table && rows_store(table, &count))
		rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Htable successfully stored to DB."));
	else if (table)
		rpc_fault(call, 500, "Storing htable to DB failed");
}

static void run_flush(struct rpc_call *call)
{
	struct table *table = need_table(call, "No htable name given");
	if (!table)
		return;
	items_clear(table);
	rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Htable flushed."));
}

static void run_list(struct rpc_call *call)
{
	for (const struct table *table = table_first(); table; table = table->next) {
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_text(call, node, "name", table->name);
		rpc_add_text(call, node, "dbtable",
			     table->db_table.at ? table->db_table : SPAN_OF(""));
		rpc_add_int(call, node, "dbmode", table->is_stored);
		rpc_add_int(call, node, "expire", table->expire_s);
		rpc_add_int(call, node, "updateexpire", !table->keeps_expiry);
		rpc_add_int(call, node, "size", (int64_t)1 << table->size);
		rpc_add_int(call, node, "dmqreplicate", table->is_replicated);
	}
}

struct fill {
	uint64_t all;
	uint32_t least, most;
};

static bool count_buckets(const struct table *table, struct fill *out)
{
	size_t buckets = (size_t)1 << table->size;
	uint32_t *counts = calloc(buckets, sizeof(*counts));
	struct item_cursor cursor;
	struct item_copy item;
	if (!counts)
		return false;
	*out = (struct fill){ .least = UINT32_MAX };
	cursor_init(&cursor, table);
	for (; cursor_next(&cursor, &item); out->all++)
		counts[items_bucket(table, item.name)]++;
	cursor_free(&cursor);
	for (size_t i = 0; i < buckets; i++) {
		out->least = counts[i] < out->least ? counts[i] : out->least;
		out->most = counts[i] > out->most ? counts[i] : out->most;
	}
	free(counts);
	return true;
}

static void run_stats(struct rpc_call *call)
{
	for (const struct table *table = table_first(); table; table = table->next) {
		struct fill fill;
		if (!count_buckets(table, &fill)) {
			rpc_fault(call, 500, "out of memory");
			return;
		}
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_text(call, node, "name", table->name);
		rpc_add_int(call, node, "slots", (int64_t)1 << table->size);
		rpc_add_int(call, node, "all", (int64_t)fill.all);
		rpc_add_int(call, node, "min", fill.least);
		rpc_add_int(call, node, "max", fill.most);
	}
}

const struct rpc_command htable_commands[HTABLE_COMMANDS] = {
	{ "htable.get", run_get, "Shows an item.", "table key" },
	{ "htable.delete", run_delete, "Removes an item.", "table key" },
	{ "htable.sets", run_sets, "Sets an item to a text.", "table key value" },
	{ "htable.seti", run_seti, "Sets an item to a number.", "table key value" },
	{ "htable.setex", run_setex, "Sets the seconds that an item has left.", "table key expire" },
	{ "htable.setxs", run_setxs, "Sets an item to a text, with its own life.",
		"table key value expire" },
	{ "htable.setxi", run_setxi, "Sets an item to a number, with its own life.",
		"table key value expire" },
	{ "htable.dump", run_dump, "Shows all items of a table.", "table", true },
	{ "htable.reload", run_reload, "Reads a table from the database again.", "table" },
	{ "htable.store", run_store, "Writes a table to the database.", "table" },
	{ "htable.flush", run_flush, "Removes all items of a table.", "table" },
	{ "htable.listTables", run_list, "Lists the tables.", NULL, true },
	{ "htable.stats", run_stats, "Counts the items of all tables.", NULL, true },
};
