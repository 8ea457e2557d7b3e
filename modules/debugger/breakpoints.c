/* SPDX-License-Identifier: BSD-2-Clause */
/* Breakpoints: a message stops before each action of the script, and an administrator looks at it and lets
 * it go on (dbg.bp). Only its fiber waits. A process has a seat in shared memory; one message of it at a time
 * sits there. Commands reach it by mail, and the answer comes back the same way. */
#include <stdatomic.h>
#include <unistd.h>

#include "core/script/state.h"
#include "core/shm/map.h"
#include "modules/debugger/debugger.h"

#define SEATS_MOST 128
#define INPUT_MOST 128
#define REPLY_MOST 512
#define TURN_MS    20
#define OWNED_MS   500 /* how long a message may take from one action to the next */

enum order { ORDER_NONE, ORDER_NEXT, ORDER_MOVE, ORDER_SHOW, ORDER_EVAL, ORDER_LOG };

struct seat {
	_Atomic int pid; /* 0: nobody has it */
	_Atomic uint32_t set;
	_Atomic uint32_t is_stopped, others_pass;
	_Atomic uint32_t order_pid, order; /* of the last command, for dbg.ls */
	char reply[REPLY_MOST]; /* to it; the asker reads it before the next one is sent */
};

/* What travels to the process, and back. */
struct letter {
	uint32_t asker, seat, serial, order, reply_len;
	char input[INPUT_MOST];
};

static struct {
	struct seat *seats; /* in shared memory */
	struct seat *own;
	const struct breakpoint_settings *settings;
	/* the message that is stopped in this process */
	struct script_run *run;
	const char *action;
	const struct message *owner; /* the last one that stopped: it is first to stop again */
	int64_t owned_until_ms;
	struct fiber_event has_order;
	struct letter order; /* for it */
} state;

bool seats_prepare(unsigned set, const struct breakpoint_settings *settings)
{
	state.settings = settings;
	state.seats = shm_reserve(SEATS_MOST * sizeof(struct seat), "breakpoints");
	for (unsigned i = 0; state.seats && i < SEATS_MOST; i++)
		state.seats[i].set = set;
	if (state.seats)
		state.seats[0].pid = getpid();
	return state.seats != NULL;
}

void seat_take(void)
{
	if (process_index() >= SEATS_MOST)
		return;
	state.own = &state.seats[process_index()];
	state.own->is_stopped = state.own->others_pass = 0;
	state.own->order = state.own->order_pid = 0;
	state.own->pid = getpid();
}

unsigned seat_set(void)
{
	const struct seat *seat = state.own ? state.own : state.seats;
	return seat->set;
}

/* ---- in the process that stopped ---------------------------------------------------------------------------- */

static void write_place(struct writer *w, const char *what)
{
	struct script_place place = script_place(state.run);
	writer_printf(w, "%s [%s:%u] n=%s", what, place.file ? place.file : "", place.line,
		      state.action);
}

/* text " : t=" ( "str v=" text / "int v=" number / "null" ); nothing when the variable is malformed */
static void write_variable(struct writer *w, struct span text)
{
	struct span error;
	struct value value = { .kind = VALUE_NULL };
	struct span kept = arena_copy(state.run->arena, text);
	const struct text_template *wanted =
		template_compile_runtime(kept, state.run->arena, &error);
	if (!wanted) {
		log_error("dbg.bp: %.*s: %.*s", SPAN_ARGS(text), SPAN_ARGS(error));
		return;
	}
	bool is_variable = wanted->count == 1 && wanted->parts[0].variable;
	if (is_variable && !template_value(state.run, wanted, &value))
		value.kind = VALUE_NULL;
	writer_printf(w, "%.*s : t=%s", SPAN_ARGS(text),
		      value.kind == VALUE_INT    ? "int v="
		      : value.kind == VALUE_TEXT ? "str v="
						 : "null");
	if (value.kind != VALUE_NULL)
		value_write(&value, w);
}

static void take_answer(const void *data, size_t len);

static void answer(const struct letter *order, struct span text)
{
	struct letter letter = *order;
	if (!text.len)
		text = SPAN_OF("200 ok");
	letter.reply_len = (uint32_t)(text.len < REPLY_MOST ? text.len : REPLY_MOST);
	memcpy(state.own->reply, text.at, letter.reply_len);
	state.own->order = ORDER_NONE;
	(void)!process_post(order->asker, take_answer, &letter, offsetof(struct letter, input));
}

/* Does what was ordered; true: the message goes on. */
static bool obey(const struct letter *order)
{
	char text[REPLY_MOST];
	struct writer w = writer_fixed(text, sizeof(text));
	const struct span input = span_from(order->input);
	switch ((enum order)order->order) {
	case ORDER_NONE: return false;
	case ORDER_NEXT: write_place(&w, "exec"); break;
	case ORDER_MOVE: atomic_fetch_and(&state.own->set, ~(uint32_t)AT_ACTION_STOP); break;
	case ORDER_SHOW: write_place(&w, "at bkp"); break;
	case ORDER_EVAL:
	case ORDER_LOG: write_variable(&w, input); break;
	}
	/* What does not fit is cut. */
	struct span reply = span_make(w.data, w.len);
	if (order->order == ORDER_LOG) {
		log_script_prefixed(LOG_LEVEL_NOTICE, -1, SPAN_OF("debugger: breakpoint: "), reply);
		reply = SPAN_OF("");
	}
	answer(order, reply);
	return order->order == ORDER_NEXT || order->order == ORDER_MOVE;
}

