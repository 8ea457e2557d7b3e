/* SPDX-License-Identifier: BSD-2-Clause */
/* xmlrpc: what the files of the module share. */
#pragma once

#include "core/module/module.h"

/* ---- read.c: calls ------------------------------------------------------------------------------- */

struct xmlrpc_fault {
	int code;
	const char *text; /* static */
};
/* Reads a methodCall; NULL after *out_fault was set. With `makes_crlf` two line feeds in a text become
 * a carriage return and a line feed. */
struct rpc_call *xmlrpc_read(struct span document, bool makes_crlf, struct arena *arena,
			     struct xmlrpc_fault *out_fault);

/* ---- write.c: answers ------------------------------------------------------------------------------ */

/* Texts become valid XML 1.0: bytes that cannot be in it are replaced by '?'. */
void xmlrpc_write_fault(struct writer *w, int code, struct span text, bool escapes_cr);
/* The answer of a call that was run: its values, or its fault. */
void xmlrpc_write_answer(struct writer *w, const struct rpc_call *call, bool escapes_cr);
/* "It is done", without anything to tell. */
void xmlrpc_write_success(struct writer *w);
