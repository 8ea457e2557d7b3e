/* SPDX-License-Identifier: BSD-2-Clause */
/* alias_db: users are called by other names, which a database table knows. */
#include "core/db/tables.h"
#include "core/module/module.h"

static struct {
	struct span db_url;
	struct span user_column, domain_column, alias_user_column, alias_domain_column;
	struct span domain_prefix;
	bool use_domain, append_branches;
} settings = {
	.db_url = SPAN("mysql://kamailioro:kamailioro@localhost/kamailio"),
	.user_column = SPAN("username"),
	.domain_column = SPAN("domain"),
	.alias_user_column = SPAN("alias_username"),
	.alias_domain_column = SPAN("alias_domain"),
};
static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database"),
	FIELD(settings, user_column, "column of the user that an alias means"),
	FIELD(settings, domain_column, "column of the domain that an alias means"),
	FIELD(settings, alias_user_column, "column of the alias' user part"),
	FIELD(settings, alias_domain_column, "column of the alias' domain"),
	FIELD(settings, domain_prefix, "taken off the front of a domain before it is looked for"),
	FIELD(settings, use_domain, "the domain is looked for as well"),
	FIELD(settings, append_branches, "further users of an alias become branches"),
};

static struct db_tables tables = { .module = "alias_db", .version = 1 };
static struct db *database;

/* ---- functions of the script ------------------------------------------------------------------------ */

static const char *note_table(struct span table, int64_t number)
{
	(void)number;
	return db_tables_note(&tables, table);
}
static const char *check_flags(struct span flags, int64_t number)
{
	(void)number;
	for (size_t i = 0; i < flags.len; i++)
		if (flags.at[i] != 'd' && flags.at[i] != 'r' && flags.at[i] != 'u')
			return "flags are d (ignore the domain), u (use it) and r (find the alias of a user)";
	return NULL;
}
#define FLAGS(type) \
	FIELD(struct type, flags, "d ignores the domain, u uses it, r finds the alias of a user", \
		.optional = true, .accept = check_flags)

struct alias_db_lookup_args {
	struct span table;
	struct span flags;
};
static const struct field alias_db_lookup_fields[] = {
	FIELD(struct alias_db_lookup_args, table, "table of the aliases", .accept = note_table),
	FLAGS(alias_db_lookup_args),
};
SCRIPT_HANDLER(alias_db_lookup)

struct alias_db_find_args {
	struct span table;
	struct span uri;
	const struct variable_ref *output;
	struct span flags;
};
static const struct field alias_db_find_fields[] = {
	FIELD(struct alias_db_find_args, table, "table of the aliases", .accept = note_table),
	FIELD(struct alias_db_find_args, uri, "URI that is looked for"),
	FIELD(struct alias_db_find_args, output, "variable for the URI that was found"),
	FLAGS(alias_db_find_args),
};
SCRIPT_HANDLER(alias_db_find)

static const struct script_function functions[] = {
	FUNCTION("alias_db_lookup", alias_db_lookup, ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_EVENT,
		"Is the Request-URI an alias? Then it becomes that of the user."),
	FUNCTION("alias_db_find", alias_db_find, IN_ANY,
		"The URI of the user that an alias means, or with r the other way round."),
};

/* ---- the table -------------------------------------------------------------------------------------- */

struct question {
	struct span table;
	struct sip_uri uri;
	bool is_reverse, with_domain;
};

/* Reads URI and flags; false when the URI is none, or has no user. */
static bool question_init(struct question *q, struct span table, struct span uri, struct span flags)
{
	*q = (struct question){ .table = table, .with_domain = settings.use_domain };
	for (size_t i = 0; i < flags.len; i++) {
		if (flags.at[i] == 'r')
			q->is_reverse = true;
		else
			q->with_domain = flags.at[i] == 'u';
	}
	if (uri_parse(uri, &q->uri) && q->uri.user.len)
		return true;
	log_debug("alias_db: \"%.*s\" has no user that can be looked for", SPAN_ARGS(uri));
	return false;
}

static enum db_status question_ask(struct script_run *run, const struct question *q,
				   struct db_rows *out)
{
	const struct span user[] = { settings.alias_user_column, settings.user_column };
	const struct span domain[] = { settings.alias_domain_column, settings.domain_column };
	const struct db_column columns[] = {
		{ user[!q->is_reverse], DB_TEXT }, { domain[!q->is_reverse], DB_TEXT }
	};
	const struct db_key keys[] = {
		{ user[q->is_reverse], DB_EQUAL }, { domain[q->is_reverse], DB_EQUAL }
	};
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = q->table,
				      .columns = columns,
				      .column_count = 2,
				      .keys = keys,
				      .key_count = q->with_domain ? 2 : 1 };
	struct span host = q->uri.host;
	if (settings.domain_prefix.len && span_starts_with(host, settings.domain_prefix))
		host = span_slice(host, settings.domain_prefix.len, host.len);
	const struct db_value values[] = { db_text(q->uri.user),
					   db_text(host.at ? host : SPAN_OF("")) };
	unsigned kind = (q->is_reverse ? 1 : 0) | (q->with_domain ? 2 : 0);
	const struct db_statement *statement =
		db_tables_statement(&tables, database, kind, &spec, run->arena);
	if (statement)
		return db_run(statement, values, out);
	log_error("the table \"%.*s\" cannot be asked", SPAN_ARGS(q->table));
	return DB_REJECTED;
}

/* The URI of the next row that has one; absent after the last. */
static struct span next_uri(struct script_run *run, struct db_rows *rows)
{
	while (db_next(rows)) {
		struct span user = rows->values[0].text, domain = rows->values[1].text;
		if (user.len && domain.len)
			return arena_printf(run->arena, "sip:%.*s@%.*s", SPAN_ARGS(user),
					    SPAN_ARGS(domain));
	}
	return (struct span){ 0 };
}

static int alias_db_lookup(struct script_run *run, const struct alias_db_lookup_args *args)
{
	struct question question;
	struct db_rows rows;
	if (!question_init(&question, args->table, message_uri(run->msg), args->flags) ||
	    question_ask(run, &question, &rows) != DB_OK)
		return SCRIPT_FALSE;
	struct span uri = next_uri(run, &rows);
	bool is_found = uri.len && message_set_uri(run->msg, uri);
	while (is_found && settings.append_branches && (uri = next_uri(run, &rows)).len) {
		const struct branch branch = { .uri = uri, .q = Q_UNSPECIFIED };
		if (!message_add_branch(run->msg, &branch))
			log_error("no room for the branch %.*s", SPAN_ARGS(uri));
	}
	return db_end(&rows) == DB_OK && is_found ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int alias_db_find(struct script_run *run, const struct alias_db_find_args *args)
{
	struct question question;
	struct db_rows rows;
	if (!question_init(&question, args->table, args->uri, args->flags) ||
	    question_ask(run, &question, &rows) != DB_OK)
		return SCRIPT_FALSE;
	const struct value found = VALUE_OF_TEXT(next_uri(run, &rows));
	if (db_end(&rows) != DB_OK || !found.text.len)
		return SCRIPT_FALSE;
	return variable_write(run, args->output, &found) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- module ----------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	database = db_use(settings.db_url, "alias_db.db_url", diagnostics,
			  module_setting_position("alias_db", "db_url"));
	return database;
}

static bool start(void)
{
	return db_tables_check(&tables, database);
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "alias_db",
	.doc = "Other names of users, in a database.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.prepare = prepare,
	.start = start,
};
