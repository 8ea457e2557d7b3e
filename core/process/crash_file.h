/* SPDX-License-Identifier: BSD-2-Clause */
/* crash_file: what is kept of a process that died: how it ended, where it was, and the message on
 * which it worked, without secrets. `viaduct-replay` sends the message again. */
#pragma once

#include "core/process/flight.h"

struct crash_report {
	const char *process; /* "worker 1 of 2" */
	long pid;
	const char *how; /* "was killed by signal 11 (Segmentation fault)" */
	const struct flight_record *record;
};

/* Writes `directory`/crash-DATE-PID.txt, readable by the server's user only, and removes the oldest
 * when there are more than `most`. Returns the path (valid until the next call), NULL when it cannot
 * be written (logged). */
const char *crash_file_write(const char *directory, unsigned most,
			     const struct crash_report *report);

/* Makes unreadable, in place, what must not leave the server: the values of Authorization and
 * Proxy-Authorization and SRTP keys of SDP. Length and punctuation stay, so that what broke a parser
 * still does. */
void crash_file_redact(char *bytes, size_t len);
