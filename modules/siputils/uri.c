/* SPDX-License-Identifier: BSD-2-Clause */
/* URIs and numbers: parameters of the Request-URI, comparison, tel: to sip:, what a text is. */
#include "modules/siputils/siputils.h"

#define URI_MAX_PARTS 32

/* ---- arguments ------------------------------------------------------------------------------- */

struct text_args {
	struct span text;
};
static const struct field text_fields[] = {
	FIELD(struct text_args, text, "text to look at"),
};
struct pair_args {
	struct span first, second;
};
static const struct field pair_fields[] = {
	FIELD(struct pair_args, first, "first text"),
	FIELD(struct pair_args, second, "second text"),
};
struct param_args {
	struct span name, value;
};
static const struct field param_fields[] = {
	FIELD(struct param_args, name, "name of the parameter"),
	FIELD(struct param_args, value, "value that it must have", .optional = true),
};
struct get_param_args {
	struct span name;
	const struct variable_ref *result;
};
static const struct field get_param_fields[] = {
	FIELD(struct get_param_args, name, "name of the parameter"),
	FIELD(struct get_param_args, result, "variable that takes the value"),
};
struct tel_args {
	struct span uri, host;
	const struct variable_ref *result;
};
static const struct field tel_fields[] = {
	FIELD(struct tel_args, uri, "URI to convert"),
	FIELD(struct tel_args, host, "host of the sip: URI"),
	FIELD(struct tel_args, result, "variable that takes the sip: URI"),
};
struct set_part_args {
	const struct variable_ref *uri;
	struct span part;
};
static const struct field set_part_fields[] = {
	FIELD(struct set_part_args, uri, "variable that holds the URI"),
	FIELD(struct set_part_args, part, "new user or host"),
};
struct optional_uri_args {
	struct span uri;
};
static const struct field optional_uri_fields[] = {
	FIELD(struct optional_uri_args, uri, "URI; absent: the Request-URI", .optional = true),
};

SCRIPT_HANDLER_OF(uri_param_has, param)
SCRIPT_HANDLER_OF(uri_param_any, text)
SCRIPT_HANDLER_OF(uri_param_add, text)
SCRIPT_HANDLER_OF(uri_param_get, get_param)
SCRIPT_HANDLER_OF(uri_param_remove, text)
SCRIPT_HANDLER_OF(tel_to_sip, tel)
SCRIPT_HANDLER_OF(tel_to_sip_strict, tel)
SCRIPT_HANDLER_OF(is_e164, text)
SCRIPT_HANDLER_OF(is_user_e164, text)
SCRIPT_HANDLER_OF(is_uri, text)
SCRIPT_HANDLER_OF(is_tel_number, text)
SCRIPT_HANDLER_OF(is_numeric, text)
SCRIPT_HANDLER_OF(is_alphanum, text)
SCRIPT_HANDLER_OF(is_alphanum_or, pair)
SCRIPT_HANDLER_OF(uris_equal, pair)
SCRIPT_HANDLER_OF(aors_equal, pair)
SCRIPT_HANDLER_OF(header_names_equal, pair)
SCRIPT_HANDLER_OF(set_user, set_part)
SCRIPT_HANDLER_OF(set_host, set_part)
SCRIPT_HANDLER_OF(is_gruu, optional_uri)

