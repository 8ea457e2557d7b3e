/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes to the caller: replies that pass, and those that are made here (RFC 3261 16.7, 17.2). */
#include "core/shm/map.h"
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

struct span reply_reason(const struct message *reply)
{
	return sip_range_span(reply->bytes, reply->index->reason);
}

/* Is there room to remember accepted calls for their whole 64*T1? */
static bool has_spare_memory(void)
{
	return shm_percent_used() < 50;
}

/* A final reply: from now on the transaction only absorbs what comes late. Over UDP the sender of an
 * INVITE hears a failure, or a 2xx that was made here, again until it sends ACK, or for 64*T1 (timer
 * H); INVITEs that come after a 2xx that passed are absorbed as long (timer L of RFC 6026), or until
 * its ACK passes. */
static void note_final(struct transaction *tx, unsigned actions, bool is_local)
{
	bool is_invite = tx->flags & TX_INVITE;
	bool repeats = (actions & DO_REPEAT) || (is_local && is_invite);
	bool is_reliable = transport_is_reliable((enum transport)tx->upstream.to.transport);
	tx_finish(tx);
	if (is_local)
		tx->flags |= TX_LOCAL_ANSWER;
	if (repeats || (is_invite && !is_reliable && has_spare_memory()))
		tx->wait_ends_ms = clock_ms() + 64 * (int64_t)tx->retr1_ms;
	if (repeats && !is_reliable) {
		tx->reply_interval_ms = tx->retr1_ms;
		tx->reply_retransmit_ms = clock_ms() + tx->retr1_ms;
	}
}

/* DO_REFUSE: not now. */
static struct machine_step step_of(const struct transaction *tx, unsigned code)
{
	return server_step(tx_kind(tx), (enum server_state)tx->server, server_event_of(code));
}

/* What is sent upstream counts, and moves the server transaction. */
static void upstream_step(struct transaction *tx, struct machine_step step, unsigned code,
			  bool is_local)
{
	if (step.actions & DO_FINISH)
		tx->flags |= TX_UNTOLD;
	tx->server = step.next;
	tx->code = (uint16_t)code;
	if (step.actions & DO_STOP)
		tx->reply_retransmit_ms = 0;
	if (step.actions & DO_FINISH) {
		counter_inc(tm_counters->by_class[code / 100]);
		note_final(tx, step.actions, is_local);
	}
}

bool send_upstream(struct transaction *tx, struct span bytes, unsigned code, bool is_local)
{
	struct machine_step step = step_of(tx, code);
	if (step.actions & DO_REFUSE)
		return false;
	/* First what is repeated, then that it is: a worker may die in between. */
	bool is_silent = tx->flags & TX_REPLIES_SILENTLY;
	if (!is_silent && !tx_keep_reply(tx, bytes, code))
		log_error("no shared memory to keep a reply; it will not be repeated");
	upstream_step(tx, step, code, is_local);
	if (is_silent) {
		tx->reply_retransmit_ms = 0;
		return true;
	}
	/* Borrowed: both kinds of callers rendered it into an arena that outlives the batch. */
	send_bytes(&tx->upstream, bytes, false);
	counter_inc(tm_counters->rpl_sent);
	return true;
}

void refuse_upstream(struct transaction *tx)
{
	if (tx->server != SERVER_PROCEEDING)
		return;
	log_error("no memory for a final reply; the caller hears 500");
	fail_upstream(tx);
}

void fail_upstream(struct transaction *tx)
{
	struct datagram *event = tx->server == SERVER_PROCEEDING ? datagram_take() : NULL;
	if (!event)
		return;
	struct tx_context context = context_holding(tx);
	struct message *request = tx_request(tx, &event->arena, &context);
	struct script_run run;
	if (request && script_run_init(&run, request, ROUTE_EVENT, NULL))
		reply_locally(&run, tx, request, 500, SPAN_OF("Server Internal Error"));
	datagram_release(event);
}

static bool onsend_sees_replies;

void upstream_prepare(void)
{
	onsend_sees_replies = core_setting_int("onsend_route_reply");
}

/* Does onsend_route let the reply go? */
static bool may_leave(struct transaction *tx, struct message *reply)
{
	struct outgoing out = { .msg = reply, .to = tx->upstream.to, .from = tx->upstream.from };
	return onsend_allows(reply, &out);
}

