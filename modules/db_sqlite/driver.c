/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver. SQLite works in the caller's process, so nothing of it may hold the worker:
 * - waiting for the lock of another user: the busy handler parks the fiber between two looks;
 * - long scans: the progress handler lets the worker go on after every slice of work;
 * - the disk: with WAL and synchronous=NORMAL a commit does not wait for it, and checkpoint.c writes
 *   back beside. In other journal modes statements that write run in a helper thread.
 *
 * Times are days since noon of 24 November -4713 (Julian), as in databases of Kamailio's driver. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "modules/db_sqlite/db_sqlite.h"

#define CONNECTIONS_MOST 8
#define STATEMENTS_MOST  128
#define BUSY_MS          4000
#define SLICE_STEPS      2000 /* of SQLite's machine between two looks at the clock, about 20 µs */
#define SLICE_US         2000 /* then others have their turn */
#define JULIAN_OF_1970   2440587.5
#define DAY_S            86400.0

struct connection {
	struct db_connection base;
	sqlite3 *handle;
	struct db_cache cache;
	sqlite3_stmt *current;
	struct db_value *row; /* room for `capacity` columns */
	struct span *names;
	unsigned capacity;
	bool has_row; /* the first row was read by `run` */
	bool waits_for_disk;
	bool is_beside; /* the statement runs in a helper thread, where no fiber is to be parked */
	int64_t busy_ms, busy_until_ms;
	int64_t slice_until_us;
};

/* ---- URL ------------------------------------------------------------------------------------- */

/* sqlite:////path and sqlite:/path are absolute, sqlite:///path belongs to the working directory.
 * When there is no such file but one at /path, that is meant. */
static struct span path_of(const struct db_url *url)
{
	struct span rest = url->rest;
	if (!span_starts_with(rest, SPAN_OF("//")))
		return rest;
	rest = span_slice(rest, 2, rest.len);
	if (rest.len < 2 || rest.at[0] != '/' || rest.at[1] == '/')
		return span_starts_with(rest, SPAN_OF("//")) ? span_slice(rest, 1, rest.len) : rest;
	return access(rest.at + 1, F_OK) < 0 && access(rest.at, F_OK) == 0
		       ? rest
		       : span_slice(rest, 1, rest.len);
}

static const char *check_url(const struct db_url *url)
{
	struct span path = path_of(url);
	return path.len && path.at[path.len - 1] != '/'
		       ? NULL
		       : "it names no file, like sqlite:////path/file";
}

/* ---- never in the way ------------------------------------------------------------------------ */

static int on_busy(void *owner, int attempt)
{
	struct connection *self = owner;
	int64_t now = db_now_ms();
	if (attempt == 0)
		self->busy_until_ms = now + self->busy_ms;
	if (now >= self->busy_until_ms)
		return 0;
	if (self->is_beside)
		usleep(attempt < 5 ? 1000 : 10000);
	else
		db_sleep_ms(attempt < 5 ? 1 : 10);
	return 1;
}

