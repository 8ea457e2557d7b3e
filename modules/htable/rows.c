/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables in the database. Loading reads everything first and changes then, item by item; storing is one
 * transaction: nobody sees half a table on either side. */
#include "modules/htable/htable.h"

#include <stdlib.h>

enum column {
	COLUMN_KEY,
	COLUMN_KEY_TYPE,
	COLUMN_VALUE_TYPE,
	COLUMN_VALUE,
	COLUMN_EXPIRES,
	COLUMNS
};
enum { KEY_SIMPLE, KEY_ARRAY };
enum { VALUE_TYPE_TEXT, VALUE_TYPE_NUMBER };

/* What one reload may need while it reads. */
#define LOAD_MEMORY_MOST ((size_t)1 << 30)

static struct {
	struct row_settings settings;
	struct db *database;
} state;

bool rows_prepare(const struct row_settings *settings, struct diagnostics *diagnostics)
{
	state.settings = *settings;
	return db_use_optional(settings->db_url, "htable.db_url", diagnostics,
			       module_setting_position("htable", "db_url"), &state.database);
}

bool rows_has_database(void)
{
	return state.database != NULL;
}

bool rows_check(void)
{
	for (const struct table *table = table_first(); table; table = table->next)
		if (table->db_table.len && state.database &&
		    !db_need_table(state.database, "htable", table->db_table, 0))
			return false;
	return true;
}

/* ---- statements ---- */

static void list_columns(struct db_column out[COLUMNS])
{
	const struct row_settings *s = &state.settings;
	out[COLUMN_KEY] = (struct db_column){ s->key_name_column, DB_TEXT };
	out[COLUMN_KEY_TYPE] = (struct db_column){ s->key_type_column, DB_INT };
	out[COLUMN_VALUE_TYPE] = (struct db_column){ s->value_type_column, DB_INT };
	out[COLUMN_VALUE] = (struct db_column){ s->key_value_column, DB_TEXT };
	out[COLUMN_EXPIRES] = (struct db_column){ s->expires_column, DB_INT };
}

static struct db_statement *select_statement(const struct table *table, struct arena *arena)
{
	struct db_column columns[ARRAY_SIZE(table->columns)] = { 0 };
	struct db_spec spec = { .verb = DB_SELECT,
				.table = table->db_table,
				.columns = columns,
				.column_count =
					state.settings.db_expires ? COLUMNS : COLUMN_EXPIRES };
	if (table->column_count) {
		for (unsigned i = 0; i < table->column_count; i++)
			columns[i].name = table->columns[i];
		spec.column_count = table->column_count;
	} else {
		list_columns(columns);
	}
	return db_prepare(state.database, arena, &spec);
}

/* ---- loading ---- */

/* A row that was read, until all of them are there. */
struct row {
	struct row *next;
	struct span key;
	struct value value;
	int64_t expires_s;
	bool is_element;
};

struct rows {
	struct arena arena;
	struct row *first, **last;
};

/* One value as it is, several with the delimiter between them. */
static struct span join(const struct table *table, const struct db_rows *rows, struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 64);
	for (unsigned i = 1; i < rows->count; i++) {
		char buffer[32];
		if (i > 1)
			writer_char(&w, table->column_delimiter);
		writer_span(&w, rows->values[i].kind == DB_NULL
					? table->column_null
					: db_as_text(&rows->values[i], buffer));
	}
	return w.failed ? (struct span){ NULL, 0 } : w.len ? writer_result(&w) : SPAN_OF("");
}

static struct value value_of(const struct db_rows *rows, struct arena *arena)
{
	struct span text = rows->values[COLUMN_VALUE].text;
	int64_t number = 0;
	if (rows->values[COLUMN_VALUE_TYPE].number != VALUE_TYPE_NUMBER)
		return VALUE_OF_TEXT(arena_copy(arena, text.at ? text : SPAN_OF("")));
	if (!span_to_int64(span_trim(text), &number))
		log_warning(
			"the item %.*s has the type of a number, but its value is none; it counts as 0",
			SPAN_ARGS(rows->values[COLUMN_KEY].text));
	return VALUE_OF_INT(number);
}

