/* SPDX-License-Identifier: BSD-2-Clause */
/* Serial forking by q: t_load_contacts() puts the destination set into an XAVP, best group first, and
 * t_next_contacts() takes one group after the other out of it (RFC 3261 16.6). */
#include <stdio.h>

#include "modules/tm/transaction.h"

#define SET_MOST  (MESSAGE_MAX_BRANCHES + 1)
#define RUN_EMPTY (-2)

/* The members of one contact in the XAVP. */
#define TEXT_MEMBERS(X)                                                               \
	X(uri, "uri")                                                                 \
	X(dst_uri, "dst_uri") X(path, "path") X(instance, "instance") X(ruid, "ruid") \
		X(location_ua, "ua")

/* A destination, and what xavp_contact knows of it. */
struct contact {
	struct branch branch;
	struct xavp *values; /* NULL: nothing */
};

static bool same_branch(const struct branch *a, const struct branch *b)
{
	return span_equal(a->uri, b->uri) && span_equal(a->dst_uri, b->dst_uri);
}

/* The values of the destination with this number: 0 is the Request-URI, branches follow. */
static struct xavp *values_of(const struct message *msg, unsigned number)
{
	struct span name = tm_settings()->xavp_contact;
	struct xavp *root = name.len ? xavp_find(msg->attributes.xavps, name, number, false) : NULL;
	return root && root->has_children ? root->children : NULL;
}

/* The destination set: Request-URI and branches, without the same one twice. */
static unsigned collect(struct message *msg, struct contact out[SET_MOST])
{
	unsigned count = 1;
	out[0] = (struct contact){ msg->target, values_of(msg, 0) };
	out[0].branch.uri = message_uri(msg);
	for (unsigned i = 0; i < msg->branch_count; i++) {
		const struct contact next = { msg->branches[i], values_of(msg, i + 1) };
		if (!next.branch.uri.at)
			continue;
		if (same_branch(&out[0].branch, &next.branch))
			out[0] = next;
		else
			out[count++] = next;
	}
	return count;
}

static int32_t q_of(const struct contact *contact)
{
	return contact->branch.q == Q_UNSPECIFIED ? -1 : contact->branch.q;
}

/* Highest q first; of equal ones the later. */
static void sort_by_q(struct contact *set, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct contact moving = set[i];
		unsigned at = i;
		for (; at > 0 && q_of(&set[at - 1]) <= q_of(&moving); at--)
			set[at] = set[at - 1];
		set[at] = moving;
	}
}

/* Moves a contact to an earlier place. */
static void move_up(struct contact *set, unsigned from, unsigned to)
{
	struct contact moving = set[from];
	for (; from > to; from--)
		set[from] = set[from - 1];
	set[to] = moving;
}

/* Draws the order; a contact comes early as often as its q says. Those without q come last. */
static void sort_by_chance(struct contact *set, unsigned count)
{
	for (unsigned first = 0; first + 1 < count; first++) {
		uint32_t sum = 0, drawn;
		unsigned chosen = first;
		for (unsigned i = first; i < count; i++)
			sum += set[i].branch.q > 0 ? (uint32_t)set[i].branch.q : 0;
		if (!sum)
			return;
		drawn = random_below(sum);
		for (;; chosen++) {
			uint32_t weight =
				set[chosen].branch.q > 0 ? (uint32_t)set[chosen].branch.q : 0;
			if (drawn < weight)
				break;
			drawn -= weight;
		}
		move_up(set, chosen, first);
	}
}

static bool push_number(struct attributes *all, struct xavp *node, const char *name, int64_t number)
{
	return xavp_push(all, &node->children, span_from(name), VALUE_OF_INT(number));
}

/* A list of values under a name, which is shared with where it was. */
static bool push_values(struct attributes *all, struct xavp **list, struct xavp *values)
{
	struct xavp *node = xavp_push(all, list, tm_settings()->xavp_contact, (struct value){ 0 });
	if (!node)
		return false;
	node->has_children = true;
	node->children = values;
	return true;
}

/* Nodes are pushed in front, so the last contact goes first. */
static bool push_contact(struct message *msg, struct span list, const struct contact *contact,
			 bool ends_group)
{
	struct attributes *all = &msg->attributes;
	const struct branch *branch = &contact->branch;
	struct xavp *node = xavp_push(all, &all->xavps, list, (struct value){ .kind = VALUE_NULL });
	if (!node)
		return false;
	node->has_children = true;
	bool ok = true;
#define PUSH_TEXT(member, name)                                           \
	if (branch->member.len)                                           \
		ok = ok && xavp_push(all, &node->children, SPAN_OF(name), \
				     VALUE_OF_TEXT(branch->member));
	TEXT_MEMBERS(PUSH_TEXT)
#undef PUSH_TEXT
	if (branch->socket)
		ok = ok && xavp_push(all, &node->children, SPAN_OF("sock"),
				     VALUE_OF_TEXT(branch->socket->text));
	if (contact->values)
		ok = ok && push_values(all, &node->children, contact->values);
	ok = ok && push_number(all, node, "q", branch->q) &&
	     push_number(all, node, "flags", branch->flags) &&
	     push_number(all, node, "q_flag", ends_group);
	return ok;
}

