/* SPDX-License-Identifier: BSD-2-Clause */
/* Dialogs come with an INVITE and follow the messages of their call (RFC 3261 12). */
#include "modules/dialog/replica.h"

/* Other servers need not know the end of a life more exactly. */
#define TOLD_LIFE_MS 5000

enum match_mode { DID_ONLY, DID_FALLBACK, DID_NONE };

static struct {
	const struct variable_ref *timeout_avp;
} state;

bool manage_prepare(struct diagnostics *diagnostics)
{
	if (!dialog_settings->timeout_avp.len)
		return true;
	state.timeout_avp =
		variable_compile(dialog_settings->timeout_avp, startup_arena(), diagnostics,
				 module_setting_position("dialog", "timeout_avp"));
	return state.timeout_avp != NULL;
}

/* ---- the cookie: did=ENTRY.ID, hexadecimal, the lowest digit first ---- */

static void write_reversed(struct writer *w, uint32_t number)
{
	do {
		writer_char(w, "0123456789abcdef"[number & 15]);
	} while (number >>= 4);
}

static bool read_reversed(struct span text, uint32_t *out_number)
{
	uint32_t number = 0;
	if (!text.len || text.len > 8)
		return false;
	for (size_t i = text.len; i > 0; i--) {
		int digit = ascii_hex_value(text.at[i - 1]);
		if (digit < 0)
			return false;
		number = number << 4 | (uint32_t)digit;
	}
	*out_number = number;
	return true;
}

static bool read_cookie(struct span text, struct dialog_query *query)
{
	size_t dot = span_find(text, '.', 0);
	query->has_did = read_reversed(span_slice(text, 0, dot), &query->h_entry) &&
			 read_reversed(span_slice(text, dot + 1, text.len), &query->h_id);
	return query->has_did;
}

static void add_cookie(struct message *msg, uint32_t h_entry, uint32_t h_id)
{
	struct writer w = writer_in_arena(msg->arena, 48);
	if (dialog_settings->dlg_match_mode == DID_NONE)
		return;
	writer_char(&w, ';');
	writer_span(&w, dialog_settings->rr_param);
	writer_char(&w, '=');
	write_reversed(&w, h_entry);
	writer_char(&w, '.');
	write_reversed(&w, h_id);
	if (w.failed || !dialog_rr()->add_param(msg, writer_result(&w)))
		log_error("no memory for the cookie of a dialog in Record-Route");
}

/* ---- lifetime ---- */

/* What the AVP says, or what $dlg_ctx(timeout) was set to; 0: neither. */
static int64_t wished_lifetime(struct message *msg, const struct dialog_context *context)
{
	struct script_run run;
	struct value value;
	int64_t seconds;
	if (state.timeout_avp && script_run_init(&run, msg, ROUTE_EVENT, NULL) &&
	    variable_read(&run, state.timeout_avp, &value) && value_to_int(&value, &seconds) &&
	    seconds > 0)
		return seconds;
	return context->timeout_s;
}

/* ---- creation ---- */

static bool fill_caller(struct shard *shard, struct dialog *dialog, struct message *msg,
			struct span routes)
{
	struct dialog_leg *caller = &dialog->legs[CALLER];
	uint32_t cseq;
	caller->cseq = message_cseq(msg, &cseq) ? cseq : 0;
	caller->socket = msg->from.listener;
	return text_set(shard, dialog, &caller->contact, contact_of(msg)) &&
	       (!routes.len || text_set(shard, dialog, &caller->route_set, routes));
}

static bool fill_wishes(struct shard *shard, struct dialog *dialog,
			const struct dialog_context *context, int64_t lifetime_s)
{
	dialog->lifetime_s = lifetime_s ? lifetime_s : dialog_settings->default_timeout;
	dialog->sflags = context->sflags;
	dialog->iflags = context->iflags;
	if (context->wants_bye || dialog_settings->send_bye)
		dialog->iflags |= IFLAG_BYE_ON_TIMEOUT;
	if (dialog_settings->timeout_noreset)
		dialog->iflags |= IFLAG_TIMEOUT_STAYS;
	for (const struct pending_variable *v = context->pending; v; v = v->next)
		if (v->value.at && !variable_put(shard, dialog, v->key, v->value))
			return false;
	for (const struct pending_membership *m = context->memberships; m; m = m->next)
		if (!membership_add(shard, dialog, m->profile, m->value))
			return false;
	return !context->timeout_route.len ||
	       text_set(shard, dialog, &dialog->timeout_route, context->timeout_route);
}

