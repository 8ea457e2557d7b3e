/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/method.h"
#include "parser/values.h"

static void reads_cseq(void **state)
{
	static const struct {
		struct span text;
		int64_t number; /* -1: refused */
		uint32_t method;
	} rows[] = {
		{ SPAN("1 INVITE"), 1, METHOD_INVITE },
		{ SPAN("0009\r\n  INVITE"), 9, METHOD_INVITE },
		{ SPAN("2147483647 BYE"), 2147483647, METHOD_BYE },
		{ SPAN("2147483648 BYE"), -1, 0 },
		{ SPAN("36893488147419103232 REGISTER"), -1, 0 },
		{ SPAN("1 invite"), 1, METHOD_OTHER },
		{ SPAN("1INVITE"), -1, 0 },
		{ SPAN("1"), -1, 0 },
		{ SPAN("INVITE"), -1, 0 },
		{ SPAN("-1 INVITE"), -1, 0 },
		{ SPAN("1 INVITE x"), -1, 0 },
		{ SPAN(""), -1, 0 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cseq cseq = { 0 };
		bool is_right = cseq_parse(rows[i].text, &cseq);
		check_number(is_right ? (int64_t)cseq.number : -1, rows[i].number, rows[i].text.at,
			     i);
		check_number(cseq.method, rows[i].method, "method", i);
	}
}

static void reads_numbers(void **state)
{
	uint32_t number = 0;
	assert_true(number_parse(SPAN_OF("4294967295"), &number));
	assert_false(number_parse(SPAN_OF("4294967296"), &number));
	assert_false(number_parse(SPAN_OF("1 2"), &number));
	assert_true(max_forwards_parse(SPAN_OF("0068"), &number));
	assert_int_equal(number, 68);
	assert_false(max_forwards_parse(SPAN_OF("256"), &number));
	assert_true(expires_parse(SPAN_OF("100000000000000000000000000"), &number));
	assert_int_equal(number, UINT32_MAX);
	assert_false(expires_parse(SPAN_OF("-1"), &number));
	assert_false(expires_parse(SPAN_OF(""), &number));
}

static void knows_every_method(void **state)
{
	for (uint32_t bit = 1; bit < METHOD_OTHER; bit <<= 1) {
		struct span name = method_name(bit);
		assert_int_equal(method_from_span(name), bit);
		assert_int_equal(method_from_span(span_slice(name, 0, name.len - 1)), METHOD_OTHER);
		for (size_t i = 0; i < name.len; i++) {
			char other[16];
			memcpy(other, name.at, name.len);
			other[i] ^= 0x20;
			assert_int_equal(method_from_span(span_make(other, name.len)),
					 METHOD_OTHER);
		}
	}
	assert_int_equal(method_from_span(SPAN_OF("")), METHOD_OTHER);
	assert_int_equal(method_from_span(SPAN_OF("FOO")), METHOD_OTHER);
	assert_null(method_name(METHOD_OTHER).at);
	uint32_t mask = 0;
	assert_true(method_list_parse(SPAN_OF("INVITE, ack,,FOO"), &mask));
	assert_int_equal(mask, METHOD_INVITE | METHOD_ACK | METHOD_OTHER);
	assert_true(method_list_parse(SPAN_OF(""), &mask));
	assert_int_equal(mask, 0);
	assert_false(method_list_parse(SPAN_OF("INVITE ACK"), &mask));
}

static void reads_media_types(void **state)
{
	struct media_type type;
	assert_true(content_type_parse(SPAN_OF("multipart/mixed ; charset=x; boundary=\"a;b\""),
				       &type));
	check_span(type.type, "multipart", "type", 0);
	check_span(type.subtype, "mixed", "subtype", 0);
	check_span(type.boundary, "a;b", "boundary", 0);
	check_span(type.charset, "x", "charset", 0);
	assert_true(media_type_is(&type, SPAN_OF("MULTIPART/Mixed")));
	assert_false(media_type_is(&type, SPAN_OF("multipart")));
	static const struct span bad[] = {
		SPAN(""), SPAN("text"), SPAN("text/"), SPAN("/plain"), SPAN("text/plain x"), SPAN("text/plain;=x"),
		SPAN("a/b;c=\"d"), SPAN("text/plain, text/html"),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		check_number(content_type_parse(bad[i], &type), false, bad[i].at, i);
	struct span rest = SPAN_OF("application/sdp;level=1, */*;q=0.1");
	assert_int_equal(accept_next(&rest, &type), LIST_ITEM);
	check_span(type.full, "application/sdp", "full", 0);
	assert_int_equal(accept_next(&rest, &type), LIST_ITEM);
	check_span(type.params, "q=0.1", "params", 1);
	assert_int_equal(accept_next(&rest, &type), LIST_END);
}

static void reads_option_tags(void **state)
{
	uint32_t mask = 0;
	assert_true(option_tags_parse(SPAN_OF("100rel, Timer"), &mask));
	assert_true(option_tags_parse(SPAN_OF("path,unknown"), &mask));
	assert_int_equal(mask, OPTION_100REL | OPTION_TIMER | OPTION_PATH | OPTION_OTHER);
	assert_false(option_tags_parse(SPAN_OF("a b"), &mask));
	check_span(option_tag_name(OPTION_GRUU), "gruu", "name", 0);
}

static void reads_events_and_subscriptions(void **state)
{
	struct event_header event;
	struct subscription_state_header subscription;
	assert_true(event_parse(SPAN_OF("presence.winfo ; id=7"), &event));
	check_span(event.package, "presence.winfo", "package", 0);
	check_span(event.id, "7", "id", 0);
	assert_false(event_parse(SPAN_OF(";id=7"), &event));
	assert_true(subscription_state_parse(SPAN_OF("Terminated;reason=timeout;retry-after=5"),
					     &subscription));
	assert_int_equal(subscription.state, SUBSCRIPTION_TERMINATED);
	check_span(subscription.reason, "timeout", "reason", 0);
	assert_true(subscription.has_retry_after);
	assert_int_equal(subscription.retry_after_s, 5);
	assert_false(subscription.has_expires);
	assert_false(subscription_state_parse(SPAN_OF("active pending"), &subscription));
}

static void reads_extension_headers(void **state)
{
	struct session_expires session;
	struct rack rack;
	struct reason_header reason;
	struct identity_header identity;
	struct retry_after retry;
	struct dialog_id dialog;
	uint32_t mask;
	assert_true(session_expires_parse(SPAN_OF("1800;refresher=UAS"), &session));
	assert_int_equal(session.seconds, 1800);
	assert_int_equal(session.refresher, REFRESHER_UAS);
	assert_true(rack_parse(SPAN_OF("776656 1 INVITE"), &rack));
	assert_int_equal(rack.rseq, 776656);
	assert_int_equal(rack.cseq.number, 1);
	assert_false(rack_parse(SPAN_OF("1 INVITE"), &rack));
	struct span rest = SPAN_OF("SIP ;cause=580 ;text=\"Precondition, failed\", Q.850;cause=x");
	assert_int_equal(reason_next(&rest, &reason), LIST_ITEM);
	check_span(reason.protocol, "SIP", "protocol", 0);
	check_span(reason.text, "Precondition, failed", "text", 0);
	assert_int_equal(reason.cause, 580);
	assert_int_equal(reason_next(&rest, &reason), LIST_ITEM);
	assert_false(reason.has_cause);
	assert_int_equal(reason_next(&rest, &reason), LIST_END);
	assert_true(privacy_parse(SPAN_OF("id ; header;critical"), &mask));
	assert_int_equal(mask, PRIVACY_ID | PRIVACY_HEADER | PRIVACY_CRITICAL);
	assert_false(privacy_parse(SPAN_OF("id;"), &mask));
	assert_true(identity_parse(SPAN_OF("a.b.c;info=<https://x/y;z>;alg=ES256;ppt=\"shaken\""),
				   &identity) == false);
	assert_true(identity_parse(SPAN_OF("a.b.c;info=<https://x/y>;alg=ES256;ppt=\"shaken\""),
				   &identity));
	check_span(identity.token, "a.b.c", "token", 0);
	check_span(identity.info, "https://x/y", "info", 0);
	check_span(identity.ppt, "shaken", "ppt", 0);
	assert_true(retry_after_parse(SPAN_OF("18000 (back \\) (soon)) ;duration=3600"), &retry));
	assert_int_equal(retry.seconds, 18000);
	assert_int_equal(retry.duration_s, 3600);
	check_span(retry.comment, "(back \\) (soon))", "comment", 0);
	assert_false(retry_after_parse(SPAN_OF("5 (open"), &retry));
	assert_true(dialog_id_parse(
		SPAN_OF("425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only"),
		&dialog));
	check_span(dialog.call_id, "425928@bobster.example.org", "call-id", 0);
	check_span(dialog.to_tag, "7743", "to", 0);
	check_span(dialog.from_tag, "6472", "from", 0);
	assert_true(dialog.early_only);
}

static void reads_and_writes_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = {
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Sat, 13 Nov 2010 23:29:00 GMT", 1289690940 },
		{ "Tue, 29 Feb 2000 12:00:00 GMT", 951825600 },
		{ "Mon, 29 Feb 2100 12:00:00 GMT", -1 },
		{ "Fri, 01 Jan 2010 16:00:00 EST", -1 },
		{ "Fri, 1 Jan 2010 16:00:00 GMT", -1 },
		{ "Fri, 32 Jan 2010 16:00:00 GMT", -1 },
		{ "Fri, 01 Jan 2010 24:00:00 GMT", -1 },
		{ "Fri, 01 Jan 2010 16:00:00 GMT ", -1 },
		{ "", -1 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t seconds;
		char text[30];
		bool is_right = date_parse(span_from(rows[i].text), &seconds);
		check_number(is_right ? seconds : -1, rows[i].seconds, rows[i].text, i);
		if (!is_right)
			continue;
		date_format(seconds, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void splits_any_comma_list(void **state)
{
	static const char *const expected[] = { "\"a, b\" <sip:c;x=1,2>;q=1", "d e", "<x\"y,z>" };
	struct span rest = SPAN_OF(" \"a, b\" <sip:c;x=1,2>;q=1 ,, d e ,<x\"y,z>, "), item;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(list_item_next(&rest, &item), LIST_ITEM);
		check_span(item, expected[i], "item", i);
	}
	assert_int_equal(list_item_next(&rest, &item), LIST_END);
	rest = SPAN_OF("a \"b");
	assert_int_equal(list_item_next(&rest, &item), LIST_BAD);
	rest = SPAN_OF("<a,b");
	assert_int_equal(list_item_next(&rest, &item), LIST_BAD);
}

static void checks_call_ids(void **state)
{
	assert_true(call_id_is_valid(SPAN_OF("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")));
	assert_true(call_id_is_valid(SPAN_OF("a")));
	assert_false(call_id_is_valid(SPAN_OF("")));
	assert_false(call_id_is_valid(SPAN_OF("a@")));
	assert_false(call_id_is_valid(SPAN_OF("@a")));
	assert_false(call_id_is_valid(SPAN_OF("a@b@c")));
	assert_false(call_id_is_valid(SPAN_OF("a b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_cseq),
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(knows_every_method),
		cmocka_unit_test(reads_media_types),
		cmocka_unit_test(reads_option_tags),
		cmocka_unit_test(reads_events_and_subscriptions),
		cmocka_unit_test(reads_extension_headers),
		cmocka_unit_test(reads_and_writes_dates),
		cmocka_unit_test(splits_any_comma_list),
		cmocka_unit_test(checks_call_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
