/* SPDX-License-Identifier: BSD-2-Clause */
/* What the grammar does with parameters, modules and routes, and how it words syntax errors. */
#include "core/script/parser.h"

#include "core/script/grammar.tab.h"

#include <stdlib.h>

int parser_lex(struct parser *parser, union grammar_value *value, struct source_position *at)
{
	parser->before = parser->lexer.last;
	struct token token;
	tokens_next(&parser->lexer, &token);
	*at = token.at;
	if (token.type == T_NUMBER)
		value->number = token.number;
	else
		value->text = token.text;
	return token.type;
}

struct source_position parser_join(const struct source_position *first,
				   const struct source_position *last)
{
	struct source_position joined = first ? *first : *last;
	if (!first) { /* an empty rule stands behind what came before it */
		joined.length = 1;
		return joined;
	}
	if (last->file == joined.file && last->line == joined.line && last->column >= joined.column)
		joined.length = last->column + last->length - joined.column;
	return joined;
}

/* ---- syntax errors -------------------------------------------------------------------------- */

static struct diagnostic *syntax_error(struct parser *parser, struct source_position at,
				       const char *code, const char *message)
{
	parser->source->has_syntax_errors = true;
	return diagnostic_add(parser->diagnostics, SEVERITY_ERROR, code, at, "%s", message);
}

void parser_error(struct parser *parser, struct source_position at, const char *message)
{
	bool too_deep = strcmp(message, "memory exhausted") == 0;
	syntax_error(parser, at, "syntax", too_deep ? "this is nested too deep" : message);
}

/* "'x'" and "string" as bison names symbols; T_NAME and the like show what stands there. */
static void write_found(struct parser *parser, struct writer *w, const char *found)
{
	const struct token *last = &parser->lexer.last;
	if (last->type == T_NAME || last->type == T_PARAM || last->type == T_VARIABLE ||
	    last->type == T_SELECT || last->type == T_CUSTOM || last->type == T_ADDRESS)
		writer_printf(w, "`%.*s`", SPAN_ARGS(last->text));
	else if (last->type == T_NUMBER)
		writer_printf(w, "number %lld", (long long)last->number);
	else if (last->type == T_STRING)
		writer_printf(w, "string \"%.*s\"", last->text.len > 30 ? 30 : (int)last->text.len,
			      last->text.at);
	else if (found[0] == '\'')
		writer_printf(w, "`%.*s`", (int)strlen(found) - 2, found + 1);
	else if (last->type == 0)
		writer_string(w, "the end of the file");
	else
		writer_printf(w, "`%s`", found);
}

static void write_expected(struct writer *w, const char *const *expected, unsigned count)
{
	if (count == 0 || count > 4)
		return;
	writer_string(w, ", expected ");
	for (unsigned i = 0; i < count; i++) {
		if (i)
			writer_string(w, i + 1 == count ? " or " : ", ");
		if (expected[i][0] == '\'')
			writer_printf(w, "`%.*s`", (int)strlen(expected[i]) - 2, expected[i] + 1);
		else
			writer_string(w, expected[i]);
	}
}

static bool at_statement_end(const struct parser *parser)
{
	const struct token *last = &parser->lexer.last, *before = &parser->before;
	if (last->type == '}' || last->type == 0)
		return true;
	if (last->at.file == before->at.file && last->at.line == before->last_line)
		return last->type == T_IF || last->type == T_VARIABLE || last->type == T_NAME ||
		       last->type == T_EXIT || last->type == T_RETURN || last->type == T_ROUTE;
	return last->type != ')' && last->type != ']' && last->type != '.' && last->type != '%';
}

static const char *const route_words[] = { "route",         "request_route", "reply_route",
					   "onreply_route", "failure_route", "branch_route",
					   "onsend_route",  "event_route" };

