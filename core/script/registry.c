/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of everything that the script may name, in the order of registration. */
#include "core/script/registry.h"

#include "core/base/check.h"

struct table {
	const char *module;
	const void *rows;
	uint32_t count;
};

struct event_row {
	const char *module, *name;
	enum route_kind kind;
};

enum { TABLES_MAX = 256, EVENTS_MAX = 512, ROUTES_MAX = 128 };

struct tables {
	struct table at[TABLES_MAX];
	unsigned count;
};

static struct {
	struct tables functions, variables, transforms;
	struct event_row events[EVENTS_MAX];
	unsigned event_count;
	struct span routes[ROUTES_MAX]; /* run by modules */
	unsigned route_count;
} registry;

static void add(struct tables *tables, const char *module, const void *rows, uint32_t count)
{
	if (count == 0)
		return;
	bug_if(tables->count == TABLES_MAX, "too many modules");
	tables->at[tables->count++] = (struct table){ module, rows, count };
}

void script_register_functions(const char *module, const struct script_function *rows,
			       uint32_t count)
{
	add(&registry.functions, module, rows, count);
}

void script_register_variables(const char *module, const struct variable_row *rows, uint32_t count)
{
	add(&registry.variables, module, rows, count);
}

void script_register_transforms(const char *module, const struct transform_row *rows,
				uint32_t count)
{
	add(&registry.transforms, module, rows, count);
}

void script_register_route(struct span name)
{
	/* One that is not kept is only warned of. */
	if (registry.route_count < ROUTES_MAX)
		registry.routes[registry.route_count++] = name;
}

bool script_route_is_registered(struct span name)
{
	for (unsigned i = 0; i < registry.route_count; i++)
		if (span_equal(registry.routes[i], name))
			return true;
	return false;
}

void script_register_event(const char *module, const char *name, enum route_kind kind)
{
	bug_if(registry.event_count == EVENTS_MAX, "too many event routes");
	registry.events[registry.event_count++] = (struct event_row){ module, name, kind };
}

void script_registry_clear(void)
{
	memset(&registry, 0, sizeof(registry));
}

/* ---- walking -------------------------------------------------------------------------------- */

static const void *row_at(const struct tables *tables, unsigned i, size_t size,
			  const char **out_module)
{
	for (unsigned t = 0; t < tables->count; t++) {
		const struct table *table = &tables->at[t];
		if (i < table->count) {
			if (out_module)
				*out_module = table->module;
			return (const char *)table->rows + i * size;
		}
		i -= table->count;
	}
	return NULL;
}

const struct script_function *script_function_at(unsigned i, const char **out_module)
{
	return row_at(&registry.functions, i, sizeof(struct script_function), out_module);
}

const struct variable_row *script_variable_at(unsigned i, const char **out_module)
{
	return row_at(&registry.variables, i, sizeof(struct variable_row), out_module);
}

const struct transform_row *script_transform_at(unsigned i, const char **out_module)
{
	return row_at(&registry.transforms, i, sizeof(struct transform_row), out_module);
}

const char *script_event_at(unsigned i, enum route_kind *out_kind, const char **out_module)
{
	if (i >= registry.event_count)
		return NULL;
	if (out_kind)
		*out_kind = registry.events[i].kind;
	if (out_module)
		*out_module = registry.events[i].module;
	return registry.events[i].name;
}

/* ---- finding -------------------------------------------------------------------------------- */

unsigned script_function_least_args(const struct script_function *f)
{
	unsigned least = 0;
	while (least < f->args.count && !f->args.rows[least].optional)
		least++;
	return least;
}

static bool is_named(const char *name, struct span text)
{
	return span_equal(span_from(name), text);
}

const struct script_function *script_function_find(struct span name, unsigned arity,
						   const char **out_module)
{
	for (unsigned t = 0; t < registry.functions.count; t++) {
		const struct table *table = &registry.functions.at[t];
		const struct script_function *rows = table->rows;
		for (uint32_t i = 0; i < table->count; i++) {
			if (!is_named(rows[i].name, name) || arity > rows[i].args.count ||
			    arity < script_function_least_args(&rows[i]))
				continue;
			if (out_module)
				*out_module = table->module;
			return &rows[i];
		}
	}
	return NULL;
}

