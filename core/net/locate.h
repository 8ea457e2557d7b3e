/* SPDX-License-Identifier: BSD-2-Clause */
/* locate: from a URI to the addresses where it is served, best first (RFC 3263). */
#pragma once

#include "core/net/address.h"
#include "parser/uri.h"

#define LOCATE_MOST 16

struct located {
	struct end_point targets[LOCATE_MOST]; /* address, port and transport of each */
	unsigned count;
};

struct locate_options {
	bool asks_naptr;  /* RFC 3263 4.1; else SRV records are asked for at once */
	bool fails_over;  /* further targets are tried when one fails (4.3) */
	bool prefers_own; /* the preferences below before the order of the records */
	int32_t preferences[TRANSPORT_COUNT]; /* larger is better; below 0: never chosen by DNS */
	uint32_t supported;                   /* 1 << transport of those that we can send by */
};
void locate_configure(const struct locate_options *options);
bool locate_fails_over(void);

/* The targets of a URI: maddr, else host; port and transport as written or as DNS says. May wait, so
 * call it on a fiber and without locks; on the loop's own stack only literal addresses and cached
 * names are found. False: nothing found; *out_located has count 0. */
bool locate_uri(struct span uri, struct located *out_located);
/* The same for a URI that is parsed; NULL: one that is malformed. */
bool locate_parsed_uri(const struct sip_uri *uri, struct located *out_located);
/* The same for a host with an optional port (0) and transport (NONE: UDP), as in Via and forward(). */
bool locate_host(struct span host, uint16_t port, enum transport transport,
		 struct located *out_located);
/* The one address of a SIP URI's host, with its port and transport as they are written (5060, UDP), without
 * SRV: for what is compared with addresses, or gets what is no SIP. Outside fibers, at the start, the system
 * is asked. */
bool locate_address(struct span uri, struct end_point *out_address);
/* Why a URI cannot be located, as the status of an answer: 479 it is malformed, 416 its scheme is
 * unknown (RFC 3261 16.3), 478 nobody knows its host. */
int locate_failure(struct span uri);
