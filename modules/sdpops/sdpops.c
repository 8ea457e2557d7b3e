/* SPDX-License-Identifier: BSD-2-Clause */
/* sdpops: functions that look into session descriptions and take codecs, lines and streams out of them.
 * What goes is one edit a piece, so that several calls add up. */
#include "core/module/module.h"
#include "parser/multipart.h"
#include "parser/sdp.h"

enum { SDP_NO_BODY = -2, SDP_SOME_CODECS = 2 };

struct description {
	struct message *msg;
	struct sdp_session session;
};

/* The first description of the message; false when there is none, or it is malformed. */
static bool find_description(struct message *msg, struct description *out)
{
	struct multipart_part part;
	struct span body;
	out->msg = msg;
	return body_find(message_body(msg), message_value(msg, HEADER_CONTENT_TYPE),
			 SPAN_OF("application/sdp"), &body, &part) &&
	       sdp_parse(body, &out->session);
}

static int truth(bool condition)
{
	return condition ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- arguments --------------------------------------------------------------------------------------------- */

struct list_args {
	struct span list, type;
};
static const struct field list_fields[] = {
	FIELD(struct list_args, list, "one or more, separated by commas"),
	FIELD(struct list_args, type, "only in streams of this media type", .optional = true),
};
SCRIPT_HANDLER_OF(remove_by_id, list)
SCRIPT_HANDLER_OF(remove_by_name, list)
SCRIPT_HANDLER_OF(keep_by_id, list)
SCRIPT_HANDLER_OF(keep_by_name, list)

struct prefix_args {
	struct span prefix, type;
};
static const struct field prefix_fields[] = {
	FIELD(struct prefix_args, prefix, "how the lines begin"),
	FIELD(struct prefix_args, type, "only in streams of this media type", .optional = true),
};
SCRIPT_HANDLER_OF(remove_lines, prefix)

struct one_args {
	struct span text;
};
static const struct field one_fields[] = {
	FIELD(struct one_args, text, "what is looked for"),
};
SCRIPT_HANDLER_OF(with_media, one)
SCRIPT_HANDLER_OF(with_active_media, one)
SCRIPT_HANDLER_OF(remove_media, one)
SCRIPT_HANDLER_OF(with_transport, one)
SCRIPT_HANDLER_OF(with_transport_like, one)
SCRIPT_HANDLER_OF(remove_transport, one)
SCRIPT_HANDLER_OF(with_codecs_by_id, one)
SCRIPT_HANDLER_OF(with_codecs_by_name, one)

struct result_args {
	const struct variable_ref *result;
};
static const struct field result_fields[] = {
	FIELD(struct result_args, result, "variable for what was found"),
};
SCRIPT_HANDLER_OF(transport, result)
SCRIPT_HANDLER_OF(get_description, result)

struct line_args {
	const struct variable_ref *result;
	struct span prefix;
};
static const struct field line_fields[] = {
	FIELD(struct line_args, result, "variable for the line"),
	FIELD(struct line_args, prefix, "how the line begins"),
};
SCRIPT_HANDLER_OF(get_line, line)

struct level_args {
	int64_t level;
};
static const struct field level_fields[] = {
	FIELD(struct level_args, level, "level of the log", .min = LOG_LEVEL_ALERT, .max = LOG_LEVEL_DEBUG),
};
SCRIPT_HANDLER_OF(print, level)

struct sloppy_args {
	struct span mode;
};
static const struct field sloppy_fields[] = {
	FIELD(struct sloppy_args, mode, "with any text only Content-Type and the word are looked for", .optional = true),
};
SCRIPT_HANDLER_OF(has_content, sloppy)
SCRIPT_HANDLER_PLAIN(with_ice)
SCRIPT_HANDLER_PLAIN(address_family)

static const struct script_function functions[] = {
	FUNCTION_OF("sdp_remove_codecs_by_id", remove_by_id, list, IN_ANY, "Removes payload types."),
	FUNCTION_OF("sdp_remove_codecs_by_name", remove_by_name, list, IN_ANY, "Removes codecs by their names."),
	FUNCTION_OF("sdp_keep_codecs_by_id", keep_by_id, list, IN_ANY, "Removes all other payload types."),
	FUNCTION_OF("sdp_keep_codecs_by_name", keep_by_name, list, IN_ANY, "Removes all other codecs."),
	FUNCTION_OF("sdp_remove_line_by_prefix", remove_lines, prefix, IN_ANY, "Removes lines that begin so."),
	FUNCTION_OF("sdp_with_media", with_media, one, IN_ANY, "Is there a stream of this media type?"),
	FUNCTION_OF("sdp_with_active_media", with_active_media, one, IN_ANY, "The same, with a port and not inactive."),
	FUNCTION_OF("sdp_remove_media", remove_media, one, IN_ANY, "Removes streams of this media type."),
	FUNCTION_OF("sdp_with_transport", with_transport, one, IN_ANY, "Is there a stream with this transport?"),
	FUNCTION_OF("sdp_with_transport_like", with_transport_like, one, IN_ANY, "Is there a stream whose transport has this in its name?"),
	FUNCTION_OF("sdp_transport", transport, result, IN_ANY, "The transport of all streams; -2 when they differ."),
	FUNCTION_OF("sdp_remove_transport", remove_transport, one, IN_ANY, "Removes streams with this transport."),
	FUNCTION_OF("sdp_with_codecs_by_id", with_codecs_by_id, one, IN_ANY, "Are the payload types there? 1: all, in every stream; 2: some."),
	FUNCTION_OF("sdp_with_codecs_by_name", with_codecs_by_name, one, IN_ANY, "The same by the codecs' names."),
	FUNCTION_OF("sdp_print", print, level, IN_ANY, "Logs what the description says."),
	FUNCTION_OF("sdp_get", get_description, result, IN_ANY, "Puts the description into the variable; -2 without a body."),
	FUNCTION_OF("sdp_content", has_content, sloppy, IN_ANY, "Is there a description?"),
	FUNCTION_PLAIN("sdp_with_ice", with_ice, IN_ANY, "Is there a candidate of ICE?"),
	FUNCTION_OF("sdp_get_line_startswith", get_line, line, IN_ANY, "Puts the first line that begins so into the variable."),
	FUNCTION_PLAIN("sdp_get_address_family", address_family, IN_ANY, "4 or 6, from the first c= line."),
};

/* ---- removing pieces ------------------------------------------------------------------------------------------ */

/* Removes a piece of the body, unless an earlier call did. False when memory is exhausted. */
static bool cut(const struct description *from, struct span piece)
{
	uint32_t at = (uint32_t)(piece.at - from->msg->bytes.at);
	for (const struct edit *edit = from->msg->edits; edit; edit = edit->next)
		if (edit->removed && edit->at <= at && at + piece.len <= edit->at + edit->removed)
			return true;
	return edit_replace(from->msg, at, (uint32_t)piece.len, SPAN_OF(""));
}

static bool has_type(const struct sdp_media *media, struct span type)
{
	return !type.len || span_equal_nocase(media->type, type);
}

static bool is_listed(struct span list, struct span item)
{
	struct span rest = list, one;
	while (rest.at && span_split(&rest, ',', &one))
		if (span_equal_nocase(span_trim(one), item))
			return true;
	return false;
}

/* Is this payload type one of those that are meant? */
typedef bool (*payload_test)(const struct sdp_media *media, struct span payload, struct span list);

static bool is_id(const struct sdp_media *media, struct span payload, struct span list)
{
	(void)media;
	return is_listed(list, payload);
}

static bool is_name(const struct sdp_media *media, struct span payload, struct span list)
{
	struct sdp_codec codec;
	return sdp_codec_of(media, payload, &codec) && is_listed(list, codec.encoding);
}

/* a=rtpmap, a=fmtp and a=rtcp-fb of the payload type. */
static bool cut_attributes(const struct description *from, const struct sdp_media *media,
			   struct span payload)
{
	static const struct span names[] = { SPAN("rtpmap"), SPAN("fmtp"), SPAN("rtcp-fb") };
	struct span rest = media->attributes;
	struct sdp_attribute attribute;
	while (sdp_attribute_next(&rest, &attribute) == LIST_ITEM)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			struct span value = attribute.value, word;
			if (span_equal(attribute.name, names[i]) && value.at &&
			    sdp_format_next(&value, &word) && span_equal(word, payload) &&
			    !cut(from, attribute.with_end))
				return false;
		}
	return true;
}

