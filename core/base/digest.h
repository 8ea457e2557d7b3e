/* SPDX-License-Identifier: BSD-2-Clause */
/* digest: message digests by OpenSSL, as lower-case hexadecimal. */
#pragma once

#include "core/base/span.h"

enum digest_kind {
	DIGEST_MD5,
	DIGEST_SHA1,
	DIGEST_SHA256,
	DIGEST_SHA384,
	DIGEST_SHA512,
	DIGEST_SHA512_256
};

#define DIGEST_HEX_MAX   128
#define DIGEST_BYTES_MAX 64

/* Writes the hexadecimal digest of the concatenated `parts` and returns its length (32 for MD5);
 * 0 when OpenSSL refuses the algorithm. `out_hex` has room for DIGEST_HEX_MAX bytes. */
size_t digest_hex(enum digest_kind kind, const struct span *parts, size_t count, char *out_hex);
/* The same as bytes, keyed (HMAC, RFC 2104); returns their number, 0 when OpenSSL refuses. `out` has room
 * for DIGEST_BYTES_MAX bytes. */
size_t digest_keyed(enum digest_kind kind, struct span key, const struct span *parts, size_t count,
		    uint8_t *out);
/* Writes 2 * len hexadecimal digits. */
void digest_write_hex(const uint8_t *bytes, size_t len, char *out_hex);
/* Compares without telling by its time where the difference is. */
bool digest_equal(struct span a, struct span b);
