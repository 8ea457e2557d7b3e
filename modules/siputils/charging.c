/* SPDX-License-Identifier: BSD-2-Clause */
/* P-Charging-Vector (RFC 7315 4.6 and 5.6): generated, removed, read as $pcv(...).
 *
 * P-Charging-Vector = icid-value *(SEMI charge-params); what the script changed is noted in the
 * message's slot, because edits are not visible before they are applied. */
#include "modules/siputils/siputils.h"

enum vector_status { VECTOR_UNKNOWN, VECTOR_RECEIVED, VECTOR_DELETED, VECTOR_GENERATED };

struct vector {
	const char *bytes; /* of the message when this was noted */
	enum vector_status status;
	struct span value; /* of the header */
};

static unsigned slot;

void charging_reserve(void)
{
	slot = message_slot("siputils");
}

/* What the header is now: generated or removed by the script, else as received. */
static struct vector vector_now(struct message *msg)
{
	const struct vector *noted = msg->slots[slot];
	if (noted && noted->bytes == msg->bytes.at)
		return *noted;
	const struct sip_header *h = message_header(msg, HEADER_P_CHARGING_VECTOR);
	if (!h)
		return (struct vector){ .status = VECTOR_UNKNOWN };
	return (struct vector){ .status = VECTOR_RECEIVED, .value = message_header_value(msg, h) };
}

static bool note(struct message *msg, enum vector_status status, struct span value)
{
	struct vector *vector = ARENA_NEW(msg->arena, struct vector);
	if (!vector)
		return false;
	*vector = (struct vector){ .bytes = msg->bytes.at, .status = status, .value = value };
	msg->slots[slot] = vector;
	return true;
}

static bool vector_remove(struct message *msg)
{
	const struct sip_header *h = message_header(msg, HEADER_P_CHARGING_VECTOR);
	for (; h; h = message_next_header(msg, h))
		if (!edit_removes(msg, h) && !edit_remove_header(msg, h))
			return false;
	for (struct edit *edit = msg->edits; edit; edit = edit->next)
		if (edit->tag == EDIT_TAG_MODULE && edit->header == HEADER_P_CHARGING_VECTOR &&
		    !edit->removed)
			edit->text = SPAN_OF(""); /* one that we generated before */
	return note(msg, VECTOR_DELETED, SPAN_OF(""));
}

static bool vector_generate(struct message *msg)
{
	char address[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(address, sizeof(address));
	end_point_write_ip(&w, &msg->from.local);
	struct span value =
		arena_printf(msg->arena, "icid-value=%016llX%016llX; icid-generated-at=%.*s",
			     (unsigned long long)random_uint64(),
			     (unsigned long long)random_uint64(), SPAN_ARGS(writer_result(&w)));
	struct span line =
		value.at ? arena_printf(msg->arena, "P-Charging-Vector: %.*s\r\n", SPAN_ARGS(value))
			 : value;
	struct edit *edit = line.at ? edit_append_header(msg, line) : NULL;
	if (!edit)
		return false;
	edit->tag = EDIT_TAG_MODULE;
	edit->header = HEADER_P_CHARGING_VECTOR;
	return note(msg, VECTOR_GENERATED, value);
}

struct vector_args {
	struct span flags;
};
static const char *check_flags(struct span text, int64_t number);
static const struct field vector_fields[] = {
	FIELD(struct vector_args, flags, "r remove, g generate when missing, f replace",
		.accept = check_flags),
};
SCRIPT_HANDLER(vector)

static const char *check_flags(struct span text, int64_t number)
{
	(void)number;
	bool known = text.len == 1 && strchr("rRgGfF", text.at[0]);
	return known ? NULL : "the flag is r (remove), g (generate) or f (replace)";
}

static int vector(struct script_run *run, const struct vector_args *args)
{
	struct message *msg = run->msg;
	char flag = args->flags.len ? ascii_lower(args->flags.at[0]) : 0;
	switch (flag) {
	case 'r': return truth(vector_remove(msg));
	case 'g': return truth(vector_now(msg).value.len || vector_generate(msg));
	case 'f': return truth(vector_remove(msg) && vector_generate(msg));
	}
	log_error("sip_p_charging_vector: \"%.*s\" is none of r, g, f", SPAN_ARGS(args->flags));
	return SCRIPT_FALSE;
}

/* ---- $pcv(part) ------------------------------------------------------------------------------ */

static const struct part_row {
	const char *name;  /* in the script */
	const char *param; /* in the header; NULL: special */
} parts[] = {
	{ "all", NULL },           { "status", NULL },
	{ "value", "icid-value" }, { "genaddr", "icid-generated-at" },
	{ "orig", "orig-ioi" },    { "term", "term-ioi" },
};

static const struct part_row *part_find(struct span name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		if (span_equal_nocase(name, span_from(parts[i].name)))
			return &parts[i];
	return NULL;
}

static const char *bind_part(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	if (!ref->inner.at || part_find(ref->inner))
		return NULL;
	return "$pcv knows all, value, genaddr, orig, term and status";
}

/* The value with its quotes, if it has them, as the peer gives it. */
static struct span as_written(const struct param *param)
{
	size_t equals = span_find(param->whole, '=', 0);
	return span_trim(span_slice(param->whole, equals + 1, param->whole.len));
}

static bool get_part(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct part_row *part = part_find(variable_inner_text(run, ref));
	const struct vector now = vector_now(run->msg);
	struct param param;
	*out = (struct value){ 0 };
	if (!part)
		return false;
	if (part == &parts[1])
		*out = VALUE_OF_INT(now.status);
	else if (!now.value.len)
		return true;
	else if (!part->param)
		*out = VALUE_OF_TEXT(now.value);
	else if (params_find(now.value, ';', span_from(part->param), &param) && param.has_value)
		*out = VALUE_OF_TEXT(as_written(&param));
	return true;
}

const struct variable_row charging_variable = {
	.name = "pcv", .inner = INNER_NAME, .get = get_part, .bind = bind_part,
	.doc = "P-Charging-Vector: $pcv(all), value, genaddr, orig, term, status.",
};

static const struct script_function charging_rows[] = {
	FUNCTION("sip_p_charging_vector", vector, IN_ANY,
		"Removes, generates or replaces P-Charging-Vector."),
};
const struct function_table charging_functions = ROWS(charging_rows);
