/* SPDX-License-Identifier: BSD-2-Clause */
/* Bindings and the connections that they were made by (handle_lost_tcp, close_expired_tcp). A
 * connection stays with one worker for life, so each worker notes for its own which
 * addresses-of-record came by them, and nothing has to be searched when one ends. */
#include <stdlib.h>

#include "core/transport/directory.h"
#include "core/transport/stream.h"
#include "modules/usrloc/streams.h"

struct note {
	struct note *next;
	uint32_t connection;
	unsigned domain;
	size_t len;
	char aor[];
};

#define BUCKETS 1024 /* power of two */
static struct {
	bool handles_lost, closes_expired;
	struct note *buckets[BUCKETS];
	struct note *lost; /* their connection has ended */
} state;

static struct note **bucket_of(uint32_t connection)
{
	return &state.buckets[connection & (BUCKETS - 1)];
}

/* On the loop's stack, where nothing may wait: the timer does the rest. */
static void connection_closed(const struct connection_entry *entry)
{
	for (struct note **link = bucket_of(entry->id); *link;) {
		struct note *note = *link;
		if (note->connection != entry->id) {
			link = &note->next;
			continue;
		}
		*link = note->next;
		note->next = state.lost;
		state.lost = note;
	}
}

void streams_prepare(bool handles_lost, bool closes_expired)
{
	state.handles_lost = handles_lost;
	state.closes_expired = closes_expired;
	if (handles_lost)
		stream_on_closed(connection_closed);
}

static void note_connection(uint32_t connection, unsigned domain, struct span aor)
{
	struct note **bucket = bucket_of(connection), *note;
	for (note = *bucket; note; note = note->next)
		if (note->connection == connection && note->domain == domain &&
		    span_equal(span_make(note->aor, note->len), aor))
			return;
	note = malloc(sizeof(*note) + aor.len);
	if (!note) {
		log_error("no memory to note a connection; its binding stays until it expires");
		return;
	}
	*note = (struct note){ *bucket, connection, domain, aor.len };
	memcpy(note->aor, aor.at, aor.len);
	*bucket = note;
}

enum usrloc_result streams_apply(unsigned domain, struct span aor,
				 const struct usrloc_change *changes, unsigned count,
				 unsigned max_contacts, bool only_these,
				 struct usrloc_outcome *out_outcome)
{
	enum usrloc_result result =
		modes_apply(domain, aor, changes, count, max_contacts, only_these, out_outcome);
	for (unsigned i = 0; state.handles_lost && result == USRLOC_OK && i < count; i++)
		if (!changes[i].remove && changes[i].contact.connection)
			note_connection(changes[i].contact.connection, domain, aor);
	return result;
}

static void remove_bindings_of(const struct note *note, struct arena *arena)
{
	struct usrloc_contact *contacts;
	struct span aor = span_make(note->aor, note->len);
	unsigned count = modes_get(note->domain, aor, arena, &contacts);
	for (unsigned i = 0; i < count; i++)
		if (contacts[i].connection == note->connection)
			modes_remove(note->domain, aor, contacts[i].ruid);
}

void streams_remove_lost(struct arena *arena)
{
	while (state.lost) {
		struct note *note = state.lost;
		state.lost = note->next;
		remove_bindings_of(note, arena);
		free(note);
	}
}

/* Another worker's connection closes when a keep-alive (RFC 5626 4.4.1) has been written to it. */
static void close_connection(uint32_t connection)
{
	struct connection_entry entry;
	if (stream_close(connection) || !directory_find_id(connection, &entry))
		return;
	const struct send_target target = {
		.to = entry.peer, .connection = connection, .no_connect = true, .close_after = true
	};
	send_bytes(&target, SPAN_OF("\r\n"), true);
}

void streams_expired(const struct usrloc_contact *contacts, unsigned count)
{
	for (unsigned i = 0; state.closes_expired && i < count; i++)
		if (contacts[i].connection)
			close_connection(contacts[i].connection);
}
