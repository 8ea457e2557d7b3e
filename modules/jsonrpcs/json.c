/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON-RPC 2.0: decoding calls and encoding their replies with json-c. */
#include "modules/jsonrpcs/json.h"

#include <json-c/json.h>
#include <stdio.h>

/* One document in work: its calls run one after the other, each may be answered later. */
struct document {
	struct arena *arena;
	struct json_object *root;
	struct json_object *replies; /* array */
	size_t next;                 /* call to be run */
	bool is_batch, is_pretty;
	struct json_object *id;      /* of the call that runs; NULL: notification */
	bool has_id;
	struct json_answer answer;
	void (*done)(const struct json_answer *answer, void *owner);
	void *owner;
};

static void document_step(struct document *document);

/* ---- encoding ------------------------------------------------------------------------------------------- */

static struct json_object *encode_value(const struct rpc_value *value);

static struct json_object *text_object(struct span text)
{
	return json_object_new_string_len(text.at ? text.at : "", (int)text.len);
}

/* Repeated members become an array of one-member objects, because an object can have a name once. */
static bool has_repeated_names(const struct rpc_value *members)
{
	return members && members->next && span_equal(members->name, members->next->name);
}

static struct json_object *encode_members(const struct rpc_value *members)
{
	char name[256];
	bool is_list = has_repeated_names(members);
	struct json_object *all = is_list ? json_object_new_array() : json_object_new_object();
	for (const struct rpc_value *m = members; m; m = m->next) {
		snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(m->name));
		struct json_object *target = is_list ? json_object_new_object() : all;
		json_object_object_add(target, name, encode_value(m));
		if (is_list)
			json_object_array_add(all, target);
	}
	return all;
}

static struct json_object *encode_list(const struct rpc_value *items)
{
	struct json_object *list = json_object_new_array();
	for (const struct rpc_value *item = items; item; item = item->next)
		json_object_array_add(list, encode_value(item));
	return list;
}

static struct json_object *encode_value(const struct rpc_value *value)
{
	switch (value->kind) {
	case RPC_INT: return json_object_new_int64(value->number);
	case RPC_DOUBLE: return json_object_new_double(value->real);
	case RPC_TEXT: return text_object(value->text);
	case RPC_STRUCT: return encode_members(value->first);
	case RPC_ARRAY: return encode_list(value->first);
	case RPC_NULL: break;
	}
	return NULL;
}

static struct json_object *encode_error(int code, struct span text)
{
	struct json_object *error = json_object_new_object();
	json_object_object_add(error, "code", json_object_new_int(code));
	json_object_object_add(error, "message", text_object(text));
	return error;
}

/* A single value stands bare, several make an array. */
static struct json_object *encode_result(const struct rpc_call *call, const struct rpc_value *values)
{
	if (values && !values->next && !rpc_returns_array(call))
		return encode_value(values);
	if (!values && !rpc_returns_array(call))
		return json_object_new_array();
	return encode_list(values);
}

static void reply_add(struct document *document, const char *member, struct json_object *content)
{
	struct json_object *reply = json_object_new_object();
	json_object_object_add(reply, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(reply, member, content);
	if (document->has_id)
		json_object_object_add(reply, "id", json_object_get(document->id));
	json_object_array_add(document->replies, reply);
}

/* ---- one call --------------------------------------------------------------------------------------------- */

static void add_arg(struct rpc_call *call, struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_int:
		rpc_call_add_arg_int(call, json_object_get_int64(value));
		break;
	case json_type_boolean:
		rpc_call_add_arg_int(call, json_object_get_boolean(value));
		break;
	case json_type_double:
		rpc_call_add_arg_double(call, json_object_get_double(value));
		break;
	case json_type_string:
		rpc_call_add_arg_text(call, span_make(json_object_get_string(value), (size_t)json_object_get_string_len(value)));
		break;
	case json_type_null:
	case json_type_object:
	case json_type_array:
		rpc_call_add_arg_text(call, span_from(json_object_to_json_string(value)));
		break;
	}
}

