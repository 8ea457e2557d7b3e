/* SPDX-License-Identifier: BSD-2-Clause */
/* rr: stays in the path of a dialog (Record-Route) and follows it (Route). The rows of the module;
 * the work is in record.c and loose.c. */
#include "modules/rr/rr.h"

static struct rr_settings settings = {
	.append_fromtag = true,
	.enable_double_rr = 1,
	.enable_socket_mismatch_warning = true,
};
const struct rr_settings *const rr_settings = &settings;

static const struct field setting_fields[] = {
	FIELD(settings, enable_full_lr,
		"write lr=on instead of lr, for phones that drop a bare lr"),
	FIELD(settings, append_fromtag,
		"add the dialog's From tag as ftag, to know the direction later"),
	FIELD(settings, enable_double_rr, "two headers when sockets differ; 2: always", .min = 0,
		.max = 2),
	FIELD(settings, add_username, "put the user of the Request-URI into the header"),
	FIELD(settings, enable_socket_mismatch_warning,
		"warn when the second Route names no socket of ours"),
	FIELD(settings, custom_user_avp, "AVP with the user part for the header"),
	FIELD(settings, force_send_socket,
		"send from the socket of our Route also when there is only one"),
	FIELD(settings, ignore_sips, "write sip: also for sips: requests"),
	FIELD(settings, sockname_mode, "name the socket in a parameter sn and find it by that"),
	FIELD(settings, loose_route_mode, "mode bits that loose_route() uses", .min = 0, .max = 3),
};

struct record_args {
	struct span params;
};
static const struct field record_fields[] = {
	FIELD(struct record_args, params, "parameters \";name=value\"", .optional = true),
};
struct preset_args {
	struct span first, second;
};
static const struct field preset_fields[] = {
	FIELD(struct preset_args, first, "host[:port][;params] of the outgoing side"),
	FIELD(struct preset_args, second, "of the incoming side", .optional = true),
};
struct advertised_args {
	struct span address;
};
static const struct field advertised_fields[] = {
	FIELD(struct advertised_args, address, "host[:port]"),
};
struct add_param_args {
	struct span param;
};
static const struct field add_param_fields[] = {
	FIELD(struct add_param_args, param, "\";name=value\""),
};
struct check_param_args {
	const struct pattern *pattern;
};
static const struct field check_param_fields[] = {
	FIELD(struct check_param_args, pattern,
		"regular expression over the parameters of our Route"),
};
struct is_direction_args {
	struct span direction;
};
static const char *check_direction(struct span text, int64_t number);
static const struct field is_direction_fields[] = {
	FIELD(struct is_direction_args, direction, "\"upstream\" or \"downstream\"",
		.accept = check_direction),
};
struct loose_mode_args {
	int64_t mode;
};
static const struct field loose_mode_fields[] = {
	FIELD(struct loose_mode_args, mode, "bits: 1 no strict routers, 2 no flow tokens", .min = 0,
		.max = 3),
};

SCRIPT_HANDLER_PLAIN(loose)
SCRIPT_HANDLER_PLAIN(loose_preloaded)
SCRIPT_HANDLER(loose_mode)
SCRIPT_HANDLER(record)
SCRIPT_HANDLER_PLAIN(remove_record)
SCRIPT_HANDLER(preset)
SCRIPT_HANDLER(advertised)
SCRIPT_HANDLER(add_param)
SCRIPT_HANDLER(check_param)
SCRIPT_HANDLER(is_direction)
SCRIPT_HANDLER_PLAIN(next_hop)

#define IN_RECORDING (IN_REQUEST | IN_BRANCH | IN_FAILURE | ROUTE_LOCAL | ROUTE_BRANCH_FAILURE)

static const struct script_function functions[] = {
	FUNCTION_PLAIN("loose_route", loose, IN_REQUEST,
		"Routes by the Route headers: 1 routed, -1 not, -3 only our own Route, no dialog."),
	FUNCTION_PLAIN("loose_route_preloaded", loose_preloaded, IN_REQUEST,
		"Like loose_route, true for a request outside a dialog whose only Route was ours."),
	FUNCTION("loose_route_mode", loose_mode, IN_REQUEST, "Like loose_route with mode bits."),
	FUNCTION("record_route", record, IN_RECORDING,
		"Adds Record-Route, two when the sockets differ."),
	FUNCTION_PLAIN("remove_record_route", remove_record, IN_RECORDING, "Undoes record_route."),
	FUNCTION("record_route_preset", preset, IN_RECORDING,
		"Adds Record-Route with the given addresses."),
	FUNCTION("record_route_advertised_address", advertised, IN_RECORDING,
		"Adds Record-Route with the given address."),
	FUNCTION("add_rr_param", add_param, IN_RECORDING, "Adds a parameter to Record-Route."),
	FUNCTION("check_route_param", check_param,
		IN_REQUEST | IN_FAILURE | IN_BRANCH | ROUTE_TM_REPLY,
		"Do the parameters of our Route match?"),
	FUNCTION("is_direction", is_direction, IN_REQUEST | IN_FAILURE | IN_BRANCH | ROUTE_TM_REPLY,
		"Does the request go upstream (to the caller) or downstream?"),
	FUNCTION_PLAIN("rr_next_hop_route", next_hop, IN_ANY, "Is there a Route behind our own?"),
};

