/* SPDX-License-Identifier: BSD-2-Clause */
/* debugger: what the script does, line by line, in the log; levels and facilities of the log for single
 * modules; how the message would leave now. */
#include <stdatomic.h>

#include "core/base/log_filter.h"
#include "core/script/state.h"
#include "core/script/tracer.h"
#include "core/shm/map.h"
#include "modules/debugger/debugger.h"

#define LEVELS_MOST 64
#define NAME_MOST   32

enum { DUMP_NULL = 1, DUMP_AVP = 2, DUMP_XAVP = 8 };

static struct {
	bool cfgtrace, log_assign, mod_level_mode, mod_facility_mode;
	bool breakpoint;
	struct breakpoint_settings breakpoints;
	int64_t cfgtrace_format, log_level;
	struct span log_level_name, log_facility, log_prefix;
} settings = { .log_level = LOG_LEVEL_ERROR,
	       .log_prefix = SPAN("*** cfgtrace:"),
	       .breakpoints = { .step_usleep = 100000, .step_loops = 200 } };

/* Shared by all processes; entries are added and never go. */
struct shared {
	_Atomic int64_t base_level;
	_Atomic uint32_t level_count;
	struct module_level {
		char name[NAME_MOST];
		_Atomic bool has_level;
		_Atomic int64_t level;
		_Atomic int facility; /* -1: the configured one */
	} levels[LEVELS_MOST];
};
static struct {
	struct shared *shared;
	struct module_level given[LEVELS_MOST]; /* settings, until there is shared memory */
	unsigned given_count;
	int facility; /* -1: the configured one */
} state = { .facility = -1 };

/* ---- levels and facilities of modules ------------------------------------------------------------------------- */

/* One more for this module; NULL: too many, or the name is too long. */
static struct module_level *give(struct span name)
{
	if (state.given_count == LEVELS_MOST || !name.len || name.len >= NAME_MOST)
		return NULL;
	struct module_level *given = &state.given[state.given_count++];
	memcpy(given->name, name.at, name.len);
	given->facility = -1;
	return given;
}

/* mod_level = module "=" level */
static const char *accept_level(struct span text, int64_t number)
{
	struct span rest = text, name;
	int64_t level;
	(void)number;
	if (!span_split(&rest, '=', &name) || !span_to_int64(span_trim(rest), &level) ||
	    level < LOG_LEVEL_ALERT || level > LOG_LEVEL_DEBUG)
		return "a level is module=level, with a level from -5 to 3";
	struct module_level *given = give(name);
	if (!given)
		return "there are too many levels, or the name is none";
	given->has_level = true;
	given->level = level;
	return NULL;
}

/* mod_facility = module "=" facility */
static const char *accept_facility(struct span text, int64_t number)
{
	struct span rest = text, name;
	(void)number;
	int facility = span_split(&rest, '=', &name) ? log_facility_from_name(span_trim(rest)) : -1;
	if (facility < 0)
		return "a facility is module=facility, like tm=LOG_LOCAL1";
	struct module_level *given = give(name);
	if (!given)
		return "there are too many facilities, or the name is none";
	given->facility = facility;
	return NULL;
}

static struct module_level *level_find(struct span name)
{
	for (uint32_t i = 0; i < state.shared->level_count; i++)
		if (span_equal(span_from(state.shared->levels[i].name), name))
			return &state.shared->levels[i];
	return NULL;
}

/* The log lets everything pass that some module wants; the filter below sorts out the rest. */
static void raise_threshold(void)
{
	int64_t most = state.shared->base_level;
	for (uint32_t i = 0; settings.mod_level_mode && i < state.shared->level_count; i++)
		if (state.shared->levels[i].has_level && state.shared->levels[i].level > most)
			most = state.shared->levels[i].level;
	log_set_threshold((int)most);
}

/* The entry of a module, a new one when there is none; NULL: no room. */
static struct module_level *level_of_module(struct span name)
{
	struct module_level *found = level_find(name);
	uint32_t count = state.shared->level_count;
	if (found || count == LEVELS_MOST || !name.len || name.len >= NAME_MOST)
		return found;
	found = &state.shared->levels[count];
	memset(found->name, 0, sizeof(found->name));
	memcpy(found->name, name.at, name.len);
	found->facility = -1;
	state.shared->level_count = count + 1;
	return found;
}

static bool level_set(struct span name, int64_t level)
{
	struct module_level *found = level_of_module(name);
	if (!found)
		return false;
	found->level = level;
	found->has_level = true;
	raise_threshold();
	return true;
}

