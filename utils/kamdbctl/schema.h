/* SPDX-License-Identifier: BSD-2-Clause */
/* schema: the tables that modules want, from the files <group>-create.sql that are generated from
 * one description for all engines. */
#pragma once

#include "utils/kamdbctl/engine.h"

/* Runs the file of a group: its tables, and their rows in `version`. False after a message. */
bool schema_run(const struct database_maker *maker, const char *database, const char *group);
/* The same for all groups of a list of words. */
bool schema_run_list(const struct database_maker *maker, const char *database, const char *groups);
/* Calls `visit` for each statement in the files of these groups; ends and returns false when `visit`
 * does. */
bool schema_statements(const struct database_maker *maker, const char *groups,
		       bool (*visit)(struct span statement, void *with), void *with);
/* Calls `visit` for each table in the files of these groups with the version it should have; ends
 * and returns false when `visit` does. */
bool schema_versions(const struct database_maker *maker, const char *groups,
		     bool (*visit)(struct span table, int64_t version, void *with), void *with);
/* Makes the table of an older version new: a fresh table takes the rows over by the names of the
 * columns; the old one is kept as NAME_old_VERSION. */
bool schema_migrate(const struct database_maker *maker, struct db *db, struct span table,
		    int64_t from);
