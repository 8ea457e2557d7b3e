/* SPDX-License-Identifier: BSD-2-Clause */
/* base64 against the vectors of RFC 4648 10. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/base64.h"
#include "core/base/check.h"

static void writes_the_vectors_of_rfc_4648(void **unused)
{
	(void)unused;
	static const struct {
		struct span bytes;
		const char *padded, *bare;
	} rows[] = {
		{ SPAN(""), "", "" },
		{ SPAN("f"), "Zg==", "Zg" },
		{ SPAN("fo"), "Zm8=", "Zm8" },
		{ SPAN("foo"), "Zm9v", "Zm9v" },
		{ SPAN("foob"), "Zm9vYg==", "Zm9vYg" },
		{ SPAN("fooba"), "Zm9vYmE=", "Zm9vYmE" },
		{ SPAN("foobar"), "Zm9vYmFy", "Zm9vYmFy" },
	};
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		char buffer[16];
		struct writer w = writer_fixed(buffer, sizeof(buffer));
		base64_write(&w, rows[i / 2].bytes, base64_plain, i % 2);
		const char *expected = i % 2 ? rows[i / 2].padded : rows[i / 2].bare;
		assert_true(span_equal(writer_result(&w), span_from(expected)));
	}
}

static void reads_what_it_writes_and_nothing_else(void **unused)
{
	(void)unused;
	static const struct {
		const char *text, *bytes; /* NULL: malformed */
		bool needs_padding;
	} rows[] = {
		{ "", "", true },	   { "Zg==", "f", true },     { "Zg", "f", false },
		{ "Zg", NULL, true },	   { "Zm9v", "foo", true },   { "Zm9v\r\nYmFy", "foobar", true },
		{ "Zm9vYg", "foob", false }, { "Z", NULL, false },      { "Zg=", NULL, false },
		{ "Zg===", NULL, true },   { "Zg==Zg==", NULL, true }, { "Zm9_", NULL, true },
		{ "Zm 9v", NULL, true },   { "=", NULL, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buffer[16];
		struct writer w = writer_fixed(buffer, sizeof(buffer));
		bool is_read = base64_read(&w, span_from(rows[i].text), base64_plain,
					   rows[i].needs_padding);
		assert_int_equal(is_read, rows[i].bytes != NULL);
		if (is_read)
			assert_true(span_equal(writer_result(&w), span_from(rows[i].bytes)));
	}
}

static void alphabets_differ_in_two_characters(void **unused)
{
	(void)unused;
	char plain[8], url[8];
	struct writer w = writer_fixed(plain, sizeof(plain)), v = writer_fixed(url, sizeof(url));
	base64_write(&w, SPAN_OF("\xfb\xff\xfe"), base64_plain, true);
	base64_write(&v, SPAN_OF("\xfb\xff\xfe"), base64_url, true);
	assert_true(span_equal(writer_result(&w), SPAN_OF("+//+")));
	assert_true(span_equal(writer_result(&v), SPAN_OF("-__-")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_vectors_of_rfc_4648),
		cmocka_unit_test(reads_what_it_writes_and_nothing_else),
		cmocka_unit_test(alphabets_differ_in_two_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