/* What the usual mistakes mean. */
static const char *syntax_hint(struct parser *parser)
{
	const struct token *last = &parser->lexer.last, *before = &parser->before;
	switch (last->type) {
	case '%': return "the remainder of a division is written `mod`";
	case '.':
		return before->type == T_NUMBER ? "the language has no fractions"
						: "strings are joined with `+`";
	case '=':
		if (before->type == '+' || before->type == '-' || before->type == '.' ||
		    before->type == '*')
			return "there is no such operator; write $x = $x + ...";
		if (before->type == '=' || before->type == '<' || before->type == '>')
			return "there must be no space inside an operator";
		return "comparison is `==`; only a variable can be assigned";
	case '!':
		return last->at.line != before->last_line ? "a directive begins with `#!` or `!!`"
							  : NULL;
	case ',': return "an argument is empty; write \"\" for an empty string";
	case ')':
		if (before->type == ',')
			return "the last argument is empty";
		return before->type == '(' ? NULL : "check that every ( has its )";
	case '&':
	case '|': return "the logical operators are && and ||";
	case '+':
	case '-':
	case '*':
	case '/':
		return before->type == T_VARIABLE ? "there is no such operator; write $x = $x + ..."
						  : NULL;
	case '{':
	case ';': return parser->lexer.brace_count > 0 ? "check that every ( has its )" : NULL;
	case T_IF:
	case T_NAME:
	case T_VARIABLE:
	case T_RETURN:
	case T_EXIT:
		if (parser->lexer.brace_count > 0)
			return "check that every ( has its )";
		return before->type == '}' || before->type == ';' || before->type == 0 ||
				       last->at.line != before->last_line
			       ? "statements stand inside the braces of a route"
			       : NULL;
	case T_ELSE: return "an `else` follows the statement or the `}` of its `if`, without `;`";
	case T_CASE:
	case T_DEFAULT: return "`case` and `default` stand only inside the braces of a `switch`";
	default: return NULL;
	}
}

/* A statement directly behind the `}` of a route: that one, or one before it, is too many. */
static bool is_stray_statement(const struct parser *parser)
{
	const struct lexer *lexer = &parser->lexer;
	const struct token *before = &parser->before;
	switch (lexer->last.type) {
	case '(': return before->type == T_ROUTE && lexer->brace_count == 0;
	case T_IF:
	case T_NAME:
	case T_VARIABLE:
	case T_RETURN:
	case T_EXIT:
	case T_DROP:
	case T_SWITCH:
	case T_WHILE:
		return before->type == '}' && before->at.file == lexer->end_of_block.file &&
		       before->at.line == lexer->end_of_block.line &&
		       before->at.column == lexer->end_of_block.column;
	default: return false;
	}
}

static void add_hints(struct parser *parser, struct diagnostic *d)
{
	const struct token *last = &parser->lexer.last, *before = &parser->before;
	const struct token *string = &parser->lexer.last_string;
	if (string->at.file && last->at.file == string->at.file &&
	    last->at.line >= string->at.line && last->at.line <= string->last_line + 1) {
		diagnostic_hint(
			parser->diagnostics, d,
			"a string that begins at line %u ends at line %u; is a quote missing?",
			string->at.line, string->last_line);
		return;
	}
	const struct token *name = last->type == T_NAME     ? last
				   : before->type == T_NAME ? before
							    : NULL;
	if (name && parser->lexer.brace_count == 0) {
		const char *near = nearest_name(name->text, route_words,
						sizeof(route_words) / sizeof(route_words[0]));
		if (near) {
			diagnostic_hint(parser->diagnostics, d, "did you mean `%s`?", near);
			return;
		}
	}
	if (is_stray_statement(parser) && parser->lexer.end_of_block.file) {
		parser->lexer.has_stray_statements = true;
		diagnostic_hint(
			parser->diagnostics, d,
			"statements stand inside the braces of a route; the `}` at line %u ended one",
			parser->lexer.end_of_block.line);
		return;
	}
	const char *hint = syntax_hint(parser);
	if (name)
		preprocess_hint_undefined(&parser->lexer, d, name->text);
	if (hint && (!d->hint.at || !name))
		diagnostic_hint(parser->diagnostics, d, "%s", hint);
}

