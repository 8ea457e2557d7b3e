/* SPDX-License-Identifier: BSD-2-Clause */
/* Values inside headers: "HFNAME[INDEX].PARAM" names a value of a comma list, or a parameter of it.
 *
 *   reference = name [ "[" ( index / "*" ) "]" ] [ "." [ "p." / "param." ] parameter ]
 *
 * Values count over all headers of that name, from 1, negative from the end. The functions whose
 * name ends in 2 take headers like Authorization: the whole line is one value, and commas separate
 * its parameters. */
#include "modules/textopsx/textopsx.h"
#include "parser/params.h"

#define MAX_VALUES 256

/* ---- arguments ------------------------------------------------------------------------------- */

struct change_args {
	struct span reference, value;
};
static const struct field change_fields[] = {
	FIELD(struct change_args, reference, "HFNAME[INDEX].PARAM"),
	FIELD(struct change_args, value, "the value"),
};
struct reference_args {
	struct span reference;
};
static const struct field reference_fields[] = {
	FIELD(struct reference_args, reference, "HFNAME[INDEX].PARAM"),
};

SCRIPT_HANDLER_OF(append_value, change)
SCRIPT_HANDLER_OF(insert_value, change)
SCRIPT_HANDLER_OF(remove_value, reference)
SCRIPT_HANDLER_OF(remove_value2, reference)
SCRIPT_HANDLER_OF(assign_value, change)
SCRIPT_HANDLER_OF(assign_value2, change)
SCRIPT_HANDLER_OF(include_value, change)
SCRIPT_HANDLER_OF(exclude_value, change)
SCRIPT_HANDLER_OF(value_exists, change)

#define IN_MESSAGE IN_ALL_BUT_ONSEND

static const struct script_function functions[] = {
	FUNCTION_OF("append_hf_value", append_value, change, IN_MESSAGE,
		"Adds a value after the one that is named, or a header at the end."),
	FUNCTION_OF("insert_hf_value", insert_value, change, IN_MESSAGE,
		"Adds a value before the one that is named, or a header first."),
	FUNCTION_OF("remove_hf_value", remove_value, reference, IN_MESSAGE,
		"Removes a value or a parameter."),
	FUNCTION_OF("remove_hf_value2", remove_value2, reference, IN_MESSAGE,
		"Like remove_hf_value, for headers like Authorization."),
	FUNCTION_OF("assign_hf_value", assign_value, change, IN_MESSAGE,
		"Sets a value or a parameter."),
	FUNCTION_OF("assign_hf_value2", assign_value2, change, IN_MESSAGE,
		"Like assign_hf_value, for headers like Authorization."),
	FUNCTION_OF("include_hf_value", include_value, change, IN_MESSAGE,
		"Adds a value to a set unless it is there."),
	FUNCTION_OF("exclude_hf_value", exclude_value, change, IN_MESSAGE,
		"Removes a value from a set."),
	FUNCTION_OF("hf_value_exists", value_exists, change, IN_ANY, "Is the value in the set?"),
};
const struct function_table value_functions = ROWS(functions);

/* ---- references ------------------------------------------------------------------------------ */

struct reference {
	struct span name; /* underscores stand for dashes */
	enum { REFERS_DEFAULT, REFERS_NUMBER, REFERS_ALL } kind;
	int64_t index;
	struct span param; /* absent: the value itself */
};

static struct span with_dashes(struct arena *arena, struct span name)
{
	char *text = arena_string(arena, name);
	for (size_t i = 0; text && i < name.len; i++)
		if (text[i] == '_')
			text[i] = '-';
	return span_make(text, text ? name.len : 0);
}

static bool read_index(struct span text, struct reference *out)
{
	text = span_trim(text);
	if (span_equal(text, SPAN_OF("*"))) {
		out->kind = REFERS_ALL;
		return true;
	}
	out->kind = REFERS_NUMBER;
	return span_to_int64(text, &out->index) && out->index >= -MAX_VALUES &&
	       out->index <= MAX_VALUES;
}

