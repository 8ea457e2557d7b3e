/* SPDX-License-Identifier: BSD-2-Clause */
/* Local requests of administrators: tm.t_uac_*. The commands run in a process of their own; the request
 * lives in a worker, and its final reply comes back as one block of shared memory. */
#include "core/shm/map.h"
#include "modules/tm/commands.h"

#define WAITING_MOST 256

enum mode { MODE_START, MODE_WAIT, MODE_BLOCK };
enum how { HOW_HEX = 1, HOW_NO_ACK = 2 };

/* ---- who waits (in this process) ------------------------------------------------------------------------------ */

struct ticket {
	uint32_t process;
	uint32_t number;
	uint32_t serial;
};

static struct {
	struct rpc_call *call;
	enum mode mode;
	uint32_t serial;
} waiting[WAITING_MOST];

/* What travels back. */
struct answer {
	struct ticket ticket;
	uint32_t code, reason_len, headers_len;
	char text[];
};

static void deliver(const void *data, size_t len)
{
	struct answer *answer;
	if (len != sizeof(answer))
		return;
	memcpy(&answer, data, sizeof(answer));
	uint32_t number = answer->ticket.number;
	struct rpc_call *call =
		number < WAITING_MOST && waiting[number].serial == answer->ticket.serial
			? waiting[number].call
			: NULL;
	if (call) {
		struct span reason = span_make(answer->text, answer->reason_len);
		waiting[number].call = NULL;
		if (waiting[number].mode == MODE_BLOCK) {
			struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
			rpc_add_int(call, node, "code", answer->code);
			rpc_add_text(call, node, "text", reason);
		} else {
			rpc_add_int(call, NULL, NULL, answer->code);
			rpc_add_text(call, NULL, NULL, reason);
			rpc_add_text(
				call, NULL, NULL,
				span_make(answer->text + answer->reason_len, answer->headers_len));
		}
		rpc_finish(call);
	}
	shm_run_free(answer);
}

/* In the worker. */
static void answered(const struct tm_uac_result *result)
{
	struct span headers = NO_SPAN;
	struct ticket ticket;
	if (result->data_len != sizeof(ticket))
		return;
	memcpy(&ticket, result->data, sizeof(ticket));
	if (result->reply)
		headers = span_make(result->reply->bytes.at + result->reply->index->headers_at,
				    result->reply->index->headers_end -
					    result->reply->index->headers_at);
	struct answer *answer = shm_run_alloc(sizeof(*answer) + result->reason.len + headers.len,
					      "reply of a local request");
	if (!answer)
		return;
	*answer = (struct answer){ ticket, result->code, (uint32_t)result->reason.len,
				   (uint32_t)headers.len };
	if (result->reason.len)
		memcpy(answer->text, result->reason.at, result->reason.len);
	if (headers.len)
		memcpy(answer->text + result->reason.len, headers.at, headers.len);
	if (!process_post(ticket.process, deliver, &answer, sizeof(answer)))
		shm_run_free(answer);
}

static bool wait_for(struct rpc_call *call, enum mode mode, struct ticket *out_ticket)
{
	static uint32_t last_serial;
	for (uint32_t i = 0; i < WAITING_MOST; i++) {
		if (waiting[i].call)
			continue;
		waiting[i].call = call;
		waiting[i].mode = mode;
		waiting[i].serial = ++last_serial;
		*out_ticket = (struct ticket){ process_index(), i, last_serial };
		return true;
	}
	return false;
}

/* ---- reading the order ------------------------------------------------------------------------------------------ */

