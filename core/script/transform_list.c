/* SPDX-License-Identifier: BSD-2-Clause */
/* transform_list: {param.…} over lists of name=value, and {re.subst}. */
#include "core/script/pattern.h"
#include "core/script/transform.h"
#include "parser/params.h"

enum param_part { PARAM_VALUE, PARAM_IN, PARAM_VALUE_AT, PARAM_NAME_AT };

static char separator_of(const struct span *args, unsigned count, unsigned index)
{
	return count > index && args[index].len ? args[index].at[0] : ';';
}

static size_t skip_blanks(struct span text, size_t i)
{
	while (i < text.len && ascii_is_space(text.at[i]))
		i++;
	return i;
}

/* A comma outside of quotes ends the list, so that of "a;x=1, b;x=2" the first part counts. */
static bool ends_value(char c, char separator)
{
	return c == separator || c == ',' || ascii_is_space(c);
}

/* The value at `i`, without its quotes; returns what is behind it, or SIZE_MAX for an open quote. */
static size_t take_value(struct span text, size_t i, char separator, struct span *out)
{
	char quote = i < text.len ? text.at[i] : '\0';
	size_t start = i;
	if (quote != '"' && quote != '\'') {
		while (i < text.len && !ends_value(text.at[i], separator))
			i++;
		*out = span_slice(text, start, i - start);
		return i;
	}
	for (i++; i < text.len && text.at[i] != quote; i++)
		i += text.at[i] == '\\';
	if (i >= text.len)
		return SIZE_MAX;
	*out = span_slice(text, start + 1, i - start - 1);
	return i + 1;
}

/* The next entry of a list that scripts take apart. Unlike parameters of SIP, names are any text up to
 * "=", the separator or a blank: $(ru{param.value,x}) works.
 *   list  = entry *( separator entry )
 *   entry = name [ "=" [ value / DQUOTE value DQUOTE / "'" value "'" ] ]
 * False at its end, or behind something that is no entry. */
static bool entry_next(struct span *rest, char separator, struct param *out)
{
	struct span text = *rest;
	size_t i = skip_blanks(text, 0), start;
	while (i < text.len && text.at[i] == separator)
		i = skip_blanks(text, i + 1);
	for (start = i; i < text.len && text.at[i] != '=' && !ends_value(text.at[i], separator);)
		i++;
	*out = (struct param){ .name = span_slice(text, start, i - start) };
	*rest = (struct span){ NULL, 0 };
	if (!out->name.len)
		return false;
	i = skip_blanks(text, i);
	if (i < text.len && text.at[i] == '=') {
		i = take_value(text, skip_blanks(text, i + 1), separator, &out->value);
		if (i == SIZE_MAX)
			return false;
		out->has_value = true;
		i = skip_blanks(text, i);
	}
	if (i < text.len && text.at[i] == ',' && separator != ',')
		return true;
	if (i < text.len && text.at[i] != separator)
		return false;
	*rest = span_slice(text, i, text.len);
	return true;
}

static unsigned count_params(struct span text, char separator)
{
	struct param param;
	unsigned count = 0;
	while (entry_next(&text, separator, &param))
		count++;
	return count;
}

/* The last one of a name wins, as in the peer. */
static bool find_last(struct span text, char separator, struct span name, struct param *out_param)
{
	struct param param;
	bool found = false;
	while (entry_next(&text, separator, &param)) {
		if (!span_equal_nocase(param.name, name))
			continue;
		*out_param = param;
		found = true;
	}
	return found;
}

static bool find_at(struct span text, char separator, int64_t index, struct param *out_param)
{
	if (index < 0)
		index += count_params(text, separator);
	while (index >= 0 && entry_next(&text, separator, out_param))
		if (index-- == 0)
			return true;
	return false;
}

static bool apply_param(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t part)
{
	struct span text;
	struct param param;
	int64_t index = 0;
	char separator = separator_of(args, count, 1);
	if (!transform_input(run, value, &text))
		return false;
	bool by_place = part == PARAM_VALUE_AT || part == PARAM_NAME_AT;
	if (by_place && !transform_number(args[0], &index))
		return false;
	bool found = by_place ? find_at(text, separator, index, &param)
			      : find_last(text, separator, span_trim(args[0]), &param);
	switch ((enum param_part)part) {
	case PARAM_IN: return transform_int(value, found);
	case PARAM_NAME_AT: return transform_text(value, found ? param.name : SPAN_OF(""));
	case PARAM_VALUE:
	case PARAM_VALUE_AT: break;
	}
	return transform_text(value, found && param.has_value ? param.value : SPAN_OF(""));
}

