/* SPDX-License-Identifier: BSD-2-Clause */
/* Seeded hashing and random numbers. */
#include "core/base/hash.h"

#include <pthread.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static struct {
	uint64_t seed;
	uint64_t key[2];
	uint64_t numbers[32]; /* drawn from the kernel, given out one by one */
	unsigned next;        /* index of the next unused number; ARRAY end: draw again */
	bool is_watching;     /* forget_numbers will run in children */
} state = { .next = 32 };

static void draw(void *bytes, size_t len)
{
	char *at = bytes;
	while (len) {
		ssize_t got = getrandom(at, len, 0);
		if (got <= 0)
			continue; /* only EINTR can happen for such sizes */
		at += got;
		len -= (size_t)got;
	}
}

void hash_init(void)
{
	draw(&state.seed, sizeof(state.seed));
	draw(state.key, sizeof(state.key));
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
	return XXH3_64bits_withSeed(bytes, len, state.seed);
}

uint64_t hash_stable(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}

static void copy_lower(char *to, struct span s)
{
	size_t i = 0;
	for (; i + 8 <= s.len; i += 8) {
		uint64_t bytes;
		memcpy(&bytes, s.at + i, 8);
		bytes = ascii_lower_eight(bytes);
		memcpy(to + i, &bytes, 8);
	}
	for (; i < s.len; i++)
		to[i] = ascii_lower(s.at[i]);
}

uint64_t hash_span_nocase(struct span s)
{
	char lower[256];
	uint64_t hash = s.len;
	for (size_t from = 0; from < s.len || from == 0; from += sizeof(lower)) {
		struct span part = span_slice(s, from, sizeof(lower));
		copy_lower(lower, part);
		hash = from == 0 ? hash_bytes(lower, part.len)
				 : hash_mix(hash, hash_bytes(lower, part.len));
		if (part.len < sizeof(lower))
			break;
	}
	return hash;
}

uint64_t hash_mix(uint64_t hash, uint64_t next)
{
	uint64_t parts[2] = { hash, next };
	return XXH3_64bits_withSeed(parts, sizeof(parts), state.seed);
}

uint64_t hash_keyed(const void *bytes, size_t len)
{
	uint64_t parts[3] = { state.key[0], XXH3_64bits_withSeed(bytes, len, state.key[1]), len };
	return XXH3_64bits_withSeed(parts, sizeof(parts), state.key[0]);
}

/* A child must not give out what its parent gives out. */
static void forget_numbers(void)
{
	state.next = 32;
}

uint64_t random_uint64(void)
{
	if (!state.is_watching)
		state.is_watching = pthread_atfork(NULL, NULL, forget_numbers) == 0;
	if (state.next >= 32 || !state.is_watching) {
		draw(state.numbers, sizeof(state.numbers));
		state.next = 0;
	}
	return state.numbers[state.next++];
}

uint32_t random_below(uint32_t bound)
{
	return (uint32_t)(((random_uint64() & UINT32_MAX) * bound) >> 32);
}

/* ---- of other servers, too ---- */

static uint32_t fold(uint32_t word)
{
	return word ^ word >> 3;
}

/* The sum over groups of four bytes, which count as signed, and over what is left. */
static uint32_t sum_text(struct span text)
{
	uint32_t sum = 0, word = 0;
	for (size_t i = 0; i < text.len; i++) {
		word = (word << 8) + (uint32_t)(int32_t)(signed char)text.at[i];
		if (i % 4 == 3) {
			sum += fold(word);
			word = 0;
		}
	}
	return sum + fold(word);
}

uint32_t hash_portable(struct span first, struct span second)
{
	uint32_t sum = sum_text(first) + (second.at ? sum_text(second) : 0);
	return sum + (sum >> 11) + (sum >> 13) + (sum >> 23);
}
