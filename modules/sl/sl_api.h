/* SPDX-License-Identifier: BSD-2-Clause */
/* sl_api: replies that other modules send. Interface "sl", version 1. */
#pragma once

#include "core/script/script.h"

#define SL_API_VERSION 1

struct sl_api {
	/* Answers the current request: by its transaction when it has one and tm is loaded, else without
	 * state, like send_reply(). Header lines and body come from the request's reply lines
	 * (message_add_reply_line, message_set_reply_body). False after an error was logged. */
	bool (*send_reply)(struct script_run *run, unsigned code, struct span reason);
	/* The same, always without state, like sl_send_reply(). */
	bool (*send_stateless)(struct script_run *run, unsigned code, struct span reason);
	/* Who sees ACKs to stateless answers, which end here. Before the first fork; one at most. */
	void (*on_ack)(void (*sees)(struct message *ack));
};
