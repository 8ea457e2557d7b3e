/* SPDX-License-Identifier: BSD-2-Clause */
/* The flight recorder: what a process was doing, kept where its death does not reach. */
#include "core/process/flight.h"

#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/loop/fiber.h"
#include "core/shm/map.h"
#include "core/transport/udp.h"

#define CONDEMNED_MOST 32
#define CONDEMNED_MS   60000
#define STACK_BYTES    (64u << 10)

struct condemned {
	uint64_t hash;
	int64_t until_ms;
};
struct flight_table {
	uint32_t condemned_count; /* ever; the newest CONDEMNED_MOST are kept */
	_Alignas(64) struct condemned condemned[CONDEMNED_MOST];
	_Alignas(64) struct flight_record records[];
};

static const uint32_t nothing;
static const uint32_t *condemned_count = &nothing;
const uint32_t *const *const flight_condemned_address = &condemned_count;

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
#define FATAL_COUNT (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

static struct {
	struct flight_table *table;
	struct flight_record *own;
	const struct datagram *looked_at;
	struct sigaction before[FATAL_COUNT];
	char stack[STACK_BYTES];
} state;
const struct datagram **const flight_looked_at = &state.looked_at;

bool flight_prepare(unsigned processes)
{
	void *frame;
	state.table = shm_reserve(sizeof(*state.table) + processes * sizeof(struct flight_record),
				  "flight");
	if (!state.table)
		return false;
	condemned_count = &state.table->condemned_count;
	/* The first call loads a library, which no signal handler should do. */
	return backtrace(&frame, 1) >= 0;
}

const struct flight_record *flight_take(unsigned process)
{
	static struct flight_record copy;
	const struct flight_record *record = &state.table->records[process];
	uint32_t len = record->len <= sizeof(record->bytes) ? record->len : 0;
	memcpy(&copy, record, offsetof(struct flight_record, bytes) + len);
	copy.len = len;
	return &copy;
}

/* ---- dying -------------------------------------------------------------------------------------- */

static void note(struct flight_record *record, struct span bytes, const struct end_point *source,
		 const struct end_point *local)
{
	if (bytes.len > sizeof(record->bytes))
		return;
	record->source = *source;
	record->local = *local;
	memcpy(record->bytes, bytes.at, bytes.len);
	__atomic_store_n(&record->len, (uint32_t)bytes.len, __ATOMIC_RELEASE);
}

/* The datagram that is looked at, or the message of a fiber that waited and goes on. */
static void note_now(struct flight_record *record)
{
	const struct datagram *datagram = state.looked_at;
	const struct message *msg = fiber_local();
	if (datagram)
		note(record, datagram->bytes, &datagram->source, &datagram->listener->address);
	else if (msg)
		note(record, msg->bytes, &msg->from.source, &msg->from.local);
}

/* A library that cannot go on. */
static void on_exit_within(void)
{
	if (state.own)
		note_now(state.own);
}

/* Runs on a stack of its own, because the process's may be what is broken. Whatever fails here ends
 * the process at once, so the most useful comes first. */
static void on_fatal_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	struct flight_record *record = state.own;
	for (unsigned i = 0; i < FATAL_COUNT; i++)
		if (fatal_signals[i] == number)
			sigaction(number, &state.before[i], NULL);
	if (record) {
		record->signal = number;
		record->code = info->si_code;
		record->address = (uint64_t)(uintptr_t)info->si_addr;
		note_now(record);
		int frames = backtrace(record->frames, FLIGHT_FRAMES);
		__atomic_store_n(&record->frame_count, (uint32_t)frames, __ATOMIC_RELEASE);
	}
	/* A fault happens again and ends the process as it would have; a signal that was sent, here. */
	if (info->si_code <= 0)
		raise(number);
}

void flight_start(unsigned process)
{
	struct sigaction action = { .sa_sigaction = on_fatal_signal,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_sp = state.stack, .ss_size = sizeof(state.stack) };
	state.own = &state.table->records[process];
	state.own->len = state.own->frame_count = 0;
	state.own->signal = 0;
	sigaltstack(&stack, NULL);
	atexit(on_exit_within);
	for (unsigned i = 0; i < FATAL_COUNT; i++)
		sigaction(fatal_signals[i], &action, &state.before[i]);
}

void flight_stop(void)
{
	state.own = NULL;
}

/* ---- messages that kill ---------------------------------------------------------------------------- */

void flight_condemn(const struct flight_record *record)
{
	struct flight_table *table = state.table;
	table->condemned[table->condemned_count % CONDEMNED_MOST] = (struct condemned){
		.hash = hash_bytes(record->bytes, record->len),
		.until_ms = clock_us_now() / 1000 + CONDEMNED_MS,
	};
	__atomic_store_n(&table->condemned_count, table->condemned_count + 1, __ATOMIC_RELEASE);
}

bool flight_compare(struct span bytes)
{
	uint64_t hash = hash_span(bytes);
	for (unsigned i = 0; i < CONDEMNED_MOST; i++)
		if (state.table->condemned[i].hash == hash &&
		    clock_ms() < state.table->condemned[i].until_ms)
			return true;
	return false;
}
