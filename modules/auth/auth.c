/* SPDX-License-Identifier: BSD-2-Clause */
/* auth: digest authentication (RFC 3261 22, RFC 7616, RFC 8760) for passwords that the script has,
 * and the common part for modules that have them in a database. The rows of the module and the
 * functions of the script. */
#include "modules/auth/auth.h"
#include "modules/sl/sl_api.h"

static struct auth_settings settings = {
	.nid_pool_no = 1,
	.nc_array_size = 1 << 20,
	.otn_in_flight_no = 1 << 20,
	.nonce_expire = 300,
	.nonce_auth_max_drift = 3,
	.proxy_challenge_header = SPAN("Proxy-Authenticate"),
	.www_challenge_header = SPAN("WWW-Authenticate"),
};
const struct auth_settings *const auth_settings = &settings;

static struct {
	struct algorithms algorithms; /* of the setting */
} state;

static const void *sl_functions;

/* ---- settings -------------------------------------------------------------------------------------- */

static const char *check_qop(struct span text, int64_t number)
{
	(void)number;
	if (!text.len || span_equal(text, SPAN_OF("auth")) ||
	    span_equal(text, SPAN_OF("auth-int")) || span_equal(text, SPAN_OF("auth,auth-int")))
		return NULL;
	return "qop is auth, auth-int or empty";
}

static const char *check_header(struct span text, int64_t number)
{
	(void)number;
	struct cursor in = cursor_over(text);
	bool is_name = text.len && cursor_take_while(&in, CHAR_TOKEN).len == text.len;
	return is_name ? NULL : "this is no name of a header";
}

static const char *check_algorithm(struct span text, int64_t number)
{
	(void)number;
	return algorithms_read(text, &state.algorithms)
		       ? NULL
		       : "one or more of MD5, SHA-256, SHA-512-256 and SHA-512, separated by commas";
}

static const struct field setting_fields[] = {
	FIELD(settings, auth_checks_register,
		"what nonces for REGISTER are bound to: 1 Request-URI, 2 Call-ID, 4 From tag, 8 source",
		.max = 15),
	FIELD(settings, auth_checks_no_dlg, "the same for requests outside dialogs", .max = 15),
	FIELD(settings, auth_checks_in_dlg, "the same for requests inside dialogs", .max = 15),
	FIELD(settings, qop, "accepted and without effect: the flags of a challenge choose its qop",
		.accept = check_qop),
	FIELD(settings, nonce_count, "the nc of credentials must grow; needs qop"),
	FIELD(settings, one_time_nonce, "each nonce is taken only once"),
	FIELD(settings, nid_pool_no, "parts of the arrays for counting; a power of two", .min = 1,
		.max = 64),
	FIELD(settings, nc_array_size, "nonces whose nc is remembered; a power of two", .min = 1,
		.max = 1 << 30),
	FIELD(settings, nc_array_order, "the same as the power of two", .min = 1, .max = 30),
	FIELD(settings, otn_in_flight_no, "nonces whose use is remembered; a power of two", .min = 1,
		.max = 1 << 30),
	FIELD(settings, otn_in_flight_order, "the same as the power of two", .min = 1, .max = 30),
	FIELD(settings, secret, "proves that a nonce is ours; drawn at every start when empty"),
	FIELD(settings, nonce_expire, "seconds for which a nonce is good", .min = 1, .max = INT32_MAX,
		.is_live = true),
	FIELD(settings, nonce_auth_max_drift, "seconds that a nonce may come from the future",
		.min = 0, .max = INT32_MAX, .is_live = true),
	FIELD(settings, force_stateless_reply, "send challenges without state"),
	FIELD(settings, realm_prefix, "left out at the beginning of realms: \"sip.\""),
	FIELD(settings, use_domain, "pv_auth_check compares the domains of the URIs too"),
	FIELD(settings, algorithm, "digests that are offered, the best first: SHA-256, MD5; empty: MD5",
		.accept = check_algorithm),
	FIELD(settings, add_authinfo_hdr, "answers to good credentials carry Authentication-Info"),
	FIELD(settings, proxy_challenge_header, "header of the challenges with 407",
		.accept = check_header),
	FIELD(settings, www_challenge_header, "header of the challenges with 401",
		.accept = check_header),
};

struct algorithms algorithms_wanted(const struct message *msg)
{
	const struct auth_state *noted = auth_state_noted(msg);
	return noted && noted->has_algorithms ? noted->algorithms : state.algorithms;
}

/* ---- functions of the script ------------------------------------------------------------------------ */

