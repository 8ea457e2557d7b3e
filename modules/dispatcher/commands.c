/* SPDX-License-Identifier: BSD-2-Clause */
/* commands: dispatcher.list, reload, set_state and their kin. */
#include <math.h>

#include "core/shm/map.h"
#include "modules/dispatcher/dispatcher.h"

#define ROWS_CHUNK ((size_t)64 << 10)
#define ROWS_MOST  ((size_t)512 << 20)

/* ---- listing ------------------------------------------------------------------------------------------------- */

enum detail { DETAIL_SHORT, DETAIL_USUAL, DETAIL_FULL };

static void add_optional(struct rpc_call *call, struct rpc_node *node, const char *name,
			 struct span text)
{
	if (text.len)
		rpc_add_text(call, node, name, text);
	else
		rpc_add_null(call, node, name);
}

static void add_address(struct rpc_call *call, struct rpc_node *node, const struct destination *to)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	if (to->address.family)
		end_point_write_ip(&w, &to->address);
	rpc_add_text(call, node, "HOST", to->host);
	rpc_add_text(call, node, "IPADDR", writer_result(&w));
	rpc_add_int(call, node, "PORT", to->address.port);
	rpc_add_int(call, node, "PROTOID", to->address.transport);
	rpc_add_int(call, node, "DNSTIME_SEC", 0);
	rpc_add_int(call, node, "DNSTIME_USEC", 0);
}

static void add_attributes(struct rpc_call *call, struct rpc_node *node,
			   const struct destination *to)
{
	struct rpc_node *attrs = rpc_add_struct(call, node, "ATTRS");
	rpc_add_text(call, attrs, "BODY", to->attrs);
	add_optional(call, attrs, "DUID", to->duid);
	rpc_add_int(call, attrs, "MAXLOAD", to->maxload);
	rpc_add_int(call, attrs, "WEIGHT", to->weight);
	rpc_add_int(call, attrs, "RWEIGHT", to->rweight);
	add_optional(call, attrs, "SOCKET", to->socket_text);
	add_optional(call, attrs, "SOCKNAME", to->sockname);
	add_optional(call, attrs, "OBPROXY", to->outbound_proxy);
}

static void add_latency(struct rpc_call *call, struct rpc_node *node, const struct latency *from)
{
	struct rpc_node *latency = rpc_add_struct(call, node, "LATENCY");
	rpc_add_double(call, latency, "AVG", (double)from->average / 1000);
	rpc_add_double(call, latency, "STD", sqrt((double)from->variance) / 1000);
	rpc_add_double(call, latency, "EST", (double)from->estimate / 1000);
	rpc_add_int(call, latency, "MAX", from->most / 1000);
	rpc_add_int(call, latency, "TIMEOUT", from->timeouts);
}

static void add_destination(struct rpc_call *call, struct rpc_node *targets,
			    const struct destination *to, enum detail detail)
{
	char flags[3];
	struct rpc_node *node = rpc_add_struct(call, rpc_add_struct(call, targets, NULL), "DEST");
	state_write(to->state->flags, flags);
	rpc_add_text(call, node, "URI", to->uri);
	rpc_add_text(call, node, "FLAGS", span_from(flags));
	rpc_add_int(call, node, "PRIORITY", to->priority);
	if (detail == DETAIL_FULL)
		add_address(call, node, to);
	if (detail != DETAIL_SHORT && to->attrs.len)
		add_attributes(call, node, to);
	if (detail != DETAIL_SHORT && dispatcher_settings->latency_stats)
		add_latency(call, node, &to->state->latency);
	if (calls_are_on())
		rpc_add_int(call, rpc_add_struct(call, node, "RUNTIME"), "DLGLOAD",
			    to->state->load);
}

static void list(struct rpc_call *call)
{
	struct span mode = SPAN_OF("");
	enum detail detail = DETAIL_USUAL;
	if (rpc_arg_text(call, 0, &mode) && span_equal_nocase(mode, SPAN_OF("short")))
		detail = DETAIL_SHORT;
	else if (span_equal_nocase(mode, SPAN_OF("full")))
		detail = DETAIL_FULL;
	const struct destination_list *found = list_hold();
	if (!found || !found->set_count)
		rpc_fault(call, 500, "No Destination Sets");
	struct rpc_node *top = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, top, "NRSETS", found ? found->set_count : 0);
	struct rpc_node *records = rpc_add_array(call, top, "RECORDS");
	for (uint32_t i = 0; found && i < found->set_count; i++) {
		struct rpc_node *set =
			rpc_add_struct(call, rpc_add_struct(call, records, NULL), "SET");
		rpc_add_int(call, set, "ID", found->sets[i].id);
		struct rpc_node *targets = rpc_add_array(call, set, "TARGETS");
		for (uint32_t j = 0; j < found->sets[i].count; j++)
			add_destination(call, targets, &found->sets[i].all[j], detail);
	}
	list_release();
}

/* ---- changing the list ----------------------------------------------------------------------------------------- */

static void reload(struct rpc_call *call)
{
	const char *wrong = dispatcher_reload();
	if (wrong)
		rpc_fault(call, 500, "%s", wrong);
	else
		rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Dispatcher successfully reloaded."));
}

