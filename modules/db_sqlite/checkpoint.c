/* SPDX-License-Identifier: BSD-2-Clause */
/* The write-ahead log must go back into the file now and then, and that waits for the disk. It is
 * done by a thread with a connection of its own. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "modules/db_sqlite/db_sqlite.h"

#define PAGES_MOST 1000 /* of 4 KiB in the log before somebody writes them back */

static atomic_bool is_running;

static void *checkpoint_main(void *path)
{
	sqlite3 *handle = NULL;
	if (sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
	    SQLITE_OK) {
		sqlite3_busy_timeout(handle, 1000);
		sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	}
	sqlite3_close(handle);
	free(path);
	atomic_store(&is_running, false);
	return NULL;
}

static bool start_thread(char *path)
{
	sigset_t all, before;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool is_started = pthread_create(&thread, NULL, checkpoint_main, path) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (is_started)
		pthread_detach(thread);
	return is_started;
}

/* After a commit: how long the log is by now. */
static int on_commit(void *owner, sqlite3 *handle, const char *name, int pages)
{
	const char *path = sqlite3_db_filename(handle, "main");
	if (pages < PAGES_MOST || !path || atomic_exchange(&is_running, true))
		return SQLITE_OK;
	/* Without a fiber nobody minds waiting (and the supervisor has no threads). */
	char *copy = fiber_is_running() ? strdup(path) : NULL;
	if (!copy || !start_thread(copy)) {
		free(copy);
		sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		atomic_store(&is_running, false);
	}
	return SQLITE_OK;
}

void checkpoint_arrange(sqlite3 *handle)
{
	sqlite3_wal_autocheckpoint(handle, 0);
	sqlite3_wal_hook(handle, on_commit, NULL);
}
