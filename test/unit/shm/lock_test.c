/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks between processes and threads, and what is left of them when somebody dies. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/shm/lock.h"
#include "core/shm/map.h"

/* In shared memory. */
struct table {
	struct lock shard, leaf;
	unsigned first, second; /* equal whenever nobody holds `shard` */
	unsigned deaths;
	_Atomic unsigned stage;
};

static int make_table(void **state)
{
	if (!shm_init(1 << 20))
		return -1;
	struct table *table = shm_reserve(sizeof(*table), "table");
	lock_init(&table->shard, LOCK_SHARD);
	lock_init(&table->leaf, LOCK_LEAF);
	*state = table;
	return 0;
}

static int unmap(void **state)
{
	shm_free();
	return 0;
}

static void reap(pid_t child)
{
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void wait_for_stage(struct table *table, unsigned stage)
{
	while (table->stage < stage)
		usleep(100);
}

static void expect_left(struct lock *lock)
{
	assert_int_equal(lock_take(lock), LOCK_OWNER_DIED);
	lock_mark_consistent(lock);
	lock_release(lock);
	assert_int_equal(lock_take(lock), LOCK_TAKEN);
	lock_release(lock);
}

static void a_lock_is_held_until_it_is_released(void **state)
{
	struct table *table = *state;
	assert_int_equal(lock_take(&table->shard), LOCK_TAKEN);
	assert_true(lock_is_any_held());
	assert_int_equal(lock_take(&table->leaf), LOCK_TAKEN);
	lock_release(&table->leaf);
	assert_true(lock_is_any_held());
	lock_release(&table->shard);
	assert_false(lock_is_any_held());
}

static void a_lock_tells_that_its_holder_died(void **state)
{
	struct table *table = *state;
	pid_t child = fork();
	if (child == 0) {
		(void)!lock_take(&table->shard);
		_exit(0);
	}
	reap(child);
	expect_left(&table->shard);
}

static void both_locks_of_a_dead_holder_tell(void **state)
{
	struct table *table = *state;
	assert_int_equal(lock_take(&table->shard), LOCK_TAKEN); /* the child takes over nothing */
	lock_release(&table->shard);
	pid_t child = fork();
	if (child == 0) {
		(void)!lock_take(&table->shard);
		(void)!lock_take(&table->leaf);
		raise(SIGKILL);
	}
	reap(child);
	expect_left(&table->leaf);
	expect_left(&table->shard);
}

static void the_outer_lock_is_known_after_the_inner_was_released(void **state)
{
	struct table *table = *state;
	pid_t child = fork();
	if (child == 0) {
		(void)!lock_take(&table->shard);
		(void)!lock_take(&table->leaf);
		lock_release(&table->leaf);
		raise(SIGKILL);
	}
	reap(child);
	assert_int_equal(lock_take(&table->leaf), LOCK_TAKEN);
	lock_release(&table->leaf);
	expect_left(&table->shard);
}

static void who_dies_over_the_repair_leaves_it_to_the_next(void **state)
{
	struct table *table = *state;
	for (unsigned i = 0; i < 2; i++) {
		pid_t child = fork();
		if (child == 0) {
			(void)!lock_take(&table->shard);
			raise(SIGKILL);
		}
		reap(child);
	}
	expect_left(&table->shard);
}

static void what_was_not_made_consistent_tells_again(void **state)
{
	struct table *table = *state;
	pid_t child = fork();
	if (child == 0) {
		(void)!lock_take(&table->shard);
		_exit(0);
	}
	reap(child);
	assert_int_equal(lock_take(&table->shard), LOCK_OWNER_DIED);
	lock_release(&table->shard);
	expect_left(&table->shard);
}

static void a_sleeper_wakes_when_the_holder_is_killed(void **state)
{
	struct table *table = *state;
	pid_t holder = fork();
	if (holder == 0) {
		(void)!lock_take(&table->shard);
		table->stage = 1;
		pause();
		_exit(0);
	}
	wait_for_stage(table, 1);
	pid_t sleeper = fork();
	if (sleeper == 0) {
		table->stage = 2;
		bool is_left = lock_take(&table->shard) == LOCK_OWNER_DIED;
		lock_mark_consistent(&table->shard);
		lock_release(&table->shard);
		_exit(is_left ? 0 : 1);
	}
	wait_for_stage(table, 2);
	assert_int_equal(kill(holder, SIGKILL), 0);
	reap(holder);
	int status;
	assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *die_with_lock(void *arg)
{
	struct table *table = arg;
	return lock_take(&table->shard) == LOCK_TAKEN ? arg : NULL;
}

static void a_thread_is_a_holder_of_its_own(void **state)
{
	struct table *table = *state;
	pthread_t thread;
	void *result;
	assert_int_equal(pthread_create(&thread, NULL, die_with_lock, table), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	assert_false(lock_is_any_held());
	expect_left(&table->shard);
}

/* Counts one up, and what another one left half done first. */
static void step(struct table *table)
{
	if (lock_take(&table->shard) == LOCK_OWNER_DIED) {
		table->first = table->second;
		table->deaths++;
		lock_mark_consistent(&table->shard);
	}
	if (table->first != table->second)
		abort();
	table->first++;
	if (table->first % 64 == 0 && lock_take(&table->leaf) == LOCK_OWNER_DIED)
		lock_mark_consistent(&table->leaf);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	table->second++;
	if (table->second % 64 == 0)
		lock_release(&table->leaf);
	lock_release(&table->shard);
}

#define RACERS 3
#define STEPS  100000

static pid_t start_racer(struct table *table)
{
	pid_t child = fork();
	if (child == 0) {
		for (unsigned i = 0; i < STEPS; i++)
			step(table);
		_exit(0);
	}
	return child;
}

static void nothing_is_lost_between_racers(void **state)
{
	struct table *table = *state;
	pid_t racers[RACERS];
	for (unsigned i = 0; i < RACERS; i++)
		racers[i] = start_racer(table);
	for (unsigned i = 0; i < RACERS; i++) {
		int status;
		assert_int_equal(waitpid(racers[i], &status, 0), racers[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_int_equal(table->first, RACERS * STEPS);
	assert_int_equal(table->deaths, 0);
}

static void racers_go_on_when_others_are_killed(void **state)
{
	struct table *table = *state;
	pid_t victims[RACERS], racer = start_racer(table);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < RACERS; i++)
			victims[i] = start_racer(table);
		usleep(1000 + round * 37);
		for (unsigned i = 0; i < RACERS; i++) {
			kill(victims[i], SIGKILL);
			reap(victims[i]);
		}
	}
	int status;
	assert_int_equal(waitpid(racer, &status, 0), racer);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	step(table);
	assert_int_equal(table->first, table->second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_table, unmap)
	const struct CMUnitTest tests[] = {
		TEST(a_lock_is_held_until_it_is_released),
		TEST(a_lock_tells_that_its_holder_died),
		TEST(both_locks_of_a_dead_holder_tell),
		TEST(the_outer_lock_is_known_after_the_inner_was_released),
		TEST(who_dies_over_the_repair_leaves_it_to_the_next),
		TEST(what_was_not_made_consistent_tells_again),
		TEST(a_sleeper_wakes_when_the_holder_is_killed),
		TEST(a_thread_is_a_holder_of_its_own),
		TEST(nothing_is_lost_between_racers),
		TEST(racers_go_on_when_others_are_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
