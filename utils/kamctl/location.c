/* SPDX-License-Identifier: BSD-2-Clause */
/* What is registered now: the location table of the running server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "utils/kamctl/commands.h"

#define CLEAN_AFTER_S 3600

/* Table of usrloc for `ul` and `alias`. */
static const char *table_of(const struct command *command)
{
	return command->with ? command->with : "location";
}

static const char *full_name(const struct user *user)
{
	return arena_printf(tool_arena(), "s:%.*s@%.*s%c", SPAN_ARGS(user->name),
			    SPAN_ARGS(user->domain), 0)
		.at;
}

static int run_ul_show(const struct command *command, struct words words)
{
	static const char *const brief[] = { "brief" };
	struct user user;
	if (!words.count)
		return server_call("ul.dump", NULL, 0);
	if (strcmp(words.at[0], "--brief") == 0)
		return server_call("ul.dump", brief, 1);
	if (!user_read(words.at[0], &user))
		return EXIT_USAGE;
	const char *parameters[] = { table_of(command), full_name(&user) };
	return server_call("ul.lookup", parameters, 2);
}

static int run_ul_rm(const struct command *command, struct words words)
{
	struct user user;
	if (!user_read(words.at[0], &user))
		return EXIT_USAGE;
	const char *parameters[] = { table_of(command), full_name(&user), word_or(words, 1, "") };
	return words.count > 1 ? server_call("ul.rm_contact", parameters, 3)
			       : server_call("ul.rm", parameters, 2);
}

static int run_ul_add(const struct command *command, struct words words)
{
	struct user user;
	if (!user_read(words.at[0], &user))
		return EXIT_USAGE;
	/* expires 0 is for ever; flags, branch flags, all methods */
	const char *parameters[] = {
		table_of(command),    full_name(&user),       words.at[1], word_or(words, 2, "0"),
		setting("DEFAULT_Q"), word_or(words, 3, "."), "0",         "0",
		"4294967295"
	};
	return server_call("ul.add", parameters, ARRAY_SIZE(parameters));
}

static int run_ul_dbclean(const struct command *command, struct words words)
{
	int64_t seconds = CLEAN_AFTER_S, affected = 0;
	if (words.count && (!span_to_int64(span_from(words.at[0]), &seconds) || seconds < 0)) {
		say_error("\"%s\" is no number of seconds", words.at[0]);
		return EXIT_USAGE;
	}
	static const struct db_key key = { .column = SPAN("expires"), .op = DB_LESS };
	struct db_value value = db_time(time_now().number - seconds);
	struct db *db = database_open(ACCESS_WRITE);
	if (!database_execute(db,
			      database_prepare(db, &(struct db_spec){ .verb = DB_DELETE,
								      .table = SPAN_OF("location"),
								      .keys = &key,
								      .key_count = 1 }),
			      &value, &affected))
		return EXIT_REFUSED;
	say_info("%ld expired records removed", (long)affected);
	return EXIT_DONE;
}

/* ---- online: the names only --------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return span_compare(*(const struct span *)a, *(const struct span *)b);
}

/* Collects every text member "AoR", at any depth. */
static void collect(const struct json_value *value, struct span *names, unsigned most,
		    unsigned *count)
{
	if (value->kind == JSON_TEXT && span_equal(value->name, SPAN_OF("AoR")) && *count < most)
		names[(*count)++] = value->text;
	for (const struct json_value *member = value->first; member; member = member->next)
		collect(member, names, most, count);
}

static unsigned values_in(const struct json_value *value)
{
	unsigned count = 1;
	for (const struct json_value *member = value->first; member; member = member->next)
		count += values_in(member);
	return count;
}

static int run_online(const struct command *command, struct words words)
{
	static const char *const brief[] = { "brief" };
	static const struct span column = SPAN("AoR");
	static const bool is_number = false;
	const struct json_value *result;
	unsigned count = 0;
	int code = server_ask("ul.dump", brief, 1, &result);
	if (code != EXIT_DONE)
		return code;
	unsigned most = values_in(result);
	struct span *names = ARENA_ARRAY(tool_arena(), struct span, most);
	if (!names)
		return EXIT_REFUSED;
	collect(result, names, most, &count);
	qsort(names, count, sizeof(*names), compare_names);
	if (output_is_json())
		rows_begin(&column, 1, false);
	for (unsigned i = 0; i < count; i++)
		if (output_is_json())
			rows_add(&names[i], &is_number);
		else
			printf("%.*s\n", SPAN_ARGS(names[i]));
	if (output_is_json())
		rows_end();
	return EXIT_DONE;
}

static const struct command ul_commands[] = {
	{ "show", "[USER|--brief]", "shows who is registered, and where", 0, 1, run_ul_show, NULL },
	{ "rm", "USER [CONTACT]", "removes the bindings of a user, or one", 1, 2, run_ul_rm, NULL },
	{ "add", "USER URI [EXPIRES [PATH]]", "adds a binding; without EXPIRES it stays", 2, 4,
	  run_ul_add, NULL },
	{ "dbclean", "[SECONDS]", "removes rows from the database that expired so long ago [3600]",
	  0, 1, run_ul_dbclean, NULL },
};
static const struct command alias_commands[] = {
	{ "show", "[USER|--brief]", "shows aliases", 0, 1, run_ul_show, "aliases" },
	{ "rm", "USER [CONTACT]", "removes the aliases of a user, or one", 1, 2, run_ul_rm,
	  "aliases" },
	{ "add", "USER URI [EXPIRES [PATH]]", "adds an alias", 2, 4, run_ul_add, "aliases" },
};
static const struct command online_commands[] = { { "", "", "the names of who is registered", 0, 0,
						    run_online, NULL } };

const struct family location_families[] = {
	{ .name = "ul",
	  .other_name = "usrloc",
	  .doc = "bindings in the running server",
	  .commands = ul_commands,
	  .count = ARRAY_SIZE(ul_commands) },
	FAMILY("alias", alias_commands, "the location table \"aliases\" in the running server"),
	FAMILY("online", online_commands, "who is registered"),
	{ 0 },
};
