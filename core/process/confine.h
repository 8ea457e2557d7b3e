/* SPDX-License-Identifier: BSD-2-Clause */
/* confine: what the processes give up once everything is open, so that a mistake in a parser is worth
 * little to whoever finds it. */
#pragma once

#include <stdbool.h>

enum confinement {
	CONFINE_NOTHING,
	CONFINE_PRIVILEGES, /* capabilities, and that a program which is run may gain any (PR_SET_NO_NEW_PRIVS) */
	CONFINE_CALLS, /* also the system calls that a SIP server has no use for (seccomp(2)) */
};

/* Confines this process and all that it will fork, for good. With `keeps_files` root goes on reading
 * and writing what belongs to others. False after an error was logged; a kernel without seccomp is
 * only warned about. */
[[nodiscard]] bool confine(enum confinement how, bool keeps_files);
