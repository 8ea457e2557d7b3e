/* SPDX-License-Identifier: BSD-2-Clause */
/* select: functions that choose destinations, keep the others for later, and go on to the next. */
#include "modules/dispatcher/dispatcher.h"

#define NO_SPAN ((struct span){ NULL, 0 })

/* A destination that was chosen, in the message's memory. */
struct picked {
	int64_t set;
	struct span uri, attrs, duid, socket_text, sockname, host_port;
	const struct listener *socket;
};
struct selection {
	struct picked *all;
	uint32_t count, capacity, limit;
	bool is_parallel; /* all at once */
	bool is_counted;  /* their loads matter */
};

enum target { TARGET_DST, TARGET_DOMAIN, TARGET_NOTHING };

static bool is_failover(void)
{
	return dispatcher_settings->flags & FLAG_FAILOVER;
}

/* ---- choosing ---------------------------------------------------------------------------------------------- */

static bool pick(struct script_run *run, struct selection *to, int64_t set,
		 const struct destination *from)
{
	if (to->count == to->limit)
		return true;
	if (to->count == to->capacity) {
		uint32_t more = to->capacity ? 2 * to->capacity : 8;
		struct picked *grown = arena_grow(
			run->arena, to->all, to->capacity * sizeof(*grown), more * sizeof(*grown));
		if (!grown)
			return false;
		to->all = grown;
		to->capacity = more;
	}
	struct picked *picked = &to->all[to->count];
	*picked = (struct picked){ .set = set,
				   .uri = arena_copy(run->arena, from->uri),
				   .attrs = arena_copy(run->arena, from->attrs),
				   .duid = arena_copy(run->arena, from->duid),
				   .socket_text = arena_copy(run->arena, from->socket_text),
				   .sockname = arena_copy(run->arena, from->sockname),
				   .socket = from->socket };
	if (!picked->uri.at)
		return false;
	picked->host_port = span_slice(picked->uri, (size_t)(from->host_port.at - from->uri.at),
				       picked->uri.len);
	to->count++;
	return true;
}

/* The chosen one, and with fail-over those after it, round the set; the default comes last. */
static bool pick_from(struct script_run *run, struct selection *to,
		      const struct destination_set *set, uint32_t chosen)
{
	uint32_t ordinary =
		dispatcher_settings->use_default && set->count > 1 ? set->count - 1 : set->count;
	if (!pick(run, to, set->id, &set->all[chosen]))
		return false;
	if (!is_failover() && !to->is_parallel)
		return true;
	for (uint32_t i = 1; i < ordinary && chosen < ordinary; i++) {
		const struct destination *next = &set->all[(chosen + i) % ordinary];
		if (!destination_is_usable(next) || (to->is_counted && !destination_has_room(next)))
			continue;
		if (!pick(run, to, set->id, next))
			return false;
	}
	return ordinary == set->count || chosen >= ordinary ||
	       !destination_is_usable(&set->all[ordinary]) ||
	       pick(run, to, set->id, &set->all[ordinary]);
}

/* Appends what one rule chooses; false when it chooses nothing. */
static bool select_set(struct script_run *run, struct selection *to, int64_t id, int64_t algorithm)
{
	struct choice_key key;
	uint32_t before = to->count;
	if (!choice_key(run, algorithm, &key))
		return false;
	if (key.algorithm == CHOOSE_LOAD &&
	    (!calls_are_on() || message_method(run->msg) != METHOD_INVITE))
		key.algorithm = CHOOSE_PRIORITY;
	const struct destination_set *set = list_set(list_hold(), id);
	uint32_t chosen = set ? choose(set, &key) : NOT_CHOSEN;
	struct span duid = NO_SPAN;
	if (chosen != NOT_CHOSEN && key.algorithm == CHOOSE_LOAD)
		duid = arena_copy(run->arena, set->all[chosen].duid);
	list_release();
	/* Counting takes a lock and holds the list itself. */
	if (duid.len) {
		struct span call_id = message_value(run->msg, HEADER_CALL_ID);
		to->is_counted = call_id.len && calls_add(call_id, id, duid);
	}
	set = list_set(list_hold(), id);
	if (set && chosen < set->count) {
		to->is_parallel = key.algorithm == CHOOSE_ALL;
		pick_from(run, to, set, chosen);
	}
	list_release();
	return to->count > before;
}

