/* SPDX-License-Identifier: BSD-2-Clause */
/* find: where a parameter stands is told by a table of its own: for each group the tables that are to be
 * looked through, and the names of their columns. */
#include "modules/cfg_db/cfg_db.h"

enum { TABLE, GROUP_FIELD, NAME_FIELD, VALUE_FIELD, FIELDS_COUNT };

static struct {
	struct db *db;
	struct db_statement *places; /* by group */
	struct span defaults[FIELDS_COUNT];
} state = {
	.defaults = { SPAN("cfg_var"), SPAN("group_name"), SPAN("name"), SPAN("value") },
};

static bool read_places(struct span group, struct row_set *out)
{
	const struct db_value values[] = { db_text(group) };
	struct db_rows rows;
	return db_run(state.places, values, &rows) == DB_OK &&
	       row_set_read(&rows, startup_arena(), out);
}

/* A field that is empty has its default. */
static struct span field_of(const struct row_set *places, unsigned row, unsigned field)
{
	const struct db_value *value = row_set_at(places, row, field);
	return value->kind == DB_TEXT && value->text.len ? value->text : state.defaults[field];
}

bool find_prepare(struct db *db, struct span transl_tbl)
{
	static const struct db_column columns[FIELDS_COUNT] = {
		[TABLE] = { SPAN("cfg_table"), DB_TEXT },
		[GROUP_FIELD] = { SPAN("cfg_table_group_name_field"), DB_TEXT },
		[NAME_FIELD] = { SPAN("cfg_table_name_field"), DB_TEXT },
		[VALUE_FIELD] = { SPAN("cfg_table_value_field"), DB_TEXT },
	};
	const struct db_key keys[] = { { SPAN("group_name"), DB_EQUAL } };
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = transl_tbl,
				      .columns = columns,
				      .column_count = FIELDS_COUNT,
				      .keys = keys,
				      .key_count = 1 };
	struct row_set defaults;
	state.db = db;
	state.places = db_prepare(db, startup_arena(), &spec);
	if (!state.places || !read_places(SPAN_OF("<default>"), &defaults))
		return false;
	for (unsigned i = 0; defaults.rows && i < FIELDS_COUNT; i++)
		state.defaults[i] = field_of(&defaults, 0, i);
	return true;
}

static bool find_in(const struct row_set *places, unsigned row, const struct db_value *key,
		    struct db_value *out)
{
	const struct db_column columns[] = { { field_of(places, row, VALUE_FIELD), DB_NULL } };
	const struct db_key keys[] = { { field_of(places, row, GROUP_FIELD), DB_EQUAL },
				       { field_of(places, row, NAME_FIELD), DB_EQUAL } };
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = field_of(places, row, TABLE),
				      .columns = columns,
				      .column_count = 1,
				      .keys = keys,
				      .key_count = 2,
				      .limit = 1 };
	const struct db_statement *ask = db_prepare(state.db, startup_arena(), &spec);
	const struct db_value *found;
	if (!ask || db_first(ask, key, startup_arena(), &found) != DB_OK || !found)
		return false;
	*out = *found;
	return found->kind != DB_NULL;
}

bool find_value(struct span group, struct span name, struct db_value *out)
{
	const struct span rounds[] = { group, SPAN_OF("*") };
	const struct db_value key[] = { db_text(group), db_text(name) };
	for (size_t i = 0; i < ARRAY_SIZE(rounds); i++) {
		struct row_set places;
		if (!read_places(rounds[i], &places))
			return false;
		for (unsigned row = 0; row < places.rows; row++)
			if (find_in(&places, row, key, out))
				return true;
	}
	return false;
}
