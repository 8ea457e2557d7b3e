/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl: the control sockets that kamcmd talks to: binrpc over unix streams and datagrams, UDP and TCP,
 * served by a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/module/module.h"
#include "core/rpc/binrpc.h"

#define SOCKETS_MOST 16
#define CONNECTIONS_MOST 256
#define REQUEST_MOST (64u << 10)
#define CALL_MEMORY (256u << 20)

enum transport_kind { UNIX_STREAM, UNIX_DATAGRAM, UDP_DATAGRAM, TCP_STREAM };

struct control_socket {
	enum transport_kind kind;
	struct span address; /* path, or host:port */
	int fd;
};

struct connection {
	struct connection *next;
	int fd;
	enum transport_kind kind;
	char *out;           /* what the client has not read yet */
	size_t out_len, out_sent;
	size_t in_len;
	char in[REQUEST_MOST];
	char peer[96];
};

/* One call in work; its memory goes with it. */
struct work {
	struct arena arena;
	struct connection *connection; /* streams */
	uint32_t cookie;
	int fd;                        /* datagrams */
	struct sockaddr_storage from;
	socklen_t from_len;
};

static struct {
	int64_t mode, binrpc_max_body_size, binrpc_struct_max_body_size, binrpc_buffer_size, autoconversion;
	struct span user, group;
} settings = { .mode = 0600, .binrpc_max_body_size = 32, .binrpc_struct_max_body_size = 8, .binrpc_buffer_size = 1024 };

static struct {
	struct control_socket sockets[SOCKETS_MOST];
	unsigned socket_count;
	struct connection *connections;
	unsigned connection_count;
} state;

/* ---- settings -------------------------------------------------------------------------------------------- */

static const char *add_socket(struct span text, int64_t number)
{
	static const struct { const char *prefix; enum transport_kind kind; } kinds[] = {
		{ "unixs:", UNIX_STREAM }, { "unixd:", UNIX_DATAGRAM }, { "unix:", UNIX_STREAM }, { "udp:", UDP_DATAGRAM },
		{ "tcp:", TCP_STREAM },
	};
	enum transport_kind kind = UNIX_STREAM;
	(void)number;
	if (!text.len)
		return "expects an address like \"unix:/run/kamailio/kamailio_ctl\" or \"tcp:127.0.0.1:2046\"";
	if (state.socket_count == SOCKETS_MOST)
		return "too many control sockets";
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (span_starts_with_nocase(text, span_from(kinds[i].prefix))) {
			kind = kinds[i].kind;
			text = span_slice(text, strlen(kinds[i].prefix), text.len);
			break;
		}
	if (kind == UNIX_STREAM && span_find(text, '/', 0) == text.len && span_find(text, ':', 0) < text.len)
		kind = UDP_DATAGRAM;
	state.sockets[state.socket_count++] = (struct control_socket){ kind, text, -1 };
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("binrpc", add_socket, "control socket, repeatable: [unix|unixs|unixd|udp|tcp]:address"),
	FIELD(settings, mode, "permissions of unix sockets", .max = 0777),
	FIELD(settings, user, "owner of unix sockets"),
	FIELD(settings, group, "group of unix sockets"),
	FIELD(settings, binrpc_max_body_size, "accepted: replies have any size"),
	FIELD(settings, binrpc_struct_max_body_size, "accepted: structures have any size"),
	FIELD(settings, binrpc_buffer_size, "accepted: texts have any size"),
	FIELD(settings, autoconversion, "accepted: arguments are always converted", .max = 1),
	FIELD_IGNORED("fifo", "the old FIFO protocol is not offered; use jsonrpcs"),
};

/* ---- opening ----------------------------------------------------------------------------------------------- */

static bool unix_address(struct span name, struct sockaddr_un *out_address)
{
	struct span rundir = core_setting_text("rundir");
	*out_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	bool is_absolute = name.len && name.at[0] == '/';
	int len = snprintf(out_address->sun_path, sizeof(out_address->sun_path), "%.*s%s%.*s",
		is_absolute ? 0 : (int)rundir.len, rundir.at ? rundir.at : "", is_absolute ? "" : "/", SPAN_ARGS(name));
	return len > 0 && len < (int)sizeof(out_address->sun_path);
}

static void set_owner(const char *path)
{
	char name[64];
	uid_t user = (uid_t)-1;
	gid_t group = (gid_t)-1;
	uint32_t number;
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(settings.user));
	struct passwd *account = settings.user.len ? getpwnam(name) : NULL;
	if (account)
		user = account->pw_uid;
	else if (span_to_uint32(settings.user, &number))
		user = number;
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(settings.group));
	struct group *found = settings.group.len ? getgrnam(name) : NULL;
	if (found)
		group = found->gr_gid;
	else if (span_to_uint32(settings.group, &number))
		group = number;
	if (chmod(path, (mode_t)settings.mode) < 0 || ((user != (uid_t)-1 || group != (gid_t)-1) && chown(path, user, group) < 0))
		log_warning("cannot set owner and permissions of %s: %m", path);
}