void parser_syntax_error(struct parser *parser, struct source_position at, const char *found,
			 const char *const *expected, unsigned count, bool expects_semicolon)
{
	const struct token *before = &parser->before;
	if (!found)
		found = "end of file";
	/* After a repair the same token may be wrong in the next place as well. */
	if (at.line == parser->last_error.line && at.column == parser->last_error.column &&
	    at.file == parser->last_error.file)
		return;
	parser->last_error = at;
	if (parser->lexer.has_stray_statements && is_stray_statement(parser))
		return;
	if (expects_semicolon && before->type && at_statement_end(parser)) {
		struct source_position end = before->at;
		end.column += end.length;
		end.length = 1;
		if (before->last_line != before->at.line)
			end = at;
		struct diagnostic *d =
			syntax_error(parser, end, "missing-semicolon", "a `;` is missing here");
		if (before->type == T_NAME && parser->lexer.brace_count > 0)
			preprocess_hint_undefined(&parser->lexer, d, before->text);
		return;
	}
	struct writer w = writer_in_arena(parser->arena, 120);
	writer_string(&w, "syntax error: unexpected ");
	write_found(parser, &w, found);
	write_expected(&w, expected, count);
	const char *text = writer_terminate(&w);
	add_hints(parser, syntax_error(parser, at, "syntax", text ? text : "syntax error"));
}

/* ---- values --------------------------------------------------------------------------------- */

struct span parser_concat(struct parser *parser, struct span a, const char *between, struct span b)
{
	struct span text =
		arena_printf(parser->arena, "%.*s%s%.*s", SPAN_ARGS(a), between, SPAN_ARGS(b));
	parser->out_of_memory = parser->out_of_memory || !text.at;
	return text;
}

struct span parser_number_text(struct parser *parser, int64_t number)
{
	struct span text = arena_printf(parser->arena, "%lld", (long long)number);
	parser->out_of_memory = parser->out_of_memory || !text.at;
	return text;
}

struct config_value parser_word(struct parser *parser, struct span word, struct source_position at)
{
	static const char *const yes[] = { "yes", "true", "on", "enable" };
	static const char *const no[] = { "no", "false", "off", "disable" };
	struct config_value value = { .is_word = true, .text = word, .at = at };
	(void)parser;
	for (unsigned i = 0; i < 4; i++) {
		if (span_equal_nocase(word, span_from(yes[i])))
			value.is_number = true, value.number = 1;
		else if (span_equal_nocase(word, span_from(no[i])))
			value.is_number = true;
	}
	return value;
}

void parser_undefined(struct parser *parser, struct span name, struct source_position at)
{
	struct diagnostic *d = diagnostic_add(parser->diagnostics, SEVERITY_ERROR, "undefined-name",
					      at, "`%.*s` is not defined", SPAN_ARGS(name));
	preprocess_hint_undefined(&parser->lexer, d, name);
}

static void note_value(struct parser *parser, const char *before, struct span name,
		       const struct config_value *value, struct source_position at)
{
	struct span text = value->text.at ? arena_printf(parser->arena, "%s%.*s = %.*s", before,
							 SPAN_ARGS(name), SPAN_ARGS(value->text))
					  : arena_printf(parser->arena, "%s%.*s = %lld", before,
							 SPAN_ARGS(name), (long long)value->number);
	restart_note(parser, text, at);
}

void parser_param(struct parser *parser, struct span name, const struct config_value *value,
		  struct source_position at)
{
	const struct config_actions *actions = parser->source->actions;
	at.length = (uint32_t)name.len;
	note_value(parser, "", name, value, at);
	if (actions && actions->global_param)
		actions->global_param(actions->owner, name, value, at, parser->diagnostics);
}

void parser_custom(struct parser *parser, struct span name, const struct config_value *value,
		   struct span description, struct source_position at)
{
	const struct config_actions *actions = parser->source->actions;
	size_t dot = span_find(name, '.', 0);
	at.length = (uint32_t)name.len;
	note_value(parser, "", name, value, at);
	if (actions && actions->custom_param)
		actions->custom_param(actions->owner, span_slice(name, 0, dot),
				      span_slice(name, dot + 1, name.len), value, description, at,
				      parser->diagnostics);
}

/* ---- sockets -------------------------------------------------------------------------------- */

struct endpoint_text parser_endpoint(const struct endpoint_text *begin, struct span part)
{
	struct endpoint_text all = *begin;
	if (all.count < 3)
		all.parts[all.count] = part;
	all.count++;
	return all;
}

/* "5060" or "5060-5070". */
static bool read_ports(struct span text, uint16_t *out_first, uint16_t *out_last)
{
	uint32_t first, last;
	size_t dash = span_find(text, '-', 0);
	if (!span_to_uint32(span_slice(text, 0, dash), &first) || first > 65535)
		return false;
	last = first;
	if (dash < text.len && (!span_to_uint32(span_slice(text, dash + 1, text.len), &last) ||
				last > 65535 || last < first))
		return false;
	*out_first = (uint16_t)first;
	*out_last = (uint16_t)last;
	return true;
}

