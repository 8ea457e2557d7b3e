/* SPDX-License-Identifier: BSD-2-Clause */
/* select: paths are walked step by step: a root finds a piece of the message, the steps behind it
 * take parts of that piece.
 *
 *   path = step *( "." step )
 *   step = name [ "[" ( ["-"] 1*DIGIT / key / DQUOTE key DQUOTE ) "]" ]
 *
 * In header names "_" stands for "-". */
#include "core/script/select.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/script/config_names.h"
#include "core/script/core_variables.h"
#include "core/script/registry.h"
#include "core/script/uri_edit.h"
#include "parser/digest.h"
#include "parser/name_addr.h"
#include "parser/uri.h"
#include "parser/values.h"
#include "parser/via.h"

/* ---- paths ----------------------------------------------------------------------------------- */

static bool is_step_char(int c)
{
	return c >= 0 && (ascii_is_alpha((char)c) || ascii_is_digit((char)c) || c == '_' ||
			  c == '-' || c == '%');
}

static bool read_bracket(struct span inside, struct select_step *step)
{
	int64_t number;
	inside = span_trim(inside);
	if (span_to_int64(inside, &number) && number >= INT32_MIN && number <= INT32_MAX) {
		step->has_index = true;
		step->index = (int)number;
		return true;
	}
	if (inside.len >= 2 && inside.at[0] == '"' && inside.at[inside.len - 1] == '"')
		inside = span_slice(inside, 1, inside.len - 2);
	step->key = inside;
	return inside.len > 0;
}

bool select_path_parse(struct span text, struct select_path *out_path)
{
	size_t i = text.len && text.at[0] == '@';
	out_path->count = 0;
	while (out_path->count < SELECT_MAX_STEPS) {
		struct select_step *step = &out_path->steps[out_path->count++];
		size_t start = i;
		while (i < text.len && is_step_char((unsigned char)text.at[i]))
			i++;
		*step = (struct select_step){ .name = span_slice(text, start, i - start) };
		if (i == start)
			return false;
		if (i < text.len && text.at[i] == '[') {
			size_t end = span_find(text, ']', i);
			if (end == text.len ||
			    !read_bracket(span_slice(text, i + 1, end - i - 1), step))
				return false;
			i = end + 1;
		}
		if (i == text.len)
			return true;
		if (text.at[i++] != '.')
			return false;
	}
	return false;
}

/* What is left of a path. */
struct walk {
	struct script_run *run;
	const struct select_step *step;
	unsigned left;
};

static bool next_is(const struct walk *walk, const char *name)
{
	return walk->left && span_equal(walk->step->name, span_from(name));
}

static void advance(struct walk *walk)
{
	walk->step++;
	walk->left--;
}

