/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands for statistics, memory and module parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/module/live.h"
#include "core/module/loader.h"
#include "core/process/process.h"
#include "modules/kex/kex.h"

/* ---- stats.* --------------------------------------------------------------------------------------------- */

/* Which counters an argument names: "all", "group:", "group:name" or "name". */
struct selection {
	struct span group; /* absent: any */
	struct span name;  /* absent: all of the group */
};

static struct selection parse_selection(struct span text)
{
	size_t colon = span_find(text, ':', 0);
	if (span_equal(text, SPAN_OF("all")))
		return (struct selection){ { NULL, 0 }, { NULL, 0 } };
	if (colon == text.len) {
		size_t dot = span_find(text, '.', 0);
		if (dot < text.len)
			return (struct selection){ span_slice(text, 0, dot),
						   span_slice(text, dot + 1, text.len) };
		return (struct selection){ { NULL, 0 }, text };
	}
	struct span name = span_slice(text, colon + 1, text.len);
	return (struct selection){ span_slice(text, 0, colon),
				   name.len ? name : (struct span){ NULL, 0 } };
}

static bool is_selected(const struct selection *selection, const struct counter_info *info)
{
	return (!selection->group.at || span_equal(selection->group, span_from(info->group))) &&
	       (!selection->name.at || span_equal(selection->name, span_from(info->name)));
}

typedef void (*counter_action)(struct rpc_call *call, struct rpc_node *node, counter_id id,
			       const struct counter_info *info);

struct listed {
	counter_id id;
	struct counter_info info;
};

static int compare_listed(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;
	int order = strcmp(a->info.group, b->info.group);
	return order ? order : strcmp(a->info.name, b->info.name);
}

/* Calls `action` for every counter that an argument names, sorted by group and name. */
static void act_on(struct rpc_call *call, struct rpc_node *node, struct span text,
		   counter_action action)
{
	static struct listed list[COUNTERS_MOST];
	const struct selection selection = parse_selection(text);
	unsigned count = 0;
	for (counter_id id = counter_next(COUNTER_NONE, selection.group);
	     id != COUNTER_NONE && count < COUNTERS_MOST; id = counter_next(id, selection.group)) {
		list[count].id = id;
		if (counter_describe(id, &list[count].info) &&
		    is_selected(&selection, &list[count].info))
			count++;
	}
	qsort(list, count, sizeof(list[0]), compare_listed);
	for (unsigned i = 0; i < count; i++)
		action(call, node, list[i].id, &list[i].info);
}

/* Goes through the arguments in their order; without any there is a fault. */
static void for_selected(struct rpc_call *call, const char *fault, bool in_struct,
			 counter_action action)
{
	struct span text;
	if (!rpc_arg_count(call)) {
		rpc_fault(call, 400, "%s", fault);
		return;
	}
	struct rpc_node *node = in_struct ? rpc_add_struct(call, NULL, NULL) : NULL;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_arg_text(call, i, &text))
			act_on(call, node, text, action);
}

static void print_counter(struct rpc_call *call, struct rpc_node *node, counter_id id,
			  const struct counter_info *info)
{
	rpc_add_printf(call, NULL, NULL, "%s:%s = %lld", info->group, info->name,
		       (long long)counter_read(id));
}

static void add_counter_text(struct rpc_call *call, struct rpc_node *node, counter_id id,
			     const struct counter_info *info)
{
	char name[192];
	snprintf(name, sizeof(name), "%s.%s", info->group, info->name);
	rpc_add_printf(call, node, name, "%lld", (long long)counter_read(id));
}

static void add_counter_number(struct rpc_call *call, struct rpc_node *node, counter_id id,
			       const struct counter_info *info)
{
	char name[192];
	snprintf(name, sizeof(name), "%s.%s", info->group, info->name);
	rpc_add_int(call, node, name, counter_read(id));
}

static void reset_counter(struct rpc_call *call, struct rpc_node *node, counter_id id,
			  const struct counter_info *info)
{
	counter_reset(id);
}

static void clear_counter(struct rpc_call *call, struct rpc_node *node, counter_id id,
			  const struct counter_info *info)
{
	int64_t before = counter_read(id);
	counter_reset(id);
	int64_t now = counter_read(id);
	if (now == before)
		rpc_add_printf(call, NULL, NULL, "%s:%s = %lld", info->group, info->name,
			       (long long)now);
	else
		rpc_add_printf(call, NULL, NULL, "%s:%s = %lld (%lld)", info->group, info->name,
			       (long long)now, (long long)before);
}

