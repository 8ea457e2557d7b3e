/* SPDX-License-Identifier: BSD-2-Clause */
/* Record-Route as it leaves by different sockets, and loose routing without a server around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "modules/rr/rr.h"

static struct rr_settings settings;
const struct rr_settings *const rr_settings = &settings;

#include "modules/rr/loose.c"
#include "modules/rr/record.c"
#include "modules/rr/route_uri.c"

static const struct listener *udp, *other, *tcp, *tls;
static struct arena arena;

static const struct listener *add(const char *text, const char *name, const char *advertised)
{
	struct end_point address;
	const char *error = NULL;
	assert_true(end_point_parse(span_from(text), &address));
	const struct listener *listener = listener_add(
		&address, span_from(name), span_from(advertised), advertised ? 5070 : 0, &error);
	assert_non_null(listener);
	return listener;
}

static int start(void **unused)
{
	(void)unused;
	hash_init();
	udp = add("udp:127.0.0.1:5060", "main", NULL);
	other = add("udp:127.0.0.2:5066", NULL, NULL);
	tcp = add("tcp:127.0.0.1:5060", NULL, NULL);
	tls = add("tls:127.0.0.3:5061", NULL, "public.example.com");
	loose_reserve();
	return 0;
}

static int reset(void **unused)
{
	(void)unused;
	arena_init(&arena, 16384, 1u << 22);
	settings = (struct rr_settings){ .append_fromtag = true, .enable_double_rr = 1 };
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	arena_free(&arena);
	return 0;
}

#define REQUEST(uri, to_params, lines)                                                          \
	"INVITE " uri " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKa\r\n"               \
	"From: <sip:alice@example.com>;tag=from\r\nTo: <sip:bob@example.com>" to_params "\r\n"   \
	"Call-ID: call\r\nCSeq: 1 INVITE\r\n" lines "Content-Length: 0\r\n\r\n"

static struct message *parse(const char *text)
{
	const char *reason;
	struct received from = { .listener = udp, .local = udp->address, .source = other->address };
	struct message *msg = message_parse(&arena, span_from(text), &from, &reason);
	assert_non_null(msg);
	return msg;
}

/* The Record-Route lines of the message when it leaves by `from`. */
static const char *record_lines(struct message *msg, const struct listener *from)
{
	struct writer w = writer_in_arena(&arena, 512);
	struct outgoing out = { .msg = msg, .from = from };
	for (const struct edit *edit = msg->edits; edit; edit = edit->next)
		if (edit->write)
			edit->write(&w, edit->text, &out);
	return writer_terminate(&w);
}

static struct script_run run_of(struct message *msg)
{
	return (struct script_run){ .msg = msg, .kind = ROUTE_REQUEST, .arena = &arena };
}

static void one_header_when_it_leaves_by_the_socket_it_came_from(void **unused)
{
	(void)unused;
	struct message *msg = parse(REQUEST("sip:bob@example.com", "", ""));
	struct script_run run = run_of(msg);
	assert_true(record_route(&run, SPAN_OF(";a=b")));
	assert_string_equal(record_lines(msg, udp),
			    "Record-Route: <sip:127.0.0.1;lr;ftag=from;a=b>\r\n");
}

static void two_headers_when_it_leaves_by_another_socket(void **unused)
{
	(void)unused;
	static const struct {
		const struct listener *const *out;
		const char *expected;
	} cases[] = {
		{ &other, "Record-Route: <sip:127.0.0.2:5066;r2=on;lr;ftag=from>\r\n" },
		{ &tcp, "Record-Route: <sip:127.0.0.1;transport=tcp;r2=on;lr;ftag=from>\r\n" },
		{ &tls,
		  "Record-Route: <sip:public.example.com:5070;transport=tls;r2=on;lr;ftag=from>\r\n" },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct message *msg = parse(REQUEST("sip:bob@example.com", "", ""));
		struct script_run run = run_of(msg);
		assert_true(record_route(&run, (struct span){ 0 }));
		struct span expected = arena_printf(
			&arena, "%sRecord-Route: <sip:127.0.0.1;r2=on;lr;ftag=from>\r\n",
			cases[i].expected);
		assert_string_equal(record_lines(msg, *cases[i].out), expected.at);
	}
}