static void take_order(const void *data, size_t len)
{
	if (len > sizeof(state.order) || !state.own)
		return;
	struct letter order = { 0 };
	memcpy(&order, data, len);
	order.input[INPUT_MOST - 1] = '\0';
	if (!state.run || state.order.order != ORDER_NONE) {
		answer(&order, SPAN_OF("200 ok"));
		return;
	}
	state.order = order;
	fiber_wake(&state.has_order);
}

static bool is_to_stop(void)
{
	return (seat_set() & AT_ACTION_STOP) != 0;
}

/* Is another message of this process looked at? It keeps the seat from one action to the next. */
static bool is_taken(const struct message *msg)
{
	return state.run || (state.owner != msg && clock_ms() < state.owned_until_ms);
}

void breakpoint_stop(struct script_run *run, const char *action)
{
	if (!fiber_is_running() || !state.own)
		return;
	while (is_to_stop() && is_taken(run->msg) && !state.own->others_pass)
		fiber_sleep_ms(TURN_MS);
	if (!is_to_stop() || is_taken(run->msg))
		return;
	state.owner = run->msg;
	state.run = run;
	state.action = action;
	state.own->is_stopped = 1;
	bool goes_on = false;
	while (!goes_on) {
		state.order.order = ORDER_NONE;
		fiber_wait(&state.has_order, -1);
		goes_on = obey(&state.order);
	}
	state.order.order = ORDER_NONE;
	state.own->is_stopped = 0;
	state.owned_until_ms = clock_ms() + OWNED_MS;
	state.run = NULL;
}

/* ---- in the process of the commands ------------------------------------------------------------------------- */

/* A command that waits for a process. */
static struct question {
	struct rpc_call *call;
	uint32_t serial;
	struct loop_timer timer;
} questions[8];

static void finish(struct question *question, struct span text)
{
	struct rpc_call *call = question->call;
	question->call = NULL;
	loop_timer_stop(&question->timer);
	rpc_add_text(call, NULL, NULL, text);
	rpc_finish(call);
}

static void take_answer(const void *data, size_t len)
{
	struct letter letter = { 0 };
	if (len > sizeof(letter))
		return;
	memcpy(&letter, data, len);
	for (unsigned i = 0; i < ARRAY_SIZE(questions); i++)
		if (questions[i].call && questions[i].serial == letter.serial)
			finish(&questions[i],
			       span_make(state.seats[letter.seat].reply, letter.reply_len));
}

static void on_silence(struct loop_timer *timer)
{
	finish(timer->owner, SPAN_OF("200 ok"));
}

/* False: the command does not go off. */
static bool ask(struct rpc_call *call, unsigned seat, enum order order, struct span input)
{
	static uint32_t last_serial;
	struct question *question = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(questions) && !question; i++)
		if (!questions[i].call)
			question = &questions[i];
	struct letter letter = { .asker = process_index(),
				 .seat = seat,
				 .serial = (uint32_t)getpid() << 12 ^ ++last_serial,
				 .order = order };
	if (!question || input.len >= INPUT_MOST)
		return false;
	memcpy(letter.input, input.at ? input.at : "", input.len);
	if (!process_post(seat, take_order, &letter,
			  offsetof(struct letter, input) + input.len + 1))
		return false;
	const struct breakpoint_settings *settings = state.settings;
	*question = (struct question){ call, letter.serial, LOOP_TIMER_INIT };
	loop_timer_start(&question->timer, settings->step_usleep * settings->step_loops / 1000, 0,
			 on_silence, question);
	rpc_defer(call);
	return true;
}

/* The seat of a process, by its number among the arguments; false after a fault. */
static bool find_seat(struct rpc_call *call, unsigned argument, unsigned *out_seat)
{
	int64_t pid;
	if (!rpc_arg_int(call, argument, &pid)) {
		rpc_fault(call, 500, "Missing pid parameter");
		return false;
	}
	for (unsigned i = 0; i < SEATS_MOST; i++) {
		if (pid > 0 && state.seats[i].pid == pid) {
			*out_seat = i;
			return true;
		}
	}
	rpc_fault(call, 500, "No such pid");
	return false;
}

/* The seats from `first` to before `end`. */
struct seat_range {
	unsigned first, end;
};

/* That of the process whose number is among the arguments, or all when it is not; false after a fault. */
static bool find_seats(struct rpc_call *call, unsigned argument, struct seat_range *out_range)
{
	*out_range = (struct seat_range){ 0, SEATS_MOST };
	if (rpc_arg_count(call) <= argument)
		return true;
	if (!find_seat(call, argument, &out_range->first))
		return false;
	out_range->end = out_range->first + 1;
	return true;
}

