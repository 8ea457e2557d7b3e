/* SPDX-License-Identifier: BSD-2-Clause */
/* Searching and replacing in the message's text. All look at the text as received; what they change
 * is a list of edits. */
#include "core/base/arena.h"
#include "modules/textops/textops.h"

/* ---- arguments ------------------------------------------------------------------------------- */

struct pattern_args {
	const struct pattern *pattern;
};
static const struct field pattern_fields[] = {
	FIELD(struct pattern_args, pattern, "regular expression"),
};
struct pattern_text_args {
	const struct pattern *pattern;
	struct span text;
};
static const struct field pattern_text_fields[] = {
	FIELD(struct pattern_text_args, pattern, "regular expression"),
	FIELD(struct pattern_text_args, text, "text to insert"),
};
struct search_text_args {
	struct span text, pattern;
};
static const struct field search_text_fields[] = {
	FIELD(struct search_text_args, text, "text to search in"),
	FIELD(struct search_text_args, pattern, "regular expression, may contain variables"),
};

static const char *check_which(struct span text, int64_t number)
{
	(void)number;
	bool known = text.len == 1 && strchr("afl", ascii_lower(text.at[0]));
	return known ? NULL : "which headers: a (all), f (the first) or l (the last)";
}

struct search_header_args {
	struct span name;
	const struct pattern *pattern;
	struct span which;
};
static const struct field search_header_fields[] = {
	FIELD(struct search_header_args, name, "name of the header"),
	FIELD(struct search_header_args, pattern, "regular expression"),
	FIELD(struct search_header_args, which, "a all, f first, l last", .accept = check_which),
};
struct replace_literal_args {
	struct span match, replacement, mode;
};
static const char *check_mode(struct span text, int64_t number)
{
	(void)number;
	bool known = text.len && strchr("af", ascii_lower(text.at[0]));
	return known ? NULL : "the mode is f (first) or a (all)";
}
static const struct field replace_literal_fields[] = {
	FIELD(struct replace_literal_args, match, "text to look for"),
	FIELD(struct replace_literal_args, replacement, "text to put there"),
	FIELD(struct replace_literal_args, mode, "f the first, a all", .accept = check_mode),
};
struct substitute_args {
	struct span expression;
};
static const struct field substitute_fields[] = {
	FIELD(struct substitute_args, expression, "/re/replacement/flags", .literal = true,
		.accept = check_substitution),
};
struct substitute_header_args {
	struct span name, expression, which;
};
static const struct field substitute_header_fields[] = {
	FIELD(struct substitute_header_args, name, "name of the header"),
	FIELD(struct substitute_header_args, expression, "/re/replacement/flags", .literal = true,
		.accept = check_substitution),
	FIELD(struct substitute_header_args, which, "a all, f first, l last",
		.accept = check_which),
};
struct substitute_value_args {
	struct span text, expression;
	const struct variable_ref *result;
};
static const struct field substitute_value_fields[] = {
	FIELD(struct substitute_value_args, text, "text to change"),
	FIELD(struct substitute_value_args, expression, "/re/replacement/flags", .literal = true,
		.accept = check_substitution),
	FIELD(struct substitute_value_args, result, "variable that takes the result"),
};
struct substring_args {
	struct span text, pattern;
	int64_t index, count;
	const struct variable_ref *result;
};
static const struct field substring_fields[] = {
	FIELD(struct substring_args, text, "text to search in"),
	FIELD(struct substring_args, pattern, "regular expression"),
	FIELD(struct substring_args, index, "which group; 0 is the whole match", .min = 0,
		.max = 9),
	FIELD(struct substring_args, count, "how many groups there are", .min = 0, .max = 10),
	FIELD(struct substring_args, result, "variable that takes the text"),
};

