/* SPDX-License-Identifier: BSD-2-Clause */
/* A CANCEL that goes end to end (e2e_cancel_hop_by_hop=0). It is relayed as a request of its own, with the
 * headers with which it came, to every branch of its INVITE that rings, and what the callee answers goes
 * back. Our Via is that of the branch, by which the next hop finds the INVITE (RFC 3261 9.2); so answers
 * name the INVITE, too, and are led to the CANCEL here. */
#include "modules/tm/store.h"

/* Its branches have the numbers of those of the INVITE, so that the same Via names both. */
struct legs {
	unsigned count;
	struct {
		struct span cancel; /* absent: this one is not asked */
		struct branch target;
		struct end_point to;
		const struct listener *from;
	} list[BRANCHES_MOST];
};

/* The received CANCEL as this branch of the INVITE hears it; absent: no memory. */
static struct span render_cancel(const struct transaction *invite, unsigned number,
				 struct message *cancel)
{
	const struct tx_branch *branch = invite->branches[number];
	const struct branch target = branch_target(branch);
	struct hop hop;
	struct span via_branch = branch_via(invite, number, &hop);
	struct writer w = writer_in_arena(cancel->arena, cancel->bytes.len + 512);
	struct outgoing out = { .msg = cancel,
				.branch = &target,
				.to = branch->sent->to,
				.from = branch->sent->from,
				.via_branch = arena_copy(cancel->arena, via_branch) };
	if (!out.via_branch.at)
		return NO_SPAN;
	render_request(&w, &out);
	return w.failed || !onsend_allows(cancel, &out) ? NO_SPAN : writer_result(&w);
}

/* RFC 3261 9.1: one that was not heard of yet waits for a provisional reply, and hears our own CANCEL then. */
static bool is_asked(const struct tx_branch *branch)
{
	return branch->sent->request.at && !branch->cancel.at &&
	       (branch->state == CLIENT_PROCEEDING ||
		(branch->state == CLIENT_CALLING && tm_settings()->cancel_b_method == 2));
}

/* Notes at each branch of the INVITE that its CANCEL is under way. Lease of the INVITE held. */
static void take_legs(struct transaction *invite, struct message *cancel, struct legs *out)
{
	for (unsigned i = 0; i < invite->branch_count; i++) {
		struct tx_branch *branch = invite->branches[i];
		if (invite->server != SERVER_PROCEEDING || !is_asked(branch))
			continue;
		struct span text = render_cancel(invite, i, cancel);
		if (!text.at || !tx_keep(invite, &branch->cancel, text))
			continue;
		out->list[i].cancel = text;
		out->list[i].target = branch_target(branch);
		out->list[i].target.uri = arena_copy(cancel->arena, branch->sent->uri);
		out->list[i].target.dst_uri = arena_copy(cancel->arena, branch->sent->dst_uri);
		out->list[i].to = branch->sent->to;
		out->list[i].from = branch->sent->from;
		out->count = i + 1;
		branch_was_cancelled(invite, branch);
	}
}

/* Sends what was taken as branches of the CANCEL; true: one at least. Its lease held. */
static bool send_legs(struct transaction *tx, const struct legs *legs)
{
	bool any_sent = false;
	for (unsigned i = 0; i < legs->count; i++) {
		/* Only what was copied from the INVITE's branch, which may be gone. */
		const struct branch target = { .dst_uri = legs->list[i].target.dst_uri,
					       .flags = legs->list[i].target.flags };
		const struct branch_record record = {
			.request = legs->list[i].cancel,
			.uri = legs->list[i].target.uri,
			.target = &target,
			.to = legs->list[i].to,
			.from = legs->list[i].from,
		};
		struct tx_branch *branch = branch_add(tx, &record);
		if (!branch)
			break;
		if (!record.request.at)
			continue;
		branch_arm(tx, branch);
		branch_send(branch, branch->sent->request);
		any_sent = true;
	}
	if (any_sent)
		tx->flags |= TX_RELAYED;
	return any_sent;
}

bool cancel_end_to_end(struct script_run *run, struct tx_context *own, struct tx_context *invite)
{
	struct legs *legs = ARENA_NEW(run->msg->arena, struct legs);
	/* One lease at a time: answers to this CANCEL may be on their way already. */
	tx_leave(own);
	if (legs && tx_enter(invite)) {
		take_legs(invite->tx, run->msg, legs);
		tx_cancel(invite->tx, run->msg, run->msg->arena);
		tx_leave(invite);
	}
	if (!legs || !tx_enter(own))
		return false;
	own->relayed = send_legs(own->tx, legs);
	if (!own->relayed)
		own->replied = reply_locally(run, own->tx, run->msg, 200, SPAN_OF("canceling"));
	tx_leave(own);
	return own->relayed || own->replied;
}

/* Did this CANCEL send what the Via names? Lock held. */
static bool is_sender(const struct transaction *tx, unsigned number, struct span via_branch)
{
	if (tx->method != METHOD_CANCEL || (tx->flags & TX_LOCAL) || number >= tx->branch_count)
		return false;
	struct span request = tx->branches[number]->sent->request;
	return request.at && span_find_span(request, via_branch) < request.len;
}

void cancel_claims(struct message *reply, unsigned number, struct tx_context *context)
{
	uint32_t cseq;
	if (message_method(reply) != METHOD_CANCEL || !message_cseq(reply, &cseq))
		return;
	uint64_t hash = call_hash(message_value(reply, HEADER_CALL_ID), cseq);
	struct shard *shard = shard_lock(store_set(), hash);
	const struct transaction *tx = slot_first(shard, hash);
	while (tx && !is_sender(tx, number, message_top_via(reply)->branch))
		tx = slot_next(shard, &tx->slot);
	if (tx)
		context_refer(context, tx);
	shard_unlock(shard);
}
