/* SPDX-License-Identifier: BSD-2-Clause */
/* journal_files: what writer, snapshot and restore of the journal share. */
#pragma once

#include <limits.h>
#include <stdatomic.h>

#include "modules/usrloc/journal.h"
#include "modules/usrloc/journal_format.h"

/* In memory that all processes share. */
struct journal_shared {
	_Atomic uint64_t generation; /* of the journal that is written now */
	_Atomic uint64_t place;      /* of the next record: see journal_map.c */
	_Atomic uint64_t snapshot;   /* generation of the newest whole snapshot */
	_Atomic uint64_t snapshot_bytes;
	_Atomic bool is_behind;   /* something is missing in the files: a snapshot is needed */
	_Atomic bool is_dropping; /* changes are not noted now, because they cannot be written */
};

struct journal_shared *journal_shared(void);
const struct journal_options *journal_options(void);
/* "<folder>/location.<kind>.<generation>"; kind "journal", "snapshot". */
void journal_path(char out[PATH_MAX], const char *kind, uint64_t generation, const char *suffix);
/* Makes an empty file with its header; -1 after the reason was logged once per outage. */
int journal_create(const char *path, uint64_t generation);
/* All of it; false with errno. */
bool journal_write(int fd, const char *bytes, size_t len);
/* Deletes files of generations before this one. */
void journal_delete_before(uint64_t generation);
/* Visits the files of a kind: their generations. */
void journal_each_file(void (*visit)(const char *kind, uint64_t generation, void *arg), void *arg);
/* Says once per outage that the files fall behind. */
void journal_fail(const char *what, const char *path, int error);
/* The next journal is written from now on; false when it cannot be made. */
bool journal_begin(uint64_t generation);

/* ---- journal_map.c: the file that is written ---- */
/* The file grows by as much. */
#define JOURNAL_PIECE ((size_t)256 << 10)
/* Records go to that journal from now on; its file is there. */
void journal_move_to(uint64_t generation);
/* Bytes of the current journal, those included that are being written. */
uint64_t journal_bytes(void);
/* Puts whole records behind all others of the current journal; false with errno. */
bool journal_put(const char *bytes, size_t len);
/* Forgets the file in this process. */
void journal_unmap(void);
/* Cuts off what was reserved; nobody has the file mapped. */
void journal_trim(void);
