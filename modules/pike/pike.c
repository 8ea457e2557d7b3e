/* SPDX-License-Identifier: BSD-2-Clause */
/* pike: finds sources that send more requests than they should.
 *
 * Requests of an address are counted in units of time. An address that exceeds the density within a
 * unit is blocked, until a unit passes in which it does not. An address takes one slot, whatever its
 * length, so that the limit is the documented least one for all. */
#include "core/module/module.h"

#include <stdlib.h>

#define SHARDS         16
#define ADDRESSES_MOST 500000 /* forged sources must not eat the memory of the others */

enum { PIKE_FINE = 1, PIKE_BLOCKED = -1, PIKE_NEWLY_BLOCKED = -2 };

static struct {
	int64_t sampling_time_unit, reqs_density_per_unit, remove_latency, pike_log_level;
} settings = {
	.sampling_time_unit = 2,
	.reqs_density_per_unit = 30,
	.remove_latency = 120,
	.pike_log_level = 1,
};
static const struct field setting_fields[] = {
	FIELD(settings, sampling_time_unit, "length of a unit in seconds", .min = 1, .max = 86400),
	FIELD(settings, reqs_density_per_unit, "requests that an address may send in a unit",
		.min = 1, .max = INT32_MAX),
	FIELD(settings, remove_latency, "seconds for which a silent address is remembered",
		.min = 1, .max = 86400 * 365),
	FIELD(settings, pike_log_level, "log level of messages about blocking and unblocking",
		.min = LOG_LEVEL_ALERT, .max = 3),
};

/* What is known of an address. */
struct source {
	struct slot slot;
	struct end_point address;
	int64_t unit; /* the number of the unit that is being counted */
	uint32_t hits, hits_before;
	int64_t last_ms;
	bool is_blocked;
};

static const struct shard_type source_type = {
	.name = "pike sources",
	.slot_size = sizeof(struct source),
};

static struct {
	struct shard_set *set;
	counter_id blocked_ips;
} state;

static int64_t unit_of(int64_t now_ms)
{
	return now_ms / (settings.sampling_time_unit * 1000);
}

static void tell(const char *what, const struct end_point *address)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write_ip(&w, address);
	log_at((int)settings.pike_log_level, "pike: %s %.*s", what, SPAN_ARGS(writer_result(&w)));
}

/* ---- counting: with the shard's lock held --------------------------------------------------------- */

/* Closes the units that passed; true when that ended a block. */
static bool source_advance(struct source *source, int64_t unit)
{
	if (unit == source->unit)
		return false;
	bool is_next = unit == source->unit + 1;
	bool is_freed = source->is_blocked &&
			(!is_next || source->hits <= (uint64_t)settings.reqs_density_per_unit);
	source->hits_before = is_next ? source->hits : 0;
	source->hits = 0;
	source->unit = unit;
	if (is_freed)
		source->is_blocked = false;
	return is_freed;
}

static struct source *source_find(struct shard *shard, uint64_t hash,
				  const struct end_point *address)
{
	struct source *source = slot_first(shard, hash);
	while (source && !end_point_same_ip(&source->address, address))
		source = slot_next(shard, &source->slot);
	return source;
}

static struct source *source_make(struct shard *shard, uint64_t hash,
				  const struct end_point *address, int64_t now_ms)
{
	if (shard_set_live(state.set) >= ADDRESSES_MOST)
		return NULL;
	struct source *source = slot_new(shard, hash);
	if (!source)
		return NULL;
	source->address = *address;
	source->unit = unit_of(now_ms);
	slot_publish(shard, &source->slot);
	return source;
}