static void run_get_statistics(struct rpc_call *call)
{
	for_selected(call, "Please provide which stats to retrieve", false, print_counter);
}

static void run_fetch(struct rpc_call *call)
{
	for_selected(call, "Please provide which stats to retrieve", true, add_counter_text);
}

static void run_fetchn(struct rpc_call *call)
{
	for_selected(call, "Please provide which stats to retrieve", true, add_counter_number);
}

static void run_reset(struct rpc_call *call)
{
	for_selected(call, "Please provide stats name", false, reset_counter);
}

static void run_clear(struct rpc_call *call)
{
	for_selected(call, "Please provide stats name", false, clear_counter);
}

/* ---- memory of processes ------------------------------------------------------------------------------------ */

/* Resident private bytes of a process, from /proc. */
static int64_t private_bytes(pid_t pid)
{
	char path[64];
	long total = 0, resident = 0, shared = 0;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%ld %ld %ld", &total, &resident, &shared) != 3)
		resident = shared = 0;
	fclose(file);
	return (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
}

static int64_t rank_of(const struct role *role)
{
	return role->kind == ROLE_WORKER       ? (int64_t)role->number + 1
	       : role->kind == ROLE_SUPERVISOR ? 0
					       : -2;
}

static void add_process(struct rpc_call *call, unsigned index)
{
	const struct role *role = role_at(index);
	int64_t used = private_bytes(role->pid);
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "entry", index);
	rpc_add_int(call, node, "pid", role->pid);
	rpc_add_int(call, node, "rank", rank_of(role));
	rpc_add_int(call, node, "used", used);
	rpc_add_int(call, node, "free", 0);
	rpc_add_int(call, node, "real_used", used);
	rpc_add_int(call, node, "total_size", used);
	rpc_add_int(call, node, "total_frags", 0);
	rpc_add_text(call, node, "desc", span_from(role->name));
}

enum process_filter { FILTER_PID, FILTER_RANK, FILTER_INDEX, FILTER_WRONG };
static const char *const filter_names[] = { "pid", "rank", "index" };
static const char *const filter_faults[] = { "No such pid", "No such rank", "No such index" };

static enum process_filter filter_from(struct span name)
{
	for (unsigned i = 0; i < FILTER_WRONG; i++)
		if (span_equal(name, span_from(filter_names[i])))
			return (enum process_filter)i;
	return FILTER_WRONG;
}

static bool process_matches(unsigned index, enum process_filter filter, int64_t wanted)
{
	const struct role *role = role_at(index);
	switch (filter) {
	case FILTER_PID: return role->pid == wanted;
	case FILTER_RANK: return rank_of(role) == wanted;
	case FILTER_INDEX: return (int64_t)index == wanted;
	case FILTER_WRONG: break;
	}
	return false;
}

static void run_pkg_stats(struct rpc_call *call)
{
	struct span by;
	int64_t wanted;
	bool has_any = false, is_filtered = rpc_arg_text(call, 0, &by);
	enum process_filter filter = is_filtered ? filter_from(by) : FILTER_WRONG;
	if (is_filtered && filter == FILTER_WRONG) {
		rpc_fault(call, 500, "Invalid filter type");
		return;
	}
	if (is_filtered && !rpc_arg_int(call, 1, &wanted)) {
		rpc_fault(call, 500, "One more parameter expected");
		return;
	}
	for (unsigned i = 0; i < role_count(); i++) {
		if (is_filtered && !process_matches(i, filter, wanted))
			continue;
		add_process(call, i);
		has_any = true;
	}
	if (!has_any && is_filtered)
		rpc_fault(call, 500, "%s", filter_faults[filter]);
}

static void run_pkg_info(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, node, "name", SPAN_OF("malloc"));
	rpc_add_int(call, node, "size", private_bytes(getpid()));
}

/* ---- module parameters ---------------------------------------------------------------------------------------- */

static const struct field *find_setting(struct rpc_call *call, const struct module **out_module)
{
	struct span module, name;
	if (!rpc_need_text(call, 0, "module", &module) ||
	    !rpc_need_text(call, 1, "parameter", &name))
		return NULL;
	*out_module = loader_find(module);
	const struct field *field =
		*out_module ? field_find((*out_module)->settings.fields, name) : NULL;
	if (!field)
		rpc_fault(call, 404, *out_module ? "Parameter not found" : "Module not found");
	return field;
}

