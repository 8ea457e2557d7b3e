/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define ALL       (PROXY_HAPROXY | PROXY_SIMPLE)

static void reads_every_form(void **state)
{
	static const struct {
		struct span bytes;
		unsigned forms;
		size_t len;
		bool has_addresses, is_ipv6;
		uint16_t port;
		uint8_t last; /* byte of the address */
	} rows[] = {
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 5070 5060\r\nREST"), ALL, 42, true, false, 5070,
		  1 },
		{ SPAN("PROXY UDP6 2001:db8::7 ::1 1 65535\r\n"), ALL, 36, true, true, 1, 7 },
		{ SPAN("PROXY UNKNOWN whatever\r\nREST"), ALL, 24, false, false, 0, 0 },
		{ SPAN(SIGNATURE "\x21\x12\0\x0C\xC0\0\2\1\xC0\0\2\2\x13\xC4\x13\xCE REST"), ALL, 28,
		  true, false, 5060, 1 },
		{ SPAN(SIGNATURE "\x20\x12\0\x00 REST"), ALL, 16, false, false, 0, 0 },
		{ SPAN(SIGNATURE "\x21\x00\0\2" "ab REST"), ALL, 18, false, false, 0, 0 },
		{ SPAN("\x56\xEC\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\0\2\1\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0"
		       "\0\2\2\x13\xC4\x13\xCE REST"),
		  ALL, 38, true, false, 5060, 1 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct proxy_header header;
		struct span bytes = exact_copy(rows[i].bytes);
		if (proxy_header_parse(bytes, rows[i].forms, &header) != PARSE_OK)
			fail_msg("row %u is refused", i);
		assert_true(proxy_header_begins(bytes, rows[i].forms));
		assert_int_equal(header.len, rows[i].len);
		assert_int_equal(header.has_addresses, rows[i].has_addresses);
		assert_int_equal(header.source.port, rows[i].port);
		assert_int_equal(header.source.is_ipv6, rows[i].is_ipv6);
		assert_int_equal(header.source.ip[rows[i].is_ipv6 ? 15 : 3], rows[i].last);
		for (size_t have = 0; have < header.len; have++)
			assert_int_equal(proxy_header_parse(span_slice(bytes, 0, have),
							    rows[i].forms, &header),
					 PARSE_MORE);
		exact_free(bytes);
	}
	(void)state;
}

static void refuses_what_is_none(void **state)
{
	static const struct {
		struct span bytes;
		unsigned forms;
	} rows[] = {
		{ SPAN("OPTIONS sip:a@b SIP/2.0\r\n"), ALL },
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 5070\r\n"), ALL },
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 5070 5060 1\r\n"), ALL },
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 05070 5060\r\n"), ALL },
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 70000 5060\r\n"), ALL },
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 -1 5060\r\n"), ALL },
		{ SPAN("PROXY TCP4 ::1 ::1 5070 5060\r\n"), ALL },
		{ SPAN("PROXY TCP5 192.0.2.1 192.0.2.2 5070 5060\r\n"), ALL },
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 5070 5060\n"), ALL },
		{ SPAN("PROXY TCP4 192.0.2.1 192.0.2.2 5070 5060\r\n"), PROXY_SIMPLE },
		{ SPAN(SIGNATURE "\x11\x12\0\x0C\xC0\0\2\1\xC0\0\2\2\x13\xC4\x13\xCE"), ALL },
		{ SPAN(SIGNATURE "\x22\x12\0\x0C\xC0\0\2\1\xC0\0\2\2\x13\xC4\x13\xCE"), ALL },
		{ SPAN(SIGNATURE "\x21\x12\0\x0B\xC0\0\2\1\xC0\0\2\2\x13\xC4\x13"), ALL },
		{ SPAN(SIGNATURE "\x21\x22\0\x0C\xC0\0\2\1\xC0\0\2\2\x13\xC4\x13\xCE"), ALL },
	};
	struct proxy_header header;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (proxy_header_parse(rows[i].bytes, rows[i].forms, &header) != PARSE_BAD)
			fail_msg("row %u is not refused", i);
	(void)state;
}

static void gives_up_an_endless_line(void **state)
{
	char line[120];
	struct proxy_header header;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY ", 6);
	assert_int_equal(proxy_header_parse(span_make(line, 106), ALL, &header), PARSE_MORE);
	assert_int_equal(proxy_header_parse(span_make(line, 107), ALL, &header), PARSE_BAD);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_form),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(gives_up_an_endless_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
