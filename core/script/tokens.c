/* SPDX-License-Identifier: BSD-2-Clause */
/* The layer between flex and bison: joins adjacent strings, tells words that mean something only
 * outside routes, and keeps the braces balanced so that one missing `}` is one error. */
#include "core/script/grammar.tab.h"
#include "core/script/lexer.h"

#include <stdlib.h>

static bool is_route_word(int type)
{
	return type == T_REQUEST_ROUTE || type == T_REPLY_ROUTE || type == T_FAILURE_ROUTE ||
	       type == T_BRANCH_ROUTE || type == T_ONSEND_ROUTE || type == T_EVENT_ROUTE;
}

/* ---- looking ahead -------------------------------------------------------------------------- */

static struct token *queue_at(struct lexer *lexer, unsigned i)
{
	while (lexer->queue_count <= i) {
		unsigned place = (lexer->queue_head + lexer->queue_count) % 8;
		lexer_scan(lexer, &lexer->queue[place]);
		lexer->queue_count++;
	}
	return &lexer->queue[(lexer->queue_head + i) % 8];
}

static struct token queue_take(struct lexer *lexer)
{
	struct token token = *queue_at(lexer, 0);
	lexer->queue_head = (lexer->queue_head + 1) % 8;
	lexer->queue_count--;
	return token;
}

/* ---- strings -------------------------------------------------------------------------------- */

static void join_strings(struct lexer *lexer, struct token *token)
{
	if (queue_at(lexer, 0)->type != T_STRING)
		return;
	struct writer w = writer_in_arena(lexer->arena, token->text.len + 64);
	writer_span(&w, token->text);
	while (queue_at(lexer, 0)->type == T_STRING) {
		struct token next = queue_take(lexer);
		writer_span(&w, next.text);
		token->last_line = next.last_line;
	}
	writer_terminate(&w);
	token->text = writer_result(&w);
}

/* MOD_name is defined before anything after the loadmodule statement is looked at. */
static void define_module(struct lexer *lexer, const struct token *token)
{
	struct span name = token->text;
	for (size_t i = name.len; i > 0; i--) {
		if (name.at[i - 1] == '/') {
			name = span_slice(name, i, name.len);
			break;
		}
	}
	if (span_ends_with(name, SPAN_OF(".so")))
		name.len -= 3;
	struct span define = arena_printf(lexer->arena, "MOD_%.*s", SPAN_ARGS(name));
	if (define.at)
		preprocess_define(lexer, define, SPAN_OF(""), true, token->at);
}

/* ---- words outside routes ------------------------------------------------------------------- */

static const struct {
	const char *text;
	int type;
	bool needs_equals;
} outer_words[] = {
	{ "listen", T_LISTEN, true },
	{ "alias", T_ALIAS, true },
	{ "domain", T_ALIAS, true },
	{ "socket", T_SOCKET, true },
	{ "loadmodule", T_LOADMODULE, false },
	{ "loadmodulex", T_LOADMODULE, false },
	{ "loadpath", T_LOADPATH, false },
	{ "mpath", T_LOADPATH, false },
	{ "modparam", T_MODPARAM, false },
	{ "modparamx", T_MODPARAMX, false },
	{ "flags", T_FLAGS, false },
	{ "bool", T_FLAGS, false },
	{ "avpflags", T_AVPFLAGS, false },
	{ "cfgengine", T_CFGENGINE, false },
	{ "advertise", T_ADVERTISE, false },
	{ "ADVERTISE", T_ADVERTISE, false },
	{ "virtual", T_VIRTUAL, false },
	{ "desc", T_DESC, false },
	{ "descr", T_DESC, false },
	{ "description", T_DESC, false },
};

/* `default` and the like may be names of custom parameters. */
static bool is_word(const struct token *token)
{
	return token->type == T_NAME ||
	       (token->type >= T_IF && token->type <= T_ONSEND_ROUTE && token->text.len);
}

