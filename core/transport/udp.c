/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving and sending datagrams in batches (recvmmsg, sendmmsg). */
#include "core/transport/udp.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/loop/loop.h"
#include "core/transport/refusal.h"
#include "core/transport/send.h"

#define RECEIVE_BATCH  16
#define RECEIVE_ROUNDS 8 /* batches per wake-up, so that timers and other sockets get their turn */
#define SEND_BATCH     32
#define COPY_BYTES     (256u << 10)
#define ARENA_CHUNK    (32u << 10) /* an ordinary message with all its work fits into one */
#define KEEP_FREE      64
#define KEEP_QUIET     16 /* of them, when there is little to do */

static struct {
	bool (*first)(struct datagram *datagram);
	void (*then)(struct datagram *datagram);
	struct datagram *free;
	struct datagram *released; /* readable until the next flush */
	unsigned free_count;
	unsigned in_use;
	uint64_t received; /* ever */
	unsigned most;
	size_t arena_limit;
	bool is_dense; /* the last batch was full: how long do datagrams wait? */
	bool is_alone; /* the last batch was one datagram: what it sends can leave at once */
	int64_t least_wait_us;
} pool = { .most = 16384, .arena_limit = 4u << 20, .least_wait_us = UDP_WAIT_UNKNOWN };

static struct {
	struct mmsghdr headers[SEND_BATCH];
	struct iovec vectors[SEND_BATCH];
	struct sockaddr_storage addresses[SEND_BATCH];
	unsigned prepared; /* headers that point to their vector and address */
	unsigned count;
	int fd; /* all queued datagrams leave by this socket */
	size_t copied;
	char copies[COPY_BYTES];
} queue = { .fd = -1 };

/* ---- the pool ------------------------------------------------------------------------------- */

void datagram_set_limits(unsigned most, size_t arena_limit)
{
	pool.most = most;
	pool.arena_limit = arena_limit;
}

unsigned datagrams_in_use(void)
{
	return pool.in_use;
}

/* One from the pool, not counted as in use. */
static struct datagram *pool_take(void)
{
	struct datagram *datagram = pool.free;
	if (datagram) {
		pool.free = datagram->next;
		pool.free_count--;
	} else if ((datagram = fault_malloc(sizeof(*datagram)))) {
		arena_init(&datagram->arena, ARENA_CHUNK, pool.arena_limit);
	}
	if (datagram) {
		datagram->arrived_us = 0;
		datagram->queue_percent = 0;
		datagram->connection = 0;
	}
	return datagram;
}

struct datagram *datagram_take(void)
{
	struct datagram *datagram = pool.in_use < pool.most ? pool_take() : NULL;
	if (!datagram)
		return NULL;
	pool.in_use++;
	datagram->bytes = (struct span){ NULL, 0 };
	datagram->listener = NULL;
	return datagram;
}

static void datagram_put_back(struct datagram *datagram)
{
	if (pool.free_count >= KEEP_FREE) {
		arena_free(&datagram->arena);
		free(datagram);
		return;
	}
	arena_clear(&datagram->arena);
	datagram->next = pool.free;
	pool.free = datagram;
	pool.free_count++;
}

void datagrams_trim(void)
{
	while (pool.free_count > KEEP_QUIET) {
		struct datagram *datagram = pool.free;
		pool.free = datagram->next;
		pool.free_count--;
		arena_free(&datagram->arena);
		free(datagram);
	}
}

void datagram_release(struct datagram *datagram)
{
	pool.in_use--;
	datagram->next = pool.released;
	pool.released = datagram;
}

/* ---- receiving -------------------------------------------------------------------------------- */

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(struct timespec))];
};