/* Parameters are positional; those of an object count in their order. */
static void add_args(struct rpc_call *call, struct json_object *params)
{
	if (json_object_is_type(params, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(params); i++)
			add_arg(call, json_object_array_get_idx(params, i));
	} else if (json_object_is_type(params, json_type_object)) {
		json_object_object_foreach(params, name, value) {
			(void)name;
			add_arg(call, value);
		}
	}
}

static void on_done(struct rpc_call *call, void *owner)
{
	struct document *document = owner;
	const struct rpc_value *values;
	struct span fault;
	int code = rpc_result(call, &values, &fault);
	if (document->has_id && code)
		reply_add(document, "error", encode_error(code, fault));
	else if (document->has_id)
		reply_add(document, "result", encode_result(call, values));
	if (code)
		document->answer.code = code;
	document_step(document);
}

/* Starts one call; false when it is none (an error was added). */
static bool start_call(struct document *document, struct json_object *request)
{
	struct json_object *method, *params = NULL, *reply_name;
	document->id = NULL;
	document->has_id = json_object_is_type(request, json_type_object) &&
		json_object_object_get_ex(request, "id", &document->id);
	if (!json_object_is_type(request, json_type_object) || !json_object_object_get_ex(request, "method", &method) ||
		!json_object_is_type(method, json_type_string)) {
		document->has_id = true;
		document->answer.code = -32600;
		reply_add(document, "error", encode_error(-32600, SPAN_OF("Invalid Request")));
		return false;
	}
	if (json_object_object_get_ex(request, "reply_name", &reply_name))
		document->answer.reply_name = arena_copy(document->arena, span_from(json_object_get_string(reply_name)));
	struct span name = span_make(json_object_get_string(method), (size_t)json_object_get_string_len(method));
	struct rpc_call *call = rpc_call_new(document->arena, name);
	if (!call)
		return false;
	if (!rpc_command_find(name)) {
		document->answer.code = 500;
		if (document->has_id)
			reply_add(document, "error", encode_error(500, SPAN_OF("Method Not Found")));
		return false;
	}
	if (json_object_object_get_ex(request, "params", &params))
		add_args(call, params);
	rpc_dispatch(call, on_done, document);
	return true;
}

/* ---- a document ---------------------------------------------------------------------------------------------- */

static void document_finish(struct document *document)
{
	int flags = document->is_pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_PRETTY_TAB |
		JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE : JSON_C_TO_STRING_NOSLASHESCAPE;
	size_t count = json_object_array_length(document->replies);
	struct json_object *whole = document->is_batch ? document->replies :
		count ? json_object_array_get_idx(document->replies, 0) : NULL;
	if (count)
		document->answer.text = arena_copy(document->arena, span_from(json_object_to_json_string_ext(whole, flags)));
	document->answer.is_parsed = true;
	json_object_put(document->root);
	json_object_put(document->replies);
	document->done(&document->answer, document->owner);
}

static void document_step(struct document *document)
{
	size_t count = document->is_batch ? json_object_array_length(document->root) : 1;
	while (document->next < count) {
		struct json_object *request = document->is_batch ?
			json_object_array_get_idx(document->root, document->next) : document->root;
		document->next++;
		if (start_call(document, request))
			return; /* its answer goes on from here */
	}
	document_finish(document);
}

void json_run(struct arena *arena, struct span text, bool is_pretty,
	void (*done)(const struct json_answer *answer, void *owner), void *owner)
{
	struct document *document = ARENA_NEW(arena, struct document);
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MOST);
	const struct json_answer nothing = { .code = -32700 };
	struct json_object *root = document && tokener && text.len <= JSON_REQUEST_MOST ?
		json_tokener_parse_ex(tokener, text.at, (int)text.len) : NULL;
	if (tokener)
		json_tokener_free(tokener);
	if (!root) {
		done(&nothing, owner);
		return;
	}
	*document = (struct document){ .arena = arena, .root = root, .replies = json_object_new_array(),
		.is_batch = json_object_is_type(root, json_type_array), .is_pretty = is_pretty,
		.answer.code = 200, .done = done, .owner = owner };
	document_step(document);
}