/* ---- the XAVPs -------------------------------------------------------------------------------------------------- */

static bool add_field(struct message *msg, struct xavp *to, const char *name, struct value value)
{
	if (value.kind == VALUE_TEXT && !value.text.len)
		return true;
	return xavp_push(&msg->attributes, &to->children, span_from(name), value);
}

static bool push_destination(struct message *msg, const struct picked *from, bool with_duid)
{
	const struct dispatcher_settings *s = dispatcher_settings;
	int64_t mode = s->xavp_dst_mode;
	struct xavp *to = xavp_push(&msg->attributes, &msg->attributes.xavps, s->xavp_dst,
				    (struct value){ 0 });
	if (!to)
		return false;
	to->has_children = true;
	struct span attrs = mode & XAVP_NO_ATTRS ? NO_SPAN : from->attrs;
	struct span socket = mode & XAVP_SOCKET ? from->socket_text : NO_SPAN;
	struct span sockname = mode & XAVP_SOCKNAME ? from->sockname : NO_SPAN;
	return add_field(msg, to, "attrs", VALUE_OF_TEXT(attrs)) &&
	       add_field(msg, to, "dstid", VALUE_OF_TEXT(with_duid ? from->duid : NO_SPAN)) &&
	       add_field(msg, to, "sockname", VALUE_OF_TEXT(sockname)) &&
	       add_field(msg, to, "socket", VALUE_OF_TEXT(socket)) &&
	       add_field(msg, to, "sock",
			 VALUE_OF_TEXT(from->socket ? from->socket->text : NO_SPAN)) &&
	       add_field(msg, to, "uri", VALUE_OF_TEXT(from->uri)) &&
	       add_field(msg, to, "grp", VALUE_OF_INT(from->set));
}

static bool keep_selection(struct message *msg, const struct selection *from)
{
	const struct dispatcher_settings *s = dispatcher_settings;
	uint32_t count = is_failover() && !from->is_parallel ? from->count : 0;
	bool is_kept = true;
	xavp_remove(&msg->attributes.xavps, s->xavp_dst, -1, false);
	for (uint32_t i = count; i-- > 0 && is_kept;)
		is_kept = push_destination(msg, &from->all[i], from->is_counted);
	xavp_remove(&msg->attributes.xavps, s->xavp_ctx, -1, false);
	if (s->xavp_ctx_mode & 1 || !is_kept)
		return is_kept;
	struct xavp *context = xavp_push(&msg->attributes, &msg->attributes.xavps, s->xavp_ctx,
					 (struct value){ 0 });
	if (context)
		context->has_children = true;
	return context && add_field(msg, context, "cnt", VALUE_OF_INT(count));
}

/* The first destination that is left; NULL when there is none. */
static struct xavp *current(const struct message *msg)
{
	return xavp_find(msg->attributes.xavps, dispatcher_settings->xavp_dst, 0, false);
}

static struct value *field_of(struct xavp *from, const char *name)
{
	struct xavp *found = from ? xavp_find(from->children, span_from(name), 0, false) : NULL;
	return found ? &found->value : NULL;
}

static struct span text_of(struct xavp *from, const char *name)
{
	struct value *value = field_of(from, name);
	return value && value->kind == VALUE_TEXT ? value->text : NO_SPAN;
}

/* ---- where the request goes ----------------------------------------------------------------------------------------- */

