/* SPDX-License-Identifier: BSD-2-Clause */
/* challenge: WWW-Authenticate and Proxy-Authenticate (RFC 7616 3.3, RFC 8760 2.4). */
#include "modules/auth/auth.h"

static bool is_usable(struct span realm)
{
	if (!realm.len)
		return false;
	for (size_t i = 0; i < realm.len; i++)
		if ((unsigned char)realm.at[i] < ' ' || realm.at[i] == 0x7f)
			return false;
	return true;
}

/* quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE */
static void write_quoted(struct writer *w, struct span text)
{
	writer_char(w, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"' || text.at[i] == '\\')
			writer_char(w, '\\');
		writer_char(w, text.at[i]);
	}
	writer_char(w, '"');
}

/* The flags alone choose, as in the peer, whatever the setting qop says. */
static struct span qop_of(int64_t flags)
{
	if (flags & CHALLENGE_QOP_AUTH_INT)
		return SPAN_OF("auth-int");
	return flags & CHALLENGE_QOP_AUTH ? SPAN_OF("auth") : SPAN_OF("");
}

/* One line; without `algorithm` MD5 is meant and not said. */
static void write_line(struct writer *w, const struct challenge *challenge, struct span nonce,
		       struct span algorithm)
{
	struct span qop = qop_of(challenge->flags);
	writer_span(w, challenge->is_proxy ? auth_settings->proxy_challenge_header
					   : auth_settings->www_challenge_header);
	writer_literal(w, ": Digest realm=");
	write_quoted(w, realm_strip(challenge->realm));
	writer_literal(w, ", nonce=\"");
	writer_span(w, nonce);
	writer_char(w, '"');
	if (qop.len) {
		writer_literal(w, ", qop=\"");
		writer_span(w, qop);
		writer_char(w, '"');
	}
	if (challenge->flags & CHALLENGE_STALE)
		writer_literal(w, ", stale=true");
	if (algorithm.len) {
		writer_literal(w, ", algorithm=");
		writer_span(w, algorithm);
	}
	writer_literal(w, "\r\n");
}

bool challenge_write(struct writer *w, const struct message *msg, const struct challenge *challenge)
{
	char buffer[128];
	struct writer nonce = writer_fixed(buffer, sizeof(buffer));
	struct algorithms wanted =
		challenge->algorithms ? *challenge->algorithms : algorithms_wanted(msg);
	if (!is_usable(realm_strip(challenge->realm))) {
		log_error(
			"a challenge needs a realm without control characters, this one is \"%.*s\"",
			SPAN_ARGS(challenge->realm));
		return false;
	}
	nonce_write(&nonce, msg, algorithms_mask(&wanted));
	if (!wanted.count)
		write_line(w, challenge, writer_result(&nonce), SPAN_OF(""));
	for (unsigned i = 0; i < wanted.count; i++)
		write_line(w, challenge, writer_result(&nonce), algorithm_name(wanted.rows[i]));
	return !w->failed;
}
