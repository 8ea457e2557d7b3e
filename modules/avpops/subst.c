/* SPDX-License-Identifier: BSD-2-Clause */
/* subst: avp_subst and avp_subst_pv, substitutions in the values of AVPs. */
#include "modules/avpops/avpops.h"

SPEC_ACCEPT(check_avps, SPEC_SUBST)

static const char *check_substitution(struct span text, int64_t number)
{
	struct span error = { 0 };
	(void)number;
	if (substitution_compile(text, startup_arena(), &error))
		return NULL;
	return error.at ? arena_string(startup_arena(), error) : "memory is exhausted";
}

struct subst_args {
	struct span avps, substitution;
};
#define AVPS FIELD(struct subst_args, avps, "AVP, with another one for the result, g: all values, d: the " \
		"first AVP is deleted: \"$avp(a)/$avp(b)/g\"", .literal = true, .accept = check_avps)
static const struct field constant_fields[] = {
	AVPS,
	FIELD(struct subst_args, substitution, "\"/regular expression/replacement/flags\"", .literal = true,
		.accept = check_substitution),
};
#define constant_args subst_args
SCRIPT_HANDLER_OF(avp_subst, constant)
static const struct field variable_fields[] = {
	AVPS,
	FIELD(struct subst_args, substitution,
		"\"/regular expression/replacement/flags\", with variables in it"),
};
#define variable_args subst_args
SCRIPT_HANDLER_OF(avp_subst_pv, variable)

static const struct script_function functions[] = {
	FUNCTION_OF("avp_subst", avp_subst, constant, IN_ANY, "Replaces what matches in an AVP."),
	FUNCTION_OF("avp_subst_pv", avp_subst_pv, variable, IN_ANY,
		"The same with variables in the regular expression."),
};
const struct function_table subst_functions = { functions, ARRAY_SIZE(functions) };

/* The values that the substitution changed go, if they are to go; their results come instead. */
struct change {
	const struct avp *from;
	struct span text;
};

static void unlink_avp(struct attributes *all, const struct avp *avp)
{
	for (struct avp **at = &all->avps; *at; at = &(*at)->next)
		if (*at == avp) {
			*at = avp->next;
			return;
		}
}

static bool substitute(struct script_run *run, const struct substitution *s, const struct avp *avp,
		       struct change *out)
{
	if (avp->value.kind != VALUE_TEXT)
		return false;
	struct writer w = writer_in_arena(run->arena, avp->value.text.len + 64);
	if (!substitution_apply(run, s, avp->value.text, &w) || w.failed)
		return false;
	*out = (struct change){ avp, writer_result(&w) };
	return true;
}

static int subst(struct script_run *run, const struct subst_args *args)
{
	struct attributes *all = &run->msg->attributes;
	const struct avp_spec *spec = spec_of(SPEC_SUBST, args->avps);
	const struct substitution *s = substitution_cached(args->substitution);
	if (!spec || !s)
		return SCRIPT_FALSE;
	const struct avp_name from = avp_name_of(run, spec->variable);
	const struct avp_name to = spec->second ? avp_name_of(run, spec->second) : from;
	unsigned count = avp_count(all, from), changed = 0;
	if (count > 1 && !(spec->flags & FLAG_ALL))
		count = 1;
	struct change *changes = count ? ARENA_ARRAY(run->arena, struct change, count) : NULL;
	for (unsigned i = 0; changes && i < count; i++)
		changed += substitute(run, s, avp_find(all, from, i), &changes[changed]);
	for (unsigned i = 0; i < changed; i++) {
		if (!spec->second || (spec->flags & FLAG_DELETE))
			unlink_avp(all, changes[i].from);
		if (!avp_push(all, to, VALUE_OF_TEXT(changes[i].text)))
			return SCRIPT_FALSE;
	}
	return changed ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int avp_subst(struct script_run *run, const struct subst_args *args)
{
	return subst(run, args);
}

static int avp_subst_pv(struct script_run *run, const struct subst_args *args)
{
	return subst(run, args);
}
