/* SPDX-License-Identifier: BSD-2-Clause */
/* transform_uri: {uri.…}, {nameaddr.…}, {tobody.…}, {sock.…} and {urialias.…}. */
#include "core/net/address.h"
#include "core/script/transform.h"
#include "core/script/uri_edit.h"
#include "parser/name_addr.h"
#include "parser/uri.h"

enum uri_part {
	URI_USER,
	URI_HOST,
	URI_PASSWORD,
	URI_PORT,
	URI_PARAMS,
	URI_HEADERS,
	URI_TRANSPORT,
	URI_TTL,
	URI_USER_PARAM,
	URI_MADDR,
	URI_METHOD,
	URI_LR,
	URI_R2,
	URI_SCHEME,
};

static struct span uri_part(const struct sip_uri *uri, enum uri_part part)
{
	switch (part) {
	case URI_USER: return uri_seen_user(uri);
	case URI_HOST: return uri_is_tel(uri) ? SPAN_OF("") : uri_seen_host(uri);
	case URI_PASSWORD: return uri->password;
	case URI_PORT: return uri->port_text;
	case URI_PARAMS: return uri->params;
	case URI_HEADERS: return uri->headers;
	case URI_TRANSPORT: return uri->transport_text;
	case URI_TTL: return uri_param_text(uri, SPAN_OF("ttl"));
	case URI_USER_PARAM: return uri->user_param;
	case URI_MADDR: return uri->maddr;
	case URI_METHOD: return uri_param_text(uri, SPAN_OF("method"));
	case URI_LR: return uri->lr;
	case URI_R2: return uri->r2;
	case URI_SCHEME: return uri->scheme_text;
	}
	return SPAN_OF("");
}

/* Parses the value; a malformed URI is logged. Nothing at all is empty, as every part of it. */
static bool parse_input(struct script_run *run, struct value *value, struct sip_uri *out_uri)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	if (uri_parse(text, out_uri))
		return true;
	if (text.len)
		log_debug("\"%.*s\" is no URI", SPAN_ARGS(text));
	return false;
}

static bool apply_uri(struct script_run *run, struct value *value, const struct span *args,
		      unsigned count, intptr_t part)
{
	struct sip_uri uri;
	return parse_input(run, value, &uri) &&
	       transform_text(value, uri_part(&uri, (enum uri_part)part));
}

static bool apply_uri_param(struct script_run *run, struct value *value, const struct span *args,
			    unsigned count, intptr_t selector)
{
	struct sip_uri uri;
	struct param param;
	if (!parse_input(run, value, &uri))
		return false;
	if (!uri_param(&uri, args[0], &param))
		param.value = SPAN_OF("");
	return transform_text(value, param.value);
}

/* The URI without one parameter. */
static bool apply_rmparam(struct script_run *run, struct value *value, const struct span *args,
			  unsigned count, intptr_t selector)
{
	struct sip_uri uri;
	struct param param;
	if (!parse_input(run, value, &uri))
		return false;
	if (!uri_param(&uri, args[0], &param))
		return transform_text(value, uri.whole);
	struct writer w = writer_in_arena(run->arena, uri.whole.len + 1);
	size_t at = (size_t)(param.whole.at - uri.whole.at);
	while (at > 0 && uri.whole.at[at - 1] != ';')
		at--;
	writer_bytes(&w, uri.whole.at, at ? at - 1 : 0);
	const char *end = param.whole.at + param.whole.len;
	writer_bytes(&w, end, (size_t)(uri.whole.at + uri.whole.len - end));
	return transform_written(value, &w);
}

/* "proto:host:port" of a URI that names its transport. */
static bool apply_tosocket(struct script_run *run, struct value *value, const struct span *args,
			   unsigned count, intptr_t selector)
{
	struct sip_uri uri;
	if (!parse_input(run, value, &uri))
		return false;
	if (uri.transport == SIP_TRANSPORT_NONE || uri.transport == SIP_TRANSPORT_OTHER) {
		log_warning("{uri.tosocket}: \"%.*s\" names no known transport",
			    SPAN_ARGS(uri.whole));
		return transform_text(value, SPAN_OF(""));
	}
	struct writer w = writer_in_arena(run->arena, uri.host.len + 16);
	writer_printf(&w, "%s:%.*s:%u", transport_name_lower((enum transport)uri.transport),
		      SPAN_ARGS(uri.host), uri_port(&uri));
	return transform_written(value, &w);
}

