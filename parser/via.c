/* SPDX-License-Identifier: BSD-2-Clause */
/* via: parses Via values (RFC 3261 20.42 and 25.1, RFC 3581, RFC 5923, RFC 7339). */
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
	struct cursor in = cursor_over(param->value);
	via->rport = RPORT_VALUE;
	return port_take(&in, &via->rport_port) && cursor_is_end(&in);
}

/* The first of several parameters with one name counts. */
static bool note_param(struct sip_via *via, const struct param *param)
{
	static const struct {
		struct span name;
		size_t member;
	} rows[] = {
		{ SPAN("branch"), offsetof(struct sip_via, branch) },
		{ SPAN("received"), offsetof(struct sip_via, received) },
		{ SPAN("alias"), offsetof(struct sip_via, alias) },
		{ SPAN("i"), offsetof(struct sip_via, i) },
		{ SPAN("ttl"), offsetof(struct sip_via, ttl) },
		{ SPAN("maddr"), offsetof(struct sip_via, maddr) },
		{ SPAN("comp"), offsetof(struct sip_via, comp) },
		{ SPAN("oc"), offsetof(struct sip_via, oc) },
		{ SPAN("oc-algo"), offsetof(struct sip_via, oc_algo) },
		{ SPAN("oc-validity"), offsetof(struct sip_via, oc_validity) },
		{ SPAN("oc-seq"), offsetof(struct sip_via, oc_seq) },
	};
	if (span_equal_nocase(param->name, SPAN_OF("rport")))
		return note_rport(via, param);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].name.len != param->name.len ||
		    !span_equal_nocase(rows[i].name, param->name))
			continue;
		struct span *member = (struct span *)(void *)((char *)via + rows[i].member);
		if (member->at)
			return true;
		*member = param->has_value ? param->value
					   : span_make(param->name.at + param->name.len, 0);
		if (member == &via->received)
			via->received_whole = param->whole;
		return true;
	}
	return true;
}

/* sent-protocol = protocol-name SLASH protocol-version SLASH transport; SLASH has white space */
static bool sent_protocol_take(struct cursor *in, struct sip_via *via)
{
	static const char usual[] = "SIP/2.0/UDP ";
	if (cursor_left(in) >= 12 && memcmp(in->at, usual, 12) == 0) {
		via->protocol = span_make(in->at, 3);
		via->version = span_make(in->at + 4, 3);
		via->transport_text = span_make(in->at + 8, 3);
		via->transport = SIP_TRANSPORT_UDP;
		in->at += 12;
		cursor_skip_space(in);
		return true;
	}
	struct span *const parts[] = { &via->protocol, &via->version, &via->transport_text };
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		if (i > 0) {
			cursor_skip_space(in);
			if (!cursor_take(in, '/'))
				return false;
			cursor_skip_space(in);
		}
		*parts[i] = cursor_take_while(in, CHAR_TOKEN);
		if (parts[i]->len == 0)
			return false;
	}
	via->transport = sip_transport_from_span(via->transport_text);
	const char *before = in->at;
	cursor_skip_space(in);
	return in->at > before;
}

/* sent-by = host [ COLON port ]; COLON has white space */
static bool sent_by_take(struct cursor *in, struct sip_via *via)
{
	const char *start = in->at;
	if (!host_take(in, &via->host, &via->host_kind))
		return false;
	via->hostport = cursor_since(in, start);
	cursor_skip_space(in);
	if (cursor_take(in, ':')) {
		cursor_skip_space(in);
		if (!port_take(in, &via->port))
			return false;
		via->has_port = true;
		via->hostport = cursor_since(in, start);
		cursor_skip_space(in);
	}
	return true;
}

/* *( SEMI via-params ) up to a comma or the end */
static bool params_take(struct cursor *in, struct sip_via *via, const char **out_end)
{
	const char *start = in->at;
	unsigned count = 0;
	while (cursor_take(in, ';')) {
		struct param param;
		if (++count > PARAMS_MOST)
			return false;
		*out_end = in->at;
		cursor_skip_space(in);
		if (cursor_is_end(in) || *in->at == ';' || *in->at == ',')
			continue;
		if (!param_take(in, ';', ',', &param) || !note_param(via, &param))
			return false;
		*out_end = param.whole.at + param.whole.len;
	}
	if (in->at > start)
		via->params = span_make(start + 1, (size_t)(*out_end - start - 1));
	return true;
}

/* via-parm = sent-protocol LWS sent-by *( SEMI via-params ) */
enum list_result via_next(struct span *rest, struct sip_via *out_via)
{
	struct cursor in = cursor_over(*rest);

	cursor_skip_space(&in);
	if (cursor_is_end(&in)) {
		*rest = (struct span){ NULL, 0 };
		return LIST_END;
	}
	*out_via = (struct sip_via){ 0 };
	const char *start = in.at;
	if (!sent_protocol_take(&in, out_via) || !sent_by_take(&in, out_via))
		return LIST_BAD;
	const char *end = out_via->hostport.at + out_via->hostport.len;
	if (!params_take(&in, out_via, &end))
		return LIST_BAD;
	if (!cursor_is_end(&in)) {
		if (!cursor_take(&in, ','))
			return LIST_BAD;
		cursor_skip_space(&in);
		if (cursor_is_end(&in))
			return LIST_BAD; /* a comma promises one more */
	}
	out_via->whole = span_make(start, (size_t)(end - start));
	*rest = cursor_rest(&in);
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
