/* SPDX-License-Identifier: BSD-2-Clause */
/* core_rows: the list of the core's tables of variables and transformations. */
#include "core/script/core_rows.h"

#include "core/script/branch_variables.h"
#include "core/script/core_variables.h"
#include "core/script/registry.h"
#include "core/script/transform.h"

static const struct variable_table *const variable_tables[] = {
	&message_variables, &header_variables, &address_variables, &uri_variables,
		&branch_variables,
	&network_variables, &via_variables, &flag_variables, &avp_variables, &xavp_variables,
		&script_variables,
	&time_variables, &constant_variables, &select_variables, &known_variables,
};

static const struct transform_table *const transform_tables[] = {
	&transform_string_table, &transform_slice_table, &transform_codec_table,
		&transform_uri_table,
	&transform_list_table, &transform_known_table,
};

void core_rows_register(void)
{
	if (script_variable_find(SPAN_OF("ru"), NULL))
		return;
	scratch_prepare();
	for (size_t i = 0; i < ARRAY_SIZE(variable_tables); i++)
		script_register_variables("core", variable_tables[i]->rows,
					  variable_tables[i]->count);
	for (size_t i = 0; i < ARRAY_SIZE(transform_tables); i++)
		script_register_transforms("core", transform_tables[i]->rows,
					   transform_tables[i]->count);
}
