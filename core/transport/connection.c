/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections of this process: table, write queues, deadlines, end. */
#include "core/transport/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/shm/map.h"

#define BUCKETS      4096 /* chains stay short up to some ten thousand connections */
#define CLOSED_HOOKS 8
#define COMPLAINT_MS 10000

/* What a process tells the others; only its owner writes. */
struct load {
	_Alignas(64) uint32_t connections;
	uint32_t tls_connections;
	uint64_t queued_bytes;
};

static struct {
	struct connection *buckets[BUCKETS];
	struct connection *dead;
	struct load *loads; /* in shared memory, one per process */
	unsigned load_count;
	int64_t complained_ms;
	void (*closed[CLOSED_HOOKS])(const struct connection_entry *entry);
	unsigned closed_count;
} table;

static void on_event(int fd, unsigned events, void *owner);
static void on_timer(struct loop_timer *timer);

/* ---- figures ---- */
bool connections_prepare(unsigned processes)
{
	table.loads = shm_reserve(processes * sizeof(struct load), "connection counts");
	table.load_count = processes;
	return table.loads != NULL;
}

void connection_usage(struct stream_usage *out_usage)
{
	*out_usage = (struct stream_usage){ 0 };
	for (unsigned i = 0; i < table.load_count; i++) {
		out_usage->connections += table.loads[i].connections;
		out_usage->tls_connections += table.loads[i].tls_connections;
		out_usage->queued_bytes += table.loads[i].queued_bytes;
	}
}

static struct load *own_load(void)
{
	return &table.loads[stream_process()->self];
}

void connection_reset_load(void)
{
	*own_load() = (struct load){ 0 };
}

static bool is_tls(const struct connection *connection)
{
	enum transport transport = (enum transport)connection->entry.peer.transport;
	return transport == TRANSPORT_TLS || transport == TRANSPORT_WSS;
}

static bool may_complain(void)
{
	int64_t now = clock_ms();
	if (table.complained_ms && now - table.complained_ms < COMPLAINT_MS)
		return false;
	table.complained_ms = now;
	return true;
}

static void complain(const char *what)
{
	if (may_complain())
		log_warning("%s", what);
}

/* ---- table ---- */
static struct connection **bucket_of(uint32_t id)
{
	return &table.buckets[id % BUCKETS];
}

struct connection *connection_find(uint32_t id)
{
	struct connection *connection = id ? *bucket_of(id) : NULL;
	while (connection && connection->entry.id != id)
		connection = connection->next;
	return connection;
}

static void table_remove(struct connection *connection)
{
	struct connection **at = bucket_of(connection->entry.id);
	while (*at && *at != connection)
		at = &(*at)->next;
	if (*at)
		*at = connection->next;
}

static bool may_accept_from(const struct end_point *peer)
{
	unsigned most = (unsigned)stream_process()->settings->accept_iplimit;
	if (!most || directory_count_ip(peer, most) < most)
		return true;
	complain("one address has too many connections; see tcp_accept_iplimit");
	return false;
}

static bool has_room(enum transport transport, const struct end_point *peer, bool is_outgoing)
{
	const struct stream_settings *settings = stream_process()->settings;
	struct stream_usage usage;
	connection_usage(&usage);
	if (usage.connections >= (uint64_t)settings->max_connections) {
		complain("no more stream connections are taken; raise tcp_max_connections");
		return false;
	}
	if (transport == TRANSPORT_TLS &&
	    usage.tls_connections >= (uint64_t)settings->tls_max_connections) {
		complain("no more TLS connections are taken; raise tls_max_connections");
		return false;
	}
	return is_outgoing || may_accept_from(peer);
}

static bool add_row(struct connection *connection, enum directory_key key,
		    const struct connection_entry *entry)
{
	if (!directory_add(key, entry, &connection->rows[connection->row_count]))
		return false;
	connection->row_count++;
	return true;
}

static void remove_rows(struct connection *connection)
{
	while (connection->row_count > 0)
		directory_remove(&connection->rows[--connection->row_count]);
}

static struct end_point local_address(int fd, const struct end_point *fallback)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	struct end_point local = *fallback;
	if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
		end_point_from_sockaddr(&address, (enum transport)fallback->transport, &local);
	return local;
}

