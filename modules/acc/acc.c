/* SPDX-License-Identifier: BSD-2-Clause */
/* acc: accounting of transactions. The script marks a request with flags; when its transaction is
 * answered, a record goes to the log, to a database, or both. The rows of the module and what the events of tm mean; the
 * records are made in record.c. */
#include "modules/acc/acc.h"
#include "modules/dialog/dialog_api.h"
#include "modules/rr/rr_api.h"
#include "modules/tm/tm_api.h"

#define NO_FLAG        (-1)
#define FIRST_FILTERED 300
#define LAST_FILTERED  999

static struct acc_settings settings = {
	.failed_transaction_flag = NO_FLAG,
	.acc_prepare_flag = NO_FLAG,
	.multi_leg_info = SPAN(""),
	.log_flag = NO_FLAG,
	.log_missed_flag = NO_FLAG,
	.log_level = LOG_LEVEL_NOTICE,
	.log_facility = SPAN("LOG_DAEMON"),
	.log_extra = SPAN(""),
	.db_flag = NO_FLAG,
	.db_missed_flag = NO_FLAG,
	.db_table_acc = SPAN("acc"),
	.db_table_missed_calls = SPAN("missed_calls"),
	.acc_method_column = SPAN("method"),
	.acc_from_tag_column = SPAN("from_tag"),
	.acc_to_tag_column = SPAN("to_tag"),
	.acc_callid_column = SPAN("callid"),
	.acc_sip_code_column = SPAN("sip_code"),
	.acc_sip_reason_column = SPAN("sip_reason"),
	.acc_time_column = SPAN("time"),
	.db_version_check = true,
	.cdr_facility = SPAN("LOG_DAEMON"),
	.cdr_start_id = SPAN("start_time"),
	.cdr_end_id = SPAN("end_time"),
	.cdr_duration_id = SPAN("duration"),
	.cdr_duration_mode = 1,
	.cdr_log_enable = true,
	.cdr_on_failed = true,
	.time_attr = SPAN("time_attr"),
	.time_exten = SPAN("time_exten"),
	.time_format = SPAN("%Y-%m-%d %H:%M:%S"),
	.clone_msg = true,
	.db_queue_size = 64,
	.acc_extra_size = ACC_MAX_FIELDS,
	.cdr_extra_size = ACC_MAX_FIELDS,
};
const struct acc_settings *const acc_settings = &settings;

static struct {
	const void *tm;
	const void *rr;
	const void *dialog;
	uint8_t filtered[LAST_FILTERED + 1]; /* failed_filter */
} state;

/* ---- settings -------------------------------------------------------------------------------- */

/* failed_filter = code *( "," code ) */
static const char *accept_filter(struct span text, int64_t number)
{
	struct span rest = text, item;
	if (!text.at) {
		if (number < FIRST_FILTERED || number > LAST_FILTERED)
			return "failed_filter holds codes from 300 to 999";
		state.filtered[number] = 1;
		return NULL;
	}
	while (span_split(&rest, ',', &item)) {
		int64_t code;
		if (!span_to_int64(span_trim(item), &code) || code < FIRST_FILTERED ||
		    code > LAST_FILTERED)
			return "failed_filter holds codes from 300 to 999, separated by commas";
		state.filtered[code] = 1;
	}
	return NULL;
}

#define FLAG_FIELD(member, text) FIELD(settings, member, text, .min = NO_FLAG, .max = 31)

