/* SPDX-License-Identifier: BSD-2-Clause */
/* One accounting record as a line of the log:
 *
 *   ACC: transaction answered: timestamp=…;method=INVITE;from_tag=…;to_tag=…;call_id=…;code=200;
 *   reason=OK;name=value;… */
#include "modules/acc/acc.h"

#include <stdio.h>
#include <time.h>

static struct {
	struct acc_fields extra;
	struct acc_fields leg;
	int facility;
} state;

/* ---- settings -------------------------------------------------------------------------------- */

/* Takes the text before the next ";" that is outside parentheses and braces. */
static bool take_definition(struct span *rest, struct span *out)
{
	int depth = 0;
	size_t end = 0;
	if (!rest->at)
		return false;
	for (; end < rest->len; end++) {
		char c = rest->at[end];
		depth += (c == '(' || c == '{') - (c == ')' || c == '}');
		if (c == ';' && depth <= 0)
			break;
	}
	*out = span_trim(span_slice(*rest, 0, end));
	*rest = end < rest->len ? span_slice(*rest, end + 1, rest->len) : (struct span){ 0 };
	return true;
}

/* extra = definition *( ";" definition ) ; definition = name "=" variable */
static bool fields_compile(const char *setting, struct span text, struct acc_fields *out,
	struct diagnostics *diagnostics)
{
	struct source_position at = module_setting_position("acc", setting);
	struct span rest = text, item;
	bool is_right = true;
	while (text.len && take_definition(&rest, &item)) {
		size_t equals = span_find(item, '=', 0);
		if (!item.len)
			continue;
		if (equals == 0 || equals == item.len || out->count == ACC_MAX_FIELDS) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting", at,
				out->count == ACC_MAX_FIELDS
					? "acc.%s: more than %d fields"
					: "acc.%s is name=$variable;… (field %d)",
				setting, (int)out->count + 1);
			return false;
		}
		struct acc_field *field = &out->list[out->count];
		field->name = span_trim(span_slice(item, 0, equals));
		field->variable =
			variable_compile(span_trim(span_slice(item, equals + 1, item.len)),
				startup_arena(), diagnostics, at);
		if (field->variable)
			out->count++;
		else
			is_right = false;
	}
	return is_right;
}

bool record_prepare(struct diagnostics *diagnostics)
{
	bool is_right =
		fields_compile("log_extra", acc_settings->log_extra, &state.extra, diagnostics);
	is_right &= fields_compile(
		"multi_leg_info", acc_settings->multi_leg_info, &state.leg, diagnostics);
	state.facility = log_facility_from_name(acc_settings->log_facility);
	if (state.facility < 0) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
			module_setting_position("acc", "log_facility"),
			"\"%.*s\" is no syslog facility", SPAN_ARGS(acc_settings->log_facility));
		return false;
	}
	return is_right;
}

/* ---- the line -------------------------------------------------------------------------------- */

/* Control characters would break the line. */
static void write_clean(struct writer *w, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		writer_char(w, (unsigned char)text.at[i] < ' ' ? ' ' : text.at[i]);
}

static void write_field(struct writer *w, const char *name, struct span value)
{
	writer_char(w, ';');
	writer_string(w, name);
	writer_char(w, '=');
	write_clean(w, value);
}

static void write_named(struct writer *w, struct span name, struct span value)
{
	writer_char(w, ';');
	writer_span(w, name);
	writer_char(w, '=');
	write_clean(w, value);
}

