/* SPDX-License-Identifier: BSD-2-Clause */
/* The header index: every range lies inside, headers follow each other without a gap, links reach
 * every header once, and a name found by the fast path is the one that the table gives. */
#include "parser/message.h"
#include "test/fuzz/fuzz.h"

static void check_headers(const struct sip_message_index *index, struct span bytes,
			  struct arena *arena)
{
	uint32_t at = index->headers_at;
	unsigned linked = 0;
	for (unsigned i = 0; i < index->header_count; i++) {
		const struct sip_header *header = &index->headers[i];
		must(header->name_at == at && header->end > at && header->id < HEADER_KIND_COUNT);
		at = header->end;
		struct span value = sip_header_value(bytes, header),
			    line = sip_header_line(bytes, header);
		must_be_inside(sip_header_name(bytes, header), line);
		must_be_inside(value, line);
		must(header_id_from_name(sip_header_name(bytes, header)) == header->id);
		must(!!(header->flags & SIP_HEADER_FOLDED) || !sip_is_folded(value));
		struct span flat = sip_unfold(arena, value);
		must(!flat.at || !sip_is_folded(flat));
		must(sip_header_named(index, bytes, sip_header_name(bytes, header), NULL) != NULL);
	}
	must(at == index->headers_end);
	for (unsigned id = 0; id < HEADER_KIND_COUNT; id++) {
		const struct sip_header *header = sip_header_first(index, (enum sip_header_id)id);
		for (; header; header = sip_header_next(index, header)) {
			must(header->id == id);
			linked++;
		}
	}
	must(linked == index->header_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = { (const char *)data, size };
	struct sip_message_index *index;
	struct parse_error error = { 0 };
	struct arena arena;

	arena_init(&arena, 65536, 1 << 24);
	enum parse_result result = sip_message_index(&arena, bytes, &index, &error);
	must(result != PARSE_OK || (index && index->defects == 0));
	must(result != PARSE_MORE || !index);
	must(result != PARSE_BAD || (error.reason && error.at <= size));
	if (index) {
		must(index->body_at <= size && index->body_len <= size - index->body_at);
		must(index->len == index->body_at + index->body_len);
		must(index->headers_end < index->body_at);
		must(!index->is_request || index->uri.len > 0);
		must(index->is_request || (index->status >= 100 && index->status <= 699));
		touch(sip_range_span(bytes, index->uri));
		touch(sip_range_span(bytes, index->reason));
		check_headers(index, bytes, &arena);
	}
	arena_free(&arena);
	return 0;
}