/* params.x, params["x"]: the name of the parameter wanted; absent for all of them. */
static struct span param_name(struct walk *walk)
{
	struct span key = walk->step->key;
	advance(walk);
	if (!key.at && walk->left) {
		key = walk->step->name;
		advance(walk);
	}
	return key;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool walk_params(struct walk *walk, struct span params, struct value *out)
{
	struct span name = param_name(walk);
	struct param param;
	if (!name.at) /* params without a name is nothing, as in the peer */
		return true;
	if (params.at && params_find(params, ';', name, &param))
		return give_text(out, param.has_value ? param.value : SPAN_OF(""));
	return true;
}

/* URI set: type user pwd host port hostport params params[p] transport. */
static bool walk_uri(struct walk *walk, struct span text, struct value *out)
{
	struct sip_uri uri;
	if (!walk->left)
		return give_text(out, text);
	if (!text.at || !uri_parse(text, &uri))
		return true;
	if (next_is(walk, "params"))
		return walk_params(walk, uri.params, out);
	if (next_is(walk, "type"))
		return give_text(out, uri.scheme_text);
	if (next_is(walk, "user") || next_is(walk, "rn_user"))
		return give_text(out, uri_seen_user(&uri));
	if (next_is(walk, "pwd"))
		return give_text(out, uri.password);
	if (next_is(walk, "host"))
		return give_text(out, uri.host);
	if (next_is(walk, "port"))
		return give_text(out, uri.port_text);
	if (next_is(walk, "hostport") && uri.port_text.len)
		return give_text(out, uri.hostport);
	if (next_is(walk, "hostport")) {
		struct writer w = writer_in_arena(walk->run->arena, uri.host.len + 8);
		writer_printf(&w, "%.*s:%u", SPAN_ARGS(uri.host), uri_port(&uri));
		return give_written(out, &w);
	}
	if (next_is(walk, "transport"))
		return give_text(out, uri.transport_text);
	return true;
}

/* name, uri(URI set), params, tag, and for contacts single parameters. */
static bool walk_address(struct walk *walk, const struct name_addr *address, struct value *out)
{
	struct param param;
	if (!walk->left)
		return give_text(out, address->whole);
	if (next_is(walk, "nameaddr")) {
		advance(walk);
		return walk_address(walk, address, out);
	}
	if (next_is(walk, "uri")) {
		advance(walk);
		return walk_uri(walk, address->uri, out);
	}
	if (next_is(walk, "name"))
		return give_text(out, address->display.at ? address->display : SPAN_OF(""));
	if (next_is(walk, "tag"))
		return give_nonempty(out, address->tag);
	if (next_is(walk, "params") || next_is(walk, "param") || next_is(walk, "p"))
		return walk_params(walk, address->params, out);
	if (next_is(walk, "instance"))
		return !name_addr_param(address, SPAN_OF("+sip.instance"), &param) ||
		       give_text(out, param.value);
	/* expires, q, received, method, dialog_cookie ("did") */
	struct span name = next_is(walk, "dialog_cookie") ? SPAN_OF("did") : walk->step->name;
	return !name_addr_param(address, name, &param) || give_text(out, param.value);
}

/* The index-th address of a list header; negative from the end. */
static bool address_at(const struct message *msg, enum sip_header_id id, int index,
		       struct name_addr *out)
{
	for (int pass = index < 0 ? 0 : 1; pass < 2; pass++) {
		int seen = 0;
		for (const struct sip_header *h = message_header(msg, id); h;
		     h = message_next_header(msg, h)) {
			struct span rest = sip_header_value(msg->bytes, h);
			while (name_addr_next(&rest, out) == LIST_ITEM) {
				if (pass && seen == index)
					return true;
				seen++;
			}
		}
		if (!pass)
			index += seen;
		if (index < 0)
			return false;
	}
	return false;
}

static bool walk_list(struct walk *walk, enum sip_header_id id, int index, struct value *out)
{
	struct name_addr address;
	if (!walk->left && index == 0)
		return give_text(out, message_value(walk->run->msg, id));
	return !address_at(walk->run->msg, id, index, &address) ||
	       walk_address(walk, &address, out);
}

/* ---- roots ----------------------------------------------------------------------------------- */

static bool root_address(struct walk *walk, const struct select_step *root, intptr_t id,
			 struct value *out)
{
	return walk_list(walk, (enum sip_header_id)id, root->has_index ? root->index : 0, out);
}

enum { URI_CURRENT, URI_DESTINATION, URI_NEXT_HOP };

static bool root_uri(struct walk *walk, const struct select_step *root, intptr_t which,
		     struct value *out)
{
	const struct message *msg = walk->run->msg;
	struct span uri = msg->target.dst_uri;
	if (which == URI_CURRENT || (which == URI_NEXT_HOP && !uri.at))
		uri = message_is_request(msg) ? message_uri(msg) : (struct span){ 0 };
	return !uri.at || walk_uri(walk, uri, out);
}

/* The first Via has number 1; negative numbers count from the end. */
static bool via_at(const struct message *msg, int number, struct sip_via *out_via)
{
	int index = number > 0 ? number - 1 : number;
	if (number == 0)
		return false;
	for (int pass = index < 0 ? 0 : 1; pass < 2; pass++) {
		int seen = 0;
		for (const struct sip_header *h = message_header(msg, HEADER_VIA); h;
		     h = message_next_header(msg, h)) {
			struct span rest = sip_header_value(msg->bytes, h);
			while (via_next(&rest, out_via) == LIST_ITEM) {
				if (pass && seen == index)
					return true;
				seen++;
			}
		}
		if (!pass)
			index += seen;
		if (index < 0)
			return false;
	}
	return false;
}

static bool root_via(struct walk *walk, const struct select_step *root, intptr_t unused,
		     struct value *out)
{
	struct sip_via via;
	struct param param;
	if (!via_at(walk->run->msg, root->has_index ? root->index : 1, &via))
		return true;
	if (!walk->left)
		return give_text(out, via.whole);
	if (next_is(walk, "host"))
		return give_text(out, via.host);
	if (next_is(walk, "port"))
		return !via.has_port || give_printed(walk->run, out, via.port);
	if (next_is(walk, "transport"))
		return give_text(out, via.transport_text);
	if (next_is(walk, "version"))
		return give_text(out, via_version(&via));
	if (next_is(walk, "name"))
		return give_text(out, via_protocol(&via));
	if (next_is(walk, "comment"))
		return true;
	if (next_is(walk, "params"))
		return walk_params(walk, via.params, out);
	/* branch, received, rport, i, alias: parameters */
	if (!via_param(&via, walk->step->name, &param))
		return true;
	return give_text(out, param.has_value ? param.value : SPAN_OF(""));
}

static bool root_cseq(struct walk *walk, const struct select_step *root, intptr_t unused,
		      struct value *out)
{
	struct cseq cseq;
	struct span value = message_value(walk->run->msg, HEADER_CSEQ);
	if (!walk->left || !cseq_parse(value, &cseq))
		return give_text(out, value);
	return give_text(out, next_is(walk, "num") ? cseq.number_text : cseq.method_name);
}

/* authorization[realm].part: the credentials for a realm; without a realm there are none. */
static bool root_credentials(struct walk *walk, const struct select_step *root, intptr_t id,
			     struct value *out)
{
	const struct message *msg = walk->run->msg;
	struct auth_params auth;
	const struct sip_header *h = message_header(msg, (enum sip_header_id)id);
	for (; h; h = message_next_header(msg, h))
		if (auth_parse(sip_header_value(msg->bytes, h), &auth) && root->key.at &&
		    span_equal(auth.realm, root->key))
			break;
	if (!h)
		return true;
	const struct { const char *name; struct span value; } parts[] = {
		{ "username", auth.username }, { "realm", auth.realm }, { "nonce", auth.nonce }, { "uri", auth.uri },
		{ "response", auth.response }, { "cnonce", auth.cnonce }, { "opaque", auth.opaque },
		{ "qop", auth.qop_text }, { "nc", auth.nc_text }, { "algorithm", auth.algorithm_text },
	};
	if (!walk->left)
		return give_text(out, sip_header_value(msg->bytes, h));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!next_is(walk, parts[i].name))
			continue;
		struct span value = parts[i].value;
		advance(walk);
		size_t at = span_find(value, '@', 0);
		if (i == 0 && next_is(walk, "user"))
			value = span_slice(value, 0, at);
		else if (i == 0 && next_is(walk, "domain"))
			value = span_slice(value, at + 1, value.len);
		return give_text(out, value);
	}
	return true;
}

