/* SPDX-License-Identifier: BSD-2-Clause */
/* Chunks, strictly: two readers that take a bare line feed for different things can be played against each
 * other.
 *
 *   chunked-body   = *chunk last-chunk trailer-section CRLF
 *   chunk          = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
 *   last-chunk     = 1*"0" [ chunk-ext ] CRLF */
#include "parser/chunked.h"

#include <stdio.h>

#include "parser/line.h"

#define SIZE_LINE_MOST 256
#define SIZE_DIGITS    8
#define TRAILERS_MOST  4096

/* chunk-size [ chunk-ext ] CRLF; MORE while its end is not there. */
static enum parse_result size_take(struct cursor *in, size_t *out_size, const char **out_reason)
{
	const char *start = in->at;
	size_t size = 0, digits = 0;
	*out_reason = "the size of a chunk is wrong";
	for (; !cursor_is_end(in) && ascii_hex_value(*in->at) >= 0; in->at++, digits++)
		size = size * 16 + (size_t)ascii_hex_value(*in->at);
	if (digits > SIZE_DIGITS || (!digits && !cursor_is_end(in)))
		return PARSE_BAD;
	if (cursor_peek(in) != '\r' && cursor_peek(in) != ';' && cursor_peek(in) != ' ' &&
	    cursor_peek(in) != '\t' && !cursor_is_end(in))
		return PARSE_BAD;
	while (!cursor_is_end(in) && (cursor_peek(in) >= ' ' || cursor_peek(in) == '\t'))
		in->at++;
	if (in->at - start > SIZE_LINE_MOST)
		return PARSE_BAD;
	if (cursor_is_end(in) || (cursor_peek(in) == '\r' && cursor_left(in) == 1))
		return PARSE_MORE;
	if (!cursor_take(in, '\r') || !cursor_take(in, '\n'))
		return PARSE_BAD;
	*out_size = size;
	return PARSE_OK;
}

/* One chunk with its data; OK and no data after the last one. */
static enum parse_result chunk_take(struct cursor *in, struct span *out_data,
				    const char **out_reason)
{
	size_t size;
	enum parse_result result = size_take(in, &size, out_reason);
	if (result != PARSE_OK)
		return result;
	*out_data = span_make(in->at, 0);
	if (!size)
		return PARSE_OK;
	if (cursor_left(in) < size + 2) {
		return PARSE_MORE;
	}
	if (in->at[size] != '\r' || in->at[size + 1] != '\n') {
		*out_reason = "a chunk is longer than it says";
		return PARSE_BAD;
	}
	*out_data = span_make(in->at, size);
	in->at += size + 2;
	return PARSE_OK;
}

static enum parse_result trailers_take(struct cursor *in, const char **out_reason)
{
	const char *start = in->at;
	struct header_line line;
	enum line_result result;
	while ((result = header_line_take(in, &line, out_reason)) == LINE_HEADER)
		;
	if (result == LINE_BAD)
		return PARSE_BAD;
	bool is_long = (result == LINE_MORE ? in->end : in->at) - start > TRAILERS_MOST;
	*out_reason = "the trailers are too long";
	return is_long ? PARSE_BAD : result == LINE_MORE ? PARSE_MORE : PARSE_OK;
}

enum parse_result chunks_take(struct span message, struct chunks *chunks, const char **out_reason)
{
	struct cursor in = cursor_over(span_slice(message, chunks->at, message.len));
	while (!chunks->has_ended) {
		struct span data;
		enum parse_result result = chunk_take(&in, &data, out_reason);
		if (result != PARSE_OK)
			return result;
		chunks->at = (size_t)(in.at - message.at);
		chunks->data += data.len;
		chunks->has_ended = !data.len;
	}
	enum parse_result result = trailers_take(&in, out_reason);
	if (result == PARSE_OK)
		chunks->at = (size_t)(in.at - message.at);
	return result;
}

/* ---- joining ---- */

static char *put(char *out, struct span text)
{
	memmove(out, text.at, text.len);
	return out + text.len;
}

static size_t data_length(struct span message, size_t headers_len)
{
	struct chunks chunks = { .at = headers_len };
	const char *reason;
	(void)chunks_take(message, &chunks, &reason);
	return chunks.data;
}

/* A length of eight digits is no longer than what it replaces. */
static char *put_headers(char *out, struct span message, size_t headers_len)
{
	struct cursor in = cursor_over(span_slice(message, 0, headers_len));
	struct header_line line;
	struct sip_message_index start;
	const char *reason, *from = in.at;
	char length[40];
	int length_len = snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
				  data_length(message, headers_len));
	if (start_line_take(&in, message.at, &start, &reason) != PARSE_OK)
		return out;
	out = put(out, cursor_since(&in, from));
	for (from = in.at; header_line_take(&in, &line, &reason) == LINE_HEADER; from = in.at)
		out = put(out, line.id == HEADER_TRANSFER_ENCODING
				       ? span_make(length, (size_t)length_len)
				       : cursor_since(&in, from));
	return put(out, SPAN_OF("\r\n"));
}

size_t chunks_join(struct span message, size_t headers_len, char *out)
{
	char *end = put_headers(out, message, headers_len);
	struct cursor in = cursor_over(span_slice(message, headers_len, message.len));
	struct span data;
	const char *reason;
	while (chunk_take(&in, &data, &reason) == PARSE_OK && data.len)
		end = put(end, data);
	return (size_t)(end - out);
}
