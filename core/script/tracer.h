/* SPDX-License-Identifier: BSD-2-Clause */
/* tracer: somebody who sees what a script does (debugger). */
#pragma once

#include "core/script/script.h"

/* Called before an action: a function by its name, "route", "assign", "return", "exit", "drop".
 * script_place tells where. Before the first fork; NULL: nobody. */
typedef void (*script_tracer)(struct script_run *run, const char *action);
void script_set_tracer(script_tracer tracer);
