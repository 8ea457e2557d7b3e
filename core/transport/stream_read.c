/* SPDX-License-Identifier: BSD-2-Clause */
/* From bytes of a connection to messages: framing, keep-alives (RFC 5626 3.5.1), limits. */
#include <errno.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/transport/connection.h"
#include "core/transport/proxied.h"
#include "parser/proxy_protocol.h"

#define READ_ROOM  (16u << 10)
#define READ_MOST  (64u << 10) /* per wake-up, so that others get their turn */
#define DISCARD_MS 2000
#define PAUSE_MS   10 /* when no buffer for a message is free */

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

/* Puts the message at `offset` into a datagram of its own; false when none is free. HTTP answers have no
 * branch that tells whose they are: they must keep the order of the requests. */
static bool hand_out(struct connection *connection, size_t offset, const struct frame *frame)
{
	size_t len = frame->len;
	struct datagram *datagram = datagram_take();
	if (!datagram)
		return false;
	if (frame->chunked_from)
		len = chunks_join(span_make(connection->buffer + offset, len), frame->chunked_from,
				  datagram->buffer);
	else
		memcpy(datagram->buffer, connection->buffer + offset, len);
	datagram->buffer[len] = '\0';
	datagram->bytes = span_make(datagram->buffer, len);
	datagram->source = connection->entry.peer;
	datagram->listener = connection->listener;
	datagram->connection = connection->entry.id;
	datagram->queue_percent = 0;
	connection->is_busy = frame->is_http;
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
		if (hand_out(connection, offset, frame))
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
		if (frame->is_http)
			connection_refuse_http(connection, frame->status, frame->reason);
		else
			connection_close(connection, END_REFUSED);
		return false;
	case FRAME_MORE:
		if (connection->buffered > offset && !connection->partial_ms)
			connection->partial_ms = clock_ms();
		if (connection->framer.expects_continue) { /* RFC 9110 10.1.1 */
			connection->framer.expects_continue = false;
			connection_send(connection, SPAN_OF("HTTP/1.1 100 Continue\r\n\r\n"));
		}
		return false;
	}
	return false;
}

/* What a refused client still sends is thrown away for a while, so that it can read why: closing a socket
 * with unread bytes in it resets the connection, and the answer is lost on the way. */
void connection_refuse_http(struct connection *connection, unsigned status, const char *reason)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
		{ 400, "Bad Request" },       { 408, "Request Timeout" },
		{ 413, "Content Too Large" }, { 431, "Request Header Fields Too Large" },
		{ 501, "Not Implemented" },
	};
	char text[512];
	const char *phrase = "Bad Request";
	struct writer w = writer_fixed(text, sizeof(text));
	for (size_t i = 0; i < ARRAY_SIZE(phrases); i++)
		if (phrases[i].status == status)
			phrase = phrases[i].phrase;
	writer_printf(&w,
		      "HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nConnection: close\r\n"
		      "Content-Length: %zu\r\n\r\n%s\n",
		      status, phrase, strlen(reason) + 1, reason);
	connection->discard_until_ms = clock_ms() + DISCARD_MS;
	connection->partial_ms = 0;
	connection->buffered = 0;
	if (connection_send(connection, writer_result(&w)) != SEND_OK)
		connection_close(connection, END_REFUSED);
}

/* Takes the header of a load balancer off the first bytes. Who sends none speaks for itself. False: what
 * follows the header cannot be read now, or not at all. */
static bool take_proxy_header(struct connection *connection)
{
	struct span bytes = span_make(connection->buffer, connection->buffered);
	const bool begins = proxy_header_begins(bytes, PROXY_HAPROXY);
	struct proxy_header header = { 0 };
	enum parse_result result = proxy_header_parse(bytes, PROXY_HAPROXY, &header);
	if (result == PARSE_MORE)
		return false;
	if (begins && (result == PARSE_BAD || !proxied_is_believed(&connection->entry.peer))) {
		connection_refuse_proxy(connection,
					result == PARSE_BAD ? "its PROXY header is malformed"
							    : "none of udp_proxy_networks",
					END_REFUSED);
		return false;
	}
	connection->awaits_proxy = false;
	connection->partial_ms = 0;
	if (!begins)
		return true;
	buffer_take(connection, header.len);
	if (!header.has_addresses)
		return true;
	enum transport transport = (enum transport)connection->entry.peer.transport;
	struct end_point client = proxied_end_point(&header.source, transport);
	struct end_point destination = proxied_end_point(&header.destination, transport);
	if (!connection_speaks_for(connection, &client, &destination))
		connection_close(connection, END_REFUSED);
	return connection->phase != CONNECTION_CLOSED;
}

void connection_frames(struct connection *connection)
{
	if (connection->discard_until_ms)
		return;
	if (connection->awaits_proxy && !take_proxy_header(connection))
		return;
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
	if (taken && !connection->discard_until_ms)
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
		if (connection->discard_until_ms) {
			total += (size_t)count;
			if (total >= READ_MOST)
				break;
			continue;
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
