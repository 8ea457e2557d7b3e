/* SPDX-License-Identifier: BSD-2-Clause */
/* nathelper: finds out that a phone is behind a NAT, and makes it reachable all the same. The tests and
 * the rows of the module; contact.c changes Contacts, sdp.c session descriptions. */
#include "modules/nathelper/nathelper.h"

static struct nathelper_settings settings = {
	.sipping_method = SPAN("OPTIONS"),
	.nortpproxy_str = SPAN("a=nortpproxy:yes\r\n"),
	.alias_name = SPAN("alias"),
	.natping_processes = 1,
	.sipping_bflag = -1,
	.natping_disable_bflag = -1,
	.nat_addr_mode = 1,
	.append_sdp_oldmediaip = true,
};
const struct nathelper_settings *const nathelper_settings = &settings;
static const struct usrloc_api *usrloc;

static const struct field setting_fields[] = {
	FIELD(settings, force_socket, "socket that pings are sent from"),
	FIELD(settings, natping_interval, "seconds between two pings of a contact; 0: none", .max = 86400),
	FIELD(settings, ping_nated_only, "only contacts with the flag nat_bflag of usrloc are pinged"),
	FIELD(settings, natping_processes, "accepted: workers send the pings", .min = 0, .max = 1024),
	FIELD(settings, received_avp, "AVP for the address that fix_nated_register() finds"),
	FIELD(settings, sipping_bflag, "branch flag of contacts that are pinged with a request", .min = -1, .max = 31),
	FIELD(settings, sipping_from, "URI in From of such requests"),
	FIELD(settings, sipping_method, "method of such requests"),
	FIELD(settings, natping_disable_bflag, "branch flag of contacts that are not pinged", .min = -1, .max = 31),
	FIELD(settings, nortpproxy_str, "line that marks a session description; empty: none"),
	FIELD(settings, keepalive_timeout, "seconds without answer to a request after which a contact is removed; 0: it stays", .max = 86400),
	FIELD(settings, udpping_from_path, "accepted: pings along a Path go to its first proxy"),
	FIELD(settings, ignore_path, "pings go to the contact also when it has a Path"),
	FIELD(settings, append_sdp_oldmediaip, "fix_nated_sdp() notes addresses that it replaces"),
	FIELD(settings, filter_server_id, "only contacts that this server registered are pinged"),
	FIELD(settings, nat_addr_mode, "1: nat_uac_test() counts all of 192.0.0.0/24 as private", .max = 1),
	FIELD(settings, alias_name, "name of the parameter with the address that a contact was seen at"),
	FIELD_IGNORED("natping_socket", "pings carry the address of a socket of this server"),
};

/* ---- tests ----------------------------------------------------------------------------------------- */

static bool is_private(const struct end_point *address)
{
	static const struct end_point protocol_assignments = { .family = AF_INET, .ip = { 192 } };
	return end_point_is_private(address) ||
	       (settings.nat_addr_mode && end_point_in_network(address, &protocol_assignments, 24));
}

bool is_private_text(struct span text)
{
	struct end_point address;
	return end_point_parse_ip(text, &address) && is_private(&address);
}

static bool contact_is_private(struct message *msg)
{
	struct contact contact;
	return contact_of(msg, &contact) && is_private_text(contact.uri.host);
}

static bool via_differs(struct message *msg)
{
	const struct sip_via *via = message_top_via(msg);
	struct end_point address;
	return via && !(end_point_parse_ip(via->host, &address) &&
			end_point_same_ip(&address, &msg->from.source));
}

static bool via_is_private(struct message *msg)
{
	const struct sip_via *via = message_top_via(msg);
	return via && is_private_text(via->host);
}

static bool sdp_is_private(struct message *msg)
{
	return sdp_address_is(msg, SDP_HAS_PRIVATE_ADDRESS);
}

static bool via_port_differs(struct message *msg)
{
	const struct sip_via *via = message_top_via(msg);
	return via && via_port(via) != msg->from.source.port;
}

static bool source_is_private(struct message *msg)
{
	return is_private(&msg->from.source);
}

static bool is_web_socket(unsigned transport)
{
	return transport == TRANSPORT_WS || transport == TRANSPORT_WSS;
}

static bool source_is_web_socket(struct message *msg)
{
	return is_web_socket(msg->from.source.transport);
}

static bool contact_port_differs(struct message *msg)
{
	struct contact contact;
	return contact_of(msg, &contact) && uri_port(&contact.uri) != msg->from.source.port;
}

static bool sdp_differs(struct message *msg)
{
	return sdp_address_is(msg, SDP_HAS_OTHER_ADDRESS);
}

/* Of a request: Request-URI and next hop. */
static bool targets_differ(struct message *msg)
{
	struct sip_uri uri, next_hop;
	if (!msg->target.dst_uri.len || !uri_parse(msg->target.dst_uri, &next_hop) ||
	    !message_parse_uri(msg, &uri))
		return false;
	return is_web_socket(next_hop.transport) || uri_port(&uri) != uri_port(&next_hop) ||
	       !host_equal(uri.host, next_hop.host);
}

