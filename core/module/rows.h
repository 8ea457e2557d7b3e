/* SPDX-License-Identifier: BSD-2-Clause */
/* rows: rows of a database for modules that give them to the script. */
#pragma once

#include "core/db/db.h"
#include "core/script/script.h"

/* All rows of a query, in an arena. */
struct row_set {
	unsigned rows, columns;
	struct span *names;      /* of the columns */
	struct db_value *values; /* row by row */
};

/* Reads all rows and ends the reading, so that nothing waits for the database while they are used. False
 * when that failed, or, logged, when the arena is full. */
[[nodiscard]] bool row_set_read(struct db_rows *rows, struct arena *arena, struct row_set *out);
static inline const struct db_value *row_set_at(const struct row_set *set, unsigned row,
						unsigned column)
{
	return &set->values[(size_t)row * set->columns + column];
}

/* A value of a row for the script: numbers stay numbers, times are their seconds, NULL is null and
 * everything else is text; text is borrowed or in run->arena. */
struct value row_value(struct script_run *run, const struct db_value *from);
