/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that send. */
#include "modules/dmq/dmq.h"
#include "modules/tm/tm_api.h"

struct send_args {
	struct span channel, node, body, content_type;
};
static const struct field send_fields[] = {
	FIELD(struct send_args, channel, "channel"),
	FIELD(struct send_args, node, "URI of the node"),
	FIELD(struct send_args, body, "body"),
	FIELD(struct send_args, content_type, "type of the body"),
};
struct broadcast_args {
	struct span channel, body, content_type;
};
static const struct field broadcast_fields[] = {
	FIELD(struct broadcast_args, channel, "channel"),
	FIELD(struct broadcast_args, body, "body"),
	FIELD(struct broadcast_args, content_type, "type of the body"),
};
struct replicate_args {
	bool skips_test;
};
static const struct field replicate_fields[] = {
	FIELD(struct replicate_args, skips_test, "1: also what came from a node", .optional = true),
};
SCRIPT_HANDLER_OF(send_message, send)
SCRIPT_HANDLER(broadcast)
SCRIPT_HANDLER(replicate)

/* A line end in it would be a header of its own. */
static bool is_type(struct span text)
{
	return text.len && text.len < 128 && span_find(text, '\r', 0) == text.len &&
	       span_find(text, '\n', 0) == text.len;
}

static bool is_channel(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alpha(text.at[i]) && !ascii_is_digit(text.at[i]) &&
		    !memchr("-_.!~*", text.at[i], 6))
			return false;
	return text.len > 0 && text.len <= 64;
}

static bool check(struct span channel, struct span content_type)
{
	if (is_channel(channel) && is_type(content_type))
		return true;
	log_error("\"%.*s\" and \"%.*s\" are no channel and content type", SPAN_ARGS(channel),
		  SPAN_ARGS(content_type));
	return false;
}

static int send_message(struct script_run *run, const struct send_args *args)
{
	struct node_entry entry;
	const struct post post = POST_DATA(args->channel, args->content_type, args->body);
	if (!check(args->channel, args->content_type))
		return SCRIPT_FALSE;
	struct dmq_node node = { 0 };
	if (node_entry_parse(args->node, &entry))
		node = nodes_find(&entry);
	if (!node.generation) {
		log_error("dmq_send_message: there is no node \"%.*s\"; dmq.list_nodes shows them",
			  SPAN_ARGS(args->node));
		return SCRIPT_FALSE;
	}
	channels_note(args->channel);
	return post_send(&post, node) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int broadcast(struct script_run *run, const struct broadcast_args *args)
{
	const struct post post = POST_DATA(args->channel, args->content_type, args->body);
	if (!check(args->channel, args->content_type) || args->body.len > DMQ_BODY_MOST)
		return SCRIPT_FALSE;
	channels_note(args->channel);
	post_broadcast(&post);
	return SCRIPT_TRUE;
}

/* ---- copies of a request ---------------------------------------------------------------------------------- */

static struct span hop_of(const struct node_view *node, struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 96);
	if (!node->address.family)
		node_entry_write_uri(&w, SPAN_OF(""), &node->entry);
	else {
		writer_literal(&w, "sip:");
		end_point_write_host(&w, &node->address);
		writer_printf(&w, ":%u;transport=%s", node->address.port,
			      transport_name_lower((enum transport)node->address.transport));
	}
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

/* Every active node becomes a destination, the first the request's own. Returns how many. */
static unsigned add_destinations(struct message *msg)
{
	struct node_view view;
	uint32_t cursor = 0;
	unsigned count = 0;
	while (nodes_next(&cursor, &view)) {
		struct branch branch = { .uri = message_uri(msg), .q = Q_UNSPECIFIED };
		if (view.is_local || view.entry.status != NODE_ACTIVE)
			continue;
		branch.dst_uri = hop_of(&view, msg->arena);
		if (!branch.dst_uri.at)
			break;
		if (count == 0 ? !message_set_dst_uri(msg, branch.dst_uri)
			       : !message_add_branch(msg, &branch)) {
			log_error(
				"dmq_t_replicate: not all nodes get the request: no memory, or more "
				"than max_branches");
			break;
		}
		count++;
	}
	return count;
}

/* It ends the script when it could be sent, because nobody may relay or answer it after that but its
 * transaction. */
static int replicate(struct script_run *run, const struct replicate_args *args)
{
	struct message *msg = run->msg;
	enum node_status status;
	if (!args->skips_test && nodes_by_source(&msg->from.source, &status).generation) {
		log_debug("dmq_t_replicate: the request came from a node");
		return SCRIPT_FALSE;
	}
	if (add_destinations(msg) == 0)
		return SCRIPT_TRUE;
	return dmq_tm()->replicate(run) > 0 ? SCRIPT_STOP : SCRIPT_FALSE;
}

static const struct script_function functions[] = {
	FUNCTION_OF("dmq_send_message", send_message, send, IN_ANY, "Sends a text to one node."),
	FUNCTION("dmq_bcast_message", broadcast, IN_ANY, "Sends a text to all active nodes."),
	FUNCTION("dmq_t_replicate", replicate, IN_REQUEST,
		"Sends the request to all active nodes and ends the script; false when it came from one."),
};
const struct function_table send_functions = ROWS(functions);
