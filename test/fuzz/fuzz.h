/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzz targets share. A target gets an exact copy of its input from libFuzzer, so reads
 * beyond the end are found; it asserts more than "does not crash" where there is something to say. */
#pragma once

#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* True even where NDEBUG is set. */
#define must(condition)                           \
	do {                                      \
		if (!(condition))                 \
			__builtin_trap();         \
	} while (0)

/* The span lies within the text (or is absent). */
static inline void must_be_inside(struct span part, struct span text)
{
	if (!part.at)
		return;
	must(part.at >= text.at && part.len <= text.len &&
	     (size_t)(part.at - text.at) <= text.len - part.len);
}

/* Reads every byte of a span, so that the sanitizer checks it. */
static inline void touch(struct span s)
{
	static volatile unsigned char sink;
	for (size_t i = 0; i < s.len; i++)
		sink = (unsigned char)(sink + (unsigned char)s.at[i]);
}
