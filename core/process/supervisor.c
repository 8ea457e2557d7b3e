/* SPDX-License-Identifier: BSD-2-Clause */
/* The supervisor: forks the roles, replaces the dead, passes signals on, stops in order. It does no
 * SIP itself. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process/process.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"

#define DEATHS_MOST 200          /* within the window: something is badly wrong */
#define DEATHS_WINDOW_MS 10000
#define YOUNG_MS 200             /* dying so early is a failure to start */
#define YOUNG_DEATHS_MOST 10

static struct {
	bool is_stopping;
	int64_t window_start_ms;
	unsigned deaths;
	unsigned young_deaths;
} state;

static bool role_fork(unsigned index)
{
	struct role *role = role_at(index);
	fflush(NULL);
	role->started_ms = clock_us_now() / 1000;
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

/* Counts deaths; false when there are too many to go on. */
static bool deaths_are_bearable(const struct role *role)
{
	int64_t now = clock_us_now() / 1000;
	if (now - state.window_start_ms > DEATHS_WINDOW_MS) {
		state.window_start_ms = now;
		state.deaths = 0;
	}
	state.young_deaths = now - role->started_ms < YOUNG_MS ? state.young_deaths + 1 : 0;
	return ++state.deaths < DEATHS_MOST && state.young_deaths < YOUNG_DEATHS_MOST;
}

static void replace(unsigned index, int status)
{
	struct role *role = role_at(index);
	char how[128];
	describe_end(status, how, sizeof(how));
	role->pid = 0;
	role->deaths++;
	role->incarnation++;
	log_warning("%s %s; a successor takes over", role->name, how);
	if (!deaths_are_bearable(role)) {
		log_critical("processes die faster than they can be replaced; stopping");
		state.is_stopping = true;
		return;
	}
	if (!role_fork(index))
		state.is_stopping = true;
	shard_touch_all_sets();
}

static void reap(void)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
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
		log_notice("  %s: %llu live, %llu bytes in pages", shard_set_name(set), (unsigned long long)shard.live,
			(unsigned long long)shard.page_bytes);
	}
}

static void reload(void)
{
	struct arena arena;
	struct span report;
	arena_init(&arena, 64u << 10, 256u << 20);
	if (reload_script(&arena, &report))
		log_notice("the script was reloaded");
	else
		log_error("the script was not reloaded, the old one goes on:\n%.*s", SPAN_ARGS(report));
	arena_free(&arena);
}

static void handle_signal(int number)
{
	switch (number) {
	case SIGTERM:
	case SIGINT:
		log_notice("stopping (%s)", strsignal(number));
		state.is_stopping = true;
		break;
	case SIGHUP:
		reload();
		break;
	case SIGUSR1:
		report_memory();
		break;
	default:
		break;
	}
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
	for (unsigned i = 1; i < role_count(); i++)
		if (!role_fork(i))
			state.is_stopping = true;
	while (!state.is_stopping) {
		struct timespec second = { .tv_sec = 1 };
		int number = sigtimedwait(&set, NULL, &second);
		clock_refresh();
		if (number > 0)
			handle_signal(number);
		reap();
	}
	stop_all(&set);
	return state.young_deaths >= YOUNG_DEATHS_MOST ? 1 : 0;
}
