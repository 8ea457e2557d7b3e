/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver: libpq's asynchronous calls and named prepared statements; rows come one by one. A helper
 * thread connects, because the resolver blocks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "modules/db_postgres/db_postgres.h"

#define CONNECTIONS_MOST   8
#define STATEMENTS_MOST    128
#define DEFAULT_TIMEOUT_MS 10000
#define DRAIN_MOST         10000 /* rows that nobody wants; with more of them the connection is closed */
#define PARAMETERS_MOST    65535
#define TYPE_TEXT          25

struct prepared {
	char name[16];
};
struct connection {
	struct db_connection base;
	PGconn *handle;
	struct db_cache cache;
	unsigned last_name;
	struct parameters parameters;
	PGresult *result;   /* the current row */
	bool is_first_kept; /* `run` has read the first row already */
	struct db_value *row;
	unsigned char **blobs;
	struct span *names;
	unsigned capacity;
};

/* ---- errors ---------------------------------------------------------------------------------- */

enum meaning { MEANS_LOST, MEANS_LATER, MEANS_DUPLICATE, MEANS_STALE };
/* SQLSTATEs, or the classes that begin so. */
static const struct {
	const char *state;
	enum meaning meaning;
} meanings[] = {
	{ "23505", MEANS_DUPLICATE },
	{ "08", MEANS_LOST },
	{ "57P0", MEANS_LOST }, /* the server goes down, or comes up */
	{ "53", MEANS_LATER },  /* no memory, disk full, too many connections */
	{ "40", MEANS_LATER },  /* deadlocks */
	{ "55P03", MEANS_LATER },
	{ "57014", MEANS_LATER },
	{ "25006", MEANS_LATER }, /* read only for now */
	{ "26000", MEANS_STALE },
	{ "0A000", MEANS_STALE }, /* a prepared plan does not fit the table any more */
};

static enum db_status status_of(struct connection *self, const char *state, bool *out_stale)
{
	for (size_t i = 0; state && i < ARRAY_SIZE(meanings); i++) {
		if (strncmp(state, meanings[i].state, strlen(meanings[i].state)) != 0)
			continue;
		if (meanings[i].meaning == MEANS_LOST)
			self->base.is_broken = true;
		*out_stale = meanings[i].meaning == MEANS_STALE;
		return meanings[i].meaning == MEANS_DUPLICATE ? DB_DUPLICATE : DB_AWAY;
	}
	return DB_REJECTED;
}

/* The first line of a message without its end. */
static struct span first_line(const char *text)
{
	struct span line = span_from(text ? text : "");
	return span_trim(span_slice(line, 0, span_find(line, '\n', 0)));
}

static enum db_status fail_lost(struct connection *self)
{
	struct span text = first_line(PQerrorMessage(self->handle));
	bool is_late = self->base.deadline_ms && db_now_ms() >= self->base.deadline_ms;
	self->base.is_broken = true;
	if (is_late)
		return db_fail(&self->base, DB_AWAY, "no answer in time");
	return db_fail(&self->base, DB_AWAY, "%.*s",
		       SPAN_ARGS(text.len ? text : SPAN_OF("connection lost")));
}

/* `DETAIL` would show values: only the primary message is kept. */
static enum db_status fail_result(struct connection *self, const PGresult *result, bool *out_stale)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	if (!state || PQstatus(self->handle) == CONNECTION_BAD)
		return fail_lost(self);
	enum db_status status = status_of(self, state, out_stale);
	return db_fail(&self->base, status, "%s (SQLSTATE %s)", text ? text : "refused", state);
}

/* ---- connections ----------------------------------------------------------------------------- */

struct connecting {
	const char **names, **values;
	PGconn *handle;
};

static void connect_beside(void *data)
{
	struct connecting *job = data;
	job->handle = PQconnectdbParams(job->names, job->values, 0);
}

static void say_nothing(void *owner, const char *message)
{
}

static void free_statement(void *owner, void *handle)
{
	free(handle);
}

static void forget_row(struct connection *self)
{
	for (unsigned i = 0; i < self->capacity; i++) {
		PQfreemem(self->blobs[i]);
		self->blobs[i] = NULL;
	}
	PQclear(self->result);
	self->result = NULL;
}

static void driver_close(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	forget_row(self);
	db_cache_clear(&self->cache);
	loop_unwatch(PQsocket(self->handle));
	PQfinish(self->handle);
	parameters_free(&self->parameters);
	free(self->row);
	free(self->blobs);
	free(self->names);
	free(self);
}

