/* SPDX-License-Identifier: BSD-2-Clause */
/* result: how parsers answer. Wrong input is normal: it is a result, never a log line. */
#pragma once

#include "core/base/span.h"

/* Of something that is read as a whole. */
enum parse_result {
	PARSE_OK,
	PARSE_MORE, /* right so far, the end is missing */
	PARSE_BAD,
};

/* Of something that is read item by item. */
enum list_result {
	LIST_ITEM, /* the output holds the next item */
	LIST_END,  /* no further item */
	LIST_BAD,  /* the rest is malformed; items before it were right */
};

/* Where and why, for PARSE_BAD. */
struct parse_error {
	uint32_t at;        /* offset into the bytes */
	const char *reason; /* static text; NULL: memory is exhausted */
};
