/* SPDX-License-Identifier: BSD-2-Clause */
/* The body as a whole: asking what it is, replacing it, and the body of our replies. */
#include "modules/textops/textops.h"
#include "parser/multipart.h"
#include "parser/sdp.h"
#include "parser/values.h"

/* ---- arguments ------------------------------------------------------------------------------- */

struct body_args {
	struct span text, content_type;
};
static const struct field body_fields[] = {
	FIELD(struct body_args, text, "the body"),
	FIELD(struct body_args, content_type, "value of Content-Type"),
};
struct type_args {
	struct span content_type;
};
static const struct field type_fields[] = {
	FIELD(struct type_args, content_type, "media type, for example application/sdp"),
};
struct optional_type_args {
	struct span content_type;
};
static const struct field optional_type_fields[] = {
	FIELD(struct optional_type_args, content_type, "media type that the body must have",
		.optional = true),
};

SCRIPT_HANDLER_OF(set_body, body)
SCRIPT_HANDLER_OF(set_body_hex, body)
SCRIPT_HANDLER_OF(set_reply_body, body)
SCRIPT_HANDLER_OF(set_reply_body_hex, body)
SCRIPT_HANDLER_OF(filter_body, type)
SCRIPT_HANDLER_OF(has_body, optional_type)
SCRIPT_HANDLER_PLAIN(is_audio_on_hold)

#define IN_MESSAGE IN_ALL_BUT_ONSEND

static const struct script_function functions[] = {
	FUNCTION_OF("set_body", set_body, body, IN_MESSAGE, "Sets body and Content-Type."),
	FUNCTION_OF("set_body_hex", set_body_hex, body, IN_MESSAGE,
		"Like set_body, with the body in hexadecimal."),
	FUNCTION_OF("set_reply_body", set_reply_body, body, IN_MESSAGE,
		"Sets body and Content-Type of the replies that this server makes."),
	FUNCTION_OF("set_reply_body_hex", set_reply_body_hex, body, IN_MESSAGE,
		"Like set_reply_body, with the body in hexadecimal."),
	FUNCTION_OF("filter_body", filter_body, type, IN_MESSAGE,
		"Replaces a multipart body by its first part of that type."),
	FUNCTION_OF("has_body", has_body, optional_type, IN_ANY, "Is there a body, of that type?"),
	FUNCTION_PLAIN("is_audio_on_hold", is_audio_on_hold, IN_ANY,
		"Is an audio stream on hold? 1 by the address 0.0.0.0, 2 by its direction."),
};
const struct function_table body_functions = ROWS(functions);

/* ---- setting --------------------------------------------------------------------------------- */

struct span hex_decode(struct arena *arena, struct span text)
{
	char *bytes = arena_alloc(arena, text.len / 2 + 1);
	size_t len = 0;
	int high = -1;
	if (!bytes)
		return (struct span){ 0 };
	for (size_t i = 0; i < text.len; i++) {
		int digit = ascii_hex_value(text.at[i]);
		if (digit < 0 && high < 0 && ascii_is_space(text.at[i]))
			continue;
		if (digit < 0)
			return (struct span){ 0 };
		if (high < 0) {
			high = digit;
			continue;
		}
		bytes[len++] = (char)(high << 4 | digit);
		high = -1;
	}
	return high < 0 ? span_make(bytes, len) : (struct span){ 0 };
}

static bool arguments_are_right(const char *function, const struct body_args *args)
{
	if (args->text.len && args->content_type.len)
		return true;
	log_error("%s: %s is empty", function, args->text.len ? "the Content-Type" : "the body");
	return false;
}

static int set_body(struct script_run *run, const struct body_args *args)
{
	if (!arguments_are_right("set_body", args))
		return SCRIPT_FALSE;
	return truth(edit_set_body(run->msg, args->text, args->content_type));
}

/* The same arguments with the text decoded. */
static bool decode_arguments(struct script_run *run, const struct body_args *args,
			     struct body_args *out)
{
	*out = (struct body_args){ hex_decode(run->arena, args->text), args->content_type };
	if (!out->text.at)
		log_error("the body is not hexadecimal: %.*s", SPAN_ARGS(args->text));
	return out->text.at;
}

