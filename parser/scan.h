/* SPDX-License-Identifier: BSD-2-Clause */
/* scan: the inner loops of the parsers, for the vector unit of the machine or byte by byte. This is
 * the only file of the parser that depends on the platform. */
#pragma once

#include "core/base/span.h"

/* Where a run of text ends, from `at` on: at an LF, CR, NUL or another control up to CR, but not HT; `len`
 * when there is none. */
static inline size_t scan_line_stop_bytes(const char *text, size_t at, size_t len)
{
	while (at < len && ((unsigned char)text[at] > '\r' || text[at] == '\t'))
		at++;
	return at;
}

/* The first white space or control; `end` when there is none. */
static inline const char *scan_space_bytes(const char *at, const char *end)
{
	while (at < end && (unsigned char)*at > ' ')
		at++;
	return at;
}

#ifdef __SSE2__
#include <immintrin.h>

static inline size_t scan_line_stop(const char *text, size_t at, size_t len)
{
	const __m128i cr = _mm_set1_epi8('\r');
	const __m128i tab = _mm_set1_epi8('\t');
	for (; at + 16 <= len; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + at));
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, cr), bytes);
		unsigned hits = (unsigned)_mm_movemask_epi8(
			_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low));
		if (hits)
			return at + (unsigned)__builtin_ctz(hits);
	}
	return scan_line_stop_bytes(text, at, len);
}

/* The same with 32 bytes at a time, for functions marked SCAN_WIDE; call them for texts of which
 * scan_is_wide(). */
#define SCAN_WIDE __attribute__((target("avx2,bmi")))
static inline bool scan_is_wide(size_t len)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && len >= 32;
}

SCAN_WIDE static inline unsigned scan_line_hits_wide(const char *at)
{
	/* For the low four bits of a byte: the byte with them that is looked for, -1 when there is none. */
	const __m256i stops =
		_mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, -1, 10, 11, 12, 13, -1, -1, /* */
				 0, 1, 2, 3, 4, 5, 6, 7, 8, -1, 10, 11, 12, 13, -1, -1);
	__m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)at);
	return (unsigned)_mm256_movemask_epi8(
		_mm256_cmpeq_epi8(_mm256_shuffle_epi8(stops, bytes), bytes));
}

SCAN_WIDE static inline size_t scan_line_stop_wide(const char *text, size_t at, size_t len)
{
	for (const size_t last = len - 32; at <= last; at += 32) {
		unsigned hits = scan_line_hits_wide(text + at);
		if (hits)
			return at + (unsigned)__builtin_ctz(hits);
	}
	if (at >= len)
		return len;
	/* The last 32 bytes, of which the first have been looked at. */
	unsigned hits = scan_line_hits_wide(text + len - 32) >> (at + 32 - len);
	return hits ? at + (unsigned)__builtin_ctz(hits) : len;
}

static inline const char *scan_space(const char *at, const char *end)
{
	const __m128i limit = _mm_set1_epi8(' ');
	for (; end - at >= 16; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		unsigned hits = (unsigned)_mm_movemask_epi8(
			_mm_cmpeq_epi8(_mm_min_epu8(bytes, limit), bytes));
		if (hits)
			return at + __builtin_ctz(hits);
	}
	return scan_space_bytes(at, end);
}

/* 16 bytes. */
struct scan_block {
	__m128i bytes;
};

static inline struct scan_block scan_block_read(const char *at)
{
	return (struct scan_block){ _mm_loadu_si128((const __m128i *)(const void *)at) };
}

/* Where `byte` stands, as bits. */
static inline unsigned scan_block_places(struct scan_block block, char byte)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block.bytes, _mm_set1_epi8(byte)));
}

/* Where the bytes of two blocks are the same, as bits. */
static inline unsigned scan_block_same(struct scan_block a, struct scan_block b)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a.bytes, b.bytes));
}

/* Bit 5 is set, which makes letters small ones and leaves what else is in names; controls, of which it would
 * make some that, become spaces. */
static inline struct scan_block scan_block_lower(struct scan_block block)
{
	const __v16qu bit = (__v16qu)_mm_set1_epi8(0x20);
	block.bytes = _mm_max_epu8(block.bytes, (__m128i)bit);
	return (struct scan_block){ (__m128i)((__v16qu)block.bytes | bit) };
}