static bool facility_set(struct span name, int facility)
{
	struct module_level *found = level_of_module(name);
	if (found)
		found->facility = facility;
	return found;
}

static bool is_wanted(int level, const char *origin, int *facility)
{
	const struct module_level *found = origin ? level_find(span_from(origin)) : NULL;
	if (found && settings.mod_facility_mode && *facility < 0)
		*facility = found->facility;
	bool has_level = found && found->has_level && settings.mod_level_mode;
	return level <= (has_level ? found->level : state.shared->base_level);
}

/* ---- the trace -------------------------------------------------------------------------------------------------- */

static const char *kind_name(enum route_kind kind)
{
	switch (kind) {
	case ROUTE_REQUEST: return "request_route";
	case ROUTE_REPLY:
	case ROUTE_TM_REPLY: return "reply_route";
	case ROUTE_FAILURE: return "failure_route";
	case ROUTE_BRANCH: return "branch_route";
	case ROUTE_BRANCH_FAILURE: return "branch_failure_route";
	case ROUTE_ONSEND: return "onsend_route";
	case ROUTE_LOCAL: return "local_route";
	case ROUTE_EVENT: break;
	}
	return "event_route";
}

static void write_trace(struct script_run *run, const char *what, const char *action)
{
	if (!log_is_on((int)settings.log_level))
		return;
	struct script_place place = script_place(run);
	char text[512];
	struct writer w = writer_fixed(text, sizeof(text));
	struct span route = place.route;
	if (span_equal(route, SPAN_OF("request_route")))
		route = SPAN_OF("DEFAULT_ROUTE");
	struct span name = settings.log_level_name;
	if (!name.len)
		name = span_from(log_level_name((int)settings.log_level));
	writer_span(&w, settings.log_prefix);
	writer_printf(&w, "dbg_cfg_trace(): %s%s=[%.*s] ", what, kind_name(run->kind),
		      SPAN_ARGS(route));
	if (settings.cfgtrace_format != 1)
		writer_printf(&w, "c=[%s] ", place.file ? place.file : "");
	writer_printf(&w, "l=%u n=%s", place.line, action);
	log_named((int)settings.log_level, state.facility, name, writer_result(&w));
}

static void trace(struct script_run *run, const char *action)
{
	unsigned set = seat_set();
	if (set & AT_ACTION_TRACE)
		write_trace(run, "", action);
	if (set & AT_ACTION_STOP) {
		write_trace(run, "breakpoint hit: ", action);
		breakpoint_stop(run, action);
	}
}

/* ---- functions of the script ------------------------------------------------------------------------------------------- */

struct message_args {
	struct span level, facility;
};
static const struct field message_fields[] = {
	FIELD(struct message_args, level, "level of the log: L_ERR …", .optional = true),
	FIELD(struct message_args, facility, "facility: LOG_LOCAL0 …", .optional = true),
};
SCRIPT_HANDLER_OF(show_message, message)

struct dump_args {
	int64_t mask;
	struct span level;
};
static const struct field dump_fields[] = {
	FIELD(struct dump_args, mask, "2: AVPs; 8: XAVPs; 0: both", .optional = true),
	FIELD(struct dump_args, level, "level of the log: L_DBG …", .optional = true),
};
SCRIPT_HANDLER_OF(dump_values, dump)

struct breakpoint_args {
	int64_t mode;
};
static const struct field breakpoint_fields[] = {
	FIELD(struct breakpoint_args, mode, "0 or 1"),
};
SCRIPT_HANDLER_OF(breakpoint, breakpoint)

static const struct script_function functions[] = {
	FUNCTION_OF("dbg_sip_msg", show_message, message, IN_ANY, "Logs the message as it would leave now."),
	FUNCTION_OF("dbg_pv_dump", dump_values, dump, IN_ANY, "Logs AVPs and XAVPs as JSON."),
	FUNCTION_OF("dbg_breakpoint", breakpoint, breakpoint, IN_ANY, "No effect: anchors of breakpoints are disabled in the peer as well; see dbg.bp."),
};

static int level_of(struct span name, int otherwise)
{
	int level;
	return name.len && log_level_from_name(name, &level) ? level : otherwise;
}

static int show_message(struct script_run *run, const struct message_args *args)
{
	int facility = state.facility;
	if (args->facility.len)
		facility = log_facility_from_name(args->facility);
	struct writer w = writer_in_arena(run->arena, run->msg->bytes.len + 512);
	writer_printf(&w,
		      "CONFIG LINE %u\n------------------------- START OF SIP message debug "
		      "--------------------------\n",
		      script_place(run).line);
	render_edited(&w, run->msg);
	writer_literal(&w, "\n-------------------------- END OF SIP message debug "
			   "---------------------------");
	if (w.failed)
		return SCRIPT_FALSE;
	log_script_prefixed(level_of(args->level, LOG_LEVEL_DEBUG), facility, SPAN_OF("debugger: "),
			    writer_result(&w));
	return SCRIPT_TRUE;
}

