/* SPDX-License-Identifier: BSD-2-Clause */
/* dialog: knows calls, not only transactions: counts them, limits their time, ends them. Settings and the
 * life of the module. */
#include "modules/dialog/replica.h"
#include "modules/dialog/rows.h"
#include "modules/dmq/dmq_api.h"

#define NO_FLAG (-1)

/* The settings of two files in one object: the first begins where it begins. */
static struct {
	struct dialog_settings dialog;
	struct rows_settings rows;
} settings = {
	.dialog = {
	.enable_stats = true,
	.hash_size = 4096,
	.dlg_flag = NO_FLAG,
	.rr_param = SPAN("did"),
	.default_timeout = 43200,
	.early_timeout = 300,
	.noack_timeout = 60,
	.end_timeout = 300,
	.dlg_extra_hdrs = SPAN(""),
	.lreq_callee_headers = SPAN(""),
	.detect_spirals = true,
	.initial_cbs_inscript = true,
	.wait_ack = true,
	.h_id_step = 1,
	.dmq_peer_id = SPAN("dialog"),
	.ka_failed_limit = 1,
	.bye_early_code = 480,
	.bye_early_reason = SPAN("Temporarily Unavailable"),
	.bridge_controller = SPAN("sip:controller@kamailio.org"),
	.bridge_contact = SPAN("sip:controller@kamailio.org:5060"),
},
	.rows = {
	.db_url = SPAN("mysql://kamailio:kamailiorw@localhost/kamailio"),
	.table_name = SPAN("dialog"),
	.vars_table_name = SPAN("dialog_vars"),
	.db_update_period = 60,
	.columns = {
		[COLUMN_H_ENTRY] = SPAN("hash_entry"),
		[COLUMN_H_ID] = SPAN("hash_id"),
		[COLUMN_CALL_ID] = SPAN("callid"),
		[COLUMN_FROM_URI] = SPAN("from_uri"),
		[COLUMN_FROM_TAG] = SPAN("from_tag"),
		[COLUMN_TO_URI] = SPAN("to_uri"),
		[COLUMN_TO_TAG] = SPAN("to_tag"),
		[COLUMN_FROM_CSEQ] = SPAN("caller_cseq"),
		[COLUMN_TO_CSEQ] = SPAN("callee_cseq"),
		[COLUMN_FROM_ROUTE] = SPAN("caller_route_set"),
		[COLUMN_TO_ROUTE] = SPAN("callee_route_set"),
		[COLUMN_FROM_CONTACT] = SPAN("caller_contact"),
		[COLUMN_TO_CONTACT] = SPAN("callee_contact"),
		[COLUMN_FROM_SOCK] = SPAN("caller_sock"),
		[COLUMN_TO_SOCK] = SPAN("callee_sock"),
		[COLUMN_STATE] = SPAN("state"),
		[COLUMN_START_TIME] = SPAN("start_time"),
		[COLUMN_TIMEOUT] = SPAN("timeout"),
		[COLUMN_SFLAGS] = SPAN("sflags"),
		[COLUMN_IFLAGS] = SPAN("iflags"),
		[COLUMN_TOROUTE] = SPAN("toroute_name"),
		[COLUMN_REQ_URI] = SPAN("req_uri"),
		[COLUMN_XDATA] = SPAN("xdata"),
	},
	.vars = {
		[VAR_H_ENTRY] = SPAN("hash_entry"),
		[VAR_H_ID] = SPAN("hash_id"),
		[VAR_KEY] = SPAN("dialog_key"),
		[VAR_VALUE] = SPAN("dialog_value"),
	},
},
};
const struct dialog_settings *const dialog_settings = &settings.dialog;

static struct dialog_counters counters;
const struct dialog_counters *const dialog_counters = &counters;

static struct {
	const void *tm, *rr, *dmq;
} needed;

const struct tm_api *dialog_tm(void)
{
	return needed.tm;
}

const struct rr_api *dialog_rr(void)
{
	return needed.rr;
}

