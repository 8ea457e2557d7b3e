/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of the script about dialogs; those about profiles are in profile_script.c. */
#include "modules/dialog/bridge.h"
#include "modules/dialog/replica.h"

#define FLAGS 32

struct side_args {
	struct span side;
};
static const struct field side_fields[] = {
	FIELD(struct side_args, side, "caller, callee or all"),
};
struct flag_args {
	int64_t flag;
};
static const struct field flag_fields[] = {
	FIELD(struct flag_args, flag, "number of the flag, 0 to 31"),
};
struct name_args {
	struct span name;
};
static const struct field name_fields[] = {
	FIELD(struct name_args, name, "ka-src, ka-dst or timeout-noreset"),
};
struct state_args {
	struct span state;
};
static const struct field state_fields[] = {
	FIELD(struct state_args, state,
		"unconfirmed, early, answered (without ACK), confirmed or terminated"),
};
struct timeout_args {
	int64_t timeout, h_entry, h_id;
};
static const struct field timeout_fields[] = {
	FIELD(struct timeout_args, timeout, "seconds that the dialog lives from now on"),
	FIELD(struct timeout_args, h_entry, "entry of the dialog; absent: that of the message",
		.optional = true),
	FIELD(struct timeout_args, h_id, "number of the dialog", .optional = true),
};
struct ids_args {
	struct span callid, ftag, ttag;
};
static const struct field ids_fields[] = {
	FIELD(struct ids_args, callid, "Call-ID"),
	FIELD(struct ids_args, ftag, "From tag of the first request"),
	FIELD(struct ids_args, ttag, "To tag; empty while the call is set up"),
};
struct set_var_args {
	struct span callid, ftag, ttag, name, value;
};
static const struct field set_var_fields[] = {
	FIELD(struct set_var_args, callid, "Call-ID"),
	FIELD(struct set_var_args, ftag, "From tag of the first request"),
	FIELD(struct set_var_args, ttag, "To tag; empty while the call is set up"),
	FIELD(struct set_var_args, name, "name of the variable"),
	FIELD(struct set_var_args, value, "its value"),
};
struct get_var_args {
	struct span callid, ftag, ttag, name;
	const struct variable_ref *target;
};
static const struct field get_var_fields[] = {
	FIELD(struct get_var_args, callid, "Call-ID"),
	FIELD(struct get_var_args, ftag, "From tag of the first request"),
	FIELD(struct get_var_args, ttag, "To tag; empty while the call is set up"),
	FIELD(struct get_var_args, name, "name of the variable"),
	FIELD(struct get_var_args, target, "variable that takes the value"),
};
struct within_args {
	struct span side, method, headers, content_type, content;
};
static const struct field within_fields[] = {
	FIELD(struct within_args, side, "caller, callee or all"),
	FIELD(struct within_args, method, "method of the request"),
	FIELD(struct within_args, headers, "header lines", .optional = true),
	FIELD(struct within_args, content_type, "Content-Type of the body", .optional = true),
	FIELD(struct within_args, content, "body", .optional = true),
};
struct refer_args {
	struct span side, address;
};
static const struct field refer_fields[] = {
	FIELD(struct refer_args, side, "caller or callee"),
	FIELD(struct refer_args, address, "SIP address that the side shall call"),
};

struct node_args {
	struct span uri;
};
static const struct field node_fields[] = { FIELD(
	struct node_args, uri, "SIP URI of a server, as dmq.list_nodes shows it") };

SCRIPT_HANDLER_OF(remove_of_node, node)
SCRIPT_HANDLER_PLAIN(dlg_manage)
SCRIPT_HANDLER_PLAIN(is_known)
SCRIPT_HANDLER_PLAIN(set_ruri)
SCRIPT_HANDLER_PLAIN(update_contact)
SCRIPT_HANDLER_PLAIN(update_socket)
SCRIPT_HANDLER_OF(bye, side)
SCRIPT_HANDLER_OF(set_flag, flag)
SCRIPT_HANDLER_OF(reset_flag, flag)
SCRIPT_HANDLER_OF(is_flag_set, flag)
SCRIPT_HANDLER_OF(set_property, name)
SCRIPT_HANDLER_OF(reset_property, name)
SCRIPT_HANDLER_OF(set_timeout, timeout)
SCRIPT_HANDLER_OF(get_dialog, ids)
SCRIPT_HANDLER_OF(set_state, state)
SCRIPT_HANDLER(set_var)
SCRIPT_HANDLER(get_var)
SCRIPT_HANDLER(within)
SCRIPT_HANDLER(refer)

