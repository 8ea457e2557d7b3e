/* SPDX-License-Identifier: BSD-2-Clause */
/* pframework: the file for the module xhttp_pi. */
#pragma once

#include "utils/kamdbctl/engine.h"

/* Writes the description of the tables of these groups (lists of words, the last one NULL). False after
 * a message. */
bool pframework_write(const struct database_maker *maker, const char *const *groups,
		      const char *path);
