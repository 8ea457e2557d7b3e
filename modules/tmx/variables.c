/* SPDX-License-Identifier: BSD-2-Clause */
/* The variables $T_… and $T(…). */
#include "modules/tmx/tmx.h"

enum about {
	ABOUT_BRANCH_INDEX,
	ABOUT_REPLY_CODE,
	ABOUT_REPLY_REASON,
	ABOUT_REPLY_LAST,
	ABOUT_RUID,
	ABOUT_REPLY_TYPE,
	ABOUT_INDEX,
	ABOUT_LABEL,
	ABOUT_INDEX_NEW,
	ABOUT_LABEL_NEW,
	ABOUT_BRANCH_FLAGS,
	ABOUT_BRANCH_URI,
};

static const struct {
	struct span name;
	enum about about;
} members[] = {
	{ SPAN("id_index"), ABOUT_INDEX },
	{ SPAN("id_label"), ABOUT_LABEL },
	{ SPAN("id_index_n"), ABOUT_INDEX_NEW },
	{ SPAN("id_label_n"), ABOUT_LABEL_NEW },
	{ SPAN("reply_code"), ABOUT_REPLY_CODE },
	{ SPAN("reply_reason"), ABOUT_REPLY_REASON },
	{ SPAN("reply_last"), ABOUT_REPLY_LAST },
	{ SPAN("branch_index"), ABOUT_BRANCH_INDEX },
	{ SPAN("ruid"), ABOUT_RUID },
	{ SPAN("reply_type"), ABOUT_REPLY_TYPE },
};

/* Branches that there are, or the one that this route is about. */
static int branch_index(struct script_run *run, const struct tm_view *view)
{
	switch (run->kind) {
	case ROUTE_FAILURE: return (int)view->branch_count;
	case ROUTE_BRANCH:
	case ROUTE_TM_REPLY:
	case ROUTE_BRANCH_FAILURE:
	case ROUTE_ONSEND: return view->branch;
	case ROUTE_REPLY: return -1;
	case ROUTE_REQUEST:
	case ROUTE_LOCAL:
	case ROUTE_EVENT: break;
	}
	return view->branch >= 0 ? view->branch : 0;
}

static unsigned reply_code(struct script_run *run, const struct tm_view *view)
{
	if (!message_is_request(run->msg))
		return run->msg->index->status;
	return view->code ? view->code : view->sent_code;
}

static struct span reply_reason(struct script_run *run, const struct tm_view *view)
{
	if (!message_is_request(run->msg))
		return sip_range_span(run->msg->bytes, run->msg->index->reason);
	return view->reason;
}

static void put_text(struct value *out, struct span text)
{
	if (text.at)
		*out = VALUE_OF_TEXT(text);
}

static bool get_about(struct script_run *run, enum about about, struct value *out)
{
	struct tm_view view = { .branch = -1 };
	*out = (struct value){ .kind = VALUE_NULL };
	if ((about == ABOUT_INDEX_NEW || about == ABOUT_LABEL_NEW) && tm_of_tmx->create(run) != 1)
		return true;
	bool has_one = tm_of_tmx->view(run, &view);
	switch (about) {
	case ABOUT_BRANCH_INDEX: *out = VALUE_OF_INT(branch_index(run, &view)); return true;
	case ABOUT_REPLY_CODE: *out = VALUE_OF_INT(reply_code(run, &view)); return true;
	case ABOUT_REPLY_REASON:
		*out = VALUE_OF_TEXT(reply_reason(run, &view));
		if (!out->text.at)
			out->text = SPAN_OF("");
		return true;
	case ABOUT_REPLY_LAST:
		*out = VALUE_OF_TEXT(SPAN_OF("")); /* as the peer has it elsewhere */
		if (run->kind == ROUTE_TM_REPLY)
			*out = VALUE_OF_INT(view.last_received ? view.last_received : view.code);
		return true;
	case ABOUT_RUID: put_text(out, view.ruid); return true;
	case ABOUT_REPLY_TYPE:
		if (has_one)
			*out = VALUE_OF_INT(view.is_reply_local);
		return true;
	case ABOUT_INDEX:
	case ABOUT_INDEX_NEW:
		if (has_one)
			*out = VALUE_OF_INT((int64_t)view.index);
		return true;
	case ABOUT_LABEL:
	case ABOUT_LABEL_NEW:
		if (has_one)
			*out = VALUE_OF_INT((int64_t)view.label);
		return true;
	case ABOUT_BRANCH_FLAGS:
		if (has_one)
			*out = VALUE_OF_INT(view.branch_flags);
		return true;
	case ABOUT_BRANCH_URI: put_text(out, view.branch_uri); return true;
	}
	return true;
}

