/* SPDX-License-Identifier: BSD-2-Clause */
/* cfg_rpc: looking at settings and changing them while the server runs. Groups are "core", modules,
 * and those of custom parameters (group.name = value in the script's file). */
#include "core/module/live.h"
#include "core/module/module.h"
#include "core/script/config_names.h"

#define STAGED_MOST 64

/* Changes that wait for cfg.commit; known to the RPC process only. */
struct staged {
	const struct live_setting *setting;
	int64_t value;
};
static struct {
	struct staged changes[STAGED_MOST];
	unsigned count;
} staging;

/* ---- looking ------------------------------------------------------------------------------------------ */

static void run_list(struct rpc_call *call)
{
	struct span wanted = { NULL, 0 };
	bool is_one = rpc_arg_text(call, 0, &wanted);
	for (unsigned i = 0; live_at(i); i++)
		if (!is_one || span_equal(wanted, span_from(live_at(i)->group)))
			rpc_add_printf(call, NULL, NULL, "%s: %s", live_at(i)->group, live_at(i)->field->name);
	for (unsigned i = 0; config_custom_at(i); i++) {
		const struct config_custom *custom = config_custom_at(i);
		if (!is_one || span_equal(wanted, custom->group))
			rpc_add_printf(call, NULL, NULL, "%.*s: %.*s", SPAN_ARGS(custom->group), SPAN_ARGS(custom->name));
	}
}

static void add_value(struct rpc_call *call, struct rpc_node *node, const char *name, const struct value *value)
{
	if (value->kind == VALUE_INT)
		rpc_add_int(call, node, name, value->number);
	else
		rpc_add_text(call, node, name, value->text);
}

static void get_group(struct rpc_call *call, struct span group)
{
	struct rpc_node *node = NULL;
	for (unsigned i = 0; live_at(i); i++) {
		if (!span_equal(group, span_from(live_at(i)->group)))
			continue;
		node = node ? node : rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, live_at(i)->field->name, live_get(live_at(i)));
	}
	for (unsigned i = 0; config_custom_at(i); i++) {
		const struct config_custom *custom = config_custom_at(i);
		if (!span_equal(group, custom->group))
			continue;
		node = node ? node : rpc_add_struct(call, NULL, NULL);
		add_value(call, node, arena_string(rpc_arena(call), custom->name), &custom->value);
	}
	if (!node)
		rpc_fault(call, 400, "Group not found");
}

static void run_get(struct rpc_call *call)
{
	struct span group, name;
	struct value value;
	if (!rpc_need_text(call, 0, "group", &group))
		return;
	if (!rpc_arg_text(call, 1, &name)) {
		get_group(call, group);
		return;
	}
	const struct live_setting *setting = live_find(group, name);
	if (setting)
		rpc_add_int(call, NULL, NULL, live_get(setting));
	else if (config_custom_find(group, name, &value))
		add_value(call, NULL, NULL, &value);
	else
		rpc_fault(call, 400, "Variable not found");
}

static void run_help(struct rpc_call *call)
{
	struct span group, name;
	if (!rpc_need_text(call, 0, "group", &group) || !rpc_need_text(call, 1, "variable", &name))
		return;
	const struct live_setting *setting = live_find(group, name);
	if (setting) {
		rpc_add_text(call, NULL, NULL, span_from(setting->field->doc));
		rpc_add_text(call, NULL, NULL, SPAN_OF("(parameter type is integer)"));
		return;
	}
	for (unsigned i = 0; config_custom_at(i); i++) {
		const struct config_custom *custom = config_custom_at(i);
		if (!span_equal(group, custom->group) || !span_equal(name, custom->name))
			continue;
		rpc_add_text(call, NULL, NULL, custom->description);
		rpc_add_printf(call, NULL, NULL, "(parameter type is %s)",
			custom->value.kind == VALUE_INT ? "integer" : "string");
		return;
	}
	rpc_fault(call, 400, "Variable not found");
}

/* ---- changing -------------------------------------------------------------------------------------------- */