static void fill(struct connection *connection, const struct end_point *peer, bool is_outgoing)
{
	const struct stream_process *process = stream_process();
	size_t most = (size_t)process->settings->rd_buf_size;
	connection->entry = (struct connection_entry){
		.id = directory_new_id(),
		.process = (uint16_t)process->self,
		.is_outgoing = is_outgoing,
		.peer = *peer,
		.local = local_address(connection->fd, &connection->listener->address),
		.opened_ms = clock_ms(),
	};
	directory_stamp(&connection->entry);
	connection->layer = process->layers[peer->transport];
	connection->phase = CONNECTION_CONNECTING;
	connection->queue_end = &connection->queue;
	connection->used_ms = clock_ms();
	connection->lifetime_ms = process->settings->connection_lifetime * 1000;
	connection->timer = (struct loop_timer)LOOP_TIMER_INIT;
	framer_init(&connection->framer, most, most);
	connection->framer.accepts_no_length = process->settings->accept_no_cl;
	if (process->settings->accept_haproxy && !is_outgoing && connection->layer == &tcp_layer) {
		connection->awaits_proxy = true;
		connection->partial_ms = clock_ms();
	}
}

/* All keys under which a new connection is found. */
static bool add_rows(struct connection *connection)
{
	return add_row(connection, DIRECTORY_ID, &connection->entry) &&
	       add_row(connection, DIRECTORY_PEER, &connection->entry) &&
	       add_row(connection, DIRECTORY_IP, &connection->entry);
}

struct connection *connection_new(int fd, const struct end_point *peer,
				  const struct listener *listener, bool is_outgoing)
{
	struct connection *connection = NULL;
	if (has_room((enum transport)peer->transport, peer, is_outgoing))
		connection = calloc(1, sizeof(*connection));
	if (!connection) {
		counter_inc(stream_process()->counters.local_reject);
		close(fd);
		return NULL;
	}
	connection->fd = fd;
	connection->listener = listener;
	fill(connection, peer, is_outgoing);
	if (!connection->layer || !add_rows(connection)) {
		remove_rows(connection);
		close(fd);
		free(connection);
		return NULL;
	}
	struct connection **bucket = bucket_of(connection->entry.id);
	connection->next = *bucket;
	*bucket = connection;
	own_load()->connections++;
	own_load()->tls_connections += is_tls(connection);
	return connection;
}

bool connection_speaks_for(struct connection *connection, const struct end_point *client,
			   const struct end_point *destination)
{
	remove_rows(connection);
	connection->entry.peer = *client;
	connection->destination = *destination;
	return may_accept_from(client) && add_rows(connection);
}

const struct end_point *stream_proxied_destination(uint32_t id)
{
	const struct connection *connection = connection_find(id);
	return connection && connection->destination.family ? &connection->destination : NULL;
}

bool stream_add_alias(uint32_t id, uint16_t port)
{
	struct connection *connection = connection_find(id), *other;
	if (!connection)
		return false;
	struct connection_entry entry = connection->entry, known;
	entry.peer.port = port;
	if (directory_find_peer(&entry.peer, NULL, entry.process, &known)) {
		if (known.id == id)
			return true;
		/* The newest connection has the alias; an older one keeps its own address only. */
		other = connection_find(known.id);
		if (other && other->entry.peer.port == port)
			return false;
	}
	if (connection->alias_count == CONNECTION_ALIASES)
		return false;
	connection->alias_count++;
	return add_row(connection, DIRECTORY_PEER, &entry);
}

/* ---- end ---- */
void connection_on_closed(void (*closed)(const struct connection_entry *entry))
{
	bug_if(table.closed_count == CLOSED_HOOKS, "too many listeners for closed connections");
	table.closed[table.closed_count++] = closed;
}

static void drop_queue(struct connection *connection)
{
	struct queued *queue = connection->queue;
	connection->queue = NULL;
	connection->queue_end = &connection->queue;
	own_load()->queued_bytes -= connection->queued_bytes;
	connection->queued_bytes = 0;
	while (queue) {
		struct queued *next = queue->next;
		send_tell_undelivered(span_make(queue->bytes, queue->len));
		free(queue);
		queue = next;
	}
}

