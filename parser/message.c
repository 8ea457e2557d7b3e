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
	/* names_take fills the rest */
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
	return true;
}

/* The stops of the text, block by block. */
struct stops {
	const char *block; /* of the bits */
	uint64_t bits, returns;
};
typedef struct scan_block (*block_scanner)(const char *at, uint64_t returns_before);

[[gnu::always_inline]] static inline void stops_read(struct stops *stops, const char *block,
						     const char *end, block_scanner scan)
{
	struct scan_block found;
	if (end - block >= SCAN_BLOCK) {
		found = scan(block, stops->returns);
	} else {
		char padded[SCAN_BLOCK] = { 0 };
		memcpy(padded, block, (size_t)(end - block));
		found = scan(padded, stops->returns);
	}
	*stops = (struct stops){ block, found.stops, found.returns };
}

/* The next stop; at or behind `end` when there is none. */
[[gnu::always_inline]] static inline const char *next_stop(struct stops *stops, const char *end,
							   block_scanner scan)
{
	while (!stops->bits) {
		if (end - stops->block <= SCAN_BLOCK)
			return end;
		stops_read(stops, stops->block + SCAN_BLOCK, end, scan);
	}
	const char *stop = stops->block + __builtin_ctzll(stops->bits);
	stops->bits &= stops->bits - 1;
	return stop;
}

/* Takes header lines as nearly all are (plain_line_read); names_take will look at their names. Ends
 * before the first other one, which the general way then reads. */
[[gnu::always_inline]] static inline void plain_lines_take(struct indexer *indexer,
							   block_scanner scan)
{
	struct sip_message_index *index = indexer->index;
	const char *base = indexer->bytes.at, *at = indexer->in.at, *end = indexer->in.end, *value;
	struct sip_header *header = &index->headers[index->header_count];
	const struct sip_header *last = &index->headers[index->header_capacity];
	struct stops stops = { 0 };
	unsigned name_len;
	if (at < end)
		stops_read(&stops, at, end, scan);
	for (; header < last && at < end; header++) {
		const char *stop = next_stop(&stops, end, scan);
		if (!plain_line_read(at, stop, end, &name_len, &value))
			break;
		header->name_at = (uint32_t)(at - base);
		header->name_len = (uint16_t)name_len;
		header->value_at = (uint32_t)(value - base);
		header->value_len = (uint32_t)(stop - value);
		header->end = (uint32_t)(stop + 2 - base);
		header->id = HEADER_KIND_COUNT;
		header->flags = 0;
		at = stop + 2;
	}
	index->header_count = (uint16_t)(header - index->headers);
	indexer->in.at = at;
}

static void plain_lines_take_narrow(struct indexer *indexer)
{
	plain_lines_take(indexer, scan_block);
}

SCAN_WIDE static void plain_lines_take_wide(struct indexer *indexer)
{
	plain_lines_take(indexer, scan_block_wide);
}

/* A name that no table knows must be a token; the place of what is not is where it is wrong. */
static bool check_unknown_name(struct indexer *indexer, const struct sip_header *header)
{
	struct span name = sip_header_name(indexer->bytes, header);
	if (span_is_all(name, CHAR_TOKEN))
		return true;
	indexer->in.at = name.at;
	cursor_take_while(&indexer->in, CHAR_TOKEN);
	indexer->reason = "header line without a name and colon";
	return false;
}

/* Finds out which headers the plain lines are and links those of a kind: from the last to the first, so
 * that each finds its successor in `first`. */
static bool names_take(struct indexer *indexer)
{
	struct sip_message_index *index = indexer->index;
	const char *base = indexer->bytes.at;
	bool is_right = true;
	memset(index->first, 0xff, sizeof(index->first));
	for (unsigned i = index->header_count; i-- > 0;) {
		struct sip_header *header = &index->headers[i];
		if (header->id == HEADER_KIND_COUNT) {
			const char *name = base + header->name_at;
			bool is_block = header->name_len <= 16 && indexer->in.end - name >= 16;
			header->id =
				(uint16_t)(is_block ? header_id_of_block(name, header->name_len)
						    : header_id_from_name(
							      span_make(name, header->name_len)));
		}
		if (header->id == HEADER_OTHER && !check_unknown_name(indexer, header))
			is_right = false; /* an earlier one may be wrong, too, and is to be told */
		header->next_same = index->first[header->id];
		index->first[header->id] = (uint16_t)i;
	}
	for (unsigned i = index->first[HEADER_CONTENT_LENGTH]; i != SIP_NO_HEADER;
	     i = index->headers[i].next_same)
		content_length_note(&indexer->content_length,
				    sip_header_value(indexer->bytes, &index->headers[i]));
	return is_right;
}

static enum parse_result index_headers(struct indexer *indexer)
{
	struct header_line line;
	enum line_result result;
	const char *begin;

	do {
		if (scan_is_wide())
			plain_lines_take_wide(indexer);
		else
			plain_lines_take_narrow(indexer);
		begin = indexer->in.at;
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
	if (!names_take(indexer))
		return PARSE_BAD;
	return result == LINE_EMPTY ? PARSE_OK : result == LINE_MORE ? PARSE_MORE : PARSE_BAD;
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
				    struct sip_message_index **out_index,
				    struct parse_error *out_error)
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
