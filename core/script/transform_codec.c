/* SPDX-License-Identifier: BSD-2-Clause */
/* transform_codec: {s.…} that hash, encode, decode and escape. */
#include <openssl/evp.h>

#include "core/base/base64.h"
#include "core/base/digest.h"
#include "core/base/hash.h"
#include "core/script/transform.h"

/* ---- hashes -------------------------------------------------------------------------------- */

static bool apply_digest(struct script_run *run, struct value *value, const struct span *args,
			 unsigned count, intptr_t kind)
{
	struct span text;
	char hex[DIGEST_HEX_MAX];
	if (!transform_input(run, value, &text))
		return false;
	size_t len = digest_hex((enum digest_kind)kind, &text, 1, hex);
	struct span copy = arena_copy(run->arena, span_make(hex, len));
	return len && copy.at && transform_text(value, copy);
}

/* The digests that base/digest.h does not know, by OpenSSL's name for them. */
static const char *const evp_names[] = { "sha3-224", "sha3-256", "sha3-384", "sha3-512", "sha224" };
enum { EVP_SHA3_224, EVP_SHA3_256, EVP_SHA3_384, EVP_SHA3_512, EVP_SHA224 };

static bool apply_evp(struct script_run *run, struct value *value, const struct span *args,
		      unsigned count, intptr_t which)
{
	struct span text;
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	if (!transform_input(run, value, &text))
		return false;
	EVP_MD *digest = EVP_MD_fetch(NULL, evp_names[which], NULL);
	bool ok = digest && EVP_Digest(text.at ? text.at : "", text.len, raw, &len, digest, NULL);
	EVP_MD_free(digest);
	struct writer w = writer_in_arena(run->arena, 2 * len + 1);
	for (unsigned i = 0; i < len; i++)
		writer_hex(&w, raw[i], 2);
	return ok && transform_written(value, &w);
}

static bool apply_corehash(struct script_run *run, struct value *value, const struct span *args,
			   unsigned count, intptr_t selector)
{
	struct span text;
	int64_t size = 0;
	if (!transform_input(run, value, &text) || (count && !transform_number(args[0], &size)))
		return false;
	uint32_t hash = hash_portable(text, (struct span){ NULL, 0 });
	if (size > 0)
		hash &= (uint32_t)size - 1;
	struct writer w = writer_in_arena(run->arena, 12);
	writer_uint(&w, hash);
	return transform_written(value, &w);
}

static bool apply_crc32(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t selector)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < text.len; i++) {
		crc ^= (unsigned char)text.at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	struct writer w = writer_in_arena(run->arena, 12);
	writer_uint(&w, ~crc);
	return transform_written(value, &w);
}

/* ---- hexadecimal, base64 ------------------------------------------------------------------- */

static bool encode_hexa(struct span text, struct writer *w)
{
	for (size_t i = 0; i < text.len; i++)
		writer_hex(w, (unsigned char)text.at[i], 2);
	return true;
}

static bool decode_hexa(struct span text, struct writer *w)
{
	if (text.len % 2)
		return false;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = ascii_hex_value(text.at[i]), low = ascii_hex_value(text.at[i + 1]);
		if (high < 0 || low < 0)
			return false;
		writer_char(w, (char)(high << 4 | low));
	}
	return true;
}

static bool encode_base64(struct span text, struct writer *w)
{
	base64_write(w, text, base64_plain, true);
	return true;
}

static bool encode_base64t(struct span text, struct writer *w)
{
	base64_write(w, text, base64_plain, false);
	return true;
}

static bool encode_base64url(struct span text, struct writer *w)
{
	base64_write(w, text, base64_url, true);
	return true;
}

static bool encode_base64urlt(struct span text, struct writer *w)
{
	base64_write(w, text, base64_url, false);
	return true;
}

static bool decode_base64(struct span text, struct writer *w)
{
	return base64_read(w, text, base64_plain, true);
}

static bool decode_base64t(struct span text, struct writer *w)
{
	return base64_read(w, text, base64_plain, false);
}

