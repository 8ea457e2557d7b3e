/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/method.h"
#include "parser/name_addr.h"

static void parses_one_address(void **state)
{
	static const struct {
		struct span text;
		const char *display, *uri, *params, *tag;
	} rows[] = {
		{ SPAN("<sip:a@b>"), NULL, "sip:a@b", NULL, NULL },
		{ SPAN("<sip:a@b>;tag=x1"), NULL, "sip:a@b", "tag=x1", "x1" },
		{ SPAN("\"Al \\\"Q\\\" <x>\"<sip:a@b;lr> ; tag = 5 ;z"), "\"Al \\\"Q\\\" <x>\"",
		  "sip:a@b;lr", " tag = 5 ;z", "5" },
		{ SPAN("Bob Ross <sip:bob@c>"), "Bob Ross", "sip:bob@c", NULL, NULL },
		{ SPAN("B\xc3\xb6"
		       "b O'Neil. <sip:bob@c>"),
		  "B\xc3\xb6"
		  "b O'Neil.",
		  "sip:bob@c", NULL, NULL },
		{ SPAN("sip:a@b;tag=t"), NULL, "sip:a@b", "tag=t", "t" },
		{ SPAN("\r\n sip:a@b ;   tag    = 1918181833n"), NULL, "sip:a@b",
		  "   tag    = 1918181833n", "1918181833n" },
		{ SPAN("<sip:a@b>;tag="), NULL, "sip:a@b", "tag=", "" },
		{ SPAN("<sip:a@b>;tag"), NULL, "sip:a@b", "tag", "" },
		{ SPAN("<sip:a@b?x=1,2>;;"), NULL, "sip:a@b?x=1,2", ";", NULL },
		{ SPAN("caller<sip:a@b>;tag=323"), "caller", "sip:a@b", "tag=323", "323" },
		{ SPAN("\"\" <tel:+1>"), "\"\"", "tel:+1", NULL, NULL },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct name_addr address;
		struct span text = exact_copy(rows[i].text);
		if (!name_addr_parse(text, &address))
			fail_msg("row %u is refused", i);
		check_span(address.display, rows[i].display, "display", i);
		check_span(address.uri, rows[i].uri, "uri", i);
		check_span(address.params, rows[i].params, "params", i);
		check_span(address.tag, rows[i].tag, "tag", i);
		exact_free(text);
	}
}

static void refuses_what_is_malformed(void **state)
{
	static const struct span rows[] = {
		SPAN(""), SPAN("<>"), SPAN("<sip:a@b"), SPAN("<sip:>a"), SPAN("sip:"), SPAN("\"Bob <sip:a@b>"), SPAN("\"Bob\" sip:a@b"),
		SPAN("Bell, Alexander <sip:a@b>;tag=43"), SPAN("sip:a@b?Route=%3Csip:c%3E"), SPAN("<sip:a@b> x"),
		SPAN("<sip:a@b>;=x"), SPAN("<sip:a@b>;x=\"y"), SPAN("<a>"), SPAN("foo"), SPAN("<sip:a@b>,<sip:c@d>"),
		SPAN("<sip:a<b>"), SPAN("Bob \"x\" <sip:a@b>"), SPAN("<1sip:a>"),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct name_addr address;
		struct span text = exact_copy(rows[i]);
		if (name_addr_parse(text, &address))
			fail_msg("row %u is accepted: %s", i, rows[i].at);
		exact_free(text);
	}
}

static void iterates_a_list(void **state)
{
	struct span rest = SPAN_OF("\"A, b\" <sip:a@b;x=1,2>;q=0.5 ,, sip:c@d;x=\"1,2\",<sip:e@f>");
	struct name_addr address;
	unsigned count = 0;
	assert_true(name_addr_list_check(rest, &count));
	assert_int_equal(count, 3);
	assert_int_equal(name_addr_next(&rest, &address), LIST_ITEM);
	check_span(address.whole, "\"A, b\" <sip:a@b;x=1,2>;q=0.5", "whole", 0);
	assert_int_equal(name_addr_next(&rest, &address), LIST_ITEM);
	check_span(address.whole, "sip:c@d;x=\"1,2\"", "whole", 1);
	assert_int_equal(name_addr_next(&rest, &address), LIST_ITEM);
	check_span(address.uri, "sip:e@f", "uri", 2);
	assert_int_equal(name_addr_next(&rest, &address), LIST_END);
}

