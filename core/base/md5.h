/* SPDX-License-Identifier: BSD-2-Clause */
/* md5: the digest of RFC 1321, which digest authentication needs several times for each login. It is
 * no longer safe against collisions; use it where a protocol demands it only. */
#pragma once

#include "core/base/span.h"

#define MD5_BYTES 16

/* The digest of the concatenated `parts`. */
void md5(const struct span *parts, size_t count, uint8_t out[MD5_BYTES]);