static bool decode_base64url(struct span text, struct writer *w)
{
	return base64_read(w, text, base64_url, true);
}

static bool decode_base64urlt(struct span text, struct writer *w)
{
	return base64_read(w, text, base64_url, false);
}

/* ---- base58 (Bitcoin's alphabet), 7 bit (3GPP TS 23.038 6.1.2.1) --------------------------- */

#define BASE58_LIMIT 1024 /* the work grows with the square */

static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static bool encode_base58(struct span text, struct writer *w)
{
	unsigned char digits[BASE58_LIMIT * 138 / 100 + 1];
	size_t used = 0, zeros = 0;
	if (text.len > BASE58_LIMIT)
		return false;
	while (zeros < text.len && !text.at[zeros])
		zeros++;
	for (size_t i = zeros; i < text.len; i++) {
		unsigned carry = (unsigned char)text.at[i];
		for (size_t k = 0; k < used || carry; k++) {
			carry += k < used ? 256u * digits[k] : 0;
			digits[k] = (unsigned char)(carry % 58);
			carry /= 58;
			if (k == used)
				used++;
		}
	}
	for (size_t i = 0; i < zeros; i++)
		writer_char(w, base58[0]);
	while (used)
		writer_char(w, base58[digits[--used]]);
	return true;
}

static bool decode_base58(struct span text, struct writer *w)
{
	unsigned char bytes[BASE58_LIMIT];
	size_t used = 0, zeros = 0;
	if (text.len > BASE58_LIMIT)
		return false;
	while (zeros < text.len && text.at[zeros] == base58[0])
		zeros++;
	for (size_t i = zeros; i < text.len; i++) {
		const char *at = text.at[i] ? strchr(base58, text.at[i]) : NULL;
		if (!at)
			return false;
		unsigned carry = (unsigned)(at - base58);
		for (size_t k = 0; k < used || carry; k++) {
			carry += k < used ? 58u * bytes[k] : 0;
			bytes[k] = (unsigned char)carry;
			carry >>= 8;
			if (k == used)
				used++;
		}
	}
	for (size_t i = 0; i < zeros; i++)
		writer_char(w, 0);
	while (used)
		writer_char(w, (char)bytes[--used]);
	return true;
}

static bool encode_7bit(struct span text, struct writer *w)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned bits = 0, held = 0;
	for (size_t i = 0; i < text.len || held; i++) {
		if (i < text.len) {
			bits |= ((unsigned)text.at[i] & 0x7f) << held;
			held += 7;
		}
		if (held >= 8 || i >= text.len) {
			writer_char(w, digits[bits >> 4 & 15]);
			writer_char(w, digits[bits & 15]);
			bits >>= 8;
			held = held >= 8 ? held - 8 : 0;
		}
	}
	return true;
}

static bool decode_7bit(struct span text, struct writer *w)
{
	unsigned bits = 0, held = 0;
	if (text.len % 2)
		return false;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = ascii_hex_value(text.at[i]), low = ascii_hex_value(text.at[i + 1]);
		if (high < 0 || low < 0)
			return false;
		bits |= (unsigned)(high << 4 | low) << held;
		held += 8;
		for (; held >= 7; held -= 7, bits >>= 7) {
			/* Seven spare bits at the end are padding, not a character. */
			if (i + 2 < text.len || held > 7 || bits & 0x7f)
				writer_char(w, (char)(bits & 0x7f));
		}
	}
	return true;
}

/* ---- escapes ------------------------------------------------------------------------------- */

static bool escape_common(struct span text, struct writer *w)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '\'' || c == '"' || c == '\\' || c == 0)
			writer_char(w, '\\');
		writer_char(w, c ? c : '0');
	}
	return true;
}

static bool unescape_common(struct span text, struct writer *w)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		char next = i + 1 < text.len ? text.at[i + 1] : 'x';
		if (c == '\\' && (next == '\'' || next == '"' || next == '\\' || next == '0')) {
			c = next == '0' ? 0 : next;
			i++;
		}
		writer_char(w, c);
	}
	return true;
}

