/* SPDX-License-Identifier: BSD-2-Clause */
/* wheel: the timers of a shard's slots. Every slot has as many timers as its type says; each is
 * armed or not. A hierarchical wheel of 4 levels with 64 places and a tick of 20 ms finds what is
 * due; arming, disarming and finding cost the same for ten timers and for a million. A deadline is
 * kept to the tick, never early. The deadline in the slot is the truth, the wheel an index that is
 * rebuilt after a death. All calls with the shard's lock held unless said otherwise; deadlines are
 * monotonic ms (clock_ms). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct shard;
struct shard_set;
struct slot;

#define WHEEL_TICK_MS 20

/* Arms or moves timer number `which` of a building, live or changing slot. True when the shard has
 * no earlier deadline: whoever ticks this shard may need to be woken. */
bool timer_arm(struct shard *shard, struct slot *slot, unsigned which, int64_t deadline_ms);
void timer_disarm(struct shard *shard, struct slot *slot, unsigned which);
bool timer_is_armed(const struct shard *shard, const struct slot *slot, unsigned which);
/* When it is due (rounded up to the tick); INT64_MAX when not armed. */
int64_t timer_deadline(const struct shard *shard, const struct slot *slot, unsigned which);

struct timer_due {
	struct slot *slot; /* valid while the lock is held */
	uint32_t index;    /* for slot_at, after the lock was released */
	uint32_t generation;
	unsigned which;
};
/* Takes up to `most` timers that are due at `now_ms`, in the order of their ticks. They are disarmed,
 * or, when the type has a `timer_grace_ms`, armed again at now + grace: then the work is done at
 * least once even when the collector dies, and whoever does it disarms or moves the timer. Call
 * again while it returns `most`. */
unsigned wheel_collect(struct shard *shard, int64_t now_ms, struct timer_due *out_due,
		       unsigned most);

/* The next time at which this shard wants a wheel_collect; never later than its first deadline,
 * sometimes earlier; INT64_MAX: nothing armed. Without lock: one load, so ask before locking. */
int64_t shard_next_deadline(const struct shard_set *set, unsigned number);
