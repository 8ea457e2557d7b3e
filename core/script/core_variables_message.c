/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_message: the message as a whole: method, status, body, lengths. */
#include "core/message/render.h"
#include "core/script/core_variables.h"
#include "parser/values.h"

enum part {
	PART_METHOD,
	PART_VERSION,
	PART_REASON,
	PART_BUFFER,
	PART_BODY,
	PART_CALL_ID,
	PART_CSEQ_BODY,
	PART_CONTENT_TYPE,
	PART_USER_AGENT,
	PART_HEADERS,
	PART_FIRST_LINE,
	PART_FIRST_PART,
	PART_LAST_PART,
};

static struct span between(const struct message *msg, uint32_t from, uint32_t to)
{
	return to >= from ? span_make(msg->bytes.at + from, to - from) : (struct span){ 0 };
}

static struct span message_part(const struct message *msg, enum part part)
{
	const struct sip_message_index *index = msg->index;
	switch (part) {
	case PART_METHOD: return message_method_name(msg);
	case PART_VERSION: return sip_range_span(msg->bytes, index->version);
	case PART_REASON:
		return index->is_request ? (struct span){ 0 }
					 : sip_range_span(msg->bytes, index->reason);
	case PART_BUFFER: return message_shown(msg);
	case PART_BODY: return message_body(msg);
	case PART_CALL_ID: return message_value(msg, HEADER_CALL_ID);
	case PART_CSEQ_BODY: return message_value(msg, HEADER_CSEQ);
	case PART_CONTENT_TYPE: return message_value(msg, HEADER_CONTENT_TYPE);
	case PART_USER_AGENT: return message_value(msg, HEADER_USER_AGENT);
	case PART_HEADERS: return span_trim(between(msg, index->headers_at, index->headers_end));
	case PART_FIRST_LINE: return span_trim(between(msg, index->start, index->headers_at));
	case PART_FIRST_PART: return span_trim(between(msg, index->start, index->headers_end));
	case PART_LAST_PART: return between(msg, index->headers_at, (uint32_t)msg->bytes.len);
	}
	return (struct span){ 0 };
}

/* What can be there and empty is no null, as in the peer. */
static bool give_part(struct value *out, const struct message *msg, enum part part)
{
	struct span text = message_part(msg, part);
	bool is_there = part == PART_BODY || (part == PART_REASON && !message_is_request(msg));
	if (is_there && !text.len)
		return give_text(out, SPAN_OF(""));
	return part == PART_USER_AGENT ? give_text(out, text) : give_nonempty(out, text);
}

static bool get_part(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_part(out, run->msg, (enum part)ref->row->selector);
}

static bool get_method_id(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_int(out, message_method(run->msg));
}

static bool get_status(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return message_is_request(run->msg) || give_int(out, run->msg->index->status);
}

static bool get_type(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_int(out, message_is_request(run->msg) ? 1 : 2);
}

static bool get_id(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_int(out, (int64_t)run->msg->id);
}

static bool get_length(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_int(out, (int64_t)message_shown(run->msg).len);
}

static bool get_body_length(struct script_run *run, const struct variable_ref *ref,
			    struct value *out)
{
	return give_int(out, (int64_t)message_body(run->msg).len);
}

/* A text for the script (as in the peer), also beyond 2^31: "$cs" + 1 joins. */
static bool get_cseq(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span value = message_value(run->msg, HEADER_CSEQ);
	struct digits digits = digits_read(value.at, value.at + value.len, UINT64_MAX);
	return !digits.end || give_text(out, span_make(value.at, (size_t)(digits.end - value.at)));
}

static bool get_content_length(struct script_run *run, const struct variable_ref *ref,
			       struct value *out)
{
	const struct sip_message_index *index = run->msg->index;
	return !index->has_content_length || give_int(out, index->content_length);
}

/* The message as it would be sent now, without our Via. */
static bool get_changed_buffer(struct script_run *run, const struct variable_ref *ref,
			       struct value *out)
{
	struct message *msg = run->msg;
	if (!message_is_request(msg) || (!msg->edits && !(msg->notes & NOTE_URI_CHANGED)))
		return give_text(out, message_shown(msg));
	struct writer w = writer_in_arena(run->arena, msg->bytes.len + 512);
	struct outgoing to = { .msg = msg, .branch = &msg->target, .from = msg->from.listener };
	render_request(&w, &to);
	return give_written(out, &w);
}

