/* SPDX-License-Identifier: BSD-2-Clause */
/* MD5 (RFC 1321). Loops of four steps instead of 64 steps in a row: a login hashes four blocks with
 * code that is not in the cache, so its size counts more than its speed. */
#include "core/base/md5.h"

#include <endian.h>
#include <string.h>

#define BLOCK_BYTES 64
#define WORDS       16

/* The integer part of 2^32 * abs(sin(i + 1)), RFC 1321 3.4. */
static const uint32_t sines[4 * WORDS] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

struct state {
	uint32_t a, b, c, d;
};

/* F, G, H, I */
static inline uint32_t mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
	switch (round) {
	case 0: return z ^ (x & (y ^ z));
	case 1: return y ^ (z & (x ^ y));
	case 2: return x ^ y ^ z;
	default: return y ^ (x | ~z);
	}
}

static inline uint32_t rotate(uint32_t word, unsigned bits)
{
	return word << bits | word >> (32 - bits);
}

/* Which words a round takes, and how far each of four steps rotates. */
struct round {
	unsigned number, first, stride;
	uint8_t bits[4];
};

[[gnu::always_inline]] static inline struct state run_round(const struct round round,
							    struct state s,
							    const uint32_t words[WORDS])
{
	const uint32_t *sine = sines + WORDS * round.number;
	unsigned n = round.number, at = round.first, stride = round.stride;
	for (unsigned i = 0; i < WORDS; i += 4, at += 4 * stride) {
		s.a += mix(n, s.b, s.c, s.d) + words[at % WORDS] + sine[i];
		s.a = s.b + rotate(s.a, round.bits[0]);
		s.d += mix(n, s.a, s.b, s.c) + words[(at + stride) % WORDS] + sine[i + 1];
		s.d = s.a + rotate(s.d, round.bits[1]);
		s.c += mix(n, s.d, s.a, s.b) + words[(at + 2 * stride) % WORDS] + sine[i + 2];
		s.c = s.d + rotate(s.c, round.bits[2]);
		s.b += mix(n, s.c, s.d, s.a) + words[(at + 3 * stride) % WORDS] + sine[i + 3];
		s.b = s.c + rotate(s.b, round.bits[3]);
	}
	return s;
}

static void take_block(struct state *s, const uint8_t block[BLOCK_BYTES])
{
	uint32_t words[WORDS];
	memcpy(words, block, BLOCK_BYTES);
	for (unsigned i = 0; i < WORDS; i++)
		words[i] = le32toh(words[i]);
	struct state t = *s;
	t = run_round((struct round){ 0, 0, 1, { 7, 12, 17, 22 } }, t, words);
	t = run_round((struct round){ 1, 1, 5, { 5, 9, 14, 20 } }, t, words);
	t = run_round((struct round){ 2, 5, 3, { 4, 11, 16, 23 } }, t, words);
	t = run_round((struct round){ 3, 0, 7, { 6, 10, 15, 21 } }, t, words);
	*s = (struct state){ s->a + t.a, s->b + t.b, s->c + t.c, s->d + t.d };
}

/* One bit, zeros, and the length in bits. `used` bytes of the block are text. */
static void pad(struct state *s, uint8_t block[BLOCK_BYTES], size_t used, uint64_t total)
{
	const size_t room = BLOCK_BYTES - sizeof(uint64_t);
	uint64_t bits = htole64(8 * total);
	block[used++] = 0x80;
	if (used > room) {
		memset(block + used, 0, BLOCK_BYTES - used);
		take_block(s, block);
		used = 0;
	}
	memset(block + used, 0, room - used);
	memcpy(block + room, &bits, sizeof(bits));
	take_block(s, block);
}

void md5(const struct span *parts, size_t count, uint8_t out[MD5_BYTES])
{
	struct state s = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
	uint8_t block[BLOCK_BYTES];
	size_t used = 0;
	uint64_t total = 0;
	for (size_t i = 0; i < count; i++) {
		struct span rest = parts[i];
		total += rest.len;
		while (rest.len) {
			size_t len = rest.len < BLOCK_BYTES - used ? rest.len : BLOCK_BYTES - used;
			memcpy(block + used, rest.at, len);
			used += len;
			rest = (struct span){ rest.at + len, rest.len - len };
			if (used < BLOCK_BYTES)
				continue;
			take_block(&s, block);
			used = 0;
		}
	}
	pad(&s, block, used, total);
	const uint32_t words[] = { htole32(s.a), htole32(s.b), htole32(s.c), htole32(s.d) };
	memcpy(out, words, sizeof(words));
	/* Parts of it may have been a password. */
	explicit_bzero(block, sizeof(block));
}
