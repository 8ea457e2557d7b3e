/* SPDX-License-Identifier: BSD-2-Clause */
/* Which drivers and databases there are, and whether the tables that modules need are in order. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/db/internal.h"

#ifndef VIADUCT_MODULES_DIR
#define VIADUCT_MODULES_DIR "/usr/lib/viaduct/modules"
#endif
#define DRIVERS_MOST 16
#define SHARED_MOST  256

static struct {
	const struct db_driver *drivers[DRIVERS_MOST];
	unsigned driver_count;
	struct db *databases;
	struct arena arena;
	_Atomic bool *shared; /* one for each database, seen by all processes */
	unsigned shared_count;
	char wrong[512];
} state;

/* ---- drivers --------------------------------------------------------------------------------- */

void db_driver_register(const struct db_driver *driver)
{
	for (unsigned i = 0; i < state.driver_count; i++)
		if (state.drivers[i] == driver)
			return;
	bug_if(state.driver_count == DRIVERS_MOST, "too many database drivers");
	state.drivers[state.driver_count++] = driver;
}

static bool has_scheme(const struct db_driver *driver, struct span scheme)
{
	if (span_equal_nocase(span_from(driver->name), scheme))
		return true;
	for (const char *const *other = driver->other_schemes; other && *other; other++)
		if (span_equal_nocase(span_from(*other), scheme))
			return true;
	return false;
}

const struct db_driver *db_driver_of(struct span scheme)
{
	for (unsigned i = 0; i < state.driver_count; i++)
		if (has_scheme(state.drivers[i], scheme))
			return state.drivers[i];
	return NULL;
}

/* ---- databases ------------------------------------------------------------------------------- */

static struct arena *registry_arena(void)
{
	if (!state.arena.limit)
		arena_init(&state.arena, 8192, 64u << 20);
	return &state.arena;
}

struct db *db_list(void)
{
	return state.databases;
}

const struct db_driver *db_driver_at(const struct db *db)
{
	return db->driver;
}

struct span db_shown_url(const struct db *db)
{
	return db->url.shown;
}

