/* SPDX-License-Identifier: BSD-2-Clause */
/* Routing by Route headers (RFC 3261 16.4, 16.6 step 6, 16.12), with strict routers before and
 * behind us.
 *
 * Where it goes is put into the message (next hop, Request-URI, socket); the Routes that are done
 * are removed by edits. What was found is kept in the message's slot for the functions that ask
 * afterwards; a message that comes back from a transaction has lost its slot, and its own Route is
 * then looked up again in the received bytes. */
#include "modules/rr/rr.h"
#include "parser/name_addr.h"

#define FIRST_ROUTES  4
#define MAX_ROUTES    128
#define MAX_CALLBACKS 8

/* One value of a Route header. */
struct route {
	const struct sip_header *header;
	struct span whole;
	struct route_uri uri;
	bool is_removed;
};

struct route_set {
	struct route *routes;
	unsigned count;
};

/* What loose_route found out about a message. */
struct routing {
	const char *bytes; /* of the message as it was then: tells whether edits came since */
	enum loose_result result;
	struct span params; /* of our own Route, with the first ";" */
	bool has_own_route;
	bool has_next_hop;
};

static struct {
	unsigned slot;
	rr_routed callbacks[MAX_CALLBACKS];
	unsigned callback_count;
} state;

/* ---- the route set --------------------------------------------------------------------------- */

/* Room for one more route; NULL when there are too many. Most messages have one or two. */
static struct route *route_add(struct message *msg, struct route_set *set)
{
	unsigned count = set->count;
	if (count == MAX_ROUTES)
		return NULL;
	/* Full at each power of two. */
	if (count == 0 || (count >= FIRST_ROUTES && (count & (count - 1)) == 0)) {
		unsigned room = count ? 2 * count : FIRST_ROUTES;
		struct route *grown = arena_grow(msg->arena, set->routes, count * sizeof(*grown),
						 room * sizeof(*grown));
		if (!grown)
			return NULL;
		set->routes = grown;
	}
	set->count++;
	return &set->routes[count];
}

static bool route_read(struct message *msg, const struct sip_header *h, struct span value,
		       struct route_set *set)
{
	struct name_addr address;
	enum list_result result;
	while ((result = name_addr_next(&value, &address)) == LIST_ITEM) {
		struct route *route = route_add(msg, set);
		if (!route || !route_uri_read(address.uri, &route->uri))
			return false;
		route->header = h;
		route->whole = address.whole;
		route->is_removed = false;
	}
	return result != LIST_BAD;
}

/* Reads all values of all Route headers that no edit removes. False when one is malformed. */
static bool routes_read(struct message *msg, struct route_set *out)
{
	*out = (struct route_set){ 0 };
	for (const struct sip_header *h = message_header(msg, HEADER_ROUTE); h;
	     h = message_next_header(msg, h))
		if (!edit_removes(msg, h) && !route_read(msg, h, message_header_value(msg, h), out))
			return false;
	return true;
}

static uint32_t place(const struct message *msg, const char *at)
{
	return (uint32_t)(at - msg->bytes.at);
}

/* Removes routes[first..last] of one header whose values are routes[begin..end). */
static bool remove_values(struct message *msg, const struct route *routes, unsigned first,
			  unsigned last, unsigned begin, unsigned end)
{
	if (first == begin && last + 1 == end)
		return edit_remove_header(msg, routes[first].header) != NULL;
	const char *from = routes[first].whole.at;
	const char *to = last + 1 < end ? routes[last + 1].whole.at
					: routes[last].whole.at + routes[last].whole.len;
	if (last + 1 == end)
		from = routes[first - 1].whole.at + routes[first - 1].whole.len;
	return edit_replace(msg, place(msg, from), (uint32_t)(to - from), SPAN_OF("")) != NULL;
}

/* Makes the edits for the routes that are marked as removed. */
static bool routes_remove(struct message *msg, const struct route_set *set)
{
	for (unsigned begin = 0, end; begin < set->count; begin = end) {
		for (end = begin;
		     end < set->count && set->routes[end].header == set->routes[begin].header;)
			end++;
		for (unsigned i = begin; i < end; i++) {
			unsigned first = i;
			if (!set->routes[i].is_removed)
				continue;
			while (i + 1 < end && set->routes[i + 1].is_removed)
				i++;
			if (!remove_values(msg, set->routes, first, i, begin, end))
				return false;
		}
	}
	return true;
}

static struct route *routes_top(const struct route_set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		if (!set->routes[i].is_removed)
			return &set->routes[i];
	return NULL;
}

