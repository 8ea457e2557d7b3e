/* SPDX-License-Identifier: BSD-2-Clause */
/* refuse_send: a library to preload. The file that REFUSED_PORTS names holds lines "PORT ERRNO"; a datagram
 * for such a port is refused with that errno, as the system does without a route. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int refusal(const struct sockaddr *to)
{
	const char *path = getenv("REFUSED_PORTS");
	unsigned wanted, error;
	int found = 0;
	if (!path || !to)
		return 0;
	unsigned port =
		ntohs(to->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)to)->sin6_port
						: ((const struct sockaddr_in *)to)->sin_port);
	FILE *file = fopen(path, "re");
	while (file && !found && fscanf(file, "%u %u", &wanted, &error) == 2)
		found = wanted == port ? (int)error : 0;
	if (file)
		fclose(file);
	return found;
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to,
	       socklen_t size)
{
	ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) =
		dlsym(RTLD_NEXT, "sendto");
	int error = refusal(to);
	if (!error)
		return next(fd, bytes, len, flags, to, size);
	errno = error;
	return -1;
}

int sendmmsg(int fd, struct mmsghdr *list, unsigned count, int flags)
{
	int (*next)(int, struct mmsghdr *, unsigned, int) = dlsym(RTLD_NEXT, "sendmmsg");
	unsigned sent = 0;
	int error = 0;
	while (sent < count && !(error = refusal(list[sent].msg_hdr.msg_name)))
		sent++;
	if (sent)
		return next(fd, list, sent, flags);
	errno = error;
	return count ? -1 : 0;
}
