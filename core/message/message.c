/* SPDX-License-Identifier: BSD-2-Clause */
/* A SIP message in flight: reading it and deciding where it goes. */
#include "core/message/message.h"

#include "core/base/check.h"
#include "core/base/clock.h"
#include "parser/scan.h"
#include "parser/values.h"

static struct {
	uint64_t last_id;
	unsigned slot_count;
	unsigned max_branches;
} state = { .max_branches = MESSAGE_MAX_BRANCHES };

unsigned message_slot(const char *owner)
{
	bug_if(state.slot_count == MESSAGE_SLOTS, "%s: no message slot left", owner);
	return state.slot_count++;
}

void message_set_max_branches(unsigned most)
{
	state.max_branches = most < MESSAGE_MAX_BRANCHES ? most : MESSAGE_MAX_BRANCHES;
}

struct message *message_parse(struct arena *arena, struct span bytes, const struct received *from,
			      const char **out_reason)
{
	struct parse_error error = { 0 };
	struct sip_message_index *index = NULL;
	if (sip_message_index(arena, bytes, &index, &error) == PARSE_MORE)
		error.reason = "the header section has no end";
	if (!index) {
		*out_reason = error.reason;
		return NULL;
	}
	struct message *msg = ARENA_NEW(arena, struct message);
	if (!msg) {
		*out_reason = NULL;
		return NULL;
	}
	msg->bytes = span_make(bytes.at, index->len);
	msg->index = index;
	msg->arena = arena;
	msg->id = ++state.last_id;
	msg->wall_us = clock_wall_us();
	msg->from = *from;
	msg->notes = bytes.len > index->len ? NOTE_TRAILING_BYTES : 0;
	msg->target.q = Q_UNSPECIFIED;
	msg->attributes.arena = arena;
	return msg;
}

/* ---- reading ---------------------------------------------------------------------------------- */

const struct sip_header *message_header_named(const struct message *msg, struct span name)
{
	return sip_header_named(msg->index, msg->bytes, name, NULL);
}

struct span message_body(const struct message *msg)
{
	return span_make(msg->bytes.at + msg->index->body_at, msg->index->body_len);
}

const struct cseq *message_parse_cseq(const struct message *msg)
{
	/* The parsed form is a cache: filling it does not change the message. */
	struct message *cache = (struct message *)(uintptr_t)msg;
	struct cseq *cseq = arena_alloc(msg->arena, sizeof(*cseq));
	if (cseq && cseq_parse(message_value(msg, HEADER_CSEQ), cseq))
		cache->cseq = cseq;
	return msg->cseq;
}

struct span message_method_name(const struct message *msg)
{
	if (msg->index->is_request)
		return sip_range_span(msg->bytes, msg->index->method_name);
	const struct cseq *cseq = message_parsed_cseq(msg);
	return cseq ? cseq->method_name : (struct span){ NULL, 0 };
}

/* The first Via from `rest`, a part of the value of `h`, on; NULL: none, malformed or no memory. */
static struct sip_via *parse_via(struct message *msg, const struct sip_header *h, struct span rest)
{
	struct sip_via *via = h ? arena_alloc(msg->arena, sizeof(*via)) : NULL;
	while (via && h) {
		enum list_result result = via_next(&rest, via);
		if (result != LIST_END)
			return result == LIST_ITEM ? via : NULL;
		h = message_next_header(msg, h);
		rest = message_header_value(msg, h);
	}
	return NULL;
}

static struct span moved(struct span part, const char *from, const char *to)
{
	return span_make(to + (part.at - from), part.len);
}

/* On top of a reply stands what we wrote as a rule, of which only the branch is new. NULL: something else, or
 * no memory. */
static struct sip_via *read_own_via(const struct message *reply, struct span value)
{
	const struct listener *listener = reply->from.listener;
	if (!listener || !listener->via.whole.at || value.len <= listener->via_prefix.len)
		return NULL;
	struct span prefix = listener->via_prefix;
	const char *branch = value.at + prefix.len, *end = value.at + value.len;
	if (memcmp(value.at, prefix.at, prefix.len) != 0 ||
	    scan_value_stop(value.at, branch, end, ',') < end)
		return NULL;
	const struct sip_via *known = &listener->via;
	struct sip_via *via = arena_alloc(reply->arena, sizeof(*via));
	if (!via)
		return NULL;
	*via = *known;
	via->whole = value;
	via->transport_text = moved(known->transport_text, prefix.at, value.at);
	via->host = moved(known->host, prefix.at, value.at);
	via->hostport = moved(known->hostport, prefix.at, value.at);
	via->params.at = value.at + (known->params.at - prefix.at);
	via->params.len = (size_t)(end - via->params.at);
	via->branch = span_make(branch, (size_t)(end - branch));
	return via;
}

const struct sip_via *message_parse_top_via(struct message *msg)
{
	const struct sip_header *h = message_header(msg, HEADER_VIA);
	struct span value = message_header_value(msg, h);
	struct sip_via *own = h && !msg->index->is_request ? read_own_via(msg, value) : NULL;
	return msg->top_via = own ? own : parse_via(msg, h, value);
}

/* Both may share a line. A reply that goes the way of its transaction needs the first one only. */
static struct sip_via *parse_second_via(struct message *msg, const struct sip_via *top)
{
	const char *end = top->whole.at + top->whole.len;
	const struct sip_header *h = message_header(msg, HEADER_VIA);
	while (h && end > msg->bytes.at + h->end)
		h = message_next_header(msg, h);
	struct span value = message_header_value(msg, h);
	struct span rest = span_trim(span_slice(value, (size_t)(end - value.at), value.len));
	if (rest.len && rest.at[0] == ',')
		rest = span_slice(rest, 1, rest.len);
	return parse_via(msg, h, rest);
}

