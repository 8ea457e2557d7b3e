/* SPDX-License-Identifier: BSD-2-Clause */
/* duty: how many workers read the UDP sockets. In light traffic one worker that stays warm does the
 * work of two for less: with two, nearly every answer wakes the other one, because it arrives while
 * the first is still on its way to sleep. */
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
	int64_t busy_us;    /* of all who read */
	uint64_t datagrams; /* read by all of them */
	unsigned readers;   /* how many they are */
	bool others_moved;  /* each of the others came round meanwhile */
};
/* Can the last of several readers leave? Apart for tests. */
bool duty_can_leave(const struct duty_look *look);
