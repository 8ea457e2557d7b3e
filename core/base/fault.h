/* SPDX-License-Identifier: BSD-2-Clause */
/* fault: lets a test make one allocation fail. A server that is started with VIADUCT_FAULT_PLAN=FILE in its
 * environment maps this file, which is a struct fault_plan that the test maps, too; every allocation
 * on the request path, private or shared, then counts down. Without it nothing ever fails here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define FAULT_PLAN_VARIABLE "VIADUCT_FAULT_PLAN"

struct fault_plan {
	int64_t countdown; /* n > 0: the nth allocation from now fails; 0: none does */
	uint64_t passed;   /* allocations since the start, of all processes */
	uint64_t failed;
	uint64_t wants_trace; /* not 0: who asked for what failed goes to stderr */
};

/* Maps the plan; before the first fork. False: there is one in the environment and it cannot be used. */
[[nodiscard]] bool fault_prepare(void);
bool fault_is_on(void);
/* Must this allocation fail? */
[[nodiscard]] bool fault_hits(void);

/* malloc for what is needed on the request path. */
[[nodiscard]] static inline void *fault_malloc(size_t size)
{
	return fault_hits() ? NULL : malloc(size);
}
