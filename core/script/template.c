/* SPDX-License-Identifier: BSD-2-Clause */
/* template: text with pseudo-variables, compiled into a list of constant pieces and references. */
#include "core/script/template.h"

#include "core/base/log.h"
#include "core/script/variable_parse.h"

#define MAX_PARTS 1024

/* Counts the pieces at most: every `$` may begin a reference and end a text. */
static size_t most_parts(struct span text)
{
	size_t dollars = 0;
	for (size_t i = 0; i < text.len; i++)
		dollars += text.at[i] == '$';
	return 2 * dollars + 1;
}

static void add_text(struct text_template *t, struct span text)
{
	if (!text.len)
		return;
	/* "$$" leaves two neighbouring pieces; they join when they touch. */
	t->parts[t->count++] = (struct template_part){ .text = text };
}

bool template_parse(struct variable_parse *parse, struct span text, struct text_template *out)
{
	size_t most = most_parts(text);
	*out = (struct text_template){ .source = text };
	out->parts = ARENA_ARRAY(parse->arena, struct template_part, most);
	if (!out->parts || most > MAX_PARTS) {
		parse->last = diagnostic_add(
			parse->diagnostics, SEVERITY_ERROR, "bad-text", parse->at,
			out->parts ? "more than %d variables in one text" : "out of memory",
			MAX_PARTS / 2);
		parse->failed = true;
		return false;
	}
	struct cursor in = cursor_over(text);
	const char *start = in.at;
	bool ok = true;
	out->is_constant = true;
	while (!cursor_is_end(&in)) {
		if (*in.at != '$') {
			in.at++;
			continue;
		}
		const char *dollar = in.at;
		if (cursor_peek_at(&in, 1) == '$') {
			add_text(out, span_make(start, (size_t)(dollar + 1 - start)));
			in.at += 2;
			start = in.at;
			continue;
		}
		const struct variable_ref *ref = variable_parse_next(parse, &in);
		if (in.at == dollar) { /* a dollar that begins nothing stands for itself */
			in.at++;
			continue;
		}
		add_text(out, span_make(start, (size_t)(dollar - start)));
		start = in.at;
		ok = ok && ref;
		if (ref)
			out->parts[out->count++] = (struct template_part){ .variable = ref };
		out->is_constant = false;
	}
	add_text(out, cursor_since(&in, start));
	if (ok && out->is_constant && out->count > 1) {
		struct writer w = writer_in_arena(parse->arena, text.len);
		for (unsigned i = 0; i < out->count; i++)
			writer_span(&w, out->parts[i].text);
		out->parts[0].text = writer_result(&w);
		out->count = 1;
		ok = !w.failed;
	}
	return ok;
}

const struct text_template *template_compile(struct span text, struct arena *arena,
					     struct diagnostics *diagnostics,
					     struct source_position at)
{
	struct span copy = arena_copy(arena, text.at ? text : SPAN_OF(""));
	struct text_template *t = ARENA_NEW(arena, struct text_template);
	struct variable_parse parse = {
		.arena = arena, .diagnostics = diagnostics, .at = at, .whole = copy,
	};
	if (!copy.at || !t) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "no-memory", at, "out of memory");
		return NULL;
	}
	return template_parse(&parse, copy, t) ? t : NULL;
}

const struct text_template *template_compile_runtime(struct span text, struct arena *arena,
						     struct span *out_error)
{
	struct diagnostics diagnostics;
	diagnostics_init(&diagnostics, arena);
	const struct text_template *t =
		template_compile(text, arena, &diagnostics, (struct source_position){ 0 });
	if (t)
		return t;
	*out_error = SPAN_OF("out of memory");
	for (const struct diagnostic *d = diagnostics.first; d; d = d->next)
		if (d->severity == SEVERITY_ERROR) {
			*out_error = d->message;
			break;
		}
	return NULL;
}

void value_write(const struct value *value, struct writer *w)
{
	switch (value->kind) {
	case VALUE_NULL: writer_literal(w, "<null>"); break;
	case VALUE_INT: writer_int(w, value->number); break;
	case VALUE_TEXT: writer_span(w, value->text); break;
	}
}

static bool write_parts(struct script_run *run, const struct text_template *t, struct writer *w,
			bool says_null)
{
	for (unsigned i = 0; i < t->count; i++) {
		const struct template_part *part = &t->parts[i];
		if (!part->variable) {
			writer_span(w, part->text);
			continue;
		}
		struct value value;
		variable_read(run, part->variable, &value);
		/* Only a plain variable says that it is null; a transformed one is then empty. */
		if (value.kind != VALUE_NULL || (says_null && !part->variable->transform_count))
			value_write(&value, w);
	}
	return !w->failed;
}

bool template_write(struct script_run *run, const struct text_template *t, struct writer *w)
{
	return write_parts(run, t, w, true);
}

bool template_write_plain(struct script_run *run, const struct text_template *t, struct writer *w)
{
	return write_parts(run, t, w, false);
}

static struct span text_of_parts(struct script_run *run, const struct text_template *t,
				 bool says_null)
{
	if (t->is_constant)
		return t->count ? t->parts[0].text : SPAN_OF("");
	if (t->count == 1) {
		struct value value;
		variable_read(run, t->parts[0].variable, &value);
		if (value.kind == VALUE_TEXT)
			return value.text;
	}
	struct writer w = writer_in_arena(run->arena, t->source.len + 128);
	if (!write_parts(run, t, &w, says_null)) {
		log_error("out of memory while expanding \"%.*s\"", SPAN_ARGS(t->source));
		return (struct span){ 0 };
	}
	return writer_result(&w);
}

struct span template_text(struct script_run *run, const struct text_template *t)
{
	return text_of_parts(run, t, true);
}

struct span template_text_plain(struct script_run *run, const struct text_template *t)
{
	return text_of_parts(run, t, false);
}

bool template_value(struct script_run *run, const struct text_template *t, struct value *out)
{
	if (!t->is_constant && t->count == 1)
		return variable_read(run, t->parts[0].variable, out);
	struct span text = template_text(run, t);
	*out = text.at ? VALUE_OF_TEXT(text) : (struct value){ 0 };
	return text.at != NULL;
}
