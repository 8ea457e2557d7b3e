/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors that stay watched between waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

#include "core/loop/fiber.h"
#include "core/loop/loop.h"

static int ends[2];
static unsigned found[4], count;

static void turn_until_stopped(void (*work)(void *arg))
{
	assert_int_equal(pipe(ends), 0);
	count = 0;
	assert_true(fiber_start(work, NULL));
	loop_run();
	loop_unwatch(ends[0]);
	close(ends[0]);
	close(ends[1]);
}

static void take_byte(void)
{
	char byte;
	assert_int_equal(read(ends[0], &byte, 1), 1);
}

static void wait_and_take(int64_t timeout_ms)
{
	found[count] = fiber_wait_kept_fd(ends[0], LOOP_READ, timeout_ms);
	if (found[count++])
		take_byte();
}

static void put_later(void *arg)
{
	fiber_sleep_ms(1);
	assert_int_equal(write(ends[1], "x", 1), 1);
}

static void waits_twice(void *arg)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_true(fiber_start(put_later, NULL));
		wait_and_take(1000);
	}
	loop_stop();
}

static void each_wait_is_woken(void **state)
{
	turn_until_stopped(waits_twice);
	assert_int_equal(found[0], LOOP_READ);
	assert_int_equal(found[1], LOOP_READ);
}

static void is_busy_while_bytes_wait(void *arg)
{
	assert_true(fiber_start(put_later, NULL));
	wait_and_take(1000);
	assert_int_equal(write(ends[1], "xy", 2), 2);
	fiber_sleep_ms(5); /* the loop hears of them, and nobody waits */
	wait_and_take(1000);
	wait_and_take(1000);
	wait_and_take(2);
	loop_stop();
}

static void what_came_while_nobody_waited_is_found(void **state)
{
	turn_until_stopped(is_busy_while_bytes_wait);
	assert_int_equal(found[1], LOOP_READ);
	assert_int_equal(found[2], LOOP_READ);
	assert_int_equal(found[3], 0);
}

static void closes_and_opens(void *arg)
{
	int before = ends[0];
	assert_true(fiber_start(put_later, NULL));
	wait_and_take(1000);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(ends[0], before);
	loop_unwatch(ends[0]);
	assert_true(fiber_start(put_later, NULL));
	wait_and_take(1000);
	loop_stop();
}

static void another_descriptor_of_the_same_number_is_heard(void **state)
{
	turn_until_stopped(closes_and_opens);
	assert_int_equal(found[1], LOOP_READ);
}

static int start_loop(void **state)
{
	return loop_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wait_is_woken),
		cmocka_unit_test(what_came_while_nobody_waited_is_found),
		cmocka_unit_test(another_descriptor_of_the_same_number_is_heard),
	};
	return cmocka_run_group_tests_name("kept", tests, start_loop, NULL);
}
