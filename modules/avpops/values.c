/* SPDX-License-Identifier: BSD-2-Clause */
/* values: the values that a variable has, several in the case of an AVP. */
#include "modules/avpops/avpops.h"

bool is_avp(const struct variable_ref *ref)
{
	return strcmp(ref->row->name, "avp") == 0;
}

/* A constant name was bound when the variable was read; aliases are resolved then. */
struct avp_name avp_name_of(struct script_run *run, const struct variable_ref *ref)
{
	return ref->bound ? *(const struct avp_name *)ref->bound
			  : avp_name_parse(variable_inner_text(run, ref));
}

unsigned values_of(struct script_run *run, const struct variable_ref *ref, bool all,
		   const struct value **out)
{
	struct value one, *values;
	const struct attributes *attributes = &run->msg->attributes;
	if (!is_avp(ref) || !all) {
		if (!variable_read(run, ref, &one) || one.kind == VALUE_NULL)
			return 0;
		values = ARENA_NEW(run->arena, struct value);
		if (values)
			*values = one;
		*out = values;
		return values ? 1 : 0;
	}
	const struct avp_name name = avp_name_of(run, ref);
	unsigned count = avp_count(attributes, name);
	values = count ? ARENA_ARRAY(run->arena, struct value, count) : NULL;
	*out = values;
	for (unsigned i = 0; values && i < count; i++)
		values[i] = avp_find(attributes, name, i)->value;
	return values ? count : 0;
}

bool avp_is_of_class(const struct avp *avp, struct span class)
{
	switch (ascii_lower(class.at[0])) {
	case 's': return !avp->name_is_number;
	case 'i': return avp->name_is_number;
	default: return true;
	}
}
