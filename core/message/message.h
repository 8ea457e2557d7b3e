/* SPDX-License-Identifier: BSD-2-Clause */
/* message: a SIP message in flight. The received bytes are the master copy; parsing only notes
 * offsets, and changes are collected in an edit list that render.h applies in one pass.
 *
 * A message lives in one arena. message_freeze writes it into one flat block (bytes, index, edits,
 * branches, attributes) that a transaction keeps; message_thaw makes a working message of it again. */
#pragma once

#include "core/message/attributes.h"
#include "core/transport/listener.h"
#include "parser/message.h"
#include "parser/name_addr.h"
#include "parser/uri.h"
#include "parser/values.h"
#include "parser/via.h"

#define MESSAGE_MAX_BRANCHES 32
#define MESSAGE_SLOTS        32
#define MESSAGE_URIS         4 /* parsed ones that are kept */

/* Where the message came from and on which of our sockets. */
struct received {
	struct end_point source;
	struct end_point local;
	const struct listener *listener;
	uint32_t connection; /* streams: $conid; 0 for UDP */
};

struct outgoing; /* render.h: what is known when a message is rendered for one branch */

/* One change of the text: at `at`, `removed` bytes go and `text` comes. Edits at the same place
 * apply in the order in which they were added. */
struct edit {
	struct edit *next;
	uint32_t at;
	uint32_t removed;
	struct span text;
	/* When set, writes the inserted text instead of `text` (which is then its argument), because it
	 * depends on the branch: Record-Route, advertised addresses. Must be a function of the core or
	 * of a module, so that it has the same address in every process. */
	void (*write)(struct writer *w, struct span text, const struct outgoing *to);
	uint16_t header; /* HEADER_* that a removal or insertion belongs to, or HEADER_OTHER */
	uint16_t tag;    /* who made it (EDIT_TAG_*), so that it can be undone */
};

enum edit_tag {
	EDIT_TAG_NONE,
	EDIT_TAG_RECORD_ROUTE,
	EDIT_TAG_OPEN_LINE, /* a line whose text came without its end */
	EDIT_TAG_MODULE,
	EDIT_TAG_REPLY_BODY, /* in reply_lines: the body of our replies … */
	EDIT_TAG_REPLY_TYPE, /* … and its Content-Type value */
	EDIT_TAG_CONTACT, /* a Contact that NAT traversal made right: registrars look at it too */
};

/* A destination of the request. Branch 0 is the Request-URI itself; further ones come from
 * append_branch, lookup and alias modules. */
struct branch {
	struct span uri;
	struct span dst_uri;           /* next hop; absent: follows from uri */
	struct span path;              /* Route values from registrations */
	const struct listener *socket; /* forced send socket */
	int32_t q;                     /* thousandths, or Q_UNSPECIFIED */
	uint32_t flags;
	struct span ruid; /* location record it came from */
	struct span instance;
	struct span location_ua;
	uint32_t connection; /* connection of the binding, 0: none */
	uint32_t reg_id;
};

#define Q_UNSPECIFIED (-1)

