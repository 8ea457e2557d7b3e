/* SPDX-License-Identifier: BSD-2-Clause */
/* rtimer: runs routes at intervals, with a made-up request.
 *
 * All timers belong to worker 0, or its successor. A route may wait (database, HTTP): it holds up
 * neither messages nor other timers, and its own timer skips the turns that it misses. With mode=N the
 * routes of a timer run N times at each interval, side by side; $rtimer_worker tells them apart. */
#include "core/module/module.h"
#include "core/script/registry.h"

#define ROUTES_MOST  16
#define WORKERS_MOST 128

struct route_timer {
	struct route_timer *next;
	struct span name;
	int64_t period_ms; /* 0: default_interval */
	struct span routes[ROUTES_MOST];
	unsigned route_count;
	struct loop_timer timer;
	unsigned worker_count;
	struct timer_worker {
		struct route_timer *timer;
		unsigned number;
		bool is_running;
	} * workers;
};

static struct {
	int64_t default_interval;
} settings = { .default_interval = 120 };
static struct {
	struct route_timer *first, **last;
} state = { .last = &state.first };

static struct route_timer *find_timer(struct span name)
{
	struct route_timer *timer = state.first;
	while (timer && !span_equal(timer->name, name))
		timer = timer->next;
	return timer;
}

/* ---- definitions ----------------------------------------------------------------------------------- */

/* interval = 1*DIGIT [ "u" ]: seconds, or with "u" microseconds */
static const char *read_interval(struct span text, int64_t *out_ms)
{
	bool is_micro = span_ends_with(text, SPAN_OF("u"));
	int64_t number;
	if (!span_to_int64(is_micro ? span_slice(text, 0, text.len - 1) : text, &number) ||
	    number <= 0 || number > INT32_MAX)
		return "interval is a number of seconds, or of microseconds with \"u\" behind it";
	*out_ms = is_micro ? (number + 999) / 1000 : number * 1000;
	return NULL;
}

/* Takes the next "name=value;"; false at the end. */
static bool next_pair(struct span *rest, struct span *out_name, struct span *out_value)
{
	struct span pair;
	while (span_split(rest, ';', &pair)) {
		size_t equals = span_find(pair, '=', 0);
		*out_name = span_trim(span_slice(pair, 0, equals));
		*out_value = span_trim(span_slice(pair, equals + 1, pair.len));
		if (out_name->len)
			return true;
	}
	return false;
}

/* mode = 1*DIGIT: how often the routes run side by side; 0 is once, too */
static const char *read_mode(struct route_timer *timer, struct span text)
{
	int64_t number;
	if (!span_to_int64(text, &number) || number < 0 || number > WORKERS_MOST)
		return "mode is a number from 0 to 128";
	timer->worker_count = number ? (unsigned)number : 1;
	return NULL;
}

static bool make_workers(struct route_timer *timer)
{
	timer->workers = ARENA_ARRAY(startup_arena(), struct timer_worker, timer->worker_count);
	for (unsigned i = 0; timer->workers && i < timer->worker_count; i++)
		timer->workers[i] = (struct timer_worker){ .timer = timer, .number = i };
	return timer->workers;
}

/* timer = "name=" name ";" [ "interval=" interval ";" ] [ "mode=" mode ] */
static const char *define_timer(struct span text, int64_t number)
{
	(void)number;
	struct span rest = text, name, value;
	struct route_timer *timer = ARENA_NEW(startup_arena(), struct route_timer);
	if (!text.at)
		return "expected name=NAME;interval=SECONDS;mode=1";
	if (!timer)
		return "out of memory";
	*timer = (struct route_timer){ .timer = LOOP_TIMER_INIT, .worker_count = 1 };
	while (next_pair(&rest, &name, &value)) {
		const char *wrong = NULL;
		if (span_equal_nocase(name, SPAN_OF("name")))
			timer->name = value;
		else if (span_equal_nocase(name, SPAN_OF("interval")))
			wrong = read_interval(value, &timer->period_ms);
		else if (!span_equal_nocase(name, SPAN_OF("mode")))
			wrong = "there is nothing but name, interval and mode";
		else
			wrong = read_mode(timer, value);
		if (wrong)
			return wrong;
	}
	if (!timer->name.len)
		return "the timer has no name: name=NAME;interval=SECONDS;mode=1";
	if (find_timer(timer->name))
		return "a timer of this name was defined before";
	if (!make_workers(timer))
		return "out of memory";
	*state.last = timer;
	state.last = &timer->next;
	return NULL;
}

