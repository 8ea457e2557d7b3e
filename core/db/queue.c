/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows in the ring and out of it. A record names its table and columns, so that rows of an earlier
 * configuration are written as they were meant:
 *
 *   table, number of columns, then for each: name, kind, number | bytes of a double | text
 */
#include "core/db/queue.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/db/mend.h"
#include "core/db/queue_file.h"
#include "core/db/tables.h"
#include "core/loop/fiber.h"
#include "core/loop/loop.h"
#include "core/shm/map.h"

/* Rows that one statement, and one transaction, writes at most. */
#define MANY  16
#define BATCH 512
/* What comes in so short a time is written together. */
#define GATHER_MS     20
#define AWAY_RETRY_MS 1000
#define SHOWN_MOST    1500

struct shared {
	_Atomic uint64_t put, written, refused, lost;
	_Atomic bool is_idle; /* the writer waits to be woken */
	_Atomic bool is_full;
};

struct db_queue {
	struct db_queue_options options;
	struct ring ring;
	struct shared *shared;
	int wake_fd;
	struct db_tables tables; /* statements of this process */
	bool was_away;
};

/* ---- a row as bytes ---- */

struct cell {
	uint32_t name_len, text_len;
	uint32_t kind;
	int64_t number;
	double real;
};

struct row_head {
	uint32_t table_len;
	uint32_t count;
};

static size_t row_bytes(const struct db_row *row)
{
	size_t bytes = sizeof(struct row_head) + row->table.len;
	for (unsigned i = 0; i < row->count; i++)
		bytes += sizeof(struct cell) + row->columns[i].name.len + row->values[i].text.len;
	return bytes;
}

static char *put_bytes(char *to, const void *from, size_t len)
{
	if (len)
		memcpy(to, from, len);
	return to + len;
}

static void write_row(char *to, const void *arg)
{
	const struct db_row *row = arg;
	struct row_head head = { (uint32_t)row->table.len, row->count };
	to = put_bytes(to, &head, sizeof(head));
	to = put_bytes(to, row->table.at, row->table.len);
	for (unsigned i = 0; i < row->count; i++) {
		struct span name = row->columns[i].name;
		const struct db_value *value = &row->values[i];
		struct cell cell;
		memset(&cell, 0, sizeof(cell)); /* the file has no bytes of the stack */
		cell.name_len = (uint32_t)name.len;
		cell.text_len = (uint32_t)value->text.len;
		cell.kind = value->kind;
		cell.number = value->number;
		cell.real = value->real;
		to = put_bytes(to, &cell, sizeof(cell));
		to = put_bytes(to, name.at, name.len);
		to = put_bytes(to, value->text.at, value->text.len);
	}
}

static bool take_bytes(struct span *rest, size_t len, const char **out)
{
	if (rest->len < len)
		return false;
	*out = rest->at;
	*rest = span_slice(*rest, len, rest->len);
	return true;
}

/* A row that was read; texts borrow the ring. */
struct read_row {
	struct span table;
	unsigned count;
	struct db_column columns[DB_QUEUE_COLUMNS_MOST];
	struct db_value values[DB_QUEUE_COLUMNS_MOST];
};

static bool read_cell(struct span *rest, struct db_column *column, struct db_value *value)
{
	struct cell cell;
	const char *at, *name, *text;
	if (!take_bytes(rest, sizeof(cell), &at))
		return false;
	memcpy(&cell, at, sizeof(cell));
	if (!take_bytes(rest, cell.name_len, &name) || !take_bytes(rest, cell.text_len, &text) ||
	    cell.kind > DB_TIME)
		return false;
	*column = (struct db_column){ .name = span_make(name, cell.name_len) };
	*value = (struct db_value){ .kind = (enum db_kind)cell.kind,
				    .number = cell.number,
				    .real = cell.real };
	if (cell.kind == DB_TEXT || cell.kind == DB_BLOB)
		value->text = span_make(text, cell.text_len);
	return true;
}

