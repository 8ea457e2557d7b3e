/* SPDX-License-Identifier: BSD-2-Clause */
/* hex: hexadecimal digits eight at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The eight lower-case digits of a number, the highest first, as the bytes of the result in memory. */
static inline uint64_t hex_digits(uint32_t number)
{
	/* One nibble into each byte, the highest into the lowest. */
	uint64_t spread = __builtin_bswap32(number);
	spread = (spread | spread << 16) & 0x0000ffff0000ffff;
	spread = (spread | spread << 8) & 0x00ff00ff00ff00ff;
	spread = ((spread & 0x00f000f000f000f0) >> 4) | ((spread & 0x000f000f000f000f) << 8);
	/* '0' to each, and what lies between '9' and 'a' to those above 9. */
	uint64_t is_letter = ((spread + 0x0606060606060606) >> 4) & 0x0101010101010101;
	return spread + 0x3030303030303030 + is_letter * ('a' - '0' - 10);
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

/* The number of eight bytes that are known to be digits. */
static inline uint32_t hex_read_eight(const char *at)
{
	uint64_t digits;
	memcpy(&digits, at, sizeof(digits));
	/* Letters have bit 6. Then two bytes become one, three times. */
	uint64_t packed = (digits & 0x0f0f0f0f0f0f0f0f) + 9 * (digits >> 6 & 0x0101010101010101);
	packed = __builtin_bswap64(packed);
	packed = (packed | packed >> 4) & 0x00ff00ff00ff00ff;
	packed = (packed | packed >> 8) & 0x0000ffff0000ffff;
	return (uint32_t)(packed | packed >> 16);
}

/* Reads eight lower-case digits; false when they are something else. */
static inline bool hex_take_eight(const char *at, uint32_t *out_number)
{
	uint64_t digits;
	memcpy(&digits, at, sizeof(digits));
	*out_number = hex_read_eight(at);
	return hex_digits(*out_number) == digits;
}

/* Reads the lower-case digits before a dot, one to eight; where the dot stands, NULL when it is something
 * else. Nine bytes can be read. */
static inline const char *hex_take_to_dot(const char *at, uint32_t *out_number)
{
	const uint64_t ones = 0x0101010101010101, dots = ones * '.', zeros = ones * '0';
	uint64_t digits, count = 8;
	memcpy(&digits, at, sizeof(digits));
	/* The lowest bit that is set belongs to the first byte that is a dot. */
	uint64_t without = digits ^ dots;
	uint64_t is_dot = (without - ones) & ~without & ones * 0x80;
	if (is_dot) {
		count = (uint64_t)__builtin_ctzll(is_dot) / 8;
		if (count == 0)
			return NULL;
		digits = digits << 8 * (8 - count) | zeros >> 8 * count;
	}
	char padded[8];
	memcpy(padded, &digits, sizeof(padded));
	return at[count] == '.' && hex_take_eight(padded, out_number) ? at + count : NULL;
}
