/* SPDX-License-Identifier: BSD-2-Clause */
/* describe: everything that the core and the loaded modules export, from their tables, as JSON. The
 * reference manual and completion of editors are made from it. */
#pragma once

#include "core/module/loader.h"

/* The core's parameters are not rows of its struct module. */
struct describe_core {
	const void *settings;
	struct field_table fields;
};

/* `out` fails only when memory is exhausted. */
void describe_write(const struct describe_core *core, struct writer *out);
