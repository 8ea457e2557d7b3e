/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of stateless replies, and the command sl.stats. */
#include "modules/sl/statistics.h"

/* Codes with a counter of their own; in front the classes for all others. */
enum { SENT, SENT_ERRORS, FAILURES, ACKS, FIXED_COUNT };
static const unsigned codes[] = { 200, 202, 300, 301, 302, 400, 401, 403, 404, 407, 408, 483, 500 };

static counter_id totals[FIXED_COUNT];
static counter_id by_class[7]; /* [0]: any other */
static counter_id by_code[ARRAY_SIZE(codes)];

#define COUNT(name_, doc_, id_)                       \
	{                                             \
		.name = name_, .doc = doc_, .id = id_ \
	}
const struct counter_row sl_counters[] = {
	COUNT("1xx_replies", "provisional replies", &by_class[1]),
	COUNT("200_replies", "replies 200", &by_code[0]),
	COUNT("202_replies", "replies 202", &by_code[1]),
	COUNT("2xx_replies", "other replies 2xx", &by_class[2]),
	COUNT("300_replies", "replies 300", &by_code[2]),
	COUNT("301_replies", "replies 301", &by_code[3]),
	COUNT("302_replies", "replies 302", &by_code[4]),
	COUNT("3xx_replies", "other replies 3xx", &by_class[3]),
	COUNT("400_replies", "replies 400", &by_code[5]),
	COUNT("401_replies", "replies 401", &by_code[6]),
	COUNT("403_replies", "replies 403", &by_code[7]),
	COUNT("404_replies", "replies 404", &by_code[8]),
	COUNT("407_replies", "replies 407", &by_code[9]),
	COUNT("408_replies", "replies 408", &by_code[10]),
	COUNT("483_replies", "replies 483", &by_code[11]),
	COUNT("4xx_replies", "other replies 4xx", &by_class[4]),
	COUNT("500_replies", "replies 500", &by_code[12]),
	COUNT("5xx_replies", "other replies 5xx", &by_class[5]),
	COUNT("6xx_replies", "replies 6xx", &by_class[6]),
	COUNT("sent_replies", "replies sent", &totals[SENT]),
	COUNT("sent_err_replies", "replies that tell of an internal error", &totals[SENT_ERRORS]),
	COUNT("failures", "replies that could not be sent", &totals[FAILURES]),
	COUNT("received_ACKs", "ACKs to our replies that were absorbed", &totals[ACKS]),
	COUNT("xxx_replies", "replies with any other status", &by_class[0]),
};
_Static_assert(ARRAY_SIZE(sl_counters) == SL_COUNTER_COUNT, "adapt SL_COUNTER_COUNT");

void count_reply(unsigned code)
{
	counter_inc(totals[SENT]);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i] == code) {
			counter_inc(by_code[i]);
			return;
		}
	counter_inc(by_class[code >= 100 && code < 700 ? code / 100 : 0]);
}

void count_failure(void)
{
	counter_inc(totals[FAILURES]);
}

void count_ack(void)
{
	counter_inc(totals[ACKS]);
}

/* The per-status counters, under their names without "_replies". */
static void stats(struct rpc_call *call)
{
	struct rpc_node *all = rpc_add_struct(call, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(sl_counters); i++) {
		struct span name = span_from(sl_counters[i].name);
		if (!span_ends_with(name, SPAN_OF("_replies")) ||
		    span_starts_with(name, SPAN_OF("sent")) ||
		    span_starts_with(name, SPAN_OF("1xx")))
			continue;
		char text[16];
		struct writer w = writer_fixed(text, sizeof(text));
		writer_span(&w, span_slice(name, 0, 3));
		rpc_add_int(call, all, writer_terminate(&w), counter_read(*sl_counters[i].id));
	}
}

const struct rpc_command sl_commands[] = {
	{ "sl.stats", stats, "How many replies were sent without state, by status.", NULL,
	  .returns_array = false },
};
