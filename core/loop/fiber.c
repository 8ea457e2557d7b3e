/* SPDX-License-Identifier: BSD-2-Clause */
/* Fibers: a pool of stacks. A fiber runs until it ends or waits, then whoever started or woke it
 * goes on. */
#include "core/loop/fiber.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/fault.h"
#include "core/loop/context.h"
#include "core/loop/loop.h"

#define STACK_BYTES (256u << 10)
#define POOL_MOST   64 /* idle fibers kept for reuse */

struct fiber {
	struct context context;
	struct context *resumer; /* whoever runs when this fiber ends or waits */
	struct fiber *outer;     /* the fiber that was running when this one was resumed */
	struct fiber *next_idle;
	struct fiber *next_parked, *previous_parked;
	uint32_t epoch; /* when it started */
	void (*entry)(void *arg);
	void *arg;
	void *local;
	bool is_done;
	bool timed_out;
	unsigned fd_events;
};

static struct {
	struct fiber *current;
	struct fiber *idle;
	unsigned idle_count;
	unsigned parked;
	unsigned limit;
	struct context main;
	bool (*may_park)(void);
	const uint32_t *epoch;
	struct fiber *first_parked;
} state = { .limit = 10000 };

void fiber_set_park_check(bool (*may_park)(void))
{
	state.may_park = may_park;
}

void fiber_set_epoch(const uint32_t *epoch)
{
	state.epoch = epoch;
}

uint32_t fiber_oldest_epoch(void)
{
	uint32_t oldest = UINT32_MAX;
	for (const struct fiber *fiber = state.first_parked; fiber; fiber = fiber->next_parked)
		if (fiber->epoch < oldest)
			oldest = fiber->epoch;
	return oldest;
}

static void fiber_main(void)
{
	context_entered();
	for (;;) {
		struct fiber *self = state.current;
		self->entry(self->arg);
		self->is_done = true;
		context_switch(&self->context, self->resumer);
	}
}

static struct fiber *fiber_take(void)
{
	struct fiber *fiber = state.idle;
	if (fiber) {
		state.idle = fiber->next_idle;
		state.idle_count--;
		return fiber;
	}
	fiber = fault_hits() ? NULL : calloc(1, sizeof(*fiber));
	if (fiber && !context_create(&fiber->context, STACK_BYTES, fiber_main)) {
		free(fiber);
		return NULL;
	}
	return fiber;
}

static void fiber_put_back(struct fiber *fiber)
{
	if (state.idle_count >= POOL_MOST) {
		context_destroy(&fiber->context);
		free(fiber);
		return;
	}
	fiber->next_idle = state.idle;
	state.idle = fiber;
	state.idle_count++;
}

/* Runs a fiber until it ends or waits. */
static void fiber_resume(struct fiber *fiber)
{
	struct fiber *outer = state.current;
	fiber->outer = outer;
	fiber->resumer = outer ? &outer->context : &state.main;
	state.current = fiber;
	context_switch(fiber->resumer, &fiber->context);
	state.current = outer;
	if (fiber->is_done)
		fiber_put_back(fiber);
}

bool fiber_start(void (*entry)(void *arg), void *arg)
{
	if (state.parked >= state.limit)
		return false;
	struct fiber *fiber = fiber_take();
	if (!fiber)
		return false;
	fiber->entry = entry;
	fiber->arg = arg;
	fiber->local = NULL;
	fiber->is_done = false;
	fiber->epoch = state.epoch ? __atomic_load_n(state.epoch, __ATOMIC_ACQUIRE) : 0;
	fiber_resume(fiber);
	return true;
}

bool fiber_is_running(void)
{
	return state.current != NULL;
}

void *fiber_local(void)
{
	return state.current ? state.current->local : NULL;
}

void fiber_set_local(void *value)
{
	if (state.current)
		state.current->local = value;
}

unsigned fiber_parked_count(void)
{
	return state.parked;
}

void fiber_set_limit(unsigned most_parked)
{
	state.limit = most_parked;
}

/* Gives control back; returns when somebody resumes this fiber. */
static void fiber_park(void)
{
	struct fiber *self = state.current;
	bug_if(!self, "only a fiber can wait");
	bug_if(state.may_park && !state.may_park(), "a fiber waits while it holds a lock");
	state.parked++;
	self->previous_parked = NULL;
	self->next_parked = state.first_parked;
	if (state.first_parked)
		state.first_parked->previous_parked = self;
	state.first_parked = self;
	context_switch(&self->context, self->resumer);
	state.parked--;
	if (self->previous_parked)
		self->previous_parked->next_parked = self->next_parked;
	else
		state.first_parked = self->next_parked;
	if (self->next_parked)
		self->next_parked->previous_parked = self->previous_parked;
}

static void wake_by_timer(struct loop_timer *timer)
{
	struct fiber *fiber = timer->owner;
	fiber->timed_out = true;
	fiber_resume(fiber);
}

static void wake_by_fd(int fd, unsigned events, void *owner)
{
	(void)fd;
	struct fiber *fiber = owner;
	fiber->fd_events = events;
	fiber_resume(fiber);
}

void fiber_sleep_ms(int64_t delay_ms)
{
	struct loop_timer timer = LOOP_TIMER_INIT;
	loop_timer_start(&timer, delay_ms, 0, wake_by_timer, state.current);
	fiber_park();
	loop_timer_stop(&timer);
}

/* Parks until the descriptor's handler or the timer wakes the fiber. */
static unsigned wait_for_events(int64_t timeout_ms)
{
	struct fiber *self = state.current;
	struct loop_timer timer = LOOP_TIMER_INIT;
	self->fd_events = 0;
	if (timeout_ms >= 0)
		loop_timer_start(&timer, timeout_ms, 0, wake_by_timer, self);
	fiber_park();
	loop_timer_stop(&timer);
	return self->fd_events;
}

unsigned fiber_wait_fd(int fd, unsigned events, int64_t timeout_ms)
{
	bug_if(!state.current, "only a fiber can wait");
	if (!loop_watch(fd, events, wake_by_fd, state.current))
		return 0;
	unsigned found = wait_for_events(timeout_ms);
	loop_unwatch(fd);
	return found;
}

unsigned fiber_wait_kept_fd(int fd, unsigned events, int64_t timeout_ms)
{
	bug_if(!state.current, "only a fiber can wait");
	if (!loop_watch_kept(fd, events, wake_by_fd, state.current))
		return 0;
	unsigned found = wait_for_events(timeout_ms);
	loop_pause(fd);
	return found;
}

bool fiber_wait(struct fiber_event *event, int64_t timeout_ms)
{
	struct fiber *self = state.current;
	bug_if(!self, "only a fiber can wait");
	if (!event->is_set) {
		struct loop_timer timer = LOOP_TIMER_INIT;
		self->timed_out = false;
		event->waiter = self;
		if (timeout_ms >= 0)
			loop_timer_start(&timer, timeout_ms, 0, wake_by_timer, self);
		fiber_park();
		loop_timer_stop(&timer);
		event->waiter = NULL;
	}
	bool was_set = event->is_set;
	event->is_set = false;
	return was_set;
}

void fiber_wake(struct fiber_event *event)
{
	event->is_set = true;
	struct fiber *waiter = event->waiter;
	event->waiter = NULL;
	if (waiter)
		fiber_resume(waiter);
}