/* The first byte from `at` on that `hits` marks in a block, or `end`. From `begin` (<= at) on there is
 * text, which the last block may reach into. */
static inline __attribute__((always_inline)) const char *scan_blocks(
	const char *begin, const char *at, const char *end,
	unsigned (*hits)(__m128i bytes, __m128i stop), __m128i stop)
{
	for (; end - at >= 16; at += 16) {
		unsigned found = hits(_mm_loadu_si128((const __m128i *)(const void *)at), stop);
		if (found)
			return at + __builtin_ctz(found);
	}
	if (end - begin >= 16) {
		unsigned found =
			hits(_mm_loadu_si128((const __m128i *)(const void *)(end - 16)), stop);
		found = (found | 0x10000) >> (16 - (end - at));
		return at + __builtin_ctz(found);
	}
	while (at < end && !(hits(_mm_set1_epi8(*at), stop) & 1))
		at++;
	return at;
}

static inline unsigned scan_value_hits(__m128i bytes, __m128i stop)
{
	__m128i hits = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(' ')), bytes);
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(';')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, stop));
	return (unsigned)_mm_movemask_epi8(hits);
}

/* Where an unquoted parameter value ends: at white space, a control, DEL, a quote, a semicolon or
 * `stop`; `end` when there is none. From `begin` on there is text. */
static inline const char *scan_value_stop(const char *begin, const char *at, const char *end,
					  char stop)
{
	return scan_blocks(begin, at, end, scan_value_hits, _mm_set1_epi8(stop));
}

static inline unsigned scan_bracket_hits(__m128i bytes, __m128i quote)
{
	__m128i hits = _mm_cmpeq_epi8(bytes, quote);
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('<')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('>')));
	return (unsigned)_mm_movemask_epi8(hits);
}

/* The first angle bracket or quote; `end` when there is none. From `begin` on there is text. */
static inline const char *scan_bracket(const char *begin, const char *at, const char *end)
{
	return scan_blocks(begin, at, end, scan_bracket_hits, _mm_set1_epi8('"'));
}

/* Characters that no host name has: all but letters, digits, "-", "." and "_". */
static inline unsigned scan_host_hits(__m128i bytes, __m128i slash)
{
	__m128i letters =
		_mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
	__m128i others = _mm_sub_epi8(bytes, _mm_set1_epi8('-')); /* - . / 0-9 */
	__m128i good = _mm_cmpeq_epi8(_mm_min_epu8(letters, _mm_set1_epi8('z' - 'a')), letters);
	good = _mm_or_si128(good,
			    _mm_cmpeq_epi8(_mm_min_epu8(others, _mm_set1_epi8('9' - '-')), others));
	good = _mm_or_si128(good, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')));
	good = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, slash), good);
	return (unsigned)_mm_movemask_epi8(good) ^ 0xffff;
}

/* Where a host name ends. From `begin` on there is text. */
static inline const char *scan_host(const char *begin, const char *at, const char *end)
{
	return scan_blocks(begin, at, end, scan_host_hits, _mm_set1_epi8('/'));
}

static inline unsigned scan_quote_hits(__m128i bytes, __m128i quote)
{
	__m128i hits = _mm_cmpeq_epi8(bytes, quote);
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
	return (unsigned)_mm_movemask_epi8(hits);
}

/* The first quote or backslash; `end` when there is none. From `begin` on there is text. */
static inline const char *scan_quote(const char *begin, const char *at, const char *end)
{
	return scan_blocks(begin, at, end, scan_quote_hits, _mm_set1_epi8('"'));
}

/* White space, controls, DEL, angle brackets and quotes. */
static inline unsigned scan_forbidden_hits(__m128i bytes)
{
	/* "<" and ">" differ in one bit. */
	__m128i angles = _mm_or_si128(bytes, _mm_set1_epi8('<' ^ '>'));
	__m128i hits = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(' ')), bytes);
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(angles, _mm_set1_epi8('>')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	return (unsigned)_mm_movemask_epi8(hits);
}

