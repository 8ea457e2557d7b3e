/* SPDX-License-Identifier: BSD-2-Clause */
/* The grammar of a configuration file. It knows the language only: parameters, functions, variables
 * and core keywords are names here and are told apart by those who own them. */
%code requires {
#include "core/script/parser.h"
}
%define api.pure full
%define api.prefix {script_parse_}
%define api.location.type {struct source_position}
%define api.value.type {union grammar_value}
%define parse.error custom
%define parse.lac full
%locations
%param {struct parser *parser}
/* An error belongs to the innermost rule that can take it: bison's choice is the right one. */
%expect 9

%code {
/* A reload compiles on a fiber's stack; deeper nesting moves to the heap, up to a limit. */
#define YYINITDEPTH 60
#define YYMAXDEPTH 4000
#define YYLLOC_DEFAULT(Current, Rhs, N) (Current) = parser_join(N ? &YYRHSLOC(Rhs, 1) : NULL, &YYRHSLOC(Rhs, N))
#define yylex script_parse_lex
static int script_parse_lex(union grammar_value *value, struct source_position *at, struct parser *parser)
{
	return parser_lex(parser, value, at);
}
static void script_parse_error(struct source_position *at, struct parser *parser, const char *message)
{
	parser_error(parser, *at, message);
}
}

%token T_END 0 "end of file"
%token <text> T_STRING "string" T_NAME "name" T_VARIABLE "variable" T_SELECT "select" T_ADDRESS "IP address"
%token <text> T_PARAM "parameter" T_CUSTOM "custom parameter" T_EVENT_ROUTE "event_route[...]"
%token <number> T_NUMBER "number"
%token T_IF "if" T_ELSE "else" T_WHILE "while" T_SWITCH "switch" T_CASE "case" T_DEFAULT "default"
%token T_BREAK "break" T_CONTINUE "continue" T_RETURN "return" T_EXIT "exit" T_DROP "drop"
%token T_ROUTE "route" T_REQUEST_ROUTE "request_route" T_REPLY_ROUTE "reply_route"
%token T_FAILURE_ROUTE "failure_route" T_BRANCH_ROUTE "branch_route" T_ONSEND_ROUTE "onsend_route"
%token T_LOADMODULE "loadmodule" T_LOADPATH "loadpath" T_MODPARAM "modparam" T_MODPARAMX "modparamx"
%token T_LISTEN "listen" T_ALIAS "alias" T_SOCKET "socket" T_FLAGS "flags" T_AVPFLAGS "avpflags" T_CFGENGINE "cfgengine"
%token T_ADVERTISE "advertise" T_LISTEN_NAME "listen name" T_VIRTUAL "virtual" T_DESC "desc"
%token T_TO_INT "(int)" T_TO_TEXT "(str)" T_DEFINED "defined" T_STRLEN "strlen" T_STREMPTY "strempty"
%token T_SELVAL "selval"
%token T_EQ "==" T_NE "!=" T_MATCH "=~" T_NOT_MATCH "!~" T_LE "<=" T_GE ">=" T_SHL "<<" T_SHR ">>"
%token '%' '~'
%token T_AND "&&" T_OR "||" T_MOD "mod" T_TEXT_EQ "eq" T_TEXT_NE "ne" T_INT_EQ "ieq" T_INT_NE "ine"

%left T_OR
%left T_AND
%left '|'
%left '&'
%left '^'
%left T_EQ T_NE T_MATCH T_NOT_MATCH T_TEXT_EQ T_TEXT_NE T_INT_EQ T_INT_NE
%left '<' '>' T_LE T_GE
%left T_SHL T_SHR
%left '+' '-'
%left '*' '/' T_MOD
%precedence UNARY
%precedence ALONE
%precedence T_ELSE

%type <expr> expr primary call arguments argument_list argument case_value
%type <statement> statement statements block simple
%type <cases> cases
%type <text> dotted_name host_text host_atom route_name text_value
%type <endpoint> endpoint
%type <number> group group_begin
%type <listen> listen_options
%type <value> value
%type <class> named_route main_route

%%

file: items ;

items: %empty | items item ;

