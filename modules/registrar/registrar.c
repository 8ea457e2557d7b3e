/* SPDX-License-Identifier: BSD-2-Clause */
/* registrar: REGISTER and where its users are (RFC 3261 10), on top of usrloc. */
#include "modules/registrar/registrar.h"

static struct registrar_settings settings = {
	.default_expires = 3600, .min_expires = 60, .default_q = Q_UNSPECIFIED, .append_branches = 1, .received_param = SPAN("received"),
	.sock_flag = -1, .path_mode = 2, .gruu_enabled = 1, .contact_max_size = 512, .check_require = true,
};
const struct registrar_settings *const registrar_settings = &settings;

static const struct usrloc_api *usrloc_functions;
static const struct sl_api *sl_functions;
static counter_id accepted, rejected;
static unsigned notes_slot;

const struct usrloc_api *usrloc(void)
{
	return usrloc_functions;
}

const struct sl_api *sl(void)
{
	return sl_functions;
}

void count_registration(bool is_accepted)
{
	counter_inc(is_accepted ? accepted : rejected);
}

struct registrar_notes *registrar_notes(struct message *msg)
{
	if (!msg->slots[notes_slot])
		msg->slots[notes_slot] = ARENA_NEW(msg->arena, struct registrar_notes);
	return msg->slots[notes_slot];
}