/* False when memory is out. A row that is over, or has no key, is left out. */
static bool read_row(const struct table *table, const struct db_rows *from, struct rows *to)
{
	char buffer[32];
	struct row *row = ARENA_NEW(&to->arena, struct row);
	if (!row)
		return false;
	row->key = arena_copy(&to->arena, db_as_text(&from->values[COLUMN_KEY], buffer));
	row->expires_s = EXPIRES_AS_TABLE;
	if (!row->key.len)
		return from->values[COLUMN_KEY].kind == DB_NULL || row->key.at;
	if (table->column_count) {
		row->value = VALUE_OF_TEXT(join(table, from, &to->arena));
	} else {
		row->value = value_of(from, &to->arena);
		row->is_element = from->values[COLUMN_KEY_TYPE].number == KEY_ARRAY;
		if (state.settings.db_expires && table->expire_s) {
			int64_t expires = from->values[COLUMN_EXPIRES].number;
			row->expires_s = expires ? expires - clock_wall_s() : EXPIRES_NEVER;
			if (expires && row->expires_s <= 0)
				return true;
		}
	}
	if (row->value.kind == VALUE_TEXT && !row->value.text.at)
		return false;
	*to->last = row;
	to->last = &row->next;
	return true;
}

static bool read_rows(const struct table *table, struct rows *to)
{
	struct db_rows rows;
	struct db_statement *statement = select_statement(table, &to->arena);
	bool is_good = statement && db_run(statement, NULL, &rows) == DB_OK;
	if (!is_good)
		return false;
	while (is_good && db_next(&rows))
		is_good = read_row(table, &rows, to);
	if (!is_good)
		log_error("the table %.*s does not fit into memory while it is read",
			  SPAN_ARGS(table->db_table));
	return db_end(&rows) == DB_OK && is_good;
}

/* KEY[n], where n is the next one of this key in the round. */
static bool load_element(const struct table *table, const struct row *row, uint32_t round,
			 struct arena *arena)
{
	struct span counter = arena_printf(arena, "%.*s%.*s", SPAN_ARGS(row->key),
					   SPAN_ARGS(state.settings.array_size_suffix));
	int64_t n = counter.at ? load_count(table, counter, round) : -1;
	struct span key = arena_printf(arena, "%.*s[%lld]", SPAN_ARGS(row->key), (long long)n);
	return n >= 0 && key.at && load_item(table, key, &row->value, row->expires_s, round);
}

static bool apply_rows(const struct table *table, struct rows *rows, uint64_t *out_count)
{
	uint32_t round = load_begin(table);
	*out_count = 0;
	for (const struct row *row = rows->first; row; row = row->next) {
		bool is_good = row->is_element ? load_element(table, row, round, &rows->arena)
					       : load_item(table, row->key, &row->value,
							   row->expires_s, round);
		if (!is_good) {
			log_error(
				"no shared memory for all items of the table \"%.*s\": %llu are there",
				SPAN_ARGS(table->name), (unsigned long long)*out_count);
			return false;
		}
		++*out_count;
	}
	load_end(table, round);
	return true;
}

bool rows_load(const struct table *table, uint64_t *out_count)
{
	struct rows rows = { .first = NULL };
	rows.last = &rows.first;
	arena_init(&rows.arena, 1 << 16, LOAD_MEMORY_MOST);
	bool is_good = read_rows(table, &rows) && apply_rows(table, &rows, out_count);
	arena_free(&rows.arena);
	return is_good;
}

/* ---- storing ---- */

struct store {
	const struct table *table;
	struct arena arena;
	struct db_statement *remove, *insert;
	struct db_transaction transaction;
	uint64_t count, refused;
};

