/* SPDX-License-Identifier: BSD-2-Clause */
/* spec: reads arguments that consist of several parts. Each is read once in a process and kept. */
#include "modules/avpops/avpops.h"

#define CHUNK      8192
#define LIMIT      (1 << 20)
#define PARTS_MOST 3

static struct {
	struct arena arena;
	struct avp_spec *first;
} state;

/* What a form is made of. */
static const struct shape {
	const char *usage;
	const char *letters; /* flags */
	bool is_avp;         /* the first part is an AVP … */
	bool or_class;       /* … or a, s, i; * is a */
	bool or_text;        /* the first part may be a text instead of a variable */
	bool has_target;     /* a second AVP may follow */
} shapes[] = {
	[SPEC_SOURCE] = { "a source is \"$ru\", \"$avp(x)/uuid\", \"text\", with /username, /domain, "
			  "/uri or /uuid",
			  NULL, .or_text = true },
	[SPEC_STORED] = { "what is stored is \"$avp(name)\", \"a\", \"s\" or \"i\", with /table or "
			  "/$scheme",
			  NULL, .is_avp = true, .or_class = true },
	[SPEC_DELETED] = { "what is deleted is \"$avp(name)\", \"a\", \"s\" or \"i\", with /g", "g",
			   .is_avp = true, .or_class = true },
	[SPEC_DESTINATION] = { "a destination is \"$ru\", \"$ru/username\", \"$ru/domain\", \"$du\" or "
			       "\"$br\"",
			       NULL, .or_text = true },
	[SPEC_PUSHED] = { "what is pushed is a variable, with /g", "g" },
	[SPEC_CHECKED] = { "what is checked is a variable, with flags g and i", "gi" },
	[SPEC_COMPARISON] = { "a comparison is \"eq/value/flags\" with eq, ne, lt, le, gt, ge, re, fm, "
			      "and, or, xor; flags are g and i",
			      "gi", .or_text = true },
	[SPEC_AVP] = { "an AVP is \"$avp(name)\"", "", .is_avp = true },
	[SPEC_COPY] = { "the copy is \"$avp(name)/flags\" with flags g, d, n, s", "gdns",
			.is_avp = true },
	[SPEC_SUBST] = { "what is changed is \"$avp(name)/$avp(result)/flags\" with flags g and d",
			 "gd", .is_avp = true, .has_target = true },
	[SPEC_OPERANDS] = { "what is computed with is \"$avp(name)/$avp(result)\"", "",
			    .is_avp = true, .has_target = true },
	[SPEC_OPERATION] = { "an operation is \"add/i:5/flags\" with add, sub, mul, div, mod, and, or, "
			     "xor, not, a number or variable, and flags g and d",
			     "gd", .or_text = true },
	[SPEC_SET] = { "what is asked is \"$avp(name)/flags\" with flags s, n, e", "sne",
		       .is_avp = true },
	[SPEC_LIST] = { "a list of variables is \"$avp(a);$avp(b)\"", NULL },
};

static const struct {
	struct span name;
	enum avp_operator op;
} comparisons[] = {
	{ SPAN("eq"), OP_EQ }, { SPAN("ne"), OP_NE }, { SPAN("lt"), OP_LT }, { SPAN("le"), OP_LE },
	{ SPAN("gt"), OP_GT }, { SPAN("ge"), OP_GE }, { SPAN("re"), OP_RE }, { SPAN("fm"), OP_FM },
	{ SPAN("and"), OP_AND }, { SPAN("or"), OP_OR }, { SPAN("xor"), OP_XOR },
}, operations[] = {
	{ SPAN("add"), OP_ADD }, { SPAN("sub"), OP_SUB }, { SPAN("mul"), OP_MUL }, { SPAN("div"), OP_DIV },
	{ SPAN("mod"), OP_MOD }, { SPAN("and"), OP_AND }, { SPAN("or"), OP_OR }, { SPAN("xor"), OP_XOR },
	{ SPAN("not"), OP_NOT },
};

/* ---- parts -------------------------------------------------------------------------------------------- */

struct parts {
	struct span all[PARTS_MOST];
	unsigned count;
};

