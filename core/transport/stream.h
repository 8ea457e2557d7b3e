/* SPDX-License-Identifier: BSD-2-Clause */
/* stream: messages over connections (RFC 3261 18). A connection belongs to one worker for life:
 * whoever else wants to send on it mails the bytes to that worker. Nothing here waits.
 *
 * A transport is a layer: how bytes are read from and written to the descriptor. TCP is the plain
 * one; TLS registers its own. */
#pragma once

#include <sys/types.h>

#include "core/transport/directory.h"
#include "core/transport/send.h"
#include "core/transport/udp.h"

/* The core parameters of streams, as the administrator gives them; times in seconds. */
struct stream_settings {
	int64_t connection_lifetime, connect_timeout, send_timeout;
	int64_t msg_read_timeout; /* from the first byte of a message to its last */
	int64_t max_connections, tls_max_connections, accept_iplimit;
	int64_t rd_buf_size;         /* bytes of the largest message */
	int64_t wq_max, conn_wq_max; /* bytes that may wait: in this process, per connection */
	bool no_connect, accept_aliases, accept_no_cl, crlf_ping, async;
	bool accept_haproxy; /* accepted connections may begin with the header of a load balancer */
	bool connection_match, reuse_port, keepalive, delayed_ack;
	int64_t keepcnt, keepidle, keepintvl, linger2, syncnt, defer_accept, listen_backlog;
	bool is_off;          /* disable_tcp */
	int64_t clone_rcvbuf; /* accepted: messages have always bytes of their own */
	struct span source_ipv4, source_ipv6;
};

/* How many connections there are, over all processes. */
struct stream_usage {
	uint32_t connections, tls_connections;
	uint64_t queued_bytes;
};

struct connection;

/* What lies between the descriptor and the messages. */
struct stream_layer {
	/* The descriptor is connected. False: give up (the layer logged why). Optional. */
	bool (*open)(struct connection *connection);
	/* Like read(2) and write(2) on a non-blocking descriptor: -1 with EAGAIN when nothing goes now;
	 * a layer that needs the other direction first says so with connection_wants. */
	ssize_t (*read)(struct connection *connection, void *bytes, size_t len);
	ssize_t (*write)(struct connection *connection, const void *bytes, size_t len);
	/* Frees the layer's state; the descriptor is still open. Optional. */
	void (*close)(struct connection *connection);
};

/* ---- set-up ---- */
/* Limits and options; before the sockets are opened. `settings` is borrowed for ever. */
void stream_configure(const struct stream_settings *settings);
/* Is there a layer for this transport? TCP has one unless it is switched off. */
bool stream_is_served(enum transport transport);
/* Before the first fork. Workers are the processes 1 … `workers` of `processes`. */
[[nodiscard]] bool stream_prepare(unsigned processes, unsigned workers,
				  uint32_t (*incarnation)(unsigned process));
/* Registers the statistics; before counters_start. */
void stream_counters_prepare(void);
/* How a transport other than TCP reads and writes; before the first fork. */
void stream_layer_register(enum transport transport, const struct stream_layer *layer);
/* Is called when a connection of this process has ended, on the loop's stack; at most eight. */
void stream_on_closed(void (*closed)(const struct connection_entry *entry));
/* Opens the socket of a stream listener in the supervisor; false with errno. */
[[nodiscard]] bool stream_listen(struct listener *listener);

/* ---- in each process ---- */
/* What this process may own and send; every process calls it first. */
void stream_select(unsigned process);
/* Workers: accepts connections. `receive` as for udp_start. */
[[nodiscard]] bool stream_start(void (*receive)(struct datagram *datagram));
/* The mail type of bytes for another's connection, and its receiver. */
#define MAIL_STREAM 2
struct mail;
void stream_mail(const struct mail *mail);
/* Frees what ended in this turn of the loop. */
void stream_turn(void);

/* ---- sending ---- */
/* send_bytes for streams: over the connection that `target` names, else over one to its address, else
 * over a new one. The bytes are copied. */
enum send_result stream_send(const struct send_target *target, struct span bytes);
/* The answer to a request of a connection that takes one at a time (HTTP) is given: the next comes. */
void stream_message_done(uint32_t connection);

/* ---- connections of this process, by number; false when there is none ---- */
/* Requests for `port` of the peer go over this connection too (;alias). */
bool stream_add_alias(uint32_t connection, uint16_t port);
bool stream_set_lifetime(uint32_t connection, int64_t lifetime_s);
/* What is queued is sent first. */
bool stream_close(uint32_t connection);
/* Switches TCP keep-alive probes; negative numbers leave the system's default. */
bool stream_set_keepalive(uint32_t connection, bool is_on, int idle_s, int count, int interval_s);

/* Where the client behind the load balancer of this connection has sent what it sends, as the
 * balancer says; NULL: there is no balancer, or it does not say. Borrowed until the next turn. */
const struct end_point *stream_proxied_destination(uint32_t connection);

/* ---- for reports ---- */
void stream_get_usage(struct stream_usage *out_usage);

/* ---- for layers ---- */
int connection_fd(const struct connection *connection);
uint32_t connection_id(const struct connection *connection);
bool connection_is_outgoing(const struct connection *connection);
const struct end_point *connection_peer(const struct connection *connection);
const struct listener *connection_listener(const struct connection *connection);
void *connection_state(const struct connection *connection);
void connection_set_state(struct connection *connection, void *state);
/* What the layer waits for before it can go on, in addition to what the stream wants: LOOP_READ,
 * LOOP_WRITE or 0. */
void connection_wants(struct connection *connection, unsigned events);