static void forget_values(struct message *msg)
{
	if (tm_settings()->xavp_contact.len)
		xavp_remove(&msg->attributes.xavps, tm_settings()->xavp_contact, -1, false);
}

struct load_args {
	int64_t mode;
};
static const struct field t_load_contacts_fields[] = { FIELD(
	struct load_args, mode, "0: by q, 1: by chance, weighted with q", .optional = true,
	.max = 1) };
#define t_load_contacts_args load_args
SCRIPT_HANDLER(t_load_contacts)

static int t_load_contacts(struct script_run *run, const struct load_args *args)
{
	struct message *msg = run->msg;
	struct contact set[SET_MOST];
	struct span list = tm_settings()->contacts_avp;
	if (!list.len) {
		log_error("t_load_contacts() needs modparam(\"tm\", \"contacts_avp\", …)");
		return -1;
	}
	unsigned count = collect(msg, set);
	if (count == 1)
		return 1;
	if (args->mode == 0)
		sort_by_q(set, count);
	else
		sort_by_chance(set, count);
	for (unsigned i = count; i > 0; i--) {
		bool ends_group =
			args->mode == 1 || i == count || set[i].branch.q != set[i - 1].branch.q;
		if (!push_contact(msg, list, &set[i - 1], ends_group))
			return -1;
	}
	forget_values(msg);
	message_clear_branches(msg);
	return 1;
}

static struct span child_text(struct xavp *node, const char *name)
{
	const struct xavp *child = xavp_find(node->children, span_from(name), 0, false);
	return child && child->value.kind == VALUE_TEXT ? child->value.text : NO_SPAN;
}

static int64_t child_number(struct xavp *node, const char *name)
{
	const struct xavp *child = xavp_find(node->children, span_from(name), 0, false);
	return child && child->value.kind == VALUE_INT ? child->value.number : 0;
}

static struct contact read_contact(struct xavp *node)
{
	struct end_point socket;
	struct span values_name = tm_settings()->xavp_contact;
	struct branch branch = { .q = (int32_t)child_number(node, "q"),
				 .flags = (uint32_t)child_number(node, "flags") };
	struct xavp *values =
		values_name.len ? xavp_find(node->children, values_name, 0, false) : NULL;
#define READ_TEXT(member, name) branch.member = child_text(node, name);
	TEXT_MEMBERS(READ_TEXT)
#undef READ_TEXT
	struct span text = child_text(node, "sock");
	if (text.len && end_point_parse(text, &socket))
		branch.socket = listener_find(&socket);
	return (struct contact){ branch, values ? values->children : NULL };
}

/* Gives the group's next destination its values back: the first of the list are those of the
 * Request-URI. */
static bool restore_values(struct message *msg, struct xavp *values)
{
	struct xavp **end = &msg->attributes.xavps;
	while (*end)
		end = &(*end)->next;
	return !values || push_values(&msg->attributes, end, values);
}

static bool set_main(struct message *msg, const struct branch *branch)
{
	if (!message_set_uri(msg, branch->uri) || !message_set_dst_uri(msg, branch->dst_uri))
		return false;
	struct branch *target = &msg->target;
	target->path = branch->path;
	target->ruid = branch->ruid;
	target->instance = branch->instance;
	target->location_ua = branch->location_ua;
	target->flags = branch->flags;
	target->socket = branch->socket;
	target->q = branch->q;
	return true;
}

/* Has a contact of this instance been tried, or is it in the group already? Then it is another flow of
 * the same phone (RFC 5626 7.1) and waits in contact_flows_avp. */
static bool is_further_flow(struct message *msg, const struct branch *branch, bool is_first)
{
	if (!tm_settings()->contact_flows_avp.len || !branch->instance.len)
		return false;
	if (!is_first && span_equal(msg->target.instance, branch->instance))
		return true;
	for (unsigned i = 0; i < msg->branch_count; i++)
		if (span_equal(msg->branches[i].instance, branch->instance))
			return true;
	return false;
}

