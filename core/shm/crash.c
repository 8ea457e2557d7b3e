/* SPDX-License-Identifier: BSD-2-Clause */
/* crash: kills the process at the nth crash point; test builds only. */
#include "core/shm/crash.h"

#ifdef VIADUCT_DEBUG

#include <signal.h>
#include <stddef.h>

static struct { int64_t *countdown; } state;

void crash_arm(int64_t *countdown)
{
	state.countdown = countdown;
}

void crash_point(const char *name)
{
	if (!state.countdown || *state.countdown <= 0)
		return;
	if (--*state.countdown > 0)
		return;
	state.countdown[1] = (int64_t)(intptr_t)name;
	raise(SIGKILL);
}

const char *crash_last(void)
{
	return state.countdown ? (const char *)(intptr_t)state.countdown[1] : NULL;
}

#endif
