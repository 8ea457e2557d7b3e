/* SPDX-License-Identifier: BSD-2-Clause */
/* sdp: cuts session descriptions into lines, sessions and media (RFC 8866 5 and 9). What the
 * attributes mean is in sdp_codec.c. */
#include "parser/sdp.h"

/* field = 1*( visible or 8-bit ) up to a space */
static bool field_take(struct cursor *in, struct span *out_field)
{
	while (cursor_peek(in) == ' ')
		in->at++;
	const char *start = in->at;
	while (in->at < in->end && *in->at != ' ')
		in->at++;
	*out_field = cursor_since(in, start);
	return out_field->len > 0;
}

static bool only_spaces_left(struct cursor *in)
{
	while (cursor_peek(in) == ' ')
		in->at++;
	return cursor_is_end(in);
}

/* type "=" value (CRLF / LF / end) */
enum list_result sdp_line_next(struct span *rest, struct sdp_line *out_line)
{
	struct cursor in = cursor_over(*rest);
	while (cursor_peek(&in) == '\r' || cursor_peek(&in) == '\n')
		in.at++;
	if (cursor_is_end(&in)) {
		*rest = (struct span){ NULL, 0 };
		return LIST_END;
	}
	if (!ascii_is_alpha(*in.at) || cursor_peek_at(&in, 1) != '=')
		return LIST_BAD;
	const char *start = in.at;
	size_t len = span_find(cursor_rest(&in), '\n', 0);
	const char *end = start + len;
	in.at = cursor_left(&in) > len ? end + 1 : end;
	if (end[-1] == '\r') /* at least "x=" is before it */
		end--;
	*out_line = (struct sdp_line){
		.type = *start,
		.value = span_make(start + 2, (size_t)(end - start - 2)),
		.whole = span_make(start, (size_t)(end - start)),
		.with_end = cursor_since(&in, start),
	};
	*rest = cursor_rest(&in);
	return LIST_ITEM;
}

/* connection = "c=" nettype SP addrtype SP connection-address */
static bool connection_parse(const struct sdp_line *line, struct sdp_connection *out)
{
	struct cursor in = cursor_over(line->value);
	struct sdp_connection connection = { .line = line->whole };
	if (!field_take(&in, &connection.nettype) || !field_take(&in, &connection.addrtype) ||
	    !field_take(&in, &connection.address) || !only_spaces_left(&in))
		return false;
	connection.address.len = span_find(connection.address, '/', 0);
	connection.is_ipv6 = span_equal_nocase(connection.addrtype, SPAN_OF("IP6"));
	if (connection.address.len == 0)
		return false;
	*out = connection;
	return true;
}

/* origin = "o=" username SP sess-id SP sess-version SP nettype SP addrtype SP unicast-address. Read
 * from the right, because some user names have spaces. */
static bool origin_parse(const struct sdp_line *line, struct sdp_origin *out)
{
	struct sdp_origin origin = { .line = line->whole };
	struct span *const fields[] = {
		&origin.address, &origin.addrtype,   &origin.nettype,
		&origin.version, &origin.session_id,
	};
	struct span left = span_trim(line->value);
	for (unsigned i = 0; i < 5; i++) {
		size_t start = left.len;
		while (start > 0 && left.at[start - 1] != ' ')
			start--;
		if (start == 0 || start == left.len)
			return false;
		*fields[i] = span_slice(left, start, left.len);
		left = span_trim(span_slice(left, 0, start));
	}
	origin.username = left;
	if (left.len == 0)
		return false;
	*out = origin;
	return true;
}

/* media-field = "m=" media SP port ["/" integer] SP proto 1*(SP fmt) */
static bool media_line_parse(const struct sdp_line *line, struct sdp_media *out)
{
	struct cursor in = cursor_over(line->value);
	struct span port;
	uint64_t number;

	out->line = line->whole;
	out->port_count = 1;
	if (!field_take(&in, &out->type) || !field_take(&in, &port) ||
	    !field_take(&in, &out->protocol))
		return false;
	out->formats = span_trim(cursor_rest(&in));

	struct cursor digits = cursor_over(port);
	if (!cursor_take_number(&digits, UINT16_MAX, &number))
		return false;
	out->port = (uint16_t)number;
	out->port_text = cursor_since(&digits, port.at);
	if (cursor_take(&digits, '/')) {
		if (!cursor_take_number(&digits, UINT16_MAX, &number))
			return false;
		out->port_count = (uint32_t)number;
	}
	return cursor_is_end(&digits);
}

