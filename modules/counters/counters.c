/* SPDX-License-Identifier: BSD-2-Clause */
/* counters: counts that the script keeps, and the cnt.* commands over all counts. */
#include <stdlib.h>

#include "core/module/module.h"

#define DECLARED_MOST 256

static struct {
	struct span script_cnt_grp_name;
	struct declared {
		struct span group, name, doc;
	} declared[DECLARED_MOST];
	unsigned count;
} settings = { .script_cnt_grp_name = SPAN("script") };

/* declaration = [ group "." ] name [ ( " " / ":" ) description ] */
static const char *declare(struct span text, int64_t number)
{
	(void)number;
	if (!text.len)
		return "expects \"[group.]name[ description]\"";
	if (settings.count == DECLARED_MOST)
		return "too many counters";
	size_t blank = span_find(text, ' ', 0), colon = span_find(text, ':', 0);
	size_t end = blank < colon ? blank : colon;
	struct span name = span_slice(text, 0, end);
	size_t dot = span_find(name, '.', 0);
	struct declared *added = &settings.declared[settings.count++];
	added->doc = span_trim(span_slice(text, end + 1, text.len));
	if (!added->doc.len)
		added->doc = SPAN_OF("custom script counter.");
	added->group = dot < name.len ? span_slice(name, 0, dot) : (struct span){ NULL, 0 };
	added->name = dot < name.len ? span_slice(name, dot + 1, name.len) : name;
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("script_counter", declare,
		     "a counter for the script: [group.]name[ description]"),
	FIELD(settings, script_cnt_grp_name, "group of counters that name none"),
};

static bool prepare(struct diagnostics *diagnostics)
{
	for (unsigned i = 0; i < settings.count; i++) {
		const struct declared *d = &settings.declared[i];
		char *group = arena_string(startup_arena(),
					   d->group.at ? d->group : settings.script_cnt_grp_name);
		char *name = arena_string(startup_arena(), d->name),
		     *doc = arena_string(startup_arena(), d->doc);
		if (!group || !name || !doc ||
		    counter_register(group, name, doc, COUNTER_COUNT) == COUNTER_NONE) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "too-many-counters",
				       module_setting_position("counters", "script_counter"),
				       "too many counters");
			return false;
		}
	}
	return true;
}

/* ---- script ------------------------------------------------------------------------------------------------- */

struct name_args {
	struct span name;
};
struct add_args {
	struct span name;
	int64_t number;
};
static const struct field name_fields[] = { FIELD(struct name_args, name, "[group.]name") };
static const struct field add_fields[] = { FIELD(struct add_args, name, "[group.]name"),
					   FIELD(struct add_args, number, "number to add") };
SCRIPT_HANDLER_OF(cnt_inc, name)
SCRIPT_HANDLER_OF(cnt_reset, name)
SCRIPT_HANDLER_OF(cnt_add, add)

static counter_id find(struct span name)
{
	size_t dot = span_find(name, '.', 0);
	counter_id id = dot < name.len ? counter_find(span_slice(name, 0, dot),
						      span_slice(name, dot + 1, name.len))
				       : counter_find(settings.script_cnt_grp_name, name);
	if (id == COUNTER_NONE)
		log_error("there is no counter \"%.*s\"; declare it with script_counter",
			  SPAN_ARGS(name));
	return id;
}

static int cnt_inc(struct script_run *run, const struct name_args *args)
{
	counter_id id = find(args->name);
	counter_inc(id);
	return id == COUNTER_NONE ? SCRIPT_FALSE : SCRIPT_TRUE;
}

static int cnt_add(struct script_run *run, const struct add_args *args)
{
	counter_id id = find(args->name);
	counter_add(id, args->number);
	return id == COUNTER_NONE ? SCRIPT_FALSE : SCRIPT_TRUE;
}