/* Counts a request and judges its sender. */
static int check_address(const struct end_point *from)
{
	struct end_point address = { .family = from->family };
	memcpy(address.ip, from->ip, sizeof(address.ip));
	uint64_t hash = end_point_hash(&address);
	int64_t now_ms = clock_ms();
	int result = PIKE_FINE;
	bool is_freed = false;
	struct shard *shard = shard_lock(state.set, hash);
	struct source *source = source_find(shard, hash, &address);
	if (!source)
		source = source_make(shard, hash, &address, now_ms);
	if (source) {
		slot_change_begin(shard, &source->slot);
		is_freed = source_advance(source, unit_of(now_ms));
		source->last_ms = now_ms;
		if (source->hits < UINT32_MAX)
			source->hits++;
		if (source->is_blocked) {
			result = PIKE_BLOCKED;
		} else if (source->hits > (uint64_t)settings.reqs_density_per_unit) {
			source->is_blocked = true;
			result = PIKE_NEWLY_BLOCKED;
		}
		slot_change_end(shard, &source->slot);
	}
	shard_unlock(shard);
	if (is_freed)
		tell("unblocking", &address);
	if (result == PIKE_NEWLY_BLOCKED) {
		counter_inc(state.blocked_ips);
		tell("blocking", &address);
	}
	return result;
}

/* ---- time ------------------------------------------------------------------------------------------ */

static int64_t unit_ms(void)
{
	return settings.sampling_time_unit * 1000;
}

/* Ends blocks and forgets addresses that were silent for long, a shard at a time. */
static void pass_time(void)
{
	enum { TOLD_MOST = 32 };
	int64_t now_ms = clock_ms();
	for (unsigned i = 0; i < shard_count(state.set); i++) {
		struct end_point freed[TOLD_MOST];
		unsigned freed_count = 0;
		uint32_t cursor = 0;
		struct source *source;
		struct shard *shard = shard_lock_number(state.set, i);
		while ((source = slot_each(shard, &cursor))) {
			if (now_ms - source->last_ms >= settings.remove_latency * 1000) {
				slot_free(shard, &source->slot);
				continue;
			}
			struct end_point address = source->address;
			slot_change_begin(shard, &source->slot);
			if (source_advance(source, unit_of(now_ms)) && freed_count < TOLD_MOST)
				freed[freed_count++] = address;
			slot_change_end(shard, &source->slot);
		}
		shard_unlock(shard);
		for (unsigned j = 0; j < freed_count; j++)
			tell("unblocking", &freed[j]);
	}
}

/* ---- functions ------------------------------------------------------------------------------------- */

struct check_ip_args {
	struct span address;
};
static const struct field check_ip_fields[] = {
	FIELD(struct check_ip_args, address, "IP address"),
};
SCRIPT_HANDLER(check_ip)
SCRIPT_HANDLER_PLAIN(check_request)

static int check_request(struct script_run *run)
{
	return run->msg->from.source.family ? check_address(&run->msg->from.source) : PIKE_FINE;
}

static int check_ip(struct script_run *run, const struct check_ip_args *args)
{
	(void)run;
	struct end_point address;
	if (!end_point_parse_ip(args->address, &address)) {
		log_error("pike_check_ip: \"%.*s\" is no IP address", SPAN_ARGS(args->address));
		return PIKE_FINE;
	}
	return check_address(&address);
}

static const struct script_function functions[] = {
	FUNCTION_PLAIN("pike_check_req", check_request, IN_ALL_BUT_ONSEND,
		"Counts a request of the sender: 1 fine, -1 the sender is blocked, -2 since now."),
	FUNCTION("pike_check_ip", check_ip, IN_ALL_BUT_ONSEND,
		"The same for a given address."),
};

/* ---- pike.top -------------------------------------------------------------------------------------- */

enum heat { HEAT_NONE, HEAT_WARM, HEAT_HOT };

struct shown {
	struct end_point address;
	uint32_t hits, hits_before;
	int64_t left_s;
	enum heat heat;
};

/* Warm is what would become hot at twice its present rate. */
static enum heat heat_of(const struct source *source)
{
	uint64_t most = source->hits > source->hits_before ? source->hits : source->hits_before;
	if (source->is_blocked)
		return HEAT_HOT;
	return most * 2 > (uint64_t)settings.reqs_density_per_unit ? HEAT_WARM : HEAT_NONE;
}

static int compare_shown(const void *left, const void *right)
{
	const struct shown *a = left, *b = right;
	uint64_t x = (uint64_t)a->hits + a->hits_before, y = (uint64_t)b->hits + b->hits_before;
	if (x != y)
		return x > y ? -1 : 1;
	return a->hits == b->hits ? 0 : a->hits > b->hits ? -1 : 1;
}