static bool reference_read(struct script_run *run, struct span text, struct reference *out)
{
	size_t end = 0;
	*out = (struct reference){ .index = 1 };
	while (end < text.len && text.at[end] != '[' && text.at[end] != '.')
		end++;
	out->name = with_dashes(run->arena, span_trim(span_slice(text, 0, end)));
	struct span rest = span_slice(text, end, text.len);
	if (rest.len && rest.at[0] == '[') {
		size_t close = span_find(rest, ']', 0);
		if (close == rest.len || !read_index(span_slice(rest, 1, close - 1), out))
			goto bad;
		rest = span_slice(rest, close + 1, rest.len);
	}
	if (rest.len && rest.at[0] == '.') {
		out->param = span_slice(rest, 1, rest.len);
		if (span_starts_with(out->param, SPAN_OF("p.")))
			out->param = span_slice(out->param, 2, out->param.len);
		else if (span_starts_with(out->param, SPAN_OF("param.")))
			out->param = span_slice(out->param, 6, out->param.len);
		rest = SPAN_OF("");
	}
	if (out->name.len && !rest.len && (!out->param.at || out->param.len))
		return true;
bad:
	log_error("\"%.*s\" is not HFNAME[INDEX].PARAM", SPAN_ARGS(text));
	return false;
}

/* ---- values ---------------------------------------------------------------------------------- */

struct item {
	const struct sip_header *header;
	struct span text; /* trimmed */
};

struct item_list {
	struct item *items;
	unsigned count;
};

/* Takes the value before the next comma that is outside quotes and angle brackets. */
static struct span take_value(struct span *rest)
{
	bool in_quotes = false, in_brackets = false;
	size_t end = 0;
	for (; end < rest->len; end++) {
		char c = rest->at[end];
		if (in_quotes && c == '\\' && end + 1 < rest->len)
			end++;
		else if (c == '"')
			in_quotes = !in_quotes;
		else if (!in_quotes && (c == '<' || c == '>'))
			in_brackets = c == '<';
		else if (c == ',' && !in_quotes && !in_brackets)
			break;
	}
	struct span value = span_trim(span_slice(*rest, 0, end));
	*rest = end < rest->len ? span_slice(*rest, end + 1, rest->len) : (struct span){ 0 };
	return value;
}

static bool list_items(struct script_run *run, struct span name, bool whole_lines,
		       struct item_list *out)
{
	struct message *msg = run->msg;
	struct item *items = ARENA_ARRAY(run->arena, struct item, MAX_VALUES);
	unsigned count = 0;
	if (!items)
		return false;
	for (const struct sip_header *h = NULL;
	     (h = sip_header_named(msg->index, msg->bytes, name, h));) {
		struct span rest = message_header_value(msg, h);
		if (edit_removes(msg, h))
			continue;
		do {
			if (count == MAX_VALUES)
				return false;
			items[count].header = h;
			items[count++].text = whole_lines ? rest : take_value(&rest);
		} while (!whole_lines && rest.at);
	}
	*out = (struct item_list){ items, count };
	return true;
}

/* The place of the value that is meant, or -1; REFERS_ALL is handled by the caller. */
static int item_index(const struct reference *reference, const struct item_list *list)
{
	int64_t index = reference->index < 0   ? (int64_t)list->count + reference->index
			: reference->index > 0 ? reference->index - 1
					       : 0;
	return index >= 0 && index < (int64_t)list->count ? (int)index : -1;
}

/* ---- edits ----------------------------------------------------------------------------------- */

static bool replace_text(struct message *msg, const char *from, const char *to, struct span text)
{
	return edit_replace(msg, (uint32_t)(from - msg->bytes.at), (uint32_t)(to - from), text) !=
	       NULL;
}

static const char *text_end(struct span text)
{
	return text.at + text.len;
}

static bool same_header(const struct item_list *list, unsigned a, unsigned b)
{
	return a < list->count && b < list->count && list->items[a].header == list->items[b].header;
}

/* Removes one value and the comma beside it; the header goes with its only value. */
static bool remove_item(struct message *msg, const struct item_list *list, unsigned i)
{
	const struct item *item = &list->items[i];
	if (same_header(list, i, i + 1))
		return replace_text(msg, item->text.at, list->items[i + 1].text.at, SPAN_OF(""));
	if (i > 0 && same_header(list, i, i - 1))
		return replace_text(msg, text_end(list->items[i - 1].text), text_end(item->text),
				    SPAN_OF(""));
	return edit_remove_header(msg, item->header) != NULL;
}