static int open_unix(const struct control_socket *socket_, int type)
{
	struct sockaddr_un address;
	if (!unix_address(socket_->address, &address)) {
		log_error("the path %.*s is too long for a socket", SPAN_ARGS(socket_->address));
		return -1;
	}
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(address.sun_path); /* left by a server that is gone */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		log_error("cannot open the control socket %s: %m", address.sun_path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	set_owner(address.sun_path);
	return fd;
}

static int open_inet(const struct control_socket *socket_, int type)
{
	char host[256] = "", port[16] = "2046";
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_PASSIVE }, *found;
	size_t colon = socket_->address.len;
	for (size_t i = socket_->address.len; i > 0; i--)
		if (socket_->address.at[i - 1] == ':') {
			colon = i - 1;
			break;
		}
	struct span name = span_slice(socket_->address, 0, colon), number = span_slice(socket_->address, colon + 1, 8);
	if (name.len > 2 && name.at[0] == '[')
		name = span_slice(name, 1, name.len - 2);
	snprintf(host, sizeof(host), "%.*s", SPAN_ARGS(name));
	if (number.len)
		snprintf(port, sizeof(port), "%.*s", SPAN_ARGS(number));
	if (getaddrinfo(host[0] && strcmp(host, "*") ? host : NULL, port, &hints, &found) != 0) {
		log_error("cannot resolve the control socket %.*s", SPAN_ARGS(socket_->address));
		return -1;
	}
	int one = 1, fd = socket(found->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0) {
		log_error("cannot open the control socket %.*s: %m", SPAN_ARGS(socket_->address));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void connection_close(struct connection *connection)
{
	for (struct connection **link = &state.connections; *link; link = &(*link)->next)
		if (*link == connection) {
			*link = connection->next;
			break;
		}
	loop_unwatch(connection->fd);
	close(connection->fd);
	free(connection->out);
	free(connection);
	state.connection_count--;
}

static void on_connection(int fd, unsigned events, void *owner);

/* Sends what waits; keeps watching for room when the client is slow. False: the connection is gone. */
static bool connection_flush(struct connection *connection)
{
	while (connection->out_sent < connection->out_len) {
		ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
			connection->out_len - connection->out_sent, MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return loop_watch(connection->fd, LOOP_READ | LOOP_WRITE, on_connection, connection);
		if (sent <= 0) {
			connection_close(connection);
			return false;
		}
		connection->out_sent += (size_t)sent;
	}
	free(connection->out);
	connection->out = NULL;
	connection->out_len = connection->out_sent = 0;
	return loop_watch(connection->fd, LOOP_READ, on_connection, connection);
}

static bool connection_is_open(const struct connection *wanted)
{
	for (const struct connection *c = state.connections; c; c = c->next)
		if (c == wanted)
			return true;
	return false;
}

static void connection_queue(struct connection *connection, struct span bytes)
{
	char *out = realloc(connection->out, connection->out_len + bytes.len);
	if (!out) {
		connection_close(connection);
		return;
	}
	memcpy(out + connection->out_len, bytes.at, bytes.len);
	connection->out = out;
	connection->out_len += bytes.len;
	connection_flush(connection);
}

static void on_answer(struct rpc_call *call, void *owner)
{
	struct work *work = owner;
	struct writer w = writer_in_arena(&work->arena, 4096);
	binrpc_write_reply(&w, call, work->cookie, &work->arena);
	if (w.failed)
		log_error("an answer is too large to send");
	else if (!work->connection)
		sendto(work->fd, w.data, w.len, MSG_DONTWAIT, (struct sockaddr *)&work->from, work->from_len);
	else if (connection_is_open(work->connection)) /* the client may have left meanwhile */
		connection_queue(work->connection, writer_result(&w));
	arena_free(&work->arena);
	free(work);
}

static void call_on_fiber(void *arg)
{
	void **both = arg;
	struct rpc_call *call = both[0];
	rpc_dispatch(call, on_answer, both[1]);
}

/* Runs one packet; false when it is no request. */
static bool run_packet(const struct binrpc_packet *packet, struct work *work)
{
	arena_init(&work->arena, 16u << 10, CALL_MEMORY);
	work->cookie = packet->cookie;
	struct rpc_call *call = packet->type == BINRPC_REQUEST ? binrpc_read_call(&work->arena, packet->body) : NULL;
	void *both[2] = { call, work };
	if (!call || !fiber_start(call_on_fiber, both)) {
		arena_free(&work->arena);
		free(work);
		return false;
	}
	return true;
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static bool take_packets(struct connection *connection)
{
	struct binrpc_packet packet;
	size_t taken = 0;
	for (;;) {
		struct span rest = span_make(connection->in + taken, connection->in_len - taken);
		enum binrpc_result result = binrpc_packet(rest, REQUEST_MOST - 16, &packet);
		if (result == BINRPC_BAD)
			return false;
		if (result == BINRPC_MORE)
			break;
		struct work *work = calloc(1, sizeof(*work));
		if (!work)
			return false;
		work->connection = connection;
		taken += packet.len;
		if (!run_packet(&packet, work))
			return false;
		if (!connection_is_open(connection))
			return true;
	}
	memmove(connection->in, connection->in + taken, connection->in_len - taken);
	connection->in_len -= taken;
	return true;
}

static void on_connection(int fd, unsigned events, void *owner)
{
	struct connection *connection = owner;
	if ((events & LOOP_WRITE) && connection->out && !connection_flush(connection))
		return;
	if (!(events & LOOP_READ))
		return;
	ssize_t got = recv(fd, connection->in + connection->in_len, sizeof(connection->in) - connection->in_len, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		connection->in_len += (size_t)got;
	if (got <= 0 || (!take_packets(connection) && connection_is_open(connection)))
		connection_close(connection);
}

static void on_connect(int fd, unsigned events, void *owner)
{
	const struct control_socket *socket_ = owner;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0)
		return;
	struct connection *connection = state.connection_count < CONNECTIONS_MOST ? calloc(1, sizeof(*connection)) : NULL;
	if (!connection || !loop_watch(client, LOOP_READ, on_connection, connection)) {
		log_warning("a control connection is refused: %u are open", state.connection_count);
		free(connection);
		close(client);
		return;
	}
	connection->fd = client;
	connection->kind = socket_->kind;
	connection->next = state.connections;
	state.connections = connection;
	state.connection_count++;
}

/* ---- datagrams ------------------------------------------------------------------------------------------------------ */

static void on_datagram(int fd, unsigned events, void *owner)
{
	static char bytes[REQUEST_MOST];
	struct binrpc_packet packet;
	struct work *work = calloc(1, sizeof(*work));
	if (!work)
		return;
	work->fd = fd;
	work->from_len = sizeof(work->from);
	ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&work->from, &work->from_len);
	if (got <= 0 || binrpc_packet(span_make(bytes, (size_t)got), REQUEST_MOST, &packet) != BINRPC_OK) {
		free(work);
		return;
	}
	run_packet(&packet, work);
}

static bool socket_start(struct control_socket *socket_)
{
	bool is_stream = socket_->kind == UNIX_STREAM || socket_->kind == TCP_STREAM;
	int type = is_stream ? SOCK_STREAM : SOCK_DGRAM;
	bool is_unix = socket_->kind == UNIX_STREAM || socket_->kind == UNIX_DATAGRAM;
	socket_->fd = is_unix ? open_unix(socket_, type) : open_inet(socket_, type);
	if (socket_->fd < 0)
		return false;
	if (is_stream && listen(socket_->fd, 64) < 0)
		return false;
	return loop_watch(socket_->fd, LOOP_READ, is_stream ? on_connect : on_datagram, socket_);
}

static bool role_start(void)
{
	for (unsigned i = 0; i < state.socket_count; i++)
		socket_start(&state.sockets[i]); /* told when it fails; SIP goes on without it */
	return true;
}

static bool prepare(struct diagnostics *diagnostics)
{
	if (state.socket_count == 0)
		add_socket(SPAN_OF("unix:kamailio_ctl"), 0);
	return true;
}

/* ---- commands -------------------------------------------------------------------------------------------------------- */

static const char *const protocol_names[] = { "unixs", "unixd", "udp", "tcp" };

static void run_listen(struct rpc_call *call)
{
	for (unsigned i = 0; i < state.socket_count; i++) {
		struct sockaddr_un address;
		bool is_unix = state.sockets[i].kind <= UNIX_DATAGRAM && unix_address(state.sockets[i].address, &address);
		rpc_add_text(call, NULL, NULL, SPAN_OF("binrpc"));
		rpc_add_text(call, NULL, NULL, span_from(protocol_names[state.sockets[i].kind]));
		rpc_add_text(call, NULL, NULL, is_unix ? span_from(address.sun_path) : state.sockets[i].address);
		rpc_add_text(call, NULL, NULL, SPAN_OF(""));
	}
}

static void run_connections(struct rpc_call *call)
{
	rpc_add_int(call, NULL, NULL, state.connection_count);
}

static void run_who(struct rpc_call *call)
{
	for (const struct connection *c = state.connections; c; c = c->next) {
		rpc_add_text(call, NULL, NULL, SPAN_OF("binrpc"));
		rpc_add_text(call, NULL, NULL, span_from(protocol_names[c->kind]));
		rpc_add_text(call, NULL, NULL, SPAN_OF("<anonymous unix socket>"));
		rpc_add_text(call, NULL, NULL, SPAN_OF(""));
		rpc_add_text(call, NULL, NULL, SPAN_OF(""));
	}
}

static const struct rpc_command commands[] = {
	{ "ctl.listen", run_listen, "Lists the control sockets.", NULL, true },
	{ "ctl.connections", run_connections, "Counts the open control connections." },
	{ "ctl.who", run_who, "Lists the open control connections.", NULL, true },
};
static const struct module_role roles[] = { { "ctl handler", NULL, role_start } };

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "ctl",
	.doc = "Control sockets for kamcmd.",
	.settings = { &settings, FIELDS(setting_fields) },
	.commands = ROWS(commands),
	.roles = ROWS(roles),
	.prepare = prepare,
};