static void write_text(struct writer *w, struct span text)
{
	writer_char(w, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		if (c == '"' || c == '\\')
			writer_printf(w, "\\%c", c);
		else if (c < ' ')
			writer_printf(w, "\\u%04x", c);
		else
			writer_char(w, (char)c);
	}
	writer_char(w, '"');
}

static void write_value(struct writer *w, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NULL: writer_literal(w, "null"); return;
	case VALUE_INT: writer_int(w, value->number); return;
	case VALUE_TEXT: break;
	}
	write_text(w, value->text);
}

static void write_avps(struct writer *w, const struct attributes *all)
{
	for (const struct avp *avp = all->avps; avp; avp = avp->next) {
		char name[NAME_MOST];
		struct writer number = writer_fixed(name, sizeof(name));
		writer_int(&number, avp->number_name);
		struct span shown = avp->name_is_number ? writer_result(&number) : avp->name;
		writer_string(w, w->len > 1 ? "," : "");
		writer_printf(w, "\"$avp(%.*s)\":", SPAN_ARGS(shown));
		write_value(w, &avp->value);
	}
}

static void write_xavps(struct writer *w, const struct attributes *all)
{
	for (const struct xavp *root = all->xavps; root; root = root->next) {
		writer_string(w, w->len > 1 ? "," : "");
		writer_printf(w, "\"$xavp(%.*s)\":", SPAN_ARGS(root->name));
		if (!root->has_children) {
			write_value(w, &root->value);
			continue;
		}
		writer_char(w, '{');
		for (const struct xavp *child = root->children; child; child = child->next) {
			write_text(w, child->name);
			writer_char(w, ':');
			write_value(w, &child->value);
			writer_string(w, child->next ? "," : "");
		}
		writer_char(w, '}');
	}
}

static int dump_values(struct script_run *run, const struct dump_args *args)
{
	struct writer w = writer_in_arena(run->arena, 256);
	int64_t mask = args->mask ? args->mask : DUMP_AVP | DUMP_XAVP;
	writer_char(&w, '{');
	if (mask & DUMP_AVP)
		write_avps(&w, &run->msg->attributes);
	if (mask & DUMP_XAVP)
		write_xavps(&w, &run->msg->attributes);
	writer_char(&w, '}');
	if (w.failed)
		return SCRIPT_FALSE;
	log_script_prefixed(level_of(args->level, LOG_LEVEL_DEBUG), -1,
			    SPAN_OF("debugger: dbg_dump_json(): "), writer_result(&w));
	return SCRIPT_TRUE;
}

static int breakpoint(struct script_run *run, const struct breakpoint_args *args)
{
	(void)run;
	(void)args;
	return SCRIPT_TRUE;
}

/* ---- commands ------------------------------------------------------------------------------------------------------------ */

void answer_ok(struct rpc_call *call)
{
	rpc_add_text(call, NULL, NULL, SPAN_OF("200 ok"));
}

static void set_level(struct rpc_call *call)
{
	struct span name;
	int64_t level;
	if (!rpc_arg_text(call, 0, &name) || !rpc_arg_int(call, 1, &level) ||
	    level < LOG_LEVEL_ALERT || level > LOG_LEVEL_DEBUG)
		rpc_fault(call, 500, "invalid parameters");
	else if (!level_set(name, level))
		rpc_fault(call, 500, "cannot store parameter");
	else
		answer_ok(call);
}

static void get_level(struct rpc_call *call)
{
	struct span name;
	if (!rpc_arg_text(call, 0, &name)) {
		rpc_fault(call, 500, "invalid parameters");
		return;
	}
	const struct module_level *found = level_find(name);
	bool has_level = found && found->has_level;
	rpc_add_int(call, NULL, NULL, has_level ? found->level : state.shared->base_level);
}

static void set_facility(struct rpc_call *call)
{
	struct span name, text;
	if (!rpc_arg_text(call, 0, &name) || !rpc_arg_text(call, 1, &text))
		rpc_fault(call, 500, "invalid parameters");
	else if (log_facility_from_name(text) < 0)
		rpc_fault(call, 500, "facility not found");
	else if (!facility_set(name, log_facility_from_name(text)))
		rpc_fault(call, 500, "cannot store parameter");
	else
		answer_ok(call);
}

