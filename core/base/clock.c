/* SPDX-License-Identifier: BSD-2-Clause */
/* Monotonic and wall-clock time, cached per process. */
#include "core/base/clock.h"

#include <time.h>

static int64_t own_offset_ms;
static struct {
	int64_t *offset_ms; /* moved by tests */
	int64_t ms, us;
	int64_t wall_s, wall_us;
} state = { .offset_ms = &own_offset_ms };

static int64_t kernel_us(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_kernel_us_now(void)
{
	return kernel_us(CLOCK_REALTIME);
}

int64_t clock_us_now(void)
{
	return kernel_us(CLOCK_MONOTONIC) + *state.offset_ms * 1000;
}

int64_t clock_wall_us_now(void)
{
	return kernel_us(CLOCK_REALTIME) + *state.offset_ms * 1000;
}

void clock_refresh(void)
{
	state.us = clock_us_now();
	state.ms = state.us / 1000;
	state.wall_us = clock_wall_us_now();
	state.wall_s = state.wall_us / 1000000;
}

int64_t clock_ms(void)
{
	if (__builtin_expect(state.ms == 0, 0))
		clock_refresh();
	return state.ms;
}

int64_t clock_us(void)
{
	if (__builtin_expect(state.ms == 0, 0))
		clock_refresh();
	return state.us;
}

int64_t clock_wall_s(void)
{
	if (__builtin_expect(state.wall_s == 0, 0))
		clock_refresh();
	return state.wall_s;
}

int64_t clock_wall_us(void)
{
	if (__builtin_expect(state.wall_s == 0, 0))
		clock_refresh();
	return state.wall_us;
}

int64_t clock_wall_s_from_ms(int64_t monotonic_ms)
{
	int64_t us = (monotonic_ms - clock_ms()) * 1000 + clock_wall_us_now();
	return (us + 500000) / 1000000;
}

int64_t clock_ms_from_wall_s(int64_t wall_s)
{
	return clock_ms() + wall_s * 1000 - clock_wall_us_now() / 1000;
}

void clock_advance(int64_t ms)
{
	*state.offset_ms += ms;
	clock_refresh();
}

void clock_share(int64_t *offset_ms)
{
	*offset_ms = *state.offset_ms;
	state.offset_ms = offset_ms;
}
