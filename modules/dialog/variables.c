/* SPDX-License-Identifier: BSD-2-Clause */
/* $dlg(attribute), $dlg_ctx(attribute), $dlg_var(name), $DLG_count, $DLG_status, $DLG_lifetime. */
#include "modules/dialog/dialog.h"

static void give_text(struct value *out, struct span text)
{
	*out = (struct value){ .kind = VALUE_NULL };
	if (text.len)
		*out = VALUE_OF_TEXT(text);
}

/* The row of a constant name; a name with variables is no name here. */
static const char *bind_name(struct variable_ref *ref, const char *const *names, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (span_equal(ref->inner, span_from(names[i]))) {
			ref->bound = (void *)(uintptr_t)(i + 1);
			return NULL;
		}
	return "there is no such attribute of a dialog";
}

static unsigned bound_row(const struct variable_ref *ref)
{
	return (unsigned)(uintptr_t)ref->bound - 1;
}

/* ---- $dlg ---- */

static const char *const attribute_names[] = {
	"h_id",	    "h_entry",	"ref",	      "state",	    "to_rs",	     "from_rs",
	"dflags",   "sflags",	"callid",     "to_uri",	    "to_tag",	     "from_uri",
	"from_tag", "toroute",	"lifetime",   "start_ts",   "to_cseq",	     "from_cseq",
	"to_contact", "from_contact", "to_bindaddr", "from_bindaddr",
};
enum attribute {
	AT_H_ID,
	AT_H_ENTRY,
	AT_REF,
	AT_STATE,
	AT_TO_RS,
	AT_FROM_RS,
	AT_DFLAGS,
	AT_SFLAGS,
	AT_CALLID,
	AT_TO_URI,
	AT_TO_TAG,
	AT_FROM_URI,
	AT_FROM_TAG,
	AT_TOROUTE,
	AT_LIFETIME,
	AT_START_TS,
	AT_TO_CSEQ,
	AT_FROM_CSEQ,
	AT_TO_CONTACT,
	AT_FROM_CONTACT,
	AT_TO_BINDADDR,
	AT_FROM_BINDADDR,
};

static const char *bind_attribute(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	return bind_name(ref, attribute_names, ARRAY_SIZE(attribute_names));
}

static int64_t route_number(struct span route)
{
	const struct image *image = script_current_image();
	return image && route.len ? script_route(image, ROUTE_REQUEST, route) : 0;
}

static void give_cseq(struct script_run *run, const struct dialog_view *view, enum leg_kind leg,
		      struct value *out)
{
	/* Absent until there is a callee. */
	if (leg == CALLEE && view->state < DIALOG_UNACKED) {
		*out = (struct value){ .kind = VALUE_NULL };
		return;
	}
	give_text(out, arena_printf(run->arena, "%u", view->legs[leg].cseq));
}

static void give_socket(const struct leg_view *leg, struct value *out)
{
	give_text(out, leg->socket ? leg->socket->text : SPAN_OF(""));
}

static void give_attribute(struct script_run *run, const struct dialog_view *view,
			   enum attribute attribute, struct value *out)
{
	const struct leg_view *caller = &view->legs[CALLER], *callee = &view->legs[CALLEE];
	switch (attribute) {
	case AT_H_ID: *out = VALUE_OF_INT(view->h_id); return;
	case AT_H_ENTRY: *out = VALUE_OF_INT(view->h_entry); return;
	case AT_REF: *out = VALUE_OF_INT(1); return;
	case AT_STATE: *out = VALUE_OF_INT(view->state); return;
	case AT_TO_RS: give_text(out, callee->route_set); return;
	case AT_FROM_RS: give_text(out, caller->route_set); return;
	case AT_DFLAGS: *out = VALUE_OF_INT(0); return;
	case AT_SFLAGS: *out = VALUE_OF_INT(view->sflags); return;
	case AT_CALLID: give_text(out, view->call_id); return;
	case AT_TO_URI: give_text(out, view->to_uri); return;
	case AT_TO_TAG: give_text(out, callee->tag); return;
	case AT_FROM_URI: give_text(out, view->from_uri); return;
	case AT_FROM_TAG: give_text(out, caller->tag); return;
	case AT_TOROUTE: *out = VALUE_OF_INT(route_number(view->timeout_route)); return;
	case AT_LIFETIME: *out = VALUE_OF_INT(view->lifetime_s); return;
	case AT_START_TS: *out = VALUE_OF_INT(view->confirmed_us / 1000000); return;
	case AT_TO_CSEQ: give_cseq(run, view, CALLEE, out); return;
	case AT_FROM_CSEQ: give_cseq(run, view, CALLER, out); return;
	case AT_TO_CONTACT: give_text(out, callee->contact); return;
	case AT_FROM_CONTACT: give_text(out, caller->contact); return;
	case AT_TO_BINDADDR: give_socket(callee, out); return;
	case AT_FROM_BINDADDR: give_socket(caller, out); return;
	}
}

