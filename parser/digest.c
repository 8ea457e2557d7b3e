/* SPDX-License-Identifier: BSD-2-Clause */
/* digest: parses credentials and challenges (RFC 3261 25.1, RFC 7616 3.3-3.4, RFC 8760). */
#include "parser/digest.h"

#include "core/base/check.h"
#include "core/base/hex.h"
#include "parser/values.h"

static const struct {
	struct span name;
	enum auth_algorithm algorithm;
} algorithms[] = {
	{ SPAN("MD5"), AUTH_MD5 },
	{ SPAN("MD5-sess"), AUTH_MD5_SESS },
	{ SPAN("SHA-256"), AUTH_SHA256 },
	{ SPAN("SHA-256-sess"), AUTH_SHA256_SESS },
	{ SPAN("SHA-512-256"), AUTH_SHA512_256 },
	{ SPAN("SHA-512-256-sess"), AUTH_SHA512_256_SESS },
	{ SPAN("SHA-512"), AUTH_SHA512 },
};

enum auth_algorithm auth_algorithm_from_span(struct span name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (span_equal_nocase(algorithms[i].name, name))
			return algorithms[i].algorithm;
	}
	return AUTH_ALGORITHM_OTHER;
}

struct span auth_algorithm_name(enum auth_algorithm algorithm)
{
	for (unsigned i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (algorithms[i].algorithm == algorithm)
			return algorithms[i].name;
	}
	return (struct span){ NULL, 0 };
}

static enum auth_scheme scheme_from_span(struct span name)
{
	static const struct {
		struct span name;
		enum auth_scheme scheme;
	} rows[] = {
		{ SPAN("Digest"), AUTH_DIGEST },
		{ SPAN("Basic"), AUTH_BASIC },
		{ SPAN("Bearer"), AUTH_BEARER },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (span_equal_nocase(rows[i].name, name))
			return rows[i].scheme;
	}
	return AUTH_OTHER;
}

static bool is_hexadecimal(struct span text)
{
	const char *at = text.at, *end = at + text.len;
	uint32_t number;
	while (end - at >= 8 && hex_take_eight(at, &number))
		at += 8;
	while (at < end && ascii_hex_value(*at) >= 0)
		at++;
	return at == end && text.len > 0;
}

/* nc-value = 8LHEX */
static bool set_nc(struct auth_params *params, struct span value)
{
	if (value.len != 8 || !is_hexadecimal(value))
		return false;
	params->nc = 0;
	for (size_t i = 0; i < value.len; i++)
		params->nc = params->nc * 16 + (uint32_t)ascii_hex_value(value.at[i]);
	return true;
}

/* qop-value = "auth" / "auth-int" / token; a challenge has a list of them in quotes */
static bool set_qop(struct auth_params *params, struct span value)
{
	struct span token;
	enum list_result result;
	while ((result = token_next(&value, &token)) == LIST_ITEM) {
		if (span_equal_nocase(token, SPAN_OF("auth")))
			params->qop |= QOP_AUTH;
		else if (span_equal_nocase(token, SPAN_OF("auth-int")))
			params->qop |= QOP_AUTH_INT;
		else
			params->qop |= QOP_OTHER;
	}
	return result == LIST_END;
}

static bool set_algorithm(struct auth_params *params, struct span value)
{
	params->algorithm = auth_algorithm_from_span(value);
	return true;
}

static bool set_response(struct auth_params *params, struct span value)
{
	return is_hexadecimal(value);
}

static bool set_stale(struct auth_params *params, struct span value)
{
	params->stale = span_equal_nocase(value, SPAN_OF("true"));
	return true;
}

static bool set_userhash(struct auth_params *params, struct span value)
{
	params->userhash = span_equal_nocase(value, SPAN_OF("true"));
	return true;
}

#define NO_MEMBER SIZE_MAX

static const struct known_param {
	struct span name;
	size_t member; /* where the text goes, or NO_MEMBER */
	bool (*set)(struct auth_params *params, struct span value); /* NULL: nothing more */
} known_params[] = {
	{ SPAN("username"), offsetof(struct auth_params, username), NULL },
	{ SPAN("realm"), offsetof(struct auth_params, realm), NULL },
	{ SPAN("nonce"), offsetof(struct auth_params, nonce), NULL },
	{ SPAN("uri"), offsetof(struct auth_params, uri), NULL },
	{ SPAN("response"), offsetof(struct auth_params, response), set_response },
	{ SPAN("cnonce"), offsetof(struct auth_params, cnonce), NULL },
	{ SPAN("opaque"), offsetof(struct auth_params, opaque), NULL },
	{ SPAN("qop"), offsetof(struct auth_params, qop_text), set_qop },
	{ SPAN("nc"), offsetof(struct auth_params, nc_text), set_nc },
	{ SPAN("algorithm"), offsetof(struct auth_params, algorithm_text), set_algorithm },
	{ SPAN("domain"), offsetof(struct auth_params, domain), NULL },
	{ SPAN("auts"), offsetof(struct auth_params, auts), NULL },
	{ SPAN("username*"), offsetof(struct auth_params, username_star), NULL },
	{ SPAN("stale"), NO_MEMBER, set_stale },
	{ SPAN("userhash"), NO_MEMBER, set_userhash },
};
_Static_assert(ARRAY_SIZE(known_params) <= 32, "one bit for each");

static bool note_param(struct auth_params *params, const struct param *param, uint32_t *seen)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known_params); i++) {
		const struct known_param *row = &known_params[i];
		if (!param_has_name(param, row->name))
			continue;
		if (*seen & 1u << i)
			return false;
		*seen |= 1u << i;
		if (row->member != NO_MEMBER)
			*(struct span *)(void *)((char *)params + row->member) = param->value;
		return !row->set || row->set(params, param->value);
	}
	return true;
}

/* credentials = "Digest" LWS dig-resp *( COMMA dig-resp ) / other-response, challenges alike */
bool auth_parse(struct span value, struct auth_params *out_params)
{
	struct cursor in = cursor_over(value);
	struct param param;
	enum list_result result;
	uint32_t seen = 0;

	cursor_skip_space(&in);
	struct span scheme = cursor_take_while(&in, CHAR_TOKEN);
	const char *after_scheme = in.at;
	cursor_skip_space(&in);
	if (scheme.len == 0 || (in.at == after_scheme && !cursor_is_end(&in)))
		return false;
	*out_params = (struct auth_params){
		.scheme = scheme_from_span(scheme),
		.scheme_text = scheme,
		.rest = cursor_rest(&in),
	};
	if (out_params->scheme != AUTH_DIGEST)
		return true;
	struct param_list list = params_over(out_params->rest, ',');
	while ((result = params_next(&list, &param)) == LIST_ITEM) {
		if (!param.has_value || !note_param(out_params, &param, &seen))
			return false;
	}
	return result == LIST_END;
}

/* name = [ scheme ":" ] user [ "@" domain ] */
void auth_name_split(struct span name, struct span *out_user, struct span *out_domain)
{
	size_t at = span_find(name, '@', 0);
	struct span user = span_slice(name, 0, at);
	size_t colon = span_find(user, ':', 0);
	*out_user = colon < user.len ? span_slice(user, colon + 1, user.len) : user;
	*out_domain = at < name.len ? span_slice(name, at + 1, name.len) : (struct span){ 0 };
}

bool auth_is_complete(const struct auth_params *params)
{
	if (params->scheme != AUTH_DIGEST || params->algorithm == AUTH_ALGORITHM_OTHER)
		return false;
	if (params->username.len == 0 || !params->realm.at || params->nonce.len == 0 ||
	    params->uri.len == 0 || params->response.len == 0)
		return false;
	return !params->qop_text.at || (params->cnonce.len > 0 && params->nc_text.len > 0);
}

bool auth_is_challenge(const struct auth_params *params)
{
	return params->scheme == AUTH_DIGEST && params->realm.at && params->nonce.len > 0;
}
