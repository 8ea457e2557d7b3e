/* SPDX-License-Identifier: BSD-2-Clause */
/* memory: functions that work with the AVPs of the message. */
#include "modules/avpops/avpops.h"

/* ---- table ------------------------------------------------------------------------------------------ */

SPEC_ACCEPT(check_deleted, SPEC_DELETED)
SPEC_ACCEPT(check_destination, SPEC_DESTINATION)
SPEC_ACCEPT(check_pushed, SPEC_PUSHED)
SPEC_ACCEPT(check_avp, SPEC_AVP)
SPEC_ACCEPT(check_copy, SPEC_COPY)
SPEC_ACCEPT(check_set, SPEC_SET)

struct name_args {
	struct span name;
};
static const struct field deleted_fields[] = {
	FIELD(struct name_args, name, "AVP, or a, s, i for all, those with a name, those with a number",
		.literal = true, .accept = check_deleted),
};
#define deleted_args name_args
SCRIPT_HANDLER_OF(avp_delete, deleted)

static const struct field set_fields[] = {
	FIELD(struct name_args, name, "AVP, with s: is a text, n: is a number, e: is empty",
		.literal = true, .accept = check_set),
};
#define set_args name_args
SCRIPT_HANDLER_OF(is_avp_set, set)

struct pair_args {
	struct span to, from;
};
static const struct field push_fields[] = {
	FIELD(struct pair_args, to, "$ru, $ru/username, $ru/domain, $du, $br", .literal = true,
		.accept = check_destination),
	FIELD(struct pair_args, from, "variable, with g: all its values", .literal = true,
		.accept = check_pushed),
};
#define push_args pair_args
SCRIPT_HANDLER_OF(avp_pushto, push)

static const struct field copy_fields[] = {
	FIELD(struct pair_args, from, "AVP", .literal = true, .accept = check_avp),
	FIELD(struct pair_args, to, "AVP, with g all values, d deletes the first, n numbers, s texts",
		.literal = true, .accept = check_copy),
};
#define copy_args pair_args
SCRIPT_HANDLER_OF(avp_copy, copy)

struct avp_printf_args {
	const struct variable_ref *to;
	struct span text;
};
static const struct field avp_printf_fields[] = {
	FIELD(struct avp_printf_args, to, "variable"),
	FIELD(struct avp_printf_args, text, "text with variables"),
};
SCRIPT_HANDLER(avp_printf)
SCRIPT_HANDLER_PLAIN(avp_print)

static const struct script_function functions[] = {
	FUNCTION_OF("avp_delete", avp_delete, deleted, IN_ANY, "Deletes AVPs; false when there is none."),
	FUNCTION_OF("avp_pushto", avp_pushto, push, IN_ANY,
		"Makes a value the Request-URI, a part of it, the next hop or a branch."),
	FUNCTION_OF("avp_copy", avp_copy, copy, IN_ANY, "Copies or moves values of an AVP."),
	FUNCTION("avp_printf", avp_printf, IN_ANY, "Assigns a text with variables in it."),
	FUNCTION_OF("is_avp_set", is_avp_set, set, IN_ANY, "Has the AVP a value, of that kind?"),
	FUNCTION_PLAIN("avp_print", avp_print, IN_ANY, "Writes all AVPs to the log, at level info."),
};
const struct function_table memory_functions = { functions, ARRAY_SIZE(functions) };

/* ---- deleting and copying ------------------------------------------------------------------------------ */

static unsigned remove_class(struct attributes *all, struct span class)
{
	unsigned count = 0;
	struct avp **at = &all->avps;
	while (*at) {
		if (avp_is_of_class(*at, class)) {
			*at = (*at)->next;
			count++;
		} else {
			at = &(*at)->next;
		}
	}
	return count;
}