/* The Request-URI with host, port and parameters of the destination; absent when there is none. */
static struct span uri_at(const struct message *msg, struct span host_port)
{
	struct sip_uri uri;
	if (!message_parse_uri(msg, &uri))
		return NO_SPAN;
	struct span user = uri.user.len ? span_make(uri.user.at, uri.user.len) : NO_SPAN;
	if (!user.len)
		return arena_printf(msg->arena, "sip:%.*s", SPAN_ARGS(host_port));
	if (uri.password.at)
		return arena_printf(msg->arena, "sip:%.*s:%.*s@%.*s", SPAN_ARGS(user),
				    SPAN_ARGS(uri.password), SPAN_ARGS(host_port));
	return arena_printf(msg->arena, "sip:%.*s@%.*s", SPAN_ARGS(user), SPAN_ARGS(host_port));
}

static const struct listener *socket_of(const struct listener *own)
{
	return own ? own : dispatcher_default_socket();
}

static bool go_to(struct message *msg, enum target target, const struct picked *to)
{
	const struct listener *socket = socket_of(to->socket);
	if (target == TARGET_NOTHING)
		return true;
	if (target == TARGET_DST ? !message_set_dst_uri(msg, to->uri)
				 : !message_set_uri(msg, uri_at(msg, to->host_port)))
		return false;
	if (socket)
		msg->target.socket = socket;
	return true;
}

/* Further destinations at the same time. */
static bool add_branches(struct message *msg, enum target target, const struct selection *from)
{
	for (uint32_t i = 1; target != TARGET_NOTHING && i < from->count; i++) {
		const struct picked *to = &from->all[i];
		const struct branch branch = {
			.uri = target == TARGET_DST ? message_uri(msg)
						    : uri_at(msg, to->host_port),
			.dst_uri = target == TARGET_DST ? to->uri : NO_SPAN,
			.socket = socket_of(to->socket),
			.q = Q_UNSPECIFIED,
		};
		if (!branch.uri.at || !message_add_branch(msg, &branch))
			return false;
	}
	return true;
}

