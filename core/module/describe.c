/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the tables of all modules and prints them as one JSON document. */
#include "core/module/describe.h"

#include "core/rpc/json.h"
#include "core/script/registry.h"

struct sheet {
	struct writer *w;
	unsigned depth;
	bool has_item; /* a comma is due */
};

/* ---- layout --------------------------------------------------------------------------------------------- */

static void item(struct sheet *s)
{
	if (s->has_item)
		writer_char(s->w, ',');
	writer_char(s->w, '\n');
	for (unsigned i = 0; i < s->depth; i++)
		writer_char(s->w, '\t');
	s->has_item = true;
}

static void key(struct sheet *s, const char *name)
{
	item(s);
	json_write_text(s->w, span_from(name));
	writer_literal(s->w, ": ");
}

static void begin(struct sheet *s, char bracket)
{
	writer_char(s->w, bracket);
	s->depth++;
	s->has_item = false;
}

static void end(struct sheet *s, char bracket)
{
	s->depth--;
	s->has_item = false;
	item(s);
	writer_char(s->w, bracket);
}

static void text(struct sheet *s, const char *name, const char *value)
{
	if (!value)
		return;
	key(s, name);
	json_write_text(s->w, span_from(value));
}

static void number(struct sheet *s, const char *name, int64_t value)
{
	key(s, name);
	writer_int(s->w, value);
}

static void truth(struct sheet *s, const char *name, bool value)
{
	if (!value)
		return;
	key(s, name);
	writer_literal(s->w, "true");
}

/* ---- fields ------------------------------------------------------------------------------------------------ */

static const char *field_type(const struct field *field)
{
	static const char *const names[] = {
		[FIELD_KIND_INT] = "int", [FIELD_KIND_BOOL] = "bool", [FIELD_KIND_TEXT] = "text",
		[FIELD_KIND_PATTERN] = "regex", [FIELD_KIND_VARIABLE] = "variable",
		[FIELD_KIND_TEMPLATE] = "text with variables", [FIELD_KIND_ACCEPT] = "value, may repeat",
		[FIELD_KIND_IGNORED] = "ignored",
	};
	return names[field->kind];
}

static void default_value(struct sheet *s, const struct field *field, const void *object)
{
	if (field->kind == FIELD_KIND_INT || field->kind == FIELD_KIND_BOOL) {
		number(s, "default", field_get_int(field, object));
	} else if (field->kind == FIELD_KIND_TEXT && field_get_text(field, object).at) {
		key(s, "default");
		json_write_text(s->w, field_get_text(field, object));
	}
}

/* `object` is NULL for arguments: they have no defaults. */
static void fields(struct sheet *s, const char *name, struct field_table table, const void *object)
{
	key(s, name);
	begin(s, '[');
	for (uint32_t i = 0; i < table.count; i++) {
		const struct field *field = &table.rows[i];
		item(s);
		begin(s, '{');
		text(s, "name", field->name);
		text(s, "type", field_type(field));
		text(s, "doc", field->doc);
		if (object)
			default_value(s, field, object);
		if (field->min || field->max) {
			number(s, "min", field->min);
			number(s, "max", field->max);
		}
		truth(s, "optional", field->optional);
		truth(s, "live", field->is_live);
		end(s, '}');
	}
	end(s, ']');
}

/* ---- rows of the script ---------------------------------------------------------------------------------------- */

static void contexts(struct sheet *s, uint32_t bits)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ ROUTE_REQUEST, "request" },
		{ ROUTE_REPLY, "reply" },
		{ ROUTE_TM_REPLY, "transaction reply" },
		{ ROUTE_FAILURE, "failure" },
		{ ROUTE_BRANCH, "branch" },
		{ ROUTE_BRANCH_FAILURE, "branch failure" },
		{ ROUTE_ONSEND, "onsend" },
		{ ROUTE_LOCAL, "local request" },
		{ ROUTE_EVENT, "event" },
	};
	uint32_t all = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		all |= names[i].bit;
	if (bits == 0 || (bits & all) == all)
		return;
	key(s, "routes");
	begin(s, '[');
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (bits & names[i].bit) {
			item(s);
			json_write_text(s->w, span_from(names[i].name));
		}
	end(s, ']');
}

static void functions(struct sheet *s, const char *module)
{
	const struct script_function *row;
	const char *owner;
	key(s, "functions");
	begin(s, '[');
	for (unsigned i = 0; (row = script_function_at(i, &owner)); i++) {
		if (strcmp(owner, module) != 0)
			continue;
		item(s);
		begin(s, '{');
		text(s, "name", row->name);
		text(s, "doc", row->doc);
		fields(s, "arguments", row->args, NULL);
		contexts(s, row->contexts);
		truth(s, "deprecated", row->is_deprecated);
		end(s, '}');
	}
	end(s, ']');
}