/* Copies what is at least that hot; a shard at a time. */
static unsigned collect(struct shown *rows, unsigned room, enum heat least)
{
	int64_t now_ms = clock_ms();
	unsigned count = 0;
	for (unsigned i = 0; i < shard_count(state.set); i++) {
		uint32_t cursor = 0;
		const struct source *source;
		struct shard *shard = shard_lock_number(state.set, i);
		while (count < room && (source = slot_each(shard, &cursor))) {
			if (heat_of(source) < least)
				continue;
			int64_t left_ms =
				settings.remove_latency * 1000 - (now_ms - source->last_ms);
			rows[count++] =
				(struct shown){ source->address, source->hits, source->hits_before,
						left_ms > 0 ? (left_ms + 999) / 1000 : 0,
						heat_of(source) };
		}
		shard_unlock(shard);
	}
	return count;
}

static bool wanted_heat(struct rpc_call *call, enum heat *out_least)
{
	struct span filter;
	*out_least = HEAT_HOT;
	if (!rpc_arg_text(call, 0, &filter) || span_equal_nocase(filter, SPAN_OF("HOT")))
		return true;
	if (span_equal_nocase(filter, SPAN_OF("ALL")))
		*out_least = HEAT_NONE;
	else if (span_equal_nocase(filter, SPAN_OF("WARM")))
		*out_least = HEAT_WARM;
	else
		rpc_fault(call, 500, "bad parameter: ALL, HOT or WARM is expected");
	return *out_least != HEAT_HOT;
}

static void add_shown(struct rpc_call *call, struct rpc_node *list, const struct shown *row)
{
	static const struct span words[] = { SPAN(""), SPAN("WARM"), SPAN("HOT") };
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write_ip(&w, &row->address);
	struct rpc_node *node = rpc_add_struct(call, list, NULL);
	rpc_add_text(call, node, "ip_addr", writer_result(&w));
	rpc_add_int(call, node, "leaf_hits_prev", row->hits_before);
	rpc_add_int(call, node, "leaf_hits_curr", row->hits);
	rpc_add_int(call, node, "expires", row->left_s);
	rpc_add_text(call, node, "status", words[row->heat]);
}

static void run_top(struct rpc_call *call)
{
	enum heat least;
	if (!wanted_heat(call, &least))
		return;
	unsigned room = (unsigned)shard_set_live(state.set) + 64;
	struct shown *rows = calloc(room, sizeof(*rows));
	if (!rows) {
		rpc_fault(call, 500, "out of memory");
		return;
	}
	unsigned count = collect(rows, room, least);
	qsort(rows, count, sizeof(*rows), compare_shown);
	struct rpc_node *top = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, top, "max_hits", settings.reqs_density_per_unit);
	struct rpc_node *list = rpc_add_array(call, top, "list");
	for (unsigned i = 0; i < count; i++)
		add_shown(call, list, &rows[i]);
	rpc_add_int(call, top, "number_of_rows", count);
	free(rows);
}

static const struct rpc_command commands[] = {
	{ "pike.top", run_top, "Addresses by the number of their requests.", "[ALL | HOT | WARM]" },
	{ "pike.list", run_top, "Same as pike.top.", "[ALL | HOT | WARM]" },
};
static const struct counter_row counters[] = {
	{ NULL, "blocked_ips", "Times that an address was blocked.", &state.blocked_ips },
};
static const struct module_timer timers[] = {
	{ "pike", unit_ms, pass_time },
};

static bool prepare(struct diagnostics *diagnostics)
{
	(void)diagnostics;
	state.set = shard_set_new(&source_type, SHARDS);
	if (!state.set)
		log_error("no shared memory for addresses; -m gives more");
	return state.set != NULL;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "pike",
	.doc = "Finds sources that send too many requests.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = ROWS(commands),
	.counters = ROWS(counters),
	.timers = ROWS(timers),
	.prepare = prepare,
};