enum { SHORT_USER = 1, SHORT_TARGET = 2 };

/* duri: scheme, host, port, transport; saor: scheme, user, host; suri: all of these. */
static bool apply_short(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t what)
{
	struct sip_uri uri;
	if (!parse_input(run, value, &uri))
		return false;
	struct writer w = writer_in_arena(run->arena, uri.whole.len + 1);
	writer_span(&w, uri.scheme_text);
	writer_char(&w, ':');
	if (what & SHORT_USER && uri.user.len) {
		writer_span(&w, uri.user);
		if (uri.host.len)
			writer_char(&w, '@');
	}
	writer_span(&w, uri.host);
	if (what & SHORT_TARGET && uri.has_port)
		writer_printf(&w, ":%.*s", SPAN_ARGS(uri.port_text));
	if (what & SHORT_TARGET && uri.transport_text.len)
		writer_printf(&w, ";transport=%.*s", SPAN_ARGS(uri.transport_text));
	return transform_written(value, &w);
}

/* ---- nameaddr: the first address, read loosely: name "<" uri ">" or the whole text ----------- */

enum nameaddr_part { NAMEADDR_NAME, NAMEADDR_URI, NAMEADDR_LEN };

/* Where the "<" outside of quotes is; text.len when there is none. */
static size_t find_bracket(struct span text)
{
	bool in_quotes = false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\\' && in_quotes)
			i++;
		else if (text.at[i] == '"')
			in_quotes = !in_quotes;
		else if (text.at[i] == '<' && !in_quotes)
			return i;
	}
	return text.len;
}

static bool apply_nameaddr(struct script_run *run, struct value *value, const struct span *args,
			   unsigned count, intptr_t part)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	size_t open = find_bracket(text);
	size_t close = span_find(text, '>', open);
	bool has_brackets = close < text.len;
	struct span name = has_brackets ? span_slice(text, 0, open) : SPAN_OF("");
	struct span uri = has_brackets ? span_slice(text, open + 1, close - open - 1) : text;
	switch ((enum nameaddr_part)part) {
	case NAMEADDR_NAME: return transform_text(value, name);
	case NAMEADDR_URI: return transform_text(value, uri);
	case NAMEADDR_LEN:
		return transform_int(value, (int64_t)(has_brackets ? close + 1 : text.len));
	}
	return false;
}

enum tobody_part {
	TOBODY_URI,
	TOBODY_DISPLAY,
	TOBODY_TAG,
	TOBODY_USER,
	TOBODY_HOST,
	TOBODY_PARAMS
};

static bool apply_tobody(struct script_run *run, struct value *value, const struct span *args,
			 unsigned count, intptr_t part)
{
	struct span text;
	struct name_addr address;
	struct sip_uri uri;
	if (!transform_input(run, value, &text))
		return false;
	if (!name_addr_parse(text, &address)) {
		if (text.len)
			log_debug("\"%.*s\" is no address", SPAN_ARGS(text));
		return false;
	}
	switch ((enum tobody_part)part) {
	case TOBODY_URI: return transform_text(value, address.uri);
	case TOBODY_DISPLAY: return transform_text(value, address.display);
	case TOBODY_TAG: return transform_text(value, address.tag);
	case TOBODY_PARAMS: return transform_text(value, address.params);
	case TOBODY_USER:
	case TOBODY_HOST: break;
	}
	if (!uri_parse(address.uri, &uri))
		return false;
	return transform_text(value, part == TOBODY_USER ? uri_seen_user(&uri) : uri.host);
}

/* ---- sock: "proto:host:port" ---------------------------------------------------------------- */

struct socket_text {
	struct span proto, host, port;
};

