/* SPDX-License-Identifier: BSD-2-Clause */
/* journal_files: what writer, snapshot and restore of the journal share. */
#pragma once

#include <limits.h>

#include "modules/usrloc/journal.h"
#include "modules/usrloc/journal_format.h"

/* In memory that all processes share. */
struct journal_shared {
	_Atomic uint64_t generation; /* of the journal that is written now */
	_Atomic uint64_t bytes;      /* in it */
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