static const char *const end_names[] = {
	[END_ORDERLY] = "closed",
	[END_RESET] = "reset",
	[END_TIMEOUT] = "timed out",
	[END_CONNECT_FAILED] = "could not be made",
	[END_SEND_TIMEOUT] = "takes nothing any more",
	[END_REFUSED] = "refused",
};

static void count_end(enum connection_end how)
{
	const struct stream_counters *counters = &stream_process()->counters;
	switch (how) {
	case END_RESET: counter_inc(counters->con_reset); break;
	case END_TIMEOUT: counter_inc(counters->con_timeout); break;
	case END_CONNECT_FAILED: counter_inc(counters->connect_failed); break;
	case END_SEND_TIMEOUT: counter_inc(counters->send_timeout); break;
	case END_ORDERLY:
	case END_REFUSED: break;
	}
}

void connection_close(struct connection *connection, enum connection_end how)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	if (connection->phase == CONNECTION_CLOSED)
		return;
	end_point_write(&w, &connection->entry.peer);
	log_debug("connection %u with %.*s: %s", connection->entry.id, (int)w.len, w.data,
		  end_names[how]);
	count_end(how);
	connection->phase = CONNECTION_CLOSED;
	remove_rows(connection);
	table_remove(connection);
	connection->next = table.dead;
	table.dead = connection;
	loop_timer_stop(&connection->timer);
	loop_unwatch(connection->fd);
	if (connection->layer->close)
		connection->layer->close(connection);
	close(connection->fd);
	connection->fd = -1;
	own_load()->connections--;
	own_load()->tls_connections -= is_tls(connection);
	drop_queue(connection);
	for (unsigned i = 0; i < table.closed_count; i++)
		table.closed[i](&connection->entry);
}

void connection_refuse_proxy(struct connection *connection, const char *why,
			     enum connection_end how)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write(&w, &connection->entry.peer);
	if (may_complain())
		log_warning("the connection of %.*s is closed: %s (tcp_accept_haproxy)", (int)w.len,
			    w.data, why);
	connection_close(connection, how);
}

void connections_free_dead(void)
{
	struct connection *connection = table.dead;
	table.dead = NULL;
	while (connection) {
		struct connection *next = connection->next;
		free(connection->buffer);
		free(connection);
		connection = next;
	}
}

bool stream_close(uint32_t id)
{
	struct connection *connection = connection_find(id);
	if (!connection)
		return false;
	connection->closes_when_sent = true;
	if (!connection->queue) {
		connection_close(connection, END_ORDERLY);
	} else if (connection->phase == CONNECTION_OPEN) {
		connection->phase = CONNECTION_DRAINING;
		connection_watch(connection);
	}
	return true;
}

/* ---- writing ---- */
static void after_write(struct connection *connection, size_t written)
{
	connection->queued_bytes -= written;
	own_load()->queued_bytes -= written;
	connection->used_ms = clock_ms();
	connection->stalled_ms = connection->queue ? clock_ms() : 0;
}

