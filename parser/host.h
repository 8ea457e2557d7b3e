/* SPDX-License-Identifier: BSD-2-Clause */
/* host: host, port and transport as they occur in URIs and Via (RFC 3261 25.1, RFC 5954). */
#pragma once

#include "parser/cursor.h"
#include "parser/result.h"

enum host_kind { HOST_NONE, HOST_NAME, HOST_IPV4, HOST_IPV6 };

/* The values are those of enum transport in core/net/address.h. */
enum sip_transport {
	SIP_TRANSPORT_NONE = 0,
	SIP_TRANSPORT_UDP = 1,
	SIP_TRANSPORT_TCP = 2,
	SIP_TRANSPORT_TLS = 3,
	SIP_TRANSPORT_SCTP = 4,
	SIP_TRANSPORT_WS = 5,
	SIP_TRANSPORT_WSS = 6,
	SIP_TRANSPORT_OTHER = 7,
};

/* host = hostname / IPv4address / IPv6reference: where the one at `at` ends, NULL when there is none.
 * Underscores in names are tolerated. The text begins at `begin`. */
const char *host_end(const char *begin, const char *at, const char *end);
/* The kind of a text that is a host as a whole, brackets around IPv6 optional; HOST_NONE if not. */
enum host_kind host_kind_of(struct span text);
/* 1*DIGIT in 0-65535: where the port at `at` ends, NULL when there is none. */
static inline const char *port_end(const char *at, const char *end, uint16_t *out_port)
{
	struct digits digits = digits_read(at, end, UINT16_MAX);
	*out_port = (uint16_t)digits.number;
	return digits.end;
}
/* "udp" … any case; OTHER when unknown, NONE when empty. */
enum sip_transport sip_transport_from_span(struct span name);
/* Host names without case and trailing dot, IPv4 by text, IPv6 by value, brackets ignored. */
bool host_equal(struct span a, struct span b);
/* The same for hosts that are equal. */
uint64_t host_hash(struct span host);
