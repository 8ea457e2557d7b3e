/* SPDX-License-Identifier: BSD-2-Clause */
/* xhttp_prom: a page for Prometheus with counters of the server and metrics of the script. */
#include "core/message/http.h"
#include "modules/xhttp_prom/prom.h"

#include <stdlib.h>

#define PATH           "/metrics"
#define LOOK_PERIOD_MS 10000

static struct {
	struct print_settings print;
	int64_t xhttp_prom_buf_size, xhttp_prom_timeout;
} settings = {
	.print = { .beginning = SPAN("kamailio_"), .timestamp_format = SPAN("ms") },
	.xhttp_prom_timeout = 60,
};

static const char *check_format(struct span text, int64_t number)
{
	if (span_equal_nocase(text, SPAN_OF("ms")) || span_equal_nocase(text, SPAN_OF("s")) ||
	    span_equal_nocase(text, SPAN_OF("none")))
		return NULL;
	return "expected ms, s or none";
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("prom_counter", metric_declare_counter, "a counter: name=NAME; label=A:B:C"),
	FIELD_ACCEPT("prom_gauge", metric_declare_gauge, "a gauge: name=NAME; label=A:B:C"),
	FIELD_ACCEPT("prom_histogram", metric_declare_histogram,
		"a histogram: name=NAME; label=A:B:C; buckets=1:2.5:10"),
	FIELD_NAMED(settings, print.stats, "xhttp_prom_stats",
		"counters of the server on the page: all, GROUP: or a name; empty: none"),
	FIELD_NAMED(settings, print.beginning, "xhttp_prom_beginning", "what every name begins with"),
	FIELD_NAMED(settings, print.tags, "xhttp_prom_tags",
		"labels of every line, as they are: host=\"a\", zone=\"b\""),
	FIELD_NAMED(settings, print.uptime_stat, "xhttp_prom_uptime_stat", "show the uptime"),
	FIELD_NAMED(settings, print.metadata_flags, "xhttp_prom_metadata_flags",
		"lines about metrics: 1 TYPE, 2 HELP, 3 both", .max = 3),
	FIELD_NAMED(settings, print.timestamp_format, "timestamp_format",
		"time on each line: ms, s (not Prometheus'), none", .accept = check_format),
	FIELD(settings, xhttp_prom_buf_size, "largest page in bytes; 0: as memory allows",
		.max = INT32_MAX),
	FIELD(settings, xhttp_prom_timeout, "minutes after which an unused metric goes; 0: never",
		.max = 1000000),
	FIELD_IGNORED("xhttp_prom_pkg_stats", "processes have no pool of memory of their own"),
};

/* ---- changes, by the script and by commands ---- */

/* A change as it was asked for, in texts. */
struct asked {
	enum metric_kind kind;
	enum series_change change;
	struct span name, number;
	struct span labels[LABELS_MOST];
	unsigned label_count;
};

static bool read_real(struct span text, double *out_number)
{
	char buffer[64], *end;
	text = span_trim(text);
	if (!text.len || text.len >= sizeof(buffer))
		return false;
	memcpy(buffer, text.at, text.len);
	buffer[text.len] = '\0';
	double number = strtod(buffer, &end);
	if (*end || number != number)
		return false;
	*out_number = number;
	return true;
}

static bool read_number(const struct asked *asked, struct series_update *update)
{
	bool is_counter = asked->kind == METRIC_COUNTER;
	bool is_good = is_counter ? span_to_int64(span_trim(asked->number), &update->count) &&
					    update->count >= 0
				  : read_real(asked->number, &update->number);
	if (!is_good)
		log_error("%.*s: \"%.*s\" is no number%s", SPAN_ARGS(asked->name),
			  SPAN_ARGS(asked->number), is_counter ? " from 0" : "");
	return is_good;
}

static bool change(const struct asked *asked)
{
	struct series_update update = { .labels = asked->labels, .change = asked->change };
	update.metric = metric_find(asked->name, asked->kind, asked->label_count);
	if (!update.metric || (asked->number.at && !read_number(asked, &update)))
		return false;
	return series_update(&update);
}

/* ---- functions ---- */

struct reset_args {
	struct span name, labels[LABELS_MOST];
};
struct number_args {
	struct span name, number, labels[LABELS_MOST];
};
#define LABEL_FIELDS(type)                                                                    \
	FIELD_NAMED(struct type, labels[0], "l0", "value of the first label", .optional = true),  \
	FIELD_NAMED(struct type, labels[1], "l1", "value of the second label", .optional = true), \
	FIELD_NAMED(struct type, labels[2], "l2", "value of the third label", .optional = true)
