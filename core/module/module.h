/* SPDX-License-Identifier: BSD-2-Clause */
/* module: the one header that a module author includes. A module is a folder below modules/ whose
 * .c files become one .so; it exports `const struct module module_exports`, whose rows say
 * everything that loader, compiler, --help, RPC help and the reference manual need.
 * doc/modules.md is the guide. */
#pragma once

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/db/db.h"
#include "core/loop/accept.h"
#include "core/loop/fiber.h"
#include "core/loop/loop.h"
#include "core/message/message.h"
#include "core/message/render.h"
#include "core/rpc/rpc.h"
#include "core/script/pattern.h"
#include "core/script/script.h"
#include "core/script/template.h"
#include "core/script/variable.h"
#include "core/shm/counters.h"
#include "core/shm/shard.h"
#include "core/transport/send.h"

#define MODULE_ABI 1

/* A claimant sees every received message before the script (DESIGN step 4), or every reply. */
enum claim_result {
	CLAIM_PASS,     /* not mine */
	CLAIM_CONSUMED, /* handled: the road ends here */
};
struct claim {
	const char *name;
	int order;                                         /* lower first */
	enum claim_result (*request)(struct message *msg); /* NULL: not interested */
	/* Replies: called before and instead of the core's stateless forwarding. */
	enum claim_result (*reply)(struct message *msg);
	/* HTTP requests, which come over the same streams as SIP. */
	enum claim_result (*http)(struct message *msg);
	/* As soon as a message with a Via is parsed, some messages before it is worked on: what will be needed
	 * can be fetched into the cache. Nothing may come of it. NULL: not interested. */
	void (*foresee)(struct message *msg);
	/* A request that left here could not be delivered to its next hop: the system refused the datagram, or
	 * the connection ended. It is as it was sent, with our Via on top. NULL: not interested. */
	void (*undelivered)(struct message *request);
	/* After the script of a request that nobody claimed; NULL: not interested. */
	void (*after)(struct message *msg);
};

/* Work that is done at intervals, on a fiber of a worker's loop. */
struct module_timer {
	const char *name;
	/* Reads the period when the server starts, so that settings can decide it; ms, 0: off. */
	int64_t (*period_ms)(void);
	void (*run)(void);
	bool every_worker; /* else only worker 0 runs it (its successor after a death) */
};

/* A process of its own beside the workers, with its own event loop. */
struct module_role {
	const char *name; /* shown by ps: "ctl handler" */
	bool (*wanted)(void);
	/* Registers its descriptors and timers on the loop and returns; the loop then runs. */
	bool (*start)(void);
};

/* A C interface for other modules: `offers` rows are found by name and version. */
struct module_interface {
	const char *name; /* "tm" */
	unsigned version;
	const void *functions; /* const struct tm_api * … */
};
struct module_need {
	const char *name;
	unsigned version;
	const void **out_functions; /* set before `prepare`; stays NULL when optional and absent */
	bool is_optional;
};

/* Event routes that the module runs, so that the compiler knows them: "tm:local-request". A name
 * that ends in ':' is a prefix (tm:branch-failure:NAME). */
struct module_event {
	const char *name;
	enum route_kind kind; /* in which context its statements are checked */
	const char *doc;
};

struct counter_row {
	const char *group; /* NULL: the module's name */
	const char *name;
	const char *doc;
	counter_id *id;           /* where to put the id; NULL with `compute` */
	int64_t (*compute)(void); /* computed when read */
};

struct function_table {
	const struct script_function *rows;
	uint32_t count;
};

struct module {
	unsigned abi;
	const char *name;
	const char *doc; /* one sentence */
	struct {
		void *object;
		struct field_table fields;
	} settings;
	struct function_table functions;
	/* More of them, for modules of several files, each with its own table; NULL-terminated. */
	const struct function_table *const *more_functions;
	struct variable_table variables;
	struct transform_table transforms;
	struct rpc_table commands;
	struct {
		const struct counter_row *rows;
		uint32_t count;
	} counters;
	struct {
		const struct module_timer *rows;
		uint32_t count;
	} timers;
	struct {
		const struct module_role *rows;
		uint32_t count;
	} roles;
	struct {
		const struct module_event *rows;
		uint32_t count;
	} events;
	struct {
		const struct claim *rows;
		uint32_t count;
	} claims;
	struct {
		const struct module_interface *rows;
		uint32_t count;
	} offers;
	struct {
		const struct module_need *rows;
		uint32_t count;
	} needs;
	const char *const *aliases; /* other names in loadmodule, NULL-terminated; may be NULL */

	/* Life cycle, each optional; false after an error was logged or diagnosed. */
	bool (*prepare)(
		struct diagnostics
			*diagnostics); /* settings known: check them, reserve shared memory */
	bool (*start)(void);           /* supervisor, before the first fork */
	bool (*start_worker)(void);    /* each worker, also a successor */
	void (*stop_worker)(void);
	void (*finish)(void); /* supervisor, at the end */
};

/* Each module defines exactly one of these, with default visibility. */
#define MODULE_EXPORT [[gnu::visibility("default")]]
extern const struct module module_exports;

/* ---- what modules may ask the server --------------------------------------------------------- */
/* Is a module loaded? For "needs module X" hints. */
bool module_is_loaded(const char *name);
/* Where a setting of this module was given in the configuration, for diagnostics in `prepare`. */
struct source_position module_setting_position(const char *module, const char *setting);
/* Memory that lives as long as the server, for what `prepare` compiles. */
struct arena *startup_arena(void);
/* Number of workers, own index (0…), or -1 in other processes. */
unsigned worker_count(void);
int worker_index(void);
/* Workers 0 to n-1 read the sockets now. The others are hardly ever awake: what has to be looked after again
 * and again, and may be by anybody, is left to those who read. Changes at any time. */
unsigned workers_on_duty(void);
/* Grows with every successor: (index, incarnation) names a process for leases. */
uint32_t worker_incarnation(unsigned index);
int64_t server_start_wall_s(void);
int server_id(void);
/* Core parameters by name, for modules that honour them ("mhomed", "server_header"); 0/absent when
 * unset. */
int64_t core_setting_int(const char *name);
struct span core_setting_text(const char *name);
/* Runs `work(data)` in worker `index` (by mail); `data` up to 200 bytes is copied. */
bool worker_post(unsigned index, void (*work)(const void *data, size_t len), const void *data,
		 size_t len);
/* The same for any process by its number (process_index of the receiver), e.g. for answers to RPC
 * processes. */
bool process_post(unsigned process, void (*work)(const void *data, size_t len), const void *data,
		  size_t len);
unsigned process_index(void);
/* Grows when a successor takes over the role: (index, incarnation) names a holder of leases. */
uint32_t process_incarnation(unsigned process);
/* Stateless forwarding of the current request (the core function forward), and of a reply. */
bool forward_request(struct script_run *run, struct message *msg);
bool forward_reply(struct message *reply);
/* Runs onsend_route before the message leaves; false: the script dropped it. For replies only when the
 * core parameter onsend_route_reply says so. */
bool onsend_allows(struct message *msg, struct outgoing *out);
