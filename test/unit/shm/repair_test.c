/* SPDX-License-Identifier: BSD-2-Clause */
/* Children work on a set and are killed; then everything must be consistent again, finished work
 * must still be there and unfinished work must be gone. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/shm/crash.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"
#include "core/shm/shard.h"

#define TEXT_MOST 3000

struct item {
	struct slot slot;
	uint64_t key;
	char *text; /* `len` times the low byte of `sum` */
	uint32_t len;
	uint32_t sum;
};

static struct {
	uint64_t lost_hooks;
	bool hook_is_deadly;
	struct crash_plan plan;
} * shared;

static void item_lost(void *slot)
{
	shared->lost_hooks++;
	if (shared->hook_is_deadly)
		raise(SIGKILL);
}

static bool item_verify(const void *slot)
{
	const struct item *item = slot;
	for (uint32_t i = 0; i < item->len; i += 64) {
		if ((uint8_t)item->text[i] != (uint8_t)item->sum)
			return false;
	}
	return true;
}

static const struct shard_type item_type = {
	.name = "items",
	.slot_size = sizeof(struct item),
	.timer_count = 2,
	.on_lost = item_lost,
	.verify = item_verify,
};
static struct shard_set *set;

static int set_up(void **state)
{
	log_set_threshold(LOG_LEVEL_ERROR);
	if (!shm_init((size_t)16 << 20))
		return -1;
	set = shard_set_new(&item_type, 1);
	shared = shm_reserve(sizeof(*shared), "test");
	return set && shared ? 0 : -1;
}

static int tear_down(void **state)
{
	shm_free();
	return 0;
}

static uint64_t key_hash(uint64_t key)
{
	return hash_bytes(&key, sizeof(key));
}

static struct item *item_find(struct shard *shard, uint64_t key)
{
	struct item *item = slot_first(shard, key_hash(key));
	while (item && item->key != key)
		item = slot_next(shard, &item->slot);
	return item;
}

/* The old text is the caller's to free. */
static bool item_set_text(struct shard *shard, struct item *item, uint32_t len, uint32_t sum)
{
	char *text = region_alloc(shard, &item->slot, len);
	if (!text)
		return false;
	memset(text, (int)(sum & 0xff), len);
	item->text = text;
	item->len = len;
	item->sum = sum;
	return true;
}

static void item_add(uint64_t key, uint32_t len)
{
	struct shard *shard = shard_lock(set, key_hash(key));
	struct item *item = slot_new(shard, key_hash(key));
	if (item) {
		item->key = key;
		if (!item_set_text(shard, item, len, (uint32_t)key))
			item->len = 0;
		timer_arm(shard, &item->slot, 0, clock_ms() + 1000 + (int64_t)key * 50);
		slot_publish(shard, &item->slot);
	}
	shard_unlock(shard);
}

static void item_change(uint64_t key, uint32_t len)
{
	struct shard *shard = shard_lock(set, key_hash(key));
	struct item *item = item_find(shard, key);
	if (item) {
		char *old = item->text;
		slot_change_begin(shard, &item->slot);
		bool is_set = item_set_text(shard, item, len, (uint32_t)key + len);
		timer_arm(shard, &item->slot, 1, clock_ms() + len * 100);
		timer_disarm(shard, &item->slot, 0);
		slot_change_end(shard, &item->slot);
		if (is_set)
			region_free(shard, &item->slot, old);
	}
	shard_unlock(shard);
}

static void item_cut(uint64_t key)
{
	struct shard *shard = shard_lock(set, key_hash(key));
	struct item *item = item_find(shard, key);
	if (item && item->len) {
		item->len /= 3;
		region_shrink(shard, &item->slot, item->text, item->len);
	}
	shard_unlock(shard);
}

static void item_drop(uint64_t key)
{
	struct shard *shard = shard_lock(set, key_hash(key));
	struct item *item = item_find(shard, key);
	if (item)
		slot_free(shard, &item->slot);
	shard_unlock(shard);
}

static void collect(int64_t ahead_ms)
{
	struct timer_due due[50];
	struct shard *shard = shard_lock_number(set, 0);
	wheel_collect(shard, clock_ms() + ahead_ms, due, 50);
	shard_unlock(shard);
}

static void assert_all_is_well(const char *place)
{
	shard_touch_all_sets();
	unsigned wrong = shard_check_all_sets();
	if (wrong)
		fail_msg("%u inconsistencies after a death at: %s", wrong, place);
}

static uint64_t count_from(uint64_t first_key, uint64_t end_key)
{
	uint64_t count = 0;
	for (uint64_t key = first_key; key < end_key; key++) {
		struct shard *shard = shard_lock(set, key_hash(key));
		count += item_find(shard, key) != NULL;
		shard_unlock(shard);
	}
	return count;
}

static void drop_all(uint64_t first_key, uint64_t end_key)
{
	for (uint64_t key = first_key; key < end_key; key++)
		item_drop(key);
}

