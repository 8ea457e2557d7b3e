/* SPDX-License-Identifier: BSD-2-Clause */
/* dispatcher: sets of destinations, ways to choose one, and pings that tell which of them live. */
#include "modules/dispatcher/dispatcher.h"

#include "core/module/live.h"
#include "core/shm/map.h"
#include "modules/tm/tm_api.h"

static struct dispatcher_settings settings = {
	.list_file = SPAN("/etc/kamailio/dispatcher.list"),
	.table_name = SPAN("dispatcher"),
	.setid_col = SPAN("setid"),
	.destination_col = SPAN("destination"),
	.flags_col = SPAN("flags"),
	.priority_col = SPAN("priority"),
	.attrs_col = SPAN("attrs"),
	.force_dst = true,
	.xavp_dst = SPAN("_dsdst_"),
	.xavp_ctx = SPAN("_dsctx_"),
	.ping_method = SPAN("OPTIONS"),
	.ping_from = SPAN("sip:dispatcher@localhost"),
	.probing_threshold = 1,
	.inactive_threshold = 1,
	.latency_alpha = 900,
	.hash_expire = 7200,
	.hash_initexpire = 7200,
	.hash_check_interval = 30,
	.reload_delta = 5,
	.dns_mode = NAMES_AT_LOAD,
	.dns_interval = 600,
};
const struct dispatcher_settings *const dispatcher_settings = &settings;

static const struct tm_api *tm;
static const struct module_need needs[] = {
	{ "tm", TM_API_VERSION, (const void **)&tm, .is_optional = true },
};

static struct {
	const struct text_template *hash_template;
	const struct variable_ref *setid, *attrs;
	const struct listener *default_socket;
	_Atomic int64_t *last_reload_ms;
} state;