/* A header by the name that stands in the path. */
static const struct sip_header *named_header(struct walk *walk, int *out_index)
{
	const struct select_step *step = walk->step;
	struct span name = step->key.at ? step->key : step->name;
	char *copy = arena_string(walk->run->arena, name);
	const struct message *msg = walk->run->msg;
	if (!copy)
		return NULL;
	for (size_t i = 0; i < name.len && !step->key.at; i++)
		if (copy[i] == '_')
			copy[i] = '-';
	*out_index = step->has_index ? step->index : 0;
	advance(walk);
	return sip_header_named(msg->index, msg->bytes, span_make(copy, name.len), NULL);
}

/* Takes the next item of a comma list; commas in quotes and angle brackets do not separate. */
static bool next_item(struct span *rest, struct span *out_item)
{
	bool in_quotes = false;
	unsigned depth = 0;
	size_t i = 0;
	if (!rest->at)
		return false;
	for (; i < rest->len; i++) {
		char c = rest->at[i];
		if (in_quotes) {
			i += c == '\\';
			in_quotes = c != '"';
			continue;
		}
		if (c == ',' && !depth)
			break;
		in_quotes = c == '"';
		depth += c == '<';
		depth -= c == '>' && depth;
	}
	*out_item = span_trim(span_slice(*rest, 0, i));
	*rest = i < rest->len ? span_slice(*rest, i + 1, rest->len) : (struct span){ 0 };
	return true;
}

