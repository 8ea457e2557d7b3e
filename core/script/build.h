/* SPDX-License-Identifier: BSD-2-Clause */
/* build: what checking and emitting share. check.c annotates the trees, lint.c looks at the flow,
 * emit.c writes code; the parts of the image collect here and are copied into it at the end. */
#pragma once

#include "core/script/keywords.h"
#include "core/script/layout.h"
#include "core/script/values.h"

/* A growing array in the scratch arena. */
struct list {
	void *items;
	uint32_t count, room;
	uint32_t size; /* of an item */
};

struct build {
	struct script_source *source;
	struct arena *arena;   /* the image's */
	struct arena *scratch; /* the compilation's */
	struct diagnostics *diagnostics;
	struct value_context folding;
	struct route *route; /* being checked or emitted */
	bool out_of_memory;
	unsigned loops; /* around the statement being checked */
	unsigned switches;

	/* emit.c */
	struct list code, constants, variables, patterns, calls, networks, marks;
	unsigned used_registers, most_registers;
	struct jump_list *breaks;
	struct jump_list *continues;
	uint32_t marked_line;
	const char *marked_file;
};

/* Appends and returns the index; without memory `out_of_memory` is set. */
uint32_t list_add(struct build *build, struct list *list, const void *item);
#define LIST_AT(list, type, i) (((type *)(list)->items)[i])
/* Copies the items into the image. */
const void *list_copy(struct build *build, const struct list *list);

/* ---- check.c -------------------------------------------------------------------------------- */
void check_routes(struct build *build);
/* Checks one expression; its annotations are then set. */
void check_expr(struct build *build, struct expr *expr);
/* Whether the checked expression is $null. */
bool is_null_literal(const struct expr *expr);
[[gnu::format(printf, 4, 5)]] struct diagnostic *build_error(struct build *build, const char *code,
							     struct source_position at,
							     const char *format, ...);
[[gnu::format(printf, 4, 5)]] struct diagnostic *build_warning(struct build *build,
							       const char *code,
							       struct source_position at,
							       const char *format, ...);
void build_hint(struct build *build, struct diagnostic *d, const char *text);
/* Copies a text into the image. */
struct span build_text(struct build *build, struct span text);
/* The kinds of route in which the text of this route may run, widened as functions see it. */
uint32_t effective_kinds(uint32_t contexts);
const char *kind_name(enum route_kind kind);

/* ---- check_call.c --------------------------------------------------------------------------- */
/* The words yes, no, true, false, on, off, enable and disable, in any case. */
bool build_yes_or_no(struct span word, int64_t *out_number);
/* Finds the function and converts constants; sets expr->resolved to a call_site. */
void check_call(struct build *build, struct expr *expr);
/* route(X): checks that it exists; sets expr->resolved to the `struct route` when it is static. */
void check_route_call(struct build *build, struct expr *expr);
/* The name of a route as a bare word, number or string. */
bool static_route_name(struct build *build, const struct expr *expr, struct span *out_name);

/* ---- lint.c --------------------------------------------------------------------------------- */
/* From which kinds of route each route is called; before check_routes. */
void lint_reach(struct build *build);
/* Unused routes, statements that are never reached, requests that are never answered. */
void lint_flow(struct build *build);
/* `\d` and the like in a POSIX pattern. */
void lint_pattern(struct build *build, struct span pattern, struct source_position at);

/* ---- emit.c --------------------------------------------------------------------------------- */
/* Fills the image. False: out of memory or a limit (with a diagnostic). */
bool emit_image(struct build *build, struct image *image);