static int cnt_reset(struct script_run *run, const struct name_args *args)
{
	counter_id id = find(args->name);
	return id != COUNTER_NONE && counter_reset(id) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static counter_id need_counter(struct rpc_call *call)
{
	struct span group, name;
	if (!rpc_need_text(call, 0, "group", &group) || !rpc_need_text(call, 1, "name", &name))
		return COUNTER_NONE;
	counter_id id = counter_find(group, name);
	if (id == COUNTER_NONE)
		rpc_fault(call, 400, "non-existent counter %.*s.%.*s", SPAN_ARGS(group),
			  SPAN_ARGS(name));
	return id;
}

static void run_get_vars(struct rpc_call *call);

/* A group alone asks for all of it. */
static void run_get(struct rpc_call *call)
{
	if (rpc_arg_count(call) == 1) {
		run_get_vars(call);
		return;
	}
	counter_id id = need_counter(call);
	if (id != COUNTER_NONE)
		rpc_add_int(call, NULL, NULL, counter_read(id));
}

static void run_reset(struct rpc_call *call)
{
	counter_id id = need_counter(call);
	if (id != COUNTER_NONE)
		counter_reset(id);
}

static void run_help(struct rpc_call *call)
{
	counter_id id = need_counter(call);
	struct counter_info info;
	if (id != COUNTER_NONE && counter_describe(id, &info))
		rpc_add_text(call, NULL, NULL, span_from(info.doc));
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void run_groups(struct rpc_call *call)
{
	static const char *list[COUNTERS_MOST];
	unsigned count = 0;
	for (const char *group = counter_next_group(NULL); group && count < COUNTERS_MOST;
	     group = counter_next_group(group))
		list[count++] = group;
	qsort(list, count, sizeof(list[0]), compare_names);
	for (unsigned i = 0; i < count; i++)
		rpc_add_text(call, NULL, NULL, span_from(list[i]));
}

/* Names, or with a struct names and values, of one group, sorted. */
static void list_group(struct rpc_call *call, struct span group, struct rpc_node *node)
{
	static const char *list[COUNTERS_MOST];
	struct counter_info info;
	unsigned count = 0;
	for (counter_id id = counter_next(COUNTER_NONE, group);
	     id != COUNTER_NONE && count < COUNTERS_MOST; id = counter_next(id, group))
		if (counter_describe(id, &info))
			list[count++] = info.name;
	qsort(list, count, sizeof(list[0]), compare_names);
	for (unsigned i = 0; i < count; i++) {
		if (node)
			rpc_add_int(call, node, list[i],
				    counter_read(counter_find(group, span_from(list[i]))));
		else
			rpc_add_text(call, NULL, NULL, span_from(list[i]));
	}
}

static void run_list(struct rpc_call *call)
{
	struct span group;
	if (rpc_need_text(call, 0, "group", &group))
		list_group(call, group, NULL);
}

static void run_get_vars(struct rpc_call *call)
{
	struct span group;
	if (rpc_need_text(call, 0, "group", &group))
		list_group(call, group, rpc_add_struct(call, NULL, NULL));
}

static const struct rpc_command commands[] = {
	{ "cnt.get", run_get, "Shows one counter.", "group name" },
	{ "cnt.get_raw", run_get, "Shows one counter.", "group name" },
	{ "cnt.reset", run_reset, "Sets a counter to 0.", "group name" },
	{ "cnt.help", run_help, "Shows what a counter counts.", "group name" },
	{ "cnt.grps_list", run_groups, "Lists the groups.", NULL, true },
	{ "cnt.list_groups", run_groups, "Lists the groups.", NULL, true },
	{ "cnt.list_vars", run_list, "Lists the counters of a group.", "group", true },
	{ "cnt.var_list", run_list, "Lists the counters of a group.", "group", true },
	{ "cnt.get_vars", run_get_vars, "Shows all counters of a group.", "group" },
	{ "cnt.grp_get_all", run_get_vars, "Shows all counters of a group.", "group" },
};

static const struct script_function functions[] = {
	FUNCTION_OF("cnt_inc", cnt_inc, name, IN_ANY, "Adds 1 to a counter."),
	FUNCTION_OF("cnt_add", cnt_add, add, IN_ANY, "Adds a number to a counter."),
	FUNCTION_OF("cnt_reset", cnt_reset, name, IN_ANY, "Sets a counter to 0."),
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "counters",
	.doc = "Counts of the script, and commands for all counts.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = ROWS(commands),
	.prepare = prepare,
};
