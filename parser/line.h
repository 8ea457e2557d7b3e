/* SPDX-License-Identifier: BSD-2-Clause */
/* line: start line and header lines one by one. The header index, the framing of streams and MIME
 * parts all cut lines with these functions, so that no two of them can disagree about where a
 * header begins or what it is called. */
#pragma once

#include "parser/cursor.h"
#include "parser/header_names.h"
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

/* Takes the start line with its line end; fills what an index tells of it, with places counted from
 * `base`. */
enum parse_result start_line_take(struct cursor *in, const char *base,
				  struct sip_message_index *out_index, const char **out_reason);

/* What the Content-Length lines of a message say together. */
struct content_length {
	bool is_present;
	bool is_bad; /* no number, or several that differ */
	uint32_t value;
};
static inline void content_length_note(struct content_length *all, struct span value)
{
	const char *end = value.at + value.len;
	struct digits length = digits_read(value.at, end, UINT32_MAX);
	if (!length.end || length.end != end || (all->is_present && all->value != length.number))
		all->is_bad = true;
	else
		all->value = (uint32_t)length.number;
	all->is_present = true;
}

/* One of scan_line_stop and scan_line_stop_wide. */
typedef size_t (*line_scanner)(const char *text, size_t at, size_t len);

#define PLAIN_LINE_LEAST 18 /* bytes that plain_line_read wants to be there */

/* Reads the header line at a place of a text when it is as nearly all are: a name, a colon, at most one
 * space, a value and CR LF. The next line may be a continuation still. False for every other line, and when
 * the bytes end too early to know: then *out_header is worth nothing. */
[[gnu::always_inline]] static inline bool plain_line_read(const struct header_names *names,
							  struct span text, size_t at,
							  line_scanner line_stop,
							  struct sip_header *out_header)
{
	struct name_found name;
	if (__builtin_expect(!header_name_find(names, text.at + at, &name), 0)) {
		name = header_name_read(text.at + at, text.at + text.len);
		if (name.len == 0 || at + name.len + 2 >= text.len)
			return false;
	}
	out_header->name_at = (uint32_t)at;
	out_header->name_len = (uint16_t)name.len;
	out_header->id = (uint16_t)name.id;
	out_header->next_same = SIP_NO_HEADER;
	out_header->flags = 0;
	size_t value = at + name.len + 1;
	if (text.at[value] == ' ')
		value++;
	out_header->value_at = (uint32_t)value;
	size_t stop = line_stop(text.at, value, text.len);
	if (stop + 2 > text.len || memcmp(text.at + stop, "\r\n", 2) != 0)
		return false;
	out_header->value_len = (uint32_t)(stop - value);
	out_header->end = (uint32_t)(stop + 2);
	return (unsigned char)text.at[value] > ' ' && (unsigned char)text.at[stop - 1] > ' ';
}

/* Does the line at this place continue the one before it, as far as is known? */
static inline bool line_may_continue(struct span text, size_t at)
{
	return at >= text.len || text.at[at] == ' ' || text.at[at] == '\t';
}
