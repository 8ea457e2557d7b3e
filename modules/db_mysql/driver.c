/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver: prepared statements by the non-blocking calls of the MariaDB connector. Connecting,
 * which also asks the resolver, is done by a helper thread. */
#include <errno.h>
#include <mysqld_error.h>
#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "modules/db_mysql/db_mysql.h"

#define CONNECTIONS_MOST        8
#define STATEMENTS_MOST         128
#define ERROR_UNKNOWN_STATEMENT 1243

struct connection {
	struct db_connection base;
	MYSQL *handle;
	struct db_cache cache;
	struct prepared *current;
	MYSQL_BIND *binds; /* room for `value_room` values */
	MYSQL_TIME *times;
	unsigned value_room;
};

/* ---- waiting --------------------------------------------------------------------------------- */

static int await_events(struct connection *self, int wanted)
{
	unsigned events = (wanted & MYSQL_WAIT_READ ? LOOP_READ : 0) |
			  (wanted & MYSQL_WAIT_WRITE ? LOOP_WRITE : 0);
	unsigned got = db_wait(&self->base, mysql_get_socket(self->handle), events);
	if (!got)
		return MYSQL_WAIT_TIMEOUT;
	int ready =
		(got & LOOP_READ ? MYSQL_WAIT_READ : 0) | (got & LOOP_WRITE ? MYSQL_WAIT_WRITE : 0);
	return ready & wanted ? ready & wanted : wanted & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE);
}

/* Calls `name`(object, …) and waits as the library asks. */
#define AWAIT(self, name, out, object, ...)                                                    \
	do {                                                                                   \
		int wanted_ = name##_start((out), (object)__VA_OPT__(, ) __VA_ARGS__);         \
		while (wanted_)                                                                \
			wanted_ = name##_cont((out), (object), await_events((self), wanted_)); \
	} while (0)

/* ---- errors ---------------------------------------------------------------------------------- */

enum meaning { MEANS_LOST = 1, MEANS_LATER, MEANS_DUPLICATE };
static const struct {
	unsigned code;
	enum meaning meaning;
} meanings[] = {
	{ CR_CONNECTION_ERROR, MEANS_LOST },
	{ CR_CONN_HOST_ERROR, MEANS_LOST },
	{ CR_SERVER_GONE_ERROR, MEANS_LOST },
	{ CR_SERVER_LOST, MEANS_LOST },
	{ CR_SERVER_LOST_EXTENDED, MEANS_LOST },
	{ CR_COMMANDS_OUT_OF_SYNC, MEANS_LOST },
	{ CR_MALFORMED_PACKET, MEANS_LOST },
	{ CR_OUT_OF_MEMORY, MEANS_LOST },
	{ ER_SERVER_SHUTDOWN, MEANS_LOST },
	{ 1927 /* ER_CONNECTION_KILLED */, MEANS_LOST },
	{ ER_CON_COUNT_ERROR, MEANS_LATER },
	{ ER_TOO_MANY_USER_CONNECTIONS, MEANS_LATER },
	{ ER_LOCK_WAIT_TIMEOUT, MEANS_LATER },
	{ ER_LOCK_DEADLOCK, MEANS_LATER },
	{ ER_QUERY_INTERRUPTED, MEANS_LATER },
	{ ER_OPTION_PREVENTS_STATEMENT, MEANS_LATER }, /* read only for now */
	{ ER_DISK_FULL, MEANS_LATER },
	{ ER_RECORD_FILE_FULL, MEANS_LATER },
	{ ER_OUT_OF_RESOURCES, MEANS_LATER },
	{ ER_DUP_ENTRY, MEANS_DUPLICATE },
	{ ER_DUP_KEY, MEANS_DUPLICATE },
};

static enum db_status status_of(struct connection *self, unsigned code)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (meanings[i].code != code)
			continue;
		if (meanings[i].meaning == MEANS_LOST)
			self->base.is_broken = true;
		return meanings[i].meaning == MEANS_DUPLICATE ? DB_DUPLICATE : DB_AWAY;
	}
	return DB_REJECTED;
}

static enum db_status fail(struct connection *self, unsigned code, const char *text)
{
	enum db_status status = status_of(self, code);
	bool is_late = self->base.deadline_ms && db_now_ms() >= self->base.deadline_ms;
	if (self->base.is_broken && is_late)
		return db_fail(&self->base, DB_AWAY, "no answer in time");
	return db_fail(&self->base, status, "%s (error %u)", text, code);
}

