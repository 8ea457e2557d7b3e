/* SPDX-License-Identifier: BSD-2-Clause */
/* Where transactions are, who works on one (the lease), and the name in our Via. */
#include "core/base/hex.h"
#include "core/transport/udp.h"
#include "modules/tm/store.h"

#define SHARDS        32
#define SHARD_DIGITS  2 /* hexadecimal ones in our Via */
#define LEASE_POLL_MS 1
#define LEASE_TRIES   10000

static void on_lost(void *slot)
{
	(void)slot;
	counter_inc(tm_counters->freed);
}

static const struct shard_type transaction_type = {
	.name = "tm",
	.slot_size = sizeof(struct transaction),
	.timer_count = 1,
	.timer_grace_ms =
		1000, /* a worker that dies over a tick does not take the deadline with it */
	.on_lost = on_lost,
};

static struct {
	struct shard_set *set;
	unsigned slot; /* of message.slots */
} store;
const unsigned *const tx_message_slot = &store.slot;
struct shard_set *const *const tx_set_place = &store.set;

bool store_prepare(void)
{
	store.slot = message_slot("tm");
	store.set = shard_set_new(&transaction_type, SHARDS);
	return store.set != NULL;
}

struct tx_context *tx_context_new(struct message *msg)
{
	struct tx_context *context = arena_alloc(msg->arena, sizeof(*context));
	if (context)
		*context = (struct tx_context){ .branch = -1 };
	msg->slots[store.slot] = context;
	return context;
}

struct shard *tx_lock(const struct transaction *tx)
{
	return shard_lock_number(store.set, tx->slot.shard);
}

void context_refer(struct tx_context *context, const struct transaction *tx)
{
	context->shard = tx->slot.shard;
	context->index = tx->slot.index;
	context->generation = tx->slot.generation;
}

struct tx_context context_holding(struct transaction *tx)
{
	struct tx_context context = { .tx = tx, .branch = -1 };
	context_refer(&context, tx);
	return context;
}

bool context_names(const struct tx_context *context, struct tm_name name)
{
	return context->generation && context->generation == name.generation &&
	       context->shard == name.shard && context->index == name.slot;
}

/* ---- lease ---------------------------------------------------------------------------------------------- */

/* Nobody has it, or the process that has it is not the one that took it. Lock held. */
bool lease_is_free(const struct transaction *tx)
{
	return tx->lease_owner == 0 ||
	       tx->lease_incarnation != process_incarnation(tx->lease_owner - 1);
}

void lease_take(struct transaction *tx)
{
	tx->lease_incarnation = process_incarnation(process_index());
	tx->lease_owner = process_index() + 1;
}

bool tx_enter(struct tx_context *context)
{
	if (context->tx)
		return true;
	for (int i = 0; i < LEASE_TRIES; i++) {
		struct shard *shard = shard_lock_number(store.set, context->shard);
		struct transaction *tx = slot_at(shard, context->index, context->generation);
		bool is_taken = tx && lease_is_free(tx);
		if (is_taken)
			lease_take(tx);
		shard_unlock(shard);
		if (!tx || is_taken) {
			context->tx = tx;
			return tx != NULL;
		}
		if (!fiber_is_running())
			return false;
		fiber_sleep_ms(LEASE_POLL_MS);
	}
	log_error("a transaction stays busy; giving up on it");
	return false;
}

void tx_arm(struct shard *shard, struct transaction *tx)
{
	int64_t due = INT64_MAX;
	due = clock_earlier_if_set(due, tx->reply_retransmit_ms);
	due = clock_earlier_if_set(due, tx->life_ends_ms);
	due = clock_earlier_if_set(due, tx->wait_ends_ms);
	for (unsigned i = 0; i < tx->branch_count; i++) {
		const struct tx_branch *branch = tx->branches[i];
		due = clock_earlier_if_set(due, branch->cancel_ms);
		due = clock_earlier_if_set(due, branch->retransmit_ms);
		due = clock_earlier_if_set(due, branch->expires_ms);
	}
	if (due == INT64_MAX)
		timer_disarm(shard, &tx->slot, TIMER);
	else if (timer_arm(shard, &tx->slot, TIMER, due))
		timers_expect(due);
}