static bool line_is_right(const struct sdp_line *line)
{
	struct sdp_connection connection;
	struct sdp_origin origin;
	struct sdp_media media;
	switch (line->type) {
	case 'c': return connection_parse(line, &connection);
	case 'o': return origin_parse(line, &origin);
	case 'm': return media_line_parse(line, &media);
	}
	return true;
}

enum list_result sdp_session_next(struct span *rest, struct sdp_session *out_session)
{
	struct sdp_session session = { 0 };
	struct span left = *rest, before = left;
	struct sdp_line line;
	enum list_result result = sdp_line_next(&left, &line);

	if (result != LIST_ITEM) {
		if (result == LIST_END)
			*rest = left;
		return result;
	}
	if (line.type != 'v')
		return LIST_BAD;
	const char *start = line.whole.at, *end = left.at, *media = NULL;
	for (before = left; (result = sdp_line_next(&left, &line)) == LIST_ITEM; before = left) {
		if (line.type == 'v')
			break;
		if (!line_is_right(&line))
			return LIST_BAD;
		end = line.with_end.at + line.with_end.len;
		if (line.type == 'm') {
			session.media_count++;
			if (!media)
				media = line.whole.at;
		} else if (!media && line.type == 'c' && !session.connection.line.at) {
			(void)connection_parse(&line, &session.connection);
		} else if (!media && line.type == 'o' && !session.origin.line.at) {
			(void)origin_parse(&line, &session.origin);
		}
	}
	if (result == LIST_BAD)
		return LIST_BAD;
	session.text = span_make(start, (size_t)(end - start));
	session.header = span_make(start, (size_t)((media ? media : end) - start));
	session.media = media ? span_make(media, (size_t)(end - media)) : span_make(end, 0);
	*rest = result == LIST_ITEM ? before : left;
	*out_session = session;
	return LIST_ITEM;
}

bool sdp_parse(struct span body, struct sdp_session *out_session)
{
	return sdp_session_next(&body, out_session) == LIST_ITEM;
}

enum list_result sdp_media_next(const struct sdp_session *session, struct span *rest,
				struct sdp_media *out_media)
{
	struct sdp_media media = { .connection = session->connection };
	struct sdp_line line;
	struct span left = *rest;
	enum list_result result = sdp_line_next(&left, &line);

	if (result != LIST_ITEM) {
		if (result == LIST_END)
			*rest = left;
		return result;
	}
	if (line.type != 'm' || !media_line_parse(&line, &media))
		return LIST_BAD;
	const char *start = line.whole.at;
	const char *attributes = line.with_end.at + line.with_end.len, *end = attributes;
	struct span before = left;
	for (; (result = sdp_line_next(&left, &line)) == LIST_ITEM && line.type != 'm';
	     before = left) {
		end = line.with_end.at + line.with_end.len;
		if (line.type != 'c' || media.has_own_connection)
			continue;
		if (!connection_parse(&line, &media.connection))
			return LIST_BAD;
		media.has_own_connection = true;
	}
	if (result == LIST_BAD)
		return LIST_BAD;
	media.text = span_make(start, (size_t)(end - start));
	media.attributes = span_make(attributes, (size_t)(end - attributes));
	*rest = result == LIST_ITEM ? before : left;
	*out_media = media;
	return LIST_ITEM;
}

/* attribute = "a=" name [ ":" value ] */
enum list_result sdp_attribute_next(struct span *rest, struct sdp_attribute *out_attribute)
{
	struct sdp_line line;
	enum list_result result;
	do
		result = sdp_line_next(rest, &line);
	while (result == LIST_ITEM && line.type != 'a');
	if (result != LIST_ITEM)
		return result;
	size_t colon = span_find(line.value, ':', 0);
	*out_attribute = (struct sdp_attribute){
		.line = line.whole,
		.with_end = line.with_end,
		.name = span_slice(line.value, 0, colon),
	};
	if (colon < line.value.len)
		out_attribute->value = span_slice(line.value, colon + 1, line.value.len);
	return LIST_ITEM;
}

bool sdp_attribute_find(struct span lines, struct span name, struct sdp_attribute *out_attribute)
{
	struct sdp_attribute attribute;
	while (sdp_attribute_next(&lines, &attribute) == LIST_ITEM) {
		if (span_equal(attribute.name, name)) {
			*out_attribute = attribute;
			return true;
		}
	}
	return false;
}

bool sdp_format_next(struct span *rest, struct span *out_format)
{
	struct cursor in = cursor_over(*rest);
	if (!field_take(&in, out_format))
		return false;
	*rest = cursor_rest(&in);
	return true;
}
