/* SPDX-License-Identifier: BSD-2-Clause */
/* All smaller typed headers and parameter lists on the same bytes. */
#include "parser/method.h"
#include "parser/values.h"
#include "test/fuzz/fuzz.h"

static void check_lists(struct span text)
{
	struct span rest = text, token;
	struct value_params item;
	struct reason_header reason;
	struct media_type type;
	uint32_t mask = 0;

	while (token_next(&rest, &token) == LIST_ITEM)
		must_be_inside(token, text);
	for (rest = text; list_item_next(&rest, &token) == LIST_ITEM;)
		must_be_inside(token, text);
	for (rest = text; value_params_next(&rest, &item) == LIST_ITEM;) {
		must_be_inside(item.value, text);
		must_be_inside(item.params, text);
	}
	for (rest = text; reason_next(&rest, &reason) == LIST_ITEM;)
		must_be_inside(reason.text, text);
	for (rest = text; accept_next(&rest, &type) == LIST_ITEM;)
		must_be_inside(type.subtype, text);
	(void)method_list_parse(text, &mask);
	(void)option_tags_parse(text, &mask);
	(void)privacy_parse(text, &mask);
}

static void check_params(struct span text, char separator)
{
	struct param_list list = params_over(text, separator);
	struct param param;
	while (params_next(&list, &param) == LIST_ITEM) {
		must_be_inside(param.whole, text);
		must_be_inside(param.name, param.whole);
		must_be_inside(param.value, param.whole);
		must(param.name.len > 0 && param.has_value == (param.value.at != NULL));
	}
}

static void check_values(struct span text)
{
	union {
		struct cseq cseq;
		struct rack rack;
		struct value_params value;
		struct media_type type;
		struct event_header event;
		struct subscription_state_header subscription;
		struct session_expires session;
		struct identity_header identity;
		struct retry_after retry;
		struct dialog_id dialog;
	} out;
	uint32_t number;
	if (cseq_parse(text, &out.cseq))
		must(out.cseq.number <= INT32_MAX && out.cseq.method != 0);
	if (rack_parse(text, &out.rack))
		must_be_inside(out.rack.cseq.method_name, text);
	if (value_params_parse(text, &out.value))
		must_be_inside(out.value.params, text);
	if (content_type_parse(text, &out.type))
		must_be_inside(out.type.boundary, text);
	if (event_parse(text, &out.event))
		must_be_inside(out.event.id, text);
	if (subscription_state_parse(text, &out.subscription))
		must_be_inside(out.subscription.reason, text);
	if (identity_parse(text, &out.identity))
		must_be_inside(out.identity.info, text);
	if (retry_after_parse(text, &out.retry))
		must_be_inside(out.retry.comment, text);
	if (dialog_id_parse(text, &out.dialog))
		must(out.dialog.call_id.len > 0);
	(void)session_expires_parse(text, &out.session);
	(void)number_parse(text, &number);
	(void)expires_parse(text, &number);
	if (max_forwards_parse(text, &number))
		must(number <= 255);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	int64_t seconds, again;
	char date[30];

	check_values(text);
	check_lists(text);
	check_params(text, ';');
	check_params(text, ',');
	check_params(text, '&');
	if (date_parse(text, &seconds)) {
		date_format(seconds, date);
		must(date_parse(span_from(date), &again) && again == seconds);
	}
	return 0;
}
