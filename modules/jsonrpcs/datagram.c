/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests in datagrams, answered to the address that they came from. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "modules/jsonrpcs/jsonrpcs.h"

#define DATAGRAM_MAX  65536
#define SEND_PAUSE_MS 10

static struct {
	int fd;
	struct sockaddr_un path; /* family 0: no unix socket of ours */
	char bytes[DATAGRAM_MAX];
} state = { .fd = -1 };

static bool open_path(struct span name)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct stat info;
	int size = 1 << 20;
	if (!jsonrpcs_path(name, path.sun_path, sizeof(path.sun_path))) {
		log_error("the path of the socket is too long: %.*s", SPAN_ARGS(name));
		return false;
	}
	if (lstat(path.sun_path, &info) == 0 && S_ISSOCK(info.st_mode))
		unlink(path.sun_path); /* left by a server that is gone */
	state.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0177);
	bool is_bound =
		state.fd >= 0 && bind(state.fd, (struct sockaddr *)&path, sizeof(path)) == 0;
	umask(mask);
	if (!is_bound) {
		log_error("cannot make the socket %s: %m", path.sun_path);
		return false;
	}
	/* Long listings are one datagram. */
	setsockopt(state.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	state.path = path;
	jsonrpcs_set_access(path.sun_path, &jsonrpcs_settings->dgram);
	return true;
}

static bool open_udp(struct span text)
{
	struct end_point end = { 0 };
	struct sockaddr_storage address;
	if (!end_point_parse(text, &end)) {
		log_error("dgram_socket \"%.*s\": expected udp:IP:PORT or a path", SPAN_ARGS(text));
		return false;
	}
	socklen_t len = end_point_to_sockaddr(&end, &address);
	state.fd = socket(end.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (state.fd >= 0 && bind(state.fd, (struct sockaddr *)&address, len) == 0)
		return true;
	log_error("cannot listen on %.*s: %m", SPAN_ARGS(text));
	return false;
}

void jsonrpcs_datagram_open(void)
{
	struct span name = jsonrpcs_settings->dgram_socket;
	if (name.len == 0)
		return;
	bool is_udp = span_starts_with_nocase(name, SPAN_OF("udp:"));
	if (!(is_udp ? open_udp(name) : open_path(name)))
		jsonrpcs_datagram_close();
}

void jsonrpcs_datagram_close(void)
{
	if (state.fd >= 0)
		close(state.fd);
	state.fd = -1;
	if (state.path.sun_family)
		unlink(state.path.sun_path);
	state.path.sun_family = 0;
}

/* ---- requests --------------------------------------------------------------------------------------------- */

struct request {
	struct sockaddr_storage peer;
	socklen_t peer_len;
	size_t len;
	char bytes[];
};

/* A client that does not read is waited for, up to dgram_timeout. */
static void send_answer(const struct request *request, struct span body)
{
	for (int64_t waited = 0;; waited += SEND_PAUSE_MS) {
		if (sendto(state.fd, body.at, body.len, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (const struct sockaddr *)&request->peer, request->peer_len) >= 0)
			return;
		if ((errno != EAGAIN && errno != EINTR) ||
		    waited >= jsonrpcs_settings->dgram_timeout) {
			log_error("cannot send an answer of %zu bytes: %m", body.len);
			return;
		}
		fiber_sleep_ms(SEND_PAUSE_MS);
	}
}

static void request_run(void *arg)
{
	struct request *request = arg;
	struct span reply_name, body;
	struct arena arena;
	/* What is no JSON gets no answer. An unbound unix client has no name to answer to. */
	if (jsonrpcs_run(span_make(request->bytes, request->len), &arena, &reply_name, &body) &&
	    request->peer_len > sizeof(sa_family_t))
		send_answer(request, body);
	arena_free(&arena);
	free(request);
}

static void on_datagram(int fd, unsigned events, void *owner)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);
	ssize_t len = recvfrom(fd, state.bytes, sizeof(state.bytes), MSG_DONTWAIT,
			       (struct sockaddr *)&peer, &peer_len);
	struct request *request = len > 0 ? malloc(sizeof(*request) + (size_t)len) : NULL;
	if (!request)
		return;
	*request = (struct request){ .peer = peer, .peer_len = peer_len, .len = (size_t)len };
	memcpy(request->bytes, state.bytes, (size_t)len);
	if (!fiber_start(request_run, request))
		free(request);
}

bool jsonrpcs_datagram_serve(void)
{
	return state.fd < 0 || loop_watch(state.fd, LOOP_READ, on_datagram, NULL);
}