static void write_time(struct writer *w)
{
	int64_t now_us = clock_wall_us_now();
	time_t now = (time_t)(now_us / 1000000);
	char text[160];
	struct tm parts;
	writer_printf(w, "timestamp=%lld", (long long)now);
	switch ((enum acc_time_mode)acc_settings->time_mode) {
	case ACC_TIME_PLAIN:
		return;
	case ACC_TIME_MICROSECONDS:
		snprintf(text, sizeof(text), "%d", (int)(now_us % 1000000));
		write_named(w, acc_settings->time_exten, span_from(text));
		return;
	case ACC_TIME_MILLISECONDS:
		snprintf(text, sizeof(text), "%lld.%03d", (long long)now,
			(int)(now_us % 1000000 / 1000));
		write_named(w, acc_settings->time_attr, span_from(text));
		return;
	case ACC_TIME_LOCAL:
	case ACC_TIME_GMT: {
		char format[128];
		bool is_local = acc_settings->time_mode == ACC_TIME_LOCAL;
		snprintf(format, sizeof(format), "%.*s", SPAN_ARGS(acc_settings->time_format));
		bool known = is_local ? localtime_r(&now, &parts) != NULL
				      : gmtime_r(&now, &parts) != NULL;
		size_t len = known ? strftime(text, sizeof(text), format, &parts) : 0;
		write_named(w, acc_settings->time_attr, span_make(text, len));
		return;
	}
	}
}

static void write_variable(struct writer *w, struct script_run *run, const struct acc_field *field)
{
	struct value value;
	struct span text;
	bool has_text = variable_read(run, field->variable, &value) && value.kind != VALUE_NULL &&
		value_to_text(run, &value, &text);
	write_named(w, field->name, has_text ? text : SPAN_OF(""));
}

/* The index-th value of a variable that may have several (AVPs); false when there is none. */
static bool leg_value(
	struct script_run *run, const struct acc_field *field, int index, struct span *out)
{
	struct variable_ref indexed = *field->variable;
	struct value value;
	indexed.index_kind = INDEX_NUMBER;
	indexed.index = index;
	return variable_read(run, &indexed, &value) && value.kind != VALUE_NULL &&
		value_to_text(run, &value, out);
}

/* Every set of the legs' values, the newest first; one empty set when there is none. */
static void write_legs(struct writer *w, struct script_run *run)
{
	for (int set = 0; set < ACC_MAX_LEGS; set++) {
		struct span values[ACC_MAX_FIELDS];
		bool has_any = false;
		for (unsigned i = 0; i < state.leg.count; i++) {
			bool has_value = leg_value(run, &state.leg.list[i], set, &values[i]);
			if (!has_value)
				values[i] = SPAN_OF("");
			has_any |= has_value;
		}
		if (set && !has_any)
			return;
		for (unsigned i = 0; i < state.leg.count; i++)
			write_named(w, state.leg.list[i].name, values[i]);
		if (!has_any)
			return;
	}
}

static struct span record_to_tag(const struct acc_record *record, char buffer[64])
{
	struct message *msg = record->message;
	if (record->to_tag.len)
		return record->to_tag;
	struct span tag = message_to_tag(msg);
	if (tag.len)
		return tag;
	return msg->to_tag.len ? msg->to_tag : stateless_to_tag(msg, buffer);
}

void record_log(struct script_run *run, const struct acc_record *record)
{
	char tag_buffer[64], code[12] = "", origin[48];
	struct message *msg = record->message;
	struct span from_tag = message_from_tag(msg), to_tag = record_to_tag(record, tag_buffer);
	if (!log_is_on((int)acc_settings->log_level))
		return;
	if (record->code)
		snprintf(code, sizeof(code), "%u", record->code);
	struct writer w = writer_in_arena(run->arena, 512);
	writer_printf(&w, "ACC: %s: ", record->what);
	write_time(&w);
	write_field(&w, "method", message_method_name(msg));
	write_field(&w, "from_tag", record->is_upstream ? to_tag : from_tag);
	write_field(&w, "to_tag", record->is_upstream ? from_tag : to_tag);
	write_field(&w, "call_id", message_value(msg, HEADER_CALL_ID));
	write_field(&w, "code", span_from(code));
	write_field(&w, "reason", record->reason);
	for (unsigned i = 0; i < state.extra.count; i++)
		write_variable(&w, run, &state.extra.list[i]);
	if (state.leg.count)
		write_legs(&w, run);
	if (w.failed) {
		log_error("no memory for an accounting record of call %.*s",
			SPAN_ARGS(message_value(msg, HEADER_CALL_ID)));
		return;
	}
	snprintf(origin, sizeof(origin), "acc [record.c:%d]: %s(): ", __LINE__, __func__);
	log_script_prefixed(
		(int)acc_settings->log_level, state.facility, span_from(origin), writer_result(&w));
}
