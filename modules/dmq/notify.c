/* SPDX-License-Identifier: BSD-2-Clause */
/* Notifications: nodes tell each other whom they know. A new one tells its own URI to a node of
 * notification_address and learns the others from the answer; a list with Max-Forwards above 1 that brought
 * something new is passed on to all. The same messages are the pings. */
#include "core/net/locate.h"
#include "modules/dmq/dmq.h"

#define ADDRESSES_MOST 16

static struct {
	struct node_entry addresses[ADDRESSES_MOST];
	unsigned address_count;
	struct dmq_channel channel;
} state;

const char *notify_add_address(struct span text, int64_t number)
{
	struct node_entry entry;
	struct span kept = arena_copy(startup_arena(), text);
	(void)number;
	if (state.address_count == ADDRESSES_MOST)
		return "there are too many; each node tells of all others";
	if (!kept.at || !node_entry_parse(kept, &entry))
		return "expected the URI of a node, sip:ADDRESS:PORT";
	entry.status = NODE_PENDING;
	state.addresses[state.address_count++] = entry;
	return NULL;
}

/* ---- what we know -------------------------------------------------------------------------------------- */

/* The active nodes, ourselves included. */
static struct span write_list(struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 1024);
	struct node_view view;
	uint32_t cursor = 0;
	while (nodes_next(&cursor, &view))
		if (view.entry.status == NODE_ACTIVE && w.len < DMQ_BODY_MOST - 512)
			node_entry_write_line(&w, &view.entry);
	return w.failed ? SPAN_OF("") : writer_result(&w);
}

void notify_node(struct dmq_node node, uint32_t max_forwards)
{
	struct arena arena;
	arena_init(&arena, 4096, 1 << 20);
	struct post post = POST_DATA(dmq_settings->notification_channel, SPAN_OF("text/plain"),
				     write_list(&arena));
	post.max_forwards = max_forwards;
	post.is_notification = true;
	if (node.generation)
		post_send(&post, node);
	else
		post_broadcast(&post);
	arena_free(&arena);
}

/* ---- what others know ------------------------------------------------------------------------------------ */

static bool is_own(const struct node_entry *entry, const struct end_point *address)
{
	const struct end_point *own = own_address();
	if (node_entry_equal(entry, own_entry()))
		return true;
	return end_point_same_ip(address, own) && address->port == own->port &&
	       address->transport == own->transport;
}

static bool resolve(const struct node_entry *entry, struct located *out)
{
	char text[NODE_HOST_MOST + 64];
	struct writer w = writer_fixed(text, sizeof(text));
	node_entry_write_uri(&w, SPAN_OF(""), entry);
	return !w.failed && locate_uri(writer_result(&w), out);
}

/* A node that we knew already: `is_itself` when it speaks for itself. Others cannot bring back one that did
 * not answer us. */
static bool update(struct dmq_node name, const struct node_entry *entry, bool is_itself)
{
	struct node_view view;
	if (!nodes_view(name, &view) || view.is_local || view.entry.status == entry->status ||
	    entry->status == NODE_PENDING)
		return false;
	if (view.entry.status == NODE_DISABLED && !(is_itself && entry->status == NODE_ACTIVE))
		return false;
	if (!nodes_set_status(name, entry->status))
		return false;
	if (entry->status == NODE_ACTIVE)
		node_tell(&view, NODE_UP, 200);
	return true;
}

/* True when it changed what we know. `speaker` absent: an answer to us. */
static bool learn(const struct node_entry *entry, const struct dmq_message *message)
{
	struct located located;
	struct node_view view;
	struct node_entry speaker;
	struct dmq_node name = nodes_find(entry);
	bool is_itself = message && node_entry_parse(message->from_uri, &speaker) &&
			 node_entry_equal(&speaker, entry);
	bool is_new = false;
	if (!name.generation) {
		if (!resolve(entry, &located)) {
			log_info("the node %.*s cannot be resolved", SPAN_ARGS(entry->host));
			return false;
		}
		if (is_own(entry, &located.targets[0]) ||
		    !nodes_add(entry, &located.targets[0], false, &name))
			return false;
		is_new = true;
		if (entry->status == NODE_ACTIVE && nodes_view(name, &view))
			node_tell(&view, NODE_UP, 200);
	} else {
		is_new = update(name, entry, is_itself);
	}
	if (is_itself)
		nodes_saw(name, &message->source);
	return is_new;
}

static bool learn_list(struct span body, const struct dmq_message *message)
{
	struct node_entry entry;
	unsigned skipped = 0, count = 0;
	bool is_changed = false;
	while (count++ < 2 * NODES_MOST && node_list_next(&body, &entry, &skipped))
		is_changed = learn(&entry, message) || is_changed;
	if (skipped)
		log_info("%u lines of a list of nodes name none", skipped);
	return is_changed;
}

void notify_answered(struct span body, bool was_introduction)
{
	learn_list(body, NULL);
	greet_again(was_introduction);
}

static void receive(const struct dmq_message *message, struct arena *arena,
		    struct dmq_answer *answer)
{
	bool is_changed = learn_list(message->body, message);
	answer->body = write_list(arena);
	answer->content_type = SPAN_OF("text/plain");
	if (is_changed && message->max_forwards > 1)
		notify_node((struct dmq_node){ 0 },
			    (uint32_t)(message->max_forwards - 1) > 8
				    ? 8
				    : (uint32_t)(message->max_forwards - 1));
	greet_again(false);
}

/* ---- at the start, and at intervals ---------------------------------------------------------------------- */

/* Adds nodes for a configured address that is none yet, and speaks to them. */
static void call_address(const struct node_entry *address)
{
	struct located located;
	struct dmq_node name;
	if (nodes_find(address).generation)
		return;
	if (!resolve(address, &located)) {
		log_warning("notification_address %.*s cannot be resolved; it is tried again",
			    SPAN_ARGS(address->host));
		return;
	}
	for (unsigned i = 0; i < (dmq_settings->multi_notify ? located.count : 1); i++) {
		char host[END_POINT_TEXT_MAX];
		struct writer w = writer_fixed(host, sizeof(host));
		struct node_entry entry = *address;
		if (is_own(address, &located.targets[i]))
			continue;
		if (dmq_settings->multi_notify) {
			end_point_write_host(&w, &located.targets[i]);
			entry.host = writer_result(&w);
			entry.port = located.targets[i].port;
			if (nodes_find(&entry).generation)
				continue;
		}
		if (nodes_add(&entry, &located.targets[i], false, &name))
			notify_node(name, 2);
	}
}

static void call_addresses(void)
{
	for (unsigned i = 0; i < state.address_count; i++)
		call_address(&state.addresses[i]);
}

void notify_start(void)
{
	call_addresses();
}

void notify_ping(void)
{
	lanes_sweep();
	notify_node((struct dmq_node){ 0 }, 1);
	call_addresses();
}

bool notify_prepare(void)
{
	struct dmq_node name;
	state.channel = (struct dmq_channel){ .name = dmq_settings->notification_channel,
					      .content_type = SPAN_OF("text/plain"),
					      .receive = receive };
	if (dmq_settings->multi_notify && state.address_count > 1) {
		log_error("multi_notify is for one notification_address only");
		return false;
	}
	return channels_join(&state.channel) && nodes_add(own_entry(), own_address(), true, &name);
}
