/* SPDX-License-Identifier: BSD-2-Clause */
/* How dialogs end: by BYE of a party, by a refusal, by us, by time; and who hears of it. The state is
 * stored first, together with what is owed to event routes and observers; a dialog is freed when
 * nothing is owed, so a worker that dies in between leaves a dialog that is told by another. */
#include "core/shm/map.h"
#include "modules/dialog/dialog.h"
#include "modules/dialog/replica.h"
#include "modules/dialog/rows.h"

#define OBSERVERS_MOST 8
/* As long as a dialog that is over is still known, for repetitions and late ACKs; and when shared
 * memory is wanted for calls. */
#define LINGER_MS       5000
#define LINGER_SHORT_MS 200
/* A BYE is answered, or timed out, before; else somebody died. */
#define OWED_MS 35000
/* What noack_timeout leaves. */
#define UNACKED_LIFE_MS 10000
/* How often those that are owed something are looked at. */
#define OWED_LOOK_MS 1000
/* How long a dialog that is over waits for the database each time. */
#define ROW_MS      1000
#define TICK_MS     100
#define DUE_AT_ONCE 32

static struct {
	struct observer {
		unsigned events;
		dialog_observer call;
	} observers[OBSERVERS_MOST];
	unsigned observer_count;
} state;

bool observers_add(unsigned events, dialog_observer observer)
{
	if (state.observer_count == OBSERVERS_MOST)
		return false;
	state.observers[state.observer_count++] = (struct observer){ events, observer };
	return true;
}

/* ---- telling ---- */

static void tell_observers(struct dialog_name name, enum dialog_event event, struct message *msg,
			   bool has_message)
{
	struct script_run run;
	struct shard *shard;
	struct dialog_event_info info = {
		.event = event, .name = name, .run = &run, .has_message = has_message
	};
	if (!state.observer_count || !script_run_init(&run, msg, ROUTE_EVENT, NULL))
		return;
	const struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	info.created_us = dialog->created_us;
	info.confirmed_us = dialog->confirmed_us;
	info.ended_us = dialog->ended_us;
	shard_unlock(shard);
	for (unsigned i = 0; i < state.observer_count; i++)
		if (state.observers[i].events & event)
			state.observers[i].call(&info);
}

/* The event's message belongs to this dialog, whatever its headers say. */
static void attach(struct message *msg, struct dialog_name name)
{
	struct dialog_context *context = context_of(msg);
	if (context)
		context->name = name;
}

void tell(struct dialog_name name, enum dialog_event event, struct message *msg,
	  struct message *reply)
{
	struct message *shown = reply ? reply : msg;
	attach(msg, name);
	attach(shown, name);
	if (event == DIALOG_CONFIRMED)
		script_run_event("dialog:start", shown, NULL, NULL);
	tell_observers(name, event, msg, true);
}

static void tell_about_end(struct dialog_name name, uint8_t owed, struct message *msg,
			   bool has_message)
{
	enum dialog_event event = owed & OWED_FAILED    ? DIALOG_FAILED
				  : owed & OWED_EXPIRED ? DIALOG_EXPIRED
							: DIALOG_ENDED;
	attach(msg, name);
	if (owed & OWED_EVENT)
		script_run_event(event == DIALOG_FAILED ? "dialog:failed" : "dialog:end", msg, NULL,
				 NULL);
	tell_observers(name, event, msg, has_message);
}

void tell_owed(struct dialog_name name, struct message *msg)
{
	struct arena arena;
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	uint8_t owed = dialog->owed;
	shard_unlock(shard);
	replica_tell(name);
	profiles_leave_all(name);
	if (owed) {
		arena_init(&arena, 8192, 1 << 22);
		struct message *shown = msg ? msg : script_faked_request(&arena);
		if (shown)
			tell_about_end(name, owed, shown, msg != NULL);
		arena_free(&arena);
	}
	dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	dialog->owed = 0;
	int64_t linger_ms = shm_percent_used() < 50 ? LINGER_MS : LINGER_SHORT_MS;
	timer_arm(shard, &dialog->slot, TIMER, clock_ms() + linger_ms);
	shard_unlock(shard);
}

