/* SPDX-License-Identifier: BSD-2-Clause */
/* journal_format: how bindings are written to disk. A file is a header and records; a record is a
 * binding as it was after a change, or that it was removed. Numbers are in the machine's order, and
 * the header tells which; times are wall clock. */
#pragma once

#include "modules/usrloc/binding.h"

#define JOURNAL_HEADER_BYTES 40
#define JOURNAL_RECORD_MOST  ((size_t)256 << 10)

enum journal_kind { JOURNAL_KEEP = 1, JOURNAL_FORGET = 2 };

struct journal_record {
	enum journal_kind kind;
	uint64_t generation;           /* of the journal when the change was made */
	struct usrloc_contact contact; /* aor and all texts; domain is the table's name */
	struct span socket;
	size_t at;               /* decoded: where it begins */
	int64_t expires_wall_ms; /* INT64_MAX: never */
};

/* Writes the header of a file. */
void journal_header_write(uint64_t generation, char out[JOURNAL_HEADER_BYTES]);
/* False with a sentence that says what is wrong. */
bool journal_header_read(struct span bytes, uint64_t *out_generation, const char **out_error);

/* Bytes written, 0 when `room` is too small or the record too large. */
size_t journal_encode(const struct journal_record *record, char *out, size_t room);

enum journal_found { JOURNAL_RECORD, JOURNAL_END };
/* Reads the next sound record at or after *at and moves *at behind it; the texts borrow `bytes`.
 * Zeros, which lie behind the last record and where a process was killed, are skipped; damaged
 * stretches are, too, and counted in *skipped, in bytes. */
enum journal_found journal_decode(struct span bytes, size_t *at, struct journal_record *out,
				  size_t *skipped);
