/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/rpc/binrpc.h"

static struct arena arena;

static int set_up(void **state)
{
	arena_init(&arena, 4096, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(&arena);
	return 0;
}

static void must_equal(struct span got, const char *expected, size_t len)
{
	assert_int_equal(got.len, len);
	assert_memory_equal(got.at, expected, len);
}
#define assert_bytes(got, literal) must_equal((got), literal, sizeof(literal) - 1)

/* ---- values --------------------------------------------------------------------------------------------- */

static void numbers_have_as_few_bytes_as_they_need(void **state)
{
	static const struct {
		int64_t number;
		struct span bytes;
	} rows[] = {
		{ 0, SPAN("\x00") },
		{ 1, SPAN("\x10\x01") },
		{ 255, SPAN("\x10\xff") },
		{ 256, SPAN("\x20\x01\x00") },
		{ 0x7fffffff, SPAN("\x40\x7f\xff\xff\xff") },
		{ -1, SPAN("\x40\xff\xff\xff\xff") },
		{ 5000000000, SPAN("\x91\x0b"
				   "5000000000\0") },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct writer w = writer_in_arena(&arena, 32);
		binrpc_write_int(&w, rows[i].number);
		must_equal(writer_result(&w), rows[i].bytes.at, rows[i].bytes.len);
	}
}

static void doubles_have_three_decimals(void **state)
{
	struct writer w = writer_in_arena(&arena, 32);
	binrpc_write_double(&w, 1.5);
	binrpc_write_double(&w, 1.0);
	binrpc_write_double(&w, 0.7);
	binrpc_write_double(&w, 3000000.0); /* no sign in its highest bit */
	binrpc_write_double(&w, -1.0);
	assert_bytes(writer_result(&w),
		     "\x22\x05\xdc\x22\x03\xe8\x22\x02\xbc\x42\xb2\xd0\x5e\x00\x71-1.000\0");
}

static void texts_count_their_nul(void **state)
{
	struct writer w = writer_in_arena(&arena, 32);
	char long_text[300];
	memset(long_text, 'x', sizeof(long_text));
	binrpc_write_text(&w, SPAN_OF(""));
	binrpc_write_text(&w, SPAN_OF("abcdef"));
	binrpc_write_text(&w, SPAN_OF("abcdefg"));
	binrpc_write_text(&w, span_make(long_text, sizeof(long_text)));
	assert_bytes(span_slice(writer_result(&w), 0, 2 + 8 + 10 + 3), "\x11\0"
								       "\x71"
								       "abcdef\0"
								       "\x91\x08"
								       "abcdefg\0"
								       "\xa1\x01\x2d");
}

static void what_is_written_is_read(void **state)
{
	static const int64_t numbers[] = { 0, 1, 127, 128, 65535, 65536, INT32_MAX, -1, INT32_MIN };
	struct binrpc_value value;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct writer w = writer_in_arena(&arena, 32);
		binrpc_write_int(&w, numbers[i]);
		struct span body = writer_result(&w);
		assert_int_equal(binrpc_value_read(&body, &value), BINRPC_OK);
		assert_int_equal(value.kind, BINRPC_INT);
		assert_int_equal(value.number, numbers[i]);
		assert_int_equal(binrpc_value_read(&body, &value), BINRPC_MORE);
	}
}

static void damaged_values_are_refused(void **state)
{
	static const struct span rows[] = {
		SPAN("\x31" "ab"),         /* longer than the body */
		SPAN("\x31" "abc"),        /* no NUL at the end */
		SPAN("\x31" "a\0\0"),      /* a NUL inside */
		SPAN("\x91"),              /* no length byte */
		SPAN("\x81"),              /* flag, but no length bytes */
		SPAN("\xd1\0\0\0\0\0"),    /* five length bytes */
		SPAN("\xc1\xff\xff\xff\xff"),
		SPAN("\x13" "x"),          /* a struct with a size */
		SPAN("\x07"), SPAN("\x0f"), /* unknown types */
		SPAN("\x90\x09" "123456789"), /* a number of 9 bytes */
	};
	struct binrpc_value value;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct span body = rows[i];
		assert_int_equal(binrpc_value_read(&body, &value), BINRPC_BAD);
		assert_ptr_equal(body.at, rows[i].at);
	}
}

/* ---- frames ------------------------------------------------------------------------------------------------ */

static void headers_are_read_byte_by_byte(void **state)
{
	static const struct span whole = SPAN("\xa1\x07\x01\x02\x11\x22\x33\x44");
	struct binrpc_header header;
	uint8_t again[BINRPC_HEADER_MAX];
	for (size_t len = 0; len < whole.len; len++)
		assert_int_equal(binrpc_header_read(span_slice(whole, 0, len), &header),
				 BINRPC_MORE);
	assert_int_equal(binrpc_header_read(whole, &header), BINRPC_OK);
	assert_int_equal(header.type, BINRPC_REQUEST);
	assert_int_equal(header.body_len, 0x102);
	assert_int_equal(header.header_len, 8);
	assert_memory_equal(header.cookie, "\x11\x22\x33\x44", 4);
	assert_int_equal(binrpc_header_write(&header, again), 8);
	assert_memory_equal(again, whole.at, 8);
}

