/* SPDX-License-Identifier: BSD-2-Clause */
/* The server as a process: start, stop, restart, and what runs. */
#include "utils/kamctl/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/arena.h"

#define STOP_WAIT_MS   65000 /* exit_timeout of the server is 60 s */
#define STEP_MS        50
#define PROCESSES_MOST 256

/* PATH of a program that lies in this program's own folder, or the bare name. */
static const char *beside(const char *name)
{
	char own[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	if (len <= 0)
		return name;
	own[len] = '\0';
	char *slash = strrchr(own, '/');
	*slash = '\0';
	const char *folders[] = { "", "/.." }; /* a build has its tools one folder deeper */
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		struct span path =
			arena_printf(tool_arena(), "%s%s/%s%c", own, folders[i], name, 0);
		if (path.at && access(path.at, X_OK) == 0)
			return path.at;
	}
	return name;
}

void program_become(const char *name, const char *const *arguments)
{
	fflush(stdout);
	execvp(beside(name), (char *const *)arguments);
	say_error("cannot run %s: %s", name, strerror(errno));
}

int program_run(const char *const *arguments, int output)
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		if (output >= 0) {
			dup2(output, STDOUT_FILENO);
			dup2(output, STDERR_FILENO);
		}
		execvp(beside(arguments[0]), (char *const *)arguments);
		_exit(127);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The process of PID_FILE when it lives, else 0. */
static pid_t server_pid(void)
{
	char path[PATH_MAX], text[32];
	int64_t number = 0;
	snprintf(path, sizeof(path), "%s%s", setting("CHROOT_DIR"), setting("PID_FILE"));
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	bool is_read = fgets(text, sizeof(text), file) &&
		       span_to_int64(span_trim(span_from(text)), &number) && number > 1;
	fclose(file);
	return is_read && (kill((pid_t)number, 0) == 0 || errno == EPERM) ? (pid_t)number : 0;
}

/* Splits STARTOPTIONS at blanks behind what is there. */
static void add_start_options(const char **arguments, unsigned count)
{
	struct span rest = span_from(setting("STARTOPTIONS")), word;
	while (count < WORDS_MOST - 1 && span_split(&rest, ' ', &word))
		if (word.len)
			arguments[count++] = arena_string(tool_arena(), word);
	arguments[count] = NULL;
}

static bool is_configuration_good(void)
{
	const char *arguments[] = { "viaduct", "-c", "-f", setting("STARTUP_CONFIG_FILE"), NULL };
	if (program_run(arguments, -1) == 0)
		return true;
	say_error("%s has mistakes; nothing was stopped or started",
		  setting("STARTUP_CONFIG_FILE"));
	return false;
}

int run_start(const struct command *command, struct words words)
{
	const char *arguments[WORDS_MOST] = { "viaduct", "-P", setting("PID_FILE"), "-f",
					      setting("STARTUP_CONFIG_FILE") };
	pid_t pid = server_pid();
	if (pid) {
		say_error("the server runs already, as process %ld (%s)", (long)pid,
			  setting("PID_FILE"));
		return EXIT_REFUSED;
	}
	add_start_options(arguments, 5);
	int code = program_run(arguments, -1);
	if (code != 0) {
		say_error("the server did not start (exit code %d); its log tells why", code);
		return EXIT_REFUSED;
	}
	say_info("started (pid: %ld)", (long)server_pid());
	return EXIT_DONE;
}

int run_stop(const struct command *command, struct words words)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	pid_t pid = server_pid();
	if (!pid) {
		say_error("the server does not run, or %s is not its PID file",
			  setting("PID_FILE"));
		return EXIT_REFUSED;
	}
	if (kill(pid, SIGTERM) < 0) {
		say_error("cannot stop process %ld: %s", (long)pid, strerror(errno));
		return EXIT_REFUSED;
	}
	for (unsigned waited = 0; waited < STOP_WAIT_MS; waited += STEP_MS) {
		if (kill(pid, 0) < 0 && errno == ESRCH) {
			say_info("stopped");
			return EXIT_DONE;
		}
		nanosleep(&step, NULL);
	}
	say_error("process %ld did not end within %d s", (long)pid, STOP_WAIT_MS / 1000);
	return EXIT_REFUSED;
}

int run_restart(const struct command *command, struct words words)
{
	if (!is_configuration_good())
		return EXIT_REFUSED;
	int code = server_pid() ? run_stop(command, words) : EXIT_DONE;
	return code == EXIT_DONE ? run_start(command, words) : code;
}

/* The parent of a process, from /proc; 0 when there is no such process. */
static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	long parent = 0;
	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(text, sizeof(text), file)) {
		const char *end = strrchr(text, ')'); /* the name before it may have any byte */
		if (!end || sscanf(end + 1, " %*c %ld", &parent) != 1)
			parent = 0;
	}
	fclose(file);
	return (pid_t)parent;
}

static unsigned children_of(pid_t parent, pid_t *out, unsigned most)
{
	unsigned count = 0;
	DIR *folder = opendir("/proc");
	for (struct dirent *entry; folder && (entry = readdir(folder)) && count < most;) {
		int64_t pid;
		if (span_to_int64(span_from(entry->d_name), &pid) &&
		    parent_of((pid_t)pid) == parent)
			out[count++] = (pid_t)pid;
	}
	if (folder)
		closedir(folder);
	return count;
}

int run_trap(const struct command *command, struct words words)
{
	pid_t pids[PROCESSES_MOST] = { server_pid() };
	char path[] = "/tmp/gdb_viaduct_XXXXXX.txt";
	if (!pids[0]) {
		say_error("the server does not run, or %s is not its PID file",
			  setting("PID_FILE"));
		return EXIT_REFUSED;
	}
	unsigned count = 1 + children_of(pids[0], pids + 1, PROCESSES_MOST - 1);
	int file = mkstemps(path, 4);
	if (file < 0) {
		say_error("cannot make %s: %s", path, strerror(errno));
		return EXIT_REFUSED;
	}
	bool is_done = true;
	for (unsigned i = 0; i < count && is_done; i++) {
		char pid[32];
		snprintf(pid, sizeof(pid), "%ld", (long)pids[i]);
		dprintf(file, "---- process %s\n", pid);
		const char *arguments[] = { "gdb",    "-p",  pid,
					    "-batch", "-ex", "thread apply all bt full",
					    NULL };
		is_done = program_run(arguments, file) == 0;
	}
	close(file);
	if (!is_done) {
		say_error("gdb cannot be run here; apt-get install gdb, and be root");
		return EXIT_REFUSED;
	}
	say_info("Trap file: %s", path);
	return EXIT_DONE;
}
