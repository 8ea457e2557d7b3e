/* SPDX-License-Identifier: BSD-2-Clause */
/* uri_db: may the user whose credentials were checked call himself so? By his own name, or by a table of
 * the names that users may have. */
#include "core/module/module.h"

enum { SUBSCRIBER_VERSION = 7, URI_VERSION = 1 };
/* What the functions return. */
enum { NO_CREDENTIALS = -2, NO_USER = -4, NO_SUCH_USER = -5, NOT_IN_TABLE = -9, OTHER_USER = -10 };

static struct {
	struct span db_url;
	struct span db_table, user_column, domain_column, uriuser_column;
	bool use_uri_table, use_domain;
} settings = {
	.db_url = SPAN("mysql://kamailioro:kamailioro@localhost/kamailio"),
	.db_table = SPAN("subscriber"),
	.user_column = SPAN("username"),
	.domain_column = SPAN("domain"),
	.uriuser_column = SPAN("uri_user"),
};
static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database; empty: only names are compared"),
	FIELD(settings, db_table, "table of the users, or with use_uri_table of their names"),
	FIELD(settings, user_column, "column of the user"),
	FIELD(settings, domain_column, "column of the domain"),
	FIELD(settings, uriuser_column, "column of the user part that the user may have in URIs"),
	FIELD(settings, use_uri_table, "the table says which names a user may have"),
	FIELD(settings, use_domain, "does_uri_exist looks for the domain as well"),
};

static struct {
	struct db *db;
	struct db_statement *may_use; /* user, name, domain */
	struct db_statement *exists;  /* user or name, domain */
} state;

/* ---- functions of the script ------------------------------------------------------------------------ */

struct check_uri_args {
	struct span uri;
	struct span user, realm;
};
static const struct field check_uri_fields[] = {
	FIELD(struct check_uri_args, uri, "URI"),
	FIELD(struct check_uri_args, user, "user to ask about instead", .optional = true),
	FIELD(struct check_uri_args, realm, "his domain, for use_uri_table; without both the user of the "
					    "credentials counts", .optional = true),
};
SCRIPT_HANDLER(check_uri)
SCRIPT_HANDLER_PLAIN(check_to)
SCRIPT_HANDLER_PLAIN(check_from)
SCRIPT_HANDLER_PLAIN(does_uri_exist)

#define WHERE (ROUTE_REQUEST | ROUTE_EVENT | ROUTE_FAILURE)
static const struct script_function functions[] = {
	FUNCTION_PLAIN("check_to", check_to, WHERE,
		"May the user whose credentials were checked have the name in To? -2 no credentials "
		"were checked, -4 there is no name in it, -9 not by the table, -10 he has another name."),
	FUNCTION_PLAIN("check_from", check_from, WHERE, "The same for From."),
	FUNCTION("check_uri", check_uri, WHERE, "The same for any URI."),
	FUNCTION_PLAIN("does_uri_exist", does_uri_exist, WHERE,
		"Is there a user with the name in the Request-URI? -5: no."),
};

static int may_use(struct script_run *run, struct span user, struct span realm, struct span name)
{
	const struct db_value *row;
	const struct db_value values[] = { db_text(user), db_text(name), db_text(realm) };
	if (db_first(state.may_use, values, run->arena, &row) != DB_OK)
		return SCRIPT_FALSE;
	return row ? SCRIPT_TRUE : NOT_IN_TABLE;
}

/* Without user or realm: those whose credentials were checked. */
static int check(struct script_run *run, struct span text, struct span user, struct span realm)
{
	struct sip_uri uri;
	if (!uri_parse(text, &uri)) {
		log_debug("uri_db: \"%.*s\" is no URI", SPAN_ARGS(text));
		return SCRIPT_FALSE;
	}
	if (!uri.user.len)
		return uri.user.at || uri_is_tel(&uri) ? SCRIPT_FALSE : NO_USER;
	if (!user.len || !realm.len) {
		user = run->msg->account_user;
		realm = run->msg->account_realm;
		if (!user.len) {
			log_error(
				"no credentials were checked: call www_authenticate, "
				"proxy_authenticate or auth_check before the functions of uri_db");
			return NO_CREDENTIALS;
		}
		user = span_slice(user, 0, span_find(user, '@', 0));
	}
	if (settings.use_uri_table)
		return may_use(run, user, realm, uri.user);
	return span_equal_nocase(user, uri.user) ? SCRIPT_TRUE : OTHER_USER;
}

static int check_to(struct script_run *run)
{
	return check(run, message_to_uri(run->msg), (struct span){ 0 }, (struct span){ 0 });
}

static int check_from(struct script_run *run)
{
	return check(run, message_from_uri(run->msg), (struct span){ 0 }, (struct span){ 0 });
}

static int check_uri(struct script_run *run, const struct check_uri_args *args)
{
	return check(run, args->uri, args->user, args->realm);
}

static int does_uri_exist(struct script_run *run)
{
	struct sip_uri uri;
	const struct db_value *row;
	if (!state.db) {
		log_error(
			"does_uri_exist: there is no database; set the parameter db_url of uri_db");
		return SCRIPT_FALSE;
	}
	if (!message_parse_uri(run->msg, &uri))
		return SCRIPT_FALSE;
	if (!uri.user.len)
		return NO_SUCH_USER;
	const struct db_value values[] = {
		db_text(uri.user), db_text(uri.host.at ? uri.host : SPAN_OF(""))
	};
	if (db_first(state.exists, values, run->arena, &row) != DB_OK)
		return SCRIPT_FALSE;
	return row ? SCRIPT_TRUE : NO_SUCH_USER;
}

/* ---- module ----------------------------------------------------------------------------------------- */

static struct db_statement *prepare_select(const struct db_key *keys, unsigned count)
{
	const struct db_column columns[] = { { settings.user_column, DB_TEXT } };
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = settings.db_table,
				      .columns = columns,
				      .column_count = 1,
				      .keys = keys,
				      .key_count = count,
				      .limit = 1 };
	struct db_statement *statement = db_prepare(state.db, startup_arena(), &spec);
	if (!statement)
		log_error("uri_db: the name of the table or of a column is empty");
	return statement;
}

static bool prepare(struct diagnostics *diagnostics)
{
	struct source_position at = module_setting_position("uri_db", "db_url");
	if (!db_use_optional(settings.db_url, "uri_db.db_url", diagnostics, at, &state.db))
		return false;
	if (!state.db && settings.use_uri_table) {
		diagnostic_add(
			diagnostics, SEVERITY_ERROR, "bad-setting", at,
			"use_uri_table needs a database; set the parameter db_url of uri_db");
		return false;
	}
	if (!state.db)
		return true;
	const struct db_key names[] = { { settings.user_column, DB_EQUAL },
					{ settings.uriuser_column, DB_EQUAL },
					{ settings.domain_column, DB_EQUAL } };
	const struct db_key users[] = {
		{ settings.use_uri_table ? settings.uriuser_column : settings.user_column, DB_EQUAL },
		{ settings.domain_column, DB_EQUAL },
	};
	if (settings.use_uri_table)
		state.may_use = prepare_select(names, ARRAY_SIZE(names));
	state.exists = prepare_select(users, settings.use_domain ? 2 : 1);
	return state.exists && (state.may_use || !settings.use_uri_table);
}

static bool start(void)
{
	return !state.db ||
	       db_need_table(state.db, "uri_db", settings.db_table,
			     settings.use_uri_table ? URI_VERSION : SUBSCRIBER_VERSION);
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "uri_db",
	.doc = "Which names in URIs the user of the credentials may have.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.prepare = prepare,
	.start = start,
};
