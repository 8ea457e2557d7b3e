/* SPDX-License-Identifier: BSD-2-Clause */
/* textops: looking at and changing the text of messages. The rows of the module and the functions
 * that compare texts; search.c, header.c, body.c and multipart.c hold the others. */
#include "modules/textops/textops.h"

struct pair_args {
	struct span first, second;
};
static const struct field pair_fields[] = {
	FIELD(struct pair_args, first, "first text"),
	FIELD(struct pair_args, second, "second text"),
};
struct list_args {
	struct span subject, list, separator;
};
static const char *check_separator(struct span text, int64_t number)
{
	(void)number;
	return text.len == 1 ? NULL : "the separator is one character";
}
static const struct field list_fields[] = {
	FIELD(struct list_args, subject, "text to look for"),
	FIELD(struct list_args, list, "items"),
	FIELD(struct list_args, separator, "character between the items",
		.accept = check_separator),
};

SCRIPT_HANDLER_OF(equal, pair)
SCRIPT_HANDLER_OF(equal_nocase, pair)
SCRIPT_HANDLER_OF(starts, pair)
SCRIPT_HANDLER_OF(ends, pair)
SCRIPT_HANDLER_OF(find, pair)
SCRIPT_HANDLER_OF(find_nocase, pair)
SCRIPT_HANDLER_OF(any_in, pair)
SCRIPT_HANDLER_OF(all_in, pair)
SCRIPT_HANDLER_OF(in_list, list)
SCRIPT_HANDLER_OF(in_list_prefix, list)

static const struct script_function functions[] = {
	FUNCTION_OF("cmp_str", equal, pair, IN_ANY, "Are the texts equal?"),
	FUNCTION_OF("cmp_istr", equal_nocase, pair, IN_ANY, "Are the texts equal in any case?"),
	FUNCTION_OF(
		"starts_with", starts, pair, IN_ANY, "Does the first text start with the second?"),
	FUNCTION_OF("ends_with", ends, pair, IN_ANY, "Does the first text end with the second?"),
	FUNCTION_OF("str_find", find, pair, IN_ANY,
		"Where is the second text in the first, from 1? -1: nowhere."),
	FUNCTION_OF("str_ifind", find_nocase, pair, IN_ANY, "Like str_find, in any case."),
	FUNCTION_OF("str_any_in", any_in, pair, IN_ANY,
		"Is a character of the second text in the first?"),
	FUNCTION_OF("str_all_in", all_in, pair, IN_ANY,
		"Are all characters of the first text in the second?"),
	FUNCTION_OF("in_list", in_list, list, IN_ANY, "Is the text an item of the list?"),
	FUNCTION_OF("in_list_prefix", in_list_prefix, list, IN_ANY,
		"Is an item of the list a prefix of the text?"),
};

static int equal(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	return truth(span_equal(args->first, args->second));
}

static int equal_nocase(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	return truth(span_equal_nocase(args->first, args->second));
}

static int starts(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	return truth(span_starts_with(args->first, args->second));
}

static int ends(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	return truth(span_ends_with(args->first, args->second));
}

static int find(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	if (!args->second.len)
		return (int)args->first.len + 1; /* as the peer counts */
	size_t at = span_find_span(args->first, args->second);
	return at < args->first.len ? (int)at + 1 : SCRIPT_FALSE;
}

static int find_nocase(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	if (!args->second.len)
		return (int)args->first.len + 1;
	for (size_t at = 0; at + args->second.len <= args->first.len; at++)
		if (span_equal_nocase(span_slice(args->first, at, args->second.len), args->second))
			return (int)at + 1;
	return SCRIPT_FALSE;
}

static bool contains(struct span text, char c)
{
	return span_find(text, c, 0) < text.len;
}

static int any_in(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	for (size_t i = 0; i < args->first.len; i++)
		if (contains(args->second, args->first.at[i]))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

static int all_in(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	for (size_t i = 0; i < args->first.len; i++)
		if (!contains(args->second, args->first.at[i]))
			return SCRIPT_FALSE;
	return truth(args->first.len);
}

static int in_list(struct script_run *run, const struct list_args *args)
{
	(void)run;
	struct span rest = args->list, item;
	char separator = args->separator.len ? args->separator.at[0] : ',';
	while (span_split(&rest, separator, &item))
		if (span_equal(span_trim(item), args->subject))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

static int in_list_prefix(struct script_run *run, const struct list_args *args)
{
	(void)run;
	struct span rest = args->list, item;
	char separator = args->separator.len ? args->separator.at[0] : ',';
	while (span_split(&rest, separator, &item)) {
		item = span_trim(item);
		if (item.len && span_starts_with(args->subject, item))
			return SCRIPT_TRUE;
	}
	return SCRIPT_FALSE;
}

static const struct function_table *const more_functions[] = {
	&search_functions, &header_functions, &body_functions, &multipart_functions, NULL,
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "textops",
	.doc = "Looks at and changes the text of messages.",
	.functions = ROWS(functions),
	.more_functions = more_functions,
};
