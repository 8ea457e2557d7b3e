/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/diagnostic.h"

/* What is shown of a file's first line in which something is wrong, and of the line below it. */
static struct span shown_at(struct arena *arena, struct span line, uint32_t column,
			    struct span *out_mark)
{
	struct diagnostics all;
	struct source_file file = { "test.cfg", line };
	struct writer out = writer_in_arena(arena, 256);
	diagnostics_init(&all, arena);
	diagnostic_add(&all, SEVERITY_ERROR, NULL, (struct source_position){ &file, 1, column, 3 },
		       "wrong");
	diagnostics_write(&all, &out);
	struct span text = writer_result(&out);
	text = span_slice(text, span_find_span(text, SPAN_OF(" | ")) + 3, text.len);
	size_t end = span_find(text, '\n', 0);
	*out_mark = span_slice(text, end + 1 + sizeof("       | ") - 1, text.len);
	return span_slice(text, 0, end);
}

static struct span shown(struct arena *arena, struct span line)
{
	struct span mark;
	return shown_at(arena, line, 1, &mark);
}

/* How many columns a terminal takes for the text before `at`. */
static size_t columns_before(struct span text, size_t at)
{
	size_t columns = 0;
	for (size_t i = 0; i < at; i++)
		columns += (text.at[i] & 0xc0) != 0x80;
	return columns;
}

/* The mark stands under the word, wherever that is in the line. */
static void of_a_long_line_the_part_around_the_mark_is_shown(void **state)
{
	static const char *const fillers[] = { "x", "\303\274" };
	struct arena arena;
	arena_init(&arena, 4096, 1 << 20);
	for (size_t before = 0; before < 700; before += 7) {
		struct writer w = writer_in_arena(&arena, 4096);
		struct span mark, filler = span_from(fillers[before % 2]);
		for (size_t i = 0; i < before; i++)
			writer_span(&w, filler);
		size_t column = w.len + 1;
		writer_literal(&w, "BAD");
		for (size_t i = before; i < 700; i++)
			writer_span(&w, filler);
		struct span text = shown_at(&arena, writer_result(&w), (uint32_t)column, &mark);
		size_t at = span_find_span(text, SPAN_OF("BAD"));
		assert_true(text.len <= 160 + 2 * sizeof("…"));
		assert_true(at < text.len);
		assert_int_equal(span_find(mark, '^', 0), columns_before(text, at));
		assert_true(span_starts_with(span_slice(mark, span_find(mark, '^', 0), 4),
					     SPAN_OF("^~~\n")));
	}
	arena_free(&arena);
}

static void passwords_in_urls_are_not_shown(void **state)
{
	static const struct {
		struct span line, shown;
	} rows[] = {
		{ SPAN("x(\"mysql://u:pass@h/d\", \"a:b@c\")"),
		  SPAN("x(\"mysql://u:****@h/d\", \"a:b@c\")") },
		{ SPAN("\"a://u:p@ss@h\" \"b://v:word@h\""),
		  SPAN("\"a://u:****@h\" \"b://v:****@h\"") },
		{ SPAN("\"mysql://h:3306/d\""), SPAN("\"mysql://h:3306/d\"") },
		{ SPAN("mysql://u@h/d // see http://x"), SPAN("mysql://u@h/d // see http://x") },
		{ SPAN("ends in ://"), SPAN("ends in ://") },
		{ SPAN("://:@"), SPAN("://:@") },
		{ SPAN("modparam(\"auth\", \"secrett\", \"key\")"),
		  SPAN("modparam(\"auth\", \"secrett\", \"***\")") },
		{ SPAN("if (!pv_www_authentcate('r', 'pw', \"0\")) x(\"unended"),
		  SPAN("if (!pv_www_authentcate('r', '**', \"*\")) x(\"*******") },
		{ SPAN("modparam(\"auth\", \"nonce\", \"key\")"),
		  SPAN("modparam(\"auth\", \"nonce\", \"key\")") },
	};
	struct arena arena;
	arena_init(&arena, 4096, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct span text = shown(&arena, rows[i].line);
		if (!span_equal(text, rows[i].shown))
			print_error("%.*s\n", SPAN_ARGS(text));
		assert_true(span_equal(text, rows[i].shown));
	}
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_in_urls_are_not_shown),
		cmocka_unit_test(of_a_long_line_the_part_around_the_mark_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
