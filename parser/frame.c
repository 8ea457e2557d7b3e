/* SPDX-License-Identifier: BSD-2-Clause */
/* frame: finds the ends of messages in a stream. Lines are cut by line.h, as for the header index,
 * so that the index of a framed message always has the length that was framed. */
#include "parser/frame.h"

#include "parser/line.h"

void framer_init(struct framer *framer, size_t max_headers, size_t max_message)
{
	*framer = (struct framer){ .max_headers = max_headers, .max_message = max_message };
}

enum { BAD_REQUEST = 400, TOO_LARGE = 413, HEADERS_TOO_LARGE = 431, NOT_IMPLEMENTED = 501 };

static enum frame_result bad(const struct framer *framer, struct frame *out_frame, unsigned status,
			     const char *reason)
{
	*out_frame =
		(struct frame){ .reason = reason, .status = status, .is_http = framer->is_http };
	return FRAME_BAD;
}

static enum frame_result more(struct frame *out_frame, size_t wanted)
{
	*out_frame = (struct frame){ .wanted = wanted };
	return FRAME_MORE;
}

static enum frame_result taken(struct framer *framer, struct frame *out_frame,
			       enum frame_result result, size_t len)
{
	*out_frame = (struct frame){ .len = len,
				     .is_http = framer->is_http,
				     .chunked_from = framer->chunked_from };
	framer->scanned = 0;
	framer->chunked_from = 0;
	framer->message_len = 0;
	framer->knows_first_line = false;
	framer->is_http = false;
	framer->expects_continue = false;
	return result;
}

/* Line ends between messages: keep-alives (RFC 5626 4.4.1). */
static enum frame_result line_end_next(struct framer *framer, struct span buffer,
				       struct frame *out_frame)
{
	struct cursor in = cursor_over(buffer);
	if (cursor_peek(&in) == '\n')
		return taken(framer, out_frame, FRAME_PONG, 1);
	int second = cursor_peek_at(&in, 1), third = cursor_peek_at(&in, 2),
	    fourth = cursor_peek_at(&in, 3);
	if (second < 0)
		return more(out_frame, 0);
	if (second != '\n')
		return bad(framer, out_frame, BAD_REQUEST, "carriage return without line feed");
	if (third < 0 || (third == '\r' && fourth < 0))
		return more(out_frame, 0);
	if (third == '\r' && fourth == '\n')
		return taken(framer, out_frame, FRAME_PING, 4);
	return taken(framer, out_frame, FRAME_PONG, 2);
}

/* The length of the header section with its empty line, or 0 when its end is not there yet;
 * *out_saw_line tells that the end of a line was among the new bytes. */
static size_t headers_end(struct framer *framer, struct span buffer, bool *out_saw_line)
{
	struct cursor in = cursor_over(buffer);
	in.at += framer->scanned;
	for (;;) {
		const char *line_end =
			cursor_is_end(&in) ? NULL : memchr(in.at, '\n', cursor_left(&in));
		if (!line_end) {
			framer->scanned = buffer.len;
			return 0;
		}
		in.at = line_end;
		*out_saw_line = true;
		int next = cursor_peek_at(&in, 1), second = cursor_peek_at(&in, 2);
		if (next == '\n')
			return (size_t)(in.at - buffer.at) + 2;
		if (next == '\r' && second == '\n')
			return (size_t)(in.at - buffer.at) + 3;
		if (next < 0 || (next == '\r' && second < 0)) {
			framer->scanned = (size_t)(in.at - buffer.at);
			return 0;
		}
		in.at++;
	}
}

/* Refuses what is not SIP (or HTTP) as soon as its first line is there. */
static bool first_line_is_right(struct framer *framer, struct span buffer, const char **out_reason)
{
	struct cursor in = cursor_over(buffer);
	struct sip_message_index line;
	if (framer->knows_first_line)
		return true;
	switch (start_line_take(&in, buffer.at, &line, out_reason)) {
	case PARSE_OK:
		framer->knows_first_line = true;
		framer->is_http = line.is_http && line.is_request;
		return true;
	case PARSE_MORE: return true;
	case PARSE_BAD: return false;
	}
	return false;
}

