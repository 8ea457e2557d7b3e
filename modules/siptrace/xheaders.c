/* SPDX-License-Identifier: BSD-2-Clause */
/* x-headers: a copy for another server says where its message came from and went to, in lines of its own
 * (xheaders_write); that server reads them, takes them out, and traces what they say (xheaders_read):
 *
 *   X-Siptrace-Fromip: udp:192.0.2.1:5060
 *   X-Siptrace-Toip: udp:192.0.2.2:5060
 *   X-Siptrace-Time: 1700000000 123456
 *   X-Siptrace-Method: INVITE
 *   X-Siptrace-Dir: in
 */
#include "modules/siptrace/siptrace.h"

#define PREFIX SPAN_OF("X-Siptrace-")

static bool is_ours(const struct message *msg, const struct sip_header *h)
{
	return span_starts_with_nocase(sip_header_name(msg->bytes, h), PREFIX);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static struct span value_of(const struct message *msg, struct span name)
{
	for (unsigned i = 0; i < msg->index->header_count; i++) {
		const struct sip_header *h = &msg->index->headers[i];
		struct span whole = sip_header_name(msg->bytes, h);
		if (is_ours(msg, h) &&
		    span_equal_nocase(span_slice(whole, PREFIX.len, whole.len), name))
			return message_header_value(msg, h);
	}
	return (struct span){ NULL, 0 };
}

/* time = seconds SP microseconds */
static bool read_time(struct span text, int64_t *out_us)
{
	struct span rest = text, seconds;
	int64_t whole, part;
	if (!span_split(&rest, ' ', &seconds) || !span_to_int64(seconds, &whole) ||
	    !span_to_int64(span_trim(rest), &part) || whole < 0 || whole > UINT32_MAX || part < 0 ||
	    part > 999999)
		return false;
	*out_us = whole * 1000000 + part;
	return true;
}

static struct span without_lines(const struct message *msg)
{
	struct writer w = writer_in_arena(msg->arena, msg->bytes.len + 1);
	const char *at = msg->bytes.at;
	for (unsigned i = 0; i < msg->index->header_count; i++) {
		const struct sip_header *h = &msg->index->headers[i];
		struct span line = sip_header_line(msg->bytes, h);
		if (!is_ours(msg, h))
			continue;
		writer_span(&w, span_make(at, (size_t)(line.at - at)));
		at = line.at + line.len;
	}
	writer_span(&w, span_make(at, (size_t)(msg->bytes.at + msg->bytes.len - at)));
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

bool xheaders_read(struct capture *capture)
{
	const struct message *msg = capture->msg;
	struct capture found = *capture;
	struct span direction = value_of(msg, SPAN_OF("Dir"));
	if (!end_point_parse(value_of(msg, SPAN_OF("Fromip")), &found.from) ||
	    !end_point_parse(value_of(msg, SPAN_OF("Toip")), &found.to) ||
	    !read_time(value_of(msg, SPAN_OF("Time")), &found.wall_us) || !direction.len)
		return false;
	found.is_out = span_equal_nocase(direction, SPAN_OF("out"));
	found.bytes = without_lines(msg);
	if (!found.bytes.at)
		return false;
	*capture = found;
	return true;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

struct span xheaders_write(const struct capture *capture)
{
	struct span bytes = capture->bytes;
	size_t end = span_find_span(bytes, SPAN_OF("\r\n\r\n"));
	struct writer w = writer_in_arena(capture->msg->arena, bytes.len + 256);
	if (end == bytes.len)
		return bytes;
	writer_span(&w, span_slice(bytes, 0, end + 2));
	writer_literal(&w, "X-Siptrace-Fromip: ");
	end_point_write(&w, &capture->from);
	writer_literal(&w, "\r\nX-Siptrace-Toip: ");
	end_point_write(&w, &capture->to);
	writer_printf(&w,
		      "\r\nX-Siptrace-Time: %lld %lld\r\nX-Siptrace-Method: %.*s\r\n"
		      "X-Siptrace-Dir: %s\r\n",
		      (long long)(capture->wall_us / 1000000),
		      (long long)(capture->wall_us % 1000000),
		      SPAN_ARGS(message_method_name(capture->msg)), capture->is_out ? "out" : "in");
	writer_span(&w, span_slice(bytes, end + 2, bytes.len));
	return w.failed ? bytes : writer_result(&w);
}