SCRIPT_HANDLER_OF(search, pattern)
SCRIPT_HANDLER_OF(search_body, pattern)
SCRIPT_HANDLER_OF(search_text, search_text)
SCRIPT_HANDLER_OF(search_header, search_header)
SCRIPT_HANDLER_OF(search_append, pattern_text)
SCRIPT_HANDLER_OF(search_append_body, pattern_text)
SCRIPT_HANDLER_OF(replace, pattern_text)
SCRIPT_HANDLER_OF(replace_body, pattern_text)
SCRIPT_HANDLER_OF(replace_headers, pattern_text)
SCRIPT_HANDLER_OF(replace_all, pattern_text)
SCRIPT_HANDLER_OF(replace_body_all, pattern_text)
SCRIPT_HANDLER_OF(replace_body_at_once, pattern_text)
SCRIPT_HANDLER_OF(replace_literal, replace_literal)
SCRIPT_HANDLER_OF(replace_literal_body, replace_literal)
SCRIPT_HANDLER_OF(replace_literal_headers, replace_literal)
SCRIPT_HANDLER_OF(substitute, substitute)
SCRIPT_HANDLER_OF(substitute_uri, substitute)
SCRIPT_HANDLER_OF(substitute_user, substitute)
SCRIPT_HANDLER_OF(substitute_body, substitute)
SCRIPT_HANDLER_OF(substitute_header, substitute_header)
SCRIPT_HANDLER_OF(substitute_value, substitute_value)
SCRIPT_HANDLER_OF(substring, substring)

#define IN_MESSAGE IN_ALL_BUT_ONSEND

static const struct script_function functions[] = {
	FUNCTION_OF("search", search, pattern, IN_ANY, "Does the message match?"),
	FUNCTION_OF("search_body", search_body, pattern, IN_ANY, "Does the body match?"),
	FUNCTION_OF("search_str", search_text, search_text, IN_ANY, "Does the text match?"),
	FUNCTION_OF("search_hf", search_header, search_header, IN_ANY,
		"Does the value of a header match?"),
	FUNCTION_OF("search_append", search_append, pattern_text, IN_MESSAGE,
		"Inserts text after the first match."),
	FUNCTION_OF("search_append_body", search_append_body, pattern_text, IN_MESSAGE,
		"Inserts text after the first match in the body."),
	FUNCTION_OF("replace", replace, pattern_text, IN_MESSAGE, "Replaces the first match."),
	FUNCTION_OF("replace_body", replace_body, pattern_text, IN_MESSAGE,
		"Replaces the first match in the body."),
	FUNCTION_OF("replace_hdrs", replace_headers, pattern_text, IN_MESSAGE,
		"Replaces the first match in the headers."),
	FUNCTION_OF("replace_all", replace_all, pattern_text, IN_MESSAGE, "Replaces every match."),
	FUNCTION_OF("replace_body_all", replace_body_all, pattern_text, IN_MESSAGE,
		"Replaces every match in the body, line by line."),
	FUNCTION_OF("replace_body_atonce", replace_body_at_once, pattern_text, IN_MESSAGE,
		"Replaces every match in the body as one text."),
	FUNCTION_OF("replace_str", replace_literal, replace_literal, IN_MESSAGE,
		"Replaces a literal text."),
	FUNCTION_OF("replace_body_str", replace_literal_body, replace_literal, IN_MESSAGE,
		"Replaces a literal text in the body."),
	FUNCTION_OF("replace_hdrs_str", replace_literal_headers, replace_literal, IN_MESSAGE,
		"Replaces a literal text in the headers."),
	FUNCTION_OF("subst", substitute, substitute, IN_MESSAGE,
		"Substitutes in headers and body, like sed."),
	FUNCTION_OF("subst_uri", substitute_uri, substitute, IN_MESSAGE,
		"Substitutes in the Request-URI."),
	FUNCTION_OF("subst_user", substitute_user, substitute, IN_MESSAGE,
		"Substitutes in the user of the Request-URI."),
	FUNCTION_OF(
		"subst_body", substitute_body, substitute, IN_MESSAGE, "Substitutes in the body."),
	FUNCTION_OF("subst_hf", substitute_header, substitute_header, IN_MESSAGE,
		"Substitutes in the value of a header."),
	FUNCTION_OF("subst_v", substitute_value, substitute_value, IN_ANY,
		"Substitutes in a text and puts the result into a variable."),
	FUNCTION_OF("regex_substring", substring, substring, IN_ANY,
		"Puts a group of the match into a variable."),
};
const struct function_table search_functions = ROWS(functions);

