/* SPDX-License-Identifier: BSD-2-Clause */
/* duty: when one of several readers can leave. */
#include "core/process/duty.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void last_reader_leaves_in_light_traffic_only(void **unused)
{
	(void)unused;
	static const struct {
		struct duty_look look;
		bool leaves;
	} rows[] = {
		{ { 100000, 30000, 500, 2, true }, true },
		{ { 100000, 60000, 500, 2, true }, false }, /* more than half of what one can do */
		{ { 100000, 60000, 500, 3, true }, true },
		{ { 100000, 30000, 99, 2, true }, false },   /* not worth a guard */
		{ { 100000, 30000, 500, 2, false }, false }, /* the other one is stuck */
		{ { 100000, 30000, 500, 1, true }, false },
		{ { 0, 0, 500, 2, true }, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(duty_can_leave(&rows[i].look), rows[i].leaves);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_reader_leaves_in_light_traffic_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