/* Where the next batch goes. Places that a batch did not fill stay prepared for the next one. */
static struct {
	struct datagram *datagrams[RECEIVE_BATCH];
	struct mmsghdr headers[RECEIVE_BATCH];
	struct iovec vectors[RECEIVE_BATCH];
	struct sockaddr_storage sources[RECEIVE_BATCH];
	union control controls[RECEIVE_BATCH];
	size_t control_room; /* 0: without stamps */
	unsigned holes;      /* places before this one may be empty */
} batch;

/* What the kernel has written into the header of the datagram before is set anew. */
static void place_fill(unsigned i, struct datagram *datagram)
{
	struct msghdr *header = &batch.headers[i].msg_hdr;
	batch.datagrams[i] = datagram;
	batch.vectors[i].iov_base = datagram->buffer;
	header->msg_namelen = sizeof(batch.sources[i]);
	header->msg_controllen = batch.control_room;
}

static void places_prepare(void)
{
	batch.holes = RECEIVE_BATCH;
	for (unsigned i = 0; i < RECEIVE_BATCH; i++) {
		batch.vectors[i].iov_len = DATAGRAM_MAX;
		batch.headers[i].msg_hdr = (struct msghdr){
			.msg_name = &batch.sources[i],
			.msg_iov = &batch.vectors[i],
			.msg_iovlen = 1,
			.msg_control = &batch.controls[i],
		};
	}
}

/* From now on with or without stamps. */
static void batch_change_stamps(bool wants_stamps)
{
	batch.control_room = wants_stamps ? sizeof(batch.controls[0]) : 0;
	for (unsigned i = 0; i < RECEIVE_BATCH; i++)
		if (batch.datagrams[i])
			place_fill(i, batch.datagrams[i]);
}

/* Prepares as many places as datagrams may come now; returns their number. */
static unsigned batch_prepare(void)
{
	unsigned room = pool.most > pool.in_use ? pool.most - pool.in_use : 0;
	unsigned wanted = room < RECEIVE_BATCH ? room : RECEIVE_BATCH;
	if (__builtin_expect((batch.control_room != 0) != pool.is_dense, 0))
		batch_change_stamps(pool.is_dense);
	unsigned end = wanted < batch.holes ? wanted : batch.holes;
	for (unsigned i = 0; i < end; i++) {
		struct datagram *datagram = batch.datagrams[i] ? NULL : pool_take();
		if (datagram)
			place_fill(i, datagram);
		else if (!batch.datagrams[i])
			return i;
	}
	if (end == batch.holes)
		batch.holes = 0;
	return wanted;
}

/* When the kernel got it; the stamp is asked for in dense traffic only. */
static int64_t arrival_us(struct msghdr *header)
{
	struct timespec stamp;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
			return (int64_t)stamp.tv_sec * 1000000 + stamp.tv_nsec / 1000;
		}
	return 0;
}

static uint8_t queue_percent(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0 || !info[SK_MEMINFO_RCVBUF])
		return 0;
	uint64_t percent = (uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * 100 / info[SK_MEMINFO_RCVBUF];
	return percent > 100 ? 100 : (uint8_t)percent;
}

static void note_least_wait(int64_t arrived_us)
{
	int64_t waited_us = clock_kernel_us_now() - arrived_us;
	if (waited_us < pool.least_wait_us || pool.least_wait_us == UDP_WAIT_UNKNOWN)
		pool.least_wait_us = waited_us > 0 ? waited_us : 0;
}

int64_t udp_least_wait_us(void)
{
	int64_t least = pool.least_wait_us;
	pool.least_wait_us = UDP_WAIT_UNKNOWN;
	return least;
}

static void note_waiting(int fd, int count)
{
	uint8_t percent = queue_percent(fd);
	for (int i = 0; i < count; i++) {
		batch.datagrams[i]->arrived_us = arrival_us(&batch.headers[i].msg_hdr);
		batch.datagrams[i]->queue_percent = percent;
	}
	if (count)
		note_least_wait(batch.datagrams[0]->arrived_us);
}

