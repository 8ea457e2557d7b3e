/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of our own (RFC 3261 8.1, 17.1) and the ACK to a 2xx that they get (13.2.2.4). */
#include <inttypes.h>

#include "core/net/locate.h"
#include "core/shm/map.h"
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

#define ROUTES_MOST 32

/* ---- the text of the request ------------------------------------------------------------------------------ */

/* "sip:a@b" becomes "<sip:a@b>"; what is a name-addr already stays. */
static void write_address(struct writer *w, const char *header, struct span value, struct span uri,
			  struct span tag)
{
	struct span text = value.len ? value : uri;
	bool has_brackets = span_find(text, '<', 0) < text.len;
	writer_printf(w, has_brackets ? "%s: %.*s" : "%s: <%.*s>", header, SPAN_ARGS(text));
	if (tag.len)
		writer_printf(w, ";tag=%.*s", SPAN_ARGS(tag));
	writer_literal(w, "\r\n");
}

static void write_request(struct writer *w, const struct tm_uac *uac)
{
	char tag[24], call_id[40];
	struct writer drawn_tag = writer_fixed(tag, sizeof(tag)),
		      drawn_id = writer_fixed(call_id, sizeof(call_id));
	writer_hex(&drawn_tag, random_uint64(), 16);
	writer_hex(&drawn_id, random_uint64(), 16);
	writer_hex(&drawn_id, random_uint64(), 16);
	writer_printf(w, "%.*s %.*s SIP/2.0\r\n", SPAN_ARGS(uac->method), SPAN_ARGS(uac->uri));
	write_address(w, "To", uac->to, uac->uri, uac->to_tag);
	write_address(w, "From", uac->from, uac->uri,
		      uac->from_tag.len ? uac->from_tag : writer_result(&drawn_tag));
	writer_printf(w, "CSeq: %u %.*s\r\n", uac->cseq ? uac->cseq : 10, SPAN_ARGS(uac->method));
	writer_printf(w, "Call-ID: %.*s\r\n",
		      SPAN_ARGS(uac->call_id.len ? uac->call_id : writer_result(&drawn_id)));
	writer_printf(w, "Max-Forwards: %u\r\n", uac->max_forwards ? uac->max_forwards : 70);
	writer_printf(w, "Content-Length: %zu\r\n", uac->body.len);
	writer_span(w, render_options()->user_agent_line);
	writer_span(w, uac->headers);
	if (uac->headers.len && !span_ends_with(uac->headers, SPAN_OF("\n")))
		writer_literal(w, "\r\n");
	writer_literal(w, "\r\n");
	writer_span(w, uac->body);
}

