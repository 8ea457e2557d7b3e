/* SPDX-License-Identifier: BSD-2-Clause */
/* credentials: finding those for a realm and computing what their response must be (RFC 7616 3.4).
 *
 *	response = H(H(A1) ":" nonce [ ":" nc ":" cnonce ":" qop ] ":" H(A2))
 *	A1 = username ":" realm ":" password
 *	A2 = method ":" uri [ ":" H(body) ]        with qop auth-int the body too */
#include "modules/auth/auth.h"
#include "parser/params.h"

static unsigned slot;

void credentials_reserve(void)
{
	slot = message_slot("auth");
}

const struct auth_state *auth_state_noted(const struct message *msg)
{
	return msg->slots[slot];
}

struct auth_state *auth_state(struct message *msg)
{
	if (!msg->slots[slot])
		msg->slots[slot] = ARENA_NEW(msg->arena, struct auth_state);
	return msg->slots[slot];
}

struct span realm_strip(struct span realm)
{
	struct span prefix = auth_settings->realm_prefix;
	if (prefix.len && span_starts_with_nocase(realm, prefix))
		return span_slice(realm, prefix.len, realm.len);
	return realm;
}

struct span authorized_user(struct message *msg)
{
	return msg->account_user;
}

/* ---- finding --------------------------------------------------------------------------------------- */

/* The first header of that kind with digest credentials for the realm. */
static const struct sip_header *find_header(const struct message *msg, enum sip_header_id id,
					    struct span realm, struct auth_params *out_params,
					    bool *out_is_malformed)
{
	const struct sip_header *h = message_header(msg, id);
	for (; h; h = message_next_header(msg, h)) {
		if (message_header_value(msg, h).len == 0)
			continue;
		if (!auth_parse(message_header_value(msg, h), out_params)) {
			*out_is_malformed = true;
			continue;
		}
		if (out_params->scheme != AUTH_DIGEST || !out_params->realm.at)
			continue;
		struct span theirs = quoted_unescape(msg->arena, out_params->realm);
		if (theirs.at && span_equal_nocase(theirs, realm))
			return h;
	}
	return NULL;
}

bool credentials_exist(const struct message *msg, struct span realm)
{
	struct auth_params params;
	bool is_malformed = false;
	realm = realm_strip(realm);
	return realm.len &&
	       (find_header(msg, HEADER_AUTHORIZATION, realm, &params, &is_malformed) ||
		find_header(msg, HEADER_PROXY_AUTHORIZATION, realm, &params, &is_malformed));
}

bool credentials_consume(struct message *msg)
{
	const struct auth_state *state = auth_state_noted(msg);
	if (!state || !state->header || state->bytes != msg->bytes.at)
		return false;
	return edit_removes(msg, state->header) || edit_remove_header(msg, state->header);
}

/* A name is data for passwords and databases: no control characters, no end of text in it. */
static bool is_clean(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < ' ')
			return false;
	return true;
}

static bool split_user_name(struct arena *arena, struct auth_attempt *attempt)
{
	attempt->user_name = quoted_unescape(arena, attempt->params.username);
	if (!attempt->user_name.at || !is_clean(attempt->user_name))
		return false;
	auth_name_split(attempt->user_name, &attempt->user, &attempt->domain);
	return attempt->user.len > 0;
}

static bool can_be_challenged(const struct message *msg)
{
	uint32_t method = message_method(msg);
	return method != METHOD_ACK && method != METHOD_CANCEL && method != METHOD_PRACK;
}

static enum auth_result check_attempt(struct script_run *run, struct auth_attempt *attempt)
{
	struct message *msg = run->msg;
	struct auth_state *noted = auth_state(msg);
	uint8_t offered = 0;
	if (!noted)
		return AUTH_ERROR;
	noted->header = attempt->header;
	noted->bytes = msg->bytes.at;
	if (!auth_is_complete(&attempt->params) ||
	    (attempt->params.qop & (attempt->params.qop - 1)) ||
	    (attempt->params.qop & QOP_OTHER) || !split_user_name(run->arena, attempt)) {
		log_debug("credentials for realm %.*s are incomplete or malformed",
			  SPAN_ARGS(attempt->realm));
		return AUTH_ERROR;
	}
	enum auth_result result = nonce_check(msg, &attempt->params, &offered);
	noted->is_stale = result == AUTH_STALE || result == AUTH_REUSED;
	if (result != AUTH_OK)
		return result;
	if (noted->has_algorithms)
		offered &= algorithms_mask(&noted->algorithms);
	return algorithm_choose(&attempt->params, offered, &attempt->digest) ? AUTH_GO_ON
									     : AUTH_ERROR;
}

