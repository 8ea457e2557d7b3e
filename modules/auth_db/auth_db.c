/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_db: digest authentication (RFC 7616) of subscribers that are in a database. The rows of the
 * module and its functions. */
#include "modules/auth_db/auth_db.h"

static struct auth_db_settings settings = {
	.db_url = SPAN("mysql://kamailioro:kamailioro@localhost/kamailio"),
	.user_column = SPAN("username"),
	.domain_column = SPAN("domain"),
	.password_column = SPAN("ha1"),
	.password_column_2 = SPAN("ha1b"),
	.version_table = true,
};
const struct auth_db_settings *const auth_db_settings = &settings;

static const void *auth_functions;

static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database"),
	FIELD(settings, user_column, "column of the user"),
	FIELD(settings, domain_column, "column of the domain"),
	FIELD(settings, password_column, "column of HA1, or of the password with calculate_ha1"),
	FIELD(settings, password_column_2, "column of HA1 for user names with a domain"),
	FIELD(settings, calculate_ha1, "password_column holds passwords, not HA1"),
	FIELD(settings, use_domain, "the domain is looked for as well"),
	FIELD(settings, load_credentials, "columns for the script: $avp(name)=column;column"),
	FIELD(settings, version_table, "check the version of the tables"),
	FIELD(settings, force_generate_avps, "load_credentials also when the password is wrong"),
};

/* ---- functions of the script ------------------------------------------------------------------------ */

struct table_args {
	struct span realm;
	struct span table;
	struct span method;
};
#define REALM_AND_TABLE(type) \
	FIELD(struct type, realm, "realm"), \
		FIELD(struct type, table, "table of the subscribers", .accept = lookup_note_table)
static const struct field table_fields[] = {
	REALM_AND_TABLE(table_args),
	FIELD(struct table_args, method, "method in the response, if not the request's",
		.optional = true),
};
SCRIPT_HANDLER_OF(www_authenticate, table)
static const struct field proxy_fields[] = { REALM_AND_TABLE(table_args) };
#define proxy_args table_args
SCRIPT_HANDLER_OF(proxy_authenticate, proxy)

struct auth_check_args {
	struct span realm;
	struct span table;
	int64_t flags;
};
static const struct field auth_check_fields[] = {
	REALM_AND_TABLE(auth_check_args),
	FIELD(struct auth_check_args, flags,
		"1: the user must be that of the request; 3: but not in INVITE, BYE, PRACK, UPDATE, "
		"MESSAGE"),
};
SCRIPT_HANDLER(auth_check)

struct is_subscriber_args {
	struct span uri;
	struct span table;
	int64_t flags;
};
static const struct field is_subscriber_fields[] = {
	FIELD(struct is_subscriber_args, uri, "URI"),
	FIELD(struct is_subscriber_args, table, "table of the subscribers",
		.accept = lookup_note_table),
	FIELD(struct is_subscriber_args, flags,
		"1 the domain is looked for as well, 2 load_credentials stays out"),
};
SCRIPT_HANDLER(is_subscriber)

#define WHERE (ROUTE_REQUEST | ROUTE_EVENT | ROUTE_FAILURE)
#define WWW_DOC                                                                                   \
	"Checks Authorization against the table. -1 error, -2 wrong password, -3 no such user, -4 " \
	"nonce too old, -5 no credentials, -6 nonce used before."
#define PROXY_DOC "Checks Proxy-Authorization against the table; results as of www_authenticate."
static const struct script_function functions[] = {
	FUNCTION_OF("www_authenticate", www_authenticate, table, WHERE, WWW_DOC),
	FUNCTION_OF("www_authorize", www_authenticate, table, WHERE, WWW_DOC),
	FUNCTION_OF("proxy_authenticate", proxy_authenticate, proxy, WHERE, PROXY_DOC),
	FUNCTION_OF("proxy_authorize", proxy_authenticate, proxy, WHERE, PROXY_DOC),
	FUNCTION("auth_check", auth_check, WHERE,
		"Either of them, by method; -8 when the user is not that of the request."),
	FUNCTION("is_subscriber", is_subscriber, IN_ANY, "Is the URI that of a subscriber?"),
};

