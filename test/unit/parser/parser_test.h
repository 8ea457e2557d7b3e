/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the parser share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/span.h"

/* NULL expects an absent span. */
static inline void check_span(struct span actual, const char *expected, const char *what,
			      unsigned row)
{
	if (!expected) {
		if (actual.at)
			fail_msg("row %u, %s: \"%.*s\" instead of nothing", row, what,
				 SPAN_ARGS(actual));
		return;
	}
	if (!actual.at || actual.len != strlen(expected) ||
	    memcmp(actual.at, expected, actual.len) != 0)
		fail_msg("row %u, %s: \"%.*s\" instead of \"%s\"", row, what, SPAN_ARGS(actual),
			 expected);
}

static inline void check_number(int64_t actual, int64_t expected, const char *what, unsigned row)
{
	if (actual != expected)
		fail_msg("row %u, %s: %lld instead of %lld", row, what, (long long)actual,
			 (long long)expected);
}

/* A copy without anything behind it, so that the sanitizer sees a read too far; free with
 * exact_free. */
static inline struct span exact_copy(struct span s)
{
	char *copy = malloc(s.len ? s.len : 1);
	if (s.len)
		memcpy(copy, s.at, s.len);
	return span_make(copy, s.len);
}

static inline void exact_free(struct span s)
{
	free((void *)(uintptr_t)s.at);
}
