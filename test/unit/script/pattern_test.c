/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/script/pattern.h"
#include "core/script/pattern_ere.h"

static struct arena arena;

static const struct {
	const char *expression, *subject;
	unsigned flags;
	bool matches;
} searches[] = {
	{ "abc", "xabcx", 0, true },
	{ "ABC", "xabcx", 0, false },
	{ "ABC", "xabcx", PATTERN_IGNORE_CASE, true },
	{ "^sip:[0-9]+@", "sip:123@example.com", 0, true },
	{ "^sip:[0-9]+@", "sip:12a@example.com", 0, false },
	{ "^\\d+$", "12345", 0, false }, /* POSIX: the letter d */
	{ "^\\d+$", "ddd", 0, true },
	{ "^\\d+$", "12345", PATTERN_PCRE, true },
	{ "a.c", "a\nc", 0, true },
	{ "a.c", "a\nc", PATTERN_NEWLINE, false },
	{ "^c", "a\nc", 0, false },
	{ "^c", "a\nc", PATTERN_NEWLINE, true },
	{ "a$", "a\n", 0, false },
	{ "a$", "a\nb", PATTERN_NEWLINE, true },
	{ "[^a]", "\n", 0, true },
	{ "[^a]", "\n", PATTERN_NEWLINE, false },
	{ "[]x]", "]", 0, true },
	{ "[^]x]", "]", 0, false },
	{ "[a\\]b]", "\\b]", 0, true }, /* a backslash is ordinary in brackets */
	{ "[[:digit:]]{3}", "ab123", 0, true },
	{ "[[:digit:]]{4}", "ab123", 0, false },
	{ "[[:upper:]]", "a", PATTERN_IGNORE_CASE, true },
	{ "(a|b)+c", "xababc", 0, true },
	{ "a{2,3}", "caab", 0, true },
	{ "\\.", "a", 0, false },
	{ "\\.", "a.b", 0, true },
	{ "a\\+b", "a+b", 0, true },
	{ "\\+", "1+1", 0, true },
	{ "(friendly-scanner|sipvicious)", "User-Agent: friendly-scanner", PATTERN_IGNORE_CASE,
	  true },
	{ "x*", "", 0, true },
	{ "#|@ -", "#", 0, true },
	{ "a)", "a)", 0, true }, /* an unmatched ")" is ordinary */
	{ "(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", 0, false },
	{ "(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0, false },
};

static void searches_like_posix(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(searches); i++) {
		struct span error = { 0 };
		const struct pattern *p = pattern_compile(span_from(searches[i].expression),
							  searches[i].flags, &arena, &error);
		if (!p)
			fail_msg("%s: %.*s", searches[i].expression, SPAN_ARGS(error));
		if (pattern_search(p, span_from(searches[i].subject), 0, NULL, 0) !=
		    searches[i].matches)
			fail_msg("%s on %s", searches[i].expression, searches[i].subject);
		if (searches[i].flags & PATTERN_PCRE)
			continue;
		regex_t posix;
		int options = REG_EXTENDED |
			      (searches[i].flags & PATTERN_IGNORE_CASE ? REG_ICASE : 0) |
			      (searches[i].flags & PATTERN_NEWLINE ? REG_NEWLINE : 0);
		assert_int_equal(regcomp(&posix, searches[i].expression, options), 0);
		assert_int_equal(regexec(&posix, searches[i].subject, 0, NULL, 0) == 0,
				 searches[i].matches);
		regfree(&posix);
	}
}

static const struct {
	const char *expression, *part_of_error;
} wrong[] = {
	{ "^(abc", "\"(\" is never closed (at offset 1)" },
	{ "a[bc", "\"[\" is never closed (at offset 1)" },
	{ "abc\\", "backslash stands at the end (at offset 3)" },
	{ "*a", "nothing stands before" },
	{ "(?:a)", "Perl syntax" },
	{ "[[:foo:]]", "unknown character class" },
	{ "[z-a]", "wrong way round" },
	{ "a{3,2}", "wrong way round" },
	{ "b++++++++++++++++++++++++++", "too much" },
	{ "((a{200}){200}){200}", "too much" },
	{ "(a|b*){0,10}{0,10}", "too much" },
	{ "(at|ob**********)+**********", "too much" },
	{ "((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", "too much" },
};