enum message_note {                                 /* bits of message.notes */
		    NOTE_FORCE_RPORT = 1u << 0,     /* answer to the source port (force_rport) */
		    NOTE_ADD_LOCAL_RPORT = 1u << 1, /* rport in our own Via */
		    NOTE_REPLY_NO_CONNECT = 1u << 2,
		    NOTE_REPLY_CLOSE = 1u << 3,
		    NOTE_FORWARD_NO_CONNECT = 1u << 4,
		    NOTE_FORWARD_CLOSE = 1u << 5,
		    NOTE_DROPPED = 1u << 6, /* the script said drop */
		    NOTE_SCRIPT_ERROR = 1u << 7,
		    NOTE_LOCAL = 1u << 8, /* made by this server (local requests and replies) */
		    NOTE_FAKED = 1u << 9, /* a timeout, not a received reply */
		    NOTE_URI_CHANGED = 1u << 10,
		    NOTE_ROUTED_BY_DIALOG = 1u << 11, /* loose_route routed it */
		    NOTE_FORCE_SOCKET_KEEP = 1u << 12,
		    NOTE_VIA_SERVER_ID = 1u << 13, /* our Via gets ;srvid=, … */
		    NOTE_VIA_PARAMS = 1u << 14, /* … the members of the XAVP xavp_via_params, … */
		    NOTE_VIA_ADDRESS =
			    1u << 15, /* … address and port of the XAVP xavp_via_fields (corex) */
		    NOTE_TAKEN =
			    1u
			    << 16, /* it was answered or forwarded, or a transaction will see to it */
		    NOTE_VIA_REPLY_PARAMS =
			    1u << 17, /* the top Via of the reply gets the members of the XAVP
				       * xavp_via_reply_params (corex) */
		    NOTE_VIA_FLAGS = 1u << 18, /* our Via gets `via_flags` */
		    NOTE_TRAILING_BYTES =
			    1u << 20, /* the datagram was longer than Content-Length says */
};

struct message {
	struct span bytes;
	struct sip_message_index *index;
	struct arena *arena;
	uint64_t id;         /* $mi: unique in this process */
	int64_t wall_us;     /* $Ts, $TV(s): wall clock when it was received */
	int64_t received_us; /* monotonic */
	struct received from;

	/* requests: where it goes */
	struct branch target;    /* branch 0; target.uri is absent while it is as received */
	struct branch *branches; /* MESSAGE_MAX_BRANCHES, allocated with the first */
	unsigned branch_count;
	uint32_t flags;              /* setflag; $mf */
	uint32_t script_flags;       /* setsflag; $sf */
	uint64_t extended_flags;     /* corex: setxflag */
	uint32_t internal_flags;     /* corex: msg_iflag_set */
	uint32_t via_flags;          /* corex: msg_vbflag_set */
	uint32_t notes;              /* enum message_note */
	struct span advertised_host; /* set_advertised_address; absent: the listener's */
	uint16_t advertised_port;
	uint8_t large_transport; /* udp_mtu_try_proto(); TRANSPORT_NONE: as configured */

	struct edit *edits;       /* sorted by place */
	struct edit *reply_lines; /* append_to_reply: header lines for replies that we make */
	struct attributes attributes;
	/* internal error for sl_reply_error/t_reply_error: a status, or 7: no socket; 0 none */
	int last_error;
	struct span to_tag; /* the tag that our replies use, once it was drawn */
	/* credentials that were checked and found right: user name and realm; absent: none */
	struct span account_user, account_realm;

	/* From here on: this process's alone, empty after message_thaw().
	 * Lazily parsed, NULL until asked for. */
	struct sip_via *top_via, *second_via;
	struct name_addr *from_address, *to_address;
	struct cseq *cseq;
	struct sip_uri *uris[MESSAGE_URIS]; /* that were read last */
	unsigned uris_read;
	void *slots[MESSAGE_SLOTS]; /* modules' data, by message_slot() */
	/* Events about bytes that are no SIP message: what the script sees as the message. */
	struct span raw;
};

/* Builds a message from received bytes, which must live as long as `arena`. NULL when the bytes are
 * not a SIP message (`*out_reason` is static text) or memory is exhausted (`*out_reason` NULL). */
struct message *message_parse(struct arena *arena, struct span bytes, const struct received *from,
			      const char **out_reason);

/* Forgets the headers that were parsed: the bytes are others now. */
static inline void message_forget_parsed(struct message *msg)
{
	msg->top_via = msg->second_via = NULL;
	msg->from_address = msg->to_address = NULL;
	msg->cseq = NULL;
	memset(msg->uris, 0, sizeof(msg->uris));
}

static inline bool message_is_request(const struct message *msg)
{
	return msg->index->is_request;
}

