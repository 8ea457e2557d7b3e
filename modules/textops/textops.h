/* SPDX-License-Identifier: BSD-2-Clause */
/* textops: shared by the files of this module. */
#pragma once

#include "core/module/module.h"

static inline int truth(bool yes)
{
	return yes ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* The function rows of each file. */
extern const struct function_table search_functions, header_functions, body_functions,
	multipart_functions;

/* ---- search.c -------------------------------------------------------------------------------- */
/* The flags of search() and its kin: any case, and line ends matter. */
#define TEXT_PATTERN (PATTERN_IGNORE_CASE | PATTERN_NEWLINE)
/* Does the pattern, compiled with `flags` instead of its own, match? */
bool text_matches(const struct pattern *pattern, struct span text, unsigned flags);
/* A field check: is the text a substitution "/re/replacement/flags"? */
const char *check_substitution(struct span text, int64_t number);

/* ---- header.c -------------------------------------------------------------------------------- */
/* The text with a line end; itself when it has one. */
struct span with_line_end(struct arena *arena, struct span line);

/* ---- body.c ---------------------------------------------------------------------------------- */
/* Hexadecimal digits, white space between pairs ignored, as bytes; absent when it is none. */
struct span hex_decode(struct arena *arena, struct span text);
