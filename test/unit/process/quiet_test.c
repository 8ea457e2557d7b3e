/* SPDX-License-Identifier: BSD-2-Clause */
/* quiet: the second in which memory is given back. */
#include "core/process/quiet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_first_quiet_second_after_a_busy_one_is_due(void **unused)
{
	(void)unused;
	static const struct {
		int64_t slept_us;
		bool is_due;
	} seconds[] = {
		{ 1000000, false }, { 900000, false }, { 100000, false }, { 940000, false },
		{ 960000, true },   { 990000, false }, { 950000, false }, { 951000, true },
	};
	bool was_busy = false;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++)
		assert_int_equal(quiet_is_due(1000000, seconds[i].slept_us, &was_busy),
				 seconds[i].is_due);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_quiet_second_after_a_busy_one_is_due),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
