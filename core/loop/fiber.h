/* SPDX-License-Identifier: BSD-2-Clause */
/* fiber: straight-line code that can wait without stopping the worker. Fibers are pooled and belong
 * to one process. No lock may be held while a fiber waits (test builds abort). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Runs `entry(arg)` on a fiber at once; returns when it ended or first waits. False when the cap on
 * parked fibers is reached: answer 503 and count it. */
bool fiber_start(void (*entry)(void *arg), void *arg);
/* Is the caller on a fiber (may it wait)? */
bool fiber_is_running(void);

/* Waits until `fd` has one of `events` (LOOP_READ, LOOP_WRITE); returns them, 0 after timeout_ms
 * (negative: no limit). */
unsigned fiber_wait_fd(int fd, unsigned events, int64_t timeout_ms);
/* The same for a descriptor that is waited for again and again; see loop_watch_kept. */
unsigned fiber_wait_kept_fd(int fd, unsigned events, int64_t timeout_ms);
void fiber_sleep_ms(int64_t delay_ms);

/* One fiber waits, another piece of code of the same process wakes it. */
struct fiber_event {
	struct fiber *waiter;
	bool is_set;
};
/* True when the event was set, false after timeout_ms (negative: no limit). Clears the event. */
bool fiber_wait(struct fiber_event *event, int64_t timeout_ms);
void fiber_wake(struct fiber_event *event);

/* Test builds and the server set a check that says whether waiting is allowed now (no lock is held);
 * a fiber that waits against it is a bug. */
void fiber_set_park_check(bool (*may_park)(void));
/* Parked now / allowed at most. */
unsigned fiber_parked_count(void);
void fiber_set_limit(unsigned most_parked);
/* A pointer that follows the fiber (the message being worked on), NULL outside. */
void *fiber_local(void);
void fiber_set_local(void *value);
/* Fibers remember the value that `*epoch` has when they start, so that what they may still use is
 * known. fiber_oldest_epoch is the least value of those that wait now, UINT32_MAX when none does;
 * its cost grows with their number. */
void fiber_set_epoch(const uint32_t *epoch);
uint32_t fiber_oldest_epoch(void);
