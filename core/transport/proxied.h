/* SPDX-License-Identifier: BSD-2-Clause */
/* proxied: clients behind load balancers for datagrams. A balancer puts a header before what a client sends
 * (parser/proxy_protocol.h); the message then comes from the client, and what is sent to the client goes to
 * the balancer. Who is where is kept in a table of all processes, for two hours after the last datagram. */
#pragma once

#include "core/transport/listener.h"
#include "core/transport/udp.h"

struct proxied_network {
	struct end_point address;
	unsigned bits;
};
struct proxied_options {
	unsigned forms;                         /* enum proxy_form; 0: nobody is believed */
	const struct proxied_network *networks; /* of balancers; borrowed for ever */
	unsigned network_count;                 /* 0: everybody may be one */
};
/* Before the first fork; false when shared memory is out. */
[[nodiscard]] bool proxied_prepare(const struct proxied_options *options);
bool proxied_is_on(void);
/* May this address speak for others? For streams, too (tcp_accept_haproxy). */
bool proxied_is_believed(const struct end_point *source);
struct proxy_address;
struct end_point proxied_end_point(const struct proxy_address *address, enum transport transport);

/* Takes the header off a datagram, which then comes from the client; so does one without header when the
 * balancer's address stands for one client. False: nothing is left of it. */
bool proxied_receive(struct datagram *datagram);
/* The socket that reaches a client behind a balancer; NULL: it is behind none. */
const struct listener *proxied_listener(const struct end_point *client);

struct proxied_figures {
	unsigned clients, balancers, most;
	uint64_t received, sent, refused; /* datagrams, by this process and all others */
};
struct proxied_figures proxied_figures(void);
/* Those that are known, one after the other: *cursor = 0 at first; false ends. */
struct proxied_entry {
	struct end_point client, balancer;
	const struct listener *listener;
	bool is_simple; /* its balancer wants headers before what it gets */
	int64_t idle_ms;
};
bool proxied_next(uint64_t *cursor, struct proxied_entry *out_entry);
/* Forgets those that were not heard of for two hours, or all; returns how many clients. */
unsigned proxied_forget(bool all);
