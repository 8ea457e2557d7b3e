/* SPDX-License-Identifier: BSD-2-Clause */
/* uri_edit: see the header. A URI is written piece by piece:
 * scheme ":" [ user [ ":" password ] "@" ] host [ ":" port ] [ ";" params ] [ "?" headers ] */
#include "core/script/uri_edit.h"

#include "core/script/compile.h"

static bool is_seen_as_tel(const struct sip_uri *uri)
{
	return uri_is_sip(uri) && span_equal_nocase(uri->user_param, SPAN_OF("phone")) &&
	       script_limits()->phone2tel;
}

/* urn:service:sos — the name space stands for the user, the rest for the host. */
static struct span urn_part(const struct sip_uri *uri, bool is_user)
{
	size_t colon = span_find(uri->host, ':', 0);
	return is_user ? span_slice(uri->host, 0, colon)
		       : span_slice(uri->host, colon + 1, uri->host.len);
}

struct span uri_seen_host(const struct sip_uri *uri)
{
	return uri->scheme == URI_URN ? urn_part(uri, false) : uri->host;
}

struct span uri_seen_user(const struct sip_uri *uri)
{
	if (uri->scheme == URI_URN)
		return urn_part(uri, true);
	if (!is_seen_as_tel(uri))
		return uri->user;
	return span_slice(uri->user, 0, span_find(uri->user, ';', 0));
}

struct span uri_seen_user_params(const struct sip_uri *uri)
{
	return is_seen_as_tel(uri) ? uri_user_params(uri) : (struct span){ NULL, 0 };
}

struct span uri_seen_scheme(const struct sip_uri *uri)
{
	if (!is_seen_as_tel(uri))
		return uri->scheme_text;
	return uri->scheme == URI_SIPS ? SPAN_OF("tels") : SPAN_OF("tel");
}

/* The parameters with transport= replaced, added or removed. */
static void write_params(struct writer *w, const struct sip_uri *uri, bool change_transport,
			 struct span transport)
{
	struct param_list list = params_over(uri->params, ';');
	struct param param;
	if (!change_transport) {
		if (uri->params.at) {
			writer_char(w, ';');
			writer_span(w, uri->params);
		}
		return;
	}
	if (transport.len) {
		writer_literal(w, ";transport=");
		writer_span(w, transport);
	}
	while (uri->params.at && params_next(&list, &param) == LIST_ITEM) {
		if (span_equal_nocase(param.name, SPAN_OF("transport")))
			continue;
		writer_char(w, ';');
		writer_span(w, param.whole);
	}
}

static bool write_tel(struct writer *w, const struct sip_uri *uri, enum uri_piece piece,
		      struct span value)
{
	if (piece == URI_PIECE_HOST && value.len) {
		writer_literal(w, "sip:");
		writer_span(w, uri->user);
		write_params(w, uri, false, value);
		writer_char(w, '@');
		writer_span(w, value);
		writer_literal(w, ";user=phone");
		return !w->failed;
	}
	if (piece != URI_PIECE_USER || !value.len)
		return false;
	writer_span(w, uri->scheme_text);
	writer_char(w, ':');
	writer_span(w, value);
	write_params(w, uri, false, value);
	return !w->failed;
}

static bool write_urn(struct writer *w, const struct sip_uri *uri, enum uri_piece piece,
		      struct span value)
{
	if (piece != URI_PIECE_HOST || !value.len)
		return false;
	writer_printf(w, "sip:%.*s@%.*s", SPAN_ARGS(uri_seen_user(uri)), SPAN_ARGS(value));
	return !w->failed;
}

bool uri_write_changed(struct writer *w, const struct sip_uri *uri, enum uri_piece piece,
		       struct span value)
{
	if (uri_is_tel(uri))
		return write_tel(w, uri, piece, value);
	if (uri->scheme == URI_URN)
		return write_urn(w, uri, piece, value);
	if (!uri_is_sip(uri) || (piece == URI_PIECE_HOST && !value.at))
		return false;
	struct span user = piece == URI_PIECE_USER ? value : uri->user;
	struct span password = piece == URI_PIECE_PASSWORD ? value : uri->password;
	struct span port = piece == URI_PIECE_PORT ? value : uri->port_text;
	writer_span(w, uri->scheme_text);
	writer_char(w, ':');
	if (user.len) {
		writer_span(w, user);
		if (piece == URI_PIECE_USER && uri_seen_user_params(uri).len) {
			writer_char(w, ';');
			writer_span(w, uri_seen_user_params(uri));
		}
		if (password.len) {
			writer_char(w, ':');
			writer_span(w, password);
		}
		writer_char(w, '@');
	}
	writer_span(w, piece == URI_PIECE_HOST ? value : uri->host);
	if (port.len) {
		writer_char(w, ':');
		writer_span(w, port);
	}
	write_params(w, uri, piece == URI_PIECE_TRANSPORT, value);
	if (uri->headers.at) {
		writer_char(w, '?');
		writer_span(w, uri->headers);
	}
	return !w->failed;
}