item:
	  ';'
	| T_PARAM '=' value { parser_param(parser, $1, &$3, @1); }
	| T_CUSTOM '=' value { parser_custom(parser, $1, &$3, span_make(NULL, 0), @1); }
	| T_CUSTOM '=' value T_DESC T_STRING { parser_custom(parser, $1, &$3, $5, @1); }
	| T_LISTEN '=' addresses listen_options { parser_listen_all(parser, &$4); }
	| T_SOCKET '=' '{' socket_items '}' { parser_socket(parser, @1); }
	| T_ALIAS '=' addresses { parser_alias_all(parser); }
	| T_LOADMODULE T_STRING { parser_load_module(parser, $2, @2); }
	| T_LOADMODULE T_STRING ',' T_STRING { parser_load_module(parser, $2, @2); }
	| T_LOADMODULE '(' T_STRING ')' { parser_load_module(parser, $3, @3); }
	| T_LOADMODULE '(' T_STRING ',' T_STRING ')' { parser_load_module(parser, $3, @3); }
	| T_LOADPATH T_STRING { parser_load_path(parser, $2, @2); }
	| T_LOADPATH '=' T_STRING { parser_load_path(parser, $3, @3); }
	| T_CFGENGINE value { parser_param(parser, SPAN_OF("cfgengine"), &$2, @1); }
	| T_CFGENGINE '=' value { parser_param(parser, SPAN_OF("cfgengine"), &$3, @1); }
	| T_MODPARAM '(' text_value ',' text_value ',' value ')' { parser_modparam(parser, $3, $5, &$7, false, @1); }
	| T_MODPARAMX '(' text_value ',' text_value ',' value ')' { parser_modparam(parser, $3, $5, &$7, true, @1); }
	| T_FLAGS flags
	| T_AVPFLAGS avpflags
	| main_route block { parser_route(parser, $1, SPAN_OF(""), $2, @1, @1); }
	| named_route '[' route_name ']' block { parser_route(parser, $1, $3, $5, @1, @3); }
	| T_EVENT_ROUTE block { parser_route(parser, CLASS_EVENT, $1, $2, @1, @1); }
	| error
	| error block
	;

text_value: T_STRING | T_NAME { parser_undefined(parser, $1, @1); } ;

value:
	  T_STRING { $$ = (struct config_value){ .text = $1, .at = @1 }; }
	| T_NUMBER { $$ = (struct config_value){ .is_number = true, .number = $1, .at = @1 }; }
	| '-' T_NUMBER { $$ = (struct config_value){ .is_number = true, .number = -$2, .at = @2 }; }
	| host_text { $$ = parser_word(parser, $1, @1); }
	| T_VARIABLE { $$ = (struct config_value){ .text = $1, .at = @1 }; }
	;

/* Names, addresses and what is written with dots and dashes between them. */
host_text:
	  T_NAME
	| T_ADDRESS
	| host_text '.' host_atom { $$ = parser_concat(parser, $1, ".", $3); }
	| host_text '-' host_atom { $$ = parser_concat(parser, $1, "-", $3); }
	;
host_atom: T_NAME | T_ADDRESS | T_NUMBER { $$ = parser_number_text(parser, $1); } ;

endpoint:
	  host_text { $$ = (struct endpoint_text){ { $1 }, 1, false, @1 }; }
	| T_STRING { $$ = (struct endpoint_text){ { $1 }, 1, true, @1 }; }
	| '*' { $$ = (struct endpoint_text){ { SPAN_OF("*") }, 1, false, @1 }; }
	| endpoint ':' host_text { $$ = parser_endpoint(&$1, $3); }
	| endpoint ':' T_STRING { $$ = parser_endpoint(&$1, $3); }
	| endpoint ':' '*' { $$ = parser_endpoint(&$1, SPAN_OF("*")); }
	| endpoint ':' T_NUMBER { $$ = parser_endpoint(&$1, parser_number_text(parser, $3)); }
	| endpoint ':' T_NUMBER '-' T_NUMBER {
		$$ = parser_endpoint(&$1, parser_concat(parser, parser_number_text(parser, $3), "-",
			parser_number_text(parser, $5)));
	}
	;
endpoints:
	  endpoint { parser_collect(parser, &$1); }
	| endpoints endpoint { parser_collect(parser, &$2); }
	| endpoints ',' endpoint { parser_collect(parser, &$3); }
	;
/* "udp:(a,b):5060" is udp:a:5060 and udp:b:5060. */
addresses: address | addresses address | addresses ',' address ;
address:
	  endpoint { parser_collect(parser, &$1); }
	| group
	| group ':' T_NUMBER { parser_spread(parser, $1, NULL, parser_number_text(parser, $3)); }
	| endpoint ':' group { parser_spread(parser, $3, &$1, span_make(NULL, 0)); }
	| endpoint ':' group ':' T_NUMBER {
		parser_spread(parser, $3, &$1, parser_number_text(parser, $5));
	}
	;
