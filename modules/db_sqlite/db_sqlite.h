/* SPDX-License-Identifier: BSD-2-Clause */
/* db_sqlite: shared by the files of this module. */
#pragma once

#include <sqlite3.h>

#include "core/db/driver.h"
#include "core/module/module.h"

extern const struct db_driver sqlite_driver;

/* What the configuration says about one file. */
struct sqlite_file {
	struct span path;
	bool is_readonly;
	struct span journal_mode; /* absent: WAL */
	int64_t busy_ms;          /* 0: not said */
};
/* The settings of a file; never NULL. */
const struct sqlite_file *sqlite_file_settings(struct span path);

/* ---- checkpoint.c ---------------------------------------------------------------------------- */
/* Takes over: the log of changes is written back into the file by a thread beside, not by whoever
 * happens to commit. */
void checkpoint_arrange(sqlite3 *handle);
