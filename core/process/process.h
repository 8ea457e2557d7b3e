/* SPDX-License-Identifier: BSD-2-Clause */
/* process: the processes of a running server. The supervisor opens the sockets and forks one
 * process per role; when one dies, a successor takes over its role, mailbox and counters. */
#pragma once

#include <sys/types.h>

#include "core/process/settings.h"

#define ROLES_MOST 64

enum role_kind { ROLE_SUPERVISOR, ROLE_WORKER, ROLE_MODULE };

struct role {
	enum role_kind kind;
	char name[64];   /* as `ps` shows it: "worker 1 of 2", "ctl handler" */
	unsigned number; /* of the worker, from 0 */
	const struct module_role *module_role;
	/* in shared memory, so that every process can tell */
	_Atomic pid_t pid; /* 0: not running now */
	_Atomic uint32_t incarnation;
	_Atomic bool is_ready; /* its event loop runs */
	bool is_stuck;         /* the watchdog asked it to end */
	uint32_t deaths;
	/* The least generation of script images that this process may run now; 0: not known yet. */
	_Atomic uint32_t oldest_image;
};

/* Settles which roles there are: the supervisor, workers, roles of modules. Before the first fork. */
[[nodiscard]] bool roles_prepare(void);
unsigned role_count(void);
struct role *role_at(unsigned index);
/* The role of this process; 0 is the supervisor. */
unsigned role_self(void);
/* Like process_post, for up to MAILBOX_BLOCK_MOST bytes; `work` must not wait while it uses them. */
bool process_post_block(unsigned process, void (*work)(const void *data, size_t len),
			const void *block, size_t len);

/* No process runs an image of a lower generation. */
uint32_t roles_oldest_image(void);

/* Forks all roles and watches over them until an orderly stop; the result is the exit code. */
int supervisor_run(void);
/* What every process but the supervisor does: returns the exit code. */
int role_run(unsigned index);

/* Starts receiving in this worker. */
[[nodiscard]] bool receive_start(void);
/* Looks at the bytes of each message before it is parsed, on the message's fiber, and gives those to go on
 * with: the same ones, or others in `event->arena`. AVPs that it leaves in the event message are there for
 * the routes of the message. Before the first fork. */
typedef struct span (*receive_filter)(struct message *event);
void receive_set_filter(receive_filter filter);
/* Event routes of the core, so that the compiler knows them. */
#define CORE_EVENT_COUNT 4
extern const struct module_event core_events[CORE_EVENT_COUNT];
/* On the first worker, once: event_route[core:worker-one-init]. */
void worker_one_start(void);
/* Collects the claims of all modules; before the first fork. */
void receive_prepare(void);
void counters_prepare(void);
/* Statistics by method, class and code, and of the shared memory. */
void statistics_prepare(void);
void statistics_count_request(const struct message *msg);
void statistics_count_reply(const struct message *msg);
void forward_prepare(void);

/* How the configuration was read at start, for reload. */
const struct script_options *startup_options(void);
/* Command line, for core.arg. */
void startup_arguments(int *out_count, char ***out_arguments);

extern const struct module core_module;
extern const struct rpc_table core_commands, core_commands_dns, core_commands_tcp;
