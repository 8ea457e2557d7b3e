/* SPDX-License-Identifier: BSD-2-Clause */
/* uri: parses URIs (RFC 3261 19.1.1 and 25.1, RFC 3966, RFC 8141). Comparison is in uri_equal.c,
 * writing in uri_write.c. */
#include "parser/uri.h"

#include "core/base/check.h"
#include "parser/scan.h"

#define PARAMS_MOST 256 /* a URI with more of them is an attack, read again and again */

static const struct {
	struct span name;
	enum uri_scheme scheme;
} schemes[] = {
	{ SPAN("sip"), URI_SIP },   { SPAN("sips"), URI_SIPS }, { SPAN("tel"), URI_TEL },
	{ SPAN("tels"), URI_TELS }, { SPAN("urn"), URI_URN },
};

static enum uri_scheme scheme_from_name(struct span name)
{
	if (name.len == 3 && memcmp(name.at, "sip", 3) == 0)
		return URI_SIP;
	for (unsigned i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (schemes[i].name.len == name.len && span_equal_nocase(schemes[i].name, name))
			return schemes[i].scheme;
	}
	return URI_OTHER;
}

/* scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) */
static bool scheme_take(struct cursor *in, struct span *out_name)
{
	const char *start = in->at;
	if (cursor_is_end(in) || !ascii_is_alpha(*in->at))
		return false;
	if (cursor_left(in) > 4 && memcmp(in->at, "sip:", 4) == 0) {
		*out_name = span_make(in->at, 3);
		in->at += 4;
		return true;
	}
	while (in->at < in->end && (ascii_is_alpha(*in->at) || ascii_is_digit(*in->at) ||
				    *in->at == '+' || *in->at == '-' || *in->at == '.'))
		in->at++;
	struct span name = cursor_since(in, start);
	if (!cursor_take(in, ':'))
		return false;
	*out_name = name;
	return true;
}

enum uri_scheme uri_scheme_of(struct span text)
{
	struct cursor in = cursor_over(text);
	struct span name;
	return scheme_take(&in, &name) ? scheme_from_name(name) : URI_OTHER;
}

/* Bytes that no URI contains, however tolerant the reader. */
static bool has_forbidden_byte(struct span text)
{
	return scan_forbidden(text.at, text.at + text.len);
}

static struct span param_text(const struct param *param)
{
	return param->has_value ? param->value : span_make(param->name.at + param->name.len, 0);
}

static void note_param(struct sip_uri *uri, const struct param *param)
{
	static const struct {
		struct span name;
		size_t member;
	} rows[] = {
		{ SPAN("transport"), offsetof(struct sip_uri, transport_text) },
		{ SPAN("lr"), offsetof(struct sip_uri, lr) },
		{ SPAN("user"), offsetof(struct sip_uri, user_param) },
		{ SPAN("method"), offsetof(struct sip_uri, method) },
		{ SPAN("ttl"), offsetof(struct sip_uri, ttl) },
		{ SPAN("maddr"), offsetof(struct sip_uri, maddr) },
		{ SPAN("r2"), offsetof(struct sip_uri, r2) },
		{ SPAN("ob"), offsetof(struct sip_uri, ob) },
		{ SPAN("gr"), offsetof(struct sip_uri, gr) },
		{ SPAN("phone-context"), offsetof(struct sip_uri, phone_context) },
	};
	bool has_escape = span_find(param->name, '%', 0) < param->name.len;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (has_escape ? !uri_piece_equal(rows[i].name, param->name)
			       : !span_equal_nocase(rows[i].name, param->name))
			continue;
		struct span *member = (struct span *)(void *)((char *)uri + rows[i].member);
		if (!member->at)
			*member = param_text(param);
		return;
	}
}

