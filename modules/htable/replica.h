/* SPDX-License-Identifier: BSD-2-Clause */
/* replica: tables with dmqreplicate are the same on all servers of the cluster (module dmq). Without enable_dmq
 * these functions do nothing. */
#pragma once

#include "modules/htable/htable.h"

/* The channel; `dmq` is the module's interface. False after an error was logged. */
bool replica_prepare(const void *dmq, struct span channel, bool asks_at_start);

/* To be called after a change that the script or an administrator made here. */
void replica_set(const struct table *table, struct span key, const struct value *value);
void replica_expire(const struct table *table, struct span key, int64_t seconds);
void replica_remove(const struct table *table, struct span key);
/* By an expression, or by what it begins with. */
void replica_remove_matching(const struct table *table, bool is_pattern, struct span text,
			     bool by_value);
