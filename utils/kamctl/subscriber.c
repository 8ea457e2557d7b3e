/* SPDX-License-Identifier: BSD-2-Clause */
/* Subscribers, and the groups that they are in. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/arena.h"
#include "core/base/digest.h"
#include "utils/kamctl/commands.h"

#define SUBSCRIBER SPAN_OF("subscriber")
#define GROUPS     SPAN_OF("grp")

bool user_read(const char *word, struct user *out)
{
	struct span text = span_from(word);
	if (span_starts_with_nocase(text, SPAN_OF("sip:")))
		text = span_slice(text, 4, text.len);
	size_t at = span_find(text, '@', 0);
	out->name = span_slice(text, 0, at);
	out->domain = at < text.len ? span_slice(text, at + 1, text.len)
				    : span_from(setting("SIP_DOMAIN"));
	if (!out->name.len) {
		say_error("\"%s\" has no user name; NAME or NAME@DOMAIN is wanted", word);
		return false;
	}
	if (!out->domain.len) {
		say_error(
			"the domain of \"%s\" is not known: give %s@DOMAIN, or set SIP_DOMAIN in kamctlrc",
			word, word);
		return false;
	}
	return true;
}

struct db_value time_now(void)
{
	return db_time((int64_t)time(NULL));
}

/* USERCOL, "domain". */
static void user_keys(struct db_key keys[2])
{
	keys[0] = (struct db_key){ .column = span_from(setting("USERCOL")) };
	keys[1] = (struct db_key){ .column = SPAN_OF("domain") };
}

int user_exists(struct db *db, const struct user *user)
{
	struct db_key keys[2];
	user_keys(keys);
	struct db_value values[] = { db_text(user->name), db_text(user->domain) };
	int64_t count = database_count(db, SUBSCRIBER, keys, 2, values);
	return count < 0 ? -1 : count > 0;
}

/* Reads the user of a command and opens the database; an exit code, EXIT_DONE when `out_db` is set. */
static int open_for_user(const char *word, bool must_exist, struct user *out_user,
			 struct db **out_db)
{
	if (!user_read(word, out_user))
		return EXIT_USAGE;
	*out_db = database_open(ACCESS_WRITE);
	int exists = user_exists(*out_db, out_user);
	if (exists < 0)
		return EXIT_UNREACHABLE;
	if (must_exist && !exists)
		say_error("non-existent user '%s'", word);
	else if (!must_exist && exists)
		say_info("user '%s' already exists", word);
	return exists == must_exist ? EXIT_DONE : EXIT_REFUSED;
}

/* The password of a command: the word; "-" is a line of the standard input; asked for when absent. */
static const char *password_of(const char *word)
{
	if (word && strcmp(word, "-") != 0)
		return word;
	word = word ? read_password() : ask_password("password");
	if (!word || !*word)
		say_error("no password");
	return word && *word ? word : NULL;
}

/* HA1 of RFC 2617 for the user's name, and (HA1B) for user@domain as the name. */
static void write_ha1(const struct user *user, const char *password, bool with_domain, char out[33])
{
	struct writer w = writer_in_arena(tool_arena(), 256);
	writer_span(&w, user->name);
	if (with_domain) {
		writer_char(&w, '@');
		writer_span(&w, user->domain);
	}
	writer_char(&w, ':');
	writer_span(&w, user->domain);
	writer_char(&w, ':');
	writer_string(&w, password);
	struct span text = writer_result(&w);
	char hex[DIGEST_HEX_MAX];
	bug_if(digest_hex(DIGEST_MD5, &text, 1, hex) != 32, "MD5 is not there");
	memcpy(out, hex, 32);
	out[32] = '\0';
}

