/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests over TCP: documents follow each other, each answer ends with a line end. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "modules/jsonrpcs/jsonrpcs.h"

#define CONNECTIONS_MOST 256
#define READ_SIZE        4096

static struct {
	int fd;
	unsigned count;
} state = { .fd = -1 };

void jsonrpcs_stream_open(void)
{
	struct span text = jsonrpcs_settings->tcp_socket;
	struct end_point end = { 0 };
	struct sockaddr_storage address;
	int on = 1;
	if (text.len == 0)
		return;
	if (!end_point_parse(text, &end)) {
		log_error("tcp_socket \"%.*s\": expected tcp:IP:PORT", SPAN_ARGS(text));
		return;
	}
	socklen_t len = end_point_to_sockaddr(&end, &address);
	state.fd = socket(end.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (state.fd >= 0)
		setsockopt(state.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (state.fd >= 0 && bind(state.fd, (struct sockaddr *)&address, len) == 0 &&
	    listen(state.fd, 64) == 0)
		return;
	log_error("cannot listen on %.*s: %m", SPAN_ARGS(text));
	if (state.fd >= 0)
		close(state.fd);
	state.fd = -1;
}

static bool send_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t sent = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent > 0)
			bytes = span_slice(bytes, (size_t)sent, bytes.len);
		else if (sent < 0 && errno == EAGAIN) {
			if (!fiber_wait_fd(fd, LOOP_WRITE, JSONRPCS_STALL_MS))
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

static bool input_read(struct input *input)
{
	if (input->len == input->size) {
		size_t size = input->size ? input->size * 2 : READ_SIZE;
		char *bytes = size <= JSONRPCS_REQUEST_MAX ? realloc(input->bytes, size) : NULL;
		if (!bytes)
			return false;
		input->bytes = bytes;
		input->size = size;
	}
	for (;;) {
		ssize_t got = recv(input->fd, input->bytes + input->len, input->size - input->len,
				   MSG_DONTWAIT);
		if (got > 0) {
			input->len += (size_t)got;
			return true;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
		if (errno == EAGAIN && !fiber_wait_fd(input->fd, LOOP_READ, -1))
			return false;
	}
}

static bool answer(int fd, struct span text)
{
	static const char wrong[] =
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"Parse error\"},\"id\":null}";
	struct span reply_name, body;
	struct arena arena;
	bool is_good = jsonrpcs_run(text, &arena, &reply_name, &body);
	bool is_sent =
		send_all(fd, is_good ? body : span_from(wrong)) && send_all(fd, SPAN_OF("\n"));
	arena_free(&arena);
	return is_good && is_sent;
}

static void connection_run(void *arg)
{
	struct input input = { .fd = (int)(intptr_t)arg };
	bool is_open = true;
	while (is_open) {
		size_t len = input.len;
		switch (json_extent(span_make(input.bytes, input.len), &len)) {
		case JSON_MORE: is_open = input_read(&input); break;
		case JSON_GARBAGE: is_open = answer(input.fd, SPAN_OF("?")) && false; break;
		case JSON_WHOLE:
			is_open = answer(input.fd, span_make(input.bytes, len));
			input.len -= len;
			memmove(input.bytes, input.bytes + len, input.len);
			break;
		}
	}
	free(input.bytes);
	close(input.fd);
	state.count--;
}

static void on_connect(int fd, unsigned events, void *owner)
{
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	if (client < 0)
		return;
	setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (state.count == CONNECTIONS_MOST) {
		log_warning("%u connections are open; another one is refused", state.count);
		close(client);
		return;
	}
	state.count++;
	if (!fiber_start(connection_run, (void *)(intptr_t)client)) {
		state.count--;
		close(client);
	}
}

bool jsonrpcs_stream_serve(void)
{
	return state.fd < 0 || loop_watch(state.fd, LOOP_READ, on_connect, NULL);
}
