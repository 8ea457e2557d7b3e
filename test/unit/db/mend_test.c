/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/db/mend.h"

static void texts_become_characters_of_a_length(void **state)
{
	static const struct {
		struct span text, mended;
	} rows[] = {
		{ SPAN(""), SPAN("") },
		{ SPAN("plain"), SPAN("plain") },
		{ SPAN("gr\xc3\xbc\xc3\x9f"), SPAN("gr\xc3\xbc\xc3\x9f") },
		{ SPAN("\xe4\xbd\xa0\xf0\x9f\x98\x80"), SPAN("\xe4\xbd\xa0\xf0\x9f\x98\x80") },
		{ SPAN("a\0b"), SPAN("a?b") },
		{ SPAN("\xff\xfe"), SPAN("??") },
		{ SPAN("\xc0\x80"), SPAN("??") }, /* too long a way to write NUL */
		{ SPAN("\xe0\x80\x80"), SPAN("???") },
		{ SPAN("\xed\xa0\x80"), SPAN("???") },      /* a surrogate */
		{ SPAN("\xf4\x90\x80\x80"), SPAN("????") }, /* beyond U+10FFFF */
		{ SPAN("a\xc3"), SPAN("a?") },              /* the end is missing */
		{ SPAN("0123456789abcdefghij"), SPAN("0123456789abcdef") },
		/* A character is not cut in two. */
		{ SPAN("0123456789abcde\xc3\xbc"), SPAN("0123456789abcde") },
	};
	struct arena arena;
	arena_init(&arena, 1024, 1 << 16);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct db_value value = db_text(rows[i].text);
		assert_true(db_mend(&value, 1, DB_MEND_WAYS - 1, &arena));
		assert_int_equal(value.kind, DB_TEXT);
		assert_int_equal(value.text.len, rows[i].mended.len);
		assert_memory_equal(value.text.at, rows[i].mended.at, rows[i].mended.len);
	}
	arena_free(&arena);
}

static void other_values_stay(void **state)
{
	struct arena arena;
	struct db_value values[] = { db_null(), db_int(7), db_time(1000000),
				     db_blob(SPAN_OF("\xff")) };
	arena_init(&arena, 1024, 1 << 16);
	assert_true(db_mend(values, ARRAY_SIZE(values), 0, &arena));
	assert_int_equal(values[0].kind, DB_NULL);
	assert_int_equal(values[1].number, 7);
	assert_int_equal(values[2].number, 1000000);
	assert_memory_equal(values[3].text.at, "\xff", 1);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_become_characters_of_a_length),
		cmocka_unit_test(other_values_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
