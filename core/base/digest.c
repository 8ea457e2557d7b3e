/* SPDX-License-Identifier: BSD-2-Clause */
/* Message digests by OpenSSL. */
#include "core/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

static const EVP_MD *digest_algorithm(enum digest_kind kind)
{
	switch (kind) {
	case DIGEST_MD5: return EVP_md5();
	case DIGEST_SHA1: return EVP_sha1();
	case DIGEST_SHA256: return EVP_sha256();
	case DIGEST_SHA384: return EVP_sha384();
	case DIGEST_SHA512: return EVP_sha512();
	case DIGEST_SHA512_256: return EVP_sha512_256();
	}
	return NULL;
}

size_t digest_hex(enum digest_kind kind, const struct span *parts, size_t count, char *out_hex)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool done = context && EVP_DigestInit_ex(context, digest_algorithm(kind), NULL) == 1;
	for (size_t i = 0; done && i < count; i++)
		done = EVP_DigestUpdate(context, parts[i].at, parts[i].len) == 1;
	done = done && EVP_DigestFinal_ex(context, bytes, &len) == 1;
	EVP_MD_CTX_free(context);
	if (!done)
		return 0;
	for (unsigned i = 0; i < len; i++) {
		out_hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		out_hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	return 2 * (size_t)len;
}

bool digest_equal(struct span a, struct span b)
{
	return a.len == b.len && CRYPTO_memcmp(a.at, b.at, a.len) == 0;
}
