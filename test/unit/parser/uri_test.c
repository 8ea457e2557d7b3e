/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/uri.h"

static void parses_all_parts(void **state)
{
	static const struct {
		struct span text;
		enum uri_scheme scheme;
		const char *user, *password, *host;
		int port; /* -1: none */
		const char *params, *headers;
	} rows[] = {
		{ SPAN("sip:example.com"), URI_SIP, NULL, NULL, "example.com", -1, NULL, NULL },
		{ SPAN("SIPS:alice@Example.COM:5070"), URI_SIPS, "alice", NULL, "Example.COM", 5070,
		  NULL, NULL },
		{ SPAN("sip:a:b@[2001:db8::9:1]:1;lr?x=y&z=1"), URI_SIP, "a", "b",
		  "[2001:db8::9:1]", 1, "lr", "x=y&z=1" },
		{ SPAN("sip:a@b;transport=tcp;lr=on?"), URI_SIP, "a", NULL, "b", -1,
		  "transport=tcp;lr=on", "" },
		{ SPAN("sip:+1;phone-context=x@gw;user=phone"), URI_SIP, "+1;phone-context=x", NULL,
		  "gw", -1, "user=phone", NULL },
		{ SPAN("sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
		       "@example.com"),
		  URI_SIP, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
		  "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)", "example.com", -1, NULL, NULL },
		{ SPAN("sip:a:@b"), URI_SIP, "a", "", "b", -1, NULL, NULL },
		{ SPAN("sip:a@b;x=1@2"), URI_SIP, "a", NULL, "b", -1, "x=1@2", NULL },
		{ SPAN("sip:a@b;;lr;"), URI_SIP, "a", NULL, "b", -1, ";lr;", NULL },
		{ SPAN("tel:+1-201-555-0123;ext=5"), URI_TEL, "+1-201-555-0123", NULL, NULL, -1,
		  "ext=5", NULL },
		{ SPAN("urn:service:sos"), URI_URN, NULL, NULL, "service:sos", -1, NULL, NULL },
		{ SPAN("soap.beep://192.0.2.103:3002"), URI_OTHER, NULL, NULL, "//192.0.2.103:3002",
		  -1, NULL, NULL },
		{ SPAN("sip:[::ffff:192.0.2.1]"), URI_SIP, NULL, NULL, "[::ffff:192.0.2.1]", -1,
		  NULL, NULL },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sip_uri uri;
		struct span text = exact_copy(rows[i].text);
		if (!uri_parse(text, &uri))
			fail_msg("row %u is refused: %s", i, rows[i].text.at);
		check_number(uri.scheme, rows[i].scheme, "scheme", i);
		check_span(uri.user, rows[i].user, "user", i);
		check_span(uri.password, rows[i].password, "password", i);
		check_span(uri.host, rows[i].host, "host", i);
		check_number(uri.has_port ? uri.port : -1, rows[i].port, "port", i);
		check_span(uri.params, rows[i].params, "params", i);
		check_span(uri.headers, rows[i].headers, "headers", i);
		exact_free(text);
	}
}

static void refuses_what_is_malformed(void **state)
{
	static const struct span rows[] = {
		SPAN(""), SPAN("sip"), SPAN("sip:"), SPAN(":a"), SPAN("sip:@b"), SPAN("sip:a@"), SPAN("sip:a@b:"),
		SPAN("sip:a@b:x"), SPAN("sip:a@b:65536"), SPAN("sip:a@b@c"), SPAN("sip:a b@c"), SPAN("sip:a@b; lr"),
		SPAN("<sip:a@b>"), SPAN("sip:a@[::1"), SPAN("sip:a@[]"), SPAN("sip:a@b;=c"), SPAN("sip:a@b/x"),
		SPAN("sip:a@b\r\n"), SPAN("sip:a\0@b"), SPAN("1sip:a@b"), SPAN("tel:"), SPAN("tel:;x"), SPAN("sip:a@;lr"),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sip_uri uri;
		struct span text = exact_copy(rows[i]);
		if (uri_parse(text, &uri))
			fail_msg("row %u is accepted: %s", i, rows[i].at);
		exact_free(text);
	}
}

