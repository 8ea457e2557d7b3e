/* SPDX-License-Identifier: BSD-2-Clause */
/* uac: what a user agent does: requests of its own, answers to challenges, other From and To. */
#include "modules/uac/accounts.h"

static struct uac_settings settings = {
	.rr_from_store_param = SPAN("vsf"),
	.rr_to_store_param = SPAN("vst"),
	.restore_mode = SPAN("auto"),
	.reg_db_table = SPAN("uacreg"),
	.reg_timer_interval = 90,
	.reg_gc_interval = 150,
	.reg_active = true,
};
const struct uac_settings *const uac_settings = &settings;

static const struct tm_api *tm;
static const struct rr_api *rr;
static const struct dialog_api *dialog;
static const struct module_need needs[] = {
	{ "tm", TM_API_VERSION, (const void **)&tm },
	{ "rr", RR_API_VERSION, (const void **)&rr, .is_optional = true },
	{ "dialog", DIALOG_API_VERSION, (const void **)&dialog, .is_optional = true },
};
static struct {
	enum restore_mode mode;
	const struct listener *socket;
} state;

static const char *const restore_modes[] = { "none", "manual", "auto" };

static const char *accept_mode(struct span text, int64_t number)
{
	(void)number;
	for (size_t i = 0; i < ARRAY_SIZE(restore_modes); i++)
		if (span_equal(text, span_from(restore_modes[i])))
			return NULL;
	return "restore_mode is none, manual or auto";
}

static const struct field setting_fields[] = {
	FIELD(settings, rr_from_store_param, "parameter of Record-Route for the two From URIs"),
	FIELD(settings, rr_to_store_param, "parameter of Record-Route for the two To URIs"),
	FIELD(settings, restore_mode, "none; manual: replies; auto: later requests too", .accept = accept_mode),
	FIELD(settings, restore_dlg, "the URIs are also kept as variables of the dialog, and later requests restored by them"),
	FIELD(settings, restore_passwd, "scrambles those parameters"),
	FIELD(settings, restore_from_avp, "AVP that gets the From URI that was there"),
	FIELD(settings, restore_to_avp, "AVP that gets the To URI that was there"),
	FIELD_ACCEPT("credential", credential_add, "user:realm:password; may be given several times"),
	FIELD(settings, auth_realm_avp, "variable of the realm for uac_auth(); empty: any"),
	FIELD(settings, auth_username_avp, "variable of the user for uac_auth()"),
	FIELD(settings, auth_password_avp, "variable of the password for uac_auth()"),
	FIELD(settings, default_socket, "socket of requests that name none"),
	FIELD(settings, reg_db_url, "database of accounts that are registered elsewhere"),
	FIELD(settings, reg_db_table, "table of accounts"),
	FIELD(settings, reg_contact_addr, "host[:port] and parameters of the Contact of registrations"),
	FIELD(settings, reg_timer_interval, "seconds between looks which registrations are due", .min = 1,
		.max = 86400),
	FIELD(settings, reg_retry_interval, "seconds until a failed one is tried again; 0: it is disabled",
		.min = 0, .max = INT32_MAX),
	FIELD(settings, reg_random_delay, "the first ones are spread over so many seconds", .min = 0,
		.max = 86400),
	FIELD(settings, reg_gc_interval, "seconds between reloads", .min = 0, .max = INT32_MAX),
	FIELD(settings, reg_active, "accounts are registered"),
	FIELD(settings, reg_keep_callid, "renewals keep their Call-ID (RFC 3261 10.2.4)"),
	FIELD(settings, reg_use_domain, "uac_reg_lookup_uri() compares the domain too"),
	FIELD_IGNORED("reg_hash_size", "the table grows as needed"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
};

const struct tm_api *uac_tm(void)
{
	return tm;
}

const struct rr_api *uac_rr(void)
{
	return rr;
}

const struct dialog_api *uac_dialog(void)
{
	return dialog;
}

enum restore_mode uac_restore_mode(void)
{
	return state.mode;
}

const struct listener *uac_default_socket(void)
{
	return state.socket;
}

bool uac_tell(struct diagnostics *diagnostics, const char *setting, const char *sentence)
{
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("uac", setting), "uac: %s", sentence);
	return false;
}

static bool find_socket(struct diagnostics *diagnostics)
{
	struct end_point address;
	if (!settings.default_socket.len)
		return true;
	if (end_point_parse(settings.default_socket, &address))
		state.socket = listener_find(&address);
	return state.socket || uac_tell(diagnostics, "default_socket",
					"this is no socket of this server (listen=)");
}

static bool prepare(struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < ARRAY_SIZE(restore_modes); i++)
		if (span_equal(settings.restore_mode, span_from(restore_modes[i])))
			state.mode = (enum restore_mode)i;
	return find_socket(diagnostics) && request_prepare() && auth_prepare(diagnostics) &&
	       replace_prepare(diagnostics) && register_prepare() &&
	       reg_commands_prepare(diagnostics) && accounts_prepare(diagnostics);
}

static const struct variable_row variables[] = {
	{ .name = "uac_req", .inner = INNER_NAME, .get = request_get, .set = request_set,
		.bind = request_bind,
		.doc = "The request for uac_req_send(): method, ruri, furi, turi, hdrs, body …; in event_route[uac:reply] also evcode, evtype." },
};

static const struct module_event events[] = {
	{ "uac:reply", ROUTE_EVENT, "a request with $uac_req(evroute) was answered, or not: $uac_req(evcode)" },
};

static const struct module_timer timers[] = {
	{ "uac registrations", register_period_ms, register_run, false },
};

static const struct function_table *const more_functions[] = { &replace_functions, &auth_functions,
							       &request_functions, &reg_functions,
							       NULL };

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "uac",
	.doc = "Requests of its own, answers to challenges, other From and To.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions = more_functions,
	.variables = ROWS(variables),
	.commands = { reg_commands, REG_COMMANDS },
	.counters = { reg_counters, REG_COUNTERS },
	.timers = ROWS(timers),
	.events = ROWS(events),
	.needs = ROWS(needs),
	.prepare = prepare,
	.start = accounts_start,
};
