/* SPDX-License-Identifier: BSD-2-Clause */
/* rr_api: what other modules may ask of record routing: dialog keeps its cookie in a parameter of
 * Record-Route and finds it again in Route. Interface "rr", version 1. */
#pragma once

#include "core/message/message.h"
#include "core/script/pattern.h"
#include "core/script/script.h"

#define RR_API_VERSION 1

enum rr_direction { RR_DOWNSTREAM = 1, RR_UPSTREAM = 2 };

/* Called after loose routing found our own Route; `params` are its URI parameters with the first
 * ";", empty when there are none. */
typedef void (*rr_routed)(struct message *msg, struct span params);

struct rr_api {
	/* Adds ";name=value" to the Record-Route of this message, made already or made later. */
	bool (*add_param)(struct message *msg, struct span param);
	/* Makes the Record-Route (";a=b" or absent); false when there is one or memory is out. */
	bool (*record_route)(struct script_run *run, struct span params);
	/* A parameter of our own Route; value absent when it has none. False: no such parameter. */
	bool (*route_param)(struct message *msg, struct span name, struct span *out_value);
	/* The direction of a request inside a dialog, from the ftag parameter. */
	enum rr_direction (*direction)(struct message *msg);
	/* Registers a callback; in `prepare` or `start`. False when the table is full. */
	bool (*on_routed)(rr_routed callback);
	/* Do our Record-Routes carry ftag (setting append_fromtag)? */
	bool (*has_fromtag)(void);
};
