/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP/1.1 answers (RFC 9112). */
#include "core/message/http.h"

static bool names_token(struct span list, struct span token)
{
	struct span item;
	while (span_split(&list, ',', &item))
		if (span_equal_nocase(span_trim(item), token))
			return true;
	return false;
}

/* RFC 9112 9.3: connections stay open unless the client says otherwise, those of HTTP/1.0 do not. The
 * script may want it too (set_reply_close). */
static bool closes(const struct message *request)
{
	struct span connection =
		message_header_value(request, message_header_named(request, SPAN_OF("Connection")));
	struct span first = span_slice(request->bytes, 0, span_find(request->bytes, '\n', 0));
	if (request->notes & NOTE_REPLY_CLOSE)
		return true;
	if (span_ends_with(span_trim(first), SPAN_OF("HTTP/1.0")))
		return !names_token(connection, SPAN_OF("keep-alive"));
	return names_token(connection, SPAN_OF("close"));
}

/* What a script or a fault says becomes part of a line; it must not end it. */
static void write_in_line(struct writer *w, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		writer_char(w, (unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f ? ' '
										     : text.at[i]);
}

void render_http_reply(struct writer *w, const struct message *request,
		       const struct http_reply *reply)
{
	writer_printf(w, "HTTP/1.1 %03u ", reply->code);
	write_in_line(w, reply->reason);
	if (reply->content_type.len) {
		writer_literal(w, "\r\nContent-Type: ");
		write_in_line(w, reply->content_type);
	}
	writer_literal(w, "\r\n");
	for (const struct edit *line = request->reply_lines; line; line = line->next)
		if (line->tag == EDIT_TAG_NONE)
			writer_span(w, line->text);
	writer_span(w, render_options()->server_line);
	if (closes(request))
		writer_literal(w, "Connection: close\r\n");
	writer_printf(w, "Content-Length: %zu\r\n\r\n", reply->body.len);
	if (!span_equal(message_method_name(request), SPAN_OF("HEAD")))
		writer_span(w, reply->body);
}

bool http_reply_send(const struct message *request, const struct http_reply *reply)
{
	struct writer w = writer_in_arena(request->arena, reply->body.len + 512);
	struct send_target target = {
		.to = request->from.source,
		.from = request->from.listener,
		.connection = request->from.connection,
		.no_connect = true,
		.close_after = closes(request),
	};
	if (!request->index->is_http || !request->from.connection)
		return false;
	render_http_reply(&w, request, reply);
	return !w.failed && send_bytes(&target, writer_result(&w), true) == SEND_OK;
}

/* The target without scheme and authority: both "/a?b" and "http://host/a?b" come. */
static struct span origin_form(struct span url)
{
	size_t scheme = span_find_span(url, SPAN_OF("://"));
	if (scheme == url.len || url.at[0] == '/')
		return url;
	size_t slash = span_find(url, '/', scheme + 3);
	return span_slice(url, slash, url.len);
}

struct span http_path(struct span url)
{
	struct span target = origin_form(url);
	return span_slice(target, 0, span_find(target, '?', 0));
}

struct span http_query(struct span url)
{
	size_t mark = span_find(url, '?', 0);
	return mark < url.len ? span_slice(url, mark + 1, url.len) : SPAN_OF("");
}
