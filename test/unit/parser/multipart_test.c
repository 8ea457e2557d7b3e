/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/multipart.h"

static const struct span nested = SPAN("preamble\r\n"
				       "--b1 \r\n"
				       "Content-Type: application/isup;version=x\r\n"
				       "Content-Disposition: signal\r\n"
				       "\r\n"
				       "\x01\r\n--b1x\r\n\x02\r\n"
				       "--b1\r\n"
				       "c: multipart/alternative;boundary=in\r\n"
				       "\r\n"
				       "--in\r\n"
				       "\r\n"
				       "plain\r\n"
				       "--in\r\n"
				       "Content-Type: application/sdp\r\n"
				       "Content-ID: <1>\r\n"
				       "\r\n"
				       "v=0\r\n\r\n"
				       "--in--\r\n"
				       "\r\n"
				       "--b1--\r\n"
				       "epilogue");

static void iterates_parts(void **state)
{
	struct multipart parts;
	struct multipart_part part;
	struct span value;
	struct span body = exact_copy(nested);
	assert_true(multipart_begin(body, SPAN_OF("b1"), &parts));
	assert_int_equal(multipart_next(&parts, &part), LIST_ITEM);
	check_span(part.content_type, "application/isup;version=x", "type", 0);
	check_span(part.content_disposition, "signal", "disposition", 0);
	check_span(part.body, "\x01\r\n--b1x\r\n\x02", "body", 0);
	assert_true(multipart_header(&part, SPAN_OF("content-disposition"), &value));
	check_span(value, "signal", "value", 0);
	assert_false(multipart_header(&part, SPAN_OF("content-id"), &value));
	assert_true(span_starts_with(part.with_delimiter, SPAN_OF("--b1 \r\nContent-Type")));
	assert_true(span_ends_with(part.with_delimiter, SPAN_OF("\x02\r\n")));
	assert_int_equal(multipart_next(&parts, &part), LIST_ITEM);
	check_span(part.content_type, "multipart/alternative;boundary=in", "type", 1);
	assert_int_equal(multipart_next(&parts, &part), LIST_END);
	exact_free(body);
}

static void finds_bodies_by_type(void **state)
{
	static const struct {
		struct span type, wanted;
		const char *found; /* NULL: nothing */
	} rows[] = {
		{ SPAN("multipart/mixed;boundary=\"b1\""), SPAN("application/sdp"), "v=0\r\n" },
		{ SPAN("Multipart/Mixed; boundary=b1"), SPAN("Application/SDP"), "v=0\r\n" },
		{ SPAN("multipart/mixed;boundary=b1"), SPAN("text/plain"), "plain" },
		{ SPAN("multipart/mixed;boundary=b1"), SPAN("text/html"), NULL },
		{ SPAN("multipart/mixed;boundary=b2"), SPAN("application/sdp"), NULL },
		{ SPAN("multipart/mixed"), SPAN("application/sdp"), NULL },
		{ SPAN("application/sdp"), SPAN("application/sdp"), nested.at },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct span found;
		struct multipart_part part;
		bool is_found = body_find(nested, rows[i].type, rows[i].wanted, &found, &part);
		check_number(is_found, rows[i].found != NULL, "found", i);
		if (is_found)
			check_span(found, rows[i].found, "body", i);
	}
}

static void refuses_what_is_malformed(void **state)
{
	static const struct span rows[] = {
		SPAN("--b\r\n\r\nno end"),
		SPAN("--b\r\n\r\nno end\r\n--b"),
		SPAN("--b\r\nno colon\r\n\r\nx\r\n--b--"),
		SPAN("--b\r\nA: no empty line\r\n--b--"),
	};
	struct multipart parts;
	struct multipart_part part;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct span body = exact_copy(rows[i]);
		enum list_result result;
		assert_true(multipart_begin(body, SPAN_OF("b"), &parts));
		while ((result = multipart_next(&parts, &part)) == LIST_ITEM)
			;
		check_number(result, LIST_BAD, rows[i].at, i);
		exact_free(body);
	}
	assert_false(multipart_begin(SPAN_OF("--bb\r\n\r\n--bb--"), SPAN_OF("b"), &parts));
	assert_false(multipart_begin(SPAN_OF("x--b\r\n\r\n--b--x"), SPAN_OF("b"), &parts));
	assert_false(multipart_begin(SPAN_OF("--\r\n\r\n----"), SPAN_OF(""), &parts));
}

static void takes_empty_parts(void **state)
{
	struct multipart parts;
	struct multipart_part part;
	assert_true(multipart_begin(SPAN_OF("--b\r\n--b\r\n\r\n--b\r\nA: b\r\n\r\n--b--"),
				    SPAN_OF("b"), &parts));
	for (unsigned i = 0; i < 3; i++) {
		check_number(multipart_next(&parts, &part), LIST_ITEM, "part", i);
		check_number((int64_t)part.body.len, 0, "body", i);
	}
	assert_int_equal(multipart_next(&parts, &part), LIST_END);
}

static void stops_at_its_depth(void **state)
{
	char text[4096];
	int len = 0;
	for (int i = 0; i < 8; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"--%d\r\nContent-Type: multipart/mixed;boundary=%d\r\n\r\n", i,
				i + 1);
	len += snprintf(text + len, sizeof(text) - (size_t)len,
			"--8\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n");
	for (int i = 8; i >= 0; i--)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "--%d--\r\n", i);
	struct span found;
	assert_false(body_find(span_make(text, (size_t)len), SPAN_OF("multipart/mixed;boundary=0"),
			       SPAN_OF("application/sdp"), &found, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iterates_parts),
		cmocka_unit_test(finds_bodies_by_type),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(takes_empty_parts),
		cmocka_unit_test(stops_at_its_depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
