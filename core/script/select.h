/* SPDX-License-Identifier: BSD-2-Clause */
/* select: `@a.b[1].c`, the same as `$sel(a.b[1].c)`: a read-only path into the message. */
#pragma once

#include "core/script/variable.h"

#define SELECT_MAX_STEPS 12

struct select_step {
	struct span name;
	bool has_index; /* [n] or [-n] */
	int index;
	struct span key; /* ["text"] or [text]; absent without */
};

struct select_path {
	struct select_step steps[SELECT_MAX_STEPS];
	unsigned count;
};

/* Reads a path, with or without "@"; false when it is none. Texts borrow from it. */
bool select_path_parse(struct span text, struct select_path *out_path);
/* NULL when the path is known, else a sentence that says what is wrong with it. */
const char *select_path_check(const struct select_path *path);
/* The value; null when the message has no such thing. False: failure, logged. */
bool select_read(struct script_run *run, const struct select_path *path, struct value *out);
