/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of the cluster: one shard, because there are few of them and all processes see the same. */
#include "modules/dmq/dmq.h"

#include "core/shm/map.h"

struct node {
	struct slot slot;
	struct span host; /* in the slot's region */
	struct end_point address, seen;
	uint16_t port;
	uint8_t transport; /* as written: NONE is UDP */
	uint8_t status;
	bool is_local, is_losing; /* its messages are being dropped */
	uint32_t failures;        /* in a row */
	uint32_t in_flight;
	int64_t answered_ms; /* the last time that a message ended */
	int64_t heard_wall_s;
};

static const struct shard_type node_type = { .name = "dmq-nodes",
					     .slot_size = sizeof(struct node) };

/* Messages whose end nobody told because a worker died must not fill the room for ever. */
#define FORGOTTEN_MS 120000

static struct {
	struct shard_set *set;
	_Atomic uint32_t *active; /* shared */
} state;

bool nodes_prepare(void)
{
	state.set = shard_set_new(&node_type, 1);
	state.active = shm_reserve(sizeof(*state.active), "dmq");
	return state.set && state.active;
}

static struct shard *lock(void)
{
	return shard_lock_number(state.set, 0);
}

static struct node_entry entry_of(const struct node *node)
{
	return (struct node_entry){ node->host, node->port, (enum transport)node->transport,
				    (enum node_status)node->status };
}

static struct dmq_node name_of(const struct node *node)
{
	return (struct dmq_node){ node->slot.index, node->slot.generation };
}

static struct node *at(struct shard *shard, struct dmq_node name)
{
	return name.generation ? slot_at(shard, name.slot, name.generation) : NULL;
}

static struct node *find(struct shard *shard, const struct node_entry *entry)
{
	struct node *node = slot_first(shard, node_entry_hash(entry));
	for (; node; node = slot_next(shard, &node->slot)) {
		const struct node_entry own = entry_of(node);
		if (node_entry_equal(&own, entry))
			break;
	}
	return node;
}

/* After every change of who is active; the number is only a hint where to save work. */
static void count_active(struct shard *shard)
{
	uint32_t cursor = 0, count = 0;
	for (const struct node *node; (node = slot_each(shard, &cursor));)
		count += node->status == NODE_ACTIVE && !node->is_local;
	*state.active = count;
}

static void copy(const struct node *node, struct node_view *out)
{
	*out = (struct node_view){ .name = name_of(node),
				   .entry = entry_of(node),
				   .address = node->address,
				   .is_local = node->is_local,
				   .heard_wall_s = node->heard_wall_s };
	memcpy(out->host, node->host.at, node->host.len);
	out->entry.host.at = out->host;
}

static struct node *make(struct shard *shard, const struct node_entry *entry,
			 const struct end_point *address, bool is_local)
{
	struct node *node = slot_new(shard, node_entry_hash(entry));
	if (!node)
		return NULL;
	node->host = region_copy(shard, &node->slot, entry->host);
	if (!node->host.at) {
		slot_free(shard, &node->slot);
		return NULL;
	}
	node->port = entry->port;
	node->transport = (uint8_t)entry->transport;
	node->status = (uint8_t)entry->status;
	node->address = *address;
	node->is_local = is_local;
	node->answered_ms = clock_ms();
	slot_publish(shard, &node->slot);
	count_active(shard);
	return node;
}

bool nodes_add(const struct node_entry *entry, const struct end_point *address, bool is_local,
	       struct dmq_node *out_name)
{
	bool is_full = false;
	struct shard *shard = lock();
	struct node *node = find(shard, entry);
	if (!node)
		is_full = shard_live(state.set, 0) >= NODES_MOST;
	if (!node && !is_full)
		node = make(shard, entry, address, is_local);
	if (node)
		*out_name = name_of(node);
	shard_unlock(shard);
	if (!node)
		log_error("the node %.*s is not added: %s", SPAN_ARGS(entry->host),
			  is_full ? "there are too many nodes; check who may send notifications"
				  : "no shared memory");
	return node != NULL;
}

