/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/shm/map.h"

static int map_one_mebibyte(void **state)
{
	return shm_init(1 << 20) ? 0 : -1;
}

static int unmap(void **state)
{
	shm_free();
	return 0;
}

static void reservations_are_zeroed_and_aligned(void **state)
{
	for (size_t size = 1; size < 5000; size += 777) {
		char *at = shm_reserve(size, "test");
		assert_non_null(at);
		assert_int_equal((uintptr_t)at % 64, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(at[i], 0);
		memset(at, 0xff, size);
	}
	assert_int_equal(shm_check(), 0);
}

static void the_limit_gives_null_and_memory_comes_back(void **state)
{
	struct shm_usage before, full, after;
	void *runs[64];
	unsigned count = 0;
	shm_get_usage(&before);
	while ((runs[count] = shm_run_alloc(50000, "test")) != NULL) {
		memset(runs[count], 0xaa, shm_run_size(runs[count]));
		count++;
	}
	assert_in_range(count, 10, 20);
	shm_get_usage(&full);
	assert_true(full.free < 2 * SHM_PAGE_SIZE);
	assert_null(shm_reserve(1 << 20, "too much"));
	for (unsigned i = 0; i < count; i += 2)
		shm_run_free(runs[i]);
	assert_null(shm_run_alloc(200000, "fragmented"));
	for (unsigned i = 1; i < count; i += 2)
		shm_run_free(runs[i]);
	shm_get_usage(&after);
	assert_int_equal(after.used, before.used);
	assert_int_equal(after.real_used, before.real_used);
	assert_int_equal(after.fragments, before.fragments);
	assert_int_equal(after.max_used, full.real_used);
	assert_int_equal(shm_check(), 0);
	void *big = shm_run_alloc(500000, "whole");
	assert_non_null(big);
	assert_true(shm_run_size(big) >= 500000);
	shm_run_free(big);
}

static void touching_and_trimming_keep_contents(void **state)
{
	char *at = shm_reserve(100, "test");
	memcpy(at, "stays", sizeof("stays"));
	assert_true(shm_touch());
	shm_trim();
	assert_string_equal(at, "stays");
	assert_true(shm_contains(at));
	assert_false(shm_contains(&at));
}

static void a_run_is_seen_by_all_processes(void **state)
{
	char **shared = shm_reserve(sizeof(*shared), "test");
	pid_t child = fork();
	if (child == 0) {
		*shared = shm_run_alloc(100, "child");
		memcpy(*shared, "from the child", sizeof("from the child"));
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_string_equal(*shared, "from the child");
	shm_run_free(*shared);
	assert_int_equal(shm_check(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reservations_are_zeroed_and_aligned,
						map_one_mebibyte, unmap),
		cmocka_unit_test_setup_teardown(the_limit_gives_null_and_memory_comes_back,
						map_one_mebibyte, unmap),
		cmocka_unit_test_setup_teardown(touching_and_trimming_keep_contents,
						map_one_mebibyte, unmap),
		cmocka_unit_test_setup_teardown(a_run_is_seen_by_all_processes, map_one_mebibyte,
						unmap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
