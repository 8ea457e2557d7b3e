/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/hex.h"

/* As they stand in our Via: more follows. */
#define REST ".0123456789abcdef"

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
			snprintf(text + len, sizeof(text) - (size_t)len, REST);
			assert_ptr_equal(hex_take_to_dot(text, &read), text + len);
			assert_int_equal(read, numbers[i]);
		}
	}
}

static void what_is_no_number_before_a_dot_is_refused(void **state)
{
	static const char *const texts[] = {
		REST,	       "g" REST,	"12 " REST,	     "-1" REST,	     "123456789" REST,
		"A" REST,      "12/" REST,	"1:2" REST,	     "1`" REST,	     "123456780",
		"\x80" "1" REST, "0x1" REST,	"12345678;12345678", "1\xae" "2" REST,
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint32_t number;
		if (hex_take_to_dot(texts[i], &number))
			fail_msg("%s was read as %x", texts[i], number);
	}
	uint32_t number;
	assert_non_null(hex_take_to_dot("00000012" REST, &number));
	assert_int_equal(number, 0x12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_read_as_it_was_written),
		cmocka_unit_test(what_is_no_number_before_a_dot_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
