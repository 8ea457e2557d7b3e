/* SPDX-License-Identifier: BSD-2-Clause */
/* crash: places where tests kill a process, as if the machine had pulled the plug there. In test
 * builds a process that follows a plan gets SIGKILL at the point that the plan names. Other builds
 * contain nothing of this. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef VIADUCT_DEBUG
#define CRASH_NAMES_MOST 128

/* In shared memory, zeroed by its maker, so that the test sees what its children did. */
struct crash_plan {
	int64_t countdown; /* n > 0: die at the nth point from now; 0: never */
	const char *only;  /* count this point only; NULL: all */
	const char *last;  /* where somebody died */
	bool is_recording; /* keep the names of all points that are passed */
	uint32_t name_count;
	const char *names[CRASH_NAMES_MOST];
};

/* This process and its later children follow `plan` (borrowed); NULL: none. */
void crash_follow(struct crash_plan *plan);
/* `name` is a literal; a point is known by its address. */
void crash_point(const char *name);
#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif
