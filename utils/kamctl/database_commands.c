/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking into the database, and its tables of attributes, accounting and versions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "utils/kamctl/commands.h"
#include "utils/kamctl/process.h"

#define RECENT_S 300
#define SQL_MAX  (1 << 20)

static int print_table(const char *table, const struct db_key *key, const struct db_value *value,
		       const char *order_by, bool is_vertical)
{
	struct db *db = database_open(ACCESS_READ);
	struct db_order order = { .column = span_from(order_by ? order_by : "") };
	return database_print(
		       db,
		       database_prepare(db, &(struct db_spec){ .verb = DB_SELECT,
							       .table = span_from(table),
							       .keys = key,
							       .key_count = key ? 1 : 0,
							       .order = &order,
							       .order_count = order_by ? 1 : 0 }),
		       value, is_vertical)
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

int run_dialog_showdb(const struct command *command, struct words words)
{
	return print_table("dialog", NULL, NULL, "id", false);
}

/* ---- db ----------------------------------------------------------------------------------------- */

/* `with` is "ro" for statements that may only read. */
static int run_sql(const struct command *command, struct span sql)
{
	struct db *db = database_open(command->with ? ACCESS_READ : ACCESS_WRITE);
	return database_print(db, database_sql(db, sql, 0), NULL, false) ? EXIT_DONE : EXIT_REFUSED;
}

static int run_db_exec(const struct command *command, struct words words)
{
	return run_sql(command, span_from(words.at[0]));
}

/* The statement `id` of the file ~/.kamctl.sql: lines "id: statement". */
static int run_db_run(const struct command *command, struct words words)
{
	const char *home = getenv("HOME");
	struct span path = arena_printf(tool_arena(), "%s/.kamctl.sql%c", home ? home : "", 0);
	FILE *file = fopen(path.at, "re");
	char *text = malloc(SQL_MAX);
	if (!file || !text) {
		say_error("cannot read %s: %s; it has lines \"NAME: STATEMENT\"", path.at,
			  strerror(errno));
		exit(EXIT_REFUSED);
	}
	size_t len = fread(text, 1, SQL_MAX, file);
	fclose(file);
	struct span rest = span_make(text, len), line;
	int code = -1;
	while (code < 0 && span_split(&rest, '\n', &line)) {
		size_t colon = span_find(line, ':', 0);
		if (colon < line.len &&
		    span_equal(span_trim(span_slice(line, 0, colon)), span_from(words.at[0])))
			code = run_sql(command, span_trim(span_slice(line, colon + 1, line.len)));
	}
	free(text);
	if (code < 0)
		say_error("there is no statement \"%s\" in %s", words.at[0], path.at);
	return code < 0 ? EXIT_REFUSED : code;
}

static int run_db_show(const struct command *command, struct words words)
{
	return print_table(words.at[0], NULL, NULL, NULL, command->with != NULL);
}

static int run_db_match(const struct command *command, struct words words)
{
	struct db_key key = { .column = span_from(words.at[1]) };
	struct db_value value = db_text(span_from(words.at[2]));
	int64_t number;
	if (command->with && !span_to_int64(span_from(words.at[2]), &number)) {
		say_error("\"%s\" is no number; `smatch` finds texts", words.at[2]);
		return EXIT_USAGE;
	}
	if (command->with)
		value = db_int(number);
	return print_table(words.at[0], &key, &value, NULL, true);
}

static int run_db_connect(const struct command *command, struct words words)
{
	static const char *const tests[] = { "SELECT 1", "SELECT 1", "SELECT 1" };
	struct db *db = database_open(ACCESS_WRITE);
	if (!database_execute(db, database_sql(db, span_from(tests[database_engine()]), 0), NULL,
			      NULL))
		return EXIT_UNREACHABLE;
	say_info("connected to %.*s", SPAN_ARGS(db_shown_url(db)));
	return EXIT_DONE;
}

/* version add|set|update TABLE NUMBER */
static int run_db_version(const struct command *command, struct words words)
{
	static const struct db_column columns[] = { { .name = SPAN("table_name") },
						    { .name = SPAN("table_version") } };
	static const struct db_key key = { .column = SPAN("table_name") };
	int64_t number;
	bool is_add = strcmp(words.at[0], "add") == 0, is_set = strcmp(words.at[0], "set") == 0;
	if ((!is_add && !is_set && strcmp(words.at[0], "update") != 0) ||
	    !span_to_int64(span_from(words.at[2]), &number)) {
		say_error("db version wants add, set or update, a table and a number");
		return EXIT_USAGE;
	}
	struct db *db = database_open(ACCESS_WRITE);
	struct db_value table = db_text(span_from(words.at[1]));
	struct db_value row[] = { table, db_int(number) }, update[] = { db_int(number), table };
	int64_t affected = 1;
	bool is_done = !is_set ||
		       database_execute(
			       db,
			       database_prepare(db, &(struct db_spec){ .verb = DB_DELETE,
								       .table = SPAN_OF("version"),
								       .keys = &key,
								       .key_count = 1 }),
			       &table, NULL);
	if (is_add || is_set)
		is_done =
			is_done &&
			database_execute(
				db,
				database_prepare(db, &(struct db_spec){ .verb = DB_INSERT,
									.table = SPAN_OF("version"),
									.columns = columns,
									.column_count = 2 }),
				row, NULL);
	else
		is_done = database_execute(
			db,
			database_prepare(db, &(struct db_spec){ .verb = DB_UPDATE,
								.table = SPAN_OF("version"),
								.columns = &columns[1],
								.column_count = 1,
								.keys = &key,
								.key_count = 1 }),
			update, &affected);
	if (is_done && affected == 0)
		say_error("table %s has no version yet; use add", words.at[1]);
	return is_done && affected ? EXIT_DONE : EXIT_REFUSED;
}

/* ---- avp: attributes of users ----------------------------------------------------------------- */

struct avp_choice {
	const char *table;
	struct db_key keys[6];
	struct db_value values[6];
	unsigned count;
};

static bool is_wrong_avp_option(const char *option)
{
	say_error("avp: %s is wrong; -T TABLE -u UUID|USER@DOMAIN -a ATTRIBUTE -v VALUE -t TYPE",
		  option);
	return true;
}

static void choose(struct avp_choice *choice, const char *column, struct span value)
{
	choice->keys[choice->count] = (struct db_key){ .column = span_from(column) };
	choice->values[choice->count++] = db_text(value);
}

/* USER@DOMAIN: what belongs to a user has no uuid. */
static void choose_user(struct avp_choice *choice, const char *word)
{
	struct span text = span_from(word);
	size_t at = span_find(text, '@', 0);
	choose(choice, "username", span_slice(text, 0, at));
	choose(choice, "domain", span_slice(text, at + 1, text.len));
}

/* Options -T TABLE -u UUID|USER@DOMAIN -a ATTRIBUTE -v VALUE -t TYPE; false after a message. */
static bool read_avp_options(struct words *words, struct avp_choice *choice)
{
	static const struct {
		char letter;
		const char *column;
	} columns[] = { { 'u', "uuid" }, { 'a', "attribute" }, { 'v', "value" }, { 't', "type" } };
	*choice = (struct avp_choice){ .table = "usr_preferences" };
	/* Names may begin with a minus sign, too: an option has one letter, and "--" ends them. */
	while (words->count && words->at[0][0] == '-' && strlen(words->at[0]) == 2) {
		if (words->at[0][1] == '-') {
			words->at++;
			words->count--;
			break;
		}
		const char *option = words->at[0], *value = word_or(*words, 1, NULL);
		size_t i = 0;
		while (i < ARRAY_SIZE(columns) && columns[i].letter != option[1])
			i++;
		if (!value || (i == ARRAY_SIZE(columns) && option[1] != 'T') || choice->count > 4) {
			(void)is_wrong_avp_option(option);
			return false;
		}
		if (option[1] == 'T')
			choice->table = value;
		else if (option[1] == 'u' && strchr(value, '@'))
			choose_user(choice, value);
		else
			choose(choice, columns[i].column, span_from(value));
		words->at += 2;
		words->count -= 2;
	}
	return true;
}

static int run_avp_list(const struct command *command, struct words words)
{
	static const struct db_column columns[] = {
		{ .name = SPAN("uuid") },   { .name = SPAN("username") },
		{ .name = SPAN("domain") }, { .name = SPAN("attribute") },
		{ .name = SPAN("type") },   { .name = SPAN("value") }
	};
	struct avp_choice choice;
	if (!read_avp_options(&words, &choice) || (words.count && is_wrong_avp_option(words.at[0])))
		return EXIT_USAGE;
	say("Dumping AVPs");
	struct db *db = database_open(ACCESS_READ);
	return database_print(
		       db,
		       database_prepare(db, &(struct db_spec){ .verb = DB_SELECT,
							       .table = span_from(choice.table),
							       .columns = columns,
							       .column_count = ARRAY_SIZE(columns),
							       .keys = choice.keys,
							       .key_count = choice.count }),
		       choice.values, false)
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

static int run_avp_rm(const struct command *command, struct words words)
{
	struct avp_choice choice;
	int64_t affected = 0;
	if (!read_avp_options(&words, &choice) || (words.count && is_wrong_avp_option(words.at[0])))
		return EXIT_USAGE;
	if (choice.count == 0 && !ask_yes_no("This removes all AVPs. Proceed?"))
		return EXIT_REFUSED;
	struct db *db = database_open(ACCESS_WRITE);
	if (!database_execute(
		    db,
		    database_prepare(db, &(struct db_spec){ .verb = DB_DELETE,
							    .table = span_from(choice.table),
							    .keys = choice.keys,
							    .key_count = choice.count }),
		    choice.values, &affected))
		return EXIT_REFUSED;
	say("avp rm - %ld AVP(s) deleted", (long)affected);
	return EXIT_DONE;
}

/* add [-T TABLE] USER|UUID ATTRIBUTE TYPE VALUE: what has no @ is a uuid. */
static int run_avp_add(const struct command *command, struct words words)
{
	static const struct db_column columns[] = {
		{ .name = SPAN("uuid") },         { .name = SPAN("username") },
		{ .name = SPAN("domain") },       { .name = SPAN("attribute") },
		{ .name = SPAN("type") },         { .name = SPAN("value") },
		{ .name = SPAN("last_modified") }
	};
	struct avp_choice choice;
	int64_t type;
	if (!read_avp_options(&words, &choice))
		return EXIT_USAGE;
	if (words.count != 4 || !span_to_int64(span_from(words.at[2]), &type) || type < 0 ||
	    type > 3) {
		say_error("avp add wants USER ATTRIBUTE TYPE VALUE, TYPE 0 (texts) to 3 (numbers)");
		return EXIT_USAGE;
	}
	struct user user = { 0 };
	bool is_user = strchr(words.at[0], '@') != NULL;
	if (is_user && !user_read(words.at[0], &user))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_WRITE);
	struct db_value values[] = { db_text(span_from(is_user ? "" : words.at[0])),
				     db_text(is_user ? user.name : SPAN_OF("")),
				     db_text(is_user ? user.domain : SPAN_OF("")),
				     db_text(span_from(words.at[1])),
				     db_int(type),
				     db_text(span_from(words.at[3])),
				     time_now() };
	if (!database_execute(
		    db,
		    database_prepare(db, &(struct db_spec){ .verb = DB_INSERT,
							    .table = span_from(choice.table),
							    .columns = columns,
							    .column_count = ARRAY_SIZE(columns) }),
		    values, NULL))
		return EXIT_REFUSED;
	say("avp add - attribute added");
	return EXIT_DONE;
}

/* ---- acc ---------------------------------------------------------------------------------------- */

/* The columns that the usual configuration writes besides those of the schema. */
static int run_acc_initdb(const struct command *command, struct words words)
{
	static const char *const tables[] = { "acc", "missed_calls" };
	static const struct {
		const char *name, *type;
	} columns[] = { { "src_user", "VARCHAR(64)" }, { "src_domain", "VARCHAR(128)" },
			{ "src_ip", "VARCHAR(64)" },   { "dst_ouser", "VARCHAR(64)" },
			{ "dst_user", "VARCHAR(64)" }, { "dst_domain", "VARCHAR(128)" } };
	/* Who may write rows of PostgreSQL may not change tables. */
	struct db *db =
		database_open(database_engine() == ENGINE_PGSQL ? ACCESS_ROOT : ACCESS_WRITE);
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
		for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
			struct span sql = arena_printf(
				tool_arena(), "ALTER TABLE %s ADD COLUMN %s %s NOT NULL DEFAULT ''",
				tables[t], columns[i].name, columns[i].type);
			if (!database_execute(db, database_sql(db, sql, 0), NULL, NULL))
				return EXIT_REFUSED;
		}
	say("ok - acc db init");
	return EXIT_DONE;
}

