/* SPDX-License-Identifier: BSD-2-Clause */
/* dmq: a queue of messages between the servers of a cluster, by KDMQ requests. Settings and the life of the
 * module. */
#include "core/shm/map.h"
#include "modules/dmq/dmq.h"
#include "modules/sl/sl_api.h"
#include "modules/tm/tm_api.h"

static struct dmq_settings settings = {
	.notification_channel = SPAN("notification_peer"),
	.ping_interval = 60,
	.remove_inactive = true,
	.fail_count_threshold_disabled = 1,
	.known_nodes_only = true,
	.queue_limit = 1000,
};
const struct dmq_settings *const dmq_settings = &settings;
static struct dmq_counters counters;
const struct dmq_counters *const dmq_counters = &counters;

static struct {
	const void *tm, *sl;
	uint32_t *is_started; /* shared: the first notifications went out */
	struct loop_timer timer;
} state = { .timer = LOOP_TIMER_INIT };

static const struct field setting_fields[] = {
	FIELD(settings, server_address, "URI by which other nodes reach this one: sip:ADDRESS:PORT"),
	FIELD(settings, server_socket, "socket that messages are sent from: udp:ADDRESS:PORT"),
	FIELD_ACCEPT("notification_address", notify_add_address,
		"URI of a node that is told of this one, and tells of others; may be repeated"),
	FIELD(settings, notification_channel, "channel of the messages about nodes"),
	FIELD(settings, multi_notify, "all addresses of notification_address are nodes, not only the first"),
	FIELD(settings, ping_interval, "seconds between two pings of all nodes", .min = 1, .max = 86400),
	FIELD(settings, remove_inactive, "a disabled node that does not answer its ping is forgotten"),
	FIELD(settings, fail_count_enabled, "failures are counted before a node is disabled"),
	FIELD(settings, fail_count_threshold_not_active, "failures after which a node gets nothing", .max = 1000),
	FIELD(settings, fail_count_threshold_disabled, "failures after which a node is disabled", .max = 1000),
	FIELD(settings, sl_send, "answers are sent without state, so repetitions are worked on again"),
	FIELD(settings, known_nodes_only, "messages but notifications are taken from addresses of nodes only"),
	FIELD(settings, queue_limit, "unanswered messages of a node, beyond which new ones are dropped",
		.min = 10, .max = 100000),
	FIELD_IGNORED("num_workers", "the worker that receives a message works on it"),
	FIELD_IGNORED("worker_usleep", "nobody polls"),
	FIELD_IGNORED("init_with_single", "a node starts alone and goes on asking"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
};

static const struct counter_row counter_rows[] = {
	{ NULL, "sent", "messages sent to nodes", &counters.sent },
	{ NULL, "received", "messages of nodes", &counters.received },
	{ NULL, "refused", "messages of others than nodes", &counters.refused },
	{ NULL, "dropped", "messages that were not sent because their node is behind", &counters.dropped },
	{ NULL, "superseded", "messages that newer ones about the same thing replaced", &counters.superseded },
	{ NULL, "failed", "messages that were not answered by a success", &counters.failed },
};

const struct tm_api *dmq_tm(void)
{
	return state.tm;
}

const struct sl_api *dmq_sl(void)
{
	return state.sl;
}

/* ---- life cycle --------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	state.is_started = shm_reserve(sizeof(*state.is_started), "dmq");
	return state.is_started && nodes_prepare() && channels_prepare() && lanes_prepare() &&
	       send_prepare(diagnostics) && notify_prepare();
}

static void first_words(void *arg)
{
	(void)arg;
	notify_start();
	send_flush();
}

static void on_start(struct loop_timer *timer)
{
	if (!fiber_start(first_words, NULL))
		loop_timer_start(timer, 100, 0, on_start, NULL);
}

static bool start_worker(void)
{
	if (worker_index() == 0 && !*state.is_started) {
		*state.is_started = 1;
		loop_timer_start(&state.timer, 0, 0, on_start, NULL);
	}
	return true;
}

static int64_t ping_period_ms(void)
{
	return settings.ping_interval * 1000;
}

static const struct module_timer timers[] = {
	{ "dmq ping", ping_period_ms, notify_ping, false },
};

static const struct module_event events[] = {
	{ "dmq:peer-up", ROUTE_EVENT, "a node became active; $ru is its URI" },
	{ "dmq:peer-down", ROUTE_EVENT, "a node gets nothing for now (fail_count_enabled); $ru is its URI" },
	{ "dmq:peer-disabled", ROUTE_EVENT, "a node did not answer and is disabled; $ru is its URI" },
};

static bool is_alone(void)
{
	return nodes_active() == 0;
}

static void broadcast(const struct dmq_channel *channel, uint64_t order, struct span body)
{
	struct post post = POST_DATA(channel->name, channel->content_type, body);
	post.order = order;
	post_broadcast(&post);
}

static bool send_to(const struct dmq_channel *channel, struct dmq_node node, struct span body)
{
	const struct post post = POST_DATA(channel->name, channel->content_type, body);
	return post_send(&post, node);
}

static const struct dmq_api api = {
	.join = channels_join,
	.is_alone = is_alone,
	.broadcast = broadcast,
	.send = send_to,
	.wait_for_room = node_wait_for_room,
	.stream_start = stream_start,
	.stream_add = stream_add,
};

static const struct module_interface offers[] = { { "dmq", DMQ_API_VERSION, &api } };
static const struct module_need needs[] = {
	{ .name = "tm", .version = TM_API_VERSION, .out_functions = &state.tm },
	{ .name = "sl", .version = SL_API_VERSION, .out_functions = &state.sl },
};
static const struct function_table *const more_functions[] = { &receive_functions, &send_functions,
							       NULL };

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "dmq",
	.doc = "Messages between the servers of a cluster: who is there, and what modules replicate.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions = more_functions,
	.commands = { dmq_commands, DMQ_COMMANDS },
	.counters = ROWS(counter_rows),
	.timers = ROWS(timers),
	.events = ROWS(events),
	.offers = ROWS(offers),
	.needs = ROWS(needs),
	.prepare = prepare,
	.start_worker = start_worker,
};
