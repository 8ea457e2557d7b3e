/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_flags: message, script and branch flags, as numbers and as hexadecimal text. */
#include "core/script/core_variables.h"

enum { MESSAGE_FLAGS, SCRIPT_FLAGS, BRANCH_FLAGS, AS_HEX = 8 };

static uint32_t *flags_of(struct message *msg, intptr_t selector)
{
	switch (selector & ~(intptr_t)AS_HEX) {
	case MESSAGE_FLAGS: return &msg->flags;
	case SCRIPT_FLAGS: return &msg->script_flags;
	default: return &msg->target.flags;
	}
}

static bool get_flags(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	uint32_t flags = *flags_of(run->msg, ref->row->selector);
	if (!(ref->row->selector & AS_HEX))
		return give_int(out, flags);
	struct writer w = writer_in_arena(run->arena, 12);
	writer_printf(&w, "%08x", flags);
	return give_written(out, &w);
}

static bool set_flags(struct script_run *run, const struct variable_ref *ref,
		      const struct value *value)
{
	if (value && value->kind == VALUE_TEXT) {
		log_error("%.*s needs a number\n", SPAN_ARGS(ref->text));
		return false;
	}
	*flags_of(run->msg, ref->row->selector) =
		value && value->kind == VALUE_INT ? (uint32_t)value->number : 0;
	return true;
}

static const struct variable_row rows[] = {
	{ "mf", INNER_NONE, get_flags, set_flags, .selector = MESSAGE_FLAGS, .doc = "Message and transaction flags." },
	{ "mF", INNER_NONE, get_flags, set_flags, .selector = MESSAGE_FLAGS | AS_HEX, .doc = "Message flags, hexadecimal." },
	{ "sf", INNER_NONE, get_flags, set_flags, .selector = SCRIPT_FLAGS, .doc = "Script flags." },
	{ "sF", INNER_NONE, get_flags, set_flags, .selector = SCRIPT_FLAGS | AS_HEX, .doc = "Script flags, hexadecimal." },
	{ "bf", INNER_NONE, get_flags, set_flags, .selector = BRANCH_FLAGS, .doc = "Flags of the first branch." },
	{ "bF", INNER_NONE, get_flags, set_flags, .selector = BRANCH_FLAGS | AS_HEX, .doc = "Flags of the first branch, hexadecimal." },
};
const struct variable_table flag_variables = ROWS(rows);
