/* SPDX-License-Identifier: BSD-2-Clause */
/* engine: what differs between the database engines when databases are made, not used. */
#pragma once

#include "utils/control/database.h"

struct database_maker {
	enum engine engine;
	const char *schema_folder; /* below SCHEMA_DIR */

	/* Each returns false after a message. `name` is the database's name (SQLite: its path). */
	bool (*exists)(const char *name, bool *out_exists);
	bool (*create)(const char *name); /* empty */
	bool (*drop)(const char *name);
	/* What DBRWUSER may write and DBROUSER may read; makes the users when they do not exist. */
	bool (*grant)(const char *name);
	bool (*revoke)(const char *name); /* removes the users, too */
	bool (*backup)(const char *name, const char *file);
	bool (*restore)(const char *name, const char *file);
	bool (*copy)(const char *name, const char *new_name);
};

extern const struct database_maker sqlite_maker, mysql_maker, pgsql_maker;

/* ---- for makers of servers -------------------------------------------------------------------- */
/* Lets the server write a statement around quoted values (first column of the first row of `sql` with
 * these values), and runs what it wrote. `sql` is the engine's way to quote. */
bool run_quoted(struct db *db, const char *sql, unsigned count, const struct db_value *values);
/* Does the query with one value yield a row? False after an error, too, with a message. */
bool find_row(struct db *db, const char *sql, struct db_value value, bool *out_found);

/* Runs a program with its input or output (NULL: none) from or to a file, and one more variable in
 * its environment: that is how passwords go to other programs. `arguments` ends with NULL. */
bool run_tool(const char *const *arguments, const char *input, const char *output,
	      const char *variable, const char *value);
/* The same with the output of one program as the input of another. */
bool run_pipe(const char *const *from, const char *const *to, const char *variable,
	      const char *value);
