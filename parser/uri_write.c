/* SPDX-License-Identifier: BSD-2-Clause */
/* uri_write: pieces of URIs as text: escaping, unescaping, keys. */
#include "parser/uri.h"

void uri_write_unescaped(struct writer *w, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		int high = text.at[i] == '%' && text.len - i > 2 ? ascii_hex_value(text.at[i + 1])
								 : -1;
		int low = high >= 0 ? ascii_hex_value(text.at[i + 2]) : -1;
		if (low >= 0) {
			writer_char(w, (char)(high * 16 + low));
			i += 2;
		} else {
			writer_char(w, text.at[i]);
		}
	}
}

static void write_escaped(struct writer *w, struct span text, unsigned classes)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		if (char_is(c, classes)) {
			writer_char(w, (char)c);
		} else {
			char escape[3] = { '%', digits[c >> 4], digits[c & 15] };
			writer_bytes(w, escape, sizeof(escape));
		}
	}
}

void uri_write_escaped_user(struct writer *w, struct span user)
{
	write_escaped(w, user, CHAR_USER);
}

void uri_write_escaped_param(struct writer *w, struct span value)
{
	write_escaped(w, value, CHAR_UNRESERVED);
}

bool uri_escapes_are_valid(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] != '%')
			continue;
		if (text.len - i <= 2 || ascii_hex_value(text.at[i + 1]) < 0 ||
		    ascii_hex_value(text.at[i + 2]) < 0)
			return false;
		i += 2;
	}
	return true;
}

void uri_write_aor(struct writer *w, const struct sip_uri *uri)
{
	if (uri->user.at) {
		uri_write_unescaped(w, uri->user);
		if (uri->host.at)
			writer_char(w, '@');
	}
	for (size_t i = 0; i < uri->host.len; i++)
		writer_char(w, ascii_lower(uri->host.at[i]));
}