static const struct script_function functions[] = {
	FUNCTION_OF("uri_param", uri_param_has, param, IN_ANY,
		"Has the Request-URI the parameter, without or with that value?"),
	FUNCTION_OF(
		"uri_param_any", uri_param_any, text, IN_ANY, "Has the Request-URI the parameter?"),
	FUNCTION_OF("add_uri_param", uri_param_add, text, IN_ANY,
		"Adds \"name=value\" to the Request-URI."),
	FUNCTION_OF("get_uri_param", uri_param_get, get_param, IN_ANY,
		"Reads a parameter of the Request-URI into a variable."),
	FUNCTION_OF("uri_param_rm", uri_param_remove, text, IN_ANY,
		"Removes a parameter from the Request-URI."),
	FUNCTION_OF("tel2sip", tel_to_sip, tel, IN_ANY,
		"tel: to sip: URI: 1 converted, 2 not needed, -1 error."),
	FUNCTION_OF("tel2sip2", tel_to_sip_strict, tel, IN_ANY,
		"Like tel2sip, with the parameters in the order of RFC 3261 19.1.6."),
	FUNCTION_OF("is_e164", is_e164, text, IN_ANY,
		"Is the text \"+\" and digits, as E.164 numbers are?"),
	FUNCTION_OF("is_uri_user_e164", is_user_e164, text, IN_ANY,
		"Is the user of the URI an E.164 number?"),
	FUNCTION_OF("is_uri", is_uri, text, IN_ANY, "Is the text a URI?"),
	FUNCTION_OF("is_tel_number", is_tel_number, text, IN_ANY,
		"Is the text digits, perhaps after a \"+\"?"),
	FUNCTION_OF("is_numeric", is_numeric, text, IN_ANY, "Is the text digits only?"),
	FUNCTION_OF("is_alphanum", is_alphanum, text, IN_ANY,
		"Is the text ASCII letters and digits only?"),
	FUNCTION_OF("is_alphanumex", is_alphanum_or, pair, IN_ANY,
		"Is the text letters, digits and the given characters?"),
	FUNCTION_OF("cmp_uri", uris_equal, pair, IN_ANY, "Are the URIs equal by RFC 3261 19.1.4?"),
	FUNCTION_OF(
		"cmp_aor", aors_equal, pair, IN_ANY, "Are user, host and port of the URIs equal?"),
	FUNCTION_OF("cmp_hdr_name", header_names_equal, pair, IN_ANY,
		"Are both the same header name, long or compact?"),
	FUNCTION_OF("set_uri_user", set_user, set_part, IN_ANY,
		"Changes the user of the URI in a variable."),
	FUNCTION_OF("set_uri_host", set_host, set_part, IN_ANY,
		"Changes the host of the URI in a variable."),
	FUNCTION_OF("is_gruu", is_gruu, optional_uri, IN_ANY,
		"Is the URI a GRUU? 1 public, 2 temporary."),
};
const struct function_table uri_functions = ROWS(functions);

/* ---- parameters of the Request-URI ----------------------------------------------------------- */

static bool request_uri_param(struct script_run *run, struct span name, struct param *out)
{
	struct sip_uri uri;
	return message_is_request(run->msg) && message_parse_uri(run->msg, &uri) &&
	       uri_param(&uri, name, out);
}

static int uri_param_has(struct script_run *run, const struct param_args *args)
{
	struct param param;
	if (!request_uri_param(run, args->name, &param))
		return SCRIPT_FALSE;
	if (!args->value.at)
		return truth(!param.has_value);
	return truth(param.has_value && span_equal(param.value, args->value));
}

static int uri_param_any(struct script_run *run, const struct text_args *args)
{
	struct param param;
	return truth(request_uri_param(run, args->text, &param));
}

/* Parameters stand before the headers ("?..."). */
static int uri_param_add(struct script_run *run, const struct text_args *args)
{
	struct sip_uri uri;
	if (!args->text.len)
		return SCRIPT_TRUE;
	if (!message_parse_uri(run->msg, &uri))
		return SCRIPT_FALSE;
	struct span whole = message_uri(run->msg);
	size_t at = uri.headers.at ? (size_t)(uri.headers.at - 1 - whole.at) : whole.len;
	struct span changed =
		arena_printf(run->arena, "%.*s;%.*s%.*s", SPAN_ARGS(span_slice(whole, 0, at)),
			     SPAN_ARGS(args->text), SPAN_ARGS(span_slice(whole, at, whole.len)));
	return truth(changed.at && message_set_uri(run->msg, changed));
}

static int uri_param_get(struct script_run *run, const struct get_param_args *args)
{
	struct param param;
	if (!request_uri_param(run, args->name, &param))
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(param.has_value ? param.value : SPAN_OF(""));
	return truth(variable_write(run, args->result, &value));
}

/* Writes the URI without the parameters of that name; how many there were. */
static unsigned write_without_param(struct writer *w, const struct sip_uri *uri, struct span name)
{
	struct param_list list = params_over(uri->params, ';');
	struct param param;
	unsigned removed = 0;
	writer_bytes(w, uri->whole.at, (size_t)(uri->params.at - 1 - uri->whole.at));
	while (params_next(&list, &param) == LIST_ITEM) {
		if (span_equal_nocase(param.name, name)) {
			removed++;
			continue;
		}
		writer_char(w, ';');
		writer_span(w, param.whole);
	}
	const char *end = uri->params.at + uri->params.len;
	writer_bytes(w, end, (size_t)(uri->whole.at + uri->whole.len - end));
	return removed;
}

