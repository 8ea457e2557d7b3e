/* SPDX-License-Identifier: BSD-2-Clause */
/* Values on their way to the server, and the columns that come back, in the library's structs. */
#include <stdlib.h>
#include <time.h>

#include "modules/db_mysql/db_mysql.h"

#define CHARSET_BINARY 63
#define FIRST_TEXT     256

/* ---- values ---------------------------------------------------------------------------------- */

static void write_time(MYSQL_TIME *out, int64_t wall_s)
{
	time_t seconds = (time_t)wall_s;
	struct tm parts = { 0 };
	localtime_r(&seconds, &parts);
	*out = (MYSQL_TIME){ .year = (unsigned)parts.tm_year + 1900,
			     .month = (unsigned)parts.tm_mon + 1,
			     .day = (unsigned)parts.tm_mday,
			     .hour = (unsigned)parts.tm_hour,
			     .minute = (unsigned)parts.tm_min,
			     .second = (unsigned)parts.tm_sec,
			     .time_type = MYSQL_TIMESTAMP_DATETIME };
}

static int64_t read_time(const MYSQL_TIME *time)
{
	const struct tm parts = { .tm_year = (int)time->year - 1900,
				  .tm_mon = (int)time->month - 1,
				  .tm_mday = (int)time->day,
				  .tm_hour = (int)time->hour,
				  .tm_min = (int)time->minute,
				  .tm_sec = (int)time->second };
	return time->month ? db_time_of(&parts) : 0;
}

static void bind_value(MYSQL_BIND *bind, const struct db_value *value, MYSQL_TIME *time)
{
	*bind = (MYSQL_BIND){ 0 };
	switch (value->kind) {
	case DB_NULL: bind->buffer_type = MYSQL_TYPE_NULL; return;
	case DB_INT:
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = (void *)(uintptr_t)&value->number;
		return;
	case DB_DOUBLE:
		bind->buffer_type = MYSQL_TYPE_DOUBLE;
		bind->buffer = (void *)(uintptr_t)&value->real;
		return;
	case DB_TIME:
		write_time(time, value->number);
		bind->buffer_type = MYSQL_TYPE_DATETIME;
		bind->buffer = time;
		return;
	case DB_TEXT:
	case DB_BLOB:
		bind->buffer_type = value->kind == DB_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
		bind->buffer = (void *)(uintptr_t)value->text.at;
		bind->buffer_length = (unsigned long)value->text.len;
		return;
	}
}

bool prepared_bind_values(struct prepared *prepared, const struct db_value *values,
			  MYSQL_BIND *binds, MYSQL_TIME *times, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		bind_value(&binds[i], &values[i], &times[i]);
	return count == 0 || mysql_stmt_bind_param(prepared->handle, binds) == 0;
}

/* ---- columns --------------------------------------------------------------------------------- */

/* Decimals keep their digits and days stay days: they are text unless the caller wants something else. */
static enum db_kind kind_of(const MYSQL_FIELD *field)
{
	switch (field->type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_YEAR: return DB_INT;
	case MYSQL_TYPE_FLOAT:
	case MYSQL_TYPE_DOUBLE: return DB_DOUBLE;
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP: return DB_TIME;
	case MYSQL_TYPE_BIT:
	case MYSQL_TYPE_TINY_BLOB:
	case MYSQL_TYPE_MEDIUM_BLOB:
	case MYSQL_TYPE_LONG_BLOB:
	case MYSQL_TYPE_BLOB: return field->charsetnr == CHARSET_BINARY ? DB_BLOB : DB_TEXT;
	default: return DB_TEXT;
	}
}

static bool bind_column(struct prepared_column *column, MYSQL_BIND *bind, const MYSQL_FIELD *field)
{
	column->kind = kind_of(field);
	column->name = span_make(field->name, field->name_length);
	*bind = (MYSQL_BIND){ .is_null = &column->is_null,
			      .length = &column->len,
			      .error = &column->is_cut };
	switch (column->kind) {
	case DB_NULL:
	case DB_INT:
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = &column->fixed.number;
		bind->is_unsigned = (field->flags & UNSIGNED_FLAG) != 0;
		return true;
	case DB_DOUBLE:
		bind->buffer_type = MYSQL_TYPE_DOUBLE;
		bind->buffer = &column->fixed.real;
		return true;
	case DB_TIME:
		bind->buffer_type = MYSQL_TYPE_DATETIME;
		bind->buffer = &column->fixed.time;
		return true;
	case DB_TEXT:
	case DB_BLOB:
		column->text = malloc(FIRST_TEXT);
		column->capacity = FIRST_TEXT;
		bind->buffer_type = column->kind == DB_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
		bind->buffer = column->text;
		bind->buffer_length = column->capacity;
		return column->text != NULL;
	}
	return false;
}

