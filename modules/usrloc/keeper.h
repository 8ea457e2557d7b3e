/* SPDX-License-Identifier: BSD-2-Clause */
/* keeper: the process that does what may take long, so that workers need not: snapshots of the
 * journal, and what the database does not have yet. */
#pragma once

#include "core/module/module.h"

struct keeper_options {
	int64_t interval_s; /* between writes to the database */
	bool cleans_rows;   /* expired rows are deleted from the database */
};

/* Before the first fork; false when shared memory is out. */
[[nodiscard]] bool keeper_prepare(const struct keeper_options *options);
bool keeper_start(void);
/* Any process: has everything written now and waits for it. False when the database did not take
 * it. */
bool keeper_flush(void);
/* The supervisor, when everybody else has ended. */
void keeper_finish(void);
