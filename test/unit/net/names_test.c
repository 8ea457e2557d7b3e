/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/net/names.h"

static void special_names_are_known_without_asking(void **state)
{
	static const char *const local[] = { "localhost", "LOCALHOST.", "a.localhost",
					     "a.b.localhost." };
	static const char *const none[] = { "invalid", "no.such.host.invalid", "x.invalid.", "" };
	struct end_point found[4];
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(name_addresses(span_from(local[i]), found, 4), 2);
		assert_int_equal(found[0].family, AF_INET);
		assert_int_equal(found[0].ip[0], 127);
		assert_int_equal(found[1].family, AF_INET6);
		assert_int_equal(name_addresses(span_from(local[i]), found, 1), 1);
		assert_int_equal(name_addresses(span_from(none[i]), found, 4), 0);
	}
}

static void addresses_stand_for_themselves(void **state)
{
	struct end_point found[2];
	assert_int_equal(name_addresses(SPAN_OF("192.0.2.7"), found, 2), 1);
	assert_int_equal(found[0].ip[3], 7);
	assert_int_equal(name_addresses(SPAN_OF("[2001:db8::1]"), found, 2), 1);
	assert_int_equal(found[0].family, AF_INET6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_names_are_known_without_asking),
		cmocka_unit_test(addresses_stand_for_themselves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
