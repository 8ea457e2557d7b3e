/* SPDX-License-Identifier: BSD-2-Clause */
/* cfg_rpc: looking at settings and changing them while the server runs. Groups are "core", modules,
 * and those of custom parameters (group.name = value in the script's file). */
#include "modules/cfg_rpc/store.h"

/* ---- looking ------------------------------------------------------------------------------------------ */

static void run_list(struct rpc_call *call)
{
	struct span wanted = { NULL, 0 };
	struct setting setting;
	bool is_one = rpc_arg_text(call, 0, &wanted);
	for (unsigned i = 0; setting_at(i, &setting); i++) {
		struct span group = setting_group(&setting), name = setting_name(&setting);
		if (!is_one || span_equal(wanted, group))
			rpc_add_printf(call, NULL, NULL, "%.*s: %.*s", SPAN_ARGS(group),
				       SPAN_ARGS(name));
	}
}

/* Unset texts are shown as tools know them. */
static void add_value(struct rpc_call *call, struct rpc_node *node, const char *name,
		      const struct value *value)
{
	if (value->kind == VALUE_INT)
		rpc_add_int(call, node, name, value->number);
	else
		rpc_add_text(call, node, name,
			     value->kind == VALUE_TEXT ? value->text : SPAN_OF("<null string>"));
}

static struct value value_at(struct rpc_call *call, const struct place *place,
			     const struct setting *setting)
{
	return place->has_instance ? instance_value(place, setting, rpc_arena(call))
				   : setting_value(setting);
}

static void get_group(struct rpc_call *call, const struct place *place)
{
	struct setting setting;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	for (unsigned i = 0; setting_at(i, &setting); i++) {
		if (!span_equal(place->group, setting_group(&setting)))
			continue;
		const struct value value = value_at(call, place, &setting);
		const char *name = arena_string(rpc_arena(call), setting_name(&setting));
		if (name)
			add_value(call, node, name, &value);
	}
}

/* The first argument: a group, or an instance of one that exists. */
static bool need_place(struct rpc_call *call, struct place *out)
{
	struct span text;
	if (!rpc_need_text(call, 0, "group", &text))
		return false;
	if (!place_parse(text, out)) {
		rpc_fault(call, 400, "Wrong group syntax. Use either \"group\", or \"group[id]\"");
		return false;
	}
	return true;
}

static bool need_existing_place(struct rpc_call *call, const char *what, struct place *out)
{
	if (!need_place(call, out))
		return false;
	if (out->has_instance && !instance_exists(out)) {
		rpc_fault(call, 400, "Failed to %s: there is no such instance of the group", what);
		return false;
	}
	return true;
}

/* The second argument: a setting of the group. */
static bool need_setting(struct rpc_call *call, const struct place *place, const char *what,
			 struct setting *out)
{
	struct span name;
	if (!rpc_need_text(call, 1, "variable", &name))
		return false;
	if (setting_find(place->group, name, out))
		return true;
	rpc_fault(call, 400, "Failed to %s: there is no %.*s.%.*s; cfg.list shows what there is",
		  what, SPAN_ARGS(place->group), SPAN_ARGS(name));
	return false;
}

static void run_get(struct rpc_call *call)
{
	struct place place;
	struct setting setting;
	if (!need_existing_place(call, "get the variable", &place))
		return;
	if (rpc_arg_count(call) < 2) {
		get_group(call, &place);
	} else if (need_setting(call, &place, "get the variable", &setting)) {
		const struct value value = value_at(call, &place, &setting);
		add_value(call, NULL, NULL, &value);
	}
}

static void run_help(struct rpc_call *call)
{
	struct place place;
	struct setting setting;
	if (!need_place(call, &place) ||
	    !need_setting(call, &place, "get the variable description", &setting))
		return;
	rpc_add_text(call, NULL, NULL, setting_doc(&setting));
	rpc_add_printf(call, NULL, NULL, "(parameter type is %s)",
		       setting_is_text(&setting) ? "string" : "integer");
}

/* ---- changing -------------------------------------------------------------------------------------------- */

/* Arguments group, variable, value; the value takes the kind of the setting. */
static bool need_change(struct rpc_call *call, struct place *place, struct setting *setting,
			struct value *out)
{
	struct value value = { .kind = VALUE_INT };
	if (!need_existing_place(call, "set the variable", place) ||
	    !need_setting(call, place, "set the variable", setting))
		return false;
	if (setting_is_text(setting))
		value.kind = VALUE_TEXT;
	if (value.kind == VALUE_TEXT ? !rpc_need_text(call, 2, "value", &value.text)
				     : !rpc_need_int(call, 2, "value", &value.number))
		return false;
	const char *wrong = setting_check(setting, &value, rpc_arena(call));
	if (wrong)
		rpc_fault(call, 400, "Failed to set the variable: %s", wrong);
	*out = value;
	return !wrong;
}

static const char *change(struct rpc_call *call, const struct place *place,
			  const struct setting *setting, const struct value *value)
{
	return place->has_instance ? instance_change(place, setting, value)
				   : setting_change(setting, value, rpc_arena(call));
}

static void run_set_now(struct rpc_call *call)
{
	struct place place;
	struct setting setting;
	struct value value;
	if (!need_change(call, &place, &setting, &value))
		return;
	const char *wrong = change(call, &place, &setting, &value);
	if (wrong)
		rpc_fault(call, 400, "Failed to set the variable: %s", wrong);
}

