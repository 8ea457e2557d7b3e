/* SPDX-License-Identifier: BSD-2-Clause */
/* db_text: shared by the files of this module. */
#pragma once

#include <sys/stat.h>

#include "core/db/driver.h"
#include "core/module/module.h"

struct text_settings {
	char delimiter;
	bool empty_is_text; /* an empty field of a text column is "", also where NULL is allowed */
	int64_t rows_most;
};
extern const struct text_settings *const text_settings;
extern const struct db_driver text_driver;

/* ---- table.c: a file in memory ---------------------------------------------------------------- */
struct text_column {
	struct span name;
	enum db_kind kind; /* INT, DOUBLE or TEXT */
	bool is_auto, may_be_null;
};
struct text_table {
	struct text_table *next;
	struct arena arena; /* holds everything below */
	struct span name;
	struct text_column *columns;
	unsigned column_count;
	struct db_value **rows; /* `row_count` of them, each with column_count values */
	unsigned row_count, row_room;
	struct timespec changed; /* of the file that was read */
	off_t size;
	ino_t inode;
};
/* Reads `directory`/`name`; NULL after `error` was written (the table's file and line, if any). */
struct text_table *text_table_read(struct span directory, struct span name, char error[256]);
/* Is the file still the one that was read? */
bool text_table_is_current(const struct text_table *table, struct span directory);
/* Puts the file in the place of the old one; false after `error` was written. */
bool text_table_write(const struct text_table *table, struct span directory, char error[256]);
void text_table_free(struct text_table *table);
/* Index of a column, or -1. */
int text_table_column(const struct text_table *table, struct span name);
/* A row with the columns' empty values, added at the end; NULL when memory is exhausted. */
struct db_value *text_table_add(struct text_table *table);
/* Puts a value into a cell as the column's kind wants it; texts are copied. False: not possible. */
bool text_table_set(struct text_table *table, struct db_value *row, unsigned column,
		    const struct db_value *value);

/* ---- match.c --------------------------------------------------------------------------------- */
/* Does a row meet the keys of a statement? `columns` are their places in the table. */
bool text_row_matches(const struct db_value *row, const struct db_spec *spec, const int *columns,
		      const struct db_value *values);
/* <0, 0, >0; NULL is less than everything. */
int text_compare(const struct db_value *a, const struct db_value *b);
