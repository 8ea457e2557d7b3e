/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements: what a spec says, written in the SQL of an engine. Names are quoted, values are only
 * ever placeholders. */
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/writer.h"
#include "core/db/driver.h"

bool db_name_is_usable(struct span name)
{
	return name.len > 0 && name.len <= 255 && span_find(name, '\0', 0) == name.len;
}

/* ---- SQL ------------------------------------------------------------------------------------- */

struct sql {
	struct writer *out;
	const struct db_dialect *dialect;
	unsigned values; /* placeholders written so far */
};

static void write_word(struct sql *sql, struct span name)
{
	char quote = sql->dialect->quote;
	writer_char(sql->out, quote);
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == quote)
			writer_char(sql->out, quote);
		writer_char(sql->out,
			    sql->dialect->folds_names ? ascii_lower(name.at[i]) : name.at[i]);
	}
	writer_char(sql->out, quote);
}

/* A table may be "schema.table". */
static void write_table(struct sql *sql, struct span name)
{
	size_t dot = span_find(name, '.', 0);
	if (dot > 0 && dot + 1 < name.len) {
		write_word(sql, span_slice(name, 0, dot));
		writer_char(sql->out, '.');
		name = span_slice(name, dot + 1, name.len);
	}
	write_word(sql, name);
}

static void write_placeholder(struct sql *sql)
{
	sql->values++;
	if (sql->dialect->numbers_values) {
		writer_char(sql->out, '$');
		writer_uint(sql->out, sql->values);
	} else {
		writer_char(sql->out, '?');
	}
}

static void write_where(struct sql *sql, const struct db_spec *spec)
{
	static const struct {
		const char *text;
		bool has_value;
	} operators[] = {
		[DB_EQUAL] = { " = ", true },
		[DB_NOT_EQUAL] = { " <> ", true },
		[DB_LESS] = { " < ", true },
		[DB_LESS_OR_EQUAL] = { " <= ", true },
		[DB_GREATER] = { " > ", true },
		[DB_GREATER_OR_EQUAL] = { " >= ", true },
		[DB_LIKE] = { " LIKE ", true },
		[DB_IS_NULL] = { " IS NULL", false },
		[DB_IS_NOT_NULL] = { " IS NOT NULL", false },
	};
	for (unsigned i = 0; i < spec->key_count; i++) {
		writer_string(sql->out, i ? " AND " : " WHERE ");
		write_word(sql, spec->keys[i].column);
		writer_string(sql->out, operators[spec->keys[i].op].text);
		if (operators[spec->keys[i].op].has_value)
			write_placeholder(sql);
	}
}

static void write_select(struct sql *sql, const struct db_spec *spec)
{
	writer_literal(sql->out, "SELECT ");
	if (!spec->column_count)
		writer_char(sql->out, '*');
	for (unsigned i = 0; i < spec->column_count; i++) {
		if (i)
			writer_char(sql->out, ',');
		write_word(sql, spec->columns[i].name);
	}
	writer_literal(sql->out, " FROM ");
	write_table(sql, spec->table);
	write_where(sql, spec);
	for (unsigned i = 0; i < spec->order_count; i++) {
		writer_string(sql->out, i ? "," : " ORDER BY ");
		write_word(sql, spec->order[i].column);
		if (spec->order[i].is_descending)
			writer_literal(sql->out, " DESC");
	}
	if (spec->limit)
		writer_printf(sql->out, " LIMIT %u", spec->limit);
}

static bool is_key(const struct db_spec *spec, struct span column)
{
	for (unsigned i = 0; i < spec->key_count; i++)
		if (span_equal(spec->keys[i].column, column))
			return true;
	return false;
}

/* The columns that an upsert changes; all of them when every column is a key. */
static void write_assignments(struct sql *sql, const struct db_spec *spec)
{
	bool has_others = false, is_first = true;
	for (unsigned i = 0; i < spec->column_count; i++)
		has_others |= !is_key(spec, spec->columns[i].name);
	for (unsigned i = 0; i < spec->column_count; i++) {
		struct span name = spec->columns[i].name;
		if (has_others && is_key(spec, name))
			continue;
		if (!is_first)
			writer_char(sql->out, ',');
		is_first = false;
		write_word(sql, name);
		writer_string(sql->out,
			      sql->dialect->has_duplicate_key ? "=VALUES(" : "=excluded.");
		write_word(sql, name);
		if (sql->dialect->has_duplicate_key)
			writer_char(sql->out, ')');
	}
}