static void free_columns(struct prepared *prepared)
{
	for (unsigned i = 0; i < prepared->column_count; i++)
		free(prepared->columns[i].text);
	free(prepared->columns);
	free(prepared->binds);
	free(prepared->row);
	free(prepared->names);
	prepared->columns = NULL;
	prepared->binds = NULL;
	prepared->row = NULL;
	prepared->names = NULL;
	prepared->column_count = 0;
}

void prepared_free(struct prepared *prepared)
{
	free_columns(prepared);
	mysql_stmt_close(prepared->handle);
	free(prepared);
}

/* Has the table changed since the columns were bound? */
static bool fits(const struct prepared *prepared, const MYSQL_FIELD *fields, unsigned count)
{
	if (prepared->column_count != count || !prepared->columns)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (prepared->columns[i].kind != kind_of(&fields[i]))
			return false;
	return true;
}

static bool bind_anew(struct prepared *prepared, const MYSQL_FIELD *fields, unsigned count)
{
	free_columns(prepared);
	prepared->columns = calloc(count, sizeof(*prepared->columns));
	prepared->binds = calloc(count, sizeof(*prepared->binds));
	prepared->row = calloc(count, sizeof(*prepared->row));
	prepared->names = calloc(count, sizeof(*prepared->names));
	if (!prepared->columns || !prepared->binds || !prepared->row || !prepared->names)
		return false;
	prepared->column_count = count;
	for (unsigned i = 0; i < count; i++)
		if (!bind_column(&prepared->columns[i], &prepared->binds[i], &fields[i]))
			return false;
	return mysql_stmt_bind_result(prepared->handle, prepared->binds) == 0;
}

/* The library keeps what it knows of the columns in the handle; asking for it as a result would make a
 * copy with each execution. */
bool prepared_bind_columns(struct prepared *prepared)
{
	unsigned count = mysql_stmt_field_count(prepared->handle);
	const MYSQL_FIELD *fields = prepared->handle->fields;
	if (!fields || (!fits(prepared, fields, count) && !bind_anew(prepared, fields, count)))
		return false;
	/* The names are the library's: they are renewed with every execution. */
	for (unsigned i = 0; i < count; i++)
		prepared->names[i] = span_make(fields[i].name, fields[i].name_length);
	return true;
}

/* A text longer than its room: makes room and asks the library again, which has it in memory. */
static bool read_long(struct prepared *prepared, unsigned index)
{
	struct prepared_column *column = &prepared->columns[index];
	char *larger = realloc(column->text, column->len);
	if (!larger)
		return false;
	column->text = larger;
	column->capacity = column->len;
	prepared->binds[index].buffer = larger;
	prepared->binds[index].buffer_length = column->capacity;
	return mysql_stmt_fetch_column(prepared->handle, &prepared->binds[index], index, 0) == 0;
}

static struct db_value value_of(const struct prepared_column *column)
{
	if (column->is_null)
		return db_null();
	switch (column->kind) {
	case DB_NULL: return db_null();
	case DB_INT: return db_int(column->fixed.number);
	case DB_DOUBLE: return db_double(column->fixed.real);
	case DB_TIME: return db_time(read_time(&column->fixed.time));
	case DB_TEXT: return db_text(span_make(column->text, column->len));
	case DB_BLOB: return db_blob(span_make(column->text, column->len));
	}
	return db_null();
}

/* The rooms that grew are told to the library when the row has been read: some of its versions forget
 * the lengths of the columns then. */
const struct db_value *prepared_row(struct prepared *prepared)
{
	bool has_grown = false;
	for (unsigned i = 0; i < prepared->column_count; i++) {
		struct prepared_column *column = &prepared->columns[i];
		if (column->text && !column->is_null && column->len > column->capacity) {
			if (!read_long(prepared, i))
				return NULL;
			has_grown = true;
		}
		prepared->row[i] = value_of(column);
	}
	if (has_grown && mysql_stmt_bind_result(prepared->handle, prepared->binds) != 0)
		return NULL;
	return prepared->row;
}
