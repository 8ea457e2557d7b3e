/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending requests: branches of a forwarded request (RFC 3261 16.6), CANCEL (9.1) and the ACK to a
 * negative final reply (17.1.1.3). */
#include "core/net/locate.h"
#include "modules/tm/transaction.h"

void branch_send(const struct tx_branch *branch, struct span bytes)
{
	struct send_target target = { .to = branch->to, .from = branch->from };
	/* Copied, because another process may free the transaction before the batch leaves. */
	send_bytes(&target, bytes, true);
}

/* ---- routes of a branch --------------------------------------------------------------------------------- */

static bool run_branch_route(struct script_run *parent, struct transaction *tx, struct message *msg, unsigned number)
{
	struct tx_context *context = tx_context(msg);
	struct script_run run;
	context->branch = (int)number;
	context->branch_on_reply = (struct span){ NULL, 0 };
	if (!tx->on_branch.at || !script_run_init(&run, msg, ROUTE_BRANCH, parent))
		return true;
	uint32_t route = script_route(run.image, ROUTE_BRANCH, bytes_span(tx->on_branch));
	if (route)
		script_run_route(&run, route);
	context->branch = -1;
	return !run.dropped;
}

static bool run_onsend_route(struct message *msg, struct outgoing *out)
{
	struct script_run run;
	const struct image *image = script_current_image();
	uint32_t route = script_route(image, ROUTE_ONSEND, SPAN_OF(""));
	if (!route || !script_run_init(&run, msg, ROUTE_ONSEND, NULL))
		return true;
	run.outgoing = out;
	script_run_route(&run, route);
	return !run.dropped;
}

/* ---- one branch ----------------------------------------------------------------------------------------------- */

static struct tx_branch *branch_add(struct transaction *tx)
{
	if (tx->branch_count == BRANCHES_MOST)
		return NULL;
	struct shard *shard = tx_lock(tx);
	struct tx_branch *branch = region_zalloc(shard, &tx->slot, sizeof(*branch));
	if (branch) {
		branch->state = BRANCH_DONE; /* until it was sent */
		tx->branches[tx->branch_count++] = branch;
	}
	shard_unlock(shard);
	return branch;
}

static void branch_arm(struct transaction *tx, struct tx_branch *branch)
{
	int64_t now = clock_ms();
	branch->state = BRANCH_CALLING;
	branch->expires_ms = now + tx->fr_ms;
	if (transport_is_reliable((enum transport)branch->to.transport))
		return;
	branch->interval_ms = tx->retr1_ms;
	branch->retransmit_ms = now + tx->retr1_ms;
}

static const struct listener *choose_listener(const struct message *msg, const struct end_point *to)
{
	const struct listener *from = msg->target.socket ? msg->target.socket : msg->from.listener;
	if (from && from->address.family == to->family && from->address.transport == to->transport)
		return from;
	return listener_for(to);
}

/* Renders msg->target and sends it as branch number `number`; the branch remembers the bytes. */
static bool branch_start(struct transaction *tx, struct tx_branch *branch, unsigned number, struct message *msg,
	const struct end_point *to)
{
	char via[80];
	struct outgoing out = { .msg = msg, .branch = &msg->target, .to = *to };
	struct writer w = writer_in_arena(msg->arena, msg->bytes.len + 512);
	out.from = choose_listener(msg, to);
	if (!out.from) {
		msg->last_error = 500;
		log_error("no listen address can reach %.*s", SPAN_ARGS(message_uri(msg)));
		return false;
	}
	out.via_branch = tx_via_branch(tx, number, via);
	render_request(&w, &out);
	if (w.failed || !tx_keep(tx, &branch->request, writer_result(&w))) {
		msg->last_error = 500;
		return false;
	}
	branch->to = *to;
	branch->from = out.from;
	branch->flags = msg->target.flags;
	tx_keep(tx, &branch->uri, message_uri(msg));
	tx_keep(tx, &branch->ruid, msg->target.ruid);
	tx_keep(tx, &branch->dst_uri, msg->target.dst_uri);
	tx_keep(tx, &branch->on_reply, tx_context(msg)->branch_on_reply);
	if (!run_onsend_route(msg, &out))
		return false;
	branch_arm(tx, branch);
	branch_send(branch, writer_result(&w));
	counter_inc(tm_counters->uac);
	return true;
}