static struct message *make_request(const struct tm_uac *uac, struct arena *arena)
{
	const struct received nobody = { 0 };
	const char *reason = NULL;
	struct writer w = writer_in_arena(arena, 1024 + uac->body.len);
	write_request(&w, uac);
	struct message *msg =
		w.failed ? NULL : message_parse(arena, writer_result(&w), &nobody, &reason);
	if (!msg || !message_is_request(msg)) {
		log_error("a local %.*s cannot be made: %s", SPAN_ARGS(uac->method),
			  reason ? reason : "no memory");
		return NULL;
	}
	msg->notes |= NOTE_LOCAL;
	msg->target.socket = uac->socket;
	if (uac->next_hop.len && !message_set_dst_uri(msg, uac->next_hop))
		return NULL;
	return msg;
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

bool run_local_request(struct message *msg)
{
	struct script_run run;
	const struct image *image = script_current_image();
	uint32_t route = image ? script_route(image, ROUTE_LOCAL, SPAN_OF("tm:local-request")) : 0;
	if (!route || !script_run_init(&run, msg, ROUTE_LOCAL, NULL))
		return true;
	script_run_route(&run, route);
	return !run.dropped;
}

/* The Via branch of an ACK: as local_ack_branch_mode says of what the INVITE had (`sent`), or a new one
 * when there was none. */
static struct span ack_via_branch(struct arena *arena, struct message *sent)
{
	int64_t mode = sent ? tm_settings()->local_ack_branch_mode : ACK_BRANCH_NEW;
	if (mode == ACK_BRANCH_NEW)
		return arena_printf(arena, "z9hG4bK%016" PRIx64, random_uint64());
	return arena_printf(arena, "%.*s%s", SPAN_ARGS(message_top_via(sent)->branch),
			    mode == ACK_BRANCH_ALTERED ? ".ack" : "");
}

/* ACK has no transaction. `forced`: where it goes; NULL: as its URIs say. `sent`: its INVITE, or NULL. */
static bool send_without_state(struct message *msg, const struct end_point *forced,
			       struct message *sent)
{
	struct located located;
	struct span next_hop = msg->target.dst_uri.at ? msg->target.dst_uri : message_uri(msg);
	if (forced) {
		located.targets[0] = *forced;
	} else if (!locate_uri(next_hop, &located)) {
		log_error("cannot resolve the next hop %.*s", SPAN_ARGS(next_hop));
		return false;
	}
	struct outgoing out = { .msg = msg,
				.branch = &msg->target,
				.to = located.targets[0],
				.from = msg->target.socket ? msg->target.socket
							   : listener_for(&located.targets[0]),
				.via_branch = ack_via_branch(msg->arena, sent) };
	if (!out.from || !out.via_branch.at)
		return false;
	struct writer w = writer_in_arena(msg->arena, msg->bytes.len + 512);
	render_request(&w, &out);
	const struct send_target target = { .to = out.to, .from = out.from };
	return !w.failed && send_bytes(&target, writer_result(&w), true) == SEND_OK;
}

static bool send_request(const struct tm_uac *uac, struct message *msg, struct tm_name *out_name)
{
	struct tx_context *context = tx_context(msg);
	struct script_run run;
	if (!run_local_request(msg)) {
		log_debug("a local request was dropped by its route");
		return false;
	}
	if (message_method(msg) == METHOD_ACK)
		return send_without_state(msg, NULL, NULL);
	if (!context || !script_run_init(&run, msg, ROUTE_LOCAL, NULL))
		return false;
	context->fr_ms = uac->fr_ms;
	context->fr_inv_ms = uac->fr_inv_ms;
	context->early_flags = uac->no_ack ? TX_NO_ACK : 0;
	struct transaction *tx = tx_create_local(msg, context);
	if (!tx)
		return false;
	tx->done = uac->done;
	bool is_kept =
		!uac->data_len || tx_keep(tx, &tx->done_data, span_make(uac->data, uac->data_len));
	bool is_sent = is_kept && relay_one(&run, tx, NULL, NULL);
	if (!is_sent) {
		tx->done = NULL;
		tx->server = SERVER_COMPLETED;
		tx_finish(tx);
	}
	if (out_name)
		*out_name = context_name(context);
	tx_leave(context);
	return is_sent;
}

static bool start_here(const struct tm_uac *uac, struct tm_name *out_name)
{
	struct datagram *event = datagram_take();
	if (!event)
		return false;
	struct message *msg = make_request(uac, &event->arena);
	bool is_sent = msg && send_request(uac, msg, out_name);
	datagram_release(event);
	return is_sent;
}

/* ---- from other processes: the order travels as one block --------------------------------------------------------- */

static struct span *const *texts_of(struct tm_uac *uac, struct span *out_list[11])
{
	struct span *const list[] = { &uac->method,  &uac->uri,      &uac->next_hop, &uac->from,
				      &uac->to,      &uac->from_tag, &uac->to_tag,   &uac->call_id,
				      &uac->headers, &uac->body };
	memcpy(out_list, list, sizeof(list));
	out_list[10] = NULL;
	return out_list;
}

static void start_order_on_fiber(void *arg)
{
	struct tm_uac *uac = arg;
	if (!start_here(uac, NULL) && uac->done)
		uac->done(&(struct tm_uac_result){ .code = 500,
						   .reason = SPAN("Not Sent"),
						   .data = uac->data,
						   .data_len = uac->data_len });
	shm_run_free(uac);
	send_flush();
}

static void start_order(const void *data, size_t len)
{
	struct tm_uac *uac;
	if (len != sizeof(uac))
		return;
	memcpy(&uac, data, sizeof(uac));
	if (!fiber_start(start_order_on_fiber, uac))
		shm_run_free(uac);
}

static bool send_order(const struct tm_uac *uac)
{
	struct tm_uac measured = *uac;
	struct span *texts[11];
	texts_of(&measured, texts);
	size_t size = sizeof(measured) + uac->data_len;
	for (unsigned i = 0; texts[i]; i++)
		size += texts[i]->len;
	struct tm_uac *order = shm_run_alloc(size, "local request");
	if (!order)
		return false;
	*order = *uac;
	char *end = (char *)(order + 1);
	if (uac->data_len)
		memcpy(end, uac->data, uac->data_len);
	order->data = end;
	end += uac->data_len;
	texts_of(order, texts);
	for (unsigned i = 0; texts[i]; i++) {
		if (!texts[i]->at)
			continue;
		memcpy(end, texts[i]->at, texts[i]->len);
		texts[i]->at = end;
		end += texts[i]->len;
	}
	if (worker_post(random_below(worker_count()), start_order, &order, sizeof(order)))
		return true;
	shm_run_free(order);
	return false;
}

bool uac_start(const struct tm_uac *uac, struct tm_name *out_name)
{
	if (out_name)
		*out_name = (struct tm_name){ 0 };
	if (worker_index() >= 0 && fiber_is_running())
		return start_here(uac, out_name);
	return send_order(uac);
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

/* The Record-Routes of the reply are the route set, last first (RFC 3261 12.1.2). */
static unsigned collect_routes(struct message *reply, struct name_addr out_routes[ROUTES_MOST])
{
	unsigned count = 0;
	for (const struct sip_header *h = message_header(reply, HEADER_RECORD_ROUTE); h;
	     h = message_next_header(reply, h)) {
		struct span rest = message_header_value(reply, h);
		while (count < ROUTES_MOST &&
		       name_addr_next(&rest, &out_routes[count]) == LIST_ITEM)
			count++;
	}
	return count;
}

/* Where local_ack_mode sends an ACK; NULL: as RFC 3261 13.2.2.4 says. */
static const struct end_point *ack_target(const struct tx_branch *branch,
					  const struct message *reply)
{
	switch (tm_settings()->local_ack_mode) {
	case 1: return &branch->sent->to;
	case 2: return reply->from.source.family ? &reply->from.source : NULL;
	default: return NULL;
	}
}

bool uac_ack(struct transaction *tx, unsigned number, struct message *reply, struct span headers,
	     struct span body)
{
	const struct tx_branch *branch = tx->branches[number];
	struct message *sent = branch_request(branch, reply->arena);
	struct name_addr routes[ROUTES_MOST], contact;
	unsigned count = collect_routes(reply, routes);
	struct span uri = sent ? message_original_uri(sent) : NO_SPAN;
	struct span rest = message_value(reply, HEADER_CONTACT);
	uint32_t cseq;
	if (!sent || !message_cseq(sent, &cseq))
		return false;
	if (rest.at && name_addr_next(&rest, &contact) == LIST_ITEM && contact.uri.at)
		uri = contact.uri;
	struct writer lines = writer_in_arena(reply->arena, 256);
	for (unsigned i = count; i > 0; i--)
		writer_printf(&lines, "Route: %.*s\r\n", SPAN_ARGS(routes[i - 1].whole));
	struct span next_hop = count ? routes[count - 1].uri : uri;
	/* From and To have their tags already. */
	struct writer w = writer_in_arena(reply->arena, 1024);
	writer_printf(
		&w,
		"ACK %.*s SIP/2.0\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u ACK\r\n",
		SPAN_ARGS(uri), SPAN_ARGS(message_value(sent, HEADER_FROM)),
		SPAN_ARGS(message_value(reply, HEADER_TO)),
		SPAN_ARGS(message_value(sent, HEADER_CALL_ID)), cseq);
	writer_literal(&w, "Max-Forwards: 70\r\n");
	writer_span(&w, writer_result(&lines));
	writer_span(&w, render_options()->user_agent_line);
	writer_span(&w, headers);
	writer_printf(&w, "Content-Length: %zu\r\n\r\n", body.len);
	writer_span(&w, body);
	const struct received nobody = { 0 };
	const char *reason;
	struct message *msg =
		w.failed ? NULL : message_parse(reply->arena, writer_result(&w), &nobody, &reason);
	if (!msg || !message_set_dst_uri(msg, next_hop))
		return false;
	msg->notes |= NOTE_LOCAL;
	msg->target.socket = branch->sent->from;
	if (!send_without_state(msg, ack_target(branch, reply), sent))
		return false;
	const struct image *image = script_current_image();
	if (image && script_route(image, ROUTE_EVENT, SPAN_OF("tm:local-ack-sent")))
		script_run_event("tm:local-ack-sent", msg, NULL, NULL);
	return true;
}

void uac_finished(struct transaction *tx, unsigned number, struct message *reply, unsigned code,
		  struct arena *arena)
{
	bool is_first = tx->server == SERVER_PROCEEDING;
	if (is_first) {
		tx->flags |= TX_UNTOLD;
		tx->server =
			code < 300 && (tx->flags & TX_INVITE) ? SERVER_ACCEPTED : SERVER_COMPLETED;
		tx->code = (uint16_t)code;
		counter_inc(tm_counters->by_class[code / 100]);
		tx_finish(tx);
	}
	if (reply && code < 300 && (tx->flags & TX_INVITE) && !(tx->flags & TX_NO_ACK))
		uac_ack(tx, number, reply, NO_SPAN, NO_SPAN);
	/* Whoever makes the ACK later needs the reply. */
	if (reply && (tx->flags & TX_NO_ACK) && !tx->branches[number]->reply)
		tx->branches[number]->reply = tx_freeze(tx, reply);
	(void)arena;
	if (is_first || (tx->flags & TX_INVITE))
		uac_tell(tx, reply, code);
}

void uac_tell(struct transaction *tx, struct message *reply, unsigned code)
{
	struct span reason =
		reply ? sip_range_span(reply->bytes, reply->index->reason) : local_reason(code);
	const struct tm_uac_result result = { .name = { tx->slot.shard, tx->slot.index,
							tx->slot.generation },
					      .code = code,
					      .reason = reason,
					      .reply = reply,
					      .data = tx->done_data.at,
					      .data_len = tx->done_data.len };
	if (tx->done)
		tx->done(&result);
	tx->flags &= ~(uint32_t)TX_UNTOLD;
}
