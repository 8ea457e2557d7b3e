/* SPDX-License-Identifier: BSD-2-Clause */
/* published: a table that many read and somebody replaces as a whole (addresses, domains, gateways).
 * The new one is built beside the old one and switched by one store; the old one goes when nobody
 * reads it. Readers take no lock; each process notes what it reads in a place of its own. */
#pragma once

#include <stddef.h>

#define PUBLISHED_READERS 64 /* processes, by their number */

struct published;

/* In shared memory, before the first fork; holds no table yet. NULL when memory is out. */
[[nodiscard]] struct published *published_new(const char *name);
/* The current table, or NULL; stays until published_release. Nothing in between may wait, and a
 * process holds one at a time. `process` is the reader's own number. */
const void *published_hold(struct published *p, unsigned process);
void published_release(struct published *p, unsigned process);
/* Puts a table (moved: memory of shm_run_alloc) in the place of the current one. From any process. */
void published_put(struct published *p, void *table);