static enum auth_result authenticate(struct script_run *run, struct span table,
				     const struct auth_question *question)
{
	const struct auth_api *auth = auth_functions;
	struct auth_attempt attempt;
	struct subscriber subscriber;
	if (!table.len || !question->realm.len) {
		log_error("the %s is empty", table.len ? "realm" : "table");
		return AUTH_ERROR;
	}
	enum auth_result result = auth->begin(run, question, &attempt);
	if (result != AUTH_GO_ON)
		return result;
	struct lookup lookup = { .table = table, .user = attempt.user };
	lookup.with_ha1b = attempt.domain.len && !settings.calculate_ha1;
	if (settings.use_domain)
		lookup.domain = attempt.domain.len ? attempt.domain : attempt.realm;
	result = lookup_subscriber(run, &lookup, &subscriber);
	if (result != AUTH_OK)
		return result;
	result = AUTH_BAD_PASSWORD;
	if (subscriber.password.len)
		result = auth->verify(run, &attempt, subscriber.password,
				      settings.calculate_ha1 ? AUTH_SECRET_PASSWORD
							     : AUTH_SECRET_HA1);
	if (result == AUTH_OK || settings.force_generate_avps)
		lookup_load(run, &subscriber);
	return result;
}

static int www_authenticate(struct script_run *run, const struct table_args *args)
{
	const struct auth_question question = { args->realm, false, args->method };
	return authenticate(run, args->table, &question);
}

static int proxy_authenticate(struct script_run *run, const struct table_args *args)
{
	const struct auth_question question = { .realm = args->realm, .is_proxy = true };
	return authenticate(run, args->table, &question);
}

#define MAY_BE_ANONYMOUS \
	(METHOD_INVITE | METHOD_BYE | METHOD_PRACK | METHOD_UPDATE | METHOD_MESSAGE)

static int auth_check(struct script_run *run, const struct auth_check_args *args)
{
	const struct auth_api *auth = auth_functions;
	uint32_t method = message_method(run->msg);
	const struct auth_question question = {
		.realm = args->realm, .is_proxy = method != METHOD_REGISTER
	};
	enum auth_result result = authenticate(run, args->table, &question);
	struct span name = auth->authorized_user(run->msg);
	if (result != AUTH_OK || !(args->flags & 1) || !name.at)
		return result;
	if ((args->flags & 2) && (method & MAY_BE_ANONYMOUS))
		return AUTH_OK;
	return auth->is_own_request(run->msg, name, settings.use_domain) ? AUTH_OK : AUTH_MISMATCH;
}

static int is_subscriber(struct script_run *run, const struct is_subscriber_args *args)
{
	enum { WITH_DOMAIN = 1, WITHOUT_CREDENTIALS = 2, NOT_FOUND = -2 };
	struct sip_uri uri;
	struct subscriber subscriber;
	if (!uri_parse(args->uri, &uri)) {
		log_debug("is_subscriber: \"%.*s\" is no URI", SPAN_ARGS(args->uri));
		return SCRIPT_FALSE;
	}
	if (!uri.user.len)
		return NOT_FOUND;
	struct lookup lookup = { .table = args->table, .user = uri.user };
	if (args->flags & WITH_DOMAIN)
		lookup.domain = uri.host;
	enum auth_result result = lookup_subscriber(run, &lookup, &subscriber);
	if (result == AUTH_OK && !(args->flags & WITHOUT_CREDENTIALS))
		lookup_load(run, &subscriber);
	return result == AUTH_NO_USER ? NOT_FOUND : (int)result;
}

/* ---- module --------------------------------------------------------------------------------------------- */

static const struct module_need needs[] = {
	{ .name = "auth", .version = AUTH_API_VERSION, .out_functions = &auth_functions },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "auth_db",
	.doc = "Digest authentication of subscribers in a database.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.needs = ROWS(needs),
	.prepare = lookup_prepare,
	.start = lookup_start,
};
