/* SPDX-License-Identifier: BSD-2-Clause */
/* Which connection a message takes: ours, another worker's (by mail), or a new one. */
#include "core/transport/stream.h"

#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/shm/mailbox.h"
#include "core/transport/connection.h"

#define FIRST_WORKER 1
#define TRIES        3 /* a connection that turns out to be dead gives way to the next */

static struct stream_process process;

const struct stream_process *stream_process(void)
{
	return &process;
}

/* ---- set-up ---- */
void stream_configure(const struct stream_settings *settings)
{
	process.settings = settings;
	process.layers[TRANSPORT_TCP] = settings->is_off ? NULL : &tcp_layer;
}

void stream_layer_register(enum transport transport, const struct stream_layer *layer)
{
	process.layers[transport] = layer;
}

bool stream_is_served(enum transport transport)
{
	return transport < TRANSPORT_COUNT && process.layers[transport];
}

void stream_on_closed(void (*closed)(const struct connection_entry *entry))
{
	connection_on_closed(closed);
}

static int64_t opened_now(void)
{
	struct stream_usage usage;
	stream_get_usage(&usage);
	return usage.connections;
}

static int64_t queued_now(void)
{
	struct stream_usage usage;
	stream_get_usage(&usage);
	return (int64_t)usage.queued_bytes;
}

void stream_counters_prepare(void)
{
	struct stream_counters *counters = &process.counters;
	const struct {
		const char *name, *doc;
		counter_id *id;
	} rows[] = {
		{ "con_reset", "connections that broke", &counters->con_reset },
		{ "con_timeout", "connections closed because they were idle",
		  &counters->con_timeout },
		{ "connect_failed", "connections that could not be made",
		  &counters->connect_failed },
		{ "connect_success", "connections made", &counters->connect_success },
		{ "established", "connections made and accepted", &counters->established },
		{ "local_reject", "connections refused because of a limit",
		  &counters->local_reject },
		{ "passive_open", "connections accepted", &counters->passive_open },
		{ "send_timeout", "connections closed because they took nothing any more",
		  &counters->send_timeout },
		{ "sendq_full", "messages refused because too much was queued",
		  &counters->sendq_full },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		*rows[i].id = counter_register("tcp", rows[i].name, rows[i].doc, COUNTER_COUNT);
	counter_register_computed("tcp", "current_opened_connections", "connections now",
				  opened_now);
	counter_register_computed("tcp", "current_write_queue_size", "bytes queued now",
				  queued_now);
}

bool stream_prepare(unsigned processes, unsigned workers, uint32_t (*incarnation)(unsigned process))
{
	process.workers = workers;
	return directory_init(incarnation) && connections_prepare(processes);
}

void stream_select(unsigned self)
{
	process.self = self;
	connection_reset_load();
	directory_adopt(self);
}

bool stream_start(void (*receive)(struct datagram *datagram))
{
	process.receive = receive;
	for (unsigned i = 0; i < listener_count(); i++) {
		const struct listener *listener = listener_at(i);
		if (listener->fd >= 0 && listener->address.transport != TRANSPORT_UDP &&
		    !tcp_accept_start(listener))
			return false;
	}
	return true;
}

void stream_turn(void)
{
	connections_free_dead();
}

void stream_get_usage(struct stream_usage *out_usage)
{
	connection_usage(out_usage);
}

/* ---- mail ---- */
struct stream_letter {
	struct end_point to;
	uint32_t connection;
	uint16_t listener;
	uint16_t lost_port;
	bool no_connect, close_after;
};

static enum send_result mail_to(unsigned owner, const struct send_target *target, struct span bytes)
{
	struct stream_letter letter = {
		.to = target->to,
		.connection = target->connection,
		.listener = (uint16_t)target->from->index,
		.lost_port = target->lost_port,
		.no_connect = target->no_connect,
		.close_after = target->close_after,
	};
	struct mailbox *box = mailbox_at(owner);
	bool is_sent = box && mailbox_send_block(box, MAIL_STREAM, (uint16_t)process.self, &letter,
						 sizeof(letter), bytes.at, bytes.len);
	return is_sent ? SEND_OK : SEND_FAILED;
}

void stream_mail(const struct mail *mail)
{
	struct stream_letter letter;
	if (mail->inline_len != sizeof(letter) || !mail->block)
		return;
	memcpy(&letter, mail->bytes, sizeof(letter));
	struct span bytes = span_make(mail->block, mail->block_len);
	struct send_target target = {
		.to = letter.to,
		.connection = letter.connection,
		.from = listener_at(letter.listener),
		.lost_port = letter.lost_port,
		.no_connect = letter.no_connect,
		.close_after = letter.close_after,
	};
	if (stream_send(&target, bytes) != SEND_OK)
		send_tell_undelivered(bytes);
}

/* ---- sending ---- */
/* The connection that was named, when it leads to that host; else one to the address. */
static bool find_connection(const struct send_target *target, struct connection_entry *out_entry)
{
	const struct stream_settings *settings = process.settings;
	struct end_point to = target->to;
	if (target->connection && directory_find_id(target->connection, out_entry) &&
	    end_point_same_ip(&out_entry->peer, &to) && out_entry->peer.transport == to.transport)
		return true;
	/* The connection of a request is gone: its sender is reached at the port of its Via
	 * (RFC 3261 18.2.2). */
	if (target->connection && target->lost_port)
		to.port = target->lost_port;
	return directory_find_peer(&to, settings->connection_match ? &target->from->address : NULL,
				   process.self, out_entry);
}

static enum send_result connect_and_send(const struct send_target *target, struct span bytes)
{
	struct end_point to = target->to;
	if (target->no_connect || process.settings->no_connect)
		return SEND_NO_CONNECTION;
	if (target->connection && target->lost_port)
		to.port = target->lost_port;
	if (process.self < FIRST_WORKER || process.self >= FIRST_WORKER + process.workers)
		return mail_to(FIRST_WORKER + (unsigned)(end_point_hash(&to) % process.workers),
			       target, bytes);
	struct connection *connection = tcp_connect(&to, target->from);
	if (!connection) {
		char text[END_POINT_TEXT_MAX];
		struct writer w = writer_fixed(text, sizeof(text));
		end_point_write(&w, &to);
		log_info("cannot connect to %.*s: %m", (int)w.len, w.data);
		return SEND_FAILED;
	}
	enum send_result result = connection_send(connection, bytes);
	if (result == SEND_OK && target->close_after)
		stream_close(connection->entry.id);
	return result;
}

enum send_result stream_send(const struct send_target *target, struct span bytes)
{
	struct connection_entry entry;
	if (bytes.len > MAILBOX_BLOCK_MOST)
		return SEND_TOO_LARGE;
	if (!stream_is_served((enum transport)target->to.transport))
		return SEND_NO_SOCKET;
	for (int i = 0; i < TRIES && find_connection(target, &entry); i++) {
		if (entry.process != process.self)
			return mail_to(entry.process, target, bytes);
		struct connection *connection = connection_find(entry.id);
		if (!connection)
			break;
		enum send_result result = connection_send(connection, bytes);
		if (result == SEND_OK && target->close_after)
			stream_close(entry.id);
		if (result == SEND_OK || connection->phase != CONNECTION_CLOSED)
			return result;
	}
	return connect_and_send(target, bytes);
}