static const struct script_function functions[] = {
	FUNCTION_PLAIN("dlg_manage", dlg_manage, IN_REQUEST,
		"Makes a dialog for an INVITE; for a request inside a dialog finds it."),
	FUNCTION_OF("dlg_remove_dialogs_from_node", remove_of_node, node, IN_ANY,
		    "Forgets the dialogs that another server told of (enable_dmq)."),
	FUNCTION_PLAIN("is_known_dlg", is_known, IN_ANY, "Does the message belong to a dialog?"),
	FUNCTION_PLAIN("dlg_set_ruri", set_ruri, IN_ANY,
		"The Request-URI becomes the Contact of the party that the request goes to."),
	FUNCTION_PLAIN("dlg_update_contact", update_contact, IN_ANY,
		"Takes over the Contact of the message for the party that sent it."),
	FUNCTION_PLAIN("dlg_update_socket", update_socket, IN_ANY,
		"Requests to the party that sent the message leave by the socket that it came by."),
	FUNCTION_OF("dlg_bye", bye, side, IN_ANY, "Ends the dialog with BYE to caller, callee or all."),
	FUNCTION_OF("dlg_setflag", set_flag, flag, IN_ANY, "Sets a flag of the dialog."),
	FUNCTION_OF("dlg_resetflag", reset_flag, flag, IN_ANY, "Resets a flag of the dialog."),
	FUNCTION_OF("dlg_isflagset", is_flag_set, flag, IN_ANY, "Is a flag of the dialog set?"),
	FUNCTION_OF("dlg_set_property", set_property, name, IN_ANY,
		"ka-src, ka-dst: keepalive; timeout-noreset: requests do not prolong its life."),
	FUNCTION_OF("dlg_reset_property", reset_property, name, IN_ANY, "Undoes dlg_set_property."),
	FUNCTION_OF("dlg_set_timeout", set_timeout, timeout, IN_ANY,
		"The dialog ends after so many seconds."),
	FUNCTION_OF("dlg_set_state", set_state, state, IN_ANY,
		"Sets the state of the dialog; nobody is told."),
	FUNCTION_OF("dlg_get", get_dialog, ids, IN_ANY, "Makes another dialog that of the message."),
	FUNCTION("dlg_set_var", set_var, IN_ANY, "Sets a variable of another dialog."),
	FUNCTION("dlg_get_var", get_var, IN_ANY, "Reads a variable of another dialog."),
	FUNCTION("dlg_req_within", within, IN_ANY, "Sends a request inside the dialog."),
	FUNCTION("dlg_refer", refer, IN_ANY, "Sends REFER inside the dialog."),
};
const struct function_table dialog_functions = ROWS(functions);

/* ---- what several of them need ---- */

static const struct {
	const char *name;
	unsigned legs;
} sides[] = {
	{ "caller", 1u << CALLER },
	{ "callee", 1u << CALLEE },
	{ "all", 1u << CALLER | 1u << CALLEE },
};

static unsigned legs_of(struct span side, const char *function)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sides); i++)
		if (span_equal_nocase(side, span_from(sides[i].name)))
			return sides[i].legs;
	log_error("%s: \"%.*s\" is none of caller, callee, all", function, SPAN_ARGS(side));
	return 0;
}

static bool need_dialog(struct script_run *run, struct dialog_name *out_name)
{
	if (context_find(run->msg, out_name))
		return true;
	log_debug("the message belongs to no dialog");
	return false;
}

