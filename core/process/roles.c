/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes there are, and what each of them does after the fork. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/module/live.h"
#include "core/process/duty.h"
#include "core/process/flight.h"
#include "core/process/overload.h"
#include "core/process/process.h"
#include "core/process/quiet.h"
#include "core/process/refuse.h"
#include "core/process/watchdog.h"
#include "core/script/image.h"
#include "core/shm/lock.h"
#include "core/shm/mailbox.h"
#include "core/transport/stream.h"
#include "core/shm/map.h"
#include "core/transport/udp.h"

#define MAIL_CAPACITY 1024
#define TIMERS_MOST   64

static struct {
	struct role *roles; /* shared memory */
	unsigned count;
	unsigned workers;
	unsigned self;
	int64_t started_wall_s;
} state;

unsigned role_count(void)
{
	return state.count;
}

struct role *role_at(unsigned index)
{
	return &state.roles[index];
}

unsigned role_self(void)
{
	return state.self;
}

unsigned worker_count(void)
{
	return state.workers;
}

int worker_index(void)
{
	const struct role *self = state.roles ? &state.roles[state.self] : NULL;
	return self && self->kind == ROLE_WORKER ? (int)self->number : -1;
}

uint32_t worker_incarnation(unsigned index)
{
	return state.roles[1 + index].incarnation;
}

int64_t server_start_wall_s(void)
{
	return state.started_wall_s;
}

/* One worker per core is enough, because workers do not wait. */
static unsigned choose_workers(void)
{
	const struct core_settings *settings = core_settings();
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (!settings->fork)
		return 1;
	if (settings->workers)
		return (unsigned)settings->workers;
	unsigned workers = cores > 0 ? (unsigned)cores : 1;
	if (workers > settings->children)
		workers = (unsigned)settings->children;
	if (workers > ROLES_MOST / 2)
		workers = ROLES_MOST / 2;
	if (workers != settings->children)
		log_info(
			"%u workers for %ld cores; children=%lld is the upper bound, workers=N is exact",
			workers, cores, (long long)settings->children);
	return workers;
}

static struct role *role_add(enum role_kind kind)
{
	bug_if(state.count == ROLES_MOST, "too many processes");
	struct role *role = &state.roles[state.count++];
	role->kind = kind;
	role->incarnation = 1;
	return role;
}

bool roles_prepare(void)
{
	state.roles = shm_reserve(ROLES_MOST * sizeof(struct role), "roles");
	if (!state.roles)
		return false;
	state.started_wall_s = clock_wall_s();
	snprintf(role_add(ROLE_SUPERVISOR)->name, sizeof(state.roles->name), "supervisor");
	state.workers = choose_workers();
	for (unsigned i = 0; i < state.workers; i++) {
		struct role *role = role_add(ROLE_WORKER);
		role->number = i;
		snprintf(role->name, sizeof(role->name), "worker %u of %u", i + 1, state.workers);
	}
	for (unsigned i = 0; i < loader_count(); i++)
		for (uint32_t j = 0; j < loader_at(i)->roles.count; j++) {
			const struct module_role *wanted = &loader_at(i)->roles.rows[j];
			if (wanted->wanted && !wanted->wanted())
				continue;
			struct role *role = role_add(ROLE_MODULE);
			role->module_role = wanted;
			snprintf(role->name, sizeof(role->name), "%s", wanted->name);
		}
	state.roles[0].pid = getpid();
	refuse_prepare();
	return duty_prepare(state.workers) && flight_prepare(state.count) && overload_prepare() &&
	       watchdog_prepare(state.count, core_settings()->watchdog_timeout) &&
	       mailbox_init(state.count, MAIL_CAPACITY) &&
	       stream_prepare(state.count, state.workers, process_incarnation);
}

/* ---- mail: work that one process gives to another -------------------------------------------------- */

struct posted_work {
	void (*run)(const void *data, size_t len);
	uint8_t data[200];
};
enum { MAIL_WORK = 1 };

bool process_post(unsigned process, void (*work)(const void *data, size_t len), const void *data,
		  size_t len)
{
	struct posted_work posted = { .run = work };
	if (len > sizeof(posted.data) || process >= state.count)
		return false;
	if (len)
		memcpy(posted.data, data, len);
	return mailbox_send(mailbox_at(process), MAIL_WORK, (uint16_t)state.self, &posted,
			    offsetof(struct posted_work, data) + len);
}

bool process_post_block(unsigned process, void (*work)(const void *data, size_t len),
			const void *block, size_t len)
{
	const struct posted_work posted = { .run = work };
	return process < state.count &&
	       mailbox_send_block(mailbox_at(process), MAIL_WORK, (uint16_t)state.self, &posted,
				  offsetof(struct posted_work, data), block, len);
}

bool worker_post(unsigned index, void (*work)(const void *data, size_t len), const void *data,
		 size_t len)
{
	return index < state.workers && process_post(1 + index, work, data, len);
}

unsigned process_index(void)
{
	return state.self;
}

uint32_t process_incarnation(unsigned process)
{
	return process < state.count ? state.roles[process].incarnation : 0;
}

static void work_on_fiber(void *arg)
{
	struct mail *mail = arg;
	struct posted_work posted;
	size_t len = mail->inline_len - offsetof(struct posted_work, data);
	memcpy(&posted, mail->bytes, mail->inline_len);
	if (mail->block)
		posted.run(mail->block, mail->block_len);
	else
		posted.run(posted.data, len);
}

