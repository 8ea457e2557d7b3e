/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/params.h"

static void iterates_parameters(void **state)
{
	static const struct {
		const char *name, *value;
		bool is_quoted;
	} expected[] = {
		{ "a", "b", false }, { "c", "d;\\\"e", true },  { "f", NULL, false },
		{ "g", "", false },  { "h", "[::1]:5", false },
	};
	struct param_list list =
		params_over(SPAN_OF(" ; a = b;; c=\"d;\\\"e\" ;f;g=;h=[::1]:5;"), ';');
	struct param param;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		check_number(params_next(&list, &param), LIST_ITEM, "result", i);
		check_span(param.name, expected[i].name, "name", i);
		check_span(param.value, expected[i].value, "value", i);
		check_number(param.is_quoted, expected[i].is_quoted, "quoted", i);
	}
	assert_int_equal(params_next(&list, &param), LIST_END);
	assert_int_equal(params_next(&list, &param), LIST_END);
}

static void separates_as_told(void **state)
{
	struct param param;
	assert_true(params_find(SPAN_OF("a=1&b=2&c"), '&', SPAN_OF("B"), &param));
	check_span(param.value, "2", "b", 0);
	assert_true(params_find(SPAN_OF("a=1, b=\"2,3\" ,c"), ',', SPAN_OF("b"), &param));
	check_span(param.value, "2,3", "b", 1);
	check_span(param.whole, "b=\"2,3\"", "b", 1);
	assert_false(params_find(SPAN_OF("a=1;b=2"), ',', SPAN_OF("b"), &param));
	assert_false(params_find((struct span){ 0 }, ';', SPAN_OF("b"), &param));
}

static void refuses_what_is_malformed(void **state)
{
	static const struct span rows[] = {
		SPAN("=a"), SPAN("a=\"b"), SPAN("a=\"b\\"), SPAN("a=\"b\"c"), SPAN("a b"), SPAN("a=b c"), SPAN("a=b\"c\""),
		SPAN("a;\"b\""),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct span text = exact_copy(rows[i]);
		check_number(params_are_valid(text, ';'), false, rows[i].at, i);
		exact_free(text);
	}
	assert_true(params_are_valid(SPAN_OF(""), ';'));
	assert_true(params_are_valid(SPAN_OF(";;"), ';'));
}

static void resolves_quoted_pairs(void **state)
{
	struct arena arena;
	arena_init(&arena, 4096, 65536);
	check_span(quoted_unescape(&arena, SPAN_OF("\"a\\\"b\\\\\"")), "a\"b\\", "unescaped", 0);
	check_span(quoted_unescape(&arena, SPAN_OF("plain")), "plain", "unescaped", 1);
	check_span(quoted_unescape(&arena, SPAN_OF("end\\")), "end\\", "unescaped", 2);
	check_span(quoted_inside(SPAN_OF("\"")), "\"", "inside", 3);
	check_span(quoted_inside(SPAN_OF("\"\"")), "", "inside", 4);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iterates_parameters),
		cmocka_unit_test(separates_as_told),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(resolves_quoted_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
