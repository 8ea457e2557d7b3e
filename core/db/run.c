/* SPDX-License-Identifier: BSD-2-Clause */
/* Running statements and reading rows. */
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/db/internal.h"

/* ---- one call -------------------------------------------------------------------------------- */

static bool is_reading(const struct db_statement *statement)
{
	return statement->spec.verb == DB_SELECT;
}

static enum db_status run_on(struct db_connection *connection, const struct db_statement *statement,
			     const struct db_value *values, struct db_rows *out)
{
	struct db_outcome outcome = { 0 };
	bug_if(statement->db != connection->db,
	       "a statement is run with another database's connection");
	db_deadline_start(connection);
	connection->column_count = 0;
	enum db_status status = connection->driver->run(connection, statement, values, &outcome);
	if (status != DB_OK)
		return status;
	out->statement = statement;
	out->affected = outcome.affected;
	out->last_id = outcome.last_id;
	out->count = connection->column_count;
	out->connection = connection;
	return DB_OK;
}

enum db_status db_run(const struct db_statement *statement, const struct db_value *values,
		      struct db_rows *out)
{
	struct db *db = statement->db;
	struct db_connection *connection;
	*out = (struct db_rows){ .status = DB_OK };
	for (unsigned attempt = 0;; attempt++) {
		bool can_repeat = is_reading(statement) && attempt == 0;
		enum db_status status = db_pool_take(db, can_repeat, &connection);
		if (status != DB_OK)
			return status;
		status = run_on(connection, statement, values, out);
		if (status == DB_OK)
			return DB_OK;
		/* The server was restarted between two calls: reading again does no harm. */
		bool is_lost = connection->is_broken &&
			       (!connection->deadline_ms || db_now_ms() < connection->deadline_ms);
		bool again = status == DB_AWAY && is_lost && can_repeat;
		if (!again && status != DB_DUPLICATE)
			db_tell_failed(db, statement, status, connection->error);
		if (is_lost)
			db_pool_drop_idle(db);
		db_pool_put(connection);
		if (!again)
			return status;
	}
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Room for one row and the short texts that numbers become. */
struct converted_row {
	struct db_value *values;
	char (*buffers)[32];
};

static struct converted_row converted_of(struct db_rows *rows)
{
	if (!rows->converted)
		rows->converted = calloc(rows->count, sizeof(struct db_value) + 32);
	return (struct converted_row){ rows->converted,
				       rows->converted
					       ? (char(*)[32])(rows->converted + rows->count)
					       : NULL };
}

static struct db_value convert(const struct db_value *value, enum db_kind kind, char buffer[32])
{
	switch (kind) {
	case DB_NULL: return *value;
	case DB_INT: return db_int(db_as_int(value));
	case DB_DOUBLE: return db_double(db_as_double(value));
	case DB_TEXT: return db_text(db_as_text(value, buffer));
	case DB_BLOB: return db_blob(db_as_text(value, buffer));
	case DB_TIME: return db_time(db_as_time(value));
	}
	return *value;
}

/* Gives the columns the kinds that the statement asks for; most rows have them already. */
static bool convert_row(struct db_rows *rows)
{
	const struct db_column *columns = rows->statement->spec.columns;
	struct converted_row into = { 0 };
	for (unsigned i = 0; i < rows->count && i < rows->statement->spec.column_count; i++) {
		enum db_kind have = rows->values[i].kind, want = columns[i].kind;
		if (want == DB_NULL || have == want || have == DB_NULL)
			continue;
		if (!into.values) {
			into = converted_of(rows);
			if (!into.values)
				return false;
			memcpy(into.values, rows->values, rows->count * sizeof(struct db_value));
		}
		into.values[i] = convert(&rows->values[i], want, into.buffers[i]);
	}
	if (into.values)
		rows->values = into.values;
	return true;
}

bool db_next(struct db_rows *rows)
{
	if (!rows->connection || !rows->count || rows->status != DB_OK)
		return false;
	db_deadline_start(rows->connection);
	rows->values = NULL;
	rows->status = rows->connection->driver->next_row(rows->connection, &rows->values);
	if (rows->status != DB_OK) {
		rows->values = NULL;
		db_tell_failed(rows->connection->db, rows->statement, rows->status,
			       rows->connection->error);
		return false;
	}
	if (!rows->values)
		return false;
	if (rows->statement->has_kinds && !convert_row(rows)) {
		rows->status = DB_AWAY;
		return false;
	}
	return true;
}

enum db_status db_end(struct db_rows *rows)
{
	struct db_connection *connection = rows->connection;
	if (connection) {
		if (rows->count)
			connection->driver->end(connection);
		if (!rows->transaction)
			db_pool_put(connection);
	}
	free(rows->converted);
	rows->converted = NULL;
	rows->connection = NULL;
	rows->values = NULL;
	rows->count = 0;
	return rows->status;
}

struct span db_column_name(const struct db_rows *rows, unsigned column)
{
	if (!rows->connection || column >= rows->count)
		return (struct span){ 0 };
	return rows->connection->column_names[column];
}

/* ---- shorter forms --------------------------------------------------------------------------- */

enum db_status db_execute(const struct db_statement *statement, const struct db_value *values,
			  int64_t *out_affected)
{
	struct db_rows rows;
	enum db_status status = db_run(statement, values, &rows);
	if (status != DB_OK)
		return status;
	if (out_affected)
		*out_affected = rows.affected;
	return db_end(&rows);
}

static const struct db_value *copy_row(const struct db_rows *rows, struct arena *arena)
{
	struct db_value *copy = ARENA_ARRAY(arena, struct db_value, rows->count);
	if (!copy)
		return NULL;
	memcpy(copy, rows->values, rows->count * sizeof(*copy));
	for (unsigned i = 0; i < rows->count; i++) {
		bool has_text = copy[i].kind == DB_TEXT || copy[i].kind == DB_BLOB;
		if (has_text && !(copy[i].text = arena_copy(arena, copy[i].text)).at)
			return NULL;
	}
	return copy;
}

enum db_status db_first(const struct db_statement *statement, const struct db_value *values,
			struct arena *arena, const struct db_value **out_row)
{
	struct db_rows rows;
	const struct db_value *row = NULL;
	bool has_memory = true;
	enum db_status status = db_run(statement, values, &rows);
	if (status != DB_OK)
		return status;
	if (db_next(&rows)) {
		row = copy_row(&rows, arena);
		has_memory = row != NULL;
	}
	status = db_end(&rows);
	if (status == DB_OK && !has_memory)
		status = DB_AWAY;
	if (status == DB_OK)
		*out_row = row;
	return status;
}

/* ---- transactions ---------------------------------------------------------------------------- */

enum db_status db_begin(struct db *db, struct db_transaction *out)
{
	*out = (struct db_transaction){ .db = db };
	struct db_connection *connection;
	for (unsigned attempt = 0;; attempt++) {
		enum db_status status = db_pool_take(db, attempt == 0, &connection);
		if (status != DB_OK)
			return status;
		db_deadline_start(connection);
		status = connection->driver->control(connection, DB_BEGIN);
		if (status == DB_OK) {
			out->connection = connection;
			return DB_OK;
		}
		bool again = connection->is_broken && attempt == 0;
		if (!again)
			log_error("database %s: cannot begin a transaction: %s", db->url.shown.at,
				  connection->error);
		db_pool_put(connection);
		if (!again)
			return status;
		db_pool_drop_idle(db);
	}
}

/* A transaction whose connection is lost is over; the server has undone it. */
static void leave_broken(struct db_transaction *transaction)
{
	if (!transaction->connection->is_broken)
		return;
	db_pool_put(transaction->connection);
	transaction->connection = NULL;
}

enum db_status db_run_in(struct db_transaction *transaction, const struct db_statement *statement,
			 const struct db_value *values, struct db_rows *out)
{
	*out = (struct db_rows){ .status = DB_OK, .transaction = transaction };
	if (!transaction->connection)
		return DB_AWAY;
	enum db_status status = run_on(transaction->connection, statement, values, out);
	if (status == DB_OK)
		return DB_OK;
	if (status != DB_DUPLICATE)
		db_tell_failed(transaction->db, statement, status, transaction->connection->error);
	leave_broken(transaction);
	return status;
}

enum db_status db_execute_in(struct db_transaction *transaction,
			     const struct db_statement *statement, const struct db_value *values,
			     int64_t *out_affected)
{
	struct db_rows rows;
	enum db_status status = db_run_in(transaction, statement, values, &rows);
	if (status != DB_OK)
		return status;
	if (out_affected)
		*out_affected = rows.affected;
	return db_end(&rows);
}

enum db_status db_commit(struct db_transaction *transaction)
{
	struct db_connection *connection = transaction->connection;
	if (!connection)
		return DB_AWAY;
	db_deadline_start(connection);
	enum db_status status = connection->driver->control(connection, DB_COMMIT);
	if (status != DB_OK) {
		log_error("database %s: a transaction was not committed: %s",
			  transaction->db->url.shown.at, connection->error);
		db_rollback(transaction);
		return status;
	}
	transaction->connection = NULL;
	db_pool_put(connection);
	return DB_OK;
}

void db_rollback(struct db_transaction *transaction)
{
	struct db_connection *connection = transaction->connection;
	if (!connection)
		return;
	transaction->connection = NULL;
	db_deadline_start(connection);
	if (!connection->is_broken && connection->driver->control(connection, DB_ROLLBACK) != DB_OK)
		connection->is_broken = true;
	db_pool_put(connection);
}
