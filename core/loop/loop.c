/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop: epoll, a heap of timers, hooks before every sleep. */
#include "core/loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/loop/accept.h"

#define EVENTS_PER_TURN 64
#define HOOKS_MOST      16
#define SLEEP_MOST_MS   1000

struct watch {
	loop_handler handler; /* NULL: not watched */
	void *owner;
	uint32_t kept; /* what epoll tells although nobody may be watching; 0: not kept */
};

static struct {
	int epoll_fd;
	bool is_stopping;
	struct watch *watches; /* by descriptor */
	int watch_count;
	struct loop_timer **heap; /* earliest first */
	int heap_count, heap_size;
	loop_hook hooks[HOOKS_MOST];
	unsigned hook_count;
	int64_t slept_us;
} loop = { .epoll_fd = -1 };

bool loop_init(void)
{
	/* After a fork the parent's loop is not ours. */
	if (loop.epoll_fd >= 0)
		close(loop.epoll_fd);
	free(loop.watches);
	free(loop.heap);
	loop = (typeof(loop)){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	loop_accept_prepare();
	if (loop.epoll_fd < 0)
		log_critical("epoll_create1 failed: %m");
	return loop.epoll_fd >= 0;
}

void loop_add_hook(loop_hook hook)
{
	bug_if(loop.hook_count == HOOKS_MOST, "too many loop hooks");
	loop.hooks[loop.hook_count++] = hook;
}

static bool watches_cover(int fd)
{
	if (fd < loop.watch_count)
		return true;
	int count = fd + 64;
	struct watch *watches = realloc(loop.watches, (size_t)count * sizeof(*watches));
	if (!watches)
		return false;
	for (int i = loop.watch_count; i < count; i++)
		watches[i] = (struct watch){ 0 };
	loop.watches = watches;
	loop.watch_count = count;
	return true;
}

static bool watch_with(int fd, uint32_t epoll_events, loop_handler handler, void *owner)
{
	if (fd < 0 || !watches_cover(fd))
		return false;
	struct epoll_event event = { .events = epoll_events, .data.fd = fd };
	bool is_known = loop.watches[fd].handler || loop.watches[fd].kept;
	int operation = is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(loop.epoll_fd, operation, fd, &event) < 0 &&
	    !(errno == ENOENT && epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)) {
		log_error("cannot watch descriptor %d: %m", fd);
		return false;
	}
	loop.watches[fd] = (struct watch){ .handler = handler, .owner = owner };
	return true;
}

static uint32_t to_epoll(unsigned events)
{
	return (events & LOOP_READ ? EPOLLIN : 0) | (events & LOOP_WRITE ? EPOLLOUT : 0);
}

bool loop_watch(int fd, unsigned events, loop_handler handler, void *owner)
{
	return watch_with(fd, to_epoll(events), handler, owner);
}

bool loop_watch_shared(int fd, loop_handler handler, void *owner)
{
	return watch_with(fd, EPOLLIN | EPOLLEXCLUSIVE, handler, owner);
}