/* Arguments group, variable, number; NULL after a fault that says what can be changed. */
static const struct live_setting *need_setting(struct rpc_call *call, int64_t *out_number)
{
	struct span group, name;
	struct value value;
	if (!rpc_need_text(call, 0, "group", &group) || !rpc_need_text(call, 1, "variable", &name))
		return NULL;
	const struct live_setting *setting = live_find(group, name);
	if (!setting && config_custom_find(group, name, &value))
		rpc_fault(call, 400, "Custom parameters change at once: use cfg.set_now_int or cfg.set_now_string");
	else if (!setting)
		rpc_fault(call, 400, "Variable not found, or it needs a restart; cfg.list shows what can change");
	else if (!rpc_need_int(call, 2, "value", out_number))
		return NULL;
	return setting;
}

static void apply(struct rpc_call *call, const struct live_setting *setting, int64_t number)
{
	const char *wrong = live_set(setting, number, rpc_arena(call));
	if (wrong)
		rpc_fault(call, 400, "Failed to set the variable: %s", wrong);
	else if (strcmp(setting->group, "core") == 0 && strcmp(setting->field->name, "debug") == 0)
		log_set_threshold((int)number);
}

/* Custom parameters (group.name = value in the file): false when this is none. */
static bool set_custom(struct rpc_call *call)
{
	struct span group, name;
	struct value value;
	if (!rpc_arg_text(call, 0, &group) || !rpc_arg_text(call, 1, &name) || live_find(group, name) ||
		!config_custom_find(group, name, &value))
		return false;
	if (value.kind == VALUE_INT ? !rpc_need_int(call, 2, "value", &value.number) :
		!rpc_need_text(call, 2, "value", &value.text))
		return true;
	if (!config_custom_change(group, name, &value))
		rpc_fault(call, 400, "Failed to set the variable");
	return true;
}

static void run_set_now(struct rpc_call *call)
{
	int64_t number;
	if (set_custom(call))
		return;
	const struct live_setting *setting = need_setting(call, &number);
	if (setting)
		apply(call, setting, number);
}

static void run_set_delayed(struct rpc_call *call)
{
	int64_t number;
	const struct live_setting *setting = need_setting(call, &number);
	if (!setting)
		return;
	if (staging.count == STAGED_MOST)
		rpc_fault(call, 500, "too many changes wait; commit or roll back");
	else
		staging.changes[staging.count++] = (struct staged){ setting, number };
}

static void run_commit(struct rpc_call *call)
{
	for (unsigned i = 0; i < staging.count; i++)
		apply(call, staging.changes[i].setting, staging.changes[i].value);
	staging.count = 0;
}

static void run_rollback(struct rpc_call *call)
{
	staging.count = 0;
}

static void run_diff(struct rpc_call *call)
{
	for (unsigned i = 0; i < staging.count; i++) {
		const struct staged *change = &staging.changes[i];
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_text(call, node, "group name", span_from(change->setting->group));
		rpc_add_text(call, node, "variable name", span_from(change->setting->field->name));
		rpc_add_int(call, node, "old value", live_get(change->setting));
		rpc_add_int(call, node, "new value", change->value);
	}
}

static const struct rpc_command commands[] = {
	{ "cfg.list", run_list, "Lists settings that can change.", "[group]", true },
	{ "cfg.get", run_get, "Shows a setting or a group.", "group [variable]" },
	{ "cfg.help", run_help, "Shows what a setting means.", "group variable", true },
	{ "cfg.set", run_set_now, "Changes a setting now.", "group variable value" },
	{ "cfg.seti", run_set_now, "Changes a setting now.", "group variable number" },
	{ "cfg.set_now_int", run_set_now, "Changes a setting now.", "group variable number" },
	{ "cfg.sets", run_set_now, "Changes a setting now.", "group variable text" },
	{ "cfg.set_now_string", run_set_now, "Changes a setting now.", "group variable text" },
	{ "cfg.set_delayed", run_set_delayed, "Notes a change for cfg.commit.", "group variable value" },
	{ "cfg.set_delayed_int", run_set_delayed, "Notes a change for cfg.commit.", "group variable number" },
	{ "cfg.set_delayed_string", run_set_delayed, "Notes a change for cfg.commit.", "group variable text" },
	{ "cfg.commit", run_commit, "Makes the noted changes." },
	{ "cfg.rollback", run_rollback, "Forgets the noted changes." },
	{ "cfg.diff", run_diff, "Shows the noted changes.", NULL, true },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "cfg_rpc",
	.doc = "Commands that show and change settings.",
	.commands = ROWS(commands),
};