/* Parts end at a slash, except inside a variable. */
static bool split(struct span text, struct parts *out)
{
	size_t at = 0;
	out->count = 0;
	for (;;) {
		const char *wrong = NULL;
		struct span rest = span_slice(text, at, text.len);
		size_t length = 0;
		if (rest.len && rest.at[0] == '$')
			length = variable_reference_length(rest, &wrong);
		if (wrong || out->count == PARTS_MOST)
			return false;
		length = span_find(rest, '/', length);
		out->all[out->count++] = span_slice(rest, 0, length);
		at += length + 1;
		if (at > text.len)
			return true;
	}
}

static const char *read_variable(struct span text, const struct variable_ref **out)
{
	struct span error = { 0 };
	const struct text_template *t = template_compile_runtime(text, &state.arena, &error);
	if (!t)
		return error.at ? arena_string(&state.arena, error) : "memory is exhausted";
	if (t->count != 1 || !t->parts[0].variable)
		return "this is no variable";
	*out = t->parts[0].variable;
	return NULL;
}

static bool begins_variable(struct span text)
{
	return text.len && text.at[0] == '$';
}

static bool read_flags(struct span text, const char *letters, unsigned *out)
{
	static const struct {
		char letter;
		enum spec_flag flag;
	} names[] = { { 'g', FLAG_ALL },    { 'd', FLAG_DELETE }, { 'n', FLAG_NUMBER },
		      { 's', FLAG_STRING }, { 'i', FLAG_NOCASE }, { 'e', FLAG_EMPTY } };
	for (size_t i = 0; i < text.len; i++) {
		char letter = ascii_lower(text.at[i]);
		if (!letter || !strchr(letters, letter))
			return false;
		for (size_t n = 0; n < ARRAY_SIZE(names); n++)
			if (names[n].letter == letter)
				*out |= names[n].flag;
	}
	return true;
}

static bool is_class(struct span text)
{
	return text.len == 1 && strchr("asi*", ascii_lower(text.at[0]));
}

/* value = "i:" number / "s:" text / text */
static const char *read_value(struct span text, bool is_number, struct value *out)
{
	bool has_i = span_starts_with_nocase(text, SPAN_OF("i:"));
	bool has_s = span_starts_with_nocase(text, SPAN_OF("s:"));
	*out = VALUE_OF_TEXT(span_slice(text, has_i || has_s ? 2 : 0, text.len));
	if (!has_i && !is_number)
		return NULL;
	int64_t number;
	if (has_s || !span_to_int64_any_base(span_trim(out->text), &number))
		return "the value is no number: i:5";
	*out = VALUE_OF_INT(number);
	return NULL;
}

/* ---- forms -------------------------------------------------------------------------------------------- */

static const char *read_operator(struct avp_spec *spec, struct span name)
{
	bool is_comparison = spec->form == SPEC_COMPARISON;
	size_t count = is_comparison ? ARRAY_SIZE(comparisons) : ARRAY_SIZE(operations);
	for (size_t i = 0; i < count; i++) {
		struct span row = is_comparison ? comparisons[i].name : operations[i].name;
		if (!span_equal_nocase(row, name))
			continue;
		spec->op = is_comparison ? comparisons[i].op : operations[i].op;
		return NULL;
	}
	return shapes[spec->form].usage;
}

/* operator "/" operand [ "/" flags ] */
static const char *read_operation(struct avp_spec *spec, const struct parts *parts)
{
	const char *usage = shapes[spec->form].usage;
	const char *wrong = read_operator(spec, parts->all[0]);
	if (wrong)
		return wrong;
	if (parts->count < 2)
		return usage;
	if (begins_variable(parts->all[1]))
		wrong = read_variable(parts->all[1], &spec->variable);
	else
		wrong = read_value(parts->all[1], spec->form == SPEC_OPERATION, &spec->value);
	if (wrong)
		return wrong;
	bool is_good = parts->count < 3 ||
		       read_flags(parts->all[2], shapes[spec->form].letters, &spec->flags);
	return is_good ? NULL : usage;
}

static const char *read_first(struct avp_spec *spec, struct span part)
{
	const struct shape *shape = &shapes[spec->form];
	spec->word = part;
	if (shape->or_class && is_class(part))
		return NULL;
	if (!begins_variable(part))
		return shape->or_text && part.len ? NULL : shape->usage;
	if (spec->form == SPEC_DESTINATION)
		return NULL;
	const char *wrong = read_variable(part, &spec->variable);
	if (wrong)
		return wrong;
	return shape->is_avp && !is_avp(spec->variable) ? shape->usage : NULL;
}

