/* SPDX-License-Identifier: BSD-2-Clause */
/* script: running compiled routes. A worker has one published image; an event (a received message,
 * a transaction's failure, a timer) makes a `script_run` and runs one route of it. */
#pragma once

#include "core/message/message.h"

/* What kind of route is running: bits, so that tables can say where something is allowed. */
enum route_kind {
	ROUTE_REQUEST = 1u << 0,  /* request_route, route[X] when called from there */
	ROUTE_REPLY = 1u << 1,    /* reply_route / onreply_route: every reply, before tm */
	ROUTE_TM_REPLY = 1u << 2, /* onreply_route[X] armed by t_on_reply */
	ROUTE_FAILURE = 1u << 3,
	ROUTE_BRANCH = 1u << 4,
	ROUTE_BRANCH_FAILURE = 1u << 5, /* event_route[tm:branch-failure:X] */
	ROUTE_ONSEND = 1u << 6,
	ROUTE_LOCAL = 1u << 7, /* event_route[tm:local-request] */
	ROUTE_EVENT = 1u << 8, /* other event routes */
};
#define IN_REQUEST        ROUTE_REQUEST
#define IN_ANY_REPLY      (ROUTE_REPLY | ROUTE_TM_REPLY)
#define IN_FAILURE        ROUTE_FAILURE
#define IN_BRANCH         ROUTE_BRANCH
#define IN_ONSEND         ROUTE_ONSEND
#define IN_ANY            0xffffu
#define IN_ALL_BUT_ONSEND (IN_ANY & ~(unsigned)ROUTE_ONSEND)

struct image; /* a compiled script, in shared memory; see image.h */

/* Results of handlers, as in the script: > 0 true, < 0 false, 0 ends the script. */
enum { SCRIPT_TRUE = 1, SCRIPT_FALSE = -1, SCRIPT_STOP = 0 };

/* Data of an event for the variables of the module whose event it is ($shtrecord, $ulc(exp=>…), …). */
struct script_event {
	const char *name; /* "htable:expired:t" */
	void *data;
};

/* One execution of a route. Lives on the fiber's stack. */
struct script_run {
	struct message *msg; /* never NULL: events without a message get a faked request */
	enum route_kind kind;
	struct arena *arena;       /* msg->arena: temporaries of this run */
	const struct image *image; /* stays valid until the run ends */
	int32_t return_code;       /* $rc */
	bool dropped;              /* drop was executed */
	bool exited;               /* exit, return 0 or a handler's 0 ended the script */
	const struct script_event
		*event; /* of an event route with data; script_event_data reads it */
	struct script_state
		*state; /* $var and private parts of the machine; made by script_run_init */
	struct outgoing *outgoing; /* ROUTE_ONSEND, ROUTE_BRANCH: where it is going */
};

/* Prepares a run of the current image; false when memory is exhausted. Runs that belong to one
 * event (branch routes inside t_relay) share `parent`'s $var; else `parent` is NULL. */
[[nodiscard]] bool script_run_init(struct script_run *run, struct message *msg,
				   enum route_kind kind, const struct script_run *parent);

/* Routes are found by kind and name once per image; a number 0 means "there is none".
 * `name` is "" for the main request_route, reply_route and onsend_route. */
uint32_t script_route(const struct image *image, enum route_kind kind, struct span name);
/* Name of a route by its number, for tm's interned names and for logs. */
struct span script_route_name(const struct image *image, enum route_kind kind, uint32_t route);
/* The published image of this process. */
const struct image *script_current_image(void);

/* Runs a route to its end and returns its last code (see script_run for drop and exit). */
int script_run_route(struct script_run *run, uint32_t route);
/* Runs the route of this kind that has no name, if the image has it: request_route, reply_route,
 * onsend_route, whose variables read `outgoing` (else NULL). False: it dropped the message, or memory is
 * exhausted. */
bool script_run_main(struct message *msg, enum route_kind kind, struct outgoing *outgoing);
/* Convenience for event_route[name]: runs it with `msg` (or a faked OPTIONS request when NULL) if the
 * image has it. Returns false when there is no such route. `out_dropped` may be NULL. */
bool script_run_event(const char *name, struct message *msg, void *event, bool *out_dropped);
/* The data of the event that the run belongs to, when the event is one of this module ("htable"), else
 * NULL: a route can be run by events of several modules. */
