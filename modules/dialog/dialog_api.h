/* SPDX-License-Identifier: BSD-2-Clause */
/* dialog_api: calls, for other modules. Interface "dialog", version 1.
 *
 * A dialog lives in shared memory. Its name is valid in every process and for ever, and leads nowhere
 * once the dialog is gone. */
#pragma once

#include "core/module/module.h"

#define DIALOG_API_VERSION 1

struct dialog_name {
	uint32_t shard;
	uint32_t slot;
	uint32_t generation; /* 0: no dialog */
};

enum dialog_event {
	DIALOG_CREATED = 1 << 0,   /* for an INVITE that passes; nothing was answered yet */
	DIALOG_CONFIRMED = 1 << 1, /* a 2xx went to the caller */
	DIALOG_FAILED = 1 << 2,    /* a negative final reply went to the caller */
	DIALOG_ENDED = 1 << 3,     /* BYE, from a party (after it was answered) or from us */
	DIALOG_EXPIRED = 1 << 4,   /* its lifetime was over, and nobody was told */
};

/* What an observer gets; everything is borrowed for the call. Each event of a dialog comes at least
 * once, also when the process that should have told it died. */
struct dialog_event_info {
	enum dialog_event event;
	struct dialog_name name;
	struct script_run *run; /* over the message, for variables */
	/* What belongs to the event: INVITE, its reply, BYE. False: run->msg only stands for it, because
	 * nothing was received. */
	bool has_message;
	int64_t created_us, confirmed_us, ended_us; /* wall clock; 0: not yet */
};
typedef void (*dialog_observer)(const struct dialog_event_info *info);

struct dialog_api {
	/* Asks to be called for these events. In `prepare`. False when the table is full. */
	bool (*observe)(unsigned events, dialog_observer observer);
	/* The dialog of this run's message; generation 0 when there is none. */
	struct dialog_name (*of_run)(struct script_run *run);
	/* A variable, copied into `arena`; false when it is not set, or the dialog is gone. */
	bool (*get_variable)(struct dialog_name name, struct span key, struct arena *arena,
			     struct span *out_value);
	/* Sets it, or removes it with an absent value. False: no memory (logged), or gone. */
	bool (*set_variable)(struct dialog_name name, struct span key, struct span value);
};