/* ---- ending ---- */

static int is_answered(enum dialog_state at)
{
	return at == DIALOG_UNACKED || at == DIALOG_ACTIVE;
}

void dialog_count_change(enum dialog_state from, enum dialog_state to)
{
	counter_add(dialog_counters->early, (to == DIALOG_EARLY) - (from == DIALOG_EARLY));
	counter_add(dialog_counters->active, is_answered(to) - is_answered(from));
}

void dialog_delete(struct shard *shard, struct dialog *dialog, uint8_t owed)
{
	dialog_count_change((enum dialog_state)dialog->state, DIALOG_DELETED);
	if (owed & OWED_FAILED)
		counter_inc(dialog_counters->failed);
	dialog->ended_us = clock_wall_us_now();
	dialog->teller = process_index();
	dialog->teller_incarnation = process_incarnation(dialog->teller);
	dialog->owed = owed;
	dialog->state = DIALOG_DELETED;
	timer_arm(shard, &dialog->slot, TIMER, clock_ms() + OWED_LOOK_MS);
}

bool dialog_set_state(struct dialog_name name, enum dialog_state wanted)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	if (wanted == DIALOG_DELETED && dialog->state != DIALOG_DELETED) {
		dialog_delete(shard, dialog, 0);
	} else if (dialog->state != DIALOG_DELETED) {
		dialog_count_change((enum dialog_state)dialog->state, wanted);
		dialog->state = (uint8_t)wanted;
		dialog_arm(shard, dialog);
	}
	shard_unlock(shard);
	if (wanted == DIALOG_DELETED)
		tell_owed(name, NULL);
	else
		replica_tell(name);
	return true;
}

static void send_byes(struct dialog_name name, unsigned legs, struct span headers)
{
	const struct leg_request bye = { .method = SPAN("BYE"), .headers = headers };
	for (unsigned leg = 0; leg < LEGS; leg++)
		if (legs & 1u << leg)
			(void)leg_send(name, (enum leg_kind)leg, &bye);
}

/* Lock held; it is given back. */
static bool cancel_early(struct shard *shard, const struct dialog *dialog)
{
	struct arena arena;
	arena_init(&arena, 512, 1 << 16);
	struct span call_id = arena_copy(&arena, text_span(dialog->call_id));
	uint32_t cseq = dialog->legs[CALLER].cseq;
	shard_unlock(shard);
	bool is_cancelled =
		call_id.at &&
		dialog_tm()->cancel_call(call_id, cseq, (unsigned)dialog_settings->bye_early_code,
					 dialog_settings->bye_early_reason);
	arena_free(&arena);
	return is_cancelled;
}

bool dialog_bye(struct dialog_name name, unsigned legs, struct span headers)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	if (dialog->state < DIALOG_UNACKED)
		return cancel_early(shard, dialog);
	bool lives = dialog->state != DIALOG_DELETED;
	if (lives)
		dialog_delete(shard, dialog, OWED_EVENT | OWED_OBSERVERS);
	shard_unlock(shard);
	if (!lives)
		return false;
	send_byes(name, legs, headers);
	tell_owed(name, NULL);
	return true;
}

/* ---- the same for other processes ---- */

struct bye_order {
	struct dialog_name name;
	unsigned legs;
	size_t len;
	char headers[];
};

static void do_order(void *arg)
{
	struct bye_order *order = arg;
	(void)dialog_bye(order->name, order->legs, span_make(order->headers, order->len));
	shm_run_free(order);
	send_flush();
}

