/* SPDX-License-Identifier: BSD-2-Clause */
/* registry: every function, variable, transformation and event route that the script may name.
 * The core registers its rows as module "core", then each loaded module in the order of loading;
 * all of it happens before the first fork and is constant afterwards, so rows are valid in every
 * process. */
#pragma once

#include "core/script/variable.h"

/* field.flag_kind of INT arguments: which declared names are understood. */
enum flag_kind { FLAG_KIND_NONE, FLAG_KIND_MESSAGE /* flags */, FLAG_KIND_AVP /* avpflags */ };

/* Rows are borrowed for the life of the process. */
void script_register_functions(const char *module, const struct script_function *rows,
			       uint32_t count);
void script_register_variables(const char *module, const struct variable_row *rows, uint32_t count);
void script_register_transforms(const char *module, const struct transform_row *rows,
				uint32_t count);
/* An event route that the module runs; a name that ends in ':' is a prefix. */
void script_register_event(const char *module, const char *name, enum route_kind kind);
/* A module's setting runs route[name]: it counts as used. Borrowed for the life of the process. */
void script_register_route(struct span name);
bool script_route_is_registered(struct span name);
/* Forgets everything: tests. */
void script_registry_clear(void);

/* The first registered function of this name that takes `arity` arguments; NULL when there is none.
 * `out_module` may be NULL. */
const struct script_function *script_function_find(struct span name, unsigned arity,
						   const char **out_module);
/* The first one of this name with any number of arguments. */
const struct script_function *script_function_named(struct span name, const char **out_module);
/* Fewest arguments that a function takes; the most are `f->args.count`. */
unsigned script_function_least_args(const struct script_function *f);

/* A row that works is preferred to one that only says which module provides it. */
const struct variable_row *script_variable_find(struct span name, const char **out_module);
const struct transform_row *script_transform_find(struct span class_name, struct span name,
						  const char **out_module);
/* True with the kind when a module announced this event route (or a prefix of it). */
bool script_event_find(struct span name, enum route_kind *out_kind);

/* Did a module of this name register functions? */
bool script_registry_has_functions(const char *module);

/* Walking over all rows, in the order of registration: reference manual, completion, suggestions.
 * NULL past the end. */
const struct script_function *script_function_at(unsigned i, const char **out_module);
const struct variable_row *script_variable_at(unsigned i, const char **out_module);
const struct transform_row *script_transform_at(unsigned i, const char **out_module);
const char *script_event_at(unsigned i, enum route_kind *out_kind, const char **out_module);

/* Registered names near `name`, or NULL: "did you mean". */
const char *script_nearest_function(struct span name);
const char *script_nearest_variable(struct span name);
const char *script_nearest_transform(struct span class_name, struct span name);

/* The module that documents a function of this name, loaded or not ("rtpengine" for
 * rtpengine_manage); NULL when nobody does. A static table. */
const char *known_function_module(struct span name);
/* What became of a name that older configurations use: a sentence, or NULL. */
const char *known_removed_module(struct span name);
const char *known_removed_function(struct span name);