static const struct field setting_fields[] = {
	FIELD(settings, early_media, "record provisional replies with a body too"),
	FLAG_FIELD(
		failed_transaction_flag, "flag of requests that are recorded also when they fail"),
	FIELD_ACCEPT("failed_filter", accept_filter, "codes of failures that are not recorded"),
	FIELD(settings, report_ack, "record the ACK to a 2xx"),
	FIELD(settings, report_cancels, "record CANCEL"),
	FIELD(settings, detect_direction,
		"exchange the tags of requests from callee to caller; needs rr"),
	FLAG_FIELD(acc_prepare_flag,
		"accepted: flags may always be set later, nothing has to be prepared"),
	FIELD(settings, acc_prepare_always, "accepted: see acc_prepare_flag"),
	FIELD(settings, acc_extra_nullable, "write NULL for absent extra fields (database)"),
	FIELD(settings, multi_leg_info, "fields of each call leg: name=$avp(x);name=$avp(y)"),
	FLAG_FIELD(log_flag, "flag of requests that are recorded in the log"),
	FLAG_FIELD(
		log_missed_flag, "flag of requests whose failure is recorded as a missed call in the log"),
	FIELD(settings, log_level, "level of the records", .min = LOG_LEVEL_ALERT,
		.max = LOG_LEVEL_DEBUG),
	FIELD(settings, log_facility, "syslog facility of the records"),
	FIELD(settings, log_extra, "further fields: name=$variable;name=$variable"),
	FLAG_FIELD(db_flag, "flag of requests that are recorded in the database"),
	FLAG_FIELD(db_missed_flag,
		"flag of requests whose failure is recorded as a missed call in the database"),
	FIELD(settings, db_table_acc, "table of answered transactions"),
	FIELD(settings, db_table_missed_calls, "table of missed calls"),
	FIELD(settings, db_url, "database"),
	FIELD(settings, db_extra, "further columns: name=$variable"),
	FIELD(settings, acc_method_column, "column of the method"),
	FIELD(settings, acc_from_tag_column, "column of the From tag"),
	FIELD(settings, acc_to_tag_column, "column of the To tag"),
	FIELD(settings, acc_callid_column, "column of the Call-ID"),
	FIELD(settings, acc_sip_code_column, "column of the status"),
	FIELD(settings, acc_sip_reason_column, "column of the reason"),
	FIELD(settings, acc_time_column, "column of the time"),
	FIELD(settings, db_version_check, "check the versions of the tables"),
	FIELD(settings, db_insert_mode,
		"accepted: rows are always written in the background, several at a time", .min = 0,
		.max = 2),
	FIELD(settings, db_queue_size,
		"MiB of rows that may wait in the file acc.queue while the database is away",
		.min = 1, .max = 2047),
	FIELD(settings, db_queue_dir, "folder of acc.queue; without it the run directory"),
	FIELD(settings, cdr_enable, "write a record per dialog"),
	FIELD(settings, cdr_skip, "dialog variable that suppresses the dialog's record"),
	FIELD(settings, cdr_expired_dlg_enable, "write records of dialogs that timed out"),
	FIELD(settings, cdr_start_on_confirmed, "the call starts when it is answered"),
	FIELD(settings, cdr_facility, "syslog facility of dialog records"),
	FIELD(settings, cdr_extra, "further fields of dialog records"),
	FIELD(settings, cdr_extra_nullable, "write NULL for absent fields of dialog records"),
	FIELD(settings, cdr_start_id, "name of the start time"),
	FIELD(settings, cdr_end_id, "name of the end time"),
	FIELD(settings, cdr_duration_id, "name of the duration"),
	FIELD(settings, cdr_duration_mode, "precision: 0 seconds, 1 ms, 2 us", .min = 0, .max = 2),
	FIELD(settings, cdr_log_enable, "write dialog records to the log"),
	FIELD(settings, cdrs_table, "table of dialog records"),
	FIELD(settings, cdr_on_failed, "write records of calls that were not answered"),
	FIELD(settings, time_mode, "1 us, 2 ms, 3 local time, 4 GMT", .min = 0, .max = 4),
	FIELD(settings, time_attr, "name of the additional time field"),
	FIELD(settings, time_exten, "name of its microseconds"),
	FIELD(settings, time_format, "strftime format of time_mode 3 and 4"),
	FIELD(settings, reason_from_hf, "take the reason from the Reason header when there is one"),
	FIELD(settings, clone_msg, "accepted: records are made from a private copy of the request"),
	FIELD(settings, acc_extra_size, "accepted: 64 fields always fit", .min = 1, .max = 1024),
	FIELD(settings, cdr_extra_size, "accepted: 64 fields always fit", .min = 1, .max = 1024),
};

/* ---- functions ------------------------------------------------------------------------------- */

struct comment_args {
	struct span comment;
};
static const struct field comment_fields[] = {
	FIELD(struct comment_args, comment, "\"404 Not Found\": status and reason of the record"),
};
struct table_args {
	struct span comment, table;
};
static const struct field table_fields[] = {
	FIELD(struct table_args, comment, "\"404 Not Found\": status and reason of the record"),
	FIELD(struct table_args, table, "table of the database"),
};

SCRIPT_HANDLER_OF(log_request, comment)
SCRIPT_HANDLER_OF(database_request, table)
SCRIPT_HANDLER_OF(request, table)

static const struct script_function functions[] = {
	FUNCTION_OF("acc_log_request", log_request, comment, IN_ANY,
		"Writes a record of the request to the log."),
	FUNCTION_OF("acc_db_request", database_request, table, IN_ANY,
		"Writes a record of the request to a table."),
	FUNCTION_OF("acc_request", request, table, IN_ANY,
		"Writes a record to the log, and to a table with db_url."),
};

static uint32_t flag_bit(int64_t flag)
{
	return flag >= 0 ? 1u << flag : 0;
}

