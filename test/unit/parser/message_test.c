/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "parser/message.h"

struct fixture {
	struct arena arena;
	struct sip_message_index *index;
	struct parse_error error;
	struct span bytes;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	arena_init(&f->arena, 16384, 1 << 22);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	arena_free(&f->arena);
	free((void *)(uintptr_t)f->bytes.at);
	free(f);
	return 0;
}

/* Indexes a copy of exactly this size, so that the sanitizer sees every read beyond it. */
static enum parse_result index_text(struct fixture *f, struct span text)
{
	free((void *)(uintptr_t)f->bytes.at);
	char *copy = malloc(text.len ? text.len : 1);
	memcpy(copy, text.at, text.len);
	f->bytes = span_make(copy, text.len);
	f->error = (struct parse_error){ 0 };
	return sip_message_index(&f->arena, f->bytes, &f->index, &f->error);
}

static void assert_span(struct span actual, const char *expected)
{
	assert_non_null(actual.at);
	assert_int_equal(actual.len, strlen(expected));
	assert_memory_equal(actual.at, expected, actual.len);
}

static void assert_header(struct fixture *f, const struct sip_header *header, const char *name,
			  const char *value)
{
	assert_non_null(header);
	assert_span(sip_header_name(f->bytes, header), name);
	assert_span(sip_header_value(f->bytes, header), value);
}

#define INVITE "INVITE sip:bob@example.com SIP/2.0\r\n"

static void indexes_a_request(void **state)
{
	struct fixture *f = *state;
	struct span text = SPAN_OF(INVITE "Via: SIP/2.0/UDP a.example.com;branch=z9hG4bK1\r\n"
					  "v: SIP/2.0/UDP b.example.com\r\n"
					  "f: <sip:alice@example.com>;tag=1\r\n"
					  "X-Own:  some value \t\r\n"
					  "Via : SIP/2.0/UDP c.example.com\r\n"
					  "Subject: one\r\n two\r\n\tthree\r\n"
					  "X-Empty:\r\n"
					  "l: 4\r\n"
					  "\r\n"
					  "bodyrest");
	assert_int_equal(index_text(f, text), PARSE_OK);
	const struct sip_message_index *index = f->index;
	assert_true(index->is_request);
	assert_true(index->is_sip_2_0);
	assert_int_equal(index->method, METHOD_INVITE);
	assert_span(sip_range_span(f->bytes, index->uri), "sip:bob@example.com");
	assert_span(sip_range_span(f->bytes, index->version), "SIP/2.0");
	assert_int_equal(index->header_count, 8);
	assert_int_equal(index->body_len, 4);
	assert_int_equal(index->len, text.len - 4);
	const struct sip_header *via = sip_header_first(index, HEADER_VIA);
	assert_header(f, via, "Via", "SIP/2.0/UDP a.example.com;branch=z9hG4bK1");
	via = sip_header_next(index, via);
	assert_header(f, via, "v", "SIP/2.0/UDP b.example.com");
	via = sip_header_next(index, via);
	assert_header(f, via, "Via", "SIP/2.0/UDP c.example.com");
	assert_null(sip_header_next(index, via));
	assert_null(sip_header_first(index, HEADER_TO));
	const struct sip_header *own = sip_header_named(index, f->bytes, SPAN_OF("x-own"), NULL);
	assert_header(f, own, "X-Own", "some value");
	assert_span(sip_header_line(f->bytes, own), "X-Own:  some value \t\r\n");
	assert_null(sip_header_named(index, f->bytes, SPAN_OF("x-own"), own));
	assert_header(f, sip_header_named(index, f->bytes, SPAN_OF("x-empty"), NULL), "X-Empty",
		      "");
	const struct sip_header *subject = sip_header_first(index, HEADER_SUBJECT);
	assert_true(subject->flags & SIP_HEADER_FOLDED);
	assert_header(f, subject, "Subject", "one\r\n two\r\n\tthree");
	assert_span(sip_unfold(&f->arena, sip_header_value(f->bytes, subject)), "one two three");
	assert_ptr_equal(sip_header_named(index, f->bytes, SPAN_OF("CONTENT-LENGTH"), NULL),
			 sip_header_first(index, HEADER_CONTENT_LENGTH));
}

static void indexes_a_reply(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(
		index_text(f, SPAN_OF("SIP/2.0 180 Ringing Now\r\nCSeq: 1 INVITE\r\n\r\n")),
		PARSE_OK);
	assert_false(f->index->is_request);
	assert_int_equal(f->index->status, 180);
	assert_span(sip_range_span(f->bytes, f->index->reason), "Ringing Now");
	assert_int_equal(index_text(f, SPAN_OF("SIP/2.0 200 \n\n")), PARSE_OK);
	assert_span(sip_range_span(f->bytes, f->index->reason), "");
	assert_int_equal(index_text(f, SPAN_OF("SIP/2.0 200\r\n\r\n")), PARSE_OK);
}

