/* SPDX-License-Identifier: BSD-2-Clause */
/* writeback: brings bindings that changed into the database. The store itself is the queue: a
 * binding's state says that its row is missing, old, or must be deleted, and stays so until the
 * database has taken it. */
#pragma once

#include "modules/usrloc/location.h"

/* Writes everything that waits, a few hundred bindings at a time. DB_AWAY: the rest waits for the
 * next time. `out_count` of rows; may be NULL. */
enum db_status writeback_all(uint64_t *out_count);
/* Writes what waits of one address-of-record. */
enum db_status writeback_aor(unsigned domain, struct span aor);
/* All other processes have ended: what they were writing is nobody's. */
void writeback_be_alone(void);
