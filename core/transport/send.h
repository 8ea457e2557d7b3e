/* SPDX-License-Identifier: BSD-2-Clause */
/* send: hands finished bytes to a transport. UDP datagrams of one batch leave together in one
 * sendmmsg at the end of the batch (or when the queue is full). */
#pragma once

#include "core/transport/listener.h"

enum send_result {
	SEND_OK = 0,
	SEND_NO_SOCKET, /* no listener for that transport and family */
	SEND_TOO_LARGE,
	SEND_FAILED,        /* the system refused; it was logged */
	SEND_NO_CONNECTION, /* streams: there is none, and none may be made */
};

struct send_target {
	struct end_point to;
	const struct listener *from; /* NULL: chosen by listener_for */
	uint32_t connection;         /* streams: reuse this connection when it lives; 0: any */
	uint16_t lost_port; /* streams: the peer's port when that connection is gone; 0: to.port */
	bool no_connect;    /* streams: do not open a new connection */
	bool close_after;
	/* UDP: the result tells what the system did with these bytes. That takes a system call of its own
	 * when it took nothing for this destination lately; without it refusals are told later. */
	bool wants_result;
};

/* Queues `bytes`. They are borrowed until the current event ends (send_flush), unless `copy` is
 * true: then they are copied at once. */
enum send_result send_bytes(const struct send_target *target, struct span bytes, bool copy);
/* The UDP part of send_bytes: `target->from` is set and is a UDP listener. */
enum send_result udp_send(const struct send_target *target, struct span bytes, bool copy);
/* The same with a head before the bytes, which are copied. */
enum send_result udp_send_behind(const struct send_target *target, struct span head,
				 struct span bytes);
/* Work that must be done before anything leaves, such as writing down what an answer promises; it
 * must not wait. Set in the process that sends; NULL: none. */
void send_set_before(void (*work)(void));
/* Does it; transports call it before they hand bytes to the kernel. */
void send_run_before(void);
/* Who hears of requests that were taken and could not be sent after all: the system refused the datagram,
 * the connection ended. `bytes` are borrowed. Set in the process that sends; NULL: nobody. */
void send_set_undelivered(void (*heard)(struct span bytes));
bool send_is_heard(void);
/* Transports tell it, on the stack of whoever finds out. */
void send_tell_undelivered(struct span bytes);
/* Looks at everything that is about to leave and gives the bytes to send instead: the same ones, or others
 * that live until send_flush; absent: nothing is sent. `target->from` is set. Before the first fork. */
typedef struct span (*send_filter)(const struct send_target *target, struct span bytes);
void send_set_filter(send_filter filter);
/* Finds the way of datagrams for those who are not where they seem to be: changes address and socket of
 * `target` and gives what goes before the bytes (static), or nothing. Before the first fork. */
typedef struct span (*send_detour)(struct send_target *target);
void send_set_detour(send_detour detour);
/* Sends what is queued; the worker's loop calls it after each batch. */
void send_flush(void);