static void classify_outer(struct lexer *lexer, struct token *token)
{
	bool equals = queue_at(lexer, 0)->type == '=';
	for (size_t i = 0; i < sizeof(outer_words) / sizeof(outer_words[0]); i++) {
		if (!span_equal(span_from(outer_words[i].text), token->text))
			continue;
		if (outer_words[i].type == T_DESC && lexer->previous == '=')
			break;
		if (equals &&
		    (outer_words[i].type == T_ADVERTISE || outer_words[i].type == T_VIRTUAL))
			break;
		if (equals || !outer_words[i].needs_equals) {
			token->type = outer_words[i].type;
			return;
		}
	}
	if (lexer->previous != '=' && equals) {
		token->type = T_PARAM;
		return;
	}
	if (span_equal(token->text, SPAN_OF("name")) && queue_at(lexer, 0)->type == T_STRING) {
		token->type = T_LISTEN_NAME;
		return;
	}
	if (lexer->previous != '=' && queue_at(lexer, 0)->type == '.' &&
	    is_word(queue_at(lexer, 1)) && queue_at(lexer, 2)->type == '=') {
		queue_take(lexer);
		struct token second = queue_take(lexer);
		token->text = arena_printf(lexer->arena, "%.*s.%.*s", SPAN_ARGS(token->text),
					   SPAN_ARGS(second.text));
		token->at.length =
			second.at.line == token->at.line && second.at.column > token->at.column
				? second.at.column + second.at.length - token->at.column
				: token->at.length;
		token->type = T_CUSTOM;
	}
}

/* ---- braces --------------------------------------------------------------------------------- */

/* Offset of the line at `at` in its file. */
static size_t line_offset(struct lexer *lexer, struct source_position at)
{
	struct line_place *place = &lexer->line_place;
	if (place->file != at.file || place->line > at.line)
		*place = (struct line_place){ .file = at.file, .line = 1 };
	for (; place->line < at.line && place->offset < at.file->text.len; place->line++)
		place->offset = span_find(at.file->text, '\n', place->offset) + 1;
	return place->offset;
}

/* Columns before the first character of the line at `at`. */
static uint32_t indent_of(struct lexer *lexer, struct source_position at)
{
	if (!at.file)
		return 0;
	struct span text = at.file->text;
	uint32_t indent = 0;
	for (size_t offset = line_offset(lexer, at);
	     offset < text.len && (text.at[offset] == ' ' || text.at[offset] == '\t'); offset++)
		indent += text.at[offset] == '\t' ? 8 - indent % 8 : 1;
	return indent;
}

static void open_brace(struct lexer *lexer, const struct token *token)
{
	if (lexer->previous == '=')
		lexer->in_socket = true;
	if (lexer->brace_count == lexer->brace_room) {
		unsigned room = lexer->brace_room ? lexer->brace_room * 2 : 32;
		void *grown = realloc(lexer->braces, room * sizeof(*lexer->braces));
		if (!grown)
			return;
		lexer->braces = grown;
		lexer->brace_room = room;
	}
	if (lexer->brace_count == 0)
		lexer->doubtful_brace = (struct source_position){ 0 };
	lexer->braces[lexer->brace_count++] =
		(struct brace){ token->at, indent_of(lexer, token->at) };
}

/* False: there is nothing to close, so the token is dropped. */
static bool close_brace(struct lexer *lexer, const struct token *token)
{
	if (lexer->brace_count == 0 && lexer->has_stray_statements) {
		lexer->has_stray_statements = false;
		return false;
	}
	if (lexer->brace_count == 0) {
		struct diagnostic *d =
			diagnostic_add(lexer->diagnostics, SEVERITY_ERROR, "extra-brace", token->at,
				       "this `}` closes nothing");
		diagnostic_hint(lexer->diagnostics, d,
				"a block above was closed too early, or this one is too many");
		lexer->source->has_syntax_errors = true;
		return false;
	}
	struct brace *brace = &lexer->braces[--lexer->brace_count];
	uint32_t indent = indent_of(lexer, token->at);
	/* A brace that stands further left than the line of the one that it closes belongs to an outer one. */
	if (token->at.line != brace->at.line && indent < brace->indent &&
	    !lexer->doubtful_brace.file && token->at.file == brace->at.file)
		lexer->doubtful_brace = brace->at;
	if (lexer->brace_count > 0)
		return true;
	if (!lexer->has_stray_statements)
		lexer->end_of_block = token->at;
	lexer->in_socket = false;
	return true;
}