/* A payload type goes with the blank before it. */
static bool cut_payload(const struct description *from, const struct sdp_media *media,
			struct span payload)
{
	return cut(from, span_make(payload.at - 1, payload.len + 1)) &&
	       cut_attributes(from, media, payload);
}

/* Removes those for which `test` says `removes`; the number of those for which it was true, -1 when memory
 * is exhausted. */
static int cut_codecs(const struct description *from, const struct list_args *args,
		      payload_test test, bool removes)
{
	struct span rest = from->session.media;
	struct sdp_media media;
	int found = 0;
	while (sdp_media_next(&from->session, &rest, &media) == LIST_ITEM) {
		struct span formats = media.formats, payload;
		while (sdp_format_next(&formats, &payload)) {
			bool is_meant = test(&media, payload, args->list);
			found += is_meant;
			if (is_meant == removes && has_type(&media, args->type) &&
			    !cut_payload(from, &media, payload))
				return -1;
		}
	}
	return found;
}

static int remove_by_id(struct script_run *run, const struct list_args *args)
{
	struct description from;
	return truth(find_description(run->msg, &from) &&
		     cut_codecs(&from, args, is_id, true) >= 0);
}

static int remove_by_name(struct script_run *run, const struct list_args *args)
{
	struct description from;
	return truth(find_description(run->msg, &from) &&
		     cut_codecs(&from, args, is_name, true) > 0);
}

