/* SPDX-License-Identifier: BSD-2-Clause */
/* pattern: regular expressions of the script: POSIX extended, run by PCRE2 (JIT) where that is
 * provably the same, else by regcomp. Compiled code is private to a process, so a pattern is an
 * index into the image plus its text; each worker compiles it on first use. */
#pragma once

#include "core/base/arena.h"

enum pattern_flags {
	PATTERN_IGNORE_CASE = 1,
	PATTERN_PCRE = 2, /* Perl syntax, for modules that are documented so */
};

struct pattern; /* constant, shareable between processes */

/* Checks and prepares; NULL and a sentence in `*out_error` (in `arena`, with the offset of the
 * mistake) when it is no regular expression. Memory from `arena`. */
const struct pattern *pattern_compile(struct span text, unsigned flags, struct arena *arena,
	struct span *out_error);
/* For patterns that are computed at run time: cached per process by text and flags (bounded cache).
 * NULL when it is not valid (logged once). */
const struct pattern *pattern_cached(struct span text, unsigned flags);

struct pattern_match {
	uint32_t start, end; /* start > end: group did not take part */
};
/* Does `subject` contain a match? `groups` (may be NULL) takes the whole match and its groups. */
bool pattern_search(const struct pattern *pattern, struct span subject, size_t from,
	struct pattern_match *groups, unsigned group_count);
struct span pattern_text(const struct pattern *pattern);

/* A substitution "/re/replacement/flags" (flags i g s; \1…\9 and \0 groups; variables in the
 * replacement), as subst() and {re.subst} use it. */
struct substitution;
const struct substitution *substitution_compile(struct span text, struct arena *arena, struct span *out_error);
