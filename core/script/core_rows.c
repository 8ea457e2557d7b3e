/* SPDX-License-Identifier: BSD-2-Clause */
/* core_rows: the list of the core's tables of variables and transformations. */
#include "core/script/core_rows.h"

#include "core/script/registry.h"

const struct variable_table core_variable_tables[] = {
	{ 0 },
};

const struct transform_table core_transform_tables[] = {
	{ 0 },
};

void core_rows_register(void)
{
	static bool is_done;
	if (is_done)
		return;
	is_done = true;
	for (const struct variable_table *t = core_variable_tables; t->count; t++)
		script_register_variables("core", t->rows, t->count);
	for (const struct transform_table *t = core_transform_tables; t->count; t++)
		script_register_transforms("core", t->rows, t->count);
}