static void write_conflict(struct sql *sql, const struct db_spec *spec)
{
	if (sql->dialect->has_duplicate_key) {
		writer_literal(sql->out, " ON DUPLICATE KEY UPDATE ");
	} else {
		writer_literal(sql->out, " ON CONFLICT (");
		for (unsigned i = 0; i < spec->key_count; i++) {
			if (i)
				writer_char(sql->out, ',');
			write_word(sql, spec->keys[i].column);
		}
		writer_literal(sql->out, ") DO UPDATE SET ");
	}
	write_assignments(sql, spec);
}

static void write_insert(struct sql *sql, const struct db_spec *spec)
{
	bool replaces = spec->verb == DB_REPLACE && sql->dialect->has_replace;
	unsigned rows = spec->row_count ? spec->row_count : 1;
	writer_string(sql->out, replaces ? "REPLACE INTO " : "INSERT INTO ");
	write_table(sql, spec->table);
	for (unsigned i = 0; i < spec->column_count; i++) {
		writer_string(sql->out, i ? "," : " (");
		write_word(sql, spec->columns[i].name);
	}
	writer_literal(sql->out, ") VALUES ");
	for (unsigned row = 0; row < rows; row++) {
		if (row)
			writer_char(sql->out, ',');
		for (unsigned i = 0; i < spec->column_count; i++) {
			writer_char(sql->out, i ? ',' : '(');
			write_placeholder(sql);
		}
		writer_char(sql->out, ')');
	}
	if (spec->verb == DB_UPSERT || (spec->verb == DB_REPLACE && !replaces))
		write_conflict(sql, spec);
}

static void write_update(struct sql *sql, const struct db_spec *spec)
{
	writer_literal(sql->out, "UPDATE ");
	write_table(sql, spec->table);
	for (unsigned i = 0; i < spec->column_count; i++) {
		writer_string(sql->out, i ? "," : " SET ");
		write_word(sql, spec->columns[i].name);
		writer_char(sql->out, '=');
		write_placeholder(sql);
	}
	write_where(sql, spec);
}

/* The operator's text; a `?` outside quotes is a value. */
static void write_raw(struct sql *sql, const struct db_spec *spec)
{
	char quote = '\0';
	for (size_t i = 0; i < spec->sql.len; i++) {
		char c = spec->sql.at[i];
		if (quote)
			quote = c == quote ? '\0' : quote;
		else if (c == '\'' || c == '"' || c == '`')
			quote = c;
		if (c == '?' && !quote && spec->value_count)
			write_placeholder(sql);
		else
			writer_char(sql->out, c);
	}
}

void db_sql_write(struct writer *out, const struct db_dialect *dialect, const struct db_spec *spec)
{
	struct sql sql = { out, dialect, 0 };
	switch (spec->verb) {
	case DB_SELECT: write_select(&sql, spec); return;
	case DB_INSERT:
	case DB_UPSERT:
	case DB_REPLACE: write_insert(&sql, spec); return;
	case DB_UPDATE: write_update(&sql, spec); return;
	case DB_DELETE:
		writer_literal(out, "DELETE FROM ");
		write_table(&sql, spec->table);
		write_where(&sql, spec);
		return;
	case DB_RAW: write_raw(&sql, spec); return;
	}
}

/* ---- making one ------------------------------------------------------------------------------ */

static unsigned count_values(const struct db_spec *spec)
{
	unsigned keys = 0;
	for (unsigned i = 0; i < spec->key_count; i++)
		keys += spec->keys[i].op != DB_IS_NULL && spec->keys[i].op != DB_IS_NOT_NULL;
	switch (spec->verb) {
	case DB_SELECT:
	case DB_DELETE: return keys;
	case DB_UPDATE: return spec->column_count + keys;
	case DB_INSERT:
	case DB_UPSERT:
	case DB_REPLACE: return spec->column_count * (spec->row_count ? spec->row_count : 1);
	case DB_RAW: return spec->value_count;
	}
	return 0;
}

static bool copy_columns(struct arena *arena, struct db_spec *spec)
{
	struct db_column *columns = ARENA_ARRAY(arena, struct db_column, spec->column_count + 1);
	if (!columns)
		return false;
	for (unsigned i = 0; i < spec->column_count; i++) {
		columns[i] = spec->columns[i];
		columns[i].name = arena_copy(arena, columns[i].name);
		if (!columns[i].name.at || !db_name_is_usable(columns[i].name))
			return false;
	}
	spec->columns = columns;
	return true;
}

