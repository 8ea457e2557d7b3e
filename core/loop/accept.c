/* SPDX-License-Identifier: BSD-2-Clause */
/* Accepting connections, and refusing them when descriptors ran out. */
#include "core/loop/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"

#define TELL_MS 1000

static struct {
	int reserve; /* for refusing; -1: none */
	int64_t told_ms;
} state = { .reserve = -1 };

void loop_accept_prepare(void)
{
	if (state.reserve < 0)
		state.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void refuse(int fd)
{
	int error = errno;
	if (clock_ms() - state.told_ms >= TELL_MS) {
		log_error("connections are refused: %m; raise open_files_limit");
		state.told_ms = clock_ms();
	}
	if (state.reserve >= 0) {
		close(state.reserve);
		state.reserve = -1;
		int refused = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (refused >= 0)
			close(refused);
	}
	loop_accept_prepare();
	errno = error;
}

int loop_accept(int fd, struct sockaddr_storage *out_peer, socklen_t *out_len)
{
	int client =
		accept4(fd, (struct sockaddr *)out_peer, out_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0 && (errno == EMFILE || errno == ENFILE))
		refuse(fd);
	return client;
}
