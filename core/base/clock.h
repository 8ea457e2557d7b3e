/* SPDX-License-Identifier: BSD-2-Clause */
/* clock: monotonic time for everything that expires, wall-clock time for what people read.
 * Each process keeps a cached "now" that its event loop refreshes once per wake-up, so reading the
 * time on the request path costs a load. Tests move both clocks with clock_advance. */
#pragma once

#include <stdint.h>

/* Milliseconds of the monotonic clock, equal in all processes of this machine; cached. */
int64_t clock_ms(void);
/* Microseconds of the monotonic clock; cached. */
int64_t clock_us(void);
/* Microseconds of the monotonic clock; reads the clock (about 25 ns). */
int64_t clock_us_now(void);
/* Seconds since 1970; cached. */
int64_t clock_wall_s(void);
/* Microseconds since 1970; cached. */
int64_t clock_wall_us(void);
/* Microseconds since 1970; reads the clock. */
int64_t clock_wall_us_now(void);
/* The same as the kernel's time stamps tell it: without what clock_advance added. */
int64_t clock_kernel_us_now(void);
/* Refreshes the cached values of this process. */
void clock_refresh(void);

/* Converts between a monotonic deadline and wall-clock seconds, for databases and answers. */
int64_t clock_wall_s_from_ms(int64_t monotonic_ms);
int64_t clock_ms_from_wall_s(int64_t wall_s);

/* Of two deadlines. */
static inline int64_t clock_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
/* The same when the second may be 0: none. */
static inline int64_t clock_earlier_if_set(int64_t a, int64_t b)
{
	return b && b < a ? b : a;
}

/* Tests only: adds `ms` to both clocks of all processes that share `clock_share`d memory. */
void clock_advance(int64_t ms);
/* Puts the offset that clock_advance moves at `offset_ms` (shared memory); before the first fork. */
void clock_share(int64_t *offset_ms);
