/* SPDX-License-Identifier: BSD-2-Clause */
/* calls: which call went to which destination, for the algorithm that looks at the load. The calls are
 * the truth; the loads of the destinations are sums that are made anew now and then. */
#include "modules/dispatcher/dispatcher.h"

#define SHARDS_LEAST 4
#define SHARDS_LARGE 64

struct call {
	struct slot slot;
	struct span call_id, duid;
	int64_t set;
	int64_t ends_ms;
};
static const struct shard_type call_type = { .name = "dispatcher calls",
					     .slot_size = sizeof(struct call) };

static struct {
	struct shard_set *calls; /* NULL: calls are not counted */
} state;

bool calls_are_on(void)
{
	return state.calls != NULL;
}

bool calls_prepare(void)
{
	int64_t size = dispatcher_settings->hash_size;
	if (!size)
		return true;
	state.calls = shard_set_new(&call_type, size < 8 ? SHARDS_LEAST : SHARDS_LARGE);
	return state.calls != NULL;
}

static struct call *find(struct shard *shard, uint64_t hash, struct span call_id)
{
	for (struct call *call = slot_first(shard, hash); call;
	     call = slot_next(shard, &call->slot))
		if (span_equal(call->call_id, call_id))
			return call;
	return NULL;
}

static void add_load(int64_t set, struct span duid, int32_t more)
{
	const struct destination_set *found = list_set(list_hold(), set);
	for (uint32_t i = 0; found && i < found->count; i++)
		if (span_equal(found->all[i].duid, duid)) {
			atomic_fetch_add(&found->all[i].state->load, more);
			break;
		}
	list_release();
}

/* A destination by its names; texts that fit are copied. */
struct place {
	int64_t set;
	char text[128];
	struct span duid;
};

static void note_place(struct place *place, const struct call *call)
{
	size_t len = call->duid.len < sizeof(place->text) ? call->duid.len : sizeof(place->text);
	memcpy(place->text, call->duid.at, len);
	place->duid = span_make(place->text, len);
	place->set = call->set;
}

bool calls_add(struct span call_id, int64_t set, struct span duid)
{
	uint64_t hash = hash_span(call_id);
	struct shard *shard = shard_lock(state.calls, hash);
	struct call *call = find(shard, hash, call_id) ? NULL : slot_new(shard, hash);
	if (call) {
		call->call_id = region_copy(shard, &call->slot, call_id);
		call->duid = region_copy(shard, &call->slot, duid);
		call->set = set;
		call->ends_ms = clock_ms() + dispatcher_settings->hash_initexpire * 1000;
		if (call->call_id.at && call->duid.at) {
			slot_publish(shard, &call->slot);
		} else {
			slot_free(shard, &call->slot);
			call = NULL;
		}
	}
	shard_unlock(shard);
	if (call)
		add_load(set, duid, 1);
	return call != NULL;
}

void calls_move(struct span call_id, struct span duid)
{
	if (!state.calls)
		return;
	struct place before = { 0 };
	uint64_t hash = hash_span(call_id);
	struct shard *shard = shard_lock(state.calls, hash);
	struct call *call = find(shard, hash, call_id);
	struct span copy = call ? region_copy(shard, &call->slot, duid) : (struct span){ 0 };
	if (copy.at) {
		void *old = (void *)(uintptr_t)call->duid.at;
		note_place(&before, call);
		slot_change_begin(shard, &call->slot);
		call->duid = copy;
		slot_change_end(shard, &call->slot);
		region_free(shard, &call->slot, old);
	}
	shard_unlock(shard);
	if (!copy.at)
		return;
	add_load(before.set, before.duid, -1);
	add_load(before.set, duid, 1);
}

void calls_confirm(struct span call_id)
{
	if (!state.calls)
		return;
	uint64_t hash = hash_span(call_id);
	struct shard *shard = shard_lock(state.calls, hash);
	struct call *call = find(shard, hash, call_id);
	if (call)
		call->ends_ms = clock_ms() + dispatcher_settings->hash_expire * 1000;
	shard_unlock(shard);
}

void calls_remove(struct span call_id, struct span duid)
{
	if (!state.calls)
		return;
	struct place place = { 0 };
	uint64_t hash = hash_span(call_id);
	struct shard *shard = shard_lock(state.calls, hash);
	struct call *call = find(shard, hash, call_id);
	if (call && duid.at && !span_equal(call->duid, duid))
		call = NULL;
	if (call) {
		note_place(&place, call);
		slot_free(shard, &call->slot);
	}
	shard_unlock(shard);
	if (call)
		add_load(place.set, place.duid, -1);
}

/* ---- expiry, and the sums ---------------------------------------------------------------------------------- */

/* A list keeps its address and may be freed while the shards are walked: sums are kept by destination
 * number and put in place only if the list is still the same. */
struct sums {
	const struct destination_list *list;
	struct arena arena;
	int32_t *loads;
};

static void count_call(struct sums *sums, const struct call *call)
{
	const struct destination_set *set = list_set(sums->list, call->set);
	for (uint32_t i = 0; set && i < set->count; i++)
		if (span_equal(set->all[i].duid, call->duid)) {
			sums->loads[&set->all[i] - sums->list->sets[0].all]++;
			return;
		}
}

static void walk(struct sums *sums)
{
	int64_t now_ms = clock_ms();
	for (unsigned number = 0; number < shard_count(state.calls); number++) {
		struct shard *shard = shard_lock_number(state.calls, number);
		uint32_t cursor = 0;
		struct call *call;
		while ((call = slot_each(shard, &cursor))) {
			if (call->ends_ms <= now_ms)
				slot_free(shard, &call->slot);
			else
				count_call(sums, call);
		}
		shard_unlock(shard);
	}
}

void calls_recount(void)
{
	if (!state.calls)
		return;
	struct sums sums = { .list = list_hold() };
	arena_init(&sums.arena, (size_t)64 << 10, (size_t)64 << 20);
	sums.loads = sums.list ? ARENA_ARRAY(&sums.arena, int32_t, sums.list->count + 1) : NULL;
	if (sums.loads)
		walk(&sums);
	for (uint32_t i = 0; sums.loads && i < sums.list->count; i++)
		sums.list->sets[0].all[i].state->load = sums.loads[i];
	arena_free(&sums.arena);
	list_release();
}

int64_t calls_period_ms(void)
{
	return state.calls ? dispatcher_settings->hash_check_interval * 1000 : 0;
}

void calls_expire(void)
{
	calls_recount();
}
