/* SPDX-License-Identifier: BSD-2-Clause */
/* scan: the inner loops of the parsers, for the vector unit of the machine or byte by byte. This is
 * the only file of the parser that depends on the platform. */
#pragma once

#include "core/base/span.h"

#define SCAN_NAME_MOST 32

/* Length of the header name from `at`, before the colon; 0 when white space, a control or `stop` comes
 * before it. */
static inline unsigned scan_name_bytes(const char *at, const char *stop)
{
	const char *begin = at;
	while (at < stop && (unsigned char)*at > ' ' && *at != ':')
		at++;
	return at < stop && *at == ':' ? (unsigned)(at - begin) : 0;
}

/* What ends lines, block by block: where the text of a line stops. */
struct scan_block {
	uint64_t
		stops; /* CR, LF, NUL and other controls up to CR but not HT; no LF that follows CR */
	uint64_t returns; /* the CRs */
};
#define SCAN_BLOCK 64

/* An LF after a CR is no stop of its own; `returns_before` are the CRs of the block before. */
static inline struct scan_block scan_block_finish(uint64_t low, uint64_t returns, uint64_t feeds,
						  uint64_t returns_before)
{
	uint64_t after_return = returns << 1 | returns_before >> 63;
	return (struct scan_block){ low & ~(feeds & after_return), returns };
}

#ifdef __SSE2__
#include <immintrin.h>

/* The first byte that ends a run of text: LF, CR, NUL or another control up to CR, but not HT;
 * `end` when there is none. */
static inline const char *scan_line_stop(const char *at, const char *end)
{
	const __m128i cr = _mm_set1_epi8('\r');
	const __m128i tab = _mm_set1_epi8('\t');
	while (end - at >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, cr), bytes);
		unsigned hits = (unsigned)_mm_movemask_epi8(
			_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low));
		if (hits)
			return at + __builtin_ctz(hits);
		at += 16;
	}
	while (at < end && ((unsigned char)*at > '\r' || *at == '\t'))
		at++;
	return at;
}

/* The bytes of a block that end a parameter's value, as bits: white space, controls, DEL, a quote, a
 * semicolon and two more. */
static inline unsigned scan_value_hits(__m128i bytes, char separator, char terminator)
{
	__m128i limit = _mm_set1_epi8(' ');
	__m128i hits = _mm_cmpeq_epi8(_mm_min_epu8(bytes, limit), bytes);
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(';')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(separator)));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(terminator)));
	return (unsigned)_mm_movemask_epi8(hits);
}

/* Where an unquoted parameter value ends: at white space, a control, DEL, a quote, a semicolon,
 * `separator` or `terminator`; `end` when there is none. */
static inline const char *scan_value_stop(const char *at, const char *end, char separator,
					  char terminator)
{
	const char *begin = at;
	for (; end - at >= 16; at += 16) {
		unsigned hits = scan_value_hits(_mm_loadu_si128((const __m128i *)(const void *)at),
						separator, terminator);
		if (hits)
			return at + __builtin_ctz(hits);
	}
	if (end - begin >= 16 && at < end) {
		/* The last 16 bytes, of which the first have been looked at. */
		unsigned hits =
			scan_value_hits(_mm_loadu_si128((const __m128i *)(const void *)(end - 16)),
					separator, terminator);
		hits &= ~0u << (16 - (end - at));
		return hits ? end - 16 + __builtin_ctz(hits) : end;
	}
	while (at < end && (unsigned char)*at > ' ' && *at != 0x7f && *at != '"' && *at != ';' &&
	       *at != separator && *at != terminator)
		at++;
	return at;
}

static inline unsigned scan_forbidden_hits(__m128i bytes)
{
	__m128i hits = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(' ')), bytes);
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('<')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('>')));
	hits = _mm_or_si128(hits, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
	return (unsigned)_mm_movemask_epi8(hits);
}

/* Is there white space, a control, DEL, an angle bracket or a quote? */
static inline bool scan_forbidden(const char *at, const char *end)
{
	const char *begin = at;
	for (; end - at >= 16; at += 16)
		if (scan_forbidden_hits(_mm_loadu_si128((const __m128i *)(const void *)at)))
			return true;
	if (end - begin >= 16)
		return scan_forbidden_hits(
			       _mm_loadu_si128((const __m128i *)(const void *)(end - 16))) != 0;
	for (; at < end; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '<' || *at == '>' ||
		    *at == '"')
			return true;
	return false;
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

static inline struct scan_block scan_block(const char *at, uint64_t returns_before)
{
	const __m128i cr = _mm_set1_epi8('\r'), tab = _mm_set1_epi8('\t'), lf = _mm_set1_epi8('\n');
	uint64_t low = 0, returns = 0, feeds = 0;
#pragma GCC unroll 4
	for (unsigned i = 0; i < SCAN_BLOCK; i += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + i));
		__m128i is_low = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab),
						  _mm_cmpeq_epi8(_mm_min_epu8(bytes, cr), bytes));
		low |= (uint64_t)(unsigned)_mm_movemask_epi8(is_low) << i;
		returns |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, cr)) << i;
		feeds |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, lf)) << i;
	}
	return scan_block_finish(low, returns, feeds, returns_before);
}

