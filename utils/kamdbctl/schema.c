/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of the schema: which there are, and their statements. */
#include "utils/kamdbctl/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/check.h"
#include "utils/control/output.h"
#include "utils/control/settings.h"

#define FILE_MAX     (1 << 20)
#define COLUMNS_MOST 128

/* The folder with the schema: SCHEMA_DIR, the installed one, or the build's own. */
static const char *schema_folder(void)
{
	static char folder[PATH_MAX];
	static const char *const places[] = { "../share/viaduct/schema", "../../etc/schema",
					      "../etc/schema" };
	char own[PATH_MAX / 2];
	if (*setting("SCHEMA_DIR"))
		return setting("SCHEMA_DIR");
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	own[len > 0 ? len : 0] = '\0';
	char *slash = strrchr(own, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(folder, sizeof(folder), "%s/%s", own, places[i]);
		if (access(folder, R_OK) == 0)
			return folder;
	}
	return "/usr/share/viaduct/schema";
}

/* The text of a group's file; absent after a message. */
static struct span read_group(const struct database_maker *maker, struct span group)
{
	struct span path = arena_printf(tool_arena(), "%s/%s/%.*s-create.sql%c", schema_folder(),
					maker->schema_folder, SPAN_ARGS(group), 0);
	char *text = arena_alloc(tool_arena(), FILE_MAX);
	FILE *file = span_find(group, '/', 0) == group.len ? fopen(path.at, "re") : NULL;
	if (!file || !text) {
		say_error("there is no group of tables \"%.*s\" (%s: %s)", SPAN_ARGS(group),
			  path.at, strerror(errno));
		if (file)
			fclose(file);
		return (struct span){ 0 };
	}
	size_t len = fread(text, 1, FILE_MAX, file);
	fclose(file);
	return span_make(text, len);
}

/* Takes one statement, which ends with ';' at the end of a line; comments are skipped. */
static bool next_statement(struct span *rest, struct span *out)
{
	while (rest->len && (ascii_is_space(*rest->at) || span_starts_with(*rest, SPAN_OF("--"))))
		*rest = *rest->at == '-' ? span_slice(*rest, span_find(*rest, '\n', 0), rest->len)
					 : span_slice(*rest, 1, rest->len);
	if (!rest->len)
		return false;
	size_t end = span_find_span(*rest, SPAN_OF(";\n"));
	*out = span_trim(span_slice(*rest, 0, end));
	if (span_ends_with(*out, SPAN_OF(";")))
		out->len--;
	*rest = span_slice(*rest, end + 1, rest->len);
	return out->len > 0;
}

bool schema_run(const struct database_maker *maker, const char *database, const char *group)
{
	struct span rest = read_group(maker, span_from(group)), statement;
	if (!rest.at)
		return false;
	struct db *db = database_open_named(
		maker->engine == ENGINE_SQLITE ? ACCESS_WRITE : ACCESS_ROOT, database);
	while (next_statement(&rest, &statement))
		if (!database_execute(db, database_sql(db, statement, 0), NULL, NULL)) {
			say_error("group \"%s\" stopped at: %.*s", group,
				  SPAN_ARGS(span_slice(statement, 0, 60)));
			return false;
		}
	return true;
}

bool schema_run_list(const struct database_maker *maker, const char *database, const char *groups)
{
	struct span rest = span_from(groups), group;
	while (span_split(&rest, ' ', &group)) {
		group = span_trim(group);
		if (group.len && !schema_run(maker, database, arena_string(tool_arena(), group)))
			return false;
		if (group.len)
			say("  %.*s", SPAN_ARGS(group));
	}
	return true;
}

/* INSERT INTO version (…) VALUES ('table', number) */
static bool read_version(struct span statement, struct span *out_table, int64_t *out_version)
{
	size_t at = span_find_span(statement, SPAN_OF("VALUES ('"));
	if (!span_starts_with(statement, SPAN_OF("INSERT INTO")) || at == statement.len)
		return false;
	struct span rest = span_slice(statement, at + 9, statement.len), table;
	if (!span_split(&rest, '\'', &table))
		return false;
	while (rest.len && strchr(", )", *rest.at))
		rest = span_slice(rest, 1, rest.len);
	size_t digits = 0;
	while (digits < rest.len && ascii_is_digit(rest.at[digits]))
		digits++;
	*out_table = table;
	return span_to_int64(span_slice(rest, 0, digits), out_version);
}

bool schema_statements(const struct database_maker *maker, const char *groups,
		       bool (*visit)(struct span statement, void *with), void *with)
{
	struct span rest = span_from(groups), group, statement;
	while (span_split(&rest, ' ', &group)) {
		group = span_trim(group);
		struct span text = group.len ? read_group(maker, group) : (struct span){ 0 };
		if (group.len && !text.at)
			return false;
		while (next_statement(&text, &statement))
			if (!visit(statement, with))
				return false;
	}
	return true;
}

