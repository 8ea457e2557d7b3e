/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies that we make ourselves (RFC 3261 8.2.6) and where replies go (18.2.2, RFC 3581). */
#include "core/base/hash.h"
#include "core/base/hex.h"
#include "core/message/render.h"
#include "parser/values.h"

static struct render_options options;

const struct render_options *render_options(void)
{
	return &options;
}

void render_configure(const struct render_options *chosen)
{
	options = *chosen;
}

/* Lines of the request that follow each other there are copied at once: [from, to) is still to come. */
struct copy {
	struct writer *w;
	const char *from, *to;
};

static void copy_flush(struct copy *copy)
{
	writer_bytes(copy->w, copy->from, (size_t)(copy->to - copy->from));
	copy->from = copy->to;
}

static void copy_bytes(struct copy *copy, const char *from, const char *to)
{
	if (from != copy->to) {
		copy_flush(copy);
		copy->from = from;
	}
	copy->to = to;
}

/* The first value of the first Via gets received and rport. */
static void copy_via(struct copy *copy, struct message *request, const struct sip_header *h)
{
	const struct sip_via *top = message_top_via(request);
	struct span line = sip_header_line(request->bytes, h);
	if (h != message_header(request, HEADER_VIA) || !top || request->from.source.family == 0) {
		copy_bytes(copy, line.at, line.at + line.len);
		return;
	}
	bool wants_rport = via_wants_rport(request, top);
	bool has_rport = top->rport_whole.at != NULL;
	bool wants_received = via_wants_received(request, top);
	const char *via_end = top->whole.at + top->whole.len;
	const char *place = wants_rport && has_rport ? top->rport_whole.at : via_end;
	copy_bytes(copy, line.at, place);
	if (wants_rport) {
		copy_flush(copy);
		if (!has_rport)
			writer_char(copy->w, ';');
		writer_literal(copy->w, "rport=");
		writer_uint(copy->w, request->from.source.port);
		if (has_rport)
			copy_bytes(copy, place + top->rport_whole.len, via_end);
	}
	if (wants_received) {
		copy_flush(copy);
		writer_literal(copy->w, ";received=");
		end_point_write_ip(copy->w, &request->from.source);
	}
	if (__builtin_expect((request->notes & NOTE_VIA_REPLY_PARAMS) != 0, 0)) {
		copy_flush(copy);
		render_via_params(copy->w, request, options.via_reply_params_xavp);
	}
	copy_bytes(copy, via_end, line.at + line.len);
}

static void copy_to(struct copy *copy, const struct local_reply *reply, const struct sip_header *h)
{
	const struct message *request = reply->request;
	struct span line = sip_header_line(request->bytes, h);
	const char *end = request->bytes.at + h->value_at + h->value_len;
	const struct name_addr *to = reply->to_tag.len ? message_to(request) : NULL;
	copy_bytes(copy, line.at, end);
	if (to && !to->tag.at) {
		copy_flush(copy);
		char *at = writer_room(copy->w, sizeof(";tag=") - 1 + reply->to_tag.len);
		if (at)
			put_span(put_literal(at, ";tag="), reply->to_tag);
	}
	copy_bytes(copy, end, line.at + line.len);
}

/* Headers of the request that a reply repeats, in their order (RFC 3261 8.2.6.2, 12.1.1). */
enum repeated { REPEAT_NOT, REPEAT_LINE, REPEAT_VIA, REPEAT_TO, REPEAT_IN_DIALOG };
static const uint8_t repeated[HEADER_KIND_COUNT] = {
	[HEADER_VIA] = REPEAT_VIA,
	[HEADER_TO] = REPEAT_TO,
	[HEADER_FROM] = REPEAT_LINE,
	[HEADER_CALL_ID] = REPEAT_LINE,
	[HEADER_CSEQ] = REPEAT_LINE,
	[HEADER_RECORD_ROUTE] = REPEAT_IN_DIALOG,
};

