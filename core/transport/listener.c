/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of local addresses: filled by the configuration, opened by the supervisor, then
 * constant. Also knows which host names are ours (`myself`). */
#include "core/transport/listener.h"

#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/transport/proxied.h"
#include "core/transport/stream.h"

#define LISTENERS_MOST 256
#define ALIASES_MOST   1024
#define CHECKS_MOST    8
#define RECEIVE_BUFFER (4 << 20)
#define BIND_TRIES     50 /* 10 ms apart */

struct alias {
	struct span host;
	uint16_t port;
	enum transport transport;
	struct span text;
};

static struct {
	struct listener listeners[LISTENERS_MOST];
	unsigned count;
	struct alias aliases[ALIASES_MOST];
	unsigned alias_count;
	myself_check checks[CHECKS_MOST];
	unsigned check_count;
	struct arena arena; /* texts; lives as long as the process */
	struct socket_options options;
	struct {
		int fd;
		pid_t owner;
	} probes[2]; /* of this process, for the routes: IPv4, IPv6 */
} table;

static struct arena *texts(void)
{
	if (!table.arena.limit)
		arena_init(&table.arena, 4096, 16u << 20);
	return &table.arena;
}

unsigned listener_count(void)
{
	return table.count;
}

const struct listener *listener_at(unsigned index)
{
	return &table.listeners[index];
}

static bool matches(const struct listener *listener, const struct end_point *address)
{
	return end_point_same_ip(&listener->address, address) &&
	       (address->port == 0 || address->port == listener->address.port) &&
	       (address->transport == TRANSPORT_NONE ||
		address->transport == listener->address.transport);
}

const struct listener *listener_find(const struct end_point *address)
{
	for (unsigned i = 0; i < table.count; i++)
		if (matches(&table.listeners[i], address))
			return &table.listeners[i];
	return NULL;
}

const struct listener *listener_by_name(struct span name)
{
	for (unsigned i = 0; i < table.count; i++)
		if (name.len && span_equal(table.listeners[i].name, name))
			return &table.listeners[i];
	return NULL;
}

/* A loopback socket cannot reach the world and the world's sockets should not speak to loopback
 * peers, unless there is no other. */
static bool is_loopback(const struct end_point *end)
{
	static const uint8_t v6[16] = { [15] = 1 };
	return end->family == AF_INET ? end->ip[0] == 127 : memcmp(end->ip, v6, 16) == 0;
}

/* The address that the system would send from, by connecting a datagram socket, which sends nothing. */
static bool find_source(const struct end_point *destination, struct end_point *out_source)
{
	bool is_ipv6 = destination->family == AF_INET6;
	struct sockaddr_storage address;
	if (table.probes[is_ipv6].owner != getpid()) {
		table.probes[is_ipv6].fd =
			socket(destination->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		table.probes[is_ipv6].owner = getpid();
	}
	int fd = table.probes[is_ipv6].fd;
	socklen_t len = end_point_to_sockaddr(destination, &address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) < 0)
		return false;
	len = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return false;
	end_point_from_sockaddr(&address, (enum transport)destination->transport, out_source);
	out_source->port = 0;
	/* A connected socket keeps its source address for later routes; this lets go of it. */
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	return connect(fd, &nothing, sizeof(nothing)) == 0;
}

static const struct listener *listener_by_route(const struct end_point *destination)
{
	struct end_point source;
	if (!table.options.multihomed || !find_source(destination, &source))
		return NULL;
	const struct listener *found = listener_find(&source);
	return found && !found->is_virtual ? found : NULL;
}

const struct listener *listener_towards(const struct listener *received,
					const struct end_point *destination)
{
	if (received && !table.options.multihomed &&
	    received->address.family == destination->family &&
	    received->address.transport == destination->transport)
		return received;
	return listener_for(destination);
}

int listener_failure(const struct end_point *destination)
{
	for (unsigned i = 0; i < listener_count(); i++)
		if (listener_at(i)->address.family == destination->family)
			return 7;
	return 478;
}