/* Back to what the file says, or, for an instance, to what its group has. */
static void run_reset(struct rpc_call *call)
{
	struct place place;
	struct setting setting;
	if (!need_existing_place(call, "reset the group", &place))
		return;
	if (place.has_instance) {
		instance_forget(&place, NULL);
		return;
	}
	for (unsigned i = 0; setting_at(i, &setting); i++) {
		if (!span_equal(place.group, setting_group(&setting)) ||
		    !setting_can_change(&setting))
			continue;
		const struct value value = setting_initial(&setting);
		const char *wrong = setting_change(&setting, &value, rpc_arena(call));
		if (wrong)
			rpc_fault(call, 400, "Failed to reset the group: %s", wrong);
	}
}

/* ---- instances of groups ----------------------------------------------------------------------------------- */

static bool need_instance(struct rpc_call *call, struct place *out)
{
	struct span text;
	if (!rpc_need_text(call, 0, "group", &text))
		return false;
	if (place_parse(text, out) && out->has_instance)
		return true;
	rpc_fault(call, 400, "Wrong group syntax. Use \"group[id]\"");
	return false;
}

static void run_add_instance(struct rpc_call *call)
{
	struct place place;
	if (!need_instance(call, &place))
		return;
	const char *wrong = instance_add(&place);
	if (wrong)
		rpc_fault(call, 400, "Failed to add the group instance: %s", wrong);
}

static void run_remove_instance(struct rpc_call *call)
{
	struct place place;
	if (need_instance(call, &place) && !instance_remove(&place))
		rpc_fault(call, 400, "Failed to delete the group instance");
}

static bool need_own_value(struct rpc_call *call, struct place *place, struct setting *setting)
{
	if (!need_instance(call, place))
		return false;
	if (instance_exists(place))
		return need_setting(call, place, "delete the value", setting);
	rpc_fault(call, 400, "Failed to delete the value");
	return false;
}

static void run_del(struct rpc_call *call)
{
	struct place place;
	struct setting setting;
	if (need_own_value(call, &place, &setting))
		instance_forget(&place, &setting);
}

/* ---- changes that wait --------------------------------------------------------------------------------------- */

static void run_set_delayed(struct rpc_call *call)
{
	struct place place;
	struct setting setting;
	struct value value;
	if (!need_change(call, &place, &setting, &value))
		return;
	const char *wrong = staged_add(&place, &setting, &value);
	if (wrong)
		rpc_fault(call, 400, "Failed to set the variable: %s", wrong);
}

static void run_del_delayed(struct rpc_call *call)
{
	struct place place;
	struct setting setting;
	if (!need_own_value(call, &place, &setting))
		return;
	const char *wrong = staged_add(&place, &setting, NULL);
	if (wrong)
		rpc_fault(call, 400, "Failed to delete the value: %s", wrong);
}

static struct place place_of(const struct staged *staged)
{
	return (struct place){ .group = setting_group(&staged->setting),
			       .has_instance = staged->has_instance,
			       .instance = staged->instance };
}

static void run_commit(struct rpc_call *call)
{
	struct staged staged;
	const char *first_wrong = NULL;
	for (unsigned i = 0; staged_at(i, rpc_arena(call), &staged); i++) {
		struct place place = place_of(&staged);
		const char *wrong = NULL;
		if (staged.is_removal)
			instance_forget(&place, &staged.setting);
		else
			wrong = change(call, &place, &staged.setting, &staged.value);
		first_wrong = first_wrong ? first_wrong : wrong;
	}
	staged_clear();
	if (first_wrong)
		rpc_fault(call, 400, "Failed to commit the changes: %s", first_wrong);
}

static void run_rollback(struct rpc_call *call)
{
	(void)call;
	staged_clear();
}

static void run_diff(struct rpc_call *call)
{
	struct staged staged;
	for (unsigned i = 0; staged_at(i, rpc_arena(call), &staged); i++) {
		struct place place = place_of(&staged);
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		const struct value old = value_at(call, &place, &staged.setting);
		const struct value now =
			staged.is_removal ? setting_value(&staged.setting) : staged.value;
		if (place.has_instance)
			rpc_add_printf(call, node, "group name", "%.*s[%u]", SPAN_ARGS(place.group),
				       place.instance);
		else
			rpc_add_text(call, node, "group name", place.group);
		rpc_add_text(call, node, "variable name", setting_name(&staged.setting));
		add_value(call, node, "old value", &old);
		add_value(call, node, "new value", &now);
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
	{ "cfg.reset", run_reset, "Takes a group back to what the file says.", "group" },
	{ "cfg.del", run_del, "Takes a setting of an instance back to the group's value.",
	  "group[id] variable" },
	{ "cfg.set_delayed", run_set_delayed, "Notes a change for cfg.commit.",
	  "group variable value" },
	{ "cfg.set_delayed_int", run_set_delayed, "Notes a change for cfg.commit.",
	  "group variable number" },
	{ "cfg.set_delayed_string", run_set_delayed, "Notes a change for cfg.commit.",
	  "group variable text" },
	{ "cfg.del_delayed", run_del_delayed, "Notes a cfg.del for cfg.commit.",
	  "group[id] variable" },
	{ "cfg.commit", run_commit, "Makes the noted changes." },
	{ "cfg.rollback", run_rollback, "Forgets the noted changes." },
	{ "cfg.diff", run_diff, "Shows the noted changes.", NULL, true },
	{ "cfg.add_group_inst", run_add_instance, "Adds an instance of a group.", "group[id]" },
	{ "cfg.del_group_inst", run_remove_instance, "Removes an instance of a group.",
	  "group[id]" },
};

static bool prepare(struct diagnostics *diagnostics)
{
	(void)diagnostics;
	return store_prepare();
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "cfg_rpc",
	.doc = "Commands that show and change settings.",
	.commands = ROWS(commands),
	.prepare = prepare,
};