struct realm_args {
	struct span realm;
};
static const struct field realm_fields[] = {
	FIELD(struct realm_args, realm, "realm"),
};
SCRIPT_HANDLER_OF(has_credentials, realm)

struct challenge_args {
	struct span realm;
	int64_t flags;
	struct span algorithms;
};
static const struct field challenge_fields[] = {
	FIELD(struct challenge_args, realm, "realm"),
	FIELD(struct challenge_args, flags, "1 qop auth, 2 qop auth-int, 4 no answer 500, 16 stale"),
	FIELD(struct challenge_args, algorithms, "digests to offer, the best first", .optional = true),
};
SCRIPT_HANDLER_OF(www_challenge, challenge)
SCRIPT_HANDLER_OF(proxy_challenge, challenge)
SCRIPT_HANDLER_OF(auth_challenge, challenge)

struct password_args {
	struct span realm;
	struct span password;
	int64_t flags;
	struct span method;
};
static const struct field password_fields[] = {
	FIELD(struct password_args, realm, "realm"),
	FIELD(struct password_args, password, "password, or HA1 with flag 1"),
	FIELD(struct password_args, flags,
		"1 HA1; 2, 4, 8 put a challenge into $avp(digest_challenge): without qop, auth, "
		"auth-int; 16 stale"),
	FIELD(struct password_args, method, "method in the response, if not the request's",
		.optional = true),
};
SCRIPT_HANDLER_OF(www_authenticate, password)
SCRIPT_HANDLER_OF(proxy_authenticate, password)

struct auth_check_args {
	struct span realm;
	struct span password;
	int64_t flags;
	int64_t checks;
};
static const struct field auth_check_fields[] = {
	FIELD(struct auth_check_args, realm, "realm"),
	FIELD(struct auth_check_args, password, "password, or HA1 with flag 1"),
	FIELD(struct auth_check_args, flags, "as of pv_www_authenticate"),
	FIELD(struct auth_check_args, checks, "1: the user must be that of From, and To or Request-URI"),
};
SCRIPT_HANDLER(auth_check)

struct get_challenge_args {
	struct span realm;
	int64_t flags;
	const struct variable_ref *target;
};
static const struct field get_challenge_fields[] = {
	FIELD(struct get_challenge_args, realm, "realm"),
	FIELD(struct get_challenge_args, flags, "as of www_challenge"),
	FIELD(struct get_challenge_args, target, "variable for the header"),
};
SCRIPT_HANDLER(get_challenge)

struct algorithm_args {
	struct span algorithm;
};
static const struct field algorithm_fields[] = {
	FIELD(struct algorithm_args, algorithm, "MD5, SHA-256, SHA-512-256, SHA-512, or a list"),
};
SCRIPT_HANDLER_OF(auth_algorithm, algorithm)
SCRIPT_HANDLER_PLAIN(consume_credentials)

#define WHERE (ROUTE_REQUEST | ROUTE_EVENT | ROUTE_FAILURE)
static const struct script_function functions[] = {
	FUNCTION_PLAIN("consume_credentials", consume_credentials, WHERE,
		"Removes the credentials that were checked, so that the next hop does not see them."),
	FUNCTION_OF("has_credentials", has_credentials, realm, WHERE,
		"Are there credentials for the realm?"),
	FUNCTION_OF("www_challenge", www_challenge, challenge, WHERE | IN_ANY_REPLY,
		"Answers 401 with a challenge."),
	FUNCTION_OF("proxy_challenge", proxy_challenge, challenge, WHERE | IN_ANY_REPLY,
		"Answers 407 with a challenge."),
	FUNCTION_OF("auth_challenge", auth_challenge, challenge, WHERE | IN_ANY_REPLY,
		"Answers 401 to REGISTER and 407 to other requests, with a challenge."),
	FUNCTION_OF("pv_www_authenticate", www_authenticate, password, WHERE,
		"Checks Authorization against a password. -1 error, -2 wrong password, -4 nonce too "
		"old, -5 no credentials, -6 nonce used before."),
	FUNCTION_OF("pv_proxy_authenticate", proxy_authenticate, password, WHERE,
		"The same for Proxy-Authorization."),
	FUNCTION("pv_auth_check", auth_check, WHERE,
		"The same for either, by method; -8 when the user is not that of the request."),
	FUNCTION("auth_get_www_authenticate", get_challenge, IN_ANY,
		"Puts a WWW-Authenticate header into a variable."),
	FUNCTION_OF("auth_algorithm", auth_algorithm, algorithm, IN_ANY,
		"Chooses the digests for this message, in place of the setting."),
};