static void survives_being_moved(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(index_text(f, SPAN_OF(INVITE "To: <sip:b@c>\r\nFrom: <sip:d@e>\r\n\r\n")),
			 PARSE_OK);
	size_t size = sip_index_size(f->index);
	struct sip_message_index *moved = malloc(size);
	memcpy(moved, f->index, size);
	assert_span(sip_header_value(f->bytes, sip_header_first(moved, HEADER_FROM)), "<sip:d@e>");
	free(moved);
}

static void knows_every_name_in_every_form(void **state)
{
	for (unsigned id = 0; id < HEADER_OTHER; id++) {
		struct span name = header_name((enum sip_header_id)id);
		char copy[64];
		assert_int_equal(header_id_from_name(name), id);
		for (unsigned i = 0; i < name.len; i++)
			copy[i] = ascii_upper(name.at[i]);
		assert_int_equal(header_id_from_name(span_make(copy, name.len)), id);
		for (unsigned i = 0; i < name.len; i++)
			copy[i] = ascii_lower(name.at[i]);
		assert_int_equal(header_id_from_name(span_make(copy, name.len)), id);
		copy[name.len - 2] = '_';
		assert_int_equal(header_id_from_name(span_make(copy, name.len)), HEADER_OTHER);
		char compact = header_compact((enum sip_header_id)id);
		if (compact)
			assert_int_equal(header_id_from_name(span_make(&compact, 1)), id);
	}
}

/* The scan of whole blocks must find what the search by name finds. */
static void finds_the_same_ids_in_a_message(void **state)
{
	struct fixture *f = *state;
	for (unsigned id = 0; id < HEADER_OTHER; id++) {
		char text[200];
		struct span name = header_name((enum sip_header_id)id);
		bool is_length = id == HEADER_CONTENT_LENGTH;
		int len = snprintf(text, sizeof(text),
				   INVITE "%.*s: %s\r\nX-Filler: 123456789\r\n\r\n",
				   SPAN_ARGS(name), is_length ? "0" : "x");
		assert_int_equal(index_text(f, span_make(text, (size_t)len)), PARSE_OK);
		assert_int_equal(f->index->headers[0].id, id);
		assert_span(sip_header_name(f->bytes, &f->index->headers[0]), name.at);
	}
}