static bool parse_socket(struct span text, struct socket_text *out)
{
	size_t colon = span_find(text, ':', 0);
	*out = (struct socket_text){ .host = text };
	if (transport_from_span(span_slice(text, 0, colon)) != TRANSPORT_NONE && colon < text.len) {
		out->proto = span_slice(text, 0, colon);
		out->host = span_slice(text, colon + 1, text.len);
	}
	size_t end = 0;
	if (out->host.len && out->host.at[0] == '[')
		end = span_find(out->host, ']', 0);
	size_t port = span_find(out->host, ':', end);
	if (port < out->host.len) {
		int64_t number;
		out->port = span_slice(out->host, port + 1, out->host.len);
		out->host = span_slice(out->host, 0, port);
		if (!span_to_int64(out->port, &number) || number < 0 || number > 65535)
			return false;
	}
	return out->host.len > 0;
}

enum sock_part { SOCK_HOST, SOCK_PORT, SOCK_PROTO, SOCK_URI };

static bool apply_sock(struct script_run *run, struct value *value, const struct span *args,
		       unsigned count, intptr_t part)
{
	struct span text;
	struct socket_text parts;
	if (!transform_input(run, value, &text))
		return false;
	if (!parse_socket(text, &parts)) {
		log_error("\"%.*s\" is no socket", SPAN_ARGS(text));
		return false;
	}
	switch ((enum sock_part)part) {
	case SOCK_HOST: return transform_text(value, parts.host);
	case SOCK_PORT: return transform_text(value, parts.port);
	case SOCK_PROTO: return transform_text(value, parts.proto);
	case SOCK_URI: break;
	}
	struct writer w = writer_in_arena(run->arena, text.len + 24);
	writer_printf(&w, "sip:%.*s", SPAN_ARGS(parts.host));
	if (parts.port.at)
		writer_printf(&w, ":%.*s", SPAN_ARGS(parts.port));
	if (parts.proto.at)
		writer_printf(&w, ";transport=%.*s", SPAN_ARGS(parts.proto));
	return transform_written(value, &w);
}

/* ---- urialias: "ip~port~protocol number" as in the alias parameter --------------------------- */

static bool apply_alias_encode(struct script_run *run, struct value *value, const struct span *args,
			       unsigned count, intptr_t selector)
{
	struct sip_uri uri;
	if (!parse_input(run, value, &uri))
		return false;
	unsigned transport = uri.transport;
	if (transport == SIP_TRANSPORT_NONE)
		transport = uri.scheme == URI_SIPS ? TRANSPORT_TLS : TRANSPORT_UDP;
	struct writer w = writer_in_arena(run->arena, uri.host.len + 16);
	writer_printf(&w, "%.*s~%u~%u", SPAN_ARGS(uri.host), uri_port(&uri), transport);
	return transform_written(value, &w);
}

static bool apply_alias_decode(struct script_run *run, struct value *value, const struct span *args,
			       unsigned count, intptr_t selector)
{
	struct span text, host, port, proto;
	int64_t transport, number;
	if (!transform_input(run, value, &text))
		return false;
	struct span rest = text;
	if (!span_split(&rest, '~', &host) || !span_split(&rest, '~', &port) ||
	    !span_split(&rest, '~', &proto) || !span_to_int64(port, &number) ||
	    !span_to_int64(proto, &transport) || transport < 1 || transport >= TRANSPORT_COUNT ||
	    number < 0 || number > 65535 || !host.len) {
		log_warning("\"%.*s\" is no alias of the form ip~port~protocol", SPAN_ARGS(text));
		return false;
	}
	struct writer w = writer_in_arena(run->arena, text.len + 24);
	writer_printf(&w, "sip:%.*s:%.*s", SPAN_ARGS(host), SPAN_ARGS(port));
	if (transport != TRANSPORT_UDP)
		writer_printf(&w, ";transport=%s", transport_name_lower((enum transport)transport));
	return transform_written(value, &w);
}

