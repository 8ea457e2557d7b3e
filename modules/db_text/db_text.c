/* SPDX-License-Identifier: BSD-2-Clause */
/* db_text: databases of plain files for small sites and for tests. A directory is a database, a file
 * a table. */
#include "modules/db_text/db_text.h"

static struct text_settings settings = { .delimiter = ':', .rows_most = 100000 };
const struct text_settings *const text_settings = &settings;

static const char *accept_delimiter(struct span text, int64_t number)
{
	if (text.len != 1 || text.at[0] == '\\' || text.at[0] == '\n')
		return "expects one character, neither a backslash nor a line end";
	settings.delimiter = text.at[0];
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("db_delim", accept_delimiter,
		     "character between fields; \":\" unless this says otherwise"),
	FIELD_NAMED(settings, empty_is_text, "emptystring",
		    "1: an empty field of a text column is an empty text, never NULL"),
	FIELD_NAMED(settings, rows_most, "max_result_rows", "rows of a result at most", .min = 1,
		    .max = 100000000),
	FIELD_IGNORED("db_mode", "a file that has changed is always read again"),
	FIELD_IGNORED("file_buffer_size", "lines may be of any length"),
	FIELD_IGNORED("default_connection", "for db_text.query, which this server does not have"),
};

static const struct module_interface offers[] = {
	{ DB_DRIVER, DB_DRIVER_VERSION, &text_driver },
};

static void run_dump(struct rpc_call *call)
{
	/* Every change is written when it is made. */
}

static const struct rpc_command commands[] = {
	{ "db_text.dump", run_dump,
	  "Writes tables to their files; nothing to do, changes are written at once.", NULL },
};

MODULE_EXPORT const struct db_driver *const db_driver_export = &text_driver;
MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "db_text",
	.doc = "Databases of plain text files: text:///directory.",
	.settings = { &settings, FIELDS(setting_fields) },
	.commands = ROWS(commands),
	.offers = ROWS(offers),
};
