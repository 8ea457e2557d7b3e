/* SPDX-License-Identifier: BSD-2-Clause */
/* maxfwd: stops requests that go round in circles (RFC 3261 16.3 and 16.6 step 3).
 *
 * The new value is an edit, so the script sees the received one until edits are applied; the
 * functions here look at the edit first, and calling them twice counts down twice. */
#include "core/module/module.h"
#include "parser/values.h"

#define LARGEST_VALUE 255 /* RFC 3261 20.22 */

enum { MAXFWD_ADDED = 2, MAXFWD_IS_ZERO = -1, MAXFWD_BAD = -2 };
enum { LIMIT_NOT_BELOW = -1, LIMIT_NO_HEADER = -2, LIMIT_BAD = -3 };

static struct {
	int64_t max_limit;
} settings = { .max_limit = 70 };
static const struct field setting_fields[] = {
	FIELD(settings, max_limit, "largest value that leaves this server", .min = 1, .max = 256,
		.is_live = true),
};

struct process_args {
	int64_t value;
};
static const struct field process_fields[] = {
	FIELD(struct process_args, value, "value to add when the header is missing", .min = 1,
		.max = 256),
};
SCRIPT_HANDLER(process)

struct is_below_args {
	int64_t limit;
};
static const struct field is_below_fields[] = {
	FIELD(struct is_below_args, limit, "value to compare with", .min = 1, .max = 256),
};
SCRIPT_HANDLER(is_below)

static const struct script_function functions[] = {
	FUNCTION("maxfwd_process", process, IN_ANY,
		"Counts Max-Forwards down or adds it: 2 added, 1 counted down, -1 is 0, -2 bad."),
	FUNCTION("mf_process_maxfwd_header", process, IN_ANY, "Same as maxfwd_process."),
	FUNCTION("process_maxfwd", process, IN_ANY, "Same as maxfwd_process."),
	FUNCTION("is_maxfwd_lt", is_below, IN_ANY,
		"Is Max-Forwards below the limit? 1 yes, -1 no, -2 no header, -3 malformed."),
	FUNCTION("maxfwd_at_least", is_below, IN_ANY, "Same as is_maxfwd_lt."),
	FUNCTION("mf_lowlimit", is_below, IN_ANY, "Same as is_maxfwd_lt."),
};

/* The edit that this module made to the message, or NULL. */
static struct edit *own_edit(const struct message *msg)
{
	for (struct edit *edit = msg->edits; edit; edit = edit->next)
		if (edit->header == HEADER_MAX_FORWARDS && edit->tag == EDIT_TAG_MODULE)
			return edit;
	return NULL;
}

/* The number in the edit's text, which is "69" or "Max-Forwards: 69\r\n". */
static int64_t edit_value(const struct edit *edit)
{
	size_t colon = span_find(edit->text, ':', 0);
	struct span text = colon < edit->text.len
				   ? span_slice(edit->text, colon + 1, edit->text.len)
				   : edit->text;
	int64_t value = 0;
	return span_to_int64(span_trim(text), &value) ? value : -1;
}

/* The value alone, or as a whole header line. Written without printf, because every request comes here. */
static struct span value_text(struct message *msg, int64_t value, bool is_line)
{
	struct writer w = writer_in_arena(msg->arena, sizeof("Max-Forwards: 255\r\n"));
	if (is_line)
		writer_literal(&w, "Max-Forwards: ");
	writer_int(&w, value);
	if (is_line)
		writer_literal(&w, "\r\n");
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

static int add_header(struct message *msg, int64_t value)
{
	const struct sip_header *first = msg->index->header_count ? &msg->index->headers[0] : NULL;
	if (value > LARGEST_VALUE)
		value = LARGEST_VALUE;
	struct span line = value_text(msg, value, true);
	struct edit *edit = line.at && first ? edit_insert_before(msg, first, line) : NULL;
	if (!edit)
		return MAXFWD_BAD;
	edit->header = HEADER_MAX_FORWARDS;
	edit->tag = EDIT_TAG_MODULE;
	return MAXFWD_ADDED;
}

/* Our answer to a number: one less, and not above the administrator's limit. */
static int64_t lowered(int64_t value)
{
	value--;
	return value > settings.max_limit ? settings.max_limit : value;
}

static int lower_again(struct message *msg, struct edit *edit)
{
	int64_t value = edit_value(edit);
	if (value <= 0)
		return value ? MAXFWD_BAD : MAXFWD_IS_ZERO;
	bool is_line = span_find(edit->text, ':', 0) < edit->text.len;
	struct span text = value_text(msg, lowered(value), is_line);
	if (!text.at)
		return MAXFWD_BAD;
	edit->text = text;
	return SCRIPT_TRUE;
}

static int process(struct script_run *run, const struct process_args *args)
{
	struct message *msg = run->msg;
	struct edit *edit = own_edit(msg);
	if (edit)
		return lower_again(msg, edit);
	const struct sip_header *header = message_header(msg, HEADER_MAX_FORWARDS);
	if (!header)
		return add_header(msg, args->value);
	uint32_t value;
	if (!number_parse(message_header_value(msg, header), &value)) {
		log_debug("Max-Forwards is no number");
		return MAXFWD_BAD;
	}
	if (value == 0)
		return MAXFWD_IS_ZERO;
	if (value > LARGEST_VALUE)
		value = LARGEST_VALUE;
	struct span text = value_text(msg, lowered(value), false);
	edit = text.at ? edit_replace(msg, header->value_at, header->value_len, text) : NULL;
	if (!edit)
		return MAXFWD_BAD;
	edit->header = HEADER_MAX_FORWARDS;
	edit->tag = EDIT_TAG_MODULE;
	return SCRIPT_TRUE;
}

static int is_below(struct script_run *run, const struct is_below_args *args)
{
	const struct edit *edit = own_edit(run->msg);
	if (edit)
		return edit_value(edit) < args->limit ? SCRIPT_TRUE : LIMIT_NOT_BELOW;
	const struct sip_header *header = message_header(run->msg, HEADER_MAX_FORWARDS);
	if (!header)
		return LIMIT_NO_HEADER;
	uint32_t value;
	if (!number_parse(message_header_value(run->msg, header), &value))
		return LIMIT_BAD;
	return value < args->limit ? SCRIPT_TRUE : LIMIT_NOT_BELOW;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "maxfwd",
	.doc = "Guards against forwarding loops.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
};
