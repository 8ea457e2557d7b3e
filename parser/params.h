/* SPDX-License-Identifier: BSD-2-Clause */
/* params: lists of name=value as they follow URIs, addresses, media types and credentials. */
#pragma once

#include "core/base/arena.h"
#include "parser/cursor.h"
#include "parser/result.h"

struct param {
	struct span whole; /* name through value */
	struct span name;
	struct span value; /* without quotes, escapes kept; absent when has_value is false */
	bool has_value;    /* an "=" was there */
	bool is_quoted;
};

struct param_list {
	const char *begin;
	struct cursor rest;
	char separator; /* ';' ',' or '&' */
};

/* Reads one parameter, name [EQUAL value], from `at` on and returns where it ends, after white space. An
 * unquoted value ends before white space, `separator`, `terminator` and a semicolon. NULL, and rubbish
 * in *out_param, when it is malformed or something else than these two follows. The text begins at
 * `begin`. */
const char *param_read(const char *begin, const char *at, const char *end, char separator,
		       char terminator, struct param *out_param);

/* Starts at the first parameter; a separator before it is skipped. */
struct param_list params_over(struct span text, char separator);
/* The next parameter. White space around separators and "=" is skipped; empty parameters ("a;;b")
 * are skipped. LIST_BAD: a parameter without name, an unterminated quote, rubbish after a value. */
enum list_result params_next(struct param_list *list, struct param *out_param);
/* Is its name `word`, up to 16 lower-case letters, digits, "-", "+", "." and "*", in any case? Among the
 * characters of names only letters differ from these in the one bit that is ignored. */
static inline bool param_has_name(const struct param *param, struct span word)
{
	const uint64_t ignored = 0x2020202020202020;
	const char *at = param->name.at;
	size_t len = word.len;
	return param->name.len == len &&
	       (span_short(at, len) | ignored) == (span_short(word.at, len) | ignored) &&
	       (len <= 8 || (span_short(at + len - 8, 8) | ignored) ==
				    (span_short(word.at + len - 8, 8) | ignored));
}
/* The same for a literal. */
static inline bool param_is(const struct param *param, const char *word)
{
	return param_has_name(param, span_from(word));
}
/* What follows the "=", without quotes; present and empty when there is none. */
static inline struct span param_text(const struct param *param)
{
	return param->has_value ? param->value : span_make(param->name.at + param->name.len, 0);
}
/* The first parameter of that name (any case). False when absent or behind something malformed. */
bool params_find(struct span text, char separator, struct span name, struct param *out_param);
/* True when all parameters are well-formed. */
bool params_are_valid(struct span text, char separator);

/* The text of a quoted string (with or without its quotes) with the quoted pairs resolved; borrows
 * when there is none. Absent when memory is exhausted. */
struct span quoted_unescape(struct arena *arena, struct span quoted);
/* Without the surrounding quotes, if both are there. */
struct span quoted_inside(struct span text);