#define SET(member, text, ...) FIELD(settings, member, text, __VA_ARGS__)
static const struct field setting_fields[] = {
	SET(default_expires, "seconds when the phone tells none", .min = 1, .max = 31536000, .is_live = true),
	SET(default_expires_range, "percent that may be taken off at random", .max = 100, .is_live = true),
	SET(expires_range, "percent that may be taken off what the phone tells", .max = 100, .is_live = true),
	SET(min_expires, "fewest seconds", .max = 31536000, .is_live = true),
	SET(min_expires_mode, "0 raise to the fewest, 1 answer 423", .max = 1),
	SET(max_expires, "most seconds, 0: no limit", .max = 31536000, .is_live = true),
	SET(default_q, "q in thousandths when the phone tells none; negative: unset", .min = -1, .max = 1000, .is_live = true),
	SET(realm_prefix, "prefix that is cut off the domain"),
	SET(append_branches, "lookup() adds further bindings as branches", .max = 1, .is_live = true),
	SET(case_sensitive, "users Alice and alice differ", .max = 1, .is_live = true),
	SET(received_avp, "AVP with the address that the phone was seen at"),
	SET(received_param, "Contact parameter that shows it in the answer"),
	SET(max_contacts, "most bindings of a user, 0: no limit", .max = 256, .is_live = true),
	SET(retry_after, "Retry-After of 5xx answers in seconds, 0: none", .max = 86400, .is_live = true),
	SET(sock_flag, "message flag that makes sock_hdr_name count", .min = -1, .max = 31),
	SET(sock_hdr_name, "header that names the socket"), SET(sock_mode, "1: $ulc shows the advertised address of the socket", .max = 1),
	SET(method_filtering, "lookup() minds the methods that a phone allows", .max = 1),
	SET(use_path, "keep Path (RFC 3327)", .max = 1),
	SET(path_mode, "0 keep always, 1 tell those who support it, 2 refuse others", .max = 2),
	SET(path_use_received, "address from the first Path entry", .max = 1),
	SET(path_check_local, "lookup() skips the first Path entry when it is this server", .max = 1),
	SET(xavp_cfg, "XAVP with options for one message"), SET(xavp_rcd, "XAVP that takes record details"),
	SET(xavp_rcd_mask, "details to leave out: 1 ruid, 2 contact, 4 expires, 8 received, 16 path", .max = 31),
	SET(gruu_enabled, "public and temporary GRUUs (RFC 5627)", .max = 1),
	SET(outbound_mode, "0 no outbound, 1 when the phone supports it, 2 needed", .max = 2),
	SET(regid_mode, "accepted: reg-id counts beside an instance, with and without outbound", .max = 1), SET(flow_timer, "Flow-Timer in seconds", .max = 86400),
	SET(contact_max_size, "bytes of the longest Contact URI", .min = 32, .max = 65000),
	SET(lookup_filter_mode, "bits: 1 branch flags, 2 live connections", .max = 3),
	SET(use_expired_contacts, "1: lookup() also finds what expired in the last timer_interval of usrloc", .max = 1, .is_live = true),
	SET(check_require, "420 for a Require that names what this registrar does not know (RFC 3261 8.2.2.3)"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
	SET(reg_callid_avp, "variable with a Call-ID that registered() asks for; xavp_cfg does the same"),
	FIELD_IGNORED("aor_avp", "use the uri argument"),
};

/* A setting that names a variable; none when it is empty. */
static bool compile(struct span text, const char *name, struct diagnostics *diagnostics,
		    const struct variable_ref **out)
{
	if (text.len)
		*out = variable_compile(text, startup_arena(), diagnostics,
					module_setting_position("registrar", name));
	return !text.len || *out;
}

static bool prepare(struct diagnostics *diagnostics)
{
	notes_slot = message_slot("registrar");
	gruu_prepare();
	if (settings.use_expired_contacts)
		usrloc()->linger();
	return compile(settings.received_avp, "received_avp", diagnostics, &settings.received) &&
	       compile(settings.reg_callid_avp, "reg_callid_avp", diagnostics,
		       &settings.reg_callid);
}

/* ---- functions -------------------------------------------------------------------------------------------- */

struct save_args {
	struct span domain, flags, uri;
};
static const struct field save_fields[] = {
	FIELD(struct save_args, domain, "domain (table) of the location service", .literal = true),
	FIELD(struct save_args, flags, "bits: 0x01 memory only, 0x02 no reply, 0x04 one contact, 0x08 no random part, 0x10 reply headers", .optional = true),
	FIELD(struct save_args, uri, "address-of-record; without it the URI of To", .optional = true),
};
SCRIPT_HANDLER(save)
SCRIPT_HANDLER_PLAIN(reg_send_reply)

static int save(struct script_run *run, const struct save_args *args)
{
	int64_t flags = 0;
	if (args->flags.len && !span_to_int64_any_base(args->flags, &flags)) {
		log_error("save: \"%.*s\" is no number", SPAN_ARGS(args->flags));
		return SCRIPT_FALSE;
	}
	return save_registration(run, args->domain, (unsigned)flags, args->uri);
}

static int reg_send_reply(struct script_run *run)
{
	struct registrar_notes *notes = registrar_notes(run->msg);
	struct registration *registration = notes ? notes->registration : NULL;
	if (!registration) {
		log_error("there was no save() before");
		return SCRIPT_FALSE;
	}
	if (!registration->is_prepared && !answer_prepare(run, registration))
		return SCRIPT_FALSE;
	registration->is_prepared = true;
	return answer_send(run, registration) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

struct header_args {
	struct span name;
};
static const struct field add_sock_hdr_fields[] = { FIELD(struct header_args, name,
							  "name of the header") };
#define add_sock_hdr_args header_args
SCRIPT_HANDLER(add_sock_hdr)
static int add_sock_hdr(struct script_run *run, const struct add_sock_hdr_args *args)
{
	const struct listener *listener = run->msg->from.listener;
	struct span line = listener ? arena_printf(run->arena, "%.*s: %.*s\r\n",
						   SPAN_ARGS(args->name), SPAN_ARGS(listener->text))
				    : (struct span){ NULL, 0 };
	return line.at && edit_append_header(run->msg, line) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct script_function functions[] = {
	FUNCTION("save", save, ROUTE_REQUEST | ROUTE_FAILURE | IN_ANY_REPLY, "Serves a REGISTER: 1 inserted, 2 updated, 3 deleted, 4 listed."),
	FUNCTION_PLAIN("reg_send_reply", reg_send_reply, ROUTE_REQUEST | ROUTE_FAILURE, "Sends the answer that save() with flag 0x02 did not."),
	FUNCTION("add_sock_hdr", add_sock_hdr, ROUTE_REQUEST, "Adds a header with the socket that received the request."),
};

static const struct variable_row variables[] = {
	{ .name = "ulc", .inner = INNER_NAME, .get = profile_get, .bind = profile_bind, .takes_index = true,
	  .doc = "attribute of a binding that reg_fetch_contacts() fetched" },
};

static int64_t show_default_expires(void)
{
	return settings.default_expires;
}

static int64_t show_default_expires_range(void)
{
	return settings.default_expires_range;
}

static int64_t show_expires_range(void)
{
	return settings.expires_range;
}

static int64_t show_max_expires(void)
{
	return settings.max_expires;
}

static int64_t show_max_contacts(void)
{
	return settings.max_contacts;
}

static const struct counter_row counters[] = {
	{ NULL, "accepted_regs", "REGISTERs that were served", &accepted },
	{ NULL, "rejected_regs", "REGISTERs that were refused", &rejected },
	{ NULL, "default_expire", "the parameter default_expires", NULL, show_default_expires },
	{ NULL, "default_expires_range", "the parameter", NULL, show_default_expires_range },
	{ NULL, "expires_range", "the parameter", NULL, show_expires_range },
	{ NULL, "max_contacts", "the parameter", NULL, show_max_contacts },
	{ NULL, "max_expires", "the parameter", NULL, show_max_expires },
};
static const struct module_need needs[] = {
	{ "usrloc", USRLOC_API_VERSION, (const void **)&usrloc_functions, false },
	{ "sl", SL_API_VERSION, (const void **)&sl_functions, false },
};

/* A REGISTER will change the bindings of its To, mostly in the first domain. Memory needs the time that
 * the next message of the batch takes; without one it would be waited for here. */
static void foresee(struct message *msg)
{
	if (udp_came_alone() || !message_is_request(msg) || message_method(msg) != METHOD_REGISTER)
		return;
	struct registrar_notes *notes = registrar_notes(msg);
	if (!notes)
		return;
	notes->foreseen = message_to_uri(msg);
	notes->key = address_key_of(msg->arena, message_read_uri(msg, notes->foreseen));
	if (notes->key.len)
		usrloc()->foresee(0, notes->key);
}

static const struct claim claims[] = {
	{ .name = "registrar", .order = 0, .foresee = foresee },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "registrar",
	.doc = "Serves REGISTER and finds users.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.more_functions = (const struct function_table *const[]){ &lookup_functions, &profile_functions, NULL },
	.variables = ROWS(variables),
	.counters = ROWS(counters),
	.needs = ROWS(needs),
	.claims = ROWS(claims),
	.prepare = prepare,
};
