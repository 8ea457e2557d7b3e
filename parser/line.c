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
		in->at += scan_line_stop(in->at, 0, cursor_left(in));
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

static bool plain_line_take(struct cursor *in, struct header_line *out_line)
{
	struct sip_header header;
	struct span text = cursor_rest(in);
	if (text.len < PLAIN_LINE_LEAST ||
	    !plain_line_read(header_names(), text, 0, scan_line_stop, &header) ||
	    line_may_continue(text, header.end))
		return false;
	*out_line = (struct header_line){
		.name = sip_header_name(text, &header),
		.value = sip_header_value(text, &header),
		.id = (enum sip_header_id)header.id,
	};
	in->at += header.end;
	return true;
}

/* The general way. */
[[gnu::noinline]] static enum line_result header_line_read(struct cursor *in,
							   struct header_line *out_line,
							   const char **out_reason)
{
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

enum line_result header_line_take(struct cursor *in, struct header_line *out_line,
				  const char **out_reason)
{
	return plain_line_take(in, out_line) ? LINE_HEADER
					     : header_line_read(in, out_line, out_reason);
}

/* A start line that is being read. */
struct start_line {
	const char *base; /* of its places */
	struct sip_message_index *index;
};

static struct sip_range range_of(struct start_line line, struct span s)
{
	return (struct sip_range){ (uint32_t)(s.at - line.base), (uint32_t)s.len };
}

/* SIP-Version = "SIP" "/" 1*DIGIT "." 1*DIGIT, and the same with "HTTP". */
static bool version_parse(struct span text, struct start_line line)
{
	struct cursor in = cursor_over(text);
	uint64_t major, minor;
	bool is_http = cursor_take_word(&in, SPAN_OF("HTTP/"));

	if (!is_http && !cursor_take_word(&in, SPAN_OF("SIP/")))
		return false;
	if (!cursor_take_number(&in, 999, &major) || !cursor_take(&in, '.') ||
	    !cursor_take_number(&in, 999, &minor) || !cursor_is_end(&in))
		return false;
	line.index->version = range_of(line, text);
	line.index->is_http = is_http;
	line.index->is_sip_2_0 = !is_http && major == 2 && minor == 0;
	return true;
}

/* Status-Line = SIP-Version SP 3DIGIT SP Reason-Phrase CRLF */
static bool status_line_parse(struct span text, struct start_line line, const char **out_reason)
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
	line.index->status = (uint16_t)status;
	line.index->reason = range_of(line, cursor_rest(&in));
	return true;
}

/* Request-Line = Method SP Request-URI SP SIP-Version CRLF. Stray white space is noted and stepped
 * over, so that the request can be answered 400 (RFC 4475 3.1.2.7-3.1.2.9). */
