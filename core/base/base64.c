/* SPDX-License-Identifier: BSD-2-Clause */
/* base64: bytes as text (RFC 4648 4 and 5). */
#include "core/base/base64.h"

const char base64_plain[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const char base64_url[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_write(struct writer *w, struct span bytes, const char *alphabet, bool pad)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		uint32_t bits = (uint32_t)(unsigned char)bytes.at[i] << 16;
		if (left > 1)
			bits |= (uint32_t)(unsigned char)bytes.at[i + 1] << 8;
		if (left > 2)
			bits |= (unsigned char)bytes.at[i + 2];
		writer_char(w, alphabet[bits >> 18]);
		writer_char(w, alphabet[bits >> 12 & 63]);
		if (left > 1 || pad)
			writer_char(w, left > 1 ? alphabet[bits >> 6 & 63] : '=');
		if (left > 2 || pad)
			writer_char(w, left > 2 ? alphabet[bits & 63] : '=');
	}
}

bool base64_read(struct writer *w, struct span text, const char *alphabet, bool needs_padding)
{
	uint32_t bits = 0;
	unsigned held = 0, characters = 0, padding = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '\r' || c == '\n')
			continue;
		if (c == '=') {
			padding++;
			continue;
		}
		const char *at = c ? memchr(alphabet, c, 64) : NULL;
		if (!at || padding)
			return false;
		characters++;
		bits = bits << 6 | (uint32_t)(at - alphabet);
		held += 6;
		if (held >= 8) {
			held -= 8;
			writer_char(w, (char)(bits >> held));
		}
	}
	if (padding > 2 || (padding && (characters + padding) % 4) || characters % 4 == 1)
		return false;
	return !needs_padding || (characters + padding) % 4 == 0;
}