static bool get_simple(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return get_about(run, (enum about)ref->row->selector, out);
}

static bool find_member(struct span name, enum about *out_about)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (span_equal(members[i].name, name)) {
			*out_about = members[i].about;
			return true;
		}
	return false;
}

static const char *bind_member(struct variable_ref *ref, struct arena *arena)
{
	enum about about;
	(void)arena;
	if (!ref->inner.at || find_member(ref->inner, &about))
		return NULL;
	return "$T() knows id_index, id_label, id_index_n, id_label_n, reply_code, reply_reason, reply_last, "
	       "reply_type, branch_index and ruid";
}

static bool get_member(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	enum about about;
	if (find_member(variable_inner_text(run, ref), &about))
		return get_about(run, about, out);
	*out = (struct value){ .kind = VALUE_NULL };
	return true;
}

static const char *bind_branch(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	if (!ref->inner.at || span_equal(ref->inner, SPAN_OF("flags")) ||
	    span_equal(ref->inner, SPAN_OF("uri")))
		return NULL;
	return "$T_branch() knows flags and uri";
}

static bool get_branch(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	bool is_uri = span_equal(variable_inner_text(run, ref), SPAN_OF("uri"));
	return get_about(run, is_uri ? ABOUT_BRANCH_URI : ABOUT_BRANCH_FLAGS, out);
}

/* ---- variables of another message of the transaction ---------------------------------------------------------------- */

/* $T_req($fu): the inner variable, read on the other message. */
static bool get_on(struct script_run *run, const struct variable_ref *ref, struct message *msg,
		   struct value *out)
{
	struct script_run other;
	const struct text_template *inner = ref->inner_template;
	*out = (struct value){ .kind = VALUE_NULL };
	if (!msg || !inner || inner->count != 1 || !inner->parts[0].variable ||
	    !script_run_init(&other, msg, run->kind, run))
		return true;
	return variable_read(&other, inner->parts[0].variable, out);
}

static const char *bind_on(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	const struct text_template *inner = ref->inner_template;
	return inner && inner->count == 1 && inner->parts[0].variable
		       ? NULL
		       : "it takes one variable, like $T_req($fu)";
}

static bool get_request(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return get_on(run, ref, tm_of_tmx->request(run), out);
}

static bool get_reply(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return get_on(run, ref, tm_of_tmx->best_reply(run), out);
}

static bool get_invite(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return get_on(run, ref, tm_of_tmx->invite(run), out);
}

#define SIMPLE(label, about, text)                                               \
	{                                                                        \
		.name = label, .get = get_simple, .selector = about, .doc = text \
	}
const struct variable_row tmx_variables[] = {
	SIMPLE("T_branch_idx", ABOUT_BRANCH_INDEX,
	       "number of the branch; in a failure_route how many there are"),
	SIMPLE("T_reply_code", ABOUT_REPLY_CODE, "status of the reply that this place is about"),
	SIMPLE("T_reply_reason", ABOUT_REPLY_REASON, "its reason phrase"),
	SIMPLE("T_reply_last", ABOUT_REPLY_LAST, "status that the branch heard last"),
	SIMPLE("T_reply_ruid", ABOUT_RUID, "location record that the branch came from"),
	{ .name = "T_req",
	  .inner = INNER_NAME,
	  .get = get_request,
	  .bind = bind_on,
	  .doc = "a variable of the request" },
	{ .name = "T_rpl",
	  .inner = INNER_NAME,
	  .get = get_reply,
	  .bind = bind_on,
	  .doc = "a variable of the winning reply" },
	{ .name = "T_inv",
	  .inner = INNER_NAME,
	  .get = get_invite,
	  .bind = bind_on,
	  .doc = "a variable of the INVITE that a CANCEL ends" },
	{ .name = "T",
	  .inner = INNER_NAME,
	  .get = get_member,
	  .bind = bind_member,
	  .doc = "facts about the transaction" },
	{ .name = "T_branch",
	  .inner = INNER_NAME,
	  .get = get_branch,
	  .bind = bind_branch,
	  .doc = "facts about the branch: flags, uri" },
};
_Static_assert(ARRAY_SIZE(tmx_variables) == TMX_VARIABLE_COUNT, "adapt TMX_VARIABLE_COUNT");
