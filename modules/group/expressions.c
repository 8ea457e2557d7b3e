/* SPDX-License-Identifier: BSD-2-Clause */
/* expressions: regular expressions that stand for groups; read once, when the server starts. */
#include "modules/group/group.h"

#define EXPRESSIONS_VERSION 1

struct expression {
	struct expression *previous; /* in the table */
	const struct pattern *pattern;
	int64_t group;
};

static struct expression *last;

static bool add(const struct db_value *row)
{
	struct span error;
	struct span text = arena_copy(startup_arena(), row[0].text);
	if (row[1].kind != DB_INT || !text.len) {
		log_error("table %.*s: a row has no expression or no group",
			  SPAN_ARGS(group_settings->re_table));
		return false;
	}
	struct expression *one = ARENA_NEW(startup_arena(), struct expression);
	const struct pattern *pattern =
		pattern_compile(text, PATTERN_IGNORE_CASE, startup_arena(), &error);
	if (!pattern || !one) {
		log_error("table %.*s, group %lld: \"%.*s\" is no regular expression: %.*s",
			  SPAN_ARGS(group_settings->re_table), (long long)row[1].number,
			  SPAN_ARGS(text), SPAN_ARGS(error));
		return false;
	}
	*one = (struct expression){ last, pattern, row[1].number };
	last = one;
	return true;
}

bool expressions_load(struct db *db)
{
	const struct group_settings *s = group_settings;
	struct db_rows rows;
	bool is_good = true;
	if (!s->re_table.len)
		return true;
	if (!db_need_table(db, "group", s->re_table, EXPRESSIONS_VERSION))
		return false;
	const struct db_column columns[] = { { s->re_exp_column, DB_TEXT },
					     { s->re_gid_column, DB_INT } };
	const struct db_spec spec = {
		.verb = DB_SELECT, .table = s->re_table, .columns = columns, .column_count = 2
	};
	const struct db_statement *all = db_prepare(db, startup_arena(), &spec);
	if (!all || db_run(all, NULL, &rows) != DB_OK)
		return false;
	while (db_next(&rows))
		if (!add(rows.values))
			is_good = false;
	return db_end(&rows) == DB_OK && is_good;
}

int expressions_match(struct script_run *run, struct span subject,
		      const struct variable_ref *output)
{
	int found = 0;
	for (const struct expression *one = last; one; one = one->previous) {
		const struct value group = VALUE_OF_INT(one->group);
		if (!pattern_search(one->pattern, subject, 0, NULL, 0))
			continue;
		if (!variable_write(run, output, &group))
			log_error("get_user_group: %.*s is not set", SPAN_ARGS(output->text));
		found++;
		if (!group_settings->multiple_gid)
			break;
	}
	return found;
}
