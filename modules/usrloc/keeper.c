/* SPDX-License-Identifier: BSD-2-Clause */
/* The keeper's loop: looks every second whether there is something to do. */
#include "modules/usrloc/keeper.h"

#include "core/shm/map.h"
#include "modules/usrloc/journal.h"
#include "modules/usrloc/modes.h"
#include "modules/usrloc/writeback.h"

#define PERIOD_MS      1000
#define FLUSH_LIMIT_MS 10000
#define FLUSH_LOOK_MS  5
/* A database that was away is tried again so soon. */
#define AWAY_RETRY_MS 2000

/* In shared memory. */
struct keeper_shared {
	_Atomic uint32_t process;
	_Atomic uint64_t rounds;  /* begun */
	_Atomic uint64_t done;    /* the newest round that ended */
	_Atomic bool was_written; /* it wrote everything */
};

static struct {
	struct keeper_options options;
	struct keeper_shared *shared;
	int64_t next_ms;
	bool is_running, was_away, is_wanted_again;
} state;

bool keeper_prepare(const struct keeper_options *options)
{
	state.options = *options;
	state.shared = shm_reserve(sizeof(*state.shared), "usrloc keeper");
	return state.shared != NULL;
}

static void clean(void)
{
	for (unsigned domain = 0; state.options.cleans_rows && domain < location_domain_count();
	     domain++)
		if (rows_clean(domain) != DB_OK)
			return;
}

static void write_round(void)
{
	uint64_t count = 0, round = ++state.shared->rounds;
	enum db_status status = writeback_all(&count);
	if (status == DB_OK)
		clean();
	if (status == DB_OK && state.was_away)
		log_notice("the database takes bindings again: %llu that waited were written",
			   (unsigned long long)count);
	state.was_away = status == DB_AWAY;
	state.next_ms =
		clock_ms() + (state.was_away ? AWAY_RETRY_MS : state.options.interval_s * 1000);
	state.shared->was_written = status == DB_OK;
	state.shared->done = round;
}

static void write_on_fiber(void *arg)
{
	do {
		state.is_wanted_again = false;
		write_round();
	} while (state.is_wanted_again);
	state.is_running = false;
}

static void begin_round(void)
{
	state.is_wanted_again = state.is_running;
	if (state.is_running)
		return;
	state.is_running = true;
	if (!fiber_start(write_on_fiber, NULL))
		state.is_running = false;
}

static void on_tick(struct loop_timer *timer)
{
	journal_keep_small();
	if (modes_write() && clock_ms() >= state.next_ms)
		begin_round();
}

bool keeper_start(void)
{
	static struct loop_timer timer = LOOP_TIMER_INIT;
	state.shared->process = process_index();
	state.next_ms = clock_ms() + state.options.interval_s * 1000;
	loop_timer_start(&timer, 0, PERIOD_MS, on_tick, NULL);
	return true;
}

/* ---- on request ---- */

static void on_flush(const void *data, size_t len)
{
	begin_round();
}

bool keeper_flush(void)
{
	int64_t deadline_us = clock_us_now() + FLUSH_LIMIT_MS * 1000;
	if (!modes_write())
		return true;
	/* A round that has begun may be past what the caller means. */
	uint64_t wanted = state.shared->rounds + 1;
	if (!process_post(state.shared->process, on_flush, NULL, 0))
		return false;
	while (state.shared->done < wanted) {
		if (!fiber_is_running() || clock_us_now() > deadline_us)
			return false;
		fiber_sleep_ms(FLUSH_LOOK_MS);
	}
	return state.shared->was_written;
}

void keeper_finish(void)
{
	uint64_t count = 0;
	if (!modes_write())
		return;
	int64_t began_us = clock_us_now();
	writeback_be_alone();
	enum db_status status = writeback_all(&count);
	if (status == DB_OK)
		log_notice("%llu bindings written to the database at the stop, in %.3f s",
			   (unsigned long long)count, (double)(clock_us_now() - began_us) / 1e6);
	else
		log_error(
			"not all bindings could be written to the database at the stop; %s",
			journal_is_on()
				? "the journal keeps them for the next start"
				: "they are lost (modparam(\"usrloc\", \"journal\", 1) would keep them)");
}
