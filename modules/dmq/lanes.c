/* SPDX-License-Identifier: BSD-2-Clause */
/* Lanes: messages about the same thing reach a node in their order. One is on its way, the others wait until it
 * was answered; a message that came too late to matter (there is no room for it) makes way for newer ones. */
#include "modules/dmq/dmq.h"

#define WAITING_MOST 16
/* Its message should have ended long before: the worker that knew of it died. */
#define STALE_MS 120000

struct lane {
	struct slot slot;
	struct dmq_node node;
	uint64_t order;
	int64_t since_ms;
	uint32_t channel;
	uint32_t count;
	struct span waiting[WAITING_MOST]; /* bodies in the slot's region, the oldest first */
};

static const struct shard_type lane_type = {
	.name = "dmq-lanes",
	.slot_size = sizeof(struct lane),
};

static struct {
	struct shard_set *set;
} state;

bool lanes_prepare(void)
{
	state.set = shard_set_new(&lane_type, 4);
	return state.set != NULL;
}

static uint64_t lane_hash(struct dmq_node node, uint64_t order)
{
	return hash_mix(order, (uint64_t)node.slot << 32 | node.generation);
}

static struct lane *find(struct shard *shard, struct dmq_node node, uint64_t order)
{
	struct lane *lane = slot_first(shard, lane_hash(node, order));
	while (lane && (lane->order != order || lane->node.slot != node.slot ||
			lane->node.generation != node.generation))
		lane = slot_next(shard, &lane->slot);
	return lane;
}

static void forget_first(struct shard *shard, struct lane *lane)
{
	const char *old = lane->waiting[0].at;
	slot_change_begin(shard, &lane->slot);
	lane->count--;
	memmove(lane->waiting, lane->waiting + 1, lane->count * sizeof(lane->waiting[0]));
	slot_change_end(shard, &lane->slot);
	region_free(shard, &lane->slot, (void *)(uintptr_t)old);
}

static enum lane_entry wait_in(struct shard *shard, struct lane *lane, struct span body)
{
	struct span copy = region_copy(shard, &lane->slot, body);
	if (!copy.at)
		return LANE_NONE;
	if (lane->count == WAITING_MOST) {
		forget_first(shard, lane);
		counter_inc(dmq_counters->superseded);
	}
	slot_change_begin(shard, &lane->slot);
	lane->waiting[lane->count++] = copy;
	slot_change_end(shard, &lane->slot);
	return LANE_WAITS;
}

static enum lane_entry make(struct shard *shard, struct dmq_node node, uint64_t order,
			    unsigned channel)
{
	struct lane *lane = slot_new(shard, lane_hash(node, order));
	if (!lane)
		return LANE_NONE;
	lane->node = node;
	lane->order = order;
	lane->channel = channel;
	lane->since_ms = clock_ms();
	slot_publish(shard, &lane->slot);
	return LANE_IS_FREE;
}

enum lane_entry lane_enter(struct dmq_node node, const struct post *post, unsigned channel)
{
	struct shard *shard = shard_lock(state.set, lane_hash(node, post->order));
	struct lane *lane = find(shard, node, post->order);
	enum lane_entry entry;
	if (lane && clock_ms() - lane->since_ms > STALE_MS) {
		slot_free(shard, &lane->slot);
		lane = NULL;
	}
	entry = lane ? wait_in(shard, lane, post->body) : make(shard, node, post->order, channel);
	shard_unlock(shard);
	return entry;
}

bool lane_next(struct dmq_node node, uint64_t order, struct arena *arena, unsigned *out_channel,
	       struct span *out_body)
{
	struct shard *shard = shard_lock(state.set, lane_hash(node, order));
	struct lane *lane = find(shard, node, order);
	bool is_there = lane && lane->count;
	if (is_there) {
		*out_body = arena_copy(arena, lane->waiting[0]);
		*out_channel = lane->channel;
		lane->since_ms = clock_ms();
		forget_first(shard, lane);
	} else if (lane) {
		slot_free(shard, &lane->slot);
	}
	shard_unlock(shard);
	return is_there && out_body->at;
}

void lane_drop(struct dmq_node node, uint64_t order)
{
	struct shard *shard = shard_lock(state.set, lane_hash(node, order));
	struct lane *lane = find(shard, node, order);
	unsigned lost = lane ? lane->count : 0;
	if (lane)
		slot_free(shard, &lane->slot);
	shard_unlock(shard);
	counter_add(dmq_counters->dropped, lost);
}

void lanes_sweep(void)
{
	for (unsigned i = 0; i < shard_count(state.set); i++) {
		uint32_t cursor = 0;
		struct lane *lane;
		struct shard *shard = shard_lock_number(state.set, i);
		while ((lane = slot_each(shard, &cursor)))
			if (clock_ms() - lane->since_ms > STALE_MS)
				slot_free(shard, &lane->slot);
		shard_unlock(shard);
	}
}
