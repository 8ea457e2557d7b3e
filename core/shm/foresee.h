/* SPDX-License-Identifier: BSD-2-Clause */
/* foresee: asks for memory of a shard some time before it is used, without its lock. These follow
 * shard_foresee and slot_foresee when what those asked for has come. What they read may change meanwhile:
 * they guess from it, and touch nothing. */
#pragma once

#include "core/shm/shard.h"

/* Asks for the memory that a new slot and `size` bytes of its region will take, probably. */
void shard_foresee_new(struct shard_set *set, uint64_t hash, size_t size);
/* A slot to guess from, in whatever state it is; NULL: there are no slots. */
const void *slot_glimpse(uint32_t index);
/* Asks for so many bytes at a block of a region, and for its header. NULL: nothing. */
void region_foresee(const void *at, size_t size);
