/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams: everything that a channel has, told to one node in messages of many rows. Each runs on a fiber of
 * its own, because it waits for the answers of the node. */
#include <stdlib.h>

#include "modules/dmq/dmq.h"

/* In one process at a time. */
#define STREAMS_MOST 4

static unsigned running;

static void body_begin(struct dmq_stream *stream)
{
	arena_clear(&stream->arena);
	stream->body = writer_in_arena(&stream->arena, DMQ_BODY_MOST);
	stream->rows = 0;
	writer_span(&stream->body, stream->open);
}

static bool body_send(struct dmq_stream *stream)
{
	if (stream->rows == 0)
		return true;
	writer_span(&stream->body, stream->close);
	const struct post post = POST_DATA(stream->channel->name, stream->channel->content_type,
					   writer_result(&stream->body));
	bool is_sent = !stream->body.failed && node_wait_for_room(stream->to) &&
		       post_send(&post, stream->to);
	stream->sent += stream->rows;
	body_begin(stream);
	return is_sent;
}

/* What does not fit any more goes into the next message. */
bool stream_add(struct dmq_stream *stream,
		void (*write)(struct writer *w, const void *row, unsigned index), const void *row)
{
	struct writer *w = &stream->body;
	if (!stream->is_open) {
		body_begin(stream);
		stream->is_open = true;
	}
	size_t before = w->len;
	if (stream->rows)
		writer_char(w, ',');
	write(w, row, stream->rows);
	if (w->failed)
		return false;
	if (w->len + stream->close.len <= stream->body_most) {
		stream->rows++;
		return stream->rows < stream->rows_most || body_send(stream);
	}
	w->len = before;
	if (stream->rows == 0) {
		log_error("a row of the channel \"%.*s\" is too large to be told to other servers",
			  SPAN_ARGS(stream->channel->name));
		return true;
	}
	return body_send(stream) && stream_add(stream, write, row);
}

static void run(void *arg)
{
	struct dmq_stream *stream = arg;
	bool is_good = stream->produce(stream) && body_send(stream);
	if (is_good)
		log_info("%llu rows of the channel \"%.*s\" told to a node that asked",
			 (unsigned long long)stream->sent, SPAN_ARGS(stream->channel->name));
	else
		log_warning("a node that asked for all of the channel \"%.*s\" got %llu rows only",
			    SPAN_ARGS(stream->channel->name), (unsigned long long)stream->sent);
	arena_free(&stream->arena);
	free(stream);
	running--;
	send_flush();
}

bool stream_start(const struct dmq_stream *wanted)
{
	struct dmq_stream *stream =
		wanted->to.generation && running < STREAMS_MOST ? malloc(sizeof(*stream)) : NULL;
	if (!stream)
		return false;
	*stream = *wanted;
	stream->body_most = wanted->body_most && wanted->body_most < DMQ_BODY_MOST
				    ? wanted->body_most
				    : DMQ_BODY_MOST;
	stream->rows_most = wanted->rows_most ? wanted->rows_most : UINT32_MAX;
	arena_init(&stream->arena, 2 * DMQ_BODY_MOST, 1 << 22);
	running++;
	if (fiber_start(run, stream))
		return true;
	running--;
	arena_free(&stream->arena);
	free(stream);
	return false;
}