static int avp_delete(struct script_run *run, const struct name_args *args)
{
	struct attributes *all = &run->msg->attributes;
	const struct avp_spec *spec = spec_of(SPEC_DELETED, args->name);
	if (!spec)
		return SCRIPT_FALSE;
	unsigned count = spec->variable ? avp_remove(all, avp_name_of(run, spec->variable),
						     spec->flags & FLAG_ALL)
					: remove_class(all, spec->word);
	return count ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* As number or text, where a flag asks for it. */
static bool convert(struct script_run *run, unsigned flags, struct value *value)
{
	if ((flags & FLAG_NUMBER) && value->kind == VALUE_TEXT) {
		if (!span_to_int64(span_trim(value->text), &value->number)) {
			log_debug("avp_copy: \"%.*s\" is no number", SPAN_ARGS(value->text));
			return false;
		}
		value->kind = VALUE_INT;
	}
	if ((flags & FLAG_STRING) && value->kind == VALUE_INT) {
		struct span text;
		if (!value_to_text(run, value, &text))
			return false;
		*value = VALUE_OF_TEXT(text);
	}
	return true;
}

static int avp_copy(struct script_run *run, const struct pair_args *args)
{
	struct attributes *all = &run->msg->attributes;
	const struct avp_spec *from = spec_of(SPEC_AVP, args->from),
			      *to = spec_of(SPEC_COPY, args->to);
	const struct value *values;
	if (!from || !to)
		return SCRIPT_FALSE;
	bool every = to->flags & FLAG_ALL;
	unsigned count = values_of(run, from->variable, every, &values), copied = 0;
	if (count && (to->flags & FLAG_DELETE))
		avp_remove(all, avp_name_of(run, from->variable), every);
	for (unsigned i = 0; i < count; i++) {
		struct value value = values[i];
		if (!convert(run, to->flags, &value))
			continue;
		if (!avp_push(all, avp_name_of(run, to->variable), value))
			return SCRIPT_FALSE;
		copied++;
	}
	return copied ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int avp_printf(struct script_run *run, const struct avp_printf_args *args)
{
	const struct value text = VALUE_OF_TEXT(args->text);
	return variable_write(run, args->to, &text) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_avp_set(struct script_run *run, const struct name_args *args)
{
	const struct avp_spec *spec = spec_of(SPEC_SET, args->name);
	struct value value;
	if (!spec || !variable_read(run, spec->variable, &value) || value.kind == VALUE_NULL)
		return SCRIPT_FALSE;
	bool is_text = value.kind == VALUE_TEXT;
	bool is_empty = is_text ? !value.text.len : !value.number;
	if (((spec->flags & FLAG_STRING) && !is_text) || ((spec->flags & FLAG_NUMBER) && is_text) ||
	    ((spec->flags & FLAG_EMPTY) && !is_empty))
		return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

static int avp_print(struct script_run *run)
{
	for (const struct avp *avp = run->msg->attributes.avps; avp; avp = avp->next) {
		char text[512];
		struct writer w = writer_fixed(text, sizeof(text));
		if (avp->name_is_number)
			writer_int(&w, avp->number_name);
		else
			writer_span(&w, avp->name);
		writer_string(&w, " = ");
		value_write(&avp->value, &w);
		log_info("avp %.*s%s", SPAN_ARGS(writer_result(&w)), w.failed ? " …" : "");
	}
	return SCRIPT_TRUE;
}

/* ---- pushing -------------------------------------------------------------------------------------------- */

/* $ru with one piece changed, through the script's own variable. */
static bool write_variable(struct script_run *run, struct span name, const struct value *value)
{
	const char *wrong;
	const struct avp_spec *spec = spec_read(SPEC_PUSHED, name, &wrong);
	return spec && variable_write(run, spec->variable, value);
}

static bool push_uri(struct script_run *run, const struct avp_spec *to, struct span text)
{
	const struct value value = VALUE_OF_TEXT(text);
	struct sip_uri uri;
	if (to->option.at) {
		bool is_user = ascii_lower(to->option.at[0]) == 'u';
		return write_variable(run, is_user ? SPAN_OF("$rU") : SPAN_OF("$rd"), &value);
	}
	if (uri_parse(text, &uri))
		return write_variable(run, SPAN_OF("$ru"), &value);
	log_error("avp_pushto: \"%.*s\" is no URI", SPAN_ARGS(text));
	return false;
}

/* With several values the URI that was there before becomes a branch. */
static bool push(struct script_run *run, const struct avp_spec *to, struct span text, bool is_first)
{
	if (to->word.at[1] == 'd')
		return message_set_dst_uri(run->msg, text);
	struct branch branch = { .uri = text, .q = Q_UNSPECIFIED };
	if (to->word.at[1] == 'b')
		return message_add_branch(run->msg, &branch);
	branch.uri = message_uri(run->msg);
	return (is_first || message_add_branch(run->msg, &branch)) && push_uri(run, to, text);
}

static int avp_pushto(struct script_run *run, const struct pair_args *args)
{
	const struct avp_spec *to = spec_of(SPEC_DESTINATION, args->to);
	const struct avp_spec *from = spec_of(SPEC_PUSHED, args->from);
	const struct value *values;
	if (!to || !from)
		return SCRIPT_FALSE;
	unsigned count = values_of(run, from->variable, from->flags & FLAG_ALL, &values);
	for (unsigned i = 0; i < count; i++) {
		struct span text;
		if (!value_to_text(run, &values[i], &text) || !push(run, to, text, i == 0))
			return SCRIPT_FALSE;
	}
	return count ? SCRIPT_TRUE : SCRIPT_FALSE;
}
