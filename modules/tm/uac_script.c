/* SPDX-License-Identifier: BSD-2-Clause */
/* Local requests from the script, and the header lines that whoever wants one gives. */
#include "modules/tm/transaction.h"
#include "parser/values.h"

/* A tag in the value is taken out of it, so that no second one is added. */
static void split_tag(struct span *value, struct span *out_tag)
{
	struct name_addr address;
	if (!name_addr_parse(*value, &address) || !address.tag.len)
		return;
	*out_tag = address.tag;
	size_t at = span_find_span(*value, SPAN_OF(";tag="));
	if (at < value->len)
		*value = span_slice(*value, 0, at);
}

/* From, To, Call-ID and CSeq that the caller gave go where the request has them anyway; the other lines
 * are copied. */
bool uac_read_headers(struct span lines, struct tm_uac *uac, struct writer *others)
{
	struct span line;
	while (span_split(&lines, '\n', &line)) {
		struct span text = span_trim(line);
		size_t colon = span_find(text, ':', 0);
		struct cseq cseq;
		if (text.len == 0)
			continue;
		if (colon == text.len)
			return false;
		struct span value = span_trim(span_slice(text, colon + 1, text.len));
		switch (header_id_from_name(span_trim(span_slice(text, 0, colon)))) {
		case HEADER_FROM: uac->from = value; break;
		case HEADER_TO: uac->to = value; break;
		case HEADER_CALL_ID: uac->call_id = value; break;
		case HEADER_CSEQ:
			if (!cseq_parse(value, &cseq))
				return false;
			uac->cseq = cseq.number;
			break;
		case HEADER_CONTENT_LENGTH:
		case HEADER_MAX_FORWARDS: break;
		default:
			writer_span(others, text);
			writer_literal(others, "\r\n");
			break;
		}
	}
	split_tag(&uac->from, &uac->from_tag);
	split_tag(&uac->to, &uac->to_tag);
	return !others->failed;
}

struct send_args {
	struct span method, uri, next_hop, socket, headers, body;
};
static const struct field t_uac_send_fields[] = {
	FIELD(struct send_args, method, "method; with a dot behind it a 2xx to INVITE gets no ACK"),
	FIELD(struct send_args, uri, "Request-URI"),
	FIELD(struct send_args, next_hop, "URI of the next hop; empty: the Request-URI"),
	FIELD(struct send_args, socket, "socket that it leaves by; empty: any"),
	FIELD(struct send_args, headers, "header lines, From and To among them"),
	FIELD(struct send_args, body, "body"),
};
#define t_uac_send_args send_args
SCRIPT_HANDLER(t_uac_send)

static int t_uac_send(struct script_run *run, const struct send_args *args)
{
	struct tm_uac uac = { .method = args->method,
			      .uri = args->uri,
			      .next_hop = args->next_hop,
			      .body = args->body };
	struct writer others = writer_in_arena(run->arena, 512);
	struct end_point socket;
	if (span_ends_with(uac.method, SPAN_OF("."))) {
		uac.method.len--;
		uac.no_ack = true;
	}
	if (args->socket.len &&
	    (!end_point_parse(args->socket, &socket) || !(uac.socket = listener_find(&socket)))) {
		log_error("there is no socket %.*s", SPAN_ARGS(args->socket));
		return -1;
	}
	if (!uac_read_headers(args->headers, &uac, &others)) {
		log_error("the headers of a local request must be lines \"Name: value\"");
		return -1;
	}
	uac.headers = writer_result(&others);
	return uac_start(&uac, NULL) ? 1 : -1;
}

static const struct script_function functions[] = {
	FUNCTION("t_uac_send", t_uac_send, IN_ANY, "Sends a request of our own."),
};
const struct function_table tm_uac_table = ROWS(functions);
