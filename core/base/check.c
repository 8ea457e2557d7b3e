/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends a process that found itself to be wrong. */
#include "core/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"

void bug_report(const char *file, int line, const char *condition, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_write(LOG_LEVEL_BUG, LOG_ORIGIN, file, line, condition, "%s", text);
	abort();
}
