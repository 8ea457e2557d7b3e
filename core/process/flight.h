/* SPDX-License-Identifier: BSD-2-Clause */
/* flight: the flight recorder. Each process knows on which message it works; when it dies of a signal that
 * can be handled, the handler copies that and where it was to shared memory, and the supervisor writes a
 * crash file of it (crash_file.h). A message that killed a process is known from then on and is not worked on again
 * for a minute, so that its retransmissions kill nobody. */
#pragma once

#include "core/message/message.h"

#define FLIGHT_FRAMES 64

struct flight_record {
	/* the message that was being worked on */
	uint32_t len; /* 0: none; stored last */
	struct end_point source, local;
	/* what the handler saw */
	uint32_t frame_count;
	int signal;
	int code;
	uint64_t address;
	void *frames[FLIGHT_FRAMES];
	char bytes[65536];
};

/* Reserves a recorder for each of `processes`; before the first fork. */
[[nodiscard]] bool flight_prepare(unsigned processes);
/* In the new process of role `process`: recorder and handlers are its own from here on. */
void flight_start(unsigned process);
/* Recorder and handlers are not for this process (a child that compiles). */
void flight_stop(void);
/* Supervisor: a copy of what a dead process noted, valid until the next call; before its successor is
 * started. */
const struct flight_record *flight_take(unsigned process);

/* What is being worked on, NULL when it needs no more work for now. */
struct datagram;
extern const struct datagram **const flight_looked_at;
static inline void flight_look_at(const struct datagram *datagram)
{
	*flight_looked_at = datagram;
}

/* Supervisor: the message of this record killed its process. */
void flight_condemn(const struct flight_record *record);
extern const uint32_t *const *const flight_condemned_address;
bool flight_compare(struct span bytes);
/* Did these bytes kill a process within the last minute? One load when nothing ever did. */
static inline bool flight_is_condemned(struct span bytes)
{
	return __builtin_expect(**flight_condemned_address != 0, 0) && flight_compare(bytes);
}
