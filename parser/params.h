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
	struct cursor rest;
	char separator; /* ';' ',' or '&' */
};

/* Takes one parameter, name [EQUAL value], at the place and the white space after it. An unquoted
 * value ends before white space, `separator` and `terminator`. False when it is malformed or
 * something else than these two follows. */
bool param_take(struct cursor *in, char separator, char terminator, struct param *out_param);

/* Starts at the first parameter; a separator before it is skipped. */
struct param_list params_over(struct span text, char separator);
/* The next parameter. White space around separators and "=" is skipped; empty parameters ("a;;b")
 * are skipped. LIST_BAD: a parameter without name, an unterminated quote, rubbish after a value. */
enum list_result params_next(struct param_list *list, struct param *out_param);
/* The first parameter of that name (any case). False when absent or behind something malformed. */
bool params_find(struct span text, char separator, struct span name, struct param *out_param);
/* True when all parameters are well-formed. */
bool params_are_valid(struct span text, char separator);

/* The text of a quoted string (with or without its quotes) with the quoted pairs resolved; borrows
 * when there is none. Absent when memory is exhausted. */
struct span quoted_unescape(struct arena *arena, struct span quoted);
/* Without the surrounding quotes, if both are there. */
struct span quoted_inside(struct span text);
