/* SPDX-License-Identifier: BSD-2-Clause */
/* The database of the tools: statements with bound values, for all engines. */
#include "utils/control/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/arena.h"
#include "core/base/check.h"
#include "core/base/writer.h"
#include "utils/control/output.h"
#include "utils/control/settings.h"

#define COLUMNS_MOST 256
#define ARENA_MOST   (1u << 30)

static const struct {
	const char *name, *scheme;
	enum engine engine;
} engines[] = {
	{ "SQLITE", "sqlite", ENGINE_SQLITE },      { "DBSQLITE", "sqlite", ENGINE_SQLITE },
	{ "MYSQL", "mysql", ENGINE_MYSQL },         { "MARIADB", "mysql", ENGINE_MYSQL },
	{ "PGSQL", "postgres", ENGINE_PGSQL },      { "POSTGRES", "postgres", ENGINE_PGSQL },
	{ "POSTGRESQL", "postgres", ENGINE_PGSQL },
};

struct arena *tool_arena(void)
{
	static struct arena arena;
	static bool is_ready;
	if (!is_ready)
		arena_init(&arena, 65536, ARENA_MOST);
	is_ready = true;
	return &arena;
}

static unsigned engine_row(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(engines); i++)
		if (strcasecmp(setting("DBENGINE"), engines[i].name) == 0)
			return i;
	say_error("DBENGINE=%s is not known; kamctlrc may name SQLITE, MYSQL or PGSQL",
		  setting("DBENGINE"));
	exit(EXIT_USAGE);
}

enum engine database_engine(void)
{
	return engines[engine_row()].engine;
}

static const char *root_password(const char *user)
{
	char prompt[256];
	if (setting_is_given("DBROOTPW"))
		return setting("DBROOTPW");
	snprintf(prompt, sizeof(prompt),
		 "password of the database administrator \"%s\" (empty: none)", user);
	const char *typed = ask_password(prompt);
	settings_set("DBROOTPW", typed ? typed : "");
	return setting("DBROOTPW");
}

/* host[:port], with brackets around IPv6. */
static void write_host(struct writer *w, const char *host, const char *port)
{
	bool is_ipv6 = strchr(host, ':') && *host != '[';
	writer_string(w, is_ipv6 ? "[" : "");
	writer_string(w, host);
	writer_string(w, is_ipv6 ? "]" : "");
	if (*port)
		writer_printf(w, ":%s", port);
}

static struct span url_of(enum access access, const char *name)
{
	struct writer w = writer_in_arena(tool_arena(), 256);
	unsigned row = engine_row();
	bool is_root = access == ACCESS_ROOT || access == ACCESS_ROOT_NO_DATABASE;
	writer_printf(&w, "%s://", engines[row].scheme);
	if (engines[row].engine == ENGINE_SQLITE) {
		writer_string(&w, name);
		return writer_result(&w);
	}
	const char *root = *setting("DBROOTUSER")                ? setting("DBROOTUSER")
			   : engines[row].engine == ENGINE_MYSQL ? "root"
								 : "postgres";
	const char *user =
		is_root ? root : setting(access == ACCESS_READ ? "DBROUSER" : "DBRWUSER");
	const char *password = is_root ? root_password(user)
				       : setting(access == ACCESS_READ ? "DBROPW" : "DBRWPW");
	const char *host =
		is_root && *setting("DBROOTHOST") ? setting("DBROOTHOST") : setting("DBHOST");
	const char *port =
		is_root && *setting("DBROOTPORT") ? setting("DBROOTPORT") : setting("DBPORT");
	writer_string(&w, user);
	if (*password)
		writer_printf(&w, ":%s", password);
	writer_char(&w, '@');
	write_host(&w, host, port);
	writer_char(&w, '/');
	if (access != ACCESS_ROOT_NO_DATABASE)
		writer_string(&w, name);
	else if (engines[row].engine == ENGINE_PGSQL)
		writer_string(&w, "template1");
	return writer_result(&w);
}

