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
	int facility;
} state;

/* ---- settings -------------------------------------------------------------------------------- */

bool record_facility(const char *setting, struct span name, int *out,
		     struct diagnostics *diagnostics)
{
	*out = log_facility_from_name(name);
	if (*out < 0)
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
			       module_setting_position("acc", setting),
			       "\"%.*s\" is no syslog facility", SPAN_ARGS(name));
	return *out >= 0;
}

bool record_prepare(struct diagnostics *diagnostics)
{
	bool has_fields =
		fields_compile("log_extra", acc_settings->log_extra, &state.extra, diagnostics);
	bool has_facility = record_facility("log_facility", acc_settings->log_facility,
					    &state.facility, diagnostics);
	return has_fields && has_facility;
}

/* ---- the line -------------------------------------------------------------------------------- */

void record_write_clean(struct writer *w, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		writer_char(w, (unsigned char)text.at[i] < ' ' ? ' ' : text.at[i]);
}

static void write_field(struct writer *w, const char *name, struct span value)
{
	writer_char(w, ';');
	writer_string(w, name);
	writer_char(w, '=');
	record_write_clean(w, value);
}

static void write_named(struct writer *w, struct span name, struct span value)
{
	writer_char(w, ';');
	writer_span(w, name);
	writer_char(w, '=');
	record_write_clean(w, value);
}

static void write_time(struct writer *w)
{
	int64_t now_us = clock_wall_us_now();
	time_t now = (time_t)(now_us / 1000000);
	char text[160];
	writer_printf(w, "timestamp=%lld", (long long)now);
	switch ((enum acc_time_mode)acc_settings->time_mode) {
	case ACC_TIME_PLAIN: return;
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
	case ACC_TIME_GMT:
		write_named(w, acc_settings->time_attr, fields_format_time(now, text));
		return;
	}
}

static void write_variable(struct writer *w, struct script_run *run, const struct acc_field *field)
{
	struct span text;
	write_named(w, field->name, field_read(run, field, &text) ? text : SPAN_OF(""));
}

/* Every set of the legs' values, the newest first; one empty set when there is none. */
static void write_legs(struct writer *w, struct script_run *run)
{
	const struct acc_fields *legs = fields_legs();
	for (int set = 0; set < ACC_MAX_LEGS; set++) {
		struct span values[ACC_MAX_FIELDS];
		bool has_any = fields_read_leg(run, set, values);
		if (set && !has_any)
			return;
		for (unsigned i = 0; i < legs->count; i++)
			write_named(w, legs->list[i].name, values[i]);
		if (!has_any)
			return;
	}
}

void record_tags(const struct acc_record *record, struct span *out_from, struct span *out_to)
{
	struct message *msg = record->message;
	struct span from_tag = message_from_tag(msg), to_tag = record->to_tag;
	if (!to_tag.len)
		to_tag = message_to_tag(msg);
	if (!to_tag.len)
		to_tag = msg->to_tag;
	*out_from = record->is_upstream ? to_tag : from_tag;
	*out_to = record->is_upstream ? from_tag : to_tag;
}

void record_log(struct script_run *run, const struct acc_record *record)
{
	char code[12] = "", origin[48];
	struct message *msg = record->message;
	struct span from_tag, to_tag;
	record_tags(record, &from_tag, &to_tag);
	if (!log_is_on((int)acc_settings->log_level))
		return;
	if (record->code)
		snprintf(code, sizeof(code), "%u", record->code);
	struct writer w = writer_in_arena(run->arena, 512);
	writer_printf(&w, "ACC: %s: ", record->what);
	write_time(&w);
	write_field(&w, "method", message_method_name(msg));
	write_field(&w, "from_tag", from_tag);
	write_field(&w, "to_tag", to_tag);
	write_field(&w, "call_id", message_value(msg, HEADER_CALL_ID));
	write_field(&w, "code", span_from(code));
	write_field(&w, "reason", record->reason);
	for (unsigned i = 0; i < state.extra.count; i++)
		write_variable(&w, run, &state.extra.list[i]);
	if (fields_legs()->count)
		write_legs(&w, run);
	if (w.failed) {
		log_error("no memory for an accounting record of call %.*s",
			  SPAN_ARGS(message_value(msg, HEADER_CALL_ID)));
		return;
	}
	snprintf(origin, sizeof(origin), "acc [record.c:%d]: %s(): ", __LINE__, __func__);
	log_script_prefixed((int)acc_settings->log_level, state.facility, span_from(origin),
			    writer_result(&w));
}
