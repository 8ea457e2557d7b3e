/* SPDX-License-Identifier: BSD-2-Clause */
/* textopsx: changes of messages that go deeper: applying edits, replacing the message, the status
 * of replies. The rows of the module; value.c and iterator.c hold the other functions. */
#include <fnmatch.h>

#include "modules/textopsx/textopsx.h"

/* ---- arguments ------------------------------------------------------------------------------- */

struct route_args {
	struct span route;
};
static const struct field route_fields[] = {
	FIELD(struct route_args, route, "name of the route", .route_kind = ROUTE_REQUEST),
};
struct data_args {
	struct span data;
};
static const struct field data_fields[] = {
	FIELD(struct data_args, data, "a whole message"),
};
struct status_args {
	int64_t code;
	struct span reason;
};
static const struct field status_fields[] = {
	FIELD(struct status_args, code, "new status", .min = 100, .max = 699),
	FIELD(struct status_args, reason, "new reason"),
};
struct code_args {
	int64_t code;
};
static const struct field code_fields[] = {
	FIELD(struct code_args, code, "new status", .min = 100, .max = 699),
};
struct keep_args {
	const struct pattern *pattern;
};
static const struct field keep_fields[] = {
	FIELD(struct keep_args, pattern, "names of headers to keep", .optional = true),
};
struct fnmatch_args {
	struct span value, expression, flags;
};
static const struct field fnmatch_fields[] = {
	FIELD(struct fnmatch_args, value, "text"),
	FIELD(struct fnmatch_args, expression, "shell pattern"),
	FIELD(struct fnmatch_args, flags, "i: any case", .optional = true),
};

SCRIPT_HANDLER_PLAIN(apply_changes)
SCRIPT_HANDLER_OF(changed_route, route)
SCRIPT_HANDLER_OF(set_buffer, data)
SCRIPT_HANDLER_OF(change_status, status)
SCRIPT_HANDLER_OF(change_code, code)
SCRIPT_HANDLER_PLAIN(remove_body)
SCRIPT_HANDLER_OF(keep_headers, keep)
SCRIPT_HANDLER_OF(matches_file_pattern, fnmatch)

/* Branches share the request, and a failed transaction keeps it: only before that, and in replies,
 * is the text ours to change. */
#define IN_REWRITING (IN_REQUEST | IN_ANY_REPLY | ROUTE_LOCAL | ROUTE_EVENT)

static const struct script_function functions[] = {
	FUNCTION_PLAIN("msg_apply_changes", apply_changes, IN_REWRITING,
		"Makes the changes so far visible, as if the message had come like that."),
	FUNCTION_OF("msg_changed_route", changed_route, route, IN_ANY,
		"Runs a route on a copy of the message with the changes applied."),
	FUNCTION_OF("msg_set_buffer", set_buffer, data, IN_REWRITING,
		"Replaces the message by another text."),
	FUNCTION_OF("change_reply_status", change_status, status, IN_ANY_REPLY,
		"Changes status and reason of the reply."),
	FUNCTION_OF("change_reply_status_code", change_code, code, IN_ANY_REPLY,
		"Changes the status of the reply."),
	FUNCTION_PLAIN("remove_body", remove_body, IN_ANY, "Removes the body."),
	FUNCTION_OF("keep_hf", keep_headers, keep, IN_ANY,
		"Removes the headers that do not match, except those that every message needs."),
	FUNCTION_OF("fnmatch", matches_file_pattern, fnmatch, IN_ANY,
		"Does the text match a shell pattern?"),
};

/* ---- the message as a whole ------------------------------------------------------------------ */

/* A route[X] may be called from anywhere, so the compiler alone cannot tell. */
static bool may_rewrite(const struct script_run *run, const char *function)
{
	if (!(run->kind & IN_REWRITING)) {
		log_error("%s: only in request_route and reply routes", function);
		return false;
	}
	return true;
}

static int apply_changes(struct script_run *run)
{
	return truth(may_rewrite(run, "msg_apply_changes") && message_apply_edits(run->msg));
}

/* A message of its own over the same bytes, so that applying edits leaves the original alone. */
static struct message *message_clone(struct message *msg)
{
	struct message *clone = ARENA_NEW(msg->arena, struct message);
	size_t size = sip_index_size(msg->index);
	struct sip_message_index *index = arena_alloc(msg->arena, size);
	if (!clone || !index)
		return NULL;
	*clone = *msg;
	memcpy(index, msg->index, size);
	index->header_capacity = index->header_count;
	clone->index = index;
	message_forget_parsed(clone);
	return clone;
}

static int changed_route(struct script_run *run, const struct route_args *args)
{
	uint32_t route = script_route(run->image, ROUTE_REQUEST, args->route);
	struct message *clone = route ? message_clone(run->msg) : NULL;
	struct script_run inner;
	if (!route)
		log_error("msg_changed_route: there is no route \"%.*s\"", SPAN_ARGS(args->route));
	if (!clone || !message_apply_edits(clone) ||
	    !script_run_init(&inner, clone, run->kind, run))
		return SCRIPT_FALSE;
	int result = script_run_route(&inner, route);
	run->exited |= inner.exited;
	return inner.exited ? SCRIPT_STOP : result ? result : SCRIPT_TRUE;
}

