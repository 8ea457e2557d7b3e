/* SPDX-License-Identifier: BSD-2-Clause */
/* variable_parse: references to pseudo-variables, read and bound to their rows.
 *
 *   reference = "$$" / "$" name [ "(" inner ")" ]
 *             / "$(" name [ "(" inner ")" ] [ "[" index "]" ] *( "{" class "." item *( "," arg )
 * "}" ) ")"
 *   index     = "*" / ["-"] 1*DIGIT / reference
 *   inner, arg = text with references in it; parentheses and braces balance
 *
 * The last argument that an item takes is everything up to the brace, commas included, so that a
 * comma can be an argument: {s.select,1,,}.
 *
 * A backslash before a brace means nothing to the peer: {s.rm,\} takes backslashes away. Only where
 * the braces do not balance that way, they are read again with those behind a backslash not counted,
 * so that a pattern can have one: {re.subst,/\{//}. */
#include "core/script/variable_parse.h"

#include "core/base/check.h"
#include "core/base/missing.h"
#include "core/script/registry.h"
#include "core/script/template.h"
#include "parser/cursor.h"

#define MAX_DEPTH      16
#define MAX_ARGS       8
#define MAX_TRANSFORMS 32

/* The pieces of a reference, before their names are looked up. */
struct reference {
	struct span whole;
	struct span name;
	struct span inner;      /* absent without parentheses */
	struct span index;      /* absent without brackets */
	struct span transforms; /* "{…}{…}", may be empty */
	bool has_escapes;       /* braces behind a backslash do not count in it */
	const char *error;
	const char *error_at;
};

static bool is_name_char(int c)
{
	return c >= 0 && (ascii_is_alpha((char)c) || ascii_is_digit((char)c) || c == '_');
}

static void skip_blanks(struct cursor *in)
{
	while (cursor_peek(in) == ' ' || cursor_peek(in) == '\t' || cursor_peek(in) == '\n' ||
	       cursor_peek(in) == '\r')
		in->at++;
}

/* How a reference is read. */
struct scan_mode {
	unsigned depth;
	bool has_escapes; /* a brace behind a backslash does not count */
};

static bool scan_reference(struct cursor *in, struct reference *out, struct scan_mode mode);

/* Takes "(…)" or the like, with the same kind of bracket balanced and references inside skipped as
 * a
 * whole. False when it does not end. */
static bool take_balanced(struct cursor *in, char open, char close, struct span *out_inside,
			  struct scan_mode mode)
{
	const char *start = in->at + 1;
	struct scan_mode inner = { mode.depth + 1, mode.has_escapes };
	unsigned level = 0;
	while (!cursor_is_end(in)) {
		char c = *in->at;
		if (c == '\\' && (open != '{' || mode.has_escapes) &&
		    (cursor_peek_at(in, 1) == open || cursor_peek_at(in, 1) == close)) {
			in->at += 2;
			continue;
		}
		if (c == '$' && cursor_peek_at(in, 1) == '(') {
			struct reference nested;
			struct cursor ahead = *in;
			if (mode.depth < MAX_DEPTH && scan_reference(&ahead, &nested, inner) &&
			    !nested.error) {
				*in = ahead;
				continue;
			}
		}
		level += c == open;
		level -= c == close;
		in->at++;
		if (level == 0) {
			*out_inside = span_make(start, (size_t)(in->at - 1 - start));
			return true;
		}
	}
	return false;
}

static bool scan_fails(struct cursor *in, struct reference *out, const char *start, const char *at,
		       const char *error)
{
	out->error = error;
	out->error_at = at;
	out->whole = cursor_since(in, start);
	return true;
}

/* name [ "(" inner ")" ]: without the outer parentheses only where the variable takes an inner
 * name,
 * so that "$rU(ext)" is the user and a text. */
static bool scan_name(struct cursor *in, struct reference *out, bool is_outer,
		      struct scan_mode mode)
{
	const char *start = in->at;
	if (cursor_peek(in) == '?')
		in->at++;
	else
		while (is_name_char(cursor_peek(in)))
			in->at++;
	out->name = cursor_since(in, start);
	if (cursor_peek(in) != '(')
		return true;
	if (!is_outer) {
		const struct variable_row *row = script_variable_find(out->name, NULL);
		if (row && row->inner == INNER_NONE)
			return true;
	}
	return take_balanced(in, '(', ')', &out->inner, mode);
}