/* Of a reply: where the second Via says, and where it goes. */
static bool reply_target_differs(struct message *msg)
{
	const struct sip_via *via = message_second_via(msg);
	if (!via)
		return false;
	return is_web_socket(via->transport) ||
	       (via->received.len && !host_equal(via->host, via->received)) ||
	       (via->rport == RPORT_VALUE && via->rport_port != via_port(via));
}

static bool target_differs(struct message *msg)
{
	return message_is_request(msg) ? targets_differ(msg) : reply_target_differs(msg);
}

static const struct {
	int64_t flag;
	bool (*test)(struct message *msg);
} tests[] = {
	{ 1, contact_is_private },    { 2, via_differs },
	{ 4, via_is_private },        { 8, sdp_is_private },
	{ 16, via_port_differs },     { 32, source_is_private },
	{ 64, source_is_web_socket }, { 128, contact_port_differs },
	{ 256, sdp_differs },         { 512, target_differs },
};

struct test_args {
	int64_t flags;
};
static const struct field test_fields[] = {
	FIELD(struct test_args, flags, "bits: 1 private Contact, 2 Via is not the source, 4 private Via, 8 private "
		"SDP, 16 port of Via, 32 private source, 64 WebSocket, 128 port of Contact, 256 SDP is not the "
		"source, 512 target", .min = 0, .max = 1023),
};
SCRIPT_HANDLER(test)

static int test(struct script_run *run, const struct test_args *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		if (args->flags & tests[i].flag && tests[i].test(run->msg))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

struct is_private_args {
	struct span address;
};
static const struct field is_private_fields[] = {
	FIELD(struct is_private_args, address, "IP address"),
};
SCRIPT_HANDLER_OF(test_private, is_private)

static int test_private(struct script_run *run, const struct is_private_args *args)
{
	(void)run;
	enum { NO_TEXT = -2 };
	if (!args->address.len)
		return NO_TEXT;
	return is_private_text(args->address) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct script_function functions[] = {
	FUNCTION("nat_uac_test", test, IN_ALL_BUT_ONSEND, "Does one of the tests show a NAT?"),
	FUNCTION_OF("is_rfc1918", test_private, is_private, IN_ANY, "Is it a private IPv4 address?"),
};

/* ---- variables ------------------------------------------------------------------------------------- */

static unsigned count_record_routes(const struct message *msg, bool *out_top_is_double)
{
	unsigned count = 0;
	*out_top_is_double = false;
	for (const struct sip_header *h = message_header(msg, HEADER_RECORD_ROUTE); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr address;
		while (name_addr_next(&rest, &address) == LIST_ITEM) {
			struct sip_uri uri;
			if (!count++)
				*out_top_is_double = uri_parse(address.uri, &uri) && uri.r2.at;
		}
	}
	return count;
}

static bool get_count(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)ref;
	bool is_double;
	*out = VALUE_OF_INT(count_record_routes(run->msg, &is_double));
	return true;
}

static bool get_top_count(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)ref;
	bool is_double;
	unsigned count = count_record_routes(run->msg, &is_double);
	*out = VALUE_OF_INT(!count ? 0 : is_double ? 2 : 1);
	return true;
}

static const struct variable_row variables[] = {
	{ .name = "rr_count", .get = get_count, .doc = "Number of Record-Routes." },
	{ .name = "rr_top_count", .get = get_top_count,
		.doc = "2 when the topmost Record-Route is a double one, 1 when not, 0 when there is none." },
};

/* ---- the module ------------------------------------------------------------------------------------ */

static bool prepare(struct diagnostics *diagnostics)
{
	if (settings.received_avp.len) {
		settings.received =
			variable_compile(settings.received_avp, startup_arena(), diagnostics,
					 module_setting_position("nathelper", "received_avp"));
		if (!settings.received)
			return false;
	}
	return ping_prepare(usrloc, diagnostics);
}

static const struct function_table *const more_functions[] = { &contact_functions, &sdp_functions,
							       NULL };
static const struct rpc_command commands[] = {
	{ "nathelper.enable_ping", run_enable_ping, "Pings contacts (1) or does not (0).", "{0|1}" },
};
static const struct module_timer timers[] = {
	{ "nathelper", ping_period_ms, ping_contacts },
};
static const struct module_need needs[] = {
	{ "usrloc", USRLOC_API_VERSION, (const void **)&usrloc, .is_optional = true },
};
static const struct claim claims[] = {
	{ .name = "nathelper", .order = 5, .reply = ping_reply },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "nathelper",
	.doc = "Makes phones behind NATs reachable.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.more_functions = more_functions,
	.variables = ROWS(variables),
	.commands = ROWS(commands),
	.timers = ROWS(timers),
	.claims = ROWS(claims),
	.needs = ROWS(needs),
	.prepare = prepare,
};
