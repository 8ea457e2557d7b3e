/* SPDX-License-Identifier: BSD-2-Clause */
/* region: memory that belongs to a slot and goes with it. All calls with the shard's lock held.
 * Cost: 16 bytes a block, sizes rounded to 16. Pointers are valid in all processes until the block
 * or its slot is freed; they never move.
 *
 * A block is bound to its slot by one store. To replace a block of a live slot: allocate, fill,
 * store the pointer in the slot, free the old block; whoever dies in between loses nothing but one
 * block, until the slot is freed. */
#pragma once

#include "core/base/span.h"

struct shard;
struct slot;

/* `size` bytes aligned to 16, not zeroed, at most 1 GiB. NULL when shared memory is out. The slot
 * is building, live or changing. */
[[nodiscard]] void *region_alloc(struct shard *shard, struct slot *slot, size_t size);
/* The same, zeroed. */
[[nodiscard]] void *region_zalloc(struct shard *shard, struct slot *slot, size_t size);
/* Frees one block of the slot; NULL does nothing. A block that is not the slot's ends the process. */
void region_free(struct shard *shard, struct slot *slot, void *block);
/* Gives back what lies behind the first `size` bytes of a block, which stays where it is. */
void region_shrink(struct shard *shard, struct slot *slot, void *block, size_t size);
/* Copies bytes into the region. `at` is NULL only when `s` is absent or shared memory is out. */
[[nodiscard]] struct span region_copy(struct shard *shard, struct slot *slot, struct span s);
/* Bytes that a block can hold, at least what was asked for. */
size_t region_block_size(const void *block);
/* Bytes of shared memory that the slot's blocks take, headers included; walks them. */
size_t region_bytes(const struct slot *slot);
