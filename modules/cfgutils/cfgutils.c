/* SPDX-License-Identifier: BSD-2-Clause */
/* cfgutils: chance, waiting, switches and locks for scripts. What processes share is one struct. */
#include "core/module/module.h"
#include "core/shm/map.h"

#include <stdlib.h>

#include "modules/cfgutils/cfgutils.h"

static struct cfgutils_shared *shared;

struct cfgutils_shared *cfgutils_shared(void)
{
	return shared;
}

static struct {
	int64_t initial_probability, initial_gflags, lock_set_size;
	struct span hash_file;
} settings = { .initial_probability = 10 };
static const struct field setting_fields[] = {
	FIELD(settings, initial_probability, "of rand_event(), in percent", .max = 100),
	FIELD(settings, initial_gflags, "global flags at the start, as a number", .max = UINT32_MAX),
	FIELD(settings, lock_set_size, "2 to this power are the locks of lock(); 0: none", .max = 16),
	FIELD(settings, hash_file, "file that cfgutils.check_config_hash compares with its state at the start"),
};

/* ---- chance ---------------------------------------------------------------------------------------- */

struct probability_args {
	int64_t percent;
};
static const struct field probability_fields[] = {
	FIELD(struct probability_args, percent, "0 to 100", .max = 100),
};
SCRIPT_HANDLER_OF(set_probability, probability)
SCRIPT_HANDLER_PLAIN(reset_probability)
SCRIPT_HANDLER_PLAIN(get_probability)
SCRIPT_HANDLER_PLAIN(rand_event)

static int set_probability(struct script_run *run, const struct probability_args *args)
{
	(void)run;
	cfgutils_shared()->probability = (uint32_t)args->percent;
	return SCRIPT_TRUE;
}

static int reset_probability(struct script_run *run)
{
	(void)run;
	cfgutils_shared()->probability = (uint32_t)settings.initial_probability;
	return SCRIPT_TRUE;
}

static int get_probability(struct script_run *run)
{
	(void)run;
	return (int)cfgutils_shared()->probability;
}

