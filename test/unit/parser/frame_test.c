/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/frame.h"

#define CHUNKED     "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
#define CHUNKED_LEN (sizeof(CHUNKED) - 1)
#define OPTIONS     "OPTIONS sip:a@b SIP/2.0\r\n"

static void frames_what_arrives(void **state)
{
	static const struct {
		struct span buffer;
		enum frame_result result;
		size_t len;
		const char *reason;
	} rows[] = {
		{ SPAN(""), FRAME_MORE, 0, NULL },
		{ SPAN("\r"), FRAME_MORE, 0, NULL },
		{ SPAN("\r\n"), FRAME_MORE, 0, NULL },
		{ SPAN("\r\n\r"), FRAME_MORE, 0, NULL },
		{ SPAN("\r\n\r\n"), FRAME_PING, 4, NULL },
		{ SPAN("\r\n\r\nOPTIONS"), FRAME_PING, 4, NULL },
		{ SPAN("\r\nO"), FRAME_PONG, 2, NULL },
		{ SPAN("\nO"), FRAME_PONG, 1, NULL },
		{ SPAN("\rO"), FRAME_BAD, 0, "carriage return without line feed" },
		{ SPAN(OPTIONS "l: 4\r\n\r\nbody"), FRAME_MESSAGE, 37, NULL },
		{ SPAN(OPTIONS "l: 4\r\n\r\nbodyOPTIONS"), FRAME_MESSAGE, 37, NULL },
		{ SPAN(OPTIONS "l: 4\n\nbody"), FRAME_MESSAGE, 35, NULL },
		{ SPAN(OPTIONS "l: 4\r\n\r\nbod"), FRAME_MORE, 0, NULL },
		{ SPAN(OPTIONS "Content-Length :\r\n 4\r\n\r\nbody"), FRAME_MESSAGE, 53, NULL },
		{ SPAN(OPTIONS "l: 4\r\n\r"), FRAME_MORE, 0, NULL },
		{ SPAN(OPTIONS "\r\n"), FRAME_BAD, 0, "no Content-Length" },
		{ SPAN(OPTIONS "l: -1\r\n\r\n"), FRAME_BAD, 0, "Content-Length is wrong" },
		{ SPAN(OPTIONS "l: 4294967296\r\n\r\n"), FRAME_BAD, 0, "Content-Length is wrong" },
		{ SPAN(OPTIONS "l: 18446744073709551616\r\n\r\n"), FRAME_BAD, 0,
		  "Content-Length is wrong" },
		{ SPAN(OPTIONS "l: 4294967295\r\n\r\n"), FRAME_BAD, 0, "message too large" },
		{ SPAN(OPTIONS "l: 4\r\nContent-Length: 5\r\n\r\n"), FRAME_BAD, 0,
		  "Content-Length is wrong" },
		{ SPAN(OPTIONS "Transfer-Encoding: chunked\r\nl: 4\r\n\r\n"), FRAME_BAD, 0,
		  "transfer codings are not supported" },
		{ SPAN("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), FRAME_MESSAGE, 27, NULL },
		{ SPAN(CHUNKED "0\r\n\r\n"), FRAME_MESSAGE, CHUNKED_LEN + 5, NULL },
		{ SPAN(CHUNKED "5;x=\"y\"\r\nhello\r\n00A \r\n0123456789\r\n0\r\nX: y\r\n\r\nGET"),
		  FRAME_MESSAGE, CHUNKED_LEN + 45, NULL },
		{ SPAN(CHUNKED "5\r\nhell"), FRAME_MORE, 0, NULL },
		{ SPAN(CHUNKED "5\r\nhello\r\n0\r\n"), FRAME_MORE, 0, NULL },
		{ SPAN(CHUNKED "5\r\nhello0\r\n\r\n"), FRAME_BAD, 0,
		  "a chunk is longer than it says" },
		{ SPAN(CHUNKED "5\nhello\r\n0\r\n\r\n"), FRAME_BAD, 0,
		  "the size of a chunk is wrong" },
		{ SPAN(CHUNKED "-1\r\n"), FRAME_BAD, 0, "the size of a chunk is wrong" },
		{ SPAN(CHUNKED "0x5\r\n"), FRAME_BAD, 0, "the size of a chunk is wrong" },
		{ SPAN(CHUNKED "fffffffff\r\n"), FRAME_BAD, 0, "the size of a chunk is wrong" },
		{ SPAN(CHUNKED "0\r\nno colon\r\n\r\n"), FRAME_BAD, 0,
		  "header line without a name and colon" },
		{ SPAN("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), FRAME_BAD, 0,
		  "transfer codings are not supported" },
		{ SPAN("POST / HTTP/1.1\r\nl: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), FRAME_BAD,
		  0, "Transfer-Encoding is not wanted here" },
		{ SPAN("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), FRAME_BAD, 0,
		  "Transfer-Encoding is not wanted here" },
		{ SPAN("\x16\x03\x01 TLS on the wrong port\n"), FRAME_BAD, 0,
		  "no method at the start" },
		{ SPAN("SSH-2.0-OpenSSH_9.2\r\n"), FRAME_BAD, 0, "no method at the start" },
		{ SPAN(OPTIONS "no colon\r\nl: 0\r\n\r\n"), FRAME_BAD, 0,
		  "header line without a name and colon" },
		{ SPAN(OPTIONS "X: \r\r\nl: 0\r\n\r\n"), FRAME_BAD, 0,
		  "carriage return without line feed" },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct framer framer;
		struct frame frame;
		struct span buffer = exact_copy(rows[i].buffer);
		framer_init(&framer, 1000, 2000);
		check_number(framer_next(&framer, buffer, &frame), rows[i].result, "result", i);
		check_number((int64_t)frame.len, (int64_t)rows[i].len, "len", i);
		check_span(span_from(frame.reason), rows[i].reason, "reason", i);
		exact_free(buffer);
	}
}

static void gives_the_same_byte_by_byte(void **state)
{
	static const char text[] =
		"\r\n\r\n" OPTIONS "X: a\r\n b\r\nl: 3\r\n\r\nabc" OPTIONS "l: 0\r\n\r\n\r\n\r\n";
	static const enum frame_result expected[] = { FRAME_PING, FRAME_MESSAGE, FRAME_MESSAGE,
						      FRAME_PING };
	struct framer framer;
	struct frame frame;
	unsigned found = 0;
	size_t taken = 0;

	framer_init(&framer, 1000, 2000);
	for (size_t have = 1; have < sizeof(text); have++) {
		enum frame_result result =
			framer_next(&framer, span_make(text + taken, have - taken), &frame);
		if (result == FRAME_MORE)
			continue;
		assert_true(found < ARRAY_SIZE(expected));
		assert_int_equal(result, expected[found++]);
		taken += frame.len;
		assert_int_equal(taken, have);
	}
	assert_int_equal(found, ARRAY_SIZE(expected));
	assert_int_equal(taken, sizeof(text) - 1);
}

static void tells_how_much_room_is_wanted(void **state)
{
	struct framer framer;
	struct frame frame;
	struct span text = SPAN_OF(OPTIONS "l: 500\r\n\r\n");
	framer_init(&framer, 1000, 2000);
	assert_int_equal(framer_next(&framer, text, &frame), FRAME_MORE);
	assert_int_equal(frame.wanted, text.len + 500);
}

static void stops_headers_without_an_end(void **state)
{
	struct framer framer;
	struct frame frame;
	char text[200];
	memset(text, 'x', sizeof(text));
	framer_init(&framer, 100, 2000);
	assert_int_equal(framer_next(&framer, span_make(text, 99), &frame), FRAME_MORE);
	assert_int_equal(framer_next(&framer, span_make(text, 100), &frame), FRAME_BAD);
	assert_string_equal(frame.reason, "header section too large");
}

static void may_do_without_content_length(void **state)
{
	struct framer framer;
	struct frame frame;
	framer_init(&framer, 1000, 2000);
	framer.accepts_no_length = true;
	assert_int_equal(framer_next(&framer, SPAN_OF(OPTIONS "\r\nX"), &frame), FRAME_MESSAGE);
	assert_int_equal(frame.len, strlen(OPTIONS) + 2);
}

static void chunks_become_a_body(void **state)
{
	static const char text[] =
		"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding:\r\n chunked\r\nX: y\r\n\r\n"
		"3\r\nabc\r\n1;more\r\nd\r\n2\r\n\r\n\r\n000\r\nX: z\r\n\r\n";
	static const char joined[] =
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nX: y\r\n\r\nabcd\r\n";
	struct span whole = exact_copy(span_make(text, sizeof(text) - 1));
	char out[sizeof(text)];
	struct framer framer;
	struct frame frame;
	framer_init(&framer, 1000, 2000);
	for (size_t have = 1; have < whole.len; have++)
		assert_int_equal(framer_next(&framer, span_slice(whole, 0, have), &frame),
				 FRAME_MORE);
	assert_int_equal(framer_next(&framer, whole, &frame), FRAME_MESSAGE);
	assert_int_equal(frame.len, whole.len);
	size_t len = chunks_join(whole, frame.chunked_from, out);
	check_span(span_make(out, len), joined, "joined", 0);
	exact_free(whole);
}

static void chunks_have_an_end(void **state)
{
	struct framer framer;
	struct frame frame;
	char text[600];
	framer_init(&framer, 500, 500);
	memset(text, 'x', sizeof(text));
	memcpy(text, CHUNKED "fffffff\r\n", CHUNKED_LEN + 9);
	assert_int_equal(framer_next(&framer, span_make(text, 499), &frame), FRAME_MORE);
	assert_int_equal(framer_next(&framer, span_make(text, 500), &frame), FRAME_BAD);
	assert_int_equal(frame.status, 413);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_what_arrives),
		cmocka_unit_test(gives_the_same_byte_by_byte),
		cmocka_unit_test(tells_how_much_room_is_wanted),
		cmocka_unit_test(stops_headers_without_an_end),
		cmocka_unit_test(chunks_become_a_body),
		cmocka_unit_test(chunks_have_an_end),
		cmocka_unit_test(may_do_without_content_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
