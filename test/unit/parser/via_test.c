/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/via.h"

static void parses_all_parts(void **state)
{
	static const struct {
		struct span text;
		const char *transport, *host, *branch, *received, *params;
		int port; /* -1: none */
		enum via_rport rport;
		int rport_port;
	} rows[] = {
		{ SPAN("SIP/2.0/UDP a.example.com"), "UDP", "a.example.com", NULL, NULL, NULL, -1,
		  RPORT_ABSENT, 0 },
		{ SPAN("SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKx"), "TCP", "192.0.2.1",
		  "z9hG4bKx", NULL, "branch=z9hG4bKx", 5070, RPORT_ABSENT, 0 },
		{ SPAN("SIP/2.0/TLS [2001:db8::1]:5061;received=2001:db8::2;rport"), "TLS",
		  "[2001:db8::1]", NULL, "2001:db8::2", "received=2001:db8::2;rport", 5061,
		  RPORT_EMPTY, 0 },
		{ SPAN("SIP/2.0/UDP h;rport=4000;branch=b;x=\"a,b;c\""), "UDP", "h", "b", NULL,
		  "rport=4000;branch=b;x=\"a,b;c\"", -1, RPORT_VALUE, 4000 },
		{ SPAN("SIP  / 2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw"), "UDP", "192.0.2.2",
		  "390skdjuw", NULL, "branch=390skdjuw", -1, RPORT_ABSENT, 0 },
		{ SPAN("SIP  /    2.0   / UDP  192.168.255.111 : 5  ; branch=\r\n z9hG4bK30239 "),
		  "UDP", "192.168.255.111", "z9hG4bK30239", NULL, " branch=\r\n z9hG4bK30239", 5,
		  RPORT_ABSENT, 0 },
		{ SPAN("SIP/2.0/UDP h;branch;;"), "UDP", "h", "", NULL, "branch;;", -1,
		  RPORT_ABSENT, 0 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sip_via via;
		struct span text = exact_copy(rows[i].text);
		if (!via_parse(text, &via))
			fail_msg("row %u is refused", i);
		check_span(via.transport_text, rows[i].transport, "transport", i);
		check_span(via.host, rows[i].host, "host", i);
		check_span(via.branch, rows[i].branch, "branch", i);
		check_span(via.received, rows[i].received, "received", i);
		check_span(via.params, rows[i].params, "params", i);
		check_number(via.has_port ? via.port : -1, rows[i].port, "port", i);
		check_number(via.rport, rows[i].rport, "rport", i);
		check_number(via.rport_port, rows[i].rport_port, "rport port", i);
		exact_free(text);
	}
}

static void iterates_a_list(void **state)
{
	struct span rest = SPAN_OF(
		"SIP/2.0/UDP a;branch=1 , SIP/2.0/TCP b;branch=2;received=1.2.3.4,SIP/2.0/WS c");
	struct sip_via via;
	assert_int_equal(via_next(&rest, &via), LIST_ITEM);
	check_span(via.whole, "SIP/2.0/UDP a;branch=1", "whole", 0);
	assert_int_equal(via_next(&rest, &via), LIST_ITEM);
	check_span(via.whole, "SIP/2.0/TCP b;branch=2;received=1.2.3.4", "whole", 1);
	check_span(via.received, "1.2.3.4", "received", 1);
	assert_int_equal(via_next(&rest, &via), LIST_ITEM);
	check_span(via.whole, "SIP/2.0/WS c", "whole", 2);
	assert_int_equal(via.transport, SIP_TRANSPORT_WS);
	assert_int_equal(via_next(&rest, &via), LIST_END);
}

static void refuses_what_is_malformed(void **state)
{
	static const struct span rows[] = {
		SPAN(""), SPAN("SIP"), SPAN("SIP/2.0"), SPAN("SIP/2.0/UDP"), SPAN("SIP/2.0/UDP "), SPAN("SIP/2.0/UDP a:"),
		SPAN("SIP/2.0/UDP a:x"), SPAN("SIP/2.0/UDP a:65536"), SPAN("SIP/2.0/UDP a b"), SPAN("SIP/2.0/UDP [::1"),
		SPAN("SIP/2.0/UDP [zz]"), SPAN("SIP/2.0/UDP a;=b"), SPAN("SIP/2.0/UDP a;b=\"c"), SPAN("SIP/2.0/UDP a;rport=x"),
		SPAN("SIP/2.0/UDP a;rport=65536"), SPAN("/2.0/UDP a"), SPAN("SIP/2.0/UDP ;branch=x"), SPAN("SIP/2.0/UDP a,"),
		SPAN("SIP/2.0/UDP a;b=c d"),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sip_via via;
		struct span text = exact_copy(rows[i]);
		if (via_parse(text, &via))
			fail_msg("row %u is accepted: %s", i, rows[i].at);
		exact_free(text);
	}
}

/* RFC 4475 3.1.2.1 */
static void refuses_stray_separators_in_a_list(void **state)
{
	struct span rest = SPAN_OF("SIP/2.0/UDP 192.0.2.15;;,;,,");
	struct sip_via via;
	assert_int_equal(via_next(&rest, &via), LIST_ITEM);
	assert_int_equal(via_next(&rest, &via), LIST_BAD);
}

static void gives_other_parameters_and_defaults(void **state)
{
	struct sip_via via;
	struct param param;
	assert_true(via_parse(
		SPAN_OF("SIP/2.0/TLS a;branch=Z9hg4bkq;oc=20;oc-algo=\"loss\";x=y;alias"), &via));
	assert_true(via_has_cookie(&via));
	assert_int_equal(via_port(&via), 5061);
	check_span(via_param_text(&via, SPAN_OF("oc")), "20", "oc", 0);
	check_span(via_param_text(&via, SPAN_OF("OC-algo")), "loss", "oc-algo", 0);
	check_span(via_param_text(&via, SPAN_OF("alias")), "", "alias", 0);
	assert_null(via_param_text(&via, SPAN_OF("ttl")).at);
	assert_true(via_param(&via, SPAN_OF("X"), &param));
	check_span(param.value, "y", "x", 0);
	assert_false(via_param(&via, SPAN_OF("z"), &param));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_all_parts),
		cmocka_unit_test(iterates_a_list),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(refuses_stray_separators_in_a_list),
		cmocka_unit_test(gives_other_parameters_and_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
