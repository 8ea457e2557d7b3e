/* SPDX-License-Identifier: BSD-2-Clause */
/* crash: places where tests kill a process. In test builds every CRASH_POINT counts down a shared
 * variable that the test has set, and the process that brings it to zero gets SIGKILL, as if the
 * machine had pulled the plug there. Other builds contain nothing of this. */
#pragma once

#include <stdint.h>

#ifdef VIADUCT_DEBUG
/* `countdown` lies in shared memory: n > 0 kills at the nth point from now, 0 is off. NULL: off. */
void crash_arm(int64_t *countdown);
void crash_point(const char *name);
/* The name of the point where the last process was killed is kept behind `countdown`[1] as a
 * pointer; NULL when nothing was hit. */
const char *crash_last(void);
#define CRASH_POINT(name) crash_point(name)
#else
#define CRASH_POINT(name) ((void)0)
#endif
