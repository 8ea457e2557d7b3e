/* SPDX-License-Identifier: BSD-2-Clause */
/* via: Via header values (RFC 3261 20.42, RFC 3581 rport, RFC 5923 alias, RFC 7339 oc). */
#pragma once

#include "parser/host.h"
#include "parser/params.h"

enum via_rport { RPORT_ABSENT, RPORT_EMPTY, RPORT_VALUE };

struct sip_via {
	struct span whole;    /* from the protocol to the last parameter */
	struct span protocol; /* "SIP" */
	struct span version;  /* "2.0" */
	struct span transport_text;
	enum sip_transport transport;
	struct span host; /* IPv6 with brackets */
	enum host_kind host_kind;
	struct span hostport;
	bool has_port;
	uint16_t port;      /* 0 without has_port */
	struct span params; /* after the first ";", without it; absent when there are none */
	/* Well-known parameters; a span is absent when the parameter is, and present but empty when it
	 * has no value. */
	struct span branch;
	struct span received;
	enum via_rport rport;
	uint16_t rport_port; /* with RPORT_VALUE */
	struct span
		rport_whole; /* "rport" or "rport=5060" as written, to replace it; absent without */
	struct span received_whole;
	struct span ttl;
	struct span maddr;
	struct span i;
	struct span alias;
	struct span comp;
	struct span oc;
	struct span oc_algo;
	struct span oc_validity;
	struct span oc_seq;
};

/* Takes the next Via off the front of a header value: `rest` begins as the whole value.
 * LIST_BAD leaves *rest where it was, and *out_via holds rubbish. Other parameters: params_next over
 * via->params. */
enum list_result via_next(struct span *rest, struct sip_via *out_via);
/* Parses the first Via of a header value; false when it is malformed or there is none. */
[[nodiscard]] bool via_parse(struct span value, struct sip_via *out_via);
/* Any parameter; false when it is absent. */
bool via_param(const struct sip_via *via, struct span name, struct param *out_param);
/* The port to which an answer goes without rport: as written, or the transport's default. */
uint16_t via_port(const struct sip_via *via);
/* True when the branch begins with the magic cookie z9hG4bK (any case, RFC 3261 8.1.1.7). */
bool via_has_cookie(const struct sip_via *via);
