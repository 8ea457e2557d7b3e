/* SPDX-License-Identifier: BSD-2-Clause */
/* variable: pseudo-variables `$name(inner)[index]{transformations}`. Modules declare rows; the
 * compiler binds what the script wrote to a row once, and the handler gets the bound reference. */
#pragma once

#include "core/base/diagnostic.h"
#include "core/script/script.h"

enum variable_inner {
	INNER_NONE,     /* $ru */
	INNER_NAME,     /* $hdr(X), $avp(s:x): text that may itself contain variables */
	INNER_OPTIONAL, /* both $x and $x(name) */
};

struct variable_row;

/* A variable as used at one place of the script. */
struct variable_ref {
	const struct variable_row *row;
	struct span inner; /* constant inner name; absent when it is dynamic */
	const struct text_template *inner_template; /* dynamic inner name; NULL when constant */
	enum { INDEX_NONE, INDEX_NUMBER, INDEX_ALL, INDEX_VARIABLE } index_kind;
	int32_t index;
	const struct variable_ref *index_variable;
	void *bound;                            /* what the row's `bind` made of the inner name */
	const struct transform_ref *transforms; /* applied in order; NULL when none */
	unsigned transform_count;
	struct span text; /* as written, for messages */
};

struct variable_row {
	const char *name; /* without `$` */
	enum variable_inner inner;
	/* Puts the value into `*out` (NULL value when unset). Text stays valid until the message
	 * changes or the run ends, whichever is first. `ref->inner` is dynamic sometimes: use
	 * variable_inner_text. Returns false only on failure (logged), which reads as null. */
	bool (*get)(struct script_run *run, const struct variable_ref *ref, struct value *out);
	/* Assigns; a NULL value deletes or resets. NULL handler: read-only. */
	bool (*set)(struct script_run *run, const struct variable_ref *ref,
		    const struct value *value);
	/* At compile time: checks a constant inner name and may set ref->bound (memory from
	 * `arena`,
	 * which lives as long as the image). NULL, or a sentence that says what is wrong. */
	const char *(*bind)(struct variable_ref *ref, struct arena *arena);
	intptr_t selector; /* lets rows share one handler */
	uint32_t contexts; /* 0: everywhere */
	bool takes_index;  /* [n] means something */
	const char *doc;
	const char *
		provided_by; /* declared but provided by another module: using it is an error that names it */
};

/* The inner name of this use: the constant one, or the template expanded into run->arena. */
struct span variable_inner_text(struct script_run *run, const struct variable_ref *ref);
/* The index of this use: false when there is none; `*out_all` for [*]. */
bool variable_index(struct script_run *run, const struct variable_ref *ref, int *out_index,
		    bool *out_all);

/* Value with index and transformations applied; what handlers with a FIELD_KIND_VARIABLE call. */
bool variable_read(struct script_run *run, const struct variable_ref *ref, struct value *out);
bool variable_write(struct script_run *run, const struct variable_ref *ref,
		    const struct value *value);
/* Can it be assigned? */
bool variable_is_writable(const struct variable_ref *ref);

/* Conversions of the script's values. Numbers are printed into run->arena. A null value gives the
 * absent span and false. */
bool value_to_text(struct script_run *run, const struct value *value, struct span *out_text);
/* Text that is no number gives false and 0. */
bool value_to_int(const struct value *value, int64_t *out_number);

/* A transformation `{class.name,args}`: rewrites `*value`. */
struct transform_row {
	const char *class_name; /* "s", "uri", "nameaddr" … */
	const char *name;       /* "len", "substr" …; operation names may contain dots */
	/* `args` are the evaluated arguments (text). Result text lives in run->arena. False:
	 * failure,
	 * the value becomes null. */
	bool (*apply)(struct script_run *run, struct value *value, const struct span *args,
		      unsigned count, intptr_t selector);
	uint8_t min_args, max_args;
	bool takes_null; /* apply is called for null values too; else they stay null */
	bool raw_args;   /* one argument: everything up to the closing brace, commas included */
	/* Checks constant arguments at compile time; may be NULL. */
	const char *(*check)(const struct span *args, unsigned count);
	intptr_t selector;
	const char *doc;
	const char *provided_by; /* declared, but needs this module */
};

/* A transformation as used in one reference. */
struct transform_ref {
	const struct transform_row *row;
	const struct text_template *args; /* `count` of them, evaluated for each use */
	unsigned count;
	bool is_constant; /* no variables in the arguments: `constants` holds them */
	const struct span *constants;
};

/* How many bytes of `text`, which begins with `$`, are one reference as a scanner must take it:
 * `$$` is 2; 0 when no reference begins here (`$` before a blank). A reference that has no end
 * gives
 * text.len and a sentence in `*out_error` (else NULL). */
size_t variable_reference_length(struct span text, const char **out_error);

/* Applies the index-th … last transformation of the reference to a value that somebody else read
 * (`$T_req(...)` and the like). */
bool variable_transform(struct script_run *run, const struct variable_ref *ref,
			struct value *value);

/* Prints a value the way a text with variables in it does: null as "<null>". */
void value_write(const struct value *value, struct writer *w);

struct variable_table {
	const struct variable_row *rows;
	uint32_t count;
};
struct transform_table {
	const struct transform_row *rows;
	uint32_t count;
};
#define ROWS(array) { (array), sizeof(array) / sizeof((array)[0]) }
