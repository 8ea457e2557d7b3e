/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/net/dns_records.h"

/* An answer to "a.test": header, question, and records whose name points to the question. */
#define HEADER(answers) "\x12\x34\x81\x80\x00\x01\x00" answers "\x00\x00\x00\x00"
#define QUESTION \
	"\x01"   \
	"a"      \
	"\x04"   \
	"test"   \
	"\x00\x00\x21\x00\x01"
#define RECORD(type, ttl, len) "\xc0\x0c\x00" type "\x00\x01\x00\x00\x00" ttl "\x00" len
#define BYTES(text)            span_make(text, sizeof(text) - 1)

static void services_are_read_with_the_shortest_ttl(void **state)
{
	struct dns_services found;
	int64_t ttl_s;
	dns_read_services(BYTES(HEADER("\x02") QUESTION RECORD(
				  "\x21", "\x3c",
				  "\x0a") "\x00\x05\x00\x0a\x13\xc4\x01"
					  "b"
					  "\xc0\x0e" RECORD("\x21", "\x1e",
							    "\x0a") "\x00\x01\x00\x02\x13\xc5\x01"
								    "c"
								    "\xc0\x0e"),
			  &found, &ttl_s);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.services[0].priority, 5);
	assert_int_equal(found.services[0].weight, 10);
	assert_int_equal(found.services[0].port, 5060);
	assert_string_equal(found.services[0].target, "b.test");
	assert_string_equal(found.services[1].target, "c.test");
	assert_int_equal(ttl_s, 30);
}

static void a_service_that_is_not_offered_is_left_out(void **state)
{
	struct dns_services found;
	int64_t ttl_s;
	dns_read_services(BYTES(HEADER("\x01") QUESTION RECORD(
				  "\x21", "\x3c", "\x07") "\x00\x00\x00\x00\x00\x00\x00"),
			  &found, &ttl_s);
	assert_int_equal(found.count, 0);
	assert_int_equal(ttl_s, 60);
}

static void pointers_with_a_flag_s_are_read(void **state)
{
	struct dns_pointers found;
	int64_t ttl_s;
	dns_read_pointers(
		BYTES(HEADER("\x02") QUESTION RECORD(
			"\x23", "\x3c", "\x13") "\x00\x0a\x00\x32\x01"
						"S"
						"\x07"
						"SIP+D2U"
						"\x00\x01"
						"b"
						"\xc0\x0e" RECORD("\x23", "\x3c",
								  "\x13") "\x00\x0a\x00\x32\x01"
									  "u"
									  "\x07"
									  "SIP+D2U"
									  "\x00\x01"
									  "b"
									  "\xc0\x0e"),
		&found, &ttl_s);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.pointers[0].order, 10);
	assert_int_equal(found.pointers[0].preference, 50);
	assert_memory_equal(found.pointers[0].service, "SIP+D2U", 7);
	assert_string_equal(found.pointers[0].replacement, "b.test");
}

/* Every prefix of a good answer, and every byte of it changed, is read without harm. */
static void broken_answers_yield_no_more_than_they_have(void **state)
{
	static const char good[] = HEADER("\x02") QUESTION RECORD(
		"\x23", "\x3c", "\x13") "\x00\x0a\x00\x32\x01"
					"s"
					"\x07"
					"SIP+D2U"
					"\x00\x01"
					"b"
					"\xc0\x0e" RECORD("\x21", "\x3c",
							  "\x0a") "\x00\x05\x00\x0a\x13\xc4\x01"
								  "b"
								  "\xc0\x0e";
	for (size_t i = 0; i < sizeof(good) - 1; i++)
		for (unsigned byte = 0; byte < 256; byte += 5) {
			char copy[sizeof(good)];
			struct dns_services services;
			struct dns_pointers pointers;
			int64_t ttl_s;
			memcpy(copy, good, sizeof(good));
			copy[i] = (char)byte;
			dns_read_services(span_make(copy, sizeof(good) - 1), &services, &ttl_s);
			dns_read_pointers(span_make(copy, i), &pointers, &ttl_s);
			assert_true(services.count <= 1 && pointers.count <= 1);
		}
}

static void fill(struct dns_services *all, const uint16_t rows[][2], unsigned count)
{
	all->count = count;
	for (unsigned i = 0; i < count; i++)
		all->services[i] = (struct dns_service){ .priority = rows[i][0],
							 .weight = rows[i][1],
							 .port = (uint16_t)i };
}

static void services_come_by_priority_then_weight(void **state)
{
	static const uint16_t rows[][2] = { { 20, 1 }, { 10, 5 }, { 10, 50 }, { 10, 0 }, { 1, 0 } };
	static const uint16_t order[] = { 4, 2, 1, 3, 0 };
	struct dns_services all;
	fill(&all, rows, 5);
	dns_order_services(&all, false);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(all.services[i].port, order[i]);
}

static void weights_are_chances(void **state)
{
	static const uint16_t rows[][2] = { { 1, 29 }, { 1, 9 }, { 2, 100 } };
	unsigned first = 0;
	for (unsigned i = 0; i < 4000; i++) {
		struct dns_services all;
		fill(&all, rows, 3);
		dns_order_services(&all, true);
		assert_int_equal(all.services[2].port, 2);
		first += all.services[0].port == 0;
	}
	assert_true(first > 2800 && first < 3200); /* 30 of 40 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_are_read_with_the_shortest_ttl),
		cmocka_unit_test(a_service_that_is_not_offered_is_left_out),
		cmocka_unit_test(pointers_with_a_flag_s_are_read),
		cmocka_unit_test(broken_answers_yield_no_more_than_they_have),
		cmocka_unit_test(services_come_by_priority_then_weight),
		cmocka_unit_test(weights_are_chances),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
