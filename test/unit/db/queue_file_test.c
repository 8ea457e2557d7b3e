/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/db/queue_file.h"
#include "core/shm/map.h"

#define CAPACITY ((size_t)1 << 20)

static char folder[] = "/tmp/viaduct-queue-XXXXXX";
static char path[sizeof(folder) + 16];
static struct ring ring;

static int set_up(void **state)
{
	hash_init();
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	if (!shm_init((size_t)16 << 20) || !mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/x.queue", folder);
	return ring_open(&ring, path, CAPACITY) ? 0 : -1;
}

static int tear_down(void **state)
{
	if (ring.head)
		ring_close(&ring);
	unlink(path);
	rmdir(folder);
	shm_free();
	return 0;
}

struct text {
	uint32_t number;
	size_t len;
};

/* A record of any length: its number, then bytes that follow from it. */
static void write_text(char *to, const void *arg)
{
	const struct text *text = arg;
	memcpy(to, &text->number, sizeof(text->number));
	memset(to + sizeof(text->number), (int)(text->number & 0xff),
	       text->len - sizeof(text->number));
}

static enum ring_result add(uint32_t number, size_t len)
{
	struct text text = { number, len };
	return ring_add(&ring, len, write_text, &text);
}

static void expect(struct ring_cursor *cursor, uint32_t number, size_t len)
{
	struct span record;
	uint32_t found;
	assert_true(ring_next(&ring, cursor, &record));
	assert_int_equal(record.len, len);
	memcpy(&found, record.at, sizeof(found));
	assert_int_equal(found, number);
	for (size_t i = sizeof(found); i < len; i++)
		assert_int_equal((uint8_t)record.at[i], number & 0xff);
}

static void expect_end(struct ring_cursor *cursor)
{
	struct span record;
	assert_false(ring_next(&ring, cursor, &record));
}

static void records_come_in_their_order_around_the_end(void **state)
{
	uint32_t put = 0, taken = 0;
	/* Lengths that leave every remainder at the end of the file, several times around. */
	while (put < 4000) {
		for (unsigned i = 0; i < 7; i++, put++)
			assert_int_equal(add(put, 4 + put * 37 % 9000), RING_OK);
		struct ring_cursor cursor = { 0 };
		for (unsigned i = 0; i < 7; i++, taken++)
			expect(&cursor, taken, 4 + taken * 37 % 9000);
		expect_end(&cursor);
		ring_drop(&ring, &cursor);
		assert_true(ring_is_empty(&ring));
	}
}

static void a_full_ring_refuses_and_takes_again_when_there_is_room(void **state)
{
	uint32_t put = 0, taken = 0;
	for (unsigned round = 0; round < 5; round++) {
		while (add(put, 5000) == RING_OK)
			put++;
		assert_true(ring_waiting(&ring) > CAPACITY - 3 * 5024);
		assert_int_equal(add(put, 5000), RING_FULL);
		/* Half is taken, so that it never becomes empty. */
		struct ring_cursor cursor = { 0 };
		for (unsigned i = 0; i < 100; i++)
			expect(&cursor, taken++, 5000);
		ring_drop(&ring, &cursor);
	}
}

static void what_was_not_dropped_comes_again(void **state)
{
	struct ring_cursor first = { 0 }, again = { 0 };
	assert_int_equal(add(1, 100), RING_OK);
	assert_int_equal(add(2, 200), RING_OK);
	expect(&first, 1, 100);
	expect(&again, 1, 100);
	ring_drop(&ring, &again);
	struct ring_cursor later = { 0 };
	expect(&later, 2, 200);
	expect_end(&later);
}

static void records_outlive_the_server(void **state)
{
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(add(i, 1000), RING_OK);
	ring_close(&ring);
	assert_int_equal(access(path, F_OK), 0);
	/* The size that the file has counts while something waits in it. */
	assert_true(ring_open(&ring, path, 4 * CAPACITY));
	assert_int_equal(ring.capacity, CAPACITY);
	struct ring_cursor cursor = { 0 };
	for (uint32_t i = 0; i < 50; i++)
		expect(&cursor, i, 1000);
	ring_drop(&ring, &cursor);
	ring_close(&ring);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_killed_process_leaves_whole_records(void **state)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		for (uint32_t i = 0; i < 400; i++)
			if (add(i, 2000) == RING_OK && i == 100)
				(void)!write(ready[1], "x", 1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* The lock of the dead is taken over. */
	assert_int_equal(add(9999, 64), RING_OK);
	struct ring_cursor cursor = { 0 };
	struct span record;
	uint32_t count = 0, number = 0;
	while (ring_next(&ring, &cursor, &record)) {
		memcpy(&number, record.at, sizeof(number));
		assert_int_equal(number, record.len == 64 ? 9999 : count);
		count++;
	}
	assert_int_equal(number, 9999);
	assert_true(count > 101);
	close(ready[0]);
	close(ready[1]);
}

static void damage_is_passed_over_and_what_follows_is_taken(void **state)
{
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(add(i, 500), RING_OK);
	struct ring_cursor cursor = { 0 };
	expect(&cursor, 0, 500);
	ring.bytes[cursor.position + 40] ^= 1;
	log_set_threshold(LOG_LEVEL_ALERT);
	expect_end(&cursor);
	ring_drop(&ring, &cursor);
	assert_true(ring_is_empty(&ring));
	assert_int_equal(add(7, 500), RING_OK);
	struct ring_cursor next = { 0 };
	expect(&next, 7, 500);
}

static void a_foreign_file_and_a_second_server_are_refused(void **state)
{
	struct ring other = { 0 };
	log_set_threshold(LOG_LEVEL_ALERT);
	assert_false(ring_open(&other, path, CAPACITY));
	ring_close(&ring);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "this is something else", 22), 22);
	close(fd);
	assert_false(ring_open(&other, path, CAPACITY));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_come_in_their_order_around_the_end),
		TEST(a_full_ring_refuses_and_takes_again_when_there_is_room),
		TEST(what_was_not_dropped_comes_again),
		TEST(records_outlive_the_server),
		TEST(a_killed_process_leaves_whole_records),
		TEST(damage_is_passed_over_and_what_follows_is_taken),
		TEST(a_foreign_file_and_a_second_server_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