static int result(bool is_done)
{
	return is_done ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int remove_of_node(struct script_run *run, const struct node_args *args)
{
	struct sip_uri uri;
	(void)run;
	if (!uri_parse(args->uri, &uri)) {
		log_error("dlg_remove_dialogs_from_node: %.*s is no URI of a server",
			  SPAN_ARGS(args->uri));
		return SCRIPT_FALSE;
	}
	unsigned dropped = replica_drop(args->uri);
	log_info("%u dialogs of %.*s are forgotten", dropped, SPAN_ARGS(args->uri));
	return SCRIPT_TRUE;
}

static int dlg_manage(struct script_run *run)
{
	return manage(run);
}

static int is_known(struct script_run *run)
{
	struct dialog_name name;
	return result(context_find(run->msg, &name));
}

/* ---- addresses ---- */

static int set_ruri(struct script_run *run)
{
	struct dialog_name name;
	struct dialog_view view;
	if (!message_is_request(run->msg) || !need_dialog(run, &name) ||
	    !dialog_view(name, run->arena, &view))
		return SCRIPT_FALSE;
	struct span contact = view.legs[!context_of(run->msg)->leg].contact;
	return result(contact.len && message_set_uri(run->msg, contact));
}

/* The party that sent the message: of a reply the other one than of its request. */
static enum leg_kind sender_of(struct message *msg)
{
	enum leg_kind leg = context_of(msg)->leg;
	if (message_is_request(msg))
		return leg;
	return leg == CALLER ? CALLEE : CALLER;
}

static int update_contact(struct script_run *run)
{
	struct dialog_name name;
	struct shard *shard;
	struct span contact = contact_of(run->msg);
	if (!contact.len || !need_dialog(run, &name))
		return SCRIPT_FALSE;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return SCRIPT_FALSE;
	bool is_set = text_set(shard, dialog, &dialog->legs[sender_of(run->msg)].contact, contact);
	shard_unlock(shard);
	return result(is_set);
}

static int update_socket(struct script_run *run)
{
	struct dialog_name name;
	struct shard *shard;
	if (!run->msg->from.listener || !need_dialog(run, &name))
		return SCRIPT_FALSE;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return SCRIPT_FALSE;
	dialog->legs[sender_of(run->msg)].socket = run->msg->from.listener;
	dialog_touch(dialog);
	shard_unlock(shard);
	return SCRIPT_TRUE;
}

/* ---- requests of ours ---- */

static int bye(struct script_run *run, const struct side_args *args)
{
	struct dialog_name name;
	unsigned legs = legs_of(args->side, "dlg_bye");
	return result(legs && need_dialog(run, &name) &&
		      dialog_bye(name, legs, (struct span){ NULL, 0 }));
}

static bool send_to_legs(struct dialog_name name, unsigned legs, const struct leg_request *request)
{
	bool is_sent = true;
	for (unsigned leg = 0; leg < LEGS; leg++)
		if (legs & 1u << leg)
			is_sent &= leg_send(name, (enum leg_kind)leg, request);
	return is_sent;
}

static int within(struct script_run *run, const struct within_args *args)
{
	struct dialog_name name;
	unsigned legs = legs_of(args->side, "dlg_req_within");
	struct writer w = writer_in_arena(run->arena, 128);
	writer_span(&w, args->headers);
	if (args->headers.len && !span_ends_with(args->headers, SPAN_OF("\n")))
		writer_literal(&w, "\r\n");
	if (args->content.len && args->content_type.len)
		writer_printf(&w, "Content-Type: %.*s\r\n", SPAN_ARGS(args->content_type));
	const struct leg_request request = { .method = args->method,
					     .headers = writer_result(&w),
					     .body = args->content };
	return result(!w.failed && legs && need_dialog(run, &name) &&
		      send_to_legs(name, legs, &request));
}

int refer_dialog(struct script_run *run, struct dialog_name name, struct span side,
		 struct span address)
{
	unsigned legs = legs_of(side, "dlg_refer");
	struct span lines = arena_printf(
		run->arena, "Referred-By: <%.*s>\r\nRefer-To: <%.*s>\r\nContact: <%.*s>\r\n",
		SPAN_ARGS(dialog_settings->bridge_controller), SPAN_ARGS(address),
		SPAN_ARGS(dialog_settings->bridge_contact));
	const struct leg_request request = { .method = SPAN("REFER"), .headers = lines };
	return result(lines.at && legs && send_to_legs(name, legs, &request));
}

static int refer(struct script_run *run, const struct refer_args *args)
{
	struct dialog_name name;
	return need_dialog(run, &name) ? refer_dialog(run, name, args->side, args->address)
				       : SCRIPT_FALSE;
}

/* ---- flags and properties ---- */

static bool flag_bit(int64_t flag, uint32_t *out_bit)
{
	if (flag < 0 || flag >= FLAGS) {
		log_error("%lld is no flag of a dialog: they are 0 to 31", (long long)flag);
		return false;
	}
	*out_bit = 1u << flag;
	return true;
}

static int change_flag(struct script_run *run, int64_t flag, bool is_set)
{
	struct dialog_name name;
	uint32_t bit;
	if (!flag_bit(flag, &bit))
		return SCRIPT_FALSE;
	if (context_find(run->msg, &name))
		return result(dialog_set_sflags(name, bit, is_set));
	struct dialog_context *context = context_of(run->msg);
	if (!context)
		return SCRIPT_FALSE;
	context->sflags = is_set ? context->sflags | bit : context->sflags & ~bit;
	return SCRIPT_TRUE;
}

static int set_flag(struct script_run *run, const struct flag_args *args)
{
	return change_flag(run, args->flag, true);
}

static int reset_flag(struct script_run *run, const struct flag_args *args)
{
	return change_flag(run, args->flag, false);
}

static int is_flag_set(struct script_run *run, const struct flag_args *args)
{
	struct dialog_name name;
	uint32_t bit, sflags;
	if (!flag_bit(args->flag, &bit))
		return SCRIPT_FALSE;
	if (context_find(run->msg, &name))
		return result(dialog_get_sflags(name, &sflags) && sflags & bit);
	const struct dialog_context *context = context_peek(run->msg);
	return result(context && context->sflags & bit);
}

static const struct {
	const char *name;
	uint32_t iflag;
	bool is_keepalive;
} properties[] = {
	{ "ka-src", IFLAG_KEEPALIVE_CALLER, true },
	{ "ka-dst", IFLAG_KEEPALIVE_CALLEE, true },
	{ "timeout-noreset", IFLAG_TIMEOUT_STAYS, false },
};

static int change_property(struct script_run *run, struct span property, bool is_set)
{
	struct dialog_name name;
	unsigned i = 0;
	while (i < ARRAY_SIZE(properties) &&
	       !span_equal_nocase(property, span_from(properties[i].name)))
		i++;
	if (i == ARRAY_SIZE(properties)) {
		log_error("\"%.*s\" is none of ka-src, ka-dst, timeout-noreset",
			  SPAN_ARGS(property));
		return SCRIPT_FALSE;
	}
	if (is_set && properties[i].is_keepalive && !dialog_keeps_alive())
		log_warning("no keepalive is sent for %.*s: dialog.ka_timer or ka_interval is 0",
			    SPAN_ARGS(property));
	if (context_find(run->msg, &name))
		return result(dialog_set_iflags(name, properties[i].iflag, is_set));
	struct dialog_context *context = context_of(run->msg);
	if (!context)
		return SCRIPT_FALSE;
	context->iflags = is_set ? context->iflags | properties[i].iflag
				 : context->iflags & ~properties[i].iflag;
	return SCRIPT_TRUE;
}

static int set_property(struct script_run *run, const struct name_args *args)
{
	return change_property(run, args->name, true);
}

static int reset_property(struct script_run *run, const struct name_args *args)
{
	return change_property(run, args->name, false);
}

static int set_timeout(struct script_run *run, const struct timeout_args *args)
{
	struct dialog_name name;
	bool is_named = args->h_entry > 0 || args->h_id > 0;
	if (args->timeout < 0) {
		log_error("dlg_set_timeout: %lld seconds", (long long)args->timeout);
		return SCRIPT_FALSE;
	}
	if (is_named ? !dialog_find_numbers((uint32_t)args->h_entry, (uint32_t)args->h_id, &name)
		     : !need_dialog(run, &name))
		return SCRIPT_FALSE;
	return result(dialog_set_lifetime(name, args->timeout));
}

static const struct {
	const char *name;
	enum dialog_state state;
} state_names[] = {
	{ "unconfirmed", DIALOG_UNCONFIRMED }, { "early", DIALOG_EARLY },
	{ "answered", DIALOG_UNACKED },        { "confirmed", DIALOG_ACTIVE },
	{ "terminated", DIALOG_DELETED },
};

static int set_state(struct script_run *run, const struct state_args *args)
{
	struct dialog_name name;
	for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
		if (span_equal_nocase(args->state, span_from(state_names[i].name)))
			return result(need_dialog(run, &name) &&
				      dialog_set_state(name, state_names[i].state));
	log_error("dlg_set_state: \"%.*s\" is none of unconfirmed, early, answered, confirmed, "
		  "terminated",
		  SPAN_ARGS(args->state));
	return SCRIPT_FALSE;
}

/* ---- other dialogs ---- */

static bool find_other(struct span callid, struct span ftag, struct span ttag,
		       struct dialog_name *out_name)
{
	const struct dialog_query query = { .call_id = callid, .from_tag = ftag, .to_tag = ttag };
	enum leg_kind leg;
	return dialog_find(&query, out_name, &leg);
}

static int get_dialog(struct script_run *run, const struct ids_args *args)
{
	const struct dialog_query query = { .call_id = args->callid,
					    .from_tag = args->ftag,
					    .to_tag = args->ttag };
	struct dialog_context *context = context_of(run->msg);
	return result(context && dialog_find(&query, &context->name, &context->leg));
}

static int set_var(struct script_run *run, const struct set_var_args *args)
{
	struct dialog_name name;
	(void)run;
	return result(find_other(args->callid, args->ftag, args->ttag, &name) &&
		      dialog_set_variable(name, args->name, args->value));
}

static int get_var(struct script_run *run, const struct get_var_args *args)
{
	struct dialog_name name;
	struct span text;
	struct value value = { .kind = VALUE_NULL };
	if (!find_other(args->callid, args->ftag, args->ttag, &name))
		return SCRIPT_FALSE;
	if (dialog_get_variable(name, args->name, run->arena, &text))
		value = VALUE_OF_TEXT(text);
	return result(variable_write(run, args->target, &value));
}
