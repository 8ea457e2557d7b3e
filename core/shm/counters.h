/* SPDX-License-Identifier: BSD-2-Clause */
/* counters: what the statistics commands, $stat() and the metrics page show. Every process adds to
 * its own row in shared memory, without atomics and without sharing a cache line; readers sum the
 * rows. A row belongs to a role: a successor goes on with the row of the dead, so nothing is lost.
 *
 * Life: counter_register… by the core and by modules → counters_start (supervisor, before the first
 * fork) → counters_select in each process. Additions before counters_start are kept. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/span.h"

typedef uint32_t counter_id;
#define COUNTERS_MOST 2048
#define COUNTER_NONE  ((counter_id)0) /* adding to it is allowed and counts nothing that is shown */

enum counter_kind {
	COUNTER_COUNT,    /* only grows; can be reset */
	COUNTER_GAUGE,    /* goes up and down; a reset does not touch it */
	COUNTER_COMPUTED, /* asked from a function */
};

/* Registers a counter; texts are copied. The same group and name again gives the same id. COUNTER_NONE
 * when there are too many, or after counters_start (logged). */
counter_id counter_register(const char *group, const char *name, const char *doc,
			    enum counter_kind kind);
/* A value computed when it is read, in the reader's process. */
counter_id counter_register_computed(const char *group, const char *name, const char *doc,
				     int64_t (*compute)(void));

/* Reserves rows for `processes` roles (at most 1024). False when shared memory is out. */
[[nodiscard]] bool counters_start(unsigned processes);
/* This process adds to row `process` from now on. */
void counters_select(unsigned process);
/* Forgets everything: tests. */
void counters_free(void);

/* The row of this process. */
extern int64_t *const *const counter_row_address;
/* Own row only: no lock, no atomic. */
static inline void counter_add(counter_id id, int64_t n)
{
	(*counter_row_address)[id] += n;
}
static inline void counter_inc(counter_id id)
{
	counter_add(id, 1);
}

/* The sum of all rows since the last reset. */
int64_t counter_read(counter_id id);
/* One process's part, resets not considered; for per-process reports. */
int64_t counter_read_row(counter_id id, unsigned process);
/* Starts a count again from zero; false for gauges and computed values. */
bool counter_reset(counter_id id);

/* COUNTER_NONE when there is no such counter. Names compare exactly. */
counter_id counter_find(struct span group, struct span name);
/* The first counter with this name in any group. */
counter_id counter_find_name(struct span name);

struct counter_info {
	const char *group;
	const char *name;
	const char *doc;
	enum counter_kind kind;
};
/* False when there is no such id. */
bool counter_describe(counter_id id, struct counter_info *out_info);
/* Iterates in the order of registration: COUNTER_NONE gives the first, COUNTER_NONE ends. An absent
 * group means all groups. */
counter_id counter_next(counter_id id, struct span group);
/* The groups in the order of their first counter: NULL gives the first, NULL ends. */
const char *counter_next_group(const char *group);
