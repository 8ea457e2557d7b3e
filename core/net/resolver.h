/* SPDX-License-Identifier: BSD-2-Clause */
/* resolver: DNS by c-ares on this process's loop, with a cache that keeps what the records' TTLs allow
 * and remembers for a while what does not exist. Asking parks the fiber; what is cached is answered
 * at once, also outside fibers. */
#pragma once

#include "core/net/address.h"

#define RESOLVER_RECORDS_MOST 16

struct resolved_addresses {
	struct end_point addresses[RESOLVER_RECORDS_MOST]; /* port 0, no transport */
	unsigned count;
};

struct resolved_service { /* one SRV record */
	uint16_t priority, weight, port;
	uint16_t target_len;
	char target[256];
};
struct resolved_services {
	struct resolved_service services[RESOLVER_RECORDS_MOST]; /* in the order to be tried (RFC 2782) */
	unsigned count;
};

/* The IPv4 addresses of a name, or its IPv6 ones when it has no others; /etc/hosts counts. False when
 * there is none, DNS does not answer, or waiting is not possible. */
bool resolve_host(struct span name, struct resolved_addresses *out);
/* The SRV records of "_sip._udp.example.org", best first, weights drawn anew each time. */
bool resolve_services(struct span name, struct resolved_services *out);

struct resolver_figures {
	uint64_t queries, hits, failures;
	unsigned entries;
};
struct resolver_figures resolver_figures(void);
/* Forgets everything that is cached. */
void resolver_flush(void);
