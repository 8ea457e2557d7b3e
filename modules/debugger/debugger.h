/* SPDX-License-Identifier: BSD-2-Clause */
/* debugger: what the files of the module share. */
#pragma once

#include "core/module/module.h"

/* What a process does at each action of the script; the bits that dbg.ls shows as `set`. */
enum { AT_ACTION_TRACE = 1 << 0, AT_ACTION_STOP = 1 << 1 };

struct breakpoint_settings {
	/* A command waits for its process for their product. */
	int64_t step_usleep, step_loops;
};

/* Reserves the seats of the processes, all of which do `set` at first; before the first fork. */
[[nodiscard]] bool seats_prepare(unsigned set, const struct breakpoint_settings *settings);
/* In each process: the seat is its own from here on, and what a predecessor stopped at is gone. */
void seat_take(void);
/* What this process does at each action. */
unsigned seat_set(void);
/* Stops the message here until a command lets it go on; the worker goes on with others, which stop one
 * after the other. `action` names what comes next. */
void breakpoint_stop(struct script_run *run, const char *action);

/* The commands dbg.ls, dbg.trace and dbg.bp. */
void breakpoint_list(struct rpc_call *call);
void breakpoint_trace(struct rpc_call *call);
void breakpoint_command(struct rpc_call *call);
/* What most of the module's commands answer. */
void answer_ok(struct rpc_call *call);
