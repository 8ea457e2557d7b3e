/* SPDX-License-Identifier: BSD-2-Clause */
/* journal: keeps bindings through restarts without a database. Every change is appended to a file
 * in the run directory before the answer to it leaves; a process of its own writes a snapshot when
 * the journal has grown, and then starts a new one.
 *
 * Files: location.journal.N and location.snapshot.N, N grows. Snapshot N holds everything that
 * journals before N say, so at start the newest snapshot and the journals from its number on are
 * read; each record carries the number under which its change was made and its binding's version,
 * so neither order nor repetition matters. Changes that could not be written (disk full) are in
 * memory; the next snapshot that succeeds contains them. */
#pragma once

#include "modules/usrloc/binding.h"

struct journal_options {
	struct span folder;
	int64_t compact_bytes; /* a journal smaller than this is never compacted */
	bool keeps_rows;       /* removals are restored too, because rows must be deleted */
};

/* Reserves what processes share and takes the lock of the folder; before the first fork. False after
 * the reason was logged. */
[[nodiscard]] bool journal_prepare(const struct journal_options *options);
/* Puts back what the files say and begins a new journal; before the first fork. A journal that cannot
 * be written is told and tried again later. */
void journal_restore(void);
bool journal_is_on(void);
/* Closes everything; the files stay. */
void journal_finish(void);

/* ---- any process ---- */
/* Before a change, without locks. */
void journal_make_room(void);
/* Under the shard's lock: notes the binding as it is now, or that it goes. */
void journal_keep(const struct binding *binding);
void journal_forget(const struct binding *binding);
/* After the lock was released. */
void journal_changed(void);
/* Writes what was noted. */
void journal_flush(void);
/* The flush happens before bytes leave this process. */
void journal_start_worker(void);

/* ---- the keeper ---- */
/* Writes a snapshot when it is time. */
void journal_keep_small(void);

/* ---- for the files of the journal ---- */
/* The record that says what the binding is now; texts borrow the binding. */
struct journal_record;
void journal_describe(const struct binding *binding, struct journal_record *out);
