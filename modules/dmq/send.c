/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: KDMQ requests by tm, one for each node. Nobody waits for the answers; each node has a limit of
 * unanswered messages, beyond which what is for it is dropped and counted. Processes that are no workers
 * hand what they have to worker 0, so that it stays in order. */
#include <stdatomic.h>

#include "core/net/locate.h"
#include "core/shm/map.h"
#include "modules/dmq/dmq.h"
#include "modules/tm/tm_api.h"

#define WAIT_STEP_MS 5
#define WAIT_MOST_MS 60000

static struct {
	struct node_entry own;
	struct end_point own_address;
	const struct listener *socket;
	struct span from; /* "host:port;transport=…" of our own URI */
	/* shared: for each channel 0 to be greeted, 1 on its way, 2 done */
	_Atomic uint32_t *greeted;
	int64_t started_ms;
} state;

/* What travels with a request to its end. */
struct sent {
	struct dmq_node node;
	uint64_t order;
	bool is_notification, is_introduction;
	int8_t greeting;
};

static struct sent sent_of(const struct post *post, struct dmq_node node)
{
	return (struct sent){ node, post->order, post->is_notification,
			      post->is_notification && post->max_forwards > 1,
			      (int8_t)post->greeting };
}

const struct node_entry *own_entry(void)
{
	return &state.own;
}

const struct end_point *own_address(void)
{
	return &state.own_address;
}

/* ---- settings ---------------------------------------------------------------------------------------- */

static bool complain(struct diagnostics *diagnostics, const char *setting, const char *what)
{
	struct span value = span_equal(span_from(setting), SPAN_OF("server_socket"))
				    ? dmq_settings->server_socket
				    : dmq_settings->server_address;
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("dmq", setting), "dmq: %s \"%.*s\" %s", setting,
		       SPAN_ARGS(value), what);
	return false;
}

static bool find_socket(struct diagnostics *diagnostics)
{
	struct end_point address;
	bool has_socket = dmq_settings->server_socket.len;
	struct span host = state.own.host;
	struct end_point by_address = {
		.port = state.own.port ? state.own.port
				       : transport_default_port(state.own.transport),
		.transport = (uint8_t)(state.own.transport == TRANSPORT_NONE ? TRANSPORT_UDP
									     : state.own.transport)
	};
	if (has_socket && !end_point_parse(dmq_settings->server_socket, &address))
		return complain(diagnostics, "server_socket",
				"is no socket; write udp:ADDRESS:PORT");
	if (!has_socket) {
		address = by_address;
		if (!end_point_parse_ip(host, &address))
			return complain(diagnostics, "server_address",
					"has a name; say by server_socket from where to send");
		address.port = by_address.port;
		address.transport = by_address.transport;
	}
	state.socket = listener_find(&address);
	if (!state.socket)
		return complain(diagnostics, has_socket ? "server_socket" : "server_address",
				"is not an address that this server listens on");
	state.own_address = state.socket->address;
	return true;
}

bool send_prepare(struct diagnostics *diagnostics)
{
	struct writer w = writer_in_arena(startup_arena(), 128);
	state.started_ms = clock_ms();
	state.greeted = shm_reserve(CHANNELS_MOST * sizeof(*state.greeted), "dmq");
	if (!dmq_settings->server_address.len)
		return complain(diagnostics, "server_address",
				"is needed: the URI by which other nodes reach this one");
	if (!node_entry_parse(dmq_settings->server_address, &state.own))
		return complain(diagnostics, "server_address",
				"is no URI of a node; write sip:ADDRESS:PORT");
	state.own.status = NODE_ACTIVE;
	if (!find_socket(diagnostics))
		return false;
	node_entry_write_uri(&w, SPAN_OF(""), &state.own);
	state.from = span_slice(writer_result(&w), 4, w.len); /* without "sip:" */
	return state.greeted && !w.failed;
}

/* ---- the end of a request ---------------------------------------------------------------------------- */

static void greeted(const struct sent *sent, bool is_good)
{
	if (sent->greeting >= 0)
		state.greeted[sent->greeting] = is_good ? 2 : 0;
}

/* What waited for the end of a message goes now. */
static void continue_lane(const struct sent *sent)
{
	struct arena arena;
	struct node_view node;
	struct span body;
	unsigned number;
	if (!sent->order)
		return;
	if (!nodes_view(sent->node, &node) || node.entry.status != NODE_ACTIVE) {
		lane_drop(sent->node, sent->order);
		return;
	}
	arena_init(&arena, 1024, 1 << 20);
	if (lane_next(sent->node, sent->order, &arena, &number, &body)) {
		const struct dmq_channel *channel = channels_at(number);
		struct post post = POST_DATA(channel->name, channel->content_type, body);
		post.order = sent->order;
		post.is_continued = true;
		if (!post_send(&post, sent->node))
			lane_drop(sent->node, sent->order);
	}
	arena_free(&arena);
}