static int rand_event(struct script_run *run)
{
	(void)run;
	return random_below(100) < cfgutils_shared()->probability ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- waiting --------------------------------------------------------------------------------------- */

struct wait_args {
	int64_t time;
};
static const struct field wait_fields[] = {
	FIELD(struct wait_args, time, "how long", .max = INT32_MAX),
};
SCRIPT_HANDLER_OF(sleep_seconds, wait)
SCRIPT_HANDLER_OF(sleep_micro, wait)
SCRIPT_HANDLER_PLAIN(abort_server)

static int wait_for(int64_t delay_ms)
{
	if (!fiber_is_running()) {
		log_error("this route cannot wait: sleep() goes on at once");
		return SCRIPT_FALSE;
	}
	if (delay_ms > 0)
		fiber_sleep_ms(delay_ms);
	return SCRIPT_TRUE;
}

static int sleep_seconds(struct script_run *run, const struct wait_args *args)
{
	(void)run;
	return wait_for(args->time * 1000);
}

static int sleep_micro(struct script_run *run, const struct wait_args *args)
{
	(void)run;
	return wait_for((args->time + 999) / 1000);
}

static int abort_server(struct script_run *run)
{
	(void)run;
	log_critical("the script called abort()");
	abort();
}

/* ---- memory ---------------------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(log_private)
SCRIPT_HANDLER_PLAIN(log_shared)

static int log_private(struct script_run *run)
{
	log_notice("this message uses %zu bytes; processes have no memory pool of their own",
		   run->arena->used);
	return SCRIPT_TRUE;
}

static int log_shared(struct script_run *run)
{
	(void)run;
	struct shm_usage usage;
	shm_get_usage(&usage);
	log_notice("shared memory: %llu bytes, %llu used, %llu in pages, %llu at most",
		   (unsigned long long)usage.total, (unsigned long long)usage.used,
		   (unsigned long long)usage.real_used, (unsigned long long)usage.max_used);
	return SCRIPT_TRUE;
}

/* ---- switches -------------------------------------------------------------------------------------- */

struct flag_args {
	int64_t flag;
};
static const struct field flag_fields[] = {
	FIELD(struct flag_args, flag, "number of a global flag", .max = 31),
};
SCRIPT_HANDLER_OF(set_flag, flag)
SCRIPT_HANDLER_OF(reset_flag, flag)
SCRIPT_HANDLER_OF(is_flag, flag)

static int set_flag(struct script_run *run, const struct flag_args *args)
{
	(void)run;
	__atomic_fetch_or(&cfgutils_shared()->flags, 1u << args->flag, __ATOMIC_RELAXED);
	return SCRIPT_TRUE;
}

static int reset_flag(struct script_run *run, const struct flag_args *args)
{
	(void)run;
	__atomic_fetch_and(&cfgutils_shared()->flags, ~(1u << args->flag), __ATOMIC_RELAXED);
	return SCRIPT_TRUE;
}

static int is_flag(struct script_run *run, const struct flag_args *args)
{
	(void)run;
	return cfgutils_shared()->flags >> args->flag & 1 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- routes ---------------------------------------------------------------------------------------- */

struct route_args {
	struct span route;
};
static const struct field route_fields[] = {
	FIELD(struct route_args, route, "name of a route", .route_kind = ROUTE_REQUEST,
		.is_optional_route = true),
};
SCRIPT_HANDLER_OF(route_exists, route)
SCRIPT_HANDLER_OF(route_if_exists, route)

static int route_exists(struct script_run *run, const struct route_args *args)
{
	return script_route(run->image, ROUTE_REQUEST, args->route) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int route_if_exists(struct script_run *run, const struct route_args *args)
{
	struct script_run inner;
	uint32_t route = script_route(run->image, ROUTE_REQUEST, args->route);
	if (!route || !script_run_init(&inner, run->msg, run->kind, run))
		return SCRIPT_FALSE;
	/* The image may have been replaced meanwhile. */
	route = script_route(inner.image, ROUTE_REQUEST, args->route);
	inner.event = run->event;
	inner.outgoing = run->outgoing;
	int result = route ? script_run_route(&inner, route) : SCRIPT_FALSE;
	run->dropped = run->dropped || inner.dropped;
	return inner.exited || inner.dropped ? SCRIPT_STOP : result;
}

/* ---- hash ------------------------------------------------------------------------------------------ */

struct hash_args {
	struct span first, second;
	int64_t size;
};
static const struct field hash_fields[] = {
	FIELD(struct hash_args, first, "text"),
	FIELD(struct hash_args, second, "text, may be empty"),
	FIELD(struct hash_args, size, "the results are 1 to 2 to this power", .max = 30),
};
SCRIPT_HANDLER(hash)

static int hash(struct script_run *run, const struct hash_args *args)
{
	(void)run;
	uint32_t value = hash_portable(args->first, args->second);
	return (int)(value & ((1u << args->size) - 1)) + 1;
}

/* ---- locks ----------------------------------------------------------------------------------------- */

struct key_args {
	struct span key;
};
static const struct field key_fields[] = {
	FIELD(struct key_args, key, "what is locked"),
};
SCRIPT_HANDLER_OF(lock_key, key)
SCRIPT_HANDLER_OF(try_key, key)
SCRIPT_HANDLER_OF(unlock_key, key)

static int lock_key(struct script_run *run, const struct key_args *args)
{
	(void)run;
	return lock_wait(args->key) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int try_key(struct script_run *run, const struct key_args *args)
{
	(void)run;
	return lock_try(args->key) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int unlock_key(struct script_run *run, const struct key_args *args)
{
	(void)run;
	return lock_release(args->key) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- tables ---------------------------------------------------------------------------------------- */

static const struct script_function functions[] = {
	FUNCTION_PLAIN("rand_event", rand_event, IN_ANY, "True with the probability that is set."),
	FUNCTION_OF("rand_set_prob", set_probability, probability, IN_ANY, "Sets the probability, for all processes."),
	FUNCTION_PLAIN("rand_reset_prob", reset_probability, IN_ANY, "Sets the probability back to the initial one."),
	FUNCTION_PLAIN("rand_get_prob", get_probability, IN_ANY, "The probability; 0 ends the script."),
	FUNCTION_OF("sleep", sleep_seconds, wait, IN_ANY, "Waits for so many seconds; other messages go on."),
	FUNCTION_OF("usleep", sleep_micro, wait, IN_ANY, "Waits for so many microseconds, rounded up to milliseconds."),
	FUNCTION_PLAIN("abort", abort_server, IN_ANY, "Kills the process, for tests; it is replaced."),
	FUNCTION_PLAIN("pkg_status", log_private, IN_ANY, "Logs what memory the message uses."),
	FUNCTION_PLAIN("pkg_summary", log_private, IN_ANY, "Same as pkg_status."),
	FUNCTION_PLAIN("shm_status", log_shared, IN_ANY, "Logs how much shared memory is used."),
	FUNCTION_PLAIN("shm_summary", log_shared, IN_ANY, "Same as shm_status."),
	FUNCTION_OF("set_gflag", set_flag, flag, IN_ANY, "Sets a global flag."),
	FUNCTION_OF("reset_gflag", reset_flag, flag, IN_ANY, "Clears a global flag."),
	FUNCTION_OF("is_gflag", is_flag, flag, IN_ANY, "Is a global flag set?"),
	FUNCTION_OF("lock", lock_key, key, IN_ANY, "Waits for the lock of a key and takes it."),
	FUNCTION_OF("trylock", try_key, key, IN_ANY, "Takes the lock of a key if it is free."),
	FUNCTION_OF("unlock", unlock_key, key, IN_ANY, "Releases the lock of a key."),
	FUNCTION_OF("check_route_exists", route_exists, route, IN_ANY, "Is there a route of this name?"),
	FUNCTION_OF("route_if_exists", route_if_exists, route, IN_ANY, "Runs a route if there is one; its result, or -1."),
	FUNCTION("core_hash", hash, IN_ANY, "A number from 1 to 2^size that depends on the texts."),
};

static bool get_random(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)run;
	(void)ref;
	*out = VALUE_OF_INT((int64_t)random_below((uint32_t)INT32_MAX + 1u));
	return true;
}

static const struct variable_row variables[] = {
	{ .name = "RANDOM", .get = get_random, .doc = "A random number below 2^31." },
};

static bool prepare(struct diagnostics *diagnostics)
{
	size_t locks = settings.lock_set_size ? (size_t)1 << settings.lock_set_size : 0;
	shared = shm_reserve(sizeof(*shared) + locks * sizeof(uint64_t), "cfgutils");
	if (!shared)
		return false;
	shared->probability = shared->initial_probability = (uint32_t)settings.initial_probability;
	shared->flags = (uint32_t)settings.initial_gflags;
	shared->lock_count = (uint32_t)locks;
	if (!settings.hash_file.len || hash_of_file(settings.hash_file, shared->file_hash))
		return true;
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("cfgutils", "hash_file"),
		       "cfgutils: hash_file \"%.*s\" cannot be read",
		       SPAN_ARGS(settings.hash_file));
	return false;
}

struct span cfgutils_hash_file(void)
{
	return settings.hash_file;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "cfgutils",
	.doc = "Chance, waiting, switches and locks for scripts.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.variables = ROWS(variables),
	.commands = { cfgutils_commands, CFGUTILS_COMMANDS },
	.prepare = prepare,
};