static void settings_change_the_form(void **unused)
{
	(void)unused;
	settings = (struct rr_settings){ .enable_full_lr = true,
					 .add_username = true,
					 .enable_double_rr = 2,
					 .sockname_mode = true,
					 .ignore_sips = true };
	struct message *msg = parse(REQUEST("sips:bob@example.com", "", ""));
	struct script_run run = run_of(msg);
	assert_true(record_route(&run, (struct span){ 0 }));
	assert_string_equal(record_lines(msg, udp),
			    "Record-Route: <sip:bob@127.0.0.1;sn=main;r2=on;lr=on>\r\n"
			    "Record-Route: <sip:bob@127.0.0.1;sn=main;r2=on;lr=on>\r\n");
}

static void sips_requests_are_recorded_as_sips(void **unused)
{
	(void)unused;
	struct message *msg = parse(REQUEST("sips:bob@example.com", "", ""));
	struct script_run run = run_of(msg);
	assert_true(record_route(&run, (struct span){ 0 }));
	assert_string_equal(record_lines(msg, udp),
			    "Record-Route: <sips:127.0.0.1;lr;ftag=from>\r\n");
}

static void advertised_address_is_doubled_only_when_the_transport_changes(void **unused)
{
	(void)unused;
	struct message *msg = parse(REQUEST("sip:bob@example.com", "", ""));
	struct script_run run = run_of(msg);
	assert_true(record_route_advertised(&run, SPAN_OF("192.0.2.9:88")));
	assert_string_equal(record_lines(msg, other),
			    "Record-Route: <sip:192.0.2.9:88;ftag=from;lr>\r\n");
	assert_string_equal(
		record_lines(msg, tcp),
		"Record-Route: <sip:192.0.2.9:88;transport=tcp;r2=on;ftag=from;lr>\r\n"
		"Record-Route: <sip:192.0.2.9:88;transport=udp;r2=on;ftag=from;lr>\r\n");
}

static void text_that_would_end_the_header_is_refused(void **unused)
{
	(void)unused;
	static const char *const texts[] = { ";a=b\r\nX: y", ";a>", ";a=<b", ";a\nb" };
	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		struct message *msg = parse(REQUEST("sip:bob@example.com", "", ""));
		struct script_run run = run_of(msg);
		assert_false(record_route(&run, span_from(texts[i])));
		assert_false(record_route_add_param(msg, span_from(texts[i])));
		assert_null(msg->edits);
	}
}

static void parameters_that_come_first_are_kept_through_freezing(void **unused)
{
	(void)unused;
	struct message *msg = parse(REQUEST("sip:bob@example.com", "", ""));
	assert_true(record_route_add_param(msg, SPAN_OF(";nat=yes")));
	void *block = arena_alloc(&arena, message_frozen_size(msg));
	assert_true(message_freeze(msg, block));
	struct message *thawed = message_thaw(block, &arena);
	assert_non_null(thawed);
	struct script_run run = run_of(thawed);
	assert_true(record_route(&run, (struct span){ 0 }));
	assert_string_equal(record_lines(thawed, udp),
			    "Record-Route: <sip:127.0.0.1;lr;ftag=from;nat=yes>\r\n");
}

static void second_of_our_routes_chooses_the_socket(void **unused)
{
	(void)unused;
	struct message *msg = parse(REQUEST(
		"sip:bob@192.0.2.7", ";tag=to",
		"Route: <sip:127.0.0.2:5066;r2=on;lr>,<sip:127.0.0.1;transport=tcp;r2=on;lr>\r\n"));
	assert_int_equal(loose_route(msg, 0), LOOSE_ROUTED);
	assert_ptr_equal(msg->target.socket, tcp);
	assert_false(loose_has_next_hop(msg));
}

static void routing_twice_changes_nothing_more(void **unused)
{
	(void)unused;
	struct message *msg =
		parse(REQUEST("sip:bob@192.0.2.7", ";tag=to",
			      "Route: <sip:127.0.0.1;lr;ftag=from>, <sip:192.0.2.8;lr>\r\n"));
	assert_int_equal(loose_route(msg, 0), LOOSE_ROUTED);
	const struct edit *edits = msg->edits;
	assert_int_equal(loose_route(msg, 0), LOOSE_ROUTED);
	assert_ptr_equal(msg->edits, edits);
	assert_null(edits->next);
	assert_true(span_equal(msg->target.dst_uri, SPAN_OF("sip:192.0.2.8;lr")));
}

static void own_route_is_found_again_after_a_transaction(void **unused)
{
	(void)unused;
	struct span value = { NULL, 0 };
	struct message *msg = parse(REQUEST("sip:bob@192.0.2.7", ";tag=to",
					    "Route: <sip:127.0.0.1;lr;ftag=to;did=a.b>\r\n"));
	loose_route(msg, 0);
	void *block = arena_alloc(&arena, message_frozen_size(msg));
	assert_true(message_freeze(msg, block));
	struct message *thawed = message_thaw(block, &arena);
	assert_true(loose_param(thawed, SPAN_OF("did"), &value));
	assert_true(span_equal(value, SPAN_OF("a.b")));
	assert_int_equal(loose_direction(thawed), RR_UPSTREAM);
}