/* Takes one reference; false, and the place unchanged, when none begins here. */
static bool scan_reference(struct cursor *in, struct reference *out, struct scan_mode mode)
{
	const char *start = in->at;
	*out = (struct reference){ .has_escapes = mode.has_escapes };
	if (!cursor_take(in, '$'))
		return false;
	if (cursor_take(in, '$')) {
		out->name = SPAN_OF("$");
		out->whole = cursor_since(in, start);
		return true;
	}
	bool is_outer = cursor_take(in, '(');
	if (is_outer)
		skip_blanks(in);
	if (!is_name_char(cursor_peek(in)) && cursor_peek(in) != '?') {
		in->at = start;
		return false;
	}
	const char *name_at = in->at;
	if (!scan_name(in, out, is_outer, mode))
		return scan_fails(in, out, start, name_at + out->name.len,
				  "this parenthesis is never closed");
	if (!is_outer) {
		out->whole = cursor_since(in, start);
		return true;
	}
	skip_blanks(in);
	const char *bracket = in->at;
	if (cursor_peek(in) == '[' && !take_balanced(in, '[', ']', &out->index, mode))
		return scan_fails(in, out, start, bracket, "this bracket is never closed");
	skip_blanks(in);
	const char *transforms = in->at;
	while (cursor_peek(in) == '{') {
		const char *brace = in->at;
		struct span inside;
		if (!take_balanced(in, '{', '}', &inside, mode))
			return scan_fails(in, out, start, brace, "this brace is never closed");
		skip_blanks(in);
	}
	out->transforms = cursor_since(in, transforms);
	const char *end = in->at;
	if (!cursor_take(in, ')'))
		return scan_fails(in, out, start, end,
				  "the variable that begins with \"$(\" needs a "
				  "closing parenthesis here");
	out->whole = cursor_since(in, start);
	return true;
}

/* The same, read with escaped braces where it cannot be read without. */
static bool take_reference(struct cursor *in, struct reference *out, unsigned depth)
{
	struct cursor ahead = *in;
	struct reference escaped;
	if (!scan_reference(in, out, (struct scan_mode){ depth, false }))
		return false;
	if (out->error && scan_reference(&ahead, &escaped, (struct scan_mode){ depth, true }) &&
	    !escaped.error) {
		*in = ahead;
		*out = escaped;
	}
	return true;
}

size_t variable_reference_length(struct span text, const char **out_error)
{
	struct cursor in = cursor_over(text);
	struct reference found;
	*out_error = NULL;
	if (!take_reference(&in, &found, 0))
		return 0;
	*out_error = found.error;
	return found.error ? text.len : found.whole.len;
}

/* ---- positions ----------------------------------------------------------------------------- */

/* The text of the file at a position, or absent. */
static struct span text_at(struct source_position at)
{
	if (!at.file || !at.file->text.at || at.line == 0 || at.column == 0)
		return (struct span){ 0 };
	struct span text = at.file->text;
	size_t offset = 0;
	for (uint32_t line = 1; line < at.line; line++) {
		offset = span_find(text, '\n', offset);
		if (offset == text.len)
			return (struct span){ 0 };
		offset++;
	}
	return span_slice(text, offset + at.column - 1, text.len);
}

/* Where in the file `place` (inside parse->whole) stands: when the file really says that text at
 * parse->at, or behind a quote, and not a define, an escape or a join of strings. */