static void end(const struct sent *sent, unsigned code, bool is_answered)
{
	struct node_view node;
	bool is_good = is_answered && code >= 200 && code < 300;
	bool is_there = nodes_view(sent->node, &node);
	nodes_give_room(sent->node);
	greeted(sent, is_good);
	/* Answers to data say nothing about a node that was given up; its next ping does. */
	enum node_change change =
		is_answered && code != 408
			? nodes_answered(sent->node, is_good && sent->is_notification)
			: nodes_failed(sent->node, sent->is_notification);
	if (!is_good)
		counter_inc(dmq_counters->failed);
	if (is_there)
		node_tell(&node, change, code);
	continue_lane(sent);
}

static void on_done(const struct tm_uac_result *result)
{
	struct sent sent;
	if (result->data_len != sizeof(sent))
		return;
	memcpy(&sent, result->data, sizeof(sent));
	end(&sent, result->code, result->reply != NULL);
	if (result->reply && result->code >= 200 && result->code < 300 && sent.is_notification)
		notify_answered(message_body(result->reply), sent.is_introduction);
}

/* ---- one request --------------------------------------------------------------------------------------- */

static bool resolve(const struct node_view *node, struct span uri, struct end_point *out)
{
	struct located located;
	*out = node->address;
	if (out->family)
		return true;
	if (!locate_uri(uri, &located))
		return false;
	*out = located.targets[0];
	return true;
}

static bool start_request(const struct post *post, const struct node_view *node)
{
	char uri_text[256], from_text[256], hop_text[128], header_text[256];
	struct writer uri = writer_fixed(uri_text, sizeof(uri_text)),
		      from = writer_fixed(from_text, sizeof(from_text)),
		      hop = writer_fixed(hop_text, sizeof(hop_text)),
		      header = writer_fixed(header_text, sizeof(header_text));
	struct end_point to;
	struct sent sent = sent_of(post, node->name);
	node_entry_write_uri(&uri, post->channel, &node->entry);
	writer_printf(&from, "sip:%.*s@%.*s", SPAN_ARGS(post->channel), SPAN_ARGS(state.from));
	writer_printf(&header, "Content-Type: %.*s\r\n", SPAN_ARGS(post->content_type));
	if (uri.failed || from.failed || header.failed || !resolve(node, writer_result(&uri), &to))
		return false;
	writer_literal(&hop, "sip:");
	end_point_write_host(&hop, &to);
	writer_printf(&hop, ":%u;transport=%s", to.port,
		      transport_name_lower((enum transport)to.transport));
	const struct tm_uac uac = {
		.method = SPAN("KDMQ"),
		.uri = writer_result(&uri),
		.next_hop = writer_result(&hop),
		.from = writer_result(&from),
		.headers = writer_result(&header),
		.body = post->body,
		.max_forwards = post->max_forwards,
		.socket = state.socket->address.transport == to.transport ? state.socket : NULL,
		.done = on_done,
		.data = &sent,
		.data_len = sizeof(sent),
	};
	return dmq_tm()->uac(&uac, NULL);
}

/* False: it has to wait for another one. */
static bool is_its_turn(struct post *post, struct dmq_node node)
{
	unsigned number = 0;
	const struct dmq_channel *channel;
	if (!post->order || post->is_continued)
		return true;
	while ((channel = channels_at(number)) && !span_equal(channel->name, post->channel))
		number++;
	enum lane_entry entry = channel ? lane_enter(node, post, number) : LANE_NONE;
	if (entry == LANE_NONE)
		post->order = 0;
	return entry != LANE_WAITS;
}

static bool send_here(const struct post *wanted, const struct node_view *node)
{
	bool is_new_loss;
	struct post copy = *wanted;
	const struct post *post = &copy;
	if (!is_its_turn(&copy, node->name))
		return true;
	struct sent sent = sent_of(post, node->name);
	if (!nodes_take_room(node->name, &is_new_loss)) {
		counter_inc(dmq_counters->dropped);
		if (is_new_loss)
			log_error(
				"%.*s does not answer fast enough; messages for it are lost until "
				"it does (queue_limit %lld)",
				SPAN_ARGS(node->entry.host), (long long)dmq_settings->queue_limit);
		greeted(&sent, false);
		if (post->order)
			lane_drop(node->name, post->order);
		return false;
	}
	counter_inc(dmq_counters->sent);
	bool is_sent = start_request(post, node);
	if (!is_sent)
		end(&sent, 0, false);
	return is_sent;
}

