/* SPDX-License-Identifier: BSD-2-Clause */
/* kamdbctl: makes, fills, copies and removes the database that a SIP server uses.
 *
 * Exit code: 0 done, 1 refused, 2 the database cannot be reached, 3 wrong usage. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "utils/control/arguments.h"
#include "utils/control/output.h"
#include "utils/control/settings.h"
#include "utils/kamdbctl/pframework.h"
#include "utils/kamdbctl/schema.h"

#define UID_GROUPS      "uid_auth_db uid_avp_db uid_domain uid_gflags uid_uri_db"
#define PRESENCE_GROUPS "presence rls"

static const struct database_maker *maker;

/* The database that a command is about: its word, or what kamctlrc says. */
static const char *database_name(const char *word)
{
	return word ? word : setting(maker->engine == ENGINE_SQLITE ? "DB_PATH" : "DBNAME");
}

/* DBINITASK and INSTALL_…: "yes", "no", or ask. */
static bool is_wanted(const char *variable, const char *groups)
{
	char question[512];
	const char *wish = setting(variable);
	if (strcmp(wish, "yes") == 0 || strcmp(wish, "no") == 0)
		return *wish == 'y';
	snprintf(question, sizeof(question), "Install tables for: %s?", groups);
	return ask_yes_no(question);
}

static int add_groups(const char *database, const char *what, const char *groups)
{
	say_info("creating %s tables in %s", what, database);
	if (!schema_run_list(maker, database, groups))
		return EXIT_REFUSED;
	say_info("%s tables created", what);
	return EXIT_DONE;
}

static int run_dbonly(const char *word)
{
	const char *name = database_name(word);
	bool exists;
	if (!maker->exists(name, &exists))
		return EXIT_UNREACHABLE;
	if (exists) {
		say_error("the database %s exists already; `kamdbctl drop` removes it", name);
		return EXIT_REFUSED;
	}
	if (!maker->create(name))
		return EXIT_REFUSED;
	say_info("database %s created", name);
	return EXIT_DONE;
}

static const struct {
	const char *variable, *what, *groups;
} more_groups[] = { { "INSTALL_PRESENCE_TABLES", "presence", PRESENCE_GROUPS },
		    { "INSTALL_EXTRA_TABLES", "extra", NULL },
		    { "INSTALL_DBUID_TABLES", "uid", UID_GROUPS } };

static const char *groups_of(size_t row)
{
	return more_groups[row].groups ? more_groups[row].groups : setting("EXTRA_MODULES");
}

static int run_create(const char *word)
{
	const char *name = database_name(word);
	int code = run_dbonly(word);
	if (code == EXIT_DONE)
		code = add_groups(name, "standard", setting("STANDARD_MODULES"));
	for (size_t i = 0; i < ARRAY_SIZE(more_groups) && code == EXIT_DONE; i++)
		if (is_wanted(more_groups[i].variable, groups_of(i)))
			code = add_groups(name, more_groups[i].what, groups_of(i));
	if (code == EXIT_DONE && !maker->grant(name))
		code = EXIT_REFUSED;
	return code;
}

static int run_drop(const char *word)
{
	char question[512];
	const char *name = database_name(word);
	bool exists;
	if (!maker->exists(name, &exists))
		return EXIT_UNREACHABLE;
	if (!exists) {
		say_error("there is no database %s", name);
		return EXIT_REFUSED;
	}
	snprintf(question, sizeof(question),
		 "This removes the database %s and all that is in it. Go on?", name);
	if ((strcmp(setting("DBINITASK"), "no") != 0 && !ask_yes_no(question)) ||
	    !maker->drop(name))
		return EXIT_REFUSED;
	say_info("database %s dropped", name);
	return EXIT_DONE;
}

static int run_reinit(const char *word)
{
	int code = run_drop(word);
	return code == EXIT_DONE ? run_create(word) : code;
}

static int run_backup(const char *file)
{
	if (!maker->backup(database_name(NULL), file))
		return EXIT_REFUSED;
	say_info("database %s saved to %s", database_name(NULL), file);
	return EXIT_DONE;
}

static int run_restore(const char *file)
{
	if (!maker->restore(database_name(NULL), file))
		return EXIT_REFUSED;
	say_info("database %s restored from %s", database_name(NULL), file);
	return EXIT_DONE;
}

static int run_copy(const char *new_name)
{
	if (!maker->copy(database_name(NULL), new_name))
		return EXIT_REFUSED;
	say_info("database %s copied to %s", database_name(NULL), new_name);
	return EXIT_DONE;
}

