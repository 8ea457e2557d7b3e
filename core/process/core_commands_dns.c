/* SPDX-License-Identifier: BSD-2-Clause */
/* The dns.* and dst_blocklist.* commands. Every process has a cache of what it asked DNS itself;
 * commands that show gather those of all processes. What the administrator says of names is shared. */
#include <stdlib.h>

#include "core/net/blocklist.h"
#include "core/net/own_records.h"
#include "core/net/resolver.h"
#include "core/process/process.h"
#include "core/shm/mailbox.h"

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

/* ---- showing ----------------------------------------------------------------------------------------- */

/* The fields of a record, as resolver_list writes them, with their names in an answer. */
static void add_record(struct rpc_call *call, struct rpc_node *node, struct span type,
		       struct span record)
{
	static const char *const of_service[] = { "rr_priority", "rr_weight", "rr_port",
						  "rr_name" };
	static const char *const of_pointer[] = { "rr_order", "rr_preference", "rr_services",
						  "rr_replacement" };
	const char *const *names = span_equal(type, SPAN_OF("SRV")) ? of_service : of_pointer;
	struct span field;
	int64_t number;
	if (!span_equal(type, SPAN_OF("SRV")) && !span_equal(type, SPAN_OF("NAPTR"))) {
		rpc_add_text(call, node, "rr_ip", record);
		return;
	}
	for (unsigned i = 0; i < 4 && span_split(&record, ' ', &field); i++)
		if (span_to_int64(field, &number))
			rpc_add_int(call, node, names[i], number);
		else
			rpc_add_text(call, node, names[i], field);
}

/* What resolver_list says of one name. */
struct shown {
	struct span type, name, permanent, records;
	int64_t expires_s, bytes, used_s;
};

static bool read_shown(struct span line, struct shown *out)
{
	struct span expires, bytes, used;
	bool is_whole = span_split(&line, '\t', &out->type) &&
			span_split(&line, '\t', &out->name) && span_split(&line, '\t', &expires) &&
			span_split(&line, '\t', &bytes) && span_split(&line, '\t', &used) &&
			span_split(&line, '\t', &out->permanent);
	out->records = line;
	return is_whole && span_to_int64(expires, &out->expires_s) &&
	       span_to_int64(bytes, &out->bytes) && span_to_int64(used, &out->used_s);
}

/* `process` 0: the administrator said it. */
static void add_shown(struct rpc_call *call, unsigned process, const struct shown *shown)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	struct span records = shown->records, record;
	rpc_add_text(call, node, "name", shown->name);
	rpc_add_text(call, node, "type", shown->type);
	rpc_add_int(call, node, "size_bytes", shown->bytes);
	rpc_add_int(call, node, "reference_counter", 1);
	rpc_add_text(call, node, "permanent", shown->permanent);
	rpc_add_int(call, node, "expires", shown->expires_s);
	rpc_add_int(call, node, "last_used", shown->used_s);
	rpc_add_text(call, node, "negative_entry", records.len ? SPAN_OF("no") : SPAN_OF("yes"));
	rpc_add_int(call, node, "process", process);
	if (!records.len)
		return;
	struct rpc_node *list = rpc_add_array(call, node, "records");
	for (int64_t i = 0; span_split(&records, '\t', &record); i++) {
		struct rpc_node *one = rpc_add_struct(call, list, NULL);
		rpc_add_int(call, one, "rr_idx", i);
		add_record(call, one, shown->type, record);
		rpc_add_text(call, one, "rr_permanent", shown->permanent);
		rpc_add_int(call, one, "rr_expires", shown->expires_s);
	}
}

