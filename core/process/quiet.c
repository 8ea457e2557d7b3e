/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator keeps what is freed (see udp_start), because giving pages back and asking for them again
 * costs a busy process more than its messages do. An idle one has the time. */
#include "core/process/quiet.h"

#include <malloc.h>

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/transport/udp.h"

#define LOOK_US      1000000
#define BUSY_PERCENT 5

bool quiet_is_due(int64_t elapsed_us, int64_t slept_us, bool *was_busy)
{
	bool is_busy = (elapsed_us - slept_us) * 100 >= BUSY_PERCENT * elapsed_us;
	bool is_due = *was_busy && !is_busy;
	*was_busy = is_busy;
	return is_due;
}

void quiet_turn(void)
{
	static int64_t begin_us, slept_us;
	static bool was_busy;
	int64_t elapsed_us = clock_us() - begin_us;
	if (elapsed_us < LOOK_US)
		return;
	if (begin_us && quiet_is_due(elapsed_us, loop_slept_us() - slept_us, &was_busy)) {
		datagrams_trim();
		malloc_trim(0);
	}
	begin_us = clock_us();
	slept_us = loop_slept_us();
}
