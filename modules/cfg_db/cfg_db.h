/* SPDX-License-Identifier: BSD-2-Clause */
/* cfg_db: what the files of the module share. */
#pragma once

#include "core/module/module.h"
#include "core/module/rows.h"

/* ---- find.c: the value that the database has for a parameter ------------------------------------------ */

/* Reads the defaults of the table `transl_tbl`; false after an error was logged. */
bool find_prepare(struct db *db, struct span transl_tbl);
/* The value as the database has it, in startup_arena(); false when there is none. First the tables that
 * the group has are looked through, then those of the group "*". */
bool find_value(struct span group, struct span name, struct db_value *out);