static int set_buffer(struct script_run *run, const struct data_args *args)
{
	struct message *msg = run->msg;
	const char *reason = NULL;
	if (!may_rewrite(run, "msg_set_buffer"))
		return SCRIPT_FALSE;
	struct span bytes = arena_copy(msg->arena, args->data);
	struct message *parsed =
		bytes.at ? message_parse(msg->arena, bytes, &msg->from, &reason) : NULL;
	if (!parsed || parsed->index->defects ||
	    message_is_request(parsed) != message_is_request(msg)) {
		log_error("msg_set_buffer: %s",
			  parsed   ? "a request stays a request, a reply a reply, well-formed"
			  : reason ? reason
				   : "no memory");
		return SCRIPT_FALSE;
	}
	msg->bytes = parsed->bytes;
	msg->index = parsed->index;
	msg->edits = NULL;
	message_forget_parsed(msg);
	msg->target.uri = (struct span){ 0 };
	msg->notes &= ~(uint32_t)NOTE_URI_CHANGED;
	return SCRIPT_TRUE;
}

static int remove_body(struct script_run *run)
{
	if (!run->msg->index->body_len)
		return SCRIPT_TRUE;
	return truth(edit_set_body(run->msg, SPAN_OF(""), (struct span){ 0 }));
}

/* ---- the status of a reply ------------------------------------------------------------------- */

/* Replaces a piece of the first line; a second call changes what the first put there. */
static bool replace_in_first_line(struct message *msg, uint32_t at, uint32_t len, struct span text)
{
	for (struct edit *edit = msg->edits; edit && edit->at <= at; edit = edit->next)
		if (edit->at == at && edit->tag == EDIT_TAG_MODULE)
			return (edit->text = arena_copy(msg->arena, text)).at;
	struct edit *edit = edit_replace(msg, at, len, text);
	if (edit)
		edit->tag = EDIT_TAG_MODULE;
	return edit;
}

/* 1xx and 2xx keep their class: changing it would break the transaction (RFC 3261 17). */
static bool change_status_to(struct message *msg, int64_t code, struct span reason)
{
	struct sip_message_index *index = msg->index;
	char digits[4];
	if (index->is_request || code < 100 || code > 699) {
		log_error("change_reply_status: %d is no status of a reply", (int)code);
		return false;
	}
	if ((index->status < 300 || code < 300) && index->status / 100 != code / 100) {
		log_error("change_reply_status: %u cannot become %d, 1xx and 2xx keep their class",
			  index->status, (int)code);
		return false;
	}
	struct writer w = writer_fixed(digits, sizeof(digits));
	writer_int(&w, code);
	uint32_t at = index->version.at + index->version.len;
	while (at < msg->bytes.len && msg->bytes.at[at] == ' ')
		at++;
	if (!replace_in_first_line(msg, at, 3, writer_result(&w)))
		return false;
	if (reason.at && !replace_in_first_line(msg, index->reason.at, index->reason.len, reason))
		return false;
	index->status = (uint16_t)code;
	return true;
}

static int change_status(struct script_run *run, const struct status_args *args)
{
	if (!args->reason.len) {
		log_error(
			"change_reply_status: the reason is empty; see change_reply_status_code()");
		return SCRIPT_FALSE;
	}
	return truth(change_status_to(run->msg, args->code, args->reason));
}

static int change_code(struct script_run *run, const struct code_args *args)
{
	return truth(change_status_to(run->msg, args->code, (struct span){ 0 }));
}

/* ---- others ---------------------------------------------------------------------------------- */

static bool is_needed(const struct sip_header *h)
{
	static const uint16_t needed[] = {
		HEADER_VIA,
		HEADER_FROM,
		HEADER_TO,
		HEADER_CALL_ID,
		HEADER_CSEQ,
		HEADER_CONTENT_LENGTH,
		HEADER_CONTENT_TYPE,
		HEADER_MAX_FORWARDS,
		HEADER_CONTACT,
		HEADER_ROUTE,
		HEADER_RECORD_ROUTE,
	};
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
		if (h->id == needed[i])
			return true;
	return false;
}

static int keep_headers(struct script_run *run, const struct keep_args *args)
{
	struct message *msg = run->msg;
	const struct pattern *pattern =
		args->pattern ? pattern_cached(pattern_text(args->pattern),
					       PATTERN_IGNORE_CASE | PATTERN_NEWLINE)
			      : NULL;
	if (args->pattern && !pattern)
		return SCRIPT_FALSE;
	for (unsigned i = 0; i < msg->index->header_count; i++) {
		const struct sip_header *h = &msg->index->headers[i];
		struct span name = sip_header_name(msg->bytes, h);
		if (is_needed(h) || (pattern && pattern_search(pattern, name, 0, NULL, 0)))
			continue;
		if (!edit_removes(msg, h) && !edit_remove_header(msg, h))
			return SCRIPT_FALSE;
	}
	return SCRIPT_TRUE;
}

static int matches_file_pattern(struct script_run *run, const struct fnmatch_args *args)
{
	const char *value = arena_string(run->arena, args->value);
	const char *expression = arena_string(run->arena, args->expression);
	int flags = args->flags.len && ascii_lower(args->flags.at[0]) == 'i' ? FNM_CASEFOLD : 0;
	return truth(value && expression && fnmatch(expression, value, flags) == 0);
}

static bool prepare(struct diagnostics *diagnostics)
{
	(void)diagnostics;
	iterator_reserve();
	return true;
}

static const struct function_table *const more_functions[] = { &value_functions,
							       &iterator_functions, NULL };

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "textopsx",
	.doc = "Applies changes to messages, and changes values inside headers.",
	.functions = ROWS(functions),
	.more_functions = more_functions,
	.variables = { iterator_variables, ITERATOR_VARIABLES },
	.prepare = prepare,
};
