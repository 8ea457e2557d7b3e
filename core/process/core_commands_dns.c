/* SPDX-License-Identifier: BSD-2-Clause */
/* The dns.* and dst_blocklist.* commands. Every process has a cache of names of its own, which only
 * grows by what it asked itself; commands that show gather those of all processes, commands that would
 * change one cache of all processes say so. */
#include <stdlib.h>

#include "core/net/blocklist.h"
#include "core/net/resolver.h"
#include "core/process/process.h"
#include "core/shm/mailbox.h"

static void run_lookup(struct rpc_call *call)
{
	struct span type, name;
	struct resolved_addresses found;
	if (!rpc_need_text(call, 0, "type", &type) || !rpc_need_text(call, 1, "name", &name))
		return;
	bool is_ipv6 = span_equal_nocase(type, SPAN_OF("AAAA"));
	if (!is_ipv6 && !span_equal_nocase(type, SPAN_OF("A"))) {
		rpc_fault(call, 400, "only records of type A and AAAA can be looked up");
		return;
	}
	if (!resolve_host(name, &found))
		found.count = 0;
	for (unsigned i = 0; i < found.count; i++) {
		char text[END_POINT_TEXT_MAX];
		struct writer w = writer_fixed(text, sizeof(text));
		if ((found.addresses[i].family == AF_INET6) != is_ipv6)
			continue;
		end_point_write_ip(&w, &found.addresses[i]);
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_text(call, node, "name", name);
		rpc_add_text(call, node, "type", is_ipv6 ? SPAN_OF("AAAA") : SPAN_OF("A"));
		rpc_add_text(call, node, "address", writer_result(&w));
	}
	const struct rpc_value *values;
	struct span fault;
	if (rpc_result(call, &values, &fault) == 0 && !values)
		rpc_fault(call, 400, "Not found");
}

static void flush_here(const void *data, size_t len)
{
	resolver_flush();
}

static void run_delete_all(struct rpc_call *call)
{
	resolver_flush();
	for (unsigned i = 1; i < role_count(); i++)
		if (i != role_self() && !process_post(i, flush_here, NULL, 0))
			rpc_fault(call, 500, "process %u cannot be told", i);
	rpc_add_text(call, rpc_add_struct(call, NULL, NULL), "status", SPAN_OF("ok"));
}

static void run_not_shared(struct rpc_call *call)
{
	rpc_fault(
		call, 500,
		"not available: each process has a DNS cache of its own; dns.delete_all empties them");
}

/* ---- what all processes remember ------------------------------------------------------------------- */

#define VIEW_MOST_MS   1000
#define VIEW_LOOK_MS   2
#define PROCESSES_MOST 256 /* processes that are looked at */
#define ANSWER_BYTES   ((size_t)256 << 10)

/* One at a time: what the processes answer is collected here. */
static struct {
	uint32_t number; /* of the question; answers to earlier ones come too late */
	bool is_asked;
	unsigned answers;
	struct answer {
		struct resolver_figures figures;
		char *text;
		size_t len;
	} of[PROCESSES_MOST];
} view;

struct question {
	uint32_t number;
	uint32_t asker;
};
struct answer_head {
	uint32_t number;
	uint32_t process;
	struct resolver_figures figures;
};

static void take_answer(const void *data, size_t len)
{
	struct answer_head head;
	memcpy(&head, data, sizeof(head));
	if (!view.is_asked || head.number != view.number || head.process >= PROCESSES_MOST)
		return;
	struct answer *answer = &view.of[head.process];
	view.answers++;
	answer->figures = head.figures;
	answer->text = malloc(len);
	if (!answer->text)
		return;
	answer->len = len - sizeof(head);
	memcpy(answer->text, (const char *)data + sizeof(head), answer->len);
}

static void answer_question(const void *data, size_t len)
{
	struct question question;
	memcpy(&question, data, sizeof(question));
	char *bytes = malloc(ANSWER_BYTES);
	if (!bytes)
		return;
	const struct answer_head head = { question.number, role_self(), resolver_figures() };
	memcpy(bytes, &head, sizeof(head));
	struct writer w = writer_fixed(bytes + sizeof(head), ANSWER_BYTES - sizeof(head));
	resolver_list(&w);
	size_t total = sizeof(head) + w.len;
	if (question.asker == role_self())
		take_answer(bytes, total);
	else if (!process_post_block(question.asker, take_answer, bytes, total))
		log_warning("dns.view: the answer of process %u does not get through", role_self());
	free(bytes);
}

/* Asks all processes; false after a fault. */
static bool view_ask(struct rpc_call *call)
{
	if (view.is_asked) {
		rpc_fault(call, 500, "another command asks the processes right now");
		return false;
	}
	view.is_asked = true;
	view.answers = 0;
	const struct question question = { ++view.number, role_self() };
	unsigned asked = 1;
	for (unsigned i = 1; i < role_count() && i < PROCESSES_MOST; i++)
		if (i != role_self())
			asked += process_post(i, answer_question, &question, sizeof(question));
	answer_question(&question, sizeof(question));
	for (int64_t until_us = clock_us_now() + VIEW_MOST_MS * 1000;
	     view.answers < asked && clock_us_now() < until_us;)
		fiber_sleep_ms(VIEW_LOOK_MS);
	return true;
}

static void view_end(void)
{
	for (unsigned i = 0; i < PROCESSES_MOST; i++)
		free(view.of[i].text);
	memset(view.of, 0, sizeof(view.of));
	view.is_asked = false;
}

