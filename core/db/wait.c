/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for a database: the fiber parks; without a fiber the process waits. Work that blocks goes
 * to helper threads, which touch nothing but what they were given. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/db/driver.h"
#include "core/loop/fiber.h"
#include "core/loop/loop.h"

#define THREADS_MOST  4
#define THREAD_IDLE_S 30

/* On a fiber the time of this turn of the loop will do. */
int64_t db_now_ms(void)
{
	return fiber_is_running() ? clock_ms() : clock_us_now() / 1000;
}

static unsigned poll_fd(int fd, unsigned events, int64_t timeout_ms)
{
	struct pollfd wanted = { .fd = fd };
	wanted.events =
		(short)((events & LOOP_READ ? POLLIN : 0) | (events & LOOP_WRITE ? POLLOUT : 0));
	int64_t until = db_now_ms() + timeout_ms;
	for (;;) {
		int64_t left = timeout_ms < 0 ? -1 : until - db_now_ms();
		int got = poll(&wanted, 1, left < 0 && timeout_ms >= 0 ? 0 : (int)left);
		if (got > 0)
			break;
		if (got == 0 || errno != EINTR)
			return 0;
	}
	unsigned found = (wanted.revents & (POLLIN | POLLHUP | POLLERR) ? LOOP_READ : 0) |
			 (wanted.revents & (POLLOUT | POLLHUP | POLLERR) ? LOOP_WRITE : 0);
	return found & events ? found & events : found;
}

unsigned db_wait(struct db_connection *connection, int fd, unsigned events)
{
	int64_t left = connection->deadline_ms ? connection->deadline_ms - db_now_ms() : -1;
	if (connection->deadline_ms && left <= 0)
		return poll_fd(fd, events, 0);
	return fiber_is_running() ? fiber_wait_kept_fd(fd, events, left)
				  : poll_fd(fd, events, left);
}

void db_sleep_ms(int64_t delay_ms)
{
	struct timespec delay = { delay_ms / 1000, (long)(delay_ms % 1000) * 1000000 };
	if (fiber_is_running())
		fiber_sleep_ms(delay_ms);
	else
		while (nanosleep(&delay, &delay) < 0 && errno == EINTR)
			;
}

/* ---- helper threads -------------------------------------------------------------------------- */

struct job {
	struct job *next;
	void (*work)(void *data);
	void *data;
	int done_fd;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t wanted;
	struct job *first, **last;
	unsigned threads, idle;
} helpers = { .mutex = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER };

/* The next job; NULL when none came for a while. The mutex is held. */
static struct job *next_job(void)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += THREAD_IDLE_S;
	helpers.idle++;
	while (!helpers.first)
		if (pthread_cond_timedwait(&helpers.wanted, &helpers.mutex, &until) == ETIMEDOUT)
			break;
	helpers.idle--;
	struct job *job = helpers.first;
	if (job) {
		helpers.first = job->next;
		if (!helpers.first)
			helpers.last = &helpers.first;
	}
	return job;
}

static void *helper_main(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&helpers.mutex);
	struct job *job;
	while ((job = next_job())) {
		int done_fd = job->done_fd;
		pthread_mutex_unlock(&helpers.mutex);
		job->work(job->data);
		/* The job lies on the stack of the fiber, which goes on from here. */
		while (write(done_fd, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0 && errno == EINTR)
			;
		pthread_mutex_lock(&helpers.mutex);
	}
	helpers.threads--;
	pthread_mutex_unlock(&helpers.mutex);
	return NULL;
}

/* Signals belong to the loop. The mutex is held. */
static bool start_helper(void)
{
	sigset_t all, before;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool is_started = pthread_create(&thread, NULL, helper_main, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (is_started) {
		pthread_detach(thread);
		helpers.threads++;
	}
	return is_started;
}

static bool hand_over(struct job *job)
{
	pthread_mutex_lock(&helpers.mutex);
	if (!helpers.last)
		helpers.last = &helpers.first;
	bool is_taken = helpers.idle > 0 || helpers.threads >= THREADS_MOST || start_helper() ||
			helpers.threads > 0;
	if (is_taken) {
		*helpers.last = job;
		helpers.last = &job->next;
		pthread_cond_signal(&helpers.wanted);
	}
	pthread_mutex_unlock(&helpers.mutex);
	return is_taken;
}

void db_beside(void (*work)(void *data), void *data)
{
	struct job job = { .work = work, .data = data };
	job.done_fd = fiber_is_running() ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (job.done_fd < 0 || !hand_over(&job)) {
		work(data);
	} else {
		uint64_t count;
		while (read(job.done_fd, &count, sizeof(count)) < 0)
			fiber_wait_fd(job.done_fd, LOOP_READ, -1);
	}
	if (job.done_fd >= 0)
		close(job.done_fd);
}
