/* SPDX-License-Identifier: BSD-2-Clause */
/* settings: the variables of kamctlrc, which kamctl and kamdbctl share. The file looks like a shell
 * script and was one; here it is read, never run: lines NAME=value with the quotes of the shell and
 * $NAME for what was set before. Variables of the environment count where the files say nothing. */
#pragma once

#include <stdbool.h>

/* Reads kamctlrc: `file`, or with NULL all that exist of the system's and ~/.kamctlrc, the later ones
 * winning. False after a message when `file` cannot be read. */
[[nodiscard]] bool settings_read(const char *file);
/* Sets a variable as the command line wants it; wins over files. */
void settings_set(const char *name, const char *value);
bool setting_is_known(const char *name);
/* The value, its default, or "": never NULL. Lives until exit. The name must be a known one. */
const char *setting(const char *name);
/* Was it set by a file, the environment or the command line? */
bool setting_is_given(const char *name);
/* 1, yes, on, true; anything else is no. */
bool setting_is_on(const char *name);
/* Lists the variables with their meaning, for --help. */
void settings_list(void);