enum auth_result credentials_begin(struct script_run *run, const struct auth_question *question,
				   struct auth_attempt *out_attempt)
{
	bool is_malformed = false;
	struct auth_attempt attempt = {
		.realm = realm_strip(question->realm),
		.method = question->method.len ? question->method : message_method_name(run->msg),
	};
	if (!message_is_request(run->msg))
		return AUTH_ERROR;
	if (!can_be_challenged(run->msg))
		return AUTH_OK;
	if (!attempt.realm.len) {
		log_error("credentials cannot be checked without a realm");
		return AUTH_ERROR;
	}
	attempt.header = find_header(
		run->msg, question->is_proxy ? HEADER_PROXY_AUTHORIZATION : HEADER_AUTHORIZATION,
		attempt.realm, &attempt.params, &is_malformed);
	if (!attempt.header)
		return is_malformed ? AUTH_ERROR : AUTH_NO_CREDENTIALS;
	enum auth_result result = check_attempt(run, &attempt);
	if (result == AUTH_GO_ON)
		*out_attempt = attempt;
	return result;
}

/* ---- the response ---------------------------------------------------------------------------------- */

struct hex {
	char bytes[DIGEST_HEX_MAX];
	struct span text;
};

static bool hash(enum digest_kind kind, const struct span *parts, size_t count, struct hex *out)
{
	out->text = span_make(out->bytes, digest_hex(kind, parts, count, out->bytes));
	return out->text.len > 0;
}

#define COLON SPAN_OF(":")

/* `method` is empty for the answer in Authentication-Info. */
static bool compute_response(const struct auth_attempt *attempt, struct span method,
			     struct span body, struct span ha1, struct hex *out)
{
	const struct auth_params *p = &attempt->params;
	struct hex ha2, entity;
	struct span a2[] = { method, COLON, p->uri, COLON, { 0 } };
	size_t a2_count = 3;
	if (p->qop & QOP_AUTH_INT) {
		if (!hash(attempt->digest, &body, 1, &entity))
			return false;
		a2[4] = entity.text;
		a2_count = 5;
	}
	if (!hash(attempt->digest, a2, a2_count, &ha2))
		return false;
	if (!p->qop) {
		const struct span parts[] = { ha1, COLON, p->nonce, COLON, ha2.text };
		return hash(attempt->digest, parts, ARRAY_SIZE(parts), out);
	}
	const struct span parts[] = { ha1,       COLON, p->nonce,    COLON, p->nc_text, COLON,
				      p->cnonce, COLON, p->qop_text, COLON, ha2.text };
	return hash(attempt->digest, parts, ARRAY_SIZE(parts), out);
}

/* Authentication-Info (RFC 7615 3): proves to the client that we know its password, and names the
 * nonce to use next. */
static bool add_info(struct message *msg, const struct auth_attempt *attempt, struct span ha1)
{
	const struct auth_params *p = &attempt->params;
	struct algorithms wanted = algorithms_wanted(msg);
	struct hex proof;
	if (!compute_response(attempt, SPAN_OF(""), SPAN_OF(""), ha1, &proof))
		return false;
	struct writer w = writer_in_arena(msg->arena, 256);
	writer_literal(&w, "Authentication-Info: nextnonce=\"");
	if (auth_settings->one_time_nonce)
		nonce_write(&w, msg, algorithms_mask(&wanted));
	else
		writer_span(&w, p->nonce);
	writer_char(&w, '"');
	if (p->qop)
		writer_printf(&w, ", qop=%.*s", SPAN_ARGS(p->qop_text));
	writer_printf(&w, ", rspauth=\"%.*s\"", SPAN_ARGS(proof.text));
	if (p->qop)
		writer_printf(&w, ", cnonce=\"%.*s\", nc=%.*s", SPAN_ARGS(p->cnonce),
			      SPAN_ARGS(p->nc_text));
	writer_literal(&w, "\r\n");
	return !w.failed && message_add_reply_line(msg, writer_result(&w));
}

enum auth_result credentials_verify(struct script_run *run, const struct auth_attempt *attempt,
				    struct span secret, enum auth_secret kind)
{
	struct message *msg = run->msg;
	struct hex ha1 = { .text = secret }, response;
	const struct span a1[] = { attempt->user_name, COLON, attempt->realm, COLON, secret };
	if (kind == AUTH_SECRET_PASSWORD && !hash(attempt->digest, a1, ARRAY_SIZE(a1), &ha1))
		return AUTH_ERROR;
	if (!compute_response(attempt, attempt->method, message_body(msg), ha1.text, &response))
		return AUTH_ERROR;
	if (!digest_equal(response.text, attempt->params.response))
		return AUTH_BAD_PASSWORD;
	msg->account_user = attempt->user_name;
	msg->account_realm = attempt->realm;
	if (auth_settings->add_authinfo_hdr && !add_info(msg, attempt, ha1.text))
		log_error("Authentication-Info is left out: memory is exhausted");
	return AUTH_OK;
}