static enum db_status fail_statement(struct connection *self, MYSQL_STMT *handle)
{
	return fail(self, mysql_stmt_errno(handle), mysql_stmt_error(handle));
}

/* ---- connections ----------------------------------------------------------------------------- */

struct connecting {
	const struct db_url *url;
	MYSQL *handle;
	bool is_open;
};

static void connect_beside(void *data)
{
	struct connecting *job = data;
	const struct db_url *url = job->url;
	bool is_socket = url->host.len && url->host.at[0] == '/';
	job->is_open = mysql_real_connect(job->handle, is_socket ? NULL : url->host.at,
					  url->user.at, url->password.at, url->name.at, url->port,
					  is_socket ? url->host.at : NULL,
					  mysql_settings->update_affected_found ? CLIENT_FOUND_ROWS
										: 0) != NULL;
}

static void set_options(MYSQL *handle)
{
	const struct mysql_settings *set = mysql_settings;
	my_bool yes = 1, no = 0;
	unsigned connect_s = (unsigned)set->connect_timeout;
	mysql_options(handle, MYSQL_OPT_NONBLOCK, NULL);
	mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(handle, MYSQL_OPT_RECONNECT, &no);
	if (set->opt_ssl_mode >= 2)
		mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT,
		      set->opt_ssl_mode >= 4 ? &yes : &no);
	if (set->opt_ssl_ca.len)
		mysql_options(handle, MYSQL_OPT_SSL_CA, set->opt_ssl_ca.at);
}

static void drop_statement(void *owner, void *handle)
{
	prepared_free(handle);
}

static void driver_close(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	db_cache_clear(&self->cache);
	loop_unwatch(mysql_get_socket(self->handle));
	mysql_close(self->handle);
	free(self->binds);
	free(self->times);
	free(self);
}

static struct db_connection *driver_open(const struct db_url *url, char error[256],
					 enum db_status *out_status)
{
	struct connection *self = calloc(1, sizeof(*self));
	if (self)
		self->handle = mysql_init(NULL);
	if (!self || !self->handle) {
		free(self);
		snprintf(error, 256, "no memory");
		return NULL;
	}
	set_options(self->handle);
	self->cache = (struct db_cache){ .most = STATEMENTS_MOST, .drop = drop_statement };
	struct connecting job = { .url = url, .handle = self->handle };
	db_beside(connect_beside, &job);
	loop_unwatch(mysql_get_socket(self->handle));
	if (job.is_open)
		return &self->base;
	unsigned code = mysql_errno(self->handle);
	snprintf(error, 256, "%s (error %u)", mysql_error(self->handle), code);
	*out_status = status_of(self, code);
	driver_close(&self->base);
	return NULL;
}

