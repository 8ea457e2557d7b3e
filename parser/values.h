/* SPDX-License-Identifier: BSD-2-Clause */
/* values: the smaller typed headers. Every function takes the trimmed value of one header line and
 * returns false, output unchanged, when it is malformed. */
#pragma once

#include "parser/params.h"

/* Takes the next item of any comma list off *rest, trimmed; commas in quoted strings and between angle
 * brackets do not separate, empty items are skipped. LIST_BAD: a quote or bracket without its end. */
enum list_result list_item_next(struct span *rest, struct span *out_item);

/* CSeq: 1*DIGIT LWS Method (RFC 3261 20.16); the number is below 2^31 (8.1.1.5). */
struct cseq {
	uint32_t number;
	struct span number_text;
	uint32_t method; /* METHOD_* */
	struct span method_name;
};
[[nodiscard]] bool cseq_parse(struct span value, struct cseq *out);

/* A number and nothing else, in 0-2^32-1: Content-Length, Min-Expires, RSeq … */
[[nodiscard]] bool number_parse(struct span value, uint32_t *out_number);
/* Max-Forwards: 0-255 (RFC 3261 20.22). */
[[nodiscard]] bool max_forwards_parse(struct span value, uint32_t *out_number);
/* delta-seconds with a value above 2^32-1 taken as 2^32-1 (RFC 3261 20.19): Expires, Min-Expires. */
[[nodiscard]] bool expires_parse(struct span value, uint32_t *out_seconds);

/* A value followed by parameters: Event, Subscription-State, Session-Expires, Min-SE, Reason,
 * Content-Disposition, Identity, Refer-Sub …: "text;a=b". */
struct value_params {
	struct span value;
	struct span params; /* absent when there are none */
};
[[nodiscard]] bool value_params_parse(struct span text, struct value_params *out);
/* The same for one item of a comma list; takes it off the front of *rest. */
enum list_result value_params_next(struct span *rest, struct value_params *out);

/* Content-Type: type/subtype;params (RFC 3261 20.15). */
struct media_type {
	struct span type;
	struct span subtype;
	struct span full; /* "application/sdp" as written, when no space is around the slash */
	struct span params;
	struct span boundary; /* without quotes; absent when there is none */
	struct span charset;
};
[[nodiscard]] bool content_type_parse(struct span value, struct media_type *out);
/* True for "application/sdp" and the like: type and subtype in any case. */
bool media_type_is(const struct media_type *type, struct span name);
/* Accept: a list of media ranges; an empty value is a legal, empty list. */
enum list_result accept_next(struct span *rest, struct media_type *out);

/* Supported, Require, Proxy-Require, Unsupported: option tags as bits. */
enum option_tag {
	OPTION_100REL = 1 << 0,
	OPTION_PATH = 1 << 1,
	OPTION_GRUU = 1 << 2,
	OPTION_OUTBOUND = 1 << 3,
	OPTION_TIMER = 1 << 4,
	OPTION_REPLACES = 1 << 5,
	OPTION_JOIN = 1 << 6,
	OPTION_EVENTLIST = 1 << 7,
	OPTION_NOREFERSUB = 1 << 8,
	OPTION_SEC_AGREE = 1 << 9,
	OPTION_TDIALOG = 1 << 10,
	OPTION_FROM_CHANGE = 1 << 11,
	OPTION_PRIVACY = 1 << 12,
	OPTION_PRECONDITION = 1 << 13,
	OPTION_HISTINFO = 1 << 14,
	OPTION_ICE = 1 << 15,
	OPTION_PREF = 1 << 16,
	OPTION_OTHER = 1 << 30,
};
/* Adds the bits of one header line to *mask (set it to 0 before the first line). */
[[nodiscard]] bool option_tags_parse(struct span value, uint32_t *mask);
/* Takes the next token of a comma list off *rest; empty items are skipped. */
enum list_result token_next(struct span *rest, struct span *out_token);
/* The bit of a name (any case), OPTION_OTHER when unknown. */
uint32_t option_tag_from_span(struct span name);
struct span option_tag_name(uint32_t tag);