/* The same without names: dns.debug. Types by their numbers (RFC 1035, 2782, 3403, 3596). */
static void add_bare(struct rpc_call *call, unsigned process, const struct shown *shown)
{
	static const struct {
		const char *name;
		int64_t number;
	} types[] = { { "A", 1 }, { "AAAA", 28 }, { "SRV", 33 }, { "NAPTR", 35 } };
	(void)process;
	rpc_add_text(call, NULL, NULL, shown->name);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		if (span_equal(shown->type, span_from(types[i].name)))
			rpc_add_int(call, NULL, NULL, types[i].number);
	rpc_add_int(call, NULL, NULL, shown->bytes);
	rpc_add_int(call, NULL, NULL, 1);
	rpc_add_int(call, NULL, NULL, shown->expires_s);
	rpc_add_int(call, NULL, NULL, shown->used_s);
	rpc_add_int(call, NULL, NULL,
		    (shown->records.len ? 0 : 1) |
			    (span_equal(shown->permanent, SPAN_OF("yes")) ? 2 : 0));
}

typedef void (*show)(struct rpc_call *call, unsigned process, const struct shown *shown);

static void show_lines(struct rpc_call *call, unsigned process, struct span text, show how)
{
	struct span line;
	struct shown shown;
	while (text.len && span_split(&text, '\n', &line))
		if (line.len && read_shown(line, &shown))
			how(call, process, &shown);
}

/* What the administrator says, and what the processes remember. */
static void show_all(struct rpc_call *call, show how)
{
	struct writer own = writer_in_arena(rpc_arena(call), 1024);
	if (!view_ask(call))
		return;
	resolver_list_own(&own);
	show_lines(call, 0, writer_result(&own), how);
	for (unsigned i = 0; i < PROCESSES_MOST; i++)
		show_lines(call, i, span_make(view.of[i].text, view.of[i].len), how);
	view_end();
}

static void run_view(struct rpc_call *call)
{
	show_all(call, add_shown);
}

static void run_debug(struct rpc_call *call)
{
	show_all(call, add_bare);
}

static void run_mem_info(struct rpc_call *call)
{
	struct resolver_figures all = { 0 };
	if (!view_ask(call))
		return;
	for (unsigned i = 0; i < PROCESSES_MOST; i++)
		all.bytes += view.of[i].figures.bytes;
	view_end();
	rpc_add_int(call, NULL, NULL, (int64_t)all.bytes);
	rpc_add_int(call, NULL, NULL, (int64_t)resolver_options()->bytes_most);
}

static void run_lookup(struct rpc_call *call)
{
	static const char *const types[] = { "A",     "AAAA", "SRV", "NAPTR",
					     "CNAME", "TXT",  "PTR", "EBL" };
	struct writer w = writer_in_arena(rpc_arena(call), 1024);
	struct span type, name;
	unsigned i = 0;
	if (!rpc_need_text(call, 0, "type", &type) || !rpc_need_text(call, 1, "name", &name))
		return;
	while (i < ARRAY_SIZE(types) && !span_equal_nocase(type, span_from(types[i])))
		i++;
	if (i == ARRAY_SIZE(types))
		rpc_fault(call, 400, "Invalid type");
	else if (i >= 4 || !resolver_show(types[i], name, &w))
		rpc_fault(call, 400, "Not found");
	else
		show_lines(call, role_self(), writer_result(&w), add_shown);
}

/* ---- changing -------------------------------------------------------------------------------------------- */

static void add_own(struct rpc_call *call, struct own_record *record, struct span target,
		    int64_t flags)
{
	record->is_negative = flags & 1;
	record->is_permanent = flags & 2;
	if ((!record->is_negative && !own_record_set_target(record, target)) || record->ttl_s < 0 ||
	    record->ttl_s > INT32_MAX || !own_record_add(record))
		rpc_fault(call, 400, "Failed to add the entry to the cache");
}

static void add_address(struct rpc_call *call, enum own_kind kind)
{
	struct own_record record = { .kind = kind };
	struct span target;
	int64_t flags;
	if (rpc_need_text(call, 0, "name", &record.name) &&
	    rpc_need_int(call, 1, "ttl", &record.ttl_s) &&
	    rpc_need_text(call, 2, "address", &target) && rpc_need_int(call, 3, "flags", &flags))
		add_own(call, &record, target, flags);
}

