/* SPDX-License-Identifier: BSD-2-Clause */
/* output: what the tools say. Results go to stdout, as text or (--json) as JSON; what is told about
 * them goes to stderr where it is an error or a warning. */
#pragma once

#include <stdbool.h>

#include "core/base/span.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_UNREACHABLE = 2, EXIT_USAGE = 3 };

void output_use_json(bool is_json);
bool output_is_json(void);

/* "** INFO: …" on stdout (nothing with --json), "** WARNING: …" and "** ERROR: …" on stderr. */
[[gnu::format(printf, 1, 2)]] void say_info(const char *format, ...);
[[gnu::format(printf, 1, 2)]] void say_warning(const char *format, ...);
[[gnu::format(printf, 1, 2)]] void say_error(const char *format, ...);
/* A line without a mark; nothing with --json. */
[[gnu::format(printf, 1, 2)]] void say(const char *format, ...);

/* Asks on the terminal; without one the answer is no, and a message says so. */
bool ask_yes_no(const char *question);
/* Reads a password without showing it; NULL when there is no terminal. Lives until the next call. */
const char *ask_password(const char *prompt);
/* A line of the standard input as a password, never a part of one; NULL after a message, or when there is
 * none. Lives until the next call. */
const char *read_password(void);

/* ---- rows of a result ------------------------------------------------------------------------- */
/* Prints rows as they come: with --json an array of objects; on a terminal in columns; else separated
 * by tabs, the first line naming them. `is_vertical` prints one "column: value" a line. */
void rows_begin(const struct span *columns, unsigned count, bool is_vertical);
/* `values[i].at` NULL is NULL of the database; `is_number[i]` prints bare in JSON. */
void rows_add(const struct span *values, const bool *is_number);
void rows_end(void);