/* Event: package[.template];id=… (RFC 6665 8.2.1). */
struct event_header {
	struct span package; /* with templates, "presence.winfo" */
	struct span id;      /* absent when there is none */
	struct span params;
};
[[nodiscard]] bool event_parse(struct span value, struct event_header *out);

/* Subscription-State (RFC 6665 8.2.3). */
enum subscription_state {
	SUBSCRIPTION_ACTIVE,
	SUBSCRIPTION_PENDING,
	SUBSCRIPTION_TERMINATED,
	SUBSCRIPTION_OTHER,
};
struct subscription_state_header {
	enum subscription_state state;
	struct span state_text;
	struct span reason;
	bool has_expires, has_retry_after;
	uint32_t expires_s, retry_after_s;
	struct span params;
};
[[nodiscard]] bool subscription_state_parse(struct span value,
					    struct subscription_state_header *out);

/* Session-Expires and Min-SE (RFC 4028). */
enum refresher { REFRESHER_NONE, REFRESHER_UAC, REFRESHER_UAS };
struct session_expires {
	uint32_t seconds;
	enum refresher refresher;
	struct span params;
};
[[nodiscard]] bool session_expires_parse(struct span value, struct session_expires *out);

/* RAck: response-num LWS CSeq-num LWS Method (RFC 3262). */
struct rack {
	uint32_t rseq;
	struct cseq cseq;
};
[[nodiscard]] bool rack_parse(struct span value, struct rack *out);

/* Reason: protocol;cause=…;text="…" (RFC 3326); one item of a list. */
struct reason_header {
	struct span protocol;
	bool has_cause;
	uint32_t cause;
	struct span text; /* without quotes, escapes kept */
	struct span params;
};
enum list_result reason_next(struct span *rest, struct reason_header *out);

/* Privacy: "id;header;critical" (RFC 3323) as bits. */
enum privacy {
	PRIVACY_NONE = 1,
	PRIVACY_HEADER = 2,
	PRIVACY_SESSION = 4,
	PRIVACY_USER = 8,
	PRIVACY_ID = 16,
	PRIVACY_CRITICAL = 32,
	PRIVACY_HISTORY = 64,
	PRIVACY_OTHER = 128,
};
[[nodiscard]] bool privacy_parse(struct span value, uint32_t *out_mask);

/* Date: SIP-date in GMT (RFC 3261 20.17) as seconds since 1970. */
[[nodiscard]] bool date_parse(struct span value, int64_t *out_seconds);
/* Writes the date in the only form that is allowed: 29 bytes. */
void date_format(int64_t seconds, char out_text[30]);

/* Identity (RFC 8224): signed-identity-digest;info=<…>;alg=…;ppt=…. */
struct identity_header {
	struct span token; /* the PASSporT, or the digest of RFC 4474 without quotes */
	struct span info;  /* without angle brackets */
	struct span alg;
	struct span ppt; /* without quotes */
	struct span params;
};
[[nodiscard]] bool identity_parse(struct span value, struct identity_header *out);

/* Retry-After: delta-seconds [comment] *(;duration=…). */
struct retry_after {
	uint32_t seconds;
	struct span comment; /* with parentheses */
	bool has_duration;
	uint32_t duration_s;
};
[[nodiscard]] bool retry_after_parse(struct span value, struct retry_after *out);

/* Replaces, Join and Target-Dialog: call-id;to-tag=…;from-tag=…[;early-only]. Target-Dialog's
 * local-tag/remote-tag arrive as from_tag/to_tag. */
struct dialog_id {
	struct span call_id;
	struct span to_tag;
	struct span from_tag;
	bool early_only;
};
[[nodiscard]] bool dialog_id_parse(struct span value, struct dialog_id *out);

/* Call-ID: word ["@" word]. */
bool call_id_is_valid(struct span value);
