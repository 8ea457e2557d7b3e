/* SPDX-License-Identifier: BSD-2-Clause */
/* Flags in our Via (msg_vbflag_set): they leave with the request in a parameter of our Via, which the next
 * hop returns with its replies and we repeat in CANCEL and ACK; msg_vbflag_parse() reads them from the
 * topmost Via. Whoever sends a message can write them, so nothing should be allowed because of one. */
#include "core/script/registry.h"
#include "modules/corex/corex.h"
#include "parser/via.h"

struct via_flag_args {
	int64_t flag;
};

static const struct field via_flag_fields[] = { FIELD(struct via_flag_args, flag,
						      "flag 0-31 or its name", .max = 31,
						      .flag_kind = FLAG_KIND_MESSAGE) };
SCRIPT_HANDLER_OF(msg_vbflag_set, via_flag)
SCRIPT_HANDLER_OF(msg_vbflag_reset, via_flag)
SCRIPT_HANDLER_OF(msg_vbflag_is_set, via_flag)
SCRIPT_HANDLER_PLAIN(msg_vbflag_parse)

static int take_flags(struct message *msg, uint32_t flags)
{
	msg->via_flags = flags;
	msg->notes = flags ? msg->notes | NOTE_VIA_FLAGS : msg->notes & ~(uint32_t)NOTE_VIA_FLAGS;
	return SCRIPT_TRUE;
}

static int msg_vbflag_set(struct script_run *run, const struct via_flag_args *args)
{
	return take_flags(run->msg, run->msg->via_flags | 1u << args->flag);
}

static int msg_vbflag_reset(struct script_run *run, const struct via_flag_args *args)
{
	return take_flags(run->msg, run->msg->via_flags & ~(1u << args->flag));
}

static int msg_vbflag_is_set(struct script_run *run, const struct via_flag_args *args)
{
	return run->msg->via_flags >> args->flag & 1 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* vbf = 1*8HEX */
static int msg_vbflag_parse(struct script_run *run)
{
	const struct sip_via *via = message_top_via(run->msg);
	struct param param;
	uint64_t flags;
	if (!via || !via_param(via, VIA_FLAGS_PARAM, &param) || param.value.len > 8 ||
	    !span_hex_to_uint64(param.value, &flags))
		return SCRIPT_FALSE;
	return take_flags(run->msg, (uint32_t)flags);
}

static const struct script_function functions[] = {
	FUNCTION_OF("msg_vbflag_set", msg_vbflag_set, via_flag, IN_ANY, "Sets a flag of our Via."),
	FUNCTION_OF("msg_vbflag_reset", msg_vbflag_reset, via_flag, IN_ANY,
		    "Clears a flag of our Via."),
	FUNCTION_OF("msg_vbflag_is_set", msg_vbflag_is_set, via_flag, IN_ANY,
		    "Is the flag of the Via set?"),
	FUNCTION_PLAIN("msg_vbflag_parse", msg_vbflag_parse, IN_ANY,
		       "Reads the flags of the topmost Via; false when it has none."),
};
const struct function_table via_flag_functions = ROWS(functions);
