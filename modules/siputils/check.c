/* SPDX-License-Identifier: BSD-2-Clause */
/* What kind of message this is: request or reply, first hop, options, dates, credentials. */
#include "modules/auth/auth_api.h"
#include "modules/siputils/siputils.h"

#define DEFAULT_DATE_TOLERANCE_S 600

const void *siputils_auth; /* const struct auth_api *, NULL without module auth */

/* ---- arguments ------------------------------------------------------------------------------- */

struct is_user_args {
	struct span name;
};
static const struct field is_user_fields[] = {
	FIELD(struct is_user_args, name, "user name"),
};
struct is_supported_args {
	struct span option;
};
static const char *check_option(struct span text, int64_t number);
static const struct field is_supported_fields[] = {
	FIELD(struct is_supported_args, option, "option tag", .accept = check_option),
};
struct is_first_hop_args {
	int64_t mode;
};
static const struct field is_first_hop_fields[] = {
	FIELD(struct is_first_hop_args, mode, "1: do not ask whether the source is this host",
		.optional = true),
};
struct date_check_args {
	int64_t seconds;
};
static const struct field date_check_fields[] = {
	FIELD(struct date_check_args, seconds, "largest age in seconds; 0: 600", .min = 0,
		.max = INT32_MAX),
};
struct append_rpid_args {
	struct span prefix, suffix;
};
static const struct field append_rpid_fields[] = {
	FIELD(struct append_rpid_args, prefix, "text before the URI", .optional = true),
	FIELD(struct append_rpid_args, suffix, "text after the URI", .optional = true),
};

SCRIPT_HANDLER(is_user)
SCRIPT_HANDLER_PLAIN(has_totag)
SCRIPT_HANDLER_PLAIN(is_request)
SCRIPT_HANDLER_PLAIN(is_reply)
SCRIPT_HANDLER_PLAIN(is_sip)
SCRIPT_HANDLER_PLAIN(is_http)
SCRIPT_HANDLER(is_supported)
SCRIPT_HANDLER(is_first_hop)
SCRIPT_HANDLER(date_check)
SCRIPT_HANDLER_PLAIN(parse_headers)
SCRIPT_HANDLER(append_rpid)
SCRIPT_HANDLER_PLAIN(is_rpid_e164)

static const struct script_function functions[] = {
	FUNCTION("is_user", is_user, IN_ANY, "Is this the user name of the checked credentials?"),
	FUNCTION_PLAIN("has_totag", has_totag, IN_ANY,
		"Has To a tag: does the message belong to a dialog?"),
	FUNCTION_PLAIN("is_request", is_request, IN_ANY, "Is the message a request?"),
	FUNCTION_PLAIN("is_reply", is_reply, IN_ANY, "Is the message a reply?"),
	FUNCTION_PLAIN("is_sip", is_sip, IN_ANY, "Is the message SIP?"),
	FUNCTION_PLAIN("is_http", is_http, IN_ANY, "Is the message HTTP?"),
	FUNCTION("is_supported", is_supported, IN_ANY, "Is the option tag listed in Supported?"),
	FUNCTION("is_first_hop", is_first_hop, IN_ANY,
		"Did the message come from an end point, not a proxy?"),
	FUNCTION("hdr_date_check", date_check, IN_ANY,
		"Is Date not older than that? False without Date."),
	FUNCTION_PLAIN("sip_parse_headers", parse_headers, IN_ANY, "Are all headers well-formed?"),
	FUNCTION("append_rpid_hf", append_rpid, IN_ANY,
		"Adds Remote-Party-ID with the URI of rpid_avp."),
	FUNCTION_PLAIN("is_rpid_user_e164", is_rpid_e164, IN_ANY,
		"Is the user of the rpid_avp URI an E.164 number?"),
};
const struct function_table check_functions = ROWS(functions);

/* ---- simple questions ------------------------------------------------------------------------ */

static int is_user(struct script_run *run, const struct is_user_args *args)
{
	const struct auth_api *auth = siputils_auth;
	if (!auth) {
		log_error("is_user: no credentials were checked, module auth is not loaded");
		return SCRIPT_FALSE;
	}
	struct span user = auth->authorized_user(run->msg);
	if (!user.at) {
		log_error("is_user: no credentials were checked; check them before asking");
		return SCRIPT_FALSE;
	}
	return truth(user.len && span_equal(user, args->name));
}

static int has_totag(struct script_run *run)
{
	return truth(message_to_tag(run->msg).len > 0);
}

static int is_request(struct script_run *run)
{
	return truth(message_is_request(run->msg));
}

static int is_reply(struct script_run *run)
{
	return truth(!message_is_request(run->msg));
}

static int is_sip(struct script_run *run)
{
	return truth(!run->msg->index->is_http);
}

static int is_http(struct script_run *run)
{
	return truth(run->msg->index->is_http);
}

static const char *check_option(struct span text, int64_t number)
{
	(void)number;
	return text.len
		       ? NULL
		       : "an option tag is missing: path, 100rel, timer, eventlist, gruu, outbound ...";
}

static int is_supported(struct script_run *run, const struct is_supported_args *args)
{
	struct message *msg = run->msg;
	for (const struct sip_header *h = message_header(msg, HEADER_SUPPORTED); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h), token;
		while (token_next(&rest, &token) == LIST_ITEM)
			if (span_equal_nocase(token, args->option))
				return SCRIPT_TRUE;
	}
	return SCRIPT_FALSE;
}

