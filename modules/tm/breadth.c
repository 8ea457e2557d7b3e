/* SPDX-License-Identifier: BSD-2-Clause */
/* Max-Breadth (RFC 5393 5): the branches of a request that are pending at one time share its breadth, so
 * that no web of forks grows beyond what the first of them was allowed. */
#include "modules/tm/transaction.h"

/* What a request gets that came back to us without the header: whole, its tree stays below 100
 * requests. The first fork is not limited, so that ordinary requests leave as they came. */
#define BREADTH_OF_RETURNED 24
#define BREADTH_MOST        UINT8_MAX

/* Max-Breadth = "Max-Breadth" HCOLON 1*DIGIT. What cannot be read allows nothing. */
static unsigned breadth_of(struct message *msg)
{
	const struct sip_header *h = message_header(msg, HEADER_MAX_BREADTH);
	unsigned passes = 0;
	int64_t number = 0;
	if (!h) {
		hop_repeats(msg, &passes);
		return passes ? BREADTH_OF_RETURNED : BREADTH_UNLIMITED;
	}
	if (!span_to_int64(message_header_value(msg, h), &number) || number < 0)
		return 0;
	return number > BREADTH_MOST ? BREADTH_MOST : (unsigned)number;
}

static unsigned pending_breadth(const struct transaction *tx)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (!branch_is_done(tx->branches[i]))
			sum += tx->branches[i]->breadth;
	return sum;
}

bool breadth_divide(const struct transaction *tx, struct message *msg, unsigned branches,
		    struct breadth *out)
{
	bool is_limited = branches > 1 || message_header(msg, HEADER_MAX_BREADTH);
	unsigned all = is_limited ? breadth_of(msg) : BREADTH_UNLIMITED;
	*out = (struct breadth){ 0 };
	if (all == BREADTH_UNLIMITED || !branches)
		return true;
	unsigned pending = pending_breadth(tx), left = all > pending ? all - pending : 0;
	if (left < branches)
		return false;
	*out = (struct breadth){ .each = left / branches,
				 .first = left / branches + left % branches,
				 .is_written = left != all || branches > 1 };
	return true;
}

bool breadth_write(struct message *msg, unsigned breadth)
{
	const struct sip_header *h = message_header(msg, HEADER_MAX_BREADTH);
	for (; h; h = message_next_header(msg, h))
		if (!edit_remove_header(msg, h))
			return false;
	struct span line = arena_printf(msg->arena, "Max-Breadth: %u\r\n", breadth);
	return line.at && edit_append_header(msg, line);
}
