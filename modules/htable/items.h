/* SPDX-License-Identifier: BSD-2-Clause */
/* Items as they lie in shared memory; only for the files that work on them with the lock held. */
#pragma once

#include "modules/htable/htable.h"

enum { TIMER_EXPIRY };

struct item {
	struct slot slot;
	struct span name, text; /* in the slot's region */
	int64_t number;
	int64_t expires_ms; /* monotonic; 0: never */
	uint32_t round;     /* of loading, in which it was set */
	uint8_t kind;       /* VALUE_INT, VALUE_TEXT */
};

/* In shared memory, one for each table. */
struct table_shared {
	_Atomic uint32_t round;
	uint32_t locks; /* changed with the lock of the locks held */
};

static inline bool item_is_over(const struct item *item)
{
	return item->expires_ms && item->expires_ms <= clock_ms();
}

/* The item, also one that is over; NULL. */
struct item *item_find(struct shard *shard, uint64_t hash, struct span key);
/* Sets value and expiry of an item that is there, or of a new one when it is NULL. NULL: no memory. */
struct item *item_put(const struct table *table, struct shard *shard, struct item *item,
		      struct span key, const struct value *value);
/* EXPIRES_NEVER or seconds. */
void item_expire(struct shard *shard, struct item *item, int64_t expires_s);