static const struct field setting_fields[] = {
	FIELD(settings.dialog, enable_stats, "accepted: counters cost nothing and are always kept"),
	FIELD(settings.dialog, hash_size, "entries that dialogs are numbered by", .min = 1,
		.max = 1 << 30),
	FIELD(settings.dialog, rr_param, "parameter of Record-Route that names the dialog"),
	FIELD(settings.dialog, dlg_flag, "flag of INVITEs that get a dialog without dlg_manage()",
		.min = NO_FLAG, .max = 31),
	FIELD(settings.dialog, timeout_avp, "variable with the seconds that a dialog lives"),
	FIELD(settings.dialog, default_timeout, "seconds that a dialog lives", .min = 1,
		.max = INT32_MAX),
	FIELD(settings.dialog, early_timeout, "seconds until an unanswered dialog is dropped", .min = 1,
		.max = INT32_MAX),
	FIELD(settings.dialog, noack_timeout,
		"seconds until a dialog whose answer was not acknowledged has 10 s left", .min = 1,
		.max = INT32_MAX),
	FIELD(settings.dialog, end_timeout,
		"accepted: dialogs that are over are kept for 5 s after everybody was told", .min = 1,
		.max = INT32_MAX),
	FIELD(settings.dialog, dlg_extra_hdrs, "header lines of requests that are made here"),
	FIELD(settings.dialog, lreq_callee_headers, "more header lines of those to the callee"),
	FIELD(settings.dialog, dlg_match_mode, "0 by the cookie, 1 else by tags, 2 by tags only",
		.max = 2),
	FIELD(settings.dialog, detect_spirals, "an INVITE that comes by again belongs to the same dialog"),
	FIELD_ACCEPT("profiles_with_value", profiles_define_with_value,
		"names of profiles with values: a;b"),
	FIELD_ACCEPT("profiles_no_value", profiles_define_plain,
		"names of profiles without values: a;b"),
	FIELD(settings.dialog, bridge_controller, "From of calls that dlg_bridge makes, and Referred-By"),
	FIELD(settings.dialog, bridge_contact, "Contact of calls that dlg_bridge makes"),
	FIELD(settings.dialog, initial_cbs_inscript,
		"accepted: other modules hear of a dialog when dlg_manage() makes it"),
	FIELD(settings.dialog, send_bye, "both parties get BYE when a dialog's time is over"),
	FIELD(settings.dialog, dlg_filter_mode, "1: only dialogs of this server's sockets", .max = 1),
	FIELD(settings.dialog, wait_ack, "accepted: an ACK to a refusal finds its dialog for 5 s"),
	FIELD(settings.dialog, ka_timer, "0: no keepalive", .max = INT32_MAX),
	FIELD(settings.dialog, ka_interval, "seconds between keepalive requests of a dialog",
		.max = INT32_MAX),
	FIELD(settings.dialog, ka_failed_limit, "failures after which the dialog times out", .min = 1,
		.max = 1000),
	FIELD(settings.dialog, timeout_noreset, "requests in the dialog do not prolong its life"),
	FIELD(settings.dialog, timer_procs, "accepted: timers need no process of their own", .max = 1),
	FIELD(settings.dialog, enable_dmq, "other servers know the dialogs, too (module dmq)"),
	FIELD(settings.dialog, dmq_peer_id, "name of the channel between the servers"),
	FIELD(settings.dialog, enable_dmq_ka_iflags_sync,
		"servers tell each other who is asked whether it is still there"),
	FIELD(settings.dialog, track_cseq_updates, "1: what the callee's CSeq is ahead (variable cseq_diff) is added to the caller's"),
	FIELD(settings.dialog, h_id_start, "first of the dialogs' numbers; -1: server_id", .min = -1,
		.max = INT32_MAX),
	FIELD(settings.dialog, h_id_step, "step of the dialogs' numbers", .min = 1, .max = 1 << 20),
	FIELD(settings.dialog, keep_proxy_rr,
		"keep our own Record-Route in route sets: 1 callee, 2 caller, 3 both", .max = 3),
	FIELD_NAMED(settings, rows.db_url, "db_url", "database of dialogs"),
	FIELD_NAMED(settings, rows.db_mode, "db_mode",
		"0 none, 1 at once, 2 every db_update_period, 3 when the server stops", .max = 3),
	FIELD_NAMED(settings, rows.db_update_period, "db_update_period", "seconds between writes of db_mode 2", .min = 1,
		.max = 86400),
	FIELD_IGNORED("db_fetch_rows", "rows are read one by one, however many there are"),
	FIELD_NAMED(settings, rows.db_skip_load, "db_skip_load", "do not restore dialogs at the start"),
	FIELD_NAMED(settings, rows.table_name, "table_name", "table of dialogs"),
	FIELD_NAMED(settings, rows.vars_table_name, "vars_table_name", "table of their variables"),
	FIELD_NAMED(settings, rows.columns[COLUMN_H_ENTRY], "h_entry_column", "column: hash_entry"),
	FIELD_NAMED(settings, rows.columns[COLUMN_H_ID], "h_id_column", "column: hash_id"),
	FIELD_NAMED(settings, rows.columns[COLUMN_CALL_ID], "call_id_column", "column: callid"),
	FIELD_NAMED(settings, rows.columns[COLUMN_FROM_URI], "from_uri_column", "column: from_uri"),
	FIELD_NAMED(settings, rows.columns[COLUMN_FROM_TAG], "from_tag_column", "column: from_tag"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TO_URI], "to_uri_column", "column: to_uri"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TO_TAG], "to_tag_column", "column: to_tag"),
	FIELD_NAMED(settings, rows.columns[COLUMN_FROM_CSEQ], "from_cseq_column", "column: caller_cseq"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TO_CSEQ], "to_cseq_column", "column: callee_cseq"),
	FIELD_NAMED(settings, rows.columns[COLUMN_FROM_ROUTE], "from_route_column", "column: caller_route_set"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TO_ROUTE], "to_route_column", "column: callee_route_set"),
	FIELD_NAMED(settings, rows.columns[COLUMN_FROM_CONTACT], "from_contact_column", "column: caller_contact"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TO_CONTACT], "to_contact_column", "column: callee_contact"),
	FIELD_NAMED(settings, rows.columns[COLUMN_FROM_SOCK], "from_sock_column", "column: caller_sock"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TO_SOCK], "to_sock_column", "column: callee_sock"),
	FIELD_NAMED(settings, rows.columns[COLUMN_STATE], "state_column", "column: state"),
	FIELD_NAMED(settings, rows.columns[COLUMN_START_TIME], "start_time_column", "column: start_time"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TIMEOUT], "timeout_column", "column: timeout"),
	FIELD_NAMED(settings, rows.columns[COLUMN_SFLAGS], "sflags_column", "column: sflags"),
	FIELD_NAMED(settings, rows.columns[COLUMN_TOROUTE], "toroute_name_column", "column: toroute_name"),
	FIELD_NAMED(settings, rows.vars[VAR_H_ID], "vars_h_id_column", "column of the variables: hash_id"),
	FIELD_NAMED(settings, rows.vars[VAR_H_ENTRY], "vars_h_entry_column", "column of the variables: hash_entry"),
	FIELD_NAMED(settings, rows.vars[VAR_KEY], "vars_key_column", "column of the variables: name"),
	FIELD_NAMED(settings, rows.vars[VAR_VALUE], "vars_value_column", "column of the variables: value"),
	FIELD(settings.dialog, bye_early_code, "answer to the caller when a ringing call is ended here",
		.min = 300, .max = 699),
	FIELD(settings.dialog, bye_early_reason, "reason phrase of that answer"),
	FIELD_IGNORED("dlg_ctxiuid_mode", "a message always finds its dialog"),
	FIELD_IGNORED("debug_variables", "dlg.list shows variables"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
};

