/* SPDX-License-Identifier: BSD-2-Clause */
/* log_filter: somebody who decides by a line's origin whether it is written, and lines of his own
 * (debugger). */
#pragma once

#include "core/base/log.h"

/* Asked for each line that the threshold lets pass; `origin` is a module's name, NULL for lines of the
 * script. `*facility`, which is that of the line or -1, may be changed. Before the first fork; NULL:
 * nobody. */
typedef bool (*log_filter)(int level, const char *origin, int *facility);
void log_set_filter(log_filter is_wanted);
/* A line with another word than the level's name in front; `facility` < 0 means the configured one. */
void log_named(int level, int facility, struct span name, struct span text);