static bool find_target(struct message *msg, const struct send_target *forced, struct end_point *out_to)
{
	struct located located;
	if (forced && forced->to.family) {
		*out_to = forced->to;
		return true;
	}
	struct span next_hop = msg->target.dst_uri.at ? msg->target.dst_uri : message_uri(msg);
	if (!locate_uri(next_hop, &located)) {
		msg->last_error = 478;
		log_error("cannot resolve the next hop %.*s", SPAN_ARGS(next_hop));
		return false;
	}
	*out_to = located.targets[0];
	if (forced && forced->to.transport)
		out_to->transport = forced->to.transport;
	return true;
}

/* A branch route changes its own copy of the edits only. */
static struct edit *copy_edits(struct arena *arena, const struct edit *edits)
{
	struct edit *first = NULL, **last = &first;
	for (; edits; edits = edits->next) {
		struct edit *copy = arena_alloc(arena, sizeof(*copy));
		if (!copy)
			break;
		*copy = *edits;
		copy->next = NULL;
		*last = copy;
		last = &copy->next;
	}
	return first;
}

static bool relay_one(struct script_run *run, struct transaction *tx, const struct branch *destination,
	const struct send_target *forced)
{
	struct message *msg = run->msg;
	struct end_point to;
	unsigned number = tx->branch_count;
	struct tx_branch *branch = branch_add(tx);
	struct branch kept_target = msg->target;
	struct edit *kept_edits = msg->edits;
	if (!branch)
		return false;
	branch->code = 500;
	branch->is_local = true;
	if (destination)
		msg->target = *destination;
	if (tx->on_branch.at)
		msg->edits = copy_edits(msg->arena, kept_edits);
	bool is_sent = run_branch_route(run, tx, msg, number) && find_target(msg, forced, &to) &&
		branch_start(tx, branch, number, msg, &to);
	if (is_sent)
		branch->code = 0;
	msg->target = kept_target;
	msg->edits = kept_edits;
	return is_sent;
}

bool relay_branches(struct script_run *run, struct transaction *tx, const struct send_target *forced)
{
	struct message *msg = run->msg;
	bool is_first = !(tx->flags & TX_RELAYED);
	bool any_sent = false;
	/* After a failure the first destination counts only when the route set a new one. */
	bool with_main = is_first || (msg->notes & NOTE_URI_CHANGED) || msg->branch_count == 0;
	if (!is_first)
		tx->first_leg = tx->branch_count;
	tx->flags |= TX_RELAYED;
	if (with_main)
		any_sent = relay_one(run, tx, NULL, forced);
	for (unsigned i = 0; i < msg->branch_count; i++) {
		struct branch destination = msg->branches[i];
		if (destination.uri.at)
			any_sent = relay_one(run, tx, &destination, forced) || any_sent;
	}
	message_clear_branches(msg);
	if (any_sent)
		counter_inc(tm_counters->active);
	return any_sent;
}

/* ---- CANCEL and ACK, made from the request as it was sent -------------------------------------------------------- */

