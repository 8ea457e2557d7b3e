/* SPDX-License-Identifier: BSD-2-Clause */
/* $var, $vn and $vz: their places and their values.
 *
 * Places are numbered while images are built; the numbers of a published image never change, so a
 * reload begins with its names. A name that first appears while the server runs (templates from RPC or
 * a database) gets a number of a second series, private to the process. */
#include <stdlib.h>

#include "core/script/layout.h"
#include "core/script/state.h"

enum { RUNTIME_BIT = 1u << 31, NAMES_MAX = 1u << 16 };

struct script_var {
	struct value value;
	size_t room; /* of value.text's memory */
};

struct names {
	struct script_var_name *at;
	uint32_t count, room;
};
static struct names image_names, runtime_names;
static bool is_building = true; /* until the first image is published by this process's ancestors */

static bool add_name(struct names *names, uint8_t kind, struct span name)
{
	if (names->count == names->room) {
		uint32_t room = names->room ? names->room * 2 : 64;
		void *grown = realloc(names->at, room * sizeof(*names->at));
		if (!grown || room > NAMES_MAX)
			return false;
		names->at = grown;
		names->room = room;
	}
	char *copy = malloc(name.len + 1);
	if (!copy)
		return false;
	memcpy(copy, name.at, name.len);
	copy[name.len] = 0;
	names->at[names->count++] = (struct script_var_name){ kind, { copy, name.len } };
	return true;
}

static uint32_t find_name(const struct script_var_name *at, uint32_t count, uint8_t kind,
			  struct span name)
{
	for (uint32_t i = 0; i < count; i++)
		if (at[i].kind == kind && span_equal(at[i].name, name))
			return i;
	return UINT32_MAX;
}

void script_vars_begin_build(void)
{
	const struct image *image = script_current_image();
	for (uint32_t i = image_names.count; image && i < image->var_count; i++)
		add_name(&image_names, image->vars[i].kind, image->vars[i].name);
	is_building = true;
}

void script_vars_end_build(void)
{
	is_building = false;
}

uint32_t script_vars_copy(struct arena *arena, const struct script_var_name **out_names)
{
	struct script_var_name *copy =
		ARENA_ARRAY(arena, struct script_var_name, image_names.count + 1);
	if (!copy)
		return 0;
	for (uint32_t i = 0; i < image_names.count; i++) {
		copy[i].kind = image_names.at[i].kind;
		copy[i].name = arena_copy(arena, image_names.at[i].name);
		if (!copy[i].name.at)
			return 0;
	}
	*out_names = copy;
	return image_names.count;
}

unsigned script_var_slot(enum script_var_kind kind, struct span name)
{
	const struct image *image = script_current_image();
	uint32_t found = find_name(image_names.at, image_names.count, (uint8_t)kind, name);
	if (found != UINT32_MAX)
		return found;
	if (is_building)
		return add_name(&image_names, (uint8_t)kind, name) ? image_names.count - 1 : 0;
	if (image &&
	    (found = find_name(image->vars, image->var_count, (uint8_t)kind, name)) != UINT32_MAX)
		return found;
	found = find_name(runtime_names.at, runtime_names.count, (uint8_t)kind, name);
	if (found == UINT32_MAX && add_name(&runtime_names, (uint8_t)kind, name))
		found = runtime_names.count - 1;
	return RUNTIME_BIT | (found == UINT32_MAX ? 0 : found);
}

static enum script_var_kind kind_of(const struct script_run *run, unsigned slot)
{
	uint32_t index = slot & ~(unsigned)RUNTIME_BIT;
	if (slot & RUNTIME_BIT)
		return index < runtime_names.count ? runtime_names.at[index].kind : SCRIPT_VAR_ZERO;
	if (run->image && index < run->image->var_count)
		return run->image->vars[index].kind;
	return index < image_names.count ? image_names.at[index].kind : SCRIPT_VAR_ZERO;
}

bool script_var_name_at(unsigned i, enum script_var_kind *out_kind, struct span *out_name)
{
	const struct image *image = script_current_image();
	uint32_t kept = image ? image->var_count : image_names.count;
	const struct script_var_name *name = NULL;
	if (i < kept)
		name = image ? &image->vars[i] : &image_names.at[i];
	else if (i - kept < runtime_names.count)
		name = &runtime_names.at[i - kept];
	if (!name)
		return false;
	*out_kind = (enum script_var_kind)name->kind;
	*out_name = name->name;
	return true;
}

/* What modparam("pv", "varset", …) gave: the values of an event that assigned nothing. */
enum { PRESETS_MAX = 64 };
static struct {
	unsigned slot;
	struct value value;
} presets[PRESETS_MAX];
static unsigned preset_count;

bool script_var_preset(unsigned slot, const struct value *value)
{
	struct value kept = *value;
	if (kept.kind == VALUE_TEXT && !(kept.text.at = strndup(value->text.at, value->text.len)))
		return false;
	if (preset_count == PRESETS_MAX)
		return false;
	presets[preset_count].slot = slot;
	presets[preset_count++].value = kept;
	return true;
}

struct value script_var_get(struct script_run *run, unsigned slot)
{
	const struct script_vars *vars = run->state->vars;
	unsigned series = slot >> 31, index = slot & ~(unsigned)RUNTIME_BIT;
	if (index < vars->counts[series] && vars->slots[series][index].value.kind != VALUE_NULL)
		return vars->slots[series][index].value;
	for (unsigned i = 0; i < preset_count; i++)
		if (presets[i].slot == slot)
			return presets[i].value;
	return kind_of(run, slot) == SCRIPT_VAR_ZERO ? VALUE_OF_INT(0) : (struct value){ 0 };
}

bool script_var_set(struct script_run *run, unsigned slot, const struct value *value)
{
	struct script_vars *vars = run->state->vars;
	unsigned series = slot >> 31, index = slot & ~(unsigned)RUNTIME_BIT;
	if (index >= vars->counts[series]) {
		unsigned room = index + 16;
		if (!series && run->image && run->image->var_count > room)
			room = run->image->var_count;
		struct script_var *grown =
			arena_grow(vars->arena, vars->slots[series],
				   vars->counts[series] * sizeof(*grown), room * sizeof(*grown));
		if (!grown)
			return false;
		memset(grown + vars->counts[series], 0,
		       (room - vars->counts[series]) * sizeof(*grown));
		vars->slots[series] = grown;
		vars->counts[series] = room;
	}
	struct script_var *var = &vars->slots[series][index];
	if (!value || value->kind != VALUE_TEXT) {
		/* Memory for text is kept for the next one. */
		struct span text = var->value.text;
		var->value = value ? *value : (struct value){ 0 };
		var->value.text = text;
		return true;
	}
	char *memory = (char *)var->value.text.at;
	if (!memory || var->room < value->text.len) {
		memory = arena_alloc(vars->arena, value->text.len + 1);
		if (!memory)
			return false;
		var->room = value->text.len + 1;
	}
	/* The new text may be a part of the old one. */
	memmove(memory, value->text.at, value->text.len);
	var->value = VALUE_OF_TEXT(span_make(memory, value->text.len));
	return true;
}
