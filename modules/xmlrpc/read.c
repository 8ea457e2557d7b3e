/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading XML-RPC calls. Documents with a DTD are refused: nothing of XML-RPC needs one, and entities are
 * what makes a small document large. */
#include "modules/xmlrpc/xmlrpc.h"

#include <libxml/parser.h>
#include <stdlib.h>

#define PARAMS_MOST 256

static const struct xmlrpc_fault bad_document = { 400, "Invalid XML-RPC Document" };
static const struct xmlrpc_fault no_method = { 400, "Method Name Not Found" };
static const struct xmlrpc_fault unknown_method = { 500, "Method Not Found" };
static const struct xmlrpc_fault bad_type = { 400, "Invalid Parameter Type" };
static const struct xmlrpc_fault bad_value = { 400, "Invalid Parameter Value" };
static const struct xmlrpc_fault too_many = { 400, "Too Many Parameters" };
static const struct xmlrpc_fault no_memory = { 500, "Out Of Memory" };

/* ---- elements ---- */

static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !xmlStrcmp(node->name, (const xmlChar *)name);
}

static xmlNode *first_element(const xmlNode *parent)
{
	xmlNode *node = parent ? parent->children : NULL;
	while (node && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return node;
}

static xmlNode *child(const xmlNode *parent, const char *name)
{
	xmlNode *node = parent ? parent->children : NULL;
	while (node && !is_named(node, name))
		node = node->next;
	return node;
}

/* The text inside, also none; the absent span when memory is out. */
static struct span content(xmlNode *node, struct arena *arena)
{
	xmlChar *text = xmlNodeGetContent(node);
	struct span copy = text ? arena_copy(arena, span_from((const char *)text)) : SPAN_OF("");
	xmlFree(text);
	return copy;
}

/* ---- values ---- */

struct reader {
	struct rpc_call *call;
	struct arena *arena;
	bool makes_crlf;
};

static const struct xmlrpc_fault *add_int(const struct reader *reader, struct span text)
{
	int64_t number;
	text = span_trim(text);
	if (text.len > 1 && text.at[0] == '+')
		text = span_slice(text, 1, text.len);
	if (!span_to_int64(text, &number))
		return &bad_value;
	rpc_call_add_arg_int(reader->call, number);
	return NULL;
}

/* Given on as text, which commands read as a number or as it is. */
static const struct xmlrpc_fault *add_double(const struct reader *reader, struct span text)
{
	char *end, *copy = arena_string(reader->arena, span_trim(text));
	if (!copy)
		return &no_memory;
	(void)strtod(copy, &end);
	if (end == copy || *end)
		return &bad_value;
	rpc_call_add_arg_text(reader->call, span_from(copy));
	return NULL;
}

static const struct xmlrpc_fault *add_text(const struct reader *reader, struct span text)
{
	struct writer w = writer_in_arena(reader->arena, text.len + 1);
	for (size_t i = 0; i < text.len; i++) {
		bool is_pair = reader->makes_crlf && text.at[i] == '\n' && i + 1 < text.len &&
			       text.at[i + 1] == '\n';
		writer_string(&w, is_pair ? "\r\n" : "");
		if (!is_pair)
			writer_char(&w, text.at[i]);
		i += is_pair;
	}
	if (w.failed)
		return &no_memory;
	rpc_call_add_arg_text(reader->call, w.len ? writer_result(&w) : SPAN_OF(""));
	return NULL;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static const struct xmlrpc_fault *add_base64(const struct reader *reader, struct span text)
{
	struct writer w = writer_in_arena(reader->arena, text.len + 1);
	uint32_t bits = 0;
	unsigned held = 0;
	for (size_t i = 0; i < text.len && text.at[i] != '='; i++) {
		int value = base64_value(text.at[i]);
		if (ascii_is_space(text.at[i]))
			continue;
		if (value < 0)
			return &bad_value;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			writer_char(&w, (char)(bits >> held & 0xff));
		}
	}
	if (w.failed)
		return &no_memory;
	rpc_call_add_arg_text(reader->call, w.len ? writer_result(&w) : SPAN_OF(""));
	return NULL;
}

static const struct {
	const char *name;
	const struct xmlrpc_fault *(*add)(const struct reader *reader, struct span text);
} types[] = {
	{ "int", add_int },
	{ "i4", add_int },
	{ "i8", add_int },
	{ "boolean", add_int },
	{ "double", add_double },
	{ "string", add_text },
	{ "dateTime.iso8601", add_text },
	{ "base64", add_base64 },
};

/* value = text / element of a type; structs and arrays are none that commands take. */
static const struct xmlrpc_fault *add_value(const struct reader *reader, xmlNode *value)
{
	xmlNode *typed = first_element(value);
	struct span text = content(typed ? typed : value, reader->arena);
	if (!text.at)
		return &no_memory;
	if (!typed)
		return add_text(reader, text);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (is_named(typed, types[i].name))
			return types[i].add(reader, text);
	return &bad_type;
}

static const struct xmlrpc_fault *add_params(const struct reader *reader, const xmlNode *params)
{
	unsigned count = 0;
	for (xmlNode *param = first_element(params); param; param = param->next) {
		xmlNode *value = is_named(param, "param") ? child(param, "value") : NULL;
		if (param->type != XML_ELEMENT_NODE)
			continue;
		if (!value)
			return &bad_document;
		if (count++ == PARAMS_MOST)
			return &too_many;
		const struct xmlrpc_fault *fault = add_value(reader, value);
		if (fault)
			return fault;
	}
	return NULL;
}

/* methodCall = methodName [ params ] */
static const struct xmlrpc_fault *read_call(struct reader *reader, const xmlNode *root)
{
	xmlNode *name = root ? child(root, "methodName") : NULL;
	if (!root || !is_named(root, "methodCall"))
		return &bad_document;
	if (!name)
		return &no_method;
	struct span method = content(name, reader->arena);
	method = span_trim(method);
	if (!method.len)
		return &no_method;
	if (!rpc_command_find(method))
		return &unknown_method;
	reader->call = rpc_call_new(reader->arena, method);
	return reader->call ? add_params(reader, child(root, "params")) : &no_memory;
}

/* Some complaints of the library go to stderr whatever the options say. */
[[gnu::format(printf, 2, 3)]] static void be_silent(void *context, const char *format, ...)
{
}

struct rpc_call *xmlrpc_read(struct span document, bool makes_crlf, struct arena *arena,
			     struct xmlrpc_fault *out_fault)
{
	struct reader reader = { .arena = arena, .makes_crlf = makes_crlf };
	const struct xmlrpc_fault *fault = &bad_document;
	xmlDoc *doc = NULL;
	xmlSetGenericErrorFunc(NULL, be_silent);
	if (document.len && document.len <= INT32_MAX)
		doc = xmlReadMemory(document.at, (int)document.len, NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					    XML_PARSE_NOCDATA);
	if (doc && !doc->intSubset && !doc->extSubset)
		fault = read_call(&reader, xmlDocGetRootElement(doc));
	xmlFreeDoc(doc);
	if (!fault)
		return reader.call;
	*out_fault = *fault;
	return NULL;
}
