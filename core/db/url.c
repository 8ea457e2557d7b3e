/* SPDX-License-Identifier: BSD-2-Clause */
/* Database URLs:
 *
 *   url   = scheme ":" [ "//" ] ( [ user [ ":" password ] "@" ] host [ ":" port ] [ "/" name ] )
 *   host  = name / IPv4 / "[" IPv6 "]" / "%2F" path-of-a-local-socket (with "%2F" for "/")
 *
 * The password ends at the last "@", so it needs no escapes. */
#include "core/base/writer.h"
#include "core/db/driver.h"

/* Where user and password are: [start, at) of the text; at == len when there are none. */
struct credentials {
	size_t scheme_end; /* the ':' */
	size_t start;
	size_t colon; /* between user and password, or `at` */
	size_t at;    /* the '@' */
};

static struct credentials find_credentials(struct span text)
{
	struct credentials found = { .scheme_end = span_find(text, ':', 0), .at = text.len };
	found.start = found.scheme_end < text.len ? found.scheme_end + 1 : text.len;
	if (span_starts_with(span_slice(text, found.start, 2), SPAN_OF("//")))
		found.start += 2;
	for (size_t i = text.len; i > found.start; i--)
		if (text.at[i - 1] == '@') {
			found.at = i - 1;
			break;
		}
	found.colon = span_find(span_slice(text, 0, found.at), ':', found.start);
	return found;
}

struct span db_url_without_password(struct span url, struct writer *out)
{
	struct credentials found = find_credentials(url);
	size_t from = out->len;
	/* "user:password@host" without a scheme looks like one with the scheme "user". */
	if (found.at < url.len && found.start == found.scheme_end + 1)
		found.colon = found.scheme_end;
	if (found.at == url.len || found.colon >= found.at) {
		writer_span(out, url);
	} else {
		writer_span(out, span_slice(url, 0, found.colon));
		writer_literal(out, ":***");
		writer_span(out, span_slice(url, found.at, url.len));
	}
	return span_make(out->data + from, out->len - from);
}

/* A zero-terminated copy; what is empty becomes absent. */
static bool keep(struct arena *arena, struct span part, struct span *out)
{
	char *copy = part.len ? arena_string(arena, part) : NULL;
	*out = (struct span){ copy, copy ? part.len : 0 };
	return copy || !part.len;
}

/* The path of a local socket, "%2F" replaced. */
static bool keep_host(struct arena *arena, struct span host, struct span *out)
{
	if (!span_starts_with_nocase(host, SPAN_OF("%2F")))
		return keep(arena, host, out);
	struct writer w = writer_in_arena(arena, host.len + 1);
	for (size_t i = 0; i < host.len; i++) {
		if (span_starts_with_nocase(span_slice(host, i, 3), SPAN_OF("%2F"))) {
			writer_char(&w, '/');
			i += 2;
		} else {
			writer_char(&w, host.at[i]);
		}
	}
	if (!writer_terminate(&w))
		return false;
	*out = writer_result(&w);
	return true;
}

/* host [ ":" port ] */
static const char *parse_host(struct span text, struct arena *arena, struct db_url *out)
{
	struct span host, port = { 0 };
	uint32_t number = 0;
	if (text.len && text.at[0] == '[') {
		size_t close = span_find(text, ']', 0);
		if (close == text.len)
			return "the IPv6 address has no \"]\"";
		host = span_slice(text, 1, close - 1);
		if (close + 1 < text.len && text.at[close + 1] != ':')
			return "after \"]\" comes \":\" and a port, or \"/\"";
		port = span_slice(text, close + 2, text.len);
	} else {
		size_t colon = span_find(text, ':', 0);
		host = span_slice(text, 0, colon);
		port = span_slice(text, colon + 1, text.len);
	}
	if (port.len && (!span_to_uint32(port, &number) || number == 0 || number > 65535))
		return "the port is a number from 1 to 65535";
	out->port = (uint16_t)number;
	return keep_host(arena, host, &out->host) ? NULL : "no memory for it";
}

static bool is_scheme(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alpha(text.at[i]) && !ascii_is_digit(text.at[i]) && text.at[i] != '_')
			return false;
	return text.len > 0;
}

const char *db_url_parse(struct span text, struct arena *arena, struct db_url *out)
{
	struct credentials found = find_credentials(text);
	struct span scheme = span_slice(text, 0, found.scheme_end), user = { 0 }, password = { 0 };
	*out = (struct db_url){ 0 };
	if (found.scheme_end == text.len || !is_scheme(scheme))
		return "it begins with the name of a driver and \":\", like mysql://user:password@host/name";
	if (span_find(text, '\0', 0) < text.len)
		return "it has a zero byte";
	struct span server = span_slice(text, found.start, text.len);
	if (found.at < text.len) {
		user = span_slice(text, found.start, found.colon - found.start);
		if (found.colon < found.at)
			password = span_slice(text, found.colon + 1, found.at - found.colon - 1);
		server = span_slice(text, found.at + 1, text.len);
	}
	size_t slash = span_find(server, '/', 0);
	struct writer shown = writer_in_arena(arena, text.len + 4);
	out->shown = db_url_without_password(text, &shown);
	if (!writer_terminate(&shown) || !keep(arena, scheme, &out->scheme) ||
	    !keep(arena, user, &out->user) || !keep(arena, password, &out->password) ||
	    !keep(arena, span_slice(server, slash + 1, server.len), &out->name) ||
	    !keep(arena, span_slice(text, found.scheme_end + 1, text.len), &out->rest))
		return "no memory for it";
	out->shown = writer_result(&shown);
	return parse_host(span_slice(server, 0, slash), arena, out);
}

/* ---- putting together ------------------------------------------------------------------------ */

static void write_host(struct writer *w, const struct db_url *parts)
{
	bool is_ipv6 = span_find(parts->host, ':', 0) < parts->host.len;
	writer_string(w, is_ipv6 ? "[" : "");
	for (size_t i = 0; i < parts->host.len; i++) {
		if (parts->host.at[i] == '/')
			writer_literal(w, "%2F");
		else
			writer_char(w, parts->host.at[i]);
	}
	writer_string(w, is_ipv6 ? "]" : "");
	if (parts->port)
		writer_printf(w, ":%u", parts->port);
}

void db_url_write(const struct db_url *parts, struct writer *w)
{
	writer_span(w, parts->scheme);
	writer_char(w, ':');
	if (parts->rest.len) {
		writer_span(w, parts->rest);
		return;
	}
	writer_literal(w, "//");
	if (parts->user.len) {
		writer_span(w, parts->user);
		if (parts->password.len) {
			writer_char(w, ':');
			writer_span(w, parts->password);
		}
		writer_char(w, '@');
	}
	write_host(w, parts);
	writer_char(w, '/');
	writer_span(w, parts->name);
}
