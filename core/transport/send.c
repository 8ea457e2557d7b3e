/* SPDX-License-Identifier: BSD-2-Clause */
/* Choosing the transport of finished bytes. */
#include "core/transport/send.h"

#include "core/transport/observer.h"
#include "core/transport/stream.h"

static void (*before)(void);
static void (*undelivered)(struct span bytes);
static void (*observer)(const struct send_target *target, struct span bytes);
static send_filter filter; /* NULL: none */
static send_detour detour; /* NULL: none */
static bool is_watched;    /* one of the last three is set */

void send_set_before(void (*work)(void))
{
	before = work;
}

void send_run_before(void)
{
	if (before)
		before();
}

void send_set_undelivered(void (*heard)(struct span bytes))
{
	undelivered = heard;
}

bool send_is_heard(void)
{
	return undelivered != NULL;
}

void send_tell_undelivered(struct span bytes)
{
	if (undelivered)
		undelivered(bytes);
}

void send_set_filter(send_filter wanted)
{
	filter = wanted;
	is_watched |= wanted != NULL;
}

void send_set_detour(send_detour wanted)
{
	detour = wanted;
	is_watched |= wanted != NULL;
}

void send_set_observer(void (*sees)(const struct send_target *target, struct span bytes))
{
	observer = sees;
	is_watched |= sees != NULL;
}

/* The socket that fits, when the target names none or one of another kind. A client whose load balancer
 * speaks IPv4 with us may have an IPv6 address: its connection leads there all the same. */
static bool choose_socket(struct send_target *target)
{
	if (target->to.transport == TRANSPORT_NONE)
		target->to.transport =
			target->from ? target->from->address.transport : TRANSPORT_UDP;
	if (!target->from || target->from->address.transport != target->to.transport ||
	    (target->from->address.family != target->to.family && !target->connection))
		target->from = listener_for(&target->to);
	return target->from && target->from->fd >= 0;
}

[[gnu::noinline]] static enum send_result send_any(const struct send_target *target,
						   struct span bytes, bool copy)
{
	struct send_target chosen = *target;
	struct span head = detour ? detour(&chosen) : (struct span){ NULL, 0 };
	if (!choose_socket(&chosen))
		return SEND_NO_SOCKET;
	if (filter) {
		struct span wanted = filter(&chosen, bytes);
		if (!wanted.at)
			return SEND_FAILED;
		copy = copy && wanted.at == bytes.at;
		bytes = wanted;
	}
	enum send_result result = chosen.to.transport != TRANSPORT_UDP ? stream_send(&chosen, bytes)
				  : head.at ? udp_send_behind(&chosen, head, bytes)
					    : udp_send(&chosen, bytes, copy);
	if (observer && result == SEND_OK)
		observer(&chosen, bytes);
	return result;
}

/* A datagram whose socket is known already? */
static bool is_plain(const struct send_target *target)
{
	const struct listener *from = target->from;
	return target->to.transport == TRANSPORT_UDP && from && from->fd >= 0 &&
	       from->address.transport == TRANSPORT_UDP &&
	       from->address.family == target->to.family;
}

enum send_result send_bytes(const struct send_target *target, struct span bytes, bool copy)
{
	return __builtin_expect(!is_watched && is_plain(target), 1) ? udp_send(target, bytes, copy)
								    : send_any(target, bytes, copy);
}
