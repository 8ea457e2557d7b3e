/* SPDX-License-Identifier: BSD-2-Clause */
/* acc: shared by the files of this module. */
#pragma once

#include "core/module/module.h"

#define ACC_MAX_FIELDS 64
#define ACC_MAX_LEGS 32 /* sets of multi_leg_info in one record */

/* "name=$variable;name=$variable": what is recorded beside the fixed fields. */
struct acc_field {
	struct span name;
	const struct variable_ref *variable;
};
struct acc_fields {
	struct acc_field list[ACC_MAX_FIELDS];
	unsigned count;
};

enum acc_time_mode {
	ACC_TIME_PLAIN,
	ACC_TIME_MICROSECONDS,
	ACC_TIME_MILLISECONDS,
	ACC_TIME_LOCAL,
	ACC_TIME_GMT
};

struct acc_settings {
	bool early_media;
	int64_t failed_transaction_flag;
	bool report_ack;
	bool report_cancels;
	bool detect_direction;
	int64_t acc_prepare_flag;
	bool acc_prepare_always;
	bool acc_extra_nullable;
	struct span multi_leg_info;
	int64_t log_flag;
	int64_t log_missed_flag;
	int64_t log_level;
	struct span log_facility;
	struct span log_extra;
	int64_t db_flag;
	int64_t db_missed_flag;
	struct span db_table_acc, db_table_missed_calls, db_url, db_extra;
	struct span acc_method_column, acc_from_tag_column, acc_to_tag_column, acc_callid_column;
	struct span acc_sip_code_column, acc_sip_reason_column, acc_time_column;
	bool db_version_check;
	int64_t db_insert_mode;
	bool cdr_enable;
	struct span cdr_skip;
	bool cdr_expired_dlg_enable, cdr_start_on_confirmed;
	struct span cdr_facility, cdr_extra;
	bool cdr_extra_nullable;
	struct span cdr_start_id, cdr_end_id, cdr_duration_id;
	int64_t cdr_duration_mode;
	bool cdr_log_enable;
	struct span cdrs_table;
	bool cdr_on_failed;
	int64_t time_mode;
	struct span time_attr, time_exten, time_format;
	bool reason_from_hf;
	bool clone_msg;
	int64_t acc_extra_size, cdr_extra_size;
};
extern const struct acc_settings *const acc_settings;

/* What is recorded. Everything is borrowed. */
struct acc_record {
	const char *what;        /* "transaction answered" */
	struct message *message; /* method, tags and Call-ID come from here */
	struct message *request; /* the extra fields come from here: that of the transaction */
	unsigned code;           /* 0: none */
	struct span reason;
	struct span to_tag;      /* of the reply; absent: that of the message */
	bool is_upstream;        /* From and To change places (detect_direction) */
};

/* ---- record.c -------------------------------------------------------------------------------- */
/* Compiles log_extra and multi_leg_info; false after a diagnostic. */
bool record_prepare(struct diagnostics *diagnostics);
/* Writes the record to the log. `run` is of the request, for variables. */
void record_log(struct script_run *run, const struct acc_record *record);