/* Takes the datagram out of its place. */
static struct datagram *batch_take(int i, const struct listener *listener)
{
	struct datagram *datagram = batch.datagrams[i];
	batch.datagrams[i] = NULL;
	pool.in_use++;
	datagram->bytes = span_make(datagram->buffer, batch.headers[i].msg_len);
	datagram->buffer[datagram->bytes.len] = '\0';
	datagram->listener = listener;
	end_point_from_sockaddr(&batch.sources[i], TRANSPORT_UDP, &datagram->source);
	return datagram;
}

/* Reads one batch; returns the number of datagrams, 0 when the socket is empty. */
static int receive_batch(int fd, const struct listener *listener)
{
	struct datagram *taken[RECEIVE_BATCH];
	unsigned wanted = batch_prepare();
	int count = wanted ? recvmmsg(fd, batch.headers, wanted, MSG_DONTWAIT, NULL) : 0;
	if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
		log_error("receiving on %.*s failed: %m", SPAN_ARGS(listener->text));
	if (count < 0)
		count = 0;
	pool.received += (unsigned)count;
	pool.is_dense = count == RECEIVE_BATCH;
	pool.is_alone = count == 1;
	if (batch.holes < (unsigned)count)
		batch.holes = (unsigned)count;
	if (__builtin_expect(batch.control_room != 0, 0))
		note_waiting(fd, count);
	/* All at once, because what a message does may wait for another socket and come here again. */
	for (int i = 0; i < count; i++)
		taken[i] = batch_take(i, listener);
	for (int i = 0; i < count; i++)
		if (!pool.first(taken[i]))
			taken[i] = NULL;
	for (int i = 0; i < count; i++)
		if (taken[i])
			pool.then(taken[i]);
	return count;
}

/* Drains the socket: asking it once more costs less than a turn of the loop. A datagram that came alone
 * is the last one as a rule; if it is not, the loop comes back at once. */
static void on_readable(int fd, unsigned events, void *owner)
{
	(void)events;
	int count = 2;
	for (int round = 0; round < RECEIVE_ROUNDS && count > 1; round++) {
		count = receive_batch(fd, owner);
		if (!count)
			return;
		send_flush();
		clock_refresh();
	}
}

static bool is_read(const struct listener *listener)
{
	return listener->fd >= 0 && listener->address.transport == TRANSPORT_UDP;
}

