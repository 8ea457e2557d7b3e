/* SPDX-License-Identifier: BSD-2-Clause */
/* The body of notifications:
 *
 *   list   = *( line ( CRLF / LF ) )
 *   line   = "sip:" host [ ":" port ] *( ";" param )
 *   param  = "transport=" name / "status=" name / anything else, which is not looked at
 *   status = "active" / "disabled" / "timeout" / "pending" / "not_active"
 */
#include "modules/dmq/list.h"

#include "core/base/hash.h"
#include "parser/uri.h"

static const char *const status_names[NODE_STATUS_COUNT] = {
	[NODE_ACTIVE] = "active",	[NODE_NOT_ACTIVE] = "not_active", [NODE_DISABLED] = "disabled",
	[NODE_TIMEOUT] = "timeout",	[NODE_PENDING] = "pending",
};

const char *node_status_name(enum node_status status)
{
	return status_names[status];
}

bool node_status_from(struct span name, enum node_status *out_status)
{
	for (unsigned i = 0; i < NODE_STATUS_COUNT; i++) {
		if (!span_equal(name, span_from(status_names[i])))
			continue;
		*out_status = (enum node_status)i;
		return true;
	}
	return false;
}

/* Nodes without a port are told as "sip:host:;status=…" by others. */
static struct span without_empty_port(struct span text, char *buffer, size_t size)
{
	size_t at = span_find_span(text, SPAN_OF(":;"));
	if (at == text.len || text.len >= size)
		return text;
	memcpy(buffer, text.at, at);
	memcpy(buffer + at, text.at + at + 1, text.len - at - 1);
	return span_make(buffer, text.len - 1);
}

static bool read_status(const struct sip_uri *uri, enum node_status *out_status)
{
	struct param param;
	*out_status = NODE_PENDING;
	return !uri_param(uri, SPAN_OF("status"), &param) ||
	       node_status_from(param.value, out_status);
}

bool node_entry_parse(struct span text, struct node_entry *out_entry)
{
	char buffer[512];
	struct sip_uri uri;
	enum node_status status;
	enum transport transport;
	struct span whole = span_trim(text);
	if (!uri_parse(without_empty_port(whole, buffer, sizeof(buffer)), &uri) ||
	    uri.scheme != URI_SIP || !uri.host.len || uri.host.len > NODE_HOST_MOST ||
	    !read_status(&uri, &status))
		return false;
	transport = transport_from_span(uri.transport_text);
	if (uri.transport_text.at && transport == TRANSPORT_NONE)
		return false;
	/* What was cut out lies behind the host, or the host is not where it seems to be. */
	struct span host = uri.host;
	if (uri.whole.at == buffer && uri.user.at)
		return false;
	if (uri.whole.at == buffer)
		host.at = whole.at + (uri.host.at - buffer);
	*out_entry = (struct node_entry){ host, uri.port, transport, status };
	return true;
}

bool node_list_next(struct span *rest, struct node_entry *out_entry, unsigned *skipped)
{
	struct span line;
	while (rest->len && span_split(rest, '\n', &line)) {
		if (!span_trim(line).len)
			continue;
		if (node_entry_parse(line, out_entry))
			return true;
		(*skipped)++;
	}
	return false;
}

void node_entry_write_uri(struct writer *w, struct span user, const struct node_entry *entry)
{
	writer_literal(w, "sip:");
	if (user.len)
		writer_printf(w, "%.*s@", SPAN_ARGS(user));
	writer_span(w, entry->host);
	if (entry->port)
		writer_printf(w, ":%u", entry->port);
	if (entry->transport > TRANSPORT_UDP)
		writer_printf(w, ";transport=%s", transport_name_lower(entry->transport));
}

void node_entry_write_line(struct writer *w, const struct node_entry *entry)
{
	node_entry_write_uri(w, SPAN_OF(""), entry);
	writer_printf(w, ";status=%s\r\n", node_status_name(entry->status));
}

static unsigned transport_of(const struct node_entry *entry)
{
	return entry->transport == TRANSPORT_NONE ? TRANSPORT_UDP : entry->transport;
}

static unsigned port_of(const struct node_entry *entry)
{
	return entry->port ? entry->port : transport_default_port(entry->transport);
}

bool node_entry_equal(const struct node_entry *a, const struct node_entry *b)
{
	return span_equal_nocase(a->host, b->host) && port_of(a) == port_of(b) &&
	       transport_of(a) == transport_of(b);
}

uint64_t node_entry_hash(const struct node_entry *entry)
{
	return hash_mix(hash_span_nocase(entry->host),
			(uint64_t)port_of(entry) << 8 | transport_of(entry));
}