static void add_line(struct rpc_call *call, unsigned process, struct span line)
{
	static const char *const names[] = { "type", "name", "expires_in_s", "size_bytes" };
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	struct span field;
	int64_t number;
	rpc_add_int(call, node, "process", process);
	for (unsigned i = 0; i < ARRAY_SIZE(names) && span_split(&line, '\t', &field); i++)
		if (i >= 2 && span_to_int64(field, &number))
			rpc_add_int(call, node, names[i], number);
		else
			rpc_add_text(call, node, names[i], field);
	bool has_record = false;
	for (; span_split(&line, '\t', &field); has_record = true)
		rpc_add_text(call, node, "record", field);
	rpc_add_text(call, node, "negative", has_record ? SPAN_OF("no") : SPAN_OF("yes"));
}

static void run_view(struct rpc_call *call)
{
	if (!view_ask(call))
		return;
	for (unsigned i = 0; i < PROCESSES_MOST; i++) {
		struct span text = span_make(view.of[i].text, view.of[i].len), line;
		while (text.len && span_split(&text, '\n', &line))
			if (line.len)
				add_line(call, i, line);
	}
	view_end();
}

static void run_mem_info(struct rpc_call *call)
{
	struct resolver_figures all = { 0 };
	if (!view_ask(call))
		return;
	for (unsigned i = 0; i < PROCESSES_MOST; i++) {
		all.bytes += view.of[i].figures.bytes;
		all.entries += view.of[i].figures.entries;
	}
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "used", (int64_t)all.bytes);
	rpc_add_int(call, node, "entries", all.entries);
	rpc_add_int(call, node, "most_of_a_process", (int64_t)resolver_options()->bytes_most);
	view_end();
}

/* ---- the blocklist ---------------------------------------------------------------------------------- */

static bool has_blocklist(struct rpc_call *call)
{
	if (!blocklist_is_on())
		rpc_fault(call, 500, "dst blocklist support disabled");
	return blocklist_is_on();
}

static void run_blocklist_view(struct rpc_call *call)
{
	struct end_point to;
	int64_t remaining_ms;
	uint64_t cursor = 0;
	if (!has_blocklist(call))
		return;
	while (blocklist_next(&cursor, &to, &remaining_ms)) {
		char text[END_POINT_TEXT_MAX];
		struct writer w = writer_fixed(text, sizeof(text));
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_text(call, node, "protocol",
			     span_from(transport_name_lower((enum transport)to.transport)));
		end_point_write_ip(&w, &to);
		rpc_add_text(call, node, "ip", writer_result(&w));
		rpc_add_int(call, node, "port", to.port);
		rpc_add_int(call, node, "expire", remaining_ms / 1000);
		rpc_add_int(call, node, "flags", 0);
	}
}

static void run_blocklist_mem_info(struct rpc_call *call)
{
	struct blocklist_figures figures = blocklist_figures();
	if (!has_blocklist(call))
		return;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "entries", figures.entries);
	rpc_add_int(call, node, "used", (int64_t)figures.bytes);
	rpc_add_int(call, node, "max", (int64_t)figures.bytes_most);
}

static void run_blocklist_add(struct rpc_call *call)
{
	struct span text;
	struct end_point to;
	if (!has_blocklist(call) || !rpc_need_text(call, 0, "address", &text))
		return;
	if (!end_point_parse(text, &to)) {
		rpc_fault(call, 400, "\"%.*s\" is no address; write proto:ip:port",
			  SPAN_ARGS(text));
		return;
	}
	to.transport = to.transport ? to.transport : TRANSPORT_UDP;
	to.port = to.port ? to.port : transport_default_port((enum transport)to.transport);
	blocklist_add(&to, 0);
}

static void run_blocklist_delete_all(struct rpc_call *call)
{
	if (has_blocklist(call))
		blocklist_clear();
}

static const struct rpc_command commands[] = {
	{ "dns.lookup", run_lookup, "Looks a name up.", "A|AAAA name", true },
	{ "dns.delete_all", run_delete_all, "Empties the DNS caches of all processes." },
	{ "dns.delete_all_force", run_delete_all, "Empties the DNS caches of all processes." },
	{ "dns.view", run_view, "Shows what the processes remember of names.", NULL, true },
	{ "dns.debug", run_view, "Shows what the processes remember of names.", NULL, true },
	{ "dns.debug_all", run_view, "Shows what the processes remember of names.", NULL, true },
	{ "dns.mem_info", run_mem_info, "Memory of the caches of all processes." },
	{ "dns.add_a", run_not_shared, "Not offered: caches belong to processes.", "name ttl address flags" },
	{ "dns.add_aaaa", run_not_shared, "Not offered: caches belong to processes.", "name ttl address flags" },
	{ "dns.add_srv", run_not_shared, "Not offered: caches belong to processes.",
	  "name ttl priority weight port target flags" },
	{ "dns.delete_a", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dns.delete_aaaa", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dns.delete_cname", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dns.delete_ebl", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dns.delete_naptr", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dns.delete_ptr", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dns.delete_srv", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dns.delete_txt", run_not_shared, "Not offered: caches belong to processes.", "name" },
	{ "dst_blocklist.add", run_blocklist_add, "Passes a destination over for a while.", "proto:ip:port" },
	{ "dst_blocklist.debug", run_blocklist_view, "Shows the destinations that are passed over.", NULL, true },
	{ "dst_blocklist.delete_all", run_blocklist_delete_all, "Forgets the destinations that are passed over." },
	{ "dst_blocklist.mem_info", run_blocklist_mem_info, "Shows the memory of the blocklist." },
	{ "dst_blocklist.view", run_blocklist_view, "Shows the destinations that are passed over.", NULL, true },
};

const struct rpc_table core_commands_dns = ROWS(commands);
