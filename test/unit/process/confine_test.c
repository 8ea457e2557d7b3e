/* SPDX-License-Identifier: BSD-2-Clause */
/* confine: what a process can no longer do, seen from inside. */
#include "core/process/confine.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Bits of what went wrong in the confined process. */
enum {
	WRONG_CONFINE = 1,
	WRONG_REFUSED = 2,
	WRONG_SOCKET = 4,
	WRONG_FORK = 8,
	WRONG_PROGRAM = 16,
	WRONG_NAMESPACE = 32,
};

static bool is_refused(long result, int code)
{
	return result < 0 && errno == code;
}

static int look(enum confinement how)
{
	int wrong = confine(how, false) ? 0 : WRONG_CONFINE;
	struct timespec now = { 0, 0 };
	bool all = is_refused(ptrace(PTRACE_PEEKDATA, 0, NULL, NULL), EPERM) &&
		   is_refused(clock_settime(CLOCK_REALTIME, &now), EPERM) &&
		   is_refused(syscall(SYS_bpf, 0, NULL, 0), EPERM) &&
		   is_refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	wrong |= all ? 0 : WRONG_REFUSED;
	wrong |= is_refused(socket(AF_PACKET, SOCK_DGRAM, 0), EAFNOSUPPORT) &&
				 socket(AF_INET, SOCK_DGRAM, 0) >= 0 &&
				 socket(AF_INET6, SOCK_STREAM, 0) != -2 &&
				 socket(AF_UNIX, SOCK_DGRAM, 0) >= 0
			 ? 0
			 : WRONG_SOCKET;
	wrong |= is_refused(unshare(CLONE_NEWUSER), EPERM) ? 0 : WRONG_NAMESPACE;
	int status = 0;
	pid_t child = fork();
	if (child == 0)
		_exit(7);
	wrong |= child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7
			 ? 0
			 : WRONG_FORK;
	wrong |= system("exit 3") >> 8 == 3 ? 0 : WRONG_PROGRAM;
	return wrong;
}

static int look_in_child(enum confinement how)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(look(how));
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void refuses_what_no_server_needs(void **state)
{
	(void)state;
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(look_in_child(CONFINE_CALLS), 0);
#endif
}

static void leaves_the_calls_alone_when_told_so(void **state)
{
	(void)state;
	int wrong = look_in_child(CONFINE_PRIVILEGES);
	assert_int_equal(wrong & (WRONG_CONFINE | WRONG_FORK | WRONG_PROGRAM), 0);
	/* Unless whoever started this test refuses it already. */
	if (!is_refused(ptrace(PTRACE_PEEKDATA, 0, NULL, NULL), EPERM))
		assert_true(wrong & WRONG_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_no_server_needs),
		cmocka_unit_test(leaves_the_calls_alone_when_told_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
