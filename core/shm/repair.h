/* SPDX-License-Identifier: BSD-2-Clause */
/* repair: what happens after a process died while it held a lock, and the checker that tells
 * whether all is well. Taking a lock (shard_lock) repairs by itself; these calls make it happen
 * at a chosen time. */
#pragma once

#include "core/shm/shard.h"

/* Takes and releases every lock of the set / of all sets and of the page table: after a worker's
 * death, so that repairs are done before traffic meets them. */
void shard_touch_all(struct shard_set *set);
void shard_touch_all_sets(void);

/* Walks everything under the locks; one log line for each inconsistency (up to 20), returns their
 * number. Costs time in proportion to the content: tests and an operator's command. */
unsigned shard_set_check(struct shard_set *set);
/* All sets and the page table. */
unsigned shard_check_all_sets(void);
