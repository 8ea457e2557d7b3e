/* SPDX-License-Identifier: BSD-2-Clause */
/* shared: $shv, one value for each name, in shared memory. */
#include "modules/pv/pv.h"

struct shared_variable {
	struct slot slot;
	struct span name; /* both texts in the slot's region */
	struct span text;
	int64_t number;
	uint8_t kind; /* VALUE_INT, VALUE_TEXT */
};

static const struct shard_type shared_type = { .name = "shv",
					       .slot_size = sizeof(struct shared_variable) };
static struct shard_set *set;

bool shared_prepare(void)
{
	if (!set)
		set = shard_set_new(&shared_type, 4);
	if (!set)
		log_error("no shared memory for $shv\n");
	return set != NULL;
}

/* Lock held. */
static struct shared_variable *find(struct shard *shard, struct span name)
{
	struct shared_variable *variable = slot_first(shard, hash_span(name));
	while (variable && !span_equal(variable->name, name))
		variable = slot_next(shard, &variable->slot);
	return variable;
}

static struct shared_variable *create(struct shard *shard, struct span name)
{
	struct shared_variable *variable = slot_new(shard, hash_span(name));
	if (!variable)
		return NULL;
	variable->kind = VALUE_INT;
	variable->name = region_copy(shard, &variable->slot, name);
	if (!variable->name.at) {
		slot_free(shard, &variable->slot);
		return NULL;
	}
	slot_publish(shard, &variable->slot);
	return variable;
}

static bool put(struct shard *shard, struct shared_variable *variable, const struct value *value)
{
	struct span old = variable->text, text = { 0 };
	if (value->kind == VALUE_TEXT) {
		text = region_copy(shard, &variable->slot,
				   value->text.len ? value->text : SPAN_OF("\0"));
		if (!text.at)
			return false;
		text.len = value->text.len;
	}
	slot_change_begin(shard, &variable->slot);
	variable->kind = (uint8_t)value->kind;
	variable->number = value->number;
	variable->text = text;
	slot_change_end(shard, &variable->slot);
	if (old.at)
		region_free(shard, &variable->slot, (void *)(uintptr_t)old.at);
	return true;
}

bool shared_set(struct span name, const struct value *value)
{
	/* Null empties, as in the peer. */
	struct value kept =
		value && value->kind != VALUE_NULL ? *value : VALUE_OF_TEXT(SPAN_OF(""));
	if (!name.len || !set)
		return false;
	struct shard *shard = shard_lock(set, hash_span(name));
	struct shared_variable *variable = find(shard, name);
	if (!variable)
		variable = create(shard, name);
	bool ok = variable && put(shard, variable, &kept);
	shard_unlock(shard);
	if (!ok)
		log_error("no shared memory for $shv(%.*s)\n", SPAN_ARGS(name));
	return ok;
}

/* False when there is no such variable. Text is copied into the arena. */
static bool read_shared(struct arena *arena, struct span name, struct value *out)
{
	if (!set)
		return false;
	struct shard *shard = shard_lock(set, hash_span(name));
	const struct shared_variable *variable = find(shard, name);
	if (variable && variable->kind == VALUE_TEXT)
		*out = VALUE_OF_TEXT(arena_copy(arena, variable->text));
	else if (variable)
		*out = VALUE_OF_INT(variable->number);
	shard_unlock(shard);
	return variable != NULL;
}

bool shared_get(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	*out = VALUE_OF_INT(0);
	read_shared(run->arena, variable_inner_text(run, ref), out);
	return out->kind != VALUE_TEXT || out->text.at;
}

bool shared_assign(struct script_run *run, const struct variable_ref *ref,
		   const struct value *value)
{
	return shared_set(variable_inner_text(run, ref), value);
}

/* ---- RPC ------------------------------------------------------------------------------------- */

static void add_variable(struct rpc_call *call, struct rpc_node *parent, const char *name,
			 struct span variable, const struct value *value)
{
	struct rpc_node *node = rpc_add_struct(call, parent, name);
	rpc_add_text(call, node, "name", variable);
	rpc_add_text(call, node, "type",
		     value->kind == VALUE_INT ? SPAN_OF("int") : SPAN_OF("string"));
	if (value->kind == VALUE_INT)
		rpc_add_int(call, node, "value", value->number);
	else
		rpc_add_text(call, node, "value", value->text);
}

/* All of them: a shard at a time, so that writers wait for one shard's listing only. */
static void add_all(struct rpc_call *call)
{
	struct rpc_node *items = rpc_add_struct(call, rpc_add_struct(call, NULL, NULL), "items");
	struct arena *arena = rpc_arena(call);
	for (unsigned i = 0; i < shard_count(set); i++) {
		struct shard *shard = shard_lock_number(set, i);
		struct {
			struct span name;
			struct value value;
		} found[64];
		uint32_t cursor = 0;
		const struct shared_variable *variable;
		do {
			unsigned count = 0;
			while (count < 64 && (variable = slot_each(shard, &cursor))) {
				found[count].name = arena_copy(arena, variable->name);
				found[count++].value =
					variable->kind == VALUE_INT
						? VALUE_OF_INT(variable->number)
						: VALUE_OF_TEXT(arena_copy(arena, variable->text));
			}
			shard_unlock(shard);
			for (unsigned k = 0; k < count; k++)
				add_variable(call, items, "shv", found[k].name, &found[k].value);
			shard = shard_lock_number(set, i);
		} while (variable);
		shard_unlock(shard);
	}
}

static void rpc_get(struct rpc_call *call)
{
	struct span name;
	struct value value;
	if (!rpc_arg_text(call, 0, &name))
		add_all(call);
	else if (read_shared(rpc_arena(call), name, &value))
		add_variable(call, NULL, NULL, name, &value);
	else
		rpc_fault(call, 404, "Variable not found");
}

static void rpc_set(struct rpc_call *call)
{
	struct span name, type, text;
	struct value value, old;
	if (!rpc_need_text(call, 0, "name", &name) || !rpc_need_text(call, 1, "type", &type) ||
	    !rpc_need_text(call, 2, "value", &text))
		return;
	value = VALUE_OF_TEXT(text);
	if (span_equal(type, SPAN_OF("int"))) {
		value = VALUE_OF_INT(0);
		if (!span_to_int64_any_base(text, &value.number)) {
			rpc_fault(call, 400, "\"%.*s\" is no number", SPAN_ARGS(text));
			return;
		}
	} else if (!span_equal(type, SPAN_OF("str")) && !span_equal(type, SPAN_OF("string"))) {
		rpc_fault(call, 400, "the type is int or str, not \"%.*s\"", SPAN_ARGS(type));
		return;
	}
	if (!read_shared(rpc_arena(call), name, &old))
		rpc_fault(call, 404, "Variable not found");
	else if (!shared_set(name, &value))
		rpc_fault(call, 500, "no shared memory");
	else
		rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. Variable set to new value."));
}

const struct rpc_command shared_command_rows[2] = {
	{ "pv.shvGet", rpc_get, "Values of $shv variables: one, or all.", "[name]" },
	{ "pv.shvSet", rpc_set, "Sets a $shv variable that exists.", "name int|str value" },
};