static bool view_of_run(struct script_run *run, struct dialog_view *out)
{
	struct dialog_name name;
	return context_find(run->msg, &name) && dialog_view(name, run->arena, out);
}

static bool get_attribute(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct dialog_view view;
	*out = (struct value){ .kind = VALUE_NULL };
	if (view_of_run(run, &view))
		give_attribute(run, &view, (enum attribute)bound_row(ref), out);
	return true;
}

/* ---- $dlg_ctx ---- */

static const char *const context_names[] = {
	"on", "timeout", "timeout_bye", "timeout_route", "timeout_route_id", "set", "dir"
};
enum context_attribute { CTX_ON, CTX_TIMEOUT, CTX_BYE, CTX_ROUTE, CTX_ROUTE_ID, CTX_SET, CTX_DIR };

static const char *bind_context(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	return bind_name(ref, context_names, ARRAY_SIZE(context_names));
}

static bool get_context(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct dialog_context *context = context_of(run->msg);
	*out = (struct value){ .kind = VALUE_NULL };
	if (!context)
		return false;
	switch ((enum context_attribute)bound_row(ref)) {
	case CTX_ON: *out = VALUE_OF_INT(context->is_on); break;
	case CTX_TIMEOUT: *out = VALUE_OF_INT(context->timeout_s); break;
	case CTX_BYE: *out = VALUE_OF_INT(context->wants_bye); break;
	case CTX_ROUTE: give_text(out, context->timeout_route); break;
	case CTX_ROUTE_ID: *out = VALUE_OF_INT(route_number(context->timeout_route)); break;
	case CTX_SET: *out = VALUE_OF_INT(context->name.generation != 0); break;
	case CTX_DIR:
		*out = VALUE_OF_INT(!context->is_sequential ? 0 : context->leg == CALLER ? 1 : 2);
		break;
	}
	return true;
}

static bool set_route(struct script_run *run, struct dialog_context *context, struct span route)
{
	struct dialog_name name;
	if (route.len && !route_number(route)) {
		log_error("$dlg_ctx(timeout_route): there is no route[%.*s]", SPAN_ARGS(route));
		return false;
	}
	context->timeout_route = arena_copy(run->msg->arena, route);
	if (context_find(run->msg, &name))
		return dialog_set_timeout_route(name, route);
	return true;
}

static bool set_bye(struct script_run *run, struct dialog_context *context, bool wants_bye)
{
	struct dialog_name name;
	context->wants_bye = wants_bye;
	if (context_find(run->msg, &name))
		return dialog_set_iflags(name, IFLAG_BYE_ON_TIMEOUT, wants_bye);
	return true;
}

static bool set_timeout(struct script_run *run, struct dialog_context *context, int64_t seconds)
{
	struct dialog_name name;
	context->timeout_s = seconds;
	if (seconds > 0 && context_find(run->msg, &name))
		return dialog_set_lifetime(name, seconds);
	return true;
}

static bool set_context(struct script_run *run, const struct variable_ref *ref,
			const struct value *value)
{
	struct dialog_context *context = context_of(run->msg);
	struct span text;
	int64_t number = 0;
	bool has_number = value && value->kind != VALUE_NULL && value_to_int(value, &number);
	if (!context)
		return false;
	switch ((enum context_attribute)bound_row(ref)) {
	case CTX_ON: context->is_on = number != 0; return true;
	case CTX_TIMEOUT:
		if (value && value->kind == VALUE_TEXT && !has_number)
			break;
		return set_timeout(run, context, number);
	case CTX_BYE: return set_bye(run, context, number != 0);
	case CTX_ROUTE:
		text = SPAN_OF("");
		if (value && value->kind != VALUE_NULL && !value_to_text(run, value, &text))
			return false;
		return set_route(run, context, text);
	case CTX_ROUTE_ID:
	case CTX_SET:
	case CTX_DIR: break;
	}
	log_error("%.*s cannot be set to this", SPAN_ARGS(ref->text));
	return false;
}