struct version_visit {
	bool (*visit)(struct span table, int64_t version, void *with);
	void *with;
};

static bool visit_version(struct span statement, void *with)
{
	const struct version_visit *visitor = with;
	struct span table;
	int64_t version;
	return !read_version(statement, &table, &version) ||
	       visitor->visit(table, version, visitor->with);
}

bool schema_versions(const struct database_maker *maker, const char *groups,
		     bool (*visit)(struct span table, int64_t version, void *with), void *with)
{
	return schema_statements(maker, groups, visit_version,
				 &(struct version_visit){ visit, with });
}

/* ---- migration ---------------------------------------------------------------------------------- */

/* Names of the columns of a table. 0 after a message. */
static unsigned columns_of(struct db *db, struct span table, struct span *out, unsigned most)
{
	struct db_rows rows;
	const struct db_statement *statement = database_prepare(
		db, &(struct db_spec){ .verb = DB_SELECT, .table = table, .limit = 1 });
	if (db_run(statement, NULL, &rows) != DB_OK) {
		say_error("table %.*s: %s", SPAN_ARGS(table), db_last_error(db));
		return 0;
	}
	unsigned count = rows.count < most ? rows.count : most;
	for (unsigned i = 0; i < count; i++)
		out[i] = arena_copy(tool_arena(), db_column_name(&rows, i));
	while (db_next(&rows))
		; /* the connection is wanted again */
	return db_end(&rows) == DB_OK ? count : 0;
}

static bool is_about(struct span statement, struct span table)
{
	static const struct span words[] = { SPAN("CREATE TABLE "), SPAN(" ON ") };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t at = span_find_span(statement, words[i]);
		struct span rest = span_slice(statement, at + words[i].len, statement.len);
		while (rest.len && strchr("`\" ", *rest.at))
			rest = span_slice(rest, 1, rest.len);
		if (at < statement.len && span_starts_with(rest, table) &&
		    (rest.len == table.len || strchr("`\" (", rest.at[table.len])))
			return true;
	}
	return false;
}

/* Runs the statements that make the table, out of whichever group has it. */
static bool make_table(const struct database_maker *maker, struct db *db, struct span table)
{
	struct span groups[] = { span_from(setting("STANDARD_MODULES")),
				 span_from(setting("EXTRA_MODULES")), SPAN_OF("presence rls") };
	bool is_made = false;
	for (size_t i = 0; i < ARRAY_SIZE(groups) && !is_made; i++) {
		struct span rest = groups[i], group, statement;
		while (!is_made && span_split(&rest, ' ', &group)) {
			group = span_trim(group);
			struct span text =
				group.len ? read_group(maker, group) : (struct span){ 0 };
			while (next_statement(&text, &statement)) {
				if (!is_about(statement, table))
					continue;
				if (!database_execute(db, database_sql(db, statement, 0), NULL,
						      NULL))
					return false;
				is_made = true;
			}
		}
	}
	return is_made;
}

[[gnu::format(printf, 2, 3)]] static bool run_text(struct db *db, const char *format, ...)
{
	va_list arguments;
	struct writer w = writer_in_arena(tool_arena(), 512);
	char text[8192];
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	writer_string(&w, text);
	return database_execute(db, database_sql(db, writer_result(&w), 0), NULL, NULL);
}

bool schema_migrate(const struct database_maker *maker, struct db *db, struct span table,
		    int64_t from)
{
	struct span before[COLUMNS_MOST], after[COLUMNS_MOST];
	char names[4096] = "";
	int len = (int)table.len;
	unsigned before_count = columns_of(db, table, before, COLUMNS_MOST);
	if (!before_count ||
	    !run_text(db, "CREATE TABLE %.*s_old_%ld AS SELECT * FROM %.*s", len, table.at,
		      (long)from, len, table.at) ||
	    !run_text(db, "DROP TABLE %.*s", len, table.at) || !make_table(maker, db, table))
		return false;
	unsigned after_count = columns_of(db, table, after, COLUMNS_MOST);
	struct writer w = writer_fixed(names, sizeof(names) - 1);
	for (unsigned i = 0; i < after_count; i++)
		for (unsigned k = 0; k < before_count; k++)
			if (span_equal_nocase(after[i], before[k])) {
				writer_string(&w, w.len ? ", " : "");
				writer_span(&w, after[i]);
			}
	names[w.len] = '\0';
	if (!run_text(db, "INSERT INTO %.*s (%s) SELECT %s FROM %.*s_old_%ld", len, table.at, names,
		      names, len, table.at, (long)from))
		return false;
	return maker->engine != ENGINE_PGSQL ||
	       run_text(db,
			"SELECT setval(pg_get_serial_sequence('%.*s', 'id'), "
			"coalesce(max(id), 1)) FROM %.*s",
			len, table.at, len, table.at);
}