static int keep_by_id(struct script_run *run, const struct list_args *args)
{
	struct description from;
	return truth(find_description(run->msg, &from) &&
		     cut_codecs(&from, args, is_id, false) >= 0);
}

static bool offers(const struct sdp_media *media, struct span item, payload_test test)
{
	struct span formats = media->formats, payload;
	while (sdp_format_next(&formats, &payload))
		if (test(media, payload, item))
			return true;
	return false;
}

/* 1: every stream offers all of the list; 2: some offer some of it. */
static int with_codecs(struct script_run *run, struct span list, payload_test test)
{
	struct description from;
	struct sdp_media media;
	bool has_some = false, has_all = true;
	if (!find_description(run->msg, &from))
		return SCRIPT_FALSE;
	struct span rest = from.session.media;
	while (sdp_media_next(&from.session, &rest, &media) == LIST_ITEM) {
		struct span items = list, item;
		while (items.at && span_split(&items, ',', &item)) {
			bool is_there = offers(&media, span_trim(item), test);
			has_some = has_some || is_there;
			has_all = has_all && is_there;
		}
	}
	if (!has_some)
		return SCRIPT_FALSE;
	return has_all ? SCRIPT_TRUE : SDP_SOME_CODECS;
}

/* Names that nobody has would leave nothing. */
static int keep_by_name(struct script_run *run, const struct list_args *args)
{
	struct description from;
	return truth(find_description(run->msg, &from) &&
		     with_codecs(run, args->list, is_name) > 0 &&
		     cut_codecs(&from, args, is_name, false) >= 0);
}

static bool cut_lines(const struct description *from, struct span lines, struct span prefix)
{
	struct sdp_line line;
	while (sdp_line_next(&lines, &line) == LIST_ITEM)
		if (span_starts_with(line.whole, prefix) && !cut(from, line.with_end))
			return false;
	return true;
}