static bool escape_csv(struct span text, struct writer *w)
{
	writer_char(w, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"')
			writer_char(w, '"');
		writer_char(w, text.at[i]);
	}
	writer_char(w, '"');
	return true;
}

/* Only printable ASCII, as in the peer: other bytes have no place in a URI. */
static bool is_printable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < ' ' || (unsigned char)text.at[i] > '~')
			return false;
	return true;
}

static void percent_encode(struct span text, const char *kept, struct writer *w)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr(kept, c))) {
			writer_char(w, c);
		} else {
			writer_char(w, '%');
			writer_hex(w, (unsigned char)c, 2);
		}
	}
}

/* user = 1*( unreserved / escaped / user-unreserved ) of RFC 3261 25.1, "/" escaped as well. */
static bool escape_user(struct span text, struct writer *w)
{
	percent_encode(text, "-_.!~*'()&=+$,;?", w);
	return is_printable(text);
}

/* paramchar = param-unreserved / unreserved / escaped */
static bool escape_param(struct span text, struct writer *w)
{
	percent_encode(text, "-_.!~*'()[]/:&+$", w);
	return is_printable(text);
}

static bool urlencode(struct span text, struct writer *w)
{
	percent_encode(text, "-_.~", w);
	return true;
}

static bool percent_decode(struct span text, struct writer *w)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] != '%') {
			writer_char(w, text.at[i]);
			continue;
		}
		int high = i + 2 < text.len ? ascii_hex_value(text.at[i + 1]) : -1;
		int low = i + 2 < text.len ? ascii_hex_value(text.at[i + 2]) : -1;
		if (high < 0 || low < 0)
			return false;
		writer_char(w, (char)(high << 4 | low));
		i += 2;
	}
	return true;
}

/* Forms: "+" is a blank, a "%" that escapes nothing is dropped. */
static bool urldecode(struct span text, struct writer *w)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (c == '%') {
			int high = i + 2 < text.len ? ascii_hex_value(text.at[i + 1]) : -1;
			int low = i + 2 < text.len ? ascii_hex_value(text.at[i + 2]) : -1;
			if (high < 0 || low < 0)
				continue;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+') {
			c = ' ';
		}
		writer_char(w, c);
	}
	return true;
}

/* ---- one thunk for all of them -------------------------------------------------------------- */

static const struct codec {
	const char *name;
	bool (*run)(struct span text, struct writer *w);
} codecs[] = {
	{ "encode.7bit", encode_7bit },
	{ "decode.7bit", decode_7bit },
	{ "encode.hexa", encode_hexa },
	{ "decode.hexa", decode_hexa },
	{ "encode.base58", encode_base58 },
	{ "decode.base58", decode_base58 },
	{ "encode.base64", encode_base64 },
	{ "decode.base64", decode_base64 },
	{ "encode.base64t", encode_base64t },
	{ "decode.base64t", decode_base64t },
	{ "encode.base64url", encode_base64url },
	{ "decode.base64url", decode_base64url },
	{ "encode.base64urlt", encode_base64urlt },
	{ "decode.base64urlt", decode_base64urlt },
	{ "escape.common", escape_common },
	{ "unescape.common", unescape_common },
	{ "escape.user", escape_user },
	{ "unescape.user", percent_decode },
	{ "escape.param", escape_param },
	{ "unescape.param", percent_decode },
	{ "escape.csv", escape_csv },
	{ "urlencode.param", urlencode },
	{ "urldecode.param", urldecode },
};

static bool apply_codec(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t which)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	struct writer w = writer_in_arena(run->arena, text.len * 2 + 4);
	if (!codecs[which].run(text, &w)) {
		log_error("{s.%s}: malformed or too long: \"%.*s\"\n", codecs[which].name,
			  SPAN_ARGS(text));
		return false;
	}
	return transform_written(value, &w);
}