static void tells_what_is_wrong(void **state)
{
	static const struct {
		struct span text;
		enum parse_result result;
		unsigned defects;
	} rows[] = {
		{ SPAN(""), PARSE_MORE, 0 },
		{ SPAN("\r\n\r\n"), PARSE_MORE, 0 },
		{ SPAN("INVITE"), PARSE_MORE, 0 },
		{ SPAN(INVITE), PARSE_MORE, 0 },
		{ SPAN(INVITE "To: x\r\n"), PARSE_MORE, 0 },
		{ SPAN(INVITE "To: x\r\n\r"), PARSE_MORE, 0 },
		{ SPAN(INVITE "To: x\r\n\r\n"), PARSE_OK, 0 },
		{ SPAN("\r\n\r\n" INVITE "To: x\n\n"), PARSE_OK, 0 },
		{ SPAN("A b SIP/2.0\r\nSubject: short\r\n\r\n"), PARSE_OK, 0 },
		{ SPAN("hello\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("INVITE sip:a@b\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("INVITE  SIP/2.0\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("IN\tVITE sip:a@b SIP/2.0\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("SIP/2.0 99 Low\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("SIP/2.0 700 High\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("SIP/2.0 4294967301 better not\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("SIP/2.0 0200 Zero\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN("INVITE  sip:a@b SIP/2.0\r\n\r\n"), PARSE_BAD, SIP_DEFECT_START_LINE },
		{ SPAN("INVITE sip:a@b SIP/2.0 \r\n\r\n"), PARSE_BAD, SIP_DEFECT_START_LINE },
		{ SPAN("INVITE sip:a@b; lr SIP/2.0\r\n\r\n"), PARSE_BAD, SIP_DEFECT_START_LINE },
		{ SPAN(INVITE " To: x\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN(INVITE "no colon\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN(INVITE ": no name\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN(INVITE "To: bare \r return\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN(INVITE "To: zero \0 byte\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN(INVITE "To: \"zero \\\0 pair\" <sip:a@b>\r\n\r\n"), PARSE_OK, 0 },
		{ SPAN(INVITE "Ca\rl-ID: cr in name\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN(INVITE "Call\rID: looks like Call-ID with bit 5\r\n\r\n"), PARSE_BAD, 0 },
		{ SPAN(INVITE "l: 5\r\n\r\nbody"), PARSE_BAD, SIP_DEFECT_SHORT_BODY },
		{ SPAN(INVITE "l: -5\r\n\r\nbody"), PARSE_BAD, SIP_DEFECT_CONTENT_LENGTH },
		{ SPAN(INVITE "l: 4294967296\r\n\r\nbody"), PARSE_BAD, SIP_DEFECT_CONTENT_LENGTH },
		{ SPAN(INVITE "l: 99999999999999999999999999\r\n\r\nbody"), PARSE_BAD,
		  SIP_DEFECT_CONTENT_LENGTH },
		{ SPAN(INVITE "l: 4294967295\r\n\r\nbody"), PARSE_BAD, SIP_DEFECT_SHORT_BODY },
		{ SPAN(INVITE "l: 4\r\nContent-Length: 3\r\n\r\nbody"), PARSE_BAD,
		  SIP_DEFECT_CONTENT_LENGTH },
		{ SPAN(INVITE "l: 4\r\nContent-Length: 4\r\n\r\nbody"), PARSE_OK, 0 },
		{ SPAN(INVITE "l:\r\n\r\nbody"), PARSE_BAD, SIP_DEFECT_CONTENT_LENGTH },
		{ SPAN("INVITE sip:a@b SIP/7.0\r\n\r\n"), PARSE_OK, 0 },
		{ SPAN("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), PARSE_OK, 0 },
	};
	struct fixture *f = *state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		enum parse_result result = index_text(f, rows[i].text);
		if (result != rows[i].result)
			fail_msg("row %u: %d instead of %d: %s", i, result, rows[i].result,
				 rows[i].text.at);
		if (result == PARSE_BAD)
			assert_non_null(f->error.reason);
		if (result == PARSE_BAD && rows[i].defects == 0)
			assert_null(f->index);
		if (rows[i].defects) {
			assert_non_null(f->index);
			assert_int_equal(f->index->defects, rows[i].defects);
		}
	}
}

static void keeps_a_colon_in_bit_five_apart(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(
		index_text(f, SPAN_OF(INVITE "Route : <sip:a;lr>\r\nrOUTE\t:<sip:b;lr>\r\n\r\n")),
		PARSE_OK);
	const struct sip_header *route = sip_header_first(f->index, HEADER_ROUTE);
	assert_header(f, route, "Route", "<sip:a;lr>");
	assert_header(f, sip_header_next(f->index, route), "rOUTE", "<sip:b;lr>");
}

static void grows_and_stops_at_the_limit(void **state)
{
	struct fixture *f = *state;
	for (unsigned count = 1000; count <= 1025; count++) {
		size_t len = strlen(INVITE) + count * 6 + 2;
		char *text = malloc(len), *at = text;
		memcpy(at, INVITE, strlen(INVITE));
		at += strlen(INVITE);
		for (unsigned i = 0; i < count; i++, at += 6)
			memcpy(at, "X: y\r\n", 6);
		memcpy(at, "\r\n", 2);
		assert_int_equal(index_text(f, span_make(text, len)),
				 count <= SIP_MAX_HEADERS ? PARSE_OK : PARSE_BAD);
		if (count > SIP_MAX_HEADERS)
			assert_string_equal(f->error.reason, "too many headers");
		else
			assert_int_equal(f->index->header_count, count);
		free(text);
		arena_clear(&f->arena);
	}
}

static void refuses_when_the_callers_index_is_full(void **state)
{
	struct span text = SPAN_OF(INVITE "A: 1\r\nB: 2\r\nC: 3\r\n\r\n");
	struct sip_message_index *index = malloc(sip_index_size_for(3));
	struct parse_error error = { 0 };
	assert_int_equal(sip_message_index_into(index, 3, text, &error), PARSE_OK);
	assert_int_equal(sip_message_index_into(index, 2, text, &error), PARSE_BAD);
	assert_string_equal(error.reason, "too many headers");
	assert_int_equal(index->defects, 0);
	free(index);
}

static void reads_every_prefix_without_reading_beyond(void **state)
{
	struct fixture *f = *state;
	struct span text = SPAN_OF(
		INVITE
		"Via: SIP/2.0/UDP a;branch=1\r\nTo: <sip:b@c>\r\n\tx\r\n"
		"P-Asserted-Identity:<sip:b@c>\r\nX-Unknown-To-Everybody:1\r\nl: 2\r\n\r\nab");
	for (size_t len = 0; len < text.len; len++) {
		enum parse_result result = index_text(f, span_make(text.at, len));
		if (len >= text.len - 2)
			assert_int_equal(f->index->defects, SIP_DEFECT_SHORT_BODY);
		else
			assert_int_equal(result, PARSE_MORE);
		arena_clear(&f->arena);
	}
}

static void knows_keepalives(void **state)
{
	assert_true(sip_is_keepalive(SPAN_OF("\r\n\r\n")));
	assert_true(sip_is_keepalive(SPAN_OF("\0\0\0\0")));
	assert_true(sip_is_keepalive(SPAN_OF("")));
	assert_false(sip_is_keepalive(SPAN_OF("\r\n\r\nINVITE")));
	assert_false(sip_is_keepalive(SPAN_OF("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(indexes_a_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(indexes_a_reply, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_being_moved, set_up, tear_down),
		cmocka_unit_test(knows_every_name_in_every_form),
		cmocka_unit_test_setup_teardown(finds_the_same_ids_in_a_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_a_colon_in_bit_five_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(grows_and_stops_at_the_limit, set_up, tear_down),
		cmocka_unit_test(refuses_when_the_callers_index_is_full),
		cmocka_unit_test_setup_teardown(reads_every_prefix_without_reading_beyond, set_up, tear_down),
		cmocka_unit_test(knows_keepalives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
