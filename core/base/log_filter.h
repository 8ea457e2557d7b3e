/* SPDX-License-Identifier: BSD-2-Clause */
/* log_filter: somebody who decides by a line's origin whether it is written, and lines of his own
 * (debugger). */
#pragma once

#include "core/base/log.h"

/* Asked for each line that the threshold lets pass; `origin` is a module's name, NULL for lines of the
 * script. Before the first fork; NULL: nobody. */
void log_set_filter(bool (*is_wanted)(int level, const char *origin));
/* A line with another word than the level's name in front; `facility` < 0 means the configured one. */
void log_named(int level, int facility, struct span name, struct span text);