group: '(' group_begin endpoints ')' { $$ = $2; } ;
group_begin: %empty { $$ = parser->collected_count; } ;
listen_options:
	  %empty { $$ = (struct listen_options){ 0 }; }
	| listen_options T_ADVERTISE endpoint { $$ = $1; $$.advertise = $3; }
	| listen_options T_LISTEN_NAME T_STRING { $$ = $1; $$.name = $3; }
	| listen_options T_VIRTUAL { $$ = $1; $$.is_virtual = true; }
	;
socket_items: %empty | socket_items socket_item ;
socket_item:
	  ';'
	| T_PARAM '=' endpoint { parser_socket_item(parser, $1, &$3, @1); }
	| T_PARAM '=' T_NUMBER { parser_socket_number(parser, $1, $3, @1); }
	;
flags: flag | flags ',' flag ;
flag:
	  T_NAME { parser_flag(parser, FLAG_KIND_MESSAGE, $1, -1, @1); }
	| T_NAME ':' T_NUMBER { parser_flag(parser, FLAG_KIND_MESSAGE, $1, $3, @1); }
	;
avpflags: avpflag | avpflags ',' avpflag ;
avpflag:
	  T_NAME { parser_flag(parser, FLAG_KIND_AVP, $1, -1, @1); }
	| T_NAME ':' T_NUMBER { parser_flag(parser, FLAG_KIND_AVP, $1, $3, @1); }
	;

main_route:
	  T_REQUEST_ROUTE { $$ = CLASS_REQUEST; }
	| T_ROUTE { $$ = CLASS_REQUEST; }
	| T_REPLY_ROUTE { $$ = CLASS_REPLY; }
	| T_ONSEND_ROUTE { $$ = CLASS_ONSEND; }
	| T_FAILURE_ROUTE { $$ = CLASS_FAILURE; }
	| T_BRANCH_ROUTE { $$ = CLASS_BRANCH; }
	;
named_route:
	  T_ROUTE { $$ = CLASS_REQUEST; }
	| T_REPLY_ROUTE { $$ = CLASS_REPLY; }
	| T_FAILURE_ROUTE { $$ = CLASS_FAILURE; }
	| T_BRANCH_ROUTE { $$ = CLASS_BRANCH; }
	| T_ONSEND_ROUTE { $$ = CLASS_ONSEND; }
	;
route_name: T_NAME | T_STRING | T_NUMBER { $$ = parser_number_text(parser, $1); } ;

block:
	  '{' statements '}' { $$ = parser_block(parser, $2, @1); }
	| '{' statements error '}' { $$ = parser_block(parser, $2, @1); }
	;

statements:
	  %empty { $$ = NULL; }
	| statements statement { $$ = parser_append($1, $2); }
	;

statement:
	  ';' { $$ = statement_new(parser, STATEMENT_EMPTY, @1); }
	| block
	| simple end
	| T_IF expr statement %prec ALONE { $$ = statement_if(parser, $2, $3, NULL, @1); }
	| T_IF expr statement T_ELSE statement { $$ = statement_if(parser, $2, $3, $5, @1); }
	| T_WHILE expr statement { $$ = statement_while(parser, $2, $3, @1); }
	| T_SWITCH expr '{' cases '}' { $$ = statement_switch(parser, $2, $4, @1); }
	| T_SWITCH expr '{' cases error '}' { yyerrok; $$ = statement_switch(parser, $2, $4, @1); }
	| error ';' { yyerrok; $$ = statement_new(parser, STATEMENT_EMPTY, @1); }
	| error block %prec ALONE { yyerrok; $$ = $2; }
	| error block T_ELSE statement { yyerrok; $$ = parser_append($2, $4); }
	| T_VARIABLE '=' expr error {
		yyerrok;
		$$ = statement_assign(parser, expr_text(parser, EXPR_VARIABLE, $1, @1), $3, @2);
	}
	| T_RETURN error { yyerrok; $$ = statement_new(parser, STATEMENT_RETURN, @1); }
	| T_RETURN expr error { yyerrok; $$ = statement_return(parser, $2, @1); }
	| T_EXIT error { yyerrok; $$ = statement_new(parser, STATEMENT_EXIT, @1); }
	| T_DROP error { yyerrok; $$ = statement_new(parser, STATEMENT_DROP, @1); }
	| T_BREAK error { yyerrok; $$ = statement_new(parser, STATEMENT_BREAK, @1); }
	;

/* A missing `;` is reported, and reading goes on as if it were there. */
end: ';' | error { yyerrok; } ;

