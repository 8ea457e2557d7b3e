/* SPDX-License-Identifier: BSD-2-Clause */
/* multipart: cuts MIME multipart bodies (RFC 2046 5.1.1, RFC 5621 3.1). */
#include "parser/multipart.h"

#include "parser/line.h"

#define BOUNDARY_MAX 70

/* What a delimiter line is and where it ends. */
struct delimiter {
	const char *at;   /* of its "--" */
	const char *next; /* first byte after the line */
	bool is_last;     /* "--boundary--" */
};

/* delimiter = "--" boundary [ "--" ] *LWSP-char ( CRLF / LF / end ) */
static bool delimiter_take(struct cursor in, struct span boundary, struct delimiter *out)
{
	struct delimiter found = { .at = in.at };
	if (!cursor_take(&in, '-') || !cursor_take(&in, '-') || cursor_left(&in) < boundary.len ||
	    memcmp(in.at, boundary.at, boundary.len) != 0)
		return false;
	in.at += boundary.len;
	if (cursor_peek(&in) == '-' && cursor_peek_at(&in, 1) == '-') {
		in.at += 2;
		found.is_last = true;
	}
	while (cursor_peek(&in) == ' ' || cursor_peek(&in) == '\t')
		in.at++;
	if (cursor_peek(&in) == '\r' && cursor_peek_at(&in, 1) == '\n')
		in.at++;
	if (!cursor_is_end(&in) && !cursor_take(&in, '\n'))
		return false;
	found.next = in.at;
	*out = found;
	return true;
}

/* The first delimiter at or after the place, which is the beginning of a line. */
static bool delimiter_find(struct cursor in, struct span boundary, struct delimiter *out)
{
	for (;;) {
		if (delimiter_take(in, boundary, out))
			return true;
		size_t line_end = span_find(cursor_rest(&in), '\n', 0);
		if (line_end == cursor_left(&in))
			return false;
		in.at += line_end + 1;
	}
}

bool multipart_begin(struct span body, struct span boundary, struct multipart *out)
{
	struct cursor in = cursor_over(body);
	struct delimiter first;
	if (boundary.len == 0 || boundary.len > BOUNDARY_MAX ||
	    !delimiter_find(in, boundary, &first))
		return false;
	in.at = first.at;
	*out = (struct multipart){ in, boundary };
	return true;
}

static void note_header(struct multipart_part *part, const struct header_line *line)
{
	switch ((int)line->id) {
	case HEADER_CONTENT_TYPE: part->content_type = line->value; break;
	case HEADER_CONTENT_DISPOSITION: part->content_disposition = line->value; break;
	case HEADER_CONTENT_ID: part->content_id = line->value; break;
	case HEADER_CONTENT_TRANSFER_ENCODING: part->content_transfer_encoding = line->value; break;
	}
}

/* Reads the header lines of a part, of which `in` holds everything before the next delimiter. */
static bool headers_take(struct cursor *in, struct multipart_part *part)
{
	struct header_line line;
	const char *start = in->at, *reason;
	for (;;) {
		const char *before = in->at;
		switch (header_line_take(in, &line, &reason)) {
		case LINE_HEADER: note_header(part, &line); break;
		case LINE_EMPTY:
			part->headers = span_make(start, (size_t)(before - start));
			return true;
		case LINE_MORE:
			part->headers = span_make(start, 0);
			return cursor_is_end(in) && in->at == start;
		case LINE_BAD: return false;
		}
	}
}

enum list_result multipart_next(struct multipart *parts, struct multipart_part *out_part)
{
	struct cursor in = parts->rest;
	struct multipart_part part = { 0 };
	struct delimiter current, next;

	if (!delimiter_take(in, parts->boundary, &current))
		return LIST_BAD;
	if (current.is_last)
		return LIST_END;
	in.at = current.next;
	if (!delimiter_find(in, parts->boundary, &next))
		return LIST_BAD;

	/* The line end before a delimiter belongs to the delimiter. */
	const char *end = next.at;
	if (end > current.next && end[-1] == '\n')
		end--;
	if (end > current.next && end[-1] == '\r')
		end--;
	struct cursor text = { current.next, next.at };
	if (!headers_take(&text, &part))
		return LIST_BAD;
	if (text.at > end)
		text.at = end;
	part.whole = span_make(current.next, (size_t)(end - current.next));
	part.with_delimiter = span_make(current.at, (size_t)(next.at - current.at));
	part.body = span_make(text.at, (size_t)(end - text.at));
	parts->rest.at = next.at;
	*out_part = part;
	return LIST_ITEM;
}

bool multipart_header(const struct multipart_part *part, struct span name, struct span *out_value)
{
	/* The empty line is behind part->headers, at the latest before the next delimiter. */
	struct cursor in = { part->headers.at, part->with_delimiter.at + part->with_delimiter.len };
	struct header_line line;
	const char *reason;
	enum sip_header_id id = header_id_from_name(name);
	if (part->headers.len == 0)
		return false;
	while (header_line_take(&in, &line, &reason) == LINE_HEADER) {
		if (line.id != id || (id == HEADER_OTHER && !span_equal_nocase(line.name, name)))
			continue;
		*out_value = line.value;
		return true;
	}
	return false;
}

static bool is_type(struct span content_type, struct span wanted, struct media_type *out_type)
{
	return content_type_parse(content_type, out_type) && media_type_is(out_type, wanted);
}

bool body_find(struct span body, struct span content_type, struct span wanted,
	       struct span *out_body, struct multipart_part *out_part)
{
	struct multipart open[MULTIPART_MAX_DEPTH];
	struct multipart_part part = { .whole = body, .body = body, .content_type = content_type };
	unsigned depth = 0;

	for (;;) {
		struct media_type type = { 0 };
		if (!part.content_type.at)
			part.content_type = SPAN_OF("text/plain"); /* RFC 2046 5.1 */
		if (is_type(part.content_type, wanted, &type)) {
			*out_body = part.body;
			if (out_part)
				*out_part = part;
			return true;
		}
		if (depth < MULTIPART_MAX_DEPTH &&
		    span_equal_nocase(type.type, SPAN_OF("multipart")) &&
		    multipart_begin(part.body, type.boundary, &open[depth]))
			depth++;
		while (depth > 0 && multipart_next(&open[depth - 1], &part) != LIST_ITEM)
			depth--;
		if (depth == 0)
			return false;
	}
}
