/* SPDX-License-Identifier: BSD-2-Clause */
/* row_statements: what the files that write and read rows share. */
#pragma once

#include "modules/dialog/rows.h"

struct row_statements {
	struct db_statement *insert, *remove, *select, *select_call;
	struct db_statement *insert_var, *remove_vars, *select_vars, *select_vars_of;
};
/* Valid with a db_mode. */
const struct row_statements *row_statements(void);