static void run_add_a(struct rpc_call *call)
{
	add_address(call, OWN_A);
}

static void run_add_aaaa(struct rpc_call *call)
{
	add_address(call, OWN_AAAA);
}

static void run_add_srv(struct rpc_call *call)
{
	struct own_record record = { .kind = OWN_SRV };
	struct span target;
	int64_t priority, weight, port, flags;
	if (!rpc_need_text(call, 0, "name", &record.name) ||
	    !rpc_need_int(call, 1, "ttl", &record.ttl_s) ||
	    !rpc_need_int(call, 2, "priority", &priority) ||
	    !rpc_need_int(call, 3, "weight", &weight) || !rpc_need_int(call, 4, "port", &port) ||
	    !rpc_need_text(call, 5, "target", &target) || !rpc_need_int(call, 6, "flags", &flags))
		return;
	if (((uint64_t)priority | (uint64_t)weight | (uint64_t)port) > UINT16_MAX) {
		rpc_fault(call, 400, "priority, weight and port are numbers from 0 to 65535");
		return;
	}
	record.service.priority = (uint16_t)priority;
	record.service.weight = (uint16_t)weight;
	record.service.port = (uint16_t)port;
	add_own(call, &record, target, flags);
}

static void flush_here(const void *data, size_t len)
{
	(void)data;
	(void)len;
	resolver_flush();
}

/* Runs `work` in all processes that ask DNS. */
static void tell_all(struct rpc_call *call, void (*work)(const void *data, size_t len),
		     const void *data, size_t len)
{
	work(data, len);
	for (unsigned i = 1; i < role_count(); i++)
		if (i != role_self() && !process_post_block(i, work, data, len))
			rpc_fault(call, 500, "process %u cannot be told", i);
}

static void delete_all(struct rpc_call *call, bool by_force)
{
	static const char nothing = 0;
	own_records_clear(by_force);
	tell_all(call, flush_here, &nothing, sizeof(nothing));
	rpc_add_text(call, rpc_add_struct(call, NULL, NULL), "status", SPAN_OF("ok"));
}

static void run_delete_all(struct rpc_call *call)
{
	delete_all(call, false);
}

static void run_delete_all_force(struct rpc_call *call)
{
	delete_all(call, true);
}

/* A name that the caches are to forget. */
struct forgotten {
	char type[8];
	uint16_t name_len;
	char name[DNS_NAME_MOST];
};

static void forget_here(const void *data, size_t len)
{
	struct forgotten forgotten;
	(void)len;
	memcpy(&forgotten, data, sizeof(forgotten));
	resolver_forget(forgotten.type, span_make(forgotten.name, forgotten.name_len));
}

/* Does any process remember the name? */
static bool is_remembered(const char *type, struct span name)
{
	bool is_found = false;
	for (unsigned i = 0; i < PROCESSES_MOST && !is_found; i++) {
		struct span text = span_make(view.of[i].text, view.of[i].len), line;
		struct shown shown;
		while (!is_found && text.len && span_split(&text, '\n', &line))
			is_found = line.len && read_shown(line, &shown) &&
				   span_equal(shown.type, span_from(type)) &&
				   span_equal_nocase(shown.name, name);
	}
	return is_found;
}

static void delete_one(struct rpc_call *call, const char *type, enum own_removal removal,
		       struct span name)
{
	struct forgotten forgotten = { .name_len = (uint16_t)name.len };
	if (removal == OWN_PERMANENT) {
		rpc_fault(call, 400, "Permanent entries cannot be deleted");
		return;
	}
	if (!view_ask(call))
		return;
	bool is_cached = name.len <= DNS_NAME_MOST && is_remembered(type, name);
	view_end();
	if (!is_cached) {
		if (removal == OWN_MISSING)
			rpc_fault(call, 400, "Not found");
		return;
	}
	memcpy(forgotten.type, type, strlen(type) + 1);
	memcpy(forgotten.name, name.at, name.len);
	tell_all(call, forget_here, &forgotten, sizeof(forgotten));
}