static void knows_the_star(void **state)
{
	struct name_addr address;
	assert_true(name_addr_parse(SPAN_OF(" * "), &address));
	assert_true(address.is_star);
	assert_null(address.uri.at);
	assert_false(name_addr_parse(SPAN_OF("*;expires=0"), &address));
	assert_false(name_addr_parse(SPAN_OF("*, <sip:a@b>"), &address));
}

static void reads_contact_parameters(void **state)
{
	struct name_addr address;
	struct contact_params params;
	assert_true(name_addr_parse(
		SPAN_OF("<sip:a@b>;Q=0.75;expires=60;+sip.instance=\"<urn:uuid:1>\";reg-id=2;"
			"methods=\"INVITE, BYE\";pub-gruu=\"sip:p;gr\";ob;received=\"sip:1.2.3.4\""),
		&address));
	assert_true(contact_params_parse(&address, &params));
	assert_int_equal(params.q, 750);
	assert_true(params.has_expires);
	assert_int_equal(params.expires_s, 60);
	check_span(params.instance, "<urn:uuid:1>", "instance", 0);
	assert_int_equal(params.reg_id, 2);
	assert_int_equal(params.methods, METHOD_INVITE | METHOD_BYE);
	check_span(params.pub_gruu, "sip:p;gr", "pub-gruu", 0);
	check_span(params.received, "sip:1.2.3.4", "received", 0);
	assert_true(params.has_ob);
	assert_true(name_addr_parse(SPAN_OF("<sip:a@b>"), &address));
	assert_true(contact_params_parse(&address, &params));
	assert_int_equal(params.q, CONTACT_NO_Q);
	assert_int_equal(params.methods, METHOD_ALL);
	assert_false(params.has_expires);
	assert_true(name_addr_parse(SPAN_OF("<sip:a@b>;expires=99999999999999999999"), &address));
	assert_true(contact_params_parse(&address, &params));
	assert_int_equal(params.expires_s, 3600);
	assert_true(name_addr_parse(SPAN_OF("<sip:a@b>;reg-id=x;q"), &address));
	assert_true(contact_params_parse(&address, &params));
	assert_int_equal(params.reg_id, 0);
	assert_int_equal(params.q, CONTACT_NO_Q);
}

static void reads_q_values(void **state)
{
	static const struct {
		struct span text;
		int32_t q; /* -1: refused */
	} rows[] = {
		{ SPAN("0"), 0 },       { SPAN("1"), 1000 },     { SPAN("0.5"), 500 },
		{ SPAN("0.123"), 123 }, { SPAN("1.000"), 1000 }, { SPAN("0."), 0 },
		{ SPAN(".5"), 500 },    { SPAN("1.001"), -1 },   { SPAN("2"), -1 },
		{ SPAN(""), -1 },       { SPAN("0.1239"), 123 }, { SPAN("0.x"), -1 },
		{ SPAN("-0"), -1 },     { SPAN("."), -1 },       { SPAN("1.00000"), 1000 },
		{ SPAN("01"), 1000 },   { SPAN("00"), 0 },       { SPAN("1.0001"), -1 },
		{ SPAN("10"), -1 },     { SPAN("0.5a"), -1 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int32_t q;
		check_number(q_parse(rows[i].text, &q) ? q : -1, rows[i].q, rows[i].text.at, i);
	}
}

static void unquotes_display_names(void **state)
{
	struct arena arena;
	struct name_addr address;
	arena_init(&arena, 4096, 65536);
	assert_true(name_addr_parse(SPAN_OF("\"Al \\\"Q\\\" \\\\x\" <sip:a@b>"), &address));
	check_span(name_addr_display(&address, &arena), "Al \"Q\" \\x", "display", 0);
	assert_true(name_addr_parse(SPAN_OF("\"plain\" <sip:a@b>"), &address));
	check_span(name_addr_display(&address, &arena), "plain", "display", 1);
	assert_true(name_addr_parse(SPAN_OF("<sip:a@b>"), &address));
	check_span(name_addr_display(&address, &arena), NULL, "display", 2);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_one_address),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(iterates_a_list),
		cmocka_unit_test(knows_the_star),
		cmocka_unit_test(reads_contact_parameters),
		cmocka_unit_test(reads_q_values),
		cmocka_unit_test(unquotes_display_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