/* The same with 32 bytes at a time, for functions marked SCAN_WIDE; call them when scan_is_wide(). */
#define SCAN_WIDE __attribute__((target("avx2")))
static inline bool scan_is_wide(void)
{
	return __builtin_cpu_supports("avx2");
}

SCAN_WIDE static inline struct scan_block scan_block_wide(const char *at, uint64_t returns_before)
{
	const __m256i cr = _mm256_set1_epi8('\r'), tab = _mm256_set1_epi8('\t');
	const __m256i lf = _mm256_set1_epi8('\n');
	uint64_t low = 0, returns = 0, feeds = 0;
#pragma GCC unroll 4
	for (unsigned i = 0; i < SCAN_BLOCK; i += 32) {
		__m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(at + i));
		__m256i is_low =
			_mm256_andnot_si256(_mm256_cmpeq_epi8(bytes, tab),
					    _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, cr), bytes));
		low |= (uint64_t)(unsigned)_mm256_movemask_epi8(is_low) << i;
		returns |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, cr))
			   << i;
		feeds |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, lf))
			 << i;
	}
	return scan_block_finish(low, returns, feeds, returns_before);
}

/* Length of the header name at `at`, before the colon; 0 when there is none within SCAN_NAME_MOST
 * bytes (that many must exist), or white space or a control comes before it. */
static inline unsigned scan_name(const char *at)
{
	const __m128i colon = _mm_set1_epi8(':'), limit = _mm_set1_epi8(' ');
	for (unsigned from = 0; from < SCAN_NAME_MOST; from += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + from));
		unsigned colons = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, colon));
		unsigned low = (unsigned)_mm_movemask_epi8(
			_mm_cmpeq_epi8(_mm_min_epu8(bytes, limit), bytes));
		/* The lowest bit of both decides. */
		unsigned first = (colons | low) & (0u - (colons | low));
		if (first)
			return first & colons ? from + (unsigned)__builtin_ctz(first) : 0;
	}
	return 0;
}

/* The first `len` (up to 16) of 16 readable bytes are those of `lower`, a lower-case name, when case is
 * ignored. Letters only differ in bit 5; other characters of names have no counterpart in it. */
static inline bool scan_name_is(const char *name, const char lower[16], unsigned len)
{
	__m128i a = _mm_or_si128(_mm_loadu_si128((const __m128i *)(const void *)name),
				 _mm_set1_epi8(0x20));
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)lower);
	unsigned equal = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b));
	unsigned wanted = (1u << len) - 1;
	return (equal & wanted) == wanted;
}

#else

static inline struct scan_block scan_block(const char *at, uint64_t returns_before)
{
	uint64_t low = 0, returns = 0, feeds = 0;
	for (unsigned i = 0; i < SCAN_BLOCK; i++) {
		low |= (uint64_t)((unsigned char)at[i] <= '\r' && at[i] != '\t') << i;
		returns |= (uint64_t)(at[i] == '\r') << i;
		feeds |= (uint64_t)(at[i] == '\n') << i;
	}
	return scan_block_finish(low, returns, feeds, returns_before);
}

#define SCAN_WIDE
#define scan_block_wide scan_block
static inline bool scan_is_wide(void)
{
	return false;
}

static inline bool scan_forbidden(const char *at, const char *end)
{
	for (; at < end; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == '<' || *at == '>' ||
		    *at == '"')
			return true;
	return false;
}

static inline const char *scan_value_stop(const char *at, const char *end, char separator,
					  char terminator)
{
	while (at < end && (unsigned char)*at > ' ' && *at != 0x7f && *at != '"' && *at != ';' &&
	       *at != separator && *at != terminator)
		at++;
	return at;
}

static inline const char *scan_for(const char *at, const char *end, const char stops[4])
{
	while (at < end && *at != stops[0] && *at != stops[1] && *at != stops[2] && *at != stops[3])
		at++;
	return at;
}

static inline const char *scan_line_stop(const char *at, const char *end)
{
	while (at < end && ((unsigned char)*at > '\r' || *at == '\t'))
		at++;
	return at;
}

static inline unsigned scan_name(const char *at)
{
	for (unsigned i = 0; i < SCAN_NAME_MOST; i++)
		if (at[i] == ':' || (unsigned char)at[i] <= ' ')
			return at[i] == ':' ? i : 0;
	return 0;
}

static inline bool scan_name_is(const char *name, const char lower[16], unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		if ((name[i] | 0x20) != lower[i])
			return false;
	return true;
}

#endif