/* Writes the first of the queue; false when the rest has to wait or the connection ended. */
static bool write_first(struct connection *connection)
{
	struct queued *first = connection->queue;
	ssize_t written = connection->layer->write(connection, first->bytes + first->written,
						   first->len - first->written);
	if (written < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (written < 0) {
		connection_close(connection, END_RESET);
		return false;
	}
	first->written += (size_t)written;
	bool is_whole = first->written == first->len;
	if (is_whole) {
		connection->queue = first->next;
		if (!connection->queue)
			connection->queue_end = &connection->queue;
		free(first);
	}
	after_write(connection, (size_t)written);
	return is_whole;
}

void connection_flush(struct connection *connection)
{
	if (connection->queue)
		send_run_before();
	while (connection->queue && write_first(connection))
		;
	if (connection->closes_when_sent && !connection->queue)
		connection_close(connection, END_ORDERLY);
	if (connection->phase == CONNECTION_CLOSED)
		return;
	if (connection->queue && !connection->stalled_ms)
		connection->stalled_ms = clock_ms();
	/* The end of what we say; TLS would have to say it itself. */
	if (connection->discard_until_ms && !connection->queue && connection->layer == &tcp_layer)
		shutdown(connection->fd, SHUT_WR);
	/* Messages may lie in the buffer since the queue grew too long. */
	if (connection->buffered && !connection->resume_ms && connection_may_go_on(connection))
		connection->resume_ms = clock_ms();
	connection_watch(connection);
	connection_schedule(connection);
}

static bool queue_has_room(const struct connection *connection, size_t len)
{
	const struct stream_settings *settings = stream_process()->settings;
	/* A message alone may be larger than the limit: it is what has to be sent. */
	if (connection->queued_bytes == 0)
		return true;
	return connection->queued_bytes + len <= (size_t)settings->conn_wq_max &&
	       own_load()->queued_bytes + len <= (size_t)settings->wq_max;
}

/* Has the peer hung up already, although the loop did not come to hear of it? What is written then
 * vanishes without an error. */
static bool peer_is_gone(const struct connection *connection)
{
	char byte;
	return connection->phase == CONNECTION_OPEN && !connection->queue &&
	       recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

enum send_result connection_send(struct connection *connection, struct span bytes)
{
	if (connection->phase > CONNECTION_OPEN)
		return SEND_FAILED;
	if (peer_is_gone(connection) && !connection->is_busy) {
		connection_close(connection, END_ORDERLY);
		return SEND_FAILED;
	}
	if (!queue_has_room(connection, bytes.len)) {
		counter_inc(stream_process()->counters.sendq_full);
		return SEND_FAILED;
	}
	struct queued *item = malloc(sizeof(*item) + bytes.len);
	if (!item)
		return SEND_FAILED;
	*item = (struct queued){ .len = bytes.len };
	memcpy(item->bytes, bytes.at, bytes.len);
	*connection->queue_end = item;
	connection->queue_end = &item->next;
	connection->queued_bytes += bytes.len;
	own_load()->queued_bytes += bytes.len;
	if (connection->phase == CONNECTION_OPEN)
		connection_flush(connection);
	return SEND_OK;
}

/* ---- the loop ---- */
bool connection_may_go_on(const struct connection *connection)
{
	size_t most = (size_t)stream_process()->settings->conn_wq_max;
	return connection->phase == CONNECTION_OPEN && !connection->is_busy &&
	       connection->queued_bytes <= most / 2;
}

void connection_watch(struct connection *connection)
{
	unsigned wanted = connection->layer_wants;
	if (connection_may_go_on(connection) && !connection->resume_ms)
		wanted |= LOOP_READ;
	if (connection->phase == CONNECTION_CONNECTING || connection->queue)
		wanted |= LOOP_WRITE;
	if (wanted == connection->watched)
		return;
	/* A descriptor of which nothing is wanted must not report that its peer has gone. */
	if (!wanted) {
		loop_unwatch(connection->fd);
	} else if (!loop_watch(connection->fd, wanted, on_event, connection)) {
		connection_close(connection, END_RESET);
		return;
	}
	connection->watched = wanted;
}

void connection_opened(struct connection *connection)
{
	const struct stream_counters *counters = &stream_process()->counters;
	connection->phase = CONNECTION_OPEN;
	connection->used_ms = clock_ms();
	counter_inc(counters->established);
	counter_inc(connection->entry.is_outgoing ? counters->connect_success
						  : counters->passive_open);
	if (connection->layer->open && !connection->layer->open(connection))
		connection_close(connection, END_REFUSED);
	else
		connection_flush(connection);
}

static void finish_connecting(struct connection *connection)
{
	int error = 0;
	socklen_t len = sizeof(error);
	getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error)
		connection_close(connection, END_CONNECT_FAILED);
	else
		connection_opened(connection);
}

static void on_event(int fd, unsigned events, void *owner)
{
	struct connection *connection = owner;
	if (connection->phase == CONNECTION_CONNECTING) {
		if (events & LOOP_WRITE)
			finish_connecting(connection);
		return;
	}
	if ((events & LOOP_WRITE) || (connection->layer_wants && connection->queue))
		connection_flush(connection);
	if ((events & LOOP_READ) && connection->phase == CONNECTION_OPEN)
		connection_read(connection);
	else if (connection->layer_wants && connection->phase == CONNECTION_OPEN)
		connection_read(connection);
}

/* ---- deadlines ---- */
struct deadlines {
	int64_t connect_ms, stalled_ms, partial_ms, idle_ms, discard_ms; /* INT64_MAX: none */
};

static struct deadlines deadlines_of(const struct connection *connection)
{
	const struct stream_settings *settings = stream_process()->settings;
	const int64_t never = INT64_MAX;
	bool is_connecting = connection->phase == CONNECTION_CONNECTING;
	return (struct deadlines){
		.connect_ms = is_connecting ? connection->entry.opened_ms +
						      settings->connect_timeout * 1000
					    : never,
		.stalled_ms = connection->stalled_ms && !is_connecting
				      ? connection->stalled_ms + settings->send_timeout * 1000
				      : never,
		.partial_ms = connection->partial_ms
				      ? connection->partial_ms + settings->msg_read_timeout * 1000
				      : never,
		.idle_ms = connection->used_ms + connection->lifetime_ms,
		.discard_ms = connection->discard_until_ms ? connection->discard_until_ms : never,
	};
}

void connection_schedule(struct connection *connection)
{
	struct deadlines all = deadlines_of(connection);
	int64_t due = clock_earlier(clock_earlier(all.connect_ms, all.stalled_ms),
				    clock_earlier(all.partial_ms, all.idle_ms));
	due = clock_earlier(due, all.discard_ms);
	if (connection->resume_ms)
		due = clock_earlier(due, connection->resume_ms);
	/* A timer that comes too early looks again: moving it at every message would cost more. */
	if (connection->timer.heap_index >= 0 && connection->timer.due_ms <= due)
		return;
	int64_t delay = due - clock_us_now() / 1000;
	loop_timer_start(&connection->timer, delay > 0 ? delay : 0, 0, on_timer, connection);
}

static void on_timer(struct loop_timer *timer)
{
	struct connection *connection = timer->owner;
	struct deadlines all = deadlines_of(connection);
	int64_t now = clock_ms();
	if (connection->resume_ms && connection->resume_ms <= now) {
		connection->resume_ms = 0;
		connection_frames(connection);
		if (connection->phase == CONNECTION_OPEN)
			connection_read(connection);
	} else if (all.connect_ms <= now) {
		connection_close(connection, END_CONNECT_FAILED);
	} else if (all.stalled_ms <= now) {
		connection_close(connection, END_SEND_TIMEOUT);
	} else if (all.discard_ms <= now) {
		connection_close(connection, END_REFUSED);
	} else if (all.partial_ms <= now && connection->awaits_proxy) {
		connection_refuse_proxy(connection, "its first bytes did not come in time",
					END_TIMEOUT);
	} else if (all.partial_ms <= now && connection->framer.is_http) {
		connection_refuse_http(connection, 408, "the request did not come in time");
		counter_inc(stream_process()->counters.con_timeout);
	} else if (all.partial_ms <= now || all.idle_ms <= now) {
		connection_close(connection, END_TIMEOUT);
	}
	if (connection->phase == CONNECTION_CLOSED)
		return;
	connection_watch(connection);
	if (connection->phase != CONNECTION_CLOSED)
		connection_schedule(connection);
}

bool stream_set_lifetime(uint32_t id, int64_t lifetime_s)
{
	struct connection *connection = connection_find(id);
	if (!connection)
		return false;
	connection->lifetime_ms = lifetime_s * 1000;
	connection_schedule(connection);
	return true;
}

/* ---- for layers ---- */
int connection_fd(const struct connection *connection)
{
	return connection->fd;
}

uint32_t connection_id(const struct connection *connection)
{
	return connection->entry.id;
}

bool connection_is_outgoing(const struct connection *connection)
{
	return connection->entry.is_outgoing;
}

const struct end_point *connection_peer(const struct connection *connection)
{
	return &connection->entry.peer;
}

const struct listener *connection_listener(const struct connection *connection)
{
	return connection->listener;
}

void *connection_state(const struct connection *connection)
{
	return connection->layer_state;
}

void connection_set_state(struct connection *connection, void *state)
{
	connection->layer_state = state;
}

void connection_wants(struct connection *connection, unsigned events)
{
	connection->layer_wants = events;
}
