/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
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

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"
#include "core/shm/shard.h"

struct item {
	struct slot slot;
	uint64_t key;
	struct span text;
	uint32_t pieces;
	uint8_t *piece[8];
	uint32_t piece_len[8];
};

static const struct shard_type item_type = { .name = "items",
					     .slot_size = sizeof(struct item),
					     .timer_count = 1 };
static struct shard_set *set;

static int set_up(void **state)
{
	if (!shm_init((size_t)64 << 20))
		return -1;
	set = shard_set_new(&item_type, 4);
	return set ? 0 : -1;
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

static struct item *item_add(struct shard *shard, uint64_t key)
{
	struct item *item = slot_new(shard, key_hash(key));
	if (!item)
		return NULL;
	item->key = key;
	item->text =
		region_copy(shard, &item->slot, SPAN_OF("sip:alice@192.0.2.1:5060;transport=udp"));
	if (item->text.at) {
		slot_publish(shard, &item->slot);
		return item;
	}
	slot_free(shard, &item->slot);
	return NULL;
}

static bool add(uint64_t key)
{
	struct shard *shard = shard_lock(set, key_hash(key));
	bool is_added = item_add(shard, key) != NULL;
	shard_unlock(shard);
	return is_added;
}

static bool drop(uint64_t key)
{
	struct shard *shard = shard_lock(set, key_hash(key));
	struct item *item = item_find(shard, key);
	if (item)
		slot_free(shard, &item->slot);
	shard_unlock(shard);
	return item != NULL;
}

static bool is_there(uint64_t key)
{
	struct shard *shard = shard_lock(set, key_hash(key));
	struct item *item = item_find(shard, key);
	shard_unlock(shard);
	return item != NULL;
}

static void finds_what_was_published_and_nothing_else(void **state)
{
	for (uint64_t key = 0; key < 20000; key++)
		assert_true(add(key));
	assert_int_equal(shard_set_live(set), 20000);
	for (uint64_t key = 0; key < 20000; key += 2)
		assert_true(drop(key));
	for (uint64_t key = 0; key < 20100; key++)
		assert_int_equal(is_there(key), key < 20000 && key % 2);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void equal_hashes_are_told_apart_by_the_caller(void **state)
{
	struct shard *shard = shard_lock_number(set, 0);
	struct item *first = slot_new(shard, 64), *second = slot_new(shard, 64),
		    *other = slot_new(shard, 128);
	slot_publish(shard, &first->slot);
	assert_ptr_equal(slot_first(shard, 64), first);
	slot_publish(shard, &other->slot);
	slot_publish(shard, &second->slot);
	assert_ptr_equal(slot_first(shard, 64), second);
	assert_ptr_equal(slot_next(shard, &second->slot), first);
	assert_null(slot_next(shard, &first->slot));
	assert_null(slot_first(shard, 192));
	shard_unlock(shard);
}

/* The items of one hash, the newest last. */
struct family {
	struct item *members[40];
	unsigned count;
};

static void assert_same_family(struct shard *shard, const struct family *family, uint64_t hash)
{
	struct item *item = slot_first(shard, hash);
	for (unsigned i = family->count; i-- > 0; item = slot_next(shard, &item->slot))
		assert_ptr_equal(item, family->members[i]);
	assert_null(item);
}

/* Families of all sizes, far more of them in one bucket than it has places, while the index grows and
 * shrinks. */
static void of_equal_hashes_the_newest_comes_first(void **state)
{
	enum { FAMILIES = 300, STEPS = 60000 };
	static struct family families[FAMILIES];
	struct shard *shard = shard_lock_number(set, 0);
	memset(families, 0, sizeof(families));
	srandom(7);
	for (unsigned step = 0; step < STEPS; step++) {
		/* Few families are large. The number of all items swings. */
		unsigned chosen = (unsigned)random() % (1 + (unsigned)random() % FAMILIES);
		struct family *family = &families[chosen];
		uint64_t hash = (uint64_t)chosen << 8;
		bool grows = (unsigned)random() % 100 < (step / 6000 % 2 ? 35 : 65);
		if (grows && family->count < 40) {
			struct item *item = slot_new(shard, hash);
			assert_non_null(item);
			slot_publish(shard, &item->slot);
			family->members[family->count++] = item;
		} else if (!grows && family->count) {
			unsigned gone = (unsigned)random() % family->count--;
			slot_free(shard, &family->members[gone]->slot);
			memmove(&family->members[gone], &family->members[gone + 1],
				(family->count - gone) * sizeof(family->members[0]));
		}
		assert_same_family(shard, family, hash);
		if (step % 5000 == 0)
			for (unsigned i = 0; i < FAMILIES; i++)
				assert_same_family(shard, &families[i], (uint64_t)i << 8);
	}
	shard_unlock(shard);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void a_name_finds_its_slot_and_never_its_successor(void **state)
{
	struct shard *shard = shard_lock(set, key_hash(1));
	struct item *item = item_add(shard, 1);
	uint32_t index = item->slot.index, generation = item->slot.generation;
	assert_ptr_equal(slot_at(shard, index, generation), item);
	assert_null(slot_at(shard, index, generation + 1));
	slot_free(shard, &item->slot);
	assert_null(slot_at(shard, index, generation));
	item = item_add(shard, 1);
	assert_int_equal(item->slot.index, index);
	assert_null(slot_at(shard, index, generation));
	/* Numbers from the network. */
	for (unsigned i = 0; i < 200000; i++)
		assert_true(slot_at(shard, (uint32_t)random_uint64(), generation) == NULL);
	for (uint32_t near = index - 3000; near < index + 3000; near++)
		assert_true(slot_at(shard, near, item->slot.generation) == NULL || near == index);
	shard_unlock(shard);
}

static void what_is_foreseen_need_not_be_there(void **state)
{
	for (uint64_t key = 0; key < 1000; key++) {
		if (key % 10 == 0)
			assert_true(add(key));
		shard_foresee(set, key_hash(key));
		slot_foresee(set, (unsigned)key, (uint32_t)(key * 0x9e3779b1u));
	}
	slot_foresee(set, UINT32_MAX, UINT32_MAX);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void a_slot_that_is_building_is_not_found(void **state)
{
	struct shard *shard = shard_lock(set, 0);
	struct item *item = slot_new(shard, 0);
	uint32_t cursor = 0;
	assert_null(slot_first(shard, 0));
	assert_null(slot_at(shard, item->slot.index, item->slot.generation));
	assert_null(slot_each(shard, &cursor));
	slot_free(shard, &item->slot);
	shard_unlock(shard);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void visits_every_live_slot_once_while_others_come_and_go(void **state)
{
	static uint8_t seen[6000];
	memset(seen, 0, sizeof(seen));
	for (uint64_t key = 0; key < 3000; key++)
		assert_true(add(key));
	for (unsigned number = 0; number < shard_count(set); number++) {
		uint32_t cursor = 0;
		for (uint64_t turn = 0;; turn++) {
			struct shard *shard = shard_lock_number(set, number);
			struct item *item = slot_each(shard, &cursor);
			shard_unlock(shard);
			if (!item)
				break;
			seen[item->key]++;
			if (turn % 3 == 0)
				add(3000 + (turn + number * 700) % 3000);
			if (turn % 5 == 0)
				drop(3000 + (turn * 2 + number * 700) % 3000);
		}
	}
	for (unsigned key = 0; key < 3000; key++)
		assert_int_equal(seen[key], 1);
}

static void memory_returns_to_its_start_value(void **state)
{
	struct shm_usage before, full, after;
	struct shard_usage usage;
	shm_get_usage(&before);
	for (uint64_t key = 0; key < 50000; key++)
		assert_true(add(key));
	shm_get_usage(&full);
	assert_true(full.used > before.used + 50000 * sizeof(struct item));
	for (uint64_t key = 0; key < 50000; key++)
		assert_true(drop((key * 7919) % 50000));
	shm_get_usage(&after);
	assert_true(after.real_used <= before.real_used + shard_count(set) * 3 * SHM_PAGE_SIZE);
	shard_set_trim(set);
	shm_get_usage(&after);
	shard_set_usage(set, &usage);
	assert_int_equal(usage.live, 0);
	assert_int_equal(usage.region_bytes, 0);
	assert_int_equal(usage.page_bytes, 0);
	assert_int_equal(after.used, before.used);
	assert_int_equal(after.real_used, before.real_used);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void running_out_of_memory_is_an_answer(void **state)
{
	uint64_t count = 0;
	while (add(count))
		count++;
	assert_in_range(count, 100000, 600000);
	assert_false(add(count));
	assert_int_equal(shard_check_all_sets(), 0);
	for (uint64_t key = 0; key < 1000; key++)
		assert_true(drop(key));
	assert_true(add(0));
	for (uint64_t key = 1000; key < count; key++)
		assert_true(drop(key));
	assert_true(drop(0));
	assert_int_equal(shard_set_live(set), 0);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void piece_set(struct shard *shard, struct item *item, unsigned n, uint32_t len)
{
	if (item->piece[n]) {
		for (uint32_t i = 0; i < item->piece_len[n]; i += 97)
			assert_int_equal(item->piece[n][i], (uint8_t)(item->key + n));
		region_free(shard, &item->slot, item->piece[n]);
		item->piece[n] = NULL;
	}
	if (len == 0)
		return;
	item->piece[n] = region_alloc(shard, &item->slot, len);
	assert_non_null(item->piece[n]);
	assert_int_equal((uintptr_t)item->piece[n] % 16, 0);
	assert_true(region_block_size(item->piece[n]) >= len);
	memset(item->piece[n], (uint8_t)(item->key + n), len);
	item->piece_len[n] = len;
}

static void piece_cut(struct shard *shard, struct item *item, unsigned n, uint32_t len)
{
	if (!item->piece[n] || item->piece_len[n] < len)
		return;
	region_shrink(shard, &item->slot, item->piece[n], len);
	assert_true(region_block_size(item->piece[n]) >= len);
	item->piece_len[n] = len;
}

static void blocks_of_all_sizes_keep_their_bytes(void **state)
{
	uint64_t keys = 300;
	for (uint64_t key = 0; key < keys; key++)
		assert_true(add(key));
	srand(7);
	for (unsigned turn = 0; turn < 30000; turn++) {
		uint64_t key = (uint64_t)rand() % keys;
		struct shard *shard = shard_lock(set, key_hash(key));
		struct item *item = item_find(shard, key);
		uint32_t len = (uint32_t)rand() % (turn % 100 == 0  ? 70000
						   : turn % 10 == 0 ? 5000
								    : 400);
		piece_set(shard, item, (unsigned)rand() % 8, rand() % 4 ? len : 0);
		piece_cut(shard, item, (unsigned)rand() % 8, (uint32_t)rand() % 600);
		shard_unlock(shard);
		if (turn % 3000 == 0)
			assert_int_equal(shard_set_check(set), 0);
	}
	for (uint64_t key = 0; key < keys; key++)
		assert_true(drop(key));
	shard_set_trim(set);
	struct shard_usage usage;
	shard_set_usage(set, &usage);
	assert_int_equal(usage.region_bytes, 0);
	assert_int_equal(shard_check_all_sets(), 0);
}

/* Four processes add, find and drop the same keys for a while. */
static void hammer(unsigned seed, int64_t until_ms)
{
	struct timespec now;
	srand(seed);
	do {
		for (unsigned i = 0; i < 500; i++) {
			uint64_t key = (uint64_t)rand() % 400;
			if (rand() % 2)
				add(key);
			else
				drop(key);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < until_ms);
}

static void four_processes_share_a_set(void **state)
{
	struct timespec now;
	pid_t children[4];
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (unsigned i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			hammer(i, now.tv_sec * 1000 + now.tv_nsec / 1000000 + 700);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < 4; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(shard_check_all_sets(), 0);
	for (uint64_t key = 0; key < 400; key++) {
		while (drop(key)) { /* the same key was added more than once */
		}
	}
	assert_int_equal(shard_set_live(set), 0);
	assert_int_equal(shard_check_all_sets(), 0);
}

static void what_was_given_back_last_is_taken_first(void **state)
{
	struct shard *shard = shard_lock_number(set, 0);
	struct item *item = slot_new(shard, 0), *other = slot_new(shard, 0);
	void *first = region_alloc(shard, &item->slot, 2000);
	void *second = region_alloc(shard, &item->slot, 2000);
	void *third = region_alloc(shard, &item->slot, 2000);
	slot_publish(shard, &item->slot);
	slot_publish(shard, &other->slot);
	struct shard_usage usage, begin;
	shard_set_usage(set, &begin);
	region_free(shard, &item->slot, first);
	region_free(shard, &item->slot, second);
	assert_ptr_equal(region_alloc(shard, &other->slot, 1500), second);
	assert_ptr_equal(region_alloc(shard, &other->slot, 2000), first);
	shard_set_usage(set, &usage);
	assert_int_equal(usage.region_bytes, begin.region_bytes);
	/* What is much too large is left for others. */
	region_free(shard, &item->slot, third);
	assert_ptr_not_equal(region_alloc(shard, &other->slot, 600), third);
	slot_free(shard, &item->slot);
	slot_free(shard, &other->slot);
	shard_set_usage(set, &usage);
	assert_int_equal(usage.region_bytes, 0);
	shard_unlock(shard);
	assert_int_equal(shard_set_check(set), 0);
}

static void what_is_hot_is_no_reason_to_refuse(void **state)
{
	struct shard *shard = shard_lock_number(set, 0);
	struct item *item = slot_new(shard, 0);
	slot_publish(shard, &item->slot);
	void *blocks[8], *large[4096];
	for (unsigned i = 0; i < 8; i++)
		blocks[i] = region_alloc(shard, &item->slot, 4000);
	unsigned count = 0;
	while (count < 4096 && (large[count] = region_alloc(shard, &item->slot, 16000)))
		count++;
	for (unsigned i = 0; i < 8; i++)
		region_free(shard, &item->slot, blocks[i]);
	assert_non_null(region_alloc(shard, &item->slot, 8500)); /* two of them, side by side */
	shard_unlock(shard);
	assert_int_equal(shard_set_check(set), 0);
}

static void lock_two_shards(void)
{
	shard_lock_number(set, 0);
	shard_lock_number(set, 1);
}

static void leave_a_slot_half_done(void)
{
	struct shard *shard = shard_lock_number(set, 0);
	(void)!slot_new(shard, 0);
	shard_unlock(shard);
}

static void free_a_foreign_block(void)
{
	struct shard *shard = shard_lock(set, key_hash(1));
	struct item *mine = item_add(shard, 1), *other = slot_new(shard, key_hash(1));
	region_free(shard, &other->slot, (void *)mine->text.at);
}

static void free_a_slot_twice(void)
{
	struct shard *shard = shard_lock(set, key_hash(1));
	struct item *item = item_add(shard, 1);
	slot_free(shard, &item->slot);
	slot_free(shard, &item->slot);
}

static void breaking_a_rule_ends_the_process_and_harms_nobody(void **state)
{
	static void (*const wrongs[])(void) = {
		lock_two_shards,
		leave_a_slot_half_done,
		free_a_foreign_block,
		free_a_slot_twice,
	};
	for (unsigned i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		int status;
		pid_t child = fork();
		if (child == 0) {
			fclose(stderr);
			wrongs[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		shard_touch_all_sets();
		assert_int_equal(shard_check_all_sets(), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_what_was_published_and_nothing_else),
		TEST(equal_hashes_are_told_apart_by_the_caller),
		TEST(of_equal_hashes_the_newest_comes_first),
		TEST(a_name_finds_its_slot_and_never_its_successor),
		TEST(what_is_foreseen_need_not_be_there),
		TEST(a_slot_that_is_building_is_not_found),
		TEST(visits_every_live_slot_once_while_others_come_and_go),
		TEST(memory_returns_to_its_start_value),
		TEST(running_out_of_memory_is_an_answer),
		TEST(blocks_of_all_sizes_keep_their_bytes),
		TEST(what_was_given_back_last_is_taken_first),
		TEST(what_is_hot_is_no_reason_to_refuse),
		TEST(four_processes_share_a_set),
		TEST(breaking_a_rule_ends_the_process_and_harms_nobody),
	};
	hash_init();
	log_set_threshold(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
