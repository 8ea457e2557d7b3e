/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/rpc/jsonrpc.h"

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

/* ---- commands ------------------------------------------------------------------------------------------- */

static void run_echo(struct rpc_call *call)
{
	struct span text;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_arg_text(call, i, &text))
			rpc_add_text(call, NULL, NULL, text);
}

static void run_struct(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "n", -5);
	rpc_add_double(call, node, "half", 0.5);
	rpc_add_double(call, node, "one", 1.0);
	rpc_add_null(call, node, "none");
	rpc_add_array(call, node, "empty");
	struct rpc_node *list = rpc_add_array(call, node, "list");
	rpc_add_text(call, rpc_add_struct(call, list, "item"), "x",
		     SPAN_OF("a\"\n\x01\xff\xc3\xa9"));
}

static void run_repeated(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "a", 1);
	rpc_add_int(call, node, "b", 2);
	rpc_add_int(call, node, "a", 3);
}

static void run_fault(struct rpc_call *call)
{
	rpc_add_int(call, NULL, NULL, 1);
	rpc_fault(call, 404, "not %s", "here");
}

static void run_nothing(struct rpc_call *call)
{
}

static const struct rpc_command commands[] = {
	{ "t.echo", run_echo, "", NULL, true },
	{ "t.fault", run_fault, "" },
	{ "t.nothing", run_nothing, "" },
	{ "t.repeated", run_repeated, "" },
	{ "t.struct", run_struct, "" },
};
static const struct rpc_table command_table = { commands, ARRAY_SIZE(commands) };

static struct jsonrpc_answer run(const char *text, bool is_pretty)
{
	struct jsonrpc_document document;
	struct jsonrpc_answer answer;
	jsonrpc_read(span_from(text), &arena, &document);
	jsonrpc_run(&document, is_pretty, &arena, &answer);
	assert_non_null(answer.body.at);
	return answer;
}

static void must_answer(const char *request, const char *expected)
{
	struct jsonrpc_answer answer = run(request, false);
	const char *body = arena_string(&arena, answer.body);
	assert_string_equal(body, expected);
}

/* ---- answers ----------------------------------------------------------------------------------------------- */

static void results_have_the_shape_of_what_was_added(void **state)
{
	must_answer("{\"jsonrpc\":\"2.0\",\"method\":\"t.nothing\",\"id\":1}",
		    "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1}");
	must_answer("{\"jsonrpc\":\"2.0\",\"method\":\"t.echo\",\"id\":1}",
		    "{\"jsonrpc\":\"2.0\",\"result\":[],\"id\":1}");
	must_answer("{\"jsonrpc\":\"2.0\",\"method\":\"t.repeated\",\"id\":1}",
		    "{\"jsonrpc\":\"2.0\",\"result\":[{\"a\":1},{\"b\":2},{\"a\":3}],\"id\":1}");
	must_answer(
		"{\"jsonrpc\":\"2.0\",\"method\":\"t.struct\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"result\":{\"n\":-5,\"half\":0.500000,\"one\":1,\"none\":null,\"empty\":[],"
		"\"list\":[{\"item\":{\"x\":\"a\\\"\\n\\u0001\\u00ff\xc3\xa9\"}}]},\"id\":1}");
}

static void params_are_positional_whatever_their_shape(void **state)
{
	must_answer(
		"{\"jsonrpc\":\"2.0\",\"method\":\"t.echo\",\"params\":[\"a\",1,2.5,true,null,\"5\"],\"id\":2}",
		"{\"jsonrpc\":\"2.0\",\"result\":[\"a\",\"1\",\"2\",\"1\",\"\",\"5\"],\"id\":2}");
	must_answer(
		"{\"jsonrpc\":\"2.0\",\"method\":\"t.echo\",\"params\":{\"z\":\"\\ud83d\\ude00\",\"b\":\"\\u00e9\"},\"id\":2}",
		"{\"jsonrpc\":\"2.0\",\"result\":[\"\xf0\x9f\x98\x80\",\"\xc3\xa9\"],\"id\":2}");
	must_answer(
		"{\"jsonrpc\":\"2.0\",\"method\":\"t.echo\",\"params\":[[1]],\"id\":2}",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32602,\"message\":\"Invalid params: expected a flat array or object\"},\"id\":2}");
}

static void ids_come_back_as_they_were(void **state)
{
	must_answer("{\"jsonrpc\":\"2.0\",\"method\":\"t.nothing\"}",
		    "{\"jsonrpc\":\"2.0\",\"result\":{}}");
	must_answer("{\"jsonrpc\":\"2.0\",\"method\":\"t.nothing\",\"id\":\"x\\\"\"}",
		    "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":\"x\\\"\"}");
	must_answer("{\"jsonrpc\":\"2.0\",\"method\":\"t.nothing\",\"id\":1.50}",
		    "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1.50}");
	must_answer("{\"jsonrpc\":\"2.0\",\"method\":\"t.nothing\",\"id\":{}}",
		    "{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":null}");
}

