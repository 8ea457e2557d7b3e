/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/net/names.h"

/* The system's resolver of this test: of names below "silent" nobody tells anything. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
		struct addrinfo **found)
{
	if (strstr(name, ".silent"))
		for (;;)
			pause();
	if (strcmp(name, "known.example.org") != 0)
		return EAI_NONAME;
	struct sockaddr_in *address = calloc(1, sizeof(*address));
	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	inet_pton(AF_INET, "192.0.2.9", &address->sin_addr);
	*found = calloc(1, sizeof(**found));
	**found = (struct addrinfo){ .ai_family = AF_INET,
				     .ai_addrlen = sizeof(*address),
				     .ai_addr = (struct sockaddr *)address };
	return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
	free(found->ai_addr);
	free(found);
}

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

static double seconds_since(const struct timespec *begun)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun->tv_sec) + (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
}

static void all_silent_names_together_cost_two_seconds(void **state)
{
	struct end_point found[2];
	struct timespec begun;
	assert_int_equal(name_addresses(SPAN_OF("known.example.org"), found, 2), 1);
	assert_int_equal(found[0].ip[3], 9);
	assert_int_equal(name_addresses(SPAN_OF("nobody.example.org"), found, 2), 0);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(name_addresses(SPAN_OF("gateway.silent"), found, 2), 0);
	/* Without a limit: never. The rest is for a busy machine. */
	assert_true(seconds_since(&begun) > 1.5);
	assert_true(seconds_since(&begun) < 15);
	/* What is known without the name server is found even then; a busy machine may need a try. */
	unsigned count = 0;
	for (unsigned i = 0; i < 50 && !count; i++)
		count = name_addresses(SPAN_OF("known.example.org"), found, 2);
	assert_int_equal(count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_names_are_known_without_asking),
		cmocka_unit_test(addresses_stand_for_themselves),
		cmocka_unit_test(all_silent_names_together_cost_two_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