SCRIPT_HANDLER_PLAIN(t_next_contacts)
static int t_next_contacts(struct script_run *run)
{
	struct message *msg = run->msg;
	struct span list = tm_settings()->contacts_avp;
	struct xavp *node;
	bool is_first = true, ends_group = false;
	if (!list.len) {
		log_error("t_next_contacts() needs modparam(\"tm\", \"contacts_avp\", …)");
		return -1;
	}
	if (!xavp_find(msg->attributes.xavps, list, 0, false))
		return RUN_EMPTY;
	message_clear_branches(msg);
	forget_values(msg);
	while (!ends_group && (node = xavp_find(msg->attributes.xavps, list, 0, false))) {
		struct contact contact = read_contact(node);
		const struct branch *branch = &contact.branch;
		ends_group = child_number(node, "q_flag");
		if (is_further_flow(msg, branch, is_first)) {
			if (!push_contact(msg, tm_settings()->contact_flows_avp, &contact, true))
				return -1;
		} else if (!restore_values(msg, contact.values) ||
			   (is_first ? !set_main(msg, branch) : !message_add_branch(msg, branch))) {
			return -1;
		} else {
			is_first = false;
		}
		xavp_remove(&msg->attributes.xavps, list, 0, false);
	}
	return 1;
}

SCRIPT_HANDLER_PLAIN(t_next_contact_flow)
static int t_next_contact_flow(struct script_run *run)
{
	struct message *msg = run->msg;
	struct span list = tm_settings()->contact_flows_avp;
	const struct tx_context *context = tx_context(msg);
	if (!list.len || !context || !context->tx || context->branch < 0 ||
	    context->branch >= context->tx->branch_count)
		return -1;
	struct span instance = context->tx->branches[context->branch]->sent->instance;
	for (unsigned i = 0;; i++) {
		struct xavp *node = xavp_find(msg->attributes.xavps, list, i, false);
		if (!node)
			return RUN_EMPTY;
		struct contact contact = read_contact(node);
		if (instance.len && span_equal(contact.branch.instance, instance)) {
			bool is_added = message_add_branch(msg, &contact.branch) &&
					restore_values(msg, contact.values);
			xavp_remove(&msg->attributes.xavps, list, (int)i, false);
			return is_added ? 1 : -1;
		}
	}
}

/* ---- destinations for another transaction ------------------------------------------------------------------------ */

struct append_args {
	int64_t index, label;
};
static const struct field t_cell_append_branches_fields[] = {
	FIELD(struct append_args, index, "$T(id_index) of the transaction"),
	FIELD(struct append_args, label, "its $T(id_label)"),
};
#define t_cell_append_branches_args append_args
SCRIPT_HANDLER(t_cell_append_branches)

static int t_cell_append_branches(struct script_run *run, const struct append_args *args)
{
	struct tm_name name;
	struct message *msg = run->msg;
	if (!name_from_ids((uint64_t)args->index, (uint64_t)args->label, &name))
		return -1;
	struct tx_context context = {
		.shard = name.shard, .index = name.slot, .generation = name.generation, .branch = -1
	};
	if (!tx_enter(&context))
		return -1;
	struct transaction *tx = context.tx;
	struct message *request = tx->server == SERVER_PROCEEDING && !(tx->flags & TX_CANCELLED)
					  ? tx_request(tx, run->arena, &context)
					  : NULL;
	struct script_run other;
	bool any_sent = false;
	if (request && script_run_init(&other, request, ROUTE_EVENT, NULL)) {
		message_clear_branches(request);
		any_sent = set_main(request, &(struct branch){ .uri = message_uri(msg),
							       .dst_uri = msg->target.dst_uri,
							       .path = msg->target.path,
							       .ruid = msg->target.ruid,
							       .instance = msg->target.instance,
							       .flags = msg->target.flags,
							       .socket = msg->target.socket,
							       .q = msg->target.q }) &&
			   relay_one(&other, tx, NULL, NULL);
		for (unsigned i = 0; i < msg->branch_count; i++)
			any_sent = relay_one(&other, tx, &msg->branches[i], NULL) || any_sent;
		if (any_sent)
			tx->flags = (tx->flags & ~(uint32_t)TX_SUSPENDED) | TX_RELAYED;
	}
	tx_leave(&context);
	return any_sent ? 1 : -1;
}

#define ON_RELAY (ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_BRANCH_FAILURE | ROUTE_EVENT)
static const struct script_function functions[] = {
	FUNCTION("t_load_contacts", t_load_contacts, ON_RELAY,
		 "Puts the destinations into an XAVP, best first."),
	FUNCTION_PLAIN("t_next_contacts", t_next_contacts, ON_RELAY,
		       "Takes the next group of equal q; -2 when none is left."),
	FUNCTION_PLAIN("t_next_contact_flow", t_next_contact_flow, ON_RELAY,
		       "Takes another flow of the failed branch's instance; -2 when none is left."),
	FUNCTION("t_cell_append_branches", t_cell_append_branches, ON_RELAY,
		 "Sends another transaction to the destinations of this message."),
};
const struct function_table tm_contact_table = ROWS(functions);
