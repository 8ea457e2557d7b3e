/* SPDX-License-Identifier: BSD-2-Clause */
/* XML-RPC: any bytes are read as a call or refused with a fault; whatever a command gives back, and
 * whatever a fault says, the answer is a document that an XML parser takes. */
#include <string.h>

#include "test/fuzz/fuzz.h"

#include "modules/xmlrpc/read.c"
#include "modules/xmlrpc/write.c"

static void run_echo(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	struct span text;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_arg_text(call, i, &text)) {
			touch(text);
			rpc_add_text(call, NULL, NULL, text);
			rpc_add_text(call, node, "a", text);
		}
}

static const struct rpc_command commands[] = { { "e", run_echo, "", NULL, true } };
static const struct rpc_table command_table = { commands, 1 };

static void must_be_a_response(struct span text)
{
	xmlDoc *doc = xmlReadMemory(text.at, (int)text.len, NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					    XML_PARSE_HUGE);
	must(doc != NULL);
	xmlNode *root = xmlDocGetRootElement(doc);
	must(root && is_named(root, "methodResponse"));
	must(child(root, "params") || child(root, "fault"));
	xmlFreeDoc(doc);
}

static void check_read(struct span bytes, bool is_odd, struct arena *arena)
{
	struct xmlrpc_fault fault = { 0, NULL };
	struct rpc_call *call = xmlrpc_read(bytes, is_odd, arena, &fault);
	struct writer w = writer_in_arena(arena, 256);
	if (call) {
		rpc_run(call);
		xmlrpc_write_answer(&w, call, is_odd);
	} else {
		must(fault.text && (fault.code == 400 || fault.code == 500));
		xmlrpc_write_fault(&w, fault.code, bytes, is_odd);
	}
	must(!w.failed);
	must_be_a_response(writer_result(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	if (!rpc_command_count())
		(void)rpc_register(&command_table);
	arena_init(&arena, 4096, 1u << 26);
	check_read(span_make((const char *)data, size), false, &arena);
	check_read(span_make((const char *)data, size), true, &arena);
	arena_free(&arena);
	return 0;
}
