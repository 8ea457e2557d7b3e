/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read of a message without parsing all of it must be what the parser would have read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/message/message.h"

static struct arena arena;
static const struct listener *listener;

static int set_up(void **state)
{
	const struct end_point address = {
		.family = AF_INET, .transport = TRANSPORT_UDP, .port = 5070, .ip = { 127, 0, 0, 9 }
	};
	const char *error;
	arena_init(&arena, 4096, 1 << 20);
	listener = listener_add(&address, (struct span){ 0 }, (struct span){ 0 }, 0, &error);
	return listener ? 0 : -1;
}

static int tear_down(void **state)
{
	arena_free(&arena);
	return 0;
}

static void assert_same_span(struct span a, struct span b)
{
	assert_ptr_equal(a.at, b.at);
	assert_int_equal(a.len, b.len);
}

static void assert_same_via(const struct sip_via *a, const struct sip_via *b)
{
	assert_same_span(a->whole, b->whole);
	assert_same_span(a->transport_text, b->transport_text);
	assert_same_span(a->host, b->host);
	assert_same_span(a->hostport, b->hostport);
	assert_same_span(a->params, b->params);
	assert_same_span(a->branch, b->branch);
	assert_same_span(a->received, b->received);
	assert_same_span(a->maddr, b->maddr);
	assert_same_span(a->rport_whole, b->rport_whole);
	assert_int_equal(a->transport, b->transport);
	assert_int_equal(a->rport, b->rport);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->has_port, b->has_port);
}

static void top_via_of_a_reply_is_what_the_parser_reads(void **state)
{
	static const char *const vias[] = {
		"SIP/2.0/UDP 127.0.0.9:5070;branch=z9hG4bKt1.2.3.0",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=x",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=a=b[c]@<d>%",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=\"z\"",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=z9hG4bKt1;received=127.0.0.1;rport=5060",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=z9hG4bKt1, SIP/2.0/UDP host;branch=z9hG4bKx",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=z9hG4bKt1 ;x",
		"SIP/2.0/UDP 127.0.0.9:5070;branch=z9hG4bKt1 x",
		"SIP/2.0/UDP 127.0.0.9:5070",
		"SIP/2.0/UDP 127.0.0.9:5071;branch=z9hG4bKt1",
		"SIP/2.0/udp 127.0.0.9:5070;branch=z9hG4bKt1",
		"SIP/2.0/UDP [::1]:5070;branch=z9hG4bKt1",
	};
	const struct received from = { .listener = listener };
	for (size_t i = 0; i < ARRAY_SIZE(vias); i++) {
		const char *reason;
		struct sip_via read;
		struct span text = arena_printf(
			&arena, "SIP/2.0 200 OK\r\nVia:  %s \r\nCSeq: 1 INVITE\r\n\r\n", vias[i]);
		struct message *reply = message_parse(&arena, text, &from, &reason);
		assert_non_null(reply);
		const struct sip_via *top = message_top_via(reply);
		bool is_via = via_parse(message_value(reply, HEADER_VIA), &read);
		assert_int_equal(top != NULL, is_via);
		if (is_via)
			assert_same_via(top, &read);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_via_of_a_reply_is_what_the_parser_reads),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
