/* SPDX-License-Identifier: BSD-2-Clause */
/* Short numbers and aliases of users: two tables that pair one user with another name. */
#include <stdio.h>
#include <string.h>

#include "utils/kamctl/commands.h"

/* A table in which (name columns) lead to (owner columns). */
struct pairing {
	const char *table, *word;
	const char *name_column, *name_domain; /* of the alias or short number */
	const char *owner_column, *owner_domain;
};
static const struct pairing dbaliases = { "dbaliases",    "aliases",  "alias_username",
					  "alias_domain", "username", "domain" };
static const struct pairing speed_dial = { "speed_dial", "speed-dials", "sd_username",
					   "sd_domain",  "username",    "domain" };

static int delete_rows(const struct pairing *pairing, const struct db_key *keys, unsigned count,
		       const struct db_value *values)
{
	int64_t affected = 0;
	struct db *db = database_open(ACCESS_WRITE);
	if (!database_execute(
		    db,
		    database_prepare(db, &(struct db_spec){ .verb = DB_DELETE,
							    .table = span_from(pairing->table),
							    .keys = keys,
							    .key_count = count }),
		    values, &affected))
		return EXIT_REFUSED;
	if (affected == 0)
		say_error("no such row in table %s; nothing removed", pairing->table);
	return affected ? EXIT_DONE : EXIT_REFUSED;
}

/* The rows with this alias or short number (`with` is the pairing). */
static int show_name(const struct pairing *pairing, const char *word)
{
	struct user user;
	if (!user_read(word, &user))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_READ);
	const struct db_key keys[] = { { .column = span_from(pairing->name_column) },
				       { .column = span_from(pairing->name_domain) } };
	struct db_value values[] = { db_text(user.name), db_text(user.domain) };
	return database_print(
		       db,
		       database_prepare(db, &(struct db_spec){ .verb = DB_SELECT,
							       .table = span_from(pairing->table),
							       .keys = keys,
							       .key_count = 2 }),
		       values, false)
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

static int run_pair_show(const struct command *command, struct words words)
{
	return show_name(command->with, words.at[0]);
}

