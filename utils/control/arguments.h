/* SPDX-License-Identifier: BSD-2-Clause */
/* arguments: what kamctl and kamdbctl understand in front of the command: --help, --version, --settings,
 * --json, --rc FILE, --set NAME=VALUE. */
#pragma once

enum arguments_result { ARGUMENTS_GO_ON, ARGUMENTS_ALL_DONE, ARGUMENTS_WRONG };

/* Reads options from argv[*at] on, leaves `*at` at the command, and reads kamctlrc. WRONG after a
 * message. A last word --json counts as well and is taken away (argv[argc - 1] is NULL then). */
enum arguments_result arguments_read(int argc, char **argv, int *at, const char *program,
				     void (*print_usage)(void));
/* One line: the tool's name and version. */
void arguments_print_version(void);
