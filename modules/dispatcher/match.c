/* SPDX-License-Identifier: BSD-2-Clause */
/* match: functions that ask: does the request come from a destination, is one alive, how many are? */
#include "core/net/locate.h"
#include "modules/dispatcher/dispatcher.h"

enum { MATCH_ANY_PORT = 1, MATCH_ANY_TRANSPORT = 2, MATCH_ACTIVE = 4 };
#define EVERY_SET (-1)

/* What ds_dsg_fetch found, beside the message. */
struct set_counts {
	int64_t count, active, inactive, probed_active, probed_inactive;
};
static struct {
	unsigned slot;
} state;

bool match_prepare(void)
{
	state.slot = message_slot("dispatcher");
	return true;
}

/* ---- who sends? ---------------------------------------------------------------------------------------------- */

struct origin {
	struct end_point at;
	int64_t set, mode;
};

/* Without a transport it is UDP; with sips: nobody knows. */
static bool has_transport(const struct destination *to, uint8_t transport)
{
	uint8_t own = to->address.transport;
	if (own == TRANSPORT_NONE && !span_starts_with_nocase(to->uri, SPAN_OF("sips:")))
		own = TRANSPORT_UDP;
	return own == TRANSPORT_NONE || own == transport;
}

static bool is_from(const struct destination *to, const struct origin *origin)
{
	const struct end_point *own = &to->address;
	if (to->flags & DESTINATION_NO_DNS || !own->family || !end_point_same_ip(own, &origin->at))
		return false;
	if (!(origin->mode & MATCH_ANY_PORT) && own->port != origin->at.port)
		return false;
	if (!(origin->mode & MATCH_ANY_TRANSPORT) && !has_transport(to, origin->at.transport))
		return false;
	return !(origin->mode & MATCH_ACTIVE) || destination_is_usable(to);
}

static const struct destination *find_in(const struct destination_set *set,
					 const struct origin *origin)
{
	for (uint32_t i = 0; set && i < set->count; i++)
		if (is_from(&set->all[i], origin))
			return &set->all[i];
	return NULL;
}

static bool assign(struct script_run *run, const struct variable_ref *variable, struct value value)
{
	return !variable || variable_write(run, variable, &value);
}

/* Names were looked up when the list was loaded; with ds_dns_mode 2 again now. */
static void refresh_names(void)
{
	if (dispatcher_settings->dns_mode & NAMES_AT_MATCH)
		load_names();
}

