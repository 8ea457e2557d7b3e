/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections of this process to a database: opened when they are needed, kept for the next call,
 * given to one caller at a time. A database that is away is tried again after growing pauses, by one
 * caller; the others fail at once, so that nobody waits for what is not there. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/db/internal.h"

#define FIRST_PAUSE_MS 250
#define LAST_PAUSE_MS  5000
#define PATIENCE_MS    5000  /* for a connection that others use */
#define SILENCE_MS     30000 /* the same failure is not logged again */
#define FRESH_MS       1000  /* a connection used so lately is hardly dead */

enum db_status db_fail(struct db_connection *connection, enum db_status status, const char *format,
		       ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(connection->error, sizeof(connection->error), format, args);
	va_end(args);
	return status;
}

/* ---- how the database does ------------------------------------------------------------------- */

static void note_error(struct db *db, const char *error)
{
	snprintf(db->health.last_error, sizeof(db->health.last_error), "%s", error);
}

static void note_away(struct db *db, const char *error, bool is_refused)
{
	struct db_health *health = &db->health;
	int64_t now = db_now_ms();
	note_error(db, error);
	health->failed++;
	if (!health->is_away) {
		health->is_away = true;
		health->away_since_ms = now;
		health->delay_ms = FIRST_PAUSE_MS;
		health->failed = 1;
		if (!atomic_exchange(db->was_told, true))
			log_error("database %s %s: %s. What needs it fails until this is mended; "
				  "it is tried again by itself",
				  db->url.shown.at,
				  is_refused ? "does not let us in" : "is not reachable", error);
	} else if (health->delay_ms < LAST_PAUSE_MS) {
		health->delay_ms =
			2 * health->delay_ms < LAST_PAUSE_MS ? 2 * health->delay_ms : LAST_PAUSE_MS;
	}
	health->next_try_ms = now + health->delay_ms;
}

static void note_back(struct db *db)
{
	struct db_health *health = &db->health;
	if (!health->is_away)
		return;
	health->is_away = false;
	if (atomic_exchange(db->was_told, false))
		log_notice(
			"database %s is back after %lld s; %llu calls of this process failed meanwhile",
			db->url.shown.at,
			(long long)(db_now_ms() - health->away_since_ms + 500) / 1000,
			(unsigned long long)health->failed);
}

void db_tell_failed(struct db *db, const struct db_statement *statement, enum db_status status,
		    const char *error)
{
	struct db_health *health = &db->health;
	int64_t now = db_now_ms();
	note_error(db, error);
	if (health->told_hash == statement->hash && now < health->told_until_ms)
		return;
	health->told_hash = statement->hash;
	health->told_until_ms = now + SILENCE_MS;
	/* The text of a raw statement is the script's and may hold what nobody should read. */
	if (statement->spec.verb == DB_RAW)
		log_error("database %s: a query of the configuration failed (%s): %s",
			  db->url.shown.at, db_status_name(status), error);
	else
		log_error("database %s: table %.*s: %s (%s)", db->url.shown.at,
			  SPAN_ARGS(statement->spec.table), error, db_status_name(status));
}

bool db_is_away(const struct db *db)
{
	return db->owner == getpid() && db->health.is_away;
}

const char *db_last_error(const struct db *db)
{
	return db->health.last_error;
}

/* ---- connections ----------------------------------------------------------------------------- */

void db_deadline_start(struct db_connection *connection)
{
	int64_t limit_ms = connection->driver->query_ms ? connection->driver->query_ms() : 0;
	connection->deadline_ms = limit_ms > 0 ? db_now_ms() + limit_ms : 0;
	connection->error[0] = '\0';
}

static pid_t process; /* of the last call; 0 after a fork */

static void forget_process(void)
{
	process = 0;
}

/* getpid() without asking the kernel each time. */
static pid_t own_process(void)
{
	static bool is_told_of_forks;
	if (!is_told_of_forks)
		is_told_of_forks = pthread_atfork(NULL, NULL, forget_process) == 0;
	if (!process || !is_told_of_forks)
		process = getpid();
	return process;
}