struct db *database_open_named(enum access access, const char *name)
{
	static bool closes_at_exit;
	const char *wrong = NULL;
	const char *modules = setting("MODULES_DIR");
	/* SQLite then moves what was written from the log beside the file into it, so that a copy of the
	 * file alone is whole. */
	if (!closes_at_exit)
		closes_at_exit = atexit(db_close_idle) == 0;
	struct db *db = db_open_tool(url_of(access, name), *modules ? modules : NULL, &wrong);
	if (db)
		return db;
	say_error("%s", wrong ? wrong : "the database cannot be opened");
	if (database_engine() == ENGINE_SQLITE)
		fprintf(stderr,
			"   DB_PATH of kamctlrc names the file; `kamdbctl create` makes it.\n");
	else
		fprintf(stderr,
			"   DBHOST, DBNAME, DBRWUSER and DBRWPW of kamctlrc say where it is; "
			"`kamdbctl create` makes it.\n");
	exit(EXIT_UNREACHABLE);
}

static const char *own_database(void)
{
	return setting(database_engine() == ENGINE_SQLITE ? "DB_PATH" : "DBNAME");
}

struct span database_url(enum access access)
{
	return url_of(access, own_database());
}

struct db *database_open(enum access access)
{
	return database_open_named(access, own_database());
}

const struct db_statement *database_prepare(struct db *db, const struct db_spec *spec)
{
	const struct db_statement *statement = db_prepare(db, tool_arena(), spec);
	if (statement)
		return statement;
	say_error("\"%.*s\" is no name that a table or column can have", SPAN_ARGS(spec->table));
	exit(EXIT_USAGE);
}

const struct db_statement *database_sql(struct db *db, struct span sql, unsigned value_count)
{
	if (setting_is_on("VERBOSE"))
		fprintf(stderr, "sql: %.*s\n", SPAN_ARGS(sql));
	return database_prepare(
		db, &(struct db_spec){ .verb = DB_RAW, .sql = sql, .value_count = value_count });
}

static bool explain(struct db *db, enum db_status status)
{
	if (status == DB_OK)
		return true;
	const char *why = db_last_error(db);
	if (status == DB_DUPLICATE)
		say_error("there is such an entry already");
	else
		say_error("%s: %s",
			  status == DB_AWAY ? "the database does not answer"
					    : "the database refused",
			  why && *why ? why : db_status_name(status));
	return false;
}

bool database_execute(struct db *db, const struct db_statement *statement,
		      const struct db_value *values, int64_t *out_affected)
{
	return explain(db, db_execute(statement, values, out_affected));
}

bool database_print(struct db *db, const struct db_statement *statement,
		    const struct db_value *values, bool is_vertical)
{
	struct db_rows rows;
	struct span names[COLUMNS_MOST], texts[COLUMNS_MOST];
	bool is_number[COLUMNS_MOST];
	char buffers[COLUMNS_MOST][32];
	enum db_status status = db_run(statement, values, &rows);
	if (status != DB_OK)
		return explain(db, status);
	unsigned count = rows.count < COLUMNS_MOST ? rows.count : COLUMNS_MOST;
	for (unsigned i = 0; i < count; i++)
		names[i] = db_column_name(&rows, i);
	if (count)
		rows_begin(names, count, is_vertical);
	while (db_next(&rows)) {
		for (unsigned i = 0; i < count; i++) {
			enum db_kind kind = rows.values[i].kind;
			texts[i] = kind == DB_NULL ? (struct span){ 0 }
						   : db_as_text(&rows.values[i], buffers[i]);
			is_number[i] = kind == DB_INT || kind == DB_DOUBLE;
		}
		rows_add(texts, is_number);
	}
	if (count)
		rows_end();
	return explain(db, db_end(&rows));
}

int64_t database_count(struct db *db, struct span table, const struct db_key *keys,
		       unsigned key_count, const struct db_value *values)
{
	const struct db_statement *statement = database_prepare(
		db,
		&(struct db_spec){
			.verb = DB_SELECT, .table = table, .keys = keys, .key_count = key_count });
	struct db_rows rows;
	int64_t count = 0;
	enum db_status status = db_run(statement, values, &rows);
	while (status == DB_OK && db_next(&rows))
		count++;
	return explain(db, status == DB_OK ? db_end(&rows) : status) ? count : -1;
}
