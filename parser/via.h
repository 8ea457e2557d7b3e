/* SPDX-License-Identifier: BSD-2-Clause */
/* via: Via header values (RFC 3261 20.42, RFC 3581 rport). */
#pragma once

#include "parser/host.h"
#include "parser/params.h"

enum via_rport { RPORT_ABSENT, RPORT_EMPTY, RPORT_VALUE };

struct sip_via {
	struct span whole; /* from the protocol to the last parameter */
	struct span transport_text;
	struct span host; /* IPv6 with brackets */
	struct span hostport;
	struct span params; /* after the first ";", without it; absent when there are none */
	/* What every server asks for; a span is absent when the parameter is, and present but empty when
	 * it has no value. The others: via_param. */
	struct span branch;
	struct span received;
	struct span maddr;
	struct span rport_whole; /* "rport" or "rport=5060" as written, to replace it */
	enum sip_transport transport;
	enum via_rport rport;
	uint16_t rport_port; /* with RPORT_VALUE */
	uint16_t port;       /* 0 without has_port */
	bool has_port;
};

/* Takes the next Via off the front of a header value: `rest` begins as the whole value.
 * LIST_BAD leaves *rest where it was, and *out_via holds rubbish. Other parameters: params_next over
 * via->params. */
enum list_result via_next(struct span *rest, struct sip_via *out_via);
/* Parses the first Via of a header value; false when it is malformed or there is none. */
[[nodiscard]] bool via_parse(struct span value, struct sip_via *out_via);
/* Any parameter; false when it is absent. */
bool via_param(const struct sip_via *via, struct span name, struct param *out_param);
/* Its value: absent when the parameter is, present and empty when it has none. */
struct span via_param_text(const struct sip_via *via, struct span name);
/* "SIP" and "2.0" of nearly all. */
struct span via_protocol(const struct sip_via *via);
struct span via_version(const struct sip_via *via);
/* The port to which an answer goes without rport: as written, or the transport's default. */
uint16_t via_port(const struct sip_via *via);
/* True when the branch begins with the magic cookie z9hG4bK (any case, RFC 3261 8.1.1.7). */
bool via_has_cookie(const struct sip_via *via);
