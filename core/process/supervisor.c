/* SPDX-License-Identifier: BSD-2-Clause */
/* The supervisor: forks the roles, replaces the dead, passes signals on, stops in order. It does no
 * SIP itself. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process/crash_file.h"
#include "core/process/overload.h"
#include "core/process/process.h"
#include "core/process/reload.h"
#include "core/process/watchdog.h"
#include "core/script/image.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"

#define TURN_MS              200
#define FAILED_STARTS_MOST   10
#define MODULE_ROLE_PATIENCE 15 /* commands may take longer than messages */

static struct {
	bool is_stopping;
	unsigned failed_starts; /* in a row: died before the event loop was reached */
	struct reload reload;
	bool reload_again;
} state;

static bool role_fork(unsigned index)
{
	struct role *role = role_at(index);
	fflush(NULL);
	role->is_ready = false;
	role->is_stuck = false;
	role->oldest_image = 0;
	watchdog_forget(index);
	pid_t pid = fork();
	if (pid < 0) {
		log_critical("cannot fork %s: %m", role->name);
		return false;
	}
	if (pid == 0)
		exit(role_run(index));
	role->pid = pid;
	return true;
}

static void describe_end(int status, char *out_text, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(out_text, size, "was killed by signal %d (%s)%s", WTERMSIG(status),
			 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(out_text, size, "ended with code %d", WEXITSTATUS(status));
}

/* Ends that nobody asked for, of which something is known. */
static bool is_worth_a_file(int status, const struct flight_record *record)
{
	bool was_told = WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGTERM;
	return !was_told && (record->len || record->signal) && core_settings()->crash_files;
}

/* Did the message end the process? SIGKILL, and signals that somebody sent, are not its fault. */
static bool is_to_blame(int status, const struct flight_record *record)
{
	if (!record->len || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		return false;
	return WIFEXITED(status) ? WEXITSTATUS(status) != 0
				 : record->code > 0 || record->signal == SIGABRT;
}

static void keep_traces(const struct crash_report *report, int status)
{
	char directory[256];
	const struct flight_record *record = report->record;
	if (is_to_blame(status, record))
		flight_condemn(record);
	if (!is_worth_a_file(status, record))
		return;
	snprintf(directory, sizeof(directory), "%.*s", SPAN_ARGS(core_settings()->rundir));
	const char *path =
		crash_file_write(directory, (unsigned)core_settings()->crash_files, report);
	if (path)
		log_notice("what is known about it is in %s", path);
}

static void replace(unsigned index, int status)
{
	struct role *role = role_at(index);
	char how[128];
	struct crash_report report = { role->name, role->pid, how, flight_take(index) };
	describe_end(status, how, sizeof(how));
	state.failed_starts = role->is_ready ? 0 : state.failed_starts + 1;
	role->pid = 0;
	role->deaths++;
	role->incarnation++;
	if (state.failed_starts >= FAILED_STARTS_MOST) {
		log_critical("%s %s; processes cannot start; stopping", role->name, how);
		state.is_stopping = true;
		return;
	}
	/* Service first, explanations later. */
	if (!role_fork(index))
		state.is_stopping = true;
	shard_touch_all_sets();
	log_warning("%s %s; a successor took over", role->name, how);
	keep_traces(&report, status);
}

/* A process that stays away from its loop is told to say where it is, and then killed. */
static void look_for_stuck(void)
{
	watchdog_turn();
	for (unsigned i = 1; i < role_count(); i++) {
		struct role *role = role_at(i);
		unsigned times = role->kind == ROLE_WORKER ? 1 : MODULE_ROLE_PATIENCE;
		if (!role->pid || !watchdog_is_stuck(i, role->pid, times))
			continue;
		if (!role->is_stuck)
			log_error("%s (%d) does not come back to its event loop; replacing it",
				  role->name, (int)role->pid);
		kill(role->pid, role->is_stuck ? SIGKILL : SIGABRT);
		role->is_stuck = true;
	}
}

/* ---- reload -------------------------------------------------------------------------------------- */

static void reload_start(void)
{
	if (state.reload.pid) {
		state.reload_again = true;
		return;
	}
	if (!reload_begin(&state.reload))
		log_error("the script was not reloaded: cannot fork: %m");
}

/* A line of the log for each of the report. */
static void log_refused(struct span report)
{
	struct span line;
	log_error("the script was not reloaded, the old one goes on:");
	while (span_split(&report, '\n', &line))
		if (line.len)
			log_error("%.*s", SPAN_ARGS(line));
}

static void reload_finish(int status)
{
	struct arena arena;
	struct span report;
	arena_init(&arena, 64u << 10, 16u << 20);
	if (reload_end(&state.reload, &arena, status, &report))
		log_notice("the script was reloaded");
	else
		log_refused(report);
	arena_free(&arena);
	if (state.reload_again) {
		state.reload_again = false;
		reload_start();
	}
}

/* ---- ends ---------------------------------------------------------------------------------------- */

static void reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == state.reload.pid)
			reload_finish(status);
		for (unsigned i = 1; i < role_count(); i++) {
			if (role_at(i)->pid != pid)
				continue;
			if (state.is_stopping)
				role_at(i)->pid = 0;
			else
				replace(i, status);
			break;
		}
	}
}

