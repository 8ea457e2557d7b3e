/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP: listening, accepting, connecting, options of sockets. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/transport/connection.h"

#define ACCEPT_BATCH       8
#define EXHAUSTED_PAUSE_MS 100 /* before accepting is tried again without descriptors */

/* ---- the plain layer ---- */
static ssize_t plain_read(struct connection *connection, void *bytes, size_t len)
{
	return recv(connection_fd(connection), bytes, len, 0);
}

static ssize_t plain_write(struct connection *connection, const void *bytes, size_t len)
{
	return send(connection_fd(connection), bytes, len, MSG_NOSIGNAL);
}

const struct stream_layer tcp_layer = { .read = plain_read, .write = plain_write };

/* ---- options ---- */
static void set_option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_if_given(int fd, int name, int64_t value)
{
	if (value > 0)
		set_option(fd, IPPROTO_TCP, name, (int)value);
}

/* Options that cost a worker nothing when the system refuses them. */
static void set_options(int fd)
{
	const struct stream_settings *settings = stream_process()->settings;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, settings->keepalive);
	set_if_given(fd, TCP_KEEPCNT, settings->keepcnt);
	set_if_given(fd, TCP_KEEPIDLE, settings->keepidle);
	set_if_given(fd, TCP_KEEPINTVL, settings->keepintvl);
	set_if_given(fd, TCP_LINGER2, settings->linger2);
	set_if_given(fd, TCP_SYNCNT, settings->syncnt);
	if (!settings->delayed_ack)
		set_option(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

bool stream_set_keepalive(uint32_t id, bool is_on, int idle_s, int count, int interval_s)
{
	const struct connection *connection = connection_find(id);
	if (!connection)
		return false;
	set_option(connection->fd, SOL_SOCKET, SO_KEEPALIVE, is_on);
	if (is_on) {
		set_if_given(connection->fd, TCP_KEEPIDLE, idle_s);
		set_if_given(connection->fd, TCP_KEEPCNT, count);
		set_if_given(connection->fd, TCP_KEEPINTVL, interval_s);
	}
	return true;
}

/* ---- listening ---- */
bool stream_listen(struct listener *listener)
{
	const struct stream_settings *settings = stream_process()->settings;
	struct sockaddr_storage address;
	socklen_t len = end_point_to_sockaddr(&listener->address, &address);
	int fd = socket(listener->address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (settings->reuse_port)
		set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (listener->address.family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	set_if_given(fd, TCP_DEFER_ACCEPT, settings->defer_accept);
	if (bind(fd, (struct sockaddr *)&address, len) < 0 ||
	    listen(fd, (int)settings->listen_backlog) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return false;
	}
	listener->fd = fd;
	return true;
}

/* ---- accepting ---- */
static void on_acceptable(int fd, unsigned events, void *owner);

static void accept_again(struct loop_timer *timer)
{
	const struct listener *listener = timer->owner;
	if (!loop_watch_shared(listener->fd, on_acceptable, (void *)(uintptr_t)listener))
		loop_timer_start(timer, EXHAUSTED_PAUSE_MS, 0, accept_again, timer->owner);
}

/* Out of descriptors: what waits stays in the kernel's queue, and the loop must not spin on it. */
static void accept_later(const struct listener *listener)
{
	static struct loop_timer timers[16];
	struct loop_timer *timer = &timers[listener->index % ARRAY_SIZE(timers)];
	log_error("cannot accept connections on %.*s: %m; trying again (see open_files_limit)",
		  SPAN_ARGS(listener->text));
	if (timer->run && timer->heap_index >= 0)
		return; /* another listener waits already; ours is asked again at the next event */
	loop_unwatch(listener->fd);
	timer->heap_index = -1;
	loop_timer_start(timer, EXHAUSTED_PAUSE_MS, 0, accept_again, (void *)(uintptr_t)listener);
}

static bool is_exhaustion(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_acceptable(int fd, unsigned events, void *owner)
{
	const struct listener *listener = owner;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage address;
		socklen_t len = sizeof(address);
		struct end_point peer;
		int accepted = accept4(fd, (struct sockaddr *)&address, &len,
				       SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (accepted < 0) {
			if (is_exhaustion(errno))
				accept_later(listener);
			return;
		}
		end_point_from_sockaddr(&address, (enum transport)listener->address.transport,
					&peer);
		set_options(accepted);
		struct connection *connection = connection_new(accepted, &peer, listener, false);
		if (connection)
			connection_opened(connection);
	}
}

bool tcp_accept_start(const struct listener *listener)
{
	return loop_watch_shared(listener->fd, on_acceptable, (void *)(uintptr_t)listener);
}

/* ---- connecting ---- */
/* The address that a new connection comes from: as configured, else that of the listener. */
static struct end_point source_address(const struct listener *from)
{
	const struct stream_settings *settings = stream_process()->settings;
	struct end_point source = from->address;
	struct span configured =
		source.family == AF_INET ? settings->source_ipv4 : settings->source_ipv6;
	struct end_point given = source;
	if (configured.len && end_point_parse_ip(configured, &given) &&
	    given.family == source.family)
		source = given;
	if (!settings->reuse_port)
		source.port = 0;
	return source;
}

static bool bind_source(int fd, const struct listener *from)
{
	struct end_point source = source_address(from);
	struct sockaddr_storage address;
	socklen_t len = end_point_to_sockaddr(&source, &address);
	if (source.port) {
		set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	} else {
		/* The port is chosen by connect, which may take one that leads elsewhere too. */
		set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	}
	return bind(fd, (struct sockaddr *)&address, len) == 0;
}

struct connection *tcp_connect(const struct end_point *to, const struct listener *from)
{
	struct sockaddr_storage address;
	socklen_t len = end_point_to_sockaddr(to, &address);
	int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	set_options(fd);
	if (!bind_source(fd, from) ||
	    (connect(fd, (struct sockaddr *)&address, len) < 0 && errno != EINPROGRESS)) {
		int error = errno;
		counter_inc(stream_process()->counters.connect_failed);
		close(fd);
		errno = error;
		return NULL;
	}
	struct connection *connection = connection_new(fd, to, from, true);
	if (!connection) {
		errno = EAGAIN;
		return NULL;
	}
	connection_watch(connection);
	connection_schedule(connection);
	return connection->phase == CONNECTION_CLOSED ? NULL : connection;
}