static int run_add(const struct command *command, struct words words)
{
	char ha1[33], ha1b[33];
	struct user user;
	struct db *db;
	const char *password = password_of(word_or(words, 1, NULL));
	if (!password)
		return EXIT_USAGE;
	int code = open_for_user(words.at[0], false, &user, &db);
	if (code != EXIT_DONE)
		return code;
	const struct db_column columns[] = { { .name = span_from(setting("USERCOL")) },
					     { .name = SPAN("domain") },
					     { .name = SPAN("ha1") },
					     { .name = SPAN("ha1b") },
					     { .name = SPAN("password") } };
	write_ha1(&user, password, false, ha1);
	write_ha1(&user, password, true, ha1b);
	struct db_value values[] = {
		db_text(user.name), db_text(user.domain), db_text(span_from(ha1)),
		db_text(span_from(ha1b)),
		db_text(span_from(setting_is_on("STORE_PLAINTEXT_PW") ? password : ""))
	};
	if (!database_execute(
		    db,
		    database_prepare(db, &(struct db_spec){ .verb = DB_INSERT,
							    .table = SUBSCRIBER,
							    .columns = columns,
							    .column_count = ARRAY_SIZE(columns) }),
		    values, NULL))
		return EXIT_REFUSED;
	say("new user '%s' added", words.at[0]);
	return EXIT_DONE;
}

/* UPDATE subscriber SET columns WHERE the user. */
static bool update_user(struct db *db, const struct user *user, const struct db_column *columns,
			unsigned count, const struct db_value *columns_values)
{
	struct db_key keys[2];
	struct db_value values[8];
	user_keys(keys);
	memcpy(values, columns_values, count * sizeof(*values));
	values[count] = db_text(user->name);
	values[count + 1] = db_text(user->domain);
	return database_execute(db,
				database_prepare(db, &(struct db_spec){ .verb = DB_UPDATE,
									.table = SUBSCRIBER,
									.columns = columns,
									.column_count = count,
									.keys = keys,
									.key_count = 2 }),
				values, NULL);
}

static int run_passwd(const struct command *command, struct words words)
{
	char ha1[33], ha1b[33];
	struct user user;
	struct db *db;
	const char *password = password_of(word_or(words, 1, NULL));
	if (!password)
		return EXIT_USAGE;
	int code = open_for_user(words.at[0], true, &user, &db);
	if (code != EXIT_DONE)
		return code;
	static const struct db_column columns[] = { { .name = SPAN("ha1") },
						    { .name = SPAN("ha1b") },
						    { .name = SPAN("password") } };
	write_ha1(&user, password, false, ha1);
	write_ha1(&user, password, true, ha1b);
	struct db_value values[] = {
		db_text(span_from(ha1)), db_text(span_from(ha1b)),
		db_text(span_from(setting_is_on("STORE_PLAINTEXT_PW") ? password : ""))
	};
	if (!update_user(db, &user, columns, ARRAY_SIZE(columns), values)) {
		say_error("password change failed");
		return EXIT_REFUSED;
	}
	say_info("password change succeeded");
	return EXIT_DONE;
}

static int run_set(const struct command *command, struct words words)
{
	struct user user;
	struct db *db;
	int64_t number = 0;
	bool is_number = command->with != NULL;
	if (is_number && !span_to_int64(span_from(words.at[2]), &number)) {
		say_error("\"%s\" is no number; `sets` sets texts", words.at[2]);
		return EXIT_USAGE;
	}
	int code = open_for_user(words.at[0], true, &user, &db);
	if (code != EXIT_DONE)
		return code;
	struct db_column column = { .name = span_from(words.at[1]) };
	struct db_value value = is_number ? db_int(number) : db_text(span_from(words.at[2]));
	if (!update_user(db, &user, &column, 1, &value)) {
		say_error("attribute change failed");
		return EXIT_REFUSED;
	}
	say_info("attribute change succeeded");
	return EXIT_DONE;
}

static bool delete_user_rows(struct db *db, const struct user *user, struct span table,
			     struct span name_column)
{
	const struct db_key keys[] = { { .column = name_column }, { .column = SPAN("domain") } };
	struct db_value values[] = { db_text(user->name), db_text(user->domain) };
	return database_execute(db,
				database_prepare(db, &(struct db_spec){ .verb = DB_DELETE,
									.table = table,
									.keys = keys,
									.key_count = 2 }),
				values, NULL);
}

