/* SPDX-License-Identifier: BSD-2-Clause */
/* Control sockets: what an address means and how it is opened. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/net/names.h"
#include "modules/ctl/ctl.h"

#define DEFAULT_PORT   2049
#define BACKLOG        256
#define ADDRESSES_MOST 8 /* of one host name */

static const struct {
	const char *prefix;
	enum ctl_transport transport;
} prefixes[] = {
	{ "unix", CTL_UNIX_STREAM }, { "unixs", CTL_UNIX_STREAM }, { "unixd", CTL_UNIX_DGRAM },
	{ "udp", CTL_UDP },          { "tcp", CTL_TCP },
};

const char *ctl_transport_name(enum ctl_transport transport)
{
	static const char *const names[] = { "unix_stream", "unix_dgram", "udp", "tcp" };
	return names[transport];
}

/* ---- addresses ---------------------------------------------------------------------------------------- */

static const char *parse_path(struct span name, struct ctl_listener *listener)
{
	struct span directory = core_setting_text("rundir");
	struct sockaddr_un *path = &listener->path;
	path->sun_family = AF_UNIX;
	int len = name.at[0] == '/' ? snprintf(path->sun_path, sizeof(path->sun_path), "%.*s",
					       SPAN_ARGS(name))
				    : snprintf(path->sun_path, sizeof(path->sun_path), "%.*s/%.*s",
					       SPAN_ARGS(directory), SPAN_ARGS(name));
	if (len >= (int)sizeof(path->sun_path))
		return "the path of a unix socket has at most 107 characters";
	return NULL;
}

/* host[:port] with IPv6 addresses in brackets; "*" is every address. */
static const char *parse_host(struct span name, struct ctl_listener *listener)
{
	size_t from = name.len && name.at[0] == '[' ? span_find(name, ']', 0) : 0;
	size_t colon = span_find(name, ':', from);
	struct span port = span_slice(name, colon + 1, name.len);
	uint32_t number = DEFAULT_PORT;
	if (colon < name.len && (!span_to_uint32(port, &number) || number > UINT16_MAX))
		return "expects proto:host:port, and this port is no number up to 65535";
	listener->host = span_slice(name, 0, colon);
	if (listener->host.len > 2 && listener->host.at[0] == '[')
		listener->host = span_slice(listener->host, 1, listener->host.len - 2);
	listener->port = (uint16_t)number;
	return listener->host.len ? NULL : "expects proto:host:port, and the host is missing";
}

const char *ctl_listener_parse(struct span text, struct ctl_listener *out_listener)
{
	struct ctl_listener listener = { .text = text, .fd = -1 };
	struct span name = text;
	size_t colon = span_find(text, ':', 0);
	listener.transport = memchr(text.at, '/', text.len) ? CTL_UNIX_STREAM : CTL_UDP;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes) && colon < text.len; i++)
		if (span_equal(span_slice(text, 0, colon), span_from(prefixes[i].prefix))) {
			listener.transport = prefixes[i].transport;
			name = span_slice(text, colon + 1, text.len);
			break;
		}
	if (name.len == 0)
		return "expects proto:name with proto unix, unixs, unixd, udp or tcp";
	bool is_path =
		listener.transport == CTL_UNIX_STREAM || listener.transport == CTL_UNIX_DGRAM;
	const char *error = is_path ? parse_path(name, &listener) : parse_host(name, &listener);
	if (!error)
		*out_listener = listener;
	return error;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

/* A socket that a dead server left is removed; one that somebody answers on is not ours. */
static bool remove_stale(const struct ctl_listener *listener)
{
	const char *path = listener->path.sun_path;
	struct stat info;
	if (lstat(path, &info) < 0)
		return true;
	if (!S_ISSOCK(info.st_mode)) {
		log_error("%s is in the way and no socket", path);
		return false;
	}
	int type = listener->transport == CTL_UNIX_STREAM ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_used = fd >= 0 && connect(fd, (const struct sockaddr *)&listener->path,
					  sizeof(listener->path)) == 0;
	if (fd >= 0)
		close(fd);
	if (is_used)
		log_error("another server listens on %s", path);
	return !is_used && (unlink(path) == 0 || errno == ENOENT);
}

static bool open_path(struct ctl_listener *listener, const struct ctl_access *access)
{
	const char *path = listener->path.sun_path;
	if (!remove_stale(listener))
		return false;
	int type = listener->transport == CTL_UNIX_STREAM ? SOCK_STREAM : SOCK_DGRAM;
	listener->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody else may connect in the moment before chmod. */
	mode_t mask = umask(0177);
	bool is_bound =
		listener->fd >= 0 && bind(listener->fd, (const struct sockaddr *)&listener->path,
					  sizeof(listener->path)) == 0;
	umask(mask);
	if (!is_bound) {
		log_error("cannot make the control socket %s: %m", path);
		return false;
	}
	listener->is_made = true;
	if ((access->user != (uid_t)-1 || access->group != (gid_t)-1) &&
	    chown(path, access->user, access->group) < 0)
		log_warning("cannot give %s to the configured user and group: %m", path);
	if (chmod(path, (mode_t)access->mode) < 0)
		log_warning("cannot set the mode of %s: %m", path);
	listener->shown_host = span_from(path);
	listener->shown_port = SPAN_OF("");
	return true;
}

static bool bind_first(struct ctl_listener *listener, struct end_point *addresses, unsigned count)
{
	int on = 1, type = listener->transport == CTL_TCP ? SOCK_STREAM : SOCK_DGRAM;
	for (unsigned i = 0; i < count; i++) {
		struct sockaddr_storage address;
		int fd = socket(addresses[i].family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		addresses[i].port = listener->port;
		socklen_t len = end_point_to_sockaddr(&addresses[i], &address);
		if (bind(fd, (struct sockaddr *)&address, len) == 0) {
			listener->fd = fd;
			return true;
		}
		close(fd);
	}
	return false;
}

static bool open_host(struct ctl_listener *listener)
{
	struct end_point found[ADDRESSES_MOST] = { { .family = AF_INET } };
	bool is_any = span_equal(listener->host, SPAN_OF("*"));
	unsigned count = is_any ? 1 : name_addresses(listener->host, found, ADDRESSES_MOST);
	bool is_open = bind_first(listener, found, count);
	if (!count)
		log_error("control address %.*s: no such host", SPAN_ARGS(listener->text));
	else if (!is_open)
		log_error("cannot listen on control address %.*s: %m", SPAN_ARGS(listener->text));
	listener->shown_host = listener->host;
	listener->shown_port = arena_printf(startup_arena(), "%u", listener->port);
	return is_open;
}

bool ctl_listener_open(struct ctl_listener *listener, const struct ctl_access *access)
{
	bool is_path =
		listener->transport == CTL_UNIX_STREAM || listener->transport == CTL_UNIX_DGRAM;
	if (!(is_path ? open_path(listener, access) : open_host(listener)))
		return false;
	if (ctl_transport_is_stream(listener->transport) && listen(listener->fd, BACKLOG) < 0) {
		log_error("cannot listen on control address %.*s: %m", SPAN_ARGS(listener->text));
		return false;
	}
	return true;
}

void ctl_listener_close(struct ctl_listener *listener)
{
	if (listener->fd < 0)
		return;
	close(listener->fd);
	listener->fd = -1;
	if (listener->is_made)
		unlink(listener->path.sun_path);
}