static void write_request_headers(struct writer *w, const struct local_reply *reply)
{
	struct message *request = (struct message *)(uintptr_t)reply->request;
	const struct sip_header *h = request->index->headers,
				*end = h + request->index->header_count;
	struct copy copy = { .w = w };
	bool makes_dialog = reply->code >= 180 && reply->code < 300;
	for (; h < end; h++) {
		enum repeated how = (enum repeated)repeated[h->id];
		if (how == REPEAT_NOT || (how == REPEAT_IN_DIALOG && !makes_dialog))
			continue;
		if (how == REPEAT_VIA)
			copy_via(&copy, request, h);
		else if (how == REPEAT_TO)
			copy_to(&copy, reply, h);
		else
			copy_bytes(&copy, request->bytes.at + h->name_at,
				   request->bytes.at + h->end);
	}
	copy_flush(&copy);
}

/* Warning line of servers with sip_warning=1: who answered and whose request it was. */
static void write_warning(struct writer *w, const struct local_reply *reply)
{
	const struct message *request = reply->request;
	writer_literal(w, "Warning: 392 ");
	writer_span(w, request->from.listener ? request->from.listener->host_port
					      : SPAN_OF("localhost"));
	writer_literal(w, " \"Noisy feedback tells:  pid=0 req_src_ip=");
	end_point_write_ip(w, &request->from.source);
	writer_printf(w, " req_src_port=%u in_uri=%.*s out_uri=%.*s via_cnt%s1\"\r\n",
		      request->from.source.port, SPAN_ARGS(message_original_uri(request)),
		      SPAN_ARGS(message_uri(request)),
		      message_second_via((struct message *)(uintptr_t)request) ? ">" : "==");
}

static void write_content_type(struct writer *w, struct span type)
{
	if (!type.len)
		return;
	writer_literal(w, "Content-Type: ");
	writer_span(w, type);
	writer_literal(w, "\r\n");
}

/* What the script wants in the reply. A line that it left open ends here. */
static void write_reply_lines(struct writer *w, const struct local_reply *reply, struct span *body)
{
	bool is_open = false;
	for (const struct edit *line = reply->request->reply_lines; line; line = line->next) {
		if (line->tag == EDIT_TAG_REPLY_BODY) {
			*body = reply->body.at ? *body : line->text;
		} else if (line->tag == EDIT_TAG_REPLY_TYPE) {
			write_content_type(w, reply->body.at ? SPAN_OF("") : line->text);
		} else if (line->text.len) {
			writer_span(w, line->text);
			is_open = line->text.at[line->text.len - 1] != '\n';
		}
	}
	if (is_open)
		writer_literal(w, "\r\n");
}

static void write_status_line(struct writer *w, const struct local_reply *reply)
{
	unsigned code = reply->code;
	char *at = writer_room(w, sizeof("SIP/2.0 200 \r\n") - 1 + reply->reason.len);
	if (!at)
		return;
	at = put_literal(at, "SIP/2.0 ");
	*at++ = (char)('0' + code / 100);
	*at++ = (char)('0' + code / 10 % 10);
	*at++ = (char)('0' + code % 10);
	*at++ = ' ';
	put_literal(put_span(at, reply->reason), "\r\n");
}

static void write_body(struct writer *w, struct span body)
{
	writer_literal(w, "Content-Length: ");
	writer_uint(w, body.len);
	writer_literal(w, "\r\n\r\n");
	writer_span(w, body);
}

void render_local_reply(struct writer *w, const struct local_reply *reply)
{
	struct span body = reply->body;
	write_status_line(w, reply);
	write_request_headers(w, reply);
	write_reply_lines(w, reply, &body);
	writer_span(w, reply->extra_lines);
	if (reply->with_contacts &&
	    render_destination_set(w, reply->request, reply->contact_details))
		writer_literal(w, "\r\n");
	writer_span(w, options.server_line);
	if (options.sip_warning)
		write_warning(w, reply);
	write_content_type(w, reply->content_type);
	if (body.len)
		write_body(w, body);
	else
		writer_literal(w, "Content-Length: 0\r\n\r\n");
}

/* ---- targets -------------------------------------------------------------------------------------- */

