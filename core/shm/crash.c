/* SPDX-License-Identifier: BSD-2-Clause */
/* crash: kills the process where the plan says; test builds only. */
#include "core/shm/crash.h"

#ifdef VIADUCT_DEBUG

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
	struct crash_plan *plan;
	pid_t immortal; /* whoever mapped the file */
} state;

void crash_follow(struct crash_plan *plan)
{
	state.plan = plan;
}

/* Before main, because later the process may not open files any more. */
[[gnu::constructor]] static void follow_environment(void)
{
	const char *path = getenv(CRASH_PLAN_VARIABLE);
	if (!path || !*path)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *at =
		fd < 0 ? MAP_FAILED
		       : mmap(NULL, sizeof(*state.plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		fprintf(stderr, "%s=%s cannot be mapped: %m\n", CRASH_PLAN_VARIABLE, path);
		_exit(1);
	}
	close(fd);
	state.plan = at;
	state.immortal = getpid();
}

static void record(struct crash_plan *plan, const char *name)
{
	for (uint32_t i = 0; i < plan->name_count && i < CRASH_NAMES_MOST; i++) {
		if (!strcmp(plan->names[i], name))
			return;
	}
	uint32_t place = __atomic_fetch_add(&plan->name_count, 1, __ATOMIC_SEQ_CST);
	if (place < CRASH_NAMES_MOST)
		snprintf(plan->names[place], CRASH_NAME_MOST, "%s", name);
}

/* True for the one who counts to the end. */
static bool count_down(int64_t *countdown)
{
	int64_t left = __atomic_load_n(countdown, __ATOMIC_SEQ_CST);
	while (left > 0 && !__atomic_compare_exchange_n(countdown, &left, left - 1, false,
							__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		continue;
	return left == 1;
}

void crash_point(const char *name)
{
	struct crash_plan *plan = state.plan;
	if (!plan)
		return;
	if (plan->is_recording)
		record(plan, name);
	if (plan->countdown <= 0 || (plan->only[0] && strcmp(plan->only, name) != 0) ||
	    getpid() == state.immortal || !count_down(&plan->countdown))
		return;
	snprintf(plan->last, sizeof(plan->last), "%s", name);
	__atomic_fetch_add(&plan->deaths, 1, __ATOMIC_SEQ_CST);
	raise(SIGKILL);
}

bool crash_step(const char *name)
{
	return !state.plan || strcmp(state.plan->left_out, name) != 0;
}

#endif
