/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing to stderr and to the system's log without ever waiting. */
#include "core/base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RECONNECT_S 1

static struct {
	int fd; /* stderr or a description of our own for the same pipe */
	bool is_socket;
	bool is_torn;   /* the last line lacks its end */
	int log_fd;     /* of the system's log; -1: not connected */
	time_t tried_s; /* when connecting was last tried */
	const char *path, *tag;
} sink = { .fd = STDERR_FILENO, .log_fd = -1 };

/* ---- stderr ------------------------------------------------------------------------------------------ */

/* O_NONBLOCK is set for everybody who has the same description, so a pipe or terminal is opened once
 * more; a file never waits for a reader. */
void log_sink_use_stderr(void)
{
	struct stat found;
	if (sink.fd != STDERR_FILENO)
		close(sink.fd);
	sink.fd = STDERR_FILENO;
	if (fstat(STDERR_FILENO, &found) < 0)
		return;
	sink.is_socket = S_ISSOCK(found.st_mode);
	if (!S_ISFIFO(found.st_mode) && !S_ISCHR(found.st_mode))
		return;
	int own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own >= 0)
		sink.fd = own;
}

/* How much went out. A file that takes a part takes the rest, or its disk is full. */
static size_t write_all(const char *bytes, size_t len)
{
	size_t done = 0;
	while (done < len) {
		ssize_t written = sink.is_socket ? send(sink.fd, bytes + done, len - done,
							MSG_DONTWAIT | MSG_NOSIGNAL)
						 : write(sink.fd, bytes + done, len - done);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		done += (size_t)written;
	}
	return done;
}

bool log_sink_write(const char *line, size_t len)
{
	if (sink.is_torn && write_all("\n", 1) != 1)
		return false;
	size_t done = write_all(line, len);
	sink.is_torn = done > 0 && done < len;
	return done == len;
}

/* ---- the system's log ---------------------------------------------------------------------------------- */

static int connect_as(int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", sink.path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static bool is_connected(void)
{
	time_t now = time(NULL);
	if (sink.log_fd >= 0)
		return true;
	if (now - sink.tried_s < RECONNECT_S && now >= sink.tried_s)
		return false;
	sink.tried_s = now;
	sink.log_fd = connect_as(SOCK_DGRAM);
	if (sink.log_fd < 0 && errno == EPROTOTYPE)
		sink.log_fd = connect_as(SOCK_STREAM);
	return sink.log_fd >= 0;
}

void log_sink_use_syslog(const char *path, const char *tag)
{
	if (sink.log_fd >= 0)
		close(sink.log_fd);
	sink.log_fd = -1;
	sink.tried_s = 0;
	sink.path = path;
	sink.tag = tag;
	/* Now, because later the socket may be out of sight or rights. */
	(void)is_connected();
}

/* "<PRI>Nov  2 03:04:05 tag[pid]: ", RFC 3164 as the local socket speaks it. */
static size_t write_head(char *out, size_t size, int priority)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm local;
	time_t now = time(NULL);
	localtime_r(&now, &local);
	int len = snprintf(out, size, "<%d>%s %2d %02d:%02d:%02d %s[%d]: ", priority,
			   months[local.tm_mon], local.tm_mday, local.tm_hour, local.tm_min,
			   local.tm_sec, sink.tag, (int)getpid());
	return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

bool log_sink_write_syslog(int priority, const char *text, size_t len)
{
	char head[160];
	if (!sink.path || !is_connected())
		return false;
	struct iovec parts[] = {
		{ head, write_head(head, sizeof(head), priority) },
		{ (void *)(uintptr_t)text, len },
		{ (void *)(uintptr_t)"", 1 }, /* ends a record of a stream */
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	ssize_t sent;
	do
		sent = sendmsg(sink.log_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent == (ssize_t)(parts[0].iov_len + len + 1))
		return true;
	/* A part of a record: the next one begins a connection of its own. */
	if (sent >= 0)
		errno = EPIPE;
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
		close(sink.log_fd);
		sink.log_fd = -1;
	}
	return false;
}
