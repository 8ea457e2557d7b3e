/* SPDX-License-Identifier: BSD-2-Clause */
/* The event routes of the core itself; those on the road of a message are run in receive.c. */
#include "core/process/process.h"

static struct event_route worker_one = { .name = "core:worker-one-init" };

const struct module_event core_events[CORE_EVENT_COUNT] = {
	{ "core:worker-one-init", ROUTE_EVENT, "the first worker begins to serve" },
	{ "core:msg-received", ROUTE_EVENT,
	  "bytes came, with received_route_mode=1; after drop they are no message" },
	{ "core:pre-routing", ROUTE_EVENT,
	  "a message came, before modules and routes see it; drop ends it" },
	{ "core:receive-parse-error", ROUTE_EVENT, "bytes came that are no SIP message" },
};

static void run_on_fiber(void *arg)
{
	(void)arg;
	script_run_event(worker_one.name, NULL, NULL, NULL);
}

void worker_one_start(void)
{
	/* A successor finds what the route prepared. */
	if (worker_index() != 0 || worker_incarnation(0) != 1 ||
	    !event_route_is_defined(&worker_one))
		return;
	if (!fiber_start(run_on_fiber, NULL))
		log_error("event_route[%s] does not run: too many fibers wait", worker_one.name);
}
