/* SPDX-License-Identifier: BSD-2-Clause */
/* acc: shared by the files of this module. */
#pragma once

#include "core/db/queue.h"
#include "core/module/module.h"

#define ACC_MAX_FIELDS 64
#define ACC_MAX_LEGS   32 /* sets of multi_leg_info in one record */

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
	int64_t db_queue_size;
	struct span db_queue_dir;
};
extern const struct acc_settings *const acc_settings;

/* What is recorded. Everything is borrowed. */
struct acc_record {
	const char *what;        /* "transaction answered" */
	struct message *message; /* method, tags and Call-ID come from here */
	struct message *request; /* the extra fields come from here: that of the transaction */
	unsigned code;           /* 0: none */
	struct span reason;
	struct span to_tag; /* of the reply; absent: that of the message */
	bool is_upstream;   /* From and To change places (detect_direction) */
};

/* The tags of From and To, exchanged when the record says so. */
void record_tags(const struct acc_record *record, struct span *out_from, struct span *out_to);

/* ---- fields.c -------------------------------------------------------------------------------- */
/* Compiles a setting of the form name=$variable;…; false after a diagnostic. */
bool fields_compile(const char *setting, struct span text, struct acc_fields *out,
		    struct diagnostics *diagnostics);
/* The value of a field; false when it has none. */
bool field_read(struct script_run *run, const struct acc_field *field, struct span *out);
/* Compiles multi_leg_info; false after a diagnostic. */
bool fields_compile_legs(struct diagnostics *diagnostics);
const struct acc_fields *fields_legs(void);
/* One set of the legs' values, the newest is set 0; absent values are absent spans. False when the
 * set has no value at all. */
bool fields_read_leg(struct script_run *run, int set, struct span out_values[ACC_MAX_FIELDS]);
/* The time by time_format in local time or GMT, in `buffer`. */
struct span fields_format_time(int64_t wall_s, char buffer[160]);

/* ---- record.c: the log ----------------------------------------------------------------------- */
/* Compiles log_extra; false after a diagnostic. */
bool record_prepare(struct diagnostics *diagnostics);
/* The number of the syslog facility that a setting names; false after a diagnostic. */
bool record_facility(const char *setting, struct span name, int *out,
		     struct diagnostics *diagnostics);
/* Writes the record to the log. `run` is of the request, for variables. */
void record_log(struct script_run *run, const struct acc_record *record);
/* Writes text of a message into a line: control characters would break it. */
void record_write_clean(struct writer *w, struct span text);

/* ---- rows.c: the database -------------------------------------------------------------------- */
enum acc_table { ACC_TABLE_ANSWERED, ACC_TABLE_MISSED };
/* Compiles db_extra and the names of tables; false after a diagnostic. */
bool rows_prepare(struct diagnostics *diagnostics);
/* Is there a database? */
bool rows_wanted(void);
/* Checks the tables and opens the queue of rows; false after an error was logged. */
bool rows_start(void);
/* The process that writes. */
bool rows_serve(void);
void rows_finish(void);
/* Hands the record to the process that writes; one row, or one for each leg. False when it cannot be
 * kept. */
bool rows_put(struct script_run *run, const struct acc_record *record, enum acc_table table);
bool rows_put_into(struct script_run *run, const struct acc_record *record, struct span table);
/* A row of another table; false when it cannot be kept. */
bool rows_put_row(const struct db_row *row);
/* Checks a table before the first fork; false after an error was logged. */
bool rows_need_table(struct span name, int version);
extern const struct counter_row acc_counters[];
#define ACC_COUNTER_COUNT 4

/* ---- cdr.c: records of whole calls ---- */
/* `dialog` is the interface of the module dialog, or NULL. False after a diagnostic. */
bool cdr_prepare(const void *dialog, struct diagnostics *diagnostics);
bool cdr_start(void);
