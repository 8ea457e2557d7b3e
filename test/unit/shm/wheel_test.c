/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"
#include "core/shm/shard.h"

#define SLOTS  500
#define TIMERS 3

struct item {
	struct slot slot;
	unsigned n;
};

static const struct shard_type plain_type = { .name = "timed",
					      .slot_size = sizeof(struct item),
					      .timer_count = TIMERS };
static const struct shard_type grace_type = {
	.name = "graceful",
	.slot_size = sizeof(struct item),
	.timer_count = 1,
	.timer_grace_ms = 1000,
};
static struct shard_set *set;

static int set_up(void **state)
{
	if (!shm_init((size_t)8 << 20))
		return -1;
	set = shard_set_new(&plain_type, 1);
	return set ? 0 : -1;
}

static int tear_down(void **state)
{
	shm_free();
	return 0;
}

static struct item *item_new(struct shard *shard, unsigned n)
{
	struct item *item = slot_new(shard, n);
	assert_non_null(item);
	item->n = n;
	slot_publish(shard, &item->slot);
	return item;
}

static void a_timer_fires_once_and_never_early(void **state)
{
	int64_t now = clock_ms();
	struct timer_due due[4];
	struct shard *shard = shard_lock_number(set, 0);
	struct item *item = item_new(shard, 1);
	assert_int_equal(shard_next_deadline(set, 0), INT64_MAX);
	assert_true(timer_arm(shard, &item->slot, 1, now + 500));
	assert_true(timer_is_armed(shard, &item->slot, 1));
	assert_false(timer_is_armed(shard, &item->slot, 0));
	int64_t deadline = shard_next_deadline(set, 0);
	assert_in_range(deadline, now + 500, now + 500 + WHEEL_TICK_MS);
	assert_int_equal(timer_deadline(shard, &item->slot, 1), deadline);
	assert_int_equal(wheel_collect(shard, now + 499, due, 4), 0);
	assert_int_equal(wheel_collect(shard, deadline, due, 4), 1);
	assert_ptr_equal(due[0].slot, item);
	assert_int_equal(due[0].which, 1);
	assert_int_equal(due[0].generation, item->slot.generation);
	assert_false(timer_is_armed(shard, &item->slot, 1));
	assert_int_equal(wheel_collect(shard, deadline + 100000, due, 4), 0);
	assert_int_equal(shard_next_deadline(set, 0), INT64_MAX);
	shard_unlock(shard);
}

static void moving_disarming_and_freeing_leave_nothing_behind(void **state)
{
	int64_t now = clock_ms();
	struct timer_due due[4];
	struct shard *shard = shard_lock_number(set, 0);
	struct item *item = item_new(shard, 1), *gone = item_new(shard, 2);
	assert_true(timer_arm(shard, &item->slot, 0, now + 10000));
	assert_true(timer_arm(shard, &item->slot, 0, now + 200));
	assert_false(timer_arm(shard, &item->slot, 1, now + 300));
	assert_false(timer_arm(shard, &gone->slot, 2, now + 400));
	slot_free(shard, &gone->slot);
	timer_disarm(shard, &item->slot, 1);
	timer_disarm(shard, &item->slot, 1);
	assert_int_equal(wheel_collect(shard, now + 100000, due, 4), 1);
	assert_int_equal(due[0].which, 0);
	shard_unlock(shard);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void a_deadline_that_is_over_fires_at_once(void **state)
{
	int64_t now = clock_ms();
	struct timer_due due[4];
	struct shard *shard = shard_lock_number(set, 0);
	struct item *item = item_new(shard, 1);
	timer_arm(shard, &item->slot, 0, now - 5000);
	timer_arm(shard, &item->slot, 1, INT64_MIN);
	assert_int_equal(wheel_collect(shard, now, due, 4), 2);
	shard_unlock(shard);
}

static void deadlines_far_beyond_the_wheel_are_kept(void **state)
{
	static const int64_t delays[] = {
		81920,     327680,    20971520,         335544320,
		335544321, 400000000, 86400000LL * 365, 86400000LL * 3650,
	};
	struct timer_due due[4];
	struct shard *shard = shard_lock_number(set, 0);
	struct item *item = item_new(shard, 1);
	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		int64_t now = clock_ms();
		timer_arm(shard, &item->slot, 0, now + delays[i]);
		assert_int_equal(wheel_collect(shard, now + delays[i] - 1, due, 4), 0);
		assert_int_equal(wheel_collect(shard, now + delays[i] + WHEEL_TICK_MS, due, 4), 1);
	}
	timer_arm(shard, &item->slot, 0, INT64_MAX);
	assert_int_equal(wheel_collect(shard, clock_ms() + 86400000LL * 36500, due, 4), 0);
	assert_true(timer_is_armed(shard, &item->slot, 0));
	shard_unlock(shard);
}