static int remove_lines(struct script_run *run, const struct prefix_args *args)
{
	struct description from;
	struct sdp_media media;
	if (!args->prefix.len || !find_description(run->msg, &from))
		return SCRIPT_FALSE;
	if (!args->type.len)
		return truth(cut_lines(&from, from.session.text, args->prefix));
	struct span rest = from.session.media;
	while (sdp_media_next(&from.session, &rest, &media) == LIST_ITEM)
		if (has_type(&media, args->type) && !cut_lines(&from, media.text, args->prefix))
			return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

typedef bool (*media_test)(const struct description *from, const struct sdp_media *media,
			   struct span text);

static bool is_type(const struct description *from, const struct sdp_media *media, struct span text)
{
	(void)from;
	return span_equal_nocase(media->type, text);
}

static bool is_active_type(const struct description *from, const struct sdp_media *media,
			   struct span text)
{
	return span_equal_nocase(media->type, text) && media->port &&
	       sdp_media_direction(&from->session, media) != SDP_INACTIVE;
}

static bool is_transport(const struct description *from, const struct sdp_media *media,
			 struct span text)
{
	(void)from;
	return span_equal_nocase(media->protocol, text);
}

static bool is_transport_like(const struct description *from, const struct sdp_media *media,
			      struct span text)
{
	(void)from;
	return text.len && span_find_span(media->protocol, text) < media->protocol.len;
}

static bool is_ice(const struct description *from, const struct sdp_media *media, struct span text)
{
	struct sdp_attribute attribute;
	(void)from;
	return sdp_attribute_find(media->attributes, text, &attribute);
}

/* Is there a stream for which the test is true? With `removes` all of them go. */
static int for_streams(struct script_run *run, struct span text, media_test test, bool removes)
{
	struct description from;
	struct sdp_media media;
	bool is_found = false;
	if (!find_description(run->msg, &from))
		return SCRIPT_FALSE;
	struct span rest = from.session.media;
	while (sdp_media_next(&from.session, &rest, &media) == LIST_ITEM) {
		if (!test(&from, &media, text))
			continue;
		is_found = true;
		if (removes && !cut(&from, media.text))
			return SCRIPT_FALSE;
	}
	return truth(is_found);
}

static int with_media(struct script_run *run, const struct one_args *args)
{
	return for_streams(run, args->text, is_type, false);
}

static int with_active_media(struct script_run *run, const struct one_args *args)
{
	return for_streams(run, args->text, is_active_type, false);
}

static int remove_media(struct script_run *run, const struct one_args *args)
{
	return for_streams(run, args->text, is_type, true);
}

static int with_transport(struct script_run *run, const struct one_args *args)
{
	return for_streams(run, args->text, is_transport, false);
}

static int with_transport_like(struct script_run *run, const struct one_args *args)
{
	return for_streams(run, args->text, is_transport_like, false);
}

static int remove_transport(struct script_run *run, const struct one_args *args)
{
	return for_streams(run, args->text, is_transport, true);
}

static int with_ice(struct script_run *run)
{
	return for_streams(run, SPAN_OF("candidate"), is_ice, false);
}

static int transport(struct script_run *run, const struct result_args *args)
{
	struct description from;
	struct sdp_media media;
	struct span common = { NULL, 0 };
	if (!find_description(run->msg, &from))
		return SCRIPT_FALSE;
	struct span rest = from.session.media;
	while (sdp_media_next(&from.session, &rest, &media) == LIST_ITEM) {
		if (common.at && !span_equal_nocase(common, media.protocol))
			return SDP_NO_BODY;
		common = media.protocol;
	}
	struct value value = VALUE_OF_TEXT(common);
	return truth(common.at && variable_write(run, args->result, &value));
}

static int with_codecs_by_id(struct script_run *run, const struct one_args *args)
{
	return with_codecs(run, args->text, is_id);
}

static int with_codecs_by_name(struct script_run *run, const struct one_args *args)
{
	return with_codecs(run, args->text, is_name);
}

/* ---- the description as a whole -------------------------------------------------------------------------------------- */

static int get_description(struct script_run *run, const struct result_args *args)
{
	struct description from;
	if (!message_body(run->msg).len)
		return SDP_NO_BODY;
	if (!find_description(run->msg, &from))
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(from.session.text);
	return truth(variable_write(run, args->result, &value));
}

static int has_content(struct script_run *run, const struct sloppy_args *args)
{
	static const struct span wanted = SPAN("application/sdp");
	struct description from;
	struct span type = message_value(run->msg, HEADER_CONTENT_TYPE);
	struct span body = message_body(run->msg);
	if (!args->mode.len)
		return truth(find_description(run->msg, &from));
	if (!body.len)
		return SCRIPT_FALSE;
	if (span_starts_with_nocase(type, wanted))
		return SCRIPT_TRUE;
	return truth(span_starts_with_nocase(type, SPAN_OF("multipart/mixed")) &&
		     span_find_span(body, wanted) < body.len);
}

static int get_line(struct script_run *run, const struct line_args *args)
{
	struct description from;
	struct sdp_line line;
	if (!message_body(run->msg).len)
		return SDP_NO_BODY;
	if (!args->prefix.len || !find_description(run->msg, &from))
		return SCRIPT_FALSE;
	struct span rest = from.session.text;
	while (sdp_line_next(&rest, &line) == LIST_ITEM) {
		struct value value = VALUE_OF_TEXT(line.whole);
		if (span_starts_with(line.whole, args->prefix))
			return truth(variable_write(run, args->result, &value));
	}
	return SCRIPT_FALSE;
}

static int address_family(struct script_run *run)
{
	struct description from;
	struct sdp_media media;
	if (!find_description(run->msg, &from))
		return SCRIPT_FALSE;
	struct sdp_connection connection = from.session.connection;
	struct span rest = from.session.media;
	if (!connection.line.at && sdp_media_next(&from.session, &rest, &media) == LIST_ITEM)
		connection = media.connection;
	if (!connection.line.at)
		return SCRIPT_FALSE;
	return connection.is_ipv6 ? 6 : 4;
}

static int print(struct script_run *run, const struct level_args *args)
{
	struct description from;
	struct sdp_media media;
	int level = (int)args->level;
	if (!find_description(run->msg, &from))
		return SCRIPT_FALSE;
	log_at(level, "SDP: %u streams, address %.*s", from.session.media_count,
	       SPAN_ARGS(from.session.connection.address));
	struct span rest = from.session.media;
	while (sdp_media_next(&from.session, &rest, &media) == LIST_ITEM) {
		log_at(level, "SDP: %.*s port %u %.*s, payload types %.*s, address %.*s",
		       SPAN_ARGS(media.type), media.port, SPAN_ARGS(media.protocol),
		       SPAN_ARGS(media.formats), SPAN_ARGS(media.connection.address));
		log_at(level, "SDP: %.*s", SPAN_ARGS(media.attributes));
	}
	return SCRIPT_TRUE;
}

/* ---- $sdp(...) ------------------------------------------------------------------------------------------------------- */

static const char *bind_sdp(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	return span_equal(ref->inner, SPAN_OF("body")) ||
			       span_equal(ref->inner, SPAN_OF("sess_version"))
		       ? NULL
		       : "$sdp(body) and $sdp(sess_version) are known";
}

static bool get_sdp(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct description from;
	int64_t version;
	*out = (struct value){ 0 };
	if (!find_description(run->msg, &from))
		return true;
	if (span_equal(variable_inner_text(run, ref), SPAN_OF("body")))
		*out = VALUE_OF_TEXT(from.session.text);
	else if (span_to_int64(from.session.origin.version, &version))
		*out = VALUE_OF_INT(version);
	return true;
}

/* -1: the next version (RFC 3264 8). */
static bool set_sdp(struct script_run *run, const struct variable_ref *ref,
		    const struct value *value)
{
	struct description from;
	int64_t version, number;
	if (!span_equal(variable_inner_text(run, ref), SPAN_OF("sess_version")) ||
	    !value_to_int(value, &number)) {
		log_error("$sdp(sess_version) is set to a number; nothing else of $sdp() is set");
		return false;
	}
	if (!find_description(run->msg, &from) || !from.session.origin.version.len)
		return false;
	if (number == -1 && span_to_int64(from.session.origin.version, &version))
		number = version + 1;
	struct span text = arena_printf(run->arena, "%lld", (long long)number);
	struct span old = from.session.origin.version;
	return text.at && edit_replace(run->msg, (uint32_t)(old.at - run->msg->bytes.at),
				       (uint32_t)old.len, text);
}

static const struct variable_row variables[] = {
	{ .name = "sdp", .inner = INNER_NAME, .get = get_sdp, .set = set_sdp, .bind = bind_sdp,
		.doc = "The session description: body, sess_version (may be set; -1: the next)." },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "sdpops",
	.doc = "Looks into session descriptions and takes codecs and streams out of them.",
	.functions = ROWS(functions),
	.variables = ROWS(variables),
};