static const struct counter_row counter_rows[] = {
	{ NULL, "active_dialogs", "calls that were answered and are not over", &counters.active },
	{ NULL, "early_dialogs", "calls that ring", &counters.early },
	{ NULL, "processed_dialogs", "calls that began", &counters.processed },
	{ NULL, "expired_dialogs", "calls whose time was over", &counters.expired },
	{ NULL, "failed_dialogs", "calls that were refused", &counters.failed },
};

static const struct module_event events[] = {
	{ "dialog:start", ROUTE_EVENT, "a call was answered" },
	{ "dialog:end", ROUTE_EVENT, "a call ended by BYE or by time" },
	{ "dialog:failed", ROUTE_EVENT, "a call was refused" },
};

/* ---- life cycle ---- */

static void refuse(struct diagnostics *diagnostics, const char *setting, const char *why)
{
	diagnostic_add(diagnostics, SEVERITY_ERROR, "not-available",
		       module_setting_position("dialog", setting), "%s", why);
}

/* What is wanted and cannot be done is an error, not a surprise. */
static bool settings_are_possible(struct diagnostics *diagnostics)
{
	bool is_right = true;
	if (settings.dialog.hash_size & (settings.dialog.hash_size - 1)) {
		refuse(diagnostics, "hash_size", "hash_size must be a power of two");
		is_right = false;
	}
	if (!settings.dialog.rr_param.len) {
		refuse(diagnostics, "rr_param", "rr_param must not be empty");
		is_right = false;
	}
	return is_right;
}