static int uri_param_remove(struct script_run *run, const struct text_args *args)
{
	struct sip_uri uri;
	if (!message_parse_uri(run->msg, &uri))
		return SCRIPT_FALSE;
	if (!uri.params.at)
		return SCRIPT_TRUE;
	struct writer w = writer_in_arena(run->arena, uri.whole.len + 1);
	if (!write_without_param(&w, &uri, args->text))
		return SCRIPT_TRUE;
	return truth(!w.failed && message_set_uri(run->msg, writer_result(&w)));
}

/* ---- tel: to sip: ---------------------------------------------------------------------------- */

static void write_number(struct writer *w, struct span number)
{
	for (size_t i = 0; i < number.len; i++)
		if (!strchr("-.()", number.at[i]))
			writer_char(w, number.at[i]);
}

static void write_lower(struct writer *w, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		writer_char(w, ascii_lower(text.at[i]));
}

/* RFC 3261 19.1.6: isub and ext first, phone-context next, the others by name. */
static int tel_param_rank(struct span name)
{
	if (span_equal_nocase(name, SPAN_OF("isub")) || span_equal_nocase(name, SPAN_OF("postd")) ||
	    span_equal_nocase(name, SPAN_OF("ext")))
		return 0;
	return span_equal_nocase(name, SPAN_OF("phone-context")) ? 1 : 2;
}

static bool tel_param_before(const struct param *a, const struct param *b)
{
	int rank_a = tel_param_rank(a->name), rank_b = tel_param_rank(b->name);
	if (rank_a != rank_b)
		return rank_a < rank_b;
	return span_compare(a->name, b->name) < 0;
}

static bool write_tel_params(struct writer *w, struct span params, bool sorted)
{
	struct param all[URI_MAX_PARTS];
	unsigned count = 0;
	struct param_list list = params_over(params, ';');
	enum list_result result;
	while (count < URI_MAX_PARTS && (result = params_next(&list, &all[count])) == LIST_ITEM) {
		struct param added = all[count];
		unsigned at = count++;
		for (; sorted && at > 0 && tel_param_before(&added, &all[at - 1]); at--)
			all[at] = all[at - 1];
		all[at] = added;
	}
	if (count == URI_MAX_PARTS || result == LIST_BAD)
		return false;
	for (unsigned i = 0; i < count; i++) {
		writer_char(w, ';');
		write_lower(w, all[i].whole);
	}
	return true;
}

static int convert_tel(struct script_run *run, const struct tel_args *args, bool sorted)
{
	struct sip_uri uri;
	enum uri_scheme scheme = uri_scheme_of(args->uri);
	if (scheme != URI_TEL && scheme != URI_TELS)
		return 2;
	if (!uri_parse(args->uri, &uri))
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, args->uri.len + args->host.len + 32);
	writer_string(&w, scheme == URI_TELS ? "sips:" : "sip:");
	write_number(&w, uri.user);
	if (uri.params.at && !write_tel_params(&w, uri.params, sorted))
		return SCRIPT_FALSE;
	writer_char(&w, '@');
	writer_span(&w, args->host);
	writer_literal(&w, ";user=phone");
	struct value value = VALUE_OF_TEXT(writer_result(&w));
	return truth(!w.failed && variable_write(run, args->result, &value));
}

static int tel_to_sip(struct script_run *run, const struct tel_args *args)
{
	return convert_tel(run, args, false);
}

static int tel_to_sip_strict(struct script_run *run, const struct tel_args *args)
{
	return convert_tel(run, args, true);
}

/* ---- what a text is -------------------------------------------------------------------------- */

static bool is_digits(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_digit(text.at[i]))
			return false;
	return text.len > 0;
}

bool is_e164_number(struct span text)
{
	return text.len > 2 && (int64_t)text.len <= siputils_settings->e164_max_len &&
	       text.at[0] == '+' && is_digits(span_slice(text, 1, text.len));
}

static int is_e164(struct script_run *run, const struct text_args *args)
{
	(void)run;
	return truth(is_e164_number(args->text));
}

static int is_user_e164(struct script_run *run, const struct text_args *args)
{
	(void)run;
	struct sip_uri uri;
	return truth(uri_parse(args->text, &uri) && is_e164_number(uri.user));
}

