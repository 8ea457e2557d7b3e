/* SPDX-License-Identifier: BSD-2-Clause */
/* Choosing the transport of finished bytes. */
#include "core/transport/send.h"

#include "core/transport/observer.h"
#include "core/transport/stream.h"

static void (*before)(void);
static void (*undelivered)(struct span bytes);
static void (*observer)(const struct send_target *target, struct span bytes);
static send_filter filter; /* NULL: none */

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

void send_set_observer(void (*sees)(const struct send_target *target, struct span bytes))
{
	observer = sees;
}

enum send_result send_bytes(const struct send_target *target, struct span bytes, bool copy)
{
	struct send_target chosen = *target;
	if (chosen.to.transport == TRANSPORT_NONE)
		chosen.to.transport = chosen.from ? chosen.from->address.transport : TRANSPORT_UDP;
	if (!chosen.from || chosen.from->address.transport != chosen.to.transport ||
	    chosen.from->address.family != chosen.to.family)
		chosen.from = listener_for(&chosen.to);
	if (!chosen.from || chosen.from->fd < 0)
		return SEND_NO_SOCKET;
	if (__builtin_expect(filter != NULL, 0)) {
		struct span wanted = filter(&chosen, bytes);
		if (!wanted.at)
			return SEND_FAILED;
		copy = copy && wanted.at == bytes.at;
		bytes = wanted;
	}
	enum send_result result = chosen.to.transport != TRANSPORT_UDP
					  ? stream_send(&chosen, bytes)
					  : udp_send(&chosen, bytes, copy);
	if (observer && result == SEND_OK)
		observer(&chosen, bytes);
	return result;
}
