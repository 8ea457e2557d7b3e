/* SPDX-License-Identifier: BSD-2-Clause */
/* line: start line and header lines one by one. The header index, the framing of streams and MIME
 * parts all cut lines with these functions, so that no two of them can disagree about where a
 * header begins or what it is called. */
#pragma once

#include "parser/cursor.h"
#include "parser/message.h"
#include "parser/scan.h"

enum line_result {
	LINE_HEADER,
	LINE_EMPTY, /* the empty line that ends the headers was taken */
	LINE_MORE,  /* the bytes end before the line does */
	LINE_BAD,
};

struct header_line {
	struct span name;  /* without white space before the colon */
	struct span value; /* trimmed */
	enum sip_header_id id;
	bool is_folded;
};

/* Takes a header line with its continuation lines, or the empty line. On LINE_BAD in->at is where
 * it is wrong. */
enum line_result header_line_take(struct cursor *in, struct header_line *out_line,
				  const char **out_reason);

struct start_line {
	bool is_request;
	bool is_http;
	bool is_sip_2_0;
	bool has_stray_space;
	uint16_t status;
	uint32_t method;
	struct span method_name;
	struct span uri;
	struct span version;
	struct span reason;
};

/* Takes the start line with its line end. */
enum parse_result start_line_take(struct cursor *in, struct start_line *out_line,
				  const char **out_reason);
/* Skips the empty lines that may precede a message (RFC 3261 7.5). */
void empty_lines_skip(struct cursor *in);

/* What the Content-Length lines of a message say together. */
struct content_length {
	bool is_present;
	bool is_bad; /* no number, or several that differ */
	uint32_t value;
};
void content_length_note(struct content_length *all, struct span value);

/* The kind of a header name of 1 to 16 bytes, of which 16 can be read, any case. */
enum sip_header_id header_id_of_block(const char *name, unsigned len);

/* Finds name and value in the line from `at` to `stop`, where its text ends, when it is as nearly all
 * lines are: a name, a colon, at most one space, a value, CR LF and no continuation. False for every
 * other one, and when the bytes end too early to know. The bytes of the name remain to be checked. */
[[gnu::always_inline]] static inline bool plain_line_read(const char *at, const char *stop,
							  const char *end, unsigned *out_name_len,
							  const char **out_value)
{
	if (end - stop < 3 || stop[0] != '\r' || stop[1] != '\n' || stop[2] == ' ' ||
	    stop[2] == '\t')
		return false;
	unsigned len = end - at >= SCAN_NAME_MOST ? scan_name(at) : scan_name_bytes(at, stop);
	const char *value = at + len + 1;
	if (len == 0 || value >= stop)
		return false;
	value += *value == ' ';
	*out_name_len = len;
	*out_value = value;
	return (unsigned char)*value > ' ' && (unsigned char)stop[-1] > ' ';
}