static void run_modparam_getn(struct rpc_call *call)
{
	const struct module *module;
	const struct field *field = find_setting(call, &module);
	if (field && (field->kind == FIELD_KIND_INT || field->kind == FIELD_KIND_BOOL))
		rpc_add_int(call, NULL, NULL, field_get_int(field, module->settings.object));
	else if (field)
		rpc_fault(call, 400, "Parameter has another type");
}

static void run_modparam_gets(struct rpc_call *call)
{
	const struct module *module;
	const struct field *field = find_setting(call, &module);
	if (field && field->kind == FIELD_KIND_TEXT)
		rpc_add_text(call, NULL, NULL, field_get_text(field, module->settings.object));
	else if (field)
		rpc_fault(call, 400, "Parameter has another type");
}

/* Only what is declared live can change without a restart. */
static void run_modparam_setn(struct rpc_call *call)
{
	const struct module *module;
	const struct field *field = find_setting(call, &module);
	struct value value = { .kind = VALUE_INT };
	if (!field || !rpc_need_int(call, 2, "value", &value.number))
		return;
	const struct live_setting *setting =
		live_find(span_from(module->name), span_from(field->name));
	const char *wrong = setting ? live_set(setting, &value, rpc_arena(call))
				    : "this parameter needs a restart";
	if (wrong)
		rpc_fault(call, 400, "%s", wrong);
}

static void run_modparam_list(struct rpc_call *call)
{
	struct span wanted = { NULL, 0 };
	bool is_one = rpc_arg_text(call, 0, &wanted);
	for (unsigned i = 1; i < loader_count(); i++) {
		const struct module *module = loader_at(i);
		if (is_one && !span_equal(wanted, span_from(module->name)))
			continue;
		for (uint32_t j = 0; j < module->settings.fields.count; j++)
			rpc_add_printf(call, NULL, NULL, "%s: %s", module->name,
				       module->settings.fields.rows[j].name);
	}
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void run_flags(struct rpc_call *call)
{
	rpc_add_text(call, NULL, NULL, SPAN_OF("FIBERS, ROBUST_LOCKS, RECVMMSG, PCRE2_JIT"));
}

static void run_udp4_raw_info(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "udp4_raw", 0);
	rpc_add_int(call, node, "udp4_raw_mtu", 1500);
	rpc_add_int(call, node, "udp4_raw_ttl", -1);
}

const struct rpc_command kex_commands[KEX_COMMAND_COUNT] = {
	{ "stats.get_statistics", run_get_statistics, "Shows statistics as lines.",
	  "all | group: | group:name | name …", true },
	{ "stats.fetch", run_fetch, "Shows statistics as a structure of texts.",
	  "all | group: | group:name | name …" },
	{ "stats.fetchn", run_fetchn, "Shows statistics as a structure of numbers.",
	  "all | group: | group:name | name …" },
	{ "stats.reset_statistics", run_reset, "Sets counts to 0.",
	  "all | group: | group:name | name …" },
	{ "stats.clear_statistics", run_clear, "Shows counts, then sets them to 0.",
	  "all | group: | group:name | name …" },
	{ "pkg.stats", run_pkg_stats, "Shows the private memory of processes.",
	  "[pid|rank|index N]", true },
	{ "pkg.info", run_pkg_info, "Shows what manages private memory." },
	{ "modparam.getn", run_modparam_getn, "Shows a numeric module parameter.",
	  "module parameter" },
	{ "modparam.gets", run_modparam_gets, "Shows a text module parameter.",
	  "module parameter" },
	{ "modparam.setn", run_modparam_setn, "Changes a numeric module parameter.",
	  "module parameter number" },
	{ "modparam.list", run_modparam_list, "Lists module parameters.", "[module]", true },
	{ "core.flags", run_flags, "Shows what was built in." },
	{ "core.udp4_raw_info", run_udp4_raw_info, "Shows options of raw sockets." },
	{ "mod.stats", kex_mod_stats, "Shows the memory of modules.", "module|all shm|pkg|all" },
	{ "mod.mem_stats", kex_mod_stats, "Shows the memory of modules.", "module|all shm|pkg|all" },
	{ "udp.proxy.dump", kex_proxy_dump,
	  "Lists the clients behind load balancers (udp_accept_proxy).", NULL, true },
	{ "udp.proxy.stats", kex_proxy_stats, "Shows how many clients are behind load balancers." },
	{ "udp.proxy.clean", kex_proxy_clean,
	  "Forgets clients that were not heard of for two hours." },
	{ "udp.proxy.flush", kex_proxy_flush, "Forgets all clients behind load balancers." },
	{ "mod.mem_statsx", kex_mod_stats_counted, "The same, with the number of pieces.",
	  "module|all shm|pkg|all" },
};