static void work_off_reply(struct tx_context *context, struct queued *queued)
{
	struct datagram *event = datagram_take();
	struct message *reply = event ? message_thaw(queued->frozen, &event->arena) : NULL;
	struct tx_context *own = reply ? tx_context(reply) : NULL;
	if (own && queued->branch < context->tx->branch_count) {
		*own = context_holding(context->tx);
		own->branch = (int)queued->branch;
		reply_received(own, reply);
	}
	struct shard *shard = tx_lock(context->tx);
	region_free(shard, &context->tx->slot, queued);
	shard_unlock(shard);
	if (event)
		datagram_release(event);
}

static void work_off_tick(struct tx_context *context)
{
	struct datagram *event = datagram_take();
	if (!event)
		return;
	tx_tick(context->tx, &event->arena);
	datagram_release(event);
}

void tx_free(struct shard *shard, struct transaction *tx)
{
	slot_free(shard, &tx->slot);
	counter_inc(tm_counters->freed);
}

bool tx_is_spent(const struct transaction *tx)
{
	return !tx->request && !tx->lease_owner && !tx->queue && (tx->flags & TX_WAITING) &&
	       tx->wait_ends_ms <= clock_ms();
}

/* True when the transaction has nothing left to do and may go. */
static bool is_over(const struct transaction *tx)
{
	return tx->wait_ends_ms && tx->wait_ends_ms <= clock_ms() && all_done(tx);
}

/* One look under the lock: takes the next piece of work (true), or gives the lease back. */
static bool next_work(struct tx_context *context, struct queued **out_queued)
{
	struct transaction *tx = context->tx;
	struct shard *shard = tx_lock(tx);
	struct queued *queued = tx->queue;
	bool has_tick = tx->is_tick_pending;
	if (queued) {
		tx->queue = queued->next;
	} else if (has_tick) {
		tx->is_tick_pending = false;
	} else {
		if (is_over(tx)) {
			tx_free(shard, tx);
		} else {
			tx_forget(shard, tx);
			tx_arm(shard, tx);
			tx->lease_owner = 0;
		}
		context->tx = NULL;
	}
	shard_unlock(shard);
	*out_queued = queued;
	return context->tx != NULL;
}

[[gnu::noinline]] static void work_off(struct tx_context *context, struct queued *queued)
{
	if (queued)
		work_off_reply(context, queued);
	else
		work_off_tick(context);
}

void tx_leave(struct tx_context *context)
{
	struct queued *queued;
	while (context->tx && next_work(context, &queued))
		work_off(context, queued);
}

/* ---- our Via branch: where the transaction is, and proof that we made it ---------------------------------- */

struct span tx_via_branch(const struct transaction *tx, unsigned number, uint32_t loop,
			  char out[HOP_BRANCH_MAX])
{
	char token[HOP_TOKEN_MAX], *at = token;
	*at++ = 't';
	at = hex_put(at, tx->slot.shard, SHARD_DIGITS);
	*at++ = '.';
	at = hex_put(at, tx->slot.index, 1);
	*at++ = '.';
	at = hex_put(at, tx->slot.generation, 1);
	const struct span name = span_make(token, (size_t)(at - token));
	return hop_branch_write(&(struct hop){ name, loop, number }, out);
}

static uint32_t shard_read(const char *at)
{
	uint16_t digits;
	memcpy(&digits, at, SHARD_DIGITS);
	return hex_number((uint64_t)digits << 48); /* bytes of zero stand for 0 */
}

/* The check says that we wrote the token; what stands behind it is longer than any number. */
bool tx_from_via(struct span branch, struct tx_context *out_context, unsigned *out_number)
{
	uint32_t shard, index, generation;
	struct hop hop;
	if (!hop_branch_read(branch, &hop) || *hop.token.at != 't')
		return false;
	const char *at = hex_read_to_dot(hop.token.at + SHARD_DIGITS + 2, &index);
	shard = shard_read(hop.token.at + 1);
	hex_read_to_dot(at, &generation);
	if (shard >= shard_count(store.set) || hop.number >= BRANCHES_MOST)
		return false;
	out_context->shard = shard;
	out_context->index = index;
	out_context->generation = generation;
	*out_number = hop.number;
	return true;
}