/* All items of the headers with this name, one after the other: absent at the end. */
struct items {
	const struct message *msg;
	const struct sip_header *header;
	struct span name, rest;
};

static bool items_next(struct items *items, struct span *out_item)
{
	while (items->header) {
		while (next_item(&items->rest, out_item))
			if (out_item->len)
				return true;
		items->header = sip_header_named(items->msg->index, items->msg->bytes, items->name,
						 items->header);
		if (items->header)
			items->rest = sip_header_value(items->msg->bytes, items->header);
	}
	return false;
}

static struct items items_of(const struct message *msg, const struct sip_header *header)
{
	return (struct items){
		.msg = msg,
		.header = header,
		.name = sip_header_name(msg->bytes, header),
		.rest = sip_header_value(msg->bytes, header),
	};
}

/* The header that the path names: hf_value.x_name, hf_value["X-Name"]; NULL when there is none. */
static const struct sip_header *header_of_path(struct walk *walk, const struct select_step *root,
					       int *out_index, bool *out_has_index)
{
	if (root->key.at) {
		walk->step--;
		walk->left++;
	}
	if (!walk->left)
		return NULL;
	*out_has_index = walk->step->has_index;
	return named_header(walk, out_index);
}

/* Parts of one item: uri(URI set), name, params[p], p[p], param[p], nameaddr. */
static bool walk_item(struct walk *walk, struct span item, struct value *out)
{
	struct value_params parts;
	struct name_addr address;
	if (!walk->left)
		return give_text(out, item);
	if (next_is(walk, "name") && name_addr_parse(item, &address))
		return give_text(out,
				 quoted_inside(address.display.at ? address.display : SPAN_OF("")));
	if (name_addr_parse(item, &address))
		return walk_address(walk, &address, out);
	if (!value_params_parse(item, &parts))
		return true;
	return walk_params(walk, parts.params, out);
}

/* hf_value.hdr[n]: the n-th item, from 1, over all headers of that name; without number all of
 * them. */
static bool root_value(struct walk *walk, const struct select_step *root, intptr_t unused,
		       struct value *out)
{
	int number;
	bool has_number;
	const struct sip_header *h = header_of_path(walk, root, &number, &has_number);
	if (!h)
		return true;
	struct items items = items_of(walk->run->msg, h);
	struct span item;
	if (!has_number && !walk->left) {
		struct writer w = writer_in_arena(walk->run->arena, 128);
		for (const char *comma = ""; items_next(&items, &item); comma = ",") {
			writer_string(&w, comma);
			writer_span(&w, item);
		}
		return give_written(out, &w);
	}
	if (number < 0) {
		struct items counted = items;
		while (items_next(&counted, &item))
			number++;
		number++;
	}
	if (number < 0)
		return true;
	while (items_next(&items, &item))
		if (number-- <= 1)
			return walk_item(walk, item, out);
	return true;
}

