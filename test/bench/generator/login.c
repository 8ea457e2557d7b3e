/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers a challenge: digest credentials by RFC 7616 with MD5, without qop or with qop=auth. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

#define HEX_MOST 33

/* MD5 of the text, as hexadecimal digits. */
static bool hash(const char *text, char out[HEX_MOST])
{
	static EVP_MD *md5;
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (!md5)
		md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	if (!md5 || EVP_Digest(text, strlen(text), bytes, &length, md5, NULL) != 1 || length != 16)
		return false;
	for (unsigned i = 0; i < length; i++) {
		out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	out[32] = '\0';
	return true;
}

/* The quoted value that follows NAME=, zero-terminated. */
static bool quoted_copy(struct text challenge, const char *name, char *out, size_t size)
{
	const char *at = memmem(challenge.at, challenge.len, name, strlen(name));
	const char *end = challenge.at + challenge.len;

	if (!at || (at += strlen(name)) + 1 >= end || at[0] != '=' || at[1] != '"')
		return false;
	const char *stop = memchr(at + 2, '"', (size_t)(end - at - 2));
	if (!stop || (size_t)(stop - at - 2) >= size)
		return false;
	memcpy(out, at + 2, (size_t)(stop - at - 2));
	out[stop - at - 2] = '\0';
	return true;
}

bool login_answer(struct slot *slot, const struct seen *refusal, const struct login *login)
{
	char realm[64], nonce[160], qop[32] = "", text[512], ha1[HEX_MOST], ha2[HEX_MOST],
				    proof[HEX_MOST];

	if (!quoted_copy(refusal->challenge, "realm", realm, sizeof(realm)) ||
	    !quoted_copy(refusal->challenge, "nonce", nonce, sizeof(nonce)))
		return false;
	bool has_qop = quoted_copy(refusal->challenge, "qop", qop, sizeof(qop));
	snprintf(text, sizeof(text), "%s:%s:%s", login->user, realm, settings()->password);
	if (!hash(text, ha1))
		return false;
	snprintf(text, sizeof(text), "%s:%s", login->method, login->uri);
	if (!hash(text, ha2))
		return false;
	snprintf(text, sizeof(text), "%s:%s:%s%s", ha1, nonce,
		 has_qop ? "00000001:bench:auth:" : "", ha2);
	if (!hash(text, proof))
		return false;
	int length = snprintf(
		slot->credentials, sizeof(slot->credentials),
		"%s: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", response=\"%s\"%s\r\n",
		refusal->status == 401 ? "Authorization" : "Proxy-Authorization", login->user,
		realm, nonce, login->uri, proof,
		has_qop ? ", qop=auth, nc=00000001, cnonce=\"bench\"" : "");
	slot->credentials_length = (uint16_t)length;
	return length > 0 && (size_t)length < sizeof(slot->credentials);
}
