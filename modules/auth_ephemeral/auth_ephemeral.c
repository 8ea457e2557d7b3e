/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_ephemeral: credentials that a web service gives out for a time and that prove themselves: the
 * user name says until when it is good, the password is a keyed digest of it with a secret that the
 * service shares with us (draft-uberti-behave-turn-rest). The rows of the module and its functions. */
#include "core/base/base64.h"
#include "modules/auth/auth_api.h"
#include "modules/auth_ephemeral/auth_ephemeral.h"

static struct {
	int64_t username_format;
	int64_t sha_algorithm;
} settings = { .username_format = TIME_THEN_NAME };

static const struct auth_api *auth;
static const void *auth_functions;

/* By the values of sha_algorithm. */
static const enum digest_kind digests[] = { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384,
					    DIGEST_SHA512 };

static const struct field setting_fields[] = {
	FIELD_ACCEPT("secret", secrets_note, "shared with the service; the last one is tried first"),
	FIELD(settings, username_format, "0 user:time, 1 time:user", .max = 1),
	FIELD(settings, sha_algorithm, "0 SHA-1, 1 SHA-256, 2 SHA-384, 3 SHA-512", .max = 3),
};

/* ---- functions of the script ------------------------------------------------------------------------ */

static const char *check_auth(struct span text, int64_t number)
{
	(void)text, (void)number;
	return module_is_loaded("auth")
		       ? NULL
		       : "digests are checked with the module auth: loadmodule \"auth.so\" before this one";
}

struct digest_args {
	struct span realm;
	struct span method;
};
static const struct field digest_fields[] = {
	FIELD(struct digest_args, realm, "realm", .accept = check_auth),
	FIELD(struct digest_args, method, "method in the response, if not the request's",
		.optional = true),
};
SCRIPT_HANDLER_OF(www, digest)
static const struct field realm_fields[] = {
	FIELD(struct digest_args, realm, "realm", .accept = check_auth),
};
#define realm_args digest_args
SCRIPT_HANDLER_OF(proxy, realm)
SCRIPT_HANDLER_OF(either, realm)

struct password_args {
	struct span name;
	struct span password;
};
static const struct field password_fields[] = {
	FIELD(struct password_args, name, "user name as the service gave it"),
	FIELD(struct password_args, password, "password as the service gave it"),
};
SCRIPT_HANDLER_OF(authenticate, password)

struct name_args {
	struct span name;
};
static const struct field name_fields[] = {
	FIELD(struct name_args, name, "user name as the service gave it"),
};
SCRIPT_HANDLER_OF(check_timestamp, name)
static const struct field optional_name_fields[] = {
	FIELD(struct name_args, name, "user name as the service gave it; without, that of the credentials "
				      "that were checked", .optional = true),
};
#define optional_name_args name_args
SCRIPT_HANDLER_OF(check_from, optional_name)
SCRIPT_HANDLER_OF(check_to, optional_name)

#define WHERE ROUTE_REQUEST
#define RESULTS                                                                                        \
	" -1 error, -2 wrong password, -4 nonce too old, -5 no credentials, -6 nonce used before, -7 " \
	"expired."
static const struct script_function functions[] = {
	FUNCTION_OF("autheph_www", www, digest, WHERE, "Checks Authorization." RESULTS),
	FUNCTION_OF("autheph_proxy", proxy, realm, WHERE, "Checks Proxy-Authorization." RESULTS),
	FUNCTION_OF("autheph_check", either, realm, WHERE,
		"autheph_www for REGISTER, autheph_proxy for other requests."),
	FUNCTION_OF("autheph_authenticate", authenticate, password, WHERE,
		"Is this the password of the user name? -1 no, -7 expired."),
	FUNCTION_OF("autheph_check_from", check_from, optional_name, WHERE,
		"Is From the user, and the domain if there is one, of the user name? -2 without user."),
	FUNCTION_OF("autheph_check_to", check_to, optional_name, WHERE, "The same for To."),
	FUNCTION_OF("autheph_check_timestamp", check_timestamp, name, WHERE,
		"Is the user name still good?"),
};

enum {
	EPHEMERAL_NO_USER = -2,
	EPHEMERAL_EXPIRED = -7, /* beside enum auth_result */
};

/* ---- passwords ----------------------------------------------------------------------------------------- */

#define PASSWORD_MAX 90 /* of 64 bytes in base64 */

/* password = BASE64( HMAC( secret, user name ) ) */
static struct span password_of(struct span name, struct span secret, char *out)
{
	uint8_t bytes[DIGEST_BYTES_MAX];
	size_t len = digest_keyed(digests[settings.sha_algorithm], secret, &name, 1, bytes);
	struct writer w = writer_fixed(out, PASSWORD_MAX);
	base64_write(&w, span_make((const char *)bytes, len), base64_plain, true);
	return writer_result(&w);
}

