/* SPDX-License-Identifier: BSD-2-Clause */
/* What time does to transactions: repetitions, time-outs, the end. Each worker on duty ticks its
 * share of the shards from its loop; what must not wait for its next look is ticked by whoever armed it. */
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

#define BATCH 64
/* How often a worker looks for what others armed in its shards; below timer T1. */
#define LOOK_MS 400

/* When this worker ticks all shards: a deadline that their own worker may see too late. */
static int64_t soon_ms = INT64_MAX;

static bool is_due(int64_t deadline_ms)
{
	return deadline_ms && deadline_ms <= clock_ms();
}

static uint32_t next_interval(const struct transaction *tx, uint32_t interval_ms)
{
	uint32_t doubled = interval_ms * 2;
	return doubled > tx->retr2_ms ? tx->retr2_ms : doubled;
}

/* Timer A doubles without a limit, timer E up to T2 (17.1.1.2, 17.1.2.2). */
static uint32_t next_request_interval(const struct transaction *tx, uint32_t interval_ms)
{
	return tx->flags & TX_INVITE ? interval_ms * 2 : next_interval(tx, interval_ms);
}

static void branch_time_out(struct transaction *tx, unsigned number, struct arena *arena)
{
	struct tx_branch *branch = tx->branches[number];
	bool was_proceeding = branch->state == CLIENT_PROCEEDING;
	if (was_proceeding)
		cancel_branches(tx, 1u << number, arena);
	branch->state =
		client_step(tx_kind(tx), (enum client_state)branch->state, CLIENT_TIMES_OUT).next;
	branch->retransmit_ms = branch->expires_ms = 0;
	branch->timed_out = true;
	branch->is_local = true;
	branch->code = (uint16_t)(tx->flags & TX_CANCELLED ? 487 : tm_settings()->reply_408_code);
}

/* Says it to the callee again until it answers or the usual number of tries is over. */
static void repeat_cancel(struct transaction *tx, unsigned number, struct arena *arena)
{
	struct tx_branch *branch = tx->branches[number];
	if (!is_due(branch->cancel_ms))
		return;
	if (!branch->cancel.at) {
		branch->cancel_ms = 0;
		cancel_branches(tx, 1u << number, arena);
		return;
	}
	if (branch_is_done(branch) && branch->cancel_interval_ms >= tx->retr2_ms) {
		branch->cancel_ms = 0;
		return;
	}
	branch_send(branch, bytes_span(branch->cancel));
	branch->cancel_interval_ms = next_interval(tx, branch->cancel_interval_ms);
	branch->cancel_ms = clock_ms() + branch->cancel_interval_ms;
}

/* True when the branch has just timed out. */
static bool tick_branch(struct transaction *tx, unsigned number, struct arena *arena)
{
	struct tx_branch *branch = tx->branches[number];
	repeat_cancel(tx, number, arena);
	if (branch_is_done(branch))
		return false;
	if (is_due(branch->expires_ms) || (tx->flags & TX_LIFETIME_OVER)) {
		bool was_silent = branch->state == CLIENT_CALLING;
		branch_time_out(tx, number, arena);
		return !was_silent || !branch_fails_over(tx, number, NULL);
	}
	if (is_due(branch->retransmit_ms)) {
		uint16_t actions =
			client_step(tx_kind(tx), (enum client_state)branch->state, CLIENT_REPEATS)
				.actions;
		if (actions & DO_SEND)
			branch_send(branch, branch->sent->request);
		branch->interval_ms = actions & DO_SLOW
					      ? tx->retr2_ms
					      : next_request_interval(tx, branch->interval_ms);
		branch->retransmit_ms = actions & DO_SEND ? clock_ms() + branch->interval_ms : 0;
	}
	return false;
}

static void tick_reply(struct transaction *tx)
{
	if (!is_due(tx->reply_retransmit_ms))
		return;
	if (is_due(tx->wait_ends_ms)) {
		tx->server =
			server_step(tx_kind(tx), (enum server_state)tx->server, SERVER_WAITED).next;
		tx->reply_retransmit_ms = 0;
		return;
	}
	send_bytes(&tx->upstream, bytes_span(tx->reply), true);
	counter_inc(tm_counters->rpl_sent);
	tx->reply_interval_ms = next_interval(tx, tx->reply_interval_ms);
	tx->reply_retransmit_ms = clock_ms() + tx->reply_interval_ms;
}

