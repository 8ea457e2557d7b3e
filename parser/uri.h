/* SPDX-License-Identifier: BSD-2-Clause */
/* uri: sip, sips (RFC 3261 19.1), tel (RFC 3966) and urn URIs as spans into the text. */
#pragma once

#include "core/base/writer.h"
#include "parser/host.h"
#include "parser/params.h"

enum uri_scheme {
	URI_SIP,
	URI_SIPS,
	URI_TEL,
	URI_TELS,
	URI_URN,
	URI_OTHER, /* any other absolute URI; host holds what follows the colon */
};

struct sip_uri {
	struct span whole;
	struct span scheme_text;
	struct span user;     /* as written, escapes kept; absent without "@"; tel: the number */
	struct span password; /* absent without ":" */
	struct span host;     /* IPv6 with brackets; urn: namespace and name */
	struct span port_text;
	struct span hostport; /* host and port as written */
	struct span params;   /* after the first ";", without it; absent when there are none */
	struct span headers;  /* after the "?" */
	/* What every server asks for. A span is absent when the parameter is, present and empty when it
	 * has no value. The others: uri_param. */
	struct span transport_text;
	struct span user_param; /* user=phone */
	struct span maddr;
	struct span lr;
	struct span r2;
	enum uri_scheme scheme;
	enum sip_transport transport; /* SIP_TRANSPORT_NONE when absent or unknown */
	uint16_t port;                /* 0 without has_port */
	bool has_port;
};

/* Parses a URI that is the whole of `text`. False when it is malformed; *out_uri then holds rubbish.
 * Tolerant where the meaning is clear: characters outside the grammar are accepted in
 * the user part, as other servers do; white space, angle brackets, quotes and controls never. */
[[nodiscard]] bool uri_parse(struct span text, struct sip_uri *out_uri);

/* The scheme that the text begins with (up to the colon), URI_OTHER when unknown or missing. */
enum uri_scheme uri_scheme_of(struct span text);
static inline bool uri_is_sip(const struct sip_uri *uri)
{
	return uri->scheme == URI_SIP || uri->scheme == URI_SIPS;
}
static inline bool uri_is_tel(const struct sip_uri *uri)
{
	return uri->scheme == URI_TEL || uri->scheme == URI_TELS;
}
/* The port, or the default of scheme and transport: 5061 for sips and tls, else 5060. */
uint16_t uri_port(const struct sip_uri *uri);
/* Any URI parameter, its name perhaps written with escapes; false when it is absent. */
bool uri_param(const struct sip_uri *uri, struct span name, struct param *out_param);
/* Its value: absent when the parameter is, present and empty when it has none. */
struct span uri_param_text(const struct sip_uri *uri, struct span name);
/* What follows a ";" inside the user part ("alice;day=x@"); absent when there is none. */
struct span uri_user_params(const struct sip_uri *uri);

/* Equality of RFC 3261 19.1.4 (sip, sips), RFC 3966 5 (tel), RFC 8141 3 in its simple form (urn);
 * other schemes compare byte by byte. */
bool uri_equal(const struct sip_uri *a, const struct sip_uri *b);
/* The same for texts; false when one is malformed. */
bool uri_text_equal(struct span a, struct span b);
/* Two pieces of URIs in any case, with "%41" and "A" the same but not "%3b" and ";". */
bool uri_piece_equal(struct span a, struct span b);
/* Equal for URIs that are equal: over scheme, unescaped user and lower-case host. */
uint64_t uri_hash(const struct sip_uri *uri);

/* Writes "user@host" (user unescaped, host lower case): the key of an address-of-record. Without
 * user only the host. */
void uri_write_aor(struct writer *w, const struct sip_uri *uri);
/* Writes `text` with %HH resolved; a malformed escape stays as it is. */
void uri_write_unescaped(struct writer *w, struct span text);
/* Writes `user` so that it is a legal user part. */
void uri_write_escaped_user(struct writer *w, struct span user);
/* Writes `value` so that it is a legal parameter or header value. */
void uri_write_escaped_param(struct writer *w, struct span value);
/* False when the text has a % that two hexadecimal digits do not follow. */
bool uri_escapes_are_valid(struct span text);