static const struct field reset_fields[] = {
	FIELD(struct reset_args, name, "name of the metric"),
	LABEL_FIELDS(reset_args),
};
static const struct field number_fields[] = {
	FIELD(struct number_args, name, "name of the metric"),
	FIELD(struct number_args, number, "number"),
	LABEL_FIELDS(number_args),
};
SCRIPT_HANDLER_OF(prom_counter_reset, reset)
SCRIPT_HANDLER_OF(gauge_reset, reset)
SCRIPT_HANDLER_OF(prom_counter_inc, number)
SCRIPT_HANDLER_OF(gauge_inc, number)
SCRIPT_HANDLER_OF(gauge_set, number)
SCRIPT_HANDLER_OF(histogram_observe, number)
SCRIPT_HANDLER_PLAIN(dispatch)
SCRIPT_HANDLER_PLAIN(check_uri)

static int change_by_script(struct asked *asked, const struct span labels[LABELS_MOST])
{
	for (; asked->label_count < LABELS_MOST && labels[asked->label_count].at;
	     asked->label_count++)
		asked->labels[asked->label_count] = labels[asked->label_count];
	return change(asked) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int reset_metric(const struct reset_args *args, enum metric_kind kind)
{
	struct asked asked = { .kind = kind, .change = SERIES_SET, .name = args->name };
	return change_by_script(&asked, args->labels);
}

static int prom_counter_reset(struct script_run *run, const struct reset_args *args)
{
	return reset_metric(args, METRIC_COUNTER);
}

static int gauge_reset(struct script_run *run, const struct reset_args *args)
{
	return reset_metric(args, METRIC_GAUGE);
}

static int change_number(const struct number_args *args, enum metric_kind kind,
			 enum series_change change)
{
	struct asked asked = {
		.kind = kind, .change = change, .name = args->name, .number = args->number
	};
	return change_by_script(&asked, args->labels);
}

static int prom_counter_inc(struct script_run *run, const struct number_args *args)
{
	return change_number(args, METRIC_COUNTER, SERIES_ADD);
}

static int gauge_inc(struct script_run *run, const struct number_args *args)
{
	return change_number(args, METRIC_GAUGE, SERIES_ADD);
}

static int gauge_set(struct script_run *run, const struct number_args *args)
{
	return change_number(args, METRIC_GAUGE, SERIES_SET);
}

static int histogram_observe(struct script_run *run, const struct number_args *args)
{
	return change_number(args, METRIC_HISTOGRAM, SERIES_OBSERVE);
}

static int check_uri(struct script_run *run)
{
	if (!run->msg->index->is_http)
		return SCRIPT_FALSE;
	return span_equal(http_path(message_original_uri(run->msg)), SPAN_OF(PATH)) ? SCRIPT_TRUE
										    : SCRIPT_FALSE;
}

static int dispatch(struct script_run *run)
{
	struct http_reply reply = { .code = 200,
				    .reason = SPAN("OK"),
				    .content_type = SPAN("text/plain; version=0.0.4") };
	if (!run->msg->index->is_http) {
		log_error(
			"prom_dispatch answers HTTP requests: it belongs into event_route[xhttp:request]");
		return SCRIPT_FALSE;
	}
	reply.body = print_page(&settings.print, run->arena);
	if (!reply.body.at || (settings.xhttp_prom_buf_size &&
			       reply.body.len > (size_t)settings.xhttp_prom_buf_size)) {
		log_error("the page for Prometheus is larger than %s allows",
			  reply.body.at ? "xhttp_prom_buf_size" : "the memory of a message");
		reply = (struct http_reply){ .code = 500, .reason = SPAN("Internal Server Error") };
	}
	return http_reply_send(run->msg, &reply) && reply.code == 200 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct script_function functions[] = {
	FUNCTION_OF("prom_counter_reset", prom_counter_reset, reset, IN_ANY, "Sets a counter to 0."),
	FUNCTION_OF("prom_gauge_reset", gauge_reset, reset, IN_ANY, "Sets a gauge to 0."),
	FUNCTION_OF("prom_counter_inc", prom_counter_inc, number, IN_ANY, "Adds to a counter."),
	FUNCTION_OF("prom_gauge_inc", gauge_inc, number, IN_ANY, "Adds to a gauge."),
	FUNCTION_OF("prom_gauge_set", gauge_set, number, IN_ANY, "Sets a gauge."),
	FUNCTION_OF("prom_histogram_observe", histogram_observe, number, IN_ANY,
		"Counts a value in a histogram."),
	FUNCTION_PLAIN("prom_dispatch", dispatch, IN_ANY, "Answers the HTTP request with the page."),
	FUNCTION_PLAIN("prom_check_uri", check_uri, IN_ANY, "Is the path of the URL " PATH "?"),
};

/* ---- commands ---- */

struct command_kind {
	enum metric_kind kind;
	enum series_change change;
	bool has_number;
	const char *verb; /* "reset counter" */
};

/* As text, for it may come so, too; texts of real numbers would lose what follows the point. */
static bool number_argument(struct rpc_call *call, struct asked *asked)
{
	double number;
	if (!rpc_arg_text(call, 1, &asked->number))
		return false;
	if (asked->kind != METRIC_COUNTER && rpc_arg_double(call, 1, &number))
		asked->number = arena_printf(rpc_arena(call), "%.17g", number);
	return asked->number.at != NULL;
}

static void change_by_command(struct rpc_call *call, const struct command_kind *kind)
{
	struct asked asked = { .kind = kind->kind, .change = kind->change };
	unsigned next = kind->has_number ? 2 : 1;
	if (!rpc_arg_text(call, 0, &asked.name)) {
		rpc_fault(call, 400, "required %s identifier", strchr(kind->verb, ' ') + 1);
		return;
	}
	if (kind->has_number && !number_argument(call, &asked)) {
		rpc_fault(call, 400, "required number argument");
		return;
	}
	while (asked.label_count < LABELS_MOST &&
	       rpc_arg_text(call, next + asked.label_count, &asked.labels[asked.label_count]))
		asked.label_count++;
	if (!change(&asked))
		rpc_fault(call, 500, "Failed to %s: %.*s", kind->verb, SPAN_ARGS(asked.name));
}

static void run_counter_reset(struct rpc_call *call)
{
	change_by_command(
		call, &(struct command_kind){ METRIC_COUNTER, SERIES_SET, false, "reset counter" });
}

static void run_counter_inc(struct rpc_call *call)
{
	change_by_command(
		call, &(struct command_kind){ METRIC_COUNTER, SERIES_ADD, true, "add counter" });
}

static void run_gauge_reset(struct rpc_call *call)
{
	change_by_command(call,
			  &(struct command_kind){ METRIC_GAUGE, SERIES_SET, false, "reset gauge" });
}

static void run_gauge_inc(struct rpc_call *call)
{
	change_by_command(call,
			  &(struct command_kind){ METRIC_GAUGE, SERIES_ADD, true, "add gauge" });
}

static void run_gauge_set(struct rpc_call *call)
{
	change_by_command(call,
			  &(struct command_kind){ METRIC_GAUGE, SERIES_SET, true, "set gauge" });
}

static void run_observe(struct rpc_call *call)
{
	change_by_command(call, &(struct command_kind){ METRIC_HISTOGRAM, SERIES_OBSERVE, true,
							"observe histogram" });
}

static void run_list(struct rpc_call *call)
{
	struct span text = print_metrics(&settings.print, rpc_arena(call));
	if (text.at)
		rpc_add_text(call, NULL, NULL, text);
	else
		rpc_fault(call, 500, "the list is larger than an answer may be");
}

static const struct rpc_command commands[] = {
	{ "xhttp_prom.counter_reset", run_counter_reset, "Sets a counter to 0.", "name [l0 l1 l2]" },
	{ "xhttp_prom.counter_inc", run_counter_inc, "Adds to a counter.", "name number [l0 l1 l2]" },
	{ "xhttp_prom.gauge_reset", run_gauge_reset, "Sets a gauge to 0.", "name [l0 l1 l2]" },
	{ "xhttp_prom.gauge_inc", run_gauge_inc, "Adds to a gauge.", "name number [l0 l1 l2]" },
	{ "xhttp_prom.gauge_set", run_gauge_set, "Sets a gauge.", "name number [l0 l1 l2]" },
	{ "xhttp_prom.histogram_observe", run_observe, "Counts a value in a histogram.",
		"name number [l0 l1 l2]" },
	{ "xhttp_prom.metric_list_print", run_list, "Shows the declared metrics that were used." },
};

/* ---- life cycle ---- */

static int64_t look_period_ms(void)
{
	return settings.xhttp_prom_timeout ? LOOK_PERIOD_MS : 0;
}

static const struct module_timer timers[] = {
	{ "xhttp_prom unused metrics", look_period_ms, series_expire, false },
};

static bool prepare(struct diagnostics *diagnostics)
{
	return series_prepare(settings.xhttp_prom_timeout * 60 * 1000);
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "xhttp_prom",
	.doc = "A page for Prometheus: counters of the server, and metrics of the script.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = ROWS(commands),
	.timers = ROWS(timers),
	.prepare = prepare,
};
