/* SPDX-License-Identifier: BSD-2-Clause */
/* siputils: questions about messages and URIs, and answers to OPTIONS. The rows of the module and
 * options_reply; the functions are in uri.c, contact.c, check.c and charging.c. */
#include "modules/auth/auth_api.h"
#include "modules/siputils/siputils.h"
#include "modules/sl/sl_api.h"

static struct siputils_settings settings = {
	.options_accept = SPAN("*/*"),
	.options_accept_encoding = SPAN(""),
	.options_accept_language = SPAN("en"),
	.options_support = SPAN(""),
	.contact_flds_separator = SPAN("*"),
	.rpid_prefix = SPAN(""),
	.rpid_suffix = SPAN(";party=calling;id-type=subscriber;screen=yes"),
	.rpid_avp = SPAN("$avp(s:rpid)"),
	.e164_max_len = 16,
	.ring_timeout = 30,
};
const struct siputils_settings *const siputils_settings = &settings;

static const void *sl_functions;

static const char *check_separator(struct span text, int64_t number)
{
	(void)number;
	bool is_free = text.len && !ascii_is_alpha(text.at[0]) && !ascii_is_digit(text.at[0]) &&
		       !strchr("@:;?<>.", text.at[0]);
	return is_free ? NULL
		       : "the separator is a character that user, host and port do not contain";
}

static const struct field setting_fields[] = {
	FIELD(settings, options_accept, "Accept of options_reply"),
	FIELD(settings, options_accept_encoding, "Accept-Encoding of options_reply"),
	FIELD(settings, options_accept_language, "Accept-Language of options_reply"),
	FIELD(settings, options_support, "Supported of options_reply"),
	FIELD(settings, contact_flds_separator, "separator of encode_contact, one character",
		.accept = check_separator),
	FIELD(settings, rpid_prefix, "text before the URI in Remote-Party-ID"),
	FIELD(settings, rpid_suffix, "text after the URI in Remote-Party-ID"),
	FIELD(settings, rpid_avp, "AVP with the URI for Remote-Party-ID"),
	FIELD(settings, e164_max_len, "longest E.164 number, with its \"+\"", .min = 3, .max = 64),
	FIELD(settings, ring_timeout, "accepted: ring tones are not tracked here", .min = 0,
		.max = 3600),
};

SCRIPT_HANDLER_PLAIN(options_reply)
static const struct script_function functions[] = {
	FUNCTION_PLAIN("options_reply", options_reply, IN_REQUEST | ROUTE_LOCAL,
		"Answers OPTIONS to this server itself with 200 and what it can do."),
};

/* One capability header; an empty setting says so with an empty header, except Supported. */
static void write_capability(struct writer *w, const char *name, struct span value)
{
	writer_string(w, name);
	writer_literal(w, ": ");
	writer_span(w, value);
	writer_literal(w, "\r\n");
}

/* RFC 3261 11.2 */
static int options_reply(struct script_run *run)
{
	const struct sl_api *sl = sl_functions;
	struct message *msg = run->msg;
	struct sip_uri uri;
	if (msg->index->method != METHOD_OPTIONS) {
		log_error("options_reply: the method is not OPTIONS");
		return SCRIPT_FALSE;
	}
	if (!message_parse_uri(msg, &uri)) {
		log_error("options_reply: malformed Request-URI");
		return SCRIPT_FALSE;
	}
	if (uri.user.len) {
		log_error(
			"options_reply: the Request-URI has a user, so it is not for this server");
		return SCRIPT_FALSE;
	}
	struct writer w = writer_in_arena(run->arena, 128);
	write_capability(&w, "Accept", settings.options_accept);
	write_capability(&w, "Accept-Encoding", settings.options_accept_encoding);
	write_capability(&w, "Accept-Language", settings.options_accept_language);
	write_capability(&w, "Supported", settings.options_support);
	if (w.failed || !message_add_reply_line(msg, writer_result(&w))) {
		sl->send_reply(run, 500, SPAN_OF("Server Internal Error"));
		return SCRIPT_FALSE;
	}
	return truth(sl->send_reply(run, 200, SPAN_OF("OK")));
}

static bool prepare(struct diagnostics *diagnostics)
{
	charging_reserve();
	if (!settings.rpid_avp.len)
		return true;
	settings.rpid = variable_compile(settings.rpid_avp, startup_arena(), diagnostics,
					 module_setting_position("siputils", "rpid_avp"));
	return settings.rpid != NULL;
}

static const struct function_table *const more_functions[] = {
	&uri_functions, &contact_functions, &charging_functions, &check_functions, NULL,
};
static const struct module_need needs[] = {
	{ .name = "sl", .version = SL_API_VERSION, .out_functions = &sl_functions },
	{ .name = "auth",
		.version = AUTH_API_VERSION,
		.out_functions = &siputils_auth,
		.is_optional = true },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "siputils",
	.doc = "Questions about messages and URIs, and answers to OPTIONS.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.more_functions = more_functions,
	.variables = { &charging_variable, 1 },
	.needs = ROWS(needs),
	.prepare = prepare,
};