static bool add_header(struct script_run *run, struct span name, struct span value,
		       const struct sip_header *before)
{
	struct span line =
		arena_printf(run->arena, "%.*s: %.*s\r\n", SPAN_ARGS(name), SPAN_ARGS(value));
	if (!line.at)
		return false;
	return before ? edit_insert_before(run->msg, before, line) != NULL
		      : edit_append_header(run->msg, line) != NULL;
}

static int append_value(struct script_run *run, const struct change_args *args)
{
	struct reference reference;
	struct item_list list;
	if (!reference_read(run, args->reference, &reference) ||
	    !list_items(run, reference.name, false, &list))
		return SCRIPT_FALSE;
	int i = reference.kind == REFERS_NUMBER ? item_index(&reference, &list) : -1;
	if (i < 0)
		return truth(add_header(run, reference.name, args->value, NULL));
	struct span text = arena_printf(run->arena, ",%.*s", SPAN_ARGS(args->value));
	const char *end = text_end(list.items[i].text);
	return truth(text.at && replace_text(run->msg, end, end, text));
}

static int insert_value(struct script_run *run, const struct change_args *args)
{
	struct reference reference;
	struct item_list list;
	if (!reference_read(run, args->reference, &reference) ||
	    !list_items(run, reference.name, false, &list))
		return SCRIPT_FALSE;
	int i = reference.kind == REFERS_NUMBER ? item_index(&reference, &list) : -1;
	if (i < 0)
		return truth(add_header(run, reference.name, args->value,
					list.count ? list.items[0].header : NULL));
	bool is_first = i == 0 || !same_header(&list, (unsigned)i, (unsigned)i - 1);
	struct span text = arena_printf(run->arena, "%s%.*s%s", is_first ? "" : ",",
					SPAN_ARGS(args->value), is_first ? "," : "");
	const char *at = is_first ? list.items[i].text.at : text_end(list.items[i - 1].text);
	return truth(text.at && replace_text(run->msg, at, at, text));
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* Where the parameters of a value are: after the first ";" outside quotes and brackets; or, for
 * headers like Authorization, after the scheme. */
static struct span item_params(struct span text, bool whole_lines)
{
	bool in_quotes = false, in_brackets = false;
	size_t i = 0;
	if (whole_lines) {
		while (i < text.len && !ascii_is_space(text.at[i]))
			i++;
		return span_slice(text, i, text.len);
	}
	for (; i < text.len; i++) {
		char c = text.at[i];
		if (in_quotes && c == '\\' && i + 1 < text.len)
			i++;
		else if (c == '"')
			in_quotes = !in_quotes;
		else if (!in_quotes && (c == '<' || c == '>'))
			in_brackets = c == '<';
		else if (c == ';' && !in_quotes && !in_brackets)
			break;
	}
	return span_slice(text, i, text.len);
}

static bool find_param(struct span text, bool whole_lines, struct span name, struct param *out)
{
	return params_find(item_params(text, whole_lines), whole_lines ? ',' : ';', name, out);
}

static bool remove_param(struct message *msg, struct span text, bool whole_lines,
			 const struct param *param)
{
	char separator = whole_lines ? ',' : ';';
	const char *from = param->whole.at, *to = text_end(param->whole);
	while (from > text.at && ascii_is_space(from[-1]))
		from--;
	if (from > text.at && from[-1] == separator)
		return replace_text(msg, from - 1, to, SPAN_OF(""));
	/* The first after the scheme: the comma behind it goes instead. */
	while (to < text_end(text) && (ascii_is_space(*to) || *to == separator))
		to++;
	return replace_text(msg, param->whole.at, to, SPAN_OF(""));
}

static bool assign_param(struct script_run *run, struct span text, bool whole_lines,
			 struct span name, struct span value)
{
	struct param param;
	bool exists = find_param(text, whole_lines, name, &param);
	const char *separator = exists ? "" : whole_lines ? "," : ";";
	struct span changed = arena_printf(run->arena, "%s%.*s%s%.*s", separator,
					   SPAN_ARGS(exists ? param.name : name),
					   value.len ? "=" : "", SPAN_ARGS(value));
	if (!changed.at)
		return false;
	const char *from = exists ? param.whole.at : text_end(text);
	return replace_text(run->msg, from, exists ? text_end(param.whole) : from, changed);
}

/* ---- removing and assigning ------------------------------------------------------------------ */

static bool remove_from_item(struct message *msg, const struct item_list *list, unsigned i,
			     bool whole_lines, struct span param_name)
{
	struct param param;
	if (!param_name.at)
		return remove_item(msg, list, i);
	if (!find_param(list->items[i].text, whole_lines, param_name, &param))
		return true;
	return remove_param(msg, list->items[i].text, whole_lines, &param);
}

static int remove_referred(struct script_run *run, struct span text, bool whole_lines)
{
	struct reference reference;
	struct item_list list;
	if (!reference_read(run, text, &reference) ||
	    !list_items(run, reference.name, whole_lines, &list))
		return SCRIPT_FALSE;
	if (reference.kind != REFERS_ALL) {
		int i = item_index(&reference, &list);
		return truth(i >= 0 && remove_from_item(run->msg, &list, (unsigned)i, whole_lines,
							reference.param));
	}
	for (unsigned i = 0; i < list.count; i++) {
		if (reference.param.at) {
			if (!remove_from_item(run->msg, &list, i, whole_lines, reference.param))
				return SCRIPT_FALSE;
		} else if (!(i > 0 && same_header(&list, i, i - 1)) &&
			   !edit_remove_header(run->msg, list.items[i].header)) {
			return SCRIPT_FALSE;
		}
	}
	return truth(list.count);
}

static int remove_value(struct script_run *run, const struct reference_args *args)
{
	return remove_referred(run, args->reference, false);
}

static int remove_value2(struct script_run *run, const struct reference_args *args)
{
	return remove_referred(run, args->reference, true);
}

static bool assign_item(struct script_run *run, const struct item *item, bool whole_lines,
			struct span param, struct span value)
{
	if (param.at)
		return assign_param(run, item->text, whole_lines, param, value);
	return replace_text(run->msg, item->text.at, text_end(item->text), value);
}

static int assign_referred(struct script_run *run, const struct change_args *args, bool whole_lines)
{
	struct reference reference;
	struct item_list list;
	if (!reference_read(run, args->reference, &reference) ||
	    !list_items(run, reference.name, whole_lines, &list))
		return SCRIPT_FALSE;
	if (reference.kind != REFERS_ALL) {
		int i = item_index(&reference, &list);
		return truth(i >= 0 && assign_item(run, &list.items[i], whole_lines,
						   reference.param, args->value));
	}
	for (unsigned i = 0; i < list.count; i++)
		if (!assign_item(run, &list.items[i], whole_lines, reference.param, args->value))
			return SCRIPT_FALSE;
	return truth(list.count);
}

static int assign_value(struct script_run *run, const struct change_args *args)
{
	return assign_referred(run, args, false);
}

static int assign_value2(struct script_run *run, const struct change_args *args)
{
	return assign_referred(run, args, true);
}

/* ---- sets like Supported --------------------------------------------------------------------- */

static bool list_set(struct script_run *run, struct span name, struct reference *reference,
		     struct item_list *list)
{
	return reference_read(run, name, reference) &&
	       list_items(run, reference->name, false, list);
}

static int value_exists(struct script_run *run, const struct change_args *args)
{
	struct reference reference;
	struct item_list list;
	if (!list_set(run, args->reference, &reference, &list))
		return SCRIPT_FALSE;
	for (unsigned i = 0; i < list.count; i++)
		if (span_equal_nocase(list.items[i].text, args->value))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

static int include_value(struct script_run *run, const struct change_args *args)
{
	struct reference reference;
	struct item_list list;
	if (!list_set(run, args->reference, &reference, &list))
		return SCRIPT_FALSE;
	for (unsigned i = 0; i < list.count; i++)
		if (span_equal_nocase(list.items[i].text, args->value))
			return SCRIPT_TRUE;
	if (!list.count)
		return truth(add_header(run, reference.name, args->value, NULL));
	struct span text = arena_printf(run->arena, ",%.*s", SPAN_ARGS(args->value));
	unsigned last = 0; /* of the first header */
	while (same_header(&list, last, last + 1))
		last++;
	const char *end = text_end(list.items[last].text);
	return truth(text.at && replace_text(run->msg, end, end, text));
}

static int exclude_value(struct script_run *run, const struct change_args *args)
{
	struct reference reference;
	struct item_list list;
	if (!list_set(run, args->reference, &reference, &list))
		return SCRIPT_FALSE;
	for (unsigned i = 0; i < list.count; i++)
		if (span_equal_nocase(list.items[i].text, args->value) &&
		    !remove_item(run->msg, &list, i))
			return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}
