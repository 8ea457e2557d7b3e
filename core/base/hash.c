/* SPDX-License-Identifier: BSD-2-Clause */
/* Seeded hashing and random numbers. */
#include "core/base/hash.h"

#include <pthread.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static struct {
	uint64_t secret[3]; /* of hash_bytes; each has many bits set and many clear */
	uint64_t key[5];    /* of hash_keyed, in the same way; nothing else is made of them */
	uint64_t numbers[32]; /* drawn from the kernel, given out one by one */
	unsigned next;        /* index of the next unused number; ARRAY end: draw again */
	bool is_watching;     /* forget_numbers will run in children */
} state = {
	.secret = { 0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu, 0xd6e8feb86659fd93u },
	.key = { 0x243f6a8885a308d3u, 0x13198a2e03707345u, 0xa4093822299f31d1u, 0x082efa98ec4e6c89u,
		 0x452821e638d01377u },
	.next = 32,
};

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
	draw(state.secret, sizeof(state.secret));
	draw(state.key, sizeof(state.key));
}

uint64_t hash_stable(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}

/* ---- hash_bytes: each step folds the 128 bits of a product, one factor text and one what came before
 * (the construction of wyhash). Nobody outside knows the secrets that keep both factors from being 0. ---- */
static inline uint64_t fold_product(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Inlined: which secrets, and whether in lower case, is decided by the compiler. */
[[gnu::always_inline]] static inline uint64_t hash_text(uint64_t hash, const char *at, size_t len,
							const uint64_t secret[3],
							bool in_lower_case)
{
	uint64_t last[2];
	hash ^= secret[0] ^ len;
	if (len <= 16) {
		last[0] = span_short(at, len);
		last[1] = len > 8 ? span_short(at + len - 8, 8) : 0;
	} else {
		const char *end = at + len;
		for (; end - at > 16; at += 16) {
			uint64_t first = span_short(at, 8), second = span_short(at + 8, 8);
			if (in_lower_case) {
				first = ascii_lower_eight(first);
				second = ascii_lower_eight(second);
			}
			hash = fold_product(first ^ secret[1], second ^ hash);
		}
		last[0] = span_short(end - 16, 8);
		last[1] = span_short(end - 8, 8);
	}
	if (in_lower_case) {
		last[0] = ascii_lower_eight(last[0]);
		last[1] = ascii_lower_eight(last[1]);
	}
	return fold_product(secret[2], fold_product(last[0] ^ secret[1], last[1] ^ hash));
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
	return hash_text(0, bytes, len, state.secret, false);
}

uint64_t hash_more(uint64_t hash, struct span s)
{
	return hash_text(hash, s.at, s.len, state.secret, false);
}

uint64_t hash_span_nocase(struct span s)
{
	return hash_text(0, s.at, s.len, state.secret, true);
}

uint64_t hash_mix(uint64_t hash, uint64_t next)
{
	return fold_product(hash ^ state.secret[1], next ^ state.secret[2]);
}

uint64_t hash_keyed(const void *bytes, size_t len)
{
	uint64_t hash = hash_text(0, bytes, len, state.key, false);
	return fold_product(hash ^ state.key[3], state.key[4]);
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
