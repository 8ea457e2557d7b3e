/* SPDX-License-Identifier: BSD-2-Clause */
/* json: reading (by json-c) and writing of JSON texts (RFC 8259) for the RPC transports. */
#pragma once

#include "core/base/writer.h"

#define JSON_DEPTH_MOST 32

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json_value {
	struct json_value *next;  /* sibling, in the order of the text */
	struct json_value *first; /* members */
	struct span name;         /* inside objects */
	enum json_kind kind;
	int64_t number;   /* INT; BOOL: 0 or 1 */
	double real;      /* REAL, INT */
	struct span text; /* TEXT, decoded; INT and REAL: as written */
};

/* One whole document, with nothing but white space around it. NULL: no JSON, deeper than
 * JSON_DEPTH_MOST, or out of memory; `*out_error` says which and where. Values live in `arena`. */
const struct json_value *json_parse(struct span document, struct arena *arena,
				    const char **out_error, size_t *out_at);
/* The first member of that name, or NULL. */
const struct json_value *json_member(const struct json_value *object, const char *name);

/* Finds the end of the first object or array in a stream of documents without reading it closely. */
enum json_extent { JSON_WHOLE, JSON_MORE, JSON_GARBAGE };
enum json_extent json_extent(struct span stream, size_t *out_len);

/* A string with its quotes; bytes that are not UTF-8 are written as \u00xx. */
void json_write_text(struct writer *w, struct span text);
void json_write_real(struct writer *w, double number);