static void errors_have_codes(void **state)
{
	must_answer(
		"{\"jsonrpc\":\"2.0\",\"method\":\"no.such\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":500,\"message\":\"Method Not Found\"},\"id\":1}");
	must_answer(
		"{\"jsonrpc\":\"2.0\",\"method\":\"t.fault\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":404,\"message\":\"not here\"},\"id\":1}");
	assert_int_equal(run("{\"method\":\"t.echo\",\"id\":1}", false).code, JSONRPC_BAD_REQUEST);
	assert_int_equal(run("{\"jsonrpc\":\"2.0\",\"id\":1}", false).code, JSONRPC_BAD_REQUEST);
	assert_int_equal(run("[]", false).code, JSONRPC_BAD_REQUEST);
	assert_int_equal(run("garbage", false).code, JSONRPC_BAD_DOCUMENT);
	assert_int_equal(run("{\"jsonrpc\":\"2.0\",\"method\":\"t.echo\"}", false).code, 200);
}

static void batches_are_answered_in_order(void **state)
{
	must_answer(
		"[{\"jsonrpc\":\"2.0\",\"method\":\"t.nothing\",\"id\":1}, 7, "
		"{\"jsonrpc\":\"2.0\",\"method\":\"t.echo\",\"params\":[\"a\"],\"id\":2}]",
		"[{\"jsonrpc\":\"2.0\",\"result\":{},\"id\":1},{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
		"\"Invalid Request: member jsonrpc with the value \\\"2.0\\\" is missing\"}},"
		"{\"jsonrpc\":\"2.0\",\"result\":[\"a\"],\"id\":2}]");
}

static void pretty_answers_are_indented_by_tabs(void **state)
{
	struct jsonrpc_answer answer =
		run("{\"jsonrpc\":\"2.0\",\"method\":\"t.repeated\",\"id\":1}", true);
	assert_string_equal(
		arena_string(&arena, answer.body),
		"{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"result\":\t[{\n\t\t\t\"a\":\t1\n\t\t}, {\n\t\t\t\"b\":\t2\n\t\t}, {\n"
		"\t\t\t\"a\":\t3\n\t\t}],\n\t\"id\":\t1\n}");
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static void documents_outside_the_grammar_are_refused(void **state)
{
	static const char *const rows[] = {
		"", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "[1 2]", "\"", "\"\\x\"", "\"\\u12\"",
		"\"\\u0000\"", "[\"a\\u0000\"]", "01x", "01", "NaN", "[-Infinity]", "['a']", "[/**/1]", ".5", "1.e5", "-", "1.", "1e", "tru", "[1]]", "nullx",
	};
	const char *error;
	size_t at;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_null(json_parse(span_from(rows[i]), &arena, &error, &at));
		assert_non_null(error);
		assert_true(at <= strlen(rows[i]) + 1);
	}
}

static void a_nul_byte_ends_no_document(void **state)
{
	const char *error;
	size_t at;
	assert_null(json_parse(span_make("[1]\0", 4), &arena, &error, &at));
	assert_int_equal(at, 3);
	assert_null(json_parse(span_make("[\"a\0\"]", 6), &arena, &error, &at));
	assert_null(json_parse(span_make("[1\0]", 4), &arena, &error, &at));
}

static void depth_is_bounded(void **state)
{
	char text[2 * 1000 + 1];
	const char *error;
	size_t at;
	for (size_t depth = 1; depth <= 1000; depth += 31) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		const struct json_value *value =
			json_parse(span_make(text, 2 * depth), &arena, &error, &at);
		assert_int_equal(value != NULL, depth <= JSON_DEPTH_MOST);
	}
}

static void numbers_keep_their_kind(void **state)
{
	const char *error;
	size_t at;
	const struct json_value *list =
		json_parse(SPAN_OF(" [ -5 , 9223372036854775807, 1e3, 99999999999999999999 ] "),
			   &arena, &error, &at);
	assert_non_null(list);
	const struct json_value *value = list->first;
	assert_int_equal(value->kind, JSON_INT);
	assert_int_equal(value->number, -5);
	value = value->next;
	assert_int_equal(value->number, INT64_MAX);
	value = value->next;
	assert_int_equal(value->kind, JSON_REAL);
	assert_true(value->real == 1000);
	assert_int_equal(value->next->kind, JSON_REAL);
}

static void streams_are_cut_into_documents(void **state)
{
	size_t len;
	assert_int_equal(json_extent(SPAN_OF(" {\"a}\":\"\\\"}\"} x"), &len), JSON_WHOLE);
	assert_int_equal(len, 13);
	assert_int_equal(json_extent(SPAN_OF("[{\"a\":["), &len), JSON_MORE);
	assert_int_equal(json_extent(SPAN_OF("  "), &len), JSON_MORE);
	assert_int_equal(json_extent(SPAN_OF("{\"a\\"), &len), JSON_MORE);
	assert_int_equal(json_extent(SPAN_OF("x{}"), &len), JSON_GARBAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_have_the_shape_of_what_was_added),
		cmocka_unit_test(params_are_positional_whatever_their_shape),
		cmocka_unit_test(ids_come_back_as_they_were),
		cmocka_unit_test(errors_have_codes),
		cmocka_unit_test(batches_are_answered_in_order),
		cmocka_unit_test(pretty_answers_are_indented_by_tabs),
		cmocka_unit_test(documents_outside_the_grammar_are_refused),
		cmocka_unit_test(a_nul_byte_ends_no_document),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(numbers_keep_their_kind),
		cmocka_unit_test(streams_are_cut_into_documents),
	};
	rpc_register(&command_table);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
