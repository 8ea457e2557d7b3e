/* SPDX-License-Identifier: BSD-2-Clause */
/* What caller and callee do, and whether the server does the right thing in between. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

#define GIVE_UP_TRIES  16 /* times the retransmission interval */
#define SCAN_PARTS     16
#define SAY_WRONG_MOST 3
#define SLEEP_MOST_US  1000
#define PREPARE_WINDOW 64 /* what no server refuses */

static struct {
	struct slot *slots;
	uint32_t *free_slots;
	uint32_t free_count, busy_count, ringing_count;
	uint32_t last_number;
	uint32_t window; /* calls in flight at most, now */
	bool is_scattered;
	enum scenario scenario;
	struct results *results;
	uint64_t last_received_us;
	/* Slots whose 200 is due, oldest first: the delay is the same for all. */
	uint32_t *due;
	uint64_t due_head, due_tail;
} state;

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint32_t slot_index(const struct slot *slot)
{
	return (uint32_t)(slot - state.slots);
}

static const char *const first_methods[] = {
	[SCENARIO_OPTIONS] = "OPTIONS",
	[SCENARIO_FORWARD] = "OPTIONS",
	[SCENARIO_REGISTER] = "REGISTER",
	[SCENARIO_REFRESH] = "REGISTER",
	[SCENARIO_CALL] = "INVITE",
	[SCENARIO_RING] = "INVITE",
};

/* The method of the request that the caller waits for an answer to. */
static const char *method_of(const struct slot *slot)
{
	return slot->stage == STAGE_ENDING ? "BYE" : first_methods[state.scenario];
}

static bool is_call(void)
{
	return state.scenario == SCENARIO_CALL || state.scenario == SCENARIO_RING;
}

static void send_request(const struct slot *slot, const char *method)
{
	size_t length = build_request(wire_room(SIDE_CALLER, slot->socket), slot, method);

	wire_queue(SIDE_CALLER, slot->socket, length, &settings()->server);
}

static void wrong(const char *what, struct text message)
{
	if (state.results->wrong++ < SAY_WRONG_MOST)
		fprintf(stderr, "load: %s:\n%.*s\n", what, (int)message.len, message.at);
}

/* A permutation of the 32-bit numbers. */
static uint32_t scatter(uint32_t number)
{
	number = (number ^ number >> 16) * 0x45d9f3bu;
	number = (number ^ number >> 16) * 0x45d9f3bu;
	return number ^ number >> 16;
}

static void start_next(void)
{
	struct slot *slot = &state.slots[state.free_slots[--state.free_count]];
	uint32_t number = ++state.last_number, order = state.results->started++;

	*slot = (struct slot){ .stage = STAGE_ASKED,
			       .number = number,
			       .cseq = 1,
			       .socket = (uint8_t)(number % settings()->sockets),
			       .started_us = now_us() };
	slot->user = number;
	if (settings()->users && state.scenario != SCENARIO_REGISTER)
		slot->user = (state.is_scattered ? scatter(order) : order) % settings()->users;
	slot->callee_socket =
		(uint8_t)((settings()->users ? slot->user : number) % settings()->sockets);
	slot->sent_us = slot->started_us;
	state.busy_count++;
	send_request(slot, first_methods[state.scenario]);
}

static void finish(struct slot *slot, bool is_good)
{
	struct results *results = state.results;

	if (is_good)
		results->latencies_us[results->done++] = (uint32_t)(now_us() - slot->started_us);
	slot->stage = STAGE_FREE;
	slot->number = 0;
	state.free_slots[state.free_count++] = slot_index(slot);
	state.busy_count--;
}

/* ---- what must hold ----------------------------------------------------------------------- */

static bool has_branch(struct text via, const struct slot *slot, const char *method)
{
	char branch[64];

	branch_write(branch, slot, method);
	return text_has(via, branch);
}