static bool prepare(struct diagnostics *diagnostics)
{
	const struct tm_api *tm = needed.tm;
	const struct rr_api *rr = needed.rr;
	if (!settings_are_possible(diagnostics) || !manage_prepare(diagnostics) ||
	    !rows_prepare(&settings.rows, diagnostics))
		return false;
	context_prepare();
	if (!store_prepare() || !profiles_prepare()) {
		log_critical("no shared memory for dialogs; start with a larger -m");
		return false;
	}
	if (settings.dialog.enable_dmq &&
	    !replica_prepare(needed.dmq, settings.dialog.dmq_peer_id,
			     settings.dialog.enable_dmq_ka_iflags_sync))
		return false;
	if (settings.dialog.dlg_flag >= 0 &&
	    !tm->observe(TM_REQUEST_IN, 1u << settings.dialog.dlg_flag, observe_transaction))
		return false;
	return rr->on_routed(request_routed) &&
	       tm->observe_methods(TM_ANSWERED | TM_PROVISIONAL_OUT, 0,
				   METHOD_INVITE | METHOD_BYE | METHOD_UPDATE, observe_transaction);
}

static void tick(void)
{
	dialog_tick();
	if (worker_index() == 0)
		profiles_tick();
}

static const struct module_timer timers[] = {
	{ "dialog timers", dialog_tick_period, tick, true },
	{ "dialog rows", rows_period, rows_tick, false },
};

static const struct claim claims[] = {
	{ .name = "dialog CSeq", .order = 1, .reply = cseq_shift_reply },
	{ .name = "dialog", .order = 900, .after = message_ended },
};

static const struct dialog_api api = {
	.observe = observers_add,
	.of_run = dialog_of_run,
	.get_variable = dialog_get_variable,
	.set_variable = dialog_set_variable,
};
static const struct module_interface offers[] = { { "dialog", DIALOG_API_VERSION, &api } };
static const struct module_need needs[] = {
	{ .name = "tm", .version = TM_API_VERSION, .out_functions = &needed.tm },
	{ .name = "rr", .version = RR_API_VERSION, .out_functions = &needed.rr },
	{ .name = "dmq",
	  .version = DMQ_API_VERSION,
	  .out_functions = &needed.dmq,
	  .is_optional = true },
};

static const struct function_table *const functions[] = {
	&dialog_functions, &profile_functions, &bridge_functions, NULL
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "dialog",
	.doc = "Knows calls: counts them, limits their time, ends them.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions = functions,
	.variables = { dialog_variables, DIALOG_VARIABLES },
	.commands = { dialog_command_rows, DIALOG_COMMANDS },
	.counters = ROWS(counter_rows),
	.events = ROWS(events),
	.timers = ROWS(timers),
	.claims = ROWS(claims),
	.offers = ROWS(offers),
	.needs = ROWS(needs),
	.prepare = prepare,
	.start = rows_start,
	.finish = rows_finish,
};