static void variables(struct sheet *s, const char *module)
{
	static const char *const inner[] = {
		[INNER_NONE] = "none", [INNER_NAME] = "needed", [INNER_OPTIONAL] = "optional"
	};
	const struct variable_row *row;
	const char *owner;
	key(s, "variables");
	begin(s, '[');
	for (unsigned i = 0; (row = script_variable_at(i, &owner)); i++) {
		if (strcmp(owner, module) != 0 || row->provided_by)
			continue;
		item(s);
		begin(s, '{');
		text(s, "name", row->name);
		text(s, "doc", row->doc);
		text(s, "inner", inner[row->inner]);
		truth(s, "writable", row->set != NULL);
		truth(s, "index", row->takes_index);
		contexts(s, row->contexts);
		end(s, '}');
	}
	end(s, ']');
}

static void transforms(struct sheet *s, const char *module)
{
	const struct transform_row *row;
	const char *owner;
	key(s, "transformations");
	begin(s, '[');
	for (unsigned i = 0; (row = script_transform_at(i, &owner)); i++) {
		if (strcmp(owner, module) != 0 || row->provided_by)
			continue;
		item(s);
		begin(s, '{');
		text(s, "class", row->class_name);
		text(s, "name", row->name);
		text(s, "doc", row->doc);
		number(s, "least_arguments", row->min_args);
		number(s, "most_arguments", row->max_args);
		end(s, '}');
	}
	end(s, ']');
}

/* ---- rows of the server ----------------------------------------------------------------------------------------- */

static void command(struct sheet *s, const struct rpc_command *row)
{
	item(s);
	begin(s, '{');
	text(s, "name", row->name);
	text(s, "doc", row->doc);
	text(s, "arguments", row->args);
	truth(s, "array", row->returns_array);
	end(s, '}');
}

static bool is_of_module(const struct rpc_command *row)
{
	for (unsigned i = 0; i < loader_count(); i++) {
		const struct rpc_table *table = &loader_at(i)->commands;
		for (uint32_t j = 0; j < table->count; j++)
			if (row == &table->rows[j])
				return true;
	}
	return false;
}

/* Commands that no module exports are the core's. */
static void commands(struct sheet *s, const struct module *module, bool is_core)
{
	key(s, "commands");
	begin(s, '[');
	for (uint32_t i = 0; i < module->commands.count; i++)
		command(s, &module->commands.rows[i]);
	for (unsigned i = 0; is_core && i < rpc_command_count(); i++)
		if (!is_of_module(rpc_command_at(i)))
			command(s, rpc_command_at(i));
	end(s, ']');
}

static void counters(struct sheet *s, const struct module *module)
{
	key(s, "counters");
	begin(s, '[');
	for (uint32_t i = 0; i < module->counters.count; i++) {
		const struct counter_row *row = &module->counters.rows[i];
		item(s);
		begin(s, '{');
		text(s, "group", row->group ? row->group : module->name);
		text(s, "name", row->name);
		text(s, "doc", row->doc);
		end(s, '}');
	}
	end(s, ']');
}

static void events(struct sheet *s, const struct module *module)
{
	key(s, "events");
	begin(s, '[');
	for (uint32_t i = 0; i < module->events.count; i++) {
		item(s);
		begin(s, '{');
		text(s, "name", module->events.rows[i].name);
		text(s, "doc", module->events.rows[i].doc);
		end(s, '}');
	}
	end(s, ']');
}

static void names(struct sheet *s, const struct module *module)
{
	key(s, "processes");
	begin(s, '[');
	for (uint32_t i = 0; i < module->roles.count; i++) {
		item(s);
		json_write_text(s->w, span_from(module->roles.rows[i].name));
	}
	end(s, ']');
	key(s, "needs");
	begin(s, '[');
	for (uint32_t i = 0; i < module->needs.count; i++) {
		item(s);
		begin(s, '{');
		text(s, "name", module->needs.rows[i].name);
		truth(s, "optional", module->needs.rows[i].is_optional);
		end(s, '}');
	}
	end(s, ']');
}

void describe_write(const struct describe_core *core, struct writer *out)
{
	struct sheet sheet = { .w = out }, *s = &sheet;
	begin(s, '[');
	for (unsigned i = 0; i < loader_count(); i++) {
		const struct module *module = loader_at(i);
		item(s);
		begin(s, '{');
		text(s, "module", module->name);
		text(s, "doc", module->doc);
		fields(s, "settings", i == 0 ? core->fields : module->settings.fields,
		       i == 0 ? core->settings : module->settings.object);
		functions(s, module->name);
		variables(s, module->name);
		transforms(s, module->name);
		commands(s, module, i == 0);
		counters(s, module);
		events(s, module);
		names(s, module);
		end(s, '}');
	}
	end(s, ']');
	writer_char(out, '\n');
}