static struct route *routes_bottom(const struct route_set *set)
{
	for (unsigned i = set->count; i-- > 0;)
		if (!set->routes[i].is_removed)
			return &set->routes[i];
	return NULL;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* RFC 3261 16.4: a strict router put our own Record-Route into the Request-URI; the real one is the
 * last Route. False when there is no Route to take. */
static bool undo_strict_router(struct message *msg, struct route_set *set, struct routing *routing)
{
	struct sip_uri uri;
	struct route *last = routes_bottom(set);
	if (!last || (last->uri.is_ours && set->count == 1))
		return false;
	if (message_parse_uri(msg, &uri)) {
		routing->params = uri_params_with_start(&uri);
		routing->has_own_route = true;
	}
	last->is_removed = true;
	if (last->uri.is_loose && !message_set_dst_uri(msg, last->uri.text))
		return false;
	return message_set_uri(msg, last->uri.text);
}

/* Takes our own Route off the top, and its twin when there are two (r2): the twin names the socket
 * to send from. */
static void take_own_route(struct message *msg, struct route_set *set, struct routing *routing)
{
	struct route *own = routes_top(set);
	const struct listener *socket = NULL;
	if (!own || !own->uri.is_ours)
		return;
	own->is_removed = true;
	routing->has_own_route = true;
	routing->params = own->uri.params;
	struct route *twin = routes_top(set);
	bool is_double = rr_settings->enable_double_rr && own->uri.is_double && twin &&
			 twin->uri.is_ours && twin->uri.is_double;
	if (is_double) {
		twin->is_removed = true;
		socket = twin->uri.listener;
		if (!socket && rr_settings->enable_socket_mismatch_warning)
			log_warning("no socket of ours is %.*s, named by the second Route",
				    SPAN_ARGS(twin->uri.text));
	} else if (rr_settings->force_send_socket) {
		socket = own->uri.listener;
	}
	if (socket)
		msg->target.socket = socket;
}

/* The URI of the next Route is the next hop; when that is a strict router it becomes the
 * Request-URI, and ours goes to the end of the Routes. */
static bool go_to_next_route(struct message *msg, struct route_set *set)
{
	struct route *next = routes_top(set);
	if (next->uri.is_loose)
		return message_set_dst_uri(msg, next->uri.text);
	struct span line =
		arena_printf(msg->arena, "Route: <%.*s>\r\n", SPAN_ARGS(message_uri(msg)));
	next->is_removed = true;
	return line.at && edit_append_header(msg, line) && message_set_uri(msg, next->uri.text);
}

static enum loose_result route_message(struct message *msg, unsigned mode, struct routing *routing)
{
	struct route_set set;
	const struct sip_uri *uri;
	bool is_preloaded = !message_to_tag(msg).len;
	if (!message_header(msg, HEADER_ROUTE))
		return LOOSE_NOT_ROUTED;
	if (!routes_read(msg, &set)) {
		log_debug("malformed Route");
		return LOOSE_NOT_ROUTED;
	}
	if (!set.count)
		return LOOSE_NOT_ROUTED;
	bool by_strict_router = !is_preloaded && !(mode & LOOSE_SKIP_STRICT) &&
				(uri = message_read_uri(msg, message_uri(msg))) &&
				uri_is_ours(uri) && !uri_param_text(uri, SPAN_OF("gr")).at;
	if (by_strict_router && !undo_strict_router(msg, &set, routing))
		return LOOSE_NOT_ROUTED;
	take_own_route(msg, &set, routing);
	bool has_next = routes_top(&set) != NULL;
	if (has_next && !go_to_next_route(msg, &set))
		return LOOSE_NOT_ROUTED;
	routing->has_next_hop = has_next && routing->has_own_route;
	if (!routes_remove(msg, &set))
		return LOOSE_NOT_ROUTED;
	return is_preloaded && !has_next ? LOOSE_PRELOADED : LOOSE_ROUTED;
}

/* ---- what others call ------------------------------------------------------------------------ */

void loose_reserve(void)
{
	state.slot = message_slot("rr");
}

bool loose_on_routed(rr_routed callback)
{
	if (state.callback_count == MAX_CALLBACKS)
		return false;
	state.callbacks[state.callback_count++] = callback;
	return true;
}

enum loose_result loose_route(struct message *msg, unsigned mode)
{
	struct routing *routing = msg->slots[state.slot];
	/* The edits of an earlier call are not visible yet: routing again would remove twice. */
	if (routing && routing->bytes == msg->bytes.at && routing->has_own_route)
		return routing->result;
	routing = ARENA_NEW(msg->arena, struct routing);
	if (!routing)
		return LOOSE_NOT_ROUTED;
	routing->bytes = msg->bytes.at;
	routing->params = SPAN_OF("");
	routing->result = route_message(msg, mode, routing);
	msg->slots[state.slot] = routing;
	if (routing->result == LOOSE_ROUTED)
		msg->notes |= NOTE_ROUTED_BY_DIALOG;
	if (routing->has_own_route)
		for (unsigned i = 0; i < state.callback_count; i++)
			state.callbacks[i](msg, routing->params);
	return routing->result;
}

struct span loose_own_params(struct message *msg)
{
	const struct routing *routing = msg->slots[state.slot];
	if (routing && routing->has_own_route)
		return routing->params;
	for (const struct sip_header *h = message_header(msg, HEADER_ROUTE); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr address;
		struct route_uri uri;
		if (name_addr_next(&rest, &address) != LIST_ITEM ||
		    !route_uri_read(address.uri, &uri))
			break;
		/* Only the topmost counts, whether it is ours or not. */
		return uri.is_ours ? uri.params : SPAN_OF("");
	}
	return SPAN_OF("");
}

bool loose_param(struct message *msg, struct span name, struct span *out_value)
{
	struct param param;
	if (!params_find(loose_own_params(msg), ';', name, &param))
		return false;
	*out_value = param.value;
	return true;
}

enum rr_direction loose_direction(struct message *msg)
{
	struct span ftag;
	if (!message_to_tag(msg).len || !loose_param(msg, SPAN_OF("ftag"), &ftag) || !ftag.len)
		return RR_DOWNSTREAM;
	return span_equal(ftag, message_from_tag(msg)) ? RR_DOWNSTREAM : RR_UPSTREAM;
}

bool loose_has_next_hop(const struct message *msg)
{
	const struct routing *routing = msg->slots[state.slot];
	return routing && routing->has_next_hop;
}

struct span loose_top_uri(const struct message *msg)
{
	const struct sip_header *h = message_header(msg, HEADER_ROUTE);
	struct name_addr address;
	struct span rest = h ? message_header_value(msg, h) : SPAN_OF("");
	return h && name_addr_next(&rest, &address) == LIST_ITEM ? address.uri : (struct span){ 0 };
}
