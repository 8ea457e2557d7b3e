/* SPDX-License-Identifier: BSD-2-Clause */
/* uri: parses URIs (RFC 3261 19.1.1 and 25.1, RFC 3966, RFC 8141). Comparison is in uri_equal.c,
 * writing in uri_write.c. */
#include "parser/uri.h"

#include "core/base/check.h"
#include "parser/scan.h"

#define PARAMS_MOST 256 /* a URI with more of them is an attack, read again and again */

static enum uri_scheme scheme_from_name(struct span name)
{
	static const struct {
		struct span name;
		enum uri_scheme scheme;
	} schemes[] = {
		{ SPAN("sip"), URI_SIP },   { SPAN("sips"), URI_SIPS }, { SPAN("tel"), URI_TEL },
		{ SPAN("tels"), URI_TELS }, { SPAN("urn"), URI_URN },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (span_equal_nocase(schemes[i].name, name))
			return schemes[i].scheme;
	}
	return URI_OTHER;
}

/* scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
 * Reads it with the colon and returns what follows; NULL when there is none. */
static const char *scheme_read(const char *at, const char *end, struct span *out_name,
			       enum uri_scheme *out_scheme)
{
	const char *start = at;
	if (end - at > 4 && memcmp(at, "sip:", 4) == 0) {
		*out_name = span_make(at, 3);
		*out_scheme = URI_SIP;
		return at + 4;
	}
	if (at == end || !ascii_is_alpha(*at))
		return NULL;
	while (at < end && (ascii_is_alpha(*at) || ascii_is_digit(*at) || *at == '+' ||
			    *at == '-' || *at == '.'))
		at++;
	if (at == end || *at != ':')
		return NULL;
	*out_name = span_make(start, (size_t)(at - start));
	*out_scheme = scheme_from_name(*out_name);
	return at + 1;
}

enum uri_scheme uri_scheme_of(struct span text)
{
	struct span name;
	enum uri_scheme scheme;
	return scheme_read(text.at, text.at + text.len, &name, &scheme) ? scheme : URI_OTHER;
}

static void note_param(struct sip_uri *uri, const struct param *param)
{
	static const struct {
		struct span name;
		size_t member;
	} rows[] = {
		{ SPAN("lr"), offsetof(struct sip_uri, lr) },
		{ SPAN("transport"), offsetof(struct sip_uri, transport_text) },
		{ SPAN("user"), offsetof(struct sip_uri, user_param) },
		{ SPAN("maddr"), offsetof(struct sip_uri, maddr) },
		{ SPAN("r2"), offsetof(struct sip_uri, r2) },
	};
	bool has_escape = param->name.len > 3 && memchr(param->name.at, '%', param->name.len);
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
static const char *params_read(const char *at, const char *end, struct sip_uri *uri)
{
	const char *start = at;
	for (unsigned count = 0; at < end && *at == ';'; count++) {
		struct param param;
		if (count == PARAMS_MOST)
			return NULL;
		at++;
		if (at == end || *at == ';' || *at == '?')
			continue; /* empty parameters are common and harmless */
		at = param_read(uri->whole.at, at, end, ';', '?', &param);
		if (!at)
			return NULL;
		note_param(uri, &param);
	}
	if (at > start)
		uri->params = span_make(start + 1, (size_t)(at - start - 1));
	if (uri->transport_text.len)
		uri->transport = sip_transport_from_span(uri->transport_text);
	if (uri->transport == SIP_TRANSPORT_OTHER)
		uri->transport = SIP_TRANSPORT_NONE;
	return at;
}

/* userinfo = ( user / telephone-subscriber ) [ ":" password ] "@". The user may hold any of
 * ";?/&=+$,", so that only the sign at `sign` tells where it ends. */
static const char *userinfo_read(const char *at, const char *sign, struct sip_uri *uri)
{
	const char *colon = memchr(at, ':', (size_t)(sign - at));
	const char *end = colon ? colon : sign;
	if (end == at)
		return NULL;
	uri->user = span_make(at, (size_t)(end - at));
	if (colon)
		uri->password = span_make(colon + 1, (size_t)(sign - colon - 1));
	return sign + 1;
}

/* SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ] */
static bool sip_parse(const char *at, const char *end, const char *sign, struct sip_uri *uri)
{
	if (sign < end && !(at = userinfo_read(at, sign, uri)))
		return false;
	const char *start = at;
	at = host_end(uri->whole.at, start, end);
	if (!at)
		return false;
	uri->host = span_make(start, (size_t)(at - start));
	if (at < end && *at == ':') {
		const char *digits = at + 1;
		at = port_end(digits, end, &uri->port);
		if (!at)
			return false;
		uri->port_text = span_make(digits, (size_t)(at - digits));
		uri->has_port = true;
	}
	uri->hostport = span_make(start, (size_t)(at - start));
	if (at == end)
		return true;
	at = params_read(at, end, uri);
	if (!at || at == end)
		return at != NULL;
	uri->headers = span_make(at + 1, (size_t)(end - at - 1));
	return *at == '?';
}

/* telephone-uri = "tel:" ( global-number / local-number ) *( ";" parameter ) */
static bool tel_parse(const char *at, const char *end, struct sip_uri *uri)
{
	const char *start = at;
	while (at < end && *at != ';' && *at != '?')
		at++;
	uri->user = span_make(start, (size_t)(at - start));
	return uri->user.len > 0 && params_read(at, end, uri) == end;
}

bool uri_parse(struct span text, struct sip_uri *out_uri)
{
	const char *end = text.at + text.len;

	*out_uri = (struct sip_uri){ .whole = text };
	const char *at = scheme_read(text.at, end, &out_uri->scheme_text, &out_uri->scheme);
	if (!at || at == end)
		return false;
	const char *sign = scan_uri(text.at, end);
	if (!sign)
		return false;
	switch (out_uri->scheme) {
	case URI_SIP:
	case URI_SIPS: return sip_parse(at, end, sign, out_uri);
	case URI_TEL:
	case URI_TELS: return tel_parse(at, end, out_uri);
	case URI_URN:
	case URI_OTHER:
		out_uri->host = span_make(at, (size_t)(end - at));
		out_uri->hostport = out_uri->host;
		return true;
	}
	return false;
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

struct span uri_param_text(const struct sip_uri *uri, struct span name)
{
	struct param param;
	return uri_param(uri, name, &param) ? param_text(&param) : (struct span){ NULL, 0 };
}

struct span uri_user_params(const struct sip_uri *uri)
{
	size_t semicolon = span_find(uri->user, ';', 0);
	if (semicolon == uri->user.len)
		return (struct span){ NULL, 0 };
	return span_slice(uri->user, semicolon + 1, uri->user.len);
}