static int match(struct script_run *run, const struct origin *origin)
{
	refresh_names();
	const struct destination_list *list = list_hold();
	const struct destination *found = NULL;
	int64_t set = origin->set;
	if (set != EVERY_SET)
		found = find_in(list_set(list, set), origin);
	for (uint32_t i = 0; set == EVERY_SET && list && i < list->set_count && !found; i++) {
		found = find_in(&list->sets[i], origin);
		if (found)
			set = list->sets[i].id;
	}
	struct span attrs = found ? arena_copy(run->arena, found->attrs) : (struct span){ 0 };
	list_release();
	if (!found || !assign(run, dispatcher_setid_variable(), VALUE_OF_INT(set)) ||
	    (attrs.len && !assign(run, dispatcher_attrs_variable(), VALUE_OF_TEXT(attrs))))
		return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

/* ---- functions of the script -------------------------------------------------------------------------------------- */

/* Absent numbers are not 0, so they are texts. */
struct from_args {
	struct span set, mode, uri;
};
static const struct field from_fields[] = {
	FIELD(struct from_args, set, "number of the set; -1: all", .optional = true),
	FIELD(struct from_args, mode, "1: any port, 2: any transport, 4: only active", .optional = true),
	FIELD(struct from_args, uri, "URI in place of the message's source", .optional = true),
};
SCRIPT_HANDLER_OF(is_from_list, from)

struct set_args {
	int64_t set;
};
static const struct field set_fields[] = {
	FIELD(struct set_args, set, "number of the set"),
};
SCRIPT_HANDLER_OF(list_exists, set)
SCRIPT_HANDLER_OF(fetch_counts, set)

struct active_args {
	int64_t set;
	struct span uri;
};
static const struct field active_fields[] = {
	FIELD(struct active_args, set, "number of the set"),
	FIELD(struct active_args, uri, "this destination; any when absent", .optional = true),
};
SCRIPT_HANDLER_OF(is_active, active)
SCRIPT_HANDLER_PLAIN(reload)

static const struct script_function functions[] = {
	FUNCTION_OF("ds_is_from_list", is_from_list, from, IN_ANY, "Does the message come from a destination? Without a mode the transport does not matter."),
	FUNCTION_OF("ds_list_exists", list_exists, set, IN_ANY, "Is there such a set?"),
	FUNCTION_OF("ds_list_exist", list_exists, set, IN_ANY, "Same as ds_list_exists."),
	FUNCTION_OF("ds_is_active", is_active, active, IN_ANY, "Is a destination of the set, or this one, in use?"),
	FUNCTION_OF("ds_dsg_fetch", fetch_counts, set, IN_ANY, "Counts the destinations of the set for $dsg(...)."),
	FUNCTION_PLAIN("ds_reload", reload, IN_ANY, "Reads file or table again."),
};
const struct function_table match_functions = { functions, ARRAY_SIZE(functions) };

static int is_from_list(struct script_run *run, const struct from_args *args)
{
	struct origin origin = { run->msg->from.source, EVERY_SET, MATCH_ANY_TRANSPORT };
	if ((args->set.at && !span_to_int64(span_trim(args->set), &origin.set)) ||
	    (args->mode.at && !span_to_int64(span_trim(args->mode), &origin.mode))) {
		log_error("ds_is_from_list: set and mode are numbers, not \"%.*s\" and \"%.*s\"",
			  SPAN_ARGS(args->set), SPAN_ARGS(args->mode));
		return SCRIPT_FALSE;
	}
	if (args->uri.len && !locate_address(args->uri, &origin.at)) {
		log_debug("ds_is_from_list: %.*s is no URI, or nobody knows its host",
			  SPAN_ARGS(args->uri));
		return SCRIPT_FALSE;
	}
	return match(run, &origin);
}

static int list_exists(struct script_run *run, const struct set_args *args)
{
	(void)run;
	bool exists = list_set(list_hold(), args->set) != NULL;
	list_release();
	return exists ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_active(struct script_run *run, const struct active_args *args)
{
	(void)run;
	const struct destination_set *set = list_set(list_hold(), args->set);
	bool is_found = false;
	for (uint32_t i = 0; set && i < set->count && !is_found; i++)
		is_found = destination_is_usable(&set->all[i]) &&
			   (!args->uri.len || span_equal_nocase(set->all[i].uri, args->uri));
	list_release();
	return is_found ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int reload(struct script_run *run)
{
	(void)run;
	const char *wrong = dispatcher_reload();
	if (wrong)
		log_error("ds_reload: %s", wrong);
	return wrong ? SCRIPT_FALSE : SCRIPT_TRUE;
}

/* ---- $dsg(...) ------------------------------------------------------------------------------------------------------- */

static int fetch_counts(struct script_run *run, const struct set_args *args)
{
	struct set_counts *counts = ARENA_NEW(run->arena, struct set_counts);
	if (!counts)
		return SCRIPT_FALSE;
	const struct destination_set *set = list_set(list_hold(), args->set);
	for (uint32_t i = 0; set && i < set->count; i++) {
		uint32_t flags = set->all[i].state->flags;
		bool is_probed = flags & DESTINATION_PROBING;
		bool is_up = !(flags & DESTINATION_UNUSABLE);
		counts->count++;
		counts->active += is_up;
		counts->inactive += !is_up;
		counts->probed_active += is_up && is_probed;
		counts->probed_inactive += !is_up && is_probed;
	}
	list_release();
	run->msg->slots[state.slot] = set ? counts : NULL;
	return set ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct { const char *name; size_t offset; } count_names[] = {
	{ "count", offsetof(struct set_counts, count) },
	{ "active", offsetof(struct set_counts, active) },
	{ "inactive", offsetof(struct set_counts, inactive) },
	{ "pactive", offsetof(struct set_counts, probed_active) },
	{ "pinactive", offsetof(struct set_counts, probed_inactive) },
};

const char *match_bind_counts(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	for (size_t i = 0; i < ARRAY_SIZE(count_names); i++)
		if (span_equal(ref->inner, span_from(count_names[i].name)))
			return NULL;
	return "$dsg(count), (active), (inactive), (pactive) and (pinactive) are known";
}

bool match_get_counts(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct set_counts *counts = run->msg->slots[state.slot];
	struct span name = variable_inner_text(run, ref);
	*out = (struct value){ 0 };
	for (size_t i = 0; counts && i < ARRAY_SIZE(count_names); i++) {
		int64_t number;
		if (!span_equal(name, span_from(count_names[i].name)))
			continue;
		memcpy(&number, (const char *)counts + count_names[i].offset, sizeof(number));
		*out = VALUE_OF_INT(number);
	}
	return true;
}
