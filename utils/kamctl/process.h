/* SPDX-License-Identifier: BSD-2-Clause */
/* process: starting, stopping and looking into the server's processes. */
#pragma once

#include "utils/kamctl/commands.h"

int run_start(const struct command *command, struct words words);
int run_stop(const struct command *command, struct words words);
int run_restart(const struct command *command, struct words words);
int run_trap(const struct command *command, struct words words);
/* Of the database; beside `dialog show`. */
int run_dialog_showdb(const struct command *command, struct words words);

/* Runs a program to its end; its exit code (127: there is none), or -1. `output`: where stdout and stderr
 * go, -1 for as they are. `arguments` ends with NULL. */
int program_run(const char *const *arguments, int output);
/* Runs another program of ours, which lies beside this one or in PATH, in place of this process;
 * returns only after an error message. `arguments` ends with NULL. */
void program_become(const char *name, const char *const *arguments);