static bool create(struct message *msg, struct dialog_context *context)
{
	uint64_t hash;
	uint32_t h_entry = 0, h_id = 0;
	int64_t lifetime_s = wished_lifetime(msg, context);
	struct span routes = routes_of_request(msg);
	const struct dialog_seed seed = {
		.call_id = message_value(msg, HEADER_CALL_ID),
		.from_uri = message_from_uri(msg),
		.to_uri = message_to_uri(msg),
		.request_uri = message_uri(msg),
		.from_tag = message_from_tag(msg),
		.via_check = via_check_of(msg),
		.state = DIALOG_UNCONFIRMED,
		.created_us = clock_wall_us_now(),
	};
	struct shard *shard = store_lock_call(seed.call_id, &hash);
	struct dialog *dialog = dialog_new(shard, hash, &seed);
	bool is_filled = dialog && fill_caller(shard, dialog, msg, routes) &&
			 fill_wishes(shard, dialog, context, lifetime_s);
	if (is_filled) {
		h_entry = dialog->h_entry;
		h_id = dialog->h_id;
		context->name = name_of(dialog);
		slot_publish(shard, &dialog->slot);
		dialog_arm(shard, dialog);
	} else if (dialog) {
		slot_free(shard, &dialog->slot);
	}
	shard_unlock(shard);
	if (!is_filled) {
		log_error("no shared memory for a dialog; start with a larger -m");
		return false;
	}
	if (!numbers_add(h_entry, h_id, context->name))
		log_error(
			"no shared memory for the numbers of a dialog; other servers cannot end it");
	context->leg = CALLER;
	context->is_creator = true;
	counter_inc(dialog_counters->processed);
	for (const struct pending_membership *m = context->memberships; m; m = m->next)
		profile_count(m->profile, m->value, 1);
	add_cookie(msg, h_entry, h_id);
	tell(context->name, DIALOG_CREATED, msg, NULL);
	return true;
}

/* The same INVITE comes by again: its dialog is the one that there is. */
static bool join_spiral(struct message *msg, struct dialog_context *context)
{
	struct dialog_query query = { .call_id = message_value(msg, HEADER_CALL_ID),
				      .from_tag = message_from_tag(msg),
				      .only_living = true };
	struct shard *shard;
	if (!dialog_settings->detect_spirals || !dialog_find(&query, &context->name, &context->leg))
		return false;
	const struct dialog *dialog = dialog_lock(context->name, &shard);
	if (!dialog) {
		context->name.generation = 0;
		return false;
	}
	uint32_t h_entry = dialog->h_entry, h_id = dialog->h_id;
	shard_unlock(shard);
	add_cookie(msg, h_entry, h_id);
	for (const struct pending_variable *v = context->pending; v; v = v->next)
		dialog_set_variable(context->name, v->key, v->value);
	for (const struct pending_membership *m = context->memberships; m; m = m->next)
		profile_join(context->name, m->profile, m->value);
	return true;
}

