/* SPDX-License-Identifier: BSD-2-Clause */
/* cursor: the one way in which scanners read: a place and an end, never a place alone. */
#pragma once

#include "core/base/span.h"

struct cursor {
	const char *at;
	const char *end;
};

static inline struct cursor cursor_over(struct span s)
{
	return (struct cursor){ s.at, s.at ? s.at + s.len : s.at };
}

static inline bool cursor_is_end(const struct cursor *in)
{
	return in->at == in->end;
}

static inline size_t cursor_left(const struct cursor *in)
{
	return (size_t)(in->end - in->at);
}

/* The byte at the place, 0-255, or -1 at the end. */
static inline int cursor_peek(const struct cursor *in)
{
	return in->at < in->end ? (unsigned char)*in->at : -1;
}

/* The byte `offset` after the place, or -1 beyond the end. */
static inline int cursor_peek_at(const struct cursor *in, size_t offset)
{
	return offset < cursor_left(in) ? (unsigned char)in->at[offset] : -1;
}

/* Takes `byte` when it comes next. */
static inline bool cursor_take(struct cursor *in, char byte)
{
	if (in->at == in->end || *in->at != byte)
		return false;
	in->at++;
	return true;
}

/* The text from `start` (an earlier value of in->at) to the place. */
static inline struct span cursor_since(const struct cursor *in, const char *start)
{
	return (struct span){ start, (size_t)(in->at - start) };
}

static inline struct span cursor_rest(const struct cursor *in)
{
	return (struct span){ in->at, cursor_left(in) };
}

/* Character classes of RFC 3261 25.1, as bits of a 256-entry table. */
enum {
	CHAR_TOKEN = 1 << 0,      /* token */
	CHAR_WORD = 1 << 1,       /* word: Call-ID */
	CHAR_USER = 1 << 2,       /* unreserved / user-unreserved, without the escape */
	CHAR_PARAM = 1 << 3,      /* paramchar without the escape */
	CHAR_HOST = 1 << 4,       /* letters, digits, "-", ".", and "_" which is tolerated */
	CHAR_UNRESERVED = 1 << 5, /* legal everywhere in a URI without an escape */
	CHAR_VALUE = 1 << 6,      /* unquoted parameter value: token or host, lenient */
	CHAR_SPACE = 1 << 7,      /* SP HT CR LF */
};
extern const unsigned char char_classes[256];

static inline bool char_is(int c, unsigned classes)
{
	return c >= 0 && (char_classes[(unsigned char)c] & classes);
}

/* The first byte from `at` on that is of none of the classes; `end` when there is none. */
static inline const char *chars_end(const char *at, const char *end, unsigned classes)
{
	while (at < end && (char_classes[(unsigned char)*at] & classes))
		at++;
	return at;
}

/* The first byte from `at` on that is not LWS: in header values every line end is a fold, so all four
 * bytes count. */
static inline const char *space_end(const char *at, const char *end)
{
	while (at < end && ascii_is_space(*at))
		at++;
	return at;
}

/* Takes all bytes of the classes; the result may be empty. */
static inline struct span cursor_take_while(struct cursor *in, unsigned classes)
{
	const char *start = in->at;
	in->at = chars_end(start, in->end, classes);
	return cursor_since(in, start);
}

static inline void cursor_skip_space(struct cursor *in)
{
	in->at = space_end(in->at, in->end);
}

/* 1*DIGIT at the front of a text. */
struct digits {
	const char *end; /* NULL: there are none, or the number is too large */
	uint64_t number;
};
struct digits digits_read(const char *at, const char *end, uint64_t max);

/* Where the quoted string at `at` ends, behind its last quote; NULL when it does not end. The text begins
 * at `begin`. */
const char *quoted_end(const char *begin, const char *at, const char *end);
/* Takes a quoted string, quotes included (RFC 3261 25.1: quoted-pair skips a byte). False, and the
 * place unchanged, when it does not begin here or does not end. */
bool cursor_take_quoted(struct cursor *in, struct span *out_quoted);
/* Takes 1*DIGIT up to `max`. False, and the place unchanged, without digits or beyond max. */
bool cursor_take_number(struct cursor *in, uint64_t max, uint64_t *out_number);
/* Takes `word` in any case when it comes next. */
bool cursor_take_word(struct cursor *in, struct span word);
/* True when all of `s` is of these classes and it is not empty. */
bool span_is_all(struct span s, unsigned classes);