struct dmq_node nodes_find(const struct node_entry *entry)
{
	struct shard *shard = lock();
	const struct node *node = find(shard, entry);
	struct dmq_node name = node ? name_of(node) : (struct dmq_node){ 0 };
	shard_unlock(shard);
	return name;
}

bool nodes_view(struct dmq_node name, struct node_view *out_view)
{
	struct shard *shard = lock();
	const struct node *node = at(shard, name);
	if (node)
		copy(node, out_view);
	shard_unlock(shard);
	return node != NULL;
}

bool nodes_next(uint32_t *cursor, struct node_view *out_view)
{
	struct shard *shard = lock();
	const struct node *node = slot_each(shard, cursor);
	if (node)
		copy(node, out_view);
	shard_unlock(shard);
	return node != NULL;
}

struct dmq_node nodes_by_source(const struct end_point *source, enum node_status *out_status)
{
	struct dmq_node name = { 0 };
	uint32_t cursor = 0;
	struct shard *shard = lock();
	/* Of several nodes at one address an active one counts. */
	for (const struct node *node; (node = slot_each(shard, &cursor));) {
		if (node->is_local || (!end_point_same_ip(&node->address, source) &&
				       !end_point_same_ip(&node->seen, source)))
			continue;
		if (name.generation && node->status != NODE_ACTIVE)
			continue;
		name = name_of(node);
		*out_status = (enum node_status)node->status;
	}
	shard_unlock(shard);
	return name;
}

void nodes_saw(struct dmq_node name, const struct end_point *source)
{
	struct shard *shard = lock();
	struct node *node = at(shard, name);
	if (node) {
		slot_change_begin(shard, &node->slot);
		node->seen = *source;
		node->heard_wall_s = clock_wall_s();
		slot_change_end(shard, &node->slot);
	}
	shard_unlock(shard);
}

static void change_status(struct shard *shard, struct node *node, enum node_status status)
{
	slot_change_begin(shard, &node->slot);
	node->status = (uint8_t)status;
	if (status == NODE_ACTIVE)
		node->failures = 0;
	slot_change_end(shard, &node->slot);
	count_active(shard);
}

bool nodes_set_status(struct dmq_node name, enum node_status status)
{
	struct shard *shard = lock();
	struct node *node = at(shard, name);
	bool is_changed = node && node->status != status;
	if (is_changed)
		change_status(shard, node, status);
	shard_unlock(shard);
	return is_changed;
}

bool nodes_remove(struct dmq_node name)
{
	struct shard *shard = lock();
	struct node *node = at(shard, name);
	bool is_there = node && !node->is_local;
	if (is_there) {
		slot_free(shard, &node->slot);
		count_active(shard);
	}
	shard_unlock(shard);
	return is_there;
}

unsigned nodes_active(void)
{
	return *state.active;
}

/* ---- answers ---------------------------------------------------------------------------------------- */

enum node_change nodes_answered(struct dmq_node name, bool is_good)
{
	struct shard *shard = lock();
	struct node *node = at(shard, name);
	enum node_change change = NODE_SAME;
	if (node && (is_good || node->status == NODE_ACTIVE)) {
		change = node->status == NODE_ACTIVE ? NODE_SAME : NODE_UP;
		node->heard_wall_s = clock_wall_s();
		node->failures = 0;
		if (change != NODE_SAME)
			change_status(shard, node, NODE_ACTIVE);
	}
	shard_unlock(shard);
	return change;
}

/* One failure disables a node and the next ping removes it, unless failures are counted first. */
static enum node_change next_change(const struct node *node, bool is_ping)
{
	const struct dmq_settings *s = dmq_settings;
	int64_t failures = (int64_t)node->failures + 1;
	if (node->status == NODE_DISABLED)
		return is_ping && s->remove_inactive ? NODE_REMOVED : NODE_SAME;
	if (!s->fail_count_enabled || failures > s->fail_count_threshold_disabled)
		return NODE_OUT;
	if (failures > s->fail_count_threshold_not_active && node->status != NODE_NOT_ACTIVE)
		return NODE_DOWN;
	return NODE_SAME;
}