/* hf_value2.hdr: the value of the first header of that name. */
static bool root_value2(struct walk *walk, const struct select_step *root, intptr_t unused,
			struct value *out)
{
	int number;
	bool has_number;
	const struct sip_header *h = header_of_path(walk, root, &number, &has_number);
	return !h || walk_item(walk, sip_header_value(walk->run->msg->bytes, h), out);
}

/* The header with the name of `first` at a place from 1, or from -1 backwards; 0 is the first. */
static const struct sip_header *numbered_header(const struct message *msg,
						const struct sip_header *first, int number)
{
	struct span name = sip_header_name(msg->bytes, first);
	const struct sip_header *h;
	int count = 0;
	for (h = NULL; number < 0 && (h = sip_header_named(msg->index, msg->bytes, name, h));)
		count++;
	int place = number < 0 ? count + number + 1 : number > 0 ? number : 1;
	for (h = NULL; place > 0 && (h = sip_header_named(msg->index, msg->bytes, name, h));)
		if (--place == 0)
			return h;
	return NULL;
}

/* type, len, id[.hex], flags, first_line, body[.sdp] of msg. */
static bool walk_message(struct walk *walk, struct value *out)
{
	struct message *msg = walk->run->msg;
	struct writer w = writer_in_arena(walk->run->arena, 24);
	if (next_is(walk, "type"))
		return give_printed(walk->run, out, msg->index->is_request ? 1 : 2);
	if (next_is(walk, "len"))
		return give_printed(walk->run, out, (int64_t)msg->bytes.len);
	if (next_is(walk, "flags"))
		return give_printed(walk->run, out, msg->flags);
	if (next_is(walk, "first_line"))
		return give_text(out, span_trim(span_slice(msg->bytes, 0, msg->index->headers_at)));
	if (next_is(walk, "id")) {
		advance(walk);
		writer_printf(&w, next_is(walk, "hex") ? "%08llx" : "%llu",
			      (unsigned long long)msg->id);
		return give_written(out, &w);
	}
	if (!next_is(walk, "body"))
		return true;
	advance(walk);
	bool is_wanted = !next_is(walk, "sdp") ||
			 span_starts_with_nocase(message_value(msg, HEADER_CONTENT_TYPE),
						 SPAN_OF("application/sdp"));
	return !is_wanted || give_text(out, message_body(msg));
}

/* msg.header["X-Name"], msg.header.x_name[2], and what the message is. */
static bool root_msg(struct walk *walk, const struct select_step *root, intptr_t unused,
		     struct value *out)
{
	const struct message *msg = walk->run->msg;
	int number = 0;
	if (!(next_is(walk, "header") || next_is(walk, "hdr")))
		return walk_message(walk, out);
	if (!walk->step->key.at)
		advance(walk);
	const struct sip_header *h = walk->left ? named_header(walk, &number) : NULL;
	h = h ? numbered_header(msg, h, number) : NULL;
	return !h || walk_item(walk, sip_header_value(msg->bytes, h), out);
}

/* hf_value_exists[hdr].value or hf_value_exists.hdr.value: 1 when an item of the list is the value.
 * */
static bool root_exists(struct walk *walk, const struct select_step *root, intptr_t unused,
			struct value *out)
{
	int number;
	bool has_number, found = false;
	const struct sip_header *h = header_of_path(walk, root, &number, &has_number);
	if (!walk->left)
		return true;
	if (h) {
		struct items items = items_of(walk->run->msg, h);
		struct span item;
		while (!found && items_next(&items, &item))
			found = span_equal_nocase(item, walk->step->name);
	}
	return give_text(out, found ? SPAN_OF("1") : SPAN_OF("0"));
}

enum { END_SOURCE, END_LOCAL, END_RECEIVED };

