/* SPDX-License-Identifier: BSD-2-Clause */
/* Values on their way to the server, as text of types that the server works out, and fields that
 * come back. Type numbers are those of the system catalogue, which never change. */
#include <stdio.h>
#include <stdlib.h>

#include "modules/db_postgres/db_postgres.h"

#define NUMBER_ROOM 40

enum type_number {
	TYPE_BOOL = 16,
	TYPE_BYTEA = 17,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_TIMESTAMP = 1114,
	TYPE_TIMESTAMPTZ = 1184,
};

/* ---- values ---------------------------------------------------------------------------------- */

static bool has_room(struct parameters *to, unsigned count, size_t text)
{
	if (count > to->room) {
		const char **values = realloc(to->values, count * sizeof(*values));
		if (values)
			to->values = values;
		int *lengths = values ? realloc(to->lengths, count * sizeof(*lengths)) : NULL;
		if (lengths)
			to->lengths = lengths;
		int *formats = lengths ? realloc(to->formats, count * sizeof(*formats)) : NULL;
		if (!formats)
			return false;
		to->formats = formats;
		to->room = count;
	}
	if (text > to->text_room) {
		char *larger = realloc(to->text, text);
		if (!larger)
			return false;
		to->text = larger;
		to->text_room = text;
	}
	return true;
}

static size_t room_of(const struct db_value *value)
{
	return value->kind == DB_TEXT ? value->text.len + 1 : NUMBER_ROOM;
}

const char *parameters_fill(struct parameters *to, const struct db_value *values, unsigned count)
{
	size_t room = 0;
	for (unsigned i = 0; i < count; i++)
		room += room_of(&values[i]);
	if (!has_room(to, count, room))
		return "no memory";
	char *at = to->text;
	for (unsigned i = 0; i < count; i++) {
		const struct db_value *value = &values[i];
		char number[32];
		struct span text = db_as_text(value, number);
		to->formats[i] = value->kind == DB_BLOB; /* bytes as they are */
		to->lengths[i] = (int)text.len;
		to->values[i] = text.at;
		if (value->kind == DB_NULL || value->kind == DB_BLOB)
			continue;
		if (span_find(text, '\0', 0) < text.len)
			return "a text has a zero byte, which PostgreSQL cannot hold";
		memcpy(at, text.at, text.len);
		at[text.len] = '\0';
		to->values[i] = at;
		at += room_of(value);
	}
	return NULL;
}

void parameters_free(struct parameters *parameters)
{
	free(parameters->values);
	free(parameters->lengths);
	free(parameters->formats);
	free(parameters->text);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Numerics keep their digits and days stay days: they are text unless the caller wants something else. */
struct db_value field_read(const PGresult *result, int column, unsigned char **blob)
{
	if (PQgetisnull(result, 0, column))
		return db_null();
	struct span text =
		span_make(PQgetvalue(result, 0, column), (size_t)PQgetlength(result, 0, column));
	struct db_value as_text = db_text(text);
	size_t len = 0;
	switch (PQftype(result, column)) {
	case TYPE_BOOL: return db_int(text.len && text.at[0] == 't');
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_OID: return db_int(db_as_int(&as_text));
	case TYPE_FLOAT4:
	case TYPE_FLOAT8: return db_double(db_as_double(&as_text));
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ: return db_time(db_time_read(text));
	case TYPE_BYTEA:
		*blob = PQunescapeBytea((const unsigned char *)text.at, &len);
		return *blob ? db_blob(span_make((const char *)*blob, len)) : db_null();
	default: return as_text;
	}
}
