/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a configuration: sets up lexer and parser, and runs them over the file. */
#include "core/script/grammar.tab.h"
#include "core/script/parser.h"

static struct script_limits limits = { .max_while_loops = 100,
				       .max_recursive_level = 256,
				       .phone2tel = true };

void script_configure(const struct script_limits *wanted)
{
	limits = *wanted;
}

const struct script_limits *script_limits(void)
{
	return &limits;
}

static bool open_top(struct parser *parser, const struct script_options *options)
{
	struct lexer *lexer = &parser->lexer;
	const struct source_file *file;
	if (options->text.at) {
		struct source_file *made = ARENA_NEW(parser->arena, struct source_file);
		if (!made)
			return false;
		*made = (struct source_file){ options->path ? options->path : "<text>",
					      options->text };
		file = made;
	} else if (!preprocess_open(lexer, span_from(options->path), &file)) {
		diagnostic_add(parser->diagnostics, SEVERITY_ERROR, "no-file",
			       (struct source_position){ 0 }, "cannot read %s: %m", options->path);
		return false;
	}
	parser->source->text_bytes += file->text.len;
	return lexer_push(lexer, file, NULL, file->text);
}

struct script_source *script_read(const struct script_options *options,
				  const struct config_actions *actions, struct arena *arena,
				  struct diagnostics *diagnostics)
{
	struct parser *parser = ARENA_NEW(arena, struct parser);
	struct script_source *source = ARENA_NEW(arena, struct script_source);
	if (!parser || !source)
		return NULL;
	source->arena = arena;
	source->actions = actions;
	source->last_route = &source->routes;
	source->quiet_lints = options->quiet_lints;
	parser->lexer.echo = options->echo;
	parser->arena = parser->lexer.arena = arena;
	parser->diagnostics = parser->lexer.diagnostics = diagnostics;
	parser->source = parser->lexer.source = source;
	if (!lexer_init(&parser->lexer))
		return NULL;
	preprocess_predefine(&parser->lexer);
	for (unsigned i = 0; i < options->define_count; i++)
		preprocess_option(&parser->lexer, &options->defines[i]);
	bool opened = open_top(parser, options);
	if (opened) {
		int result = script_parse_parse(parser);
		if (result == 2)
			source->has_syntax_errors = true;
		if (!options->quiet_lints)
			preprocess_lint(&parser->lexer);
	}
	lexer_clear(&parser->lexer);
	if (actions)
		restart_remember(source);
	return opened && !parser->out_of_memory ? source : NULL;
}