void relay_upstream(struct transaction *tx, struct message *reply)
{
	unsigned code = reply->index->status;
	if (__builtin_expect(onsend_sees_replies, 0) && !may_leave(tx, reply)) {
		/* The transaction goes on as if the reply had been lost on its way. */
		struct machine_step step = step_of(tx, code);
		if (step.actions & DO_REFUSE)
			return;
		upstream_step(tx, step, code, false);
		tx->reply_retransmit_ms = 0;
		tx->flags &= ~(uint32_t)TX_UNTOLD;
		return;
	}
	if (__builtin_expect(tx->flags & TX_EDITS_REPLIES, 0))
		tell_about(tx, TM_REPLY_PASSING, reply, code, reply_reason(reply), reply->arena,
			   NULL);
	struct writer w = writer_in_arena(reply->arena, reply->bytes.len + 256);
	render_reply(&w, reply);
	if (w.failed) {
		log_error("a reply %u is too large to relay", code);
		if (code >= 300 || (code >= 200 && !(tx->flags & TX_INVITE)))
			refuse_upstream(tx);
		return; /* a 2xx to INVITE comes again */
	}
	bool is_first = tx->code < 200;
	if (!send_upstream(tx, writer_result(&w), code, false))
		return;
	counter_inc(tm_counters->rpl_relayed);
	const struct tx_context *context = tx_context(reply);
	if (context && context->branch >= 0)
		tx->relayed = (uint8_t)(context->branch + 1);
	if (code >= 200)
		tell_final(tx, reply, code, reply_reason(reply), is_first, reply->arena);
	else if (is_observed(tx, TM_PROVISIONAL_OUT))
		tell_about(tx, TM_PROVISIONAL_OUT, reply, code, reply_reason(reply), reply->arena,
			   NULL);
}

void tell_final(struct transaction *tx, struct message *reply, unsigned code, struct span reason,
		bool is_first, struct arena *arena)
{
	tell_about(tx, TM_REPLY_OUT, reply, code, reason, arena, NULL);
	if (is_first)
		tell_about(tx, TM_ANSWERED, reply, code, reason, arena, NULL);
	tx->flags &= ~(uint32_t)TX_UNTOLD;
}

struct span render_reply_to(struct message *request, unsigned code, struct span reason,
			    struct span extra)
{
	char tag[64];
	struct local_reply reply = { .request = request,
				     .code = code,
				     .reason = reason,
				     .extra_lines = extra,
				     .with_contacts = code >= 300 && code < 400,
				     .contact_details = (unsigned)tm_settings()->rich_redirect };
	if (code > 100)
		reply.to_tag =
			request->to_tag.at ? request->to_tag : stateless_to_tag(request, tag);
	struct writer w = writer_in_arena(request->arena, request->bytes.len + 512);
	render_local_reply(&w, &reply);
	return w.failed ? NO_SPAN : writer_result(&w);
}

static void run_local_response(struct message *request)
{
	const struct image *image = script_current_image();
	if (image && script_route(image, ROUTE_EVENT, SPAN_OF("tm:local-response")))
		script_run_event("tm:local-response", request, NULL, NULL);
}

bool reply_locally(struct script_run *run, struct transaction *tx, struct message *request,
		   unsigned code, struct span reason)
{
	if (tx->flags & TX_LOCAL)
		return false;
	if (tx->code >= 200 && code != tx->code) {
		log_error("a reply %u comes after the final reply %u was sent", code, tx->code);
		return false;
	}
	struct span text = render_reply_to(request, code, reason, NO_SPAN);
	bool is_first = tx->code < 200;
	if (!text.at || !send_upstream(tx, text, code, true))
		return false;
	counter_inc(tm_counters->rpl_generated);
	tx->relayed = 0;
	if (code >= 200) {
		/* Whoever was asked meanwhile need not go on. */
		keep_reason(tx, code);
		cancel_branches(tx, ALL_BRANCHES, request->arena);
		tell_observers(tx, TM_REPLY_OUT, request, NULL, code, reason, NULL);
		if (is_first)
			tell_observers(tx, TM_ANSWERED, request, NULL, code, reason, NULL);
		tx->flags &= ~(uint32_t)TX_UNTOLD;
	}
	run_local_response(request);
	return true;
}
