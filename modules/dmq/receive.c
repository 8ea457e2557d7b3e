/* SPDX-License-Identifier: BSD-2-Clause */
/* Receiving: the functions that hand a request to its channel, and who sent it. */
#include "modules/dmq/dmq.h"
#include "modules/sl/sl_api.h"
#include "modules/tm/tm_api.h"

#define CHANNEL_MOST 64

struct handle_args {
	bool goes_on;
};
static const struct field handle_fields[] = {
	FIELD(struct handle_args, goes_on, "1: the script goes on afterwards", .optional = true),
};
SCRIPT_HANDLER(handle)
SCRIPT_HANDLER_PLAIN(is_from_node)

struct custom_args {
	struct span channel, node, body, content_type;
};
static const struct field custom_fields[] = {
	FIELD(struct custom_args, channel, "channel"),
	FIELD(struct custom_args, node, "URI of the node that it is said to come from"),
	FIELD(struct custom_args, body, "body"),
	FIELD(struct custom_args, content_type, "type of the body"),
};
SCRIPT_HANDLER(custom)

/* ---- reading ------------------------------------------------------------------------------------------ */

/* The channel is the user part of To. */
static bool read_message(struct message *msg, struct dmq_message *out)
{
	struct sip_uri to;
	enum node_status status;
	int64_t hops = 1;
	if (!uri_parse(message_to_uri(msg), &to) || !to.user.len || to.user.len > CHANNEL_MOST)
		return false;
	struct span forwards = message_value(msg, HEADER_MAX_FORWARDS);
	if (forwards.at && !span_to_int64(span_trim(forwards), &hops))
		hops = 1;
	*out = (struct dmq_message){
		.channel = to.user,
		.body = message_body(msg),
		.content_type = message_value(msg, HEADER_CONTENT_TYPE),
		.from = nodes_by_source(&msg->from.source, &status),
		.source = msg->from.source,
		.from_uri = message_from_uri(msg),
		.max_forwards = hops,
	};
	return true;
}

/* Whoever we do not know may introduce himself and say nothing else. */
static bool is_welcome(const struct dmq_message *message)
{
	return message->from.generation || !dmq_settings->known_nodes_only ||
	       span_equal(message->channel, dmq_settings->notification_channel);
}

static struct dmq_answer answer_to(const struct dmq_message *message, struct arena *arena)
{
	struct dmq_answer answer = { .code = 200, .reason = SPAN("OK") };
	const struct dmq_channel *channel = channels_find(message->channel);
	if (!is_welcome(message)) {
		counter_inc(dmq_counters->refused);
		log_info(
			"a message for the channel \"%.*s\" came from an address that is no node's",
			SPAN_ARGS(message->channel));
		return (struct dmq_answer){ .code = 403, .reason = SPAN("Not A Node") };
	}
	if (!channel && !channels_is_noted(message->channel))
		return (struct dmq_answer){ .code = 404, .reason = SPAN("User Not Found") };
	counter_inc(dmq_counters->received);
	if (channel && channel->receive)
		channel->receive(message, arena, &answer);
	else
		answer = (struct dmq_answer){ .code = 202, .reason = SPAN("Accepted DMQ") };
	return answer;
}

/* ---- answering ------------------------------------------------------------------------------------------ */

/* Repetitions must not be worked on once more, so there is a transaction. False: it is one. */
static bool enter(struct script_run *run)
{
	const struct tm_api *tm = dmq_tm();
	return dmq_settings->sl_send || tm->has_transaction(run) || tm->create(run) != 0;
}

static bool send_answer(struct script_run *run, const struct dmq_answer *answer)
{
	if (answer->body.len &&
	    !message_set_reply_body(run->msg, answer->body, answer->content_type))
		return false;
	return dmq_sl()->send_reply(run, answer->code, answer->reason);
}

static int handle(struct script_run *run, const struct handle_args *args)
{
	struct dmq_message message;
	struct message *msg = run->msg;
	if (!message_is_request(msg) || !read_message(msg, &message)) {
		log_info("a request without a channel in To cannot be handled");
		return SCRIPT_FALSE;
	}
	if (!enter(run))
		return SCRIPT_STOP;
	struct dmq_answer answer = answer_to(&message, run->arena);
	if (!send_answer(run, &answer))
		return SCRIPT_FALSE;
	return args->goes_on ? SCRIPT_TRUE : SCRIPT_STOP;
}

static int custom(struct script_run *run, const struct custom_args *args)
{
	struct node_entry entry;
	if (!node_entry_parse(args->node, &entry)) {
		log_error("\"%.*s\" is no URI of a node", SPAN_ARGS(args->node));
		return SCRIPT_FALSE;
	}
	const struct dmq_message message = {
		.channel = args->channel,
		.body = args->body,
		.content_type = args->content_type,
		.from = nodes_find(&entry),
		.from_uri = args->node,
		.max_forwards = 1,
	};
	return answer_to(&message, run->arena).code < 300 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_from_node(struct script_run *run)
{
	enum node_status status;
	return nodes_by_source(&run->msg->from.source, &status).generation && status == NODE_ACTIVE
		       ? SCRIPT_TRUE
		       : SCRIPT_FALSE;
}

static const struct script_function functions[] = {
	FUNCTION("dmq_handle_message", handle, IN_REQUEST,
		"Hands a KDMQ request to its channel and answers it; ends the script unless its argument is 1."),
	FUNCTION("dmq_process_message", handle, IN_REQUEST, "The same as dmq_handle_message()."),
	FUNCTION("dmq_process_custom", custom, IN_ANY,
		"Hands a text to a channel as if the node had sent it."),
	FUNCTION("dmq_handle_custom", custom, IN_ANY, "The same as dmq_process_custom()."),
	FUNCTION_PLAIN("dmq_is_from_node", is_from_node, IN_REQUEST,
		"Does the request come from the address of an active node?"),
};
const struct function_table receive_functions = ROWS(functions);