const struct listener *listener_for(const struct end_point *destination)
{
	const struct listener *second_best = proxied_listener(destination);
	if (!second_best)
		second_best = listener_by_route(destination);
	if (second_best)
		return second_best;
	for (unsigned i = 0; i < table.count; i++) {
		const struct listener *listener = &table.listeners[i];
		if (listener->address.family != destination->family ||
		    listener->address.transport != destination->transport || listener->is_virtual)
			continue;
		if (is_loopback(&listener->address) == is_loopback(destination))
			return listener;
		if (!second_best)
			second_best = listener;
	}
	return second_best;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static struct span write_bound_host(const struct listener *listener)
{
	struct writer w = writer_in_arena(texts(), 64);
	end_point_write_host(&w, &listener->address);
	return writer_result(&w);
}

/* Texts that every message needs; done again when port 0 became a real one. */
static bool listener_compute(struct listener *listener)
{
	uint16_t port =
		listener->advertised_port ? listener->advertised_port : listener->address.port;
	listener->bound_host = write_bound_host(listener);
	listener->host =
		listener->advertised_host.len ? listener->advertised_host : listener->bound_host;
	listener->host_port = arena_printf(texts(), "%.*s:%u", SPAN_ARGS(listener->host), port);
	struct span via = arena_printf(texts(), "SIP/2.0/%s %.*s;branch=z",
				       transport_name((enum transport)listener->address.transport),
				       SPAN_ARGS(listener->host_port));
	listener->via_prefix = span_slice(via, 0, via.len - 1);
	if (via.at && !via_parse(via, &listener->via))
		listener->via.whole.at = NULL; /* what is advertised is no host */
	struct writer w = writer_in_arena(texts(), END_POINT_TEXT_MAX);
	end_point_write(&w, &listener->address);
	listener->text = writer_result(&w);
	return !w.failed && via.at;
}

struct listener *listener_add(const struct end_point *address, struct span name,
			      struct span advertised_host, uint16_t advertised_port,
			      const char **out_error)
{
	if (table.count == LISTENERS_MOST) {
		*out_error = "too many listen addresses";
		return NULL;
	}
	if (address->family != AF_INET && address->family != AF_INET6) {
		*out_error = "not an IP address";
		return NULL;
	}
	const struct listener *same = address->port ? listener_find(address) : NULL;
	if (same && same->address.port)
		return &table.listeners[same->index]; /* given twice: one socket serves both */
	struct listener *listener = &table.listeners[table.count];
	*listener = (struct listener){ .address = *address,
				       .index = table.count,
				       .fd = -1,
				       .name = arena_copy(texts(), name),
				       .advertised_host = arena_copy(texts(), advertised_host),
				       .advertised_port = advertised_port };
	if (!listener_compute(listener)) {
		*out_error = "out of memory";
		return NULL;
	}
	table.count++;
	return listener;
}

unsigned listeners_add_interface(struct span interface, enum transport transport, uint16_t port)
{
	struct ifaddrs *all;
	unsigned added = 0;
	if (getifaddrs(&all) < 0)
		return 0;
	for (struct ifaddrs *one = all; one; one = one->ifa_next) {
		if (!one->ifa_addr || !(one->ifa_flags & IFF_UP))
			continue;
		bool is_named = interface.len > 0;
		if (is_named ? !span_equal(interface, span_from(one->ifa_name))
			     : one->ifa_addr->sa_family != AF_INET)
			continue;
		if (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6)
			continue;
		struct sockaddr_storage storage = { 0 };
		memcpy(&storage, one->ifa_addr,
		       one->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							   : sizeof(struct sockaddr_in6));
		struct end_point address;
		const char *error;
		end_point_from_sockaddr(&storage, transport, &address);
		address.port = port;
		if (listener_add(&address, (struct span){ NULL, 0 }, (struct span){ NULL, 0 }, 0,
				 &error))
			added++;
	}
	freeifaddrs(all);
	return added;
}

void listeners_mark_any(unsigned first)
{
	for (unsigned i = first; i < table.count; i++)
		table.listeners[i].any_transport = true;
}

void listeners_add_streams(void)
{
	unsigned count = table.count;
	for (unsigned i = 0; i < count; i++) {
		const struct listener *udp = &table.listeners[i];
		struct end_point address = udp->address;
		const char *error;
		address.transport = TRANSPORT_TCP;
		if (!udp->any_transport || udp->address.transport != TRANSPORT_UDP)
			continue;
		struct listener *tcp = listener_add(&address, udp->name, udp->advertised_host,
						    udp->advertised_port, &error);
		if (tcp)
			tcp->is_virtual = udp->is_virtual;
	}
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* The inode of the socket bound to `address`, from /proc/net; 0 when not found. */
static unsigned long bound_inode(const struct end_point *address)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/net/%s%s",
		 address->transport == TRANSPORT_UDP ? "udp" : "tcp",
		 address->family == AF_INET ? "" : "6");
	FILE *file = fopen(path, "re");
	char line[512];
	unsigned long inode = 0;
	while (file && !inode && fgets(line, sizeof(line), file)) {
		char local[40];
		unsigned port;
		unsigned long found;
		if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %lu", local,
			   &port, &found) == 3 &&
		    port == address->port)
			inode = found;
	}
	if (file)
		fclose(file);
	return inode;
}