static int run_presence(const char *word)
{
	return add_groups(database_name(NULL), "presence", PRESENCE_GROUPS);
}

static int run_extra(const char *word)
{
	return add_groups(database_name(NULL), "extra", setting("EXTRA_MODULES"));
}

static int run_dbuid(const char *word)
{
	return add_groups(database_name(NULL), "uid", UID_GROUPS);
}

static int run_add_tables(const char *group)
{
	return add_groups(database_name(NULL), group, group);
}

static int run_grant(const char *word)
{
	return maker->grant(database_name(NULL)) ? EXIT_DONE : EXIT_REFUSED;
}

static int run_revoke(const char *word)
{
	return maker->revoke(database_name(NULL)) ? EXIT_DONE : EXIT_REFUSED;
}

/* ---- versions ----------------------------------------------------------------------------------- */

struct comparison {
	struct db *db;
	unsigned different;
	bool is_migration;
};

static void print_version(struct span table, int64_t wanted, int there)
{
	char numbers[2][24];
	snprintf(numbers[0], sizeof(numbers[0]), "%ld", (long)wanted);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", there);
	const struct span values[] = { table, span_from(numbers[0]),
				       there > 0 ? span_from(numbers[1]) : (struct span){ 0 } };
	static const bool is_number[] = { false, true, true };
	rows_add(values, is_number);
}

static bool compare_version(struct span table, int64_t wanted, void *with)
{
	struct comparison *comparison = with;
	int there = db_table_version(comparison->db, table);
	comparison->different += there > 0 && there != wanted;
	if (!comparison->is_migration) {
		print_version(table, wanted, there);
		return true;
	}
	if (there <= 0 || there >= wanted)
		return true;
	static const struct db_column column = { .name = SPAN("table_version") };
	static const struct db_key key = { .column = SPAN("table_name") };
	struct db_value values[] = { db_int(wanted), db_text(table) };
	if (!schema_migrate(maker, comparison->db, table, there) ||
	    !database_execute(
		    comparison->db,
		    database_prepare(comparison->db, &(struct db_spec){ .verb = DB_UPDATE,
									.table = SPAN_OF("version"),
									.columns = &column,
									.column_count = 1,
									.keys = &key,
									.key_count = 1 }),
		    values, NULL))
		return false;
	say_info("table %.*s: version %d is now %ld; the old rows are kept in %.*s_old_%d",
		 SPAN_ARGS(table), there, (long)wanted, SPAN_ARGS(table), there);
	return true;
}

static bool compare_all(struct comparison *comparison)
{
	const char *groups[] = { setting("STANDARD_MODULES"), setting("EXTRA_MODULES"),
				 PRESENCE_GROUPS, UID_GROUPS };
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (!schema_versions(maker, groups[i], compare_version, comparison))
			return false;
	return true;
}

static int run_version(const char *word)
{
	static const struct span columns[] = { SPAN("table"), SPAN("wanted"), SPAN("there") };
	struct comparison comparison = { .db = database_open_named(ACCESS_READ,
								   database_name(word)) };
	rows_begin(columns, ARRAY_SIZE(columns), false);
	bool is_done = compare_all(&comparison);
	rows_end();
	if (is_done && comparison.different)
		say_warning(
			"%u tables have another version; `kamdbctl migrate` makes older ones new",
			comparison.different);
	return is_done && !comparison.different ? EXIT_DONE : EXIT_REFUSED;
}

static int run_migrate(const char *word)
{
	enum access access = maker->engine == ENGINE_SQLITE ? ACCESS_WRITE : ACCESS_ROOT;
	struct comparison comparison = { .db = database_open_named(access, database_name(word)),
					 .is_migration = true };
	if (!compare_all(&comparison))
		return EXIT_REFUSED;
	if (comparison.different == 0)
		say_info("all tables have the versions that are wanted");
	/* Fresh tables have no grants yet; a file needs none. */
	bool is_file = maker->engine == ENGINE_SQLITE;
	return is_file || maker->grant(database_name(word)) ? EXIT_DONE : EXIT_REFUSED;
}

/* ---- pframework --------------------------------------------------------------------------------- */

