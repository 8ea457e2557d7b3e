/* SPDX-License-Identifier: BSD-2-Clause */
/* Adding, finding and removing headers. */
#include "modules/textops/textops.h"
#include "parser/values.h"

/* ---- arguments ------------------------------------------------------------------------------- */

struct add_args {
	struct span text, name;
};
static const struct field add_fields[] = {
	FIELD(struct add_args, text, "header line \"Name: value\\r\\n\""),
	FIELD(struct add_args, name, "name of the header beside which it goes", .optional = true),
};
struct text_args {
	struct span text;
};
static const struct field text_fields[] = {
	FIELD(struct text_args, text, "header line \"Name: value\\r\\n\""),
};
struct around_args {
	struct span prefix, suffix;
};
static const struct field around_fields[] = {
	FIELD(struct around_args, prefix, "text before the URI"),
	FIELD(struct around_args, suffix, "text after the URI, with the line end"),
};
struct name_args {
	struct span name;
};
static const struct field name_fields[] = {
	FIELD(struct name_args, name, "name of the header, long or compact"),
};
struct name_pattern_args {
	const struct pattern *pattern;
};
static const struct field name_pattern_fields[] = {
	FIELD(struct name_pattern_args, pattern, "regular expression over header names"),
};
struct name_pattern_text_args {
	struct span pattern;
};
static const struct field name_pattern_text_fields[] = {
	FIELD(struct name_pattern_text_args, pattern,
		"regular expression over header names, with variables"),
};
struct match_skip_args {
	const struct pattern *match, *skip;
};
static const struct field match_skip_fields[] = {
	FIELD(struct match_skip_args, match, "names to remove"),
	FIELD(struct match_skip_args, skip, "names to keep"),
};
struct match_skip_text_args {
	struct span match, skip;
};
static const struct field match_skip_text_fields[] = {
	FIELD(struct match_skip_text_args, match, "names to remove"),
	FIELD(struct match_skip_text_args, skip, "names to keep"),
};
struct name_index_args {
	struct span name;
	int64_t index;
};
static const struct field name_index_fields[] = {
	FIELD(struct name_index_args, name, "name of the header or parameter"),
	FIELD(struct name_index_args, index, "from 0; negative from the end"),
};
struct name_match_args {
	struct span name, operation, expression;
};
static const char *check_operation(struct span text, int64_t number);
static const struct field name_match_fields[] = {
	FIELD(struct name_match_args, name, "name of the header"),
	FIELD(struct name_match_args, operation, "eq ne sw in re", .accept = check_operation),
	FIELD(struct name_match_args, expression, "what the value is compared with"),
};
struct method_args {
	struct span list;
};
static const char *check_methods(struct span text, int64_t number);
static const struct field method_fields[] = {
	FIELD(struct method_args, list, "methods: \"INVITE|BYE\"", .accept = check_methods),
};
struct privacy_args {
	struct span value;
};
static const struct field privacy_fields[] = {
	FIELD(struct privacy_args, value, "privacy value: id, header, user ..."),
};

SCRIPT_HANDLER_OF(append_header, add)
SCRIPT_HANDLER_OF(insert_header, add)
SCRIPT_HANDLER_OF(append_to_reply, text)
SCRIPT_HANDLER_OF(append_uri_header, around)
SCRIPT_HANDLER_PLAIN(append_time)
SCRIPT_HANDLER_PLAIN(append_time_to_request)
SCRIPT_HANDLER_OF(is_present, name)
SCRIPT_HANDLER_OF(is_present_pattern, name_pattern)
SCRIPT_HANDLER_OF(is_present_pattern_text, name_pattern_text)
SCRIPT_HANDLER_OF(remove_header, name)
SCRIPT_HANDLER_OF(remove_pattern, name_pattern)
SCRIPT_HANDLER_OF(remove_pattern_text, name_pattern_text)
SCRIPT_HANDLER_OF(remove_match_skip, match_skip)
SCRIPT_HANDLER_OF(remove_match_skip_text, match_skip_text)
SCRIPT_HANDLER_OF(remove_index, name_index)
SCRIPT_HANDLER_OF(remove_match, name_match)
SCRIPT_HANDLER_OF(remove_via_param, name_index)
SCRIPT_HANDLER_OF(is_method, method)
SCRIPT_HANDLER_OF(is_privacy, privacy)

#define IN_MESSAGE IN_ALL_BUT_ONSEND