/* ---- pieces of the message ------------------------------------------------------------------- */

static struct span whole_text(const struct message *msg)
{
	return span_slice(msg->bytes, msg->index->start, msg->bytes.len);
}

static struct span headers_and_body(const struct message *msg)
{
	return span_slice(msg->bytes, msg->index->headers_at, msg->bytes.len);
}

static struct span headers_text(const struct message *msg)
{
	return span_slice(msg->bytes, msg->index->headers_at,
			  msg->index->headers_end - msg->index->headers_at);
}

static uint32_t place(const struct message *msg, const char *at)
{
	return (uint32_t)(at - msg->bytes.at);
}

/* ---- searching ------------------------------------------------------------------------------- */

/* The compiler checks patterns; how they are run is up to the function, so the text is compiled
 * again with the function's flags, once per process. */
static const struct pattern *with_flags(const struct pattern *pattern, unsigned flags)
{
	return pattern ? pattern_cached(pattern_text(pattern), flags) : NULL;
}

bool text_matches(const struct pattern *pattern, struct span text, unsigned flags)
{
	const struct pattern *p = with_flags(pattern, flags);
	return p && pattern_search(p, text, 0, NULL, 0);
}

static int search(struct script_run *run, const struct pattern_args *args)
{
	return truth(text_matches(args->pattern, whole_text(run->msg), TEXT_PATTERN));
}

static int search_body(struct script_run *run, const struct pattern_args *args)
{
	struct span body = message_body(run->msg);
	return truth(body.len && text_matches(args->pattern, body, TEXT_PATTERN));
}

static int search_text(struct script_run *run, const struct search_text_args *args)
{
	(void)run;
	const struct pattern *pattern = pattern_cached(args->pattern, TEXT_PATTERN);
	return pattern ? truth(pattern_search(pattern, args->text, 0, NULL, 0)) : -2;
}

/* Visits the headers that `which` chooses: all, the first, or the last of that name. */
static const struct sip_header *chosen_header(const struct message *msg, struct span name,
					      char which, const struct sip_header *after)
{
	const struct sip_header *h = sip_header_named(msg->index, msg->bytes, name, after);
	if (which == 'f' && after)
		return NULL;
	if (which == 'l')
		for (const struct sip_header *next;
		     h && (next = sip_header_named(msg->index, msg->bytes, name, h));)
			h = next;
	return h;
}

static char which_of(struct span text)
{
	return text.len ? ascii_lower(text.at[0]) : 'a';
}