bool udp_start(bool (*first)(struct datagram *datagram), void (*then)(struct datagram *datagram))
{
	pool.first = first;
	pool.then = then;
	places_prepare();
	/* Buffers come and go with the load; giving their pages back each time costs more than the
	 * messages do. */
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	for (unsigned i = 0; i < listener_count(); i++) {
		const struct listener *listener = listener_at(i);
		int one = 1;
		if (!is_read(listener))
			continue;
		setsockopt(listener->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
	}
	return udp_resume();
}

bool udp_resume(void)
{
	for (unsigned i = 0; i < listener_count(); i++)
		if (is_read(listener_at(i)) &&
		    !loop_watch_shared(listener_at(i)->fd, on_readable,
				       (void *)(uintptr_t)listener_at(i)))
			return false;
	return true;
}

void udp_pause(void)
{
	for (unsigned i = 0; i < listener_count(); i++)
		if (is_read(listener_at(i)))
			loop_unwatch(listener_at(i)->fd);
}

bool udp_is_waiting(void)
{
	int waiting = 0;
	for (unsigned i = 0; i < listener_count(); i++)
		if (is_read(listener_at(i)) && ioctl(listener_at(i)->fd, FIONREAD, &waiting) == 0 &&
		    waiting > 0)
			return true;
	return false;
}

bool udp_came_alone(void)
{
	return pool.is_alone;
}

uint64_t udp_received(void)
{
	return pool.received;
}

/* ---- sending ------------------------------------------------------------------------------------ */

/* Hands the queue to the kernel. `asked`: its last datagram is one whose sender waits for the result; the
 * senders of others hear of refusals after the batch. */
static enum send_result queue_drain(bool asked)
{
	enum send_result result = SEND_OK;
	unsigned done = 0;
	send_run_before();
	while (done < queue.count) {
		int sent = sendmmsg(queue.fd, queue.headers + done, queue.count - done, 0);
		if (sent > 0) {
			done += (unsigned)sent;
			continue;
		}
		/* ECONNREFUSED tells of an earlier datagram; the next try reports the next error. */
		if (errno == EINTR || errno == ECONNREFUSED)
			continue;
		if (refusal_note(&queue.headers[done], errno, queue.fd)) {
			if (asked && done + 1 == queue.count)
				result = SEND_FAILED;
			else
				refusal_keep(span_make(queue.vectors[done].iov_base,
						       queue.vectors[done].iov_len));
		}
		done++;
	}
	queue.count = 0;
	queue.copied = 0;
	return result;
}

/* The last of the queue is for somebody who wants to know. A datagram that came alone would be answered
 * now anyway; in dense traffic a destination that works is believed to go on working. */
static enum send_result drain_for_result(const struct end_point *to)
{
	uint64_t way = way_hash(to, queue.fd);
	if (!pool.is_alone && way_is_open(way))
		return SEND_OK;
	enum send_result result = queue_drain(true);
	if (result == SEND_OK)
		way_note_open(way);
	return result;
}

void send_flush(void)
{
	queue_drain(false);
	while (__builtin_expect(refusal_tell(), 0))
		queue_drain(false);
	struct datagram *datagram = pool.released;
	pool.released = NULL;
	while (datagram) {
		struct datagram *next = datagram->next;
		datagram_put_back(datagram);
		datagram = next;
	}
}

static void queue_prepare(unsigned i)
{
	queue.headers[i].msg_hdr = (struct msghdr){
		.msg_name = &queue.addresses[i],
		.msg_iov = &queue.vectors[i],
		.msg_iovlen = 1,
	};
}

/* Sends when the queue has got a place, and the bytes lie where they may stay. */
[[gnu::noinline]] static enum send_result send_prepared(const struct send_target *target,
							struct span bytes, bool copy)
{
	if (queue.count == SEND_BATCH || queue.fd != target->from->fd ||
	    (copy && queue.copied + bytes.len > COPY_BYTES)) {
		queue_drain(false);
		queue.fd = target->from->fd;
	}
	if (copy) {
		bytes.at = memcpy(queue.copies + queue.copied, bytes.at, bytes.len);
		queue.copied += bytes.len;
	}
	if (queue.count == queue.prepared)
		queue_prepare(queue.prepared++);
	return udp_send(target, bytes, false);
}

enum send_result udp_send(const struct send_target *target, struct span bytes, bool copy)
{
	unsigned i = queue.count;
	if (__builtin_expect(bytes.len > DATAGRAM_MAX - 28, 0))
		return SEND_TOO_LARGE;
	if (copy || i == queue.prepared || i == SEND_BATCH || queue.fd != target->from->fd)
		return send_prepared(target, bytes, copy);
	queue.count++;
	queue.vectors[i] = (struct iovec){ (void *)(uintptr_t)bytes.at, bytes.len };
	queue.headers[i].msg_hdr.msg_namelen =
		end_point_to_sockaddr(&target->to, &queue.addresses[i]);
	return target->wants_result ? drain_for_result(&target->to) : SEND_OK;
}

enum send_result udp_send_behind(const struct send_target *target, struct span head,
				 struct span bytes)
{
	static char whole[DATAGRAM_MAX];
	if (head.len + bytes.len > sizeof(whole))
		return SEND_TOO_LARGE;
	memcpy(whole, head.at, head.len);
	memcpy(whole + head.len, bytes.at, bytes.len);
	return udp_send(target, span_make(whole, head.len + bytes.len), true);
}