/* exec = "timer=" name ";route=" name */
static const char *define_exec(struct span text, int64_t number)
{
	(void)number;
	struct span rest = text, name, value, route = { NULL, 0 };
	struct route_timer *timer = NULL;
	while (text.at && next_pair(&rest, &name, &value)) {
		if (span_equal_nocase(name, SPAN_OF("timer")))
			timer = find_timer(value);
		else if (span_equal_nocase(name, SPAN_OF("route")))
			route = value;
		else
			return "there is nothing but timer and route";
	}
	if (!timer)
		return "expected timer=NAME;route=ROUTE, with a timer that was defined before";
	if (!route.len)
		return "the name of a route is missing: timer=NAME;route=ROUTE";
	if (timer->route_count == ROUTES_MOST)
		return "the timer has 16 routes already";
	timer->routes[timer->route_count++] = route;
	script_register_route(route);
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD(settings, default_interval, "seconds, for timers without interval", .min = 1,
		.max = INT32_MAX),
	FIELD_ACCEPT("timer", define_timer, "defines one: name=NAME;interval=SECONDS;mode=RUNS"),
	FIELD_ACCEPT("exec", define_exec, "what a timer runs: timer=NAME;route=ROUTE"),
};

/* ---- running --------------------------------------------------------------------------------------- */

static void run_route(struct span name, struct timer_worker *worker)
{
	struct arena arena;
	struct script_run run;
	uint32_t route = script_route(script_current_image(), ROUTE_REQUEST, name);
	if (!route) {
		log_error("there is no route[%.*s] any more", SPAN_ARGS(name));
		return;
	}
	arena_init(&arena, 8192, 1 << 20);
	struct message *request = script_faked_request(&arena);
	if (request && script_run_init(&run, request, ROUTE_REQUEST, NULL)) {
		run.event = &(struct script_event){ "rtimer:route", worker };
		script_run_route(&run, route);
	} else {
		log_error("route[%.*s] does not run: out of memory", SPAN_ARGS(name));
	}
	arena_free(&arena);
}

static void run_routes(void *arg)
{
	struct timer_worker *worker = arg;
	const struct route_timer *timer = worker->timer;
	worker->is_running = true;
	for (unsigned i = 0; i < timer->route_count; i++)
		run_route(timer->routes[i], worker);
	worker->is_running = false;
}

static void on_time(struct loop_timer *loop_timer)
{
	struct route_timer *timer = loop_timer->owner;
	for (unsigned i = 0; i < timer->worker_count; i++)
		if (!timer->workers[i].is_running && !fiber_start(run_routes, &timer->workers[i]))
			log_error("timer %.*s misses a turn: too many fibers wait",
				  SPAN_ARGS(timer->name));
}

static bool start(void)
{
	for (struct route_timer *timer = state.first; timer; timer = timer->next)
		for (unsigned i = 0; i < timer->route_count; i++)
			if (!script_route(script_current_image(), ROUTE_REQUEST,
					  timer->routes[i])) {
				log_error("rtimer: there is no route[%.*s], which timer %.*s runs",
					  SPAN_ARGS(timer->routes[i]), SPAN_ARGS(timer->name));
				return false;
			}
	return true;
}

static bool start_worker(void)
{
	if (worker_index() != 0)
		return true;
	for (struct route_timer *timer = state.first; timer; timer = timer->next) {
		int64_t period =
			timer->period_ms ? timer->period_ms : settings.default_interval * 1000;
		for (unsigned i = 0; i < timer->worker_count; i++)
			timer->workers[i].is_running = false;
		timer->timer = (struct loop_timer)LOOP_TIMER_INIT;
		loop_timer_start(&timer->timer, period, period, on_time, timer);
	}
	return true;
}

static void stop_worker(void)
{
	if (worker_index() != 0)
		return;
	for (struct route_timer *timer = state.first; timer; timer = timer->next)
		loop_timer_stop(&timer->timer);
}

static bool get_worker(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)ref;
	const struct timer_worker *worker = script_event_data(run, "rtimer");
	*out = worker ? VALUE_OF_INT(worker->number) : (struct value){ 0 };
	return true;
}

static const struct variable_row variables[] = {
	{ "rtimer_worker", INNER_NONE, get_worker, .doc = "Which of the runs that a timer with mode=N starts side by side this is, from 0." },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "rtimer",
	.doc = "Runs routes at intervals.",
	.settings = { &settings, FIELDS(setting_fields) },
	.variables = ROWS(variables),
	.start = start,
	.start_worker = start_worker,
	.stop_worker = stop_worker,
};