simple:
	  call { $$ = statement_expr(parser, $1); }
	| T_NAME { $$ = statement_expr(parser, expr_call(parser, $1, NULL, @1)); }
	| T_VARIABLE '=' expr { $$ = statement_assign(parser, expr_text(parser, EXPR_VARIABLE, $1, @1), $3, @2); }
	| T_SELECT '=' expr { $$ = statement_assign(parser, expr_text(parser, EXPR_SELECT, $1, @1), $3, @2); }
	| T_NAME '=' expr { $$ = statement_assign(parser, expr_text(parser, EXPR_NAME, $1, @1), $3, @2); }
	| T_RETURN { $$ = statement_new(parser, STATEMENT_RETURN, @1); }
	| T_RETURN '(' ')' { $$ = statement_new(parser, STATEMENT_RETURN, @1); }
	| T_RETURN expr { $$ = statement_return(parser, $2, @1); }
	| T_EXIT { $$ = statement_new(parser, STATEMENT_EXIT, @1); }
	| T_EXIT '(' ')' { $$ = statement_new(parser, STATEMENT_EXIT, @1); }
	| T_EXIT '(' T_NUMBER ')' { $$ = statement_new(parser, STATEMENT_EXIT, @1); }
	| T_DROP { $$ = statement_new(parser, STATEMENT_DROP, @1); }
	| T_DROP '(' ')' { $$ = statement_new(parser, STATEMENT_DROP, @1); }
	| T_DROP '(' T_NUMBER ')' { $$ = statement_new(parser, STATEMENT_DROP, @1); }
	| T_BREAK { $$ = statement_new(parser, STATEMENT_BREAK, @1); }
	| T_CONTINUE { $$ = statement_new(parser, STATEMENT_CONTINUE, @1); }
	;

cases:
	  %empty { $$ = NULL; }
	| cases T_CASE case_value ':' statements { $$ = parser_case(parser, $1, CASE_VALUE, $3, $5, @2); }
	| cases T_CASE '/' T_STRING ':' statements {
		$$ = parser_case(parser, $1, CASE_PATTERN, expr_text(parser, EXPR_TEXT, $4, @4), $6, @2);
	}
	| cases T_DEFAULT ':' statements { $$ = parser_case(parser, $1, CASE_DEFAULT, NULL, $4, @2); }
	;
case_value: expr ;

expr:
	  primary
	| expr '+' expr { $$ = expr_binary(parser, OPERATOR_ADD, $1, $3, @2); }
	| expr '-' expr { $$ = expr_binary(parser, OPERATOR_SUB, $1, $3, @2); }
	| expr '*' expr { $$ = expr_binary(parser, OPERATOR_MUL, $1, $3, @2); }
	| expr '/' expr { $$ = expr_binary(parser, OPERATOR_DIV, $1, $3, @2); }
	| expr T_MOD expr { $$ = expr_binary(parser, OPERATOR_MOD, $1, $3, @2); }
	| expr T_SHL expr { $$ = expr_binary(parser, OPERATOR_SHL, $1, $3, @2); }
	| expr T_SHR expr { $$ = expr_binary(parser, OPERATOR_SHR, $1, $3, @2); }
	| expr '&' expr { $$ = expr_binary(parser, OPERATOR_BIT_AND, $1, $3, @2); }
	| expr '|' expr { $$ = expr_binary(parser, OPERATOR_BIT_OR, $1, $3, @2); }
	| expr '^' expr { $$ = expr_binary(parser, OPERATOR_BIT_XOR, $1, $3, @2); }
	| expr T_EQ expr { $$ = expr_binary(parser, OPERATOR_EQ, $1, $3, @2); }
	| expr T_NE expr { $$ = expr_binary(parser, OPERATOR_NE, $1, $3, @2); }
	| expr '<' expr { $$ = expr_binary(parser, OPERATOR_LT, $1, $3, @2); }
	| expr '>' expr { $$ = expr_binary(parser, OPERATOR_GT, $1, $3, @2); }
	| expr T_LE expr { $$ = expr_binary(parser, OPERATOR_LE, $1, $3, @2); }
	| expr T_GE expr { $$ = expr_binary(parser, OPERATOR_GE, $1, $3, @2); }
	| expr T_TEXT_EQ expr { $$ = expr_binary(parser, OPERATOR_TEXT_EQ, $1, $3, @2); }
	| expr T_TEXT_NE expr { $$ = expr_binary(parser, OPERATOR_TEXT_NE, $1, $3, @2); }
	| expr T_INT_EQ expr { $$ = expr_binary(parser, OPERATOR_INT_EQ, $1, $3, @2); }
	| expr T_INT_NE expr { $$ = expr_binary(parser, OPERATOR_INT_NE, $1, $3, @2); }
	| expr T_MATCH expr { $$ = expr_binary(parser, OPERATOR_MATCH, $1, $3, @2); }
	| expr T_NOT_MATCH expr { $$ = expr_binary(parser, OPERATOR_NOT_MATCH, $1, $3, @2); }
	| expr T_AND expr { $$ = expr_binary(parser, OPERATOR_AND, $1, $3, @2); }
	| expr T_OR expr { $$ = expr_binary(parser, OPERATOR_OR, $1, $3, @2); }
	| '!' expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_NOT, $2, @1); }
	| '~' expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_BIT_NOT, $2, @1); }
	| '-' expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_NEGATE, $2, @1); }
	| '+' expr %prec UNARY { $$ = $2; }
	| T_TO_INT expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_TO_INT, $2, @1); }
	| T_TO_TEXT expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_TO_TEXT, $2, @1); }
	| T_DEFINED expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_DEFINED, $2, @1); }
	| T_STRLEN expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_STRLEN, $2, @1); }
	| T_STREMPTY expr %prec UNARY { $$ = expr_unary(parser, OPERATOR_STREMPTY, $2, @1); }
	;