const struct sip_via *message_second_via(struct message *msg)
{
	const struct sip_via *top = message_top_via(msg);
	if (!msg->second_via && top)
		msg->second_via = parse_second_via(msg, top);
	return msg->second_via;
}

static struct name_addr *parse_address(const struct message *msg, enum sip_header_id id)
{
	const struct sip_header *h = message_header(msg, id);
	struct name_addr *address = h ? arena_alloc(msg->arena, sizeof(*address)) : NULL;
	if (!address || !name_addr_parse(message_header_value(msg, h), address))
		return NULL;
	return address;
}

const struct name_addr *message_parse_from(const struct message *msg)
{
	/* As above. */
	struct message *cache = (struct message *)(uintptr_t)msg;
	return cache->from_address = parse_address(msg, HEADER_FROM);
}

const struct name_addr *message_parse_to(const struct message *msg)
{
	/* As above. */
	struct message *cache = (struct message *)(uintptr_t)msg;
	return cache->to_address = parse_address(msg, HEADER_TO);
}

struct span message_from_uri(const struct message *msg)
{
	const struct name_addr *from = message_from(msg);
	return from ? from->uri : (struct span){ NULL, 0 };
}

struct span message_to_uri(const struct message *msg)
{
	const struct name_addr *to = message_to(msg);
	return to ? to->uri : (struct span){ NULL, 0 };
}

[[gnu::noinline]] static const struct sip_uri *parse_uri(const struct message *msg, struct span uri)
{
	/* The parsed form is a cache: filling it does not change the message. */
	struct message *cache = (struct message *)(uintptr_t)msg;
	struct sip_uri **place = &cache->uris[cache->uris_read % MESSAGE_URIS];
	if (!*place)
		*place = arena_alloc(msg->arena, sizeof(**place));
	if (!*place)
		return NULL;
	if (!uri_parse(uri, *place)) {
		(*place)->whole = (struct span){ NULL, 0 };
		return NULL;
	}
	cache->uris_read++;
	return *place;
}

const struct sip_uri *message_read_uri(const struct message *msg, struct span uri)
{
	if (!uri.len)
		return NULL;
	for (unsigned i = 0; i < MESSAGE_URIS && msg->uris[i]; i++)
		if (msg->uris[i]->whole.at == uri.at && msg->uris[i]->whole.len == uri.len)
			return msg->uris[i];
	return parse_uri(msg, uri);
}

bool message_parse_uri(const struct message *msg, struct sip_uri *out_uri)
{
	const struct sip_uri *parsed = message_read_uri(msg, message_uri(msg));
	if (parsed)
		*out_uri = *parsed;
	return parsed != NULL;
}

/* ---- where it goes ------------------------------------------------------------------------------ */

bool message_set_uri(struct message *msg, struct span uri)
{
	struct span copy = arena_copy(msg->arena, uri);
	if (!copy.at)
		return false;
	msg->target.uri = copy;
	msg->notes |= NOTE_URI_CHANGED;
	return true;
}

bool message_set_dst_uri(struct message *msg, struct span uri)
{
	struct span copy = arena_copy(msg->arena, uri);
	if (uri.at && !copy.at)
		return false;
	msg->target.dst_uri = copy;
	return true;
}

bool message_add_branch(struct message *msg, const struct branch *branch)
{
	if (msg->branch_count >= state.max_branches)
		return false;
	if (!msg->branches &&
	    !(msg->branches = ARENA_ARRAY(msg->arena, struct branch, MESSAGE_MAX_BRANCHES)))
		return false;
	struct branch *copy = &msg->branches[msg->branch_count];
	*copy = *branch;
	struct span *const texts[] = { &copy->uri,  &copy->dst_uri,  &copy->path,
				       &copy->ruid, &copy->instance, &copy->location_ua };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		bool is_set = texts[i]->at != NULL;
		*texts[i] = arena_copy(msg->arena, *texts[i]);
		if (is_set && !texts[i]->at)
			return false;
	}
	msg->branch_count++;
	return true;
}

void message_remove_branch(struct message *msg, size_t index)
{
	if (index >= msg->branch_count)
		return;
	memmove(&msg->branches[index], &msg->branches[index + 1],
		(msg->branch_count - index - 1) * sizeof(msg->branches[0]));
	msg->branch_count--;
}

void message_clear_branches(struct message *msg)
{
	msg->branch_count = 0;
}

static bool add_reply_line(struct message *msg, struct span line, enum edit_tag tag)
{
	struct edit *added = ARENA_NEW(msg->arena, struct edit);
	struct edit **last = &msg->reply_lines;
	if (!added || !(added->text = arena_copy(msg->arena, line)).at)
		return false;
	added->tag = (uint16_t)tag;
	while (*last)
		last = &(*last)->next;
	*last = added;
	return true;
}

bool message_add_reply_line(struct message *msg, struct span line)
{
	return add_reply_line(msg, line, EDIT_TAG_NONE);
}

bool message_set_reply_body(struct message *msg, struct span body, struct span content_type)
{
	for (struct edit **link = &msg->reply_lines; *link;)
		if ((*link)->tag == EDIT_TAG_REPLY_BODY || (*link)->tag == EDIT_TAG_REPLY_TYPE)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	return add_reply_line(msg, body, EDIT_TAG_REPLY_BODY) &&
	       add_reply_line(msg, content_type, EDIT_TAG_REPLY_TYPE);
}