static const char *const msg_keys[] = {
	"len", "buf", "body", "body_len", "hdrs", "fline", "fpart", "lpart",
};

static const char *bind_msg(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, msg_keys, ARRAY_SIZE(msg_keys));
}

static bool get_msg(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	static const enum part parts[] = {
		[1] = PART_BUFFER, PART_BODY, 0, PART_HEADERS, PART_FIRST_LINE, PART_FIRST_PART,
			PART_LAST_PART,
	};
	int key = key_of(run, ref, msg_keys, ARRAY_SIZE(msg_keys));
	if (key < 0)
		return false;
	if (key == 0)
		return get_length(run, ref, out);
	if (key == 3)
		return get_body_length(run, ref, out);
	return give_part(out, run->msg, parts[key]);
}

/* $msgbuf(i): one byte of the received bytes, changed in place. What the change does to the index
 * is
 * the script's risk only as far as the byte is not one that ends a line or a name. */
static bool msgbuf_place(struct script_run *run, const struct variable_ref *ref, size_t *out_place)
{
	int64_t place;
	struct span inner = variable_inner_text(run, ref);
	if (!span_to_int64(inner, &place))
		return false;
	if (place < 0)
		place += (int64_t)run->msg->bytes.len;
	if (place < 0 || place >= (int64_t)run->msg->bytes.len)
		return false;
	*out_place = (size_t)place;
	return true;
}

static bool get_msgbuf(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	size_t place;
	if (!msgbuf_place(run, ref, &place))
		return false;
	return give_text(out, span_slice(run->msg->bytes, place, 1));
}

static bool set_msgbuf(struct script_run *run, const struct variable_ref *ref,
		       const struct value *value)
{
	size_t place;
	struct span text;
	if (!msgbuf_place(run, ref, &place) || !value_to_text(run, value, &text) || text.len != 1) {
		log_error("$msgbuf: needs a place inside the message and one character\n");
		return false;
	}
	/* The bytes lie in the message's own buffer; const only for everybody else. */
	*(char *)(uintptr_t)(run->msg->bytes.at + place) = text.at[0];
	return true;
}

static const struct variable_row rows[] = {
	{ "rm", INNER_NONE, get_part, .selector = PART_METHOD, .doc = "Method; of replies that of CSeq." },
	{ "rmid", INNER_NONE, get_method_id, .doc = "Method as a bit." },
	{ "rs", INNER_NONE, get_status, .doc = "Status code of a reply." },
	{ "rr", INNER_NONE, get_part, .selector = PART_REASON, .doc = "Reason phrase of a reply." },
	{ "rv", INNER_NONE, get_part, .selector = PART_VERSION, .doc = "SIP version." },
	{ "mt", INNER_NONE, get_type, .doc = "1: request, 2: reply." },
	{ "mi", INNER_NONE, get_id, .doc = "Number of the message in this process." },
	{ "ml", INNER_NONE, get_length, .doc = "Length of the message." },
	{ "mb", INNER_NONE, get_part, .selector = PART_BUFFER, .doc = "The message as received." },
	{ "mbu", INNER_NONE, get_changed_buffer, .doc = "The message with the changes made so far." },
	{ "bs", INNER_NONE, get_body_length, .doc = "Length of the body." },
	{ "rb", INNER_NONE, get_part, .selector = PART_BODY, .doc = "Body." },
	{ "ci", INNER_NONE, get_part, .selector = PART_CALL_ID, .doc = "Call-ID." },
	{ "cs", INNER_NONE, get_cseq, .doc = "CSeq number." },
	{ "csb", INNER_NONE, get_part, .selector = PART_CSEQ_BODY, .doc = "CSeq." },
	{ "cl", INNER_NONE, get_content_length, .doc = "Content-Length." },
	{ "cT", INNER_NONE, get_part, .selector = PART_CONTENT_TYPE, .doc = "Content-Type." },
	{ "ua", INNER_NONE, get_part, .selector = PART_USER_AGENT, .doc = "User-Agent." },
	{ "msg", INNER_NAME, get_msg, NULL, bind_msg, .doc = "Parts of the message: len buf body body_len hdrs fline fpart lpart." },
	{ "msgbuf", INNER_NAME, get_msgbuf, set_msgbuf, .doc = "One character of the message, changed in place." },
};
const struct variable_table message_variables = ROWS(rows);