/* Sets or clears a bit of these seats; false after a fault. */
static bool change_set(struct rpc_call *call, unsigned bit, bool is_on)
{
	struct seat_range range;
	if (!find_seats(call, 1, &range))
		return false;
	for (unsigned i = range.first; i < range.end; i++)
		if (is_on)
			atomic_fetch_or(&state.seats[i].set, bit);
		else
			atomic_fetch_and(&state.seats[i].set, ~bit);
	return true;
}

void breakpoint_list(struct rpc_call *call)
{
	struct seat_range range;
	if (!find_seats(call, 0, &range))
		return;
	for (unsigned i = range.first; i < range.end; i++) {
		const struct seat *seat = &state.seats[i];
		if (!seat->pid)
			continue;
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, "entry", i);
		rpc_add_int(call, node, "pid", seat->pid);
		rpc_add_int(call, node, "set", seat->set);
		rpc_add_int(call, node, "state", seat->is_stopped);
		rpc_add_int(call, node, "in.pid", seat->order_pid);
		rpc_add_int(call, node, "in.cmd", seat->order);
	}
}

void breakpoint_trace(struct rpc_call *call)
{
	struct span word;
	if (!rpc_arg_text(call, 0, &word)) {
		rpc_fault(call, 500, "Config trace command missing");
		return;
	}
	bool is_on = span_equal_nocase(word, SPAN_OF("on"));
	if (!is_on && !span_equal_nocase(word, SPAN_OF("off")))
		rpc_fault(call, 500, "Unknown trace command");
	else if (change_set(call, AT_ACTION_TRACE, is_on))
		answer_ok(call);
}

/* ---- dbg.bp ------------------------------------------------------------------------------------------------- */

static void stop_on(struct rpc_call *call)
{
	for (unsigned i = 0; i < SEATS_MOST; i++)
		state.seats[i].others_pass = 0;
	if (change_set(call, AT_ACTION_STOP, true))
		answer_ok(call);
}

static void stop_off(struct rpc_call *call)
{
	if (change_set(call, AT_ACTION_STOP, false))
		answer_ok(call);
}

/* All others do not stop any more. */
static void keep(struct rpc_call *call)
{
	unsigned kept;
	if (!find_seat(call, 1, &kept))
		return;
	for (unsigned i = 0; i < SEATS_MOST; i++)
		if (i != kept)
			atomic_fetch_and(&state.seats[i].set, ~(uint32_t)AT_ACTION_STOP);
	answer_ok(call);
}

/* Processes that are not stopped now do not stop any more; in the others, messages behind the one that is
 * looked at go on. */
static void release(struct rpc_call *call)
{
	struct seat_range range;
	if (!find_seats(call, 1, &range))
		return;
	for (unsigned i = range.first; i < range.end; i++)
		if (state.seats[i].is_stopped)
			state.seats[i].others_pass = 1;
		else
			atomic_fetch_and(&state.seats[i].set, ~(uint32_t)AT_ACTION_STOP);
	answer_ok(call);
}

static void give_order(struct rpc_call *call, enum order order)
{
	unsigned seat;
	struct span input = { NULL, 0 };
	if (!find_seat(call, 1, &seat))
		return;
	if ((order == ORDER_EVAL || order == ORDER_LOG) && !rpc_arg_text(call, 2, &input)) {
		rpc_fault(call, 500, "pv param missing");
		return;
	}
	state.seats[seat].order_pid = (uint32_t)getpid();
	state.seats[seat].order = order;
	if (!state.seats[seat].is_stopped)
		answer_ok(call);
	else if (!ask(call, seat, order, input))
		rpc_fault(call, 500, "The process cannot be asked now");
}

void breakpoint_command(struct rpc_call *call)
{
	static const struct {
		struct span word;
		enum order order; /* for one that is stopped */
		void (*run)(struct rpc_call *call);
	} rows[] = {
		{ SPAN("on"), ORDER_NONE, stop_on },	{ SPAN("off"), ORDER_NONE, stop_off },
		{ SPAN("keep"), ORDER_NONE, keep },	{ SPAN("release"), ORDER_NONE, release },
		{ SPAN("next"), ORDER_NEXT, NULL },	{ SPAN("move"), ORDER_MOVE, NULL },
		{ SPAN("show"), ORDER_SHOW, NULL },	{ SPAN("eval"), ORDER_EVAL, NULL },
		{ SPAN("log"), ORDER_LOG, NULL },
	};
	struct span word;
	if (!rpc_arg_text(call, 0, &word)) {
		rpc_fault(call, 500, "Config breakpoint command missing");
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!span_equal_nocase(rows[i].word, word))
			continue;
		if (rows[i].run)
			rows[i].run(call);
		else
			give_order(call, rows[i].order);
		return;
	}
	rpc_fault(call, 500, "Unknown inner command");
}
