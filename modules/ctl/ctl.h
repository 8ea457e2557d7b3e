/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of ctl share; private to the module. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "core/module/module.h"
#include "core/rpc/binrpc.h"

#define CTL_LISTENERS_MOST   16
#define CTL_CONNECTIONS_MOST 256
#define CTL_STALL_MS         30000 /* for the rest of a frame, and for a client to take its answer */

enum ctl_transport { CTL_UNIX_STREAM, CTL_UNIX_DGRAM, CTL_UDP, CTL_TCP };

/* Where requests come in. */
struct ctl_listener {
	enum ctl_transport transport;
	struct span text;        /* as configured */
	struct sockaddr_un path; /* unix transports */
	bool is_made;            /* the path is ours to remove */
	struct span host;        /* the others; "*": all addresses */
	uint16_t port;
	int fd; /* opened by the supervisor, so that requests wait for a successor */
	struct span shown_host, shown_port; /* for ctl.listen */
};

/* A client of a stream. */
struct ctl_connection {
	const struct ctl_listener *listener; /* NULL: this place is free */
	int fd;
	char peer_host[64], peer_port[8];
};

struct ctl_access {
	int64_t mode;
	uid_t user; /* -1: left as it is */
	gid_t group;
};

const char *ctl_transport_name(enum ctl_transport transport);
static inline bool ctl_transport_is_stream(enum ctl_transport transport)
{
	return transport == CTL_UNIX_STREAM || transport == CTL_TCP;
}

/* listener.c */
/* "[proto:]name[:port]"; NULL or what is wrong. */
const char *ctl_listener_parse(struct span text, struct ctl_listener *out_listener);
/* Opens the socket; unix paths get owner and mode. False after an error was logged. */
[[nodiscard]] bool ctl_listener_open(struct ctl_listener *listener,
				     const struct ctl_access *access);
void ctl_listener_close(struct ctl_listener *listener);

/* serve.c: in the process that answers */
/* Runs the request in `body` on the caller's fiber; the answer lives in `arena`. Absent: no memory. */
struct span ctl_answer(const struct binrpc_header *header, struct span body, struct arena *arena);
void ctl_on_stream(int fd, unsigned events, void *listener);
void ctl_on_datagram(int fd, unsigned events, void *listener);
/* Open connections; `index` < CTL_CONNECTIONS_MOST, NULL: that place is free. */
unsigned ctl_connection_count(void);
const struct ctl_connection *ctl_connection_at(unsigned index);