static void other_magic_and_types_are_refused(void **state)
{
	struct binrpc_header header;
	assert_int_equal(binrpc_header_read(SPAN_OF("\xb1"), &header), BINRPC_BAD);
	assert_int_equal(binrpc_header_read(SPAN_OF("\xa2\0\0\0"), &header), BINRPC_BAD);
	assert_int_equal(binrpc_header_read(SPAN_OF("\xa1\x20\0\0"), &header), BINRPC_BAD);
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

static void run_nested(struct rpc_call *call)
{
	struct rpc_node *list = rpc_add_array(call, rpc_add_struct(call, NULL, NULL), "l");
	rpc_add_int(call, rpc_add_struct(call, list, NULL), "n", 1);
}

static void run_mixed(struct rpc_call *call)
{
	int64_t number = 0;
	struct span text = { NULL, 0 };
	assert_true(rpc_arg_text(call, 0, &text));
	assert_true(rpc_arg_int(call, 1, &number));
	rpc_add_text(call, NULL, NULL, text);
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "n", number);
	struct rpc_node *list = rpc_add_array(call, node, "l");
	rpc_add_text(call, list, NULL, SPAN_OF("a"));
	rpc_add_null(call, list, NULL);
}

static void run_plain_array(struct rpc_call *call)
{
	struct rpc_node *list = rpc_add_array(call, NULL, NULL);
	rpc_add_int(call, list, NULL, 7);
	rpc_add_text(call, list, NULL, SPAN_OF("x"));
}

static void run_nothing(struct rpc_call *call)
{
}

static const struct rpc_command commands[] = {
	{ "test.array", run_plain_array, "" },
	{ "test.mixed", run_mixed, "" },
	{ "test.nested", run_nested, "" },
	{ "test.nothing", run_nothing, "" },
};
static const struct rpc_table command_table = { commands, ARRAY_SIZE(commands) };

static void on_done(struct rpc_call *call, void *owner)
{
	*(bool *)owner = true;
}

/* The answer to a request with a one-byte cookie. */
static struct span answer_to(struct span body)
{
	struct binrpc_header header = { .body_len = (uint32_t)body.len,
					.cookie = { 5 },
					.cookie_len = 1 };
	const char *error;
	bool is_done = false;
	struct rpc_call *call = binrpc_call_read(body, &arena, &error);
	if (!call)
		return binrpc_fault(&header, 400, span_from(error), &arena);
	rpc_dispatch(call, on_done, &is_done);
	assert_true(is_done);
	return binrpc_answer(&header, call, &arena);
}

static void answers_are_values_in_order(void **state)
{
	assert_bytes(answer_to(SPAN_OF("\x91\x0btest.mixed\0\x31hi\0\x20\x01\x00")),
		     "\xa1\x10\x2a\x05"
		     "\x31hi\0"
		     "\x03"
		     "\x25n\0"
		     "\x20\x01\x00"
		     "\x25l\0"
		     "\x03"
		     "\x25"
		     "0\0"
		     "\x21"
		     "a\0"
		     "\x25"
		     "1\0"
		     "\x91\x0e<null string>\0"
		     "\x83\x83");
	assert_bytes(answer_to(SPAN_OF("\x91\x0btest.array\0")),
		     "\xa1\x10\x07\x05\x04\x10\x07\x21x\0\x84");
	assert_bytes(answer_to(SPAN_OF("\x91\x0ctest.nested\0")), "\xa1\x10\x0e\x05"
								  "\x03\x25l\0"
								  "\x03"
								  "\x03\x25n\0"
								  "\x10\x01"
								  "\x83\x83\x83");
	assert_bytes(answer_to(SPAN_OF("\x91\x0dtest.nothing\0")), "\xa1\x10\x00\x05");
}

static void mistakes_are_faults(void **state)
{
	assert_bytes(answer_to(SPAN_OF("\x71nosuch\0")), "\xa1\x30\x1e\x05\x20\x01\xf4\x91\x19"
							 "command nosuch not found\0");
	assert_bytes(answer_to(SPAN_OF("")), "\xa1\x30\x33\x05\x20\x01\x90\x91\x2e"
					     "bad request method: end of packet encountered\0");
	assert_bytes(answer_to(SPAN_OF("\x10\x05")),
		     "\xa1\x30\x33\x05\x20\x01\x90\x91\x2e"
		     "bad request method: record doesn't match type\0");
	assert_bytes(answer_to(SPAN_OF("\x91\x0dtest.nothing\0\x31"
				       "a")),
		     "\xa1\x30\x23\x05\x20\x01\x90\x91\x1e"
		     "bad request: corrupted packet\0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_as_few_bytes_as_they_need),
		cmocka_unit_test(doubles_have_three_decimals),
		cmocka_unit_test(texts_count_their_nul),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(damaged_values_are_refused),
		cmocka_unit_test(headers_are_read_byte_by_byte),
		cmocka_unit_test(other_magic_and_types_are_refused),
		cmocka_unit_test(answers_are_values_in_order),
		cmocka_unit_test(mistakes_are_faults),
	};
	rpc_register(&command_table);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