static int manage_initial(struct message *msg)
{
	struct dialog_context *context = context_of(msg);
	if (!context || context->is_managed)
		return SCRIPT_FALSE;
	if (!message_value(msg, HEADER_CALL_ID).len || !message_from_tag(msg).len) {
		log_debug("an INVITE without Call-ID or From tag makes no dialog");
		return SCRIPT_FALSE;
	}
	context->name.generation = 0;
	context->is_managed = true;
	return join_spiral(msg, context) || create(msg, context) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

int manage(struct script_run *run)
{
	struct message *msg = run->msg;
	if (!message_is_request(msg))
		return SCRIPT_FALSE;
	if (message_to_tag(msg).len)
		return follow_request(msg) ? SCRIPT_TRUE : SCRIPT_FALSE;
	return message_method(msg) == METHOD_INVITE ? manage_initial(msg) : SCRIPT_FALSE;
}

/* A creator is told of when its INVITE goes somewhere. */
static void tell_others(struct message *msg, const struct dialog_context *context)
{
	struct script_run run;
	if (!context->is_creator)
		replica_tell(context->name);
	else if (script_run_init(&run, msg, ROUTE_EVENT, NULL) &&
		 dialog_tm()->has_transaction(&run))
		replica_tell_new(context->name);
}

/* An INVITE that no transaction and no answer of tm will end: nothing comes of it. */
void message_ended(struct message *msg)
{
	struct dialog_context *context = context_peek(msg);
	struct script_run run;
	struct shard *shard;
	if (!context || !context->name.generation || !message_is_request(msg))
		return;
	if (replica_is_on())
		tell_others(msg, context);
	if (!script_run_init(&run, msg, ROUTE_EVENT, NULL) || dialog_tm()->has_transaction(&run))
		return;
	struct dialog *dialog = dialog_lock(context->name, &shard);
	if (!dialog)
		return;
	bool was_answered_here = dialog->state == DIALOG_DELETED && dialog->owed & OWED_OBSERVERS;
	bool is_nothing = context->is_creator && dialog->state == DIALOG_UNCONFIRMED;
	if (is_nothing)
		dialog_delete(shard, dialog, 0);
	shard_unlock(shard);
	if (is_nothing)
		tell_owed(context->name, msg);
	/* A BYE that was answered or forwarded without state. */
	if (was_answered_here && message_method(msg) == METHOD_BYE)
		tell_owed(context->name, msg);
}

/* ---- requests inside the dialog ---- */

static bool find_sequential(struct message *msg, struct dialog_context *context)
{
	struct span cookie;
	struct dialog_query query = { .call_id = message_value(msg, HEADER_CALL_ID),
				      .from_tag = message_from_tag(msg),
				      .to_tag = message_to_tag(msg) };
	int64_t mode = dialog_settings->dlg_match_mode;
	bool has_cookie = mode != DID_NONE &&
			  dialog_rr()->route_param(msg, dialog_settings->rr_param, &cookie) &&
			  read_cookie(cookie, &query);
	if (!query.call_id.len || !query.from_tag.len || (mode == DID_ONLY && !has_cookie))
		return false;
	return dialog_find(&query, &context->name, &context->leg);
}

static void prolong(struct shard *shard, struct dialog *dialog, int64_t lifetime_s)
{
	if (lifetime_s)
		dialog->lifetime_s = lifetime_s;
	if (!(dialog->iflags & IFLAG_TIMEOUT_STAYS) || lifetime_s)
		dialog->expires_ms = clock_ms() + dialog->lifetime_s * 1000;
	dialog_arm(shard, dialog);
}

/* Lock held. True when the dialog ends by this request. */
static bool step_request(struct shard *shard, struct dialog *dialog, uint32_t method,
			 enum leg_kind leg, uint32_t cseq, int64_t lifetime_s)
{
	bool is_answered = dialog->state == DIALOG_UNACKED || dialog->state == DIALOG_ACTIVE;
	if (cseq && method != METHOD_ACK && method != METHOD_CANCEL)
		dialog->legs[leg].cseq = cseq;
	if (!is_answered)
		return false;
	dialog_touch(dialog);
	if (method == METHOD_BYE) {
		dialog_delete(shard, dialog, OWED_EVENT | OWED_OBSERVERS);
		return true;
	}
	if (method == METHOD_ACK && dialog->state == DIALOG_UNACKED) {
		if (dialog->is_unacked_long)
			dialog->expires_ms = clock_ms() + dialog->lifetime_s * 1000;
		dialog->state = DIALOG_ACTIVE;
	}
	if (method == METHOD_ACK)
		dialog_arm(shard, dialog);
	else
		prolong(shard, dialog, lifetime_s);
	return false;
}

static void end_by_bye(struct dialog_name name, struct message *msg)
{
	struct shard *shard;
	script_run_event("dialog:end", msg, NULL, NULL);
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	dialog->owed &= (uint8_t)~OWED_EVENT;
	shard_unlock(shard);
	profiles_leave_all(name);
}

bool follow_request(struct message *msg)
{
	struct dialog_context *context = context_of(msg);
	struct shard *shard;
	uint32_t cseq;
	if (!context || !message_to_tag(msg).len)
		return false;
	if (context->is_sequential)
		return true;
	if (!find_sequential(msg, context)) {
		log_debug("no dialog for %.*s of call %.*s", SPAN_ARGS(message_method_name(msg)),
			  SPAN_ARGS(message_value(msg, HEADER_CALL_ID)));
		return false;
	}
	int64_t lifetime_s = wished_lifetime(msg, context);
	struct dialog *dialog = dialog_lock(context->name, &shard);
	if (!dialog)
		return false;
	/* Of another server that writes into the same database. */
	if (dialog_settings->dlg_filter_mode && !dialog->legs[CALLER].socket) {
		shard_unlock(shard);
		context->name.generation = 0;
		return false;
	}
	context->is_sequential = true;
	int64_t ended_ms = dialog->expires_ms;
	bool ends = step_request(shard, dialog, message_method(msg), context->leg,
				 message_cseq(msg, &cseq) ? cseq : 0, lifetime_s);
	bool is_prolonged = !ends && dialog->expires_ms > ended_ms + TOLD_LIFE_MS;
	shard_unlock(shard);
	if (is_prolonged)
		replica_tell_life(context->name);
	else
		replica_tell(context->name);
	if (context->leg == CALLER)
		cseq_shift_request(context->name, msg);
	if (ends)
		end_by_bye(context->name, msg);
	return true;
}

void request_routed(struct message *msg, struct span params)
{
	(void)params;
	follow_request(msg);
}

/* ---- replies ---- */

static bool fill_callee(struct shard *shard, struct dialog *dialog, struct message *reply,
			struct span routes, struct span tag)
{
	struct dialog_leg *callee = &dialog->legs[CALLEE];
	bool is_complete = true;
	if (reply) {
		struct span contact = contact_of(reply);
		callee->socket = reply->from.listener;
		is_complete = !contact.len || text_set(shard, dialog, &callee->contact, contact);
		if (routes.len)
			is_complete &= text_set(shard, dialog, &callee->route_set, routes);
	}
	return (!tag.len || text_set(shard, dialog, &callee->tag, tag)) && is_complete;
}

static void confirm(struct dialog_name name, const struct tm_event_info *info)
{
	struct shard *shard;
	struct message *reply = info->reply;
	struct span routes = { NULL, 0 };
	struct span tag = reply ? message_to_tag(reply) : info->request->to_tag;
	if (reply)
		routes = routes_of_reply(reply, info->request);
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	enum dialog_state before = (enum dialog_state)dialog->state;
	if (before > DIALOG_EARLY) { /* another 2xx of a fork, or the same again */
		shard_unlock(shard);
		return;
	}
	bool is_filled = fill_callee(shard, dialog, reply, routes, tag);
	dialog->confirmed_us = clock_wall_us_now();
	dialog->expires_ms = clock_ms() + dialog->lifetime_s * 1000;
	if (dialog_keeps_alive() &&
	    dialog->iflags & (IFLAG_KEEPALIVE_CALLER | IFLAG_KEEPALIVE_CALLEE))
		dialog->keepalive_ms = clock_ms() + dialog_settings->ka_interval * 1000;
	dialog->state = DIALOG_UNACKED;
	dialog_touch(dialog);
	dialog_arm(shard, dialog);
	shard_unlock(shard);
	if (!is_filled)
		log_error("no shared memory for the callee of a dialog; start with a larger -m");
	dialog_count_change(before, DIALOG_UNACKED);
	tell(name, DIALOG_CONFIRMED, info->request, reply);
}

static void ring(struct dialog_name name)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	bool begins = dialog->state == DIALOG_UNCONFIRMED;
	if (begins)
		dialog->state = DIALOG_EARLY;
	shard_unlock(shard);
	if (begins) {
		dialog_count_change(DIALOG_UNCONFIRMED, DIALOG_EARLY);
		replica_tell(name);
	}
}

