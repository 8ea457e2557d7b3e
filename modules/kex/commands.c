/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands for statistics, memory and module parameters. */
#include <stdio.h>
#include <unistd.h>

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
			return (struct selection){ span_slice(text, 0, dot), span_slice(text, dot + 1, text.len) };
		return (struct selection){ { NULL, 0 }, text };
	}
	struct span name = span_slice(text, colon + 1, text.len);
	return (struct selection){ span_slice(text, 0, colon), name.len ? name : (struct span){ NULL, 0 } };
}

static bool is_selected(const struct selection *selection, const struct counter_info *info)
{
	return (!selection->group.at || span_equal(selection->group, span_from(info->group))) &&
	       (!selection->name.at || span_equal(selection->name, span_from(info->name)));
}

typedef void (*counter_action)(struct rpc_call *call, struct rpc_node *node, counter_id id,
	const struct counter_info *info);

/* Calls `action` for every counter that an argument names, in the order of the arguments. */
static void for_selected(struct rpc_call *call, struct rpc_node *node, counter_action action)
{
	struct span text;
	if (!rpc_arg_count(call)) {
		rpc_fault(call, 400, "expected: all, group:, group:name or name");
		return;
	}
	for (unsigned i = 0; i < rpc_arg_count(call); i++) {
		if (!rpc_arg_text(call, i, &text))
			continue;
		struct selection selection = parse_selection(text);
		counter_id id = COUNTER_NONE;
		while ((id = counter_next(id, selection.group)) != COUNTER_NONE) {
			struct counter_info info;
			if (counter_describe(id, &info) && is_selected(&selection, &info))
				action(call, node, id, &info);
		}
	}
}

static void print_counter(struct rpc_call *call, struct rpc_node *node, counter_id id, const struct counter_info *info)
{
	rpc_add_printf(call, NULL, NULL, "%s:%s = %lld", info->group, info->name, (long long)counter_read(id));
}

static void add_counter_text(struct rpc_call *call, struct rpc_node *node, counter_id id, const struct counter_info *info)
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

static void reset_counter(struct rpc_call *call, struct rpc_node *node, counter_id id, const struct counter_info *info)
{
	counter_reset(id);
}

static void clear_counter(struct rpc_call *call, struct rpc_node *node, counter_id id, const struct counter_info *info)
{
	int64_t before = counter_read(id);
	bool is_reset = counter_reset(id);
	rpc_add_printf(call, NULL, NULL, "%s:%s = %s (%lld)", info->group, info->name, is_reset ? "0" : "no reset",
		(long long)before);
}

static void run_get_statistics(struct rpc_call *call)
{
	for_selected(call, NULL, print_counter);
}

static void run_fetch(struct rpc_call *call)
{
	for_selected(call, rpc_add_struct(call, NULL, NULL), add_counter_text);
}

static void run_fetchn(struct rpc_call *call)
{
	for_selected(call, rpc_add_struct(call, NULL, NULL), add_counter_number);
}

static void run_reset(struct rpc_call *call)
{
	for_selected(call, NULL, reset_counter);
}

static void run_clear(struct rpc_call *call)
{
	for_selected(call, NULL, clear_counter);
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

static void run_pkg_stats(struct rpc_call *call)
{
	struct span by;
	int64_t wanted = -1;
	if (rpc_arg_count(call) == 2 && rpc_arg_text(call, 0, &by) && !rpc_need_int(call, 1, "number", &wanted))
		return;
	bool by_pid = wanted >= 0 && span_equal(by, SPAN_OF("pid"));
	for (unsigned i = 0; i < role_count(); i++) {
		const struct role *role = role_at(i);
		if (wanted >= 0 && (by_pid ? role->pid != wanted : (int64_t)i != wanted))
			continue;
		int64_t used = private_bytes(role->pid);
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, "entry", i);
		rpc_add_int(call, node, "pid", role->pid);
		rpc_add_int(call, node, "rank", role->kind == ROLE_WORKER ? (int64_t)role->number + 1 : 0);
		rpc_add_int(call, node, "used", used);
		rpc_add_int(call, node, "free", 0);
		rpc_add_int(call, node, "real_used", used);
		rpc_add_int(call, node, "total_size", used);
		rpc_add_int(call, node, "total_frags", 0);
		rpc_add_text(call, node, "desc", span_from(role->name));
	}
}

/* ---- module parameters ---------------------------------------------------------------------------------------- */

static const struct field *find_setting(struct rpc_call *call, const struct module **out_module)
{
	struct span module, name;
	if (!rpc_need_text(call, 0, "module", &module) || !rpc_need_text(call, 1, "parameter", &name))
		return NULL;
	*out_module = loader_find(module);
	const struct field *field = *out_module ? field_find((*out_module)->settings.fields, name) : NULL;
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

static void run_modparam_list(struct rpc_call *call)
{
	struct span wanted = { NULL, 0 };
	bool is_one = rpc_arg_text(call, 0, &wanted);
	for (unsigned i = 1; i < loader_count(); i++) {
		const struct module *module = loader_at(i);
		if (is_one && !span_equal(wanted, span_from(module->name)))
			continue;
		for (uint32_t j = 0; j < module->settings.fields.count; j++)
			rpc_add_printf(call, NULL, NULL, "%s: %s", module->name, module->settings.fields.rows[j].name);
	}
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void run_flags(struct rpc_call *call)
{
	rpc_add_text(call, NULL, NULL, SPAN_OF("FIBERS, ROBUST_LOCKS, RECVMMSG, PCRE2_JIT"));
}

static void run_tcp_options(struct rpc_call *call)
{
	rpc_fault(call, 500, "stream transports come with a later release");
}

static void run_udp4_raw_info(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "udp4_raw", 0);
	rpc_add_int(call, node, "udp4_raw_mtu", 0);
	rpc_add_int(call, node, "udp4_raw_ttl", -1);
}

static void run_mod_stats(struct rpc_call *call)
{
	rpc_fault(call, 500, "modules have no memory of their own to account for; see core.shmmem and pkg.stats");
}

const struct rpc_command kex_commands[KEX_COMMAND_COUNT] = {
	{ "stats.get_statistics", run_get_statistics, "Shows statistics as lines.", "all | group: | group:name | name …", true },
	{ "stats.fetch", run_fetch, "Shows statistics as a structure of texts.", "all | group: | group:name | name …" },
	{ "stats.fetchn", run_fetchn, "Shows statistics as a structure of numbers.", "all | group: | group:name | name …" },
	{ "stats.reset_statistics", run_reset, "Sets counts to 0.", "all | group: | group:name | name …", true },
	{ "stats.clear_statistics", run_clear, "Shows counts, then sets them to 0.", "all | group: | group:name | name …", true },
	{ "pkg.stats", run_pkg_stats, "Shows the private memory of processes.", "[pid|rank|index N]", true },
	{ "modparam.getn", run_modparam_getn, "Shows a numeric module parameter.", "module parameter" },
	{ "modparam.gets", run_modparam_gets, "Shows a text module parameter.", "module parameter" },
	{ "modparam.list", run_modparam_list, "Lists module parameters.", "[module]", true },
	{ "core.flags", run_flags, "Shows what was built in." },
	{ "core.tcp_options", run_tcp_options, "Shows options of stream transports." },
	{ "core.udp4_raw_info", run_udp4_raw_info, "Shows options of raw sockets." },
	{ "mod.stats", run_mod_stats, "Not offered.", "module shm|pkg" },
	{ "mod.mem_stats", run_mod_stats, "Not offered.", "module shm|pkg" },
};