static void on_mail(int fd, unsigned events, void *owner)
{
	struct mail mail;
	while (mailbox_receive(owner, &mail)) {
		if (mail.type == MAIL_STREAM)
			stream_mail(&mail);
		if (mail.type == MAIL_WORK && !fiber_start(work_on_fiber, &mail))
			log_error("mail is lost: too many fibers wait");
		mail_release(&mail);
	}
}

/* ---- timers of modules ---------------------------------------------------------------------------- */

static void timer_on_fiber(void *arg)
{
	const struct module_timer *timer = arg;
	timer->run();
}

static void on_timer(struct loop_timer *timer)
{
	fiber_start(timer_on_fiber, timer->owner);
}

static void timers_start(void)
{
	static struct loop_timer timers[TIMERS_MOST];
	unsigned used = 0;
	for (unsigned i = 0; i < loader_count(); i++)
		for (uint32_t j = 0; j < loader_at(i)->timers.count; j++) {
			const struct module_timer *row = &loader_at(i)->timers.rows[j];
			int64_t period = row->period_ms();
			if (period <= 0 || (!row->every_worker && worker_index() != 0) ||
			    used == TIMERS_MOST)
				continue;
			timers[used] = (struct loop_timer)LOOP_TIMER_INIT;
			loop_timer_start(&timers[used++], period, period, on_timer,
					 (void *)(uintptr_t)row);
		}
}

/* ---- life of a process ---------------------------------------------------------------------------- */

static void on_signal(int fd, unsigned events, void *owner)
{
	struct signalfd_siginfo info;
	while (read(fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			loop_stop();
}

/* Orderly stops come as signals; everything else about signals is the supervisor's business. */
static bool signals_start(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd >= 0 && loop_watch(fd, LOOP_READ, on_signal, NULL);
}

/* ---- images that this process may still run ------------------------------------------------------- */

#define IMAGE_LOOK_MS 100

/* Stores the least generation that this process can run: fibers that wait keep what they began with. */
static void report_images(void)
{
	static int64_t looked_ms;
	struct role *self = &state.roles[state.self];
	uint32_t current = image_generation();
	if (__builtin_expect(self->oldest_image == current, 1) ||
	    clock_ms() - looked_ms < IMAGE_LOOK_MS)
		return;
	looked_ms = clock_ms();
	uint32_t oldest = fiber_oldest_epoch();
	self->oldest_image = oldest < current ? oldest : current;
}

uint32_t roles_oldest_image(void)
{
	uint32_t oldest = image_generation();
	for (unsigned i = 1; i < state.count; i++)
		if (state.roles[i].pid && state.roles[i].oldest_image < oldest)
			oldest = state.roles[i].oldest_image;
	return oldest;
}

/* Before every sleep: what waits to be sent leaves, and settings that changed are taken over. */
static int64_t turn_hook(void)
{
	send_flush();
	stream_turn();
	live_poll();
	overload_turn();
	report_images();
	duty_turn();
	quiet_turn();
	return watchdog_beat(state.self);
}

static bool may_park(void)
{
	return !lock_is_any_held();
}

static bool others_are_ready(void)
{
	for (unsigned i = 0; i < state.count; i++)
		if (state.roles[i].kind != ROLE_WORKER && !state.roles[i].is_ready)
			return false;
	return true;
}

/* When the server starts, who gets an answer by SIP finds all processes and control sockets there. */
static void wait_for_the_others(const struct role *self)
{
	for (int tries = 0; self->incarnation == 1 && !others_are_ready() && tries < 5000; tries++)
		usleep(200);
}

static bool role_start(struct role *role)
{
	if (!loop_init() || !signals_start())
		return false;
	mailbox_adopt(mailbox_at(state.self));
	if (!loop_watch(mailbox_fd(mailbox_at(state.self)), LOOP_READ, on_mail,
			mailbox_at(state.self)))
		return false;
	fiber_set_park_check(may_park);
	fiber_set_epoch(image_generation_address());
	stream_select(state.self);
	if (!loader_start_worker())
		return false;
	loop_add_hook(turn_hook);
	if (role->kind == ROLE_MODULE)
		return role->module_role->start();
	timers_start();
	wait_for_the_others(role);
	if (!receive_start())
		return false;
	duty_start(role->number);
	return true;
}

int role_run(unsigned index)
{
	struct role *role = &state.roles[index];
	state.self = index;
	/* When the supervisor is gone nobody would replace us, and a new server wants our ports: end at
	 * once, also when we are stopped or busy. What lies in shared memory ends with us in any case. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != state.roles[0].pid)
		return 1;
	prctl(PR_SET_NAME, role->kind == ROLE_WORKER ? "viaduct-worker" : "viaduct-rpc");
	log_process((int)index);
	counters_select(index);
	flight_start(index);
	clock_refresh();
	if (!role_start(role)) {
		log_critical("%s cannot start", role->name);
		return 1;
	}
	role->is_ready = true;
	/* What waited in the mailbox for our predecessor is ours now. */
	on_mail(-1, LOOP_READ, mailbox_at(index));
	if (role->kind == ROLE_WORKER)
		worker_one_start();
	loop_run();
	loader_stop_worker();
	return 0;
}
