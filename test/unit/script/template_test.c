/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts with variables: what is text, what is a variable, what is wrong and where. */
#include "script_fixture.h"

static const struct {
	const char *text, *expansion;
} texts[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "$rm", "INVITE" },
	{ "<$fU@$fd>", "<alice@a.example.com>" },
	{ "$(rm)", "INVITE" },
	{ "$(fU)x", "alicex" },
	{ "$rU(ext)", "bob;x=y(ext)" }, /* $rU takes no name: the rest is text */
	{ "$var(x)(y)", "0(y)" },
	{ "a$$b", "a$b" },
	{ "$$rm", "$rm" },
	{ "$$", "$" },
	{ "costs 5$", "costs 5$" },
	{ "5$ now", "5$ now" },
	{ "$.", "$." },
	{ "^[0-9]+$", "^[0-9]+$" },
	{ "$null", "<null>" },
	{ "$rs/$rm", "<null>/INVITE" },
	{ "$hdr(X-One) $(hdr(X-One)[1])", "first second" },
	{ "$(hdr(X-One)[$var(zero)])", "first" },
	{ "$hdr($_s(X-$_s(One)))", "first" },
	{ "$_s(a(b)c)", "a(b)c" },
	{ "$sel(via[2].host)", "10.0.0.9" },
	{ "$(_s($rm){s.len})", "6" },
	{ "$(rm{s.tolower}{s.substr,0,3})", "inv" },
	{ "$( rm )", "INVITE" },
	{ "$?", "1" },
};

static void expands_what_is_a_variable(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		fixture_is(texts[i].text, texts[i].expansion);
}

static void knows_what_is_constant(void **state)
{
	struct span error;
	const struct text_template *t =
		template_compile_runtime(SPAN_OF("a$$b$$c"), &fixture.arena, &error);
	assert_non_null(t);
	assert_true(t->is_constant);
	assert_int_equal(t->count, 1);
	assert_true(span_equal(t->parts[0].text, SPAN_OF("a$b$c")));
	t = template_compile_runtime(SPAN_OF("$rm"), &fixture.arena, &error);
	assert_false(t->is_constant);
}

static void single_variables_keep_their_type(void **state)
{
	struct span error;
	struct value value;
	const struct text_template *t =
		template_compile_runtime(SPAN_OF("$ml"), &fixture.arena, &error);
	assert_true(template_value(&fixture.run, t, &value));
	assert_int_equal(value.kind, VALUE_INT);
	t = template_compile_runtime(SPAN_OF("$ml "), &fixture.arena, &error);
	assert_true(template_value(&fixture.run, t, &value));
	assert_int_equal(value.kind, VALUE_TEXT);
	t = template_compile_runtime(SPAN_OF("$ru"), &fixture.arena, &error);
	struct span text = template_text(&fixture.run, t);
	assert_ptr_equal(text.at, message_uri(fixture.run.msg).at); /* nothing is copied */
}

static const struct {
	const char *text, *code, *part_of_error;
	unsigned column;
} wrong[] = {
	{ "ab $foo(x)", "unknown-variable", "no variable $foo", 4 },
	{ "ab $hdr", "bad-variable", "needs a name in parentheses", 4 },
	{ "ab $(rm(x))", "bad-variable", "takes no name", 4 },
	{ "ab $hdr(x", "bad-variable", "parenthesis is never closed", 8 },
	{ "ab $(rm{s.len}", "bad-variable", "needs a closing parenthesis", 15 },
	{ "ab $(rm{s.len)", "bad-variable", "brace is never closed", 8 },
	{ "ab $(hdr(x)[0)", "bad-variable", "bracket is never closed", 12 },
	{ "ab $(hdr(x)[a])", "bad-variable", "an index is", 13 },
	{ "ab $T_reply_code", "missing-module", "module \"tmx\" provides", 4 },
	{ "ab $sht(a=>b)", "missing-module", "module \"htable\" provides", 4 },
	{ "ab $via0(foo)", "bad-variable", "no such key", 4 },
	{ "ab $sel(none)", "bad-variable", "no select \"none\"", 4 },
	{ "ab $sel(from.foo)", "bad-variable", "has no \"foo\"", 4 },
	{ "ab $sel(tls.peer)", "bad-variable", "module \"tls\" provides", 4 },
	{ "ab $cnt(avp)", "bad-variable", "needs $avp", 4 },
	{ "ab $xavp(a[x])", "bad-variable", "root[n]=>field[m]", 4 },
	{ "ab $C(zz)", "bad-variable", "two letters", 4 },
	{ "ab $hdr($foo(x))", "unknown-variable", "no variable $foo", 9 },
	{ "ab $(rm{s.sub,1})", "unknown-transformation", "no transformation {s.sub}", 9 },
};