static const struct script_function functions[] = {
	FUNCTION_OF("append_hf", append_header, add, IN_MESSAGE,
		"Adds a header at the end, or after the last of a name."),
	FUNCTION_OF("insert_hf", insert_header, add, IN_MESSAGE,
		"Adds a header first, or before the first of a name."),
	FUNCTION_OF("append_to_reply", append_to_reply, text, IN_MESSAGE,
		"Adds a header to the replies that this server makes."),
	FUNCTION_OF("append_urihf", append_uri_header, around, IN_MESSAGE,
		"Adds a header with the received Request-URI between two texts."),
	FUNCTION_PLAIN("append_time", append_time, IN_MESSAGE,
		"Adds Date to the replies that this server makes."),
	FUNCTION_PLAIN("append_time_to_request", append_time_to_request, IN_MESSAGE,
		"Adds Date to the request."),
	FUNCTION_OF("is_present_hf", is_present, name, IN_ANY, "Is there a header of that name?"),
	FUNCTION_OF("is_present_hf_pv", is_present, name, IN_ANY, "Same as is_present_hf."),
	FUNCTION_OF("is_present_hf_re", is_present_pattern, name_pattern, IN_ANY,
		"Is there a header whose name matches?"),
	FUNCTION_OF("is_present_hf_re_pv", is_present_pattern_text, name_pattern_text, IN_ANY,
		"Like is_present_hf_re, with variables in the expression."),
	FUNCTION_OF(
		"remove_hf", remove_header, name, IN_MESSAGE, "Removes all headers of that name."),
	FUNCTION_OF("remove_hf_pv", remove_header, name, IN_MESSAGE, "Same as remove_hf."),
	FUNCTION_OF("remove_hf_re", remove_pattern, name_pattern, IN_MESSAGE,
		"Removes the headers whose name matches."),
	FUNCTION_OF("remove_hf_re_pv", remove_pattern_text, name_pattern_text, IN_MESSAGE,
		"Like remove_hf_re, with variables in the expression."),
	FUNCTION_OF("remove_hf_exp", remove_match_skip, match_skip, IN_MESSAGE,
		"Removes the headers whose name matches the first and not the second expression."),
	FUNCTION_OF("remove_hf_exp_pv", remove_match_skip_text, match_skip_text, IN_MESSAGE,
		"Like remove_hf_exp, with variables in the expressions."),
	FUNCTION_OF("remove_hf_idx", remove_index, name_index, IN_MESSAGE,
		"Removes one header of that name: 1 removed, 2 there is none."),
	FUNCTION_OF("remove_hf_match", remove_match, name_match, IN_MESSAGE,
		"Removes the headers of that name whose value matches: -2 when none did."),
	FUNCTION_OF("via_param_rm", remove_via_param, name_index, IN_MESSAGE,
		"Removes a parameter of a Via."),
	FUNCTION_OF("is_method", is_method, method, IN_ANY,
		"Is the method (of a reply: that in CSeq) one of the list?"),
	FUNCTION_OF("is_privacy", is_privacy, privacy, IN_ANY, "Does Privacy ask for that?"),
};
const struct function_table header_functions = ROWS(functions);

/* ---- adding ---------------------------------------------------------------------------------- */

struct span with_line_end(struct arena *arena, struct span line)
{
	if (!line.len || line.at[line.len - 1] == '\n')
		return line;
	return arena_printf(arena, "%.*s\r\n", SPAN_ARGS(line));
}

/* The edit right before `edit`, at the same place. */
static struct edit *neighbour_before(struct message *msg, const struct edit *edit)
{
	for (struct edit *e = msg->edits; e && e->at <= edit->at; e = e->next)
		if (e->next == edit)
			return e->at == edit->at ? e : NULL;
	return NULL;
}

/* A text that ends within a line is continued by the next one at the same place, as scripts write
 * long headers; nothing follows: the line ends by itself. */
static bool join_lines(struct message *msg, struct edit *added, struct span text)
{
	struct edit *before = added ? neighbour_before(msg, added) : NULL;
	if (!added)
		return false;
	if (before && before->tag == EDIT_TAG_OPEN_LINE && !before->removed) {
		before->text.len -= 2;
		before->tag = EDIT_TAG_NONE;
	}
	if (text.at[text.len - 1] != '\n')
		added->tag = EDIT_TAG_OPEN_LINE;
	return true;
}

