/* SPDX-License-Identifier: BSD-2-Clause */
/* dmq_api: messages between the servers of a cluster, for other modules. Interface "dmq", version 1.
 *
 * A channel is the part of a module that speaks with its like on other nodes. Messages are KDMQ
 * requests; they may get lost, or overtake each other. */
#pragma once

#include "core/module/module.h"

#define DMQ_API_VERSION 1
/* Larger bodies are not sent: they have to fit into a datagram. */
#define DMQ_BODY_MOST 60000

/* Names a node in every process and for ever; leads nowhere once the node is gone. */
struct dmq_node {
	uint32_t slot;
	uint32_t generation; /* 0: none */
};

/* A message that came; borrowed for the call. */
struct dmq_message {
	struct span channel, body, content_type;
	struct dmq_node from; /* none: nobody whom we know (possible without known_nodes_only) */
	struct end_point source;
	struct span from_uri;
	int64_t max_forwards;
};

/* What is said to its sender; preset to 200 OK without body. Texts live in the arena of the call, or for ever. */
struct dmq_answer {
	unsigned code;
	struct span reason, body, content_type;
};

struct dmq_channel {
	struct span name; /* user part of To and Request-URI */
	struct span content_type;
	/* On a fiber of the worker that got the message. NULL: messages are accepted, nobody reads them. */
	void (*receive)(const struct dmq_message *message, struct arena *arena,
			struct dmq_answer *answer);
	/* Body that is sent to one node, the first that is met after the start, until one takes it: how a
	 * server that starts asks for what the others have. Absent: none. */
	struct span greeting;
};

/* Everything that a channel has, on its way to one node: set the first part, the rest is the module's. */
struct dmq_stream {
	const struct dmq_channel *channel;
	struct dmq_node to;
	struct span open, close; /* around the rows of a message, which commas separate */
	size_t body_most;        /* 0: DMQ_BODY_MOST */
	unsigned rows_most;      /* in one message; 0: as many as fit */
	/* Adds all rows; may wait. False: it could not go on. */
	bool (*produce)(struct dmq_stream *stream);

	struct arena arena;
	struct writer body;
	bool is_open;
	unsigned rows; /* in this message */
	uint64_t sent;
};

struct dmq_api {
	/* In `prepare`; `channel` is borrowed for ever. False after an error was logged. */
	bool (*join)(const struct dmq_channel *channel);
	/* No other active node is known: there is nobody to send to. Cheap. */
	bool (*is_alone)(void);
	/* Sends to all active nodes. Messages with the same `order` (a hash of what they are about) reach a node one
	 * after the other, others as they come (0). From any process; never waits when names are resolved already. What a node
	 * with too many unanswered messages does not get is counted and logged. */
	void (*broadcast)(const struct dmq_channel *channel, uint64_t order, struct span body);
	/* Sends to one node, whatever its status; false: it is gone, or it was not possible. */
	bool (*send)(const struct dmq_channel *channel, struct dmq_node node, struct span body);
	/* Before many messages to one node: waits until it has answered most of what it was sent. False: it is
	 * gone, disabled, or does not answer. On a fiber, without locks. */
	bool (*wait_for_room)(struct dmq_node node);
	/* Starts a stream; `wanted` is copied. False: there are too many, or `to` is no node. */
	bool (*stream_start)(const struct dmq_stream *wanted);
	/* Writes a row by `write`, whose `index` counts the rows of its message. False: the node is gone or does
	 * not answer. */
	bool (*stream_add)(struct dmq_stream *stream,
			   void (*write)(struct writer *w, const void *row, unsigned index),
			   const void *row);
};

/* The interface as it was bound for a module's parameter enable_dmq; NULL, and an error is logged, when the
 * module dmq is not loaded. */
static inline const struct dmq_api *dmq_wanted(const void *bound)
{
	if (!bound)
		log_error("enable_dmq needs the module dmq: loadmodule \"dmq.so\"");
	return bound;
}