/* What is wrong with a reply that the server sent to the caller; NULL: nothing. */
static const char *complaint_about_reply(const struct slot *slot, const struct seen *seen)
{
	const char *method = method_of(slot);
	char tag[32];

	snprintf(tag, sizeof(tag), ";tag=t%" PRIu32, slot->number);
	if (!text_is(seen->method, method))
		return "reply to another method";
	if (seen->status >= 300)
		return "refused";
	if (seen->via_count != 1 || !has_branch(seen->vias[0], slot, method))
		return "the caller's Via is not the only one";
	if (seen->status > 100 && !text_has(seen->to, ";tag="))
		return "no To tag";
	if (seen->status > 100 && is_call() && !text_has(seen->to, tag))
		return "another To tag than the callee's";
	if (seen->status > 100 && is_call() && slot->stage != STAGE_ENDING &&
	    seen->record_route_count != 1)
		return "not one Record-Route";
	return NULL;
}

/* The same for a request that the server sent to the callee. */
static const char *complaint_about_request(const struct slot *slot, const struct seen *seen)
{
	char method[16], contact[64];
	bool is_first = text_is(seen->method, first_methods[state.scenario]);

	snprintf(method, sizeof(method), "%.*s", (int)seen->method.len, seen->method.at);
	snprintf(contact, sizeof(contact), "@127.0.0.1:%u",
		 wire_port(SIDE_CALLEE, slot->callee_socket));
	if (seen->via_count != 2 || !has_branch(seen->vias[1], slot, method))
		return "the Vias are not the server's and the caller's";
	if (!text_has(seen->uri, contact))
		return "another Request-URI than the callee's";
	if (is_call() && is_first && seen->record_route_count != 1)
		return "not one Record-Route";
	if (seen->route_count != 0)
		return "the Route was left in";
	if (!is_first && !text_has(seen->to, ";tag=t"))
		return "no To tag";
	return NULL;
}

/* ---- the caller ----------------------------------------------------------------------------- */

static void answer_came(struct slot *slot, const struct seen *seen, struct text message)
{
	if (state.scenario == SCENARIO_REGISTER || state.scenario == SCENARIO_REFRESH) {
		char contact[32];
		snprintf(contact, sizeof(contact), "<sip:u%" PRIu32 "@", slot->user);
		if (!text_has(seen->contact, contact))
			wrong("another Contact than the one registered", message);
	}
	if (!is_call() || slot->stage == STAGE_ENDING) {
		finish(slot, true);
		return;
	}
	if (seen->record_route.len > sizeof(slot->route)) {
		wrong("Record-Route too long", message);
		finish(slot, false);
		return;
	}
	memcpy(slot->route, seen->record_route.at, seen->record_route.len);
	slot->route_length = (uint16_t)seen->record_route.len;
	slot->stage = STAGE_ENDING;
	slot->sent_us = now_us();
	send_request(slot, "ACK");
	send_request(slot, "BYE");
}

static void refused(struct slot *slot, const struct seen *seen)
{
	if (is_call())
		wire_queue(SIDE_CALLER, slot->socket,
			   build_refusal_ack(wire_room(SIDE_CALLER, slot->socket), slot, seen),
			   &settings()->server);
	state.results->refused++;
	finish(slot, false);
}

/* The first request again, with credentials. */
static void log_in(struct slot *slot, const struct seen *seen, struct text message)
{
	const char *method = first_methods[state.scenario];
	struct login login;

	if (is_call())
		wire_queue(SIDE_CALLER, slot->socket,
			   build_refusal_ack(wire_room(SIDE_CALLER, slot->socket), slot, seen),
			   &settings()->server);
	login_write(&login, slot, method);
	if (!login_answer(slot, seen, &login)) {
		wrong("a challenge that cannot be answered", message);
		finish(slot, false);
		return;
	}
	slot->cseq++;
	slot->stage = STAGE_ASKED;
	slot->sent_us = now_us();
	send_request(slot, method);
}

static bool is_challenge(const struct slot *slot, const struct seen *seen)
{
	return (seen->status == 401 || seen->status == 407) && settings()->password &&
	       slot->credentials_length == 0 && slot->stage <= STAGE_RINGING;
}