static void report_open_braces(struct lexer *lexer, const struct token *before)
{
	struct source_position open = lexer->doubtful_brace.file
					      ? lexer->doubtful_brace
					      : lexer->braces[lexer->brace_count - 1].at;
	struct diagnostic *d =
		diagnostic_add(lexer->diagnostics, SEVERITY_ERROR, "missing-brace", before->at,
			       "a `}` is missing before %s: brace opened at line %u",
			       before->type ? "the next route" : "the end of the file", open.line);
	struct span text = open.file ? open.file->text : SPAN_OF("");
	size_t offset = open.file ? line_offset(lexer, open) : 0;
	struct span line =
		span_trim(span_slice(text, offset, span_find(text, '\n', offset) - offset));
	if (line.len > 60)
		line.len = 60;
	diagnostic_hint(lexer->diagnostics, d, "line %u: %.*s", open.line, SPAN_ARGS(line));
	lexer->source->has_syntax_errors = true;
}

static bool starts_route(struct lexer *lexer, const struct token *token)
{
	if (is_route_word(token->type))
		return true;
	int next = token->type == T_ROUTE ? queue_at(lexer, 0)->type : 0;
	return next == '[' || next == '{';
}

/* ---- the next token ------------------------------------------------------------------------- */

static bool next_token(struct lexer *lexer, struct token *token)
{
	*token = queue_take(lexer);
	if (token->type == T_STRING) {
		if (token->last_line != token->at.line)
			lexer->last_string = *token;
		if (lexer->previous == T_LOADMODULE ||
		    (lexer->previous == '(' && lexer->after_loadmodule)) {
			if (lexer->is_evaluated)
				token->text = parser_evaluated(lexer->source, token->text,
							       token->at, lexer->diagnostics);
			define_module(lexer, token);
		} else {
			join_strings(lexer, token);
		}
		return true;
	}
	if (token->type == T_NAME && (lexer->brace_count == 0 || lexer->in_socket))
		classify_outer(lexer, token);
	if (token->type != '(')
		lexer->after_loadmodule = token->type == T_LOADMODULE;
	if (token->type == T_LOADMODULE)
		lexer->is_evaluated = span_ends_with(token->text, SPAN_OF("x"));
	bool is_next_route = token->type == 0 || starts_route(lexer, token);
	if (is_next_route)
		lexer->has_stray_statements = false;
	if (lexer->brace_count > 0 && is_next_route) {
		report_open_braces(lexer, token);
		lexer->pending_closes = lexer->brace_count;
		lexer->brace_count = 0;
		lexer->doubtful_brace = (struct source_position){ 0 };
	}
	if (token->type == '{')
		open_brace(lexer, token);
	else if (token->type == '}')
		return close_brace(lexer, token);
	return true;
}

void tokens_next(struct lexer *lexer, struct token *out_token)
{
	if (lexer->pending_closes == 0) {
		while (!next_token(lexer, &lexer->last))
			continue;
	}
	if (lexer->pending_closes > 0) {
		/* The braces that are missing, before the token that revealed it. */
		lexer->pending_closes--;
		*out_token = lexer->last;
		out_token->type = '}';
		out_token->text = (struct span){ 0 };
		if (lexer->pending_closes == 0) {
			/* give the token itself next time */
			lexer->queue_head = (lexer->queue_head + 7) % 8;
			lexer->queue[lexer->queue_head] = lexer->last;
			lexer->queue_count++;
		}
		lexer->previous = '}';
		return;
	}
	*out_token = lexer->last;
	lexer->previous = out_token->type;
}
