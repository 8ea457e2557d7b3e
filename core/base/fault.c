/* SPDX-License-Identifier: BSD-2-Clause */
/* The plan by which allocations fail, shared with the test that made it. */
#include "core/base/fault.h"

#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRACE_MOST 32

static struct {
	struct shared_plan {
		_Atomic int64_t countdown;
		_Atomic uint64_t passed, failed;
		uint64_t wants_trace;
	} * plan; /* NULL: nothing fails */
} state;
_Static_assert(sizeof(struct shared_plan) == sizeof(struct fault_plan), "the file's layout");

bool fault_prepare(void)
{
	const char *path = getenv(FAULT_PLAN_VARIABLE);
	if (!path || !*path)
		return true;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	void *at = mmap(NULL, sizeof(*state.plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return false;
	state.plan = at;
	return true;
}

bool fault_is_on(void)
{
	return state.plan != NULL;
}

static void write_trace(void)
{
	void *callers[TRACE_MOST];
	backtrace_symbols_fd(callers, backtrace(callers, TRACE_MOST), STDERR_FILENO);
}

bool fault_hits(void)
{
	struct shared_plan *plan = state.plan;
	if (__builtin_expect(!plan, 1))
		return false;
	atomic_fetch_add(&plan->passed, 1);
	int64_t left = atomic_load(&plan->countdown);
	while (left > 0 && !atomic_compare_exchange_weak(&plan->countdown, &left, left - 1))
		;
	if (left != 1)
		return false;
	atomic_fetch_add(&plan->failed, 1);
	if (plan->wants_trace)
		write_trace();
	return true;
}
