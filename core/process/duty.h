/* SPDX-License-Identifier: BSD-2-Clause */
/* duty: how many workers read the UDP sockets: as few as can without letting datagrams wait. One worker
 * that stays warm does the work of two for less: in light traffic nearly every answer would wake the
 * other one, because it arrives while the first is still on its way to sleep; in dense traffic two
 * halve each other's batches and take turns on the processor's caches. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Before the first fork. */
[[nodiscard]] bool duty_prepare(unsigned workers);
/* This worker reads the sockets now; until it knows better, so do all others. */
void duty_start(unsigned worker);
/* Once a turn of the loop: joins, leaves or calls the next one. Costs two additions as a rule. */
void duty_turn(void);

/* What a worker that reads knows of the time since it last looked. */
struct duty_look {
	int64_t elapsed_us;
	int64_t busy_us;    /* of all who read: computing, or waiting in a call that blocks */
	uint64_t datagrams; /* read by all of them */
	unsigned readers;   /* how many they are */
	bool others_moved;  /* each of the others came round meanwhile */
};
/* Can the last of several readers leave? Apart for tests, like the rest. */
bool duty_can_leave(const struct duty_look *look);

/* What a worker that reads knows of a moment of its own. */
struct duty_moment {
	int64_t elapsed_us;
	int64_t awake_us;   /* not asleep, which is more than busy when others have the processor */
	int64_t waiting_us; /* the least that datagrams of full batches waited; UDP_WAIT_UNKNOWN */
	uint64_t turns;     /* of its loop */
};
/* Should one more read? */
bool duty_wants_help(const struct duty_moment *moment);