static int set_body_hex(struct script_run *run, const struct body_args *args)
{
	struct body_args decoded;
	return decode_arguments(run, args, &decoded) ? set_body(run, &decoded) : SCRIPT_FALSE;
}

static int set_reply_body(struct script_run *run, const struct body_args *args)
{
	if (!arguments_are_right("set_reply_body", args))
		return SCRIPT_FALSE;
	return truth(message_set_reply_body(run->msg, args->text, args->content_type));
}

static int set_reply_body_hex(struct script_run *run, const struct body_args *args)
{
	struct body_args decoded;
	return decode_arguments(run, args, &decoded) ? set_reply_body(run, &decoded) : SCRIPT_FALSE;
}

static int filter_body(struct script_run *run, const struct type_args *args)
{
	struct message *msg = run->msg;
	struct media_type type;
	struct multipart_part part;
	struct span found;
	if (!content_type_parse(message_value(msg, HEADER_CONTENT_TYPE), &type) ||
	    !type.boundary.len)
		return SCRIPT_FALSE;
	if (!body_find(message_body(msg), message_value(msg, HEADER_CONTENT_TYPE),
		       args->content_type, &found, &part))
		return SCRIPT_FALSE;
	return truth(edit_set_body(msg, found, (struct span){ 0 }));
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* "application/sdp", or "application" with any subtype as '*'. */
static bool type_is(const struct media_type *type, struct span wanted)
{
	size_t slash = span_find(wanted, '/', 0);
	if (span_equal(span_slice(wanted, slash, wanted.len), SPAN_OF("/*")))
		return span_equal_nocase(type->type, span_slice(wanted, 0, slash));
	return media_type_is(type, wanted);
}

/* A body without Content-Type counts as SDP (RFC 3261 has no default, but that is what it is). */
static int has_body(struct script_run *run, const struct optional_type_args *args)
{
	const struct sip_header *h = message_header(run->msg, HEADER_CONTENT_TYPE);
	struct media_type type;
	if (!run->msg->index->body_len)
		return SCRIPT_FALSE;
	if (!args->content_type.len || span_equal(args->content_type, SPAN_OF("0")))
		return SCRIPT_TRUE;
	if (!h)
		return truth(span_equal_nocase(args->content_type, SPAN_OF("application/sdp")));
	return truth(content_type_parse(message_header_value(run->msg, h), &type) &&
		     type_is(&type, args->content_type));
}

static bool is_null_address(struct span address)
{
	return span_equal(address, SPAN_OF("0.0.0.0")) || span_equal(address, SPAN_OF("::"));
}

/* 0: not on hold; 1: null address (RFC 2543 B.5); 2: direction (RFC 3264 8.4). */
static int audio_hold(const struct sdp_session *session)
{
	struct span rest = session->media;
	struct sdp_media media;
	while (sdp_media_next(session, &rest, &media) == LIST_ITEM) {
		if (!span_equal_nocase(media.type, SPAN_OF("audio")))
			continue;
		if (is_null_address(media.connection.address))
			return 1;
		enum sdp_direction direction = sdp_media_direction(session, &media);
		if (direction == SDP_SENDONLY || direction == SDP_INACTIVE)
			return 2;
	}
	return 0;
}

static int is_audio_on_hold(struct script_run *run)
{
	struct message *msg = run->msg;
	struct span body = message_body(msg), type = message_value(msg, HEADER_CONTENT_TYPE), sdp;
	struct multipart_part part;
	struct sdp_session session;
	if (!body.len)
		return SCRIPT_FALSE;
	if (!type.at || !body_find(body, type, SPAN_OF("application/sdp"), &sdp, &part)) {
		if (type.at)
			return SCRIPT_FALSE;
		sdp = body;
	}
	while (sdp_session_next(&sdp, &session) == LIST_ITEM) {
		int hold = audio_hold(&session);
		if (hold)
			return hold;
	}
	return SCRIPT_FALSE;
}