static bool apply_param_count(struct script_run *run, struct value *value, const struct span *args,
			      unsigned count, intptr_t selector)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	return transform_int(value, count_params(text, separator_of(args, count, 0)));
}

static const char *check_separator(const struct span *args, unsigned count)
{
	return count > 1 && args[1].len != 1 ? "the separator is one character" : NULL;
}

static const char *check_place(const struct span *args, unsigned count)
{
	const char *wrong = transform_check_number(args, count);
	return wrong ? wrong : check_separator(args, count);
}

static bool apply_subst(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t selector)
{
	struct span text;
	const struct substitution *substitution = substitution_cached(args[0]);
	if (!substitution || !transform_input(run, value, &text))
		return false;
	struct writer w = writer_in_arena(run->arena, text.len + 64);
	if (!substitution_apply(run, substitution, text, &w))
		return !w.failed && transform_text(value, text);
	return transform_written(value, &w);
}

static const char *check_subst(const struct span *args, unsigned count)
{
	static char sentence[256];
	struct arena scratch;
	struct span error = { 0 };
	arena_init(&scratch, 4096, 1 << 20);
	bool ok = substitution_compile(args[0], &scratch, &error) != NULL;
	struct writer w = writer_fixed(sentence, sizeof(sentence));
	writer_span(&w, span_slice(error, 0, sizeof(sentence) - 1));
	writer_terminate(&w);
	arena_free(&scratch);
	return ok ? NULL : sentence;
}

static const struct transform_row rows[] = {
	{ "param", "value", apply_param, 1, 2, .check = check_separator, .selector = PARAM_VALUE, .doc = "name[,separator]: value of a parameter." },
	{ "param", "in", apply_param, 1, 2, .check = check_separator, .selector = PARAM_IN, .doc = "name[,separator]: 1 when there is such a parameter, else 0." },
	{ "param", "valueat", apply_param, 1, 2, .check = check_place, .selector = PARAM_VALUE_AT, .doc = "index[,separator]: value of a parameter by place." },
	{ "param", "name", apply_param, 1, 2, .check = check_place, .selector = PARAM_NAME_AT, .doc = "index[,separator]: name of a parameter by place." },
	{ "param", "count", apply_param_count, 0, 1, .doc = "[separator]: number of parameters." },
	{ "re", "subst", apply_subst, 1, 1, .raw_args = true, .check = check_subst, .doc = "/expression/replacement/flags: a substitution." },
};
const struct transform_table transform_list_table = ROWS(rows);

static const struct transform_row known[] = {
	{ "sql", "val", .max_args = 1, .doc = "A value for SQL.", .provided_by = "sqlops" },
	{ "sql", "val.int", .max_args = 1, .doc = "A number for SQL.", .provided_by = "sqlops" },
	{ "sql", "val.str", .max_args = 1, .doc = "A text for SQL.", .provided_by = "sqlops" },
	{ "msrpuri", "user", .doc = "User of an MSRP URI.", .provided_by = "msrp" },
	{ "msrpuri", "host", .doc = "Host of an MSRP URI.", .provided_by = "msrp" },
	{ "msrpuri", "port", .doc = "Port of an MSRP URI.", .provided_by = "msrp" },
	{ "msrpuri", "session", .doc = "Session of an MSRP URI.", .provided_by = "msrp" },
	{ "msrpuri", "proto", .doc = "Protocol of an MSRP URI.", .provided_by = "msrp" },
	{ "msrpuri", "params", .doc = "Parameters of an MSRP URI.", .provided_by = "msrp" },
	{ "msrpuri", "userinfo", .doc = "User part of an MSRP URI.", .provided_by = "msrp" },
	{ "url", "path", .doc = "Path of a URL.", .provided_by = "xhttp" },
	{ "url", "querystring", .doc = "Query of a URL.", .provided_by = "xhttp" },
	{ "json", "encode", .doc = "A text escaped for JSON.", .provided_by = "json" },
	{ "json", "parse", .min_args = 1, .max_args = 1, .doc = "A value in JSON by path.", .provided_by = "json" },
	{ "json", "parsex", .min_args = 1, .max_args = 1, .doc = "A value in JSON by path with its own separator.", .provided_by = "json" },
	{ "kz", "encode", .doc = "A text escaped for AMQP.", .provided_by = "kazoo" },
	{ "kz", "json", .min_args = 1, .max_args = 1, .doc = "A value in JSON by path.", .provided_by = "kazoo" },
	{ "kz", "json.count", .min_args = 1, .max_args = 1, .doc = "Number of members in JSON.", .provided_by = "kazoo" },
};
const struct transform_table transform_known_table = ROWS(known);