static bool process_owns(const char *pid, unsigned long inode)
{
	char path[300], link[64], wanted[64];
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	DIR *folder = opendir(path);
	bool owns = false;
	for (struct dirent *entry; folder && !owns && (entry = readdir(folder));) {
		if ((size_t)snprintf(path, sizeof(path), "/proc/%s/fd/%.20s", pid, entry->d_name) >=
		    sizeof(path))
			continue;
		ssize_t len = readlink(path, link, sizeof(link) - 1);
		if (len > 0) {
			link[len] = '\0';
			owns = strcmp(link, wanted) == 0;
		}
	}
	if (folder)
		closedir(folder);
	return owns;
}

/* Writes "NAME (pid N)" of the process that has the address; empty when nobody can be told. */
static void find_owner(const struct end_point *address, char *out_owner, size_t size)
{
	*out_owner = '\0';
	unsigned long inode = bound_inode(address);
	DIR *proc = inode ? opendir("/proc") : NULL;
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		if (!ascii_is_digit(entry->d_name[0]) || !process_owns(entry->d_name, inode))
			continue;
		char path[300], name[64] = "another process";
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		FILE *comm = fopen(path, "re");
		if (comm) {
			if (fgets(name, sizeof(name), comm))
				name[strcspn(name, "\n")] = '\0';
			fclose(comm);
		}
		snprintf(out_owner, size, "%s (pid %.20s)", name, entry->d_name);
		break;
	}
	if (proc)
		closedir(proc);
}

static void explain_bind_failure(const struct listener *listener, int error)
{
	char owner[128];
	if (error == EADDRINUSE) {
		find_owner(&listener->address, owner, sizeof(owner));
		log_critical("%.*s is in use by %s; stop it, or set another listen= address",
			     SPAN_ARGS(listener->text), *owner ? owner : "another process");
	} else if (error == EADDRNOTAVAIL) {
		log_critical("%.*s: this machine does not have that address; check listen=",
			     SPAN_ARGS(listener->text));
	} else {
		errno = error;
		log_critical("cannot listen on %.*s: %m", SPAN_ARGS(listener->text));
	}
}

void sockets_configure(const struct socket_options *options)
{
	table.options = *options;
}

void socket_apply_options(int fd, int family)
{
	const struct socket_options *options = &table.options;
	bool is_ipv4 = family == AF_INET;
	int one = 1;
	if (options->tos &&
	    setsockopt(fd, is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6, is_ipv4 ? IP_TOS : IPV6_TCLASS,
		       &options->tos, sizeof(options->tos)) < 0)
		log_warning("tos=%d cannot be set: %m", options->tos);
	if (options->free_bind && setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0)
		log_warning("ip_free_bind cannot be set: %m");
}

static void set_mtu_discovery(int fd, int family)
{
	bool is_ipv4 = family == AF_INET;
	int mode = table.options.discovers_mtu ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
	if (setsockopt(fd, is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
		       is_ipv4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &mode, sizeof(mode)) < 0)
		log_warning("pmtu_discovery cannot be set: %m");
}

/* Processes of a server that was killed hold their sockets for a moment longer. */
static bool bind_patiently(int fd, const struct sockaddr *address, socklen_t len)
{
	for (int tries = 0; bind(fd, address, len) < 0; tries++) {
		if (errno != EADDRINUSE || tries == BIND_TRIES)
			return false;
		usleep(10000);
	}
	return true;
}

