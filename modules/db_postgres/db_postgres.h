/* SPDX-License-Identifier: BSD-2-Clause */
/* db_postgres: shared by the files of this module. */
#pragma once

#include <libpq-fe.h>

#include "core/db/driver.h"
#include "core/module/module.h"

#define POSTGRES_OPTIONS_MOST 16

struct postgres_settings {
	int64_t retries, timeout, tcp_keepalive, lockset, connect_timeout;
	bool bytea_output_escape;
	struct span con_param;
	/* con_param taken apart; NULL-terminated, zero-terminated texts */
	const char *option_names[POSTGRES_OPTIONS_MOST + 1];
	const char *option_values[POSTGRES_OPTIONS_MOST + 1];
};
extern const struct postgres_settings *const postgres_settings;
extern const struct db_driver postgres_driver;

/* ---- values.c -------------------------------------------------------------------------------- */
/* The values of a call as the library wants them. */
struct parameters {
	const char **values; /* room for `room` of each */
	int *lengths, *formats;
	unsigned room;
	char *text; /* copies that end in zero, and numbers as text */
	size_t text_room;
};
/* NULL, or why the values cannot be sent. */
const char *parameters_fill(struct parameters *to, const struct db_value *values, unsigned count);
void parameters_free(struct parameters *parameters);
/* A field of a result. A blob is decoded into `*blob`, which the caller frees with PQfreemem before
 * the next field of the same column. */
struct db_value field_read(const PGresult *result, int column, unsigned char **blob);