/* Reserves a place in message.slots for a module; before the first fork. The name is for errors. */
unsigned message_slot(const char *owner);

/* ---- reading ------------------------------------------------------------------------------- */
/* The first header of this kind, or NULL; message_next_header gives the next of the same kind. */
static inline const struct sip_header *message_header(const struct message *msg,
						      enum sip_header_id id)
{
	return sip_header_first(msg->index, id);
}
static inline const struct sip_header *message_next_header(const struct message *msg,
							   const struct sip_header *h)
{
	return sip_header_next(msg->index, h);
}
/* The first header with this name (any case, compact form equals long form), NULL when none. */
const struct sip_header *message_header_named(const struct message *msg, struct span name);
/* Value of a header (trimmed, folding kept), absent for NULL. */
static inline struct span message_header_value(const struct message *msg,
					       const struct sip_header *h)
{
	return h ? sip_header_value(msg->bytes, h) : (struct span){ NULL, 0 };
}
/* The same by kind: message_value(msg, HEADER_CALL_ID). */
static inline struct span message_value(const struct message *msg, enum sip_header_id id)
{
	return message_header_value(msg, message_header(msg, id));
}
struct span message_body(const struct message *msg);
/* The bytes as the script sees them ($mb). */
static inline struct span message_shown(const struct message *msg)
{
	return msg->raw.at ? msg->raw : msg->bytes;
}

/* What is parsed when it is asked for, and kept: first and second Via, From, To, CSeq. NULL when there is
 * none or it is malformed. */
const struct sip_via *message_parse_top_via(struct message *msg);
static inline const struct sip_via *message_top_via(struct message *msg)
{
	return msg->top_via ? msg->top_via : message_parse_top_via(msg);
}
const struct sip_via *message_second_via(struct message *msg);
const struct name_addr *message_parse_from(const struct message *msg);
static inline const struct name_addr *message_from(const struct message *msg)
{
	return msg->from_address ? msg->from_address : message_parse_from(msg);
}
const struct name_addr *message_parse_to(const struct message *msg);
static inline const struct name_addr *message_to(const struct message *msg)
{
	return msg->to_address ? msg->to_address : message_parse_to(msg);
}
const struct cseq *message_parse_cseq(const struct message *msg);
static inline const struct cseq *message_parsed_cseq(const struct message *msg)
{
	return msg->cseq ? msg->cseq : message_parse_cseq(msg);
}
/* From and To: tag (absent when none) and URI. */
static inline struct span message_from_tag(const struct message *msg)
{
	const struct name_addr *from = message_from(msg);
	return from ? from->tag : (struct span){ NULL, 0 };
}
static inline struct span message_to_tag(const struct message *msg)
{
	const struct name_addr *to = message_to(msg);
	return to ? to->tag : (struct span){ NULL, 0 };
}
struct span message_from_uri(const struct message *msg);
struct span message_to_uri(const struct message *msg);
/* CSeq number; false when missing or malformed. */
[[nodiscard]] static inline bool message_cseq(const struct message *msg, uint32_t *out_number)
{
	const struct cseq *cseq = message_parsed_cseq(msg);
	if (cseq)
		*out_number = cseq->number;
	return cseq != NULL;
}
/* SIP method bit (METHOD_INVITE …); for replies that of CSeq. */
static inline uint32_t message_method(const struct message *msg)
{
	if (msg->index->is_request)
		return msg->index->method;
	const struct cseq *cseq = message_parsed_cseq(msg);
	return cseq ? cseq->method : METHOD_OTHER;
}
struct span message_method_name(const struct message *msg);

