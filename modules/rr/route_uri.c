/* SPDX-License-Identifier: BSD-2-Clause */
/* The URIs in Route headers: which of them are ours, and which of our sockets they name.
 *
 * Most are as record.c wrote them, "sip:host:port;lr" with at most the tag of From behind it. What such a
 * URI means was found out at start for each socket, so that it is recognised instead of parsed. */
#include "modules/rr/rr.h"
#include "parser/scan.h"

#define FTAG     ";ftag="
#define FTAG_LEN 6

static struct {
	struct route_uri *uris; /* one for each listener; its text absent: it is none of ours */
	unsigned count;
} known;

bool uri_is_ours(const struct sip_uri *uri)
{
	return uri_is_sip(uri) && is_myself(uri->host, uri_port(uri), TRANSPORT_NONE);
}

struct span uri_params_with_start(const struct sip_uri *uri)
{
	if (!uri->params.at || !uri->params.len)
		return SPAN_OF("");
	return span_make(uri->params.at - 1, uri->params.len + 1);
}

static enum transport transport_of(const struct sip_uri *uri)
{
	if (uri->transport != SIP_TRANSPORT_NONE && uri->transport != SIP_TRANSPORT_OTHER)
		return (enum transport)uri->transport;
	return uri->scheme == URI_SIPS ? TRANSPORT_TLS : TRANSPORT_UDP;
}

static const struct listener *listener_of(const struct sip_uri *uri)
{
	struct param name;
	if (rr_settings->sockname_mode && uri_param(uri, SPAN_OF("sn"), &name) && name.value.len) {
		const struct listener *named = listener_by_name(name.value);
		if (named)
			return named;
	}
	struct end_point address;
	enum transport transport = transport_of(uri);
	uint16_t port = uri_port(uri);
	for (unsigned i = 0; i < listener_count(); i++) {
		const struct listener *l = listener_at(i);
		uint16_t advertised = l->advertised_port ? l->advertised_port : l->address.port;
		if (l->address.transport == transport && port == advertised &&
		    host_equal(l->host, uri->host))
			return l;
	}
	if (!end_point_parse_ip(uri->host, &address))
		return NULL;
	address.port = port;
	address.transport = (uint8_t)transport;
	return listener_find(&address);
}

[[gnu::noinline]] static bool read_unknown(struct span text, struct route_uri *out)
{
	struct sip_uri uri;
	if (!uri_parse(text, &uri))
		return false;
	bool is_ours = uri_is_ours(&uri);
	*out = (struct route_uri){ .text = text,
				   .params = uri_params_with_start(&uri),
				   .listener = is_ours ? listener_of(&uri) : NULL,
				   .is_ours = is_ours,
				   .is_loose = uri.lr.at,
				   .is_double = uri.r2.at };
	return true;
}

/* Is it the known URI, perhaps with ";ftag=" and a plain tag? */
static bool is_known(const struct route_uri *uri, struct span text)
{
	if (!uri->text.len || !span_starts_with(text, uri->text))
		return false;
	const char *at = text.at + uri->text.len, *end = text.at + text.len;
	if (at == end)
		return true;
	return end - at > FTAG_LEN && memcmp(at, FTAG, FTAG_LEN) == 0 &&
	       scan_host(text.at, at + FTAG_LEN, end) == end;
}

bool route_uri_read(struct span text, struct route_uri *out)
{
	for (unsigned i = 0; i < known.count; i++)
		if (is_known(&known.uris[i], text)) {
			*out = known.uris[i];
			size_t before = (size_t)(out->params.at - out->text.at);
			out->text = text;
			out->params = span_make(text.at + before, text.len - before);
			return true;
		}
	return read_unknown(text, out);
}

struct span route_uri_known(const struct listener *listener)
{
	bool is_named = rr_settings->sockname_mode && listener->name.len;
	return is_named || listener->index >= known.count ? SPAN_OF("")
							  : known.uris[listener->index].text;
}

bool route_uris_start(void)
{
	unsigned count = listener_count();
	known.uris = ARENA_ARRAY(startup_arena(), struct route_uri, count);
	if (!known.uris)
		return false;
	for (unsigned i = 0; i < count; i++) {
		struct writer w = writer_in_arena(startup_arena(), 64);
		writer_literal(&w, "sip:");
		listener_write_reachable(&w, listener_at(i));
		record_write_lr(&w);
		if (w.failed || !read_unknown(writer_result(&w), &known.uris[i]) ||
		    !known.uris[i].is_ours)
			known.uris[i] = (struct route_uri){ 0 };
	}
	known.count = count;
	return true;
}
