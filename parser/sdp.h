/* SPDX-License-Identifier: BSD-2-Clause */
/* sdp: session descriptions (RFC 4566/8866) as spans into the body, so that every piece can be
 * replaced in place: its offset is piece.at - body.at. Nothing is copied. */
#pragma once

#include "parser/cursor.h"
#include "parser/result.h"

/* One line "x=value" without its line end. */
struct sdp_line {
	char type;
	struct span value;
	struct span whole;    /* type through value */
	struct span with_end; /* and the line end, to remove it */
};

/* c=<nettype> <addrtype> <address>[/ttl[/count]] */
struct sdp_connection {
	struct span line; /* whole line without its end; absent when there is none */
	struct span nettype;
	struct span addrtype; /* IP4, IP6 */
	struct span address;  /* without "/ttl" */
	bool is_ipv6;
};

/* o=<username> <id> <version> <nettype> <addrtype> <address> */
struct sdp_origin {
	struct span line;
	struct span username;
	struct span session_id;
	struct span version;
	struct span nettype;
	struct span addrtype;
	struct span address;
};

enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };

struct sdp_session {
	struct span text;                 /* "v=" to the end of the last line of this description */
	struct span header;               /* session level: before the first m= */
	struct span media;                /* from the first m=; empty without media */
	struct sdp_origin origin;         /* line absent: no o= */
	struct sdp_connection connection; /* session level */
	unsigned media_count;
};

struct sdp_media {
	struct span text;      /* m= line and everything that belongs to it */
	struct span line;      /* the m= line without its end */
	struct span type;      /* "audio" */
	struct span port_text; /* digits only, to replace them */
	uint16_t port;
	uint32_t port_count;              /* "/2"; 1 when absent */
	struct span protocol;             /* "RTP/AVP" */
	struct span formats;              /* "0 8 101" */
	struct span attributes;           /* the lines after the m= line */
	struct sdp_connection connection; /* its own, else that of the session */
	bool has_own_connection;
};

struct sdp_attribute {
	struct span line; /* whole line without its end */
	struct span with_end;
	struct span name;
	struct span value; /* absent without ":" */
};

/* Takes the next line off *rest; LF and CRLF end lines, empty lines end nothing and are skipped.
 * LIST_BAD: a line that is not "x=". */
enum list_result sdp_line_next(struct span *rest, struct sdp_line *out_line);

/* Takes the next session description ("v=" …) off *rest. LIST_BAD: text that does not begin with
 * v=, or a malformed o=, c= or m= line in it. */
enum list_result sdp_session_next(struct span *rest, struct sdp_session *out_session);
/* The first session; false when there is none or it is malformed. */
[[nodiscard]] bool sdp_parse(struct span body, struct sdp_session *out_session);
/* Takes the next media section; `rest` begins as session->media. */
enum list_result sdp_media_next(const struct sdp_session *session, struct span *rest,
				struct sdp_media *out_media);

/* Takes the next attribute (a=) off *rest: session->header or media->attributes. */
enum list_result sdp_attribute_next(struct span *rest, struct sdp_attribute *out_attribute);
/* The first attribute of that name in `lines`; names are case-sensitive. */
bool sdp_attribute_find(struct span lines, struct span name, struct sdp_attribute *out_attribute);
/* Direction of a media section: its own attribute, else the session's, else sendrecv. */
enum sdp_direction sdp_media_direction(const struct sdp_session *session,
				       const struct sdp_media *media);
/* True when the stream is put on hold: sendonly or inactive, or the address 0.0.0.0 / ::. */
bool sdp_media_is_on_hold(const struct sdp_session *session, const struct sdp_media *media);
/* Packet time in milliseconds of a=ptime, 0 when absent or malformed. */
uint32_t sdp_media_ptime(const struct sdp_media *media);

/* Takes the next word off a format list ("0 8 101"); false at its end. */
bool sdp_format_next(struct span *rest, struct span *out_format);

/* a=rtpmap:<payload> <encoding>/<clock>[/<channels>] */
struct sdp_codec {
	struct span payload;
	struct span encoding;
	uint32_t clock_rate;
	uint32_t channels; /* 1 when absent */
};
/* The codec of a payload type: its rtpmap, else the static table of RFC 3551; false when unknown. */
bool sdp_codec_of(const struct sdp_media *media, struct span payload, struct sdp_codec *out_codec);
/* The payload type of an encoding name (any case; clock_rate 0 matches any), starting after
 * `after` (absent span: from the start); false when it is not offered. */
bool sdp_payload_of(const struct sdp_media *media, struct span encoding, uint32_t clock_rate,
		    struct span after, struct span *out_payload);
/* a=<name>:<payload> …: the rtpmap, fmtp or rtcp-fb line of a payload type. */
bool sdp_attribute_of_payload(const struct sdp_media *media, struct span name, struct span payload,
			      struct sdp_attribute *out_attribute);
