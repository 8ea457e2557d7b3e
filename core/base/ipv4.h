/* SPDX-License-Identifier: BSD-2-Clause */
/* ipv4: addresses in dotted form (RFC 3986 3.2.2), as hosts and as what the system takes. */
#pragma once

#include "core/base/span.h"

/* An address that begins a text. */
struct ipv4_text {
	const char *end;        /* where it ends; NULL: none begins here */
	uint32_t number;        /* 1.2.3.4 is 0x01020304 */
	bool has_leading_zeros; /* "01.2.3.4": some read an octal number */
};

/* Reads 1*3DIGIT 3("." 1*3DIGIT), each 0-255, from `at` on; `end` ends the text. */
struct ipv4_text ipv4_read(const char *at, const char *end);
