/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "core/net/address.h"

static void assert_written(struct span expected, const struct end_point *address, size_t room)
{
	char text[64] = "";
	struct writer w = writer_fixed(text, room);
	end_point_write_ip(&w, address);
	assert_false(w.failed);
	assert_true(span_equal(writer_result(&w), expected));
}

static void every_part_of_an_address_is_written_as_it_is_read(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 256; n++) {
		char expected[32];
		struct end_point address = { .family = AF_INET, .ip = { n, 255 - n, n / 7, n } };
		struct end_point again = { 0 };
		int len = snprintf(expected, sizeof(expected), "%u.%u.%u.%u", n, 255 - n, n / 7, n);
		struct span text = span_make(expected, (size_t)len);
		assert_written(text, &address, 64);
		assert_written(text, &address, text.len + 1);
		assert_true(end_point_parse_ip(text, &again));
		assert_true(end_point_same_ip(&address, &again));
	}
}

/* Who compares addresses as texts relies on it. */
static void an_ipv4_address_has_one_spelling(void **state)
{
	static const char *const others[] = { "127.0.0.01", "127.00.0.1", "0127.0.0.1",
					      "127.0.1",    "0x7f.0.0.1", "2130706433",
					      " 127.0.0.1", "127.0.0.1 ", "127.0.0.1." };
	struct end_point ip = { 0 };
	(void)state;
	assert_true(end_point_parse_ip(SPAN_OF("127.0.0.1"), &ip));
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(end_point_parse_ip(span_from(others[i]), &ip));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_of_an_address_is_written_as_it_is_read),
		cmocka_unit_test(an_ipv4_address_has_one_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