static void connect_to(const struct db_url *url, struct connecting *job)
{
	const char *names[16 + POSTGRES_OPTIONS_MOST], *values[16 + POSTGRES_OPTIONS_MOST];
	char port[8], seconds[8], idle[16];
	unsigned n = 0;
	snprintf(port, sizeof(port), "%u", url->port);
	snprintf(seconds, sizeof(seconds), "%u", (unsigned)postgres_settings->connect_timeout);
	snprintf(idle, sizeof(idle), "%u", (unsigned)postgres_settings->tcp_keepalive);
	const struct {
		const char *name, *value;
	} given[] = {
		{ "host", url->host.at },
		{ "port", url->port ? port : NULL },
		{ "user", url->user.at },
		{ "password", url->password.at },
		{ "dbname", url->name.len ? url->name.at : "postgres" },
		{ "connect_timeout", seconds },
		{ "client_encoding", "UTF8" },
		{ "application_name", "viaduct" },
		{ "keepalives_idle", postgres_settings->tcp_keepalive ? idle : NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		if (given[i].value) {
			names[n] = given[i].name;
			values[n++] = given[i].value;
		}
	for (unsigned i = 0; postgres_settings->option_names[i]; i++) {
		names[n] = postgres_settings->option_names[i];
		values[n++] = postgres_settings->option_values[i];
	}
	names[n] = values[n] = NULL;
	job->names = names;
	job->values = values;
	db_beside(connect_beside, job);
}

static struct db_connection *driver_open(const struct db_url *url, char error[256],
					 enum db_status *out_status)
{
	struct connection *self = calloc(1, sizeof(*self));
	struct connecting job = { 0 };
	if (!self) {
		snprintf(error, 256, "no memory");
		return NULL;
	}
	connect_to(url, &job);
	self->handle = job.handle;
	self->cache = (struct db_cache){ .most = STATEMENTS_MOST, .drop = free_statement };
	loop_unwatch(PQsocket(self->handle));
	if (PQstatus(self->handle) == CONNECTION_OK && PQsetnonblocking(self->handle, 1) == 0) {
		PQsetNoticeProcessor(self->handle, say_nothing, NULL);
		return &self->base;
	}
	struct span text = first_line(PQerrorMessage(self->handle));
	snprintf(error, 256, "%.*s", SPAN_ARGS(text));
	/* libpq has no SQLSTATE for a connection that was refused. */
	*out_status = span_find_span(text, SPAN_OF("FATAL")) < text.len ? DB_REJECTED : DB_AWAY;
	driver_close(&self->base);
	return NULL;
}

/* What the server says unasked is a notice, or its good-bye before it closes the connection. */
static bool is_alive(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	for (unsigned i = 0; i < 8; i++) {
		char byte;
		ssize_t got = recv(PQsocket(self->handle), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (got <= 0)
			return got < 0 && (errno == EAGAIN || errno == EINTR);
		if (!PQconsumeInput(self->handle) || PQstatus(self->handle) != CONNECTION_OK)
			return false;
	}
	return false;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Sends what is queued; reads meanwhile, so that neither side waits for the other. */
static bool flush(struct connection *self)
{
	int left;
	while ((left = PQflush(self->handle)) > 0) {
		unsigned got = db_wait(&self->base, PQsocket(self->handle), LOOP_READ | LOOP_WRITE);
		if (!got || ((got & LOOP_READ) && !PQconsumeInput(self->handle)))
			return false;
	}
	return left == 0;
}

/* The next result, or NULL after the last; false when the connection is lost. */
static bool next_result(struct connection *self, PGresult **out)
{
	while (PQisBusy(self->handle))
		if (!db_wait(&self->base, PQsocket(self->handle), LOOP_READ) ||
		    !PQconsumeInput(self->handle))
			return false;
	*out = PQgetResult(self->handle);
	return true;
}

/* Reads to the end of the answer. */
static void drain(struct connection *self)
{
	PGresult *result;
	unsigned rows = 0;
	while (!self->base.is_broken) {
		if (rows++ > DRAIN_MOST || !next_result(self, &result)) {
			self->base.is_broken = true;
		} else if (!result) {
			return;
		} else {
			PQclear(result);
		}
	}
}

/* ---- statements ------------------------------------------------------------------------------ */

/* Sends Parse; `types` NULL: the server works the types of values out. */
static enum db_status parse(struct connection *self, const struct db_statement *statement,
			    const struct prepared *prepared, const Oid *types,
			    bool *out_indeterminate)
{
	PGresult *result = NULL;
	bool is_stale;
	if (!PQsendPrepare(self->handle, prepared->name, statement->sql.at,
			   types ? (int)statement->value_count : 0, types) ||
	    !flush(self) || !next_result(self, &result) || !result)
		return fail_lost(self);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	enum db_status status = PQresultStatus(result) == PGRES_COMMAND_OK
					? DB_OK
					: fail_result(self, result, &is_stale);
	*out_indeterminate = state && strcmp(state, "42P18") == 0;
	PQclear(result);
	drain(self);
	return status;
}

/* "SELECT format('%I', $1)" leaves the type open: it is text then. */
static enum db_status parse_as_text(struct connection *self, const struct db_statement *statement,
				    const struct prepared *prepared)
{
	bool ignored;
	Oid *types = malloc((statement->value_count + 1) * sizeof(*types));
	if (!types)
		return db_fail(&self->base, DB_AWAY, "no memory");
	for (unsigned i = 0; i < statement->value_count; i++)
		types[i] = TYPE_TEXT;
	enum db_status status = parse(self, statement, prepared, types, &ignored);
	free(types);
	return status;
}

static enum db_status prepare(struct connection *self, const struct db_statement *statement,
			      struct prepared **out)
{
	bool is_indeterminate = false;
	struct prepared *prepared = db_cache_find(&self->cache, statement);
	if (prepared) {
		*out = prepared;
		return DB_OK;
	}
	if (statement->value_count > PARAMETERS_MOST)
		return db_fail(&self->base, DB_REJECTED, "more values than a statement may have");
	prepared = calloc(1, sizeof(*prepared));
	if (!prepared)
		return db_fail(&self->base, DB_AWAY, "no memory");
	snprintf(prepared->name, sizeof(prepared->name), "v%u", ++self->last_name);
	enum db_status status = parse(self, statement, prepared, NULL, &is_indeterminate);
	if (status != DB_OK && is_indeterminate && !self->base.is_broken)
		status = parse_as_text(self, statement, prepared);
	if (status == DB_OK && !db_cache_add(&self->cache, statement, prepared))
		status = db_fail(&self->base, DB_AWAY, "no memory");
	if (status == DB_OK)
		*out = prepared;
	else
		free(prepared);
	return status;
}

static bool has_columns(struct connection *self, unsigned count)
{
	if (count <= self->capacity)
		return true;
	struct db_value *row = realloc(self->row, count * sizeof(*row));
	if (row)
		self->row = row;
	unsigned char **blobs = row ? realloc(self->blobs, count * sizeof(*blobs)) : NULL;
	if (blobs)
		self->blobs = blobs;
	struct span *names = blobs ? realloc(self->names, count * sizeof(*names)) : NULL;
	if (!names)
		return false;
	self->names = names;
	memset(blobs + self->capacity, 0, (count - self->capacity) * sizeof(*blobs));
	self->capacity = count;
	return true;
}

/* The first part of the answer: a row, the end of an empty table, or the end of a command. */
static enum db_status take_first(struct connection *self, PGresult *result, struct db_outcome *out,
				 bool *out_stale)
{
	struct db_value changed;
	unsigned columns = (unsigned)PQnfields(result);
	switch (PQresultStatus(result)) {
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_OK:
		if (!has_columns(self, columns)) {
			drain(self);
			return db_fail(&self->base, DB_AWAY, "no memory");
		}
		for (unsigned i = 0; i < columns; i++)
			self->names[i] = span_from(PQfname(result, (int)i));
		self->base.column_names = self->names;
		self->base.column_count = columns;
		self->result = result;
		self->is_first_kept = true;
		if (!columns)
			drain(self);
		return DB_OK;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		changed = db_text(span_from(PQcmdTuples(result)));
		out->affected = db_as_int(&changed);
		drain(self);
		return DB_OK;
	default: {
		enum db_status status = fail_result(self, result, out_stale);
		drain(self);
		return status;
	}
	}
}

static enum db_status execute(struct connection *self, const struct prepared *prepared,
			      unsigned count, struct db_outcome *out, bool *out_stale)
{
	struct parameters *with = &self->parameters;
	PGresult *result = NULL;
	if (!PQsendQueryPrepared(self->handle, prepared->name, (int)count, with->values,
				 with->lengths, with->formats, 0) ||
	    !PQsetSingleRowMode(self->handle) || !flush(self) || !next_result(self, &result) ||
	    !result)
		return fail_lost(self);
	enum db_status status = take_first(self, result, out, out_stale);
	if (result != self->result)
		PQclear(result);
	return status;
}

static enum db_status driver_run(struct db_connection *base, const struct db_statement *statement,
				 const struct db_value *values, struct db_outcome *out)
{
	struct connection *self = (struct connection *)base;
	struct prepared *prepared = NULL;
	const char *wrong = parameters_fill(&self->parameters, values, statement->value_count);
	if (wrong)
		return db_fail(base, DB_REJECTED, "%s", wrong);
	/* What the server has forgotten, or what does not fit the table any more, is prepared anew, except
	 * in a transaction, which is over. */
	for (unsigned attempt = 0;; attempt++) {
		bool is_stale = false;
		enum db_status status = prepare(self, statement, &prepared);
		if (status != DB_OK)
			return status;
		status = execute(self, prepared, statement->value_count, out, &is_stale);
		if (status == DB_OK)
			return DB_OK;
		if (is_stale)
			db_cache_remove(&self->cache, prepared);
		if (!is_stale || attempt > 0 || base->is_broken ||
		    PQtransactionStatus(self->handle) != PQTRANS_IDLE)
			return status;
	}
}

static enum db_status driver_next_row(struct db_connection *base, const struct db_value **out_row)
{
	struct connection *self = (struct connection *)base;
	bool is_stale;
	*out_row = NULL;
	if (!self->is_first_kept) {
		forget_row(self);
		if (!next_result(self, &self->result))
			return fail_lost(self);
	}
	self->is_first_kept = false;
	if (!self->result || PQresultStatus(self->result) == PGRES_TUPLES_OK)
		return DB_OK; /* the end, which is an empty table */
	if (PQresultStatus(self->result) != PGRES_SINGLE_TUPLE)
		return fail_result(self, self->result, &is_stale);
	for (unsigned i = 0; i < base->column_count; i++)
		self->row[i] = field_read(self->result, (int)i, &self->blobs[i]);
	*out_row = self->row;
	return DB_OK;
}

static void driver_end(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	forget_row(self);
	self->is_first_kept = false;
	db_deadline_start(base);
	drain(self);
}

static enum db_status driver_control(struct db_connection *base, enum db_control what)
{
	struct connection *self = (struct connection *)base;
	static const char *const words[] = {
		[DB_BEGIN] = "BEGIN",
		[DB_COMMIT] = "COMMIT",
		[DB_ROLLBACK] = "ROLLBACK",
	};
	PGresult *result = NULL;
	bool is_stale;
	if (!PQsendQuery(self->handle, words[what]) || !flush(self) ||
	    !next_result(self, &result) || !result)
		return fail_lost(self);
	enum db_status status = PQresultStatus(result) == PGRES_COMMAND_OK
					? DB_OK
					: fail_result(self, result, &is_stale);
	/* COMMIT of a transaction in which a statement failed is answered by "ROLLBACK". */
	if (status == DB_OK && what == DB_COMMIT && strcmp(PQcmdStatus(result), "COMMIT") != 0)
		status = db_fail(base, DB_REJECTED, "a statement of it had failed");
	PQclear(result);
	drain(self);
	return status;
}

static int64_t query_ms(void)
{
	return postgres_settings->timeout ? 1000 * postgres_settings->timeout : DEFAULT_TIMEOUT_MS;
}

static const struct db_dialect dialect = {
	.quote = '"',
	.folds_names = true,
	.numbers_values = true,
};
static const char *const other_schemes[] = { "postgresql", "pgsql", NULL };

const struct db_driver postgres_driver = {
	.name = "postgres",
	.module = "db_postgres",
	.other_schemes = other_schemes,
	.dialect = &dialect,
	.connections_most = CONNECTIONS_MOST,
	.is_server = true,
	.query_ms = query_ms,
	.open = driver_open,
	.close = driver_close,
	.is_alive = is_alive,
	.run = driver_run,
	.next_row = driver_next_row,
	.end = driver_end,
	.control = driver_control,
};
