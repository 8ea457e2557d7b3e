/* SPDX-License-Identifier: BSD-2-Clause */
/* pattern_ere: POSIX extended regular expressions, read closely enough to say where one is wrong
 * and
 * to write it in PCRE2's syntax where both mean the same. */
#pragma once

#include "core/script/pattern.h"

enum ere_result {
	ERE_SAME,   /* the translation accepts exactly the same texts */
	ERE_UNSURE, /* legal or an extension of the C library: leave it to regcomp */
	ERE_WRONG,  /* no regular expression; see the error */
};

struct ere_error {
	size_t at; /* offset of the mistake */
	const char *reason;
};

/* Reads `text` and writes the translation. `flags` are those of pattern.h. */
enum ere_result ere_translate(struct span text, unsigned flags, struct writer *out_pcre,
			      struct ere_error *out_error);
