/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing XML-RPC answers, laid out as the peer's are. */
#include "modules/xmlrpc/xmlrpc.h"

#define HEAD "<?xml version=\"1.0\"?>\n<methodResponse>\n"
#define TAIL "</methodResponse>"

/* ---- texts ---- */

/* Length of the UTF-8 character at `i` that XML 1.0 allows; 0: none. */
static size_t character(struct span text, size_t i)
{
	unsigned char first = (unsigned char)text.at[i];
	size_t len = first < 0x80       ? 1
		     : first >> 5 == 6  ? 2
		     : first >> 4 == 14 ? 3
		     : first >> 3 == 30 ? 4
					: 0;
	uint32_t code = len == 1 ? first : first & (0x7fu >> len);
	if (!len || i + len > text.len)
		return 0;
	for (size_t k = 1; k < len; k++) {
		unsigned char next = (unsigned char)text.at[i + k];
		if (next >> 6 != 2)
			return 0;
		code = code << 6 | (next & 0x3f);
	}
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	bool is_control = code < 0x20 && code != '\t' && code != '\n' && code != '\r';
	bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
	if (code < least[len] || code > 0x10ffff || is_control || is_surrogate || code == 0xfffe ||
	    code == 0xffff)
		return 0;
	return len;
}

static const char *escape_of(char c, bool escapes_cr)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '\r': return escapes_cr ? "&#xD;" : NULL;
	default: return NULL;
	}
}

static void write_text(struct writer *w, struct span text, bool escapes_cr)
{
	for (size_t i = 0; i < text.len;) {
		size_t len = character(text, i);
		const char *escape = escape_of(text.at[i], escapes_cr);
		if (!len)
			writer_char(w, '?');
		else if (escape)
			writer_string(w, escape);
		else
			writer_bytes(w, text.at + i, len);
		i += len ? len : 1;
	}
}

/* ---- values ---- */

static void write_value(struct writer *w, const struct rpc_value *value, bool escapes_cr);

static void write_array(struct writer *w, const struct rpc_value *first, bool escapes_cr)
{
	writer_string(w, "<array><data>\n");
	for (const struct rpc_value *value = first; value; value = value->next) {
		writer_string(w, "<value>");
		write_value(w, value, escapes_cr);
		writer_string(w, "</value>\n");
	}
	writer_string(w, "</data></array>");
}

static void write_struct(struct writer *w, const struct rpc_value *first, bool escapes_cr)
{
	writer_string(w, "<struct>");
	for (const struct rpc_value *value = first; value; value = value->next) {
		writer_string(w, "<member><name>");
		write_text(w, value->name, escapes_cr);
		writer_string(w, "</name><value>");
		write_value(w, value, escapes_cr);
		writer_string(w, "</value></member>");
	}
	writer_string(w, "</struct>");
}

/* Numbers that <int> cannot hold go as double, which every client reads. */
static void write_int(struct writer *w, int64_t number)
{
	bool fits = number >= INT32_MIN && number <= INT32_MAX;
	writer_printf(w, fits ? "<int>%lld</int>" : "<double>%lld.0</double>", (long long)number);
}

static void write_value(struct writer *w, const struct rpc_value *value, bool escapes_cr)
{
	switch (value->kind) {
	case RPC_INT: write_int(w, value->number); break;
	case RPC_DOUBLE: writer_printf(w, "<double>%f</double>", value->real); break;
	case RPC_TEXT:
		writer_string(w, "<string>");
		write_text(w, value->text, escapes_cr);
		writer_string(w, "</string>");
		break;
	case RPC_STRUCT: write_struct(w, value->first, escapes_cr); break;
	case RPC_ARRAY: write_array(w, value->first, escapes_cr); break;
	case RPC_NULL: writer_string(w, "<string></string>"); break;
	}
}

/* ---- answers ---- */

void xmlrpc_write_fault(struct writer *w, int code, struct span text, bool escapes_cr)
{
	writer_printf(
		w,
		HEAD "<fault>\n<value>\n<struct>\n<member>\n<name>faultCode</name>\n"
		     "<value><int>%d</int></value>\n</member>\n<member>\n<name>faultString</name>\n"
		     "<value><string>",
		code);
	write_text(w, text, escapes_cr);
	writer_string(w, "</string></value>\n</member>\n</struct>\n</value>\n</fault>\n" TAIL);
}

void xmlrpc_write_success(struct writer *w)
{
	writer_string(w, HEAD
		      "<params>\n<param>\n<value><int>1</int></value>\n</param>\n</params>\n" TAIL);
}

void xmlrpc_write_answer(struct writer *w, const struct rpc_call *call, bool escapes_cr)
{
	const struct rpc_value *values;
	struct span fault;
	int code = rpc_result(call, &values, &fault);
	if (code) {
		xmlrpc_write_fault(w, code, fault, escapes_cr);
		return;
	}
	bool is_array = rpc_returns_array(call) || (values && values->next);
	writer_string(w, HEAD "<params>\n<param>\n<value>");
	if (is_array)
		write_array(w, values, escapes_cr);
	else if (values)
		write_value(w, values, escapes_cr);
	writer_string(w, values && !is_array ? "\n</value>\n" : "</value>\n");
	writer_string(w, "</param>\n</params>\n" TAIL);
}