/* Date as RFC 3261 20.17; -4 when it is too old, as the peer answers. */
static int date_check(struct script_run *run, const struct date_check_args *args)
{
	const struct sip_header *h = message_header(run->msg, HEADER_DATE);
	int64_t seconds, tolerance = args->seconds ? args->seconds : DEFAULT_DATE_TOLERANCE_S;
	if (!h || !date_parse(message_header_value(run->msg, h), &seconds))
		return SCRIPT_FALSE;
	return clock_wall_s() - seconds > tolerance ? -4 : SCRIPT_TRUE;
}

/* ---- are all headers well-formed? ------------------------------------------------------------ */

static bool addresses_are_valid(const struct message *msg, enum sip_header_id id)
{
	for (const struct sip_header *h = message_header(msg, id); h;
	     h = message_next_header(msg, h)) {
		unsigned count;
		if (!name_addr_list_check(message_header_value(msg, h), &count))
			return false;
	}
	return true;
}

static bool vias_are_valid(const struct message *msg)
{
	for (const struct sip_header *h = message_header(msg, HEADER_VIA); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct sip_via via;
		enum list_result result;
		while ((result = via_next(&rest, &via)) == LIST_ITEM)
			;
		if (result == LIST_BAD)
			return false;
	}
	return true;
}

static int parse_headers(struct script_run *run)
{
	static const enum sip_header_id lists[] = { HEADER_CONTACT, HEADER_ROUTE,
						    HEADER_RECORD_ROUTE, HEADER_PATH };
	struct message *msg = run->msg;
	struct cseq cseq;
	if (msg->index->defects || !message_from(msg) || !message_to(msg) || !vias_are_valid(msg) ||
	    !cseq_parse(message_value(msg, HEADER_CSEQ), &cseq))
		return SCRIPT_FALSE;
	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++)
		if (!addresses_are_valid(msg, lists[i]))
			return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

/* ---- first hop ------------------------------------------------------------------------------- */

static bool has_one_via(const struct message *msg)
{
	const struct sip_header *h = message_header(msg, HEADER_VIA);
	struct sip_via via;
	if (!h || message_next_header(msg, h))
		return false;
	struct span rest = message_header_value(msg, h);
	return via_next(&rest, &via) == LIST_ITEM && via_next(&rest, &via) == LIST_END;
}

static bool is_own_address(const struct end_point *address)
{
	for (unsigned i = 0; i < listener_count(); i++)
		if (end_point_same_ip(&listener_at(i)->address, address))
			return true;
	return false;
}

/* A reply comes from an end point when nobody behind us record-routed: the top Record-Route is
 * ours, or there is none. */
static bool reply_is_from_end_point(struct message *msg, int64_t mode)
{
	const struct sip_header *h = message_header(msg, HEADER_RECORD_ROUTE);
	struct name_addr address;
	struct sip_uri uri;
	if (!h)
		return true;
	struct span rest = message_header_value(msg, h);
	if (name_addr_next(&rest, &address) != LIST_ITEM || !uri_parse(address.uri, &uri))
		return false;
	enum transport transport = uri.transport == SIP_TRANSPORT_OTHER
					   ? TRANSPORT_NONE
					   : (enum transport)uri.transport;
	if (!is_myself(uri.host, uri_port(&uri), transport))
		return false;
	if (mode == 1)
		return true;
	return host_kind_of(uri.host) != HOST_NAME && !is_own_address(&msg->from.source);
}

static int is_first_hop(struct script_run *run, const struct is_first_hop_args *args)
{
	if (message_is_request(run->msg))
		return truth(has_one_via(run->msg));
	return truth(reply_is_from_end_point(run->msg, args->mode));
}

/* ---- Remote-Party-ID (draft-ietf-sip-privacy-04) --------------------------------------------- */

static struct span rpid_value(struct script_run *run)
{
	struct value value;
	struct span text;
	if (!siputils_settings->rpid || !variable_read(run, siputils_settings->rpid, &value) ||
	    value.kind != VALUE_TEXT || !value_to_text(run, &value, &text))
		return (struct span){ 0 };
	return text;
}

static int append_rpid(struct script_run *run, const struct append_rpid_args *args)
{
	struct span prefix = args->prefix.at ? args->prefix : siputils_settings->rpid_prefix;
	struct span suffix = args->prefix.at ? args->suffix : siputils_settings->rpid_suffix;
	struct span value = rpid_value(run);
	if (!value.len) {
		log_debug("no URI for Remote-Party-ID");
		return SCRIPT_FALSE;
	}
	struct span line = arena_printf(run->arena, "Remote-Party-ID: %.*s%.*s%.*s\r\n",
					SPAN_ARGS(prefix), SPAN_ARGS(value), SPAN_ARGS(suffix));
	return truth(line.at && edit_append_header(run->msg, line));
}

static int is_rpid_e164(struct script_run *run)
{
	struct name_addr address;
	struct sip_uri uri;
	struct span value = rpid_value(run);
	if (!value.len || !name_addr_parse(value, &address) || !uri_parse(address.uri, &uri))
		return SCRIPT_FALSE;
	return truth(is_e164_number(uri.user));
}