static const struct field setting_fields[] = {
	FIELD(settings, list_file, "file of destinations: set URI [flags [priority [attributes]]]"),
	FIELD(settings, db_url, "database, in place of the file"),
	FIELD(settings, table_name, "table of destinations"),
	FIELD(settings, setid_col, "column of the set's number"),
	FIELD(settings, destination_col, "column of the URI"),
	FIELD(settings, flags_col, "column of the flags"),
	FIELD(settings, priority_col, "column of the priority"),
	FIELD(settings, attrs_col, "column of the attributes"),
	FIELD(settings, force_dst, "overwrite $du when it is set already"),
	FIELD(settings, flags, "1: hash only users of URIs; 2: keep further destinations", .min = 0,
		.max = 3),
	FIELD(settings, use_default, "the last destination of a set is the last resort"),
	FIELD(settings, xavp_dst, "XAVP of the destinations that were chosen"),
	FIELD(settings, xavp_dst_mode, "1: without attrs; 2: with socket; 4: with sockname", .min = 0,
		.max = 7),
	FIELD(settings, xavp_ctx, "XAVP of the number of destinations that were chosen"),
	FIELD(settings, xavp_ctx_mode, "1: without cnt", .min = 0, .max = 1),
	FIELD(settings, hash_pvar, "what algorithm 7 hashes: text with variables"),
	FIELD(settings, setid_pvname, "variable for the set that ds_is_from_list finds"),
	FIELD(settings, attrs_pvname, "variable for the attributes that ds_is_from_list finds"),
	FIELD_NAMED(settings, ping_method, "ds_ping_method", "method of pings"),
	FIELD_NAMED(settings, ping_from, "ds_ping_from", "From URI of pings"),
	FIELD_NAMED(settings, ping_interval, "ds_ping_interval", "seconds between pings; 0: none",
		.min = 0, .max = 86400),
	FIELD_NAMED(settings, ping_fr_ms, "ds_ping_fr_timer",
		"milliseconds without an answer; 0: fr_timer of tm", .min = 0, .max = 600000),
	FIELD_NAMED(settings, probing_threshold, "ds_probing_threshold",
		"failures until a destination is inactive", .min = 1, .max = 1000000),
	FIELD_NAMED(settings, inactive_threshold, "ds_inactive_threshold",
		"answers until it is active again", .min = 1, .max = 1000000),
	FIELD_NAMED(settings, ping_reply_codes, "ds_ping_reply_codes",
		"good answers beside 200: code=NNN;class=N"),
	FIELD_NAMED(settings, probing_mode, "ds_probing_mode",
		"pinged are 0: those marked, until answered; 1: all; 2: inactive ones marked; 3: those marked",
		.min = 0, .max = 3),
	FIELD_NAMED(settings, latency_stats, "ds_ping_latency_stats", "measure how fast pings are answered"),
	FIELD_NAMED(settings, retain_latency, "ds_retain_latency_stats", "a reload keeps what was measured"),
	FIELD_NAMED(settings, latency_alpha, "ds_latency_estimator_alpha",
		"weight of the newest answer in the estimate, in thousandths", .min = 1, .max = 1000),
	FIELD_NAMED(settings, hash_size, "ds_hash_size", "above 0: calls are counted for algorithm 10",
		.min = 0, .max = 30),
	FIELD_NAMED(settings, hash_expire, "ds_hash_expire", "seconds that an answered call counts",
		.min = 1, .max = INT32_MAX),
	FIELD_NAMED(settings, hash_initexpire, "ds_hash_initexpire",
		"seconds that a call counts until it is answered", .min = 1, .max = INT32_MAX),
	FIELD_NAMED(settings, hash_check_interval, "ds_hash_check_interval",
		"seconds between looks for calls that are over", .min = 1, .max = 86400),
	FIELD(settings, outbound_proxy, "URI where pings are sent"),
	FIELD_NAMED(settings, default_socket, "ds_default_socket", "socket of destinations that name none"),
	FIELD_NAMED(settings, default_sockname, "ds_default_sockname", "the same by the socket's name"),
	FIELD_NAMED(settings, attrs_none, "ds_attrs_none", "destinations without attributes get none=yes"),
	FIELD_NAMED(settings, extra_attrs, "ds_db_extra_attrs",
		"attributes with a column of their own: attribute=column;…"),
	FIELD_NAMED(settings, load_strictly, "ds_load_mode", "1: one wrong destination makes loading fail"),
	FIELD(settings, reload_delta, "seconds between reloads; 0: any time", .min = 0, .max = 86400),
	FIELD_NAMED(settings, dns_mode, "ds_dns_mode",
		"names are looked up 1: when loaded; 2: by ds_is_from_list; 4: by time; 8: with SRV", .min = 0,
		.max = 15),
	FIELD_NAMED(settings, dns_interval, "ds_dns_interval", "seconds between looks at names", .min = 1,
		.max = 86400),
	FIELD_IGNORED("ds_dns_ttl", "names live as long as their records say"),
	FIELD_IGNORED("ds_timer_mode", "there is no timer process"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
};

/* The group "dispatcher" of cfg.set_now_int and its kin. */
static const struct field live_fields[] = {
	FIELD(settings, probing_threshold, "failures until a destination is inactive", .min = 1,
		.max = 1000000, .is_live = true),
	FIELD(settings, inactive_threshold, "answers until it is active again", .min = 1,
		.max = 1000000, .is_live = true),
	FIELD(settings, ping_reply_codes, "good answers beside 200: code=NNN;class=N", .is_live = true),
};

const struct text_template *dispatcher_hash_template(void)
{
	return state.hash_template;
}

const struct variable_ref *dispatcher_setid_variable(void)
{
	return state.setid;
}

const struct variable_ref *dispatcher_attrs_variable(void)
{
	return state.attrs;
}

const struct listener *dispatcher_default_socket(void)
{
	return state.default_socket;
}

const char *dispatcher_reload(void)
{
	int64_t now = clock_ms(), last = *state.last_reload_ms;
	if (last && now - last < settings.reload_delta * 1000)
		return "Ongoing reload";
	*state.last_reload_ms = now ? now : 1;
	switch (load_list()) {
	case LOAD_OK: return NULL;
	case LOAD_BUSY: return "Ongoing reload";
	case LOAD_FAILED: break;
	}
	return "Reload failed; the log says why";
}

/* ---- life cycle ------------------------------------------------------------------------------------------------ */

static bool tell(struct diagnostics *diagnostics, const char *setting, const char *sentence)
{
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("dispatcher", setting), "dispatcher: %s", sentence);
	return false;
}