static struct source_position position_of(const struct variable_parse *parse, const char *place,
					  size_t len)
{
	struct source_position at = parse->at;
	struct span source = text_at(at);
	size_t offset = (size_t)(place - parse->whole.at);
	size_t checked = offset + (len && offset + len <= parse->whole.len ? 1 : 0);
	if (!source.at)
		return at;
	struct span head = span_slice(parse->whole, 0, checked);
	if (!span_starts_with(source, head)) {
		if (!source.len || (source.at[0] != '"' && source.at[0] != '\''))
			return at;
		source = span_slice(source, 1, source.len);
		if (!span_starts_with(source, head))
			return at;
		at.column++;
	}
	for (size_t i = 0; i < offset; i++) {
		at.column++;
		if (source.at[i] == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	at.length = len ? (uint32_t)len : 1;
	return at;
}

static void complain(struct variable_parse *parse, struct span where, const char *code,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

static void complain(struct variable_parse *parse, struct span where, const char *code,
		     const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	parse->last = diagnostic_add(parse->diagnostics, SEVERITY_ERROR, code,
				     position_of(parse, where.at, where.len), "%s", text);
	parse->failed = true;
}

/* `what`, written at `where`, comes with a module that is not loaded. */
static void not_provided(struct variable_parse *parse, const char *module, struct span where,
			 struct span what)
{
	parse->failed = true;
	if (missing_module_uses(parse->diagnostics, span_from(module), MISSING_VALUE, what))
		return;
	complain(parse, where, "missing-module", "module \"%s\" provides %.*s", module,
		 SPAN_ARGS(what));
	char hint[96];
	snprintf(hint, sizeof(hint), "add: loadmodule \"%s.so\"", module);
	missing_module_told(parse->diagnostics, span_from(module), parse->last, hint);
}

static void out_of_memory(struct variable_parse *parse)
{
	complain(parse, parse->whole, "no-memory", "out of memory");
}

/* ---- binding ------------------------------------------------------------------------------- */

/* Splits the arguments of a transformation. The last one that the item may have takes the rest. */
static unsigned split_args(struct span text, unsigned max_args, struct span *out_args)
{
	unsigned count = 0;
	struct cursor in = cursor_over(text);
	const char *start = in.at;
	while (count + 1 < max_args && !cursor_is_end(&in)) {
		struct reference nested;
		if (*in.at == '$' && take_reference(&in, &nested, 1))
			continue;
		if (*in.at == ',' && in.at > start) {
			out_args[count++] = cursor_since(&in, start);
			start = in.at + 1;
		}
		in.at++;
	}
	out_args[count++] = span_make(start, (size_t)(in.end - start));
	return count;
}

static bool compile_args(struct variable_parse *parse, struct transform_ref *transform,
			 struct span rest, struct span whole)
{
	const struct transform_row *row = transform->row;
	struct span args[MAX_ARGS];
	unsigned most = row->raw_args ? 1 : row->max_args > MAX_ARGS ? MAX_ARGS : row->max_args;
	unsigned count = 0;
	if (rest.at && most)
		count = split_args(rest, most, args);
	if (rest.at && !most) {
		complain(parse, whole, "bad-transformation", "{%s.%s} takes no arguments",
			 row->class_name, row->name);
		return false;
	}
	if (count < row->min_args) {
		complain(parse, whole, "bad-transformation", "{%s.%s} needs %u argument%s, not %u",
			 row->class_name, row->name, row->min_args, row->min_args == 1 ? "" : "s",
			 count);
		return false;
	}
	if (!count)
		return true;
	struct text_template *templates = ARENA_ARRAY(parse->arena, struct text_template, count);
	struct span *constants = ARENA_ARRAY(parse->arena, struct span, count);
	if (!templates || !constants) {
		out_of_memory(parse);
		return false;
	}
	transform->is_constant = true;
	for (unsigned i = 0; i < count; i++) {
		if (row->raw_args) {
			constants[i] = args[i];
			continue;
		}
		if (!template_parse(parse, args[i], &templates[i]))
			return false;
		transform->is_constant = transform->is_constant && templates[i].is_constant;
		constants[i] = templates[i].count ? templates[i].parts[0].text : SPAN_OF("");
	}
	transform->args = templates;
	transform->constants = constants;
	transform->count = count;
	const char *wrong =
		transform->is_constant && row->check ? row->check(constants, count) : NULL;
	if (wrong)
		complain(parse, whole, "bad-transformation", "{%s.%s}: %s", row->class_name,
			 row->name, wrong);
	return !wrong;
}

/* class "." item [ "," args ]; the braces are not part of `inside`. */
static bool compile_transform(struct variable_parse *parse, struct span inside,
			      struct transform_ref *out)
{
	size_t comma = span_find(inside, ',', 0);
	struct span full = span_trim(span_slice(inside, 0, comma));
	struct span rest = { 0 };
	if (comma < inside.len)
		rest = span_make(inside.at + comma + 1, inside.len - comma - 1);
	size_t dot = span_find(full, '.', 0);
	struct span class_name = span_slice(full, 0, dot);
	struct span name = span_slice(full, dot + 1, full.len);
	const struct transform_row *row = script_transform_find(class_name, name, NULL);
	if (!row) {
		complain(parse, full.len ? full : inside, "unknown-transformation",
			 "there is no transformation {%.*s}", SPAN_ARGS(full));
		const char *near = script_nearest_transform(class_name, name);
		if (near)
			diagnostic_hint(parse->diagnostics, parse->last, "did you mean {%s}?",
					near);
		return false;
	}
	if (row->provided_by) {
		not_provided(parse, row->provided_by, full,
			     arena_printf(parse->diagnostics->arena, "the transformation {%.*s}",
					  SPAN_ARGS(full)));
		return false;
	}
	out->row = row;
	return compile_args(parse, out, rest, inside);
}

static bool compile_transforms(struct variable_parse *parse, const struct reference *reference,
			       struct variable_ref *ref)
{
	struct transform_ref found[MAX_TRANSFORMS] = { 0 };
	unsigned count = 0;
	struct scan_mode mode = { 0, reference->has_escapes };
	struct cursor in = cursor_over(reference->transforms);
	bool ok = true;
	while (!cursor_is_end(&in)) {
		struct span inside;
		if (*in.at != '{') {
			in.at++;
			continue;
		}
		if (!take_balanced(&in, '{', '}', &inside, mode))
			return false;
		if (count == MAX_TRANSFORMS) {
			complain(parse, reference->transforms, "bad-transformation",
				 "more than %d transformations", MAX_TRANSFORMS);
			return false;
		}
		ok = compile_transform(parse, inside, &found[count++]) && ok;
	}
	if (!ok || !count)
		return ok;
	struct transform_ref *kept = ARENA_ARRAY(parse->arena, struct transform_ref, count);
	if (!kept) {
		out_of_memory(parse);
		return false;
	}
	memcpy(kept, found, count * sizeof(*kept));
	ref->transforms = kept;
	ref->transform_count = count;
	return true;
}

static bool compile_index(struct variable_parse *parse, struct span text, struct variable_ref *ref)
{
	struct span index = span_trim(text);
	int64_t number;
	if (span_equal(index, SPAN_OF("*"))) {
		ref->index_kind = INDEX_ALL;
	} else if (span_to_int64(index, &number) && number >= INT32_MIN && number <= INT32_MAX) {
		ref->index_kind = INDEX_NUMBER;
		ref->index = (int32_t)number;
	} else if (index.len && index.at[0] == '$') {
		ref->index_kind = INDEX_VARIABLE;
		ref->index_variable = variable_parse_whole(parse, index);
		return ref->index_variable != NULL;
	} else {
		complain(parse, text.len ? text : span_make(text.at - 1, 1), "bad-variable",
			 "an index is a number, \"*\" or a variable");
		return false;
	}
	return true;
}

static bool compile_inner(struct variable_parse *parse, const struct reference *found,
			  struct variable_ref *ref)
{
	const struct variable_row *row = ref->row;
	if (!found->inner.at) {
		if (row->inner != INNER_NAME)
			return true;
		complain(parse, found->whole, "bad-variable",
			 "$%s needs a name in parentheses: $%s(name)", row->name, row->name);
		return false;
	}
	if (row->inner == INNER_NONE) {
		complain(parse, found->whole, "bad-variable", "$%s takes no name in parentheses",
			 row->name);
		return false;
	}
	struct text_template *template = ARENA_NEW(parse->arena, struct text_template);
	if (!template) {
		out_of_memory(parse);
		return false;
	}
	if (!template_parse(parse, found->inner, template))
		return false;
	if (template->is_constant)
		ref->inner = template->count ? template->parts[0].text : SPAN_OF("");
	else
		ref->inner_template = template;
	return true;
}

static const struct variable_row *find_row(struct variable_parse *parse,
					   const struct reference *found)
{
	const struct variable_row *row = script_variable_find(found->name, NULL);
	if (row && row->provided_by) {
		not_provided(
			parse, row->provided_by, found->whole,
			arena_printf(parse->diagnostics->arena, "$%.*s", SPAN_ARGS(found->name)));
		return NULL;
	}
	if (row)
		return row;
	const char *near = script_nearest_variable(found->name);
	if (found->inner.at) {
		complain(parse, found->whole, "unknown-variable", "there is no variable $%.*s(…)",
			 SPAN_ARGS(found->name));
		if (near)
			diagnostic_hint(parse->diagnostics, parse->last, "did you mean $%s?", near);
		return NULL;
	}
	/* The peer reads an unknown bare name as an AVP, an inheritance from SER. */
	parse->last = diagnostic_add(parse->diagnostics, SEVERITY_WARNING, "unknown-variable",
				     position_of(parse, found->whole.at, found->whole.len),
				     "there is no variable $%.*s; it is read as $avp(%.*s)",
				     SPAN_ARGS(found->name), SPAN_ARGS(found->name));
	if (near)
		diagnostic_hint(parse->diagnostics, parse->last, "did you mean $%s?", near);
	else
		diagnostic_hint(parse->diagnostics, parse->last,
				"write $avp(%.*s) if that is what you want",
				SPAN_ARGS(found->name));
	return script_variable_find(SPAN_OF("avp"), NULL);
}

static const struct variable_ref *build_reference(struct variable_parse *parse,
						  const struct reference *found)
{
	if (found->error) {
		complain(parse, span_make(found->error_at, 1), "bad-variable", "%s", found->error);
		return NULL;
	}
	struct variable_ref *ref = ARENA_NEW(parse->arena, struct variable_ref);
	if (!ref) {
		out_of_memory(parse);
		return NULL;
	}
	ref->text = found->whole;
	ref->row = find_row(parse, found);
	if (!ref->row)
		return NULL;
	bool is_bare_avp = !span_equal(span_from(ref->row->name), found->name);
	if (is_bare_avp)
		ref->inner = found->name;
	bool ok = is_bare_avp || compile_inner(parse, found, ref);
	if (found->index.at)
		ok = compile_index(parse, found->index, ref) && ok;
	ok = compile_transforms(parse, found, ref) && ok;
	if (!ok)
		return NULL;
	const char *wrong = ref->row->bind ? ref->row->bind(ref, parse->arena) : NULL;
	if (wrong) {
		complain(parse, found->whole, "bad-variable", "$%s: %s", ref->row->name, wrong);
		return NULL;
	}
	return ref;
}

const struct variable_ref *variable_parse_next(struct variable_parse *parse, struct cursor *in)
{
	struct reference found;
	if (!take_reference(in, &found, parse->depth))
		return NULL;
	if (parse->depth >= MAX_DEPTH) {
		complain(parse, found.whole, "bad-variable", "variables are nested too deeply");
		return NULL;
	}
	parse->depth++;
	const struct variable_ref *ref = build_reference(parse, &found);
	parse->depth--;
	return ref;
}

const struct variable_ref *variable_parse_whole(struct variable_parse *parse, struct span text)
{
	struct cursor in = cursor_over(text);
	unsigned errors = diagnostics_told(parse->diagnostics);
	const struct variable_ref *ref = variable_parse_next(parse, &in);
	if (!ref && diagnostics_told(parse->diagnostics) == errors) {
		complain(parse, text, "bad-variable", "\"%.*s\" is no variable", SPAN_ARGS(text));
		return NULL;
	}
	if (ref && !cursor_is_end(&in)) {
		complain(parse, cursor_rest(&in), "bad-variable",
			 "unexpected text after the variable: \"%.*s\"",
			 SPAN_ARGS(cursor_rest(&in)));
		return NULL;
	}
	return ref;
}

const struct variable_ref *variable_compile(struct span text, struct arena *arena,
					    struct diagnostics *diagnostics,
					    struct source_position at)
{
	struct span copy = arena_copy(arena, span_trim(text).at ? span_trim(text) : SPAN_OF(""));
	struct variable_parse parse = {
		.arena = arena, .diagnostics = diagnostics, .at = at, .whole = copy,
	};
	if (!copy.at) {
		out_of_memory(&parse);
		return NULL;
	}
	return variable_parse_whole(&parse, copy);
}