static int use(struct script_run *run, enum target target, const struct selection *selection)
{
	if (!selection->count || !keep_selection(run->msg, selection) ||
	    !go_to(run->msg, target, &selection->all[0]))
		return SCRIPT_FALSE;
	if (selection->is_parallel && !add_branches(run->msg, target, selection))
		return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

static bool is_taken(const struct message *msg, enum target target)
{
	return target == TARGET_DST && !dispatcher_settings->force_dst && msg->target.dst_uri.len;
}

static struct selection selection_of(int64_t limit)
{
	return (struct selection){ .limit = limit > 0 && limit < UINT32_MAX ? (uint32_t)limit
									    : UINT32_MAX };
}

/* ---- functions of the script ---------------------------------------------------------------------------------------- */

struct select_args {
	int64_t set, algorithm, limit;
};
static const struct field select_fields[] = {
	FIELD(struct select_args, set, "number of the set"),
	FIELD(struct select_args, algorithm, "how: 0-7 hashes, round robin, random; 8 priority; 9-13"),
	FIELD(struct select_args, limit, "so many destinations are kept; 0: all", .optional = true),
};
SCRIPT_HANDLER_OF(select_dst, select)
SCRIPT_HANDLER_OF(select_domain, select)
SCRIPT_HANDLER_OF(select_only, select)

struct routes_args {
	struct span rules, mode;
	int64_t limit;
};
static const struct field routes_fields[] = {
	FIELD(struct routes_args, rules, "set=algorithm;set=algorithm…"),
	FIELD(struct routes_args, mode, "d: into $du; r: into the Request-URI; x: only kept"),
	FIELD(struct routes_args, limit, "so many destinations are kept; 0: all", .optional = true),
};
SCRIPT_HANDLER_OF(select_routes, routes)

struct mark_args {
	struct span state;
};
static const struct field mark_fields[] = {
	FIELD(struct mark_args, state, "a, i, t or d, with p for probing; i when absent", .optional = true),
};
SCRIPT_HANDLER_OF(mark_dst, mark)

SCRIPT_HANDLER_PLAIN(next_dst)
SCRIPT_HANDLER_PLAIN(next_domain)
SCRIPT_HANDLER_PLAIN(set_dst)
SCRIPT_HANDLER_PLAIN(set_domain)
SCRIPT_HANDLER_PLAIN(load_update)
SCRIPT_HANDLER_PLAIN(load_unset)

#define IN_SELECT (IN_REQUEST | IN_FAILURE | ROUTE_BRANCH_FAILURE)
#define IN_LOAD   (IN_ANY & ~(unsigned)ROUTE_ONSEND)
static const struct script_function functions[] = {
	FUNCTION_OF("ds_select_dst", select_dst, select, IN_SELECT, "Chooses a destination of the set for $du."),
	FUNCTION_OF("ds_select_domain", select_domain, select, IN_SELECT, "Chooses a destination for host and port of the Request-URI."),
	FUNCTION_OF("ds_select", select_only, select, IN_ANY, "Chooses destinations and only keeps them."),
	FUNCTION_OF("ds_select_routes", select_routes, routes, IN_ANY, "Chooses from several sets, one after the other."),
	FUNCTION_PLAIN("ds_next_dst", next_dst, IN_SELECT, "Puts the next destination that was kept into $du."),
	FUNCTION_PLAIN("ds_next_domain", next_domain, IN_SELECT, "Puts the next destination that was kept into the Request-URI."),
	FUNCTION_PLAIN("ds_set_dst", set_dst, IN_SELECT, "Puts the current destination into $du."),
	FUNCTION_PLAIN("ds_set_domain", set_domain, IN_SELECT, "Puts the current destination into the Request-URI."),
	FUNCTION_OF("ds_mark_dst", mark_dst, mark, IN_SELECT | IN_ANY_REPLY, "Sets the state of the current destination."),
	FUNCTION_PLAIN("ds_load_update", load_update, IN_LOAD, "BYE and CANCEL end the call that was counted; a 2xx to its INVITE confirms it."),
	FUNCTION_PLAIN("ds_load_unset", load_unset, IN_LOAD, "The call is not counted any more."),
};
const struct function_table select_functions = { functions, ARRAY_SIZE(functions) };

static int select_one(struct script_run *run, enum target target, const struct select_args *args)
{
	struct selection selection = selection_of(args->limit);
	if (is_taken(run->msg, target)) {
		log_error("$du is set already, and force_dst is 0");
		return SCRIPT_FALSE;
	}
	if (!select_set(run, &selection, args->set, args->algorithm))
		return SCRIPT_FALSE;
	return use(run, target, &selection);
}

static int select_dst(struct script_run *run, const struct select_args *args)
{
	return select_one(run, TARGET_DST, args);
}

static int select_domain(struct script_run *run, const struct select_args *args)
{
	return select_one(run, TARGET_DOMAIN, args);
}

static int select_only(struct script_run *run, const struct select_args *args)
{
	return select_one(run, TARGET_NOTHING, args);
}

static bool target_of(struct span mode, enum target *out)
{
	static const char letters[] = "dr"
				      "x";
	char first = mode.len ? ascii_lower(mode.at[0]) : '\0';
	const char *found = first ? strchr(letters, first) : NULL;
	if (first >= '0' && first <= '2')
		*out = (enum target)(first - '0');
	else if (found)
		*out = (enum target)(found - letters);
	else
		return false;
	return true;
}

/* rules = set "=" algorithm *( ";" set "=" algorithm ) [ ";" ] */
static bool select_by_rules(struct script_run *run, struct selection *to, struct span rules)
{
	struct span rest = rules, rule, set_text;
	while (rest.len && span_split(&rest, ';', &rule)) {
		int64_t set, algorithm;
		if (!span_trim(rule).len)
			continue;
		if (!span_split(&rule, '=', &set_text) || !rule.at ||
		    !span_to_int64(span_trim(set_text), &set) ||
		    !span_to_int64(span_trim(rule), &algorithm)) {
			log_error("ds_select_routes: \"%.*s\" is no list of set=algorithm",
				  SPAN_ARGS(rules));
			return false;
		}
		/* All at once makes no sense in a sequence. */
		if (algorithm != CHOOSE_ALL)
			select_set(run, to, set, algorithm);
	}
	return to->count > 0;
}

static int select_routes(struct script_run *run, const struct routes_args *args)
{
	struct selection selection = selection_of(args->limit);
	enum target target;
	if (!target_of(args->mode, &target)) {
		log_error("ds_select_routes: the mode is d, r or x, not \"%.*s\"",
			  SPAN_ARGS(args->mode));
		return SCRIPT_FALSE;
	}
	if (is_taken(run->msg, target) || !select_by_rules(run, &selection, args->rules))
		return SCRIPT_FALSE;
	return use(run, target, &selection);
}

/* ---- the next, the same again ---------------------------------------------------------------------------------------- */

static int use_current(struct script_run *run, enum target target)
{
	struct xavp *found = current(run->msg);
	struct picked to = { .uri = text_of(found, "uri") };
	struct span socket = text_of(found, "sock");
	struct end_point address;
	struct sip_uri uri;
	if (!to.uri.len || !uri_parse(to.uri, &uri))
		return SCRIPT_FALSE;
	if (socket.len && end_point_parse(socket, &address))
		to.socket = listener_find(&address);
	to.host_port = span_slice(to.uri, (size_t)(uri.host.at - to.uri.at), to.uri.len);
	return go_to(run->msg, target, &to) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int use_next(struct script_run *run, enum target target)
{
	struct message *msg = run->msg;
	if (!current(msg))
		return SCRIPT_FALSE;
	bool was_counted = text_of(current(msg), "dstid").len > 0;
	xavp_remove(&msg->attributes.xavps, dispatcher_settings->xavp_dst, 0, false);
	int result = use_current(run, target);
	struct span duid = text_of(current(msg), "dstid");
	if (result > 0 && was_counted && duid.len)
		calls_move(message_value(msg, HEADER_CALL_ID), duid);
	return result;
}

static int next_dst(struct script_run *run)
{
	return use_next(run, TARGET_DST);
}

static int next_domain(struct script_run *run)
{
	return use_next(run, TARGET_DOMAIN);
}

static int set_dst(struct script_run *run)
{
	return use_current(run, TARGET_DST);
}

static int set_domain(struct script_run *run)
{
	return use_current(run, TARGET_DOMAIN);
}

/* ---- what became of it ------------------------------------------------------------------------------------------------- */

static int mark_dst(struct script_run *run, const struct mark_args *args)
{
	uint32_t flags = DESTINATION_INACTIVE;
	struct xavp *found = current(run->msg);
	struct value *set = field_of(found, "grp");
	if (args->state.len && !state_parse(args->state, &flags)) {
		log_warning("ds_mark_dst: \"%.*s\" is no state: a, i, t or d, with p for probing",
			    SPAN_ARGS(args->state));
		return SCRIPT_FALSE;
	}
	struct span uri = arena_copy(run->arena, text_of(found, "uri"));
	return set && uri.len && state_mark(set->number, uri, flags, run->msg) ? SCRIPT_TRUE
									       : SCRIPT_FALSE;
}

static int load_update(struct script_run *run)
{
	struct message *msg = run->msg;
	struct span call_id = message_value(msg, HEADER_CALL_ID);
	uint32_t method = message_method(msg);
	if (!call_id.len)
		return SCRIPT_FALSE;
	if (message_is_request(msg)) {
		if (method & (METHOD_BYE | METHOD_CANCEL))
			calls_remove(call_id, NO_SPAN);
	} else if (method == METHOD_INVITE && msg->index->status / 100 == 2) {
		calls_confirm(call_id);
	}
	return SCRIPT_TRUE;
}

static int load_unset(struct script_run *run)
{
	struct span duid = text_of(current(run->msg), "dstid");
	if (duid.len)
		calls_remove(message_value(run->msg, HEADER_CALL_ID), duid);
	return SCRIPT_TRUE;
}
