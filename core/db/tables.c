/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements by the name of their table. */
#include "core/db/tables.h"

#define CHUNK 4096
#define LIMIT (1 << 20)

static struct arena *arena_of(struct db_tables *tables)
{
	if (!tables->arena.chunk_size)
		arena_init(&tables->arena, CHUNK, LIMIT);
	return &tables->arena;
}

const char *db_tables_note(struct db_tables *tables, struct span table)
{
	if (!table.len)
		return "the name of a table is missing";
	for (unsigned i = 0; i < tables->noted_count; i++)
		if (span_equal(tables->noted[i], table))
			return NULL;
	if (tables->noted_count == DB_TABLES_MOST)
		return NULL;
	/* The script's text is gone when the server starts. */
	struct span kept = arena_copy(arena_of(tables), table);
	if (!kept.at)
		return "there is no memory for the name of the table";
	tables->noted[tables->noted_count++] = kept;
	return NULL;
}

bool db_tables_check(struct db_tables *tables, struct db *db)
{
	bool all = true;
	for (unsigned i = 0; i < tables->noted_count; i++)
		if (!db_need_table(db, tables->module, tables->noted[i], tables->version))
			all = false;
	return all;
}

struct db_statement *db_tables_statement(struct db_tables *tables, struct db *db, unsigned kind,
					 const struct db_spec *spec, struct arena *arena)
{
	for (unsigned i = 0; i < tables->kept_count; i++)
		if (tables->kept[i].kind == kind && span_equal(tables->kept[i].table, spec->table))
			return tables->kept[i].statement;
	if (tables->kept_count == DB_TABLES_MOST)
		return db_prepare(db, arena, spec);
	struct span name = arena_copy(arena_of(tables), spec->table);
	struct db_statement *statement = db_prepare(db, arena_of(tables), spec);
	if (!name.at || !statement)
		return NULL;
	tables->kept[tables->kept_count].table = name;
	tables->kept[tables->kept_count].kind = kind;
	tables->kept[tables->kept_count++].statement = statement;
	return statement;
}

void db_tables_free(struct db_tables *tables)
{
	if (tables->arena.chunk_size)
		arena_free(&tables->arena);
	*tables = (struct db_tables){ .module = tables->module, .version = tables->version };
}