/* Reads the complete header section; NULL when it tells the length of the body, else the reason. */
static const char *body_length(struct framer *framer, struct span headers, uint32_t *out_length,
			       unsigned *out_status)
{
	struct cursor in = cursor_over(headers);
	struct content_length told = { 0 };
	unsigned codings = 0;
	struct sip_message_index start;
	struct header_line line;
	const char *reason = "header section is malformed";

	*out_status = BAD_REQUEST;
	if (start_line_take(&in, headers.at, &start, &reason) != PARSE_OK)
		return reason;
	framer->is_http = start.is_http && start.is_request;
	enum line_result result;
	while ((result = header_line_take(&in, &line, &reason)) == LINE_HEADER) {
		if (line.id == HEADER_CONTENT_LENGTH) {
			content_length_note(&told, line.value);
		} else if (line.id == HEADER_TRANSFER_ENCODING) {
			if (!framer->is_http || codings++ ||
			    !span_equal_nocase(line.value, SPAN_OF("chunked"))) {
				*out_status = NOT_IMPLEMENTED;
				return "transfer codings are not supported";
			}
		} else if (framer->is_http && span_equal_nocase(line.name, SPAN_OF("Expect"))) {
			framer->expects_continue =
				span_equal_nocase(line.value, SPAN_OF("100-continue"));
		}
	}
	if (result != LINE_EMPTY || !cursor_is_end(&in))
		return reason;
	if (told.is_bad)
		return "Content-Length is wrong";
	/* RFC 9112 6.1: who sends both, or chunks with HTTP/1.0, may want to be understood in two ways. */
	if (codings && (told.is_present ||
			span_equal(sip_range_span(headers, start.version), SPAN_OF("HTTP/1.0"))))
		return "Transfer-Encoding is not wanted here";
	if (codings) {
		framer->chunked_from = headers.len;
		framer->chunks = (struct chunks){ .at = headers.len };
	}
	if (!told.is_present && !start.is_http && !framer->accepts_no_length)
		return "no Content-Length";
	*out_length = told.value;
	return NULL;
}

/* The message is as long as its last chunk and trailers say. */
static enum frame_result chunks_next(struct framer *framer, struct span buffer,
				     struct frame *out_frame)
{
	const char *reason = NULL;
	switch (chunks_take(buffer, &framer->chunks, &reason)) {
	case PARSE_OK: break;
	case PARSE_BAD: return bad(framer, out_frame, BAD_REQUEST, reason);
	case PARSE_MORE:
		if (buffer.len >= framer->max_message)
			return bad(framer, out_frame, TOO_LARGE, "message too large");
		return more(out_frame, 0);
	}
	if (framer->chunks.at > framer->max_message)
		return bad(framer, out_frame, TOO_LARGE, "message too large");
	return taken(framer, out_frame, FRAME_MESSAGE, framer->chunks.at);
}

enum frame_result framer_next(struct framer *framer, struct span buffer, struct frame *out_frame)
{
	if (buffer.len == 0)
		return more(out_frame, framer->message_len);
	if (framer->chunked_from)
		return chunks_next(framer, buffer, out_frame);
	if (framer->message_len == 0) {
		const char *reason = NULL;
		uint32_t length = 0;
		unsigned status = BAD_REQUEST;
		bool saw_line = false;
		if (*buffer.at == '\r' || *buffer.at == '\n')
			return line_end_next(framer, buffer, out_frame);
		size_t end = headers_end(framer, buffer, &saw_line);
		if (end > framer->max_headers || (end == 0 && buffer.len >= framer->max_headers))
			return bad(framer, out_frame, HEADERS_TOO_LARGE,
				   "header section too large");
		if (end == 0 && saw_line && !first_line_is_right(framer, buffer, &reason))
			return bad(framer, out_frame, status, reason);
		if (end == 0)
			return more(out_frame, 0);
		reason = body_length(framer, span_slice(buffer, 0, end), &length, &status);
		if (reason)
			return bad(framer, out_frame, status, reason);
		if (end > framer->max_message || length > framer->max_message - end)
			return bad(framer, out_frame, TOO_LARGE, "message too large");
		if (framer->chunked_from)
			return chunks_next(framer, buffer, out_frame);
		framer->message_len = end + length;
	}
	if (buffer.len < framer->message_len)
		return more(out_frame, framer->message_len);
	return taken(framer, out_frame, FRAME_MESSAGE, framer->message_len);
}
