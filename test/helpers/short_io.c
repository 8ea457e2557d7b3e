/* SPDX-License-Identifier: BSD-2-Clause */
/* short_io: a library to preload. Streams and files give and take less than was asked for, are
 * interrupted, or have to be waited for, as often as SHORT_IO=SHORT:INTERRUPTED:AGAIN says (percent of
 * the calls; default 30:5:10). It does only what a kernel may do: datagrams stay whole, short writes to
 * pipes stay whole, only descriptors that do not block have to be waited for, and what is neither
 * file, pipe nor socket is left alone. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { KIND_OTHER, KIND_FILE, KIND_PIPE, KIND_STREAM, KIND_DATAGRAM };
enum fate { FATE_WHOLE, FATE_SHORT, FATE_FAILS };

static struct {
	unsigned is_short, is_interrupted, is_again; /* percent, one on top of the other */
	uint64_t random;
} state;

static void prepare(void)
{
	const char *text = getenv("SHORT_IO");
	char *end;
	state.is_short = text ? (unsigned)strtoul(text, &end, 10) : 30;
	state.is_interrupted =
		state.is_short + (text && *end == ':' ? (unsigned)strtoul(end + 1, &end, 10) : 5);
	state.is_again = state.is_interrupted +
			 (text && *end == ':' ? (unsigned)strtoul(end + 1, &end, 10) : 10);
}

static unsigned next_random(void)
{
	if (!state.random) {
		prepare();
		state.random = 1;
	}
	/* Forked processes go ways of their own. */
	uint64_t x = state.random ^ (uint64_t)getpid() << 32;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	state.random = x ? x : 1;
	return (unsigned)(x >> 33);
}

static enum kind kind_of(int fd)
{
	struct stat status;
	int type;
	socklen_t len = sizeof(type);
	if (fstat(fd, &status) != 0)
		return KIND_OTHER;
	if (S_ISREG(status.st_mode))
		return KIND_FILE;
	if (S_ISFIFO(status.st_mode))
		return KIND_PIPE;
	if (!S_ISSOCK(status.st_mode) || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
		return KIND_OTHER;
	return type == SOCK_STREAM ? KIND_STREAM : KIND_DATAGRAM;
}

static bool never_blocks(int fd, int flags)
{
	return flags & MSG_DONTWAIT || fcntl(fd, F_GETFL) & O_NONBLOCK;
}

/* What becomes of a call with `*len` bytes, which may get less. */
static enum fate decide(int fd, int flags, bool is_write, size_t *len)
{
	int before = errno;
	enum kind kind = flags & MSG_PEEK ? KIND_OTHER : kind_of(fd);
	unsigned percent = next_random() % 100;
	errno = before;
	if (kind == KIND_OTHER || percent >= state.is_again)
		return FATE_WHOLE;
	if (percent < state.is_short) {
		bool may_be_short = kind != KIND_DATAGRAM && *len > 1 &&
				    !(kind == KIND_PIPE && is_write && *len <= PIPE_BUF);
		if (may_be_short)
			*len = 1 + next_random() % (*len - 1);
		return may_be_short ? FATE_SHORT : FATE_WHOLE;
	}
	bool is_interrupted = percent < state.is_interrupted;
	if (!is_interrupted && (kind == KIND_FILE || !never_blocks(fd, flags)))
		return FATE_WHOLE;
	errno = is_interrupted ? EINTR : EAGAIN;
	return FATE_FAILS;
}

#define REAL(name)                                             \
	static __typeof__(&name) real;                         \
	if (!real)                                             \
		*(void **)(void *)&real = dlsym(RTLD_NEXT, #name)

ssize_t read(int fd, void *to, size_t len)
{
	REAL(read);
	return decide(fd, 0, false, &len) == FATE_FAILS ? -1 : real(fd, to, len);
}

ssize_t write(int fd, const void *from, size_t len)
{
	REAL(write);
	return decide(fd, 0, true, &len) == FATE_FAILS ? -1 : real(fd, from, len);
}

ssize_t pread(int fd, void *to, size_t len, off_t at)
{
	REAL(pread);
	return decide(fd, 0, false, &len) == FATE_FAILS ? -1 : real(fd, to, len, at);
}

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
	REAL(pwrite);
	return decide(fd, 0, true, &len) == FATE_FAILS ? -1 : real(fd, from, len, at);
}

ssize_t recv(int fd, void *to, size_t len, int flags)
{
	REAL(recv);
	return decide(fd, flags, false, &len) == FATE_FAILS ? -1 : real(fd, to, len, flags);
}

ssize_t send(int fd, const void *from, size_t len, int flags)
{
	REAL(send);
	return decide(fd, flags, true, &len) == FATE_FAILS ? -1 : real(fd, from, len, flags);
}

ssize_t recvfrom(int fd, void *to, size_t len, int flags, struct sockaddr *from,
		 socklen_t *from_len)
{
	REAL(recvfrom);
	return decide(fd, flags, false, &len) == FATE_FAILS
		       ? -1
		       : real(fd, to, len, flags, from, from_len);
}

ssize_t sendto(int fd, const void *from, size_t len, int flags, const struct sockaddr *to,
	       socklen_t to_len)
{
	REAL(sendto);
	return decide(fd, flags, true, &len) == FATE_FAILS ? -1
							   : real(fd, from, len, flags, to, to_len);
}

/* What programs call that were built with _FORTIFY_SOURCE; the length was judged before. */
ssize_t __read_chk(int fd, void *to, size_t len, size_t room)
{
	return len > room ? (abort(), -1) : read(fd, to, len);
}

ssize_t __pread_chk(int fd, void *to, size_t len, off_t at, size_t room)
{
	return len > room ? (abort(), -1) : pread(fd, to, len, at);
}

ssize_t __recv_chk(int fd, void *to, size_t len, size_t room, int flags)
{
	return len > room ? (abort(), -1) : recv(fd, to, len, flags);
}

ssize_t __recvfrom_chk(int fd, void *to, size_t len, size_t room, int flags, struct sockaddr *from,
		       socklen_t *from_len)
{
	return len > room ? (abort(), -1) : recvfrom(fd, to, len, flags, from, from_len);
}

/* The first parts only, when it is short. */
static int parts_within(const struct iovec *parts, int count, size_t len)
{
	int whole = 0;
	while (whole < count && parts[whole].iov_len <= len)
		len -= parts[whole++].iov_len;
	return whole;
}

static size_t sum_of(const struct iovec *parts, int count)
{
	size_t sum = 0;
	for (int i = 0; i < count; i++)
		sum += parts[i].iov_len;
	return sum;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	REAL(writev);
	size_t len = sum_of(parts, count);
	enum fate fate = decide(fd, 0, true, &len);
	int within = fate == FATE_SHORT ? parts_within(parts, count, len) : count;
	return fate == FATE_FAILS ? -1 : real(fd, parts, within ? within : count);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	REAL(sendmsg);
	struct msghdr part = *message;
	size_t len = sum_of(message->msg_iov, (int)message->msg_iovlen);
	enum fate fate = decide(fd, flags, true, &len);
	int within = fate == FATE_SHORT
			     ? parts_within(message->msg_iov, (int)message->msg_iovlen, len)
			     : 0;
	if (within)
		part.msg_iovlen = (size_t)within;
	return fate == FATE_FAILS ? -1 : real(fd, &part, flags);
}