static bool compile_variable(struct span text, const char *setting, struct diagnostics *diagnostics,
			     const struct variable_ref **out)
{
	if (!text.len)
		return true;
	*out = variable_compile(text, startup_arena(), diagnostics,
				module_setting_position("dispatcher", setting));
	if (*out && !variable_is_writable(*out))
		return tell(diagnostics, setting, "the variable cannot be written");
	return *out != NULL;
}

static bool compile_texts(struct diagnostics *diagnostics)
{
	if (settings.hash_pvar.len)
		state.hash_template =
			template_compile(settings.hash_pvar, startup_arena(), diagnostics,
					 module_setting_position("dispatcher", "hash_pvar"));
	return (!settings.hash_pvar.len || state.hash_template) &&
	       compile_variable(settings.setid_pvname, "setid_pvname", diagnostics, &state.setid) &&
	       compile_variable(settings.attrs_pvname, "attrs_pvname", diagnostics, &state.attrs);
}

static bool find_default_socket(struct diagnostics *diagnostics)
{
	struct end_point address;
	if (settings.default_sockname.len) {
		state.default_socket = listener_by_name(settings.default_sockname);
		return state.default_socket || tell(diagnostics, "ds_default_sockname",
						    "there is no socket with this name (listen=)");
	}
	if (!settings.default_socket.len)
		return true;
	if (end_point_parse(settings.default_socket, &address))
		state.default_socket = listener_find(&address);
	return state.default_socket ||
	       tell(diagnostics, "ds_default_socket", "this is no socket of this server (listen=)");
}

static bool prepare(struct diagnostics *diagnostics)
{
	state.last_reload_ms = shm_reserve(sizeof(*state.last_reload_ms), "dispatcher");
	if (settings.ping_interval && !tm)
		return tell(diagnostics, "ds_ping_interval",
			    "pings need module tm: add loadmodule \"tm.so\" before it");
	live_add("dispatcher", &settings, (struct field_table)FIELDS(live_fields));
	return state.last_reload_ms && list_prepare() && calls_prepare() && match_prepare() &&
	       probe_prepare(tm) && compile_texts(diagnostics) &&
	       find_default_socket(diagnostics) && load_prepare(diagnostics);
}

static bool start(void)
{
	if (!load_start())
		return false;
	if (load_list() == LOAD_OK)
		return true;
	log_error("the destinations could not be loaded");
	return false;
}

static int64_t names_period_ms(void)
{
	return settings.dns_mode & (NAMES_BY_TIMER | NAMES_SRV) ? settings.dns_interval * 1000 : 0;
}

static const struct module_timer timers[] = {
	{ "dispatcher pings", probe_period_ms, probe_run, false },
	{ "dispatcher calls", calls_period_ms, calls_expire, false },
	{ "dispatcher names", names_period_ms, load_names, false },
};

static const struct module_event events[] = {
	{ "dispatcher:dst-down", ROUTE_EVENT, "a destination went out of use: $ru, $dsv(...)" },
	{ "dispatcher:dst-up", ROUTE_EVENT, "a destination came back: $ru, $dsv(...)" },
};

static const struct function_table *const more_functions[] = { &select_functions, &match_functions,
							       NULL };

static const struct variable_row variables[] = {
	{ .name = "dsv", .inner = INNER_NAME, .get = state_get_event, .bind = state_bind_event,
		.contexts = ROUTE_EVENT,
		.doc = "In event_route[dispatcher:dst-up] and dst-down: uri, setid or flags of the destination." },
	{ .name = "dsg", .inner = INNER_NAME, .get = match_get_counts, .bind = match_bind_counts,
		.doc = "Destinations of the set that ds_dsg_fetch() looked at: count, active, inactive, pactive, pinactive." },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "dispatcher",
	.doc = "Distributes requests among destinations and watches which of them live.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions = more_functions,
	.variables = ROWS(variables),
	.commands = { dispatcher_commands, DISPATCHER_COMMANDS },
	.timers = ROWS(timers),
	.events = ROWS(events),
	.needs = ROWS(needs),
	.prepare = prepare,
	.start = start,
};
