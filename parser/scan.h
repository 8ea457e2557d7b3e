/* SPDX-License-Identifier: BSD-2-Clause */
/* scan: the two inner loops of the header index, for the vector unit of the machine or byte by
 * byte. This is the only file of the parser that depends on the platform. */
#pragma once

#include "core/base/span.h"

/* A header name that may be compared as one block. */
struct scanned_name {
	unsigned len;        /* bytes before the colon, 0 when there is no colon within 16 bytes */
	_Alignas(16) char lower[16]; /* the bytes with bit 5 set; letters are lower case */
};

#ifdef __SSE2__
#include <emmintrin.h>

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

/* Reads the name at `at`, of which at least 16 bytes must exist. Names with control characters
 * (which bit 5 could turn into letters of another name) count as not found. */
static inline void scan_name(const char *at, struct scanned_name *out_name)
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	unsigned colons = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')));
	__m128i limit = _mm_set1_epi8(0x20);
	unsigned controls =
		(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, limit), bytes));
	out_name->len = 0;
	if (!colons)
		return;
	unsigned len = (unsigned)__builtin_ctz(colons);
	if (controls & ((1u << len) - 1))
		return;
	_mm_store_si128((__m128i *)(void *)out_name->lower, _mm_or_si128(bytes, limit));
	out_name->len = len;
}

/* True when the first name.len bytes are those of `known`, a lower-case name padded to 16 bytes. */
static inline bool scan_name_is(const struct scanned_name *name, const char known[16])
{
	__m128i a = _mm_load_si128((const __m128i *)(const void *)name->lower);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)known);
	unsigned equal = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b));
	unsigned wanted = (1u << name->len) - 1;
	return (equal & wanted) == wanted;
}

#else

static inline const char *scan_line_stop(const char *at, const char *end)
{
	while (at < end && ((unsigned char)*at > '\r' || *at == '\t'))
		at++;
	return at;
}

static inline void scan_name(const char *at, struct scanned_name *out_name)
{
	out_name->len = 0;
	for (unsigned i = 0; i < 16; i++) {
		if (at[i] == ':') {
			out_name->len = i;
			return;
		}
		if ((unsigned char)at[i] <= ' ')
			return;
		out_name->lower[i] = (char)(at[i] | 0x20);
	}
}

static inline bool scan_name_is(const struct scanned_name *name, const char known[16])
{
	return memcmp(name->lower, known, name->len) == 0;
}

#endif