static void mistakes_have_a_place_in_the_file(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char line[256];
		struct diagnostics diagnostics;
		diagnostics_init(&diagnostics, &fixture.arena);
		snprintf(line, sizeof(line), "first line\n  x(\"%s\");\n", wrong[i].text);
		struct source_file file = { .path = "test.cfg", .text = span_from(line) };
		/* The position of the string token, its quote included. */
		struct source_position at = { .file = &file, .line = 2, .column = 5, .length = 1 };
		assert_null(template_compile(span_from(wrong[i].text), &fixture.arena, &diagnostics,
					     at));
		const struct diagnostic *d = diagnostics.first;
		assert_non_null(d);
		assert_string_equal(d->code, wrong[i].code);
		if (span_find_span(d->message, span_from(wrong[i].part_of_error)) == d->message.len)
			fail_msg("%s: %.*s", wrong[i].text, SPAN_ARGS(d->message));
		if (d->at.line != 2 || d->at.column != 5 + wrong[i].column)
			fail_msg("%s: column %u", wrong[i].text, d->at.column);
	}
}

static void all_mistakes_of_a_text_are_found(void **state)
{
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, &fixture.arena);
	assert_null(template_compile(SPAN_OF("$foo(x) $bar(y) $(rm{s.no}{s.nono})"), &fixture.arena,
				     &diagnostics, (struct source_position){ 0 }));
	assert_int_equal(diagnostics.errors, 4);
}

static void unknown_bare_names_are_avps_with_a_warning(void **state)
{
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, &fixture.arena);
	assert_non_null(template_compile(SPAN_OF("$route_urii"), &fixture.arena, &diagnostics,
					 (struct source_position){ 0 }));
	assert_int_equal(diagnostics.errors, 0);
	assert_int_equal(diagnostics.warnings, 1);
	assert_true(span_find_span(diagnostics.first->hint, SPAN_OF("$route_uri?")) <
		    diagnostics.first->hint.len);
}

static void reference_length_is_what_a_scanner_needs(void **state)
{
	static const struct { const char *text; size_t length;
	} rows[] = {
		{ "$ru == 1", 3 },
		{ "$(ru{s.len}) + 1", 12 },
		{ "$avp(a(b)c) = 1", 11 },
		{ "$rU(x)", 3 },
		{ "$$", 2 },
		{ "$ x", 0 },
		{ "$?)", 2 },
		{ "$(avp(x)[*]) = 2", 12 },
		{ "$(ru{re.subst,/[(]{1}/\\}/})", 27 },
		{ "$sht(t=>$(ci{s.rm,)}))", 22 },
	};
	const char *error;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t length = variable_reference_length(span_from(rows[i].text), &error);
		if (length != rows[i].length || error)
			fail_msg("%s: %zu %s", rows[i].text, length, error ? error : "");
	}
	assert_int_equal(variable_reference_length(SPAN_OF("$(ru"), &error), 4);
	assert_non_null(error);
}

static void variable_compile_wants_exactly_one(void **state)
{
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, &fixture.arena);
	assert_non_null(variable_compile(SPAN_OF(" $avp(x) "), &fixture.arena, &diagnostics,
					 (struct source_position){ 0 }));
	assert_null(variable_compile(SPAN_OF("$ru$fu"), &fixture.arena, &diagnostics,
				     (struct source_position){ 0 }));
	assert_null(variable_compile(SPAN_OF("ru"), &fixture.arena, &diagnostics,
				     (struct source_position){ 0 }));
	assert_null(variable_compile(SPAN_OF(""), &fixture.arena, &diagnostics,
				     (struct source_position){ 0 }));
	assert_int_equal(diagnostics.errors, 3);
}

static void deep_nesting_is_refused(void **state)
{
	char text[4096];
	struct span error;
	struct writer w = writer_fixed(text, sizeof(text));
	for (int i = 0; i < 200; i++)
		writer_literal(&w, "$_s(");
	for (int i = 0; i < 200; i++)
		writer_literal(&w, ")");
	assert_null(template_compile_runtime(writer_result(&w), &fixture.arena, &error));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(expands_what_is_a_variable),
		T(knows_what_is_constant),
		T(single_variables_keep_their_type),
		T(mistakes_have_a_place_in_the_file),
		T(all_mistakes_of_a_text_are_found),
		T(unknown_bare_names_are_avps_with_a_warning),
		T(reference_length_is_what_a_scanner_needs),
		T(variable_compile_wants_exactly_one),
		T(deep_nesting_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
