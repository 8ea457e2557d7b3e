/* SPDX-License-Identifier: BSD-2-Clause */
/* group: to which groups a user belongs: strict groups in a table of users, and groups that regular
 * expressions describe. */
#include "modules/group/group.h"

static struct group_settings settings = {
	.db_url = SPAN("mysql://kamailioro:kamailioro@localhost/kamailio"),
	.table = SPAN("grp"),
	.user_column = SPAN("username"),
	.domain_column = SPAN("domain"),
	.group_column = SPAN("grp"),
	.re_exp_column = SPAN("reg_exp"),
	.re_gid_column = SPAN("group_id"),
	.multiple_gid = true,
};
const struct group_settings *const group_settings = &settings;

static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database"),
	FIELD(settings, table, "table of users and groups"),
	FIELD(settings, user_column, "column of the user"),
	FIELD(settings, domain_column, "column of the domain"),
	FIELD(settings, group_column, "column of the group's name"),
	FIELD(settings, use_domain, "the domain is looked for as well"),
	FIELD(settings, re_table, "table of regular expressions; empty: there are none"),
	FIELD(settings, re_exp_column, "column of the regular expression"),
	FIELD(settings, re_gid_column, "column of the group's number"),
	FIELD(settings, multiple_gid, "get_user_group returns all groups, not only one"),
};

static struct {
	struct db *db;
	struct db_statement *find;
} state;

/* ---- functions of the script ------------------------------------------------------------------------ */

#define SOURCE(type)                                                                               \
	FIELD(struct type, source,                                                                 \
		"user: Request-URI, To, From, Credentials, or a text or variable with a URI",      \
		.accept = check_source)

/* A variable is not yet known; a constant must be one of the names or a URI. */
static const char *check_source(struct span source, int64_t number)
{
	struct sip_uri uri;
	(void)number;
	if (group_source_of(source) != SOURCE_URI || uri_parse(source, &uri))
		return NULL;
	return "a user is Request-URI, To, From, Credentials, or a variable or text with a URI";
}

struct is_user_in_args {
	struct span source;
	struct span group;
};
static const struct field is_user_in_fields[] = {
	SOURCE(is_user_in_args),
	FIELD(struct is_user_in_args, group, "name of the group"),
};
SCRIPT_HANDLER(is_user_in)

struct get_user_group_args {
	struct span source;
	const struct variable_ref *output;
};
static const struct field get_user_group_fields[] = {
	SOURCE(get_user_group_args),
	FIELD(struct get_user_group_args, output, "AVP for the numbers of the groups"),
};
SCRIPT_HANDLER(get_user_group)

static const struct script_function functions[] = {
	FUNCTION("is_user_in", is_user_in, IN_ANY,
		"Does the user belong to the group? -6: no; -1: there is no user."),
	FUNCTION("get_user_group", get_user_group, IN_ANY,
		"The numbers of the groups whose expressions match the user's URI; how many."),
};

static int is_user_in(struct script_run *run, const struct is_user_in_args *args)
{
	enum { NOT_IN_GROUP = -6 };
	struct group_user user;
	const struct db_value *row;
	if (!group_find_user(run, args->source, &user))
		return SCRIPT_FALSE;
	const struct db_value values[] = {
		db_text(user.user), db_text(args->group), db_text(user.host.at ? user.host : SPAN_OF(""))
	};
	if (db_first(state.find, values, run->arena, &row) != DB_OK)
		return SCRIPT_FALSE;
	return row ? SCRIPT_TRUE : NOT_IN_GROUP;
}

static int get_user_group(struct script_run *run, const struct get_user_group_args *args)
{
	struct group_user user;
	if (!group_find_user(run, args->source, &user) || !user.host.len)
		return SCRIPT_FALSE;
	struct span subject = arena_printf(run->arena, "sip:%.*s@%.*s", SPAN_ARGS(user.user),
					   SPAN_ARGS(user.host));
	if (!subject.at)
		return SCRIPT_FALSE;
	int found = expressions_match(run, subject, args->output);
	return found ? found : SCRIPT_FALSE;
}

/* ---- module ----------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	state.db = db_use(settings.db_url, "group.db_url", diagnostics,
			  module_setting_position("group", "db_url"));
	if (!state.db)
		return false;
	const struct db_column columns[] = { { settings.group_column, DB_TEXT } };
	const struct db_key keys[] = {
		{ settings.user_column, DB_EQUAL },
		{ settings.group_column, DB_EQUAL },
		{ settings.domain_column, DB_EQUAL },
	};
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = settings.table,
				      .columns = columns,
				      .column_count = 1,
				      .keys = keys,
				      .key_count = settings.use_domain ? 3 : 2,
				      .limit = 1 };
	state.find = db_prepare(state.db, startup_arena(), &spec);
	if (!state.find)
		log_error("group: the name of the table or of a column is empty");
	return state.find;
}

static bool start(void)
{
	return db_need_table(state.db, "group", settings.table, GROUP_VERSION) &&
	       expressions_load(state.db);
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "group",
	.doc = "Groups of users, in a database.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.prepare = prepare,
	.start = start,
};