static bool root_end(struct walk *walk, const struct select_step *root, intptr_t which,
		     struct value *out)
{
	const struct received *from = &walk->run->msg->from;
	const struct end_point *at = which == END_SOURCE ? &from->source : &from->local;
	struct writer w = writer_in_arena(walk->run->arena, END_POINT_TEXT_MAX);
	if (next_is(walk, "port"))
		return give_printed(walk->run, out, at->port);
	if (next_is(walk, "proto"))
		return give_text(out,
				 span_from(transport_name_lower((enum transport)at->transport)));
	if (next_is(walk, "proto_ip_port")) {
		end_point_write(&w, at);
	} else if (next_is(walk, "ip_port")) {
		end_point_write_host(&w, at);
		writer_printf(&w, ":%u", at->port);
	} else {
		end_point_write_ip(&w, at);
	}
	return give_written(out, &w);
}

static bool root_method(struct walk *walk, const struct select_step *root, intptr_t unused,
			struct value *out)
{
	return give_text(out, message_method_name(walk->run->msg));
}

/* A header by the name of the root: call_id, user_agent. */
static bool root_header(struct walk *walk, const struct select_step *root, intptr_t unused,
			struct value *out)
{
	struct message *msg = walk->run->msg;
	char *name = arena_string(walk->run->arena, root->name);
	for (size_t i = 0; name && i < root->name.len; i++)
		if (name[i] == '_')
			name[i] = '-';
	const struct sip_header *h =
		name ? message_header_named(msg, span_make(name, root->name.len)) : NULL;
	return !h || give_text(out, message_header_value(msg, h));
}

static bool root_status(struct walk *walk, const struct select_step *root, intptr_t is_reason,
			struct value *out)
{
	const struct message *msg = walk->run->msg;
	if (msg->index->is_request)
		return true;
	return is_reason ? give_text(out, sip_range_span(msg->bytes, msg->index->reason))
			 : give_printed(walk->run, out, msg->index->status);
}

static bool root_version(struct walk *walk, const struct select_step *root, intptr_t unused,
			 struct value *out)
{
	const struct message *msg = walk->run->msg;
	return give_text(out, sip_range_span(msg->bytes, msg->index->version));
}

static bool root_event(struct walk *walk, const struct select_step *root, intptr_t unused,
		       struct value *out)
{
	struct value_params event;
	struct span value = message_value(walk->run->msg, HEADER_EVENT);
	return !value.at || !value_params_parse(value, &event) || give_text(out, event.value);
}

static bool root_sys(struct walk *walk, const struct select_step *root, intptr_t unused,
		     struct value *out)
{
	struct writer w = writer_in_arena(walk->run->arena, 64);
	if (next_is(walk, "pid")) {
		writer_int(&w, getpid());
	} else if (next_is(walk, "unique")) {
		writer_printf(&w, "%08x-%x-%08x", (unsigned)clock_wall_s(), (unsigned)getpid(),
			      (unsigned)random_uint64());
	} else if (next_is(walk, "now")) {
		time_t now = (time_t)clock_wall_s();
		struct tm parts;
		char buffer[64];
		advance(walk);
		bool is_local = next_is(walk, "local");
		if (!walk->left) {
			writer_int(&w, (int64_t)now);
		} else if (is_local ? localtime_r(&now, &parts) : gmtime_r(&now, &parts)) {
			size_t len =
				strftime(buffer, sizeof(buffer), "%a %b %e %H:%M:%S %Y", &parts);
			writer_bytes(&w, buffer, len);
		}
	}
	return give_written(out, &w);
}

static bool root_cfg(struct walk *walk, const struct select_step *root, intptr_t unused,
		     struct value *out)
{
	if (walk->left < 2)
		return true;
	config_custom_find(walk->step[0].name, walk->step[1].name, out);
	return true;
}

static bool root_nothing(struct walk *walk, const struct select_step *root, intptr_t unused,
			 struct value *out)
{
	return true;
}