static bool is_protocol(struct span text)
{
	static const char *const names[] = { "udp", "tcp", "tls", "sctp", "ws", "wss" };
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_equal_nocase(text, span_from(names[i])))
			return true;
	return false;
}

/* endpoint = [ proto ":" ] host [ ":" port ] */
static bool fill_endpoint(struct parser *parser, const struct endpoint_text *text,
			  struct listen_directive *listen)
{
	unsigned next = 0, count = text->count;
	listen->at = text->at;
	bool bad = count > 3;
	if (!bad && (count == 3 || (count == 2 && is_protocol(text->parts[0])))) {
		listen->proto = text->parts[next++];
		bad = !is_protocol(listen->proto);
	}
	if (!bad)
		listen->host = text->parts[next++];
	if (!bad && next < count)
		bad = !read_ports(text->parts[next++], &listen->port, &listen->last_port);
	if (bad || next != count) {
		struct diagnostic *d =
			diagnostic_add(parser->diagnostics, SEVERITY_ERROR, "bad-endpoint",
				       text->at, "this is no address to listen on");
		diagnostic_hint(parser->diagnostics, d,
				"write [proto:]host[:port], for example udp:10.0.0.1:5060");
		return false;
	}
	return true;
}

/* "udp:1.2.3.4:5060" in quotes: what was meant is clear. */
static struct endpoint_text unquote(struct parser *parser, const struct endpoint_text *text)
{
	struct endpoint_text all = { .at = text->at };
	struct span rest = text->parts[0], part;
	if (!text->is_quoted || text->count != 1 || span_find(rest, '[', 0) < rest.len)
		return *text;
	while (all.count < 3 && span_split(&rest, ':', &part))
		all.parts[all.count++] = part;
	(void)parser;
	return rest.at ? *text : all;
}

static void listen_to(struct parser *parser, const struct endpoint_text *endpoint,
		      const struct listen_options *options)
{
	const struct config_actions *actions = parser->source->actions;
	struct listen_directive listen = { .name = options->name,
					   .is_virtual = options->is_virtual };
	struct endpoint_text plain = unquote(parser, endpoint);
	if (options->advertise.count) {
		struct listen_directive advertise = { 0 };
		struct endpoint_text text = unquote(parser, &options->advertise);
		if (!fill_endpoint(parser, &text, &advertise))
			return;
		listen.advertised_host = advertise.host;
		listen.advertised_port = advertise.port;
	}
	if (!fill_endpoint(parser, &plain, &listen))
		return;
	restart_note(parser,
		     arena_printf(parser->arena, "listen %.*s:%.*s:%u", SPAN_ARGS(listen.proto),
				  SPAN_ARGS(listen.host), listen.port),
		     listen.at);
	if (actions && actions->listen)
		actions->listen(actions->owner, &listen, parser->diagnostics);
}

void parser_collect(struct parser *parser, const struct endpoint_text *endpoint)
{
	if (parser->collected_count == parser->collected_room) {
		unsigned room = parser->collected_room + 16;
		void *grown = arena_grow(parser->arena, parser->collected,
					 parser->collected_room * sizeof(*endpoint),
					 room * sizeof(*endpoint));
		if (!grown) {
			parser->out_of_memory = true;
			return;
		}
		parser->collected = grown;
		parser->collected_room = room;
	}
	parser->collected[parser->collected_count++] = *endpoint;
}

void parser_spread(struct parser *parser, int64_t first, const struct endpoint_text *protocol,
		   struct span port)
{
	for (unsigned i = (unsigned)first; i < parser->collected_count; i++) {
		const struct endpoint_text inner = parser->collected[i];
		struct endpoint_text *all = &parser->collected[i];
		if (protocol) {
			*all = *protocol;
			all->at = inner.at;
			for (unsigned part = 0; part < inner.count; part++)
				*all = parser_endpoint(all, inner.parts[part < 3 ? part : 2]);
		}
		if (port.at)
			*all = parser_endpoint(all, port);
	}
}

void parser_listen_all(struct parser *parser, const struct listen_options *options)
{
	for (unsigned i = 0; i < parser->collected_count; i++)
		listen_to(parser, &parser->collected[i], options);
	parser->collected_count = 0;
}

