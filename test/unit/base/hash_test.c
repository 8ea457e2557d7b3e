/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyed hash: equal for equal texts, and nothing that looks like a pattern for all others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"

#define LENGTHS 200
#define KEYS    200000

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static unsigned equal_ones(uint64_t *hashes, size_t count)
{
	unsigned equal = 0;
	qsort(hashes, count, sizeof(*hashes), compare);
	for (size_t i = 1; i < count; i++)
		equal += hashes[i] == hashes[i - 1];
	return equal;
}

static void every_bit_and_the_length_count(void **state)
{
	char text[LENGTHS];
	memset(text, 'x', sizeof(text));
	for (size_t len = 0; len < LENGTHS; len++) {
		uint64_t hash = hash_bytes(text, len);
		assert_int_equal(hash, hash_bytes(text, len));
		assert_true(len == 0 || hash != hash_bytes(text, len - 1));
		for (size_t bit = 0; bit < len * 8; bit++) {
			text[bit / 8] ^= (char)(1 << bit % 8);
			uint64_t other = hash_bytes(text, len);
			text[bit / 8] ^= (char)(1 << bit % 8);
			/* Far apart, too: half of the bits differ, never fewer than ten. */
			assert_true(__builtin_popcountll(hash ^ other) >= 10);
		}
	}
}

static void bytes_outside_do_not_count(void **state)
{
	char one[LENGTHS + 2], two[LENGTHS + 2];
	for (size_t len = 0; len < LENGTHS; len++) {
		memset(one, 'a', sizeof(one));
		memset(two, 'b', sizeof(two));
		memset(one + 1, 'x', len);
		memset(two + 1, 'x', len);
		assert_int_equal(hash_bytes(one + 1, len), hash_bytes(two + 1, len));
	}
}

static uint64_t hash_both(const char *first, const char *second)
{
	return hash_more(hash_more(0, span_from(first)), span_from(second));
}

static void order_and_borders_of_texts_count(void **state)
{
	assert_int_equal(hash_more(0, SPAN_OF("abc")), hash_span(SPAN_OF("abc")));
	assert_int_equal(hash_both("ab", "c"), hash_both("ab", "c"));
	assert_int_not_equal(hash_both("ab", "c"), hash_both("a", "bc"));
	assert_int_not_equal(hash_both("ab", "c"), hash_both("c", "ab"));
	assert_int_not_equal(hash_both("abc", ""), hash_both("", "abc"));
	assert_int_not_equal(hash_both("abc", ""), hash_span(SPAN_OF("abc")));
	assert_int_not_equal(hash_more(1, SPAN_OF("abc")), hash_more(2, SPAN_OF("abc")));
}

static void zeros_are_told_apart(void **state)
{
	static const char zeros[LENGTHS];
	uint64_t hashes[LENGTHS];
	for (size_t len = 0; len < LENGTHS; len++)
		hashes[len] = hash_bytes(zeros, len);
	assert_int_equal(equal_ones(hashes, LENGTHS), 0);
}

static void similar_keys_spread_evenly(void **state)
{
	static const char *const formats[] = { "%u", "sip:user%u@example.com", "z9hG4bK-%08x",
					       "%06u-a-rather-long-call-id-with-a-host@192.0.2.1" };
	uint64_t *hashes = malloc(KEYS * sizeof(*hashes));
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		unsigned low[256] = { 0 }, high[256] = { 0 };
		for (unsigned i = 0; i < KEYS; i++) {
			char text[100];
			int len = snprintf(text, sizeof(text), formats[f], i);
			hashes[i] = hash_bytes(text, (size_t)len);
			low[hashes[i] & 255]++;
			high[hashes[i] >> 56]++;
		}
		/* 781 are expected; ten times the standard deviation is 279. */
		for (unsigned i = 0; i < 256; i++) {
			assert_in_range(low[i], KEYS / 256 - 279, KEYS / 256 + 279);
			assert_in_range(high[i], KEYS / 256 - 279, KEYS / 256 + 279);
		}
		assert_int_equal(equal_ones(hashes, KEYS), 0);
	}
	free(hashes);
}

static void capitals_count_only_where_they_should(void **state)
{
	char lower[LENGTHS], mixed[LENGTHS];
	for (size_t i = 0; i < LENGTHS; i++) {
		lower[i] = (char)(' ' + i % 95);
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] = (char)(lower[i] + 'a' - 'A');
		mixed[i] = lower[i] >= 'a' && lower[i] <= 'z' && i % 3
				   ? (char)(lower[i] - 'a' + 'A')
				   : lower[i];
	}
	for (size_t len = 0; len < LENGTHS; len++) {
		uint64_t hash = hash_span_nocase(span_make(lower, len));
		assert_int_equal(hash, hash_span_nocase(span_make(mixed, len)));
		assert_int_equal(hash, hash_bytes(lower, len));
		assert_true(memcmp(lower, mixed, len) == 0 || hash != hash_bytes(mixed, len));
	}
	/* Bytes beyond ASCII stay what they are. */
	assert_true(hash_span_nocase(SPAN_OF("\xc4")) != hash_span_nocase(SPAN_OF("\xe4")));
	assert_true(hash_span_nocase(SPAN_OF("@")) != hash_span_nocase(SPAN_OF("`")));
	assert_true(hash_span_nocase(SPAN_OF("[")) != hash_span_nocase(SPAN_OF("{")));
}

static void a_digest_has_keys_of_its_own(void **state)
{
	char text[LENGTHS];
	memset(text, 'x', sizeof(text));
	for (size_t len = 0; len < LENGTHS; len++) {
		uint64_t digest = hash_keyed(text, len);
		assert_int_equal(digest, hash_keyed(text, len));
		assert_true(digest != hash_bytes(text, len));
		assert_true(len == 0 || digest != hash_keyed(text, len - 1));
		for (size_t bit = 0; bit < len * 8; bit++) {
			text[bit / 8] ^= (char)(1 << bit % 8);
			uint64_t other = hash_keyed(text, len);
			text[bit / 8] ^= (char)(1 << bit % 8);
			assert_true(__builtin_popcountll(digest ^ other) >= 10);
		}
	}
	uint64_t before = hash_keyed("alice", 5);
	hash_init();
	assert_true(before != hash_keyed("alice", 5));
}

static void a_start_has_its_own_secrets(void **state)
{
	uint64_t hash = hash_bytes("alice", 5);
	hash_init();
	assert_true(hash != hash_bytes("alice", 5));
	assert_int_equal(hash_stable("alice", 5), hash_stable("alice", 5));
}

static int draw_secrets(void **state)
{
	hash_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_and_the_length_count),
		cmocka_unit_test(bytes_outside_do_not_count),
		cmocka_unit_test(order_and_borders_of_texts_count),
		cmocka_unit_test(zeros_are_told_apart),
		cmocka_unit_test(similar_keys_spread_evenly),
		cmocka_unit_test(capitals_count_only_where_they_should),
		cmocka_unit_test(a_digest_has_keys_of_its_own),
		cmocka_unit_test(a_start_has_its_own_secrets),
		/* With secrets of this start. */
		cmocka_unit_test_setup(every_bit_and_the_length_count, draw_secrets),
		cmocka_unit_test_setup(zeros_are_told_apart, draw_secrets),
		cmocka_unit_test_setup(similar_keys_spread_evenly, draw_secrets),
		cmocka_unit_test_setup(capitals_count_only_where_they_should, draw_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