static int search_header(struct script_run *run, const struct search_header_args *args)
{
	struct message *msg = run->msg;
	char which = which_of(args->which);
	for (const struct sip_header *h = NULL; (h = chosen_header(msg, args->name, which, h));)
		if (text_matches(args->pattern, message_header_value(msg, h), TEXT_PATTERN))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

static int append_after(struct script_run *run, const struct pattern_text_args *args,
			struct span text)
{
	struct pattern_match match;
	const struct pattern *pattern = with_flags(args->pattern, TEXT_PATTERN);
	if (!pattern || !pattern_search(pattern, text, 0, &match, 1))
		return SCRIPT_FALSE;
	return truth(edit_replace(run->msg, place(run->msg, text.at + match.end), 0, args->text));
}

static int search_append(struct script_run *run, const struct pattern_text_args *args)
{
	return append_after(run, args, headers_and_body(run->msg));
}

static int search_append_body(struct script_run *run, const struct pattern_text_args *args)
{
	return append_after(run, args, message_body(run->msg));
}

/* ---- replacing ------------------------------------------------------------------------------- */

static int replace_matches(struct script_run *run, const struct pattern_text_args *args,
			   struct span text, unsigned flags, bool every)
{
	const struct pattern *pattern = with_flags(args->pattern, flags);
	struct pattern_match match;
	unsigned count = 0;
	if (!pattern)
		return SCRIPT_FALSE;
	for (size_t from = 0; from <= text.len && pattern_search(pattern, text, from, &match, 1);) {
		if (match.end == match.start) { /* nothing to replace */
			from = match.end + 1;
			continue;
		}
		if (!edit_replace(run->msg, place(run->msg, text.at + match.start),
				  match.end - match.start, args->text))
			return SCRIPT_FALSE;
		count++;
		from = match.end;
		if (!every)
			break;
	}
	return truth(count);
}

static int replace(struct script_run *run, const struct pattern_text_args *args)
{
	return replace_matches(run, args, headers_and_body(run->msg), TEXT_PATTERN, false);
}

static int replace_body(struct script_run *run, const struct pattern_text_args *args)
{
	return replace_matches(run, args, message_body(run->msg), TEXT_PATTERN, false);
}

static int replace_headers(struct script_run *run, const struct pattern_text_args *args)
{
	return replace_matches(run, args, headers_text(run->msg), TEXT_PATTERN, false);
}

static int replace_all(struct script_run *run, const struct pattern_text_args *args)
{
	return replace_matches(run, args, headers_and_body(run->msg), TEXT_PATTERN, true);
}

static int replace_body_all(struct script_run *run, const struct pattern_text_args *args)
{
	return replace_matches(run, args, message_body(run->msg), TEXT_PATTERN, true);
}

static int replace_body_at_once(struct script_run *run, const struct pattern_text_args *args)
{
	return replace_matches(run, args, message_body(run->msg), PATTERN_IGNORE_CASE, true);
}

/* True also when nothing was found, as in the peer. */
static int replace_texts(struct script_run *run, const struct replace_literal_args *args,
			 struct span text)
{
	bool every = args->mode.len && ascii_lower(args->mode.at[0]) == 'a';
	if (!args->match.len)
		return SCRIPT_FALSE;
	for (size_t from = 0; from < text.len;) {
		struct span rest = span_slice(text, from, text.len);
		size_t at = span_find_span(rest, args->match);
		if (at == rest.len)
			break;
		if (!edit_replace(run->msg, place(run->msg, rest.at + at),
				  (uint32_t)args->match.len, args->replacement))
			return SCRIPT_FALSE;
		if (!every)
			break;
		from += at + args->match.len;
	}
	return SCRIPT_TRUE;
}

static int replace_literal(struct script_run *run, const struct replace_literal_args *args)
{
	return replace_texts(run, args, headers_and_body(run->msg));
}

static int replace_literal_body(struct script_run *run, const struct replace_literal_args *args)
{
	return replace_texts(run, args, message_body(run->msg));
}

static int replace_literal_headers(struct script_run *run, const struct replace_literal_args *args)
{
	return replace_texts(run, args, headers_text(run->msg));
}

/* ---- substituting ---------------------------------------------------------------------------- */

const char *check_substitution(struct span text, int64_t number)
{
	static char sentence[200];
	struct arena arena;
	struct span error = { 0 };
	(void)number;
	arena_init(&arena, 4096, 1u << 20);
	bool is_right = substitution_compile(text, &arena, &error) != NULL;
	if (!is_right) {
		struct writer w = writer_fixed(sentence, sizeof(sentence) - 1);
		writer_span(&w, span_slice(error, 0, sizeof(sentence) - 2));
		writer_terminate(&w);
	}
	arena_free(&arena);
	return is_right ? NULL : sentence;
}

/* Turns the matches in a piece of the message into edits; how many, or -1 without memory. */
static int substitute_in(struct script_run *run, const struct substitution *s, struct span text)
{
	struct pattern_match match;
	struct span replacement;
	int count = 0;
	for (size_t from = 0;
	     from <= text.len && substitution_next(run, s, text, from, &match, &replacement);) {
		if (!edit_replace(run->msg, place(run->msg, text.at + match.start),
				  match.end - match.start, replacement))
			return -1;
		count++;
		if (!substitution_is_global(s))
			break;
		from = match.end > match.start ? match.end : match.end + 1;
	}
	return count;
}

static int substitute(struct script_run *run, const struct substitute_args *args)
{
	const struct substitution *s = substitution_cached(args->expression);
	return truth(s && substitute_in(run, s, headers_and_body(run->msg)) > 0);
}

static int substitute_body(struct script_run *run, const struct substitute_args *args)
{
	const struct substitution *s = substitution_cached(args->expression);
	struct span body = message_body(run->msg);
	return truth(s && body.len && substitute_in(run, s, body) > 0);
}

static int substitute_header(struct script_run *run, const struct substitute_header_args *args)
{
	const struct substitution *s = substitution_cached(args->expression);
	struct message *msg = run->msg;
	char which = which_of(args->which);
	int count = 0;
	if (!s)
		return SCRIPT_FALSE;
	for (const struct sip_header *h = NULL; (h = chosen_header(msg, args->name, which, h));) {
		int more = substitute_in(run, s, message_header_value(msg, h));
		if (more < 0)
			return SCRIPT_FALSE;
		count += more;
	}
	return truth(count);
}

/* The text with the substitutions made; absent when there was nothing to substitute. */
static struct span substituted(struct script_run *run, struct span expression, struct span text)
{
	const struct substitution *s = substitution_cached(expression);
	struct writer w = writer_in_arena(run->arena, text.len + 64);
	if (!s || !substitution_apply(run, s, text, &w) || w.failed)
		return (struct span){ 0 };
	return w.data ? writer_result(&w) : SPAN_OF("");
}

static bool set_uri(struct message *msg, struct span uri)
{
	struct sip_uri parsed;
	if (uri_parse(uri, &parsed))
		return message_set_uri(msg, uri);
	log_error("the result \"%.*s\" is no URI; the Request-URI stays", SPAN_ARGS(uri));
	return false;
}

static int substitute_uri(struct script_run *run, const struct substitute_args *args)
{
	struct span result = substituted(run, args->expression, message_uri(run->msg));
	return truth(result.at && set_uri(run->msg, result));
}

static int substitute_user(struct script_run *run, const struct substitute_args *args)
{
	struct sip_uri uri;
	if (!message_parse_uri(run->msg, &uri))
		return SCRIPT_FALSE;
	struct span result =
		substituted(run, args->expression, uri.user.at ? uri.user : SPAN_OF(""));
	if (!result.at)
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, uri.whole.len + result.len + 1);
	const char *after = uri.user.at ? uri.user.at + uri.user.len : uri.host.at;
	writer_bytes(&w, uri.whole.at,
		     (size_t)((uri.user.at ? uri.user.at : uri.host.at) - uri.whole.at));
	writer_span(&w, result);
	if (!uri.user.at && result.len && uri_is_sip(&uri))
		writer_char(&w, '@');
	if (uri.user.at && !result.len && after < uri.host.at && uri_is_sip(&uri))
		after = uri.host.at; /* no user: no password and no "@" either */
	writer_bytes(&w, after, (size_t)(uri.whole.at + uri.whole.len - after));
	return truth(!w.failed && set_uri(run->msg, writer_result(&w)));
}

static int substitute_value(struct script_run *run, const struct substitute_value_args *args)
{
	struct span result = substituted(run, args->expression, args->text);
	if (!result.at)
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(result);
	return truth(variable_write(run, args->result, &value));
}

static int substring(struct script_run *run, const struct substring_args *args)
{
	struct pattern_match groups[PATTERN_MAX_GROUPS];
	const struct pattern *pattern = pattern_cached(args->pattern, 0);
	if (args->index > args->count || args->index >= PATTERN_MAX_GROUPS) {
		log_error("regex_substring: there is no group %d of %d", (int)args->index,
			  (int)args->count);
		return SCRIPT_FALSE;
	}
	if (!pattern || !pattern_search(pattern, args->text, 0, groups, PATTERN_MAX_GROUPS))
		return -2;
	const struct pattern_match *group = &groups[args->index];
	if (group->start > group->end)
		return SCRIPT_FALSE;
	struct value value =
		VALUE_OF_TEXT(span_slice(args->text, group->start, group->end - group->start));
	return truth(variable_write(run, args->result, &value));
}