void parser_socket_item(struct parser *parser, struct span name, const struct endpoint_text *value,
			struct source_position at)
{
	struct listen_directive *socket = &parser->socket, part = { 0 };
	struct endpoint_text text = unquote(parser, value);
	at.length = (uint32_t)name.len;
	if (span_equal(name, SPAN_OF("name"))) {
		socket->name = value->parts[0];
	} else if (span_equal(name, SPAN_OF("virtual"))) {
		socket->is_virtual = parser_word(parser, value->parts[0], at).number;
	} else if (span_equal(name, SPAN_OF("bind"))) {
		fill_endpoint(parser, &text, &part);
		socket->proto = part.proto;
		socket->host = part.host;
		socket->port = part.port;
		socket->last_port = part.last_port;
		socket->at = value->at;
	} else if (span_equal(name, SPAN_OF("advertise"))) {
		fill_endpoint(parser, &text, &part);
		socket->advertised_host = part.host;
		socket->advertised_port = part.port;
	} else if (!span_equal(name, SPAN_OF("agname")) && !span_equal(name, SPAN_OF("vrf"))) {
		diagnostic_add(
			parser->diagnostics, SEVERITY_ERROR, "unknown-parameter", at,
			"a socket has no attribute `%.*s` (bind, advertise, name, virtual, agname, vrf)",
			SPAN_ARGS(name));
	}
}

void parser_socket_number(struct parser *parser, struct span name, int64_t number,
			  struct source_position at)
{
	struct endpoint_text text = { { parser_number_text(parser, number) }, 1, false, at };
	if (span_equal(name, SPAN_OF("virtual")))
		parser->socket.is_virtual = number != 0;
	else if (!span_equal(name, SPAN_OF("workers")))
		parser_socket_item(parser, name, &text, at);
}

void parser_socket(struct parser *parser, struct source_position at)
{
	const struct config_actions *actions = parser->source->actions;
	if (!parser->socket.host.at)
		diagnostic_add(parser->diagnostics, SEVERITY_ERROR, "bad-endpoint", at,
			       "this socket has no `bind`");
	else if (actions && actions->listen)
		actions->listen(actions->owner, &parser->socket, parser->diagnostics);
	parser->socket = (struct listen_directive){ 0 };
}

void parser_alias_all(struct parser *parser)
{
	const struct config_actions *actions = parser->source->actions;
	for (unsigned i = 0; i < parser->collected_count; i++) {
		struct listen_directive alias = { 0 };
		struct endpoint_text plain = unquote(parser, &parser->collected[i]);
		if (fill_endpoint(parser, &plain, &alias) && actions && actions->alias)
			actions->alias(actions->owner, &alias, parser->diagnostics);
	}
	parser->collected_count = 0;
}

/* ---- modules -------------------------------------------------------------------------------- */

void parser_load_module(struct parser *parser, struct span name, struct source_position at)
{
	const struct config_actions *actions = parser->source->actions;
	restart_note(parser, arena_printf(parser->arena, "loadmodule %.*s", SPAN_ARGS(name)), at);
	if (actions && actions->load_module)
		actions->load_module(actions->owner, name, at, parser->diagnostics);
}

void parser_load_path(struct parser *parser, struct span path, struct source_position at)
{
	const struct config_actions *actions = parser->source->actions;
	if (actions && actions->load_path)
		actions->load_path(actions->owner, path, at, parser->diagnostics);
}

struct span parser_evaluated(const struct script_source *source, struct span text,
			     struct source_position at, struct diagnostics *diagnostics)
{
	static const struct config_actions
		*known; /* a reload acts upon nothing, but reads the same texts */
	if (source->actions && source->actions->evaluate)
		known = source->actions;
	return known ? known->evaluate(known->owner, text, at, diagnostics) : text;
}

