/* SPDX-License-Identifier: BSD-2-Clause */
/* message: makes the header index of a message in one pass (RFC 3261 7, 18.3, 25.1). */
#include "parser/message.h"

#include "core/base/writer.h"
#include "parser/line.h"

#define FIRST_CAPACITY 24
#define KEEPALIVE_MAX  16

/* One run of the indexer. */
struct indexer {
	struct span bytes;
	struct cursor in;
	struct sip_message_index *index;
	struct arena *arena; /* NULL: the index cannot grow */
	const char *reason;
};

static uint32_t offset_of(const struct indexer *indexer, const char *at)
{
	return (uint32_t)(at - indexer->bytes.at);
}

/* RFC 3261 7.5: empty lines may precede a message. */
static void empty_lines_skip(struct cursor *in)
{
	for (;;) {
		if (cursor_peek(in) == '\n')
			in->at++;
		else if (cursor_peek(in) == '\r' && cursor_peek_at(in, 1) == '\n')
			in->at += 2;
		else
			return;
	}
}

static enum parse_result index_start_line(struct indexer *indexer)
{
	struct sip_message_index *index = indexer->index;
	empty_lines_skip(&indexer->in);
	index->start = offset_of(indexer, indexer->in.at);
	enum parse_result result =
		start_line_take(&indexer->in, indexer->bytes.at, index, &indexer->reason);
	index->headers_at = offset_of(indexer, indexer->in.at);
	return result;
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
	return true;
}

/* Takes header lines as nearly all are, up to the first other one, which the general way then reads.
 * Returns its place. */
[[gnu::always_inline]] static inline size_t plain_lines_take(struct sip_message_index *index,
							     struct span text, size_t at,
							     line_scanner line_stop)
{
	const struct header_names *names = header_names();
	struct sip_header *header = &index->headers[index->header_count];
	const struct sip_header *end = &index->headers[index->header_capacity];
	while (header < end && at + PLAIN_LINE_LEAST <= text.len &&
	       plain_line_read(names, text, at, line_stop, header))
		at = header++->end;
	if (header > &index->headers[index->header_count] && line_may_continue(text, at))
		at = (--header)->name_at;
	index->header_count = (uint16_t)(header - index->headers);
	return at;
}

[[gnu::noinline]] static size_t plain_lines_take_narrow(struct sip_message_index *index,
							struct span text, size_t at)
{
	return plain_lines_take(index, text, at, scan_line_stop);
}

SCAN_WIDE static size_t plain_lines_take_wide(struct sip_message_index *index, struct span text,
					      size_t at)
{
	return plain_lines_take(index, text, at, scan_line_stop_wide);
}

/* Takes a header line, or the empty line behind them, in the general way. */
[[gnu::noinline]] static enum line_result other_line_take(struct indexer *indexer)
{
	const char *begin = indexer->in.at;
	struct header_line line;
	enum line_result result = header_line_take(&indexer->in, &line, &indexer->reason);
	return result == LINE_HEADER && !note_header(indexer, begin, &line) ? LINE_BAD : result;
}

static enum parse_result index_headers(struct indexer *indexer)
{
	struct cursor *in = &indexer->in;
	enum line_result result;
	do {
		size_t at = offset_of(indexer, in->at);
		at = scan_is_wide(indexer->bytes.len)
			     ? plain_lines_take_wide(indexer->index, indexer->bytes, at)
			     : plain_lines_take_narrow(indexer->index, indexer->bytes, at);
		in->at = indexer->bytes.at + at;
		indexer->index->headers_end = (uint32_t)at;
		if (cursor_left(in) >= 2 && in->at[0] == '\r' && in->at[1] == '\n') {
			in->at += 2;
			return PARSE_OK;
		}
		result = other_line_take(indexer);
	} while (result == LINE_HEADER);
	return result == LINE_EMPTY ? PARSE_OK : result == LINE_MORE ? PARSE_MORE : PARSE_BAD;
}

/* Links the headers of a kind: from the last to the first, so that each finds its successor in `first`. */
static void link_headers(struct sip_message_index *index)
{
	memset(index->first, 0xff, sizeof(index->first));
	for (unsigned i = index->header_count; i-- > 0;) {
		struct sip_header *header = &index->headers[i];
		header->next_same = index->first[header->id];
		index->first[header->id] = (uint16_t)i;
	}
}

static struct content_length content_length_of(const struct indexer *indexer)
{
	struct content_length told = { 0 };
	const struct sip_header *h = sip_header_first(indexer->index, HEADER_CONTENT_LENGTH);
	for (; h; h = sip_header_next(indexer->index, h))
		content_length_note(&told, sip_header_value(indexer->bytes, h));
	return told;
}

/* RFC 3261 18.3: bytes after the body are dropped, a body that is cut off is an error. */
static void index_body(struct indexer *indexer)
{
	struct sip_message_index *index = indexer->index;
	const struct content_length told = content_length_of(indexer);

	index->body_at = offset_of(indexer, indexer->in.at);
	index->body_len = (uint32_t)cursor_left(&indexer->in);
	if (told.is_bad) {
		index->defects |= SIP_DEFECT_CONTENT_LENGTH;
		indexer->reason = "Content-Length is wrong";
	} else if (told.is_present) {
		index->has_content_length = true;
		index->content_length = told.value;
		if (told.value > index->body_len) {
			index->defects |= SIP_DEFECT_SHORT_BODY;
			indexer->reason = "body is shorter than Content-Length";
		} else {
			index->body_len = told.value;
		}
	}
	index->len = index->body_at + index->body_len;
}

static enum parse_result index_parts(struct indexer *indexer)
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

/* `capacity` is that of the index, which there is unless memory is exhausted. */
static enum parse_result index_all(struct indexer *indexer, unsigned capacity,
				   struct parse_error *out_error)
{
	struct sip_message_index *index = indexer->index;
	enum parse_result result = PARSE_BAD;
	if (index) {
		index->defects = 0;
		index->has_content_length = false;
		index->header_count = 0;
		index->header_capacity = (uint16_t)capacity;
		index->content_length = 0;
		result = index_parts(indexer);
	}
	if (result == PARSE_BAD && out_error)
		*out_error =
			(struct parse_error){ offset_of(indexer, indexer->in.at), indexer->reason };
	return result;
}

enum parse_result sip_message_index_into(struct sip_message_index *index, unsigned capacity,
					 struct span bytes, struct parse_error *out_error)
{
	struct indexer indexer = { .bytes = bytes, .in = cursor_over(bytes), .index = index };
	return index_all(&indexer, capacity < SIP_MAX_HEADERS ? capacity : SIP_MAX_HEADERS,
			 out_error);
}

enum parse_result sip_message_index(struct arena *arena, struct span bytes,
				    struct sip_message_index **out_index,
				    struct parse_error *out_error)
{
	struct indexer indexer = {
		.bytes = bytes,
		.in = cursor_over(bytes),
		.arena = arena,
		.index = arena_alloc(arena, sip_index_size_for(FIRST_CAPACITY)),
	};
	enum parse_result result = index_all(&indexer, FIRST_CAPACITY, out_error);
	bool is_usable = result == PARSE_OK || (indexer.index && indexer.index->defects);
	*out_index = is_usable ? indexer.index : NULL;
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
