/* SPDX-License-Identifier: BSD-2-Clause */
/* tables: for functions of the script that are told a table ("subscriber"): the tables that the script
 * names are checked at start, and each process keeps the statements that it made for them. */
#pragma once

#include "core/db/db.h"

#define DB_TABLES_MOST 16

struct db_tables {
	const char *module;
	int version; /* that the tables must have; 0: any */

	/* private */
	struct span noted[DB_TABLES_MOST];
	unsigned noted_count;
	struct {
		struct span table;
		unsigned kind;
		struct db_statement *statement;
	} kept[DB_TABLES_MOST];
	unsigned kept_count;
	struct arena arena;
};

/* For the `.accept` of an argument: notes a table, and says what is wrong with the name. The name
 * is copied. */
const char *db_tables_note(struct db_tables *tables, struct span table);
/* For `start`: are the noted tables there, in the right version? False after an error was logged. */
[[nodiscard]] bool db_tables_check(struct db_tables *tables, struct db *db);
/* The statement for spec->table and this kind (a number of the caller's for the rest of the spec),
 * made when it is needed; beyond the first few tables it lives in `arena`. NULL: no memory, or the
 * name is unusable. */
struct db_statement *db_tables_statement(struct db_tables *tables, struct db *db, unsigned kind,
					 const struct db_spec *spec, struct arena *arena);
/* Forgets all; the statements are no longer valid. */
void db_tables_free(struct db_tables *tables);