void loop_unwatch(int fd)
{
	if (fd < 0 || fd >= loop.watch_count ||
	    (!loop.watches[fd].handler && !loop.watches[fd].kept))
		return;
	loop.watches[fd] = (struct watch){ 0 };
	epoll_ctl(loop.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

bool loop_watch_kept(int fd, unsigned events, loop_handler handler, void *owner)
{
	if (fd >= 0 && fd < loop.watch_count && loop.watches[fd].kept == to_epoll(events)) {
		loop.watches[fd].handler = handler;
		loop.watches[fd].owner = owner;
		return true;
	}
	if (!watch_with(fd, to_epoll(events), handler, owner))
		return false;
	loop.watches[fd].kept = to_epoll(events);
	return true;
}

void loop_pause(int fd)
{
	if (fd >= 0 && fd < loop.watch_count && loop.watches[fd].kept)
		loop.watches[fd].handler = NULL;
}

/* ---- timers: a binary heap ---------------------------------------------------------------------- */

static void heap_put(int index, struct loop_timer *timer)
{
	loop.heap[index] = timer;
	timer->heap_index = index;
}

static void heap_up(int index, struct loop_timer *timer)
{
	while (index > 0 && loop.heap[(index - 1) / 2]->due_ms > timer->due_ms) {
		heap_put(index, loop.heap[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	heap_put(index, timer);
}

static void heap_down(int index, struct loop_timer *timer)
{
	for (;;) {
		int child = 2 * index + 1;
		if (child >= loop.heap_count)
			break;
		if (child + 1 < loop.heap_count &&
		    loop.heap[child + 1]->due_ms < loop.heap[child]->due_ms)
			child++;
		if (loop.heap[child]->due_ms >= timer->due_ms)
			break;
		heap_put(index, loop.heap[child]);
		index = child;
	}
	heap_put(index, timer);
}

void loop_timer_stop(struct loop_timer *timer)
{
	int index = timer->heap_index;
	if (index < 0)
		return;
	timer->heap_index = -1;
	struct loop_timer *last = loop.heap[--loop.heap_count];
	if (last == timer)
		return;
	if (index > 0 && loop.heap[(index - 1) / 2]->due_ms > last->due_ms)
		heap_up(index, last);
	else
		heap_down(index, last);
}

static void timer_arm_at(struct loop_timer *timer, int64_t due_ms)
{
	if (loop.heap_count == loop.heap_size) {
		int size = loop.heap_size ? 2 * loop.heap_size : 64;
		struct loop_timer **heap =
			realloc(loop.heap, (size_t)size * sizeof(struct loop_timer *));
		bug_if(!heap, "no memory for %d timers", size);
		loop.heap = heap;
		loop.heap_size = size;
	}
	timer->due_ms = due_ms;
	heap_up(loop.heap_count++, timer);
}

void loop_timer_start(struct loop_timer *timer, int64_t delay_ms, int64_t period_ms,
		      void (*run)(struct loop_timer *timer), void *owner)
{
	loop_timer_stop(timer);
	timer->period_ms = period_ms;
	timer->run = run;
	timer->owner = owner;
	timer_arm_at(timer, clock_us_now() / 1000 + delay_ms);
}

static void run_due_timers(void)
{
	int64_t now = clock_ms();
	while (loop.heap_count && loop.heap[0]->due_ms <= now) {
		struct loop_timer *timer = loop.heap[0];
		loop_timer_stop(timer);
		if (timer->period_ms > 0) {
			/* After a stall, one late run stands for all that were missed. */
			int64_t next = timer->due_ms + timer->period_ms;
			timer_arm_at(timer, next > now ? next : now + timer->period_ms);
		}
		timer->run(timer);
	}
}

/* ---- running ------------------------------------------------------------------------------------- */

/* How long to sleep at most; `out_now_us` is when that was decided. */
static int sleep_ms(int64_t *out_now_us)
{
	int64_t until = INT64_MAX;
	for (unsigned i = 0; i < loop.hook_count; i++) {
		int64_t wish = loop.hooks[i]();
		if (wish < until)
			until = wish;
	}
	if (loop.heap_count && loop.heap[0]->due_ms < until)
		until = loop.heap[0]->due_ms;
	*out_now_us = clock_us_now();
	int64_t delay = until == INT64_MAX ? SLEEP_MOST_MS : until - *out_now_us / 1000;
	if (delay < 0)
		return 0;
	return delay > SLEEP_MOST_MS ? SLEEP_MOST_MS : (int)delay;
}

static void dispatch(const struct epoll_event *event)
{
	int fd = event->data.fd;
	if (fd >= loop.watch_count || !loop.watches[fd].handler) {
		/* An earlier handler of this turn took it away, or nobody waits for it now. */
		loop_unwatch(fd);
		return;
	}
	unsigned events = 0;
	if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		events |= LOOP_READ;
	if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		events |= LOOP_WRITE;
	loop.watches[fd].handler(fd, events, loop.watches[fd].owner);
}

void loop_run(void)
{
	struct epoll_event events[EVENTS_PER_TURN];
	loop.is_stopping = false;
	clock_refresh();
	while (!loop.is_stopping) {
		int64_t asleep_us;
		int timeout_ms = sleep_ms(&asleep_us);
		int count = epoll_wait(loop.epoll_fd, events, EVENTS_PER_TURN, timeout_ms);
		clock_refresh();
		loop.slept_us += clock_us() - asleep_us;
		for (int i = 0; i < count; i++)
			dispatch(&events[i]);
		run_due_timers();
	}
	for (unsigned i = 0; i < loop.hook_count; i++)
		loop.hooks[i]();
}

int64_t loop_slept_us(void)
{
	return loop.slept_us;
}

void loop_stop(void)
{
	loop.is_stopping = true;
}