static void get_facility(struct rpc_call *call)
{
	struct span name;
	if (!rpc_arg_text(call, 0, &name)) {
		rpc_fault(call, 500, "invalid parameters");
		return;
	}
	const struct module_level *found = level_find(name);
	rpc_add_printf(call, NULL, NULL, "LOG_%s", log_facility_name(found ? found->facility : -1));
}

static const struct rpc_command commands[] = {
	{ "dbg.ls", breakpoint_list, "What the processes do at each action of the script.", "[pid]", false },
	{ "dbg.trace", breakpoint_trace, "Switches the trace of the script.", "on|off [pid]", false },
	{ "dbg.bp", breakpoint_command, "Breakpoints: stops messages at each action, and looks at them.",
		"on|off|release [pid] / keep|next|move|show pid / eval|log pid variable", false },
	{ "dbg.set_mod_level", set_level, "Sets the level of the log for a module.", "module level", false },
	{ "dbg.mod_level", set_level, "Same as dbg.set_mod_level.", "module level", false },
	{ "dbg.get_mod_level", get_level, "The level of the log for a module.", "module", false },
	{ "dbg.set_mod_facility", set_facility, "Sets the facility of the log for a module.", "module facility", false },
	{ "dbg.get_mod_facility", get_facility, "The facility of the log for a module.", "module", false },
};

/* ---- life cycle ------------------------------------------------------------------------------------------------------------ */

static const struct field setting_fields[] = {
	FIELD(settings, cfgtrace, "the script is traced from the start"),
	FIELD(settings, cfgtrace_format, "1: without the file", .min = 0, .max = 1),
	FIELD(settings, log_level, "level of the trace's lines", .min = LOG_LEVEL_ALERT, .max = LOG_LEVEL_DEBUG),
	FIELD(settings, log_level_name, "word in front of the trace's lines"),
	FIELD(settings, log_facility, "facility of the trace's lines"),
	FIELD(settings, log_prefix, "text in front of the trace's lines"),
	FIELD(settings, mod_level_mode, "levels of modules count"),
	FIELD_ACCEPT("mod_level", accept_level, "module=level; may be given several times"),
	FIELD(settings, log_assign, "kept for compatibility: the trace shows assignments anyway"),
	FIELD_IGNORED("mod_hash_size", "the table is always there"),
	FIELD(settings, mod_facility_mode, "facilities of modules count"),
	FIELD_ACCEPT("mod_facility", accept_facility, "module=facility; may be given several times"),
	FIELD(settings, breakpoint, "messages stop at each action from the start"),
	FIELD_NAMED(settings, breakpoints.step_usleep, "step_usleep", "microseconds that a command waits at a time", .min = 1000,
		.max = 60000000),
	FIELD_NAMED(settings, breakpoints.step_loops, "step_loops", "how many of them a command waits for the stopped message", .min = 1,
		.max = 100000),
	FIELD_IGNORED("cfgpkgcheck", "there is no private memory that actions could damage"),
	FIELD_IGNORED("reset_msgid", "message numbers are never reset"),
	FIELD_IGNORED("cfgtest", "there is no module cfgt"),
};

static bool prepare(struct diagnostics *diagnostics)
{
	state.shared = shm_reserve(sizeof(*state.shared), "debugger");
	if (!state.shared)
		return false;
	if (settings.log_facility.len) {
		state.facility = log_facility_from_name(settings.log_facility);
		if (state.facility < 0) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
				       module_setting_position("debugger", "log_facility"),
				       "debugger: there is no facility %.*s",
				       SPAN_ARGS(settings.log_facility));
			return false;
		}
	}
	script_set_tracer(trace);
	return seats_prepare((settings.cfgtrace ? AT_ACTION_TRACE : 0) |
				     (settings.breakpoint ? AT_ACTION_STOP : 0),
			     &settings.breakpoints);
}

static bool start(void)
{
	state.shared->base_level = log_get_threshold();
	for (unsigned i = 0; i < state.given_count; i++) {
		const struct module_level *given = &state.given[i];
		if (given->has_level)
			level_set(span_from(given->name), given->level);
		else
			facility_set(span_from(given->name), given->facility);
	}
	raise_threshold();
	if (settings.mod_level_mode || settings.mod_facility_mode)
		log_set_filter(is_wanted);
	return true;
}

static bool start_worker(void)
{
	seat_take();
	return true;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "debugger",
	.doc = "A trace of the script, and levels of the log for single modules.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = ROWS(commands),
	.prepare = prepare,
	.start = start,
	.start_worker = start_worker,
};
