/* SPDX-License-Identifier: BSD-2-Clause */
/* template: text with pseudo-variables in it ("$fU@$fd called"), compiled once. */
#pragma once

#include "core/script/variable.h"

struct text_template {
	struct template_part {
		struct span text; /* constant text, when `variable` is NULL */
		const struct variable_ref *variable;
	} * parts;
	unsigned count;
	bool is_constant; /* no variables: parts[0].text is all (or count is 0) */
	struct span source;
};

/* Compiles a template that a module got as a setting; memory from `arena`, which must live as long
 * as the server. NULL and a diagnostic on a bad variable; `at` is where the setting stands. */
const struct text_template *template_compile(struct span text, struct arena *arena,
					     struct diagnostics *diagnostics,
					     struct source_position at);
/* The same for a text that must be exactly one variable: "$avp(x)", "$ru". */
const struct variable_ref *variable_compile(struct span text, struct arena *arena,
					    struct diagnostics *diagnostics,
					    struct source_position at);
/* For text that arrives while the server runs (RPC, database): errors as text in `arena`. */
const struct text_template *template_compile_runtime(struct span text, struct arena *arena,
						     struct span *out_error);

/* Appends the expansion; null variables print as "<null>". False: out of memory. */
bool template_write(struct script_run *run, const struct text_template *t, struct writer *w);
/* The expansion in run->arena; the absent span when memory is exhausted. */
struct span template_text(struct script_run *run, const struct text_template *t);
/* The same for arguments of transformations and replacements: a variable that is null is empty. */
bool template_write_plain(struct script_run *run, const struct text_template *t, struct writer *w);
struct span template_text_plain(struct script_run *run, const struct text_template *t);
/* A template that is one single variable keeps its type: number stays number. */
bool template_value(struct script_run *run, const struct text_template *t, struct value *out);
