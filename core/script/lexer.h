/* SPDX-License-Identifier: BSD-2-Clause */
/* lexer: from files to tokens. lex.l (flex) cuts tokens; preprocess.c acts upon directives and
 * keeps the names that they define; tokens.c joins strings, watches braces and tells words that
 * mean something only outside routes. Every token keeps the place where a person wrote it,
 * through includes and defines. */
#pragma once

#include "core/script/ast.h"

struct token {
	int type; /* of grammar.tab.h; 0: end */
	struct source_position at;
	struct span text; /* names, variables, unescaped strings */
	int64_t number;
	bool is_literal;    /* string in single quotes */
	uint32_t last_line; /* where it ends */
};

struct define {
	struct define *next;
	struct span name, value;
	bool is_active; /* being expanded: not expanded again inside itself */
	bool is_used;
	struct source_position at;
};

struct string_subst; /* subst.c */

/* A name that a conditional asked for and nobody defined. */
struct asked_name {
	struct asked_name *next;
	struct span name;
	struct source_position at;
};

struct condition {
	struct source_position at;
	bool was_true; /* a branch of it was taken */
	bool is_true;  /* the branch that is being read is taken */
	bool in_else;
	struct span text;
};

#define CONDITIONS_MAX    64
#define INCLUDE_DEPTH_MAX 40
#define SCAN_DEPTH_MAX    80

/* A file or the value of a define that is being scanned. */
struct scan {
	struct scan *outer;
	const struct source_file *file;
	struct define *define;      /* NULL: a file */
	struct source_position use; /* of the define's name */
	uint32_t line, column;
	unsigned conditions; /* open when the file began */
};

struct lexer {
	struct arena *arena;
	struct diagnostics *diagnostics;
	struct script_source *source;
	void *flex;
	struct scan *scan;
	unsigned scan_depth;
	uint32_t counted; /* bytes of the current token that line and column already count */
	unsigned comment_depth;
	unsigned parentheses; /* open in a variable */
	struct source_position token_at;

	struct define *defines;
	struct string_subst *substs, **last_subst;
	struct condition conditions[CONDITIONS_MAX];
	unsigned condition_count;
	struct asked_name *asked;
	struct span top_directory;
	struct writer *echo; /* --cfg-print */
	size_t echo_mark;    /* where the last match begins in it */

	/* tokens.c */
	struct token queue[8];
	unsigned queue_head, queue_count;
	struct brace {
		struct source_position at;
		uint32_t indent;
	} * braces;
	unsigned brace_count, brace_room;
	struct line_place { /* where a line begins; the next one asked for is mostly behind it */
		const struct source_file *file;
		uint32_t line;
		size_t offset;
	} line_place;
	struct source_position doubtful_brace; /* probably the one that is not closed */
	struct source_position end_of_block;   /* the `}` of the last outermost one */
	bool has_stray_statements;             /* behind it: an error was reported for them */
	bool in_socket;
	unsigned pending_closes;
	int previous; /* type of the last token */
	struct token last, last_string;
	bool after_loadmodule;
	bool is_evaluated; /* it was loadmodulex */
};

/* ---- lex.l ---------------------------------------------------------------------------------- */
bool lexer_init(struct lexer *lexer);
void lexer_clear(struct lexer *lexer);
/* The next token of the current file, defines expanded. */
void lexer_scan(struct lexer *lexer, struct token *out_token);
/* Goes on with `text`, a file's or a define's. False: nested too deep. */
bool lexer_push(struct lexer *lexer, const struct source_file *file, struct define *define,
		struct span text);

/* ---- preprocess.c --------------------------------------------------------------------------- */
/* Acts upon a directive line ("#!ifdef X"); false when it is none, so it is a comment. */
bool preprocess_directive(struct lexer *lexer, struct span line, struct source_position at);
/* Is the line #!ifdef, #!else and the like, or an include: nothing that stays in force? */
bool preprocess_is_conditional(struct span line);
/* Is the text that follows skipped? */
bool preprocess_is_skipping(const struct lexer *lexer);
/* include_file / import_file: opens the file and pushes it. */
void preprocess_include(struct lexer *lexer, struct span name, bool must_exist, bool is_pattern,
			struct source_position at);
bool preprocess_open(struct lexer *lexer, struct span path, const struct source_file **out_file);
struct define *preprocess_find(const struct lexer *lexer, struct span name);
/* Adds a define; an existing one is an error unless `replace`. */
bool preprocess_define(struct lexer *lexer, struct span name, struct span value, bool replace,
		       struct source_position at);
void preprocess_predefine(struct lexer *lexer);
void preprocess_option(struct lexer *lexer, const struct script_define *define);
/* At the end of a file: open conditionals. */
void preprocess_end_of_file(struct lexer *lexer);
/* At the end of all: names in #!ifdef that are nearly defined. */
void preprocess_lint(struct lexer *lexer);
/* Explains a name that is not defined; the diagnostic gets a hint. */
void preprocess_hint_undefined(struct lexer *lexer, struct diagnostic *diagnostic,
			       struct span name);

/* ---- subst.c -------------------------------------------------------------------------------- */
/* Parses "/re/replacement/flags", which stands at `at`, and adds it; substitutions that stand before it
 * hold in both parts, so that a value may name what was defined before; `out_name` and `out_value` (may be
 * NULL) get the two parts for substdef. NULL, or what is wrong. */
const char *subst_add(struct lexer *lexer, struct span text, struct source_position at,
		      struct span *out_name, struct span *out_value);
/* The string with all substitutions applied. */
struct span subst_apply(struct lexer *lexer, struct span text);
void subst_free(struct lexer *lexer);

/* ---- ifexp.c -------------------------------------------------------------------------------- */
/* Evaluates an expression over defined names; false with a sentence in `*out_error`. */
bool ifexp_evaluate(struct lexer *lexer, struct span text, struct value *out_value,
		    const char **out_error);

/* ---- parser.c: texts of loadmodulex and modparamx with their variables replaced ------------- */
struct span parser_evaluated(const struct script_source *source, struct span text,
			     struct source_position at, struct diagnostics *diagnostics);

/* ---- tokens.c ------------------------------------------------------------------------------- */
void tokens_next(struct lexer *lexer, struct token *out_token);