static const struct transform_row rows[] = {
	{ "s", "md5", apply_digest, .selector = DIGEST_MD5, .doc = "MD5, hexadecimal." },
	{ "s", "sha1", apply_digest, .selector = DIGEST_SHA1, .doc = "SHA-1, hexadecimal." },
	{ "s", "sha256", apply_digest, .selector = DIGEST_SHA256, .doc = "SHA-256, hexadecimal." },
	{ "s", "sha384", apply_digest, .selector = DIGEST_SHA384, .doc = "SHA-384, hexadecimal." },
	{ "s", "sha512", apply_digest, .selector = DIGEST_SHA512, .doc = "SHA-512, hexadecimal." },
	{ "s", "sha224", apply_evp, .selector = EVP_SHA224, .doc = "SHA-224, hexadecimal." },
	{ "s", "sha3_224", apply_evp, .selector = EVP_SHA3_224, .doc = "SHA3-224, hexadecimal." },
	{ "s", "sha3_256", apply_evp, .selector = EVP_SHA3_256, .doc = "SHA3-256, hexadecimal." },
	{ "s", "sha3_384", apply_evp, .selector = EVP_SHA3_384, .doc = "SHA3-384, hexadecimal." },
	{ "s", "sha3_512", apply_evp, .selector = EVP_SHA3_512, .doc = "SHA3-512, hexadecimal." },
	{ "s", "crc32", apply_crc32, .doc = "CRC-32 of ISO 3309, decimal." },
	{ "s", "corehash", apply_corehash, 0, 1, .check = transform_check_numbers, .doc = "A hash that stays the same over restarts; with a size, & (size - 1)." },
	{ "s", "encode.7bit", apply_codec, .selector = 0, .doc = "GSM 7-bit packing, hexadecimal." },
	{ "s", "decode.7bit", apply_codec, .selector = 1, .doc = "Reverse of encode.7bit." },
	{ "s", "encode.hexa", apply_codec, .selector = 2, .doc = "Hexadecimal." },
	{ "s", "decode.hexa", apply_codec, .selector = 3, .doc = "Reverse of encode.hexa." },
	{ "s", "encode.base58", apply_codec, .selector = 4, .doc = "Base58." },
	{ "s", "decode.base58", apply_codec, .selector = 5, .doc = "Reverse of encode.base58." },
	{ "s", "encode.base64", apply_codec, .selector = 6, .doc = "Base64." },
	{ "s", "decode.base64", apply_codec, .selector = 7, .doc = "Reverse of encode.base64." },
	{ "s", "encode.base64t", apply_codec, .selector = 8, .doc = "Base64 without padding." },
	{ "s", "decode.base64t", apply_codec, .selector = 9, .doc = "Base64, padding optional." },
	{ "s", "encode.base64url", apply_codec, .selector = 10, .doc = "Base64 for URLs." },
	{ "s", "decode.base64url", apply_codec, .selector = 11, .doc = "Reverse of encode.base64url." },
	{ "s", "encode.base64urlt", apply_codec, .selector = 12, .doc = "Base64 for URLs without padding." },
	{ "s", "decode.base64urlt", apply_codec, .selector = 13, .doc = "Base64 for URLs, padding optional." },
	{ "s", "escape.common", apply_codec, .selector = 14, .doc = "Backslashes before quotes, backslashes and NUL." },
	{ "s", "unescape.common", apply_codec, .selector = 15, .doc = "Reverse of escape.common." },
	{ "s", "escape.user", apply_codec, .selector = 16, .doc = "%hex for what may not stand in a user part." },
	{ "s", "unescape.user", apply_codec, .selector = 17, .doc = "%hex resolved." },
	{ "s", "escape.param", apply_codec, .selector = 18, .doc = "%hex for what may not stand in a parameter." },
	{ "s", "unescape.param", apply_codec, .selector = 19, .doc = "%hex resolved." },
	{ "s", "escape.csv", apply_codec, .selector = 20, .doc = "In quotes, inner quotes doubled." },
	{ "s", "urlencode.param", apply_codec, .selector = 21, .doc = "%hex for a query string." },
	{ "s", "urldecode.param", apply_codec, .selector = 22, .doc = "%hex and + resolved." },
};
const struct transform_table transform_codec_table = ROWS(rows);
