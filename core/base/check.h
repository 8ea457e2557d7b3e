/* SPDX-License-Identifier: BSD-2-Clause */
/* check: when the program itself is wrong. Ends the process with a line that says why; the
 * supervisor starts a successor. Never for bad input, never for a world that fails. */
#pragma once

#include <stdbool.h>

[[gnu::noreturn, gnu::cold, gnu::format(printf, 4, 5)]] void bug_report(const char *file, int line,
									const char *condition,
									const char *format, ...);

#define bug_if(condition, ...)                                                \
	do {                                                                  \
		if (__builtin_expect(!!(condition), 0))                       \
			bug_report(__FILE__, __LINE__, #condition, __VA_ARGS__); \
	} while (0)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