static const struct root {
	const char *name;
	bool (*walk)(struct walk *walk, const struct select_step *root, intptr_t selector,
		struct value *out);
	intptr_t selector;
	const char *provided_by;
	const char *steps; /* names that may follow, separated by blanks; NULL: any */
} roots[] = {
	{ "contact", root_address, HEADER_CONTACT, NULL,
	  "expires instance method name params p q received uri nameaddr" },
	{ "m", root_address, HEADER_CONTACT, NULL,
	  "expires instance method name params p q received uri nameaddr" },
	{ "from", root_address, HEADER_FROM, NULL, "name params p tag uri nameaddr" },
	{ "f", root_address, HEADER_FROM, NULL, "name params p tag uri nameaddr" },
	{ "to", root_address, HEADER_TO, NULL, "name params p tag uri nameaddr" },
	{ "t", root_address, HEADER_TO, NULL, "name params p tag uri nameaddr" },
	{ "record_route", root_address, HEADER_RECORD_ROUTE, NULL,
	  "name params p uri nameaddr dialog_cookie" },
	{ "rr", root_address, HEADER_RECORD_ROUTE, NULL,
	  "name params p uri nameaddr dialog_cookie" },
	{ "ruri", root_uri, URI_CURRENT, NULL,
	  "host hostport params port pwd type user transport" },
	{ "dst_uri", root_uri, URI_DESTINATION, NULL,
	  "host hostport params port pwd type user transport" },
	{ "next_hop", root_uri, URI_NEXT_HOP, NULL,
	  "host hostport params port pwd type user transport src_ip" },
	{ "via", root_via, 0, NULL,
	  "alias branch comment host i name params port received rport transport version" },
	{ "v", root_via, 0, NULL,
	  "alias branch comment host i name params port received rport transport version" },
	{ "cseq", root_cseq, 0, NULL, "method num" },
	{ "authorization", root_credentials, HEADER_AUTHORIZATION, NULL,
	  "algorithm cnonce nc nonce opaque qop realm response uri username" },
	{ "proxy_authorization", root_credentials, HEADER_PROXY_AUTHORIZATION, NULL,
	  "algorithm cnonce nc nonce opaque qop realm response uri username" },
	{ "refer_to", root_address, HEADER_REFER_TO, NULL, "name params p tag uri nameaddr" },
	{ "rpid", root_address, HEADER_REMOTE_PARTY_ID, NULL, "name params p tag uri nameaddr" },
	{ "remote_party_id", root_address, HEADER_REMOTE_PARTY_ID, NULL,
	  "name params p tag uri nameaddr" },
	{ "call_id", root_header, 0, NULL, "" },
	{ "expires", root_header, 0, NULL, "" },
	{ "date", root_header, 0, NULL, "" },
	{ "identity", root_header, 0, NULL, "" },
	{ "identity_info", root_header, 0, NULL, "" },
	{ "content_type", root_header, 0, NULL, "" },
	{ "content_length", root_header, 0, NULL, "" },
	{ "subject", root_header, 0, NULL, "" },
	{ "user_agent", root_header, 0, NULL, "" },
	{ "max_forwards", root_header, 0, NULL, "" },
	{ "organization", root_header, 0, NULL, "" },
	{ "priority", root_header, 0, NULL, "" },
	{ "session_expires", root_header, 0, NULL, "" },
	{ "sip_if_match", root_header, 0, NULL, "" },
	{ "status", root_status, false, NULL, "" },
	{ "reason", root_status, true, NULL, "" },
	{ "version", root_version, 0, NULL, "" },
	{ "msg", root_msg, 0, NULL, NULL },
	{ "hf_value", root_value, 0, NULL, NULL },
	{ "hf_value2", root_value2, 0, NULL, NULL },
	{ "hf_value_exists", root_exists, 0, NULL, NULL },
	{ "src", root_end, END_SOURCE, NULL, "ip port ip_port" },
	{ "dst", root_end, END_LOCAL, NULL, "ip port ip_port" },
	{ "received", root_end, END_RECEIVED, NULL, "ip port ip_port proto proto_ip_port" },
	{ "method", root_method, 0, NULL, "" },
	{ "event", root_event, 0, NULL, "" },
	{ "sys", root_sys, 0, NULL, "pid unique now" },
	{ "cfg_get", root_cfg, 0, NULL, NULL },
	{ "timer", root_nothing, 0, "timer", NULL },
	{ "nathelper", root_nothing, 0, "nathelper", NULL },
	{ "xmlrpc", root_nothing, 0, "xmlrpc", NULL },
	{ "db", root_nothing, 0, "db_ops", NULL },
	{ "eval", root_nothing, 0, "eval", NULL },
	{ "tls", root_nothing, 0, "tls", NULL },
};

