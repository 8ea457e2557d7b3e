/* SPDX-License-Identifier: BSD-2-Clause */
/* load: a bounded SIP load generator for measuring servers. It plays caller and callee over UDP,
 * keeps a window of calls in flight (or a fixed rate), looks at every message that the server sends,
 * and counts what is lost, retransmitted or wrong. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MOST     2048
#define ROUTE_MOST       256
#define COPIED_MOST      640
#define CREDENTIALS_MOST 512
#define SOCKETS_MOST     16
#define WINDOW_MOST      200000

struct text {
	const char *at;
	size_t len;
};

enum scenario {
	SCENARIO_OPTIONS,  /* OPTIONS to the server, which answers */
	SCENARIO_FORWARD,  /* OPTIONS to the callee, through the server */
	SCENARIO_REGISTER, /* a new user with each request */
	SCENARIO_REFRESH,  /* a registered user again */
	SCENARIO_CALL,     /* INVITE 100 180 200 ACK BYE 200 */
	SCENARIO_RING,     /* INVITE 100 180, then nothing */
};
enum stage { STAGE_FREE, STAGE_ASKED, STAGE_RINGING, STAGE_ENDING };

/* One call in flight. Every message of it can be built again from here. */
struct slot {
	enum stage stage;
	bool is_answer_due;
	uint8_t socket, callee_socket;
	uint32_t number; /* unique in a run */
	uint32_t user;
	uint32_t cseq; /* of the first request; the BYE has the next */
	uint64_t started_us, sent_us, answer_at_us;
	struct sockaddr_in answer_to;
	uint16_t route_length, copied_length, credentials_length;
	char route[ROUTE_MOST];   /* value of the Record-Route that the caller saw */
	char copied[COPIED_MOST]; /* Via and Record-Route lines that the callee's answers repeat */
	char credentials[CREDENTIALS_MOST]; /* line of the first request after a challenge */
};

struct settings {
	enum scenario scenario;
	struct sockaddr_in server;
	char server_text[64];
	uint32_t calls, warm_up, users, window, rate, ring_us, patience_us, sockets;
	const char *password; /* of all users; NULL: a challenge is a refusal */
	bool is_scattered;    /* measured calls go to users in no order */
	bool is_stepwise;     /* waits for a line of stdin before the measured calls */
};
const struct settings *settings(void);

/* ---- wire.c: sockets ------------------------------------------------------------------------- */
enum side { SIDE_CALLER, SIDE_CALLEE };
typedef void (*wire_handler)(enum side side, unsigned socket, struct text message,
			     const struct sockaddr_in *from);
/* Opens the sockets of both sides on 127.0.0.1; ends the program when that fails. */
void wire_open(void);
unsigned wire_port(enum side side, unsigned socket);
/* Room for a message of MESSAGE_MOST bytes in the socket's queue; wire_queue sends what was written
 * there with the next wire_flush. */
char *wire_room(enum side side, unsigned socket);
void wire_queue(enum side side, unsigned socket, size_t length, const struct sockaddr_in *to);
void wire_flush(void);
/* Waits at most timeout_us (below a second) and hands over what came, zero-terminated. */
void wire_read(uint64_t timeout_us, wire_handler handler);
_Noreturn void fail(const char *what);

/* ---- seen.c: reading messages -------------------------------------------------------------- */
#define VIAS_MOST 4
struct seen {
	int status;         /* 0: a request */
	struct text method; /* requests: of the first line, replies: of CSeq */
	struct text uri;
	struct text vias[VIAS_MOST]; /* values */
	unsigned via_count;
	struct text record_route; /* value of the first */
	unsigned record_route_count, route_count;
	struct text from, to, contact, cseq, challenge;
	uint32_t slot_index, number; /* out of the Call-ID */
};
bool message_read(struct text message, struct seen *out);
bool text_is(struct text text, const char *word);
bool text_has(struct text text, const char *word);

/* ---- build.c: making messages; each returns the length ---------------------------------------- */
size_t build_request(char *to, const struct slot *slot, const char *method);
size_t build_answer(char *to, const struct slot *slot, const struct seen *request,
		    const char *line);
/* The ACK to a refusal of the first request (RFC 3261 17.1.1.3). */
size_t build_refusal_ack(char *to, const struct slot *slot, const struct seen *refusal);
/* The 200 to the INVITE of a slot, from what it copied. */
size_t build_final_answer(char *to, const struct slot *slot);
/* Who sends the first request of a slot, and its Request-URI; zero-terminated. */
struct login {
	const char *method;
	char user[32], uri[96];
};
void login_write(struct login *out, const struct slot *slot, const char *method);
/* Notes what answers repeat; false when it is too long. */
bool copy_for_answers(struct slot *slot, const struct seen *request);
/* "z9hG4bK…", zero-terminated: the branch of the caller's request. */
void branch_write(char *to, const struct slot *slot, const char *method);
uint32_t slot_index(const struct slot *slot);

/* ---- login.c: digest credentials -------------------------------------------------------------- */
/* Notes the line that answers the challenge of a 401 or 407; false when it cannot be read. */
bool login_answer(struct slot *slot, const struct seen *refusal, const struct login *login);

/* ---- calls.c: what caller and callee do -------------------------------------------------------- */
struct results {
	uint32_t started, done, lost, retransmitted, repeated, wrong;
	uint32_t refused;       /* 503 to the first request */
	uint32_t *latencies_us; /* of the calls done */
	uint64_t took_us;
	uint64_t gap_us; /* longest time in which nothing came from the server */
};
/* Runs `calls` calls (or until all of them ring); ends by itself. Rate and window of the settings are for
 * those that are measured. */
void calls_run(enum scenario scenario, uint32_t calls, bool is_measured, struct results *out);
void calls_prepare(void);
uint64_t now_us(void);
