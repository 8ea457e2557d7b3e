/* SPDX-License-Identifier: BSD-2-Clause */
/* Session descriptions (RFC 4566, RFC 3605): addresses of phones behind NATs are replaced. */
#include "modules/nathelper/nathelper.h"
#include "parser/multipart.h"
#include "parser/sdp.h"

enum sdp_fix {
	FIX_DIRECTION = 1,
	FIX_MEDIA_ADDRESS = 2,
	FIX_MARK = 4,
	FIX_ORIGIN_ADDRESS = 8,
};
enum { SDP_CHANGED = 1, SDP_SAME = 2 };

static bool find_sdp(const struct message *msg, struct sdp_session *out)
{
	struct span sdp;
	struct multipart_part part;
	return body_find(message_body(msg), message_value(msg, HEADER_CONTENT_TYPE),
			 SPAN_OF("application/sdp"), &sdp, &part) &&
	       sdp_parse(sdp, out);
}

static bool is_null_address(struct span text)
{
	struct end_point address;
	return end_point_parse_ip(text, &address) && end_point_is_any(&address);
}

/* ---- looking --------------------------------------------------------------------------------------- */

static bool has_trait(const struct message *msg, const struct sdp_connection *connection,
		      enum sdp_trait trait)
{
	struct end_point address;
	if (!connection->address.len)
		return false;
	if (trait == SDP_HAS_PRIVATE_ADDRESS)
		return is_private_text(connection->address);
	return !end_point_parse_ip(connection->address, &address) ||
	       !end_point_same_ip(&address, &msg->from.source);
}

bool sdp_address_is(const struct message *msg, enum sdp_trait trait)
{
	struct sdp_session session;
	struct sdp_media media;
	if (!find_sdp(msg, &session))
		return false;
	if (session.connection.line.at && has_trait(msg, &session.connection, trait))
		return true;
	struct span rest = session.media;
	while (sdp_media_next(&session, &rest, &media) == LIST_ITEM)
		if (media.has_own_connection && has_trait(msg, &media.connection, trait))
			return true;
	return false;
}

/* ---- changing -------------------------------------------------------------------------------------- */

struct fixing {
	struct message *msg;
	struct span address; /* the new one, without brackets */
	bool is_ipv6;
	bool is_changed, failed;
	struct writer notes; /* lines for the end: addresses that were replaced */
};

static void replace(struct fixing *fixing, struct span old, struct span text)
{
	fixing->failed = fixing->failed ||
			 !edit_replace(fixing->msg, (uint32_t)(old.at - fixing->msg->bytes.at),
				       (uint32_t)old.len, text);
}

/* Puts the new address in place of "IP4 192.0.2.1". */
static void fix_address(struct fixing *fixing, struct span type, struct span address)
{
	if (!address.len || span_equal(address, fixing->address) || is_null_address(address))
		return;
	bool was_ipv6 = span_equal_nocase(type, SPAN_OF("IP6"));
	if (was_ipv6 != fixing->is_ipv6)
		replace(fixing, type, fixing->is_ipv6 ? SPAN_OF("IP6") : SPAN_OF("IP4"));
	replace(fixing, address, fixing->address);
	if (nathelper_settings->append_sdp_oldmediaip)
		writer_printf(&fixing->notes, "a=oldmediaip%s:%.*s\r\n", was_ipv6 ? "6" : "",
			      SPAN_ARGS(address));
	fixing->is_changed = true;
}

/* a=rtcp:<port> [<nettype> <addrtype> <address>] (RFC 3605) */
static void fix_rtcp(struct fixing *fixing, struct span lines)
{
	struct sdp_attribute rtcp;
	struct span words[4];
	if (!sdp_attribute_find(lines, SPAN_OF("rtcp"), &rtcp))
		return;
	struct span rest = rtcp.value;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (!span_split(&rest, ' ', &words[i]))
			return;
	fix_address(fixing, words[2], words[3]);
}

static void insert_line(struct fixing *fixing, struct span place, struct span line)
{
	replace(fixing, span_make(place.at + place.len, 0), line);
}

/* Inserts behind a text that perhaps has no line end. */
static void insert_behind(struct fixing *fixing, struct span place, struct span line)
{
	if (!line.len)
		return;
	if (place.len && place.at[place.len - 1] != '\n')
		insert_line(fixing, place, SPAN_OF("\r\n"));
	insert_line(fixing, place, line);
}

static void fix_session(struct fixing *fixing, const struct sdp_session *session, int64_t flags)
{
	struct sdp_media media;
	struct span rest = session->media;
	bool fixes_addresses = flags & (FIX_MEDIA_ADDRESS | FIX_ORIGIN_ADDRESS);
	if (flags & FIX_ORIGIN_ADDRESS)
		fix_address(fixing, session->origin.addrtype, session->origin.address);
	if (flags & FIX_MEDIA_ADDRESS)
		fix_address(fixing, session->connection.addrtype, session->connection.address);
	while (sdp_media_next(session, &rest, &media) == LIST_ITEM) {
		if (fixes_addresses)
			fix_rtcp(fixing, media.attributes);
		if (flags & FIX_MEDIA_ADDRESS && media.has_own_connection)
			fix_address(fixing, media.connection.addrtype, media.connection.address);
		if (flags & FIX_DIRECTION)
			insert_behind(fixing, media.text, SPAN_OF("a=direction:active\r\n"));
	}
	if (flags & FIX_MARK)
		insert_behind(fixing, session->text, nathelper_settings->nortpproxy_str);
	insert_behind(fixing, session->text, writer_result(&fixing->notes));
}

struct fix_args {
	int64_t flags;
	struct span address;
};
static const struct field fix_fields[] = {
	FIELD(struct fix_args, flags, "bits: 1 direction:active, 2 addresses of media, 4 the mark nortpproxy_str, 8 "
		"address of the origin", .min = 0, .max = 15),
	FIELD(struct fix_args, address, "the new address; without it the source's",
		.optional = true),
};
SCRIPT_HANDLER(fix)

static int fix(struct script_run *run, const struct fix_args *args)
{
	struct message *msg = run->msg;
	struct sdp_session session;
	struct end_point address = msg->from.source;
	if (!find_sdp(msg, &session))
		return SCRIPT_FALSE;
	if (args->address.len && !end_point_parse_ip(args->address, &address)) {
		log_error("fix_nated_sdp: \"%.*s\" is no IP address", SPAN_ARGS(args->address));
		return SCRIPT_FALSE;
	}
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write_ip(&w, &address);
	struct fixing fixing = { .msg = msg,
				 .address = writer_result(&w),
				 .is_ipv6 = address.family == AF_INET6,
				 .notes = writer_in_arena(msg->arena, 64) };
	fix_session(&fixing, &session, args->flags);
	if (fixing.failed || fixing.notes.failed)
		return SCRIPT_FALSE;
	return fixing.is_changed ? SDP_CHANGED : SDP_SAME;
}

static const struct script_function functions[] = {
	FUNCTION("fix_nated_sdp", fix, IN_ALL_BUT_ONSEND,
		"Puts a reachable address into the session description: 1 changed, 2 as it was."),
};
const struct function_table sdp_functions = ROWS(functions);
