/* SPDX-License-Identifier: BSD-2-Clause */
/* One time stamp for each process, stored once a turn of its loop; the supervisor compares. */
#include "core/process/watchdog.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/shm/map.h"

#define OWN_PAUSE_MS 700 /* the supervisor looks five times a second */

struct beat {
	_Alignas(64) int64_t last_ms; /* 0: not yet in its loop */
};

static struct {
	struct beat *beats;
	int64_t limit_ms;
	int64_t turn_ms;  /* the supervisor's last turn */
	int64_t grace_ms; /* beats count as not older than this */
} state;

bool watchdog_prepare(unsigned processes, int64_t limit_ms)
{
	state.limit_ms = limit_ms;
	state.beats = shm_reserve(processes * sizeof(struct beat), "watchdog");
	return state.beats;
}

int64_t watchdog_beat(unsigned process)
{
	int64_t now = clock_ms();
	__atomic_store_n(&state.beats[process].last_ms, now, __ATOMIC_RELAXED);
	return state.limit_ms ? now + state.limit_ms / 4 : INT64_MAX;
}

void watchdog_forget(unsigned process)
{
	__atomic_store_n(&state.beats[process].last_ms, 0, __ATOMIC_RELAXED);
}

void watchdog_turn(void)
{
	int64_t now = clock_us_now() / 1000;
	if (now - state.turn_ms > OWN_PAUSE_MS)
		state.grace_ms = now;
	state.turn_ms = now;
}

/* Somebody looks at the process with a debugger. */
static bool is_traced(int pid)
{
	char line[128], path[64];
	bool result = false;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, "TracerPid:", 10) == 0)
			result = strcmp(line + 10, "\t0\n") != 0;
	if (status)
		fclose(status);
	return result;
}

bool watchdog_is_stuck(unsigned process, int pid, unsigned times)
{
	int64_t last = __atomic_load_n(&state.beats[process].last_ms, __ATOMIC_RELAXED);
	if (!state.limit_ms || !last)
		return false;
	if (last < state.grace_ms)
		last = state.grace_ms;
	return state.turn_ms - last > state.limit_ms * times && !is_traced(pid);
}
