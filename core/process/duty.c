/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers 0 to readers-1 read the UDP sockets. One behind whom datagrams wait calls the next one; the
 * last one leaves when the others seem able to do its work, and comes back, for longer each time, when
 * they are not. Who left sleeps, and an alarm guards the others: whoever reads puts it off before it is
 * due, so it goes off when nobody comes round, because a worker was stopped, killed, or does something
 * long, or because nothing came. Then all read again; so do they in very light traffic and in none. */
#include "core/process/duty.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/process/process.h"
#include "core/shm/map.h"
#include "core/transport/udp.h"

#define CALL_WINDOW_US   16000 /* datagrams wait for so long on end: help is wanted */
#define CALL_PERCENT     75    /* of the window that the worker was awake */
#define CALL_WAIT_US     3000  /* what datagrams may wait */
#define LEAVE_WINDOW_US  32000 /* little to do for so long: one can leave */
#define LEAVE_PERCENT    110 /* of what the others can do: with fewer readers there is less to do */
#define STAY_US          1000000  /* after help was wanted */
#define STAY_MOST_US     64000000 /* when it was wanted again and again, soon after one had left */
#define SOON_US          500000
#define LEAST_PER_SECOND 500 /* datagrams; with fewer a pause would be taken for a death */
#define ALARM_MS         30  /* more than a window for calling help, at whose end it is put off */

/* One line a worker: written by it, read by the others now and then. */
struct duty_row {
	_Alignas(64) uint64_t turns;
	uint64_t datagrams;
	int64_t busy_us;
};

struct duty_shared {
	_Alignas(64) uint32_t readers;
	int64_t left_us;       /* when one left */
	int64_t stay_us;       /* for how long nobody does after help was wanted */
	int64_t stay_until_us; /* nobody leaves before */
	struct duty_row rows[];
};

static struct duty_shared *shared;

static struct {
	unsigned workers;
	unsigned self;
	bool is_started;
	bool is_off;      /* does not read */
	int schedstat_fd; /* what the kernel knows of this worker's time; -1: nothing */
	/* the current windows */
	int64_t call_begin_us, call_slept_us;
	uint64_t call_turns;
	int64_t leave_begin_us;
	struct duty_row seen; /* sums over the readers when the leave window began */
	uint64_t seen_turns[ROLES_MOST];
	uint64_t told_datagrams;
	int alarm_fd; /* one for all workers; -1: none, all read always */
} duty = { .schedstat_fd = -1, .alarm_fd = -1 };

bool duty_prepare(unsigned workers)
{
	duty.workers = workers;
	if (workers > 1)
		duty.alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (workers > 1 && duty.alarm_fd < 0)
		log_warning("all workers read the UDP sockets always: no timer for an alarm: %m");
	shared = shm_reserve(sizeof(*shared) + workers * sizeof(struct duty_row), "duty");
	if (shared) {
		shared->readers = workers;
		shared->stay_us = STAY_US;
	}
	return shared;
}

static uint32_t readers_now(void)
{
	return __atomic_load_n(&shared->readers, __ATOMIC_RELAXED);
}

unsigned workers_on_duty(void)
{
	return readers_now();
}

/* ---- measuring ------------------------------------------------------------------------------------- */

static void call_window_begin(void)
{
	duty.call_begin_us = clock_us();
	duty.call_slept_us = loop_slept_us();
	duty.call_turns = shared->rows[duty.self].turns;
}

static struct duty_moment moment_of_call_window(void)
{
	int64_t elapsed_us = clock_us() - duty.call_begin_us;
	return (struct duty_moment){
		.elapsed_us = elapsed_us,
		.awake_us = elapsed_us - (loop_slept_us() - duty.call_slept_us),
		.waiting_us = udp_least_wait_us(),
		.turns = shared->rows[duty.self].turns - duty.call_turns,
	};
}

