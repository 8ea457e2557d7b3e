/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/diagnostic.h"

/* What is shown of a line in which something is wrong. */
static struct span shown(struct arena *arena, struct span line)
{
	struct diagnostics all;
	struct source_file file = { "test.cfg", line };
	struct writer out = writer_in_arena(arena, 256);
	diagnostics_init(&all, arena);
	diagnostic_add(&all, SEVERITY_ERROR, NULL, (struct source_position){ &file, 1, 1, 1 },
		       "wrong");
	diagnostics_write(&all, &out);
	struct span text = writer_result(&out);
	text = span_slice(text, span_find_span(text, SPAN_OF(" | ")) + 3, text.len);
	return span_slice(text, 0, span_find(text, '\n', 0));
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(passwords_in_urls_are_not_shown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
