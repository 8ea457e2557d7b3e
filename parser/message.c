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

/* Links header `i` behind the others of its kind, of which `first` is one. */
static inline void link_repeated(struct sip_message_index *index, unsigned i, size_t id)
{
	struct sip_header *first = &index->headers[index->first[id]];
	if (first->next_same == SIP_NO_HEADER)
		first->next_same = (uint16_t)i;
	else
		index->headers[index->last[id]].next_same = (uint16_t)i;
	index->last[id] = (uint16_t)i;
	index->repeated |= id < 64 ? 1ull << id : 0;
}

static inline void link_header(struct sip_message_index *index, unsigned i, size_t id)
{
	if (index->first[id] == SIP_NO_HEADER)
		index->first[id] = (uint16_t)i;
	else
		link_repeated(index, i, id);
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
	index->headers[index->header_count] = (struct sip_header){
		.name_at = (uint32_t)(begin - base),
		.name_len = (uint16_t)line->name.len,
		.value_at = (uint32_t)(line->value.at - base),
		.value_len = (uint32_t)line->value.len,
		.end = (uint32_t)(indexer->in.at - base),
		.id = (uint16_t)line->id,
		.next_same = SIP_NO_HEADER,
		.flags = line->is_folded ? SIP_HEADER_FOLDED : 0,
	};
	link_header(index, index->header_count++, line->id);
	return true;
}

/* Takes header lines as nearly all are, up to the first other one, which the general way then reads.
 * Returns its place. */
[[gnu::always_inline]] static inline size_t plain_lines_take(struct sip_message_index *index,
							     struct span text, size_t at,
							     line_scanner line_stop)
{
	const struct header_names *names = header_names();
	unsigned i = index->header_count;
	size_t id;
	while (i < index->header_capacity && at + PLAIN_LINE_LEAST <= text.len &&
	       plain_line_read(names, text, &at, line_stop, &index->headers[i], &id))
		link_header(index, i++, id);
	index->header_count = (uint16_t)i;
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

static enum parse_result index_headers(struct indexer *indexer)
{
	struct header_line line;
	enum line_result result;
	const char *begin;

	do {
		size_t at = offset_of(indexer, indexer->in.at);
		at = scan_is_wide() ? plain_lines_take_wide(indexer->index, indexer->bytes, at)
				    : plain_lines_take_narrow(indexer->index, indexer->bytes, at);
		indexer->in.at = begin = indexer->bytes.at + at;
		if (cursor_left(&indexer->in) >= 2 && begin[0] == '\r' && begin[1] == '\n') {
			indexer->in.at += 2;
			result = LINE_EMPTY;
			break;
		}
		result = header_line_take(&indexer->in, &line, &indexer->reason);
		if (result == LINE_HEADER && !note_header(indexer, begin, &line))
			result = LINE_BAD;
	} while (result == LINE_HEADER);
	indexer->index->headers_end = offset_of(indexer, begin);
	return result == LINE_EMPTY ? PARSE_OK : result == LINE_MORE ? PARSE_MORE : PARSE_BAD;
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
		index->repeated = 0;
		memset(index->first, 0xff, sizeof(index->first));
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
