/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker leaves that dies over its transactions: their leases are free for whoever comes, but nobody
 * comes when the timer was not armed again, and what the dead one was about to tell is not told. A successor
 * looks at all transactions once and takes up what it finds. */
#include "core/transport/udp.h"
#include "modules/tm/store.h"

#define BATCH     64
#define ORPHAN_MS 2000 /* a little more than two repetitions */

static bool is_abandoned(const struct transaction *tx)
{
	return tx->lease_owner && tx->lease_incarnation != process_incarnation(tx->lease_owner - 1);
}

/* The final reply that went upstream, as it was sent; NULL: it was made here. */
static struct message *sent_reply(const struct transaction *tx, struct arena *arena)
{
	const struct received nobody = { 0 };
	const char *reason;
	if (tx->flags & TX_LOCAL_ANSWER)
		return NULL;
	struct span bytes = arena_copy(arena, bytes_span(tx->reply));
	struct message *reply = bytes.at ? message_parse(arena, bytes, &nobody, &reason) : NULL;
	return reply && !message_is_request(reply) && reply->index->status == tx->code ? reply
										       : NULL;
}

/* A final reply was decided on; who waits for that hears of it, perhaps again. */
static void tell_again(struct transaction *tx, struct arena *arena)
{
	if (tx->flags & TX_LOCAL) {
		uac_tell(tx, NULL, tx->code);
		return;
	}
	struct message *reply = sent_reply(tx, arena);
	struct span reason = reply ? reply_reason(reply) : local_reason(tx->code);
	tell_final(tx, reply, tx->code, reason, true, arena);
}

/* A final reply was taken from its branch and nothing came of it. Another request than INVITE is sent again
 * and answered again (RFC 3261 17.2.2); a 2xx to INVITE comes again by itself. */
static bool is_reply_gone(const struct transaction *tx, const struct tx_branch *branch)
{
	return !(tx->flags & TX_INVITE) && branch_is_done(branch) && branch->code >= 200 &&
	       !branch->reply && !branch->is_local && !branch->is_dropped;
}

static bool has_success(const struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (tx->branches[i]->state == CLIENT_ACCEPTED)
			return true;
	return false;
}

/* Its worker died between sending a branch and noting that it was sent. */
static void note_what_was_sent(struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (!branch_is_done(tx->branches[i]))
			tx->flags |= TX_RELAYED;
}

static void take_up(struct transaction *tx, struct arena *arena)
{
	note_what_was_sent(tx);
	if (tx->code >= 200) {
		tx_finish(tx);
		if (tx->flags & TX_UNTOLD)
			tell_again(tx, arena);
		return;
	}
	if (tx->server != SERVER_PROCEEDING)
		return;
	/* A request that comes again starts anew, see is_orphan(). But a caller who was told to wait may not
	 * send it again. */
	if (!tx_was_sent(tx) && (tx->flags & (TX_IN_SCRIPT | TX_SUSPENDED)) == TX_IN_SCRIPT) {
		tx->life_ends_ms = clock_ms() + ORPHAN_MS;
		return;
	}
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (is_reply_gone(tx, tx->branches[i])) {
			branch_arm(tx, tx->branches[i]);
			branch_send(tx->branches[i], tx->branches[i]->sent->request);
		}
	if (all_done(tx) && !has_success(tx) && (tx->flags & (TX_RELAYED | TX_LOCAL)))
		finish_branches(tx, arena);
}

/* Takes the leases of some that were left in a shard; true: there may be more. */
static bool collect(unsigned number, uint32_t *cursor, struct tx_context out[BATCH],
		    unsigned *out_count)
{
	struct transaction *tx = NULL;
	unsigned count = 0;
	struct shard *shard = shard_lock_number(store_set(), number);
	while (count < BATCH && (tx = slot_each(shard, cursor)))
		if (is_abandoned(tx)) {
			lease_take(tx);
			out[count++] = context_holding(tx);
		}
	shard_unlock(shard);
	*out_count = count;
	return tx != NULL;
}

static void take_up_all(void *arg)
{
	unsigned found = 0, count;
	(void)arg;
	for (unsigned number = 0; number < shard_count(store_set()); number++) {
		struct tx_context list[BATCH];
		uint32_t cursor = 0;
		bool is_more;
		do {
			is_more = collect(number, &cursor, list, &count);
			for (unsigned i = 0; i < count; i++) {
				struct datagram *event = datagram_take();
				if (event)
					take_up(list[i].tx, &event->arena);
				if (event)
					datagram_release(event);
				tx_leave(&list[i]);
			}
			found += count;
		} while (is_more);
	}
	if (found)
		log_notice("%u transactions of a dead worker go on", found);
}

void recover_start(void)
{
	if (process_incarnation(process_index()) > 1 && !fiber_start(take_up_all, NULL))
		log_error(
			"the transactions of a dead worker wait for their next message: too many fibers");
}