/* The first "@" of a URI, `end` when it has none; NULL when there is a byte that no URI contains. */
static inline const char *scan_uri(const char *at, const char *end)
{
	const __m128i sign = _mm_set1_epi8('@');
	const char *found = NULL;
	ptrdiff_t len = end - at;
	for (; at < end; at += 16) {
		__m128i bytes;
		if (end - at >= 16) {
			bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		} else if (len >= 16) { /* once more, in part */
			at = end - 16;
			bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		} else {
			char copy[16] = "0123456789abcdef";
			memcpy(copy, at, (size_t)len);
			bytes = _mm_loadu_si128((const __m128i *)(const void *)copy);
		}
		if (scan_forbidden_hits(bytes))
			return NULL;
		unsigned signs = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, sign));
		if (signs && !found)
			found = at + __builtin_ctz(signs);
	}
	return found ? found : end;
}

/* The first of four bytes; `end` when there is none. */
static inline const char *scan_for(const char *at, const char *end, const char stops[4])
{
	const __m128i a = _mm_set1_epi8(stops[0]), b = _mm_set1_epi8(stops[1]);
	const __m128i c = _mm_set1_epi8(stops[2]), d = _mm_set1_epi8(stops[3]);
	for (; end - at >= 16; at += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i hits = _mm_or_si128(
			_mm_or_si128(_mm_cmpeq_epi8(bytes, a), _mm_cmpeq_epi8(bytes, b)),
			_mm_or_si128(_mm_cmpeq_epi8(bytes, c), _mm_cmpeq_epi8(bytes, d)));
		unsigned found = (unsigned)_mm_movemask_epi8(hits);
		if (found)
			return at + __builtin_ctz(found);
	}
	while (at < end && *at != stops[0] && *at != stops[1] && *at != stops[2] && *at != stops[3])
		at++;
	return at;
}

#else

#define scan_line_stop scan_line_stop_bytes
#define scan_space     scan_space_bytes

struct scan_block {
	char bytes[16];
};

static inline struct scan_block scan_block_read(const char *at)
{
	struct scan_block block;
	memcpy(block.bytes, at, sizeof(block.bytes));
	return block;
}

static inline unsigned scan_block_places(struct scan_block block, char byte)
{
	unsigned places = 0;
	for (unsigned i = 0; i < sizeof(block.bytes); i++)
		places |= (unsigned)(block.bytes[i] == byte) << i;
	return places;
}

static inline unsigned scan_block_same(struct scan_block a, struct scan_block b)
{
	unsigned places = 0;
	for (unsigned i = 0; i < sizeof(a.bytes); i++)
		places |= (unsigned)(a.bytes[i] == b.bytes[i]) << i;
	return places;
}

static inline struct scan_block scan_block_lower(struct scan_block block)
{
	for (unsigned i = 0; i < sizeof(block.bytes); i++)
		block.bytes[i] = (unsigned char)block.bytes[i] < ' ' ? ' ' : block.bytes[i] | ' ';
	return block;
}

#define SCAN_WIDE
#define scan_line_stop_wide scan_line_stop
static inline bool scan_is_wide(size_t len)
{
	return false;
}

static inline const char *scan_uri(const char *at, const char *end)
{
	const char *found = NULL;
	for (; at < end; at++) {
		if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '<' || *at == '>' ||
		    *at == '"')
			return NULL;
		if (*at == '@' && !found)
			found = at;
	}
	return found ? found : end;
}

static inline const char *scan_value_stop(const char *begin, const char *at, const char *end,
					  char stop)
{
	while (at < end && (unsigned char)*at > ' ' && *at != 0x7f && *at != '"' && *at != ';' &&
	       *at != stop)
		at++;
	return at;
}

static inline const char *scan_host(const char *begin, const char *at, const char *end)
{
	while (at < end &&
	       (ascii_is_alpha(*at) || (*at >= '-' && *at <= '9' && *at != '/') || *at == '_'))
		at++;
	return at;
}

static inline const char *scan_quote(const char *begin, const char *at, const char *end)
{
	while (at < end && *at != '"' && *at != '\\')
		at++;
	return at;
}

static inline const char *scan_bracket(const char *begin, const char *at, const char *end)
{
	while (at < end && *at != '<' && *at != '>' && *at != '"')
		at++;
	return at;
}

static inline const char *scan_for(const char *at, const char *end, const char stops[4])
{
	while (at < end && *at != stops[0] && *at != stops[1] && *at != stops[2] && *at != stops[3])
		at++;
	return at;
}

#endif