/* Its time is over: a suspended request fails, one that nobody forwarded or answered ends. */
static void end_of_life(struct transaction *tx, struct arena *arena)
{
	if (is_due(tx->life_ends_ms) && (tx->flags & TX_REPLY_SUSPENDED))
		end_waiting(tx, arena);
	if (!is_due(tx->life_ends_ms))
		return;
	tx->flags |= TX_LIFETIME_OVER;
	tx->life_ends_ms = 0;
	if (!(tx->flags & TX_SUSPENDED)) {
		/* Its script died with a worker, after the caller was told to wait. */
		if ((tx->flags & TX_IN_SCRIPT) && !tx_was_sent(tx) && tx->code == 100)
			fail_upstream(tx);
		return;
	}
	tx->flags &= ~(uint32_t)TX_SUSPENDED;
	if (tx->server != SERVER_PROCEEDING)
		return;
	/* A branch that times out in this very tick, so that failure_route hears of it. */
	struct tx_context context = context_holding(tx);
	struct message *request = tx_request(tx, arena, &context);
	if (request)
		relay_nowhere(tx, request);
}

void tx_tick(struct transaction *tx, struct arena *arena)
{
	bool any_failed = false;
	end_of_life(tx, arena);
	tick_reply(tx);
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (tick_branch(tx, i, arena)) {
			any_failed = true;
			branch_failed(tx, i, NULL, arena);
		}
	if (any_failed && all_done(tx) && tx->server == SERVER_PROCEEDING)
		finish_branches(tx, arena);
	/* Nobody answered it and nobody will. */
	if ((tx->flags & TX_LIFETIME_OVER) && all_done(tx))
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
		if (tx_is_spent(tx)) {
			tx_free(shard, tx);
			continue;
		}
		if (!lease_is_free(tx)) {
			tx->is_tick_pending = true;
			continue;
		}
		contexts[count++] = (struct tx_context){ .shard = number,
							 .index = due[i].index,
							 .generation = due[i].generation,
							 .branch = -1 };
	}
	shard_unlock(shard);
	for (unsigned i = 0; i < count; i++)
		if (!fiber_start(tick_on_fiber, &contexts[i]))
			log_error("a transaction's timer is lost: too many fibers wait");
	return collected == BATCH;
}

void timers_expect(int64_t due_ms)
{
	if (due_ms < soon_ms && due_ms < clock_ms() + LOOK_MS)
		soon_ms = due_ms;
}

/* When a shard wants to be ticked again. */
static int64_t tick_if_due(unsigned number, int64_t now)
{
	while (shard_next_deadline(store_set(), number) <= now && tick_shard(number))
		;
	int64_t deadline = shard_next_deadline(store_set(), number);
	return deadline > now ? deadline : now + 1;
}

/* Shards of other workers. */
static void tick_others(int64_t now, unsigned on_duty)
{
	soon_ms = INT64_MAX;
	for (unsigned number = 0; number < shard_count(store_set()); number++)
		if (number % on_duty != (unsigned)worker_index())
			timers_expect(tick_if_due(number, now));
}

/* Called before every sleep. */
static int64_t tick_hook(void)
{
	static int64_t next_ms;
	static bool is_running;
	static unsigned seen_on_duty;
	unsigned on_duty = workers_on_duty();
	int64_t now = clock_ms();
	if (!is_running) {
		is_running = true;
		recover_start();
	}
	if (now >= soon_ms) {
		tick_others(now, on_duty);
		next_ms = now;
	}
	if (on_duty != seen_on_duty)
		next_ms = now; /* other shards are this worker's now */
	seen_on_duty = on_duty;
	if (now < next_ms)
		return clock_earlier(next_ms, soon_ms);
	next_ms = now + LOOK_MS;
	for (unsigned number = (unsigned)worker_index(); number < shard_count(store_set());
	     number += on_duty)
		next_ms = clock_earlier(next_ms, tick_if_due(number, now));
	send_flush();
	return clock_earlier(next_ms, soon_ms);
}

bool timers_start(void)
{
	if (worker_index() >= 0)
		loop_add_hook(tick_hook);
	return true;
}