/* Of a datagram: back to where it came from, unless the Via tells better. */
static void aim_datagram(const struct message *request, const struct sip_via *via,
			 struct end_point *to)
{
	bool wants_rport = via_wants_rport(request, via);
	struct end_point other = *to;
	if ((via->maddr.len && end_point_parse_ip(via->maddr, &other)) ||
	    (options.reply_to_via && !wants_rport && end_point_parse_ip(via->host, &other)))
		*to = other;
	if (!wants_rport)
		to->port = via_port(via);
}

void reply_target(const struct message *request, struct send_target *out_target)
{
	const struct sip_via *via = message_top_via((struct message *)(uintptr_t)request);
	*out_target = (struct send_target){ .to = request->from.source,
					    .from = request->from.listener,
					    .connection = request->from.connection,
					    .lost_port = via ? via_port(via) : 0,
					    .no_connect = request->notes & NOTE_REPLY_NO_CONNECT,
					    .close_after = request->notes & NOTE_REPLY_CLOSE };
	if (via && !transport_is_reliable((enum transport)out_target->to.transport))
		aim_datagram(request, via, &out_target->to);
}

/* The connection that our own Via remembers; whoever invents one reaches only the host in the Via
 * below. */
static uint32_t own_via_connection(struct message *reply)
{
	const struct sip_via *own = message_top_via(reply);
	struct span digits = own ? via_param_text(own, SPAN_OF("i")) : SPAN_OF("");
	uint64_t id;
	return digits.len <= 8 && span_hex_to_uint64(digits, &id) ? (uint32_t)id : 0;
}

bool relay_target(struct message *reply, struct send_target *out_target)
{
	const struct sip_via *via = message_second_via(reply);
	struct send_target target = { .to = { .transport = TRANSPORT_UDP },
				      .no_connect = reply->notes & NOTE_REPLY_NO_CONNECT };
	if (!via)
		return false;
	struct span host = via->maddr.len      ? via->maddr
			   : via->received.len ? via->received
					       : via->host;
	if (via->transport > SIP_TRANSPORT_NONE && via->transport <= SIP_TRANSPORT_WSS)
		target.to.transport = (uint8_t)via->transport;
	if (!end_point_parse_ip(host, &target.to))
		return false;
	target.to.port = via->rport == RPORT_VALUE ? via->rport_port : via_port(via);
	target.lost_port = via_port(via);
	target.connection = own_via_connection(reply);
	*out_target = target;
	return true;
}

struct span stateless_to_tag(const struct message *request, char out[64])
{
	const struct sip_via *via = message_top_via((struct message *)(uintptr_t)request);
	uint64_t key[4] = { 0 };
	uint32_t cseq = 0;
	if (!message_cseq(request, &cseq))
		cseq = 0;
	key[0] = hash_span(message_value(request, HEADER_CALL_ID));
	key[1] = cseq;
	if (via && via->branch.len)
		key[2] = hash_span(via->branch);
	else
		key[3] = hash_span(message_from_tag(request));
	uint64_t proof = hash_keyed(key, sizeof(key));
	char *at = hex_put(out, (uint32_t)(proof >> 32), 8);
	at = hex_put(at, (uint32_t)proof, 8);
	*at++ = '.';
	at = hex_put(at, key[0] & 0xffff, 4);
	return span_make(out, (size_t)(at - out));
}

static bool is_listed(struct span list, struct span token)
{
	struct span item;
	while (list.len && span_split(&list, ',', &item))
		if (span_equal_nocase(span_trim(item), token))
			return true;
	return false;
}

bool unsupported_line(struct message *msg, enum sip_header_id kind, struct span supported,
		      struct span *out_line)
{
	struct writer w = writer_in_arena(msg->arena, 64);
	unsigned count = 0;
	for (const struct sip_header *h = message_header(msg, kind); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h), token;
		while (token_next(&rest, &token) == LIST_ITEM) {
			if (is_listed(supported, token))
				continue;
			writer_string(&w, count++ ? ", " : "Unsupported: ");
			writer_span(&w, token);
		}
	}
	writer_literal(&w, "\r\n");
	*out_line = count && !w.failed ? writer_result(&w) : (struct span){ NULL, 0 };
	return count > 0;
}
