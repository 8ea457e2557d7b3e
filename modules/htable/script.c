/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions on single items and whole tables. */
#include "modules/htable/replica.h"

/* What sht_lock and sht_unlock return then. */
#define NO_TABLE (-11)

struct table_args {
	struct span table;
};
static const struct field table_fields[] = { FIELD(struct table_args, table, "table") };
struct item_args {
	struct span table, key;
};
static const struct field item_fields[] = {
	FIELD(struct item_args, table, "table"),
	FIELD(struct item_args, key, "name of the item"),
};
struct key_args {
	struct span key;
};
static const struct field key_fields[] = { FIELD(struct key_args, key, "TABLE=>KEY") };
struct setxs_args {
	struct span table, key, value;
	int64_t expires_s;
};
#define EXPIRES_FIELD(type) \
	FIELD(struct type, expires_s, "seconds; 0: as the table says", .max = INT32_MAX)
static const struct field setxs_fields[] = {
	FIELD(struct setxs_args, table, "table"),
	FIELD(struct setxs_args, key, "name of the item"),
	FIELD(struct setxs_args, value, "text"),
	EXPIRES_FIELD(setxs_args),
};
struct setxi_args {
	struct span table, key;
	int64_t value, expires_s;
};
static const struct field setxi_fields[] = {
	FIELD(struct setxi_args, table, "table"),
	FIELD(struct setxi_args, key, "name of the item"),
	FIELD(struct setxi_args, value, "number"),
	EXPIRES_FIELD(setxi_args),
};
SCRIPT_HANDLER_PLAIN(print)
SCRIPT_HANDLER_OF(reset, table)
SCRIPT_HANDLER_OF(rm, item)
SCRIPT_HANDLER_OF(is_null, item)
SCRIPT_HANDLER_OF(inc, item)
SCRIPT_HANDLER_OF(dec, item)
SCRIPT_HANDLER(setxs)
SCRIPT_HANDLER(setxi)
SCRIPT_HANDLER_OF(lock, key)
SCRIPT_HANDLER_OF(unlock, key)

static void print_item(const struct item_copy *item)
{
	if (item->value.kind == VALUE_INT)
		log_error("  %.*s = %lld, %lld s left (0: stays)", SPAN_ARGS(item->name),
			  (long long)item->value.number, (long long)item_left_s(item));
	else
		log_error("  %.*s = \"%.*s\", %lld s left (0: stays)", SPAN_ARGS(item->name),
			  SPAN_ARGS(item->value.text), (long long)item_left_s(item));
}

static int print(struct script_run *run)
{
	for (const struct table *table = table_first(); table; table = table->next) {
		struct item_cursor cursor;
		struct item_copy item;
		log_error("table %.*s: %llu items, autoexpire %lld", SPAN_ARGS(table->name),
			  (unsigned long long)shard_set_live(table->set),
			  (long long)table->expire_s);
		cursor_init(&cursor, table);
		while (cursor_next(&cursor, &item))
			print_item(&item);
		cursor_free(&cursor);
	}
	return SCRIPT_TRUE;
}

static int reset(struct script_run *run, const struct table_args *args)
{
	struct table *table = table_need(args->table);
	if (!table)
		return SCRIPT_FALSE;
	items_clear(table);
	return SCRIPT_TRUE;
}

static struct table *table_for_change(struct script_run *run, struct span name, struct span key)
{
	struct table *table = table_need(name);
	if (table)
		locks_wait(table, key, run->msg);
	return table;
}

static int rm(struct script_run *run, const struct item_args *args)
{
	struct table *table = table_for_change(run, args->table, args->key);
	if (!table)
		return SCRIPT_FALSE;
	items_remove(table, args->key);
	replica_remove(table, args->key);
	return SCRIPT_TRUE;
}

static int is_null(struct script_run *run, const struct item_args *args)
{
	struct item_copy item;
	struct table *table = table_for_change(run, args->table, args->key);
	if (!table || table->has_initial || items_get(table, args->key, run->arena, &item))
		return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

static int add(struct script_run *run, const struct item_args *args, int64_t n)
{
	int64_t number;
	struct table *table = table_for_change(run, args->table, args->key);
	if (!table || !items_add(table, args->key, n, &number))
		return SCRIPT_FALSE;
	replica_set(table, args->key, &VALUE_OF_INT(number));
	return SCRIPT_TRUE;
}

static int inc(struct script_run *run, const struct item_args *args)
{
	return add(run, args, 1);
}

static int dec(struct script_run *run, const struct item_args *args)
{
	return add(run, args, -1);
}

static int set(struct script_run *run, const struct item_args *item, const struct value *value,
	       int64_t expires_s)
{
	struct table *table = table_for_change(run, item->table, item->key);
	if (!table)
		return SCRIPT_FALSE;
	if (!items_set(table, item->key, value, expires_s > 0 ? expires_s : EXPIRES_AS_TABLE))
		return SCRIPT_FALSE;
	replica_set(table, item->key, value);
	if (expires_s > 0)
		replica_expire(table, item->key, expires_s);
	return SCRIPT_TRUE;
}

static int setxs(struct script_run *run, const struct setxs_args *args)
{
	const struct item_args item = { args->table, args->key };
	return set(run, &item, &VALUE_OF_TEXT(args->value), args->expires_s);
}

static int setxi(struct script_run *run, const struct setxi_args *args)
{
	const struct item_args item = { args->table, args->key };
	return set(run, &item, &VALUE_OF_INT(args->value), args->expires_s);
}

static int lock(struct script_run *run, const struct key_args *args)
{
	struct span key;
	struct table *table = table_of_key(args->key, &key);
	if (!table)
		return NO_TABLE;
	return locks_take(table, key, run->msg) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int unlock(struct script_run *run, const struct key_args *args)
{
	struct span key;
	struct table *table = table_of_key(args->key, &key);
	if (!table)
		return NO_TABLE;
	locks_release(table, key, run->msg);
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION_PLAIN("sht_print", print, IN_ANY, "Writes all tables to the log, as errors."),
	FUNCTION_OF("sht_reset", reset, table, IN_ANY, "Removes all items of a table."),
	FUNCTION_OF("sht_rm", rm, item, IN_ANY, "Removes an item."),
	FUNCTION_OF("sht_is_null", is_null, item, IN_ANY, "Is there no such item?"),
	FUNCTION_OF("sht_inc", inc, item, IN_ANY, "Adds 1 to an item."),
	FUNCTION_OF("sht_dec", dec, item, IN_ANY, "Takes 1 from an item."),
	FUNCTION("sht_setxs", setxs, IN_ANY, "Sets an item to a text, with its own life."),
	FUNCTION("sht_setxi", setxi, IN_ANY, "Sets an item to a number, with its own life."),
	FUNCTION_OF("sht_lock", lock, key, IN_ANY,
		"Other messages wait at this item until sht_unlock; may be nested."),
	FUNCTION_OF("sht_unlock", unlock, key, IN_ANY, "Ends sht_lock."),
};
const struct function_table item_functions = ROWS(functions);