static void caller_receives(struct slot *slot, const struct seen *seen, struct text message)
{
	if (slot->stage == STAGE_ENDING && text_is(seen->method, "INVITE")) {
		state.results->repeated++;
		if (seen->status >= 200)
			send_request(slot, "ACK");
		return;
	}
	if (seen->status == 503 && slot->stage == STAGE_ASKED) {
		refused(slot, seen);
		return;
	}
	if (is_challenge(slot, seen)) {
		log_in(slot, seen, message);
		return;
	}
	const char *complaint = complaint_about_reply(slot, seen);
	if (complaint) {
		wrong(complaint, message);
		finish(slot, false);
	} else if (seen->status >= 200) {
		answer_came(slot, seen, message);
	} else if (slot->stage == STAGE_ASKED) {
		slot->stage = STAGE_RINGING;
		/* 100 and 180 both end the retransmissions; only the 180 is the callee's. */
	}
	if (state.scenario == SCENARIO_RING && seen->status == 180)
		state.ringing_count++;
}

/* ---- the callee ----------------------------------------------------------------------------- */

static void send_answer(const struct slot *slot, const struct seen *request, const char *line,
			const struct sockaddr_in *to)
{
	size_t length =
		build_answer(wire_room(SIDE_CALLEE, slot->callee_socket), slot, request, line);

	wire_queue(SIDE_CALLEE, slot->callee_socket, length, to);
}

static void invite_came(struct slot *slot, const struct seen *seen, const struct sockaddr_in *from)
{
	if (slot->copied_length != 0 || !copy_for_answers(slot, seen)) {
		state.results->repeated++;
		return;
	}
	slot->answer_to = *from;
	send_answer(slot, seen, "180 Ringing", from);
	if (state.scenario == SCENARIO_RING)
		return;
	slot->answer_at_us = now_us() + settings()->ring_us;
	slot->is_answer_due = true;
	state.due[state.due_tail++ % (settings()->window * 2)] = slot_index(slot);
}