static void take_order(const void *data, size_t len)
{
	struct bye_order *order;
	if (len != sizeof(order))
		return;
	memcpy(&order, data, sizeof(order));
	if (!fiber_start(do_order, order))
		shm_run_free(order);
}

bool dialog_bye_later(struct dialog_name name, unsigned legs, struct span headers)
{
	struct bye_order *order = shm_run_alloc(sizeof(*order) + headers.len, "dialog BYE");
	if (!order)
		return false;
	order->name = name;
	order->legs = legs;
	order->len = headers.len;
	if (headers.len)
		memcpy(order->headers, headers.at, headers.len);
	if (worker_post(random_below(worker_count()), take_order, &order, sizeof(order)))
		return true;
	shm_run_free(order);
	return false;
}

/* ---- time ---- */

static void run_timeout_route(struct dialog_name name, struct span route)
{
	struct arena arena;
	struct script_run run;
	arena_init(&arena, 8192, 1 << 22);
	struct message *msg = script_faked_request(&arena);
	const struct image *image = script_current_image();
	uint32_t number = image ? script_route(image, ROUTE_REQUEST, route) : 0;
	if (!number)
		log_error("there is no route[%.*s] for the timeout of a dialog", SPAN_ARGS(route));
	if (msg && number) {
		attach(msg, name);
		if (script_run_init(&run, msg, ROUTE_REQUEST, NULL))
			script_run_route(&run, number);
	}
	arena_free(&arena);
}

/* Of another server, which has ended it by now or is gone. Lock held; it is given back. */
static void expire_quietly(struct shard *shard, struct dialog *dialog)
{
	struct dialog_name name = name_of(dialog);
	dialog_delete(shard, dialog, 0);
	dialog->told_state = DIALOG_DELETED;
	shard_unlock(shard);
	tell_owed(name, NULL);
}

/* Lock held; it is given back. */
static void expire(struct shard *shard, struct dialog *dialog)
{
	if (dialog->origin) {
		expire_quietly(shard, dialog);
		return;
	}
	struct arena arena;
	struct dialog_view view;
	struct dialog_name name = name_of(dialog);
	bool wants_bye = dialog->iflags & IFLAG_BYE_ON_TIMEOUT;
	arena_init(&arena, 4096, 1 << 20);
	bool is_seen = dialog_copy(dialog, &arena, &view);
	dialog_delete(shard, dialog, OWED_EVENT | OWED_OBSERVERS | (wants_bye ? 0 : OWED_EXPIRED));
	shard_unlock(shard);
	counter_inc(dialog_counters->expired);
	if (is_seen) {
		log_notice("the dialog of call %.*s timed out after %lld s%s",
			   SPAN_ARGS(view.call_id), (long long)view.lifetime_s,
			   wants_bye ? "; both parties get BYE" : "");
		if (view.timeout_route.len)
			run_timeout_route(name, view.timeout_route);
	}
	if (wants_bye)
		send_byes(name, 1u << CALLER | 1u << CALLEE, (struct span){ NULL, 0 });
	tell_owed(name, NULL);
	arena_free(&arena);
}

/* Nobody answered within early_timeout. Lock held; it is given back. */
static void drop_early(struct shard *shard, struct dialog *dialog)
{
	struct dialog_name name = name_of(dialog);
	if (dialog->origin) {
		expire_quietly(shard, dialog);
		return;
	}
	dialog_delete(shard, dialog, 0);
	shard_unlock(shard);
	tell_owed(name, NULL);
}

static void tick_unacked(struct shard *shard, struct dialog *dialog)
{
	int64_t unacked_us = clock_wall_us() - dialog->confirmed_us;
	if (dialog->expires_ms <= clock_ms()) {
		expire(shard, dialog);
		return;
	}
	if (!dialog->is_unacked_long &&
	    unacked_us >= dialog_settings->noack_timeout * INT64_C(1000000)) {
		int64_t ends_ms = clock_ms() + UNACKED_LIFE_MS;
		if (dialog->expires_ms > ends_ms)
			dialog->expires_ms = ends_ms;
		dialog->is_unacked_long = true;
	}
	dialog_arm(shard, dialog);
	shard_unlock(shard);
}

