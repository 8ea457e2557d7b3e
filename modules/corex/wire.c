/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes on the wire: event_route[network:msg] sees and changes what comes before it is parsed and what
 * leaves after it was written, event_route[corex:reply-out] sees every reply that leaves. What these
 * routes send themselves is not shown to them. */
#include "core/process/process.h"
#include "core/transport/udp.h"
#include "modules/corex/corex.h"

static struct event_route network_msg = { .name = "network:msg" };
static struct event_route reply_out = { .name = "corex:reply-out" };

/* What the slot of an event message points to. */
static const char incoming, outgoing;

static struct {
	const struct wire_settings *settings;
	const struct variable_ref *replacement; /* nio_msg_avp; NULL: bytes are seen, not changed */
	unsigned slot;
	bool is_busy; /* an event route runs that is on no fiber */
	bool is_paused;
} state;

void wire_pause(bool is_on)
{
	state.is_paused = is_on;
}

/* Is it one of our event routes that sends? */
static bool is_inside(void)
{
	const struct message *msg = fiber_is_running() ? fiber_local() : NULL;
	return state.is_busy || (msg && msg->slots[state.slot]);
}

/* Runs event_route[network:msg]; gives the bytes that it wants instead, else absent. */
static struct span run_network_msg(struct message *event, struct outgoing *to)
{
	const struct value none = { .kind = VALUE_NULL };
	struct script_run run;
	struct value value;
	struct span text = { NULL, 0 };
	event->slots[state.slot] = (void *)(uintptr_t)(to ? &outgoing : &incoming);
	bool has_run = script_run_event_out(&network_msg, event, to, &run);
	event->slots[state.slot] = NULL;
	if (!has_run || !state.replacement || !variable_read(&run, state.replacement, &value) ||
	    value.kind == VALUE_NULL || !value_to_text(&run, &value, &text))
		return (struct span){ NULL, 0 };
	struct span copy = arena_copy(event->arena, text);
	variable_write(&run, state.replacement, &none);
	return copy;
}

static struct span on_receive(struct message *event)
{
	struct span shown = message_shown(event);
	if ((int64_t)shown.len < state.settings->nio_min_msg_len ||
	    !event_route_is_defined(&network_msg))
		return shown;
	struct span wanted = run_network_msg(event, NULL);
	return wanted.at ? wanted : shown;
}

/* An event message over bytes that leave; they are copied, because a transaction may keep them. */
static struct message *sent_message(struct arena *arena, const struct send_target *target,
				    struct span bytes)
{
	const struct received from = { .listener = target->from, .local = target->from->address };
	struct span copy = arena_copy(arena, bytes);
	return copy.at ? script_message_over(arena, copy, &from) : NULL;
}

/* The bytes that leave, in the arena when they are others; absent when memory is exhausted. */
static struct span show_sent(struct arena *arena, const struct send_target *target,
			     struct span bytes, bool is_intercepted)
{
	struct script_run run;
	struct message *event = sent_message(arena, target, bytes);
	struct outgoing to = { .msg = event, .to = target->to, .from = target->from };
	if (!event)
		return (struct span){ NULL, 0 };
	event->notes |= NOTE_LOCAL;
	void *before = fiber_is_running() ? fiber_local() : NULL;
	if (fiber_is_running())
		fiber_set_local(event);
	else
		state.is_busy = true;
	if (event_route_is_defined(&reply_out) && span_starts_with(bytes, SPAN_OF("SIP/2.0 "))) {
		event->slots[state.slot] = (void *)(uintptr_t)&outgoing;
		script_run_event_out(&reply_out, event, &to, &run);
	}
	struct span wanted = { NULL, 0 };
	if (is_intercepted)
		wanted = run_network_msg(event, &to);
	if (fiber_is_running())
		fiber_set_local(before);
	state.is_busy = false;
	return wanted.at ? wanted : bytes;
}

static struct span on_send(const struct send_target *target, struct span bytes)
{
	bool is_intercepted = state.settings->nio_intercept &&
			      (int64_t)bytes.len >= state.settings->nio_min_msg_len &&
			      event_route_is_defined(&network_msg);
	bool is_told =
		event_route_is_defined(&reply_out) && span_starts_with(bytes, SPAN_OF("SIP/2.0 "));
	if ((!is_intercepted && !is_told) || state.is_paused || is_inside())
		return bytes;
	struct datagram *event = datagram_take();
	if (!event) {
		log_error("a message is not sent: event_route[%s] cannot run, too many are in work",
			  network_msg.name);
		return (struct span){ NULL, 0 };
	}
	struct span wanted = show_sent(&event->arena, target, bytes, is_intercepted);
	datagram_release(event); /* readable until what was sent has left */
	return wanted;
}

bool wire_prepare(const struct wire_settings *settings, struct diagnostics *diagnostics)
{
	state.settings = settings;
	state.slot = message_slot("corex");
	if (settings->nio_msg_avp.len) {
		state.replacement =
			variable_compile(settings->nio_msg_avp, startup_arena(), diagnostics,
					 module_setting_position("corex", "nio_msg_avp"));
		if (!state.replacement)
			return false;
	}
	if (settings->nio_intercept)
		receive_set_filter(on_receive);
	send_set_filter(on_send);
	return true;
}

/* ---- functions of the script -------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(is_incoming)
static int is_incoming(struct script_run *run)
{
	return run->msg->slots[state.slot] == &incoming ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct script_function functions[] = {
	FUNCTION_PLAIN("is_incoming", is_incoming, IN_ANY,
		       "In event_route[network:msg]: did the bytes come, or do they leave?"),
};
const struct function_table wire_functions = ROWS(functions);