static int append_header(struct script_run *run, const struct add_args *args)
{
	struct message *msg = run->msg;
	struct span line = with_line_end(run->arena, args->text);
	const struct sip_header *last = NULL;
	if (!line.len)
		return SCRIPT_FALSE;
	if (args->name.at)
		for (const struct sip_header *h = NULL;
		     (h = sip_header_named(msg->index, msg->bytes, args->name, h));)
			last = h;
	return truth(join_lines(
		msg, last ? edit_insert_after(msg, last, line) : edit_append_header(msg, line),
		args->text));
}

static struct edit *insert_first(struct message *msg, struct span line)
{
	if (!msg->index->header_count)
		return edit_append_header(msg, line);
	return edit_insert_before(msg, &msg->index->headers[0], line);
}

static int insert_header(struct script_run *run, const struct add_args *args)
{
	struct message *msg = run->msg;
	struct span line = with_line_end(run->arena, args->text);
	if (!line.len)
		return SCRIPT_FALSE;
	const struct sip_header *h = args->name.at ? message_header_named(msg, args->name) : NULL;
	return truth(join_lines(msg, h ? edit_insert_before(msg, h, line) : insert_first(msg, line),
				args->text));
}

static int append_to_reply(struct script_run *run, const struct text_args *args)
{
	return truth(args->text.len && message_add_reply_line(run->msg, args->text));
}

static int append_uri_header(struct script_run *run, const struct around_args *args)
{
	struct span line =
		arena_printf(run->arena, "%.*s%.*s%.*s", SPAN_ARGS(args->prefix),
			     SPAN_ARGS(message_original_uri(run->msg)), SPAN_ARGS(args->suffix));
	line = with_line_end(run->arena, line);
	return truth(line.at && edit_append_header(run->msg, line));
}

static struct span date_line(struct arena *arena)
{
	char date[30];
	date_format(clock_wall_s(), date);
	return arena_printf(arena, "Date: %s\r\n", date);
}

static int append_time(struct script_run *run)
{
	struct span line = date_line(run->arena);
	return truth(line.at && message_add_reply_line(run->msg, line));
}

static int append_time_to_request(struct script_run *run)
{
	struct span line = date_line(run->arena);
	if (!line.at || !run->msg->index->header_count)
		return SCRIPT_FALSE;
	return truth(edit_insert_after(run->msg, &run->msg->index->headers[0], line));
}

/* ---- finding and removing -------------------------------------------------------------------- */

/* Chooses headers by their place in the message. */
typedef bool (*chooser)(const struct message *msg, const struct sip_header *h, const void *data);

static bool any_header(const struct message *msg, chooser choose, const void *data)
{
	for (unsigned i = 0; i < msg->index->header_count; i++)
		if (choose(msg, &msg->index->headers[i], data))
			return true;
	return false;
}

/* Removes what `choose` likes; how many, also those that were removed before. */
static int remove_chosen(struct message *msg, chooser choose, const void *data)
{
	int count = 0;
	for (unsigned i = 0; i < msg->index->header_count; i++) {
		const struct sip_header *h = &msg->index->headers[i];
		if (!choose(msg, h, data))
			continue;
		if (!edit_removes(msg, h) && !edit_remove_header(msg, h))
			return 0;
		count++;
	}
	return count;
}

struct name_choice {
	const struct pattern *match, *skip; /* skip: NULL for none */
};

static bool name_is_chosen(const struct message *msg, const struct sip_header *h, const void *data)
{
	const struct name_choice *choice = data;
	struct span name = sip_header_name(msg->bytes, h);
	if (choice->skip && pattern_search(choice->skip, name, 0, NULL, 0))
		return false;
	return pattern_search(choice->match, name, 0, NULL, 0);
}

static const struct pattern *name_pattern(struct span text)
{
	return pattern_cached(text, TEXT_PATTERN);
}

static int is_present(struct script_run *run, const struct name_args *args)
{
	return truth(message_header_named(run->msg, args->name));
}

static int is_present_by(struct script_run *run, struct span text)
{
	const struct name_choice choice = { .match = name_pattern(text) };
	return truth(choice.match && any_header(run->msg, name_is_chosen, &choice));
}

static int is_present_pattern(struct script_run *run, const struct name_pattern_args *args)
{
	return is_present_by(run, pattern_text(args->pattern));
}

static int is_present_pattern_text(struct script_run *run,
				   const struct name_pattern_text_args *args)
{
	return is_present_by(run, args->pattern);
}

