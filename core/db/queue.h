/* SPDX-License-Identifier: BSD-2-Clause */
/* queue: rows that will be written to a database by and by. Who puts a row never waits; a process
 * of its own writes what has come, many rows at a time and in their order, and tries again for as
 * long as the database is away.
 *
 *   start()   queue = db_queue_open(&options);
 *   anywhere  db_queue_put(queue, &row);
 *   a role    db_queue_serve(queue);
 *   finish()  db_queue_close(queue);
 *
 * The queue is a file that all processes map: rows outlive the death of a worker and of the whole
 * server, and what the database did not take is written after the next start. A row is written at
 * least once: when the connection breaks during a COMMIT, nobody knows whether it counts. A row that
 * the database refuses is told in the log, and written with texts that it accepts. */
#pragma once

#include "core/db/db.h"

struct db_queue;

struct db_queue_options {
	const char *name; /* of the file, and for the log: "acc" */
	struct db *database;
	struct span folder; /* where the file NAME.queue lies */
	size_t most_bytes;  /* the file never grows beyond this */
};

/* A row to be inserted; everything is copied. */
struct db_row {
	struct span table;
	const struct db_column *columns; /* their kinds do not matter */
	const struct db_value *values;
	unsigned count;
};
#define DB_QUEUE_COLUMNS_MOST 160
#define DB_QUEUE_ROW_MOST     ((size_t)1 << 18) /* bytes */

/* What happened since the start, of all processes. */
struct db_queue_figures {
	uint64_t put, written;
	uint64_t refused; /* as they were, by the database: they are in the log */
	uint64_t lost;    /* the queue was full */
	uint64_t waiting; /* bytes */
};

/* Before the first fork. Tells how much an earlier server left. NULL after the reason was logged. */
struct db_queue *db_queue_open(const struct db_queue_options *options);
/* Any process, any time. False when the row is too large or the queue is full; that is logged. */
bool db_queue_put(struct db_queue *queue, const struct db_row *row);
/* The one process that writes: goes on for ever, on a fiber of its loop. False: no memory. */
[[nodiscard]] bool db_queue_serve(struct db_queue *queue);
/* Writes what waits now; one caller at a time. DB_AWAY: the rest waits. */
enum db_status db_queue_write(struct db_queue *queue);
void db_queue_figures(const struct db_queue *queue, struct db_queue_figures *out);
/* The supervisor, when everybody else has ended: writes what waits, and says what could not be
 * written. An empty file is deleted. */
void db_queue_close(struct db_queue *queue);
