/* SPDX-License-Identifier: BSD-2-Clause */
/* hex: hexadecimal digits eight or sixteen at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#ifdef __x86_64__
/* The sixteen lower-case digits of a number, the highest first. */
static inline __m128i hex_vector(uint64_t number)
{
	const __m128i bytes = _mm_cvtsi64_si128((long long)__builtin_bswap64(number));
	const __m128i nibbles = _mm_and_si128(_mm_unpacklo_epi8(_mm_srli_epi16(bytes, 4), bytes),
					      _mm_set1_epi8(0x0f));
	const __m128i letters = _mm_and_si128(_mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9)),
					      _mm_set1_epi8('a' - '0' - 10));
	return _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), letters);
}
#endif

/* The eight lower-case digits of a number, the highest first, as the bytes of the result in memory. */
static inline uint64_t hex_digits(uint32_t number)
{
#ifdef __x86_64__
	return (uint64_t)_mm_cvtsi128_si64(hex_vector((uint64_t)number << 32));
#else
	/* One nibble into each byte, the highest into the lowest. */
	uint64_t spread = __builtin_bswap32(number);
	spread = (spread | spread << 16) & 0x0000ffff0000ffff;
	spread = (spread | spread << 8) & 0x00ff00ff00ff00ff;
	spread = ((spread & 0x00f000f000f000f0) >> 4) | ((spread & 0x000f000f000f000f) << 8);
	/* '0' to each, and what lies between '9' and 'a' to those above 9. */
	uint64_t is_letter = ((spread + 0x0606060606060606) >> 4) & 0x0101010101010101;
	return spread + 0x3030303030303030 + is_letter * ('a' - '0' - 10);
#endif
}

/* Writes all sixteen digits of a number. */
static inline void hex_put_sixteen(char *at, uint64_t number)
{
#ifdef __x86_64__
	_mm_storeu_si128((__m128i *)(void *)at, hex_vector(number));
#else
	const uint64_t halves[] = { hex_digits((uint32_t)(number >> 32)),
				    hex_digits((uint32_t)number) };
	memcpy(at, halves, sizeof(halves));
#endif
}

/* Writes the digits of a number, at least `least` of them, and returns where they end; there must be room
 * for eight bytes. */
static inline char *hex_put(char *at, uint32_t number, unsigned least)
{
	unsigned count = (35 - (unsigned)__builtin_clz(number | 1)) / 4;
	if (count < least)
		count = least;
	uint64_t digits = hex_digits(number) >> (8 * (8 - count));
	memcpy(at, &digits, sizeof(digits));
	return at + count;
}

/* The number of eight bytes in memory that are known to be digits. */
static inline uint32_t hex_number(uint64_t digits)
{
	/* Letters have bit 6. Then two bytes become one, three times. */
	uint64_t packed = (digits & 0x0f0f0f0f0f0f0f0f) + 9 * (digits >> 6 & 0x0101010101010101);
	packed = __builtin_bswap64(packed);
	packed = (packed | packed >> 4) & 0x00ff00ff00ff00ff;
	packed = (packed | packed >> 8) & 0x0000ffff0000ffff;
	return (uint32_t)(packed | packed >> 16);
}

static inline uint32_t hex_read_eight(const char *at)
{
	uint64_t digits;
	memcpy(&digits, at, sizeof(digits));
	return hex_number(digits);
}

/* Reads eight lower-case digits; false when they are something else. */
static inline bool hex_take_eight(const char *at, uint32_t *out_number)
{
	uint64_t digits;
	memcpy(&digits, at, sizeof(digits));
	*out_number = hex_read_eight(at);
	return hex_digits(*out_number) == digits;
}

/* The number before a dot, of a text that is known to have such a dot behind one to eight digits; behind the
 * dot. Eight bytes can be read. */
static inline const char *hex_read_to_dot(const char *at, uint32_t *out_number)
{
	const uint64_t ones = 0x0101010101010101, dots = ones * '.';
	uint64_t digits;
	memcpy(&digits, at, sizeof(digits));
	/* The lowest bit that is set belongs to the first byte that is a dot. */
	uint64_t without = digits ^ dots, is_dot = (without - ones) & ~without & ones * 0x80;
	unsigned bits = is_dot ? (unsigned)__builtin_ctzll(is_dot) & ~7u : 64;
	*out_number = hex_number(bits ? digits << (64 - bits) : 0); /* bytes of zero stand for 0 */
	return at + bits / 8 + 1;
}