static bool request_line_parse(struct span text, struct start_line line, const char **out_reason)
{
	struct cursor in = cursor_over(text);
	struct span method = cursor_take_while(&in, CHAR_TOKEN);
	if (method.len == 0 || !cursor_take(&in, ' ')) {
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
	struct span uri = span_trim(span_slice(rest, 0, before_version));
	if (uri.len == 0) {
		*out_reason = "no Request-URI";
		return false;
	}
	if (rest.len != whole.len || uri.len + 1 != before_version ||
	    span_find(uri, ' ', 0) != uri.len || span_find(uri, '\t', 0) != uri.len)
		line.index->defects = SIP_DEFECT_START_LINE;
	line.index->is_request = true;
	line.index->method = method_from_span(method);
	line.index->method_name = range_of(line, method);
	line.index->uri = range_of(line, uri);
	return true;
}

#define USUAL_VERSION     "SIP/2.0"
#define USUAL_VERSION_LEN 7
/* Bytes that must be there to tell a usual start line: a method or "SIP/2.0 200 ", and more than a line. */
#define USUAL_START_LEAST 16

/* Is `stop` the CR LF of a line that is not continued? */
static bool ends_plainly(const char *stop, const char *end)
{
	return end - stop >= 3 && memcmp(stop, "\r\n", 2) == 0 && stop[2] != ' ' && stop[2] != '\t';
}

/* "SIP/2.0 200 OK". The place of its line end, NULL for other lines. */
static const char *plain_status_line(struct span text, struct start_line line)
{
	const char *digits = text.at + USUAL_VERSION_LEN + 1, *reason = digits + 4;
	if (digits[3] != ' ' || digits[0] < '1' || digits[0] > '6' || !ascii_is_digit(digits[1]) ||
	    !ascii_is_digit(digits[2]))
		return NULL;
	const char *stop = text.at + scan_line_stop(text.at, (size_t)(reason - text.at), text.len);
	line.index->status = (uint16_t)(digits[0] * 100 + digits[1] * 10 + digits[2] - '0' * 111);
	line.index->version = range_of(line, span_make(text.at, USUAL_VERSION_LEN));
	line.index->reason = range_of(line, span_make(reason, (size_t)(stop - reason)));
	return stop;
}

/* "METHOD sip:… SIP/2.0", the same. */
static const char *plain_request_line(struct span text, struct start_line line)
{
	unsigned spaces = scan_block_places(scan_block_read(text.at), ' ');
	if (!spaces)
		return NULL;
	struct span method = span_make(text.at, (unsigned)__builtin_ctz(spaces));
	const char *end = text.at + text.len, *uri = method.at + method.len + 1;
	const char *space = scan_space(uri, end);
	if (space == uri || end - space < USUAL_VERSION_LEN + 1 ||
	    memcmp(space, " " USUAL_VERSION, USUAL_VERSION_LEN + 1) != 0)
		return NULL;
	uint32_t bit = method_from_span(method);
	if (bit == METHOD_OTHER && !span_is_all(method, CHAR_TOKEN))
		return NULL;
	line.index->is_request = true;
	line.index->method = bit;
	line.index->method_name = range_of(line, method);
	line.index->uri = range_of(line, span_make(uri, (size_t)(space - uri)));
	line.index->version = range_of(line, span_make(space + 1, USUAL_VERSION_LEN));
	return space + 1 + USUAL_VERSION_LEN;
}

/* Takes the start line when it is as nearly all write it. */
static bool plain_start_line_take(struct cursor *in, struct start_line line)
{
	struct span text = cursor_rest(in);
	if (text.len < USUAL_START_LEAST)
		return false;
	bool is_reply = memcmp(text.at, USUAL_VERSION " ", USUAL_VERSION_LEN + 1) == 0;
	const char *stop =
		is_reply ? plain_status_line(text, line) : plain_request_line(text, line);
	if (!stop || !ends_plainly(stop, in->end))
		return false;
	line.index->is_sip_2_0 = true;
	in->at = stop + 2;
	return true;
}

static bool is_status_line(struct span text)
{
	return span_starts_with_nocase(text, SPAN_OF("SIP/")) ||
	       span_starts_with_nocase(text, SPAN_OF("HTTP/"));
}

static void start_line_clear(struct sip_message_index *index)
{
	index->is_request = index->is_http = index->is_sip_2_0 = false;
	index->status = index->defects = 0;
	index->method = 0;
	index->method_name = index->uri = (struct sip_range){ 0, 0 };
	index->version = index->reason = (struct sip_range){ 0, 0 };
}

/* The general way. */
[[gnu::noinline]] static enum parse_result start_line_read(struct cursor *in,
							   struct start_line line,
							   const char **out_reason)
{
	const char *start = in->at;
	enum parse_result result = line_end_find(in, out_reason);
	if (result != PARSE_OK)
		return result;
	struct span text = cursor_since(in, start);
	start_line_clear(line.index);
	if (!(is_status_line(text) ? status_line_parse(text, line, out_reason)
				   : request_line_parse(text, line, out_reason))) {
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

enum parse_result start_line_take(struct cursor *in, const char *base,
				  struct sip_message_index *out_index, const char **out_reason)
{
	const struct start_line line = { base, out_index };
	start_line_clear(out_index);
	return plain_start_line_take(in, line) ? PARSE_OK : start_line_read(in, line, out_reason);
}