/* What the parent opened is the parent's: a child forgets it without a word to the server. */
static void adopt(struct db *db)
{
	pid_t self = own_process();
	if (db->owner == self)
		return;
	db->owner = self;
	db->idle = db->open = NULL;
	db->open_count = 0;
	db->first_waiter = NULL;
	db->last_waiter = &db->first_waiter;
	db->health = (struct db_health){ 0 };
}

static void forget(struct db_connection *connection)
{
	struct db *db = connection->db;
	for (struct db_connection **at = &db->open; *at; at = &(*at)->next_open)
		if (*at == connection) {
			*at = connection->next_open;
			db->open_count--;
			break;
		}
	connection->driver->close(connection);
}

static struct db_connection *take_idle(struct db *db, bool can_repeat, int64_t now_ms)
{
	struct db_connection *connection;
	while ((connection = db->idle)) {
		db->idle = connection->next_idle;
		connection->next_idle = NULL;
		bool is_trusted = can_repeat && now_ms - connection->used_ms < FRESH_MS;
		if (is_trusted || !connection->driver->is_alive ||
		    connection->driver->is_alive(connection))
			return connection;
		forget(connection);
	}
	return NULL;
}

void db_pool_drop_idle(struct db *db)
{
	struct db_connection *connection;
	while ((connection = db->idle)) {
		db->idle = connection->next_idle;
		forget(connection);
	}
}

static void wake_waiter(struct db *db)
{
	struct db_waiter *waiter = db->first_waiter;
	if (!waiter)
		return;
	db->first_waiter = waiter->next;
	if (!db->first_waiter)
		db->last_waiter = &db->first_waiter;
	waiter->next = waiter; /* no longer in the list */
	fiber_wake(&waiter->event);
}

void db_pool_put(struct db_connection *connection)
{
	struct db *db = connection->db;
	if (connection->is_broken) {
		forget(connection);
	} else {
		connection->used_ms = db_now_ms();
		connection->next_idle = db->idle;
		db->idle = connection;
	}
	wake_waiter(db);
}

static enum db_status open_one(struct db *db, struct db_connection **out)
{
	enum db_status status = DB_AWAY;
	char error[256] = "";
	db->open_count++;
	db->health.is_probing = true;
	struct db_connection *connection = db->driver->open(&db->url, error, &status);
	db->health.is_probing = false;
	if (!connection) {
		db->open_count--;
		note_away(db, error, status == DB_REJECTED);
		wake_waiter(db);
		return DB_AWAY;
	}
	connection->driver = db->driver;
	connection->db = db;
	connection->next_open = db->open;
	db->open = connection;
	note_back(db);
	*out = connection;
	return DB_OK;
}

static bool wait_for_turn(struct db *db, int64_t until_ms)
{
	struct db_waiter self = { 0 };
	int64_t left = until_ms - db_now_ms();
	if (left <= 0)
		return false;
	*db->last_waiter = &self;
	db->last_waiter = &self.next;
	bool was_woken = fiber_wait(&self.event, left);
	if (self.next == &self)
		return true;
	for (struct db_waiter **at = &db->first_waiter; *at; at = &(*at)->next)
		if (*at == &self) {
			*at = self.next;
			if (!*at)
				db->last_waiter = at;
			break;
		}
	return was_woken;
}

enum db_status db_pool_take(struct db *db, bool can_repeat, struct db_connection **out)
{
	int64_t now_ms = db_now_ms(), until_ms = now_ms + PATIENCE_MS;
	adopt(db);
	for (;;) {
		struct db_health *health = &db->health;
		if ((*out = take_idle(db, can_repeat, now_ms)))
			return DB_OK;
		if (health->is_away && (health->is_probing || db_now_ms() < health->next_try_ms)) {
			health->failed++;
			return DB_AWAY;
		}
		unsigned most = db->driver->connections_most;
		if (!most || db->open_count < most || !fiber_is_running())
			return open_one(db, out);
		if (!wait_for_turn(db, until_ms)) {
			note_error(db, "all connections are in use");
			return DB_AWAY;
		}
	}
}

void db_close_idle(void)
{
	for (struct db *db = db_list(); db; db = db->next)
		if (db->owner == getpid())
			db_pool_drop_idle(db);
}