static void notes_well_known_parameters(void **state)
{
	struct sip_uri uri;
	struct param param;
	assert_true(uri_parse(
		SPAN_OF("sip:a@b;Transport=TLS;user=phone;method=INVITE;ttl=5;maddr=1.2.3.4;LR;r2=on;ob;"
			"gr=urn:uuid:1;x"),
		&uri));
	assert_int_equal(uri.transport, SIP_TRANSPORT_TLS);
	assert_int_equal(uri_port(&uri), 5061);
	check_span(uri.user_param, "phone", "user", 0);
	check_span(uri_param_text(&uri, SPAN_OF("method")), "INVITE", "method", 0);
	check_span(uri_param_text(&uri, SPAN_OF("ttl")), "5", "ttl", 0);
	check_span(uri.maddr, "1.2.3.4", "maddr", 0);
	check_span(uri.lr, "", "lr", 0);
	check_span(uri.r2, "on", "r2", 0);
	check_span(uri_param_text(&uri, SPAN_OF("ob")), "", "ob", 0);
	check_span(uri_param_text(&uri, SPAN_OF("gr")), "urn:uuid:1", "gr", 0);
	assert_true(uri_param(&uri, SPAN_OF("X"), &param));
	assert_false(param.has_value);
	assert_false(uri_param(&uri, SPAN_OF("y"), &param));
}

/* The examples of RFC 3261 19.1.4 and RFC 3966, and then some. */
static void compares_by_the_rules(void **state)
{
	static const struct {
		bool equal;
		struct span a, b;
	} rows[] = {
		{ true, SPAN("sip:%61lice@atlanta.com;transport=TCP"),
		  SPAN("sip:alice@AtlanTa.CoM;Transport=tcp") },
		{ true, SPAN("sip:carol@chicago.com"), SPAN("sip:carol@chicago.com;newparam=5") },
		{ true, SPAN("sip:carol@chicago.com"), SPAN("sip:carol@chicago.com;security=on") },
		{ true, SPAN("sip:carol@chicago.com;newparam=5"),
		  SPAN("sip:carol@chicago.com;security=on") },
		{ true,
		  SPAN("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com"),
		  SPAN("sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com") },
		{ true, SPAN("sip:alice@atlanta.com?subject=project%20x&priority=urgent"),
		  SPAN("sip:alice@atlanta.com?priority=urgent&subject=project%20x") },
		{ false, SPAN("SIP:ALICE@AtLanTa.CoM;Transport=udp"),
		  SPAN("sip:alice@AtLanTa.CoM;Transport=UDP") },
		{ false, SPAN("sip:bob@biloxi.com"), SPAN("sip:bob@biloxi.com:5060") },
		{ false, SPAN("sip:bob@biloxi.com"), SPAN("sip:bob@biloxi.com;transport=udp") },
		{ false, SPAN("sip:bob@biloxi.com"),
		  SPAN("sip:bob@biloxi.com:6000;transport=tcp") },
		{ false, SPAN("sip:carol@chicago.com"),
		  SPAN("sip:carol@chicago.com?Subject=next%20meeting") },
		{ false, SPAN("sip:bob@phone21.boxesbybob.com"), SPAN("sip:bob@192.0.2.4") },
		{ false, SPAN("sip:carol@chicago.com;security=off"),
		  SPAN("sip:carol@chicago.com;security=on") },
		{ false, SPAN("sip:a@b"), SPAN("sips:a@b") },
		{ false, SPAN("sip:a@b"), SPAN("sip:b") },
		{ false, SPAN("sip:a@b"), SPAN("sip:a:@b") },
		{ false, SPAN("sip:a%3bb@c"), SPAN("sip:a;b@c") },
		{ true, SPAN("sip:a%3bb@c"), SPAN("sip:a%3Bb@c") },
		{ true, SPAN("sip:a@[2001:db8::1]"), SPAN("sip:a@[2001:0DB8:0::0:1]") },
		{ true, SPAN("sip:a@b."), SPAN("sip:a@B") },
		{ true, SPAN("tel:+1-201-555-0123"), SPAN("tel:+12015550123") },
		{ true, SPAN("tel:1234;ext=5;phone-context=+1"),
		  SPAN("TEL:1234;Phone-Context=+1;ext=5") },
		{ false, SPAN("tel:1234;phone-context=+1"), SPAN("tel:1234;phone-context=+2") },
		{ false, SPAN("tel:1234"), SPAN("tel:1234;phone-context=+2") },
		{ true, SPAN("urn:SERVICE:sos"), SPAN("URN:service:sos") },
		{ false, SPAN("urn:service:sos"), SPAN("urn:service:SOS") },
		{ false, SPAN("http://a/"), SPAN("http://A/") },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sip_uri a, b;
		check_number(uri_text_equal(rows[i].a, rows[i].b), rows[i].equal, rows[i].a.at, i);
		check_number(uri_text_equal(rows[i].b, rows[i].a), rows[i].equal, "reverse", i);
		assert_true(uri_parse(rows[i].a, &a) && uri_parse(rows[i].b, &b));
		if (rows[i].equal)
			check_number((int64_t)uri_hash(&a), (int64_t)uri_hash(&b), "hash", i);
	}
}

