/* SPDX-License-Identifier: BSD-2-Clause */
/* diagnostic: what is wrong in a file that a person wrote, collected so that all of it is said in
 * one run:
 *
 *   etc/viaduct.cfg:42:9: error: no failure_route named "VOICEMAL"
 *      42 | 	t_on_failure("VOICEMAL");
 *         | 	             ^~~~~~~~~~
 *         hint: did you mean "VOICEMAIL"? */
#pragma once

#include "core/base/writer.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE };

/* A file's text; kept as long as positions into it are shown. */
struct source_file {
	const char *path;
	struct span text;
};

struct source_position {
	const struct source_file *file; /* NULL: no place (command line) */
	uint32_t line;                  /* from 1 */
	uint32_t column;                /* from 1, in bytes */
	uint32_t length;                /* bytes to underline, at least 1 */
};

struct diagnostic {
	struct diagnostic *next;
	enum severity severity;
	const char *
		code; /* stable short name, e.g. "unknown-route"; shown by --explain, suppressible */
	struct source_position at;
	struct span message;
	struct span hint; /* absent when there is none */
};

struct diagnostics {
	struct arena *arena;
	struct diagnostic *first, **last;
	unsigned errors, warnings;
	/* core/base/missing.h: what is not there, and errors that are told with it */
	struct missing_thing *missing;
	unsigned told_with_missing;
};

void diagnostics_init(struct diagnostics *all, struct arena *arena);
/* Adds one and returns it so that a hint can be attached; never fails (drops when out of memory). */
[[gnu::format(printf, 5, 6)]] struct diagnostic *diagnostic_add(struct diagnostics *all,
								enum severity severity,
								const char *code,
								struct source_position at,
								const char *format, ...);
[[gnu::format(printf, 3, 4)]] void diagnostic_hint(struct diagnostics *all, struct diagnostic *d,
						   const char *format, ...);
/* How many errors there are, those included that are told within another's hint: has something been
 * said since? */
static inline unsigned diagnostics_told(const struct diagnostics *all)
{
	return all->errors + all->told_with_missing;
}
/* Sorts by file and line, writes all of them and a last line "N errors, N warnings". */
void diagnostics_write(struct diagnostics *all, struct writer *out);

/* The name in `names` that `name` was probably meant to be, or NULL when none is close
 * (edit distance with transpositions, at most a third of the length). */
const char *nearest_name(struct span name, const char *const *names, size_t count);
/* The distance that nearest_name uses, for callers with their own lists; `limit` or more = far. */
unsigned name_distance(struct span a, struct span b, unsigned limit);