static bool copy_keys(struct arena *arena, struct db_spec *spec)
{
	struct db_key *keys = ARENA_ARRAY(arena, struct db_key, spec->key_count + 1);
	struct db_order *order = ARENA_ARRAY(arena, struct db_order, spec->order_count + 1);
	if (!keys || !order)
		return false;
	for (unsigned i = 0; i < spec->key_count; i++) {
		keys[i] = spec->keys[i];
		keys[i].column = arena_copy(arena, keys[i].column);
		if (!keys[i].column.at || !db_name_is_usable(keys[i].column))
			return false;
	}
	for (unsigned i = 0; i < spec->order_count; i++) {
		order[i] = spec->order[i];
		order[i].column = arena_copy(arena, order[i].column);
		if (!order[i].column.at || !db_name_is_usable(order[i].column))
			return false;
	}
	spec->keys = keys;
	spec->order = order;
	return true;
}

/* What a caller's code must not get wrong. */
static void must_make_sense(const struct db_spec *spec)
{
	bool is_insert =
		spec->verb == DB_INSERT || spec->verb == DB_UPSERT || spec->verb == DB_REPLACE;
	bug_if((is_insert || spec->verb == DB_UPDATE) && !spec->column_count,
	       "a statement for table %.*s changes no column", SPAN_ARGS(spec->table));
	bug_if((spec->verb == DB_UPSERT || spec->verb == DB_REPLACE) && !spec->key_count,
	       "an upsert for table %.*s names no unique key", SPAN_ARGS(spec->table));
}

struct db_statement *db_prepare(struct db *db, struct arena *arena, const struct db_spec *spec)
{
	struct db_statement *statement = ARENA_NEW(arena, struct db_statement);
	must_make_sense(spec);
	if (!statement || (spec->verb != DB_RAW && !db_name_is_usable(spec->table)))
		return NULL;
	statement->db = db;
	statement->spec = *spec;
	statement->value_count = count_values(spec);
	statement->spec.table = arena_copy(arena, spec->table);
	statement->spec.sql = arena_copy(arena, spec->sql);
	if (!copy_columns(arena, &statement->spec) || !copy_keys(arena, &statement->spec))
		return NULL;
	if (spec->verb == DB_RAW && !statement->spec.sql.at)
		return NULL;
	for (unsigned i = 0; spec->verb == DB_SELECT && i < spec->column_count; i++)
		statement->has_kinds |= spec->columns[i].kind != DB_NULL;
	const struct db_dialect *dialect = db_driver_at(db)->dialect;
	if (dialect) {
		struct writer w = writer_in_arena(arena, 256);
		db_sql_write(&w, dialect, &statement->spec);
		if (!writer_terminate(&w))
			return NULL;
		statement->sql = writer_result(&w);
		statement->hash = hash_span(statement->sql);
	}
	return statement;
}

unsigned db_value_count(const struct db_statement *statement)
{
	return statement->value_count;
}

/* ---- rows and structs ------------------------------------------------------------------------ */

void db_columns_of(struct field_table fields, struct db_column *out)
{
	for (uint32_t i = 0; i < fields.count; i++) {
		bool is_text = fields.rows[i].kind == FIELD_KIND_TEXT;
		out[i] = (struct db_column){ span_from(fields.rows[i].name),
					     is_text ? DB_TEXT : DB_INT };
	}
}

static void set_number(const struct field *field, char *member, int64_t number)
{
	if (field->kind == FIELD_KIND_BOOL)
		*(bool *)member = number != 0;
	else if (field->size == sizeof(int64_t))
		memcpy(member, &number, sizeof(number));
	else
		memcpy(member, &(int32_t){ (int32_t)number }, sizeof(int32_t));
}

bool db_read_fields(const struct db_rows *rows, struct field_table fields, void *object,
		    struct arena *arena)
{
	char buffer[32];
	for (uint32_t i = 0; i < fields.count && i < rows->count; i++) {
		const struct field *field = &fields.rows[i];
		char *member = (char *)object + field->offset;
		if (field->kind != FIELD_KIND_TEXT) {
			set_number(field, member, db_as_int(&rows->values[i]));
			continue;
		}
		struct span text = db_as_text(&rows->values[i], buffer);
		bool is_borrowed = text.at != buffer;
		bug_if(!arena && !is_borrowed, "column %s is no text and nothing can hold it",
		       field->name);
		struct span kept = arena && text.at ? arena_copy(arena, text) : text;
		if (text.at && !kept.at)
			return false;
		memcpy(member, &kept, sizeof(kept));
	}
	return true;
}

void db_write_fields(struct field_table fields, const void *object, struct db_value *out)
{
	for (uint32_t i = 0; i < fields.count; i++)
		out[i] = fields.rows[i].kind == FIELD_KIND_TEXT
				 ? db_text(field_get_text(&fields.rows[i], object))
				 : db_int(field_get_int(&fields.rows[i], object));
}
