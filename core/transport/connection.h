/* SPDX-License-Identifier: BSD-2-Clause */
/* connection: one stream connection inside the process that owns it. Private to this room; others
 * use stream.h. */
#pragma once

#include "core/loop/loop.h"
#include "core/shm/counters.h"
#include "core/transport/stream.h"
#include "parser/frame.h"

#define CONNECTION_ALIASES 4

enum connection_phase {
	CONNECTION_CONNECTING,
	CONNECTION_OPEN,
	CONNECTION_DRAINING, /* closes_when_sent: nothing is read any more */
	CONNECTION_CLOSED,   /* only waits to be freed */
};

/* One message that waits to be written. */
struct queued {
	struct queued *next;
	size_t len, written;
	char bytes[];
};

struct connection {
	struct connection_entry entry;
	const struct listener *listener;
	const struct stream_layer *layer;
	void *layer_state;
	int fd;
	enum connection_phase phase;
	unsigned watched;     /* LOOP_* now asked for */
	unsigned layer_wants; /* LOOP_* that the layer waits for */
	/* received and not yet framed */
	struct framer framer;
	char *buffer;
	size_t buffered, buffer_size;
	bool awaits_proxy;        /* the header of a load balancer may come (tcp_accept_haproxy) */
	bool is_busy;             /* a message is in work and the next has to wait (HTTP) */
	int64_t resume_ms;        /* when to look at the buffer again; 0: when more comes */
	int64_t partial_ms;       /* since when a message is incomplete; 0: none is */
	int64_t discard_until_ms; /* refused: what comes is thrown away until then; 0: no */
	/* to be sent */
	struct queued *queue, **queue_end;
	size_t queued_bytes;
	bool closes_when_sent;
	int64_t stalled_ms; /* since when the peer takes nothing; 0: it does */
	/* time */
	int64_t used_ms, lifetime_ms;
	struct loop_timer timer;
	struct directory_row rows[2 + CONNECTION_ALIASES + 1];
	unsigned row_count, alias_count;
	struct end_point
		destination;     /* the client's, as a load balancer says; family 0: none said */
	struct connection *next; /* in its bucket, or among the dead */
};

/* Why a connection ends; the row of its statistic. */
enum connection_end {
	END_ORDERLY, /* the peer or we closed it */
	END_RESET,
	END_TIMEOUT, /* idle, or a message that never became complete */
	END_CONNECT_FAILED,
	END_SEND_TIMEOUT,
	END_REFUSED, /* what came is no SIP */
};

struct stream_counters {
	counter_id established, passive_open, connect_success, connect_failed, local_reject;
	counter_id con_timeout, con_reset, send_timeout, sendq_full;
};

/* State of the room in this process. */
struct stream_process {
	const struct stream_settings *settings;
	unsigned self, workers;
	const struct stream_layer *layers[TRANSPORT_COUNT];
	void (*receive)(struct datagram *datagram);
	struct stream_counters counters;
};
const struct stream_process *stream_process(void);

/* ---- connection.c ---- */
/* Takes over `fd`; a new connection is registered in the directory. NULL (and the descriptor is
 * closed) when memory is out or there are too many. */
struct connection *connection_new(int fd, const struct end_point *peer,
				  const struct listener *listener, bool is_outgoing);
struct connection *connection_find(uint32_t id);
/* The descriptor is connected: reading and writing begin. */
void connection_opened(struct connection *connection);
/* Ends it now; it stays readable until stream_turn. What could not be sent is reported. */
void connection_close(struct connection *connection, enum connection_end how);
/* A load balancer says that it speaks for `client`, to whom the connection leads from here on. False:
 * that client has too many, or memory is out. */
bool connection_speaks_for(struct connection *connection, const struct end_point *client,
			   const struct end_point *destination);
/* Closes a connection whose first bytes are not what a load balancer sends, and says why. */
void connection_refuse_proxy(struct connection *connection, const char *why,
			     enum connection_end how);
/* Queues a copy and writes what can be written. */
enum send_result connection_send(struct connection *connection, struct span bytes);
/* Writes as much of the queue as goes. */
void connection_flush(struct connection *connection);
/* May the next message be worked on? Not while one is in work that must be the only one, nor while the
 * peer does not take the answers to what it sent before. */
bool connection_may_go_on(const struct connection *connection);
/* Asks the loop for what is wanted now. */
void connection_watch(struct connection *connection);
/* Arms the timer for the earliest deadline. */
void connection_schedule(struct connection *connection);
void connections_free_dead(void);
void connection_usage(struct stream_usage *out_usage);
[[nodiscard]] bool connections_prepare(unsigned processes);
/* What a predecessor counted is gone with it. */
void connection_reset_load(void);
void connection_on_closed(void (*closed)(const struct connection_entry *entry));

/* ---- stream_read.c ---- */
/* Reads what is there and hands out complete messages. */
void connection_read(struct connection *connection);
/* Tells an HTTP client why, and reads nothing of what it sends any more; ends soon. */
void connection_refuse_http(struct connection *connection, unsigned status, const char *reason);
/* Hands out complete messages of what was read before. */
void connection_frames(struct connection *connection);

/* ---- tcp.c ---- */
extern const struct stream_layer tcp_layer;
/* Starts to connect; NULL with errno when that fails at once. */
struct connection *tcp_connect(const struct end_point *to, const struct listener *from);
[[nodiscard]] bool tcp_accept_start(const struct listener *listener);