static void callee_receives(struct slot *slot, const struct seen *seen, struct text message,
			    const struct sockaddr_in *from)
{
	const char *complaint = complaint_about_request(slot, seen);

	if (complaint)
		wrong(complaint, message);
	else if (text_is(seen->method, "INVITE"))
		invite_came(slot, seen, from);
	else if (!text_is(seen->method, "ACK"))
		send_answer(slot, seen, "200 OK", from);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void received(enum side side, unsigned socket, struct text message,
		     const struct sockaddr_in *from)
{
	struct seen seen;
	uint64_t now = now_us();

	if (now - state.last_received_us > state.results->gap_us)
		state.results->gap_us = now - state.last_received_us;
	state.last_received_us = now;
	if (!message_read(message, &seen)) {
		wrong("no SIP message", message);
		return;
	}
	struct slot *slot =
		seen.slot_index < settings()->window ? &state.slots[seen.slot_index] : NULL;
	if (!slot || slot->stage == STAGE_FREE || slot->number != seen.number)
		state.results->repeated++; /* the call is over */
	else if (side == SIDE_CALLER)
		caller_receives(slot, &seen, message);
	else
		callee_receives(slot, &seen, message, from);
}

static void send_final_answer(struct slot *slot)
{
	size_t length = build_final_answer(wire_room(SIDE_CALLEE, slot->callee_socket), slot);

	wire_queue(SIDE_CALLEE, slot->callee_socket, length, &slot->answer_to);
}

/* Sends the answers whose ringing is over. */
static void answer_calls(uint64_t now)
{
	while (state.due_head != state.due_tail) {
		struct slot *slot =
			&state.slots[state.due[state.due_head % (settings()->window * 2)]];

		if (slot->is_answer_due && slot->answer_at_us > now)
			return;
		state.due_head++;
		if (slot->is_answer_due)
			send_final_answer(slot);
		slot->is_answer_due = false;
	}
}

/* Retransmits what has no answer for long, gives up what never gets one. */
static void scan_slot(struct slot *slot, uint64_t now)
{
	if (slot->stage == STAGE_FREE ||
	    (state.scenario == SCENARIO_RING && slot->stage != STAGE_ASKED))
		return;
	if (now - slot->started_us > (uint64_t)GIVE_UP_TRIES * settings()->patience_us) {
		state.results->lost++;
		finish(slot, false);
	} else if (slot->stage == STAGE_RINGING) {
		if (slot->copied_length == 0 || slot->is_answer_due ||
		    now - slot->answer_at_us < settings()->patience_us)
			return;
		state.results->retransmitted++;
		slot->answer_at_us = now;
		send_final_answer(slot);
	} else if (now - slot->sent_us > settings()->patience_us) {
		state.results->retransmitted++;
		slot->sent_us = now;
		send_request(slot, method_of(slot));
	}
}

/* Looks at a part of the slots, at all of them within a patience. */
static void scan(uint64_t now)
{
	static uint64_t scanned;
	static uint32_t part;

	if (now - scanned < settings()->patience_us / SCAN_PARTS / 2)
		return;
	scanned = now;
	part = (part + 1) % SCAN_PARTS;
	for (uint32_t i = part; i < settings()->window; i += SCAN_PARTS)
		scan_slot(&state.slots[i], now);
}

/* How many calls may be started now. */
static uint32_t allowance(uint32_t calls, uint32_t rate, uint64_t elapsed)
{
	uint32_t left = calls - state.results->started;
	uint32_t room = state.window > state.busy_count ? state.window - state.busy_count : 0;

	if (rate != 0) {
		uint64_t due = elapsed * rate / 1000000 + 1;
		if (due <= state.results->started)
			return 0;
		if (due - state.results->started < room)
			room = (uint32_t)(due - state.results->started);
	}
	return room < left ? room : left;
}

/* How long to sleep at most: until the next call starts, or somebody's phone is answered. */
static uint64_t sleep_us(uint32_t calls, uint32_t rate, uint64_t begin)
{
	uint64_t now = now_us(), until = now + SLEEP_MOST_US;

	if (rate != 0 && state.results->started < calls) {
		uint64_t next = begin + (uint64_t)state.results->started * 1000000 / rate;
		until = next < until ? next : until;
	}
	if (state.due_head != state.due_tail) {
		uint64_t due = state.slots[state.due[state.due_head % (settings()->window * 2)]]
				       .answer_at_us;
		until = due < until ? due : until;
	}
	return until > now ? until - now : 0;
}

static bool is_over(uint32_t calls)
{
	if (state.scenario == SCENARIO_RING)
		return state.ringing_count + state.results->lost + state.results->wrong >= calls;
	return state.results->started == calls && state.busy_count == 0;
}

void calls_run(enum scenario scenario, uint32_t calls, bool is_measured, struct results *out)
{
	uint64_t begin = now_us();
	uint32_t rate = is_measured ? settings()->rate : 0;

	*out = (struct results){ .latencies_us = calloc(calls, sizeof(uint32_t)) };
	if (!out->latencies_us)
		fail("memory");
	state.scenario = scenario;
	state.results = out;
	state.is_scattered = is_measured && settings()->is_scattered;
	state.window = is_measured || settings()->window < PREPARE_WINDOW ? settings()->window
									  : PREPARE_WINDOW;
	state.last_received_us = begin;
	while (!is_over(calls)) {
		for (uint32_t n = allowance(calls, rate, now_us() - begin); n > 0; n--)
			start_next();
		answer_calls(now_us());
		scan(now_us());
		wire_flush();
		wire_read(sleep_us(calls, rate, begin), received);
	}
	out->took_us = now_us() - begin;
}

void calls_prepare(void)
{
	state.slots = calloc(settings()->window, sizeof(*state.slots));
	state.free_slots = calloc(settings()->window, sizeof(*state.free_slots));
	state.due = calloc(2 * settings()->window, sizeof(*state.due));
	if (!state.slots || !state.free_slots || !state.due)
		fail("memory");
	for (uint32_t i = 0; i < settings()->window; i++)
		state.free_slots[state.free_count++] = settings()->window - 1 - i;
}
