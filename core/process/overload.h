/* SPDX-License-Identifier: BSD-2-Clause */
/* overload: what is not worked on, so that the rest is. When requests wait in the socket longer than
 * overload_delay and that lasts a tenth of a second, or their queue is half full, or too many fibers
 * wait, or shared memory comes to its end, new work gets 503 with Retry-After before any script runs;
 * what belongs to dialogs and transactions goes on, and OPTIONS are refused last. Requests that waited
 * longer than overload_age are not worked on at all: their senders have sent them again. An
 * administrator refuses new work with core.drain.
 *
 * An ordinary datagram costs a few loads. */
#pragma once

#include "core/message/message.h"
#include "core/transport/udp.h"

enum pressure {                           /* bits */
		PRESSURE_DRAIN = 1,       /* core.drain */
		PRESSURE_MEMORY = 2,      /* shared memory is short */
		PRESSURE_FIBERS = 4,      /* too many messages wait for something */
		PRESSURE_QUEUE = 8,       /* messages wait for us */
		PRESSURE_QUEUE_HARD = 16, /* … and OPTIONS can no longer be preferred */
		PRESSURE_TOO_OLD = 32,    /* do not work on it at all */
};

/* Before the first fork. */
[[nodiscard]] bool overload_prepare(void);
void overload_counters_prepare(void);
/* Once a turn of a worker's loop. */
void overload_turn(void);
/* Supervisor, a few times a second: when shared memory is short, says so and makes room. */
void overload_look_at_memory(void);

extern const uint32_t *const *const overload_common_address;
extern const uint32_t *const *const overload_memory_address;
extern const uint32_t *const overload_own_address;
uint32_t overload_measure(const struct datagram *datagram);
/* What presses on this datagram; 0 is the rule. */
static inline uint32_t overload_pressure(const struct datagram *datagram)
{
	uint32_t common = **overload_common_address | *overload_own_address |
			  (**overload_memory_address ? PRESSURE_MEMORY : 0);
	return __builtin_expect(datagram->arrived_us != 0, 0) ? common | overload_measure(datagram)
							      : common;
}

/* Answers a request with 503 when the pressure asks for it; false: work on it. */
bool overload_refuses(struct message *msg, uint32_t pressure);
/* Counts a datagram that is not worked on because it is too old. */
void overload_count_old(void);

/* core.drain: refuses new work, clients come back after `retry_after` seconds; or ends that. */
void overload_set_drain(bool is_on, uint32_t retry_after);
bool overload_is_draining(void);