/* Changes a copy of the rows: NULL, or why not. */
static const char *change(const struct destination_row *added, int64_t set, struct span removed)
{
	struct arena arena;
	uint32_t kept = 0;
	if (!list_change_begin())
		return "Ongoing reload";
	arena_init(&arena, ROWS_CHUNK, ROWS_MOST);
	struct destination_rows rows = { .arena = &arena };
	bool is_good = list_rows(&rows);
	uint32_t before = rows.count;
	for (uint32_t i = 0; removed.at && i < before; i++)
		if (rows.rows[i].set != set || !span_equal_nocase(rows.rows[i].uri, removed))
			rows.rows[kept++] = rows.rows[i];
	if (removed.at) {
		rows.count = kept;
		is_good = is_good && kept < before;
	} else {
		is_good = is_good && rows_add(&rows, added);
	}
	is_good = is_good && list_publish(&rows);
	arena_free(&arena);
	list_change_end();
	return is_good      ? NULL
	       : removed.at ? "Removing dispatcher dst failed"
			    : "Adding dispatcher dst failed";
}

static void add(struct rpc_call *call)
{
	struct destination_row row = { 0 };
	if (!rpc_arg_int(call, 0, &row.set) || !rpc_arg_text(call, 1, &row.uri)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return;
	}
	if ((rpc_arg_count(call) > 2 && !rpc_arg_int(call, 2, &row.flags)) ||
	    (rpc_arg_count(call) > 3 && !rpc_arg_int(call, 3, &row.priority)) ||
	    (rpc_arg_count(call) > 4 && !rpc_arg_text(call, 4, &row.attrs))) {
		rpc_fault(call, 500, "Invalid Parameters");
		return;
	}
	row.uri = span_trim(row.uri);
	const char *wrong = change(&row, row.set, (struct span){ NULL, 0 });
	if (wrong)
		rpc_fault(call, 500, "%s", wrong);
	else
		rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Dispatcher destination added."));
}

static void remove_destination(struct rpc_call *call)
{
	int64_t set;
	struct span uri;
	if (!rpc_arg_int(call, 0, &set) || !rpc_arg_text(call, 1, &uri)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return;
	}
	const char *wrong = change(NULL, set, uri);
	if (wrong)
		rpc_fault(call, 500, "%s", wrong);
	else
		rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Dispatcher destination removed."));
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

static bool read_state(struct rpc_call *call, uint32_t *out_flags, int64_t *out_set,
		       struct span *out_which)
{
	struct span text;
	if (!rpc_arg_text(call, 0, &text) || !rpc_arg_int(call, 1, out_set) ||
	    !rpc_arg_text(call, 2, out_which)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return false;
	}
	if (state_parse(text, out_flags) && ascii_lower(text.at[0]) != 'p')
		return true;
	rpc_fault(call, 500, "Unknown State Value");
	return false;
}

static void answer_state(struct rpc_call *call, bool is_set)
{
	if (is_set)
		rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Dispatcher state updated."));
	else
		rpc_fault(call, 500, "State Update Failed");
}

static void set_state(struct rpc_call *call)
{
	uint32_t flags;
	int64_t set;
	struct span uri;
	if (!read_state(call, &flags, &set, &uri))
		return;
	bool is_all = span_equal_nocase(uri, SPAN_OF("all"));
	bool is_set = state_set(set, is_all ? (struct span){ NULL, 0 } : uri,
				(struct span){ NULL, 0 }, flags);
	answer_state(call, is_set || is_all);
}

static void set_state_all(struct rpc_call *call)
{
	struct span text;
	uint32_t flags;
	int64_t set;
	if (!rpc_arg_text(call, 0, &text) || !rpc_arg_int(call, 1, &set)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return;
	}
	if (!state_parse(text, &flags) || ascii_lower(text.at[0]) == 'p') {
		rpc_fault(call, 500, "Unknown State Value");
		return;
	}
	answer_state(call,
		     state_set(set, (struct span){ NULL, 0 }, (struct span){ NULL, 0 }, flags));
}

static void set_duid_state(struct rpc_call *call)
{
	uint32_t flags;
	int64_t set;
	struct span duid;
	if (read_state(call, &flags, &set, &duid))
		answer_state(call, state_set(set, (struct span){ NULL, 0 }, duid, flags));
}

static void ping_active(struct rpc_call *call)
{
	int64_t wanted, before = *probe_switch();
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	if (rpc_arg_int(call, 0, &wanted)) {
		before = atomic_exchange(probe_switch(), wanted);
		rpc_add_int(call, node, "NewPingState", wanted);
	}
	rpc_add_int(call, node, "OldPingState", before);
}

static void hash(struct rpc_call *call)
{
	int64_t slots;
	struct span first, second = { NULL, 0 };
	if (!rpc_arg_int(call, 0, &slots) || !rpc_arg_text(call, 1, &first)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return;
	}
	if (rpc_arg_count(call) > 2 && !rpc_arg_text(call, 2, &second)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return;
	}
	uint32_t id = dispatcher_hash(first, second);
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "hashid", id);
	rpc_add_int(call, node, "slot", slots > 0 ? id % slots : 0);
}

const struct rpc_command dispatcher_commands[DISPATCHER_COMMANDS] = {
	{ "dispatcher.list", list, "Sets and destinations with their states.", "[short|full]", false },
	{ "dispatcher.reload", reload, "Reads file or table again.", NULL, false },
	{ "dispatcher.add", add, "Adds a destination until the next reload.", "set uri [flags [priority [attrs]]]", false },
	{ "dispatcher.remove", remove_destination, "Removes destinations until the next reload.", "set uri", false },
	{ "dispatcher.set_state", set_state, "Sets the state of a destination: a, i, t or d, with p for probing.", "state set uri|all", false },
	{ "dispatcher.set_state_all", set_state_all, "The same for all destinations of a set.", "state set", false },
	{ "dispatcher.set_duid_state", set_duid_state, "The same for a destination by its attribute duid.", "state set duid", false },
	{ "dispatcher.ping_active", ping_active, "Shows or sets whether pings are sent.", "[0|1]", false },
	{ "dispatcher.hash", hash, "The hash of one or two texts, and its slot of so many.", "slots text [text]", false },
};
