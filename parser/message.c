/* SPDX-License-Identifier: BSD-2-Clause */
/* message: makes the header index of a message in one pass (RFC 3261 7, 18.3, 25.1). */
#include "parser/message.h"

#include "core/base/writer.h"
#include "parser/line.h"

#define FIRST_CAPACITY 24
#define KEEPALIVE_MAX 16

/* One run of the indexer. */
struct indexer {
	struct span bytes;
	struct cursor in;
	struct sip_message_index *index;
	struct arena *arena; /* NULL: the index cannot grow */
	struct content_length content_length;
	const char *reason;
};

static uint32_t offset_of(const struct indexer *indexer, const char *at)
{
	return (uint32_t)(at - indexer->bytes.at);
}

static struct sip_range range_of(const struct indexer *indexer, struct span s)
{
	return s.at ? (struct sip_range){ offset_of(indexer, s.at), (uint32_t)s.len }
		    : (struct sip_range){ 0, 0 };
}

static enum parse_result index_start_line(struct indexer *indexer)
{
	struct sip_message_index *index = indexer->index;
	struct start_line line;

	empty_lines_skip(&indexer->in);
	uint32_t start = offset_of(indexer, indexer->in.at);
	enum parse_result result = start_line_take(&indexer->in, &line, &indexer->reason);
	if (result != PARSE_OK)
		return result;
	uint16_t capacity = index->header_capacity;
	/* link_headers fills the rest */
	memset(index, 0, offsetof(struct sip_message_index, first));
	index->header_capacity = capacity;
	index->is_request = line.is_request;
	index->is_http = line.is_http;
	index->is_sip_2_0 = line.is_sip_2_0;
	index->status = line.status;
	index->defects = line.has_stray_space ? SIP_DEFECT_START_LINE : 0;
	index->method = line.method;
	index->method_name = range_of(indexer, line.method_name);
	index->uri = range_of(indexer, line.uri);
	index->version = range_of(indexer, line.version);
	index->reason = range_of(indexer, line.reason);
	index->start = start;
	index->headers_at = offset_of(indexer, indexer->in.at);
	return PARSE_OK;
}

static bool make_room(struct indexer *indexer)
{
	struct sip_message_index *index = indexer->index;
	unsigned capacity = index->header_capacity * 2u;

	if (index->header_count >= SIP_MAX_HEADERS || !indexer->arena) {
		indexer->reason = "too many headers";
		return false;
	}
	if (capacity > SIP_MAX_HEADERS)
		capacity = SIP_MAX_HEADERS;
	index = arena_grow(indexer->arena, index, sip_index_size(index),
			   sip_index_size_for(capacity));
	indexer->reason = NULL;
	if (!index)
		return false;
	index->header_capacity = (uint16_t)capacity;
	indexer->index = index;
	return true;
}

static bool note_header(struct indexer *indexer, const char *begin, const struct header_line *line)
{
	struct sip_message_index *index = indexer->index;
	const char *base = indexer->bytes.at;

	if (index->header_count == index->header_capacity) {
		if (!make_room(indexer))
			return false;
		index = indexer->index;
	}
	index->headers[index->header_count++] = (struct sip_header){
		.name_at = (uint32_t)(begin - base),
		.name_len = (uint16_t)line->name.len,
		.value_at = (uint32_t)(line->value.at - base),
		.value_len = (uint32_t)line->value.len,
		.end = (uint32_t)(indexer->in.at - base),
		.id = (uint16_t)line->id,
		.flags = line->is_folded ? SIP_HEADER_FOLDED : 0,
	};
	if (line->id == HEADER_CONTENT_LENGTH)
		content_length_note(&indexer->content_length, line->value);
	return true;
}

static enum parse_result index_headers(struct indexer *indexer)
{
	struct header_line line;
	const char *begin = indexer->in.at;
	enum line_result result;

	while ((result = header_line_take(&indexer->in, &line, &indexer->reason)) == LINE_HEADER) {
		if (!note_header(indexer, begin, &line))
			return PARSE_BAD;
		begin = indexer->in.at;
	}
	indexer->index->headers_end = offset_of(indexer, begin);
	return result == LINE_EMPTY ? PARSE_OK : result == LINE_MORE ? PARSE_MORE : PARSE_BAD;
}

/* From the last header to the first, so that each finds its successor in `first`. */
static void link_headers(struct sip_message_index *index)
{
	memset(index->first, 0xff, sizeof(index->first));
	for (unsigned i = index->header_count; i-- > 0;) {
		struct sip_header *header = &index->headers[i];
		header->next_same = index->first[header->id];
		index->first[header->id] = (uint16_t)i;
	}
}

