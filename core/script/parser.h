/* SPDX-License-Identifier: BSD-2-Clause */
/* parser: what the grammar's actions call. Builds trees, hands parameters to the actions of the
 * caller, and words syntax errors. */
#pragma once

#include "core/script/lexer.h"

struct listen_options;

struct parser {
	struct lexer lexer;
	struct arena *arena;
	struct diagnostics *diagnostics;
	struct script_source *source;
	struct token before; /* the token before the last one, where `;` may be missing */
	struct endpoint_text *collected;
	unsigned collected_count, collected_room;
	struct listen_directive socket;
	bool out_of_memory;
	uint64_t used_flags[3]; /* numbers given to declared names, by kind */
	struct source_position last_error;
};

/* "udp:host:5060" as it came, cut at the colons. */
struct endpoint_text {
	struct span parts[3];
	unsigned count;
	bool is_quoted;
	struct source_position at;
};

struct listen_options {
	struct endpoint_text advertise;
	struct span name;
	bool is_virtual;
};

union grammar_value {
	struct span text;
	int64_t number;
	struct expr *expr;
	struct statement *statement;
	struct case_label *cases;
	struct endpoint_text endpoint;
	struct listen_options listen;
	struct config_value value;
	enum route_class class;
};

int parser_lex(struct parser *parser, union grammar_value *value, struct source_position *at);
struct source_position parser_join(const struct source_position *first,
				   const struct source_position *last);
void parser_error(struct parser *parser, struct source_position at, const char *message);
void parser_syntax_error(struct parser *parser, struct source_position at, const char *found,
			 const char *const *expected, unsigned count, bool expects_semicolon);

/* ---- parameters ----------------------------------------------------------------------------- */
struct span parser_concat(struct parser *parser, struct span a, const char *between, struct span b);
struct span parser_number_text(struct parser *parser, int64_t number);
/* yes, no, on … become numbers; other words stay words. */
struct config_value parser_word(struct parser *parser, struct span word, struct source_position at);
struct endpoint_text parser_endpoint(const struct endpoint_text *begin, struct span part);
void parser_param(struct parser *parser, struct span name, const struct config_value *value,
		  struct source_position at);
void parser_custom(struct parser *parser, struct span name, const struct config_value *value,
		   struct span description, struct source_position at);
void parser_collect(struct parser *parser, const struct endpoint_text *endpoint);
/* What was collected from number `first` on gets the protocol (NULL: none) and the port (absent:
 * none) that stand outside its parentheses. */
void parser_spread(struct parser *parser, int64_t first, const struct endpoint_text *protocol,
		   struct span port);
/* Work on all that was collected, and forget it. */
void parser_listen_all(struct parser *parser, const struct listen_options *options);
void parser_alias_all(struct parser *parser);
void parser_socket_item(struct parser *parser, struct span name, const struct endpoint_text *value,
			struct source_position at);
void parser_socket_number(struct parser *parser, struct span name, int64_t number,
			  struct source_position at);
void parser_socket(struct parser *parser, struct source_position at);
void parser_load_module(struct parser *parser, struct span name, struct source_position at);
void parser_load_path(struct parser *parser, struct span path, struct source_position at);
void parser_modparam(struct parser *parser, struct span modules, struct span name,
		     const struct config_value *value, bool evaluate, struct source_position at);
/* A bare word where only a string makes sense: probably a define that is missing. */
void parser_undefined(struct parser *parser, struct span name, struct source_position at);
void parser_flag(struct parser *parser, enum flag_kind kind, struct span name, int64_t number,
		 struct source_position at);
void parser_route(struct parser *parser, enum route_class class, struct span name,
		  struct statement *body, struct source_position at,
		  struct source_position name_at);

/* ---- restart.c ------------------------------------------------------------------------------ */
/* Notes a setting as text; `text` lies in the parser's arena. */
void restart_note(struct parser *parser, struct span text, struct source_position at);
/* These settings are those of the running server. */
void restart_remember(const struct script_source *source);
/* Warns about each difference. */
void restart_compare(const struct script_source *source, struct diagnostics *diagnostics);

/* ---- trees ---------------------------------------------------------------------------------- */
struct statement *statement_new(struct parser *parser, enum statement_kind kind,
				struct source_position at);
struct statement *parser_block(struct parser *parser, struct statement *list,
			       struct source_position at);
struct statement *parser_append(struct statement *list, struct statement *last);
struct statement *statement_if(struct parser *parser, struct expr *condition,
			       struct statement *body, struct statement *otherwise,
			       struct source_position at);
struct statement *statement_while(struct parser *parser, struct expr *condition,
				  struct statement *body, struct source_position at);
struct statement *statement_switch(struct parser *parser, struct expr *subject,
				   struct case_label *cases, struct source_position at);
struct statement *statement_expr(struct parser *parser, struct expr *expr);
struct statement *statement_assign(struct parser *parser, struct expr *target, struct expr *value,
				   struct source_position at);
struct statement *statement_return(struct parser *parser, struct expr *value,
				   struct source_position at);
struct case_label *parser_case(struct parser *parser, struct case_label *cases, int kind,
			       struct expr *value, struct statement *body,
			       struct source_position at);

struct expr *expr_number(struct parser *parser, int64_t number, struct source_position at);
struct expr *expr_text(struct parser *parser, enum expr_kind kind, struct span text,
		       struct source_position at);
struct expr *expr_binary(struct parser *parser, enum operator_kind op, struct expr *left,
			 struct expr *right, struct source_position at);
struct expr *expr_unary(struct parser *parser, enum operator_kind op, struct expr *left,
			struct source_position at);
struct expr *expr_assign(struct parser *parser, struct expr *target, struct expr *value,
			 struct source_position at);
struct expr *expr_selval(struct parser *parser, struct expr *condition, struct expr *yes,
			 struct expr *no, struct source_position at);
struct expr *expr_call(struct parser *parser, struct span name, struct expr *arguments,
		       struct source_position at);
struct expr *expr_route(struct parser *parser, struct expr *name, struct source_position at);
/* `left`:`right` of bare words, addresses and numbers, as one text. */
struct expr *expr_endpoint(struct parser *parser, struct expr *left, const struct expr *right,
			   struct source_position at);
struct expr *parser_add_argument(struct expr *list, struct expr *last);
