/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/hex.h"

static void a_number_is_read_as_it_was_written(void **state)
{
	for (uint64_t step = 1; step <= UINT32_MAX; step = step * 3 + 1) {
		const uint32_t numbers[] = { 0, (uint32_t)step, (uint32_t)(UINT32_MAX - step) };
		for (unsigned i = 0; i < 3; i++) {
			char text[40], written[40] = "";
			uint32_t read = 0;
			int len = snprintf(text, sizeof(text), "%x", numbers[i]);
			*hex_put(written, numbers[i], 1) = 0;
			assert_string_equal(written, text);
			snprintf(text + len, sizeof(text) - (size_t)len, ".0.1.2.3.4");
			assert_ptr_equal(hex_read_to_dot(text, &read), text + len + 1);
			assert_int_equal(read, numbers[i]);
		}
	}
}

static void a_text_without_number_or_dot_does_no_harm(void **state)
{
	uint32_t number = 1;
	const char *text = "..123456789";
	assert_ptr_equal(hex_read_to_dot(text, &number), text + 1);
	assert_int_equal(number, 0);
	assert_ptr_equal(hex_read_to_dot(text + 2, &number), text + 2 + 9);
	assert_int_equal(number, 0x12345678);
}

static void sixteen_digits_are_those_of_printf(void **state)
{
	for (uint64_t step = 1; step < UINT64_MAX / 4; step = step * 3 + 1) {
		const uint64_t numbers[] = { 0, step, step << 32, UINT64_MAX - step, UINT64_MAX };
		for (unsigned i = 0; i < 5; i++) {
			char expected[17], written[17] = "";
			snprintf(expected, sizeof(expected), "%016" PRIx64, numbers[i]);
			hex_put_sixteen(written, numbers[i]);
			assert_string_equal(written, expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_read_as_it_was_written),
		cmocka_unit_test(a_text_without_number_or_dot_does_no_harm),
		cmocka_unit_test(sixteen_digits_are_those_of_printf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