static int consume_credentials(struct script_run *run)
{
	if (credentials_consume(run->msg))
		return SCRIPT_TRUE;
	log_debug("no credentials were checked, so none are removed");
	return SCRIPT_FALSE;
}

static int has_credentials(struct script_run *run, const struct realm_args *args)
{
	return credentials_exist(run->msg, args->realm) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int auth_algorithm(struct script_run *run, const struct algorithm_args *args)
{
	struct algorithms wanted;
	struct auth_state *noted = auth_state(run->msg);
	if (!noted || !algorithms_read(args->algorithm, &wanted)) {
		log_error("auth_algorithm: \"%.*s\" is none of MD5, SHA-256, SHA-512-256, SHA-512",
			  SPAN_ARGS(args->algorithm));
		return SCRIPT_FALSE;
	}
	noted->algorithms = wanted;
	noted->has_algorithms = true;
	return SCRIPT_TRUE;
}

/* ---- challenges ----------------------------------------------------------------------------------------- */

static bool reply(struct script_run *run, unsigned code, struct span reason)
{
	const struct sl_api *sl = sl_functions;
	return settings.force_stateless_reply ? sl->send_stateless(run, code, reason)
					      : sl->send_reply(run, code, reason);
}

static bool add_challenge(struct script_run *run, const struct challenge_args *args, bool is_proxy)
{
	const struct auth_state *noted = auth_state_noted(run->msg);
	struct algorithms given;
	struct challenge challenge = {
		.realm = args->realm, .is_proxy = is_proxy, .flags = args->flags
	};
	if (noted && noted->is_stale)
		challenge.flags |= CHALLENGE_STALE;
	if (args->algorithms.len) {
		if (!algorithms_read(args->algorithms, &given)) {
			log_error("a challenge cannot offer \"%.*s\"", SPAN_ARGS(args->algorithms));
			return false;
		}
		challenge.algorithms = &given;
	}
	struct writer w = writer_in_arena(run->arena, 256);
	return challenge_write(&w, run->msg, &challenge) &&
	       message_add_reply_line(run->msg, writer_result(&w));
}

static int send_challenge(struct script_run *run, const struct challenge_args *args, bool is_proxy)
{
	if (!message_is_request(run->msg) || message_method(run->msg) == METHOD_ACK)
		return SCRIPT_FALSE;
	if (!add_challenge(run, args, is_proxy)) {
		if (!(args->flags & CHALLENGE_NO_500))
			reply(run, 500, SPAN_OF("Internal Server Error"));
		return SCRIPT_FALSE;
	}
	bool is_sent = is_proxy ? reply(run, 407, SPAN_OF("Proxy Authentication Required"))
				: reply(run, 401, SPAN_OF("Unauthorized"));
	return is_sent ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int www_challenge(struct script_run *run, const struct challenge_args *args)
{
	return send_challenge(run, args, false);
}

static int proxy_challenge(struct script_run *run, const struct challenge_args *args)
{
	return send_challenge(run, args, true);
}

static int auth_challenge(struct script_run *run, const struct challenge_args *args)
{
	uint32_t method = message_method(run->msg);
	if (method == METHOD_ACK || method == METHOD_CANCEL)
		return SCRIPT_TRUE; /* nobody can answer a challenge to these */
	return send_challenge(run, args, method != METHOD_REGISTER);
}

static int get_challenge(struct script_run *run, const struct get_challenge_args *args)
{
	const struct challenge challenge = { .realm = args->realm, .flags = args->flags };
	struct writer w = writer_in_arena(run->arena, 256);
	if (!challenge_write(&w, run->msg, &challenge))
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(writer_result(&w));
	return variable_write(run, args->target, &value) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- passwords that the script has ------------------------------------------------------------------------ */

/* Flags of the functions pv_*. */
enum {
	PASSWORD_IS_HA1 = 1,
	PASSWORD_CHALLENGE = 2,
	PASSWORD_CHALLENGE_AUTH = 4,
	PASSWORD_CHALLENGE_AUTH_INT = 8,
	PASSWORD_STALE = 16,
};

/* Leaves a challenge for the script in $avp(digest_challenge), if it asked for one. */
static void offer_challenge(struct script_run *run, const struct password_args *args, bool is_proxy)
{
	const struct auth_state *noted = auth_state_noted(run->msg);
	struct challenge challenge = { .realm = args->realm, .is_proxy = is_proxy };
	if (!(args->flags &
	      (PASSWORD_CHALLENGE | PASSWORD_CHALLENGE_AUTH | PASSWORD_CHALLENGE_AUTH_INT)))
		return;
	if (args->flags & PASSWORD_CHALLENGE_AUTH)
		challenge.flags |= CHALLENGE_QOP_AUTH;
	if (args->flags & PASSWORD_CHALLENGE_AUTH_INT)
		challenge.flags |= CHALLENGE_QOP_AUTH_INT;
	if ((args->flags & PASSWORD_STALE) || (noted && noted->is_stale))
		challenge.flags |= CHALLENGE_STALE;
	struct writer w = writer_in_arena(run->arena, 256);
	if (!challenge_write(&w, run->msg, &challenge) ||
	    !avp_push(&run->msg->attributes, avp_name_parse(SPAN_OF("digest_challenge")),
		      VALUE_OF_TEXT(writer_result(&w))))
		log_error("$avp(digest_challenge) is not set: memory is exhausted");
}

static int authenticate(struct script_run *run, const struct password_args *args, bool is_proxy)
{
	const struct auth_question question = { args->realm, is_proxy, args->method };
	struct auth_attempt attempt;
	if (!args->realm.len || !args->password.len) {
		log_error("the %s is empty", args->realm.len ? "password" : "realm");
		return AUTH_ERROR;
	}
	enum auth_result result = credentials_begin(run, &question, &attempt);
	if (result == AUTH_GO_ON)
		result = credentials_verify(run, &attempt, args->password,
					    args->flags & PASSWORD_IS_HA1 ? AUTH_SECRET_HA1
									  : AUTH_SECRET_PASSWORD);
	if (result < 0)
		offer_challenge(run, args, is_proxy);
	return result;
}

static int www_authenticate(struct script_run *run, const struct password_args *args)
{
	return authenticate(run, args, false);
}

static int proxy_authenticate(struct script_run *run, const struct password_args *args)
{
	return authenticate(run, args, true);
}

/* A URI of this user, and with a host of this host. */
static bool agrees(const struct message *msg, struct span uri_text, struct span user,
		   struct span host)
{
	const struct sip_uri *uri = message_read_uri(msg, uri_text);
	return uri && span_equal(uri->user, user) &&
	       (!host.at || span_equal_nocase(uri->host, host));
}

static bool is_own_request(const struct message *msg, struct span user_name, bool with_domains)
{
	struct span user, domain;
	auth_name_split(user_name, &user, &domain);
	uint32_t method = message_method(msg);
	const struct sip_uri *from = message_read_uri(msg, message_from_uri(msg));
	if (!from || !span_equal(from->user, user))
		return false;
	struct span host = with_domains ? from->host : (struct span){ 0 };
	if ((method == METHOD_REGISTER || method == METHOD_PUBLISH) &&
	    !agrees(msg, message_to_uri(msg), user, host))
		return false;
	return method != METHOD_PUBLISH || agrees(msg, message_uri(msg), user, host);
}

static int auth_check(struct script_run *run, const struct auth_check_args *args)
{
	const struct password_args password = { args->realm, args->password, args->flags, { 0 } };
	bool is_register = message_method(run->msg) == METHOD_REGISTER;
	int result = authenticate(run, &password, !is_register);
	struct span name = run->msg->account_user;
	if (result != AUTH_OK || !(args->checks & 1) || !name.at)
		return result;
	return is_own_request(run->msg, name, settings.use_domain) ? AUTH_OK : AUTH_MISMATCH;
}

/* ---- module ------------------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	credentials_reserve();
	if (settings.nonce_count && !settings.qop.len)
		diagnostic_add(
			diagnostics, SEVERITY_NOTE, "no-qop",
			module_setting_position("auth", "nonce_count"),
			"nonce_count only matters for credentials with qop: flag 1 of the challenge "
			"functions asks for it");
	return nonce_prepare();
}

static const struct auth_api api = {
	.authorized_user = authorized_user,
	.begin = credentials_begin,
	.verify = credentials_verify,
	.is_own_request = is_own_request,
	.realm = realm_strip,
};
static const struct module_interface offers[] = {
	{ "auth", AUTH_API_VERSION, &api },
};
static const struct module_need needs[] = {
	{ .name = "sl", .version = SL_API_VERSION, .out_functions = &sl_functions },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "auth",
	.doc = "Digest authentication.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.offers = ROWS(offers),
	.needs = ROWS(needs),
	.prepare = prepare,
};
