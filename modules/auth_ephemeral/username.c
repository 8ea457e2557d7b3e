/* SPDX-License-Identifier: BSD-2-Clause */
/* username: user names that say when they expire, "1700000000:alice@example.org" (TURN REST API,
 * draft-uberti-behave-turn-rest). */
#include "modules/auth_ephemeral/auth_ephemeral.h"
#include "parser/uri.h"

bool ephemeral_name_parse(struct span text, enum name_format format,
			  struct ephemeral_name *out_name)
{
	size_t colon = span_find(text, ':', 0);
	if (!text.len || colon + 1 == text.len)
		return false;
	if (colon == text.len) {
		*out_name = (struct ephemeral_name){ .time = text };
		return true;
	}
	struct span before = span_slice(text, 0, colon);
	struct span after = span_slice(text, colon + 1, text.len);
	*out_name = format == TIME_THEN_NAME
			    ? (struct ephemeral_name){ .user = after, .time = before }
			    : (struct ephemeral_name){ .user = before, .time = after };
	return true;
}

enum name_state ephemeral_name_state(const struct ephemeral_name *name, int64_t now_s)
{
	uint32_t until = 0;
	if (name->time.len && !span_to_uint32(name->time, &until))
		return NAME_MALFORMED;
	return until > now_s ? NAME_GOOD : NAME_EXPIRED;
}

bool ephemeral_name_fits(const struct ephemeral_name *name, struct span uri_text)
{
	struct sip_uri uri;
	size_t at = span_find(name->user, '@', 0);
	if (!uri_parse(uri_text, &uri) || !span_equal(uri.user, span_slice(name->user, 0, at)))
		return false;
	return at == name->user.len ||
	       span_equal_nocase(uri.host, span_slice(name->user, at + 1, name->user.len));
}