/* The sample lies beside the server's configuration. */
static int run_pframework(const char *word)
{
	char path[PATH_MAX];
	const char *groups[5] = { setting("STANDARD_MODULES") };
	unsigned count = 1;
	const char *file = setting("STARTUP_CONFIG_FILE"), *slash = strrchr(file, '/');
	if (strcmp(word, "create") != 0) {
		say_error("usage: kamdbctl pframework create");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(more_groups); i++)
		if (is_wanted(more_groups[i].variable, groups_of(i)))
			groups[count++] = groups_of(i);
	(void)snprintf(path, sizeof(path), "%.*spi_framework_sample",
		       slash ? (int)(slash - file + 1) : 0, file);
	if (!pframework_write(maker, groups, path))
		return EXIT_REFUSED;
	say_info("sample of a provisioning framework: %s", path);
	return EXIT_DONE;
}

/* ---- command line ------------------------------------------------------------------------------- */

static const struct {
	const char *name, *argument, *doc;
	bool needs_argument;
	int (*run)(const char *word);
} commands[] = {
	{ "create", "[DATABASE]", "makes the database, its users and the tables", false,
	  run_create },
	{ "drop", "[DATABASE]", "removes the database and all that is in it", false, run_drop },
	{ "reinit", "[DATABASE]", "removes it and makes it anew", false, run_reinit },
	{ "backup", "FILE", "saves the database to a file", true, run_backup },
	{ "restore", "FILE", "brings a saved database back", true, run_restore },
	{ "copy", "DATABASE", "makes another database like this one", true, run_copy },
	{ "presence", "", "adds the tables for presence", false, run_presence },
	{ "extra", "", "adds the tables of EXTRA_MODULES", false, run_extra },
	{ "dbuid", "", "adds the tables of the uid modules", false, run_dbuid },
	{ "dbonly", "[DATABASE]", "makes the database without tables", false, run_dbonly },
	{ "grant", "", "makes the users and lets them use the database", false, run_grant },
	{ "revoke", "", "removes the users and their rights", false, run_revoke },
	{ "add-tables", "GROUP", "adds the tables of one group (acc, dispatcher, ...)", true,
	  run_add_tables },
	{ "pframework", "create", "writes pi_framework_sample, for the module xhttp_pi", true,
	  run_pframework },
	{ "version", "[DATABASE]", "compares the versions of tables with those wanted", false,
	  run_version },
	{ "migrate", "[DATABASE]", "makes tables of older versions new, keeping the rows", false,
	  run_migrate },
};

static void print_usage(void)
{
	puts("usage: kamdbctl [--rc FILE] [--set NAME=VALUE]... [--json] COMMAND [ARGUMENT]\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-11s %-11s %s\n", commands[i].name, commands[i].argument,
		       commands[i].doc);
	puts("\nDATABASE is a name, for SQLite a file; kamctlrc says which it is when it is not given, and\n"
	     "who may make it. Its variables:\n");
	settings_list();
}

static int run_command(const char *name, const char *word, bool has_more)
{
	static const struct database_maker *const makers[] = { &sqlite_maker, &mysql_maker,
							       &pgsql_maker };
	enum engine engine = database_engine();
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
		if (makers[i]->engine == engine)
			maker = makers[i];
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (word && strcmp(word, "--help") == 0) {
			printf("usage: kamdbctl %s %s\n%s\n", name, commands[i].argument,
			       commands[i].doc);
			return EXIT_DONE;
		}
		if (has_more || (commands[i].needs_argument && !word) ||
		    (word && !*commands[i].argument)) {
			say_error("usage: kamdbctl %s %s", name, commands[i].argument);
			return EXIT_USAGE;
		}
		return commands[i].run(word);
	}
	say_error("there is no command '%s'; `kamdbctl --help` lists them", name);
	return EXIT_USAGE;
}

/* --complete: what can stand next, for the completion of shells. */
static void print_candidates(bool has_command)
{
	for (size_t i = 0; !has_command && i < ARRAY_SIZE(commands); i++)
		printf("%s\t%s\n", commands[i].name, commands[i].doc);
}

int main(int argc, char **argv)
{
	int at = 1;
	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		print_candidates(argc > 2);
		return EXIT_DONE;
	}
	enum arguments_result result = arguments_read(argc, argv, &at, "kamdbctl", print_usage);
	if (result != ARGUMENTS_GO_ON)
		return result == ARGUMENTS_ALL_DONE ? EXIT_DONE : EXIT_USAGE;
	if (at < argc && !argv[argc - 1])
		argc--;
	if (at >= argc || strcmp(argv[at], "help") == 0) {
		print_usage();
		return at >= argc ? EXIT_USAGE : EXIT_DONE;
	}
	return run_command(argv[at], at + 1 < argc ? argv[at + 1] : NULL, at + 2 < argc);
}