static int run_rm(const struct command *command, struct words words)
{
	struct user user;
	struct db *db;
	int code = open_for_user(words.at[0], true, &user, &db);
	if (code != EXIT_DONE)
		return code;
	/* Aliases of somebody who is gone would lead nowhere. */
	if (!delete_user_rows(db, &user, SPAN_OF("dbaliases"), SPAN_OF("username")) ||
	    !delete_user_rows(db, &user, SUBSCRIBER, span_from(setting("USERCOL")))) {
		say_error("removing user '%s' failed", words.at[0]);
		return EXIT_REFUSED;
	}
	say("user '%s' removed", words.at[0]);
	return EXIT_DONE;
}

static bool print_user_rows(struct db *db, const struct user *user, struct span table,
			    struct span name_column)
{
	const struct db_key keys[] = { { .column = name_column }, { .column = SPAN("domain") } };
	struct db_value values[] = { db_text(user ? user->name : (struct span){ 0 }),
				     db_text(user ? user->domain : (struct span){ 0 }) };
	return database_print(db,
			      database_prepare(db, &(struct db_spec){ .verb = DB_SELECT,
								      .table = table,
								      .keys = keys,
								      .key_count = user ? 2 : 0 }),
			      values, false);
}

static int run_show(const struct command *command, struct words words)
{
	struct user user;
	if (!user_read(words.at[0], &user))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_READ);
	return print_user_rows(db, &user, SUBSCRIBER, span_from(setting("USERCOL"))) ? EXIT_DONE
										     : EXIT_REFUSED;
}

/* ---- groups ----------------------------------------------------------------------------------- */

static bool is_known_group(const char *name)
{
	struct span rest = span_from(setting("ACL_GROUPS")), group;
	if (!setting_is_on("VERIFY_ACL"))
		return true;
	while (span_split(&rest, ' ', &group))
		if (group.len && span_equal(group, span_from(name)))
			return true;
	say_warning("Invalid privilege: acl '%s' ignored; ACL_GROUPS of kamctlrc allows: %s", name,
		    setting("ACL_GROUPS"));
	return false;
}

static int run_acl_show(const struct command *command, struct words words)
{
	struct user user;
	if (words.count && !user_read(words.at[0], &user))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_READ);
	return print_user_rows(db, words.count ? &user : NULL, GROUPS, SPAN_OF("username"))
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

static int run_acl_grant(const struct command *command, struct words words)
{
	struct user user;
	static const struct db_column columns[] = { { .name = SPAN("username") },
						    { .name = SPAN("domain") },
						    { .name = SPAN("grp") },
						    { .name = SPAN("last_modified") } };
	if (!user_read(words.at[0], &user))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_WRITE);
	int exists = setting_is_on("VERIFY_USER") ? user_exists(db, &user) : 1;
	char question[512];
	snprintf(question, sizeof(question), "Non-existent user '%s'. Still proceeding?",
		 words.at[0]);
	if (exists < 0 || (!exists && !ask_yes_no(question)))
		return EXIT_REFUSED;
	const struct db_statement *insert =
		database_prepare(db, &(struct db_spec){ .verb = DB_INSERT,
							.table = GROUPS,
							.columns = columns,
							.column_count = ARRAY_SIZE(columns) });
	bool is_done = true;
	for (unsigned i = 1; i < words.count; i++) {
		struct db_value values[] = { db_text(user.name), db_text(user.domain),
					     db_text(span_from(words.at[i])), time_now() };
		is_done = is_known_group(words.at[i]) &&
			  database_execute(db, insert, values, NULL) && is_done;
	}
	return print_user_rows(db, &user, GROUPS, SPAN_OF("username")) && is_done ? EXIT_DONE
										  : EXIT_REFUSED;
}

static int run_acl_revoke(const struct command *command, struct words words)
{
	struct user user;
	static const struct db_key keys[] = { { .column = SPAN("username") },
					      { .column = SPAN("domain") },
					      { .column = SPAN("grp") } };
	if (!user_read(words.at[0], &user))
		return EXIT_USAGE;
	struct db *db = database_open(ACCESS_WRITE);
	struct db_value values[] = { db_text(user.name), db_text(user.domain),
				     db_text(span_from(word_or(words, 1, ""))) };
	if (!database_execute(
		    db,
		    database_prepare(db, &(struct db_spec){ .verb = DB_DELETE,
							    .table = GROUPS,
							    .keys = keys,
							    .key_count = words.count > 1 ? 3 : 2 }),
		    values, NULL))
		return EXIT_REFUSED;
	return print_user_rows(db, &user, GROUPS, SPAN_OF("username")) ? EXIT_DONE : EXIT_REFUSED;
}