static int result_of_name(struct span text)
{
	struct ephemeral_name name;
	enum name_state found = NAME_MALFORMED;
	if (ephemeral_name_parse(text, (enum name_format)settings.username_format, &name))
		found = ephemeral_name_state(&name, clock_wall_s());
	if (found == NAME_MALFORMED)
		log_debug("\"%.*s\" has no time", SPAN_ARGS(text));
	return found == NAME_GOOD      ? AUTH_OK
	       : found == NAME_EXPIRED ? EPHEMERAL_EXPIRED
				       : AUTH_ERROR;
}

static int check_digest(struct script_run *run, const struct auth_question *question)
{
	struct auth_attempt attempt;
	struct span *secrets;
	char password[PASSWORD_MAX];
	if (!auth || !question->realm.len) {
		log_error(auth ? "the realm is empty" : "the module auth is not loaded");
		return AUTH_ERROR;
	}
	int result = auth->begin(run, question, &attempt);
	if (result != AUTH_GO_ON)
		return result;
	result = result_of_name(attempt.user_name);
	if (result != AUTH_OK)
		return result;
	size_t count = secrets_copy(run->arena, &secrets);
	result = AUTH_BAD_PASSWORD;
	for (size_t i = 0; i < count && result == AUTH_BAD_PASSWORD; i++)
		result = auth->verify(run, &attempt,
				      password_of(attempt.user_name, secrets[i], password),
				      AUTH_SECRET_PASSWORD);
	return result;
}

static int www(struct script_run *run, const struct digest_args *args)
{
	const struct auth_question question = { .realm = args->realm, .method = args->method };
	return check_digest(run, &question);
}

static int proxy(struct script_run *run, const struct digest_args *args)
{
	const struct auth_question question = { .realm = args->realm, .is_proxy = true };
	return check_digest(run, &question);
}

static int either(struct script_run *run, const struct digest_args *args)
{
	return message_method(run->msg) == METHOD_REGISTER ? www(run, args) : proxy(run, args);
}

static int authenticate(struct script_run *run, const struct password_args *args)
{
	struct span *secrets;
	char password[PASSWORD_MAX];
	if (!args->name.len || !args->password.len) {
		log_debug("the %s is empty", args->name.len ? "password" : "user name");
		return AUTH_ERROR;
	}
	int result = result_of_name(args->name);
	if (result != AUTH_OK)
		return result;
	size_t count = secrets_copy(run->arena, &secrets);
	for (size_t i = 0; i < count; i++)
		if (digest_equal(password_of(args->name, secrets[i], password), args->password))
			return AUTH_OK;
	return AUTH_ERROR;
}

/* ---- user names ----------------------------------------------------------------------------------------- */

static int check_uri(struct script_run *run, struct span given, struct span uri)
{
	struct ephemeral_name name;
	if (!given.at && auth)
		given = auth->authorized_user(run->msg);
	if (!given.len) {
		log_debug("there is no user name, and no credentials were checked");
		return AUTH_ERROR;
	}
	if (!ephemeral_name_parse(given, (enum name_format)settings.username_format, &name) ||
	    !name.user.at)
		return EPHEMERAL_NO_USER;
	return ephemeral_name_fits(&name, uri) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int check_from(struct script_run *run, const struct name_args *args)
{
	return check_uri(run, args->name, message_from_uri(run->msg));
}

static int check_to(struct script_run *run, const struct name_args *args)
{
	return check_uri(run, args->name, message_to_uri(run->msg));
}

static int check_timestamp(struct script_run *run, const struct name_args *args)
{
	(void)run;
	return result_of_name(args->name) == AUTH_OK ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- module ------------------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	auth = auth_functions;
	return secrets_prepare(diagnostics);
}

static const struct rpc_command commands[] = {
	{ "autheph.add_secret", secrets_run_add, "Adds a secret, which is tried first from now on.", "{secret}" },
	{ "autheph.dump_secrets", secrets_run_dump, "The secrets with their numbers.", NULL,
		.returns_array = true },
	{ "autheph.rm_secret", secrets_run_remove, "Takes the secret with this number out.", "{number}" },
};
static const struct module_need needs[] = {
	{ "auth", AUTH_API_VERSION, &auth_functions, .is_optional = true },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "auth_ephemeral",
	.doc = "Credentials that a web service gives out for a time.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = ROWS(commands),
	.needs = ROWS(needs),
	.prepare = prepare,
};
