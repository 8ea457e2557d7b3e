/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets of both sides: datagrams are read and sent in batches, so that the generator costs little
 * beside the server that it measures. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "load.h"

#define BATCH        32
#define BUFFER_BYTES (8 << 20)

struct queue {
	int fd;
	unsigned port, count;
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];
	struct sockaddr_in to[BATCH];
	char bytes[BATCH][MESSAGE_MOST];
};

static struct queue queues[2][SOCKETS_MOST];

void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(2);
}

unsigned wire_port(enum side side, unsigned socket)
{
	return queues[side][socket].port;
}

static void socket_open(struct queue *queue)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int buffer = BUFFER_BYTES;

	queue->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (queue->fd < 0 || bind(queue->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockname(queue->fd, (struct sockaddr *)&address, &length) != 0)
		fail("socket");
	if (setsockopt(queue->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0)
		setsockopt(queue->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	queue->port = ntohs(address.sin_port);
}

void wire_open(void)
{
	/* Short sleeps between the calls of a fixed rate. */
	prctl(PR_SET_TIMERSLACK, 1);
	for (unsigned i = 0; i < settings()->sockets; i++) {
		socket_open(&queues[SIDE_CALLER][i]);
		socket_open(&queues[SIDE_CALLEE][i]);
	}
}

/* ---- sending --------------------------------------------------------------------------------- */

static void queue_flush(struct queue *queue)
{
	unsigned done = 0;

	while (done < queue->count) {
		int sent = sendmmsg(queue->fd, queue->headers + done, queue->count - done, 0);
		/* What the kernel refuses is the network's loss: retransmission repairs it. */
		done += sent > 0 ? (unsigned)sent : errno == EINTR ? 0 : 1;
	}
	queue->count = 0;
}

void wire_flush(void)
{
	for (unsigned i = 0; i < settings()->sockets; i++) {
		queue_flush(&queues[SIDE_CALLER][i]);
		queue_flush(&queues[SIDE_CALLEE][i]);
	}
}

char *wire_room(enum side side, unsigned socket)
{
	struct queue *queue = &queues[side][socket];

	if (queue->count == BATCH)
		queue_flush(queue);
	return queue->bytes[queue->count];
}

void wire_queue(enum side side, unsigned socket, size_t length, const struct sockaddr_in *to)
{
	struct queue *queue = &queues[side][socket];
	unsigned i = queue->count++;

	queue->to[i] = *to;
	queue->parts[i] = (struct iovec){ queue->bytes[i], length };
	queue->headers[i].msg_hdr = (struct msghdr){ .msg_name = &queue->to[i],
						     .msg_namelen = sizeof(*to),
						     .msg_iov = &queue->parts[i],
						     .msg_iovlen = 1 };
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void socket_read(enum side side, unsigned socket, wire_handler handler)
{
	static char bytes[BATCH][MESSAGE_MOST * 2];
	struct sockaddr_in from[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr headers[BATCH];

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) - 1 };
		headers[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						      .msg_namelen = sizeof(from[i]),
						      .msg_iov = &parts[i],
						      .msg_iovlen = 1 };
	}
	int count = recvmmsg(queues[side][socket].fd, headers, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		bytes[i][headers[i].msg_len] = '\0';
		handler(side, socket, (struct text){ bytes[i], headers[i].msg_len }, &from[i]);
	}
}

void wire_read(uint64_t timeout_us, wire_handler handler)
{
	struct pollfd polled[2 * SOCKETS_MOST];
	unsigned count = 2 * settings()->sockets;
	struct timespec timeout = { 0, (long)timeout_us * 1000 };

	for (unsigned i = 0; i < count; i++)
		polled[i] = (struct pollfd){ .fd = queues[i % 2][i / 2].fd, .events = POLLIN };
	if (ppoll(polled, count, &timeout, NULL) <= 0)
		return;
	for (unsigned i = 0; i < count; i++)
		if (polled[i].revents & POLLIN)
			socket_read((enum side)(i % 2), i / 2, handler);
}