static const struct transform_row rows[] = {
	{ "uri", "user", apply_uri, .selector = URI_USER, .doc = "User part." },
	{ "uri", "host", apply_uri, .selector = URI_HOST, .doc = "Host; IPv6 in brackets." },
	{ "uri", "domain", apply_uri, .selector = URI_HOST, .doc = "Host; IPv6 in brackets." },
	{ "uri", "passwd", apply_uri, .selector = URI_PASSWORD, .doc = "Password." },
	{ "uri", "port", apply_uri, .selector = URI_PORT, .doc = "Port as written." },
	{ "uri", "params", apply_uri, .selector = URI_PARAMS, .doc = "Parameters." },
	{ "uri", "param", apply_uri_param, 1, 1, .doc = "Value of a parameter." },
	{ "uri", "rmparam", apply_rmparam, 1, 1, .doc = "The URI without a parameter." },
	{ "uri", "headers", apply_uri, .selector = URI_HEADERS, .doc = "Headers." },
	{ "uri", "transport", apply_uri, .selector = URI_TRANSPORT, .doc = "Value of transport=." },
	{ "uri", "ttl", apply_uri, .selector = URI_TTL, .doc = "Value of ttl=." },
	{ "uri", "uparam", apply_uri, .selector = URI_USER_PARAM, .doc = "Value of user=." },
	{ "uri", "maddr", apply_uri, .selector = URI_MADDR, .doc = "Value of maddr=." },
	{ "uri", "method", apply_uri, .selector = URI_METHOD, .doc = "Value of method=." },
	{ "uri", "lr", apply_uri, .selector = URI_LR, .doc = "Value of lr=." },
	{ "uri", "r2", apply_uri, .selector = URI_R2, .doc = "Value of r2=." },
	{ "uri", "scheme", apply_uri, .selector = URI_SCHEME, .doc = "Scheme." },
	{ "uri", "tosocket", apply_tosocket, .doc = "proto:host:port." },
	{ "uri", "duri", apply_short, .selector = SHORT_TARGET, .doc = "Scheme, host, port and transport only." },
	{ "uri", "saor", apply_short, .selector = SHORT_USER, .doc = "Scheme, user and host only." },
	{ "uri", "suri", apply_short, .selector = SHORT_USER | SHORT_TARGET, .doc = "Scheme, user, host, port and transport only." },
	{ "nameaddr", "name", apply_nameaddr, .selector = NAMEADDR_NAME, .doc = "Display name as written." },
	{ "nameaddr", "uri", apply_nameaddr, .selector = NAMEADDR_URI, .doc = "URI." },
	{ "nameaddr", "len", apply_nameaddr, .selector = NAMEADDR_LEN, .doc = "Length of name and URI." },
	{ "tobody", "uri", apply_tobody, .selector = TOBODY_URI, .doc = "URI." },
	{ "tobody", "display", apply_tobody, .selector = TOBODY_DISPLAY, .doc = "Display name with its quotes." },
	{ "tobody", "tag", apply_tobody, .selector = TOBODY_TAG, .doc = "Tag." },
	{ "tobody", "user", apply_tobody, .selector = TOBODY_USER, .doc = "User part of the URI." },
	{ "tobody", "host", apply_tobody, .selector = TOBODY_HOST, .doc = "Host of the URI." },
	{ "tobody", "params", apply_tobody, .selector = TOBODY_PARAMS, .doc = "Header parameters." },
	{ "sock", "host", apply_sock, .selector = SOCK_HOST, .doc = "Host of proto:host:port." },
	{ "sock", "port", apply_sock, .selector = SOCK_PORT, .doc = "Port of proto:host:port." },
	{ "sock", "proto", apply_sock, .selector = SOCK_PROTO, .doc = "Protocol of proto:host:port." },
	{ "sock", "touri", apply_sock, .selector = SOCK_URI, .doc = "proto:host:port as a URI." },
	{ "urialias", "encode", apply_alias_encode, .doc = "A URI as ip~port~protocol." },
	{ "urialias", "decode", apply_alias_decode, .doc = "ip~port~protocol as a URI." },
};
const struct transform_table transform_uri_table = ROWS(rows);
