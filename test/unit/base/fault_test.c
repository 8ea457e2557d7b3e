/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan lets exactly one allocation fail, wherever it comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "core/base/fault.h"

static struct fault_plan *plan;

static int set_up(void **state)
{
	char path[] = "/tmp/fault_test.XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, 4096) != 0 || setenv(FAULT_PLAN_VARIABLE, path, 1) != 0)
		return -1;
	plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	bool is_ready = plan != MAP_FAILED && fault_prepare();
	unlink(path);
	return is_ready ? 0 : -1;
}

static void fails_the_nth_allocation_only(void **state)
{
	plan->countdown = 2;
	void *first = fault_malloc(8), *second = fault_malloc(8), *third = fault_malloc(8);
	assert_non_null(first);
	assert_null(second);
	assert_non_null(third);
	assert_int_equal(plan->countdown, 0);
	assert_int_equal(plan->failed, 1);
	free(first);
	free(third);
}

static void reaches_every_allocation_of_an_arena(void **state)
{
	struct arena arena;
	arena_init(&arena, 4096, 1 << 20);
	for (int n = 1; n <= 3; n++) {
		plan->countdown = n;
		for (int i = 1; i <= 3; i++)
			assert_int_equal(arena_alloc(&arena, 16) == NULL, i == n);
		assert_true(arena.is_short);
		arena_clear(&arena);
		assert_false(arena.is_short);
	}
	arena_free(&arena);
}

static void gives_last_room_to_an_arena_at_its_limit(void **state)
{
	struct arena arena;
	arena_init(&arena, 1024, 2048);
	assert_null(arena_alloc(&arena, 4096));
	assert_true(arena.is_short);
	arena_give_last_room(&arena);
	assert_non_null(arena_alloc(&arena, 4096));
	assert_true(arena.is_short);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fails_the_nth_allocation_only),
		cmocka_unit_test(reaches_every_allocation_of_an_arena),
		cmocka_unit_test(gives_last_room_to_an_arena_at_its_limit),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
