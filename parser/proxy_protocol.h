/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy_protocol: what load balancers put before the bytes of a client to tell who it is: the PROXY protocol
 * of HAProxy (versions 1 and 2) and the Simple Proxy Protocol of Cloudflare for datagrams. */
#pragma once

#include "parser/result.h"

enum proxy_form {
	PROXY_TEXT = 1 << 0,   /* version 1: a line */
	PROXY_BINARY = 1 << 1, /* version 2 */
	PROXY_SIMPLE = 1 << 2, /* 38 bytes */
};
#define PROXY_HAPROXY    (PROXY_TEXT | PROXY_BINARY)
#define PROXY_SIMPLE_LEN 38

struct proxy_address {
	bool is_ipv6;
	uint8_t ip[16]; /* network byte order; IPv4 uses the first 4 */
	uint16_t port;
};

struct proxy_header {
	enum proxy_form form;
	size_t len;         /* the client's bytes begin behind it */
	bool has_addresses; /* false: the balancer speaks for itself (LOCAL), or does not know */
	struct proxy_address source, destination;
};

/* The header with which `bytes` begin, of one of these forms (bits). PARSE_MORE: they may become one;
 * PARSE_BAD: they are none. */
[[nodiscard]] enum parse_result proxy_header_parse(struct span bytes, unsigned forms,
						   struct proxy_header *out_header);
/* Is there a whole signature, so that the bytes are nothing else, and malformed when they do not parse? */
bool proxy_header_begins(struct span bytes, unsigned forms);
