/* SPDX-License-Identifier: BSD-2-Clause */
/* watchdog: finds processes that do not come back to their event loop, because they are stopped or
 * busy without end, so that the supervisor can replace them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Before the first fork; `limit_ms` 0 turns it off. */
[[nodiscard]] bool watchdog_prepare(unsigned processes, int64_t limit_ms);
/* This process is back in its loop. Returns when it wants to be called again (monotonic ms). */
int64_t watchdog_beat(unsigned process);
/* The supervisor started this process; it is not watched until its first beat. */
void watchdog_forget(unsigned process);
/* Did the process, started as `pid`, stay away from its loop longer than `times` times the limit?
 * Asked at least once a second; after a pause of the supervisor itself (the machine slept) all
 * processes get their time anew. */
bool watchdog_is_stuck(unsigned process, int pid, unsigned times);
/* The supervisor's own turn, before it asks about the processes. */
void watchdog_turn(void);
