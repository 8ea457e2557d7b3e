/* SPDX-License-Identifier: BSD-2-Clause */
/* MD5 against the vectors of RFC 1321 and against OpenSSL for every length of some blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/evp.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/digest.h"
#include "core/base/md5.h"

/* RFC 1321, A.5 */
static void digests_are_those_of_rfc_1321(void **unused)
{
	(void)unused;
	static const struct {
		struct span text;
		const char *expected;
	} rows[] = {
		{ SPAN(""), "d41d8cd98f00b204e9800998ecf8427e" },
		{ SPAN("a"), "0cc175b9c0f1b6a831c399e269772661" },
		{ SPAN("message digest"), "f96b697d7cb7938d525a2f31aaf161d0" },
		{ SPAN("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b" },
		{ SPAN("1234567890123456789012345678901234567890"
		       "1234567890123456789012345678901234567890"),
		  "57edf4a22be3c955ac49da2e2107b67a" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t bytes[MD5_BYTES];
		char hex[2 * MD5_BYTES];
		md5(&rows[i].text, 1, bytes);
		digest_write_hex(bytes, sizeof(bytes), hex);
		assert_memory_equal(hex, rows[i].expected, sizeof(hex));
	}
}

static void parts_of_any_length_are_hashed_as_one_text(void **unused)
{
	(void)unused;
	char text[300];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 37 + 11);
	for (size_t len = 0; len <= sizeof(text); len++) {
		const struct span parts[] = { span_make(text, len / 3),
					      span_make(text + len / 3, len - len / 3) };
		uint8_t own[MD5_BYTES], theirs[EVP_MAX_MD_SIZE];
		md5(parts, ARRAY_SIZE(parts), own);
		assert_int_equal(EVP_Digest(text, len, theirs, NULL, EVP_md5(), NULL), 1);
		assert_memory_equal(own, theirs, sizeof(own));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_rfc_1321),
		cmocka_unit_test(parts_of_any_length_are_hashed_as_one_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
