/* SPDX-License-Identifier: BSD-2-Clause */
/* Serving clients: each connection, and each datagram, has a fiber of its own, so that a slow client
 * or a command that waits holds up nobody else. Frames of one connection are answered in order. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "modules/ctl/ctl.h"

#define ANSWER_MAX       (1u << 30)
#define DATAGRAM_MAX     65507
#define FIRST_BUFFER     2048
#define ACCEPTS_PER_TURN 16

static struct {
	struct ctl_connection connections[CTL_CONNECTIONS_MOST];
	unsigned count;
} state;

unsigned ctl_connection_count(void)
{
	return state.count;
}

const struct ctl_connection *ctl_connection_at(unsigned index)
{
	return state.connections[index].listener ? &state.connections[index] : NULL;
}

/* ---- one request ---------------------------------------------------------------------------------------- */

static void on_done(struct rpc_call *call, void *owner)
{
	fiber_wake(owner);
}

struct span ctl_answer(const struct binrpc_header *header, struct span body, struct arena *arena)
{
	struct fiber_event done = { 0 };
	const char *error;
	if (header->type != BINRPC_REQUEST)
		return binrpc_fault(header, 400, SPAN_OF("bad request: corrupted packet"), arena);
	struct rpc_call *call = binrpc_call_read(body, arena, &error);
	if (!call)
		return binrpc_fault(header, 400, span_from(error), arena);
	clock_refresh();
	rpc_dispatch(call, on_done, &done);
	fiber_wait(&done, -1);
	struct span answer = binrpc_answer(header, call, arena);
	return answer.at ? answer
			 : binrpc_fault(header, 500, SPAN_OF("the answer is too large"), arena);
}

/* ---- streams -------------------------------------------------------------------------------------------- */

static bool send_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t sent = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent > 0)
			bytes = span_slice(bytes, (size_t)sent, bytes.len);
		else if (sent < 0 && errno == EAGAIN) {
			if (!fiber_wait_fd(fd, LOOP_WRITE, CTL_STALL_MS))
				return false;
		} else if (errno != EINTR)
			return false;
	}
	return true;
}

struct input {
	int fd;
	char *bytes;
	size_t len, size;
};

/* Makes the input hold at least `len` bytes. A client may be silent between frames for as long as it
 * likes, but not inside one. */
static bool input_fill(struct input *input, size_t len)
{
	if (len > input->size) {
		char *bytes = realloc(input->bytes, len);
		if (!bytes)
			return false;
		input->bytes = bytes;
		input->size = len;
	}
	while (input->len < len) {
		ssize_t got = recv(input->fd, input->bytes + input->len, input->size - input->len,
				   MSG_DONTWAIT);
		if (got > 0)
			input->len += (size_t)got;
		else if (got < 0 && errno == EAGAIN) {
			if (!fiber_wait_fd(input->fd, LOOP_READ, input->len ? CTL_STALL_MS : -1))
				return false;
		} else if (got == 0 || errno != EINTR)
			return false;
	}
	return true;
}

/* Makes the input begin with a whole frame, or says that it does not begin with one; false when the
 * connection is at its end. Frames that came already are not waited for. */
static bool read_frame(struct input *input, struct binrpc_header *header,
		       enum binrpc_result *out_result)
{
	for (;;) {
		*out_result = binrpc_header_read(span_make(input->bytes, input->len), header);
		if (*out_result == BINRPC_OK && header->body_len > BINRPC_REQUEST_MAX)
			*out_result = BINRPC_BAD;
		if (*out_result == BINRPC_BAD)
			return true;
		if (*out_result == BINRPC_OK)
			return input_fill(input, header->header_len + (size_t)header->body_len);
		if (!input_fill(input, input->len + 1))
			return false;
	}
}

static bool serve_frame(struct input *input)
{
	struct binrpc_header header = { .cookie_len = 1 };
	enum binrpc_result result;
	struct arena arena;
	if (!read_frame(input, &header, &result))
		return false;
	arena_init(&arena, 64u << 10, ANSWER_MAX);
	size_t whole = result == BINRPC_OK ? header.header_len + (size_t)header.body_len : 0;
	struct span answer =
		result == BINRPC_BAD
			? binrpc_fault(&header, 400, SPAN_OF("bad request: corrupted packet"),
				       &arena)
			: ctl_answer(&header,
				     span_make(input->bytes + header.header_len, header.body_len),
				     &arena);
	bool is_sent = answer.at && send_all(input->fd, answer);
	arena_free(&arena);
	input->len -= whole;
	memmove(input->bytes, input->bytes + whole, input->len);
	return is_sent && result == BINRPC_OK;
}

