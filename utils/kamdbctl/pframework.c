/* SPDX-License-Identifier: BSD-2-Clause */
/* kamdbctl pframework: the description of all tables that the module xhttp_pi shows and edits in a
 * browser, as XML. For each table: its columns, and four commands (show, add, update, delete). */
#include "utils/kamdbctl/pframework.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/check.h"
#include "utils/control/output.h"
#include "utils/kamdbctl/schema.h"

#define COLUMNS_MOST 128
#define DATABASE_ID  "db"

struct table {
	struct span name, columns[COLUMNS_MOST];
	const char *types[COLUMNS_MOST];
	unsigned count; /* the first one is the key */
};

/* ---- the statements of the schema -------------------------------------------------------------- */

/* Types of the three engines; the first word that a type begins with counts. */
static const struct {
	const char *sql, *type;
} types[] = {
	{ "BIGINT", "DB1_BIGINT" },
	{ "BIGSERIAL", "DB1_BIGINT" },
	{ "INT", "DB1_INT" },
	{ "SERIAL", "DB1_INT" },
	{ "SMALLINT", "DB1_INT" },
	{ "TINYINT", "DB1_INT" },
	{ "VARCHAR", "DB1_STR" },
	{ "CHAR", "DB1_STR" },
	{ "TIMESTAMP", "DB1_DATETIME" },
	{ "DATETIME", "DB1_DATETIME" },
	{ "FLOAT", "DB1_DOUBLE" },
	{ "DOUBLE", "DB1_DOUBLE" },
	{ "REAL", "DB1_DOUBLE" },
	{ "NUMERIC", "DB1_DOUBLE" },
};

static const char *type_of(struct span sql)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (span_starts_with_nocase(sql, span_from(types[i].sql)))
			return types[i].type;
	return "DB1_BLOB"; /* texts of any length, too */
}

/* Takes a name in the quotes of an engine off the front. */
static bool take_name(struct span *rest, struct span *out)
{
	if (!rest->len || !strchr("`\"", *rest->at))
		return false;
	char quote = *rest->at;
	*rest = span_slice(*rest, 1, rest->len);
	return span_split(rest, quote, out);
}

/* CREATE TABLE "name" ( "column" TYPE …, … ), a column a line. */
static bool read_table(struct span statement, struct table *out)
{
	struct span rest = statement, line;
	out->count = 0;
	if (!span_starts_with(rest, SPAN_OF("CREATE TABLE ")))
		return false;
	rest = span_slice(rest, sizeof("CREATE TABLE ") - 1, rest.len);
	if (!take_name(&rest, &out->name))
		return false;
	while (span_split(&rest, '\n', &line) && out->count < COLUMNS_MOST) {
		line = span_trim(line);
		if (!take_name(&line, &out->columns[out->count]))
			continue; /* a key, or the end */
		out->types[out->count++] = type_of(span_trim(line));
	}
	return out->count > 0;
}

/* ---- XML ----------------------------------------------------------------------------------------- */

struct page {
	FILE *file;
	void (*write)(FILE *file, const struct table *table);
};

/* Names are our own; the URL of a database has what people put into passwords. */
static void write_escaped(FILE *file, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		switch (text.at[i]) {
		case '&': fputs("&amp;", file); break;
		case '<': fputs("&lt;", file); break;
		case '>': fputs("&gt;", file); break;
		default: fputc(text.at[i], file);
		}
}

static void write_declaration(FILE *file, const struct table *table)
{
	fprintf(file,
		"\t<db_table id=\"%.*s\">\n\t\t<table_name>%.*s</table_name>\n"
		"\t\t<db_url_id>" DATABASE_ID "</db_url_id>\n",
		SPAN_ARGS(table->name), SPAN_ARGS(table->name));
	for (unsigned i = 0; i < table->count; i++)
		fprintf(file, "\t\t<column><field>%.*s</field><type>%s</type></column>\n",
			SPAN_ARGS(table->columns[i]), table->types[i]);
	fputs("\t</db_table>\n", file);
}

/* `from` 0: with the key, which leads to the command update. */
static void write_query_columns(FILE *file, const struct table *table, unsigned from)
{
	fputs("\t\t\t<query_cols>\n", file);
	for (unsigned i = from; i < table->count; i++)
		fprintf(file, "\t\t\t\t<col><field>%.*s</field>%s</col>\n",
			SPAN_ARGS(table->columns[i]), i ? "" : "<link_cmd>update</link_cmd>");
	fputs("\t\t\t</query_cols>\n", file);
}

static void write_clause(FILE *file, const struct table *table)
{
	fprintf(file,
		"\t\t\t<clause_cols>\n\t\t\t\t<col><field>%.*s</field>"
		"<operator>=</operator></col>\n\t\t\t</clause_cols>\n",
		SPAN_ARGS(table->columns[0]));
}

static const struct {
	const char *name, *type;
	bool has_clause, has_columns, has_key;
} actions[] = {
	{ "show", "DB1_QUERY", false, true, true },
	{ "add", "DB1_INSERT", false, true, false },
	{ "update", "DB1_UPDATE", true, true, false },
	{ "delete", "DB1_DELETE", true, false, false },
};

static void write_commands(FILE *file, const struct table *table)
{
	fprintf(file, "\t<mod><mod_name>%.*s</mod_name>\n", SPAN_ARGS(table->name));
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		fprintf(file,
			"\t\t<cmd><cmd_name>%s</cmd_name>\n\t\t\t<db_table_id>%.*s</db_table_id>\n"
			"\t\t\t<cmd_type>%s</cmd_type>\n",
			actions[i].name, SPAN_ARGS(table->name), actions[i].type);
		if (actions[i].has_clause)
			write_clause(file, table);
		if (actions[i].has_columns)
			write_query_columns(file, table, actions[i].has_key ? 0 : 1);
		fputs("\t\t</cmd>\n", file);
	}
	fputs("\t</mod>\n", file);
}

static bool write_table(struct span statement, void *with)
{
	struct page *page = with;
	struct table table;
	if (read_table(statement, &table))
		page->write(page->file, &table);
	return true;
}

static bool write_all(const struct database_maker *maker, const char *const *groups, FILE *file)
{
	static void (*const parts[])(FILE *, const struct table *) = { write_declaration,
								       write_commands };
	fputs("<?xml version=\"1.0\"?>\n<framework>\n\t<db_url id=\"" DATABASE_ID "\">", file);
	write_escaped(file, database_url(ACCESS_WRITE));
	fputs("</db_url>\n", file);
	for (size_t part = 0; part < ARRAY_SIZE(parts); part++)
		for (size_t i = 0; groups[i]; i++)
			if (!schema_statements(
				    maker, groups[i], write_table,
				    &(struct page){ .file = file, .write = parts[part] }))
				return false;
	fputs("</framework>\n", file);
	return true;
}

bool pframework_write(const struct database_maker *maker, const char *const *groups,
		      const char *path)
{
	/* The URL has the password of the database in it. */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool is_written = file && write_all(maker, groups, file);
	bool is_whole = is_written && !ferror(file);
	if (file)
		is_whole = fclose(file) == 0 && is_whole;
	if (!is_whole && (!file || is_written))
		say_error("cannot write %s: %s", path, strerror(errno));
	return is_whole;
}
