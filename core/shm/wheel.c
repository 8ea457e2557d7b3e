/* SPDX-License-Identifier: BSD-2-Clause */
/* wheel: hierarchical timing wheel (Varghese and Lauck 1987). Level l has 64 places of 64^l ticks
 * each. A timer lies on the lowest level whose range reaches it, and moves down when the wheel comes
 * to the beginning of its place. A bitmap per level says which places hold something, so a clock
 * that jumps by days costs no more than what is due. */
#include "core/shm/wheel.h"

#include "core/base/clock.h"
#include "core/shm/internal.h"

static inline int64_t timer_tick(const struct slot_timer *timer)
{
	return (int64_t)(timer->due >> 2);
}

static inline unsigned timer_which(const struct slot_timer *timer)
{
	return (unsigned)timer->due & 3;
}

static struct slot *timer_slot(const struct shard *shard, struct slot_timer *timer)
{
	return (struct slot *)((char *)(timer - timer_which(timer)) - shard->set->timers_offset);
}

/* Rounded up: never early. Tick 0 does not exist, so that `due` 0 can mean not armed. */
static int64_t tick_of_deadline(int64_t deadline_ms)
{
	if (deadline_ms <= WHEEL_TICK_MS)
		return 1;
	if (deadline_ms > INT64_MAX / 8)
		deadline_ms = INT64_MAX / 8;
	return (deadline_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
}

/* ---- places ---- */
static unsigned place_for(const struct wheel *wheel, int64_t tick)
{
	if (tick < wheel->tick)
		return WHEEL_OVERDUE;
	int64_t distance = tick - wheel->tick;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		if (distance >> WHEEL_BITS * (level + 1))
			continue;
		return level * WHEEL_PLACES +
		       ((unsigned)(tick >> WHEEL_BITS * level) & (WHEEL_PLACES - 1));
	}
	/* Beyond the top: in its farthest place, from where it is placed again. */
	unsigned top = WHEEL_LEVELS - 1;
	return top * WHEEL_PLACES +
	       ((unsigned)((wheel->tick >> WHEEL_BITS * top) - 1) & (WHEEL_PLACES - 1));
}

void wheel_link(struct shard *shard, struct slot_timer *timer)
{
	struct wheel *wheel = &shard->wheel;
	unsigned place = place_for(wheel, timer_tick(timer));
	uint32_t ref = ref_of(shard, timer);
	timer->previous = TIMER_IS_FIRST | place;
	timer->next = wheel->first[place];
	if (timer->next)
		((struct slot_timer *)ref_at(shard, timer->next))->previous = ref;
	wheel->first[place] = ref;
	if (place != WHEEL_OVERDUE)
		wheel->occupied[place / WHEEL_PLACES] |= (uint64_t)1 << (place % WHEEL_PLACES);
}

static void wheel_unlink(struct shard *shard, struct slot_timer *timer)
{
	struct wheel *wheel = &shard->wheel;
	if (timer->next)
		((struct slot_timer *)ref_at(shard, timer->next))->previous = timer->previous;
	if (!(timer->previous & TIMER_IS_FIRST)) {
		((struct slot_timer *)ref_at(shard, timer->previous))->next = timer->next;
		return;
	}
	unsigned place = timer->previous & ~TIMER_IS_FIRST;
	wheel->first[place] = timer->next;
	if (!timer->next && place != WHEEL_OVERDUE)
		wheel->occupied[place / WHEEL_PLACES] &= ~((uint64_t)1 << (place % WHEEL_PLACES));
}

static void set_next_tick(struct wheel *wheel, int64_t tick)
{
	__atomic_store_n(&wheel->next_tick, tick, __ATOMIC_RELAXED);
}

void wheel_reset(struct shard *shard, bool is_new)
{
	int64_t tick = is_new ? clock_ms() / WHEEL_TICK_MS : shard->wheel.tick;
	shard->wheel = (struct wheel){ .tick = tick };
	set_next_tick(&shard->wheel, is_new ? INT64_MAX : tick);
}

