/* SPDX-License-Identifier: BSD-2-Clause */
/* replace: another From or To for the other side of a dialog. The caller sees what he wrote: replies get
 * the request's own header back, and later requests are changed in either direction with the help of a
 * parameter of Record-Route: both URIs, one XOR the other, so that each is found from the other. */
#include "modules/uac/uac.h"

enum side { SIDE_FROM, SIDE_TO, SIDE_COUNT };

/* What a side is called where. */
static const struct side_names {
	enum sip_header_id header;
	struct span original; /* AVP: the header as the sender wrote it, without parameters */
	const char *variable, *new_variable; /* of a dialog */
} sides[SIDE_COUNT] = {
	[SIDE_FROM] = { HEADER_FROM, SPAN("_uac_from"), "_uac_fu", "_uac_funew" },
	[SIDE_TO] = { HEADER_TO, SPAN("_uac_to"), "_uac_to", "_uac_tonew" },
};

static struct {
	const struct variable_ref *avps[SIDE_COUNT]; /* restore_from_avp, restore_to_avp */
} state;

static struct span parameter_name(enum side side)
{
	return side == SIDE_FROM ? uac_settings->rr_from_store_param
				 : uac_settings->rr_to_store_param;
}

/* ---- the header --------------------------------------------------------------------------------------------------- */

static const struct name_addr *address_of(struct message *msg, enum side side)
{
	return side == SIDE_FROM ? message_from(msg) : message_to(msg);
}

/* Display name and URI as they stand there, without the parameters behind them. */
static struct span address_text(const struct message *msg, const struct name_addr *address)
{
	const char *end = address->uri.at + address->uri.len + (address->has_brackets ? 1 : 0);
	(void)msg;
	return span_make(address->whole.at, (size_t)(end - address->whole.at));
}

/* Puts a text in the place of display name and URI; the last call counts. */
static bool put_address(struct message *msg, enum side side, struct span text)
{
	const struct name_addr *address = address_of(msg, side);
	if (!address)
		return false;
	struct span old = address_text(msg, address);
	uint32_t at = (uint32_t)(old.at - msg->bytes.at);
	for (struct edit *edit = msg->edits; edit; edit = edit->next)
		if (edit->at == at && edit->removed == old.len && edit->tag == EDIT_TAG_MODULE) {
			edit->text = arena_copy(msg->arena, text);
			return edit->text.at != NULL;
		}
	struct edit *edit = edit_replace(msg, at, (uint32_t)old.len, text);
	if (edit)
		edit->tag = EDIT_TAG_MODULE;
	return edit;
}

/* display absent: as it is; empty: none. An empty URI: as it is. */
static struct span new_text(struct message *msg, const struct name_addr *address,
			    struct span display, struct span uri)
{
	struct span name = display.at ? display : address->display;
	struct span place = uri.len ? uri : address->uri;
	return arena_printf(msg->arena, "%.*s%s<%.*s>", SPAN_ARGS(name), name.len ? " " : "",
			    SPAN_ARGS(place));
}

/* ---- what is remembered ---------------------------------------------------------------------------------------------- */

static bool keep_in_dialog(struct script_run *run, enum side side, struct span original_uri,
			   struct span new_uri)
{
	struct dialog_name name = uac_dialog()->of_run(run);
	return !name.generation ||
	       (uac_dialog()->set_variable(name, span_from(sides[side].variable), original_uri) &&
		uac_dialog()->set_variable(name, span_from(sides[side].new_variable), new_uri));
}

/* The caller gets back what he wrote: in replies, which tm shows then. */
static bool remember_original(struct message *msg, enum side side, struct span original)
{
	struct avp_name name = { .text = sides[side].original };
	uac_tm()->edit_replies(msg);
	return avp_find(&msg->attributes, name, 0) ||
	       avp_push(&msg->attributes, name, VALUE_OF_TEXT(original));
}

