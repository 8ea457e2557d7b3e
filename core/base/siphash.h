/* SPDX-License-Identifier: BSD-2-Clause */
/* siphash: SipHash-2-4 with 128 bits of output (Aumasson, Bernstein: "SipHash: a fast short-input PRF"), a
 * keyed proof of short texts that costs a twentieth of HMAC-SHA-256. */
#pragma once

#include <stdint.h>

#include "core/base/span.h"

#define SIPHASH_KEY_BYTES 16
#define SIPHASH_BYTES     16

/* The proof of the parts as if they were one text. */
void siphash(const uint8_t key[SIPHASH_KEY_BYTES], const struct span *parts, size_t count,
	     uint8_t out[SIPHASH_BYTES]);
