/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON-RPC 2.0 on top of rpc_dispatch. The layout of pretty answers is the one that tools of the
 * field print: tabs, a tab after the colon, arrays on one line. */
#include "core/rpc/jsonrpc.h"

/* Members of larger structures are compared with their neighbour only. */
#define COMPARED_MOST 64

struct printer {
	struct writer *w;
	bool is_pretty;
	unsigned depth;
};

/* ---- layout ---------------------------------------------------------------------------------------------- */

static void line(struct printer *p)
{
	if (!p->is_pretty)
		return;
	writer_char(p->w, '\n');
	for (unsigned i = 0; i < p->depth; i++)
		writer_char(p->w, '\t');
}

static void object_begin(struct printer *p)
{
	writer_char(p->w, '{');
	p->depth++;
}

static void object_end(struct printer *p)
{
	p->depth--;
	line(p);
	writer_char(p->w, '}');
}

static void member_name(struct printer *p, struct span name, bool is_first)
{
	if (!is_first)
		writer_char(p->w, ',');
	line(p);
	json_write_text(p->w, name);
	writer_string(p->w, p->is_pretty ? ":\t" : ":");
}

static void array_comma(struct printer *p)
{
	writer_string(p->w, p->is_pretty ? ", " : ",");
}

/* ---- values ----------------------------------------------------------------------------------------------- */

/* An object cannot have two members of one name: such structures become arrays. */
static bool has_repeated_names(const struct rpc_value *value)
{
	unsigned count = 0;
	for (const struct rpc_value *a = value->first; a; a = a->next, count++) {
		if (a->next && span_equal(a->name, a->next->name))
			return true;
		if (count >= COMPARED_MOST)
			continue;
		unsigned others = 0;
		for (const struct rpc_value *b = a->next; b && others < COMPARED_MOST;
		     b = b->next, others++)
			if (span_equal(a->name, b->name))
				return true;
	}
	return false;
}

static void print_value(struct printer *p, const struct rpc_value *value);

/* Named members of an array are objects with one member. */
static void print_list(struct printer *p, const struct rpc_value *first)
{
	writer_char(p->w, '[');
	p->depth++;
	for (const struct rpc_value *member = first; member; member = member->next) {
		if (member != first)
			array_comma(p);
		if (!member->name.at) {
			print_value(p, member);
			continue;
		}
		object_begin(p);
		member_name(p, member->name, true);
		print_value(p, member);
		object_end(p);
	}
	p->depth--;
	writer_char(p->w, ']');
}

static void print_object(struct printer *p, const struct rpc_value *value)
{
	object_begin(p);
	for (const struct rpc_value *member = value->first; member; member = member->next) {
		member_name(p, member->name.at ? member->name : SPAN_OF(""),
			    member == value->first);
		print_value(p, member);
	}
	object_end(p);
}