/* How long this worker has computed, and how long it would have, had there been a processor. */
static struct kernel_times {
	unsigned long long computed_ns, delayed_ns;
} kernel_times(void)
{
	char text[96];
	struct kernel_times times = { 0 };
	ssize_t len = pread(duty.schedstat_fd, text, sizeof(text) - 1, 0);
	if (len <= 0)
		return times;
	text[len] = '\0';
	if (sscanf(text, "%llu %llu", &times.computed_ns, &times.delayed_ns) != 2)
		times = (struct kernel_times){ 0 };
	return times;
}

/* Of the time since the last call, which is not all its own when others have the processor, too. */
static int64_t busy_us(int64_t awake_us)
{
	static struct kernel_times seen;
	struct kernel_times now = kernel_times();
	int64_t computed_us = (int64_t)(now.computed_ns - seen.computed_ns) / 1000;
	int64_t own_us = awake_us - (int64_t)(now.delayed_ns - seen.delayed_ns) / 1000;
	seen = now;
	return own_us > computed_us ? own_us : computed_us;
}

bool duty_wants_help(const struct duty_moment *moment)
{
	if (moment->awake_us * 100 <= CALL_PERCENT * moment->elapsed_us)
		return false;
	return moment->waiting_us > CALL_WAIT_US ||
	       moment->awake_us > CALL_WAIT_US * (int64_t)moment->turns;
}

static struct duty_row sum_of_readers(void)
{
	struct duty_row sum = { 0 };
	for (unsigned i = 0; i < duty.workers; i++) {
		const struct duty_row *row = &shared->rows[i];
		sum.datagrams += __atomic_load_n(&row->datagrams, __ATOMIC_RELAXED);
		sum.busy_us += __atomic_load_n(&row->busy_us, __ATOMIC_RELAXED);
	}
	return sum;
}

static uint64_t turns_of(unsigned worker)
{
	return __atomic_load_n(&shared->rows[worker].turns, __ATOMIC_RELAXED);
}

static void leave_window_begin(void)
{
	duty.leave_begin_us = clock_us();
	duty.seen = sum_of_readers();
	for (unsigned i = 0; i < duty.workers; i++)
		duty.seen_turns[i] = turns_of(i);
}

static struct duty_look look_back(void)
{
	struct duty_row sum = sum_of_readers();
	struct duty_look look = {
		.elapsed_us = clock_us() - duty.leave_begin_us,
		.busy_us = sum.busy_us - duty.seen.busy_us,
		.datagrams = sum.datagrams - duty.seen.datagrams,
		.readers = readers_now(),
		.others_moved = true,
	};
	for (unsigned i = 0; i + 1 < look.readers; i++)
		look.others_moved &= turns_of(i) != duty.seen_turns[i];
	return look;
}

static uint64_t per_second(const struct duty_look *look)
{
	return look->datagrams * 1000000 / (uint64_t)look->elapsed_us;
}

bool duty_can_leave(const struct duty_look *look)
{
	if (look->readers < 2 || look->elapsed_us <= 0 || !look->others_moved)
		return false;
	return per_second(look) >= LEAST_PER_SECOND &&
	       look->busy_us * 100 <
		       LEAVE_PERCENT * (int64_t)(look->readers - 1) * look->elapsed_us;
}

/* ---- who reads --------------------------------------------------------------------------------------- */

static void look_at_duty(const void *data, size_t len);

/* Lets workers 0 to readers-1 read, and tells those who begin. */
static void set_readers(uint32_t readers)
{
	uint32_t before = __atomic_exchange_n(&shared->readers, readers, __ATOMIC_RELAXED);
	for (uint32_t i = before; i < readers; i++)
		if (i != duty.self)
			worker_post(i, look_at_duty, NULL, 0);
}

static void join(void)
{
	duty.is_off = false;
	loop_unwatch(duty.alarm_fd);
	call_window_begin();
	leave_window_begin();
	if (!udp_resume())
		log_error("worker %u does not read the UDP sockets", duty.self + 1);
}