/* ---- arming ---- */
static struct slot_timer *timer_of(const struct shard *shard, const struct slot *slot,
				   unsigned which)
{
	bug_if(which >= shard->set->type->timer_count, "%s has no timer %u", shard->set->type->name,
	       which);
	return &slot_timers(shard, slot)[which];
}

static void set_due(struct slot_timer *timer, uint64_t due)
{
	store_order();
	__atomic_store_n(&timer->due, due, __ATOMIC_RELEASE);
	store_order();
}

/* An empty wheel may have stood still for days: it goes on from now, not through the past. */
static void wheel_wake(struct wheel *wheel)
{
	int64_t now_tick = clock_ms() / WHEEL_TICK_MS;
	if (now_tick > wheel->tick)
		wheel->tick = now_tick;
}

bool timer_arm(struct shard *shard, struct slot *slot, unsigned which, int64_t deadline_ms)
{
	struct wheel *wheel = &shard->wheel;
	struct slot_timer *timer = timer_of(shard, slot, which);
	int64_t tick = tick_of_deadline(deadline_ms);
	if (timer->due)
		wheel_unlink(shard, timer);
	else
		wheel->armed++;
	CRASH_POINT("timer unlinked");
	bool is_only = wheel->armed == 1;
	if (is_only)
		wheel_wake(wheel);
	set_due(timer, (uint64_t)tick << 2 | which);
	CRASH_POINT("timer due, not linked");
	wheel_link(shard, timer);
	if (tick >= wheel->next_tick && !is_only)
		return false;
	set_next_tick(wheel, tick);
	return true;
}

void timer_disarm(struct shard *shard, struct slot *slot, unsigned which)
{
	struct slot_timer *timer = timer_of(shard, slot, which);
	if (!timer->due)
		return;
	wheel_unlink(shard, timer);
	CRASH_POINT("timer unlinked, still due");
	set_due(timer, 0);
	if (--shard->wheel.armed == 0)
		set_next_tick(&shard->wheel, INT64_MAX);
}

void timer_disarm_all(struct shard *shard, struct slot *slot)
{
	for (unsigned which = 0; which < shard->set->type->timer_count; which++)
		timer_disarm(shard, slot, which);
}

bool timer_is_armed(const struct shard *shard, const struct slot *slot, unsigned which)
{
	return timer_of(shard, slot, which)->due != 0;
}

int64_t timer_deadline(const struct shard *shard, const struct slot *slot, unsigned which)
{
	const struct slot_timer *timer = timer_of(shard, slot, which);
	return timer->due ? timer_tick(timer) * WHEEL_TICK_MS : INT64_MAX;
}

/* ---- collecting ---- */
/* The next tick, from wheel->tick on, at which a timer is due or a place has to move down. */
static int64_t next_event(const struct wheel *wheel)
{
	int64_t next = INT64_MAX;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t places = wheel->occupied[level];
		if (!places)
			continue;
		unsigned shift = WHEEL_BITS * level;
		/* The place that began before this tick has moved down already: what it holds is a
		 * whole turn away. */
		int64_t from = (wheel->tick + ((int64_t)1 << shift) - 1) >> shift;
		unsigned turn = (unsigned)from & (WHEEL_PLACES - 1);
		uint64_t turned = turn ? places >> turn | places << (WHEEL_PLACES - turn) : places;
		int64_t tick = (from + __builtin_ctzll(turned)) << shift;
		if (tick < next)
			next = tick;
	}
	return next;
}