static bool remember(struct script_run *run, enum side side, struct span original,
		     struct span original_uri, struct span new_uri)
{
	struct message *msg = run->msg;
	if (uac_restore_mode() == RESTORE_NONE)
		return true;
	if (!remember_original(msg, side, original))
		return false;
	struct value value = VALUE_OF_TEXT(original_uri);
	if (state.avps[side] && !variable_write(run, state.avps[side], &value))
		return false;
	if (span_equal(original_uri, new_uri) || message_to_tag(msg).len)
		return true;
	if (uac_settings->restore_dlg && !keep_in_dialog(run, side, original_uri, new_uri))
		return false;
	if (!uac_rr())
		return true;
	struct span parameter =
		parameter_make(run->arena, parameter_name(side), original_uri, new_uri);
	return parameter.at && uac_rr()->add_param(msg, parameter);
}

static int replace(struct script_run *run, enum side side, struct span display, struct span uri)
{
	const struct name_addr *address = address_of(run->msg, side);
	struct sip_uri parsed;
	if (!address || (uri.len && !uri_parse(uri, &parsed))) {
		log_error("the %s cannot be replaced: %.*s is no URI",
			  side == SIDE_FROM ? "From" : "To", SPAN_ARGS(uri));
		return SCRIPT_FALSE;
	}
	struct span original = arena_copy(run->arena, address_text(run->msg, address));
	struct span original_uri = arena_copy(run->arena, address->uri);
	struct span text = new_text(run->msg, address, display, uri);
	if (!text.at || !original.at || !put_address(run->msg, side, text) ||
	    !remember(run, side, original, original_uri, uri.len ? uri : original_uri))
		return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

/* ---- later requests ---------------------------------------------------------------------------------------------------- */

/* The other URI of the two, as the dialog knows them (restore_dlg); absent: neither is this one. */
static struct span other_of_dialog(struct message *msg, enum side stored, struct span uri)
{
	struct script_run run;
	struct span original, replaced;
	const struct side_names *names = &sides[stored];
	if (!uac_settings->restore_dlg || !script_run_init(&run, msg, ROUTE_EVENT, NULL))
		return NO_SPAN;
	struct dialog_name name = uac_dialog()->of_run(&run);
	if (!name.generation ||
	    !uac_dialog()->get_variable(name, span_from(names->variable), msg->arena, &original) ||
	    !uac_dialog()->get_variable(name, span_from(names->new_variable), msg->arena,
					&replaced))
		return NO_SPAN;
	if (span_equal(uri, original))
		return replaced;
	return span_equal(uri, replaced) ? original : NO_SPAN;
}

/* Changes the URI of a side to the other of the two, and remembers what the sender wrote. */
static bool restore_side(struct message *msg, enum side stored, enum side side)
{
	struct span value;
	const struct name_addr *address = address_of(msg, side);
	if (!address)
		return false;
	struct span uri = other_of_dialog(msg, stored, address->uri);
	if (!uri.at && (!uac_rr()->route_param(msg, parameter_name(stored), &value) || !value.len))
		return false;
	if (!uri.at)
		uri = parameter_apply(msg->arena, value, address->uri);
	if (!uri.at) {
		log_debug("a parameter of a Route header does not belong to this dialog");
		return false;
	}
	return remember_original(msg, side, address_text(msg, address)) &&
	       put_address(msg, side, new_text(msg, address, NO_SPAN, uri));
}

/* The caller's From is the other side's To. */
static bool restore(struct message *msg, enum side stored)
{
	bool is_upstream = uac_rr()->direction(msg) == RR_UPSTREAM;
	enum side other = stored == SIDE_FROM ? SIDE_TO : SIDE_FROM;
	return restore_side(msg, stored, is_upstream ? other : stored);
}

static void on_routed(struct message *msg, struct span params)
{
	(void)params;
	if (!message_is_request(msg) || !message_to_tag(msg).len)
		return;
	restore(msg, SIDE_FROM);
	restore(msg, SIDE_TO);
}

/* ---- replies --------------------------------------------------------------------------------------------------------------- */

static void on_reply(const struct tm_event_info *info)
{
	if (!info->reply || (info->reply->notes & NOTE_FAKED))
		return;
	for (enum side side = SIDE_FROM; side < SIDE_COUNT; side++) {
		const struct avp *avp =
			avp_find(&info->request->attributes,
				 (struct avp_name){ .text = sides[side].original }, 0);
		if (avp && avp->value.kind == VALUE_TEXT)
			put_address(info->reply, side, avp->value.text);
	}
}

/* ---- functions of the script -------------------------------------------------------------------------------------------------- */

struct address_args {
	struct span first, second;
};
static const struct field address_fields[] = {
	FIELD(struct address_args, first, "display name, or the URI when it is alone"),
	FIELD(struct address_args, second, "URI; empty: as it is", .optional = true),
};
SCRIPT_HANDLER_OF(replace_from, address)
SCRIPT_HANDLER_OF(replace_to, address)
SCRIPT_HANDLER_PLAIN(restore_from)
SCRIPT_HANDLER_PLAIN(restore_to)

#define IN_REPLACE (IN_REQUEST | IN_BRANCH | IN_FAILURE)
static const struct script_function functions[] = {
	FUNCTION_OF("uac_replace_from", replace_from, address, IN_REPLACE, "Replaces display name and URI of From."),
	FUNCTION_OF("uac_replace_to", replace_to, address, IN_REPLACE, "Replaces display name and URI of To."),
	FUNCTION_PLAIN("uac_restore_from", restore_from, IN_REQUEST, "Gives a later request its From (or To) back."),
	FUNCTION_PLAIN("uac_restore_to", restore_to, IN_REQUEST, "Gives a later request its To (or From) back."),
};
const struct function_table replace_functions = { functions, ARRAY_SIZE(functions) };

static int replace_by(struct script_run *run, enum side side, const struct address_args *args)
{
	return args->second.at ? replace(run, side, args->first, args->second)
			       : replace(run, side, NO_SPAN, args->first);
}

static int replace_from(struct script_run *run, const struct address_args *args)
{
	return replace_by(run, SIDE_FROM, args);
}

static int replace_to(struct script_run *run, const struct address_args *args)
{
	return replace_by(run, SIDE_TO, args);
}

static int restore_from(struct script_run *run)
{
	return uac_rr() && restore(run->msg, SIDE_FROM) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int restore_to(struct script_run *run)
{
	return uac_rr() && restore(run->msg, SIDE_TO) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool compile_avp(struct span text, const char *setting, struct diagnostics *diagnostics,
			const struct variable_ref **out)
{
	if (!text.len)
		return true;
	*out = variable_compile(text, startup_arena(), diagnostics,
				module_setting_position("uac", setting));
	return *out && (variable_is_writable(*out) ||
			uac_tell(diagnostics, setting, "the variable cannot be written"));
}

bool replace_prepare(struct diagnostics *diagnostics)
{
	if (!compile_avp(uac_settings->restore_from_avp, "restore_from_avp", diagnostics,
			 &state.avps[SIDE_FROM]) ||
	    !compile_avp(uac_settings->restore_to_avp, "restore_to_avp", diagnostics,
			 &state.avps[SIDE_TO]))
		return false;
	if (uac_settings->restore_dlg && !uac_dialog())
		return uac_tell(diagnostics, "restore_dlg",
				"restore_dlg needs module dialog: add loadmodule \"dialog.so\" "
				"before it");
	if (uac_restore_mode() == RESTORE_NONE)
		return true;
	if (uac_restore_mode() == RESTORE_AUTO && uac_rr() && !uac_rr()->on_routed(on_routed))
		return false;
	return uac_tm()->observe(TM_REPLY_PASSING, 0, on_reply);
}
