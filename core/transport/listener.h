/* SPDX-License-Identifier: BSD-2-Clause */
/* listener: the local addresses on which this server speaks SIP. The table is filled before the
 * first fork and then constant, so a `const struct listener *` is valid in every process. */
#pragma once

#include "core/net/address.h"
#include "parser/via.h"

struct listener {
	struct end_point address;    /* bound */
	struct span name;            /* "name" of the listen directive; absent when none */
	struct span advertised_host; /* absent: the bound address */
	uint16_t advertised_port;    /* 0: the bound port */
	unsigned index;
	int fd; /* UDP: the socket, inherited by all processes; else -1 */
	bool is_virtual;
	bool any_transport; /* listen= without a protocol: streams are served too */
	/* Computed at start, because they are written into every message: */
	struct span bound_host; /* the bound address, IPv6 in brackets */
	struct span host;       /* the same, or the advertised host */
	struct span host_port;  /* "host:port", advertised */
	struct span via_prefix; /* "SIP/2.0/UDP host:port;branch=" */
	struct sip_via via;     /* that as it is read, with a branch of one byte */
	struct span text;       /* "udp:ip:port" */
};

unsigned listener_count(void);
const struct listener *listener_at(unsigned index);
/* The listener with this address; port 0 matches any port, TRANSPORT_NONE any transport. */
const struct listener *listener_find(const struct end_point *address);
const struct listener *listener_by_name(struct span name);
/* The first listener that can reach `destination` (same transport and family); with several networks
 * (mhomed) the one that the system's routes say. NULL when there is none. */
const struct listener *listener_for(const struct end_point *destination);
/* The same for a message that came by `received` (may be NULL), which is taken when it can reach the
 * destination and routes do not matter. */
const struct listener *listener_towards(const struct listener *received,
					const struct end_point *destination);

/* Writes how others reach it, as the end of a URI: "host[:port][;transport=tcp]". Port 5060 goes
 * without saying, except for TLS, whose default is another. */
void listener_write_reachable(struct writer *w, const struct listener *listener);

/* Why there is no listener towards it, as an internal error: 478 nobody with such an address can be
 * reached from here, 7 not by that transport. */
int listener_failure(const struct end_point *destination);

struct socket_options {
	int tos;            /* type of service of what is sent; 0: the system's */
	bool free_bind;     /* addresses that the machine does not have (yet) */
	bool discovers_mtu; /* datagrams are not to be fragmented on their way */
	bool multihomed;    /* the route to the destination decides the socket (mhomed) */
};
/* Before listeners_open. */
void sockets_configure(const struct socket_options *options);
/* Sets type of service and the like on a socket of that family, also of other transports. */
void socket_apply_options(int fd, int family);

/* Adds a listener; the caller is the configuration phase. NULL and `*out_error` (static text) when
 * the table is full or the address is bad. */
struct listener *listener_add(const struct end_point *address, struct span name,
			      struct span advertised_host, uint16_t advertised_port,
			      const char **out_error);
/* Adds one listener per address of an interface ("eth0") or, with an absent name, per interface of
 * this machine (IPv4 only, as operators expect). Returns how many, 0 when there is none. */
unsigned listeners_add_interface(struct span interface, enum transport transport, uint16_t port);
/* Sets any_transport of all listeners from number `first` on. */
void listeners_mark_any(unsigned first);
/* Adds a TCP listener beside each UDP one with any_transport; after the configuration was read. */
void listeners_add_streams(void);
/* Opens and binds all sockets; false after logging what is in use and by whom. */
bool listeners_open(void);

/* Is host[:port] one of ours: listen addresses, advertised ones, `alias=`, and what modules claim?
 * Port 0 and TRANSPORT_NONE match any. This is `myself`. */
bool is_myself(struct span host, uint16_t port, enum transport transport);
/* Adds an alias ("proto:host:port", "host:port", "host"). */
void alias_add(struct span host, uint16_t port, enum transport transport);
typedef bool (*myself_check)(struct span host, uint16_t port, enum transport transport);
/* A module (domain, corex) that knows more local names; before the first fork. */
void myself_register(myself_check check);
/* Closes all sockets. */
void listeners_close(void);
unsigned alias_count(void);
struct span alias_text(unsigned index);