static bool is_wanted(const struct post *post, const struct node_view *node)
{
	return !node->is_local && (node->entry.status == NODE_ACTIVE || post->is_notification);
}

static bool send_where(const struct post *post, struct dmq_node node)
{
	struct node_view view;
	uint32_t cursor = 0;
	if (node.generation)
		return nodes_view(node, &view) && !view.is_local && send_here(post, &view);
	while (nodes_next(&cursor, &view))
		if (is_wanted(post, &view))
			send_here(post, &view);
	return true;
}

/* ---- from other processes, and from where nobody may wait --------------------------------------------- */

struct order {
	struct post post;
	struct dmq_node node;
};

static void run_order_on_fiber(void *arg)
{
	struct order *order = arg;
	send_where(&order->post, order->node);
	shm_run_free(order);
	send_flush();
}

static void run_order(const void *data, size_t len)
{
	struct order *order;
	if (len != sizeof(order))
		return;
	memcpy(&order, data, sizeof(order));
	if (!fiber_start(run_order_on_fiber, order)) {
		counter_inc(dmq_counters->dropped);
		if (order->post.is_continued)
			lane_drop(order->node, order->post.order);
		shm_run_free(order);
	}
}

static struct span place(char **end, struct span text)
{
	char *start = *end;
	if (text.len)
		memcpy(start, text.at, text.len);
	*end += text.len;
	return span_make(start, text.len);
}

static bool send_order(const struct post *post, struct dmq_node node)
{
	size_t size =
		sizeof(struct order) + post->channel.len + post->content_type.len + post->body.len;
	struct order *order = shm_run_alloc(size, "dmq message");
	if (!order) {
		counter_inc(dmq_counters->dropped);
		return false;
	}
	char *end = (char *)(order + 1);
	*order = (struct order){ *post, node };
	order->post.channel = place(&end, post->channel);
	order->post.content_type = place(&end, post->content_type);
	order->post.body = place(&end, post->body);
	unsigned worker = worker_index() >= 0 ? (unsigned)worker_index() : 0;
	if (worker_post(worker, run_order, &order, sizeof(order)))
		return true;
	counter_inc(dmq_counters->dropped);
	shm_run_free(order);
	return false;
}

static bool send_any(const struct post *post, struct dmq_node node)
{
	if (post->body.len > DMQ_BODY_MOST) {
		log_error("a message of %zu bytes for the channel \"%.*s\" is too large (%d)",
			  post->body.len, SPAN_ARGS(post->channel), DMQ_BODY_MOST);
		return false;
	}
	if (worker_index() >= 0 && fiber_is_running())
		return send_where(post, node);
	return send_order(post, node);
}

bool post_send(const struct post *post, struct dmq_node node)
{
	return node.generation && send_any(post, node);
}

void post_broadcast(const struct post *post)
{
	if (nodes_active() || post->is_notification)
		send_any(post, (struct dmq_node){ 0 });
}

bool node_wait_for_room(struct dmq_node node)
{
	int64_t until_ms = clock_ms() + WAIT_MOST_MS;
	uint32_t most = (uint32_t)dmq_settings->queue_limit / 2;
	uint32_t count;
	while ((count = nodes_in_flight(node)) > most) {
		if (count == UINT32_MAX || clock_ms() > until_ms || !fiber_is_running())
			return false;
		fiber_sleep_ms(WAIT_STEP_MS);
	}
	return true;
}

/* ---- greetings ------------------------------------------------------------------------------------------- */

static bool first_active(struct dmq_node *out)
{
	struct node_view view;
	uint32_t cursor = 0;
	while (nodes_next(&cursor, &view)) {
		if (view.is_local || view.entry.status != NODE_ACTIVE)
			continue;
		*out = view.name;
		return true;
	}
	return false;
}

/* Who starts asks those who were there before. Later it asks only whom it could not reach then: a node that
 * comes after us may know less. */
void greet_again(bool was_introduced)
{
	const struct dmq_channel *channel;
	struct dmq_node node;
	if (!was_introduced && clock_ms() - state.started_ms > 2000 * dmq_settings->ping_interval)
		return;
	for (unsigned i = 0; (channel = channels_at(i)); i++) {
		uint32_t expected = 0;
		if (!channel->greeting.at || state.greeted[i] || !first_active(&node) ||
		    !atomic_compare_exchange_strong(&state.greeted[i], &expected, 1))
			continue;
		struct post post =
			POST_DATA(channel->name, channel->content_type, channel->greeting);
		post.greeting = (int)i;
		if (!post_send(&post, node))
			state.greeted[i] = 0;
	}
}