/* ---- functions ------------------------------------------------------------------------------- */

static int loose(struct script_run *run)
{
	return loose_route(run->msg, (unsigned)settings.loose_route_mode);
}

static int loose_preloaded(struct script_run *run)
{
	enum loose_result result = loose_route(run->msg, (unsigned)settings.loose_route_mode);
	return result == LOOSE_PRELOADED ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int loose_mode(struct script_run *run, const struct loose_mode_args *args)
{
	return loose_route(run->msg, (unsigned)args->mode);
}

static int truth(bool yes)
{
	return yes ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int record(struct script_run *run, const struct record_args *args)
{
	return truth(record_route(run, args->params));
}

static int remove_record(struct script_run *run)
{
	record_route_remove(run->msg);
	return SCRIPT_TRUE;
}

static int preset(struct script_run *run, const struct preset_args *args)
{
	return truth(record_route_preset(run, args->first, args->second));
}

static int advertised(struct script_run *run, const struct advertised_args *args)
{
	return truth(record_route_advertised(run, args->address));
}

static int add_param(struct script_run *run, const struct add_param_args *args)
{
	return truth(record_route_add_param(run->msg, args->param));
}

static int check_param(struct script_run *run, const struct check_param_args *args)
{
	struct span params = loose_own_params(run->msg);
	return truth(params.len && pattern_search(args->pattern, params, 0, NULL, 0));
}

static const char *check_direction(struct span text, int64_t number)
{
	(void)number;
	if (!settings.append_fromtag)
		return "is_direction needs the rr setting append_fromtag=1";
	if (span_equal_nocase(text, SPAN_OF("upstream")) ||
	    span_equal_nocase(text, SPAN_OF("downstream")))
		return NULL;
	return "the direction is \"upstream\" or \"downstream\"";
}

static int is_direction(struct script_run *run, const struct is_direction_args *args)
{
	bool wants_upstream = span_equal_nocase(args->direction, SPAN_OF("upstream"));
	return truth((loose_direction(run->msg) == RR_UPSTREAM) == wants_upstream);
}

static int next_hop(struct script_run *run)
{
	return truth(loose_has_next_hop(run->msg));
}

/* ---- variables ------------------------------------------------------------------------------- */

static bool get_route_uri(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)ref;
	struct span uri = loose_top_uri(run->msg);
	*out = uri.at ? VALUE_OF_TEXT(uri) : (struct value){ 0 };
	return true;
}

/* $fti and $tti: the tags as the dialog's first request had them in From and To. */
static bool get_initial_tag(struct script_run *run, const struct variable_ref *ref,
			    struct value *out)
{
	bool wants_from = ref->row->selector == RR_DOWNSTREAM;
	bool is_downstream = loose_direction(run->msg) == RR_DOWNSTREAM;
	struct span tag =
		wants_from == is_downstream ? message_from_tag(run->msg) : message_to_tag(run->msg);
	if (tag.len)
		*out = VALUE_OF_TEXT(tag);
	else
		*out = (struct value){ 0 };
	return true;
}

static const char *bind_direction(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	if (span_equal(ref->inner, SPAN_OF("id")) || span_equal(ref->inner, SPAN_OF("name")))
		return NULL;
	return "$rdir is $rdir(id) or $rdir(name)";
}

static bool get_direction(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	enum rr_direction direction = loose_direction(run->msg);
	if (span_equal(variable_inner_text(run, ref), SPAN_OF("id")))
		*out = VALUE_OF_INT(direction);
	else
		*out = VALUE_OF_TEXT(direction == RR_UPSTREAM ? SPAN_OF("upstream")
							      : SPAN_OF("downstream"));
	return true;
}

static const struct variable_row variables[] = {
	{ .name = "route_uri", .get = get_route_uri, .doc = "URI of the topmost Route." },
	{ .name = "fti", .get = get_initial_tag, .selector = RR_DOWNSTREAM,
		.doc = "From tag of the dialog's first request." },
	{ .name = "tti", .get = get_initial_tag, .selector = RR_UPSTREAM,
		.doc = "To tag of the dialog's first request." },
	{ .name = "rdir", .inner = INNER_NAME, .get = get_direction, .bind = bind_direction,
		.doc = "Direction of the request in its dialog: $rdir(id) 1 or 2, $rdir(name)." },
};

/* ---- interface ------------------------------------------------------------------------------- */

static bool api_has_fromtag(void)
{
	return settings.append_fromtag;
}

static const struct rr_api api = {
	.add_param = record_route_add_param,
	.record_route = record_route,
	.route_param = loose_param,
	.direction = loose_direction,
	.on_routed = loose_on_routed,
	.has_fromtag = api_has_fromtag,
};

static const struct module_interface interfaces[] = {
	{ "rr", RR_API_VERSION, &api },
};

static bool prepare(struct diagnostics *diagnostics)
{
	loose_reserve();
	if (!settings.custom_user_avp.len)
		return true;
	settings.custom_user =
		variable_compile(settings.custom_user_avp, startup_arena(), diagnostics,
				 module_setting_position("rr", "custom_user_avp"));
	return settings.custom_user != NULL;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "rr",
	.doc = "Record-Route and Route: stays in the path of a dialog and follows it.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.variables = ROWS(variables),
	.offers = ROWS(interfaces),
	.prepare = prepare,
	.start = route_uris_start,
};
