/* SPDX-License-Identifier: BSD-2-Clause */
/* driver: what a database driver is. A driver is a module with one row of `offers`,
 * { DB_DRIVER, DB_DRIVER_VERSION, &driver }, and knows nothing of SIP. All of its functions run in
 * one process; on a fiber they wait with db_wait or let db_beside do what blocks. */
#pragma once

#include <time.h>

#include "core/db/db.h"

#define DB_DRIVER         "database driver"
#define DB_DRIVER_VERSION 1

/* scheme://user:password@host:port/name; parts are absent when they are not there, and all of them are
 * zero-terminated. A password may have any byte, also '@' and '/'. */
struct db_url {
	struct span scheme;
	struct span user;
	struct span password;
	struct span
		host;  /* without brackets; begins with '/': directory or path of a local socket */
	uint16_t port; /* 0: not given */
	struct span name;  /* of the database */
	struct span rest;  /* everything after "scheme:", for drivers of files */
	struct span shown; /* the whole without the password */
};
/* Takes a URL apart; everything is copied into `arena`. NULL, or what is wrong with it. */
const char *db_url_parse(struct span text, struct arena *arena, struct db_url *out);
/* Puts a URL together from scheme, user, password, host, port and name (or scheme and rest). */
void db_url_write(const struct db_url *parts, struct writer *out);

/* How an engine writes SQL. */
struct db_dialect {
	char quote;             /* around names */
	bool folds_names;       /* unquoted names would be lower case: keep to that */
	bool numbers_values;    /* $1 instead of ? */
	bool has_replace;       /* REPLACE INTO */
	bool has_duplicate_key; /* ON DUPLICATE KEY UPDATE, else ON CONFLICT (…) DO UPDATE SET */
};

/* A statement as drivers see it. Drivers without a dialect work from `spec`. */
struct db_statement {
	struct db *db;
	struct db_spec spec;
	struct span sql; /* zero-terminated; absent without a dialect */
	uint64_t hash;   /* of sql */
	unsigned value_count;
	bool has_kinds; /* some column of a SELECT wants a kind */
};
/* Writes the statement for a dialect. */
void db_sql_write(struct writer *out, const struct db_dialect *dialect, const struct db_spec *spec);
/* Is the name usable at all? */
bool db_name_is_usable(struct span name);

/* A connection; drivers put it first into a struct of their own. */
struct db_connection {
	const struct db_driver *driver;
	struct db *db;
	int64_t deadline_ms; /* of the call in progress, monotonic; set by the caller of the driver */
	bool is_broken;      /* set by the driver: of no use any more */
	/* Set by `run` when there are rows to read. */
	unsigned column_count;
	const struct span *column_names;
	char error
		[256]; /* set with every status but DB_OK: one sentence without values or secrets */

	int64_t used_ms; /* private to the pool, like what follows: when it was given back */
	struct db_connection *next_idle;
	struct db_connection *next_open;
};

struct db_outcome {
	int64_t affected;
	int64_t last_id;
};
enum db_control { DB_BEGIN, DB_COMMIT, DB_ROLLBACK };

struct db_driver {
	const char *name;                 /* scheme of its URLs */
	const char *module;               /* "db_mysql", for hints */
	const char *const *other_schemes; /* NULL-terminated; may be NULL */
	const struct db_dialect *dialect; /* NULL: statements are taken as structure */
	unsigned connections_most;        /* a process keeps; 0: any number */
	bool is_server;            /* its URLs name a host and, except in tools, a database */
	int64_t (*query_ms)(void); /* time limit of a call; 0: none */

	/* NULL, or what is wrong with the URL. May be NULL itself. */
	const char *(*check_url)(const struct db_url *url);
	/* Makes a connection within the driver's own time limit. NULL after `error` was written; then
	 * *out_status is DB_AWAY or DB_REJECTED (wrong password, no such database). */
	struct db_connection *(*open)(const struct db_url *url, char error[256],
				      enum db_status *out_status);
	void (*close)(struct db_connection *connection);
	/* Is an idle connection still of use? May not wait. NULL: always. */
	bool (*is_alive)(struct db_connection *connection);
	/* Runs a statement; with column_count 0 there are no rows and `end` is not called. */
	enum db_status (*run)(struct db_connection *connection,
			      const struct db_statement *statement, const struct db_value *values,
			      struct db_outcome *out);
	/* *out_row is the next row, NULL after the last. */
	enum db_status (*next_row)(struct db_connection *connection,
				   const struct db_value **out_row);
	void (*end)(struct db_connection *connection);
	enum db_status (*control)(struct db_connection *connection, enum db_control what);
};

/* Makes a driver known; the loader calls it for offers of that name. */
void db_driver_register(const struct db_driver *driver);
/* Tools that know nothing of modules find the driver of an .so by this name:
 * MODULE_EXPORT const struct db_driver *const db_driver_export = &driver; */
extern const struct db_driver *const db_driver_export;
/* The driver of a database. */
const struct db_driver *db_driver_at(const struct db *db);
const struct db_driver *db_driver_of(struct span scheme);

/* ---- for drivers ----------------------------------------------------------------------------- */
/* Waits until `fd` has one of `events` (LOOP_READ, LOOP_WRITE) or the connection's deadline; returns
 * the events, 0 at the deadline. Parks the fiber, or waits where there is none. The descriptor stays
 * watched: a driver calls loop_unwatch after it has opened one and before it closes it. */
unsigned db_wait(struct db_connection *connection, int fd, unsigned events);
/* Runs `work(data)` in a helper thread while the fiber is parked; without a fiber, just runs it. The
 * work must not touch fibers, loop or pool. */
void db_beside(void (*work)(void *data), void *data);
/* Seconds since 1970 of a local time, 0 for what is none; tm_isdst does not matter. */
int64_t db_time_of(const struct tm *local);
/* Sleeps, parked or not. */
void db_sleep_ms(int64_t delay_ms);
/* The words of `error` of a connection, and its status for `return`. */
[[gnu::format(printf, 3, 4)]] enum db_status db_fail(struct db_connection *connection,
						     enum db_status status, const char *format,
						     ...);
int64_t db_now_ms(void);
/* Starts the time limit of a call anew; the core does it before it calls `run`, `next_row` and
 * `control`. */
void db_deadline_start(struct db_connection *connection);

/* What a connection has prepared, by the text of the statement; the least recently used goes. */
struct db_cache {
	struct db_cache_entry *first; /* most recently used */
	unsigned count, most;
	void (*drop)(void *owner, void *handle);
	void *owner;
};
void *db_cache_find(struct db_cache *cache, const struct db_statement *statement);
/* False when memory is exhausted; the handle is the caller's then. */
bool db_cache_add(struct db_cache *cache, const struct db_statement *statement, void *handle);
void db_cache_remove(struct db_cache *cache, void *handle);
void db_cache_clear(struct db_cache *cache);
