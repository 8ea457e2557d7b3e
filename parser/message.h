/* SPDX-License-Identifier: BSD-2-Clause */
/* message: the header index of a SIP message (RFC 3261 7 and 25.1), made in one pass. Everything is
 * an offset into the bytes, never a pointer, so bytes and index can be moved by memcpy. Values are
 * parsed by the typed parsers (via.h, name_addr.h, uri.h …) when somebody asks. */
#pragma once

#include "core/base/arena.h"
#include "parser/header.h"
#include "parser/method.h"
#include "parser/result.h"

#define SIP_MAX_HEADERS 1024
#define SIP_MAX_MESSAGE (1u << 24) /* bytes; more is BAD before anything is read */
#define SIP_NO_HEADER   0xffff

/* A part of the message's bytes. */
struct sip_range {
	uint32_t at;
	uint32_t len;
};

enum { SIP_HEADER_FOLDED = 1 }; /* the value spans several lines: see sip_unfold */

struct sip_header {
	uint32_t name_at;  /* also where the header's line begins */
	uint32_t value_at; /* trimmed value; folds are kept inside it */
	uint32_t value_len;
	uint32_t end;       /* first byte after the line end */
	uint16_t name_len;  /* without white space before the colon */
	uint16_t id;        /* enum sip_header_id */
	uint16_t next_same; /* next header with the same id (OTHER: next unknown), SIP_NO_HEADER */
	uint16_t flags;
};

/* What is wrong with a message whose structure could be read; RFC 3261 wants requests with such
 * defects to be answered 400. */
enum sip_defect {
	SIP_DEFECT_START_LINE = 1 << 0,     /* stray white space */
	SIP_DEFECT_CONTENT_LENGTH = 1 << 1, /* no number, or several that differ */
	SIP_DEFECT_SHORT_BODY = 1 << 2,     /* Content-Length is more than there is (18.3) */
};

struct sip_message_index {
	/* The start line. */
	bool is_request;
	bool is_http;                 /* HTTP/1.x instead of SIP/2.0 */
	bool is_sip_2_0;              /* false for SIP/7.0, which is answered 505 */
	uint16_t status;              /* replies: 100-699 */
	uint16_t defects;             /* enum sip_defect */
	uint32_t method;              /* requests: METHOD_* bit; replies: 0 (see cseq.h) */
	struct sip_range method_name; /* requests */
	struct sip_range uri;         /* requests: Request-URI */
	struct sip_range version;     /* "SIP/2.0" */
	struct sip_range reason;      /* replies, may be empty */

	bool has_content_length;
	uint16_t header_count;
	uint16_t header_capacity;
	uint32_t start;       /* of the start line, after leading empty lines */
	uint32_t headers_at;  /* first byte after the start line */
	uint32_t headers_end; /* where the empty line begins = end of the last header */
	uint32_t body_at;     /* after the empty line */
	uint32_t body_len;
	uint32_t content_length;           /* as told, when has_content_length */
	uint32_t len;                      /* of the whole message = body_at + body_len */
	uint16_t first[HEADER_KIND_COUNT]; /* per id: first header, or SIP_NO_HEADER */
	struct sip_header headers[];
};

/* Indexes one datagram, or one framed message of a stream. The index comes from `arena`.
 *   PARSE_OK   *out_index is complete. The body ends where Content-Length says, else with the bytes.
 *   PARSE_MORE the header section has no end. *out_index is NULL.
 *   PARSE_BAD  *out_error says where and why. When *out_index is not NULL, the structure is whole
 *              and index->defects tells what is wrong, so that a request can be answered 400;
 *              a short body then has the length that is there.
 * Line ends may be bare LF. Bare CR is BAD everywhere, NUL unless a backslash precedes it (quoted
 * pair, RFC 4475 3.1.1.2). White space before the colon belongs to neither name nor value.
 * `out_error` may be NULL. */
enum parse_result sip_message_index(struct arena *arena, struct span bytes,
				    struct sip_message_index **out_index,
				    struct parse_error *out_error);

/* The same into memory of the caller with room for `capacity` headers (sip_index_size_for); more
 * headers are BAD "too many headers". `index` holds a usable index for PARSE_OK and for PARSE_BAD
 * with index->defects != 0. */
enum parse_result sip_message_index_into(struct sip_message_index *index, unsigned capacity,
					 struct span bytes, struct parse_error *out_error);

/* Bytes of an index with room for `capacity` headers. */
static inline size_t sip_index_size_for(unsigned capacity)
{
	return sizeof(struct sip_message_index) + capacity * sizeof(struct sip_header);
}

/* Bytes to memcpy to move an index; set header_capacity = header_count in the copy. */
static inline size_t sip_index_size(const struct sip_message_index *index)
{
	return sip_index_size_for(index->header_count);
}

/* Fills `first` of an index whose headers know their successors. */
static inline void sip_index_note_first(struct sip_message_index *index)
{
	memset(index->first, 0xff, sizeof(index->first));
	for (unsigned i = index->header_count; i-- > 0;)
		index->first[index->headers[i].id] = (uint16_t)i;
}

/* The first header of a kind, or NULL. */
static inline const struct sip_header *sip_header_first(const struct sip_message_index *index,
							enum sip_header_id id)
{
	uint16_t i = index->first[id];
	return i == SIP_NO_HEADER ? NULL : &index->headers[i];
}

/* The next one of the same kind, or NULL. For HEADER_OTHER: the next unknown header. */
static inline const struct sip_header *sip_header_next(const struct sip_message_index *index,
						       const struct sip_header *header)
{
	return header->next_same == SIP_NO_HEADER ? NULL : &index->headers[header->next_same];
}

static inline struct span sip_range_span(struct span bytes, struct sip_range range)
{
	return (struct span){ bytes.at + range.at, range.len };
}

static inline struct span sip_header_name(struct span bytes, const struct sip_header *header)
{
	return (struct span){ bytes.at + header->name_at, header->name_len };
}

static inline struct span sip_header_value(struct span bytes, const struct sip_header *header)
{
	return (struct span){ bytes.at + header->value_at, header->value_len };
}

/* The whole line, line end included. */
static inline struct span sip_header_line(struct span bytes, const struct sip_header *header)
{
	return (struct span){ bytes.at + header->name_at, header->end - header->name_at };
}

/* The first header with this name (any case; compact and long form are the same), or NULL; `after`
 * continues behind a header, NULL starts at the first. */
const struct sip_header *sip_header_named(const struct sip_message_index *index, struct span bytes,
					  struct span name, const struct sip_header *after);

/* True when the text contains a line end. */
bool sip_is_folded(struct span value);
/* The value with each fold (line end and white space around it) replaced by one space; the value
 * itself when there is none. Absent when memory is exhausted. */
struct span sip_unfold(struct arena *arena, struct span value);

/* True for what phones send to keep a NAT binding open: only CR, LF, NUL or SP, at most 16 bytes;
 * such datagrams are ignored. */
bool sip_is_keepalive(struct span datagram);