/* The one who left a moment ago was not superfluous. */
static void call_help(uint32_t readers)
{
	int64_t now = clock_us();
	bool is_soon = now - __atomic_load_n(&shared->left_us, __ATOMIC_RELAXED) < SOON_US;
	int64_t stay_us =
		is_soon ? 2 * __atomic_load_n(&shared->stay_us, __ATOMIC_RELAXED) : STAY_US;
	if (stay_us > STAY_MOST_US)
		stay_us = STAY_MOST_US;
	__atomic_store_n(&shared->stay_us, stay_us, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->stay_until_us, now + stay_us, __ATOMIC_RELAXED);
	set_readers(readers);
}

static void put_off_alarm(void)
{
	struct itimerspec due = { .it_value.tv_nsec = ALARM_MS * 1000000 };
	if (timerfd_settime(duty.alarm_fd, 0, &due, NULL) < 0)
		log_error("cannot put off the alarm of the workers: %m");
}

/* No reader came round for a while. */
static void on_alarm(int fd, unsigned events, void *owner)
{
	(void)fd, (void)events, (void)owner;
	if (udp_is_waiting())
		call_help(duty.workers);
	else
		set_readers(duty.workers);
	look_at_duty(NULL, 0);
}

static void leave(void)
{
	put_off_alarm();
	if (!loop_watch(duty.alarm_fd, LOOP_READ, on_alarm, NULL)) {
		set_readers(duty.workers);
		return;
	}
	duty.is_off = true;
	udp_pause();
}

static void look_at_duty(const void *data, size_t len)
{
	(void)data;
	(void)len;
	bool should_be_off = duty.self >= readers_now();
	if (!duty.is_started || duty.is_off == should_be_off)
		return;
	if (should_be_off)
		leave();
	else
		join();
}

/* ---- turns -------------------------------------------------------------------------------------------- */

static void end_call_window(void)
{
	struct duty_moment moment = moment_of_call_window();
	struct duty_row *row = &shared->rows[duty.self];
	__atomic_store_n(&row->busy_us, row->busy_us + busy_us(moment.awake_us), __ATOMIC_RELAXED);
	__atomic_store_n(&row->datagrams, row->datagrams + udp_received() - duty.told_datagrams,
			 __ATOMIC_RELAXED);
	duty.told_datagrams = udp_received();
	uint32_t readers = readers_now();
	if (!duty.is_off && readers < duty.workers) {
		put_off_alarm();
		if (duty_wants_help(&moment))
			call_help(readers + 1);
	}
	call_window_begin();
}

static void end_leave_window(void)
{
	struct duty_look look = look_back();
	if (duty.self > 0 && duty.self + 1 == look.readers &&
	    clock_us() >= __atomic_load_n(&shared->stay_until_us, __ATOMIC_RELAXED) &&
	    duty_can_leave(&look)) {
		__atomic_store_n(&shared->left_us, clock_us(), __ATOMIC_RELAXED);
		set_readers(look.readers - 1);
	}
	leave_window_begin();
}

void duty_start(unsigned worker)
{
	duty.self = worker;
	if (duty.alarm_fd < 0)
		return;
	duty.is_started = true;
	duty.schedstat_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	busy_us(0);
	/* A successor does not know what its predecessor was told. */
	set_readers(duty.workers);
	call_window_begin();
	leave_window_begin();
}

void duty_turn(void)
{
	if (!duty.is_started)
		return;
	struct duty_row *row = &shared->rows[duty.self];
	__atomic_store_n(&row->turns, row->turns + 1, __ATOMIC_RELAXED);
	if (clock_us() - duty.call_begin_us < CALL_WINDOW_US)
		return;
	end_call_window();
	if (!duty.is_off && clock_us() - duty.leave_begin_us >= LEAVE_WINDOW_US)
		end_leave_window();
	look_at_duty(NULL, 0);
}