static bool read_row(struct span record, struct read_row *out)
{
	struct row_head head;
	const char *at;
	if (!take_bytes(&record, sizeof(head), &at))
		return false;
	memcpy(&head, at, sizeof(head));
	if (!take_bytes(&record, head.table_len, &at) || head.count > DB_QUEUE_COLUMNS_MOST)
		return false;
	out->table = span_make(at, head.table_len);
	out->count = head.count;
	for (unsigned i = 0; i < head.count; i++)
		if (!read_cell(&record, &out->columns[i], &out->values[i]))
			return false;
	return true;
}

/* ---- putting ---- */

static void tell_lost(struct db_queue *queue, enum ring_result result)
{
	queue->shared->lost++;
	if (atomic_exchange(&queue->shared->is_full, true))
		return;
	log_critical("the queue of rows %s %s; rows for %.*s are lost until there is room again",
		     queue->ring.path,
		     result == RING_FULL ? "is full, because the database has not taken them"
					 : "cannot grow: the disk is full",
		     SPAN_ARGS(db_shown_url(queue->options.database)));
}

static void wake_writer(struct db_queue *queue)
{
	uint64_t one = 1;
	if (atomic_exchange(&queue->shared->is_idle, false))
		(void)!write(queue->wake_fd, &one, sizeof(one));
}

bool db_queue_put(struct db_queue *queue, const struct db_row *row)
{
	size_t bytes = row_bytes(row);
	if (bytes > DB_QUEUE_ROW_MOST || row->count > DB_QUEUE_COLUMNS_MOST) {
		log_error("a row for the table %.*s is too large: %zu bytes", SPAN_ARGS(row->table),
			  bytes);
		queue->shared->lost++;
		return false;
	}
	enum ring_result result = ring_add(&queue->ring, bytes, write_row, row);
	if (result != RING_OK) {
		tell_lost(queue, result);
		return false;
	}
	queue->shared->put++;
	wake_writer(queue);
	return true;
}

/* ---- writing ---- */

/* Rows that were read and are not written yet; all alike. */
struct batch {
	struct read_row rows[MANY], next;
	unsigned count;
	struct db_value *values; /* of MANY rows */
	struct arena arena;
};

static struct batch *batch_new(void)
{
	struct batch *batch = malloc(sizeof(*batch));
	if (!batch)
		return NULL;
	batch->count = 0;
	batch->values = malloc(sizeof(struct db_value) * MANY * DB_QUEUE_COLUMNS_MOST);
	arena_init(&batch->arena, 1 << 14, 1 << 24);
	if (batch->values)
		return batch;
	arena_free(&batch->arena);
	free(batch);
	return NULL;
}

static void batch_free(struct batch *batch)
{
	arena_free(&batch->arena);
	free(batch->values);
	free(batch);
}

static bool is_alike(const struct read_row *a, const struct read_row *b)
{
	if (a->count != b->count || !span_equal(a->table, b->table))
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (!span_equal(a->columns[i].name, b->columns[i].name))
			return false;
	return true;
}

/* A number for the columns and the number of rows. */
static unsigned shape(const struct read_row *row, unsigned row_count)
{
	uint64_t hash = row_count;
	for (unsigned i = 0; i < row->count; i++)
		hash = hash_mix(hash, hash_span(row->columns[i].name));
	return (unsigned)(hash ^ hash >> 32);
}

static enum db_status insert(struct db_queue *queue, struct db_transaction *transaction,
			     struct batch *batch, unsigned from, unsigned count)
{
	struct read_row *first = &batch->rows[from];
	struct db_spec spec = { .verb = DB_INSERT,
				.table = first->table,
				.columns = first->columns,
				.column_count = first->count,
				.row_count = count };
	for (unsigned i = 0; i < count; i++)
		memcpy(batch->values + i * first->count, batch->rows[from + i].values,
		       first->count * sizeof(struct db_value));
	arena_clear(&batch->arena);
	struct db_statement *statement = db_tables_statement(
		&queue->tables, queue->options.database, shape(first, count), &spec, &batch->arena);
	return statement ? db_execute_in(transaction, statement, batch->values, NULL) : DB_REJECTED;
}

/* Whole sets go in one statement; else each shape would make a statement of its own. */
static enum db_status insert_batch(struct db_queue *queue, struct db_transaction *transaction,
				   struct batch *batch)
{
	enum db_status status = DB_OK;
	if (batch->count == MANY)
		status = insert(queue, transaction, batch, 0, MANY);
	for (unsigned i = 0; batch->count < MANY && i < batch->count && status == DB_OK; i++)
		status = insert(queue, transaction, batch, i, 1);
	batch->count = 0;
	return status;
}