static void says_what_is_wrong_and_where(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct span error = { 0 };
		assert_null(pattern_compile(span_from(wrong[i].expression), 0, &arena, &error));
		if (span_find_span(error, span_from(wrong[i].part_of_error)) == error.len)
			fail_msg("%s: %.*s", wrong[i].expression, SPAN_ARGS(error));
	}
}

static void gives_the_longest_match_and_its_groups(void **state)
{
	struct span error;
	struct pattern_match groups[4];
	const struct pattern *p = pattern_compile(SPAN_OF("(a|ab)(c|bcd)(d*)"), 0, &arena, &error);
	assert_non_null(p);
	assert_true(pattern_search(p, SPAN_OF("xxabcd"), 0, groups, 4));
	assert_int_equal(groups[0].start, 2);
	assert_int_equal(groups[0].end, 6);
	assert_true(pattern_search(p, SPAN_OF("xxabcd abc"), 6, groups, 4));
	assert_int_equal(groups[0].start, 7);
	p = pattern_compile(SPAN_OF("a(b)?c"), 0, &arena, &error);
	assert_true(pattern_search(p, SPAN_OF("ac"), 0, groups, 2));
	assert_true(groups[1].start > groups[1].end);
}

static void subject_needs_no_zero_at_its_end(void **state)
{
	struct span error;
	struct pattern_match groups[1];
	const struct pattern *p = pattern_compile(SPAN_OF("abc$"), 0, &arena, &error);
	assert_true(pattern_search(p, span_make("abcdef", 3), 0, groups, 1));
	assert_true(pattern_search(p, span_make("abcdef", 3), 0, NULL, 0));
	assert_false(pattern_search(p, span_make("abcdef", 4), 0, NULL, 0));
}

static void cached_patterns_are_found_again(void **state)
{
	const struct pattern *first = pattern_cached(SPAN_OF("^abc"), 0);
	assert_non_null(first);
	assert_ptr_equal(pattern_cached(SPAN_OF("^abc"), 0), first);
	assert_ptr_not_equal(pattern_cached(SPAN_OF("^abc"), PATTERN_IGNORE_CASE), first);
	assert_null(pattern_cached(SPAN_OF("(a"), 0));
	for (int i = 0; i < 5000; i++) {
		char text[32];
		snprintf(text, sizeof(text), "x%d$", i);
		const struct pattern *p = pattern_cached(span_from(text), 0);
		assert_non_null(p);
		text[strlen(text) - 1] = 0;
		assert_true(pattern_search(p, span_from(text), 0, NULL, 0));
	}
}

static void translates_what_is_the_same(void **state)
{
	static const struct { const char *ere, *pcre; enum ere_result result; } rows[] = {
		{ "^a.b$", "^a.b$", ERE_SAME },
		{ "a@b", "a\\@b", ERE_SAME },
		{ "[^]a-c]", "[^\\]a-c]", ERE_SAME },
		{ "a*?", "", ERE_UNSURE },
		{ "\\w", "", ERE_UNSURE },
		{ "(a)\\1", "", ERE_UNSURE },
		{ "a||b", "", ERE_UNSURE },
		{ "a{,3}", "", ERE_UNSURE },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct writer w = writer_in_arena(&arena, 64);
		struct ere_error error;
		assert_int_equal(ere_translate(span_from(rows[i].ere), 0, &w, &error),
				 rows[i].result);
		if (rows[i].result == ERE_SAME)
			assert_string_equal(writer_terminate(&w), rows[i].pcre);
	}
}

static int set_up(void **state)
{
	arena_init(&arena, 65536, 1 << 24);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(searches_like_posix),
		cmocka_unit_test(says_what_is_wrong_and_where),
		cmocka_unit_test(gives_the_longest_match_and_its_groups),
		cmocka_unit_test(subject_needs_no_zero_at_its_end),
		cmocka_unit_test(cached_patterns_are_found_again),
		cmocka_unit_test(translates_what_is_the_same),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