static void tick_active(struct shard *shard, struct dialog *dialog)
{
	struct dialog_name name = name_of(dialog);
	if (dialog->expires_ms <= clock_ms()) {
		expire(shard, dialog);
		return;
	}
	bool asks = dialog->keepalive_ms && dialog->keepalive_ms <= clock_ms();
	uint32_t iflags = dialog->iflags;
	if (asks)
		dialog->keepalive_ms = clock_ms() + dialog_settings->ka_interval * 1000;
	dialog_arm(shard, dialog);
	shard_unlock(shard);
	if (asks)
		keepalive_ask(name, iflags);
}

/* Nobody will tell what is owed: its teller died over the event, or no answer to the BYE came. */
static bool is_left_alone(const struct dialog *dialog)
{
	bool has_died = dialog->teller_incarnation != process_incarnation(dialog->teller);
	int64_t since_us = clock_wall_us() - dialog->ended_us;
	return (has_died && dialog->owed & OWED_EVENT) || since_us >= OWED_MS * INT64_C(1000);
}

/* Lock held; it is given back. */
static void forget(struct shard *shard, struct dialog *dialog)
{
	uint32_t h_entry = dialog->h_entry, h_id = dialog->h_id;
	slot_free(shard, &dialog->slot);
	shard_unlock(shard);
	numbers_remove(h_entry, h_id);
}

static void tick_dialog(struct dialog_name name)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	int64_t age_us = clock_wall_us() - dialog->created_us;
	switch ((enum dialog_state)dialog->state) {
	case DIALOG_UNCONFIRMED:
	case DIALOG_EARLY:
		if (age_us >= dialog_settings->early_timeout * INT64_C(1000000)) {
			drop_early(shard, dialog);
			return;
		}
		dialog_arm(shard, dialog);
		break;
	case DIALOG_UNACKED: tick_unacked(shard, dialog); return;
	case DIALOG_ACTIVE: tick_active(shard, dialog); return;
	case DIALOG_DELETED:
		if (dialog->owed) {
			bool is_left = is_left_alone(dialog);
			timer_arm(shard, &dialog->slot, TIMER,
				  clock_ms() + (is_left ? OWED_MS : OWED_LOOK_MS));
			shard_unlock(shard);
			if (is_left)
				tell_owed(name, NULL);
			return;
		}
		if (dialog->has_row && rows_period())
			timer_arm(shard, &dialog->slot, TIMER, clock_ms() + ROW_MS);
		else if (!dialog->has_row) {
			forget(shard, dialog);
			return;
		} else /* db_mode 3: its row goes at the stop */
			timer_disarm(shard, &dialog->slot, TIMER);
		break;
	}
	shard_unlock(shard);
}

static void tick_shard(unsigned number)
{
	struct timer_due due[DUE_AT_ONCE];
	struct dialog_name names[DUE_AT_ONCE];
	unsigned count;
	do {
		struct shard *shard = shard_lock_number(store_set(), number);
		count = wheel_collect(shard, clock_ms(), due, DUE_AT_ONCE);
		for (unsigned i = 0; i < count; i++)
			names[i] = (struct dialog_name){ number, due[i].index, due[i].generation };
		shard_unlock(shard);
		for (unsigned i = 0; i < count; i++)
			tick_dialog(names[i]);
	} while (count == DUE_AT_ONCE);
}

int64_t dialog_tick_period(void)
{
	return TICK_MS;
}

void dialog_tick(void)
{
	for (unsigned i = (unsigned)worker_index(); i < shard_count(store_set());
	     i += worker_count())
		if (shard_next_deadline(store_set(), i) <= clock_ms())
			tick_shard(i);
	send_flush();
}