static void tell_refused(struct db_queue *queue, const struct read_row *row)
{
	char bytes[SHOWN_MOST], number[32];
	struct writer text = writer_fixed(bytes, sizeof(bytes));
	for (unsigned i = 0; i < row->count && !text.failed; i++) {
		writer_span(&text, row->columns[i].name);
		writer_char(&text, '=');
		struct span value = db_as_text(&row->values[i], number);
		for (size_t j = 0; j < value.len; j++)
			writer_char(&text, (unsigned char)value.at[j] < ' ' ? ' ' : value.at[j]);
		writer_char(&text, ';');
	}
	queue->shared->refused++;
	log_error("the database refuses a row for the table %.*s (%s): %.*s", SPAN_ARGS(row->table),
		  db_last_error(queue->options.database), (int)writer_result(&text).len, bytes);
}

/* Writes the rows from the cursor on, at most `most`, in one transaction. DB_REJECTED: one of them
 * is not acceptable, nothing was written. */
static enum db_status write_some(struct db_queue *queue, struct batch *batch,
				 struct ring_cursor *cursor, unsigned most, unsigned *out_count)
{
	struct db_transaction transaction;
	struct span record;
	enum db_status status = db_begin(queue->options.database, &transaction);
	*out_count = 0;
	batch->count = 0;
	while (status == DB_OK && *out_count < most && ring_next(&queue->ring, cursor, &record)) {
		struct read_row *row = &batch->rows[batch->count];
		if (!read_row(record, row))
			continue;
		if (batch->count && !is_alike(row, &batch->rows[0])) {
			batch->next = *row;
			status = insert_batch(queue, &transaction, batch);
			batch->rows[0] = batch->next;
		}
		batch->count++;
		++*out_count;
		if (status == DB_OK && batch->count == MANY)
			status = insert_batch(queue, &transaction, batch);
	}
	if (status == DB_OK && batch->count)
		status = insert_batch(queue, &transaction, batch);
	if (status == DB_OK)
		return db_commit(&transaction);
	db_rollback(&transaction);
	/* Refused before any row was read: that is no row's fault. */
	return *out_count ? status : DB_AWAY;
}

static void done_with(struct db_queue *queue, const struct ring_cursor *cursor, unsigned count)
{
	ring_drop(&queue->ring, cursor);
	queue->shared->written += count;
	if (atomic_exchange(&queue->shared->is_full, false))
		log_error("the queue of rows %s has room again; %llu rows were lost so far",
			  queue->ring.path, (unsigned long long)queue->shared->lost);
}

/* Writes the first row of the batch, whose values may have been changed, alone. */
static enum db_status write_first(struct db_queue *queue, struct batch *batch)
{
	struct db_transaction transaction;
	enum db_status status = db_begin(queue->options.database, &transaction);
	if (status != DB_OK)
		return DB_AWAY;
	batch->count = 1;
	status = insert_batch(queue, &transaction, batch);
	if (status == DB_OK)
		return db_commit(&transaction);
	db_rollback(&transaction);
	return status;
}

/* What was refused is in the log as it was; the database gets what it accepts of it. */
static enum db_status write_mended(struct db_queue *queue, struct batch *batch)
{
	enum db_status status = DB_REJECTED;
	struct arena texts;
	arena_init(&texts, 1 << 12, 1 << 22);
	batch->next = batch->rows[0];
	for (unsigned way = 0; way < DB_MEND_WAYS && status != DB_OK && status != DB_AWAY; way++) {
		batch->rows[0] = batch->next;
		status = db_mend(batch->rows[0].values, batch->rows[0].count, way, &texts)
				 ? write_first(queue, batch)
				 : DB_REJECTED;
		arena_clear(&texts);
	}
	arena_free(&texts);
	if (status == DB_OK)
		log_error("the row for the table %.*s was written with shortened or cleaned texts",
			  SPAN_ARGS(batch->next.table));
	return status;
}