static struct span seen_params;
static void note_params(struct message *msg, struct span params)
{
	(void)msg;
	seen_params = params;
}

static void modules_hear_of_our_route(void **unused)
{
	(void)unused;
	assert_true(loose_on_routed(note_params));
	loose_route(parse(REQUEST("sip:bob@192.0.2.7", ";tag=to",
				  "Route: <sip:127.0.0.1;lr;did=1>\r\n")),
		    0);
	assert_true(span_equal(seen_params, SPAN_OF(";lr;did=1")));
	seen_params = (struct span){ 0 };
	loose_route(parse(REQUEST("sip:bob@192.0.2.7", ";tag=to",
				  "Route: <sip:192.0.2.8;lr;did=1>\r\n")),
		    0);
	assert_null(seen_params.at);
}

static void endless_route_sets_are_refused(void **unused)
{
	(void)unused;
	struct writer w = writer_in_arena(&arena, 8192);
	writer_literal(
		&w,
		"BYE sip:bob@192.0.2.7 SIP/2.0\r\nTo: <sip:b@x>;tag=t\r\nFrom: <sip:a@x>;tag=f\r\nRoute: ");
	for (unsigned i = 0; i <= MAX_ROUTES; i++)
		writer_printf(&w, "%s<sip:192.0.2.8;lr>", i ? "," : "");
	writer_literal(&w, "\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(loose_route(parse(writer_terminate(&w)), 0), LOOSE_NOT_ROUTED);
}

static void known_uris_are_what_the_parser_reads(void **unused)
{
	static const char *const uris[] = {
		"sip:127.0.0.1;lr",
		"sip:127.0.0.1;lr;ftag=abc",
		"sip:127.0.0.1;lr;ftag=",
		"sip:127.0.0.1;lr;ftag=a;r2=on",
		"sip:127.0.0.1;lr;ftag=a@h",
		"sip:127.0.0.1;lr;ftag=a?b=c",
		"sip:127.0.0.1;lr;ftag=a b",
		"sip:127.0.0.1;lr;ftag",
		"sip:127.0.0.1;lr=on",
		"sip:127.0.0.1;lr;did=1;ftag=a",
		"sip:127.0.0.1;lrx",
		"sip:127.0.0.1:5060;lr",
		"sip:127.0.0.2:5066;lr;ftag=abc",
		"sip:127.0.0.1;transport=tcp;lr;ftag=abc",
		"sip:public.example.com:5070;transport=tls;lr",
		"sip:127.0.0.9;lr",
	};
	(void)unused;
	assert_true(route_uris_start());
	assert_int_equal(known.count, listener_count());
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		struct route_uri a = { 0 }, b = { 0 };
		struct span text = span_from(uris[i]);
		bool is_read = route_uri_read(text, &a);
		assert_int_equal(is_read, read_unknown(text, &b));
		if (!is_read)
			continue;
		assert_ptr_equal(a.text.at, b.text.at);
		assert_int_equal(a.text.len, b.text.len);
		assert_ptr_equal(a.params.at, b.params.at);
		assert_int_equal(a.params.len, b.params.len);
		assert_ptr_equal(a.listener, b.listener);
		assert_int_equal(a.is_ours, b.is_ours);
		assert_int_equal(a.is_loose, b.is_loose);
		assert_int_equal(a.is_double, b.is_double);
	}
	known.count = 0;
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, reset, end)
	static const struct CMUnitTest tests[] = {
		TEST(one_header_when_it_leaves_by_the_socket_it_came_from),
		TEST(two_headers_when_it_leaves_by_another_socket),
		TEST(settings_change_the_form),
		TEST(sips_requests_are_recorded_as_sips),
		TEST(advertised_address_is_doubled_only_when_the_transport_changes),
		TEST(text_that_would_end_the_header_is_refused),
		TEST(parameters_that_come_first_are_kept_through_freezing),
		TEST(second_of_our_routes_chooses_the_socket),
		TEST(routing_twice_changes_nothing_more),
		TEST(own_route_is_found_again_after_a_transaction),
		TEST(modules_hear_of_our_route),
		TEST(endless_route_sets_are_refused),
		TEST(known_uris_are_what_the_parser_reads),
	};
	return cmocka_run_group_tests_name("rr", tests, start, NULL);
}