static int is_uri(struct script_run *run, const struct text_args *args)
{
	(void)run;
	struct sip_uri uri;
	return truth(uri_parse(args->text, &uri) && uri.scheme != URI_OTHER);
}

/* The peer answers -2 for an empty text. */
static int is_tel_number(struct script_run *run, const struct text_args *args)
{
	(void)run;
	bool has_plus = args->text.len && args->text.at[0] == '+';
	struct span digits = span_slice(args->text, has_plus, args->text.len);
	if (!digits.len)
		return -2;
	return truth(is_digits(digits));
}

static int is_numeric(struct script_run *run, const struct text_args *args)
{
	(void)run;
	if (!args->text.len)
		return -2;
	return truth(is_digits(args->text));
}

static int all_alphanum_or(struct span text, struct span more)
{
	if (!text.len)
		return -2;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		if (!ascii_is_digit(c) && !ascii_is_alpha(c) && span_find(more, c, 0) == more.len)
			return SCRIPT_FALSE;
	}
	return SCRIPT_TRUE;
}

static int is_alphanum(struct script_run *run, const struct text_args *args)
{
	(void)run;
	return all_alphanum_or(args->text, SPAN_OF(""));
}

static int is_alphanum_or(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	return all_alphanum_or(args->first, args->second);
}

/* ---- comparison ------------------------------------------------------------------------------ */

static int uris_equal(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	if (span_equal(args->first, args->second))
		return SCRIPT_TRUE;
	return truth(uri_text_equal(args->first, args->second));
}

static int aors_equal(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	struct sip_uri a, b;
	if (!uri_parse(args->first, &a) || !uri_parse(args->second, &b))
		return -2;
	return truth(span_equal(a.user, b.user) && host_equal(a.host, b.host) &&
		     (a.has_port ? a.port : 5060) == (b.has_port ? b.port : 5060));
}

static int header_names_equal(struct script_run *run, const struct pair_args *args)
{
	(void)run;
	enum sip_header_id a = header_id_from_name(args->first),
			   b = header_id_from_name(args->second);
	if (a != HEADER_OTHER || b != HEADER_OTHER)
		return truth(a == b);
	return truth(span_equal_nocase(args->first, args->second));
}

static int is_gruu(struct script_run *run, const struct optional_uri_args *args)
{
	struct sip_uri uri;
	bool parsed = args->uri.at ? uri_parse(args->uri, &uri) : message_parse_uri(run->msg, &uri);
	struct param gr;
	if (!parsed || !uri_param(&uri, SPAN_OF("gr"), &gr))
		return SCRIPT_FALSE;
	return gr.value.len ? 1 : 2;
}

/* ---- changing a URI in a variable ------------------------------------------------------------ */

static bool read_uri(struct script_run *run, const struct variable_ref *ref, struct sip_uri *out)
{
	struct value value;
	struct span text;
	return variable_read(run, ref, &value) && value_to_text(run, &value, &text) &&
	       uri_parse(text, out) && uri_is_sip(out);
}

static int write_uri(struct script_run *run, const struct variable_ref *ref, const struct writer *w)
{
	struct value value = VALUE_OF_TEXT(writer_result(w));
	return truth(!w->failed && variable_write(run, ref, &value));
}

static int set_user(struct script_run *run, const struct set_part_args *args)
{
	struct sip_uri uri;
	if (!read_uri(run, args->uri, &uri))
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, uri.whole.len + args->part.len + 2);
	writer_span(&w, uri.scheme_text);
	writer_char(&w, ':');
	if (args->part.len) {
		writer_span(&w, args->part);
		writer_char(&w, '@');
	}
	writer_bytes(&w, uri.host.at, (size_t)(uri.whole.at + uri.whole.len - uri.host.at));
	return write_uri(run, args->uri, &w);
}

static int set_host(struct script_run *run, const struct set_part_args *args)
{
	struct sip_uri uri;
	if (!args->part.len || !read_uri(run, args->uri, &uri))
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, uri.whole.len + args->part.len + 2);
	const char *after = uri.host.at + uri.host.len;
	writer_bytes(&w, uri.whole.at, (size_t)(uri.host.at - uri.whole.at));
	writer_span(&w, args->part);
	writer_bytes(&w, after, (size_t)(uri.whole.at + uri.whole.len - after));
	return write_uri(run, args->uri, &w);
}