static void fail(struct dialog_name name, const struct tm_event_info *info)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	bool ends = dialog->state == DIALOG_UNCONFIRMED || dialog->state == DIALOG_EARLY;
	if (ends)
		dialog_delete(shard, dialog, OWED_EVENT | OWED_OBSERVERS | OWED_FAILED);
	shard_unlock(shard);
	if (ends)
		tell_owed(name, info->reply ? info->reply : info->request);
}

/* A party may move with re-INVITE and UPDATE (RFC 3261 12.2, 3311): requests of ours follow it. */
static void refresh_targets(struct dialog_name name, enum leg_kind sender,
			    const struct tm_event_info *info)
{
	struct span from = contact_of(info->request);
	struct span to = info->reply ? contact_of(info->reply) : (struct span){ NULL, 0 };
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	if (from.len)
		(void)text_set(shard, dialog, &dialog->legs[sender].contact, from);
	if (to.len)
		(void)text_set(shard, dialog, &dialog->legs[!sender].contact, to);
	shard_unlock(shard);
}

static void sequential_answered(const struct tm_event_info *info, uint32_t method)
{
	struct dialog_name name;
	if (method != METHOD_BYE && method != METHOD_INVITE && method != METHOD_UPDATE)
		return;
	if (!context_find(info->request, &name))
		return;
	if (method == METHOD_BYE)
		tell_owed(name, info->request);
	else if (info->code < 300)
		refresh_targets(name, context_of(info->request)->leg, info);
}

void observe_transaction(const struct tm_event_info *info)
{
	uint32_t method = message_method(info->request);
	struct dialog_name name;
	if (info->event == TM_REQUEST_IN) {
		if (method == METHOD_INVITE && !message_to_tag(info->request).len)
			(void)manage_initial(info->request);
		return;
	}
	if (message_to_tag(info->request).len) {
		if (info->event == TM_ANSWERED)
			sequential_answered(info, method);
		return;
	}
	if (method != METHOD_INVITE || !context_find(info->request, &name))
		return;
	if (info->event == TM_PROVISIONAL_OUT)
		ring(name);
	else if (info->code < 300)
		confirm(name, info);
	else
		fail(name, info);
}
