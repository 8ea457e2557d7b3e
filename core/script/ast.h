/* SPDX-License-Identifier: BSD-2-Clause */
/* ast: a configuration file as trees. Nodes live in the arena of the compilation; the parser fills
 * them, check.c annotates expressions, emit.c reads both. */
#pragma once

#include "core/script/compile.h"

enum expr_kind {
	EXPR_INT,
	EXPR_TEXT,     /* a quoted string */
	EXPR_VARIABLE, /* $x(...) as written */
	EXPR_SELECT,   /* @x.y[1] as written */
	EXPR_NAME,     /* a bare word: core keyword, flag, protocol … */
	EXPR_ADDRESS,  /* IP address, or network (mask in `text2`) */
	EXPR_CALL,     /* text(args) */
	EXPR_ROUTE,    /* route(left) */
	EXPR_UNARY,
	EXPR_BINARY,
	EXPR_ASSIGN, /* an assignment inside a condition */
	EXPR_SELVAL, /* selval(condition, a, b) */
};

#define OPERATORS(X)                                                                              \
	X(ADD, "+")                                                                               \
	X(SUB, "-") X(MUL, "*") X(DIV, "/") X(MOD, "mod") X(SHL, "<<") X(SHR, ">>")               \
		X(BIT_AND, "&") X(BIT_OR, "|") X(BIT_XOR, "^") X(EQ, "==") X(NE, "!=") X(LT, "<") \
			X(GT, ">") X(LE, "<=") X(GE, ">=") X(TEXT_EQ, "eq") X(TEXT_NE, "ne")      \
				X(INT_EQ, "ieq") X(INT_NE, "ine") X(MATCH, "=~")                  \
					X(NOT_MATCH, "!~") X(AND, "&&") X(OR, "||") X(NOT, "!")   \
						X(BIT_NOT, "~") X(NEGATE, "-") X(TO_INT, "(int)") \
							X(TO_TEXT, "(str)") X(DEFINED, "defined") \
								X(STRLEN, "strlen")               \
									X(STREMPTY, "strempty")

enum operator_kind {
#define X(name, text) OPERATOR_##name,
	OPERATORS(X)
#undef X
};
/* As written in the script. */
const char *operator_text(enum operator_kind op);

/* What is known about the value of an expression before it runs. */
enum value_type { TYPE_ANY, TYPE_INT, TYPE_TEXT };

struct expr {
	enum expr_kind kind;
	enum operator_kind op;
	bool in_parentheses;
	bool is_literal; /* EXPR_TEXT in single quotes */
	struct source_position at;
	struct expr *left, *right;
	struct expr *arguments; /* EXPR_CALL, EXPR_SELVAL: first of a list linked by `next` */
	struct expr *next;
	unsigned argument_count;
	struct span text;
	int64_t number;

	/* check.c */
	enum value_type type;
	bool is_constant; /* `value` is what it gives */
	struct value value;
	const void *resolved; /* variable_ref, call_site, pattern, network: by kind and op */
	int keyword;          /* EXPR_NAME: core keyword, or -1 */
};

enum statement_kind {
	STATEMENT_EMPTY,
	STATEMENT_BLOCK,
	STATEMENT_EXPR,   /* a call, route(X) */
	STATEMENT_ASSIGN, /* target = expr */
	STATEMENT_IF,
	STATEMENT_WHILE,
	STATEMENT_SWITCH,
	STATEMENT_RETURN, /* expr may be NULL */
	STATEMENT_EXIT,
	STATEMENT_DROP,
	STATEMENT_BREAK,
	STATEMENT_CONTINUE,
};

struct case_label {
	struct case_label *next;
	struct source_position at;
	enum { CASE_VALUE, CASE_PATTERN, CASE_DEFAULT } kind;
	struct expr *value;
	struct statement *body; /* what follows until the next label; falls through */
	const struct pattern *pattern;
};

struct statement {
	enum statement_kind kind;
	struct source_position at;
	struct statement *next;
	struct statement *last; /* of the list that begins here */
	struct expr *expr;
	struct expr *target;
	struct statement *body, *otherwise;
	struct case_label *cases;
};

/* Route tables: what the block's keyword says. */
enum route_class {
	CLASS_REQUEST, /* request_route, route[X] */
	CLASS_REPLY,   /* reply_route, onreply_route[X] */
	CLASS_FAILURE,
	CLASS_BRANCH,
	CLASS_ONSEND,
	CLASS_EVENT,
	CLASS_COUNT,
};
/* "failure_route" …, for messages. */
const char *route_class_name(enum route_class class);

struct route {
	struct route *next;
	enum route_class class;
	struct span name; /* "" for the main ones */
	struct source_position at, name_at;
	struct statement *body;

	/* check.c, lint.c */
	uint32_t kind;    /* enum route_kind of its text */
	uint32_t reached; /* enum route_kind bits from which it is called */
	bool is_used;
	unsigned index; /* in the image */
};

struct flag_name {
	struct flag_name *next;
	struct span name;
	int64_t number;
	enum flag_kind kind;
	struct source_position at;
};

/* A name that was defined only in text that the preprocessor skipped. */
struct skipped_define {
	struct skipped_define *next;
	struct span name;
	struct span condition; /* "WITH_MYSQL", as written after #!ifdef */
	struct source_position at;
};

struct script_source {
	struct arena *arena;
	const struct config_actions *actions;
	bool quiet_lints;
	struct route *routes, **last_route;
	struct flag_name *flags;
	struct skipped_define *skipped;
	struct parameter_text { /* values of modparam: they may name routes */
		struct parameter_text *next;
		struct span text;
	} * parameters;
	struct setting_note *settings; /* restart.c */
	bool has_syntax_errors;
	size_t text_bytes; /* read in all files */
};

struct route *source_route(const struct script_source *source, enum route_class class,
			   struct span name);
