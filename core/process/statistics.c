/* SPDX-License-Identifier: BSD-2-Clause */
/* The statistics of received messages by method, class and code, and those of the shared memory;
 * names are what monitoring knows. */
#include <stdarg.h>
#include <stdio.h>

#include "core/process/process.h"
#include "core/shm/map.h"

#define METHODS 14 /* METHOD_INVITE … METHOD_PUBLISH */
#define CLASSES 6

static struct {
	counter_id requests[METHODS];
	counter_id replies[CLASSES], by_method[CLASSES][METHODS];
	counter_id by_code[CLASSES][100]; /* COUNTER_NONE where none has a counter of its own */
} counters;

/* In the order of the METHOD_* bits. */
static const char *const method_names[METHODS] = { "invite",  "cancel",   "ack",       "bye",
						   "info",    "register", "subscribe", "notify",
						   "message", "options",  "prack",     "update",
						   "refer",   "publish" };
/* Methods whose replies are counted by class, with the name that they have there. */
static const struct {
	uint32_t method;
	const char *name;
} replied_methods[] = {
	{ METHOD_BYE, "bye" },         { METHOD_CANCEL, "cancel" }, { METHOD_INVITE, "invite" },
	{ METHOD_MESSAGE, "message" }, { METHOD_PRACK, "prack" },   { METHOD_REFER, "refer" },
	{ METHOD_REGISTER, "reg" },    { METHOD_UPDATE, "update" },
};
static const struct {
	const char *name;
	uint16_t from, to;
} counted_codes[] = {
	{ "rcv_replies_18x", 180, 189 }, { "rcv_replies_401", 401, 401 },
	{ "rcv_replies_404", 404, 404 }, { "rcv_replies_407", 407, 407 },
	{ "rcv_replies_480", 480, 480 }, { "rcv_replies_486", 486, 486 },
};

/* ---- shared memory ------------------------------------------------------------------------------------ */

static struct shm_usage usage(void)
{
	struct shm_usage now;
	shm_get_usage(&now);
	return now;
}

static int64_t total_size(void)
{
	return (int64_t)usage().total;
}
static int64_t used_size(void)
{
	return (int64_t)usage().used;
}
static int64_t real_used_size(void)
{
	return (int64_t)usage().real_used;
}
static int64_t max_used_size(void)
{
	return (int64_t)usage().max_used;
}
static int64_t free_size(void)
{
	return (int64_t)usage().free;
}
static int64_t fragments(void)
{
	return (int64_t)usage().fragments;
}

static const struct {
	const char *name, *doc;
	int64_t (*compute)(void);
} memory_rows[] = {
	{ "total_size", "bytes of shared memory", total_size },
	{ "used_size", "bytes asked for", used_size },
	{ "real_used_size", "bytes in pages handed out", real_used_size },
	{ "max_used_size", "the largest real_used_size so far", max_used_size },
	{ "free_size", "bytes in free pages", free_size },
	{ "fragments", "separate stretches of free pages", fragments },
};

/* ---- messages ------------------------------------------------------------------------------------------- */

[[gnu::format(printf, 2, 3)]] static counter_id count_of(const char *doc, const char *format, ...)
{
	char name[64];
	va_list args;
	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	return counter_register("core", name, doc, COUNTER_COUNT);
}

static unsigned method_index(uint32_t method)
{
	return method ? (unsigned)__builtin_ctz(method) : METHODS;
}

static int64_t lost_log_lines(void)
{
	return (int64_t)log_lost();
}

void statistics_prepare(void)
{
	counter_register_computed("core", "log_lost", "log lines that nobody took", lost_log_lines);
	for (unsigned i = 0; i < METHODS; i++)
		counters.requests[i] =
			count_of("requests with this method", "rcv_requests_%s", method_names[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(counted_codes); i++) {
		counter_id id = count_of("replies with this code", "%s", counted_codes[i].name);
		for (unsigned code = counted_codes[i].from; code <= counted_codes[i].to; code++)
			counters.by_code[code / 100 - 1][code % 100] = id;
	}
	for (unsigned class = 0; class < CLASSES; class ++) {
		counters.replies[class] =
			count_of("replies of this class", "rcv_replies_%uxx", class + 1);
		for (unsigned i = 0; i < ARRAY_SIZE(replied_methods); i++)
			counters.by_method[class][method_index(replied_methods[i].method)] =
				count_of("replies of this class and method", "rcv_replies_%uxx_%s",
					 class + 1, replied_methods[i].name);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(memory_rows); i++)
		counter_register_computed("shmem", memory_rows[i].name, memory_rows[i].doc,
					  memory_rows[i].compute);
}

void statistics_count_request(const struct message *msg)
{
	unsigned method = method_index(message_method(msg));
	if (method < METHODS)
		counter_inc(counters.requests[method]);
}

void statistics_count_reply(const struct message *msg)
{
	unsigned code = msg->index->status, class = code / 100 - 1,
		 method = method_index(message_method(msg));
	if (class >= CLASSES)
		return;
	counter_inc(counters.replies[class]);
	if (method < METHODS)
		counter_inc(counters.by_method[class][method]);
	counter_inc(counters.by_code[class][code % 100]);
}
