/* SPDX-License-Identifier: BSD-2-Clause */
/* variable_parse: private to the compilation of references and templates. */
#pragma once

#include <stdarg.h>
#include <stdio.h>

#include "core/script/template.h"
#include "parser/cursor.h"

/* One text that is being compiled. Everything that is made borrows from `whole`. */
struct variable_parse {
	struct arena *arena;
	struct diagnostics *diagnostics;
	struct source_position at; /* of whole.at */
	struct span whole;
	unsigned depth;
	bool failed;
	struct diagnostic *last; /* for hints */
};

/* Takes the reference at the place; NULL without a diagnostic when none begins here, NULL with one
 * when it is wrong (the place is then behind it). */
const struct variable_ref *variable_parse_next(struct variable_parse *parse, struct cursor *in);
/* `text` must be exactly one reference. */
const struct variable_ref *variable_parse_whole(struct variable_parse *parse, struct span text);
/* Compiles a part of parse->whole. */
bool template_parse(struct variable_parse *parse, struct span text, struct text_template *out);
