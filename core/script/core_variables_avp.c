/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_avp: $avp, a stack for each name: assigning pushes, null pops. */
#include "core/script/config_names.h"
#include "core/script/core_variables.h"

static struct avp_name name_from_text(struct span inner)
{
	return avp_name_parse(config_avp_alias_find(inner));
}

static const char *bind_avp(struct variable_ref *ref, struct arena *arena)
{
	if (ref->inner_template)
		return NULL;
	if (!ref->inner.len)
		return "needs a name";
	struct avp_name *name = ARENA_NEW(arena, struct avp_name);
	if (!name)
		return "out of memory";
	*name = name_from_text(ref->inner);
	ref->bound = name;
	return NULL;
}

static struct avp_name name_of(struct script_run *run, const struct variable_ref *ref)
{
	return ref->bound ? *(const struct avp_name *)ref->bound
			  : name_from_text(variable_inner_text(run, ref));
}

/* All values, newest first. */
static bool give_all(struct script_run *run, struct avp_name name, struct value *out)
{
	struct writer w = writer_in_arena(run->arena, 128);
	const struct avp *avp;
	unsigned i = 0;
	for (; (avp = avp_find(&run->msg->attributes, name, i)); i++) {
		writer_string(&w, i ? ", " : "");
		value_write(&avp->value, &w);
	}
	return !i || give_written(out, &w);
}

static bool get_avp(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct avp_name name = name_of(run, ref);
	int index;
	bool all;
	variable_index(run, ref, &index, &all);
	if (all)
		return give_all(run, name, out);
	const struct avp *avp =
		index < 0 ? NULL : avp_find(&run->msg->attributes, name, (unsigned)index);
	if (avp)
		*out = avp->value;
	return true;
}

static bool set_avp(struct script_run *run, const struct variable_ref *ref,
		    const struct value *value)
{
	struct avp_name name = name_of(run, ref);
	struct attributes *all = &run->msg->attributes;
	bool every = ref->index_kind == INDEX_ALL;
	bool is_null = !value || value->kind == VALUE_NULL;
	/* The value may be one of those that go: they stay in the arena, so it remains readable. */
	if (every || is_null)
		avp_remove(all, name, every);
	if (is_null)
		return true;
	if (avp_push(all, name, *value))
		return true;
	log_error("out of memory for %.*s", SPAN_ARGS(ref->text));
	return false;
}

static const struct variable_row rows[] = {
	{ "avp", INNER_NAME, get_avp, set_avp, bind_avp, .takes_index = true, .doc = "A stack of values for the life of the transaction: assigning pushes, null pops, [*] means all." },
};
const struct variable_table avp_variables = ROWS(rows);
