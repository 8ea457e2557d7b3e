/* SPDX-License-Identifier: BSD-2-Clause */
/* siphash: the same as by OpenSSL, for all short lengths and however the text is cut. */
#include "core/base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static void by_openssl(const uint8_t *key, const uint8_t *bytes, size_t len, uint8_t *out)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	size_t size = SIPHASH_BYTES, written = 0;
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t("size", &size),
				      OSSL_PARAM_construct_end() };
	assert_int_equal(EVP_MAC_init(context, key, SIPHASH_KEY_BYTES, params), 1);
	assert_int_equal(EVP_MAC_update(context, bytes, len), 1);
	assert_int_equal(EVP_MAC_final(context, out, &written, SIPHASH_BYTES), 1);
	assert_int_equal(written, SIPHASH_BYTES);
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
}

static void agrees_with_openssl(void **unused)
{
	(void)unused;
	uint8_t key[SIPHASH_KEY_BYTES], bytes[300], expected[SIPHASH_BYTES], found[SIPHASH_BYTES];
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(7 * i + 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i + 3);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		size_t cut = len * 3 / 7;
		const struct span parts[] = { span_make((const char *)bytes, cut),
					      span_make(NULL, 0),
					      span_make((const char *)bytes + cut, len - cut) };
		by_openssl(key, bytes, len, expected);
		siphash(key, parts, 3, found);
		assert_memory_equal(found, expected, SIPHASH_BYTES);
	}
}

static void another_key_gives_another_proof(void **unused)
{
	(void)unused;
	uint8_t key[SIPHASH_KEY_BYTES] = { 1 }, first[SIPHASH_BYTES], second[SIPHASH_BYTES];
	const struct span text = SPAN_OF("facts");
	siphash(key, &text, 1, first);
	key[15] = 1;
	siphash(key, &text, 1, second);
	assert_memory_not_equal(first, second, SIPHASH_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_openssl),
		cmocka_unit_test(another_key_gives_another_proof),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
