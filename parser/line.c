/* SPDX-License-Identifier: BSD-2-Clause */
/* line: cuts start line and header lines (RFC 3261 7.1-7.3 and 25.1). */
#include "parser/line.h"

#define STATUS_MIN 100
#define STATUS_MAX 699

/* Moves to the LF that ends the text at the place, or to its CR when CR LF ends it. RFC 3261 allows
 * neither bare CR nor NUL in a header, except as a quoted pair, where RFC 4475 3.1.1.2 has a NUL. */
static enum parse_result line_end_find(struct cursor *in, const char **out_reason)
{
	const char *begin = in->at;
	for (;;) {
		in->at = scan_line_stop(in->at, in->end);
		if (in->at == in->end)
			return PARSE_MORE;
		if (*in->at == '\n')
			return PARSE_OK;
		if (*in->at == '\r') {
			int next = cursor_peek_at(in, 1);
			if (next == '\n')
				return PARSE_OK;
			if (next < 0)
				return PARSE_MORE;
			*out_reason = "carriage return without line feed";
			return PARSE_BAD;
		}
		if (*in->at == '\0' && (in->at == begin || in->at[-1] != '\\')) {
			*out_reason = "zero byte in a header";
			return PARSE_BAD;
		}
		in->at++;
	}
}

/* Takes LF or CR LF, which line_end_find has found. */
static void line_end_take(struct cursor *in)
{
	cursor_take(in, '\r');
	cursor_take(in, '\n');
}

void empty_lines_skip(struct cursor *in)
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

/* header = token HCOLON value; HCOLON = *( SP / HTAB ) ":" SWS */
static enum line_result header_name_take(struct cursor *in, struct header_line *out_line,
					 const char **out_reason)
{
	out_line->name = cursor_take_while(in, CHAR_TOKEN);
	while (cursor_peek(in) == ' ' || cursor_peek(in) == '\t')
		in->at++;
	if (cursor_is_end(in))
		return LINE_MORE;
	if (out_line->name.len == 0 || !cursor_take(in, ':')) {
		*out_reason = "header line without a name and colon";
		return LINE_BAD;
	}
	if (out_line->name.len > UINT16_MAX) {
		*out_reason = "header name too long";
		return LINE_BAD;
	}
	out_line->id = header_id_from_name(out_line->name);
	return LINE_HEADER;
}

/* False for a line that is not as nearly all are; the general way then reads it. */
static bool plain_line_take(struct cursor *in, struct header_line *out_line)
{
	const char *stop = scan_line_stop(in->at, in->end), *value;
	unsigned len;
	if (!plain_line_read(in->at, stop, in->end, &len, &value))
		return false;
	out_line->name = span_make(in->at, len);
	out_line->id = header_id_from_name(out_line->name);
	if (out_line->id == HEADER_OTHER && !span_is_all(out_line->name, CHAR_TOKEN))
		return false;
	out_line->value = span_make(value, (size_t)(stop - value));
	out_line->is_folded = false;
	in->at = stop + 2;
	return true;
}

enum line_result header_line_take(struct cursor *in, struct header_line *out_line,
				  const char **out_reason)
{
	if (plain_line_take(in, out_line))
		return LINE_HEADER;
	int first = cursor_peek(in);
	if (first == '\n') {
		in->at++;
		return LINE_EMPTY;
	}
	if (first == '\r') {
		int next = cursor_peek_at(in, 1);
		if (next == '\n')
			in->at += 2;
		else if (next >= 0)
			*out_reason = "carriage return without line feed";
		return next == '\n' ? LINE_EMPTY : next < 0 ? LINE_MORE : LINE_BAD;
	}

	enum line_result name_result = header_name_take(in, out_line, out_reason);
	if (name_result != LINE_HEADER)
		return name_result;

	const char *begin = in->at;
	const char *stop;
	out_line->is_folded = false;
	for (;;) {
		enum parse_result result = line_end_find(in, out_reason);
		if (result != PARSE_OK)
			return result == PARSE_BAD ? LINE_BAD : LINE_MORE;
		stop = in->at;
		line_end_take(in);
		int next = cursor_peek(in);
		if (next < 0)
			return LINE_MORE; /* the next line may continue this one */
		if (next != ' ' && next != '\t')
			break;
		out_line->is_folded = true;
	}
	while (begin < stop && ascii_is_space(*begin))
		begin++;
	while (stop > begin && ascii_is_space(stop[-1]))
		stop--;
	out_line->value = span_make(begin, (size_t)(stop - begin));
	return LINE_HEADER;
}

/* SIP-Version = "SIP" "/" 1*DIGIT "." 1*DIGIT, and the same with "HTTP". */
static bool version_parse(struct span text, struct start_line *line)
{
	struct cursor in = cursor_over(text);
	uint64_t major, minor;

	if (cursor_take_word(&in, SPAN_OF("HTTP/")))
		line->is_http = true;
	else if (!cursor_take_word(&in, SPAN_OF("SIP/")))
		return false;
	if (!cursor_take_number(&in, 999, &major) || !cursor_take(&in, '.') ||
	    !cursor_take_number(&in, 999, &minor) || !cursor_is_end(&in))
		return false;
	line->version = text;
	line->is_sip_2_0 = !line->is_http && major == 2 && minor == 0;
	return true;
}

