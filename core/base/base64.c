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