void *script_event_data(const struct script_run *run, const char *module);
/* A minimal local request for events without a message. */
struct message *script_faked_request(struct arena *arena);

/* An event route on the road of messages; the first asking after an image was published looks for it,
 * the others compare a number. */
struct event_route {
	const char *name;
	uint32_t generation; /* of the image that was asked */
	bool is_defined;
};
extern const uint32_t *const *const image_generation_place;
bool event_route_look(struct event_route *route, uint32_t generation);
static inline bool event_route_is_defined(struct event_route *route)
{
	/* Read first: an image that is published meanwhile is looked at the next time. */
	uint32_t generation = __atomic_load_n(*image_generation_place, __ATOMIC_RELAXED);
	return __builtin_expect(route->generation == generation, 1)
		       ? route->is_defined
		       : event_route_look(route, generation);
}
/* A message for events about bytes that may be no SIP message: they parsed, when they are one, else a
 * faked request whose $mb and $ml show them. NULL: no memory. */
struct message *script_message_over(struct arena *arena, struct span bytes,
				    const struct received *from);
/* Runs the event route, whose $sndto and $sndfrom read `outgoing` (may be NULL). What the run left behind
 * is in `*out_run`, for variable_read; false: there is no such route, or no memory. */
bool script_run_event_out(struct event_route *route, struct message *msg, struct outgoing *outgoing,
			  struct script_run *out_run);

/* ---- functions ----------------------------------------------------------------------------- */

#include "core/base/field.h"

/* One function of the script: a typed handler behind a generated thunk. */
struct script_function {
	const char *name;
	int (*call)(struct script_run *run, const void *args); /* made by SCRIPT_HANDLER */
	struct field_table
		args; /* positional; FIELD offsets point into the handler's args struct */
	uint32_t args_size;
	uint32_t contexts; /* enum route_kind bits */
	const char *doc;
	bool is_deprecated; /* accepted, with a warning that quotes `doc` */
};

/* SCRIPT_HANDLER(x) needs `struct x_args` and `x_fields`, and declares
 * `static int x(struct script_run *run, const struct x_args *args)` with its thunk. */
#define SCRIPT_HANDLER(handler)                                                        \
	static int handler(struct script_run *run, const struct handler##_args *args); \
	static int handler##_thunk(struct script_run *run, const void *args)           \
	{                                                                              \
		return handler(run, args);                                             \
	}
#define FUNCTION(script_name, handler, where, text, ...)                       \
	{                                                                      \
		.name = script_name, .call = handler##_thunk,                  \
		.args = FIELDS(handler##_fields),                              \
		.args_size = sizeof(struct handler##_args), .contexts = where, \
		.doc = "" text "", __VA_ARGS__                                 \
	}
/* For functions that share one shape of arguments: SCRIPT_HANDLER_OF(x, text) needs
 * `struct text_args` and `text_fields`; its rows are FUNCTION_OF(name, x, text, where, doc). */
#define SCRIPT_HANDLER_OF(handler, shape)                                            \
	static int handler(struct script_run *run, const struct shape##_args *args); \
	static int handler##_thunk(struct script_run *run, const void *args)         \
	{                                                                            \
		return handler(run, args);                                           \
	}
#define FUNCTION_OF(script_name, handler, shape, where, text, ...)           \
	{                                                                    \
		.name = script_name, .call = handler##_thunk,                \
		.args = FIELDS(shape##_fields),                              \
		.args_size = sizeof(struct shape##_args), .contexts = where, \
		.doc = "" text "", __VA_ARGS__                               \
	}
/* For functions without arguments: SCRIPT_HANDLER_PLAIN(x), FUNCTION_PLAIN(...). */
#define SCRIPT_HANDLER_PLAIN(handler)                                        \
	static int handler(struct script_run *run);                          \
	static int handler##_thunk(struct script_run *run, const void *args) \
	{                                                                    \
		(void)args;                                                  \
		return handler(run);                                         \
	}
#define FUNCTION_PLAIN(script_name, handler, where, text, ...)               \
	{                                                                    \
		.name = script_name, .call = handler##_thunk,                \
		.contexts = where, .doc = "" text "", __VA_ARGS__            \
	}
