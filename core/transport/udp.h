/* SPDX-License-Identifier: BSD-2-Clause */
/* udp: datagrams in batches. Every process that receives watches all UDP listeners; a datagram
 * comes with an arena that lives until datagram_release. */
#pragma once

#include "core/base/arena.h"
#include "core/transport/listener.h"

#define DATAGRAM_MAX 65535

struct message;

struct datagram {
	struct span bytes;
	struct end_point source;
	const struct listener *listener;
	int64_t arrived_us;    /* wall clock of the kernel, when traffic is dense; else 0 */
	uint8_t queue_percent; /* how full the socket's buffer was then */
	uint32_t connection;   /* it came by this stream connection; 0: a datagram */
	struct arena arena;    /* for everything that belongs to this message */
	/* the receiver's: what it made of the bytes, and what presses on it */
	struct message *message;
	uint32_t pressure;
	struct datagram *next; /* private */
	char buffer[DATAGRAM_MAX + 1];
};

/* Starts to receive on the loop of this process. All datagrams of a batch go through `first`, then those
 * for which it returned true through `then`: code that runs sixteen times in a row is in the processor's
 * cache for fifteen of them. A datagram is theirs until they call datagram_release, at once or from a fiber
 * that waited. */
[[nodiscard]] bool udp_start(bool (*first)(struct datagram *datagram),
			     void (*then)(struct datagram *datagram));
/* Leaves the sockets to the other processes, and reads them again; datagrams in work stay valid. */
void udp_pause(void);
[[nodiscard]] bool udp_resume(void);
/* Is there a datagram that nobody has read? Asks the kernel. */
bool udp_is_waiting(void);
/* Was the last one read alone? Then nothing is gained by preparing what the next one would need. */
bool udp_came_alone(void);
/* How many datagrams this process has read so far. */
uint64_t udp_received(void);
/* The least that the first datagrams of full batches waited in the socket since the last call;
 * UDP_WAIT_UNKNOWN when no batch was full. */
#define UDP_WAIT_UNKNOWN -1
int64_t udp_least_wait_us(void);
/* A datagram without a source, for events that need an arena (timers); NULL: too many in use. */
struct datagram *datagram_take(void);
/* Gives it back; its memory stays readable until send_flush, because queued sends may borrow it. */
void datagram_release(struct datagram *datagram);
/* Frees most of those that are kept for the next burst. */
void datagrams_trim(void);
/* Datagrams now in use by this process. */
unsigned datagrams_in_use(void);
/* Sets how many may be in use at once, and the cap of each arena in bytes. */
void datagram_set_limits(unsigned most, size_t arena_limit);
