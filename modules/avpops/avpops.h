/* SPDX-License-Identifier: BSD-2-Clause */
/* avpops: what the files of the module share. */
#pragma once

#include "core/module/module.h"
#include "core/module/rows.h"

struct avpops_settings {
	struct span db_url, avp_table;
	struct span uuid_column, username_column, domain_column;
	struct span attribute_column, value_column, type_column;
	bool use_domain;
};
extern const struct avpops_settings *const avpops_settings;

/* ---- spec.c: arguments of several parts, "$avp(a)/$avp(b)/gd" ------------------------------------------ */

enum spec_form {
	SPEC_SOURCE,  /* ( variable / text ) [ "/" ( "username" / "domain" / "uri" / "uuid" ) ] */
	SPEC_STORED,  /* ( avp / "a" / "s" / "i" ) [ "/" ( table / "$" scheme ) ] */
	SPEC_DELETED, /* ( avp / "a" / "s" / "i" ) [ "/" flags ]   flags: g */
	SPEC_DESTINATION, /* ( "$ru" [ "/" ( "username" / "domain" ) ] ) / "$du" / "$br" */
	SPEC_PUSHED,      /* variable [ "/" flags ]   flags: g */
	SPEC_CHECKED,     /* variable [ "/" flags ]   flags: g, i */
	SPEC_COMPARISON,  /* operator "/" ( variable / value ) [ "/" flags ]   flags: g, i */
	SPEC_AVP,         /* avp */
	SPEC_COPY,        /* avp [ "/" flags ]   flags: g, d, n, s */
	SPEC_SUBST,       /* avp [ "/" avp ] [ "/" flags ]   flags: g, d */
	SPEC_OPERANDS,    /* avp [ "/" avp ] */
	SPEC_OPERATION,   /* operator "/" ( variable / number ) [ "/" flags ]   flags: g, d */
	SPEC_SET,         /* avp [ "/" flags ]   flags: s, n, e */
	SPEC_LIST,        /* variable *( ( ";" / "," ) variable ) */
};

enum spec_flag {
	FLAG_ALL = 1,     /* g: every value, not only the newest */
	FLAG_DELETE = 2,  /* d: the source goes */
	FLAG_NUMBER = 4,  /* n */
	FLAG_STRING = 8,  /* s */
	FLAG_NOCASE = 16, /* i */
	FLAG_EMPTY = 32,  /* e */
};

enum avp_operator {
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_RE,
	OP_FM,
	OP_AND,
	OP_OR,
	OP_XOR,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_NOT,
};

#define SPEC_LIST_MOST 32

struct avp_spec {
	struct avp_spec *next;
	enum spec_form form;
	struct span text;
	const struct variable_ref *variable; /* the first part or the operand; NULL: it is a text */
	const struct variable_ref *second;   /* where the result goes; NULL: to the first */
	struct span word;                    /* the first part as written */
	struct span option;                  /* what follows it: username, a table */
	enum avp_operator op;
	struct value value; /* the operand that is no variable */
	unsigned flags;
	unsigned count; /* SPEC_LIST */
	const struct variable_ref *list[SPEC_LIST_MOST];
};

/* The specification, read when it is first used in this process; NULL after `out_wrong` says what is
 * wrong (static, or for the life of the process). */
const struct avp_spec *spec_read(enum spec_form form, struct span text, const char **out_wrong);
/* The same while the server runs: NULL after an error was logged. */
const struct avp_spec *spec_of(enum spec_form form, struct span text);

/* Defines a function for the `.accept` of an argument of this form. */
#define SPEC_ACCEPT(function, form)                                   \
	static const char *function(struct span text, int64_t number) \
	{                                                             \
		const char *wrong = NULL;                             \
		(void)number;                                         \
		return spec_read(form, text, &wrong) ? NULL : wrong;  \
	}

/* ---- values.c: AVPs and values of variables ------------------------------------------------------------ */

bool is_avp(const struct variable_ref *ref);
/* The name of an AVP; `ref` is one. */
struct avp_name avp_name_of(struct script_run *run, const struct variable_ref *ref);
/* Copies of the values, newest first; of anything but an AVP there is at most one. How many; 0 also when
 * memory is exhausted. */
unsigned values_of(struct script_run *run, const struct variable_ref *ref, bool all,
		   const struct value **out);
/* "a", "s", "i" in any case: does the AVP belong to the class? */
bool avp_is_of_class(const struct avp *avp, struct span class);

/* ---- the functions of the script, by file ---------------------------------------------------------------- */

extern const struct function_table memory_functions;   /* memory.c */
extern const struct function_table compare_functions;  /* compare.c */
extern const struct function_table subst_functions;    /* subst.c */
extern const struct function_table database_functions; /* database.c */

/* ---- scheme.c: tables of other shapes (parameter db_scheme) ----------------------------------------------- */

struct scheme {
	struct span name, table;
	struct span uuid_column, username_column, domain_column, value_column;
	bool is_number;  /* value_type=integer */
	unsigned number; /* from 1 */
};
const char *scheme_add(struct span text, int64_t number);
/* NULL when there is none. */
const struct scheme *scheme_find(struct span name);

/* ---- database.c ----------------------------------------------------------------------------------------------- */

bool database_prepare(struct diagnostics *diagnostics);
/* Checks that what the script uses is there. */
bool database_start(void);
