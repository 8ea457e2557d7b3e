/* SPDX-License-Identifier: BSD-2-Clause */
/* values: arithmetic and comparison of the script, for the machine and for folding constants. */
#pragma once

#include "core/script/ast.h"

/* A value that could not be computed (division by zero): assignments of it are skipped. Never
 * leaves the machine. */
#define VALUE_FAILED ((enum value_kind)3)

struct value_context {
	struct arena *arena;
	struct script_run *run; /* NULL while compiling: no warnings */
};

/* Text that is no number counts as 0, with a warning. Null is 0. */
int64_t value_int(const struct value_context *context, const struct value *value);
/* Null is the empty text. Numbers are printed into the arena. */
struct span value_text(const struct value_context *context, const struct value *value);
struct value value_binary(const struct value_context *context, enum operator_kind op,
			  const struct value *a, const struct value *b);
struct value value_unary(const struct value_context *context, enum operator_kind op,
			 const struct value *a);
/* x != "": 1 unless the value is null, an empty text or the number 0. */
struct value value_is_filled(const struct value_context *context, const struct value *a);
/* As a condition: a number above 0. */
bool value_is_true(const struct value_context *context, const struct value *value);
