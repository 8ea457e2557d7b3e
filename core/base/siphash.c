/* SPDX-License-Identifier: BSD-2-Clause */
/* SipHash-2-4-128: two rounds for each 8 bytes, four at each half of the result. */
#include "core/base/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void rounds(struct state *s, unsigned count)
{
	while (count--) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 = rotate(s->v2, 32);
	}
}

static uint64_t load(const uint8_t *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof(word));
	return le64toh(word);
}

static void store(uint8_t *out, uint64_t word)
{
	word = htole64(word);
	memcpy(out, &word, sizeof(word));
}

static void take_word(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

static uint64_t half(struct state *s)
{
	rounds(s, 4);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void siphash(const uint8_t key[SIPHASH_KEY_BYTES], const struct span *parts, size_t count,
	     uint8_t out[SIPHASH_BYTES])
{
	uint64_t k0 = load(key), k1 = load(key + 8), total = 0;
	struct state s = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee,
			   k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573 };
	uint8_t word[8] = { 0 };
	for (size_t i = 0; i < count; i++)
		for (size_t at = 0; at < parts[i].len; at++) {
			word[total++ % 8] = (uint8_t)parts[i].at[at];
			if (total % 8 == 0)
				take_word(&s, load(word));
		}
	memset(word + total % 8, 0, 8 - total % 8);
	take_word(&s, load(word) | total << 56);
	s.v2 ^= 0xee;
	store(out, half(&s));
	s.v1 ^= 0xdd;
	store(out + 8, half(&s));
}