static void writes_pieces(void **state)
{
	char buffer[100];
	struct sip_uri uri;
	struct writer w = writer_fixed(buffer, sizeof(buffer));
	assert_true(uri_parse(SPAN_OF("sip:%61l%20ice@Example.COM:99;lr"), &uri));
	uri_write_aor(&w, &uri);
	check_span(writer_result(&w), "al ice@example.com", "aor", 0);
	w.len = 0;
	uri_write_unescaped(&w, SPAN_OF("%zz%4%41%"));
	check_span(writer_result(&w), "%zz%4A%", "unescaped", 0);
	w.len = 0;
	uri_write_escaped_user(&w, SPAN_OF("a b@c\"%;"));
	check_span(writer_result(&w), "a%20b%40c%22%25;", "user", 0);
	w.len = 0;
	uri_write_escaped_param(&w, SPAN_OF("<a;b>"));
	check_span(writer_result(&w), "%3Ca%3Bb%3E", "param", 0);
	assert_true(uri_escapes_are_valid(SPAN_OF("a%20%fF")));
	assert_false(uri_escapes_are_valid(SPAN_OF("a%2")));
	assert_false(uri_escapes_are_valid(SPAN_OF("a%2g")));
	assert_false(uri_escapes_are_valid(SPAN_OF("%")));
}

static void tells_kinds_of_hosts(void **state)
{
	static const struct {
		struct span text;
		enum host_kind kind;
	} rows[] = {
		{ SPAN("192.0.2.1"), HOST_IPV4 },
		{ SPAN("192.0.2.256"), HOST_NAME },
		{ SPAN("192.0.2"), HOST_NAME },
		{ SPAN("192.0.2.1.5"), HOST_NAME },
		{ SPAN("a-b.example.com."), HOST_NAME },
		{ SPAN("[::1]"), HOST_IPV6 },
		{ SPAN("::1"), HOST_IPV6 },
		{ SPAN("[::1"), HOST_NONE },
		{ SPAN(":::"), HOST_NONE },
		{ SPAN("a b"), HOST_NONE },
		{ SPAN(""), HOST_NONE },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		check_number(host_kind_of(rows[i].text), rows[i].kind, rows[i].text.at, i);
	assert_true(host_equal(SPAN_OF("[::1]"), SPAN_OF("0:0:0:0:0:0:0:1")));
	assert_false(host_equal(SPAN_OF("a"), SPAN_OF("b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_all_parts),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(notes_well_known_parameters),
		cmocka_unit_test(compares_by_the_rules),
		cmocka_unit_test(writes_pieces),
		cmocka_unit_test(tells_kinds_of_hosts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