static bool is_alive(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	char byte;
	ssize_t got = recv(mysql_get_socket(self->handle), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (got > 0) /* the server speaks unasked only to say good-bye; TLS has talk of its own */
		return mysql_get_ssl_cipher(self->handle) != NULL;
	return got < 0 && (errno == EAGAIN || errno == EINTR);
}

/* ---- running --------------------------------------------------------------------------------- */

static bool has_room(struct connection *self, unsigned count)
{
	if (count <= self->value_room)
		return true;
	MYSQL_BIND *binds = realloc(self->binds, count * sizeof(*binds));
	if (binds)
		self->binds = binds;
	MYSQL_TIME *times = binds ? realloc(self->times, count * sizeof(*times)) : NULL;
	if (!times)
		return false;
	self->times = times;
	self->value_room = count;
	return true;
}

static enum db_status prepare(struct connection *self, const struct db_statement *statement,
			      struct prepared **out)
{
	int result = 1;
	struct prepared *prepared = db_cache_find(&self->cache, statement);
	if (prepared) {
		*out = prepared;
		return DB_OK;
	}
	prepared = calloc(1, sizeof(*prepared));
	if (prepared)
		prepared->handle = mysql_stmt_init(self->handle);
	if (!prepared || !prepared->handle) {
		free(prepared);
		return db_fail(&self->base, DB_AWAY, "no memory");
	}
	AWAIT(self, mysql_stmt_prepare, &result, prepared->handle, statement->sql.at,
	      (unsigned long)statement->sql.len);
	enum db_status status = result ? fail_statement(self, prepared->handle) : DB_OK;
	if (status == DB_OK && mysql_stmt_param_count(prepared->handle) != statement->value_count)
		status = db_fail(&self->base, DB_REJECTED,
				 "the number of values is not that of the statement");
	if (status == DB_OK && !db_cache_add(&self->cache, statement, prepared))
		status = db_fail(&self->base, DB_AWAY, "no memory");
	if (status == DB_OK)
		*out = prepared;
	else
		prepared_free(prepared);
	return status;
}

/* Takes the rest of the result off the connection, also further results (CALL). */
static void driver_end(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	MYSQL_STMT *handle = self->current->handle;
	my_bool ignored;
	int more = 0;
	db_deadline_start(base);
	AWAIT(self, mysql_stmt_free_result, &ignored, handle);
	while (!base->is_broken && mysql_stmt_more_results(handle)) {
		AWAIT(self, mysql_stmt_next_result, &more, handle);
		if (more != 0)
			break;
		AWAIT(self, mysql_stmt_free_result, &ignored, handle);
	}
	(void)status_of(self, mysql_stmt_errno(handle));
	self->current = NULL;
}

static enum db_status execute(struct connection *self, struct prepared *prepared,
			      const struct db_statement *statement, const struct db_value *values)
{
	int result = 1;
	if (!has_room(self, statement->value_count))
		return db_fail(&self->base, DB_AWAY, "no memory");
	if (!prepared_bind_values(prepared, values, self->binds, self->times,
				  statement->value_count))
		return fail_statement(self, prepared->handle);
	AWAIT(self, mysql_stmt_execute, &result, prepared->handle);
	return result ? fail_statement(self, prepared->handle) : DB_OK;
}

static enum db_status driver_run(struct db_connection *base, const struct db_statement *statement,
				 const struct db_value *values, struct db_outcome *out)
{
	struct connection *self = (struct connection *)base;
	struct prepared *prepared = NULL;
	enum db_status status = prepare(self, statement, &prepared);
	if (status == DB_OK)
		status = execute(self, prepared, statement, values);
	if (status != DB_OK) {
		/* A statement that the server has forgotten is prepared anew next time. */
		if (prepared && (base->is_broken ||
				 mysql_stmt_errno(prepared->handle) == ERROR_UNKNOWN_STATEMENT))
			db_cache_remove(&self->cache, prepared);
		return status;
	}
	self->current = prepared;
	if (mysql_stmt_field_count(prepared->handle) > 0) {
		if (!prepared_bind_columns(prepared)) {
			driver_end(base);
			db_cache_remove(&self->cache, prepared);
			return db_fail(base, DB_AWAY, "no memory");
		}
		base->column_names = prepared->names;
		base->column_count = prepared->column_count;
		return DB_OK;
	}
	my_ulonglong affected = mysql_stmt_affected_rows(prepared->handle);
	out->affected = affected == (my_ulonglong)-1 ? 0 : (int64_t)affected;
	out->last_id = (int64_t)mysql_stmt_insert_id(prepared->handle);
	driver_end(base);
	return DB_OK;
}

static enum db_status driver_next_row(struct db_connection *base, const struct db_value **out_row)
{
	struct connection *self = (struct connection *)base;
	int result = 1;
	*out_row = NULL;
	AWAIT(self, mysql_stmt_fetch, &result, self->current->handle);
	if (result == MYSQL_NO_DATA)
		return DB_OK;
	if (result != 0 && result != MYSQL_DATA_TRUNCATED)
		return fail_statement(self, self->current->handle);
	*out_row = prepared_row(self->current);
	return *out_row ? DB_OK : db_fail(base, DB_AWAY, "no memory");
}

static enum db_status driver_control(struct db_connection *base, enum db_control what)
{
	struct connection *self = (struct connection *)base;
	static const struct span words[] = {
		[DB_BEGIN] = SPAN("START TRANSACTION"),
		[DB_COMMIT] = SPAN("COMMIT"),
		[DB_ROLLBACK] = SPAN("ROLLBACK"),
	};
	int result = 1;
	AWAIT(self, mysql_real_query, &result, self->handle, words[what].at, words[what].len);
	return result ? fail(self, mysql_errno(self->handle), mysql_error(self->handle)) : DB_OK;
}

static int64_t query_ms(void)
{
	int64_t receive_s = mysql_settings->receive_timeout;
	return 1000 * (receive_s ? receive_s : 3 * mysql_settings->timeout_interval);
}

static const struct db_dialect dialect = {
	.quote = '`',
	.has_replace = true,
	.has_duplicate_key = true,
};
static const char *const other_schemes[] = { "mariadb", NULL };

const struct db_driver mysql_driver = {
	.name = "mysql",
	.module = "db_mysql",
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
