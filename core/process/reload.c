/* SPDX-License-Identifier: BSD-2-Clause */
/* Script reload: a child compiles and publishes, so that a broken script or a broken compiler costs
 * nothing; its report comes back through a pipe. */
#include "core/process/reload.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process/flight.h"
#include "core/process/process.h"
#include "core/shm/map.h"

#define REPORT_MOST    (256u << 10)
#define RELOAD_MOST_MS 30000

static _Noreturn void compile_and_exit(int report_fd)
{
	static const struct script_memory memory = { shm_run_alloc, shm_run_free };
	struct arena arena;
	struct diagnostics diagnostics;
	/* It holds copies of the sockets, and must not keep them longer than we live. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(RELOAD_MOST_MS / 1000);
	flight_stop();
	arena_init(&arena, 256u << 10, 512u << 20);
	diagnostics_init(&diagnostics, &arena);
	const struct image *image =
		script_rebuild(startup_options(), &memory, &arena, &diagnostics);
	struct writer report = writer_in_arena(&arena, 4096);
	diagnostics_write(&diagnostics, &report);
	if (image)
		image_publish(image);
	if (report.len > REPORT_MOST)
		report.len = REPORT_MOST;
	for (size_t done = 0; done < report.len;) {
		ssize_t written = write(report_fd, report.data + done, report.len - done);
		if (written <= 0)
			break;
		done += (size_t)written;
	}
	_exit(image ? 0 : 1);
}

bool reload_begin(struct reload *out_reload)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	/* The whole report fits, so that the child ends without a reader; where the system refuses, what
	 * is too much is cut off. */
	if (fcntl(ends[1], F_SETPIPE_SZ, REPORT_MOST) < 0)
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
	pid_t pid = fork();
	if (pid == 0)
		compile_and_exit(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	*out_reload = (struct reload){ .pid = pid, .report_fd = ends[0] };
	return true;
}

/* Reads the report; parks between the pieces when that is possible. */
static struct span read_report(int fd, struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 4096);
	while (w.len < REPORT_MOST && writer_reserve(&w, 4096)) {
		if (fiber_is_running() && !fiber_wait_fd(fd, LOOP_READ, RELOAD_MOST_MS))
			break;
		ssize_t got = read(fd, w.data + w.len, 4096);
		if (got <= 0)
			break;
		w.len += (size_t)got;
	}
	return writer_result(&w);
}

bool reload_end(struct reload *reload, struct arena *arena, int status, struct span *out_report)
{
	*out_report = read_report(reload->report_fd, arena);
	close(reload->report_fd);
	*reload = (struct reload){ 0 };
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool reload_script(struct arena *arena, struct span *out_report)
{
	struct reload reload;
	int status = 1;
	uint32_t before = image_generation();
	if (!reload_begin(&reload)) {
		*out_report = SPAN_OF("cannot fork");
		return false;
	}
	pid_t pid = reload.pid;
	*out_report = read_report(reload.report_fd, arena);
	close(reload.report_fd);
	/* A module's process has its own SIGCHLD handling; the generation tells the truth in any case. */
	if (waitpid(pid, &status, 0) != pid)
		return image_generation() != before;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