primary:
	  T_NUMBER { $$ = expr_number(parser, $1, @1); }
	| T_STRING { $$ = expr_text(parser, EXPR_TEXT, $1, @1); }
	| T_VARIABLE { $$ = expr_text(parser, EXPR_VARIABLE, $1, @1); }
	| T_SELECT { $$ = expr_text(parser, EXPR_SELECT, $1, @1); }
	| T_NAME { $$ = expr_text(parser, EXPR_NAME, $1, @1); }
	| T_ADDRESS { $$ = expr_text(parser, EXPR_ADDRESS, $1, @1); }
	| dotted_name { $$ = expr_text(parser, EXPR_TEXT, $1, @1); }
	| call
	| T_SELVAL '(' expr ',' expr ',' expr ')' { $$ = expr_selval(parser, $3, $5, $7, @1); }
	| '(' expr ')' { $$ = $2; $$->in_parentheses = true; }
	| '(' T_VARIABLE '=' expr ')' { $$ = expr_assign(parser, expr_text(parser, EXPR_VARIABLE, $2, @2), $4, @3); }
	;

/* A bare host name: src_ip == proxy.example.com */
dotted_name:
	  T_NAME '.' T_NAME { $$ = parser_concat(parser, $1, ".", $3); }
	| dotted_name '.' T_NAME { $$ = parser_concat(parser, $1, ".", $3); }
	;

call:
	  T_NAME '(' arguments ')' { $$ = expr_call(parser, $1, $3, @1); }
	| T_ROUTE '(' expr ')' { $$ = expr_route(parser, $3, @1); }
	;
arguments: %empty { $$ = NULL; } | argument_list ;
argument_list:
	  argument
	| argument_list ',' argument { $$ = parser_add_argument($1, $3); }
	;
/* Sockets may be written without quotes: force_send_socket(udp:10.0.0.1:5060). */
argument:
	  expr
	| argument ':' expr { $$ = expr_endpoint(parser, $1, $3, @2); }
	;

%%

static int yyreport_syntax_error(const yypcontext_t *context, struct parser *parser)
{
	enum { EXPECTED_MAX = 12 };
	yysymbol_kind_t expected[EXPECTED_MAX];
	const char *names[EXPECTED_MAX];
	int count = yypcontext_expected_tokens(context, expected, EXPECTED_MAX);
	bool semicolon = false;
	yysymbol_kind_t all[YYNTOKENS];
	int every = yypcontext_expected_tokens(context, all, YYNTOKENS);
	for (int i = 0; i < every; i++)
		semicolon = semicolon || strcmp(yysymbol_name(all[i]), "';'") == 0;
	/* Where a statement or a route may begin, `;` would be an empty one. */
	for (int i = 0; i < every; i++)
		semicolon = semicolon && all[i] != YYSYMBOL_T_IF && all[i] != YYSYMBOL_T_LOADMODULE;
	for (int i = 0; i < count; i++)
		names[i] = yysymbol_name(expected[i]);
	yysymbol_kind_t found = yypcontext_token(context);
	parser_syntax_error(parser, *yypcontext_location(context), found == YYSYMBOL_YYEMPTY ? NULL : yysymbol_name(found),
		names, (unsigned)(count > 0 ? count : 0), semicolon);
	return 0;
}
