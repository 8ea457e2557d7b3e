/* SPDX-License-Identifier: BSD-2-Clause */
/* span: a piece of text that somebody else owns. A span never owns and is not zero-terminated;
 * `{NULL, 0}` means "absent", a non-NULL `at` with `len` 0 means "present and empty". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *at;
	size_t len;
};

/* A span over a string literal; usable in static initialisers. */
#define SPAN(literal) { "" literal "", sizeof(literal) - 1 }
#define SPAN_OF(literal) ((struct span)SPAN(literal))
/* For printf: printf("%.*s", SPAN_ARGS(name)). */
#define SPAN_ARGS(s) (int)(s).len, ((s).at ? (s).at : "")

static inline struct span span_make(const char *at, size_t len)
{
	return (struct span){ at, len };
}

/* Borrows a zero-terminated string; NULL gives the absent span. */
static inline struct span span_from(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

static inline bool span_is_empty(struct span s)
{
	return s.len == 0;
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Up to eight bytes as a number: texts of one length are equal when their numbers are. */
static inline uint64_t span_short(const char *at, size_t len)
{
	uint32_t first, last;
	if (len >= 8) {
		uint64_t all;
		memcpy(&all, at, 8);
		return all;
	}
	if (len < 4)
		return len ? (uint64_t)((unsigned char)at[0] | (unsigned char)at[len / 2] << 8 |
					(unsigned char)at[len - 1] << 16)
			   : 0;
	memcpy(&first, at, 4);
	memcpy(&last, at + len - 4, 4);
	return (uint64_t)last << 32 | first;
}

/* The same for texts of one length. */
bool span_same_nocase(const char *a, const char *b, size_t len);
/* ASCII case-insensitive, independent of the locale (RFC 3261 7.3.1). */
static inline bool span_equal_nocase(struct span a, struct span b)
{
	return a.len == b.len && span_same_nocase(a.at, b.at, a.len);
}
/* <0, 0, >0 like memcmp, the shorter of equal prefixes first. */
int span_compare(struct span a, struct span b);
bool span_starts_with(struct span s, struct span prefix);
static inline bool span_starts_with_nocase(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_same_nocase(s.at, prefix.at, prefix.len);
}
bool span_ends_with(struct span s, struct span suffix);

/* Position of the first `byte` at or after `from`, or `s.len` when there is none. */
size_t span_find(struct span s, char byte, size_t from);
/* Position of the first `needle`, or `s.len` when there is none. */
size_t span_find_span(struct span s, struct span needle);

/* The part [from, from+len); clipped to the span. */
struct span span_slice(struct span s, size_t from, size_t len);
/* Without leading and trailing SP, HT, CR, LF. */
struct span span_trim(struct span s);
/* Takes the text before the next `separator` off the front of `*rest`; when there is none, takes
 * everything. Returns false when `*rest` was already absent (at == NULL), so
 * `while (span_split(&rest, ',', &item))` visits every item, also empty ones. */
bool span_split(struct span *rest, char separator, struct span *out_item);

/* Whole-span conversions: false, and `*out` untouched, unless all of `s` is a number in range. */
[[gnu::warn_unused_result]] bool span_to_int64(struct span s, int64_t *out_number);
[[gnu::warn_unused_result]] bool span_to_uint32(struct span s, uint32_t *out_number);
/* 1*HEXDIG */
[[gnu::warn_unused_result]] bool span_hex_to_uint64(struct span s, uint64_t *out_number);
/* Also takes 0x… hexadecimal, 0… octal. */
[[gnu::warn_unused_result]] bool span_to_int64_any_base(struct span s, int64_t *out_number);

/* ASCII character classes that do not depend on the locale. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Eight characters at once, in lower case: a byte is a capital when both additions reach its highest bit
 * differently. */
static inline uint64_t ascii_lower_eight(uint64_t bytes)
{
	const uint64_t ones = 0x0101010101010101, high = ones * 0x80;
	uint64_t low_bits = bytes & ~high;
	uint64_t from_a = low_bits + ones * (0x80 - 'A'), after_z = low_bits + ones * (0x7f - 'Z');
	return bytes | ((from_a & ~after_z & ~bytes & high) >> 2);
}

/* 0-15, or -1 when `c` is not a hexadecimal digit. */
static inline int ascii_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
