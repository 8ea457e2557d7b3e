/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/message/hop.h"

static struct arena arena;

static int set_up(void **state)
{
	hash_init();
	arena_init(&arena, 4096, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(&arena);
	return 0;
}

static void branch_is_read_as_written(void **state)
{
	char text[HOP_BRANCH_MAX];
	static const struct hop hops[] = { { SPAN("t6e.23804.1"), 0x2b6737f3, 0 },
					   { SPAN("s0123456789abcdef"), 0, 0x1f },
					   { SPAN("x"), UINT32_MAX, 255 } };
	for (size_t i = 0; i < 3; i++) {
		struct hop back;
		struct span branch = hop_branch_write(&hops[i], text);
		assert_true(hop_branch_read(branch, &back));
		assert_true(span_equal(back.token, hops[i].token));
		assert_int_equal(back.loop, hops[i].loop);
		assert_int_equal(back.number, hops[i].number);
	}
}

/* Every byte of it counts, but the number, which is not ours alone to know. */
static void branch_that_was_changed_is_not_ours(void **state)
{
	char text[HOP_BRANCH_MAX], changed[HOP_BRANCH_MAX];
	struct hop back;
	struct span branch = hop_branch_write(&(struct hop){ SPAN_OF("t6e.23804.1"), 7, 1 }, text);
	for (size_t i = 0; i + 2 < branch.len; i++) {
		memcpy(changed, branch.at, branch.len);
		changed[i] = changed[i] == '1' ? '2' : '1';
		assert_false(hop_branch_read(span_make(changed, branch.len), &back));
	}
	for (size_t len = 0; len < branch.len; len++)
		assert_false(hop_branch_read(span_slice(branch, 0, len), &back));
}

/* Some write back capitals; in the token they mean something else. */
static void capitals_behind_the_token_are_ours(void **state)
{
	char text[HOP_BRANCH_MAX];
	struct hop back;
	struct span branch =
		hop_branch_write(&(struct hop){ SPAN_OF("tae.1"), 0xabcdef01, 1 }, text);
	for (size_t i = branch.len; i-- > sizeof("z9hG4bKtae.1") - 1;)
		text[i] = ascii_upper(text[i]);
	assert_true(hop_branch_read(branch, &back));
	assert_int_equal(back.loop, 0xabcdef01);
	text[sizeof("z9hG4bKt") - 1] = 'A';
	assert_false(hop_branch_read(branch, &back));
}

static struct message *request_of(const char *uri, const char *route, const char *via)
{
	static const struct received from = { 0 };
	const char *reason;
	struct span text = arena_printf(
		&arena,
		"INVITE %s SIP/2.0\r\n%sVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa\r\n%s"
		"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n",
		uri, via, route);
	struct message *msg = message_parse(&arena, text, &from, &reason);
	assert_non_null(msg);
	return msg;
}

static void repeats_are_found_in_any_place_of_a_via(void **state)
{
	char own[HOP_BRANCH_MAX], other[HOP_BRANCH_MAX], lines[512];
	unsigned passes;
	struct message *first = request_of("sip:c@d", "", "");
	uint32_t loop = hop_loop_hash(first);
	struct span branch = hop_branch_write(&(struct hop){ SPAN_OF("t1"), loop, 0 }, own);
	struct span foreign = hop_branch_write(&(struct hop){ SPAN_OF("t2"), loop + 1, 0 }, other);
	assert_int_equal(hop_repeats(first, &passes), 0);
	assert_int_equal(passes, 0);
	snprintf(lines, sizeof(lines),
		 "Via: SIP/2.0/UDP h;rport;branch=%.*s , SIP/2.0/UDP i;branch=%.*s;x\r\n",
		 SPAN_ARGS(foreign), SPAN_ARGS(branch));
	assert_int_equal(hop_repeats(request_of("sip:c@d", "", lines), &passes), 1);
	assert_int_equal(passes, 2);
	assert_int_equal(hop_repeats(request_of("sip:other@d", "", lines), &passes), 0);
	assert_int_equal(passes, 2);
	assert_int_equal(
		hop_repeats(request_of("sip:c@d", "Route: <sip:x;lr>\r\n", lines), &passes), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(branch_is_read_as_written),
		cmocka_unit_test(branch_that_was_changed_is_not_ours),
		cmocka_unit_test(capitals_behind_the_token_are_ours),
		cmocka_unit_test(repeats_are_found_in_any_place_of_a_via),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
