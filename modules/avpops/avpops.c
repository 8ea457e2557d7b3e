/* SPDX-License-Identifier: BSD-2-Clause */
/* avpops: operations with AVPs, and AVPs that a database keeps. */
#include "modules/avpops/avpops.h"

static struct avpops_settings settings = {
	.uuid_column = SPAN("uuid"),
	.username_column = SPAN("username"),
	.domain_column = SPAN("domain"),
	.attribute_column = SPAN("attribute"),
	.value_column = SPAN("value"),
	.type_column = SPAN("type"),
};
const struct avpops_settings *const avpops_settings = &settings;

static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database; empty: there is none"),
	FIELD(settings, avp_table, "table of the AVPs, where the script names none"),
	FIELD(settings, use_domain, "the domain of a URI counts as well"),
	FIELD(settings, uuid_column, "column of the UUID"),
	FIELD(settings, username_column, "column of the user"),
	FIELD(settings, domain_column, "column of the domain"),
	FIELD(settings, attribute_column, "column of the AVP's name"),
	FIELD(settings, value_column, "column of the AVP's value"),
	FIELD(settings, type_column, "column of the type: 1 the value is a number, 2 the name is one"),
	FIELD_ACCEPT("db_scheme", scheme_add,
		"a table of another shape: \"name:table=…;username_col=…;value_col=…\""),
};

static const struct function_table *const more_functions[] = {
	&memory_functions,
	&compare_functions,
	&subst_functions,
	&database_functions,
	NULL,
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "avpops",
	.doc = "Operations with AVPs, also with those that a database keeps.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions = more_functions,
	.prepare = database_prepare,
	.start = database_start,
};