/* All rows of an owner; without one, everything. */
static int run_pair_list(const struct command *command, struct words words)
{
	const struct pairing *pairing = command->with;
	struct user user = { 0 };
	if (words.count && !user_read(words.at[0], &user))
		return EXIT_USAGE;
	if (words.count)
		say("Dumping %s for user=<%.*s@%.*s>", pairing->word, SPAN_ARGS(user.name),
		    SPAN_ARGS(user.domain));
	struct db *db = database_open(ACCESS_READ);
	const struct db_key keys[] = { { .column = span_from(pairing->owner_column) },
				       { .column = span_from(pairing->owner_domain) } };
	struct db_value values[] = { db_text(user.name), db_text(user.domain) };
	return database_print(
		       db,
		       database_prepare(db, &(struct db_spec){ .verb = DB_SELECT,
							       .table = span_from(pairing->table),
							       .keys = keys,
							       .key_count = words.count ? 2 : 0 }),
		       values, false)
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

/* Tables of Kamailio have no unique key for aliases, and two of a name would both be found. */
static bool alias_exists(struct db *db, const struct user *alias)
{
	static const struct db_key keys[] = { { .column = SPAN("alias_username") },
					      { .column = SPAN("alias_domain") } };
	struct db_value values[] = { db_text(alias->name), db_text(alias->domain) };
	int64_t count = database_count(db, SPAN_OF("dbaliases"), keys, 2, values);
	if (count > 0)
		say_info("%.*s alias already in dbaliases table", SPAN_ARGS(alias->name));
	return count != 0;
}

static int run_alias_add(const struct command *command, struct words words)
{
	static const struct db_column columns[] = { { .name = SPAN("alias_username") },
						    { .name = SPAN("alias_domain") },
						    { .name = SPAN("username") },
						    { .name = SPAN("domain") } };
	struct user alias, owner;
	if (!user_read(words.at[0], &alias) || !user_read(words.at[1], &owner))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_WRITE);
	struct db_value values[] = { db_text(alias.name), db_text(alias.domain),
				     db_text(owner.name), db_text(owner.domain) };
	if (alias_exists(db, &alias))
		return EXIT_REFUSED;
	return database_execute(
		       db,
		       database_prepare(db, &(struct db_spec){ .verb = DB_INSERT,
							       .table = SPAN_OF("dbaliases"),
							       .columns = columns,
							       .column_count = 4 }),
		       values, NULL)
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

static int run_alias_rm(const struct command *command, struct words words)
{
	static const struct db_key keys[] = { { .column = SPAN("alias_username") },
					      { .column = SPAN("alias_domain") } };
	struct user alias;
	if (!user_read(words.at[0], &alias))
		return EXIT_USAGE;
	struct db_value values[] = { db_text(alias.name), db_text(alias.domain) };
	return delete_rows(&dbaliases, keys, 2, values);
}

/* The Request-URI of a call to the short number. */
static bool is_address(const char *word)
{
	static const char *const schemes[] = { "sip:", "sips:", "tel:" };
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (span_starts_with_nocase(span_from(word), span_from(schemes[i])) &&
		    word[strlen(schemes[i])])
			return true;
	say_error("\"%s\" is no SIP address; sip:USER@DOMAIN is wanted", word);
	return false;
}

static int run_speeddial_add(const struct command *command, struct words words)
{
	static const struct db_column columns[] = {
		{ .name = SPAN("username") },    { .name = SPAN("domain") },
		{ .name = SPAN("sd_username") }, { .name = SPAN("sd_domain") },
		{ .name = SPAN("new_uri") },     { .name = SPAN("description") }
	};
	struct user owner, number;
	if (!user_read(words.at[0], &owner) || !user_read(words.at[1], &number) ||
	    !is_address(words.at[2]))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_WRITE);
	struct db_value values[] = { db_text(owner.name),
				     db_text(owner.domain),
				     db_text(number.name),
				     db_text(number.domain),
				     db_text(span_from(words.at[2])),
				     db_text(span_from(word_or(words, 3, ""))) };
	if (!database_execute(
		    db,
		    database_prepare(db, &(struct db_spec){ .verb = DB_INSERT,
							    .table = SPAN_OF("speed_dial"),
							    .columns = columns,
							    .column_count = ARRAY_SIZE(columns) }),
		    values, NULL))
		return EXIT_REFUSED;
	say("ok - speed dial added");
	return EXIT_DONE;
}

static int run_speeddial_rm(const struct command *command, struct words words)
{
	static const struct db_key keys[] = { { .column = SPAN("username") },
					      { .column = SPAN("domain") },
					      { .column = SPAN("sd_username") },
					      { .column = SPAN("sd_domain") } };
	struct user owner, number;
	if (!user_read(words.at[0], &owner) || !user_read(words.at[1], &number))
		return EXIT_USAGE;
	struct db_value values[] = { db_text(owner.name), db_text(owner.domain),
				     db_text(number.name), db_text(number.domain) };
	int code = delete_rows(&speed_dial, keys, 4, values);
	if (code == EXIT_DONE)
		say("ok - speed dial deleted");
	return code;
}

static const struct command alias_db_commands[] = {
	{ "show", "ALIAS", "shows to whom an alias leads", 1, 1, run_pair_show, &dbaliases },
	{ "list", "[USER]", "shows the aliases of a user, or all", 0, 1, run_pair_list,
	  &dbaliases },
	{ "add", "ALIAS USER", "adds an alias of a user", 2, 2, run_alias_add, NULL },
	{ "rm", "ALIAS", "removes an alias", 1, 1, run_alias_rm, NULL },
};
static const struct command speeddial_commands[] = {
	{ "show", "NUMBER", "shows to whom a short number leads", 1, 1, run_pair_show,
	  &speed_dial },
	{ "list", "[USER]", "shows the short numbers of a user, or all", 0, 1, run_pair_list,
	  &speed_dial },
	{ "add", "USER NUMBER URI [TEXT]", "adds a short number of a user", 3, 4, run_speeddial_add,
	  NULL },
	{ "rm", "USER NUMBER", "removes a short number", 2, 2, run_speeddial_rm, NULL },
};

const struct family alias_families[] = {
	FAMILY("alias_db", alias_db_commands, "aliases of users, in the database"),
	FAMILY("speeddial", speeddial_commands, "short numbers of users"),
	{ 0 },
};
