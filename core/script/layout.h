/* SPDX-License-Identifier: BSD-2-Clause */
/* layout: the inside of an image, for those who build, run and print it. Everything it points to
 * lies in its own block, or is a const table of the server or of a module. */
#pragma once

#include "core/net/address.h"
#include "core/script/ast.h"
#include "core/script/opcodes.h"
#include "core/script/pattern.h"
#include "core/script/template.h"

/* An argument that is computed at each call. */
struct dynamic_argument {
	const struct field *field;
	const struct text_template *template; /* NULL: the value is in the next register */
};

struct call_site {
	const struct script_function *function;
	const char *module;
	const void *
		arguments; /* the handler's struct with all constants in place; NULL when it has none */
	const struct dynamic_argument *dynamic;
	uint32_t dynamic_count;
	uint32_t register_count; /* of dynamic ones that come from registers */
};

struct network {
	struct end_point address;
	unsigned bits;
	struct span text;
};

struct source_mark {
	uint32_t pc;
	uint32_t line;
	const char *file;
};

struct route_entry {
	enum route_class class;
	enum route_kind kind;
	struct span name;
	struct span shown;   /* as `$cfg(route)`: "RELAY", "request_route" */
	uint32_t begin, end; /* instructions [begin, end) */
	uint32_t registers;
	uint32_t line;
	const char *file;
};

struct image {
	void *block; /* NULL: `arena` owns chunks of its own */
	void (*release)(void *block);
	struct arena arena;
	uint32_t generation;
	const struct image *previous;

	const struct instruction *code;
	const struct value *constants;
	const struct variable_ref *const *variables;
	const struct pattern *const *patterns;
	const struct call_site *calls;
	const struct network *networks;
	const struct source_mark *marks;
	const struct route_entry *routes;
	uint32_t code_count, constant_count, variable_count, pattern_count, call_count,
		network_count, mark_count, route_count;
	/* Open addressing by class and name; values are route index + 1. */
	const uint32_t *route_table;
	uint32_t route_table_mask;
	uint32_t main_routes[CLASS_COUNT]; /* those without a name, by class: index + 1, or 0 */
	uint32_t event_count;              /* routes of CLASS_EVENT */

	/* Names of `$var` places, in order. */
	const struct script_var_name {
		uint8_t kind;
		struct span name;
	} * vars;
	uint32_t var_count;
};

/* vm.c: the places of $var. */
uint32_t script_vars_copy(struct arena *arena, const struct script_var_name **out_names);
/* At the begin of a build: names of the published image come first, so that places stay. */
void script_vars_begin_build(void);
void script_vars_end_build(void);

uint32_t image_route_hash(enum route_class class, struct span name);
/* Index + 1, or 0. */
uint32_t image_find_route(const struct image *image, enum route_class class, struct span name);
/* vm.c: runs a route with its number. False: it dropped the message, or memory is exhausted. */
bool image_run(const struct image *image, uint32_t route, struct message *msg, enum route_kind kind,
	       struct outgoing *outgoing);
const struct source_mark *image_mark(const struct image *image, uint32_t pc);