/* uri-parameters = *( ";" uri-parameter ); ends at "?" or the end */
static bool params_take(struct cursor *in, struct sip_uri *uri)
{
	const char *start = in->at;
	unsigned count = 0;
	while (cursor_take(in, ';')) {
		struct param param;
		if (++count > PARAMS_MOST)
			return false;
		if (cursor_is_end(in) || *in->at == ';' || *in->at == '?')
			continue; /* empty parameters are common and harmless */
		if (!param_take(in, ';', '?', &param))
			return false;
		note_param(uri, &param);
	}
	if (in->at > start)
		uri->params = span_make(start + 1, (size_t)(in->at - start - 1));
	if (uri->transport_text.len)
		uri->transport = sip_transport_from_span(uri->transport_text);
	if (uri->transport == SIP_TRANSPORT_OTHER)
		uri->transport = SIP_TRANSPORT_NONE;
	return true;
}

/* userinfo = ( user / telephone-subscriber ) [ ":" password ] "@". The user may hold any of
 * ";?/&=+$,", so that only "@" tells whether there is one. */
static bool userinfo_take(struct cursor *in, struct sip_uri *uri)
{
	struct span rest = cursor_rest(in);
	size_t at = span_find(rest, '@', 0), colon = 0;
	if (at == rest.len)
		return true;
	while (colon < at && rest.at[colon] != ':')
		colon++;
	uri->user = span_make(rest.at, colon);
	if (colon == 0)
		return false;
	if (colon < at)
		uri->password = span_make(rest.at + colon + 1, at - colon - 1);
	size_t semicolon = 0;
	while (semicolon < colon && rest.at[semicolon] != ';')
		semicolon++;
	if (semicolon < colon)
		uri->user_params = span_make(rest.at + semicolon + 1, colon - semicolon - 1);
	in->at += at + 1;
	return true;
}

/* SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ] */
static bool sip_parse(struct cursor *in, struct sip_uri *uri)
{
	if (!userinfo_take(in, uri))
		return false;
	const char *start = in->at;
	if (!host_take(in, &uri->host, &uri->host_kind))
		return false;
	if (cursor_take(in, ':')) {
		const char *digits = in->at;
		if (!port_take(in, &uri->port))
			return false;
		uri->port_text = cursor_since(in, digits);
		uri->has_port = true;
	}
	uri->hostport = cursor_since(in, start);
	if (!params_take(in, uri))
		return false;
	if (cursor_take(in, '?')) {
		uri->headers = cursor_rest(in);
		in->at = in->end;
	}
	return cursor_is_end(in);
}

/* telephone-uri = "tel:" ( global-number / local-number ) *( ";" parameter ) */
static bool tel_parse(struct cursor *in, struct sip_uri *uri)
{
	const char *start = in->at;
	while (in->at < in->end && *in->at != ';' && *in->at != '?')
		in->at++;
	uri->user = cursor_since(in, start);
	return uri->user.len > 0 && params_take(in, uri) && cursor_is_end(in);
}

bool uri_parse(struct span text, struct sip_uri *out_uri)
{
	struct sip_uri uri = { .whole = text };
	struct cursor in = cursor_over(text);

	if (!scheme_take(&in, &uri.scheme_text) || cursor_is_end(&in) || has_forbidden_byte(text))
		return false;
	uri.scheme = scheme_from_name(uri.scheme_text);
	switch (uri.scheme) {
	case URI_SIP:
	case URI_SIPS:
		if (!sip_parse(&in, &uri))
			return false;
		break;
	case URI_TEL:
	case URI_TELS:
		if (!tel_parse(&in, &uri))
			return false;
		break;
	case URI_URN:
	case URI_OTHER:
		uri.host = cursor_rest(&in);
		uri.hostport = uri.host;
		break;
	}
	*out_uri = uri;
	return true;
}

uint16_t uri_port(const struct sip_uri *uri)
{
	if (uri->has_port)
		return uri->port;
	bool is_secure = uri->scheme == URI_SIPS || uri->scheme == URI_TELS ||
			 uri->transport == SIP_TRANSPORT_TLS || uri->transport == SIP_TRANSPORT_WSS;
	return is_secure ? 5061 : 5060;
}

bool uri_param(const struct sip_uri *uri, struct span name, struct param *out_param)
{
	struct param_list list = params_over(uri->params, ';');
	struct param param;
	while (params_next(&list, &param) == LIST_ITEM) {
		if (uri_piece_equal(param.name, name)) {
			*out_param = param;
			return true;
		}
	}
	return false;
}