static bool prepare_store(struct store *store)
{
	struct db_column columns[COLUMNS];
	const struct span name = store->table->db_table;
	list_columns(columns);
	store->remove = db_prepare(state.database, &store->arena,
				   &(struct db_spec){ .verb = DB_DELETE, .table = name });
	store->insert = db_prepare(state.database, &store->arena,
				   &(struct db_spec){ .verb = DB_INSERT,
						      .table = name,
						      .columns = columns,
						      .column_count = COLUMNS });
	return store->remove && store->insert;
}

static void row_of(const struct item_copy *item, char number[32], struct db_value out[COLUMNS])
{
	int64_t expires = item->expires_ms ? clock_wall_s_from_ms(item->expires_ms) : 0;
	struct writer w = writer_fixed(number, 32);
	writer_int(&w, item->value.number);
	bool is_text = item->value.kind == VALUE_TEXT;
	out[COLUMN_KEY] = db_text(item->name);
	out[COLUMN_KEY_TYPE] = db_int(KEY_SIMPLE);
	out[COLUMN_VALUE_TYPE] = db_int(is_text ? VALUE_TYPE_TEXT : VALUE_TYPE_NUMBER);
	out[COLUMN_VALUE] = db_text(is_text ? item->value.text : writer_result(&w));
	out[COLUMN_EXPIRES] = db_int(state.settings.db_expires ? expires : 0);
}

/* In the transaction, or by itself when `alone`: then rows that are refused are left out. */
static enum db_status write_item(struct store *store, const struct item_copy *item, bool alone)
{
	struct db_value values[COLUMNS];
	char number[32];
	row_of(item, number, values);
	enum db_status status =
		alone ? db_execute(store->insert, values, NULL)
		      : db_execute_in(&store->transaction, store->insert, values, NULL);
	store->count += status == DB_OK;
	if (!alone || status == DB_OK || status == DB_AWAY)
		return status;
	store->refused++;
	log_error("the database refuses the item %.*s=>%.*s; it is not stored",
		  SPAN_ARGS(store->table->name), SPAN_ARGS(item->name));
	return DB_OK;
}

static enum db_status write_items(struct store *store, bool alone)
{
	struct item_cursor cursor;
	struct item_copy item;
	enum db_status status = DB_OK;
	store->count = 0;
	cursor_init(&cursor, store->table);
	while (status == DB_OK && cursor_next(&cursor, &item))
		status = write_item(store, &item, alone);
	cursor_free(&cursor);
	return status;
}

static enum db_status write_table(struct store *store)
{
	enum db_status status = db_begin(state.database, &store->transaction);
	if (status != DB_OK)
		return status;
	status = db_execute_in(&store->transaction, store->remove, NULL, NULL);
	if (status == DB_OK)
		status = write_items(store, false);
	if (status == DB_OK)
		return db_commit(&store->transaction);
	db_rollback(&store->transaction);
	return status;
}

/* One item that the database does not take must not cost all the others. */
static enum db_status write_one_by_one(struct store *store)
{
	enum db_status status = db_execute(store->remove, NULL, NULL);
	return status == DB_OK ? write_items(store, true) : status;
}

bool rows_store(const struct table *table, uint64_t *out_count)
{
	struct store store = { .table = table };
	*out_count = 0;
	if (table->column_count) {
		log_warning("the table \"%.*s\" has columns of its own (cols) and is never written",
			    SPAN_ARGS(table->name));
		return true;
	}
	arena_init(&store.arena, 1 << 14, 1 << 22);
	enum db_status status = prepare_store(&store) ? write_table(&store) : DB_REJECTED;
	if ((status == DB_REJECTED || status == DB_DUPLICATE) && store.insert)
		status = write_one_by_one(&store);
	arena_free(&store.arena);
	if (status != DB_OK)
		log_error("the table \"%.*s\" could not be stored: %s", SPAN_ARGS(table->name),
			  db_last_error(state.database));
	*out_count = store.count;
	return status == DB_OK;
}
