/* SPDX-License-Identifier: BSD-2-Clause */
/* reload: reads the configuration file again and publishes its routes, all in a child, so that
 * nothing is lost when it is wrong. */
#pragma once

#include <sys/types.h>

#include "core/base/arena.h"
#include "core/base/span.h"

/* Compiles now: on a fiber it parks, elsewhere it waits. Mistakes are in `out_report` (text in
 * `arena`). */
bool reload_script(struct arena *arena, struct span *out_report);

/* The same in two steps, for the supervisor, who must not wait: when the child `pid` has ended with
 * `status`, reload_end says how it went. */
struct reload {
	pid_t pid; /* 0: none under way */
	int report_fd;
};
[[nodiscard]] bool reload_begin(struct reload *out_reload);
bool reload_end(struct reload *reload, struct arena *arena, int status, struct span *out_report);