void parser_modparam(struct parser *parser, struct span modules, struct span name,
		     const struct config_value *written, bool evaluate, struct source_position at)
{
	const struct config_actions *actions = parser->source->actions;
	struct config_value copy = *written, *value = &copy;
	if (value->is_word && !value->is_number) {
		parser_undefined(parser, value->text, value->at);
		return;
	}
	if (evaluate) {
		modules = parser_evaluated(parser->source, modules, at, parser->diagnostics);
		name = parser_evaluated(parser->source, name, at, parser->diagnostics);
		if (value->text.at)
			value->text = parser_evaluated(parser->source, value->text, value->at,
						       parser->diagnostics);
	}
	note_value(parser, "modparam ",
		   arena_printf(parser->arena, "%.*s %.*s", SPAN_ARGS(modules), SPAN_ARGS(name)),
		   value, at);
	struct parameter_text *kept =
		value->text.at ? ARENA_NEW(parser->arena, struct parameter_text) : NULL;
	if (kept) {
		*kept = (struct parameter_text){ parser->source->parameters, value->text };
		parser->source->parameters = kept;
	}
	if (actions && actions->module_param)
		actions->module_param(actions->owner, modules, name, value, at,
				      parser->diagnostics);
}

/* ---- flags ---------------------------------------------------------------------------------- */

void parser_flag(struct parser *parser, enum flag_kind kind, struct span name, int64_t number,
		 struct source_position at)
{
	uint64_t *used = &parser->used_flags[kind];
	for (struct flag_name *flag = parser->source->flags; flag; flag = flag->next) {
		if (flag->kind == kind && span_equal(flag->name, name)) {
			diagnostic_add(parser->diagnostics, SEVERITY_ERROR, "duplicate-flag", at,
				       "flag `%.*s` was declared before, at line %u",
				       SPAN_ARGS(name), flag->at.line);
			return;
		}
	}
	for (int64_t i = 0; number < 0 && i < 32; i++)
		if (!(*used & 1ull << i))
			number = i;
	if (number < 0 || number > 31) {
		diagnostic_add(parser->diagnostics, SEVERITY_ERROR, "bad-flag", at,
			       "flags have numbers from 0 to 31");
		return;
	}
	struct flag_name *flag = ARENA_NEW(parser->arena, struct flag_name);
	if (!flag) {
		parser->out_of_memory = true;
		return;
	}
	*used |= 1ull << number;
	*flag = (struct flag_name){ parser->source->flags, name, number, kind, at };
	parser->source->flags = flag;
}

/* ---- routes --------------------------------------------------------------------------------- */

static uint32_t route_kind_of(enum route_class class, struct span name)
{
	static const uint32_t kinds[CLASS_COUNT] = { ROUTE_REQUEST, ROUTE_REPLY,  ROUTE_FAILURE,
						     ROUTE_BRANCH,  ROUTE_ONSEND, ROUTE_EVENT };
	if (class == CLASS_REPLY && name.len)
		return ROUTE_TM_REPLY;
	if (class == CLASS_EVENT && span_starts_with(name, SPAN_OF("tm:branch-failure")))
		return ROUTE_BRANCH_FAILURE;
	if (class == CLASS_EVENT && span_equal(name, SPAN_OF("tm:local-request")))
		return ROUTE_LOCAL;
	return kinds[class];
}

void parser_route(struct parser *parser, enum route_class class, struct span name,
		  struct statement *body, struct source_position at, struct source_position name_at)
{
	struct script_source *source = parser->source;
	if (span_equal(name, SPAN_OF("0")) && class != CLASS_EVENT)
		name = SPAN_OF("");
	struct route *before = source_route(source, class, name);
	if (before && class == CLASS_REQUEST && name.len == 0) {
		struct diagnostic *d = diagnostic_add(
			parser->diagnostics, SEVERITY_WARNING, "second-request-route", at,
			"a second request_route: its statements run after those of line %u",
			before->at.line);
		(void)d;
		before->body->body =
			before->body->body ? parser_append(before->body->body, body) : body;
		return;
	}
	if (before) {
		struct diagnostic *d = diagnostic_add(
			parser->diagnostics, SEVERITY_ERROR, "duplicate-route", name_at,
			"%s%s%.*s%s is defined twice", route_class_name(class), name.len ? "[" : "",
			SPAN_ARGS(name), name.len ? "]" : "");
		diagnostic_hint(parser->diagnostics, d, "the first one is at line %u",
				before->at.line);
		return;
	}
	struct route *route = ARENA_NEW(parser->arena, struct route);
	if (!route) {
		parser->out_of_memory = true;
		return;
	}
	*route = (struct route){ .class = class,
				 .name = name,
				 .at = at,
				 .name_at = name_at,
				 .body = body,
				 .kind = route_kind_of(class, name) };
	*source->last_route = route;
	source->last_route = &route->next;
}
