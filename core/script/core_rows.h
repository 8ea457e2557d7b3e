/* SPDX-License-Identifier: BSD-2-Clause */
/* core_rows: the tables of variables and transformations that the core brings, one per topic. */
#pragma once

#include "core/script/variable.h"

/* Both end with an entry without rows (count 0). */
extern const struct variable_table core_variable_tables[];
extern const struct transform_table core_transform_tables[];

/* Registers all of them as module "core"; the daemon does it before modules are loaded, and so does
 * a test that compiles references. Idempotent. */
void core_rows_register(void);