/* Moves what lies in the places that begin at wheel->tick to where it belongs now. */
static void move_down(struct shard *shard)
{
	struct wheel *wheel = &shard->wheel;
	for (unsigned level = WHEEL_LEVELS - 1; level > 0; level--) {
		unsigned shift = WHEEL_BITS * level;
		if (wheel->tick & (((int64_t)1 << shift) - 1))
			continue;
		unsigned n = (unsigned)(wheel->tick >> shift) & (WHEEL_PLACES - 1);
		uint32_t ref = wheel->first[level * WHEEL_PLACES + n];
		wheel->first[level * WHEEL_PLACES + n] = 0;
		wheel->occupied[level] &= ~((uint64_t)1 << n);
		while (ref) {
			struct slot_timer *timer = ref_at(shard, ref);
			ref = timer->next;
			wheel_link(shard, timer);
			CRASH_POINT("timer moved down");
		}
	}
}

/* Hands out one timer that is due. */
static void take_due(struct shard *shard, uint32_t ref, int64_t now_ms, struct timer_due *out_due)
{
	struct slot_timer *timer = ref_at(shard, ref);
	struct slot *slot = timer_slot(shard, timer);
	int64_t grace_ms = shard->set->type->timer_grace_ms;
	/* What lay in memory for seconds is in no cache: it comes while the others are collected. */
	__builtin_prefetch(ref_at(shard, timer->next));
	__builtin_prefetch(ref_at(shard, slot->region));
	*out_due = (struct timer_due){ slot, slot->index, slot->generation, timer_which(timer) };
	wheel_unlink(shard, timer);
	CRASH_POINT("due timer unlinked");
	if (grace_ms <= 0) {
		set_due(timer, 0);
		shard->wheel.armed--;
		return;
	}
	set_due(timer, (uint64_t)tick_of_deadline(now_ms + grace_ms) << 2 | out_due->which);
	wheel_link(shard, timer);
}

unsigned wheel_collect(struct shard *shard, int64_t now_ms, struct timer_due *out_due,
		       unsigned most)
{
	struct wheel *wheel = &shard->wheel;
	int64_t now_tick = now_ms / WHEEL_TICK_MS;
	unsigned count = 0;
	if (wheel->next_tick > now_tick)
		return 0;
	while (count < most) {
		if (wheel->first[WHEEL_OVERDUE]) {
			take_due(shard, wheel->first[WHEEL_OVERDUE], now_ms, &out_due[count++]);
			continue;
		}
		int64_t tick = next_event(wheel);
		if (tick > now_tick) {
			if (now_tick >= wheel->tick)
				wheel->tick = now_tick + 1;
			break;
		}
		wheel->tick = tick;
		move_down(shard);
		uint32_t first = wheel->first[tick & (WHEEL_PLACES - 1)];
		if (first)
			take_due(shard, first, now_ms, &out_due[count++]);
	}
	set_next_tick(wheel, wheel->first[WHEEL_OVERDUE] ? wheel->tick - 1 : next_event(wheel));
	return count;
}

int64_t shard_next_deadline(const struct shard_set *set, unsigned number)
{
	int64_t tick = __atomic_load_n(&set_shard(set, number)->wheel.next_tick, __ATOMIC_RELAXED);
	return tick == INT64_MAX ? INT64_MAX : tick * WHEEL_TICK_MS;
}

uint32_t wheel_count(struct shard *shard)
{
	struct wheel *wheel = &shard->wheel;
	uint32_t count = 0;
	for (unsigned place = 0; place <= WHEEL_OVERDUE; place++) {
		bool is_marked =
			place == WHEEL_OVERDUE ||
			wheel->occupied[place / WHEEL_PLACES] >> (place % WHEEL_PLACES) & 1;
		uint32_t previous = TIMER_IS_FIRST | place;
		if (wheel->first[place] && !is_marked)
			return UINT32_MAX;
		for (uint32_t ref = wheel->first[place]; ref;) {
			struct slot_timer *timer = ref_at(shard, ref);
			if (timer->previous != previous || !timer->due || ++count > wheel->armed)
				return UINT32_MAX;
			previous = ref;
			ref = timer->next;
		}
	}
	return count;
}
