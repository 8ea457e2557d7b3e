/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers at the borders of their digits, and what happens when the room is out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/writer.h"

static void writes_numbers_as_printf_does(void **unused)
{
	(void)unused;
	char expected[32], buffer[32];
	for (uint64_t power = 1, i = 0; i < 20; i++, power *= 10)
		for (unsigned j = 0; j < 4; j++) {
			uint64_t number = j == 3 ? UINT64_MAX - i : power + j - 1;
			struct writer w = writer_fixed(buffer, sizeof(buffer));
			writer_uint(&w, number);
			snprintf(expected, sizeof(expected), "%llu", (unsigned long long)number);
			assert_true(span_equal(writer_result(&w), span_from(expected)));
		}
}

static void leaves_out_what_does_not_fit(void **unused)
{
	(void)unused;
	char buffer[4];
	struct writer w = writer_fixed(buffer, sizeof(buffer));
	writer_bytes(&w, "abc", 3);
	writer_bytes(&w, NULL, 0);
	assert_false(w.failed);
	writer_uint(&w, 10);
	assert_true(w.failed);
	assert_true(span_equal(writer_result(&w), SPAN_OF("abc")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_numbers_as_printf_does),
		cmocka_unit_test(leaves_out_what_does_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
