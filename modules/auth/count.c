/* SPDX-License-Identifier: BSD-2-Clause */
/* count: remembers in shared memory which nonces were used (RFC 7616 5.6), without locks. A nonce has a
 * number; its place in the arrays is taken again when as many others were issued since, and by
 * then it counts as forgotten. */
#include <stdatomic.h>

#include "core/shm/map.h"
#include "modules/auth/auth.h"

#define POOLS_MOST    64
#define BITS_PER_CELL 32

struct pool {
	_Alignas(64) _Atomic uint32_t next; /* number of the next nonce */
};

static struct {
	struct pool *pools;
	uint32_t pool_count;
	_Atomic uint8_t *counts; /* largest nc so far, for each nonce */
	uint32_t count_size;     /* of one pool */
	_Atomic uint32_t *used;  /* one bit for each nonce */
	uint32_t used_size;      /* bits of one pool */
} state;

static uint32_t power_below(uint64_t number)
{
	uint32_t power = 1;
	while ((uint64_t)power * 2 <= number && power < 1u << 30)
		power *= 2;
	return power;
}

static uint32_t share_of_pool(int64_t size, int64_t order, uint32_t least)
{
	uint64_t whole = power_below(order ? (uint64_t)1 << order : (uint64_t)size);
	uint64_t share = whole / state.pool_count;
	return share < least ? least : (uint32_t)share;
}

bool count_prepare(void)
{
	const struct auth_settings *s = auth_settings;
	if (!s->nonce_count && !s->one_time_nonce)
		return true;
	state.pool_count = power_below((uint64_t)s->nid_pool_no);
	state.pools = shm_reserve(state.pool_count * sizeof(*state.pools), "auth pools");
	if (s->nonce_count) {
		state.count_size = share_of_pool(s->nc_array_size, s->nc_array_order, 1);
		state.counts = shm_reserve((size_t)state.count_size * state.pool_count,
					   "auth nonce counts");
	}
	if (s->one_time_nonce) {
		state.used_size =
			share_of_pool(s->otn_in_flight_no, s->otn_in_flight_order, BITS_PER_CELL);
		state.used = shm_reserve((size_t)state.used_size / 8 * state.pool_count,
					 "auth used nonces");
	}
	if (!state.pools || (s->nonce_count && !state.counts) ||
	    (s->one_time_nonce && !state.used)) {
		log_error(
			"not enough shared memory to count nonces: raise -m, or lower nc_array_size "
			"and otn_in_flight_no");
		return false;
	}
	/* With a configured secret, nonces of an earlier start must not look like new ones. */
	for (uint32_t i = 0; i < state.pool_count; i++)
		atomic_store(&state.pools[i].next, (uint32_t)random_uint64());
	return true;
}

static _Atomic uint8_t *count_cell(uint8_t pool, uint32_t id)
{
	return &state.counts[(size_t)pool * state.count_size + id % state.count_size];
}

static _Atomic uint32_t *used_cell(uint8_t pool, uint32_t id, uint32_t *out_bit)
{
	size_t bit = (size_t)pool * state.used_size + id % state.used_size;
	*out_bit = 1u << bit % BITS_PER_CELL;
	return &state.used[bit / BITS_PER_CELL];
}

void count_issue(uint8_t *out_pool, uint32_t *out_id)
{
	*out_pool = COUNT_UNTRACKED;
	*out_id = 0;
	if (!state.pools)
		return;
	int worker = worker_index();
	uint8_t pool = worker < 0 ? 0 : (uint8_t)((unsigned)worker % state.pool_count);
	uint32_t id = atomic_fetch_add(&state.pools[pool].next, 1), bit;
	if (state.counts)
		atomic_store(count_cell(pool, id), 0);
	if (state.used) {
		_Atomic uint32_t *cell = used_cell(pool, id, &bit);
		atomic_fetch_and(cell, ~bit);
	}
	*out_pool = pool;
	*out_id = id;
}

/* Is the place of this nonce still its own? */
static bool is_remembered(uint8_t pool, uint32_t id, uint32_t size)
{
	if (pool >= state.pool_count)
		return false;
	uint32_t age = atomic_load(&state.pools[pool].next) - id;
	return age > 0 && age <= size;
}

bool count_advance(uint8_t pool, uint32_t id, uint32_t nc)
{
	if (nc == 0 || nc > UINT8_MAX || !is_remembered(pool, id, state.count_size))
		return false;
	_Atomic uint8_t *cell = count_cell(pool, id);
	uint8_t largest = atomic_load(cell);
	do {
		if (nc <= largest)
			return false;
	} while (!atomic_compare_exchange_weak(cell, &largest, (uint8_t)nc));
	return true;
}

enum count_use count_use(uint8_t pool, uint32_t id)
{
	if (!is_remembered(pool, id, state.used_size))
		return COUNT_FORGOTTEN;
	uint32_t bit;
	_Atomic uint32_t *cell = used_cell(pool, id, &bit);
	return atomic_fetch_or(cell, bit) & bit ? COUNT_USED : COUNT_FIRST_USE;
}
