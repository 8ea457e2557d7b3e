/* SPDX-License-Identifier: BSD-2-Clause */
/* Script reload: a child compiles and publishes, so that a broken script or a broken compiler costs
 * nothing; its report comes back through a pipe. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/process/process.h"
#include "core/shm/map.h"

#define REPORT_MOST (256u << 10)
#define RELOAD_MOST_MS 30000

static _Noreturn void compile_and_exit(int report_fd)
{
	static const struct script_memory memory = { shm_run_alloc, shm_run_free };
	struct arena arena;
	struct diagnostics diagnostics;
	arena_init(&arena, 256u << 10, 512u << 20);
	diagnostics_init(&diagnostics, &arena);
	const struct image *image = script_rebuild(startup_options(), &memory, &arena, &diagnostics);
	struct writer report = writer_in_arena(&arena, 4096);
	diagnostics_write(&diagnostics, &report);
	if (image)
		image_publish(image);
	for (size_t done = 0; done < report.len;) {
		ssize_t written = write(report_fd, report.data + done, report.len - done);
		if (written <= 0)
			break;
		done += (size_t)written;
	}
	_exit(image ? 0 : 1);
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

bool reload_script(struct arena *arena, struct span *out_report)
{
	int ends[2], status = 1;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		*out_report = SPAN_OF("cannot make a pipe");
		return false;
	}
	uint32_t before = image_generation();
	pid_t pid = fork();
	if (pid == 0)
		compile_and_exit(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		*out_report = SPAN_OF("cannot fork");
		return false;
	}
	*out_report = read_report(ends[0], arena);
	close(ends[0]);
	/* A module's process has its own SIGCHLD handling; the generation tells the truth in any case. */
	if (waitpid(pid, &status, 0) != pid)
		return image_generation() != before;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
