/* SPDX-License-Identifier: BSD-2-Clause */
/* From bytes of a connection to messages: framing, keep-alives (RFC 5626 3.5.1), limits. */
#include <errno.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/transport/connection.h"

#define READ_ROOM (16u << 10)
#define READ_MOST (64u << 10) /* per wake-up, so that others get their turn */
#define PAUSE_MS  10 /* when no buffer for a message is free */

/* Makes room behind what is buffered; 0 when memory is out. */
static size_t buffer_room(struct connection *connection)
{
	size_t free_bytes = connection->buffer_size - connection->buffered;
	if (free_bytes >= READ_ROOM / 2)
		return free_bytes;
	size_t size = connection->buffered + READ_ROOM;
	if (size < connection->buffer_size * 2)
		size = connection->buffer_size * 2;
	char *larger = realloc(connection->buffer, size);
	if (!larger)
		return free_bytes;
	connection->buffer = larger;
	connection->buffer_size = size;
	return size - connection->buffered;
}

static void buffer_take(struct connection *connection, size_t len)
{
	connection->buffered -= len;
	if (connection->buffered) {
		memmove(connection->buffer, connection->buffer + len, connection->buffered);
	} else {
		free(connection->buffer);
		connection->buffer = NULL;
		connection->buffer_size = 0;
	}
}

/* HTTP answers have no branch that tells whose they are: they must keep the order of the requests. */
static bool is_http(struct span message)
{
	struct span line = span_slice(message, 0, span_find(message, '\n', 0));
	return span_find_span(line, SPAN_OF(" HTTP/")) < line.len;
}

/* Puts the message at `offset` into a datagram of its own; false when none is free. */
static bool hand_out(struct connection *connection, size_t offset, size_t len)
{
	struct datagram *datagram = datagram_take();
	if (!datagram)
		return false;
	memcpy(datagram->buffer, connection->buffer + offset, len);
	datagram->buffer[len] = '\0';
	datagram->bytes = span_make(datagram->buffer, len);
	datagram->source = connection->entry.peer;
	datagram->listener = connection->listener;
	datagram->connection = connection->entry.id;
	datagram->queue_percent = 0;
	connection->is_busy = is_http(datagram->bytes);
	stream_process()->receive(datagram);
	if (!connection->is_busy)
		connection->resume_ms = 0; /* it is answered already */
	return true;
}

/* Handles what framer_next found at `offset`; false when nothing more can be done now. */
static bool handle_frame(struct connection *connection, enum frame_result result, size_t offset,
			 const struct frame *frame)
{
	const struct stream_process *process = stream_process();
	if (result != FRAME_MORE)
		connection->partial_ms = 0;
	switch (result) {
	case FRAME_MESSAGE:
		if (hand_out(connection, offset, frame->len))
			return true;
		connection->resume_ms = clock_ms() + PAUSE_MS;
		return false;
	case FRAME_PING:
		if (process->settings->crlf_ping)
			connection_send(connection, SPAN_OF("\r\n"));
		return true;
	case FRAME_PONG: return true;
	case FRAME_BAD:
		log_debug("connection %u: %s", connection->entry.id, frame->reason);
		connection_close(connection, END_REFUSED);
		return false;
	case FRAME_MORE:
		if (connection->buffered > offset && !connection->partial_ms)
			connection->partial_ms = clock_ms();
		return false;
	}
	return false;
}

void connection_frames(struct connection *connection)
{
	size_t taken = 0;
	bool goes_on = connection->buffered > 0;
	while (goes_on && connection_may_go_on(connection)) {
		struct span rest =
			span_make(connection->buffer + taken, connection->buffered - taken);
		struct frame frame = { 0 };
		enum frame_result result = framer_next(&connection->framer, rest, &frame);
		goes_on = handle_frame(connection, result, taken, &frame);
		if (goes_on)
			taken += frame.len;
	}
	if (taken)
		buffer_take(connection, taken);
}

void connection_read(struct connection *connection)
{
	size_t total = 0;
	while (connection_may_go_on(connection) && !connection->resume_ms) {
		size_t room = buffer_room(connection);
		ssize_t count =
			room ? connection->layer->read(
				       connection, connection->buffer + connection->buffered, room)
			     : -1;
		if (count < 0 && room && (errno == EAGAIN || errno == EINTR))
			break;
		if (count <= 0) {
			connection_close(connection, count == 0 ? END_ORDERLY : END_RESET);
			return;
		}
		connection->buffered += (size_t)count;
		connection->used_ms = clock_ms();
		connection_frames(connection);
		total += (size_t)count;
		/* A layer may hold bytes of which the descriptor knows nothing: come back. */
		if (total >= READ_MOST && connection->phase == CONNECTION_OPEN &&
		    !connection->resume_ms)
			connection->resume_ms = clock_ms();
		else if ((size_t)count < room && connection->layer == &tcp_layer)
			break; /* the socket is empty */
	}
	if (connection->phase == CONNECTION_CLOSED)
		return;
	if (!connection->buffered)
		buffer_take(connection, 0);
	connection_watch(connection);
	if (connection->phase != CONNECTION_CLOSED)
		connection_schedule(connection);
}

void stream_message_done(uint32_t id)
{
	struct connection *connection = connection_find(id);
	if (!connection || !connection->is_busy)
		return;
	connection->is_busy = false;
	/* Not now: the caller may be a fiber deep in a script. */
	connection->resume_ms = clock_ms();
	connection_schedule(connection);
}
