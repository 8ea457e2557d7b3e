/* SPDX-License-Identifier: BSD-2-Clause */
/* Message digests by OpenSSL. MD5 by its old interface: a login hashes three short texts, and the way to
 * the same code by contexts and providers costs more than they do. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/base/digest.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>

#include "core/base/check.h"
#include "core/base/hex.h"

#define BLOCK_MAX 128 /* of the algorithms below, for HMAC */

static const struct {
	const char *name;
	size_t block;
} algorithms[] = {
	[DIGEST_MD5] = { "MD5", 64 },        [DIGEST_SHA1] = { "SHA1", 64 },
	[DIGEST_SHA256] = { "SHA256", 64 },  [DIGEST_SHA384] = { "SHA384", 128 },
	[DIGEST_SHA512] = { "SHA512", 128 }, [DIGEST_SHA512_256] = { "SHA512-256", 128 },
};

/* Looking an algorithm up and making a context cost more than the digest of a short text, so both
 * are kept. A process has one thread, and no fiber waits in here. */
static struct {
	EVP_MD *fetched[ARRAY_SIZE(algorithms)];
	EVP_MD_CTX *context;
} state;

static bool digest_begin(enum digest_kind kind)
{
	if (!state.fetched[kind])
		state.fetched[kind] = EVP_MD_fetch(NULL, algorithms[kind].name, NULL);
	if (!state.context)
		state.context = EVP_MD_CTX_new();
	return state.fetched[kind] && state.context &&
	       EVP_DigestInit_ex2(state.context, state.fetched[kind], NULL) == 1;
}

static bool digest_add(const struct span *parts, size_t count)
{
	bool done = true;
	for (size_t i = 0; done && i < count; i++)
		done = EVP_DigestUpdate(state.context, parts[i].at, parts[i].len) == 1;
	return done;
}

static size_t digest_end(uint8_t *out)
{
	unsigned len = 0;
	return EVP_DigestFinal_ex(state.context, out, &len) == 1 ? len : 0;
}

static size_t md5_bytes(const struct span *parts, size_t count, uint8_t *out)
{
	MD5_CTX context;
	bool done = MD5_Init(&context) == 1;
	for (size_t i = 0; done && i < count; i++)
		done = MD5_Update(&context, parts[i].at, parts[i].len) == 1;
	return done && MD5_Final(out, &context) == 1 ? MD5_DIGEST_LENGTH : 0;
}

static size_t digest_bytes(enum digest_kind kind, const struct span *parts, size_t count,
			   uint8_t *out)
{
	if (kind == DIGEST_MD5)
		return md5_bytes(parts, count, out);
	return digest_begin(kind) && digest_add(parts, count) ? digest_end(out) : 0;
}

size_t digest_hex(enum digest_kind kind, const struct span *parts, size_t count, char *out_hex)
{
	uint8_t bytes[DIGEST_BYTES_MAX];
	size_t len = digest_bytes(kind, parts, count, bytes);
	digest_write_hex(bytes, len, out_hex);
	return 2 * len;
}

void digest_write_hex(const uint8_t *bytes, size_t len, char *out_hex)
{
	size_t i = 0;
	for (; i + 4 <= len; i += 4) {
		uint32_t word;
		memcpy(&word, bytes + i, sizeof(word));
		uint64_t digits = hex_digits(be32toh(word));
		memcpy(out_hex + 2 * i, &digits, sizeof(digits));
	}
	for (; i < len; i++) {
		out_hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out_hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
}

/* H((key ^ opad) H((key ^ ipad) text)), RFC 2104 2 */
size_t digest_keyed(enum digest_kind kind, struct span key, const struct span *parts, size_t count,
		    uint8_t *out)
{
	uint8_t short_key[DIGEST_BYTES_MAX], inner[BLOCK_MAX], outer[BLOCK_MAX];
	size_t block = algorithms[kind].block;
	if (key.len > block) {
		size_t len = digest_bytes(kind, &key, 1, short_key);
		if (!len)
			return 0;
		key = span_make((const char *)short_key, len);
	}
	for (size_t i = 0; i < block; i++) {
		uint8_t byte = i < key.len ? (uint8_t)key.at[i] : 0;
		inner[i] = byte ^ 0x36;
		outer[i] = byte ^ 0x5c;
	}
	struct span pad = span_make((const char *)inner, block);
	if (!digest_begin(kind) || !digest_add(&pad, 1) || !digest_add(parts, count))
		return 0;
	uint8_t first[DIGEST_BYTES_MAX];
	size_t len = digest_end(first);
	const struct span second[] = { span_make((const char *)outer, block),
				       span_make((const char *)first, len) };
	return len ? digest_bytes(kind, second, ARRAY_SIZE(second), out) : 0;
}

bool digest_equal(struct span a, struct span b)
{
	return a.len == b.len && CRYPTO_memcmp(a.at, b.at, a.len) == 0;
}
