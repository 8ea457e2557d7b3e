/* SPDX-License-Identifier: BSD-2-Clause */
/* crash: places where tests kill a process, as if the machine had pulled the plug there, and steps of
 * a repair that tests leave out, so that the checker has something to find. In test builds a process
 * that follows a plan gets SIGKILL at the point that the plan names. Other builds contain nothing of
 * this. A server of a test build that is started with VIADUCT_CRASH_PLAN=FILE in its environment
 * follows the plan in that file, which is a struct crash_plan; its supervisor never dies of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef VIADUCT_DEBUG
#define CRASH_NAME_MOST     48
#define CRASH_NAMES_MOST    128
#define CRASH_PLAN_VARIABLE "VIADUCT_CRASH_PLAN"

/* In shared memory, zeroed by its maker, so that the test sees what others did. */
struct crash_plan {
	int64_t countdown; /* n > 0: die at the nth point from now; 0: never */
	uint32_t deaths;
	uint32_t is_recording; /* not 0: keep the names of all points that are passed */
	uint32_t name_count;
	char only[CRASH_NAME_MOST];     /* count this point only; empty: all */
	char last[CRASH_NAME_MOST];     /* where somebody died */
	char left_out[CRASH_NAME_MOST]; /* the step that repairs leave out; empty: none */
	char names[CRASH_NAMES_MOST][CRASH_NAME_MOST];
};

/* This process and its later children follow `plan` (borrowed); NULL: none. */
void crash_follow(struct crash_plan *plan);
/* `name` is a literal. */
void crash_point(const char *name);
/* Is this step of a repair to be done? */
[[nodiscard]] bool crash_step(const char *name);
#define CRASH_POINT(name) crash_point(name)
#define CRASH_STEP(name)  crash_step(name)
#else
#define CRASH_POINT(name) ((void)0)
#define CRASH_STEP(name)  true
#endif
