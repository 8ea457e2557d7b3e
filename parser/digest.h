/* SPDX-License-Identifier: BSD-2-Clause */
/* digest: credentials and challenges (RFC 3261 25.1, RFC 7616, RFC 8760). */
#pragma once

#include "parser/params.h"

enum auth_scheme { AUTH_DIGEST, AUTH_BASIC, AUTH_BEARER, AUTH_OTHER };

enum auth_algorithm {
	AUTH_MD5, /* also when absent */
	AUTH_MD5_SESS,
	AUTH_SHA256,
	AUTH_SHA256_SESS,
	AUTH_SHA512_256,
	AUTH_SHA512_256_SESS,
	AUTH_SHA512, /* not in RFC 8760, but offered in the field */
	AUTH_ALGORITHM_OTHER,
};

enum { QOP_AUTH = 1, QOP_AUTH_INT = 2, QOP_OTHER = 4 };

/* Spans are without quotes, quoted pairs kept (quoted_unescape resolves them); absent when the
 * parameter is. */
struct auth_params {
	enum auth_scheme scheme;
	struct span scheme_text;
	struct span rest; /* everything after the scheme; Basic and Bearer: the token */
	struct span username;
	struct span realm;
	struct span nonce;
	struct span uri;
	struct span response;
	struct span cnonce;
	struct span opaque;
	struct span qop_text;
	unsigned qop; /* QOP_* bits; 0 when absent */
	struct span nc_text;
	uint32_t nc; /* 0 when absent */
	struct span algorithm_text;
	enum auth_algorithm algorithm;
	struct span domain; /* challenges */
	bool stale;         /* challenges */
	struct span auts;   /* AKA */
	bool userhash;
	struct span username_star; /* username*= of RFC 7616 */
};

/* Parses an Authorization, Proxy-Authorization, WWW- or Proxy-Authenticate value. Parameters come in
 * any order, unknown ones are skipped. False, and rubbish in *out_params: a malformed list, a known parameter twice, an nc
 * that is not eight hexadecimal digits, a response that is not hexadecimal. What must be present is
 * told by auth_is_complete. */
[[nodiscard]] bool auth_parse(struct span value, struct auth_params *out_params);
/* Splits a user name at the "@"; a scheme before it ("sip:alice@example.org") belongs to neither part.
 * The domain is absent without "@". */
void auth_name_split(struct span name, struct span *out_user, struct span *out_domain);
/* Credentials hold all that a digest check needs: username, realm, nonce, uri, response, and with
 * qop also cnonce and nc; the algorithm is known. */
bool auth_is_complete(const struct auth_params *params);
/* A challenge holds realm and nonce. */
bool auth_is_challenge(const struct auth_params *params);
enum auth_algorithm auth_algorithm_from_span(struct span name);
/* "MD5", "SHA-256" …; absent for AUTH_ALGORITHM_OTHER. */
struct span auth_algorithm_name(enum auth_algorithm algorithm);