/* Dies at no point without a kill; leaves nothing behind. */
static void work_through_everything(void)
{
	for (uint64_t key = 1000; key < 1400; key++)
		item_add(key, (uint32_t)(key * 37 % TEXT_MOST));
	item_add(1400, 100000);
	for (uint64_t key = 1000; key < 1100; key++)
		item_change(key, (uint32_t)(key * 91 % TEXT_MOST));
	for (uint64_t key = 1050; key <= 1400; key += 7)
		item_cut(key);
	collect(3000);
	for (uint64_t key = 1000; key <= 1400; key++)
		item_drop(key);
	shard_set_trim(set);
}

static void die_holding_the_lock(void)
{
	pid_t child = fork();
	if (child == 0) {
		struct shard *shard = shard_lock_number(set, 0);
		(void)shard;
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Kills a child at the nth point with this name (NULL: any). False when it came to its end. */
static bool child_dies_at(const char *name, int64_t nth, void (*work)(void))
{
	shared->plan.countdown = nth;
	snprintf(shared->plan.only, sizeof(shared->plan.only), "%s", name ? name : "");
	pid_t child = fork();
	if (child == 0) {
		crash_follow(&shared->plan);
		work();
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	shared->plan.countdown = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void record_points_of(void (*work)(void))
{
	shared->plan.is_recording = true;
	shared->plan.name_count = 0;
	assert_false(child_dies_at(NULL, 0, work));
	shared->plan.is_recording = false;
}

static void assert_death_left_nothing(const struct shm_usage *before)
{
	struct shm_usage after;
	assert_all_is_well(shared->plan.last);
	assert_int_equal(count_from(0, 40), 40);
	drop_all(1000, 1401);
	shard_set_trim(set);
	shm_get_usage(&after);
	assert_int_equal(after.used, before->used);
	assert_int_equal(after.real_used, before->real_used);
}

static void a_death_at_any_crash_point_is_repaired(void **state)
{
	struct shm_usage before;
	unsigned deaths = 0;
	for (uint64_t key = 0; key < 40; key++)
		item_add(key, 100);
	shard_set_trim(set);
	shm_get_usage(&before);
	record_points_of(work_through_everything);
	assert_true(shared->plan.name_count >= 35);
	/* Every point at its first passes, then at ever later ones. */
	for (uint32_t i = 0; i < shared->plan.name_count; i++) {
		for (int64_t nth = 1;
		     child_dies_at(shared->plan.names[i], nth, work_through_everything);
		     nth += nth < 4 ? 1 : nth / 2) {
			assert_death_left_nothing(&before);
			deaths++;
		}
	}
	assert_true(shared->lost_hooks > 50 && shared->lost_hooks <= deaths);
}

static void touch(void)
{
	shard_touch_all_sets();
}

static void a_repairer_that_dies_is_repaired_too(void **state)
{
	struct shm_usage before;
	for (uint64_t key = 0; key < 40; key++)
		item_add(key, 100);
	shard_set_trim(set);
	shm_get_usage(&before);
	for (int64_t nth = 5; nth < 4000; nth += 97) {
		assert_true(child_dies_at(NULL, nth, work_through_everything));
		for (int64_t again = 1; child_dies_at(NULL, again, touch); again++)
			continue;
		assert_death_left_nothing(&before);
	}
}

/* Whoever meets the shard's lock first did not look at the page table's before. */
static void a_page_that_only_the_table_knows_is_given_back(void **state)
{
	unsigned deaths = 0;
	item_add(1, 100);
	while (deaths < 8 &&
	       child_dies_at("page entered, not marked", 1 + deaths % 3, work_through_everything)) {
		shard_unlock(shard_lock_number(set, 0));
		assert_int_equal(shard_check_all_sets(), 0);
		deaths++;
	}
	assert_int_equal(deaths, 8);
}

static void change_some(void)
{
	for (uint32_t key = 0; key < 40; key++)
		item_change(key, key * 71);
}

/* What was there before the change, or what it made: nothing in between, and never nothing. */
static void a_change_that_is_not_finished_is_undone(void **state)
{
	for (uint32_t key = 0; key < 40; key++)
		item_add(key, 100);
	record_points_of(change_some);
	unsigned deaths = 0;
	for (uint32_t i = 0; i < shared->plan.name_count; i++) {
		for (int64_t nth = 1; child_dies_at(shared->plan.names[i], nth, change_some);
		     nth += 13) {
			assert_all_is_well(shared->plan.last);
			assert_int_equal(count_from(0, 40), 40);
			deaths++;
		}
	}
	assert_true(deaths > 20);
	assert_int_equal(shared->lost_hooks, 0);
}

/* A repair that leaves out one of its steps: the checker says so. */
static void a_wrong_repair_is_found_by_the_checker(void **state)
{
	static const char *const steps[] = {
		"index",  "timers",	  "count of slots", "drop",
		"regions", "free memory", "free slots",
	};
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (uint64_t key = 0; key < 40; key++)
			item_add(key, 100 + (uint32_t)key * 10);
		for (uint64_t key = 0; key < 40; key += 3)
			item_drop(key);
		assert_true(child_dies_at("slot building", 1, work_through_everything));
		snprintf(shared->plan.left_out, sizeof(shared->plan.left_out), "%s", steps[i]);
		crash_follow(&shared->plan);
		shard_touch_all_sets();
		shared->plan.left_out[0] = '\0';
		crash_follow(NULL);
		if (shard_check_all_sets() == 0)
			fail_msg("nobody misses \"%s\"", steps[i]);
		die_holding_the_lock();
		assert_all_is_well("a good repair after a wrong one");
		drop_all(0, 40);
	}
}

/* Kills where nobody thought of a crash point. */
static void work_until_killed(unsigned seed)
{
	srand(seed);
	for (;;) {
		uint64_t key = 1000 + (uint64_t)rand() % 300;
		switch (rand() % 5) {
		case 0:
			if (count_from(key, key + 1) == 0)
				item_add(key, (uint32_t)rand() % TEXT_MOST);
			break;
		case 1: item_change(key, (uint32_t)rand() % TEXT_MOST); break;
		case 2: item_drop(key); break;
		case 3: item_cut(key); break;
		default: collect(rand() % 20000);
		}
	}
}

static void a_death_at_any_instruction_is_repaired(void **state)
{
	for (uint64_t key = 0; key < 40; key++)
		item_add(key, 100);
	for (unsigned turn = 0; turn < 120; turn++) {
		pid_t children[2];
		for (unsigned i = 0; i < 2; i++) {
			children[i] = fork();
			if (children[i] == 0)
				work_until_killed(turn * 2 + i);
		}
		struct timespec a_moment = { .tv_nsec = 500000 + (long)(random_below(2000000)) };
		nanosleep(&a_moment, NULL);
		for (unsigned i = 0; i < 2; i++)
			kill(children[i], SIGKILL);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
		assert_all_is_well("some instruction");
		assert_int_equal(count_from(0, 40), 40);
	}
	struct shard_usage usage;
	shard_set_usage(set, &usage);
	assert_int_equal(usage.quarantined, 0);
}

static void a_hook_that_kills_is_given_up(void **state)
{
	item_add(1, 100);
	struct shard *shard = shard_lock_number(set, 0);
	item_find(shard, 1)->text[0] ^= 1;
	shard_unlock(shard);
	die_holding_the_lock();
	shared->hook_is_deadly = true;
	int status = -1;
	for (unsigned tries = 0; status != 0 && tries < 10; tries++) {
		pid_t child = fork();
		if (child == 0) {
			shard_touch_all_sets();
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	assert_int_equal(status, 0);
	assert_int_equal(shared->lost_hooks, 2);
}

static void damaged_slots_are_set_aside_and_the_rest_lives(void **state)
{
	for (uint64_t key = 0; key < 40; key++)
		item_add(key, 100);
	struct shard *shard = shard_lock_number(set, 0);
	struct item *victim = item_find(shard, 7);
	victim->slot.hash ^= 1;
	item_find(shard, 8)->text[0] ^= 1; /* verify finds it */
	shard_unlock(shard);
	assert_true(shard_set_check(set) > 0);
	die_holding_the_lock();
	assert_all_is_well("damage");
	assert_int_equal(count_from(0, 40), 38);
	struct shard_usage usage;
	shard_set_usage(set, &usage);
	assert_int_equal(usage.quarantined, 1);
	assert_int_equal(usage.lost, 1);
	assert_int_equal(usage.repairs, 1);
	assert_int_equal(shared->lost_hooks, 1);
	drop_all(0, 40);
}

static void an_overrun_block_does_not_take_the_others_along(void **state)
{
	for (uint64_t key = 0; key < 40; key++)
		item_add(key, 100);
	struct shard *shard = shard_lock_number(set, 0);
	memset(item_find(shard, 20)->text, 20, 130);
	shard_unlock(shard);
	assert_true(shard_set_check(set) > 0);
	die_holding_the_lock();
	assert_all_is_well("overrun");
	assert_true(count_from(0, 40) >= 38);
	drop_all(0, 40);
	for (uint64_t key = 0; key < 40; key++)
		item_add(key, 100);
	assert_all_is_well("overrun, later");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_death_at_any_crash_point_is_repaired),
		TEST(a_repairer_that_dies_is_repaired_too),
		TEST(a_page_that_only_the_table_knows_is_given_back),
		TEST(a_change_that_is_not_finished_is_undone),
		TEST(a_wrong_repair_is_found_by_the_checker),
		TEST(a_death_at_any_instruction_is_repaired),
		TEST(a_hook_that_kills_is_given_up),
		TEST(damaged_slots_are_set_aside_and_the_rest_lives),
		TEST(an_overrun_block_does_not_take_the_others_along),
	};
	hash_init();
	clock_refresh();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