static const char *read_parts(struct avp_spec *spec, const struct parts *parts)
{
	const struct shape *shape = &shapes[spec->form];
	unsigned next = 1;
	const char *wrong = read_first(spec, parts->all[0]);
	if (wrong)
		return wrong;
	if (shape->has_target && parts->count > 1 && begins_variable(parts->all[1])) {
		wrong = read_variable(parts->all[next++], &spec->second);
		if (!wrong && !is_avp(spec->second))
			wrong = shape->usage;
	}
	if (wrong || next == parts->count)
		return wrong;
	if (!shape->letters)
		spec->option = parts->all[next++];
	else if (!read_flags(parts->all[next++], shape->letters, &spec->flags))
		return shape->usage;
	return next == parts->count ? NULL : shape->usage;
}

/* The names that may stand behind the slash. */
static const char *check_option(const struct avp_spec *spec)
{
	static const struct span names[] = { SPAN("username"), SPAN("domain"), SPAN("uri"),
					     SPAN("uuid") };
	bool is_uri = span_equal(spec->word, SPAN_OF("$ru"));
	unsigned count = ARRAY_SIZE(names);
	if (spec->form == SPEC_DESTINATION) {
		count = is_uri ? 2 : 0;
		if (!is_uri && !span_equal(spec->word, SPAN_OF("$du")) &&
		    !span_equal(spec->word, SPAN_OF("$br")))
			return shapes[spec->form].usage;
	} else if (spec->form != SPEC_SOURCE) {
		return NULL;
	}
	if (!spec->option.at)
		return NULL;
	for (unsigned i = 0; i < count; i++)
		if (span_equal_nocase(names[i], spec->option))
			return NULL;
	return shapes[spec->form].usage;
}

static const char *read_list(struct avp_spec *spec)
{
	struct span rest = spec->text;
	while (rest.len) {
		const char *wrong = NULL;
		if (ascii_is_space(rest.at[0]) || rest.at[0] == ';' || rest.at[0] == ',') {
			rest = span_slice(rest, 1, rest.len);
			continue;
		}
		size_t length = begins_variable(rest) ? variable_reference_length(rest, &wrong) : 0;
		if (wrong || !length || spec->count == SPEC_LIST_MOST)
			return shapes[spec->form].usage;
		wrong = read_variable(span_slice(rest, 0, length), &spec->list[spec->count]);
		if (wrong)
			return wrong;
		if (!variable_is_writable(spec->list[spec->count++]))
			return "one of the variables cannot be assigned";
		rest = span_slice(rest, length, rest.len);
	}
	return spec->count ? NULL : shapes[spec->form].usage;
}

static const char *read_form(struct avp_spec *spec)
{
	struct parts parts;
	if (spec->form == SPEC_LIST)
		return read_list(spec);
	if (!split(spec->text, &parts))
		return shapes[spec->form].usage;
	if (spec->form == SPEC_COMPARISON || spec->form == SPEC_OPERATION)
		return read_operation(spec, &parts);
	const char *wrong = read_parts(spec, &parts);
	return wrong ? wrong : check_option(spec);
}

const struct avp_spec *spec_read(enum spec_form form, struct span text, const char **out_wrong)
{
	for (const struct avp_spec *one = state.first; one; one = one->next)
		if (one->form == form && span_equal(one->text, text))
			return one;
	if (!state.arena.chunk_size)
		arena_init(&state.arena, CHUNK, LIMIT);
	struct avp_spec *spec = ARENA_NEW(&state.arena, struct avp_spec);
	struct span kept = arena_copy(&state.arena, text);
	*out_wrong = "memory is exhausted";
	if (!spec || !kept.at)
		return NULL;
	*spec = (struct avp_spec){ .next = state.first, .form = form, .text = kept };
	*out_wrong = read_form(spec);
	if (*out_wrong)
		return NULL;
	state.first = spec;
	return spec;
}

const struct avp_spec *spec_of(enum spec_form form, struct span text)
{
	const char *wrong;
	const struct avp_spec *spec = spec_read(form, text, &wrong);
	if (!spec)
		log_error("\"%.*s\": %s", SPAN_ARGS(text), wrong);
	return spec;
}