static bool any_alive(void)
{
	for (unsigned i = 1; i < role_count(); i++)
		if (role_at(i)->pid)
			return true;
	return false;
}

static void signal_all(int number)
{
	for (unsigned i = 1; i < role_count(); i++)
		if (role_at(i)->pid)
			kill(role_at(i)->pid, number);
}

static void stop_all(const sigset_t *set)
{
	int64_t deadline = clock_us_now() / 1000 + core_settings()->exit_timeout * 1000;
	signal_all(SIGTERM);
	while (any_alive()) {
		struct timespec pause = { .tv_nsec = 100000000 };
		sigtimedwait(set, NULL, &pause);
		reap();
		if (clock_us_now() / 1000 > deadline) {
			log_error("processes did not stop in %lld s; killing them",
				  (long long)core_settings()->exit_timeout);
			signal_all(SIGKILL);
			deadline = INT64_MAX;
		}
	}
}

static void report_memory(void)
{
	struct shm_usage usage;
	shm_get_usage(&usage);
	log_notice("shared memory: %llu of %llu bytes used, %llu at most, in %llu free fragments",
		   (unsigned long long)usage.real_used, (unsigned long long)usage.total,
		   (unsigned long long)usage.max_used, (unsigned long long)usage.fragments);
	for (struct shard_set *set = shard_set_next(NULL); set; set = shard_set_next(set)) {
		struct shard_usage shard;
		shard_set_usage(set, &shard);
		log_notice("  %s: %llu live, %llu bytes in pages", shard_set_name(set),
			   (unsigned long long)shard.live, (unsigned long long)shard.page_bytes);
	}
}

static void handle_signal(int number)
{
	switch (number) {
	case SIGTERM:
	case SIGINT:
		log_notice("stopping (%s)", strsignal(number));
		state.is_stopping = true;
		break;
	case SIGHUP: reload_start(); break;
	case SIGUSR1: report_memory(); break;
	default: break;
	}
}

static void fork_all(enum role_kind kind)
{
	for (unsigned i = 1; i < role_count() && !state.is_stopping; i++)
		if (role_at(i)->kind == kind && !role_fork(i))
			state.is_stopping = true;
}

int supervisor_run(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fork_all(ROLE_MODULE);
	fork_all(ROLE_WORKER);
	role_at(0)->is_ready = true;
	while (!state.is_stopping) {
		struct timespec turn = { .tv_nsec = TURN_MS * 1000000L };
		int number = sigtimedwait(&set, NULL, &turn);
		clock_refresh();
		if (number > 0)
			handle_signal(number);
		reap();
		look_for_stuck();
		overload_look_at_memory();
		image_free_below(roles_oldest_image());
	}
	stop_all(&set);
	return state.failed_starts >= FAILED_STARTS_MOST ? 1 : 0;
}
