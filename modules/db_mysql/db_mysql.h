/* SPDX-License-Identifier: BSD-2-Clause */
/* db_mysql: shared by the files of this module. */
#pragma once

#include <mysql.h>

#include "core/db/driver.h"
#include "core/module/module.h"

struct mysql_settings {
	int64_t ping_interval, connect_timeout, send_timeout, receive_timeout, timeout_interval,
		retries;
	int64_t opt_ssl_mode;
	bool server_timezone, auto_reconnect, update_affected_found, unsigned_type;
	int64_t insert_delayed;
	struct span opt_ssl_ca;
};
extern const struct mysql_settings *const mysql_settings;
extern const struct db_driver mysql_driver;

/* ---- rows.c: a prepared statement and room for one row of its result --------------------------- */
struct prepared_column {
	struct span name;
	enum db_kind kind;
	union {
		long long number;
		double real;
		MYSQL_TIME time;
	} fixed;
	char *text; /* `capacity` bytes */
	unsigned long capacity, len;
	my_bool is_null, is_cut;
};
struct prepared {
	MYSQL_STMT *handle;
	unsigned column_count;
	struct prepared_column *columns;
	MYSQL_BIND *binds;
	struct db_value *row;
	struct span *names;
};
/* Makes room for the columns that the statement has now; false when memory is exhausted. */
bool prepared_bind_columns(struct prepared *prepared);
/* The row that was just fetched; NULL when memory is exhausted. */
const struct db_value *prepared_row(struct prepared *prepared);
/* Binds the values of a call; `times` has room for as many. False: the library refuses. */
bool prepared_bind_values(struct prepared *prepared, const struct db_value *values,
			  MYSQL_BIND *binds, MYSQL_TIME *times, unsigned count);
void prepared_free(struct prepared *prepared);
