/* SPDX-License-Identifier: BSD-2-Clause */
/* duty: when one of several readers can leave. */
#include "core/process/duty.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void last_reader_leaves_when_the_others_can_do_its_work(void **unused)
{
	(void)unused;
	static const struct {
		struct duty_look look;
		bool leaves;
	} rows[] = {
		{ { 100000, 30000, 500, 2, true }, true },
		{ { 100000, 105000, 500, 2, true }, true },  /* one alone needs less for the same */
		{ { 100000, 115000, 500, 2, true }, false }, /* too much for one */
		{ { 100000, 115000, 500, 3, true }, true },
		{ { 100000, 30000, 49, 2, true }, false },   /* too little to tell silence from death */
		{ { 100000, 30000, 500, 2, false }, false }, /* the other one is stuck */
		{ { 100000, 30000, 500, 1, true }, false },
		{ { 0, 0, 500, 2, true }, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(duty_can_leave(&rows[i].look), rows[i].leaves);
}

static void help_is_wanted_when_datagrams_wait(void **unused)
{
	(void)unused;
	static const struct {
		struct duty_moment moment;
		bool is_wanted;
	} rows[] = {
		{ { 16000, 16000, 5000, 20 }, true },
		{ { 16000, 16000, 500, 20 }, false }, /* busy, but what comes is served at once */
		{ { 16000, 10000, 5000, 20 }, false }, /* asleep in between: that was a burst */
		{ { 16000, 16000, -1, 20 }, false },
		{ { 16000, 16000, -1, 2 }, true }, /* each turn is long, so whoever comes then waits */
		{ { 20000, 20000, 500, 1 }, true },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(duty_wants_help(&rows[i].moment), rows[i].is_wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_reader_leaves_when_the_others_can_do_its_work),
		cmocka_unit_test(help_is_wanted_when_datagrams_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
