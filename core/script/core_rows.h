/* SPDX-License-Identifier: BSD-2-Clause */
/* core_rows: the tables of variables and transformations that the core brings, one per topic. */
#pragma once

/* Registers all of them as module "core"; the daemon does it before modules are loaded, and so does
 * a test that compiles references. Idempotent. Before the first fork. */
void core_rows_register(void);