static int run_acc_showdb(const struct command *command, struct words words)
{
	return print_table("acc", NULL, NULL, NULL, false);
}

static int run_acc_recent(const struct command *command, struct words words)
{
	int64_t seconds = RECENT_S;
	if (words.count && (!span_to_int64(span_from(words.at[0]), &seconds) || seconds < 0)) {
		say_error("\"%s\" is no number of seconds", words.at[0]);
		return EXIT_USAGE;
	}
	static const struct db_key key = { .column = SPAN("time"), .op = DB_GREATER_OR_EQUAL };
	struct db_value since = db_time(time_now().number - seconds);
	return print_table("acc", &key, &since, NULL, false);
}

static const struct command db_commands[] = {
	{ "exec", "SQL", "runs a statement", 1, 1, run_db_exec, NULL },
	{ "roexec", "SQL", "runs a statement as the user who may only read", 1, 1, run_db_exec,
	  "ro" },
	{ "run", "NAME", "runs a statement of ~/.kamctl.sql", 1, 1, run_db_run, NULL },
	{ "rorun", "NAME", "the same as the user who may only read", 1, 1, run_db_run, "ro" },
	{ "show", "TABLE", "shows a table", 1, 1, run_db_show, NULL },
	{ "showg", "TABLE", "shows a table, a column a line", 1, 1, run_db_show, "vertical" },
	{ "smatch", "TABLE COLUMN TEXT", "shows rows with this text", 3, 3, run_db_match, NULL },
	{ "nmatch", "TABLE COLUMN NUMBER", "shows rows with this number", 3, 3, run_db_match,
	  "number" },
	{ "connect", "", "tries whether the database can be reached", 0, 0, run_db_connect, NULL },
	{ "version", "add|set|update TABLE NUMBER", "the version of a table", 3, 3, run_db_version,
	  NULL },
};
static const struct command avp_commands[] = {
	{ "list", "[-T TABLE] [-u UUID|USER@DOMAIN] [-a ATTRIBUTE] [-v VALUE] [-t TYPE]", "shows attributes", 0,
	  10, run_avp_list, NULL },
	{ "add", "[-T TABLE] USER|UUID ATTRIBUTE TYPE VALUE",
	  "adds one; TYPE 0 texts, 1 number value, 2 number name, "
	  "3 numbers",
	  4, 6, run_avp_add, NULL },
	{ "rm", "[-T TABLE] [-u UUID|USER@DOMAIN] [-a ATTRIBUTE] [-v VALUE] [-t TYPE]", "removes attributes", 0,
	  10, run_avp_rm, NULL },
};
static const struct command acc_commands[] = {
	{ "initdb", "", "adds the columns that the usual configuration writes", 0, 0,
	  run_acc_initdb, NULL },
	{ "showdb", "", "shows the table", 0, 0, run_acc_showdb, NULL },
	{ "recent", "[SECONDS]", "shows the last records [300]", 0, 1, run_acc_recent, NULL },
};

const struct family database_families[] = {
	FAMILY("db", db_commands, "the database"),
	FAMILY("avp", avp_commands, "attributes of users"),
	FAMILY("acc", acc_commands, "accounting records"),
	{ 0 },
};
