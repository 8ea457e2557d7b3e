/* SPDX-License-Identifier: BSD-2-Clause */
/* database: the tools' way to the database that kamctlrc names. Statements are made by core/db with
 * bound values, the same for every engine. */
#pragma once

#include "core/db/db.h"

enum engine { ENGINE_SQLITE, ENGINE_MYSQL, ENGINE_PGSQL };
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_ROOT, ACCESS_ROOT_NO_DATABASE };

/* DBENGINE; ends the program with a message when it is none that we know. */
enum engine database_engine(void);
/* Its URL as a configuration names it, with the password in it. */
struct span database_url(enum access access);
/* The database, opened for this access; ends the program (EXIT_UNREACHABLE) after a message that says
 * what to do when that is impossible. */
struct db *database_open(enum access access);
/* The same for a database of another name. */
struct db *database_open_named(enum access access, const char *name);

/* Memory for statements and what they return; lives until exit. */
struct arena *tool_arena(void);

/* Makes the statement or ends the program. */
const struct db_statement *database_prepare(struct db *db, const struct db_spec *spec);
/* A statement written out; `?` stand for the values. */
const struct db_statement *database_sql(struct db *db, struct span sql, unsigned value_count);

/* Each says what went wrong; false then. `out_affected` may be NULL. */
bool database_execute(struct db *db, const struct db_statement *statement,
		      const struct db_value *values, int64_t *out_affected);
/* Runs and prints all rows. */
bool database_print(struct db *db, const struct db_statement *statement,
		    const struct db_value *values, bool is_vertical);
/* Number of rows of `table` with these values. -1 after an error. */
int64_t database_count(struct db *db, struct span table, const struct db_key *keys,
		       unsigned key_count, const struct db_value *values);
