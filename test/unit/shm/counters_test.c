/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/shm/counters.h"
#include "core/shm/map.h"

static int set_up(void **state)
{
	return shm_init(4 << 20) ? 0 : -1;
}

static int tear_down(void **state)
{
	counters_free();
	shm_free();
	return 0;
}

static int64_t forty_two(void)
{
	return 42;
}

static void rows_of_all_processes_are_summed_and_survive_them(void **state)
{
	counter_id requests =
		counter_register("core", "requests", "Requests received.", COUNTER_COUNT);
	counter_id other = counter_register("core", "other", "", COUNTER_COUNT);
	counter_add(requests, 5); /* before the start */
	assert_true(counters_start(4));
	for (unsigned process = 0; process < 4; process++) {
		pid_t child = fork();
		if (child == 0) {
			counters_select(process);
			for (unsigned i = 0; i < 1000; i++)
				counter_inc(requests);
			_exit(0);
		}
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	assert_int_equal(counter_read(requests), 4005);
	assert_int_equal(counter_read_row(requests, 3), 1000);
	assert_int_equal(counter_read(other), 0);
	counters_select(3); /* a successor */
	counter_inc(requests);
	assert_int_equal(counter_read(requests), 4006);
}

static void a_reset_starts_counts_again_but_not_gauges(void **state)
{
	counter_id count = counter_register("tm", "count", "", COUNTER_COUNT);
	counter_id gauge = counter_register("tm", "gauge", "", COUNTER_GAUGE);
	counter_id computed = counter_register_computed("tm", "computed", "", forty_two);
	assert_true(counters_start(2));
	counter_add(count, 7);
	counter_add(gauge, 3);
	counter_add(gauge, -1);
	assert_true(counter_reset(count));
	assert_false(counter_reset(gauge));
	assert_false(counter_reset(computed));
	counter_inc(count);
	assert_int_equal(counter_read(count), 1);
	assert_int_equal(counter_read(gauge), 2);
	assert_int_equal(counter_read(computed), 42);
}

static void counters_are_found_and_listed_by_group(void **state)
{
	counter_id a = counter_register("one", "a", "First.", COUNTER_COUNT);
	counter_id b = counter_register("two", "b", "", COUNTER_COUNT);
	counter_id c = counter_register("one", "c", "", COUNTER_COUNT);
	assert_int_equal(counter_register("one", "a", "", COUNTER_COUNT), a);
	assert_int_equal(counter_find(SPAN_OF("one"), SPAN_OF("c")), c);
	assert_int_equal(counter_find(SPAN_OF("one"), SPAN_OF("b")), COUNTER_NONE);
	assert_int_equal(counter_find_name(SPAN_OF("b")), b);
	assert_int_equal(counter_next(COUNTER_NONE, SPAN_OF("one")), a);
	assert_int_equal(counter_next(a, SPAN_OF("one")), c);
	assert_int_equal(counter_next(c, SPAN_OF("one")), COUNTER_NONE);
	assert_int_equal(counter_next(a, (struct span){ 0 }), b);
	const char *group = counter_next_group(NULL);
	assert_string_equal(group, "one");
	group = counter_next_group(group);
	assert_string_equal(group, "two");
	assert_null(counter_next_group(group));
	struct counter_info info;
	assert_true(counter_describe(a, &info));
	assert_string_equal(info.doc, "First.");
	assert_false(counter_describe(COUNTER_NONE, &info));
	assert_false(counter_describe(99, &info));
	assert_int_equal(counter_read(99), 0);
}

static void too_many_counters_count_nothing(void **state)
{
	counter_id id = COUNTER_NONE;
	for (unsigned i = 1; i < COUNTERS_MOST; i++) {
		char name[16];
		snprintf(name, sizeof(name), "c%u", i);
		id = counter_register("many", name, "", COUNTER_COUNT);
		assert_int_equal(id, i);
	}
	assert_int_equal(counter_register("many", "more", "", COUNTER_COUNT), COUNTER_NONE);
	assert_true(counters_start(3));
	counters_select(2);
	counter_inc(id);
	counter_inc(COUNTER_NONE);
	assert_int_equal(counter_read(id), 1);
	assert_int_equal(counter_read(COUNTER_NONE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_of_all_processes_are_summed_and_survive_them),
		TEST(a_reset_starts_counts_again_but_not_gauges),
		TEST(counters_are_found_and_listed_by_group),
		TEST(too_many_counters_count_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