static bool flag_is_set(uint32_t flags, int64_t flag)
{
	return flags & flag_bit(flag);
}

static bool is_upstream(struct message *msg)
{
	const struct rr_api *rr = state.rr;
	return settings.detect_direction && rr && rr->direction(msg) == RR_UPSTREAM;
}

/* "404 Not Found" gives 404 and "Not Found"; without a code all is the reason. */
static void read_comment(struct span comment, struct acc_record *record)
{
	int64_t code;
	record->reason = comment;
	if (comment.len < 3 || !span_to_int64(span_slice(comment, 0, 3), &code) || code < 100 ||
	    code > 699 || (comment.len > 3 && !ascii_is_space(comment.at[3])))
		return;
	record->code = (unsigned)code;
	record->reason = span_trim(span_slice(comment, 3, comment.len));
}

static int log_request(struct script_run *run, const struct comment_args *args)
{
	struct acc_record record = { .what = "request accounted",
				     .message = run->msg,
				     .request = run->msg,
				     .is_upstream = is_upstream(run->msg) };
	read_comment(args->comment, &record);
	record_log(run, &record);
	return SCRIPT_TRUE;
}

static int database_request(struct script_run *run, const struct table_args *args)
{
	struct acc_record record = { .message = run->msg,
				     .request = run->msg,
				     .is_upstream = is_upstream(run->msg) };
	if (!rows_wanted()) {
		log_error("no record in table %.*s: acc.db_url is not set", SPAN_ARGS(args->table));
		return SCRIPT_FALSE;
	}
	read_comment(args->comment, &record);
	return rows_put_into(run, &record, args->table) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int request(struct script_run *run, const struct table_args *args)
{
	const struct comment_args comment = { args->comment };
	int result = log_request(run, &comment);
	return settings.db_url.len ? database_request(run, args) : result;
}

/* ---- events of transactions ------------------------------------------------------------------ */

/* The reason of the record: from Reason (reason_from_hf), else of the status line. */
static struct span event_reason(const struct tm_event_info *info)
{
	struct span reason = { 0 };
	if (!info->reply && message_method(info->request) == METHOD_CANCEL && info->code == 200)
		return SPAN_OF("OK"); /* the phrase that tm sends is its own */
	if (settings.reason_from_hf && info->reply)
		reason = message_value(info->reply, HEADER_REASON);
	return reason.len ? reason : info->reason;
}

/* What is written where: a flag of the message for the log and one for the database. */
struct target {
	const char *what;
	const int64_t *log_flag, *db_flag;
	enum acc_table table;
};
static const struct target answered = { "transaction answered", &settings.log_flag,
					&settings.db_flag, ACC_TABLE_ANSWERED };
static const struct target acknowledged = { "request acknowledged", &settings.log_flag,
					    &settings.db_flag, ACC_TABLE_ANSWERED };
static const struct target missed = { "call missed", &settings.log_missed_flag,
				      &settings.db_missed_flag, ACC_TABLE_MISSED };

/* Is there a flag for the log or for the database? */
static bool is_wanted(uint32_t flags, const struct target *target)
{
	return flag_is_set(flags, *target->log_flag) || flag_is_set(flags, *target->db_flag);
}

/* `flags` are those that decide. */
static void write_record(struct script_run *run, const struct target *target, uint32_t flags,
			 struct acc_record *record)
{
	record->what = target->what;
	if (flag_is_set(flags, *target->log_flag))
		record_log(run, record);
	if (flag_is_set(flags, *target->db_flag) && rows_wanted())
		(void)rows_put(run, record, target->table);
}

static void record_event(const struct tm_event_info *info, const struct target *target,
			 struct message *message)
{
	struct acc_record record = { .message = message,
				     .request = info->request,
				     .code = info->code,
				     .reason = event_reason(info),
				     .is_upstream = is_upstream(message) };
	if (info->reply)
		record.to_tag = message_to_tag(info->reply);
	write_record(info->run, target, info->request->flags, &record);
}

static bool is_recorded_failure(const struct tm_event_info *info)
{
	return flag_is_set(info->request->flags, settings.failed_transaction_flag) &&
	       !(info->code <= LAST_FILTERED && state.filtered[info->code]);
}

/* Once for each set of branches: the flags are cleared, and a failure_route may set them again. */
static void call_failed(const struct tm_event_info *info)
{
	if (message_method(info->request) == METHOD_INVITE &&
	    is_wanted(info->request->flags, &missed))
		record_event(info, &missed, info->request);
	info->request->flags &=
		~(flag_bit(settings.log_missed_flag) | flag_bit(settings.db_missed_flag));
}

static void reply_went_out(const struct tm_event_info *info)
{
	uint32_t method = message_method(info->request);
	if (!info->reply && info->code >= 300)
		call_failed(info); /* by an answer of our own, without any branch */
	if (!is_wanted(info->request->flags, &answered) ||
	    (method == METHOD_CANCEL && !settings.report_cancels))
		return;
	if (info->code < 300 || is_recorded_failure(info))
		record_event(info, &answered, info->request);
}

static void provisional_went_out(const struct tm_event_info *info)
{
	if (settings.early_media && info->reply && info->reply->index->body_len &&
	    is_wanted(info->request->flags, &answered))
		record_event(info, &answered, info->request);
}

/* The ACK comes where replies come otherwise; code and reason are those that it acknowledges. */
static void ack_came_in(const struct tm_event_info *info)
{
	bool has_ack = info->reply && message_is_request(info->reply);
	struct message *ack = has_ack ? info->reply : info->request;
	uint32_t flags = info->request->flags | ack->flags;
	if (!settings.report_ack || !is_wanted(flags, &acknowledged))
		return;
	struct acc_record record = { .message = ack,
				     .request = info->request,
				     .code = info->code,
				     .reason = info->reason.len ? info->reason : SPAN_OF("OK"),
				     .is_upstream = is_upstream(ack) };
	/* Extra fields are those of the ACK, with the AVPs of the call. */
	struct attributes own = ack->attributes;
	struct script_run run;
	ack->attributes = info->request->attributes;
	if (script_run_init(&run, ack, ROUTE_EVENT, NULL))
		write_record(&run, &acknowledged, flags, &record);
	ack->attributes = own;
}

static const struct {
	enum tm_event event;
	void (*take)(const struct tm_event_info *info);
} takers[] = {
	{ TM_REPLY_OUT, reply_went_out },
	{ TM_PROVISIONAL_OUT, provisional_went_out },
	{ TM_FAILED, call_failed },
	{ TM_ACK_IN, ack_came_in },
};

static void observe(const struct tm_event_info *info)
{
	for (unsigned i = 0; i < ARRAY_SIZE(takers); i++)
		if (takers[i].event == info->event)
			takers[i].take(info);
}

/* ---- life cycle ------------------------------------------------------------------------------ */

/* What has no effect is said at start. */
static void tell_what_is_missing(struct diagnostics *diagnostics)
{
	const char *flag = settings.db_flag >= 0 ? "db_flag" : "db_missed_flag";
	if ((settings.db_flag >= 0 || settings.db_missed_flag >= 0) && !rows_wanted())
		diagnostic_add(diagnostics, SEVERITY_WARNING, "no-effect",
			       module_setting_position("acc", flag),
			       "%s has no effect without db_url: records go to the log only", flag);
	if (settings.detect_direction && !state.rr)
		diagnostic_add(diagnostics, SEVERITY_WARNING, "missing-module",
			       module_setting_position("acc", "detect_direction"),
			       "detect_direction needs module rr, which is not loaded");
}

static bool prepare(struct diagnostics *diagnostics)
{
	const struct tm_api *tm = state.tm;
	unsigned events = TM_REPLY_OUT | TM_FAILED;
	bool is_right = fields_compile_legs(diagnostics);
	is_right &= record_prepare(diagnostics);
	is_right &= rows_prepare(diagnostics);
	is_right &= cdr_prepare(state.dialog, diagnostics);
	if (!is_right)
		return false;
	tell_what_is_missing(diagnostics);
	if (settings.early_media)
		events |= TM_PROVISIONAL_OUT;
	if (settings.report_ack)
		events |= TM_ACK_IN;
	uint32_t flags = flag_bit(settings.log_flag) | flag_bit(settings.log_missed_flag) |
			 flag_bit(settings.db_flag) | flag_bit(settings.db_missed_flag);
	return !flags || tm->observe(events, flags, observe);
}

static bool start(void)
{
	return rows_start() && cdr_start();
}

static const struct module_need needs[] = {
	{ .name = "tm", .version = TM_API_VERSION, .out_functions = &state.tm },
	{ .name = "rr",
		.version = RR_API_VERSION,
		.out_functions = &state.rr,
		.is_optional = true },
	{ .name = "dialog",
		.version = DIALOG_API_VERSION,
		.out_functions = &state.dialog,
		.is_optional = true },
};

static const struct module_role roles[] = { { "acc writer", rows_wanted, rows_serve } };

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "acc",
	.doc = "Records of transactions, for billing.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.counters = { acc_counters, ACC_COUNTER_COUNT },
	.roles = ROWS(roles),
	.needs = ROWS(needs),
	.prepare = prepare,
	.start = start,
	.finish = rows_finish,
};
