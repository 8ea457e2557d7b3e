/* SPDX-License-Identifier: BSD-2-Clause */
/* Stand-in for the registry's part for variables and transformations (weak: registry.c wins). */
#include <stdlib.h>

#include "core/base/check.h"
#include "core/script/core_rows.h"
#include "core/script/registry.h"

#define WEAK __attribute__((weak))
#define SLOTS 2048 /* a power of two, at least twice the rows */
#define MAX_ROWS (SLOTS / 2)

static struct {
	const struct variable_row *variables[SLOTS];
	const struct transform_row *transforms[SLOTS];
	const struct variable_row *variable_list[MAX_ROWS];
	const struct transform_row *transform_list[MAX_ROWS];
	unsigned variable_count, transform_count;
} registry;

/* FNV-1a: unlike hash_bytes it needs no seed, so rows may be registered before hash_init. */
static uint32_t name_hash(struct span a, struct span b)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < a.len; i++)
		hash = (hash ^ (unsigned char)a.at[i]) * 16777619u;
	hash = (hash ^ '.') * 16777619u;
	for (size_t i = 0; i < b.len; i++)
		hash = (hash ^ (unsigned char)b.at[i]) * 16777619u;
	return hash;
}

/* The slot that holds the name, or the free one where it belongs. */
static const struct variable_row **variable_slot(struct span name)
{
	uint32_t i = name_hash(name, SPAN_OF("")) % SLOTS;
	while (registry.variables[i] && !span_equal(span_from(registry.variables[i]->name), name))
		i = (i + 1) % SLOTS;
	return &registry.variables[i];
}

static const struct transform_row **transform_slot(struct span class_name, struct span name)
{
	uint32_t i = name_hash(class_name, name) % SLOTS;
	while (registry.transforms[i] &&
		!(span_equal(span_from(registry.transforms[i]->class_name), class_name) &&
			span_equal(span_from(registry.transforms[i]->name), name)))
		i = (i + 1) % SLOTS;
	return &registry.transforms[i];
}

static bool add_variables(const struct variable_table *table)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct variable_row *row = &table->rows[i];
		const struct variable_row **slot = variable_slot(span_from(row->name));
		if (!*slot) {
			if (registry.variable_count == MAX_ROWS)
				return false;
			registry.variable_list[registry.variable_count++] = row;
			*slot = row;
		} else if ((*slot)->provided_by && !row->provided_by) {
			for (unsigned k = 0; k < registry.variable_count; k++)
				if (registry.variable_list[k] == *slot)
					registry.variable_list[k] = row;
			*slot = row;
		}
	}
	return true;
}

static bool add_transforms(const struct transform_table *table)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct transform_row *row = &table->rows[i];
		const struct transform_row **slot =
			transform_slot(span_from(row->class_name), span_from(row->name));
		if (!*slot) {
			if (registry.transform_count == MAX_ROWS)
				return false;
			registry.transform_list[registry.transform_count++] = row;
			*slot = row;
		} else if ((*slot)->provided_by && !row->provided_by) {
			for (unsigned k = 0; k < registry.transform_count; k++)
				if (registry.transform_list[k] == *slot)
					registry.transform_list[k] = row;
			*slot = row;
		}
	}
	return true;
}

WEAK void script_register_variables(const char *module, const struct variable_row *rows, uint32_t count)
{
	add_variables(&(struct variable_table){ rows, count });
}

WEAK void script_register_transforms(const char *module, const struct transform_row *rows, uint32_t count)
{
	add_transforms(&(struct transform_table){ rows, count });
}

WEAK const struct variable_row *script_variable_find(struct span name, const char **out_module)
{
	return *variable_slot(name);
}

WEAK const struct transform_row *script_transform_find(struct span class_name, struct span name, const char **out_module)
{
	return *transform_slot(class_name, name);
}

WEAK const char *script_nearest_variable(struct span name)
{
	/* Two-letter names are all near each other: a suggestion would be noise. */
	if (name.len < 4)
		return NULL;
	const char *names[MAX_ROWS];
	for (unsigned i = 0; i < registry.variable_count; i++)
		names[i] = registry.variable_list[i]->name;
	return nearest_name(name, names, registry.variable_count);
}

WEAK const char *script_nearest_transform(struct span class_name, struct span name)
{
	return NULL;
}
