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
}

void send_set_detour(send_detour wanted)
{
	detour = wanted;
}

void send_set_observer(void (*sees)(const struct send_target *target, struct span bytes))
{
	observer = sees;
}

/* The socket that fits, when the target names none or one of another kind. */
static bool choose_socket(const struct send_target *target, struct send_target *out)
{
	*out = *target;
	if (out->to.transport == TRANSPORT_NONE)
		out->to.transport = out->from ? out->from->address.transport : TRANSPORT_UDP;
	if (!out->from || out->from->address.transport != out->to.transport ||
	    out->from->address.family != out->to.family)
		out->from = listener_for(&out->to);
	return out->from && out->from->fd >= 0;
}

static bool is_ready(const struct send_target *target)
{
	const struct listener *from = target->from;
	return from && from->fd >= 0 && target->to.transport != TRANSPORT_NONE &&
	       from->address.transport == target->to.transport &&
	       from->address.family == target->to.family;
}

enum send_result send_bytes(const struct send_target *target, struct span bytes, bool copy)
{
	struct send_target chosen;
	struct span head = { NULL, 0 };
	if (__builtin_expect(detour != NULL, 0)) {
		chosen = *target;
		head = detour(&chosen);
		target = &chosen;
	}
	if (__builtin_expect(!is_ready(target), 0)) {
		if (!choose_socket(target, &chosen))
			return SEND_NO_SOCKET;
		target = &chosen;
	}
	if (__builtin_expect(filter != NULL, 0)) {
		struct span wanted = filter(target, bytes);
		if (!wanted.at)
			return SEND_FAILED;
		copy = copy && wanted.at == bytes.at;
		bytes = wanted;
	}
	enum send_result result = target->to.transport != TRANSPORT_UDP ? stream_send(target, bytes)
				  : head.at ? udp_send_behind(target, head, bytes)
					    : udp_send(target, bytes, copy);
	if (__builtin_expect(observer != NULL, 0) && result == SEND_OK)
		observer(target, bytes);
	return result;
}