static bool udp_open(struct listener *listener)
{
	struct sockaddr_storage address;
	socklen_t len = end_point_to_sockaddr(&listener->address, &address);
	int one = 1, size = RECEIVE_BUFFER;
	int fd = socket(listener->address.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		explain_bind_failure(listener, errno);
		return false;
	}
	if (listener->address.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	socket_apply_options(fd, listener->address.family);
	set_mtu_discovery(fd, listener->address.family);
	/* Bursts wait here while all workers are busy; the kernel caps what an ordinary user asks. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!bind_patiently(fd, (struct sockaddr *)&address, len)) {
		explain_bind_failure(listener, errno);
		close(fd);
		return false;
	}
	if (listener->address.port == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
		struct end_point bound;
		end_point_from_sockaddr(&address, TRANSPORT_UDP, &bound);
		listener->address.port = bound.port;
		listener_compute(listener);
	}
	listener->fd = fd;
	return true;
}

static bool stream_open(struct listener *listener)
{
	if (!stream_is_served((enum transport)listener->address.transport)) {
		log_info(
			"%.*s: nobody serves this transport (disable_tcp, enable_tls, or a module that is "
			"not loaded)",
			SPAN_ARGS(listener->text));
		return true;
	}
	if (stream_listen(listener))
		return true;
	explain_bind_failure(listener, errno);
	return false;
}

bool listeners_open(void)
{
	bool all_open = true;
	for (unsigned i = 0; i < table.count; i++) {
		struct listener *listener = &table.listeners[i];
		if (listener->is_virtual || listener->fd >= 0)
			continue;
		bool is_open = listener->address.transport == TRANSPORT_UDP ? udp_open(listener)
									    : stream_open(listener);
		all_open = is_open && all_open;
	}
	return all_open;
}

void listeners_close(void)
{
	for (unsigned i = 0; i < table.count; i++) {
		if (table.listeners[i].fd >= 0)
			close(table.listeners[i].fd);
		table.listeners[i].fd = -1;
	}
}

/* ---- myself ------------------------------------------------------------------------------------ */

void alias_add(struct span host, uint16_t port, enum transport transport)
{
	if (table.alias_count == ALIASES_MOST)
		return;
	struct alias *alias = &table.aliases[table.alias_count];
	*alias = (struct alias){ arena_copy(texts(), host), port, transport, { NULL, 0 } };
	alias->text =
		arena_printf(texts(), "%s:%.*s:%s%.0u",
			     transport == TRANSPORT_NONE ? "*" : transport_name_lower(transport),
			     SPAN_ARGS(alias->host), port ? "" : "*", port);
	if (alias->host.at && alias->text.at)
		table.alias_count++;
}

unsigned alias_count(void)
{
	return table.alias_count;
}

struct span alias_text(unsigned index)
{
	return table.aliases[index].text;
}

void myself_register(myself_check check)
{
	if (table.check_count < CHECKS_MOST)
		table.checks[table.check_count++] = check;
}

static bool fits(uint16_t port, enum transport transport, uint16_t own_port,
		 enum transport own_transport)
{
	return (port == 0 || own_port == 0 || port == own_port) &&
	       (transport == TRANSPORT_NONE || own_transport == TRANSPORT_NONE ||
		transport == own_transport);
}

/* IPv6 may be written in many ways; of an IPv4 address there is but one that is understood. */
static bool may_differ(struct span host)
{
	return host.len && (host.at[0] == '[' || memchr(host.at, ':', host.len));
}

static bool is_listener(struct span host, uint16_t port, enum transport transport)
{
	struct end_point ip = { 0 };
	bool is_ip = may_differ(host) && end_point_parse_ip(host, &ip);
	for (unsigned i = 0; i < table.count; i++) {
		const struct listener *listener = &table.listeners[i];
		enum transport own = (enum transport)listener->address.transport;
		bool is_address = span_equal(listener->bound_host, host) ||
				  (is_ip && end_point_same_ip(&listener->address, &ip));
		if (is_address && fits(port, transport, listener->address.port, own))
			return true;
		if (listener->advertised_host.len &&
		    span_equal_nocase(listener->advertised_host, host) &&
		    fits(port, transport, listener->advertised_port, own))
			return true;
	}
	return false;
}

bool is_myself(struct span host, uint16_t port, enum transport transport)
{
	if (is_listener(host, port, transport))
		return true;
	for (unsigned i = 0; i < table.alias_count; i++) {
		const struct alias *alias = &table.aliases[i];
		if (span_equal_nocase(alias->host, host) &&
		    fits(port, transport, alias->port, alias->transport))
			return true;
	}
	for (unsigned i = 0; i < table.check_count; i++)
		if (table.checks[i](host, port, transport))
			return true;
	return false;
}

void listener_write_reachable(struct writer *w, const struct listener *listener)
{
	enum transport transport = listener->address.transport;
	uint16_t port =
		listener->advertised_port ? listener->advertised_port : listener->address.port;
	writer_span(w, listener->host);
	if (port != 5060 || transport_default_port(transport) != 5060) {
		writer_char(w, ':');
		writer_uint(w, port);
	}
	if (transport != TRANSPORT_UDP) {
		writer_literal(w, ";transport=");
		writer_string(w, transport_name_lower(transport));
	}
}