static void connection_run(void *arg)
{
	struct ctl_connection *connection = arg;
	struct input input = { .fd = connection->fd,
			       .size = FIRST_BUFFER,
			       .bytes = malloc(FIRST_BUFFER) };
	while (input.bytes && serve_frame(&input))
		;
	free(input.bytes);
	close(connection->fd);
	connection->listener = NULL;
	state.count--;
}

static void name_peer(struct ctl_connection *connection, const struct sockaddr_storage *peer,
		      socklen_t len)
{
	int on = 1;
	if (peer->ss_family == AF_UNIX) {
		snprintf(connection->peer_host, sizeof(connection->peer_host),
			 "<anonymous unix socket>");
		connection->peer_port[0] = '\0';
		return;
	}
	getnameinfo((const struct sockaddr *)peer, len, connection->peer_host,
		    sizeof(connection->peer_host), connection->peer_port,
		    sizeof(connection->peer_port), NI_NUMERICHOST | NI_NUMERICSERV);
	setsockopt(connection->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static struct ctl_connection *free_connection(void)
{
	for (unsigned i = 0; i < CTL_CONNECTIONS_MOST; i++)
		if (!state.connections[i].listener)
			return &state.connections[i];
	return NULL;
}

void ctl_on_stream(int fd, unsigned events, void *owner)
{
	const struct ctl_listener *listener = owner;
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage peer = { .ss_family = AF_UNIX };
		socklen_t len = sizeof(peer);
		int client = loop_accept(fd, &peer, &len);
		if (client < 0)
			return;
		struct ctl_connection *connection = free_connection();
		if (!connection) {
			log_warning("%u control connections are open; another one is refused",
				    state.count);
			close(client);
			continue;
		}
		*connection = (struct ctl_connection){ .listener = listener, .fd = client };
		name_peer(connection, &peer, len);
		state.count++;
		if (!fiber_start(connection_run, connection)) {
			close(client);
			connection->listener = NULL;
			state.count--;
		}
	}
}

/* ---- datagrams ------------------------------------------------------------------------------------------- */

struct datagram {
	int fd;
	struct sockaddr_storage peer;
	socklen_t peer_len;
	size_t len;
	char bytes[DATAGRAM_MAX];
};

static void send_datagram(const struct datagram *datagram, const struct binrpc_header *header,
			  struct span answer, struct arena *arena)
{
	for (;;) {
		ssize_t sent =
			sendto(datagram->fd, answer.at, answer.len, MSG_NOSIGNAL | MSG_DONTWAIT,
			       (const struct sockaddr *)&datagram->peer, datagram->peer_len);
		if (sent >= 0)
			return;
		if (errno == EMSGSIZE && answer.len > 512)
			answer = binrpc_fault(
				header, 500,
				SPAN_OF("the answer is too large for a datagram; use a stream socket"),
				arena);
		else if (errno == EAGAIN)
			fiber_sleep_ms(10);
		else if (errno != EINTR) {
			log_warning("an answer cannot be sent: %m");
			return;
		}
	}
}

static void datagram_run(void *arg)
{
	struct datagram *datagram = arg;
	struct binrpc_header header = { .cookie_len = 1 };
	struct span bytes = span_make(datagram->bytes, datagram->len), answer;
	struct arena arena;
	arena_init(&arena, 64u << 10, ANSWER_MAX);
	if (binrpc_header_read(bytes, &header) == BINRPC_OK &&
	    header.header_len + (size_t)header.body_len == bytes.len)
		answer = ctl_answer(&header, span_slice(bytes, header.header_len, bytes.len),
				    &arena);
	else
		answer = binrpc_fault(&header, 400, SPAN_OF("bad request: corrupted packet"),
				      &arena);
	if (answer.at)
		send_datagram(datagram, &header, answer, &arena);
	arena_free(&arena);
	free(datagram);
}

void ctl_on_datagram(int fd, unsigned events, void *owner)
{
	struct datagram *datagram = malloc(sizeof(*datagram));
	if (!datagram)
		return;
	datagram->fd = fd;
	datagram->peer_len = sizeof(datagram->peer);
	ssize_t len = recvfrom(fd, datagram->bytes, sizeof(datagram->bytes), MSG_DONTWAIT,
			       (struct sockaddr *)&datagram->peer, &datagram->peer_len);
	/* An unbound unix client has no name to answer to; what is no frame at all gets no answer, so that
	 * two servers cannot talk to each other for ever. */
	bool is_good = len > 0 && datagram->peer_len > sizeof(sa_family_t) &&
		       (uint8_t)datagram->bytes[0] == 0xA1 &&
		       (len < 2 || (uint8_t)datagram->bytes[1] >> 4 == BINRPC_REQUEST);
	datagram->len = is_good ? (size_t)len : 0;
	if (!is_good || !fiber_start(datagram_run, datagram))
		free(datagram);
}
