/* SPDX-License-Identifier: BSD-2-Clause */
/* auth: answers to digest challenges (RFC 3261 22.2, RFC 7616, RFC 8760). */
#include "modules/uac/uac.h"

#include "core/base/digest.h"

#define CREDENTIALS_MOST 256

static struct {
	struct uac_credentials list[CREDENTIALS_MOST];
	unsigned count;
	const struct variable_ref *realm, *user, *password;
} state;

const char *credential_add(struct span text, int64_t number)
{
	struct span rest = text, user, realm;
	(void)number;
	if (!span_split(&rest, ':', &user) || !span_split(&rest, ':', &realm) || !rest.at ||
	    !user.len)
		return "a credential is user:realm:password";
	if (state.count == CREDENTIALS_MOST)
		return "there are too many credentials";
	state.list[state.count++] = (struct uac_credentials){ user, realm, rest, false };
	return NULL;
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

/* How an algorithm digests; false when it is not known. */
static bool digest_of(enum auth_algorithm algorithm, enum digest_kind *out_kind,
		      bool *out_is_session)
{
	static const struct { enum digest_kind kind; bool is_session; } kinds[] = {
		[AUTH_MD5] = { DIGEST_MD5, false },
		[AUTH_MD5_SESS] = { DIGEST_MD5, true },
		[AUTH_SHA256] = { DIGEST_SHA256, false },
		[AUTH_SHA256_SESS] = { DIGEST_SHA256, true },
		[AUTH_SHA512_256] = { DIGEST_SHA512_256, false },
		[AUTH_SHA512_256_SESS] = { DIGEST_SHA512_256, true },
		[AUTH_SHA512] = { DIGEST_SHA512, false },
	};
	if ((size_t)algorithm >= ARRAY_SIZE(kinds))
		return false;
	*out_kind = kinds[algorithm].kind;
	*out_is_session = kinds[algorithm].is_session;
	return true;
}

struct hex {
	char bytes[DIGEST_HEX_MAX];
	struct span text;
};

static void hash_parts(enum digest_kind kind, const struct span *parts, size_t count,
		       struct hex *out)
{
	out->text = span_make(out->bytes, digest_hex(kind, parts, count, out->bytes));
}

#define COLON SPAN(":")

bool answer_write(struct writer *w, struct arena *arena, const struct message *reply,
		  const struct auth_params *challenge, const struct uac_credentials *credentials,
		  struct span method, struct span uri)
{
	enum digest_kind kind;
	bool is_session, has_qop = challenge->qop & QOP_AUTH;
	struct hex ha1, ha2, response;
	char drawn[17];
	struct writer cnonce = writer_fixed(drawn, sizeof(drawn));
	struct span realm = quoted_unescape(arena, challenge->realm);
	if (!digest_of(challenge->algorithm, &kind, &is_session) || !realm.at)
		return false;
	writer_hex(&cnonce, random_uint64(), 16);
	ha1.text = credentials->secret;
	if (!credentials->is_ha1)
		hash_parts(kind,
			   (struct span[]){ credentials->user, COLON, realm, COLON,
					    credentials->secret },
			   5, &ha1);
	if (is_session) {
		struct hex first = ha1;
		struct span secret =
			credentials->is_ha1 ? ha1.text : span_make(first.bytes, ha1.text.len);
		hash_parts(kind,
			   (struct span[]){ secret, COLON, challenge->nonce, COLON,
					    writer_result(&cnonce) },
			   5, &ha1);
	}
	hash_parts(kind, (struct span[]){ method, COLON, uri }, 3, &ha2);
	const struct span with_qop[] = { ha1.text,
					 COLON,
					 challenge->nonce,
					 COLON,
					 SPAN("00000001"),
					 COLON,
					 writer_result(&cnonce),
					 COLON,
					 SPAN("auth"),
					 COLON,
					 ha2.text };
	const struct span without[] = { ha1.text, COLON, challenge->nonce, COLON, ha2.text };
	hash_parts(kind, has_qop ? with_qop : without,
		   has_qop ? ARRAY_SIZE(with_qop) : ARRAY_SIZE(without), &response);
	writer_string(w, reply->index->status == 407 ? "Proxy-Authorization" : "Authorization");
	writer_printf(w,
		      ": Digest username=\"%.*s\", realm=\"%.*s\", nonce=\"%.*s\", uri=\"%.*s\", ",
		      SPAN_ARGS(credentials->user), SPAN_ARGS(challenge->realm),
		      SPAN_ARGS(challenge->nonce), SPAN_ARGS(uri));
	if (challenge->opaque.at)
		writer_printf(w, "opaque=\"%.*s\", ", SPAN_ARGS(challenge->opaque));
	if (has_qop || is_session)
		writer_printf(w, "%scnonce=\"%.*s\", ", has_qop ? "qop=auth, nc=00000001, " : "",
			      SPAN_ARGS(writer_result(&cnonce)));
	writer_printf(w, "response=\"%.*s\", algorithm=%.*s\r\n", SPAN_ARGS(response.text),
		      SPAN_ARGS(auth_algorithm_name(challenge->algorithm)));
	return !w->failed;
}

bool challenge_find(const struct message *reply, struct span realm, struct auth_params *out)
{
	enum sip_header_id id =
		reply->index->status == 407 ? HEADER_PROXY_AUTHENTICATE : HEADER_WWW_AUTHENTICATE;
	for (const struct sip_header *h = message_header(reply, id); h;
	     h = message_next_header(reply, h)) {
		enum digest_kind kind;
		bool is_session;
		if (!auth_parse(message_header_value(reply, h), out) ||
		    out->scheme != AUTH_DIGEST || !auth_is_challenge(out) ||
		    !digest_of(out->algorithm, &kind, &is_session) ||
		    (out->qop && !(out->qop & QOP_AUTH)))
			continue;
		if (!realm.len || span_equal(realm, out->realm))
			return true;
	}
	return false;
}

/* ---- uac_auth() ----------------------------------------------------------------------------------------------------- */

struct auth_args {
	int64_t mode;
};
static const struct field auth_fields[] = {
	FIELD(struct auth_args, mode, "1: the password is an HA1", .optional = true),
};
SCRIPT_HANDLER_OF(uac_auth, auth)

static const struct script_function functions[] = {
	FUNCTION_OF("uac_auth", uac_auth, auth, IN_FAILURE, "Answers the challenge of the reply in the request; t_relay() sends it."),
	FUNCTION_OF("uac_auth_mode", uac_auth, auth, IN_FAILURE, "Same as uac_auth."),
};
const struct function_table auth_functions = { functions, ARRAY_SIZE(functions) };

static struct span text_of(struct script_run *run, const struct variable_ref *variable)
{
	struct value value;
	struct span text;
	return variable && variable_read(run, variable, &value) && value.kind != VALUE_NULL &&
			       value_to_text(run, &value, &text)
		       ? text
		       : NO_SPAN;
}

/* Credentials of the AVPs, else of the configuration, for a challenge that is there. */
static bool find_credentials(struct script_run *run, const struct message *reply,
			     struct uac_credentials *out, struct auth_params *out_challenge)
{
	out->user = text_of(run, state.user);
	out->secret = text_of(run, state.password);
	out->realm = text_of(run, state.realm);
	if (out->user.len && out->secret.at && challenge_find(reply, out->realm, out_challenge))
		return true;
	for (unsigned i = 0; i < state.count; i++) {
		*out = state.list[i];
		if (challenge_find(reply, out->realm, out_challenge))
			return true;
	}
	return false;
}

static int uac_auth(struct script_run *run, const struct auth_args *args)
{
	const struct message *reply = uac_tm()->best_reply(run);
	struct uac_credentials credentials;
	struct auth_params challenge;
	if (!reply || (reply->index->status != 401 && reply->index->status != 407)) {
		log_error("uac_auth: the reply is no challenge (401, 407)");
		return SCRIPT_FALSE;
	}
	if (!find_credentials(run, reply, &credentials, &challenge)) {
		log_debug("uac_auth: no credentials for what the reply asks");
		return SCRIPT_FALSE;
	}
	credentials.is_ha1 = args->mode & 1;
	struct writer w = writer_in_arena(run->arena, 512);
	if (!answer_write(&w, run->arena, reply, &challenge, &credentials,
			  message_method_name(run->msg), message_uri(run->msg)) ||
	    !edit_append_header(run->msg, writer_result(&w)))
		return SCRIPT_FALSE;
	/* The Request-URI is a destination again. */
	return message_set_uri(run->msg, message_uri(run->msg)) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool compile(struct span text, const char *setting, struct diagnostics *diagnostics,
		    const struct variable_ref **out)
{
	if (!text.len)
		return true;
	*out = variable_compile(text, startup_arena(), diagnostics,
				module_setting_position("uac", setting));
	return *out != NULL;
}

bool auth_prepare(struct diagnostics *diagnostics)
{
	const struct uac_settings *s = uac_settings;
	if (s->auth_username_avp.len && !s->auth_password_avp.len)
		return uac_tell(diagnostics, "auth_username_avp",
				"auth_username_avp and auth_password_avp belong together");
	return compile(s->auth_realm_avp, "auth_realm_avp", diagnostics, &state.realm) &&
	       compile(s->auth_username_avp, "auth_username_avp", diagnostics, &state.user) &&
	       compile(s->auth_password_avp, "auth_password_avp", diagnostics, &state.password);
}
