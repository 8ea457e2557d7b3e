/* SPDX-License-Identifier: BSD-2-Clause */
/* via: parses Via values (RFC 3261 20.42 and 25.1, RFC 3581). */
#include "parser/via.h"

#include "core/base/check.h"

#define PARAMS_MOST \
	256 /* a Via with more of them is an attack, read again by everybody on its way */

static bool note_rport(struct sip_via *via, const struct param *param)
{
	if (via->rport != RPORT_ABSENT)
		return true;
	via->rport_whole = param->whole;
	via->rport = RPORT_EMPTY;
	if (param->value.len == 0)
		return true;
	const char *end = param->value.at + param->value.len;
	via->rport = RPORT_VALUE;
	return port_end(param->value.at, end, &via->rport_port) == end;
}

/* The first of several parameters with one name counts. False when its value is malformed. */
static bool note_param(struct sip_via *via, const struct param *param)
{
	struct span *member;
	if (param_is(param, "branch"))
		member = &via->branch;
	else if (param_is(param, "rport"))
		return note_rport(via, param);
	else if (param_is(param, "received"))
		member = &via->received;
	else if (param_is(param, "maddr"))
		member = &via->maddr;
	else
		return true;
	if (!member->at)
		*member = param_text(param);
	return true;
}

/* sent-protocol = protocol-name SLASH protocol-version SLASH transport; SLASH has white space */
static const char *sent_protocol_read(const char *at, const char *end, struct sip_via *via)
{
	static const char usual[] = "SIP/2.0/UDP ";
	const size_t usual_len = sizeof(usual) - 1;
	if ((size_t)(end - at) >= usual_len && memcmp(at, usual, usual_len) == 0) {
		via->transport_text = span_make(at + 8, 3);
		via->transport = SIP_TRANSPORT_UDP;
		return space_end(at + usual_len, end);
	}
	for (unsigned slashes = 0;; slashes++) {
		const char *start = at;
		at = chars_end(start, end, CHAR_TOKEN);
		if (at == start)
			return NULL;
		if (slashes == 2) {
			via->transport_text = span_make(start, (size_t)(at - start));
			break;
		}
		at = space_end(at, end);
		if (at == end || *at != '/')
			return NULL;
		at = space_end(at + 1, end);
	}
	via->transport = sip_transport_from_span(via->transport_text);
	const char *next = space_end(at, end);
	return next > at ? next : NULL;
}

/* sent-by = host [ COLON port ]; COLON has white space */
static const char *sent_by_read(const char *at, const char *end, struct sip_via *via)
{
	const char *start = at;
	at = host_end(via->whole.at, start, end);
	if (!at)
		return NULL;
	via->host = via->hostport = span_make(start, (size_t)(at - start));
	at = space_end(at, end);
	if (at == end || *at != ':')
		return at;
	at = port_end(space_end(at + 1, end), end, &via->port);
	if (!at)
		return NULL;
	via->has_port = true;
	via->hostport.len = (size_t)(at - start);
	return space_end(at, end);
}

/* *( SEMI via-params ) up to a comma or the end */
static const char *params_read(const char *at, const char *end, struct sip_via *via)
{
	const char *start = at, *last = via->hostport.at + via->hostport.len;
	for (unsigned count = 0; at < end && *at == ';'; count++) {
		struct param param;
		if (count == PARAMS_MOST)
			return NULL;
		last = at + 1;
		at = space_end(last, end);
		if (at == end || *at == ';' || *at == ',')
			continue;
		at = param_read(via->whole.at, at, end, ';', ',', &param);
		if (!at || !note_param(via, &param))
			return NULL;
		last = param.whole.at + param.whole.len;
	}
	if (at > start)
		via->params = span_make(start + 1, (size_t)(last - start - 1));
	via->whole.len = (size_t)(last - via->whole.at);
	return at;
}

/* via-parm = sent-protocol LWS sent-by *( SEMI via-params ) */
enum list_result via_next(struct span *rest, struct sip_via *out_via)
{
	const char *at = rest->at, *end = at + rest->len;

	at = space_end(at, end);
	if (at == end) {
		*rest = (struct span){ NULL, 0 };
		return LIST_END;
	}
	*out_via = (struct sip_via){ .whole.at = at };
	at = sent_protocol_read(at, end, out_via);
	if (at)
		at = sent_by_read(at, end, out_via);
	if (at)
		at = params_read(at, end, out_via);
	if (!at)
		return LIST_BAD;
	if (at < end) {
		if (*at != ',')
			return LIST_BAD;
		at = space_end(at + 1, end);
		if (at == end)
			return LIST_BAD; /* a comma promises one more */
	}
	*rest = span_make(at, (size_t)(end - at));
	return LIST_ITEM;
}

bool via_parse(struct span value, struct sip_via *out_via)
{
	return via_next(&value, out_via) == LIST_ITEM;
}

bool via_param(const struct sip_via *via, struct span name, struct param *out_param)
{
	return via->params.at && params_find(via->params, ';', name, out_param);
}

struct span via_param_text(const struct sip_via *via, struct span name)
{
	struct param param;
	return via_param(via, name, &param) ? param_text(&param) : (struct span){ NULL, 0 };
}

/* protocol-name SLASH protocol-version SLASH transport: the piece before the slash with this number */
static struct span protocol_piece(const struct sip_via *via, unsigned slash)
{
	struct span rest = via->whole, piece = rest;
	for (unsigned i = 0; i <= slash; i++)
		span_split(&rest, '/', &piece);
	return span_trim(piece);
}

struct span via_protocol(const struct sip_via *via)
{
	return protocol_piece(via, 0);
}

struct span via_version(const struct sip_via *via)
{
	return protocol_piece(via, 1);
}

uint16_t via_port(const struct sip_via *via)
{
	if (via->has_port)
		return via->port;
	return via->transport == SIP_TRANSPORT_TLS || via->transport == SIP_TRANSPORT_WSS ? 5061
											  : 5060;
}

bool via_has_cookie(const struct sip_via *via)
{
	return span_starts_with_nocase(via->branch, SPAN_OF("z9hG4bK"));
}
