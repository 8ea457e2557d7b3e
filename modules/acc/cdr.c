/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of whole calls (CDRs), for the log and the table cdrs_table:
 *
 *   start_time=1795270254.778; end_time=1795270256.001; duration=1.223; name=value; …
 *
 * Times are kept in variables of the dialog under the names that the settings give, so scripts see
 * them and they are where the dialog is. */
#include "modules/acc/acc.h"
#include "modules/dialog/dialog_api.h"

#include <stdio.h>
#include <stdlib.h>

#define TABLE_VERSION 2
#define FIXED         3 /* start, end, duration */

enum duration_mode { DURATION_SECONDS, DURATION_MILLISECONDS, DURATION_MICROSECONDS };

static struct {
	struct acc_fields extra;
	struct db_column columns[FIXED + ACC_MAX_FIELDS];
	const struct dialog_api *dialog;
	int facility;
} state;

/* ---- start ---- */

static bool needs_are_met(const void *dialog, struct diagnostics *diagnostics)
{
	if (!acc_settings->cdr_enable || dialog)
		return true;
	diagnostic_add(diagnostics, SEVERITY_ERROR, "missing-module",
		       module_setting_position("acc", "cdr_enable"),
		       "cdr_enable needs module dialog: loadmodule \"dialog.so\" before acc");
	return false;
}

static void list_columns(void)
{
	const struct span fixed[FIXED] = { acc_settings->cdr_start_id, acc_settings->cdr_end_id,
					   acc_settings->cdr_duration_id };
	for (unsigned i = 0; i < FIXED; i++)
		state.columns[i] = (struct db_column){ .name = fixed[i] };
	for (unsigned i = 0; i < state.extra.count; i++)
		state.columns[FIXED + i] = (struct db_column){ .name = state.extra.list[i].name };
}

static void observe(const struct dialog_event_info *info);

bool cdr_prepare(const void *dialog, struct diagnostics *diagnostics)
{
	bool has_fields =
		fields_compile("cdr_extra", acc_settings->cdr_extra, &state.extra, diagnostics);
	bool has_facility = record_facility("cdr_facility", acc_settings->cdr_facility,
					    &state.facility, diagnostics);
	if (!needs_are_met(dialog, diagnostics) || !has_fields || !has_facility)
		return false;
	if (acc_settings->cdrs_table.len && !rows_wanted())
		diagnostic_add(diagnostics, SEVERITY_WARNING, "no-effect",
			       module_setting_position("acc", "cdrs_table"),
			       "cdrs_table has no effect without db_url");
	list_columns();
	state.dialog = dialog;
	return !acc_settings->cdr_enable ||
	       state.dialog->observe(DIALOG_CREATED | DIALOG_CONFIRMED | DIALOG_FAILED |
					     DIALOG_ENDED | DIALOG_EXPIRED,
				     observe);
}

bool cdr_start(void)
{
	bool has_table = acc_settings->cdr_enable && acc_settings->cdrs_table.len && rows_wanted();
	return !has_table || rows_need_table(acc_settings->cdrs_table, TABLE_VERSION);
}

/* ---- times ---- */

struct number_text {
	char text[40];
};

/* Seconds with as many digits as cdr_duration_mode says. */
static struct span write_seconds(int64_t us, struct number_text *out)
{
	int len = 0;
	switch ((enum duration_mode)acc_settings->cdr_duration_mode) {
	case DURATION_SECONDS:
		len = snprintf(out->text, sizeof(out->text), "%lld", (long long)(us / 1000000));
		break;
	case DURATION_MILLISECONDS:
		len = snprintf(out->text, sizeof(out->text), "%lld.%03d", (long long)(us / 1000000),
			       (int)(us % 1000000 / 1000));
		break;
	case DURATION_MICROSECONDS:
		len = snprintf(out->text, sizeof(out->text), "%lld.%06d", (long long)(us / 1000000),
			       (int)(us % 1000000));
		break;
	}
	return span_make(out->text, (size_t)len);
}

static void keep_time(struct dialog_name name, struct span key, int64_t us)
{
	struct number_text text;
	(void)state.dialog->set_variable(name, key, write_seconds(us, &text));
}

static void begin(const struct dialog_event_info *info)
{
	keep_time(info->name, acc_settings->cdr_start_id, info->created_us);
	keep_time(info->name, acc_settings->cdr_end_id, info->created_us);
	(void)state.dialog->set_variable(info->name, acc_settings->cdr_duration_id, SPAN_OF("0"));
}

static void end(const struct dialog_event_info *info)
{
	bool from_answer = acc_settings->cdr_start_on_confirmed && info->confirmed_us;
	int64_t start_us = from_answer ? info->confirmed_us : info->created_us;
	int64_t unit = acc_settings->cdr_duration_mode == DURATION_MICROSECONDS ? 1 : 1000;
	/* The difference of what is shown, not of what is rounded away. */
	int64_t duration_us = (info->ended_us / unit - start_us / unit) * unit;
	keep_time(info->name, acc_settings->cdr_end_id, info->ended_us);
	keep_time(info->name, acc_settings->cdr_duration_id, duration_us > 0 ? duration_us : 0);
}

