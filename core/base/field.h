/* SPDX-License-Identifier: BSD-2-Clause */
/* field: describes one member of a C struct, once, for everything that wants to fill or show it:
 * module settings (modparam), arguments of script functions, RPC arguments. The kind comes from
 * the C type of the member, so a table cannot lie; a missing doc string does not compile. */
#pragma once

#include "core/base/span.h"

struct arena;
struct pattern;       /* core/script/pattern.h: a compiled regular expression */
struct variable_ref;  /* core/script/variable.h: a pseudo-variable as written in the script */
struct text_template; /* core/script/template.h: text with pseudo-variables in it */

enum field_kind {
	FIELD_KIND_INT,     /* int64_t, int32_t, uint32_t: limits in min and max */
	FIELD_KIND_BOOL,    /* bool: 0/1, yes/no, true/false, on/off */
	FIELD_KIND_TEXT,    /* struct span */
	FIELD_KIND_PATTERN, /* const struct pattern *: POSIX extended, compiled once when constant */
	FIELD_KIND_VARIABLE, /* const struct variable_ref *: read or assigned by the function itself */
	FIELD_KIND_TEMPLATE, /* const struct text_template *: expanded by the function itself */
	FIELD_KIND_ACCEPT,   /* no member: every value goes to `accept` (settings that repeat) */
	FIELD_KIND_IGNORED, /* no member: accepted for compatibility, has no effect; `doc` says why */
};

struct field {
	const char *name; /* as the administrator or script writes it */
	const char *doc;
	enum field_kind kind;
	uint16_t size;   /* of the member */
	uint32_t offset; /* in the struct */

	int64_t min, max; /* INT: both 0 means no limits */
	bool optional; /* arguments: this one and all after it may be absent; the member keeps 0 */
	bool literal;  /* TEXT arguments: `$` has no meaning here */
	bool is_live;  /* settings: may change while the server runs (cfg.set_now_*) */
	uint8_t route_kind; /* TEXT arguments that name a route: enum route_kind of core/script/script.h */
	bool is_optional_route; /* with route_kind: a route that does not exist is fine */
	uint8_t flag_kind;      /* INT arguments that name a flag: declared names are understood */
	/* ACCEPT settings, and extra checks of others: called for each value, in the order of the file.
	 * Returns NULL, or a sentence that says what is wrong. `text` lives until exit. For a numeric
	 * value `text` is absent. */
	const char *(*accept)(struct span text, int64_t number);
};

#define FIELD_KIND_OF(member)                      \
	_Generic((member),                         \
		int64_t: FIELD_KIND_INT,           \
		int32_t: FIELD_KIND_INT,           \
		uint32_t: FIELD_KIND_INT,          \
		bool: FIELD_KIND_BOOL,             \
		struct span: FIELD_KIND_TEXT,      \
		const struct pattern *: FIELD_KIND_PATTERN,       \
		const struct variable_ref *: FIELD_KIND_VARIABLE, \
		const struct text_template *: FIELD_KIND_TEMPLATE)

/* A row for `member` of `object` (a struct type or a variable), named like the member. */
#define FIELD(object, member, text, ...) FIELD_NAMED(object, member, #member, text, __VA_ARGS__)
/* The same under another name, e.g. "5xx_max". */
#define FIELD_NAMED(object, member, label, text, ...)                \
	{                                                            \
		.name = label, .doc = "" text "",                    \
		.kind = FIELD_KIND_OF(((typeof(object) *)0)->member), \
		.size = sizeof(((typeof(object) *)0)->member),       \
		.offset = offsetof(typeof(object), member), __VA_ARGS__ \
	}
/* A setting that may be given several times. */
#define FIELD_ACCEPT(label, function, text) \
	{ .name = label, .doc = "" text "", .kind = FIELD_KIND_ACCEPT, .accept = function }
/* A setting that means nothing here; `text` says why. */
#define FIELD_IGNORED(label, text) { .name = label, .doc = "" text "", .kind = FIELD_KIND_IGNORED }

/* A table of fields and the memory that they describe. */
struct field_table {
	const struct field *rows;
	uint32_t count;
};
#define FIELDS(array) { (array), sizeof(array) / sizeof((array)[0]) }

/* The row named `name`, or NULL. */
const struct field *field_find(struct field_table table, struct span name);
/* Stores into the member; NULL, or a sentence (static or in `arena`) about what is wrong with the
 * value: range, type. TEXT members borrow `text`. */
const char *field_set_int(const struct field *field, void *object, int64_t number,
			  struct arena *arena);
const char *field_set_text(const struct field *field, void *object, struct span text,
			   struct arena *arena);
/* Reads an INT or BOOL member. */
int64_t field_get_int(const struct field *field, const void *object);
/* Reads a TEXT member. */
struct span field_get_text(const struct field *field, const void *object);
