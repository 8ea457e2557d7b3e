/* SPDX-License-Identifier: BSD-2-Clause */
/* address: IP addresses, transports and sockets' end points as plain values. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/writer.h"

/* The numbers are the script's ($prid, $K(...)). */
enum transport {
	TRANSPORT_NONE = 0,
	TRANSPORT_UDP = 1,
	TRANSPORT_TCP = 2,
	TRANSPORT_TLS = 3,
	TRANSPORT_SCTP = 4,
	TRANSPORT_WS = 5,
	TRANSPORT_WSS = 6,
	TRANSPORT_COUNT,
};

/* An IPv4 or IPv6 address, port and transport. Compared with end_point_equal, never with memcmp. */
struct end_point {
	uint8_t family;    /* AF_INET, AF_INET6; 0: absent */
	uint8_t transport; /* enum transport */
	uint16_t port;     /* host byte order */
	uint32_t scope;    /* IPv6 link-local zone index, else 0 */
	uint8_t ip[16];    /* network byte order; IPv4 uses the first 4, the rest is 0 */
};

#define END_POINT_TEXT_MAX 80

/* "1.2.3.4", "2001:db8::1" or "[2001:db8::1]"; no name is looked up. */
[[nodiscard]] bool end_point_parse_ip(struct span text, struct end_point *out_ip);
/* "[proto:]ip[:port]" as in listen=, $fs and RPC; an absent port stays 0, an absent transport stays
 * TRANSPORT_NONE. */
[[nodiscard]] bool end_point_parse(struct span text, struct end_point *out_end);
bool end_point_equal(const struct end_point *a,
		     const struct end_point *b); /* ip, port, transport */
bool end_point_same_ip(const struct end_point *a, const struct end_point *b);
uint64_t end_point_hash(const struct end_point *a);
/* Is `a` inside the network `net`/`prefix_bits`? */
bool end_point_in_network(const struct end_point *a, const struct end_point *net,
			  unsigned prefix_bits);
/* An IPv4 address for private use (RFC 1918), shared by a carrier's customers (RFC 6598) or for the
 * continuity of service (RFC 7335)? */
bool end_point_is_private(const struct end_point *a);
bool end_point_is_any(const struct end_point *a);

/* "1.2.3.4" or "2001:db8::1" (no brackets). */
void end_point_write_ip(struct writer *w, const struct end_point *a);
/* The same with brackets around IPv6, as in URIs and Via. */
void end_point_write_host(struct writer *w, const struct end_point *a);
/* "udp:1.2.3.4:5060", IPv6 in brackets. */
void end_point_write(struct writer *w, const struct end_point *a);

socklen_t end_point_to_sockaddr(const struct end_point *a, struct sockaddr_storage *out_address);
void end_point_from_sockaddr(const struct sockaddr_storage *address, enum transport transport,
			     struct end_point *out_end);

/* "UDP" … as in Via and $pr upper case; "udp" for URIs. "NONE"/"none" for TRANSPORT_NONE. */
const char *transport_name(enum transport transport);
const char *transport_name_lower(enum transport transport);
/* TRANSPORT_NONE when unknown. */
enum transport transport_from_span(struct span name);
static inline bool transport_is_reliable(enum transport t)
{
	return t > TRANSPORT_UDP;
}
static inline uint16_t transport_default_port(enum transport t)
{
	return t == TRANSPORT_TLS || t == TRANSPORT_WSS ? 5061 : 5060;
}