static void print_value(struct printer *p, const struct rpc_value *value)
{
	switch (value->kind) {
	case RPC_INT: writer_int(p->w, value->number); return;
	case RPC_TEXT: json_write_text(p->w, value->text); return;
	case RPC_DOUBLE: json_write_real(p->w, value->real); return;
	case RPC_NULL: writer_literal(p->w, "null"); return;
	case RPC_ARRAY: print_list(p, value->first); return;
	case RPC_STRUCT:
		if (has_repeated_names(value))
			print_list(p, value->first);
		else
			print_object(p, value);
		return;
	}
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

void jsonrpc_read(struct span text, struct arena *arena, struct jsonrpc_document *out_document)
{
	struct jsonrpc_document document = { 0 };
	document.root = json_parse(text, arena, &document.error, &document.error_at);
	const struct json_value *reply_name =
		document.root ? json_member(document.root, "reply_name") : NULL;
	if (reply_name && reply_name->kind == JSON_TEXT)
		document.reply_name = reply_name->text;
	*out_document = document;
}

struct request {
	const struct json_value *id; /* NULL: none */
	struct rpc_call *call;       /* NULL: the request is wrong */
	int code;
	struct span text;
};

static void refuse(struct request *request, int code, const char *text)
{
	request->code = code;
	request->text = span_from(text);
}

/* Positional, whatever shape they have; null stands for an empty text. */
static bool add_args(struct rpc_call *call, const struct json_value *params)
{
	if (params && params->kind != JSON_ARRAY && params->kind != JSON_OBJECT &&
	    params->kind != JSON_NULL)
		return false;
	for (const struct json_value *arg = params ? params->first : NULL; arg; arg = arg->next)
		switch (arg->kind) {
		case JSON_NULL: rpc_call_add_arg_text(call, SPAN_OF("")); break;
		case JSON_BOOL:
		case JSON_INT: rpc_call_add_arg_int(call, arg->number); break;
		case JSON_REAL: rpc_call_add_arg_double(call, arg->real); break;
		case JSON_TEXT: rpc_call_add_arg_text(call, arg->text); break;
		case JSON_ARRAY:
		case JSON_OBJECT: return false;
		}
	return true;
}

static void request_read(const struct json_value *object, struct arena *arena, struct request *out)
{
	const struct json_value *version = json_member(object, "jsonrpc"),
				*method = json_member(object, "method");
	*out = (struct request){ .id = json_member(object, "id") };
	if (object->kind != JSON_OBJECT || !version || version->kind != JSON_TEXT ||
	    !span_equal(version->text, SPAN_OF("2.0"))) {
		refuse(out, JSONRPC_BAD_REQUEST,
		       "Invalid Request: member jsonrpc with the value \"2.0\" is missing");
		return;
	}
	if (!method || method->kind != JSON_TEXT) {
		refuse(out, JSONRPC_BAD_REQUEST, "Invalid Request: the method is missing");
		return;
	}
	if (!rpc_command_find(method->text)) {
		refuse(out, 500, "Method Not Found");
		return;
	}
	struct rpc_call *call = rpc_call_new(arena, method->text);
	if (!call)
		refuse(out, 500, "out of memory");
	else if (!add_args(call, json_member(object, "params")))
		refuse(out, JSONRPC_BAD_PARAMS, "Invalid params: expected a flat array or object");
	else
		out->call = call;
}

static void request_run(struct request *request, const struct rpc_value **out_values)
{
	*out_values = NULL;
	if (!request->call)
		return;
	rpc_run(request->call);
	request->code = rpc_result(request->call, out_values, &request->text);
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void print_result(struct printer *p, const struct request *request,
			 const struct rpc_value *values)
{
	if (rpc_returns_array(request->call) || (values && values->next))
		print_list(p, values);
	else if (values)
		print_value(p, values);
	else
		print_object(p, &(struct rpc_value){ .kind = RPC_STRUCT });
}

static void print_id(struct printer *p, const struct json_value *id)
{
	member_name(p, SPAN_OF("id"), false);
	if (id->kind == JSON_TEXT)
		json_write_text(p->w, id->text);
	else if (id->kind == JSON_INT || id->kind == JSON_REAL)
		writer_span(p->w, id->text);
	else
		writer_literal(p->w, "null");
}

static void print_answer(struct printer *p, const struct request *request,
			 const struct rpc_value *values)
{
	object_begin(p);
	member_name(p, SPAN_OF("jsonrpc"), true);
	writer_literal(p->w, "\"2.0\"");
	if (request->code) {
		member_name(p, SPAN_OF("error"), false);
		object_begin(p);
		member_name(p, SPAN_OF("code"), true);
		writer_int(p->w, request->code);
		member_name(p, SPAN_OF("message"), false);
		json_write_text(p->w, request->text);
		object_end(p);
	} else {
		member_name(p, SPAN_OF("result"), false);
		print_result(p, request, values);
	}
	if (request->id)
		print_id(p, request->id);
	object_end(p);
}

static void answer_one(const struct json_value *object, struct printer *p, struct arena *arena,
		       struct jsonrpc_answer *answer)
{
	struct request request;
	const struct rpc_value *values;
	request_read(object, arena, &request);
	request_run(&request, &values);
	print_answer(p, &request, values);
	answer->code = request.code ? request.code : 200;
	answer->text = request.code ? request.text : SPAN_OF("OK");
}

/* Answers an error that belongs to no request: its id is null. */
static void answer_error(int code, const char *text, struct printer *p,
			 struct jsonrpc_answer *answer)
{
	static const struct json_value no_id = { .kind = JSON_NULL };
	struct request request = { .id = &no_id };
	refuse(&request, code, text);
	print_answer(p, &request, NULL);
	answer->code = code;
	answer->text = request.text;
}

static void answer_batch(const struct json_value *batch, struct printer *p, struct arena *arena,
			 struct jsonrpc_answer *answer)
{
	unsigned count = 0;
	if (!batch->first) {
		answer_error(JSONRPC_BAD_REQUEST, "Invalid Request: the batch is empty", p, answer);
		return;
	}
	writer_char(p->w, '[');
	p->depth++;
	for (const struct json_value *one = batch->first; one; one = one->next) {
		if (one != batch->first)
			array_comma(p);
		if (count++ < JSONRPC_BATCH_MOST) {
			answer_one(one, p, arena, answer);
			continue;
		}
		answer_error(JSONRPC_BAD_REQUEST,
			     "Invalid Request: a batch has at most 1000 requests", p, answer);
		break;
	}
	p->depth--;
	writer_char(p->w, ']');
}

void jsonrpc_run(const struct jsonrpc_document *document, bool is_pretty, struct arena *arena,
		 struct jsonrpc_answer *out_answer)
{
	struct writer w = writer_in_arena(arena, 4096);
	struct printer printer = { .w = &w, .is_pretty = is_pretty };
	struct jsonrpc_answer answer = { 0 };
	if (!document->root)
		answer_error(JSONRPC_BAD_DOCUMENT, "Parse error", &printer, &answer);
	else if (document->root->kind == JSON_ARRAY)
		answer_batch(document->root, &printer, arena, &answer);
	else
		answer_one(document->root, &printer, arena, &answer);
	if (w.failed)
		answer.body = (struct span){ NULL, 0 };
	else
		answer.body = writer_result(&w);
	*out_answer = answer;
}
