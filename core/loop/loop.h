/* SPDX-License-Identifier: BSD-2-Clause */
/* loop: a process's event loop: descriptors, timers, and work to do before it sleeps. One per
 * process; created after the fork. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

/* Starts the loop of this process; false when epoll is not to be had. */
[[nodiscard]] bool loop_init(void);
/* Runs until loop_stop. */
void loop_run(void);
void loop_stop(void);
/* For how long this process had nothing to do since loop_init. */
int64_t loop_slept_us(void);

/* Watches a descriptor (level-triggered). `handler` runs on the loop's own stack and must not wait;
 * start a fiber for work that waits. Watching again replaces handler and events. */
typedef void (*loop_handler)(int fd, unsigned events, void *owner);
[[nodiscard]] bool loop_watch(int fd, unsigned events, loop_handler handler, void *owner);
/* Watches a socket that several processes read: one of them is woken per event. */
[[nodiscard]] bool loop_watch_shared(int fd, loop_handler handler, void *owner);
void loop_unwatch(int fd);
/* For a descriptor that is waited for again and again: after loop_pause it stays known to the kernel, and
 * the next loop_watch_kept for the same events costs nothing. loop_unwatch has to come before it is
 * closed, and when a new one is opened, if a library may have closed one of the same number. */
[[nodiscard]] bool loop_watch_kept(int fd, unsigned events, loop_handler handler, void *owner);
void loop_pause(int fd);

/* Timers of this process (not of transactions: those are on shard wheels). */
struct loop_timer {
	int64_t due_ms;
	int64_t period_ms; /* 0: once */
	void (*run)(struct loop_timer *timer);
	void *owner;
	int heap_index; /* -1 when not armed; private to the loop */
};
#define LOOP_TIMER_INIT { .heap_index = -1 }
void loop_timer_start(struct loop_timer *timer, int64_t delay_ms, int64_t period_ms,
		      void (*run)(struct loop_timer *timer), void *owner);
void loop_timer_stop(struct loop_timer *timer);

/* Called once per turn of the loop, before it sleeps (flush queues, tick wheels). Returns the
 * latest time, in monotonic ms, at which it wants to be called again; INT64_MAX: no wish. */
typedef int64_t (*loop_hook)(void);
void loop_add_hook(loop_hook hook);
