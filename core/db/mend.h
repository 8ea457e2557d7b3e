/* SPDX-License-Identifier: BSD-2-Clause */
/* mend: makes values that a database refused acceptable, so that nobody keeps a row out of it by
 * sending long texts or bytes that are no characters. */
#pragma once

#include "core/db/db.h"

/* How often it is worth trying, from the gentlest way on. */
#define DB_MEND_WAYS 4

/* Replaces bytes that are not UTF-8, and NUL, in texts by "?", and cuts texts to the `way`-th length.
 * Texts are copied into `arena`. False when memory is exhausted. */
[[nodiscard]] bool db_mend(struct db_value *values, unsigned count, unsigned way,
			   struct arena *arena);
