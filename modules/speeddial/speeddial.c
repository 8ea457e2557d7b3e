/* SPDX-License-Identifier: BSD-2-Clause */
/* speeddial: each user's own short numbers, in a database. */
#include "core/db/tables.h"
#include "core/module/module.h"

enum { WITHOUT_DOMAINS, WITH_OWNERS_DOMAIN, WITH_BOTH_DOMAINS };

static struct {
	struct span db_url;
	struct span user_column, domain_column, sd_user_column, sd_domain_column, new_uri_column;
	struct span domain_prefix;
	int64_t use_domain;
} settings = {
	.db_url = SPAN("mysql://kamailioro:kamailioro@localhost/kamailio"),
	.user_column = SPAN("username"),
	.domain_column = SPAN("domain"),
	.sd_user_column = SPAN("sd_username"),
	.sd_domain_column = SPAN("sd_domain"),
	.new_uri_column = SPAN("new_uri"),
};
static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database"),
	FIELD(settings, user_column, "column of the owner"),
	FIELD(settings, domain_column, "column of the owner's domain"),
	FIELD(settings, sd_user_column, "column of the short number"),
	FIELD(settings, sd_domain_column, "column of the short number's domain"),
	FIELD(settings, new_uri_column, "column of the URI that the number means"),
	FIELD(settings, domain_prefix, "taken off the front of domains before they are looked for"),
	FIELD(settings, use_domain, "0 no domain is looked for, 1 that of the owner, 2 also that of "
		"the number", .min = WITHOUT_DOMAINS, .max = WITH_BOTH_DOMAINS),
};

static struct db_tables tables = { .module = "speeddial", .version = 2 };
static struct db *database;

static const char *note_table(struct span table, int64_t number)
{
	(void)number;
	return db_tables_note(&tables, table);
}

struct sd_lookup_args {
	struct span table;
	struct span owner;
};
static const struct field sd_lookup_fields[] = {
	FIELD(struct sd_lookup_args, table, "table of the short numbers", .accept = note_table),
	FIELD(struct sd_lookup_args, owner, "URI of the owner, if not that of From", .optional = true),
};
SCRIPT_HANDLER(sd_lookup)

static const struct script_function functions[] = {
	FUNCTION("sd_lookup", sd_lookup, ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_EVENT,
		"Is the Request-URI a short number of its caller? Then it becomes what that means."),
};

static struct span domain_of(const struct sip_uri *uri)
{
	struct span host = uri->host.at ? uri->host : SPAN_OF("");
	if (settings.domain_prefix.len && span_starts_with(host, settings.domain_prefix))
		host = span_slice(host, settings.domain_prefix.len, host.len);
	return host;
}

static const struct db_statement *statement_for(struct script_run *run, struct span table)
{
	const struct db_column columns[] = { { settings.new_uri_column, DB_TEXT } };
	const struct db_key keys[] = {
		{ settings.user_column, DB_EQUAL },
		{ settings.sd_user_column, DB_EQUAL },
		{ settings.domain_column, DB_EQUAL },
		{ settings.sd_domain_column, DB_EQUAL },
	};
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = table,
				      .columns = columns,
				      .column_count = 1,
				      .keys = keys,
				      .key_count = 2 + (unsigned)settings.use_domain };
	return db_tables_statement(&tables, database, 0, &spec, run->arena);
}

static int sd_lookup(struct script_run *run, const struct sd_lookup_args *args)
{
	struct sip_uri owner, number;
	struct span owner_uri = args->owner.len ? args->owner : message_from_uri(run->msg);
	if (!uri_parse(owner_uri, &owner) || !owner.user.len ||
	    !message_parse_uri(run->msg, &number) || !number.user.len) {
		log_debug("sd_lookup: no user in %.*s or in the Request-URI", SPAN_ARGS(owner_uri));
		return SCRIPT_FALSE;
	}
	const struct db_value values[] = {
		db_text(owner.user),
		db_text(number.user),
		db_text(domain_of(&owner)),
		db_text(domain_of(&number)),
	};
	const struct db_statement *statement = statement_for(run, args->table);
	const struct db_value *row;
	if (!statement)
		log_error("the table \"%.*s\" cannot be asked", SPAN_ARGS(args->table));
	if (!statement || db_first(statement, values, run->arena, &row) != DB_OK)
		return SCRIPT_FALSE;
	if (!row || !row->text.len)
		return SCRIPT_FALSE;
	struct span uri = row->text;
	if (uri_scheme_of(uri) == URI_OTHER)
		uri = arena_printf(run->arena, "sip:%.*s", SPAN_ARGS(uri));
	return uri.at && message_set_uri(run->msg, uri) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool prepare(struct diagnostics *diagnostics)
{
	database = db_use(settings.db_url, "speeddial.db_url", diagnostics,
			  module_setting_position("speeddial", "db_url"));
	return database;
}

static bool start(void)
{
	return db_tables_check(&tables, database);
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "speeddial",
	.doc = "Each user's own short numbers, in a database.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.prepare = prepare,
	.start = start,
};
