/* SPDX-License-Identifier: BSD-2-Clause */
/* rows: reads rows of a database to their end, and turns values of the database into those of scripts. */
#include "core/module/rows.h"

#include "core/base/log.h"

#define FIRST_VALUES 32

static bool copy_value(struct arena *arena, const struct db_value *from, struct db_value *to)
{
	*to = *from;
	if (from->kind != DB_TEXT && from->kind != DB_BLOB)
		return true;
	to->text = arena_copy(arena, from->text);
	return to->text.at;
}

/* Room for one more row, in steps that double. */
static bool has_room(struct row_set *set, struct arena *arena, size_t *capacity)
{
	size_t used = (size_t)set->rows * set->columns;
	if (used + set->columns <= *capacity)
		return true;
	size_t more = *capacity ? 2 * *capacity : FIRST_VALUES;
	if (more < used + set->columns)
		more = used + set->columns;
	struct db_value *values =
		arena_grow(arena, set->values, used * sizeof(*values), more * sizeof(*values));
	if (!values)
		return false;
	set->values = values;
	*capacity = more;
	return true;
}

static bool add_row(struct row_set *set, struct arena *arena, const struct db_rows *rows,
		    size_t *capacity)
{
	if (!has_room(set, arena, capacity))
		return false;
	struct db_value *to = set->values + (size_t)set->rows * set->columns;
	for (unsigned i = 0; i < set->columns; i++)
		if (!copy_value(arena, &rows->values[i], &to[i]))
			return false;
	set->rows++;
	return true;
}

bool row_set_read(struct db_rows *rows, struct arena *arena, struct row_set *out)
{
	size_t capacity = 0;
	*out = (struct row_set){ .columns = rows->count };
	out->names = ARENA_ARRAY(arena, struct span, rows->count + 1);
	bool is_good = out->names;
	for (unsigned i = 0; is_good && i < rows->count; i++) {
		out->names[i] = arena_copy(arena, db_column_name(rows, i));
		is_good = out->names[i].at;
	}
	while (is_good && db_next(rows))
		is_good = add_row(out, arena, rows, &capacity);
	if (!is_good)
		log_error("a query brings more than there is room for; %u rows were read",
			  out->rows);
	return db_end(rows) == DB_OK && is_good;
}

struct value row_value(struct script_run *run, const struct db_value *from)
{
	char buffer[32];
	switch (from->kind) {
	case DB_NULL: break;
	case DB_INT:
	case DB_TIME: return VALUE_OF_INT(from->number);
	case DB_TEXT:
	case DB_BLOB: return VALUE_OF_TEXT(from->text);
	case DB_DOUBLE: {
		struct span text = arena_copy(run->arena, db_as_text(from, buffer));
		if (text.at)
			return VALUE_OF_TEXT(text);
		break;
	}
	}
	return (struct value){ .kind = VALUE_NULL };
}
