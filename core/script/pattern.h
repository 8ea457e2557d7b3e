/* SPDX-License-Identifier: BSD-2-Clause */
/* pattern: regular expressions of the script: POSIX extended, run by PCRE2 (JIT) where that is
 * provably the same, else by regcomp. Compiled code is private to a process, so a pattern is an
 * index into the image plus its text; each worker compiles it on first use. */
#pragma once

#include "core/base/writer.h"

struct script_run;

enum pattern_flags {
	PATTERN_IGNORE_CASE = 1,
	PATTERN_PCRE = 2,    /* Perl syntax, for modules that are documented so */
	PATTERN_NEWLINE = 4, /* line ends matter: ^ and $ match at them,
		. and [^x] do not (REG_NEWLINE) */
};

struct pattern; /* constant, shareable between processes */

/* Checks and prepares; NULL and a sentence in `*out_error` (in `arena`, with the offset of the
 * mistake) when it is no regular expression. Memory from `arena`. */
const struct pattern *pattern_compile(struct span text, unsigned flags, struct arena *arena,
				      struct span *out_error);
/* For patterns that are computed at run time: cached per process by text and flags (bounded cache).
 * NULL when it is not valid (logged once). */
const struct pattern *pattern_cached(struct span text, unsigned flags);

#define PATTERN_MAX_GROUPS 10

struct pattern_match {
	uint32_t start, end; /* start > end: group did not take part */
};
/* Does `subject` contain a match? `groups` (may be NULL) takes the whole match and its groups. */
bool pattern_search(const struct pattern *pattern, struct span subject, size_t from,
		    struct pattern_match *groups, unsigned group_count);
struct span pattern_text(const struct pattern *pattern);

/* A substitution "/re/replacement/flags" (any delimiter; flags i: any case, g: every match, s: a
 * line
 * end is an ordinary character; in the replacement \0…\9 are groups and variables are expanded),
 * as subst() and {re.subst} use it. Memory from `arena`; the text is copied. NULL and a sentence
 * when it is malformed. */
struct substitution;
const struct substitution *substitution_compile(struct span text, struct arena *arena,
						struct span *out_error);
/* For texts that are computed at run time: cached per process like pattern_cached. */
const struct substitution *substitution_cached(struct span text);
bool substitution_is_global(const struct substitution *s);
/* The next match at or after `from` and what replaces it (in run->arena, or borrowed). False: no
 * further match. After an empty match continue one byte later. */
bool substitution_next(struct script_run *run, const struct substitution *s, struct span subject,
		       size_t from, struct pattern_match *out_where, struct span *out_text);
/* Writes `subject` with the replacements made; how many there were. With 0 nothing is written. */
unsigned substitution_apply(struct script_run *run, const struct substitution *s,
			    struct span subject, struct writer *w);