/* One row that the database does not accept must not hold up the others. */
static enum db_status write_one_by_one(struct db_queue *queue, struct batch *batch, unsigned most)
{
	for (unsigned i = 0; i < most && !ring_is_empty(&queue->ring); i++) {
		struct ring_cursor cursor = { 0 };
		unsigned count;
		enum db_status status = write_some(queue, batch, &cursor, 1, &count);
		if (status == DB_AWAY)
			return status;
		if (status != DB_OK && count) {
			tell_refused(queue, &batch->rows[0]);
			status = write_mended(queue, batch);
		}
		if (status == DB_AWAY)
			return status;
		done_with(queue, &cursor, status == DB_OK ? count : 0);
	}
	return DB_OK;
}

enum db_status db_queue_write(struct db_queue *queue)
{
	enum db_status status = DB_OK;
	struct batch *batch = ring_is_empty(&queue->ring) ? NULL : batch_new();
	while (batch && status == DB_OK && !ring_is_empty(&queue->ring)) {
		struct ring_cursor cursor = { 0 };
		unsigned count;
		status = write_some(queue, batch, &cursor, BATCH, &count);
		if (status == DB_OK)
			done_with(queue, &cursor, count);
		else if (status != DB_AWAY)
			status = write_one_by_one(queue, batch, count);
	}
	if (batch)
		batch_free(batch);
	return batch || ring_is_empty(&queue->ring) ? status : DB_AWAY;
}

/* ---- the process that writes ---- */

static void wait_for_rows(struct db_queue *queue)
{
	uint64_t count;
	queue->shared->is_idle = true;
	/* A row that came before the flag was set woke nobody. */
	if (ring_is_empty(&queue->ring)) {
		(void)fiber_wait_fd(queue->wake_fd, LOOP_READ, -1);
		(void)!read(queue->wake_fd, &count, sizeof(count));
	}
	queue->shared->is_idle = false;
}

static void serve(void *arg)
{
	struct db_queue *queue = arg;
	for (;;) {
		wait_for_rows(queue);
		fiber_sleep_ms(GATHER_MS);
		uint64_t before = queue->shared->written;
		enum db_status status = db_queue_write(queue);
		if (status == DB_OK && queue->was_away)
			log_notice("the database takes rows again: %llu that waited were written",
				   (unsigned long long)(queue->shared->written - before));
		queue->was_away = status == DB_AWAY;
		if (queue->was_away)
			fiber_sleep_ms(AWAY_RETRY_MS);
	}
}

bool db_queue_serve(struct db_queue *queue)
{
	return fiber_start(serve, queue);
}

/* ---- life ---- */

struct db_queue *db_queue_open(const struct db_queue_options *options)
{
	char path[PATH_MAX];
	struct db_queue *queue = calloc(1, sizeof(*queue));
	if (!queue)
		return NULL;
	queue->options = *options;
	queue->tables.module = options->name;
	queue->shared = shm_reserve(sizeof(*queue->shared), "queue of rows");
	queue->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	snprintf(path, sizeof(path), "%.*s/%s.queue", SPAN_ARGS(options->folder), options->name);
	if (queue->shared && queue->wake_fd >= 0 &&
	    ring_open(&queue->ring, path, options->most_bytes)) {
		if (!ring_is_empty(&queue->ring))
			log_notice(
				"%s has %llu bytes of rows that the database has not got yet; they are written now",
				path, (unsigned long long)ring_waiting(&queue->ring));
		return queue;
	}
	if (queue->wake_fd >= 0)
		close(queue->wake_fd);
	free(queue);
	return NULL;
}

void db_queue_figures(const struct db_queue *queue, struct db_queue_figures *out)
{
	*out = (struct db_queue_figures){ .put = queue->shared->put,
					  .written = queue->shared->written,
					  .refused = queue->shared->refused,
					  .lost = queue->shared->lost,
					  .waiting = ring_waiting(&queue->ring) };
}

void db_queue_close(struct db_queue *queue)
{
	if (db_queue_write(queue) != DB_OK)
		log_error("%llu bytes of rows could not be written at the stop; %s keeps them for "
			  "the next start",
			  (unsigned long long)ring_waiting(&queue->ring), queue->ring.path);
	ring_close(&queue->ring);
	db_tables_free(&queue->tables);
	close(queue->wake_fd);
	free(queue);
}
