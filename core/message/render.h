/* SPDX-License-Identifier: BSD-2-Clause */
/* render: writes a message with its edits, our Via and the branch's Request-URI in one pass. */
#pragma once

#include "core/message/message.h"
#include "core/transport/send.h"

/* One copy of a request on its way out: everything that the text depends on. */
struct outgoing {
	const struct message *msg;
	const struct branch *branch; /* uri, path; NULL: msg->target */
	struct end_point to;
	const struct listener *from; /* socket it leaves by */
	struct span via_branch; /* complete branch value "z9hG4bK…"; absent: no Via is added */
	bool omit_body_changes;
};

/* Parameter of our Via that holds message.via_flags, in hexadecimal digits. */
#define VIA_FLAGS_PARAM SPAN_OF("vbf")
/* Writes the request: first line with the branch's URI, our Via on top, received/rport into the
 * Via below, path as Route, all edits; Content-Length is corrected when the body changed. Test
 * `w->failed` afterwards. */
void render_request(struct writer *w, const struct outgoing *out);
/* The same; a request for UDP that is larger than udp_mtu is written again for the transport that is
 * configured for such (RFC 3261 18.1.1), and `out->to` and `out->from` change with it. */
void render_sized_request(struct writer *w, struct outgoing *out);
/* Writes a reply upstream: our Via removed, edits applied. */
void render_reply(struct writer *w, const struct message *reply);

/* Writes the message with its edits and nothing else (any message; used to apply edits). */
void render_edited(struct writer *w, const struct message *msg);
/* Writes the members of the XAVP as Via parameters: ";name=value", ";name". */
void render_via_params(struct writer *w, const struct message *msg, struct span xavp);
/* Does the sender want its port in the Via (rport or force_rport, RFC 3581)? */
bool via_wants_rport(const struct message *msg, const struct sip_via *via);
/* Does its address belong there, because the host is another or there was rport (RFC 3261 18.2.1)? */
bool via_wants_received(const struct message *msg, const struct sip_via *via);

/* A reply that we make to a request (RFC 3261 8.2.6). */
struct local_reply {
	const struct message *request;
	unsigned code; /* 100 to 699 */
	struct span reason;
	struct span to_tag;       /* added to To when the request has none; absent: none (100) */
	struct span extra_lines;  /* complete header lines */
	struct span content_type; /* with a body */
	struct span body;
	bool with_contacts;       /* 3xx: the destination set as Contact */
	unsigned contact_details; /* enum destination_detail of those */
};
void render_local_reply(struct writer *w, const struct local_reply *reply);
/* What to answer about the message's last internal error: the status, and a reason that says who tells
 * ("SL", "TM"); the reason is absent when memory is exhausted. */
unsigned message_failure(const struct message *msg, const char *who, struct span *out_reason);
/* Where a reply to `request` goes (RFC 3261 18.2.2, RFC 3581). */
void reply_target(const struct message *request, struct send_target *out_target);
/* Where a received reply is relayed to: second Via, or transaction memory. False: no second Via. */
[[nodiscard]] bool relay_target(struct message *reply, struct send_target *out_target);
/* What a redirection tells of a destination beside its URI and q. */
enum destination_detail {                             /* bits */
			  DESTINATION_FLAGS = 1 << 0, /* branch flags: ";flags=8" */
			  DESTINATION_PATH =
				  1
				  << 1, /* its Path as a Route header of the URI (RFC 3261 19.1.1) */
};
/* Adds the destination set as "Contact: <uri>;q=0.5, <uri>" ($ds); false when it is empty. */
bool render_destination_set(struct writer *w, const struct message *msg, unsigned details);

/* Does the request ask in headers of this kind (Require, Proxy-Require) for extensions that are not in
 * `supported`, a list with commas? Then `*out_line` is "Unsupported: a, b\r\n" for the answer 420, absent
 * when memory is exhausted. */
bool unsupported_line(struct message *msg, enum sip_header_id kind, struct span supported,
		      struct span *out_line);

/* The To tag of our stateless replies to this request: keyed by the request, the same for
 * retransmissions, always of one length. `out` takes at least 64 bytes. */
struct span stateless_to_tag(const struct message *request, char out[64]);
#define STATELESS_TAG_LEN 21

/* Server and User-Agent header lines and Warning, as configured; set by the core's parameters. */
struct render_options {
	struct span server_line;     /* "Server: …\r\n" or empty */
	struct span user_agent_line; /* "User-Agent: …\r\n" */
	bool sip_warning;
	bool reply_to_via; /* replies go to the address in Via, not to the source */
	size_t udp_mtu;    /* 0: none */
	enum transport large_transport;
	int64_t server_id; /* for NOTE_VIA_SERVER_ID; 0: none */
	/* names; absent: none */
	struct span via_params_xavp, via_fields_xavp, via_reply_params_xavp;
};
const struct render_options *render_options(void);
void render_configure(const struct render_options *options);