/* RFC 3261 18.3: bytes after the body are dropped, a body that is cut off is an error. */
static void index_body(struct indexer *indexer)
{
	struct sip_message_index *index = indexer->index;
	const struct content_length *told = &indexer->content_length;

	index->body_at = offset_of(indexer, indexer->in.at);
	index->body_len = (uint32_t)cursor_left(&indexer->in);
	if (told->is_bad) {
		index->defects |= SIP_DEFECT_CONTENT_LENGTH;
		indexer->reason = "Content-Length is wrong";
	} else if (told->is_present) {
		index->has_content_length = true;
		index->content_length = told->value;
		if (told->value > index->body_len) {
			index->defects |= SIP_DEFECT_SHORT_BODY;
			indexer->reason = "body is shorter than Content-Length";
		} else {
			index->body_len = told->value;
		}
	}
	index->len = index->body_at + index->body_len;
}

static enum parse_result index_all(struct indexer *indexer)
{
	if (indexer->bytes.len > SIP_MAX_MESSAGE) {
		indexer->reason = "message too large";
		return PARSE_BAD;
	}
	enum parse_result result = index_start_line(indexer);
	if (result == PARSE_OK)
		result = index_headers(indexer);
	if (result != PARSE_OK) {
		indexer->index->defects = 0;
		return result;
	}
	link_headers(indexer->index);
	if (indexer->index->defects & SIP_DEFECT_START_LINE)
		indexer->reason = "stray white space in the first line";
	index_body(indexer);
	return indexer->index->defects ? PARSE_BAD : PARSE_OK;
}

static void report(const struct indexer *indexer, struct parse_error *out_error)
{
	if (out_error)
		*out_error =
			(struct parse_error){ offset_of(indexer, indexer->in.at), indexer->reason };
}

enum parse_result sip_message_index_into(struct sip_message_index *index, unsigned capacity,
	struct span bytes, struct parse_error *out_error)
{
	if (capacity > SIP_MAX_HEADERS)
		capacity = SIP_MAX_HEADERS;
	struct indexer indexer = { .bytes = bytes, .in = cursor_over(bytes), .index = index };
	index->header_capacity = (uint16_t)capacity;
	index->header_count = 0;
	index->defects = 0;
	enum parse_result result = index_all(&indexer);
	if (result == PARSE_BAD)
		report(&indexer, out_error);
	return result;
}

enum parse_result sip_message_index(struct arena *arena, struct span bytes,
	struct sip_message_index **out_index, struct parse_error *out_error)
{
	struct indexer indexer = { .bytes = bytes, .in = cursor_over(bytes), .arena = arena };
	*out_index = NULL;
	indexer.index = arena_alloc(arena, sip_index_size_for(FIRST_CAPACITY));
	if (!indexer.index) {
		report(&indexer, out_error);
		return PARSE_BAD;
	}
	indexer.index->header_capacity = FIRST_CAPACITY;
	indexer.index->header_count = 0;
	indexer.index->defects = 0;
	enum parse_result result = index_all(&indexer);
	if (result == PARSE_BAD)
		report(&indexer, out_error);
	if (result == PARSE_OK || (result == PARSE_BAD && indexer.index->defects))
		*out_index = indexer.index;
	return result;
}

const struct sip_header *sip_header_named(const struct sip_message_index *index, struct span bytes,
	struct span name, const struct sip_header *after)
{
	enum sip_header_id id = header_id_from_name(name);
	const struct sip_header *header = NULL;

	if (!after)
		header = sip_header_first(index, id);
	else if (after->id == id)
		header = sip_header_next(index, after);
	if (id != HEADER_OTHER)
		return header;
	while (header && !span_equal_nocase(sip_header_name(bytes, header), name))
		header = sip_header_next(index, header);
	return header;
}

bool sip_is_folded(struct span value)
{
	return span_find(value, '\n', 0) < value.len;
}

struct span sip_unfold(struct arena *arena, struct span value)
{
	if (!sip_is_folded(value))
		return value;
	struct writer w = writer_in_arena(arena, value.len);
	struct cursor in = cursor_over(value);
	while (!cursor_is_end(&in)) {
		const char *start = in.at;
		cursor_skip_space(&in);
		struct span space = cursor_since(&in, start);
		if (sip_is_folded(space))
			writer_char(&w, ' ');
		else
			writer_span(&w, space);
		start = in.at;
		while (!cursor_is_end(&in) && !ascii_is_space(*in.at))
			in.at++;
		writer_span(&w, cursor_since(&in, start));
	}
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

bool sip_is_keepalive(struct span datagram)
{
	if (datagram.len > KEEPALIVE_MAX)
		return false;
	for (size_t i = 0; i < datagram.len; i++) {
		char c = datagram.at[i];
		if (c != '\r' && c != '\n' && c != '\0' && c != ' ')
			return false;
	}
	return true;
}