static bool decode_hex(struct arena *arena, struct span *body)
{
	char *out = arena_alloc(arena, body->len / 2 + 1);
	if (!out || body->len % 2)
		return false;
	for (size_t i = 0; i < body->len; i += 2) {
		int high = ascii_hex_value(body->at[i]), low = ascii_hex_value(body->at[i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (char)(high << 4 | low);
	}
	*body = span_make(out, body->len / 2);
	return true;
}

static bool is_given(struct span text)
{
	return text.len && !span_equal(text, SPAN_OF("."));
}

static bool read_order(struct rpc_call *call, unsigned first, unsigned how, struct tm_uac *uac)
{
	struct span next_hop, socket, headers;
	struct end_point address;
	struct sip_uri uri;
	struct writer others = writer_in_arena(rpc_arena(call), 512);
	if (!rpc_need_text(call, first, "method", &uac->method) ||
	    !rpc_need_text(call, first + 1, "ruri", &uac->uri) ||
	    !rpc_need_text(call, first + 2, "nexthop", &next_hop) ||
	    !rpc_need_text(call, first + 3, "socket", &socket) ||
	    !rpc_need_text(call, first + 4, "headers", &headers))
		return false;
	(void)!rpc_arg_text(call, first + 5, &uac->body);
	if (!uri_parse(uac->uri, &uri)) {
		rpc_fault(call, 400, "Invalid request uri \"%.*s\"", SPAN_ARGS(uac->uri));
		return false;
	}
	if (is_given(next_hop) && !uri_parse(next_hop, &uri)) {
		rpc_fault(call, 400, "Invalid next-hop uri \"%.*s\"", SPAN_ARGS(next_hop));
		return false;
	}
	if (is_given(socket) &&
	    (!end_point_parse(socket, &address) || !(uac->socket = listener_find(&address)))) {
		rpc_fault(call, 404, "Local socket not found");
		return false;
	}
	if (!uac_read_headers(headers, uac, &others)) {
		rpc_fault(call, 400, "headers must be lines \"Name: value\"");
		return false;
	}
	if (!uac->from.len || !uac->to.len) {
		rpc_fault(call, 400, uac->to.len ? "From missing" : "To missing");
		return false;
	}
	if ((how & HOW_HEX) && !decode_hex(rpc_arena(call), &uac->body)) {
		rpc_fault(call, 400, "body must be hexadecimal");
		return false;
	}
	uac->next_hop = is_given(next_hop) ? next_hop : NO_SPAN;
	uac->headers = writer_result(&others);
	uac->no_ack = uac->no_ack || (how & HOW_NO_ACK);
	return true;
}

static void run_order(struct rpc_call *call, enum mode mode, struct tm_uac *uac)
{
	struct ticket ticket;
	if (mode == MODE_START) {
		if (!uac_start(uac, NULL))
			rpc_fault(call, 500, "Request not sent");
		return;
	}
	if (!wait_for(call, mode, &ticket)) {
		rpc_fault(call, 503, "Too many requests are waited for");
		return;
	}
	uac->done = answered;
	uac->data = &ticket;
	uac->data_len = sizeof(ticket);
	rpc_defer(call);
	if (uac_start(uac, NULL))
		return;
	waiting[ticket.number].call = NULL;
	rpc_fault(call, 500, "Request not sent");
	rpc_finish(call);
}

static void run_uac(struct rpc_call *call, enum mode mode, unsigned how)
{
	struct tm_uac uac = { 0 };
	if (read_order(call, 0, how, &uac))
		run_order(call, mode, &uac);
}

#define UAC_COMMAND(name, mode, how)                   \
	void uac_command_##name(struct rpc_call *call) \
	{                                              \
		run_uac(call, mode, how);              \
	}
UAC_COMMAND(start, MODE_START, 0)
UAC_COMMAND(start_hex, MODE_START, HOW_HEX)
UAC_COMMAND(start_noack, MODE_START, HOW_NO_ACK)
UAC_COMMAND(start_noack_hex, MODE_START, HOW_NO_ACK | HOW_HEX)
UAC_COMMAND(wait, MODE_WAIT, 0)
UAC_COMMAND(wait_hex, MODE_WAIT, HOW_HEX)
UAC_COMMAND(wait_noack, MODE_WAIT, HOW_NO_ACK)
UAC_COMMAND(wait_noack_hex, MODE_WAIT, HOW_NO_ACK | HOW_HEX)
UAC_COMMAND(block, MODE_BLOCK, 0)
UAC_COMMAND(block_hex, MODE_BLOCK, HOW_HEX)
UAC_COMMAND(block_noack, MODE_BLOCK, HOW_NO_ACK)
UAC_COMMAND(block_noack_hex, MODE_BLOCK, HOW_NO_ACK | HOW_HEX)

/* attrs = name=value *(";" name=value): mode, cbflags, rpflags, fr_timer, fr_inv_timer. */
void uac_command_attrs(struct rpc_call *call)
{
	struct span attrs, item;
	struct tm_uac uac = { 0 };
	enum mode mode = MODE_START;
	if (!rpc_need_text(call, 0, "attrs", &attrs))
		return;
	while (span_split(&attrs, ';', &item)) {
		size_t equals = span_find(item, '=', 0);
		struct span name = span_trim(span_slice(item, 0, equals));
		struct span value = span_trim(span_slice(item, equals + 1, item.len));
		uint32_t number = 0;
		bool is_number = span_to_uint32(value, &number);
		if (span_equal(name, SPAN_OF("mode")))
			mode = span_equal(value, SPAN_OF("wait"))    ? MODE_WAIT
			       : span_equal(value, SPAN_OF("block")) ? MODE_BLOCK
								     : MODE_START;
		else if (span_equal(name, SPAN_OF("cbflags")))
			uac.no_ack = span_equal(value, SPAN_OF("noack"));
		else if (span_equal(name, SPAN_OF("fr_timer")) && is_number)
			uac.fr_ms = number;
		else if (span_equal(name, SPAN_OF("fr_inv_timer")) && is_number)
			uac.fr_inv_ms = number;
		else if (name.len && !span_equal(name, SPAN_OF("rpflags"))) {
			rpc_fault(call, 400, "no such attribute, or a wrong value: %.*s",
				  SPAN_ARGS(item));
			return;
		}
	}
	if (read_order(call, 1, 0, &uac))
		run_order(call, mode, &uac);
}