static const struct root *find_root(const struct select_path *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (span_equal(path->steps[0].name, span_from(roots[i].name)))
			return &roots[i];
	return NULL;
}

const char *select_path_check(const struct select_path *path)
{
	static char sentence[200];
	const struct root *root = find_root(path);
	if (!root) {
		snprintf(sentence, sizeof(sentence), "there is no select \"%.*s\"",
			 SPAN_ARGS(path->steps[0].name));
		return sentence;
	}
	if (root->provided_by) {
		snprintf(sentence, sizeof(sentence), "module \"%s\" provides the select \"%s\"",
			 root->provided_by, root->name);
		return sentence;
	}
	if (path->count < 2 || !root->steps)
		return NULL;
	struct span rest = span_from(root->steps), known;
	while (span_split(&rest, ' ', &known))
		if (known.len && span_equal(known, path->steps[1].name))
			return NULL;
	snprintf(sentence, sizeof(sentence), "the select \"%s\" has no \"%.*s\"", root->name,
		 SPAN_ARGS(path->steps[1].name));
	return sentence;
}

bool select_read(struct script_run *run, const struct select_path *path, struct value *out)
{
	const struct root *root = find_root(path);
	struct walk walk = { .run = run, .step = &path->steps[1], .left = path->count - 1 };
	*out = (struct value){ .kind = VALUE_NULL };
	return root && root->walk(&walk, &path->steps[0], root->selector, out);
}

/* ---- $sel ------------------------------------------------------------------------------------ */

/* A root of a module is its variable "@NAME", with the rest of the path as its inner name. */
static bool bind_to_module(struct variable_ref *ref, const struct select_path *path,
			   struct arena *arena, const char **out_complaint)
{
	struct span name = path->steps[0].name;
	struct span wanted = arena_printf(arena, "@%.*s", SPAN_ARGS(name));
	const struct variable_row *row = wanted.at ? script_variable_find(wanted, NULL) : NULL;
	if (!row || path->count < 2)
		return false;
	size_t at = (size_t)(path->steps[1].name.at - ref->inner.at);
	ref->row = row;
	ref->inner = span_slice(ref->inner, at, ref->inner.len);
	*out_complaint = row->bind ? row->bind(ref, arena) : NULL;
	return true;
}

static const char *bind_select(struct variable_ref *ref, struct arena *arena)
{
	const char *complaint = NULL;
	if (ref->inner_template)
		return NULL;
	struct select_path *path = ARENA_NEW(arena, struct select_path);
	if (!path)
		return "out of memory";
	if (!select_path_parse(ref->inner, path))
		return "the path has the form a.b[1].c";
	if (!find_root(path) && bind_to_module(ref, path, arena, &complaint))
		return complaint;
	ref->bound = path;
	return select_path_check(path);
}

static bool get_select(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct select_path path;
	if (ref->bound)
		return select_read(run, ref->bound, out);
	if (select_path_parse(variable_inner_text(run, ref), &path))
		return select_read(run, &path, out);
	log_error("%.*s: no select\n", SPAN_ARGS(ref->text));
	return false;
}

static const struct variable_row rows[] = {
	{ "sel", INNER_NAME, get_select, NULL, bind_select, .doc = "A path into the message: @via[1].host is $sel(via[1].host)." },
};
const struct variable_table select_variables = ROWS(rows);