/* ---- $dlg_var ---- */

static struct pending_variable *find_pending(struct dialog_context *context, struct span key)
{
	struct pending_variable *pending = context->pending;
	while (pending && !span_equal(pending->key, key))
		pending = pending->next;
	return pending;
}

static bool get_variable(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct dialog_context *context = context_of(run->msg);
	struct span key = variable_inner_text(run, ref), text = { NULL, 0 };
	struct dialog_name name;
	*out = (struct value){ .kind = VALUE_NULL };
	if (!context || !key.at)
		return false;
	if (context_find(run->msg, &name)) {
		if (dialog_get_variable(name, key, run->arena, &text))
			*out = VALUE_OF_TEXT(text);
		return true;
	}
	const struct pending_variable *pending = find_pending(context, key);
	if (pending && pending->value.at)
		*out = VALUE_OF_TEXT(pending->value);
	return true;
}

static bool keep_pending(struct script_run *run, struct dialog_context *context, struct span key,
			 struct span value)
{
	struct pending_variable *pending = find_pending(context, key);
	if (!pending) {
		pending = ARENA_NEW(run->msg->arena, struct pending_variable);
		if (!pending)
			return false;
		pending->key = arena_copy(run->msg->arena, key);
		pending->next = context->pending;
		context->pending = pending;
	}
	pending->value = arena_copy(run->msg->arena, value);
	return pending->key.at != NULL;
}

static bool set_variable(struct script_run *run, const struct variable_ref *ref,
			 const struct value *value)
{
	struct dialog_context *context = context_of(run->msg);
	struct span key = variable_inner_text(run, ref), text = { NULL, 0 };
	struct dialog_name name;
	if (!context || !key.at)
		return false;
	if (value && value->kind != VALUE_NULL && !value_to_text(run, value, &text))
		return false;
	if (value && value->kind == VALUE_TEXT && !text.at)
		text = SPAN_OF("");
	if (context_find(run->msg, &name))
		return dialog_set_variable(name, key, text);
	return keep_pending(run, context, key, text);
}

/* ---- $DLG_… ---- */

enum { ROW_COUNT, ROW_STATUS, ROW_LIFETIME };

static bool get_figure(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct dialog_view view;
	*out = (struct value){ .kind = VALUE_NULL };
	if (ref->row->selector == ROW_COUNT) {
		*out = VALUE_OF_INT(counter_read(dialog_counters->active));
		return true;
	}
	if (!view_of_run(run, &view) || !view.confirmed_us)
		return true;
	int64_t until_us = view.ended_us ? view.ended_us : clock_wall_us_now();
	int64_t lifetime_s = until_us / 1000000 - view.confirmed_us / 1000000;
	*out = VALUE_OF_INT(ref->row->selector == ROW_STATUS ? (int64_t)view.state : lifetime_s);
	return true;
}

const struct variable_row dialog_variables[DIALOG_VARIABLES] = {
	{ .name = "dlg", .inner = INNER_NAME, .get = get_attribute, .bind = bind_attribute,
		.doc = "attribute of the message's dialog: h_entry, h_id, state, callid, from_tag, …" },
	{ .name = "dlg_ctx", .inner = INNER_NAME, .get = get_context, .set = set_context,
		.bind = bind_context,
		.doc = "what the dialog shall do: timeout, timeout_bye, timeout_route, on; set and dir "
		       "(1 from the caller, 2 from the callee) tell how the request fits" },
	{ .name = "dlg_var", .inner = INNER_NAME, .get = get_variable, .set = set_variable,
		.doc = "variable of the dialog, also before there is one: for the INVITE at hand" },
	{ .name = "DLG_count", .get = get_figure, .selector = ROW_COUNT,
		.doc = "calls that were answered and are not over" },
	{ .name = "DLG_status", .get = get_figure, .selector = ROW_STATUS,
		.doc = "3 answered, 4 with ACK, 5 over; null: no dialog, or not answered" },
	{ .name = "DLG_lifetime", .get = get_figure, .selector = ROW_LIFETIME,
		.doc = "seconds since the answer; null: no dialog, or not answered" },
};