/* ---- records ---- */

/* Everything is in the arena of the run. */
struct cdr {
	struct span fixed[FIXED];
	struct span extra[ACC_MAX_FIELDS];
	bool has_extra[ACC_MAX_FIELDS];
};

static bool is_of_dialog(const struct acc_field *field)
{
	return span_starts_with(span_from(field->variable->row->name), SPAN_OF("dlg"));
}

/* Without a message only what the dialog has is known. */
static void read_record(const struct dialog_event_info *info, struct cdr *out)
{
	for (unsigned i = 0; i < FIXED; i++) {
		out->fixed[i] = SPAN_OF("");
		(void)state.dialog->get_variable(info->name, state.columns[i].name,
						 info->run->arena, &out->fixed[i]);
	}
	for (unsigned i = 0; i < state.extra.count; i++) {
		const struct acc_field *field = &state.extra.list[i];
		out->extra[i] = SPAN_OF("");
		out->has_extra[i] = (info->has_message || is_of_dialog(field)) &&
				    field_read(info->run, field, &out->extra[i]);
	}
}

static void write_named(struct writer *w, struct span name, struct span value)
{
	if (w->len)
		writer_literal(w, "; ");
	writer_span(w, name);
	writer_char(w, '=');
	record_write_clean(w, value);
}

static void write_log(struct script_run *run, const struct cdr *cdr)
{
	char origin[48];
	struct writer w = writer_in_arena(run->arena, 512);
	if (!log_is_on((int)acc_settings->log_level))
		return;
	for (unsigned i = 0; i < FIXED; i++)
		write_named(&w, state.columns[i].name, cdr->fixed[i]);
	for (unsigned i = 0; i < state.extra.count; i++)
		write_named(&w, state.extra.list[i].name, cdr->extra[i]);
	if (w.failed) {
		log_error("no memory for the record of a call");
		return;
	}
	snprintf(origin, sizeof(origin), "acc [cdr.c:%d]: %s(): ", __LINE__, __func__);
	log_script_prefixed((int)acc_settings->log_level, state.facility, span_from(origin),
			    writer_result(&w));
}

/* A DATETIME, or with time_mode 3 and 4 the text that time_format makes. */
static struct db_value time_value(struct span text, char buffer[160])
{
	int64_t wall_s = 0;
	bool is_formatted = acc_settings->time_mode == ACC_TIME_LOCAL ||
			    acc_settings->time_mode == ACC_TIME_GMT;
	struct span whole = span_slice(text, 0, span_find(text, '.', 0));
	if (!span_to_int64(whole, &wall_s))
		wall_s = clock_wall_s();
	return is_formatted ? db_text(fields_format_time(wall_s, buffer)) : db_time(wall_s);
}

static struct db_value duration_value(struct span text)
{
	struct number_text copy;
	snprintf(copy.text, sizeof(copy.text), "%.*s", SPAN_ARGS(text));
	return db_double(strtod(copy.text, NULL));
}

static void write_row(const struct cdr *cdr)
{
	char start[160], end_time[160];
	struct db_value values[FIXED + ACC_MAX_FIELDS] = {
		time_value(cdr->fixed[0], start),
		time_value(cdr->fixed[1], end_time),
		duration_value(cdr->fixed[2]),
	};
	const struct db_row row = {
		.table = acc_settings->cdrs_table,
		.columns = state.columns,
		.values = values,
		.count = FIXED + state.extra.count,
	};
	for (unsigned i = 0; i < state.extra.count; i++)
		values[FIXED + i] = cdr->has_extra[i] || !acc_settings->cdr_extra_nullable
					    ? db_text(cdr->extra[i])
					    : db_null();
	(void)rows_put_row(&row);
}

static void write_cdr(const struct dialog_event_info *info)
{
	struct cdr cdr;
	struct span skip;
	if (acc_settings->cdr_skip.len &&
	    state.dialog->get_variable(info->name, acc_settings->cdr_skip, info->run->arena, &skip))
		return;
	read_record(info, &cdr);
	if (acc_settings->cdr_log_enable)
		write_log(info->run, &cdr);
	if (acc_settings->cdrs_table.len && rows_wanted())
		write_row(&cdr);
}

static void observe(const struct dialog_event_info *info)
{
	switch (info->event) {
	case DIALOG_CREATED: begin(info); return;
	case DIALOG_CONFIRMED:
		if (acc_settings->cdr_start_on_confirmed)
			keep_time(info->name, acc_settings->cdr_start_id, info->confirmed_us);
		return;
	case DIALOG_FAILED:
		if (acc_settings->cdr_on_failed)
			write_cdr(info);
		return;
	case DIALOG_EXPIRED:
		if (!acc_settings->cdr_expired_dlg_enable)
			return;
		end(info);
		write_cdr(info);
		return;
	case DIALOG_ENDED:
		end(info);
		write_cdr(info);
		return;
	}
}
