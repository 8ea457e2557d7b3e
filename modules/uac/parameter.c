/* SPDX-License-Identifier: BSD-2-Clause */
/* The parameter of Record-Route from which each of two URIs is found by the other: one XOR the other XOR
 * restore_passwd, in base64. What comes back in Route is a peer's. */
#include "core/base/base64.h"
#include "modules/uac/uac.h"

static char key_at(size_t i)
{
	struct span key = uac_settings->restore_passwd;
	return key.len ? key.at[i % key.len] : '\0';
}

static char byte_at(struct span text, size_t i)
{
	return i < text.len ? text.at[i] : '\0';
}

struct span parameter_make(struct arena *arena, struct span name, struct span one,
			   struct span other)
{
	size_t len = one.len > other.len ? one.len : other.len;
	struct writer mixed = writer_in_arena(arena, len + 1);
	for (size_t i = 0; i < len; i++)
		writer_char(&mixed, (char)(byte_at(one, i) ^ byte_at(other, i) ^ key_at(i)));
	struct writer w = writer_in_arena(arena, 2 * len + 16);
	writer_printf(&w, ";%.*s=", SPAN_ARGS(name));
	base64_write(&w, writer_result(&mixed), base64_url, false);
	return w.failed || mixed.failed ? NO_SPAN : writer_result(&w);
}

struct span parameter_apply(struct arena *arena, struct span value, struct span uri)
{
	struct writer mixed = writer_in_arena(arena, value.len + 1);
	if (!base64_read(&mixed, value, base64_url, false) || mixed.failed)
		return NO_SPAN;
	struct span bytes = writer_result(&mixed);
	struct writer w = writer_in_arena(arena, bytes.len + 1);
	if (uri.len > bytes.len)
		return NO_SPAN;
	for (size_t i = 0; i < bytes.len; i++)
		writer_char(&w, (char)(bytes.at[i] ^ byte_at(uri, i) ^ key_at(i)));
	struct span other = writer_result(&w);
	while (other.len && other.at[other.len - 1] == '\0')
		other.len--;
	struct sip_uri parsed;
	return !w.failed && uri_parse(other, &parsed) ? other : NO_SPAN;
}