static int remove_header(struct script_run *run, const struct name_args *args)
{
	struct message *msg = run->msg;
	int count = 0;
	for (const struct sip_header *h = NULL;
	     (h = sip_header_named(msg->index, msg->bytes, args->name, h)); count++)
		if (!edit_removes(msg, h) && !edit_remove_header(msg, h))
			return SCRIPT_FALSE;
	return truth(count);
}

static int remove_by(struct script_run *run, struct span match, struct span skip)
{
	const struct name_choice choice = { .match = name_pattern(match),
					    .skip = skip.at ? name_pattern(skip) : NULL };
	if (!choice.match || (skip.at && !choice.skip))
		return SCRIPT_FALSE;
	return truth(remove_chosen(run->msg, name_is_chosen, &choice));
}

static int remove_pattern(struct script_run *run, const struct name_pattern_args *args)
{
	return remove_by(run, pattern_text(args->pattern), (struct span){ 0 });
}

static int remove_pattern_text(struct script_run *run, const struct name_pattern_text_args *args)
{
	return remove_by(run, args->pattern, (struct span){ 0 });
}

static int remove_match_skip(struct script_run *run, const struct match_skip_args *args)
{
	return remove_by(run, pattern_text(args->match), pattern_text(args->skip));
}

static int remove_match_skip_text(struct script_run *run, const struct match_skip_text_args *args)
{
	return remove_by(run, args->match, args->skip);
}

static int remove_index(struct script_run *run, const struct name_index_args *args)
{
	struct message *msg = run->msg;
	const struct sip_header *h;
	int64_t count = 0, index = args->index;
	for (h = NULL; (h = sip_header_named(msg->index, msg->bytes, args->name, h));)
		count++;
	if (index < 0)
		index += count;
	for (h = NULL; index >= 0 && (h = sip_header_named(msg->index, msg->bytes, args->name, h));
	     index--)
		if (index == 0)
			return truth(edit_removes(msg, h) || edit_remove_header(msg, h));
	return 2;
}

/* ---- by value -------------------------------------------------------------------------------- */

struct value_choice {
	struct span name, expression;
	enum value_operation {
		VALUE_EQUAL,
		VALUE_NOT_EQUAL,
		VALUE_STARTS,
		VALUE_CONTAINS,
		VALUE_MATCHES
	} operation;
	const struct pattern *pattern;
};

static bool find_operation(struct span name, enum value_operation *out)
{
	static const char *const names[] = { "eq", "ne", "sw", "in",
					     "re" }; /* enum value_operation */
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (span_equal_nocase(name, span_from(names[i]))) {
			*out = (enum value_operation)i;
			return true;
		}
	return false;
}

static const char *check_operation(struct span text, int64_t number)
{
	enum value_operation operation;
	(void)number;
	return find_operation(text, &operation)
		       ? NULL
		       : "the operation is eq (equal), ne (not), sw (starts with), in (contains), re (matches)";
}

static bool value_is_chosen(const struct message *msg, const struct sip_header *h, const void *data)
{
	const struct value_choice *choice = data;
	struct span value = sip_header_value(msg->bytes, h);
	switch (choice->operation) {
	case VALUE_EQUAL: return span_equal(value, choice->expression);
	case VALUE_NOT_EQUAL: return !span_equal(value, choice->expression);
	case VALUE_STARTS: return span_starts_with(value, choice->expression);
	case VALUE_CONTAINS: return span_find_span(value, choice->expression) < value.len;
	case VALUE_MATCHES: return pattern_search(choice->pattern, value, 0, NULL, 0);
	}
	return false;
}

static int remove_match(struct script_run *run, const struct name_match_args *args)
{
	struct message *msg = run->msg;
	struct value_choice choice = { .name = args->name, .expression = args->expression };
	int count = 0;
	if (!find_operation(args->operation, &choice.operation)) {
		log_error("remove_hf_match: unknown operation \"%.*s\"",
			  SPAN_ARGS(args->operation));
		return SCRIPT_FALSE;
	}
	if (choice.operation == VALUE_MATCHES && !(choice.pattern = name_pattern(args->expression)))
		return SCRIPT_FALSE;
	for (const struct sip_header *h = NULL;
	     (h = sip_header_named(msg->index, msg->bytes, args->name, h));) {
		if (!value_is_chosen(msg, h, &choice))
			continue;
		if (!edit_removes(msg, h) && !edit_remove_header(msg, h))
			return SCRIPT_FALSE;
		count++;
	}
	return count ? SCRIPT_TRUE : -2;
}