static int on_progress(void *owner)
{
	struct connection *self = owner;
	if (self->is_beside)
		return 0;
	int64_t now_us = clock_us_now();
	if (self->base.deadline_ms && now_us / 1000 > self->base.deadline_ms)
		return 1;
	if (now_us < self->slice_until_us || !fiber_is_running())
		return 0;
	fiber_sleep_ms(0);
	self->slice_until_us = clock_us_now() + SLICE_US;
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool pragma(sqlite3 *handle, const char *text)
{
	return sqlite3_exec(handle, text, NULL, NULL, NULL) == SQLITE_OK;
}

static bool is_wal(sqlite3 *handle)
{
	sqlite3_stmt *ask = NULL;
	bool is_so =
		sqlite3_prepare_v2(handle, "PRAGMA journal_mode", -1, &ask, NULL) == SQLITE_OK &&
		sqlite3_step(ask) == SQLITE_ROW &&
		span_equal_nocase(span_from((const char *)sqlite3_column_text(ask, 0)),
				  SPAN_OF("wal"));
	sqlite3_finalize(ask);
	return is_so;
}

/* Before the first statement: that one meets the lock of another user as well, for example of the
 * server before this one, which is just closing the file. */
static void arrange_waiting(struct connection *self, const struct sqlite_file *file)
{
	self->busy_ms = file->busy_ms ? file->busy_ms : BUSY_MS;
	sqlite3_busy_handler(self->handle, on_busy, self);
	sqlite3_progress_handler(self->handle, SLICE_STEPS, on_progress, self);
}

/* What cannot be had (a directory that is not ours to write) is done without. */
static void choose_journal(struct connection *self, const struct sqlite_file *file)
{
	char text[64];
	struct span mode = file->journal_mode.len ? file->journal_mode : SPAN_OF("WAL");
	snprintf(text, sizeof(text), "PRAGMA journal_mode=%.*s", SPAN_ARGS(mode));
	if (!file->is_readonly)
		pragma(self->handle, text);
	self->waits_for_disk = !is_wal(self->handle);
	if (!self->waits_for_disk) {
		pragma(self->handle, "PRAGMA synchronous=NORMAL");
		checkpoint_arrange(self->handle);
	}
}

static void drop_statement(void *owner, void *handle)
{
	sqlite3_finalize(handle);
}

static void driver_close(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	db_cache_clear(&self->cache);
	sqlite3_close(self->handle);
	free(self->row);
	free(self->names);
	free(self);
}

static struct db_connection *driver_open(const struct db_url *url, char error[256],
					 enum db_status *out_status)
{
	struct connection *self = calloc(1, sizeof(*self));
	struct span path = path_of(url);
	if (!self) {
		snprintf(error, 256, "no memory");
		return NULL;
	}
	const struct sqlite_file *file = sqlite_file_settings(path);
	int flags = SQLITE_OPEN_NOMUTEX |
		    (file->is_readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	self->cache = (struct db_cache){ .most = STATEMENTS_MOST, .drop = drop_statement };
	bool is_open = sqlite3_open_v2(path.at, &self->handle, flags, NULL) == SQLITE_OK;
	if (is_open)
		arrange_waiting(self, file);
	if (!is_open || !pragma(self->handle, "SELECT 1 FROM sqlite_master LIMIT 1")) {
		snprintf(error, 256, "%s: %s", path.at,
			 self->handle ? sqlite3_errmsg(self->handle) : "no memory");
		*out_status = DB_AWAY;
		driver_close(&self->base);
		return NULL;
	}
	choose_journal(self, file);
	return &self->base;
}

/* ---- running --------------------------------------------------------------------------------- */

static enum db_status fail(struct connection *self, int code)
{
	enum db_status status = DB_REJECTED;
	switch (code & 0xff) {
	case SQLITE_CONSTRAINT: {
		int extended = sqlite3_extended_errcode(self->handle);
		if (extended == SQLITE_CONSTRAINT_UNIQUE ||
		    extended == SQLITE_CONSTRAINT_PRIMARYKEY)
			status = DB_DUPLICATE;
		break;
	}
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_NOMEM:
	case SQLITE_FULL:
	case SQLITE_IOERR: status = DB_AWAY; break;
	case SQLITE_INTERRUPT: return db_fail(&self->base, DB_AWAY, "it took too long");
	case SQLITE_CANTOPEN:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		self->base.is_broken = true;
		status = DB_AWAY;
		break;
	default: break;
	}
	return db_fail(&self->base, status, "%s", sqlite3_errmsg(self->handle));
}

static int bind_value(sqlite3_stmt *statement, int at, const struct db_value *value)
{
	switch (value->kind) {
	case DB_NULL: return sqlite3_bind_null(statement, at);
	case DB_INT: return sqlite3_bind_int64(statement, at, value->number);
	case DB_DOUBLE: return sqlite3_bind_double(statement, at, value->real);
	case DB_TIME:
		return sqlite3_bind_double(statement, at,
					   (double)value->number / DAY_S + JULIAN_OF_1970);
	case DB_TEXT:
		return sqlite3_bind_text64(statement, at, value->text.at, value->text.len,
					   SQLITE_TRANSIENT, SQLITE_UTF8);
	case DB_BLOB:
		return sqlite3_bind_blob64(statement, at, value->text.at, value->text.len,
					   SQLITE_TRANSIENT);
	}
	return SQLITE_MISUSE;
}

static sqlite3_stmt *statement_of(struct connection *self, const struct db_statement *statement)
{
	sqlite3_stmt *handle = db_cache_find(&self->cache, statement);
	if (handle)
		return handle;
	if (sqlite3_prepare_v3(self->handle, statement->sql.at, (int)statement->sql.len,
			       SQLITE_PREPARE_PERSISTENT, &handle, NULL) != SQLITE_OK)
		return NULL;
	if (handle && !db_cache_add(&self->cache, statement, handle)) {
		sqlite3_finalize(handle);
		return NULL;
	}
	return handle;
}

struct step {
	sqlite3_stmt *statement;
	int result;
};

static void step_beside(void *data)
{
	struct step *step = data;
	step->result = sqlite3_step(step->statement);
}

static int step(struct connection *self)
{
	struct step step = { self->current, SQLITE_ERROR };
	self->slice_until_us = clock_us_now() + SLICE_US;
	self->is_beside =
		fiber_is_running() && self->waits_for_disk && !sqlite3_stmt_readonly(self->current);
	if (self->is_beside)
		db_beside(step_beside, &step);
	else
		step_beside(&step);
	self->is_beside = false;
	return step.result;
}

static bool has_room(struct connection *self, unsigned count)
{
	if (count <= self->capacity)
		return true;
	struct db_value *row = realloc(self->row, count * sizeof(*row));
	if (row)
		self->row = row;
	struct span *names = row ? realloc(self->names, count * sizeof(*names)) : NULL;
	if (!names)
		return false;
	self->names = names;
	self->capacity = count;
	return true;
}

static void driver_end(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	sqlite3_reset(self->current);
	sqlite3_clear_bindings(self->current);
	self->current = NULL;
}

static bool announce_columns(struct connection *self)
{
	unsigned count = (unsigned)sqlite3_column_count(self->current);
	if (!has_room(self, count))
		return false;
	for (unsigned i = 0; i < count; i++)
		self->names[i] = span_from(sqlite3_column_name(self->current, (int)i));
	self->base.column_names = self->names;
	self->base.column_count = count;
	return true;
}

static enum db_status driver_run(struct db_connection *base, const struct db_statement *statement,
				 const struct db_value *values, struct db_outcome *out)
{
	struct connection *self = (struct connection *)base;
	self->current = statement_of(self, statement);
	if (!self->current) {
		int code = sqlite3_errcode(self->handle);
		return code == SQLITE_OK
			       ? db_fail(base, DB_REJECTED, "there is no statement in the text")
			       : fail(self, code);
	}
	int result = SQLITE_OK;
	if ((unsigned)sqlite3_bind_parameter_count(self->current) != statement->value_count)
		result = SQLITE_MISUSE;
	for (unsigned i = 0; result == SQLITE_OK && i < statement->value_count; i++)
		result = bind_value(self->current, (int)i + 1, &values[i]);
	if (result == SQLITE_OK)
		result = step(self);
	if ((result != SQLITE_ROW && result != SQLITE_DONE) || !announce_columns(self)) {
		enum db_status status =
			result == SQLITE_MISUSE
				? db_fail(base, DB_REJECTED,
					  "the number of values is not that of the statement")
				: fail(self, result);
		driver_end(base);
		return status;
	}
	self->has_row = result == SQLITE_ROW;
	out->affected = sqlite3_changes64(self->handle);
	out->last_id = sqlite3_last_insert_rowid(self->handle);
	if (!base->column_count)
		driver_end(base);
	return DB_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Columns that were declared as times hold Julian days, text, or (by hand) seconds since 1970. */
static bool is_time_column(sqlite3_stmt *statement, int column)
{
	const char *declared = sqlite3_column_decltype(statement, column);
	return declared && (strncasecmp(declared, "TIMESTAMP", 9) == 0 ||
			    strncasecmp(declared, "DATETIME", 8) == 0);
}

static int64_t julian_to_wall(double julian)
{
	return julian < 5373484.5 ? (int64_t)llround((julian - JULIAN_OF_1970) * DAY_S)
				  : (int64_t)julian;
}

static struct db_value read_column(sqlite3_stmt *statement, int column)
{
	const char *at;
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		if (is_time_column(statement, column))
			return db_time(
				julian_to_wall((double)sqlite3_column_int64(statement, column)));
		return db_int(sqlite3_column_int64(statement, column));
	case SQLITE_FLOAT:
		if (is_time_column(statement, column))
			return db_time(julian_to_wall(sqlite3_column_double(statement, column)));
		return db_double(sqlite3_column_double(statement, column));
	case SQLITE_TEXT:
		at = (const char *)sqlite3_column_text(statement, column);
		struct span text = { at ? at : "",
				     (size_t)sqlite3_column_bytes(statement, column) };
		return is_time_column(statement, column) ? db_time(db_time_read(text))
							 : db_text(text);
	case SQLITE_BLOB:
		at = sqlite3_column_blob(statement, column);
		return db_blob(
			span_make(at ? at : "", (size_t)sqlite3_column_bytes(statement, column)));
	default: return db_null();
	}
}

static enum db_status driver_next_row(struct db_connection *base, const struct db_value **out_row)
{
	struct connection *self = (struct connection *)base;
	int result = SQLITE_ROW;
	*out_row = NULL;
	if (!self->has_row)
		result = sqlite3_stmt_busy(self->current) ? step(self) : SQLITE_DONE;
	self->has_row = false;
	if (result == SQLITE_DONE)
		return DB_OK;
	if (result != SQLITE_ROW)
		return fail(self, result);
	for (unsigned i = 0; i < base->column_count; i++)
		self->row[i] = read_column(self->current, (int)i);
	*out_row = self->row;
	return DB_OK;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static enum db_status driver_control(struct db_connection *base, enum db_control what)
{
	struct connection *self = (struct connection *)base;
	/* IMMEDIATE: a transaction that will write does not begin as a reader and fail later. */
	static const char *const words[] = {
		[DB_BEGIN] = "BEGIN IMMEDIATE",
		[DB_COMMIT] = "COMMIT",
		[DB_ROLLBACK] = "ROLLBACK",
	};
	if (what == DB_ROLLBACK && sqlite3_get_autocommit(self->handle))
		return DB_OK; /* SQLite has undone it by itself */
	if (sqlite3_prepare_v2(self->handle, words[what], -1, &self->current, NULL) != SQLITE_OK)
		return fail(self, sqlite3_errcode(self->handle));
	int result = step(self);
	enum db_status status = result == SQLITE_DONE ? DB_OK : fail(self, result);
	sqlite3_finalize(self->current);
	self->current = NULL;
	return status;
}

/* Is the file still the one that was opened? Somebody may have made it anew. */
static bool is_alive(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	int was_moved = 0;
	sqlite3_file_control(self->handle, "main", SQLITE_FCNTL_HAS_MOVED, &was_moved);
	return !was_moved;
}

static int64_t query_ms(void)
{
	return 0;
}

static const struct db_dialect dialect = { .quote = '`', .has_replace = true };
static const char *const other_schemes[] = { "sqlite3", NULL };

const struct db_driver sqlite_driver = {
	.name = "sqlite",
	.module = "db_sqlite",
	.other_schemes = other_schemes,
	.dialect = &dialect,
	.connections_most = CONNECTIONS_MOST,
	.query_ms = query_ms,
	.check_url = check_url,
	.open = driver_open,
	.close = driver_close,
	.is_alive = is_alive,
	.run = driver_run,
	.next_row = driver_next_row,
	.end = driver_end,
	.control = driver_control,
};
