/* SPDX-License-Identifier: BSD-2-Clause */
/* crash: kills the process where the plan says; test builds only. */
#include "core/shm/crash.h"

#ifdef VIADUCT_DEBUG

#include <signal.h>
#include <stddef.h>

static struct {
	struct crash_plan *plan;
} state;

void crash_follow(struct crash_plan *plan)
{
	state.plan = plan;
}

static void record(struct crash_plan *plan, const char *name)
{
	for (uint32_t i = 0; i < plan->name_count; i++) {
		if (plan->names[i] == name)
			return;
	}
	if (plan->name_count < CRASH_NAMES_MOST)
		plan->names[plan->name_count++] = name;
}

void crash_point(const char *name)
{
	struct crash_plan *plan = state.plan;
	if (!plan)
		return;
	if (plan->is_recording)
		record(plan, name);
	if (plan->countdown <= 0 || (plan->only && plan->only != name))
		return;
	if (--plan->countdown > 0)
		return;
	plan->last = name;
	raise(SIGKILL);
}

#endif
