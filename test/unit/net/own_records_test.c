/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/net/own_records.h"
#include "core/shm/map.h"

static int set_up(void **state)
{
	hash_init();
	clock_refresh();
	return shm_init((size_t)8 << 20) && own_records_prepare() ? 0 : -1;
}

static int tear_down(void **state)
{
	shm_free();
	return 0;
}

static struct own_record parsed(const char *text)
{
	struct own_record record;
	assert_null(own_record_parse(span_from(text), &record));
	return record;
}

static bool add(const char *text)
{
	struct own_record record = parsed(text);
	return own_record_add(&record);
}

static void reads_all_attributes(void **state)
{
	struct own_record record = parsed(
		" type=srv ; name=_sip._udp.x ;addr=host.test;ttl=7;priority=1;weight=2;port=3;flags=2;");
	assert_int_equal(record.kind, OWN_SRV);
	assert_true(span_equal(record.name, SPAN_OF("_sip._udp.x")));
	assert_string_equal(record.service.target, "host.test");
	assert_int_equal(record.ttl_s, 7);
	assert_int_equal(record.service.priority, 1);
	assert_int_equal(record.service.weight, 2);
	assert_int_equal(record.service.port, 3);
	assert_true(record.is_permanent && !record.is_negative);
	record = parsed("type=AAAA;name=x;addr=::1");
	assert_int_equal(record.address.family, AF_INET6);
	assert_true(parsed("type=A;name=x;flags=1").is_negative);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "", "type is" },
		{ "name=x;addr=127.0.0.1", "type is" },
		{ "type=MX;name=x;addr=127.0.0.1", "type is" },
		{ "type=A;addr=127.0.0.1", "needs a name" },
		{ "type=A;name=x", "addr is" },
		{ "type=A;name=x;addr=::1", "addr is" },
		{ "type=AAAA;name=x;addr=127.0.0.1", "addr is" },
		{ "type=SRV;name=x;addr=", "addr is" },
		{ "type=A;name=x;addr=127.0.0.1;colour=red", "knows type" },
		{ "type=A;name=x;addr=127.0.0.1;ttl=soon", "are numbers" },
		{ "type=A;name=x;addr=127.0.0.1;ttl=-1", "are numbers" },
		{ "type=SRV;name=x;addr=y;port=65536", "are numbers" },
		{ "type=A;name=x;addr=127.0.0.1;ttl", "are numbers" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct own_record record;
		const char *wrong = own_record_parse(span_from(cases[i].text), &record);
		assert_non_null(wrong);
		assert_non_null(strstr(wrong, cases[i].part));
	}
	char name[DNS_NAME_MOST + 32] = "type=A;addr=127.0.0.1;name=";
	memset(name + strlen(name), 'x', sizeof(name) - strlen(name) - 1);
	name[sizeof(name) - 1] = '\0';
	struct own_record record;
	assert_null(own_record_parse(span_make(name, 27 + DNS_NAME_MOST), &record));
	assert_non_null(own_record_parse(span_make(name, 28 + DNS_NAME_MOST), &record));
}

static void gives_records_in_their_order(void **state)
{
	struct own_answer answer;
	assert_false(own_record_find(OWN_A, SPAN_OF("two.test"), &answer));
	assert_true(add("type=A;name=two.test;addr=127.0.0.1"));
	assert_true(add("type=A;name=TWO.test;addr=127.0.0.2"));
	assert_true(add("type=AAAA;name=two.test;addr=::1"));
	assert_true(own_record_find(OWN_A, SPAN_OF("Two.Test"), &answer));
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.addresses[0].ip[3], 1);
	assert_int_equal(answer.addresses[1].ip[3], 2);
	assert_int_equal(own_record_remove(OWN_A, SPAN_OF("two.test")), OWN_REMOVED);
	assert_int_equal(own_record_remove(OWN_A, SPAN_OF("two.test")), OWN_MISSING);
	assert_true(own_record_find(OWN_AAAA, SPAN_OF("two.test"), &answer));
}

static void negative_records_replace_and_are_replaced(void **state)
{
	struct own_answer answer;
	assert_true(add("type=A;name=x;addr=127.0.0.1"));
	assert_true(add("type=A;name=x;flags=1"));
	assert_true(own_record_find(OWN_A, SPAN_OF("x"), &answer));
	assert_int_equal(answer.count, 0);
	assert_true(add("type=A;name=x;addr=127.0.0.3"));
	assert_true(own_record_find(OWN_A, SPAN_OF("x"), &answer));
	assert_int_equal(answer.count, 1);
}

static void keeps_permanent_records(void **state)
{
	struct own_answer answer;
	assert_true(add("type=A;name=x;addr=127.0.0.1;ttl=0;flags=2"));
	assert_false(add("type=A;name=x;flags=1"));
	assert_int_equal(own_record_remove(OWN_A, SPAN_OF("x")), OWN_PERMANENT);
	own_records_clear(false);
	assert_true(own_record_find(OWN_A, SPAN_OF("x"), &answer));
	assert_true(answer.is_permanent && answer.count == 1);
	own_records_clear(true);
	assert_false(own_record_find(OWN_A, SPAN_OF("x"), &answer));
}

static void forgets_what_is_over(void **state)
{
	struct own_answer answer;
	assert_true(add("type=A;name=x;addr=127.0.0.1;ttl=0"));
	assert_false(own_record_find(OWN_A, SPAN_OF("x"), &answer));
}

static void takes_as_many_as_an_answer_holds(void **state)
{
	for (unsigned i = 0; i < DNS_RECORDS_MOST; i++)
		assert_true(add("type=A;name=x;addr=127.0.0.1"));
	assert_false(add("type=A;name=x;addr=127.0.0.1"));
	assert_true(add("type=A;name=y;addr=127.0.0.1"));
}

static void walks_each_name_once(void **state)
{
	struct own_answer answer;
	enum own_kind kind;
	char name[DNS_NAME_MOST + 1];
	uint32_t cursor = 0;
	unsigned found = 0, records = 0;
	assert_true(add("type=A;name=x;addr=127.0.0.1") && add("type=A;name=x;addr=127.0.0.2"));
	assert_true(add("type=SRV;name=x;addr=y") && add("type=A;name=gone;addr=127.0.0.1;ttl=0"));
	for (; own_records_each(&cursor, &kind, name, &answer); found++) {
		assert_string_equal(name, "x");
		records += answer.count;
	}
	assert_int_equal(found, 2);
	assert_int_equal(records, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_all_attributes),
		TEST(says_what_is_wrong),
		TEST(gives_records_in_their_order),
		TEST(negative_records_replace_and_are_replaced),
		TEST(keeps_permanent_records),
		TEST(forgets_what_is_over),
		TEST(takes_as_many_as_an_answer_holds),
		TEST(walks_each_name_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