const struct script_function *script_function_named(struct span name, const char **out_module)
{
	for (unsigned t = 0; t < registry.functions.count; t++) {
		const struct table *table = &registry.functions.at[t];
		const struct script_function *rows = table->rows;
		for (uint32_t i = 0; i < table->count; i++) {
			if (!is_named(rows[i].name, name))
				continue;
			if (out_module)
				*out_module = table->module;
			return &rows[i];
		}
	}
	return NULL;
}

bool script_registry_has_functions(const char *module)
{
	for (unsigned t = 0; t < registry.functions.count; t++)
		if (strcmp(registry.functions.at[t].module, module) == 0)
			return true;
	return false;
}

const struct variable_row *script_variable_find(struct span name, const char **out_module)
{
	const struct variable_row *declared = NULL;
	for (unsigned t = 0; t < registry.variables.count; t++) {
		const struct table *table = &registry.variables.at[t];
		const struct variable_row *rows = table->rows;
		for (uint32_t i = 0; i < table->count; i++) {
			if (!is_named(rows[i].name, name) || (declared && rows[i].provided_by))
				continue;
			declared = &rows[i];
			if (out_module)
				*out_module = table->module;
			if (!rows[i].provided_by)
				return declared;
		}
	}
	return declared;
}

const struct transform_row *script_transform_find(struct span class_name, struct span name,
						  const char **out_module)
{
	const struct transform_row *declared = NULL;
	for (unsigned t = 0; t < registry.transforms.count; t++) {
		const struct table *table = &registry.transforms.at[t];
		const struct transform_row *rows = table->rows;
		for (uint32_t i = 0; i < table->count; i++) {
			if (!is_named(rows[i].class_name, class_name) ||
			    !is_named(rows[i].name, name) || (declared && rows[i].provided_by))
				continue;
			declared = &rows[i];
			if (out_module)
				*out_module = table->module;
			if (!rows[i].provided_by)
				return declared;
		}
	}
	return declared;
}

bool script_event_find(struct span name, enum route_kind *out_kind)
{
	for (unsigned i = 0; i < registry.event_count; i++) {
		const char *known = registry.events[i].name;
		size_t len = strlen(known);
		bool is_prefix = len && known[len - 1] == ':';
		if (is_prefix ? span_starts_with(name, span_from(known))
			      : span_equal(name, span_from(known))) {
			if (out_kind)
				*out_kind = registry.events[i].kind;
			return true;
		}
	}
	return false;
}

/* ---- suggestions ---------------------------------------------------------------------------- */

struct nearest {
	struct span name;
	const char *best;
	unsigned distance;
};

static void consider(struct nearest *nearest, const char *candidate)
{
	unsigned distance = name_distance(nearest->name, span_from(candidate), nearest->distance);
	if (distance < nearest->distance) {
		nearest->distance = distance;
		nearest->best = candidate;
	}
}

static unsigned limit_of(struct span name)
{
	return (unsigned)(name.len / 3) + 1;
}

const char *script_nearest_function(struct span name)
{
	struct nearest nearest = { name, NULL, limit_of(name) };
	const struct script_function *row;
	for (unsigned i = 0; (row = script_function_at(i, NULL)); i++)
		consider(&nearest, row->name);
	return nearest.best;
}

const char *script_nearest_variable(struct span name)
{
	struct nearest nearest = { name, NULL, limit_of(name) };
	const struct variable_row *row;
	for (unsigned i = 0; (row = script_variable_at(i, NULL)); i++)
		consider(&nearest, row->name);
	return nearest.best;
}

const char *script_nearest_transform(struct span class_name, struct span name)
{
	struct nearest nearest = { name, NULL, limit_of(name) };
	const struct transform_row *row;
	for (unsigned i = 0; (row = script_transform_at(i, NULL)); i++)
		if (is_named(row->class_name, class_name))
			consider(&nearest, row->name);
	return nearest.best;
}