/* A flag in memory that the children of this process share. */
static _Atomic bool *shared_flag(void)
{
	if (!state.shared) {
		void *page = mmap(NULL, SHARED_MOST, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		state.shared = page == MAP_FAILED ? NULL : page;
	}
	if (!state.shared || state.shared_count == SHARED_MOST)
		return arena_zalloc(registry_arena(), 1, sizeof(_Atomic bool));
	return &state.shared[state.shared_count++];
}

static const char *say(const char *format, struct span word, const char *more)
{
	snprintf(state.wrong, sizeof(state.wrong), format, SPAN_ARGS(word), more);
	return state.wrong;
}

static const struct {
	const char *scheme, *module;
} known_schemes[] = {
	{ "mysql", "db_mysql" },         { "mariadb", "db_mysql" },  { "postgres", "db_postgres" },
	{ "postgresql", "db_postgres" }, { "pgsql", "db_postgres" }, { "sqlite", "db_sqlite" },
	{ "sqlite3", "db_sqlite" },      { "text", "db_text" },      { "dbtext", "db_text" },
	{ "cluster", "db_cluster" },
};

/* "mysqls" and the like: the module that would have it, if there is one. */
static const char *tell_no_driver(struct span scheme)
{
	const char *names[ARRAY_SIZE(known_schemes)];
	for (size_t i = 0; i < ARRAY_SIZE(known_schemes); i++) {
		names[i] = known_schemes[i].scheme;
		if (span_equal_nocase(scheme, span_from(names[i])))
			return say("no driver for %.*s:// is loaded: add loadmodule \"%s.so\"",
				   scheme, known_schemes[i].module);
	}
	const char *near = nearest_name(scheme, names, ARRAY_SIZE(known_schemes));
	if (near)
		return say("there is no driver for %.*s:// (did you mean %s://?)", scheme, near);
	return say("there is no driver for %.*s:// (%s)", scheme,
		   "mysql, postgres, sqlite, text and cluster are known");
}

/* NULL, or what is wrong with a URL of this driver. */
static const char *check_url(const struct db_driver *driver, const struct db_url *url, bool is_tool)
{
	if (driver->is_server && !url->host.len)
		return "it names no host, like scheme://user:password@host/name";
	if (driver->is_server && !url->name.len && !is_tool)
		return "it names no database, like scheme://user:password@host/name";
	return driver->check_url ? driver->check_url(url) : NULL;
}

static struct db *find(struct span url, bool is_tool, const char **out_wrong)
{
	struct db_url parts;
	for (struct db *db = state.databases; db; db = db->next)
		if (span_equal(db->text, url))
			return db;
	*out_wrong = db_url_parse(url, registry_arena(), &parts);
	if (*out_wrong)
		return NULL;
	const struct db_driver *driver = db_driver_of(parts.scheme);
	*out_wrong = driver ? check_url(driver, &parts, is_tool) : tell_no_driver(parts.scheme);
	if (*out_wrong)
		return NULL;
	struct db *db = ARENA_NEW(registry_arena(), struct db);
	if (db) {
		db->driver = driver;
		db->url = parts;
		db->text = arena_copy(registry_arena(), url);
		db->was_told = shared_flag();
	}
	if (!db || !db->text.at || !db->was_told) {
		*out_wrong = "no memory for it";
		return NULL;
	}
	db->next = state.databases;
	state.databases = db;
	return db;
}

struct db *db_find(struct span url, const char **out_wrong)
{
	return find(url, false, out_wrong);
}

struct db *db_use(struct span url, const char *what, struct diagnostics *diagnostics,
		  struct source_position at)
{
	const char *wrong = "it is empty";
	struct db *db = url.len ? db_find(url, &wrong) : NULL;
	if (db)
		return db;
	char shown[256];
	struct writer w = writer_fixed(shown, sizeof(shown));
	struct span text = db_url_without_password(url, &w);
	struct diagnostic *d = diagnostic_add(diagnostics, SEVERITY_ERROR, "database-url", at,
					      "%s \"%.*s\": %s", what, SPAN_ARGS(text), wrong);
	if (!url.len)
		diagnostic_hint(diagnostics, d,
				"mysql://user:password@host/name, postgres://…, "
				"sqlite:////path/file, text:///directory");
	return NULL;
}

bool db_use_optional(struct span url, const char *what, struct diagnostics *diagnostics,
		     struct source_position at, struct db **out)
{
	*out = NULL;
	if (!url.len)
		return true;
	*out = db_use(url, what, diagnostics, at);
	return *out != NULL;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Runs a statement of the checks below; its memory goes with it. */
static enum db_status ask(struct db *db, const struct db_spec *spec, const struct db_value *values,
			  int64_t *out_number, bool *out_found)
{
	struct arena arena;
	const struct db_value *row = NULL;
	arena_init(&arena, 4096, 1u << 20);
	struct db_statement *statement = db_prepare(db, &arena, spec);
	enum db_status status = statement ? db_first(statement, values, &arena, &row) : DB_REJECTED;
	*out_found = status == DB_OK && row;
	if (*out_found && spec->column_count)
		*out_number = db_as_int(row);
	arena_free(&arena);
	return status;
}

static enum db_status read_version(struct db *db, struct span table, int64_t *out, bool *out_found)
{
	static const struct db_column columns[] = { { SPAN("table_version"), DB_INT } };
	static const struct db_key keys[] = { { SPAN("table_name"), DB_EQUAL } };
	struct db_spec spec = { .verb = DB_SELECT,
				.table = SPAN("version"),
				.columns = columns,
				.column_count = 1,
				.keys = keys,
				.key_count = 1 };
	struct db_value name = db_text(table);
	return ask(db, &spec, &name, out, out_found);
}

int db_table_version(struct db *db, struct span table)
{
	int64_t version = 0;
	bool is_found;
	if (read_version(db, table, &version, &is_found) != DB_OK)
		return -1;
	return is_found ? (int)version : 0;
}

static bool has_table(struct db *db, struct span table)
{
	struct db_spec spec = { .verb = DB_SELECT, .table = table, .limit = 1 };
	int64_t number;
	bool is_found;
	return ask(db, &spec, NULL, &number, &is_found) == DB_OK;
}

bool db_need_table(struct db *db, const char *module, struct span table, int version)
{
	const char *url = db->url.shown.at;
	int64_t found = 0;
	bool has_row = false;
	enum db_status status = version ? read_version(db, table, &found, &has_row) : DB_OK;
	if (status == DB_AWAY) {
		log_critical("%s: database %s cannot be used: %s", module, url, db_last_error(db));
		return false;
	}
	if (status != DB_OK) {
		log_critical("%s: database %s has no table \"version\" that can be read (%s); "
			     "make the tables with: kamdbctl create",
			     module, url, db_last_error(db));
		return false;
	}
	if (version && has_row && found != version) {
		log_critical("%s: table %.*s of %s has version %lld, this server needs %d; "
			     "bring the database up to date, or make it anew with kamdbctl",
			     module, SPAN_ARGS(table), url, (long long)found, version);
		return false;
	}
	if (!has_table(db, table)) {
		log_critical(
			"%s: table %.*s of %s cannot be read: %s; make the tables with kamdbctl, or name "
			"the right table",
			module, SPAN_ARGS(table), url, db_last_error(db));
		return false;
	}
	if (version && !has_row) {
		log_critical(
			"%s: the table \"version\" of %s has no row for table %.*s (this server needs "
			"version %d): is it a table of this server?",
			module, url, SPAN_ARGS(table), version);
		return false;
	}
	return true;
}

/* ---- tools ----------------------------------------------------------------------------------- */

static bool load_driver(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct db_driver *const *driver = handle ? dlsym(handle, "db_driver_export") : NULL;
	if (!driver) {
		snprintf(state.wrong, sizeof(state.wrong), "%s",
			 handle ? "it is no database driver" : dlerror());
		return false;
	}
	db_driver_register(*driver);
	return true;
}

static bool load_driver_from(struct span directories, const char *module)
{
	char path[PATH_MAX];
	struct span directory;
	while (span_split(&directories, ':', &directory)) {
		snprintf(path, sizeof(path), "%.*s/%s.so", SPAN_ARGS(directory), module);
		if (directory.len && access(path, R_OK) == 0)
			return load_driver(path);
	}
	snprintf(state.wrong, sizeof(state.wrong), "there is no %s.so", module);
	return false;
}

/* Beside the program ("build/modules" for "build/utils/kamctl"), then where `make install` puts it. */
static struct span default_directories(char buffer[4 * PATH_MAX])
{
	char program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	struct span directory = span_make(program, len > 0 ? (size_t)len : 0);
	while (directory.len && directory.at[directory.len - 1] != '/')
		directory.len--;
	int written =
		snprintf(buffer, 4 * PATH_MAX, "%.*s../modules:%.*s../../modules:%.*smodules:%s",
			 SPAN_ARGS(directory), SPAN_ARGS(directory), SPAN_ARGS(directory),
			 VIADUCT_MODULES_DIR);
	return span_make(buffer, (size_t)written);
}

static const char *module_of(struct span scheme)
{
	static char name[64];
	for (size_t i = 0; i < ARRAY_SIZE(known_schemes); i++)
		if (span_equal_nocase(scheme, span_from(known_schemes[i].scheme)))
			return known_schemes[i].module;
	snprintf(name, sizeof(name), "db_%.*s", SPAN_ARGS(scheme));
	return name;
}

struct db *db_open_tool(struct span url, const char *directories, const char **out_wrong)
{
	char places[4 * PATH_MAX];
	struct span scheme = span_slice(url, 0, span_find(url, ':', 0));
	if (scheme.len < url.len && scheme.len && span_find(scheme, '/', 0) == scheme.len &&
	    !db_driver_of(scheme)) {
		struct span where =
			directories ? span_from(directories) : default_directories(places);
		if (!load_driver_from(where, module_of(scheme))) {
			*out_wrong = state.wrong;
			return NULL;
		}
	}
	return find(url, true, out_wrong);
}
