/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of nodes as they are told and as they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "modules/dmq/list.c"

static void reads_what_nodes_tell(void **unused)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		enum transport transport;
		enum node_status status;
	} rows[] = {
		{ "sip:10.0.0.1:5070;status=active", "10.0.0.1", 5070, TRANSPORT_NONE,
		  NODE_ACTIVE },
		{ "sip:10.0.0.1:5070;transport=tcp;status=disabled\r", "10.0.0.1", 5070,
		  TRANSPORT_TCP, NODE_DISABLED },
		{ "sip:10.0.0.1;status=timeout", "10.0.0.1", 0, TRANSPORT_NONE, NODE_TIMEOUT },
		{ "sip:10.0.0.1:;status=active", "10.0.0.1", 0, TRANSPORT_NONE, NODE_ACTIVE },
		{ "sip:channel@10.0.0.1:1;x=y", "10.0.0.1", 1, TRANSPORT_NONE, NODE_PENDING },
		{ "sip:[2001:db8::1]:5061;transport=TLS;status=active", "[2001:db8::1]", 5061,
		  TRANSPORT_TLS, NODE_ACTIVE },
		{ "sip:node.example.org", "node.example.org", 0, TRANSPORT_NONE, NODE_PENDING },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct node_entry entry;
		assert_true(node_entry_parse(span_from(rows[i].text), &entry));
		assert_int_equal(span_compare(entry.host, span_from(rows[i].host)), 0);
		assert_int_equal(entry.port, rows[i].port);
		assert_int_equal(entry.transport, rows[i].transport);
		assert_int_equal(entry.status, rows[i].status);
	}
}

static void refuses_what_is_no_node(void **unused)
{
	static const char *const rows[] = {
		"", "sip:", "10.0.0.1", "tel:+1", "sips:10.0.0.1", "sip:10.0.0.1;status=odd",
		"sip:10.0.0.1;transport=odd", "sip:10.0.0.1:99999", "sip:[::1", "sip:a b",
		"sip:a:;@10.0.0.1:;status=active",
	};
	struct node_entry entry;
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (node_entry_parse(span_from(rows[i]), &entry))
			fail_msg("\"%s\" is taken for a node", rows[i]);
}

static void knows_nodes_by_host_port_and_transport(void **unused)
{
	static const struct {
		const char *a, *b;
		bool is_same;
	} rows[] = {
		{ "sip:a.example:5060", "sip:A.example;status=active", true },
		{ "sip:a.example;transport=udp", "sip:a.example", true },
		{ "sip:a.example;transport=tcp", "sip:a.example", false },
		{ "sip:a.example;transport=tls", "sip:a.example:5061;transport=tls", true },
		{ "sip:a.example:5061", "sip:a.example", false },
	};
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct node_entry a, b;
		assert_true(node_entry_parse(span_from(rows[i].a), &a));
		assert_true(node_entry_parse(span_from(rows[i].b), &b));
		assert_int_equal(node_entry_equal(&a, &b), rows[i].is_same);
		if (rows[i].is_same)
			assert_true(node_entry_hash(&a) == node_entry_hash(&b));
	}
}

static void skips_lines_that_name_no_node(void **unused)
{
	struct span rest =
		SPAN_OF("bad\r\nsip:a;status=active\r\n\r\nsip:b:1;transport=odd\nsip:c:2");
	struct node_entry entry;
	unsigned skipped = 0;
	(void)unused;
	assert_true(node_list_next(&rest, &entry, &skipped));
	assert_int_equal(span_compare(entry.host, SPAN_OF("a")), 0);
	assert_true(node_list_next(&rest, &entry, &skipped));
	assert_int_equal(span_compare(entry.host, SPAN_OF("c")), 0);
	assert_false(node_list_next(&rest, &entry, &skipped));
	assert_int_equal(skipped, 2);
}

static void writes_as_others_read(void **unused)
{
	struct node_entry entry = { SPAN_OF("10.0.0.1"), 5070, TRANSPORT_TCP, NODE_ACTIVE };
	char text[128];
	struct writer w = writer_fixed(text, sizeof(text));
	(void)unused;
	node_entry_write_line(&w, &entry);
	assert_string_equal(writer_terminate(&w),
			    "sip:10.0.0.1:5070;transport=tcp;status=active\r\n");
	w = writer_fixed(text, sizeof(text));
	entry = (struct node_entry){ SPAN_OF("10.0.0.1"), 0, TRANSPORT_UDP, NODE_ACTIVE };
	node_entry_write_uri(&w, SPAN_OF("htable"), &entry);
	assert_string_equal(writer_terminate(&w), "sip:htable@10.0.0.1");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_nodes_tell),
		cmocka_unit_test(refuses_what_is_no_node),
		cmocka_unit_test(knows_nodes_by_host_port_and_transport),
		cmocka_unit_test(skips_lines_that_name_no_node),
		cmocka_unit_test(writes_as_others_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