/* Request-URI as received. */
static inline struct span message_original_uri(const struct message *msg)
{
	return msg->index->is_request ? sip_range_span(msg->bytes, msg->index->uri)
				      : (struct span){ NULL, 0 };
}
/* Current Request-URI: the rewritten one, else that of the first line. */
static inline struct span message_uri(const struct message *msg)
{
	return msg->target.uri.at ? msg->target.uri : message_original_uri(msg);
}
/* Parses the current Request-URI; false when it is malformed. */
[[nodiscard]] bool message_parse_uri(const struct message *msg, struct sip_uri *out_uri);
/* A URI of the message, parsed. The newest ones are kept, because scripts and modules read Request-URI, From
 * and To again and again. `uri` is borrowed and must not change as long as the message lives; the result is
 * valid until another URI is read. NULL: it is malformed or memory is exhausted. */
const struct sip_uri *message_read_uri(const struct message *msg, struct span uri);

/* ---- changing ------------------------------------------------------------------------------ */
/* Rewrites the Request-URI (copied into the arena). False when memory is exhausted. */
bool message_set_uri(struct message *msg, struct span uri);
/* Sets or with an absent span clears the next hop ($du). */
/* The largest number of extra branches (core parameter max_branches). */
void message_set_max_branches(unsigned most);
bool message_set_dst_uri(struct message *msg, struct span uri);
/* Appends a destination; texts are copied. False at MESSAGE_MAX_BRANCHES/max_branches or no memory. */
bool message_add_branch(struct message *msg, const struct branch *branch);
/* The later branches move up. Nothing happens when there is no such branch. */
void message_remove_branch(struct message *msg, size_t index);
void message_clear_branches(struct message *msg);

/* Text edits; `text` is copied unless it lies in the message's arena already. All return the edit,
 * or NULL when memory is exhausted. */
struct edit *edit_replace(struct message *msg, uint32_t at, uint32_t removed, struct span text);
/* Removes a whole header line including its line end. */
struct edit *edit_remove_header(struct message *msg, const struct sip_header *h);
/* Inserts a complete line ("Name: value\r\n") before the header, after it, or after the last. */
struct edit *edit_insert_before(struct message *msg, const struct sip_header *h, struct span line);
struct edit *edit_insert_after(struct message *msg, const struct sip_header *h, struct span line);
struct edit *edit_append_header(struct message *msg, struct span line);
/* Inserts before the first header of kind `id`, or after the last header when there is none. */
struct edit *edit_insert_first(struct message *msg, enum sip_header_id id, struct span line);
/* Replaces the body; Content-Length follows when the message is rendered. */
struct edit *edit_set_body(struct message *msg, struct span body, struct span content_type);
/* True when an edit removes this header (so that the script's second remove_hf is no error). */
bool edit_removes(const struct message *msg, const struct sip_header *h);
/* The value of a header as edits with that tag leave it; the value itself when there are none, absent
 * when memory is exhausted. */
struct span edited_header_value(const struct message *msg, const struct sip_header *h,
				uint16_t tag);
/* Drops all edits with that tag; returns how many. */
unsigned edit_undo(struct message *msg, uint16_t tag);
/* A header line, or a part of one, for the replies that this server makes to the request
 * (append_to_reply). */
bool message_add_reply_line(struct message *msg, struct span line);
/* The body of those replies (set_reply_body), unless whoever makes the reply brings its own. */
bool message_set_reply_body(struct message *msg, struct span body, struct span content_type);
/* Applies all edits (and the new Request-URI) to the bytes and indexes them again
 * (msg_apply_changes). False: the result would be no SIP message; nothing changed. */
[[nodiscard]] bool message_apply_edits(struct message *msg);

/* ---- keeping ------------------------------------------------------------------------------- */
/* Bytes that message_freeze will write at most; 0: no memory to find out. */
size_t message_frozen_size(const struct message *msg);
/* Writes the message, without its arena and slots, into `block` (16-aligned, of that size). False:
 * no memory; the block is worth nothing then. */
[[nodiscard]] bool message_freeze(const struct message *msg, void *block);
/* A working message in `arena` over a frozen one; its bytes and texts borrow from `block`, so the
 * block must stay while the message is used. NULL when memory is exhausted. */
[[nodiscard]] struct message *message_thaw(const void *block, struct arena *arena);
