/* SPDX-License-Identifier: BSD-2-Clause */
/* machine: the four state machines of RFC 3261 17 as amended by RFC 6026 and 4320, as tables: what a
 * state makes of an event, and what is to be done. Nothing here knows messages or time. */
#pragma once

#include <stdint.h>

enum machine_kind { MACHINE_INVITE, MACHINE_OTHER, MACHINE_KINDS };

/* ---- client transactions: one per branch ---- */
enum client_state {
	CLIENT_CALLING,    /* sent, nothing heard ("Trying" without INVITE) */
	CLIENT_PROCEEDING, /* 1xx heard */
	CLIENT_ACCEPTED,   /* INVITE: 2xx heard; further 2xx pass (RFC 6026) */
	CLIENT_COMPLETED,  /* negative final heard; it may come again */
	CLIENT_TERMINATED, /* timed out, given up or never sent */
	CLIENT_STATES,
};
enum client_event {
	CLIENT_HEARS_1XX,
	CLIENT_HEARS_2XX,
	CLIENT_HEARS_FAILURE, /* 3xx - 6xx */
	CLIENT_REPEATS,       /* timer A, E */
	CLIENT_TIMES_OUT,     /* timer B, C, F */
	CLIENT_GIVES_UP,      /* cancelled, or the transport failed */
	CLIENT_EVENTS,
};

/* ---- server transactions ---- */
enum server_state {
	SERVER_PROCEEDING, /* no final reply was sent (also "Trying") */
	SERVER_ACCEPTED,   /* INVITE: 2xx sent; further 2xx pass (RFC 6026) */
	SERVER_COMPLETED,  /* final sent; INVITE: waits for ACK and repeats the reply */
	SERVER_CONFIRMED,  /* ACK came, or it is not waited for any more */
	SERVER_STATES,
};
enum server_event {
	SERVER_HEARS_AGAIN, /* the request is repeated */
	SERVER_SENDS_1XX,
	SERVER_SENDS_2XX,
	SERVER_SENDS_FAILURE,
	SERVER_HEARS_ACK,
	SERVER_REPEATS, /* timer G */
	SERVER_WAITED,  /* timer H: no ACK came */
	SERVER_EVENTS,
};

enum machine_action { /* bits */
		      DO_NOTHING = 0,
		      DO_SEND = 1 << 0, /* the request or reply goes out (again, for timers) */
		      DO_PASS = 1 << 1, /* client: the reply is news for the proxy core */
		      DO_ACK = 1 << 2,  /* client: acknowledge hop by hop */
		      DO_STOP = 1 << 3, /* end repetition */
		      DO_SLOW = 1 << 4, /* repeat at T2 from now on */
		      DO_REPEAT = 1
				  << 5, /* start repetition of the reply (unreliable transports) */
		      DO_FAIL = 1 << 6, /* client: tell the core that nothing will come */
		      DO_FINISH = 1 << 7, /* the final reply: start to wait for what comes late */
		      DO_REFUSE = 1 << 8, /* not allowed now */
};

struct machine_step {
	uint8_t next;
	uint16_t actions; /* enum machine_action */
};

struct machine_step client_step(enum machine_kind kind, enum client_state state,
				enum client_event event);
struct machine_step server_step(enum machine_kind kind, enum server_state state,
				enum server_event event);
/* The event that a reply code is. */
enum client_event client_event_of(unsigned code);
enum server_event server_event_of(unsigned code);
