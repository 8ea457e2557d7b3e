/* SPDX-License-Identifier: BSD-2-Clause */
/* Refusing new work in time, so that what was begun is finished. */
#include "core/process/overload.h"

#include "core/base/hash.h"
#include "core/loop/fiber.h"
#include "core/process/refuse.h"
#include "core/process/settings.h"
#include "core/shm/map.h"
#include "core/shm/shard.h"

#define PARKED_MOST       9000 /* of the 10,000 fibers that may wait */
#define QUEUE_HARD        4    /* times overload_delay: OPTIONS are refused, too */
#define FILL_MOST_PERCENT 50   /* of the socket's buffer, which may hold less than overload_delay */
#define FILL_HARD_PERCENT 85
#define LASTING_MS        100  /* that long late without a break: more comes than is done */
#define BREAK_MS          50   /* without dense traffic */
#define ALERT_MS          2000 /* after the last refusal, in which there is no second grace */
#define TELL_MS           5000

struct overload_shared {
	uint32_t pressure; /* PRESSURE_DRAIN */
	uint32_t drain_retry_after;
};

static const uint32_t none;
static struct overload_shared *shared;
static const uint32_t *common_pressure = &none;
const uint32_t *const *const overload_common_address = &common_pressure;
static const uint32_t *memory_is_short = &none;
const uint32_t *const *const overload_memory_address = &memory_is_short;
static uint32_t own_pressure; /* PRESSURE_FIBERS */
const uint32_t *const overload_own_address = &own_pressure;

static struct {
	int64_t told_ms;  /* when the log last heard of refusals */
	uint64_t refused; /* since then */
	counter_id refused_overload, refused_drain, refused_memory, too_old;
} state;

void overload_counters_prepare(void)
{
	static const struct { counter_id *id; const char *name, *doc; } rows[] = {
		{ &state.refused_overload, "refused_overload", "requests answered 503 because too many waited" },
		{ &state.refused_drain, "refused_drain", "requests answered 503 because of core.drain" },
		{ &state.refused_memory, "refused_memory", "requests answered 503 because shared memory was short" },
		{ &state.too_old, "dropped_old", "requests that waited so long that their senders gave up" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		*rows[i].id = counter_register("core", rows[i].name, rows[i].doc, COUNTER_COUNT);
}

bool overload_prepare(void)
{
	shared = shm_reserve(sizeof(*shared), "overload");
	if (!shared)
		return false;
	common_pressure = &shared->pressure;
	if (core_settings()->overload_delay)
		memory_is_short = shm_short_address();
	return true;
}

/* ---- measuring ------------------------------------------------------------------------------------- */

/* A worker that had no processor for a while finds datagrams that are old, and is through with them in
 * no time. More comes than can be done only when lateness lasts. */
static bool is_lasting(bool is_late)
{
	static int64_t since_ms, last_ms, alert_until_ms;
	int64_t now = clock_ms();
	if (!is_late) {
		since_ms = 0;
		return false;
	}
	if (!since_ms || now - last_ms > BREAK_MS)
		since_ms = now;
	last_ms = now;
	if (now >= alert_until_ms && now - since_ms < LASTING_MS)
		return false;
	alert_until_ms = now + ALERT_MS;
	return true;
}

uint32_t overload_measure(const struct datagram *datagram)
{
	const struct core_settings *settings = core_settings();
	int64_t age = (clock_kernel_us_now() - datagram->arrived_us) / 1000,
		delay = settings->overload_delay;
	uint32_t pressure = 0;
	if (settings->overload_age && age > settings->overload_age)
		pressure |= PRESSURE_TOO_OLD;
	if (!delay)
		return pressure;
	bool is_late = is_lasting(age > delay);
	if (is_late || datagram->queue_percent > FILL_MOST_PERCENT)
		pressure |= PRESSURE_QUEUE;
	if ((is_late && age > QUEUE_HARD * delay) || datagram->queue_percent > FILL_HARD_PERCENT)
		pressure |= PRESSURE_QUEUE_HARD;
	return pressure;
}

static void tell(void)
{
	int64_t now = clock_ms();
	if (!state.refused || now - state.told_ms < TELL_MS)
		return;
	log_warning(
		"%llu requests were answered 503: more came than this server can do, or may (core.drain)",
		(unsigned long long)state.refused);
	state.told_ms = now;
	state.refused = 0;
}

void overload_turn(void)
{
	own_pressure = core_settings()->overload_delay && fiber_parked_count() > PARKED_MOST
			       ? PRESSURE_FIBERS
			       : 0;
	tell();
}

/* Pages that are handed out may be empty. */
static void make_room(void)
{
	for (struct shard_set *set = shard_set_next(NULL); set; set = shard_set_next(set))
		shard_set_trim(set);
}

void overload_look_at_memory(void)
{
	static bool was_short;
	struct shm_usage usage;
	bool is_short = *memory_is_short;
	if (is_short)
		make_room();
	if (is_short == was_short)
		return;
	was_short = is_short;
	shm_get_usage(&usage);
	if (is_short)
		log_error(
			"shared memory is short (%llu of %llu bytes are taken): new requests get 503; start with a "
			"larger -m or shm_mem_size",
			(unsigned long long)usage.real_used, (unsigned long long)usage.total);
	else
		log_notice("there is enough shared memory again");
}

/* ---- refusing -------------------------------------------------------------------------------------- */

/* Requests that belong to something that was begun. */
static bool is_continuation(const struct message *msg)
{
	uint32_t method = message_method(msg);
	return method == METHOD_ACK || method == METHOD_CANCEL || message_to_tag(msg).at;
}

static bool is_emergency(const struct message *msg)
{
	return span_starts_with_nocase(message_uri(msg), SPAN_OF("urn:service:sos"));
}

static bool is_refused(const struct message *msg, uint32_t pressure)
{
	if (is_continuation(msg) || is_emergency(msg))
		return false;
	if (message_method(msg) != METHOD_OPTIONS)
		return true;
	return pressure & (PRESSURE_DRAIN | PRESSURE_QUEUE_HARD);
}

/* Spread, so that those who were refused together do not come back together. */
static uint32_t retry_after(uint32_t pressure)
{
	if (pressure & PRESSURE_DRAIN)
		return shared->drain_retry_after;
	uint32_t least = (uint32_t)core_settings()->overload_retry_after;
	return least + random_below(least + 1);
}

static void count_refusal(uint32_t pressure)
{
	state.refused++;
	counter_inc(pressure & PRESSURE_DRAIN    ? state.refused_drain
		    : pressure & PRESSURE_MEMORY ? state.refused_memory
						 : state.refused_overload);
}

bool overload_refuses(struct message *msg, uint32_t pressure)
{
	char line[48];
	if (!is_refused(msg, pressure))
		return false;
	struct writer header = writer_fixed(line, sizeof(line));
	writer_printf(&header, "Retry-After: %u\r\n", retry_after(pressure));
	count_refusal(pressure);
	refuse_request(msg, 503, SPAN_OF("Service Unavailable"), writer_result(&header));
	return true;
}

void overload_count_old(void)
{
	counter_inc(state.too_old);
}

/* ---- core.drain ---------------------------------------------------------------------------------------- */

void overload_set_drain(bool is_on, uint32_t seconds)
{
	shared->drain_retry_after = seconds;
	__atomic_store_n(&shared->pressure, is_on ? PRESSURE_DRAIN : 0, __ATOMIC_RELEASE);
}

bool overload_is_draining(void)
{
	return shared->pressure & PRESSURE_DRAIN;
}
