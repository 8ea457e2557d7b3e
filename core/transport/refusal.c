/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams that the system does not take. It says so when they leave, which is at the end of a batch as a
 * rule: whoever must know at once asks for it (send_target.wants_result), the others hear of it later. */
#include "core/transport/refusal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/shm/counters.h"
#include "core/transport/send.h"

#define WAYS          256 /* a power of two */
#define OPEN_MS       1000
#define BURST_MS      10000
#define WAYS_REPORTED 32
#define KEPT_MOST     256

static counter_id refused_sends;

void refusal_counters_prepare(void)
{
	refused_sends = counter_register("udp", "refused_sends",
					 "datagrams that the system did not take", COUNTER_COUNT);
}

/* ---- destinations that are known to work ------------------------------------------------------ */

static struct {
	uint64_t way;
	int64_t until_ms;
} open_ways[WAYS];

uint64_t way_hash(const struct end_point *to, int fd)
{
	uint64_t ip[2];
	memcpy(ip, to->ip, sizeof(ip));
	uint64_t way = (ip[0] ^ (uint64_t)to->port << 32 ^ (uint64_t)(unsigned)fd << 48) *
			       0xff51afd7ed558ccd +
		       ip[1] * 0x9e3779b97f4a7c15;
	return way ^ way >> 32;
}

bool way_is_open(uint64_t way)
{
	return open_ways[way % WAYS].way == way && clock_ms() < open_ways[way % WAYS].until_ms;
}

void way_note_open(uint64_t way)
{
	open_ways[way % WAYS].way = way;
	open_ways[way % WAYS].until_ms = clock_ms() + OPEN_MS;
}

/* ---- the report ------------------------------------------------------------------------------- */

static struct burst {
	uint64_t way;
	int64_t ends_ms;
	unsigned silent;
} bursts[WAYS_REPORTED];

/* A burst ends when nothing was reported for a while; the next line tells how many were not. */
static void report(const struct end_point *to, uint64_t way, size_t len, int error)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	struct burst *burst = &bursts[way % WAYS_REPORTED];
	if (burst->way == way && clock_ms() < burst->ends_ms) {
		burst->silent++;
		return;
	}
	end_point_write(&w, to);
	errno = error;
	if (burst->way == way && burst->silent)
		log_error(
			"sending %zu bytes to %.*s failed: %m (and %u times since it was last said)",
			len, (int)w.len, w.data, burst->silent);
	else
		log_error("sending %zu bytes to %.*s failed: %m", len, (int)w.len, w.data);
	*burst = (struct burst){ .way = way, .ends_ms = clock_ms() + BURST_MS };
}

static bool lasts(int error)
{
	return error != EAGAIN && error != EWOULDBLOCK && error != ENOBUFS && error != ENOMEM;
}

bool refusal_note(const struct mmsghdr *header, int error, int fd)
{
	struct end_point to;
	end_point_from_sockaddr(header->msg_hdr.msg_name, TRANSPORT_UDP, &to);
	uint64_t way = way_hash(&to, fd);
	counter_inc(refused_sends);
	report(&to, way, header->msg_hdr.msg_iov->iov_len, error);
	if (!lasts(error))
		return false;
	if (open_ways[way % WAYS].way == way)
		open_ways[way % WAYS].until_ms = 0;
	return true;
}

/* ---- what is told later ----------------------------------------------------------------------- */

struct kept {
	struct kept *next;
	size_t len;
	char bytes[];
};

static struct {
	struct kept *first;
	unsigned count;
} kept;

void refusal_keep(struct span bytes)
{
	bool is_reply = span_starts_with(bytes, SPAN_OF("SIP/2.0 "));
	if (is_reply || !send_is_heard() || kept.count == KEPT_MOST)
		return;
	struct kept *one = fault_malloc(sizeof(*one) + bytes.len);
	if (!one)
		return; /* the timer of its transaction will end it */
	one->len = bytes.len;
	memcpy(one->bytes, bytes.at, bytes.len);
	one->next = kept.first;
	kept.first = one;
	kept.count++;
}

bool refusal_tell(void)
{
	struct kept *list = kept.first;
	bool is_any = list != NULL;
	kept.first = NULL;
	kept.count = 0;
	while (list) {
		struct kept *next = list->next;
		send_tell_undelivered(span_make(list->bytes, list->len));
		free(list);
		list = next;
	}
	return is_any;
}
