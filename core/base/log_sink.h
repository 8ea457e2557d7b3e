/* SPDX-License-Identifier: BSD-2-Clause */
/* log_sink: where log lines go, stderr or the system's log. Writing never waits for a reader: what
 * cannot be written at once is lost and counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_SINK_LINE_MOST 4096 /* so much a pipe takes whole or not at all */

/* Lines go to stderr from now on. */
void log_sink_use_stderr(void);
/* Lines go to the datagram or stream socket `path` of the system's log ("/dev/log"); `tag` names the
 * program. Both are borrowed for the life of the process. */
void log_sink_use_syslog(const char *path, const char *tag);

/* Writes a line that ends with '\n'; `len` at most LOG_SINK_LINE_MOST. */
bool log_sink_write(const char *line, size_t len);
/* Writes a text without line end; priority is facility | level of syslog.h. */
bool log_sink_write_syslog(int priority, const char *text, size_t len);