/* ---- Remote-Party-ID (a column that an operator may have added) ------------------------------- */

static int run_rpid(const struct command *command, struct words words)
{
	struct user user;
	struct db *db;
	int code = open_for_user(words.at[0], true, &user, &db);
	if (code != EXIT_DONE)
		return code;
	static const struct db_column column = { .name = SPAN("rpid") };
	struct db_value value = words.count > 1 ? db_text(span_from(words.at[1])) : db_null();
	return update_user(db, &user, &column, 1, &value) ? EXIT_DONE : EXIT_REFUSED;
}

static int run_rpid_show(const struct command *command, struct words words)
{
	struct user user;
	struct db_key keys[2];
	const struct db_column columns[] = { { .name = span_from(setting("USERCOL")) },
					     { .name = SPAN("domain") },
					     { .name = SPAN("rpid") } };
	if (!user_read(words.at[0], &user))
		return EXIT_USAGE;
	user_keys(keys);
	struct db *db = database_open(ACCESS_READ);
	struct db_value values[] = { db_text(user.name), db_text(user.domain) };
	return database_print(
		       db,
		       database_prepare(db, &(struct db_spec){ .verb = DB_SELECT,
							       .table = SUBSCRIBER,
							       .columns = columns,
							       .column_count = ARRAY_SIZE(columns),
							       .keys = keys,
							       .key_count = 2 }),
		       values, false)
		       ? EXIT_DONE
		       : EXIT_REFUSED;
}

static const struct command add_commands[] = { { "", "USER [PASSWORD|-]",
						 "adds a subscriber; asks for the "
						 "password, or reads it from a pipe with -",
						 1, 2, run_add, NULL } };
static const struct command passwd_commands[] = { { "", "USER [PASSWORD|-]", "changes the password",
						    1, 2, run_passwd, NULL } };
static const struct command rm_commands[] = { { "", "USER", "deletes a subscriber and the aliases",
						1, 1, run_rm, NULL } };
static const struct command show_commands[] = { { "", "USER", "shows a subscriber", 1, 1, run_show,
						  NULL } };
static const struct command sets_commands[] = { { "", "USER COLUMN TEXT", "sets a column to a text",
						  3, 3, run_set, NULL } };
static const struct command setn_commands[] = {
	{ "", "USER COLUMN NUMBER", "sets a column to a number", 3, 3, run_set, "number" }
};
static const struct command acl_commands[] = {
	{ "show", "[USER]", "shows memberships", 0, 1, run_acl_show, NULL },
	{ "grant", "USER GROUP...", "makes a member of groups", 2, WORDS_MOST, run_acl_grant,
	  NULL },
	{ "revoke", "USER [GROUP]", "ends one membership, or all", 1, 2, run_acl_revoke, NULL },
};
static const struct command rpid_commands[] = {
	{ "add", "USER RPID", "sets the Remote-Party-ID", 2, 2, run_rpid, NULL },
	{ "rm", "USER", "sets it to NULL", 1, 1, run_rpid, NULL },
	{ "show", "USER", "shows it", 1, 1, run_rpid_show, NULL },
};

const struct family subscriber_families[] = {
	FAMILY("add", add_commands, "a new subscriber"),
	FAMILY("passwd", passwd_commands, "a subscriber's password"),
	FAMILY("rm", rm_commands, "a subscriber goes"),
	FAMILY("show", show_commands, "what is stored about a subscriber"),
	FAMILY("sets", sets_commands, "texts of a subscriber"),
	FAMILY("setn", setn_commands, "numbers of a subscriber"),
	FAMILY("acl", acl_commands, "groups that subscribers are in"),
	FAMILY("rpid", rpid_commands, "Remote-Party-ID"),
	{ 0 },
};