enum node_change nodes_failed(struct dmq_node name, bool is_ping)
{
	struct shard *shard = lock();
	struct node *node = at(shard, name);
	enum node_change change = node && !node->is_local ? next_change(node, is_ping) : NODE_SAME;
	if (node)
		node->failures++;
	if (change == NODE_REMOVED) {
		slot_free(shard, &node->slot);
		count_active(shard);
	} else if (change != NODE_SAME) {
		change_status(shard, node, change == NODE_OUT ? NODE_DISABLED : NODE_NOT_ACTIVE);
	}
	shard_unlock(shard);
	return change;
}

/* ---- room -------------------------------------------------------------------------------------------- */

bool nodes_take_room(struct dmq_node name, bool *out_is_new)
{
	struct shard *shard = lock();
	struct node *node = at(shard, name);
	if (node && clock_ms() - node->answered_ms > FORGOTTEN_MS)
		node->in_flight = 0;
	bool has_room = node && node->in_flight < (uint64_t)dmq_settings->queue_limit;
	*out_is_new = node && !has_room && !node->is_losing;
	if (node) {
		node->in_flight += has_room;
		node->is_losing = !has_room;
		if (node->in_flight <= 1)
			node->answered_ms = clock_ms();
	}
	shard_unlock(shard);
	return has_room;
}

void nodes_give_room(struct dmq_node name)
{
	struct shard *shard = lock();
	struct node *node = at(shard, name);
	if (node) {
		node->in_flight -= node->in_flight > 0;
		node->answered_ms = clock_ms();
	}
	shard_unlock(shard);
}

uint32_t nodes_in_flight(struct dmq_node name)
{
	struct shard *shard = lock();
	const struct node *node = at(shard, name);
	uint32_t count = node && node->status == NODE_ACTIVE ? node->in_flight : UINT32_MAX;
	shard_unlock(shard);
	return count;
}

/* ---- telling ------------------------------------------------------------------------------------------ */

static void run_event(const char *event, const struct node_view *node)
{
	struct arena arena;
	const struct image *image = script_current_image();
	if (!image || !script_route(image, ROUTE_EVENT, span_from(event)))
		return;
	arena_init(&arena, 8192, 1 << 20);
	struct message *msg = script_faked_request(&arena);
	struct writer w = writer_in_arena(&arena, 128);
	node_entry_write_uri(&w, SPAN_OF(""), &node->entry);
	if (msg && !w.failed && message_set_uri(msg, writer_result(&w)))
		script_run_event(event, msg, NULL, NULL);
	arena_free(&arena);
}

void node_tell(const struct node_view *node, enum node_change change, unsigned code)
{
	static const struct {
		const char *what, *event;
	} changes[] = {
		[NODE_SAME] = { NULL, NULL },
		[NODE_UP] = { "is active", "dmq:peer-up" },
		[NODE_DOWN] = { "does not answer and gets nothing for now", "dmq:peer-down" },
		[NODE_OUT] = { "does not answer and is disabled; what changes now does not reach it",
			       "dmq:peer-disabled" },
		[NODE_REMOVED] = { "did not answer again and is forgotten", NULL },
	};
	char text[NODE_HOST_MOST + 64];
	struct writer w = writer_fixed(text, sizeof(text));
	if (change == NODE_SAME)
		return;
	node_entry_write_uri(&w, SPAN_OF(""), &node->entry);
	if (change == NODE_UP)
		log_notice("the node %.*s %s", SPAN_ARGS(writer_result(&w)), changes[change].what);
	else
		log_warning("the node %.*s %s (%u)", SPAN_ARGS(writer_result(&w)),
			    changes[change].what, code);
	if (changes[change].event)
		run_event(changes[change].event, node);
}
