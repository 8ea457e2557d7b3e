/* SPDX-License-Identifier: BSD-2-Clause */
/* The keeper's loop: looks every second whether there is something to do. */
#include "modules/usrloc/keeper.h"

#include "modules/usrloc/journal.h"

#define PERIOD_MS 1000

static void on_tick(struct loop_timer *timer)
{
	journal_keep_small();
}

bool keeper_start(void)
{
	static struct loop_timer timer = LOOP_TIMER_INIT;
	loop_timer_start(&timer, 0, PERIOD_MS, on_tick, NULL);
	return true;
}
