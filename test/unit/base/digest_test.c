/* SPDX-License-Identifier: BSD-2-Clause */
/* Digests and keyed digests against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/digest.h"

static void hashes_the_parts_as_one_text(void **unused)
{
	(void)unused;
	static const struct {
		enum digest_kind kind;
		const char *expected;
	} rows[] = {
		{ DIGEST_MD5, "900150983cd24fb0d6963f7d28e17f72" },
		{ DIGEST_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ DIGEST_SHA256,
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ DIGEST_SHA512_256,
		  "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23" },
	};
	const struct span parts[] = { SPAN_OF("a"), SPAN_OF(""), { 0 }, SPAN_OF("bc") };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char hex[DIGEST_HEX_MAX];
		size_t len = digest_hex(rows[i].kind, parts, ARRAY_SIZE(parts), hex);
		assert_true(span_equal(span_make(hex, len), span_from(rows[i].expected)));
	}
}

/* RFC 4231, test cases 2 and 6 (a key that is longer than a block). */
static void keyed_digests_are_those_of_rfc_4231(void **unused)
{
	(void)unused;
	static char long_key[131];
	memset(long_key, 0xaa, sizeof(long_key));
	const struct {
		struct span key, text;
		uint8_t first, last;
	} rows[] = {
		{ SPAN_OF("Jefe"), SPAN_OF("what do ya want for nothing?"), 0x5b, 0x43 },
		{ span_make(long_key, sizeof(long_key)),
		  SPAN_OF("Test Using Larger Than Block-Size Key - Hash Key First"), 0x60, 0x54 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t bytes[DIGEST_BYTES_MAX];
		assert_int_equal(digest_keyed(DIGEST_SHA256, rows[i].key, &rows[i].text, 1, bytes),
				 32);
		assert_int_equal(bytes[0], rows[i].first);
		assert_int_equal(bytes[31], rows[i].last);
	}
}

static void one_bit_anywhere_makes_a_difference(void **unused)
{
	(void)unused;
	char one[40], other[40];
	for (size_t i = 0; i < sizeof(one); i++)
		one[i] = (char)(i * 11);
	for (size_t len = 0; len <= sizeof(one); len++) {
		memcpy(other, one, sizeof(one));
		assert_true(digest_equal(span_make(one, len), span_make(other, len)));
		for (size_t bit = 0; bit < 8 * len; bit++) {
			other[bit / 8] ^= (char)(1 << bit % 8);
			assert_false(digest_equal(span_make(one, len), span_make(other, len)));
			other[bit / 8] ^= (char)(1 << bit % 8);
		}
		if (len)
			assert_false(digest_equal(span_make(one, len), span_make(other, len - 1)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_the_parts_as_one_text),
		cmocka_unit_test(keyed_digests_are_those_of_rfc_4231),
		cmocka_unit_test(one_bit_anywhere_makes_a_difference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