/* Copies the headers that a CANCEL or ACK shares with its INVITE. */
static void write_shared_headers(struct writer *w, struct message *sent, const char *method, bool with_to)
{
	uint32_t cseq = 0;
	const struct sip_header *via = message_header(sent, HEADER_VIA);
	struct span uri = message_original_uri(sent);
	if (!message_cseq(sent, &cseq))
		cseq = 0;
	writer_printf(w, "%s %.*s SIP/2.0\r\n", method, SPAN_ARGS(uri));
	writer_span(w, sip_header_line(sent->bytes, via));
	for (const struct sip_header *h = message_header(sent, HEADER_ROUTE); h; h = message_next_header(sent, h))
		writer_span(w, sip_header_line(sent->bytes, h));
	writer_span(w, sip_header_line(sent->bytes, message_header(sent, HEADER_FROM)));
	if (with_to)
		writer_span(w, sip_header_line(sent->bytes, message_header(sent, HEADER_TO)));
	writer_span(w, sip_header_line(sent->bytes, message_header(sent, HEADER_CALL_ID)));
	writer_printf(w, "CSeq: %u %s\r\nMax-Forwards: 70\r\n", cseq, method);
}

static struct message *parse_sent(const struct tx_branch *branch, struct arena *arena)
{
	const struct received nobody = { 0 };
	const char *reason;
	struct message *sent = message_parse(arena, bytes_span(branch->request), &nobody, &reason);
	bool is_whole = sent && message_header(sent, HEADER_VIA) && message_header(sent, HEADER_FROM) &&
		message_header(sent, HEADER_TO) && message_header(sent, HEADER_CALL_ID);
	return is_whole ? sent : NULL;
}

static void cancel_branch(struct transaction *tx, struct tx_branch *branch, struct arena *arena)
{
	struct message *sent = parse_sent(branch, arena);
	if (!sent || branch->cancel.at)
		return;
	struct writer w = writer_in_arena(arena, 1024);
	write_shared_headers(&w, sent, "CANCEL", true);
	if (!(tx->flags & TX_NO_CANCEL_REASON))
		writer_span(&w, bytes_span(tx->cancel_reason));
	writer_span(&w, render_options()->user_agent_line);
	writer_literal(&w, "Content-Length: 0\r\n\r\n");
	if (w.failed || !tx_keep(tx, &branch->cancel, writer_result(&w)))
		return;
	branch->cancel_wanted = false;
	branch->retransmit_ms = 0;
	if (!transport_is_reliable((enum transport)branch->to.transport)) {
		branch->cancel_interval_ms = tx->retr1_ms;
		branch->cancel_ms = clock_ms() + tx->retr1_ms;
	}
	/* A callee that does not answer the CANCEL is not waited for beyond 64*T1 (RFC 3261 9.1). */
	branch->expires_ms = clock_ms() + (tx->fr_ms < 64 * tx->retr1_ms ? tx->fr_ms : 64 * tx->retr1_ms);
	branch_send(branch, writer_result(&w));
}

void cancel_branches(struct transaction *tx, uint32_t which, struct arena *arena)
{
	if (!(tx->flags & TX_INVITE))
		return;
	for (unsigned i = 0; i < tx->branch_count; i++) {
		struct tx_branch *branch = tx->branches[i];
		if (!(which & (1u << i)) || branch->state == BRANCH_DONE)
			continue;
		/* RFC 3261 9.1: no CANCEL before a provisional was heard. */
		if (branch->state == BRANCH_PROCEEDING || tm_settings()->cancel_b_method == 2) {
			cancel_branch(tx, branch, arena);
		} else if (tm_settings()->cancel_b_method == 0) {
			branch->retransmit_ms = branch->expires_ms = 0;
			branch->state = BRANCH_DONE;
			branch->code = 487;
			branch->is_local = true;
		} else {
			branch->cancel_wanted = true;
		}
	}
}

void send_branch_ack(struct transaction *tx, unsigned number, struct message *reply)
{
	const struct tx_branch *branch = tx->branches[number];
	struct message *sent = parse_sent(branch, reply->arena);
	const struct sip_header *to = message_header(reply, HEADER_TO);
	if (!sent || !to)
		return;
	struct writer w = writer_in_arena(reply->arena, 1024);
	write_shared_headers(&w, sent, "ACK", false);
	writer_span(&w, sip_header_line(reply->bytes, to));
	writer_literal(&w, "Content-Length: 0\r\n\r\n");
	if (!w.failed)
		branch_send(branch, writer_result(&w));
}