static void grace_brings_a_timer_back_until_somebody_answers(void **state)
{
	set = shard_set_new(&grace_type, 1);
	int64_t now = clock_ms();
	struct timer_due due[4];
	struct shard *shard = shard_lock_number(set, 0);
	struct item *item = item_new(shard, 1);
	timer_arm(shard, &item->slot, 0, now + 100);
	assert_int_equal(wheel_collect(shard, now + 200, due, 4), 1);
	assert_int_equal(wheel_collect(shard, now + 200, due, 4), 0);
	assert_true(timer_is_armed(shard, &item->slot, 0));
	assert_int_equal(wheel_collect(shard, now + 1250, due, 4), 1);
	timer_disarm(shard, &item->slot, 0);
	assert_int_equal(wheel_collect(shard, now + 9000, due, 4), 0);
	shard_unlock(shard);
}

/* ---- against a model: an array of deadlines ---- */
static struct item *items[SLOTS];
static int64_t model[SLOTS][TIMERS]; /* due tick, 0 not armed */

static int64_t random_delay(void)
{
	int64_t most = (int64_t)1 << (rand() % 33);
	return (((int64_t)rand() << 31) + rand()) % (most + 1) - 30;
}

static void model_collect(struct shard *shard, int64_t now)
{
	struct timer_due due[16];
	unsigned count;
	do {
		count = wheel_collect(shard, now, due, 16);
		for (unsigned i = 0; i < count; i++) {
			struct item *item = (struct item *)due[i].slot;
			int64_t *tick = &model[item->n][due[i].which];
			assert_true(*tick != 0 && *tick * WHEEL_TICK_MS <= now);
			*tick = 0;
		}
	} while (count == 16);
	int64_t next = INT64_MAX;
	for (unsigned n = 0; n < SLOTS; n++) {
		for (unsigned which = 0; which < TIMERS; which++) {
			int64_t tick = model[n][which];
			if (tick == 0)
				continue;
			assert_true(tick > now / WHEEL_TICK_MS);
			next = tick < next ? tick : next;
		}
	}
	int64_t hint = shard_next_deadline(set, 0);
	assert_true(next == INT64_MAX ? hint == INT64_MAX : hint <= next * WHEEL_TICK_MS);
	assert_true(hint > now);
}

static void agrees_with_a_naive_model(void **state)
{
	int64_t now = clock_ms();
	srand(42);
	struct shard *shard = shard_lock_number(set, 0);
	for (unsigned n = 0; n < SLOTS; n++)
		items[n] = item_new(shard, n);
	for (unsigned turn = 0; turn < 4000; turn++) {
		for (unsigned i = 0; i < 20; i++) {
			unsigned n = (unsigned)rand() % SLOTS, which = (unsigned)rand() % TIMERS;
			if (rand() % 5 == 0) {
				timer_disarm(shard, &items[n]->slot, which);
				model[n][which] = 0;
				continue;
			}
			timer_arm(shard, &items[n]->slot, which, now + random_delay());
			model[n][which] =
				timer_deadline(shard, &items[n]->slot, which) / WHEEL_TICK_MS;
		}
		now += (int64_t)1 << (rand() % (turn % 50 ? 12 : 32));
		model_collect(shard, now);
		if (turn % 500 == 0) {
			shard_unlock(shard);
			assert_int_equal(shard_check_all_sets(), 0);
			shard = shard_lock_number(set, 0);
		}
	}
	shard_unlock(shard);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_timer_fires_once_and_never_early),
		TEST(moving_disarming_and_freeing_leave_nothing_behind),
		TEST(a_deadline_that_is_over_fires_at_once),
		TEST(deadlines_far_beyond_the_wheel_are_kept),
		TEST(grace_brings_a_timer_back_until_somebody_answers),
		TEST(agrees_with_a_naive_model),
	};
	clock_refresh();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
