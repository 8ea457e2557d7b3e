/* SPDX-License-Identifier: BSD-2-Clause */
/* internal: what the files of this room share. */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

#include "core/db/driver.h"
#include "core/loop/fiber.h"

/* A fiber that waits for a connection of a pool whose connections are all in use. */
struct db_waiter {
	struct db_waiter *next;
	struct fiber_event event;
};

/* How a database does, as far as this process knows. */
struct db_health {
	bool is_away;
	bool is_probing; /* one caller at a time tries whether it is back */
	int64_t away_since_ms;
	int64_t next_try_ms;
	int64_t delay_ms;
	uint64_t failed;       /* calls that got DB_AWAY since then */
	uint64_t told_hash;    /* statement whose failure was logged last, */
	int64_t told_until_ms; /* and for how long it is not logged again */
	char last_error[256];
};

struct db {
	struct db *next;
	const struct db_driver *driver;
	struct db_url url;
	struct span text;       /* as given: the key of the list */
	_Atomic bool *was_told; /* shared by all processes: the outage is in the log */

	/* the pool of this process */
	pid_t owner;
	struct db_connection *idle, *open;
	unsigned open_count;
	struct db_waiter *first_waiter, **last_waiter;
	struct db_health health;
};

/* A connection of the pool for one call or transaction, opened when there is none. A caller that can
 * try again is given one that was used a moment ago without asking whether it lives. */
enum db_status db_pool_take(struct db *db, bool can_repeat, struct db_connection **out);
/* Gives it back; a broken one is closed. */
void db_pool_put(struct db_connection *connection);
/* Forgets idle connections that the server has closed. */
void db_pool_drop_idle(struct db *db);
/* Logs the failure of a statement, unless it was just told. */
void db_tell_failed(struct db *db, const struct db_statement *statement, enum db_status status,
		    const char *error);
/* All databases of this process. */
struct db *db_list(void);
