/* SPDX-License-Identifier: BSD-2-Clause */
/* hash: keyed by secrets that are drawn at every start, so that nobody outside can choose
 * colliding keys. Values are stable for the life of the server and equal in all its processes. */
#pragma once

#include "core/base/span.h"

/* Draws the secrets; the supervisor calls it once, before the first fork. */
void hash_init(void);
uint64_t hash_bytes(const void *bytes, size_t len);
static inline uint64_t hash_span(struct span s)
{
	return hash_bytes(s.at, s.len);
}
/* As if the text were lower case (ASCII). */
uint64_t hash_span_nocase(struct span s);
/* Folds `next`, or a text, into `hash`, for keys of several parts. */
uint64_t hash_mix(uint64_t hash, uint64_t next);
uint64_t hash_more(uint64_t hash, struct span s);

/* A keyed digest short enough for a token: proves that we made a value (own Via branches, loop
 * detection). Not reversible without the per-start key. */
uint64_t hash_keyed(const void *bytes, size_t len);

/* Random numbers: from the kernel, buffered; safe after fork. */
uint64_t random_uint64(void);
/* 0 … bound-1, unbiased enough for jitter. */
uint32_t random_below(uint32_t bound);
/* What scripts and servers of Kamailio expect of a text, or of two (`second` may be absent): for what other
 * servers compute as well. Everybody can choose colliding texts. */
uint32_t hash_portable(struct span first, struct span second);
/* Without seed: the same in every run, for checksums of what is written to disk. */
uint64_t hash_stable(const void *bytes, size_t len);