/* ---- Via, method, Privacy -------------------------------------------------------------------- */

/* The index-th Via of the message, over all headers; false when there is none. */
static bool find_via(const struct message *msg, int64_t index, struct sip_via *out)
{
	int64_t count = 0;
	for (unsigned pass = index < 0 ? 0 : 1; pass < 2; pass++) {
		int64_t at = 0;
		for (const struct sip_header *h = message_header(msg, HEADER_VIA); h;
		     h = message_next_header(msg, h)) {
			struct span rest = message_header_value(msg, h);
			while (via_next(&rest, out) == LIST_ITEM)
				if (pass == 1 && at++ == index)
					return true;
				else if (pass == 0)
					count++;
		}
		if (pass == 0)
			index += count;
	}
	return false;
}

static int remove_via_param(struct script_run *run, const struct name_index_args *args)
{
	struct sip_via via;
	struct param param;
	if (!find_via(run->msg, args->index, &via) || !via_param(&via, args->name, &param))
		return SCRIPT_FALSE;
	uint32_t at = (uint32_t)(param.whole.at - run->msg->bytes.at);
	uint32_t start = at;
	while (start > 0 && run->msg->bytes.at[start - 1] != ';')
		start--;
	return truth(edit_replace(run->msg, start - 1, at - start + 1 + (uint32_t)param.whole.len,
				  SPAN_OF("")));
}

/* The bit of a name in any case, as scripts write them. */
static uint32_t method_bit(struct span name)
{
	uint32_t bit = method_from_span(name);
	if (bit != METHOD_OTHER)
		return bit;
	return method_list_parse(name, &bit) && bit ? bit : METHOD_OTHER;
}

static const char *check_methods(struct span text, int64_t number)
{
	struct span rest = text, name;
	(void)number;
	if (span_find(text, '|', 0) == text.len)
		return text.len ? NULL : "a method is missing";
	while (span_split(&rest, '|', &name))
		if (method_bit(span_trim(name)) == METHOD_OTHER)
			return "a list of methods holds known methods only";
	return NULL;
}

/* Lists are constants of the script and short, so what they mean is kept. */
struct method_list {
	char text[47];
	uint8_t len;
	uint32_t mask;
};

static uint32_t read_methods(struct span list)
{
	uint32_t mask = 0;
	struct span name;
	while (span_split(&list, '|', &name))
		mask |= method_bit(span_trim(name));
	return mask;
}

static uint32_t methods_of(struct span list)
{
	static struct method_list kept[64];
	if (!list.len || list.len > sizeof(kept[0].text))
		return read_methods(list);
	size_t first = ((uintptr_t)list.at * 0x9e3779b97f4a7c15) >> 58;
	struct method_list *place = &kept[first];
	for (unsigned i = 0; i < 3 && place->len; i++) {
		if (place->len == list.len && memcmp(place->text, list.at, list.len) == 0)
			return place->mask;
		place = &kept[(first + i + 1) % ARRAY_SIZE(kept)];
	}
	place->mask = read_methods(list);
	place->len = (uint8_t)list.len;
	memcpy(place->text, list.at, list.len);
	return place->mask;
}

/* Only a name tells other methods apart. */
[[gnu::noinline]] static bool lists_other_method(struct span list, struct span method)
{
	struct span name;
	while (span_split(&list, '|', &name)) {
		uint32_t bit = method_bit(span_trim(name));
		if (bit != METHOD_OTHER ? (bit & METHOD_OTHER) != 0
					: span_equal_nocase(span_trim(name), method))
			return true;
	}
	return false;
}

static int is_method(struct script_run *run, const struct method_args *args)
{
	uint32_t method = message_method(run->msg);
	bool is_listed = method != METHOD_OTHER
				 ? (methods_of(args->list) & method) != 0
				 : lists_other_method(args->list, message_method_name(run->msg));
	return is_listed ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_privacy(struct script_run *run, const struct privacy_args *args)
{
	const struct sip_header *h = message_header(run->msg, HEADER_PRIVACY);
	struct span rest, item;
	if (!h)
		return SCRIPT_FALSE;
	rest = message_header_value(run->msg, h);
	while (span_split(&rest, ';', &item))
		if (span_equal_nocase(span_trim(item), args->value))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}
