/* SPDX-License-Identifier: BSD-2-Clause */
/* What time does to transactions: repetitions, time-outs, the end. Each worker ticks its own share of
 * the shards from its loop. */
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

#define BATCH 64
#define TICK_MS 20
#define IDLE_TICK_MS 100

static bool is_due(int64_t deadline_ms)
{
	return deadline_ms && deadline_ms <= clock_ms();
}

static uint32_t next_interval(const struct transaction *tx, uint32_t interval_ms)
{
	uint32_t doubled = interval_ms * 2;
	return doubled > tx->retr2_ms ? tx->retr2_ms : doubled;
}

static void branch_time_out(struct transaction *tx, struct tx_branch *branch, unsigned number, struct arena *arena)
{
	bool was_proceeding = branch->state == BRANCH_PROCEEDING;
	if ((tx->flags & TX_INVITE) && was_proceeding && !branch->cancel.at)
		cancel_branches(tx, 1u << number, arena);
	branch->state = BRANCH_DONE;
	branch->retransmit_ms = branch->expires_ms = 0;
	branch->was_replied = was_proceeding;
	branch->timed_out = true;
	branch->is_local = true;
	branch->code = (uint16_t)(tx->flags & TX_CANCELLED ? 487 : tm_settings()->reply_408_code);
}

static void tick_branch(struct transaction *tx, unsigned number, struct arena *arena)
{
	struct tx_branch *branch = tx->branches[number];
	if (is_due(branch->cancel_ms)) {
		branch_send(branch, bytes_span(branch->cancel));
		branch->cancel_interval_ms = next_interval(tx, branch->cancel_interval_ms);
		branch->cancel_ms = clock_ms() + branch->cancel_interval_ms;
		/* The callee is gone; its side gives up by itself. */
		if (branch->state == BRANCH_DONE && branch->cancel_interval_ms == tx->retr2_ms)
			branch->cancel_ms = 0;
	}
	if (branch->state == BRANCH_DONE)
		return;
	if (is_due(branch->expires_ms) || (tx->flags & TX_LIFETIME_OVER)) {
		branch_time_out(tx, branch, number, arena);
		return;
	}
	if (is_due(branch->retransmit_ms)) {
		branch_send(branch, bytes_span(branch->request));
		branch->interval_ms = next_interval(tx, branch->interval_ms);
		branch->retransmit_ms = clock_ms() + branch->interval_ms;
	}
}

static void tick_reply(struct transaction *tx)
{
	if (!is_due(tx->reply_retransmit_ms))
		return;
	send_bytes(&tx->upstream, bytes_span(tx->reply), true);
	counter_inc(tm_counters->rpl_sent);
	tx->reply_interval_ms = next_interval(tx, tx->reply_interval_ms);
	tx->reply_retransmit_ms = clock_ms() + tx->reply_interval_ms;
}

void tx_tick(struct transaction *tx, struct arena *arena)
{
	bool was_open = !all_done(tx);
	if (is_due(tx->life_ends_ms)) {
		tx->flags |= TX_LIFETIME_OVER;
		tx->life_ends_ms = 0;
	}
	tick_reply(tx);
	for (unsigned i = 0; i < tx->branch_count; i++)
		tick_branch(tx, i, arena);
	if (was_open && all_done(tx) && tx->server == SERVER_PROCEEDING)
		finish_branches(tx, arena);
	/* Nobody answered it and nobody will: a transaction without branches has only its lifetime. */
	if ((tx->flags & TX_LIFETIME_OVER) && all_done(tx) && tx->server == SERVER_PROCEEDING)
		tx_finish(tx);
	if (is_due(tx->wait_ends_ms))
		tx->reply_retransmit_ms = 0;
}

/* ---- the loop's hook -------------------------------------------------------------------------------------------- */

static void tick_on_fiber(void *arg)
{
	struct tx_context *context = arg, own = *context;
	struct datagram *event = datagram_take();
	if (!tx_enter(&own)) {
		if (event)
			datagram_release(event);
		return;
	}
	if (event) {
		tx_tick(own.tx, &event->arena);
		datagram_release(event);
	}
	tx_leave(&own);
}

/* Takes what is due in one shard; busy transactions are left to whoever holds them. */
static bool tick_shard(unsigned number)
{
	struct timer_due due[BATCH];
	struct tx_context contexts[BATCH];
	unsigned count = 0;
	struct shard *shard = shard_lock_number(store_set(), number);
	unsigned collected = wheel_collect(shard, clock_ms(), due, BATCH);
	for (unsigned i = 0; i < collected; i++) {
		struct transaction *tx = (struct transaction *)due[i].slot;
		if (tx->lease_owner && tx->lease_incarnation == process_incarnation(tx->lease_owner - 1)) {
			tx->flags |= TX_TICK_PENDING;
			continue;
		}
		contexts[count++] = (struct tx_context){ .shard = number, .index = due[i].index,
			.generation = due[i].generation, .branch = -1 };
	}
	shard_unlock(shard);
	for (unsigned i = 0; i < count; i++)
		if (!fiber_start(tick_on_fiber, &contexts[i]))
			log_error("a transaction's timer is lost: too many fibers wait");
	return collected == BATCH;
}

static int64_t tick_hook(void)
{
	static int64_t next_ms;
	int64_t now = clock_ms();
	if (now < next_ms)
		return next_ms;
	bool is_idle = true;
	for (unsigned number = (unsigned)worker_index(); number < shard_count(store_set()); number += worker_count()) {
		int64_t deadline = shard_next_deadline(store_set(), number);
		is_idle = is_idle && deadline == INT64_MAX;
		while (deadline <= now && tick_shard(number))
			;
	}
	send_flush();
	next_ms = now + (is_idle ? IDLE_TICK_MS : TICK_MS);
	return next_ms;
}

bool timers_start(void)
{
	if (worker_index() >= 0)
		loop_add_hook(tick_hook);
	return true;
}