static void delete_own(struct rpc_call *call, const char *type, enum own_kind kind)
{
	struct span name;
	if (rpc_need_text(call, 0, "name", &name))
		delete_one(call, type, own_record_remove(kind, name), name);
}

static void run_delete_a(struct rpc_call *call)
{
	delete_own(call, "A", OWN_A);
}

static void run_delete_aaaa(struct rpc_call *call)
{
	delete_own(call, "AAAA", OWN_AAAA);
}

static void run_delete_srv(struct rpc_call *call)
{
	delete_own(call, "SRV", OWN_SRV);
}

static void run_delete_naptr(struct rpc_call *call)
{
	struct span name;
	if (rpc_need_text(call, 0, "name", &name))
		delete_one(call, "NAPTR", OWN_MISSING, name);
}

/* Records of these types are never asked for, so none is remembered. */
static void run_delete_unknown(struct rpc_call *call)
{
	struct span name;
	if (rpc_need_text(call, 0, "name", &name))
		rpc_fault(call, 400, "Not found");
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
	{ "dns.lookup", run_lookup, "Looks a name up.", "A|AAAA|SRV|NAPTR name" },
	{ "dns.delete_all", run_delete_all, "Forgets all names but permanent ones." },
	{ "dns.delete_all_force", run_delete_all_force, "Forgets all names, permanent ones too." },
	{ "dns.view", run_view, "Shows what is remembered of names.", NULL, true },
	{ "dns.debug", run_debug, "Shows what is remembered of names, seven values each.", NULL, true },
	{ "dns.debug_all", run_view, "Shows what is remembered of names.", NULL, true },
	{ "dns.mem_info", run_mem_info, "Bytes of the caches of all processes, and the most of one." },
	{ "dns.add_a", run_add_a, "Says which address a name has; flags: 1 none, 2 permanent.", "name ttl address flags" },
	{ "dns.add_aaaa", run_add_aaaa, "The same for IPv6.", "name ttl address flags" },
	{ "dns.add_srv", run_add_srv, "Says who serves a name.", "name ttl priority weight port target flags" },
	{ "dns.delete_a", run_delete_a, "Forgets the addresses of a name.", "name" },
	{ "dns.delete_aaaa", run_delete_aaaa, "Forgets the IPv6 addresses of a name.", "name" },
	{ "dns.delete_srv", run_delete_srv, "Forgets who serves a name.", "name" },
	{ "dns.delete_naptr", run_delete_naptr, "Forgets NAPTR records of a name.", "name" },
	{ "dns.delete_cname", run_delete_unknown, "None is ever remembered.", "name" },
	{ "dns.delete_ebl", run_delete_unknown, "None is ever remembered.", "name" },
	{ "dns.delete_ptr", run_delete_unknown, "None is ever remembered.", "name" },
	{ "dns.delete_txt", run_delete_unknown, "None is ever remembered.", "name" },
	{ "dst_blocklist.add", run_blocklist_add, "Passes a destination over for a while.", "proto:ip:port" },
	{ "dst_blocklist.debug", run_blocklist_view, "Shows the destinations that are passed over.", NULL, true },
	{ "dst_blocklist.delete_all", run_blocklist_delete_all, "Forgets the destinations that are passed over." },
	{ "dst_blocklist.mem_info", run_blocklist_mem_info, "Shows the memory of the blocklist." },
	{ "dst_blocklist.view", run_blocklist_view, "Shows the destinations that are passed over.", NULL, true },
};

const struct rpc_table core_commands_dns = ROWS(commands);