/* Status-Line = SIP-Version SP 3DIGIT SP Reason-Phrase CRLF */
static bool status_line_parse(struct span text, struct start_line *line, const char **out_reason)
{
	size_t space = span_find(text, ' ', 0);
	struct cursor in = cursor_over(span_slice(text, space, text.len));
	uint64_t status;

	if (!version_parse(span_slice(text, 0, space), line)) {
		*out_reason = "status line without a version";
		return false;
	}
	while (cursor_take(&in, ' '))
		;
	const char *digits = in.at;
	if (!cursor_take_number(&in, STATUS_MAX, &status) || status < STATUS_MIN ||
	    in.at - digits != 3 || (!cursor_is_end(&in) && *in.at != ' ')) {
		*out_reason = "status code is not in 100-699";
		return false;
	}
	cursor_take(&in, ' ');
	line->status = (uint16_t)status;
	line->reason = cursor_rest(&in);
	return true;
}

/* Request-Line = Method SP Request-URI SP SIP-Version CRLF. Stray white space is noted and stepped
 * over, so that the request can be answered 400 (RFC 4475 3.1.2.7-3.1.2.9). */
static bool request_line_parse(struct span text, struct start_line *line, const char **out_reason)
{
	struct cursor in = cursor_over(text);
	line->method_name = cursor_take_while(&in, CHAR_TOKEN);
	if (line->method_name.len == 0 || !cursor_take(&in, ' ')) {
		*out_reason = "no method at the start";
		return false;
	}
	struct span whole = cursor_rest(&in);
	struct span rest = span_trim(whole);
	size_t before_version = rest.len;
	while (before_version > 0 && !ascii_is_space(rest.at[before_version - 1]))
		before_version--;
	if (!version_parse(span_slice(rest, before_version, rest.len), line)) {
		*out_reason = "no SIP version at the end of the first line";
		return false;
	}
	line->uri = span_trim(span_slice(rest, 0, before_version));
	if (line->uri.len == 0) {
		*out_reason = "no Request-URI";
		return false;
	}
	line->has_stray_space = rest.len != whole.len || line->uri.len + 1 != before_version ||
				span_find(line->uri, ' ', 0) != line->uri.len ||
				span_find(line->uri, '\t', 0) != line->uri.len;
	line->method = method_from_span(line->method_name);
	line->is_request = true;
	return true;
}

static const char usual_version[] = "SIP/2.0";
#define USUAL_LEN 7

/* "METHOD sip:… SIP/2.0" and "SIP/2.0 200 OK" as nearly all write them; false for other lines. */
static bool plain_start_line(struct span text, struct start_line *line)
{
	const char *end = text.at + text.len;
	if (text.len < 2 * USUAL_LEN)
		return false;
	if (memcmp(text.at, usual_version, USUAL_LEN) == 0) {
		const char *digits = text.at + USUAL_LEN + 1;
		if (digits[-1] != ' ' || digits[3] != ' ' || digits[0] < '1' || digits[0] > '6' ||
		    !ascii_is_digit(digits[1]) || !ascii_is_digit(digits[2]))
			return false;
		line->version = span_make(text.at, USUAL_LEN);
		line->status = (uint16_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 +
					  digits[2] - '0');
		line->reason = span_make(digits + 4, (size_t)(end - digits - 4));
		line->is_sip_2_0 = true;
		return true;
	}
	const char *version = end - USUAL_LEN;
	struct cursor in = { text.at, version - 1 };
	if (version[-1] != ' ' || memcmp(version, usual_version, USUAL_LEN) != 0)
		return false;
	line->method_name = cursor_take_while(&in, CHAR_TOKEN);
	if (line->method_name.len == 0 || !cursor_take(&in, ' '))
		return false;
	line->uri = cursor_rest(&in);
	if (line->uri.len == 0 || scan_for(in.at, in.end, "  \t\r") != in.end)
		return false;
	line->version = span_make(version, USUAL_LEN);
	line->method = method_from_span(line->method_name);
	line->is_request = true;
	line->is_sip_2_0 = true;
	return true;
}

static bool is_status_line(struct span text)
{
	return span_starts_with_nocase(text, SPAN_OF("SIP/")) ||
	       span_starts_with_nocase(text, SPAN_OF("HTTP/"));
}

enum parse_result start_line_take(struct cursor *in, struct start_line *out_line,
				  const char **out_reason)
{
	const char *start = in->at;
	enum parse_result result = line_end_find(in, out_reason);
	if (result != PARSE_OK)
		return result;

	struct span text = cursor_since(in, start);
	*out_line = (struct start_line){ 0 };
	bool is_plain = plain_start_line(text, out_line);
	if (!is_plain)
		*out_line = (struct start_line){ 0 };
	bool is_reply = !is_plain && is_status_line(text);
	bool is_right = is_plain || (is_reply ? status_line_parse(text, out_line, out_reason)
					      : request_line_parse(text, out_line, out_reason));
	if (!is_right) {
		in->at = start;
		return PARSE_BAD;
	}
	line_end_take(in);
	int next = cursor_peek(in);
	if (next == ' ' || next == '\t') {
		*out_reason = "first line is continued";
		return PARSE_BAD;
	}
	return PARSE_OK;
}

void content_length_note(struct content_length *all, struct span value)
{
	struct cursor in = cursor_over(value);
	uint64_t number;

	if (!cursor_take_number(&in, UINT32_MAX, &number) || !cursor_is_end(&in))
		all->is_bad = true;
	else if (all->is_present && all->value != number)
		all->is_bad = true;
	else
		all->value = (uint32_t)number;
	all->is_present = true;
}
