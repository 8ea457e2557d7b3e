/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file uses and what is not there: one diagnostic each, with a list of what depends on it. */
#include "core/base/missing.h"

#define NAMES_SHOWN 8

struct missing_name {
	struct missing_name *next;
	struct span text;
};

/* A module, or a function when `is_function`. */
struct missing_thing {
	struct missing_thing *next;
	struct span name;
	bool is_function;
	struct diagnostic *told;
	const char *hint;
	unsigned uses[MISSING_USES];
	struct missing_name *names, **last_name; /* different ones, in the order of the file */
	unsigned name_count;
};

static struct missing_thing *find(struct diagnostics *all, struct span name, bool is_function)
{
	for (struct missing_thing *thing = all->missing; thing; thing = thing->next)
		if (thing->is_function == is_function && span_equal(thing->name, name))
			return thing;
	return NULL;
}

static void tell(struct diagnostics *all, struct span name, bool is_function, struct diagnostic *d,
		 const char *hint)
{
	struct missing_thing *thing = ARENA_NEW(all->arena, struct missing_thing);
	if (hint)
		diagnostic_hint(all, d, "%s", hint);
	if (!thing)
		return;
	*thing = (struct missing_thing){ .next = all->missing,
					 .name = arena_copy(all->arena, name),
					 .is_function = is_function,
					 .told = d,
					 .hint = hint };
	if (hint)
		thing->hint = arena_string(all->arena, span_from(hint));
	thing->last_name = &thing->names;
	all->missing = thing;
}

static void add_name(struct diagnostics *all, struct missing_thing *thing, struct span text)
{
	for (const struct missing_name *name = thing->names; name; name = name->next)
		if (span_equal(name->text, text))
			return;
	struct missing_name *name = ARENA_NEW(all->arena, struct missing_name);
	if (!name)
		return;
	*name = (struct missing_name){ .text = arena_copy(all->arena, text) };
	*thing->last_name = name;
	thing->last_name = &name->next;
	thing->name_count++;
}

static void write_names(const struct missing_thing *thing, struct writer *out)
{
	unsigned shown = 0;
	for (const struct missing_name *name = thing->names; name && shown < NAMES_SHOWN;
	     name = name->next)
		writer_printf(out, "%s%.*s", shown++ ? ", " : "", SPAN_ARGS(name->text));
	if (thing->name_count > shown)
		writer_printf(out, " and %u more", thing->name_count - shown);
}

static void write_module_uses(const struct missing_thing *thing, struct writer *out)
{
	static const char *const words[MISSING_USES] = { "parameter", "call", "variable",
							 "module" };
	unsigned kinds = 0;
	for (unsigned i = 0; i < MISSING_USES; i++) {
		if (!thing->uses[i])
			continue;
		writer_printf(out, "%s%u %s%s",
			      kinds++ ? ", " : "not checked for want of it: ", thing->uses[i],
			      words[i], thing->uses[i] == 1 ? "" : "s");
	}
	if (thing->name_count) {
		writer_literal(out, " (");
		write_names(thing, out);
		writer_char(out, ')');
	}
}

static void update_hint(struct diagnostics *all, struct missing_thing *thing)
{
	char text[1024];
	struct writer w = writer_fixed(text, sizeof(text) - 1);
	if (thing->hint)
		writer_printf(&w, "%s; ", thing->hint);
	if (thing->is_function) {
		writer_literal(&w, "also called in line ");
		write_names(thing, &w);
	} else {
		write_module_uses(thing, &w);
	}
	text[w.len] = '\0';
	diagnostic_hint(all, thing->told, "%s", text);
}

void missing_module_told(struct diagnostics *all, struct span module, struct diagnostic *d,
			 const char *hint)
{
	tell(all, module, false, d, hint);
}

bool missing_module_uses(struct diagnostics *all, struct span module, enum missing_use use,
			 struct span name)
{
	struct missing_thing *thing = find(all, module, false);
	if (!thing)
		return false;
	all->told_with_missing++;
	thing->uses[use]++;
	if (use != MISSING_SETTING)
		add_name(all, thing, name);
	update_hint(all, thing);
	return true;
}

void missing_function_told(struct diagnostics *all, struct span function, struct diagnostic *d,
			   const char *hint)
{
	tell(all, function, true, d, hint);
}

bool missing_function_again(struct diagnostics *all, struct span function, uint32_t line)
{
	struct missing_thing *thing = find(all, function, true);
	if (!thing)
		return false;
	all->told_with_missing++;
	char number[16];
	struct writer w = writer_fixed(number, sizeof(number));
	writer_printf(&w, "%u", line);
	add_name(all, thing, writer_result(&w));
	update_hint(all, thing);
	return true;
}
