/* SPDX-License-Identifier: BSD-2-Clause */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/shm/crash.h"
#include "core/shm/mailbox.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"

static int set_up(void **state)
{
	return shm_init((size_t)16 << 20) && mailbox_init(3, 64) ? 0 : -1;
}

static int tear_down(void **state)
{
	mailbox_free();
	shm_free();
	return 0;
}

static bool is_readable(const struct mailbox *box)
{
	struct pollfd wait = { .fd = mailbox_fd(box), .events = POLLIN };
	return poll(&wait, 1, 0) == 1;
}

static void messages_arrive_in_order_until_the_box_is_full(void **state)
{
	struct mailbox *box = mailbox_at(1);
	struct mail mail;
	assert_null(mailbox_at(3));
	for (uint32_t round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < 64; i++)
			assert_true(mailbox_send(box, i, 2, &round, sizeof(round)));
		assert_false(mailbox_send(box, 64, 2, &round, sizeof(round)));
		assert_int_equal(mailbox_waiting(box), 64);
		for (uint32_t i = 0; i < 64; i++) {
			assert_true(mailbox_receive(box, &mail));
			assert_int_equal(mail.type, i);
			assert_int_equal(mail.sender, 2);
			assert_int_equal(mail.inline_len, sizeof(round));
			assert_memory_equal(mail.bytes, &round, sizeof(round));
			assert_null(mail.block);
		}
		assert_false(mailbox_receive(box, &mail));
	}
}

static void only_a_receiver_that_found_nothing_is_woken(void **state)
{
	struct mailbox *box = mailbox_at(0);
	struct mail mail;
	assert_false(mailbox_receive(box, &mail));
	assert_false(is_readable(box));
	assert_true(mailbox_send(box, 1, 0, NULL, 0));
	assert_true(is_readable(box));
	assert_true(mailbox_receive(box, &mail));
	assert_false(mailbox_receive(box, &mail));
	assert_false(is_readable(box));
	assert_true(mailbox_send(box, 1, 0, NULL, 0));
	assert_true(is_readable(box));
}

static void long_parts_travel_and_are_freed(void **state)
{
	struct mailbox *box = mailbox_at(0);
	struct mail mail;
	struct shm_usage before, after;
	static char text[100000];
	memset(text, 'x', sizeof(text));
	shm_get_usage(&before);
	for (size_t len = 1; len <= sizeof(text); len = len * 3 + 1) {
		assert_true(mailbox_send_block(box, 7, 1, "ab", 2, text, len));
		assert_true(mailbox_receive(box, &mail));
		assert_int_equal(mail.block_len, len);
		assert_memory_equal(mail.block, text, len);
		mail_release(&mail);
		assert_null(mail.block);
	}
	shm_get_usage(&after);
	assert_int_equal(after.used, before.used);
	assert_false(mailbox_send_block(box, 7, 1, NULL, 0, text, MAILBOX_BLOCK_MOST + 1));
	for (unsigned i = 0; i < 64; i++)
		assert_true(mailbox_send(box, i, 0, NULL, 0));
	assert_false(mailbox_send_block(box, 7, 1, NULL, 0, text, 100));
	shm_get_usage(&after);
	assert_int_equal(after.used, before.used);
}

static void a_successor_gets_the_rest_and_frees_what_was_lost(void **state)
{
	struct mailbox *box = mailbox_at(2);
	struct shm_usage before, after;
	shm_get_usage(&before);
	for (uint32_t i = 0; i < 10; i++)
		assert_true(mailbox_send_block(box, i, 0, NULL, 0, "long part", 10));
	pid_t child = fork();
	if (child == 0) {
		struct mail mail;
		for (unsigned i = 0; i < 4; i++)
			(void)!mailbox_receive(box, &mail);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	mailbox_adopt(box);
	for (uint32_t i = 4; i < 10; i++) {
		struct mail mail;
		assert_true(mailbox_receive(box, &mail));
		assert_int_equal(mail.type, i);
		assert_string_equal(mail.block, "long part");
		mail_release(&mail);
	}
	shm_get_usage(&after);
	assert_int_equal(after.used, before.used);
}

static void many_senders_lose_nothing(void **state)
{
	enum { SENDERS = 3, EACH = 20000 };
	struct mailbox *box = mailbox_at(0);
	pid_t children[SENDERS];
	for (uint16_t i = 0; i < SENDERS; i++) {
		children[i] = fork();
		if (children[i])
			continue;
		for (uint32_t n = 0; n < EACH;) {
			bool is_sent = n % 16 ? mailbox_send(box, n, i, &n, sizeof(n))
					      : mailbox_send_block(box, n, i, &n, sizeof(n), &n,
								   sizeof(n));
			n += is_sent;
			if (!is_sent)
				usleep(50);
		}
		_exit(0);
	}
	uint32_t next[SENDERS] = { 0 };
	for (unsigned received = 0; received < SENDERS * EACH;) {
		struct mail mail;
		struct pollfd wait = { .fd = mailbox_fd(box), .events = POLLIN };
		while (mailbox_receive(box, &mail)) {
			assert_int_equal(mail.type, next[mail.sender]);
			assert_memory_equal(mail.bytes, &mail.type, sizeof(mail.type));
			assert_int_equal(mail.block != NULL, mail.type % 16 == 0);
			mail_release(&mail);
			next[mail.sender]++;
			received++;
		}
		if (received < SENDERS * EACH)
			assert_int_equal(poll(&wait, 1, 5000),
					 1); /* a lost wake-up would end here */
	}
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
	assert_int_equal(shard_check_all_sets(), 0);
}

#ifdef VIADUCT_DEBUG
static void a_sender_that_dies_leaves_a_valid_box(void **state)
{
	struct mailbox *box = mailbox_at(0);
	struct crash_plan *plan = shm_reserve(sizeof(*plan), "test");
	struct shm_usage before, after;
	shm_get_usage(&before);
	for (int64_t nth = 1;; nth++) {
		plan->countdown = nth;
		pid_t child = fork();
		if (child == 0) {
			crash_follow(plan);
			(void)!mailbox_send_block(box, 1, 0, "in", 2, "long", 5);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		shard_touch_all_sets();
		struct mail mail;
		while (mailbox_receive(box, &mail)) {
			assert_string_equal(mail.block, "long");
			mail_release(&mail);
		}
		clock_refresh();
		clock_advance(11000);
		mailbox_adopt(box);
		assert_int_equal(shard_check_all_sets(), 0);
		assert_false(mailbox_receive(box, &mail));
		shm_get_usage(&after);
		assert_int_equal(after.used, before.used);
		if (WIFEXITED(status))
			break;
	}
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_arrive_in_order_until_the_box_is_full),
		TEST(only_a_receiver_that_found_nothing_is_woken),
		TEST(long_parts_travel_and_are_freed),
		TEST(a_successor_gets_the_rest_and_frees_what_was_lost),
		TEST(many_senders_lose_nothing),
#ifdef VIADUCT_DEBUG
		TEST(a_sender_that_dies_leaves_a_valid_box),
#endif
	};
	hash_init();
	clock_refresh();
	log_set_threshold(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
