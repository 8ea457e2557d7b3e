/* SPDX-License-Identifier: BSD-2-Clause */
/* attributes: AVPs, XAVPs and their kin: named values that belong to a message and, once there is
 * one, to its transaction. All nodes live in the message's arena; freeze and thaw move a whole set
 * into and out of a transaction. */
#pragma once

#include "core/base/writer.h"

enum value_kind { VALUE_NULL = 0, VALUE_INT, VALUE_TEXT };

/* A value of the script. TEXT borrows; see the function that gave it for how long. */
struct value {
	enum value_kind kind;
	int64_t number;
	struct span text;
};

#define VALUE_OF_INT(n) ((struct value){ .kind = VALUE_INT, .number = (n) })
#define VALUE_OF_TEXT(s) ((struct value){ .kind = VALUE_TEXT, .text = (s) })

/* One AVP; a name is text, or a number for `$avp(i:5)`. Newest first. */
struct avp {
	struct avp *next;
	bool name_is_number;
	uint32_t flags; /* setavpflag */
	uint64_t hash;  /* of the name */
	struct span name;
	int64_t number_name;
	struct value value;
};

/* One XAVP node: a value or a list of further nodes. Newest first. */
struct xavp {
	struct xavp *next;
	struct xavp *children;
	bool has_children;
	uint64_t hash;
	struct span name;
	struct value value;
};

struct attributes {
	struct arena *arena;
	struct avp *avps;
	struct xavp *xavps; /* $xavp: case-sensitive names */
	struct xavp *xavus; /* $xavu: unique names */
	struct xavp *xavis; /* $xavi: names compared without case */
};

/* Names: "x", "s:x" and "i:7" as in `$avp(...)`. */
struct avp_name {
	struct span text;
	int64_t number;
	bool is_number;
};
struct avp_name avp_name_parse(struct span name);

/* Pushes a value (copied into the arena). False when memory is exhausted. */
bool avp_push(struct attributes *all, struct avp_name name, struct value value);
/* The index-th newest AVP with that name, or NULL. */
struct avp *avp_find(const struct attributes *all, struct avp_name name, unsigned index);
unsigned avp_count(const struct attributes *all, struct avp_name name);
/* Removes the newest, or with `every` all, of that name; returns how many. */
unsigned avp_remove(struct attributes *all, struct avp_name name, bool every);

/* XAVP lists; `list` is the address of a list head (&all->xavps or &node->children). */
struct xavp *xavp_push(struct attributes *all, struct xavp **list, struct span name,
		       struct value value);
struct xavp *xavp_find(struct xavp *list, struct span name, unsigned index, bool nocase);
unsigned xavp_remove(struct xavp **list, struct span name, int index /* -1: all */, bool nocase);
unsigned xavp_count(struct xavp *list, struct span name, bool nocase);

/* Flat copies for transactions. `attributes_freeze` writes the whole set into `out`; thaw builds a
 * set in `arena` from those bytes (false: out of memory). */
void attributes_freeze(const struct attributes *all, struct writer *out);
[[nodiscard]] bool attributes_thaw(struct span frozen, struct arena *arena,
				   struct attributes *out_all);
