/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/db/driver.h"

static void reads_values_as_other_kinds(void **state)
{
	static const struct {
		struct db_value value;
		int64_t number;
		double real;
		const char *text; /* NULL: absent */
	} rows[] = {
		{ { .kind = DB_NULL }, 0, 0, NULL },
		{ { .kind = DB_INT, .number = -7 }, -7, -7, "-7" },
		{ { .kind = DB_INT, .number = INT64_MIN },
		  INT64_MIN,
		  -9223372036854775808.0,
		  "-9223372036854775808" },
		{ { .kind = DB_DOUBLE, .real = 0.5 }, 0, 0.5, "0.5" },
		{ { .kind = DB_DOUBLE, .real = 1e300 }, INT64_MAX, 1e300, "1e+300" },
		{ { .kind = DB_TEXT, .text = SPAN(" 12 ") }, 12, 12, " 12 " },
		{ { .kind = DB_TEXT, .text = SPAN("2.5") }, 2, 2.5, "2.5" },
		{ { .kind = DB_TEXT, .text = SPAN("abc") }, 0, 0, "abc" },
		{ { .kind = DB_BLOB, .text = SPAN("9") }, 9, 9, "9" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buffer[32];
		struct span text = db_as_text(&rows[i].value, buffer);
		assert_int_equal(db_as_int(&rows[i].value), rows[i].number);
		assert_true(db_as_double(&rows[i].value) == rows[i].real);
		if (!rows[i].text)
			assert_null(text.at);
		else
			assert_true(span_equal(text, span_from(rows[i].text)));
	}
}

static void times_are_local_and_read_back(void **state)
{
	char buffer[32];
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	struct span text = db_time_write(1700000000, buffer);
	assert_true(span_equal(text, SPAN_OF("2023-11-14 23:13:20")));
	assert_int_equal(db_time_read(text), 1700000000);
	assert_int_equal(db_time_read(SPAN_OF("2023-11-14T23:13:20")), 1700000000);
	assert_int_equal(db_time_read(SPAN_OF("2023-11-14 23:13:20.123")), 1700000000);
	assert_int_equal(db_time_read(SPAN_OF("2023-11-14")), 1699916400);
}

/* Around changes of the clock, too; the second pass is answered from memory. */
static void times_are_those_of_the_library(void **state)
{
	static const int64_t begins[] = { 1679788800, 1698537600, 86400, 4102444800 };
	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
			for (int64_t at = begins[i]; at < begins[i] + 12 * 3600; at += 437) {
				time_t seconds = (time_t)at;
				struct tm local, same;
				assert_non_null(localtime_r(&seconds, &local));
				same = local;
				same.tm_isdst = -1;
				assert_int_equal(db_time_of(&local), mktime(&same));
			}
}

static void what_is_no_time_is_zero(void **state)
{
	static const struct span texts[] = { SPAN(""), SPAN("now"), SPAN("0000-00-00 00:00:00"),
					     SPAN("2023-13-01 00:00:00"),
					     SPAN("yesterday at noon") };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(db_time_read(texts[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_values_as_other_kinds),
		cmocka_unit_test(times_are_local_and_read_back),
		cmocka_unit_test(times_are_those_of_the_library),
		cmocka_unit_test(what_is_no_time_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
