/* SPDX-License-Identifier: BSD-2-Clause */
/* load: a bounded SIP load generator for measuring servers. It plays caller and callee over UDP
 * with prepared messages, keeps a window of calls in flight (or a fixed rate), and counts what is
 * lost, retransmitted or answered wrongly. It ends by itself.
 *
 *   load options|register|call --server HOST:PORT --calls N [--window W] [--rate R] [--ring MS]
 *        [--sockets N] [--first N]
 *
 * Prints one line of key=value pairs. A call is INVITE 100 180 200 ACK BYE 200: 13 datagrams
 * through the server. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGE_SIZE = 4096,
	BATCH = 32,
	MAX_SOCKETS = 16,
	MAX_WINDOW = 4096,
	RETRANSMIT_US = 500 * 1000,
	GIVE_UP_US = 8 * 1000 * 1000,
	SCAN_US = 50 * 1000,
};

enum scenario { SCENARIO_OPTIONS, SCENARIO_REGISTER, SCENARIO_CALL };
enum stage { STAGE_FREE, STAGE_ASKED, STAGE_RINGING, STAGE_ENDING };

static const char *const scenario_names[] = {
	[SCENARIO_OPTIONS] = "options",
	[SCENARIO_REGISTER] = "register",
	[SCENARIO_CALL] = "call",
};

/* One call in flight. `last` is what the caller retransmits. */
struct slot {
	enum stage stage;
	uint32_t number;
	int socket;
	uint64_t started_us, sent_us;
	size_t last_length;
	char last[MESSAGE_SIZE];
	bool answer_due;
	uint64_t answer_at_us;
	struct sockaddr_in answer_to;
	size_t answer_length;
	char answer[MESSAGE_SIZE];
};

static struct {
	enum scenario scenario;
	struct sockaddr_in server;
	char server_text[64];
	uint32_t calls, first, window, rate, ring_us;
	int sockets;
} options = { .calls = 10000, .window = 64, .ring_us = 3000, .sockets = 4 };

static struct {
	struct slot *slots;
	uint32_t *free_slots;
	uint32_t free_count, busy_count;
	uint32_t started, done, lost, retransmitted, wrong, repeated;
	uint32_t *latencies_us;
	int callers[MAX_SOCKETS], callees[MAX_SOCKETS];
	int caller_ports[MAX_SOCKETS], callee_ports[MAX_SOCKETS];
	/* Slots whose 200 is due, oldest first: the delay is the same for all. */
	uint32_t *due;
	uint32_t due_head, due_tail;
} state;

static const char sdp[] =
	"v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
	"m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- finding things in messages ------------------------------------------------------------ */

/* The line that starts with `name` (as the servers under test write it), without CRLF; length 0
 * when there is none. `from` is where to start looking. */
static const char *header_line(const char *from, const char *name, size_t *out_length)
{
	size_t name_length = strlen(name);

	for (const char *line = from; (line = strstr(line, "\r\n")) != NULL;) {
		line += 2;
		if (line[0] == '\r' && line[1] == '\n')
			break;
		if (strncasecmp(line, name, name_length) == 0) {
			*out_length = (size_t)(strstr(line, "\r\n") - line);
			return line;
		}
	}
	*out_length = 0;
	return NULL;
}

/* Appends every line that starts with `name`, in order. */
static size_t copy_lines(char *to, size_t room, const char *message, const char *name)
{
	size_t used = 0, length;

	for (const char *line = header_line(message, name, &length); line != NULL;
	     line = header_line(line, name, &length)) {
		if (used + length + 3 > room)
			return used;
		memcpy(to + used, line, length);
		memcpy(to + used + length, "\r\n", 3);
		used += length + 2;
	}
	return used;
}

/* The slot that a message belongs to, from "Call-ID: bench-SLOT-NUMBER"; NULL when it is over. */
static struct slot *slot_of(const char *message)
{
	unsigned index, number;
	size_t length;
	const char *line = header_line(message, "Call-ID:", &length);

	if (line == NULL || sscanf(line + 8, " bench-%u-%u", &index, &number) != 2)
		return NULL;
	if (index >= options.window || state.slots[index].number != number)
		return NULL;
	return &state.slots[index];
}

/* ---- sending ------------------------------------------------------------------------------- */

static void send_to(int fd, const char *bytes, size_t length, const struct sockaddr_in *to)
{
	/* A full queue is the network's loss: the retransmission repairs it. */
	(void)!sendto(fd, bytes, length, 0, (const struct sockaddr *)to, sizeof(*to));
}

/* Sends a request of the caller and keeps it for retransmission. */
static void send_request(struct slot *slot, int length)
{
	if (length <= 0 || length >= MESSAGE_SIZE)
		fail("message too long");
	slot->last_length = (size_t)length;
	slot->sent_us = now_us();
	send_to(state.callers[slot->socket], slot->last, slot->last_length, &options.server);
}

static void start_options(struct slot *slot, unsigned index)
{
	send_request(slot, snprintf(slot->last, MESSAGE_SIZE,
		"OPTIONS sip:%s SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bKo%x.%x\r\n"
		"Max-Forwards: 70\r\n"
		"From: <sip:caller@%s>;tag=f%x\r\n"
		"To: <sip:%s>\r\n"
		"Call-ID: bench-%u-%u\r\n"
		"CSeq: 1 OPTIONS\r\n"
		"Contact: <sip:caller@127.0.0.1:%d>\r\n"
		"User-Agent: bench\r\n"
		"Accept: application/sdp\r\n"
		"Content-Length: 0\r\n\r\n",
		options.server_text, state.caller_ports[slot->socket], index, slot->number,
		options.server_text, slot->number, options.server_text, index, slot->number,
		state.caller_ports[slot->socket]));
}

static void start_register(struct slot *slot, unsigned index)
{
	send_request(slot, snprintf(slot->last, MESSAGE_SIZE,
		"REGISTER sip:%s SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bKr%x.%x\r\n"
		"Max-Forwards: 70\r\n"
		"From: <sip:u%u@%s>;tag=f%x\r\n"
		"To: <sip:u%u@%s>\r\n"
		"Call-ID: bench-%u-%u\r\n"
		"CSeq: 1 REGISTER\r\n"
		"Contact: <sip:u%u@127.0.0.1:%d>\r\n"
		"Expires: 3600\r\n"
		"User-Agent: bench\r\n"
		"Content-Length: 0\r\n\r\n",
		options.server_text, state.caller_ports[slot->socket], index, slot->number,
		slot->number, options.server_text, slot->number, slot->number, options.server_text,
		index, slot->number, slot->number, state.caller_ports[slot->socket]));
}

static void start_call(struct slot *slot, unsigned index)
{
	send_request(slot, snprintf(slot->last, MESSAGE_SIZE,
		"INVITE sip:callee@127.0.0.1:%d SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bKi%x.%x\r\n"
		"Max-Forwards: 70\r\n"
		"From: \"Caller\" <sip:caller@%s>;tag=f%x\r\n"
		"To: <sip:callee@%s>\r\n"
		"Call-ID: bench-%u-%u\r\n"
		"CSeq: 1 INVITE\r\n"
		"Contact: <sip:caller@127.0.0.1:%d>\r\n"
		"User-Agent: bench\r\n"
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
		"Content-Type: application/sdp\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		state.callee_ports[slot->socket], state.caller_ports[slot->socket], index,
		slot->number, options.server_text, slot->number, options.server_text, index,
		slot->number, state.caller_ports[slot->socket], sizeof(sdp) - 1, sdp));
}

static void start_next(void)
{
	unsigned index = state.free_slots[--state.free_count];
	struct slot *slot = &state.slots[index];

	slot->stage = STAGE_ASKED;
	slot->number = options.first + ++state.started;
	slot->socket = (int)(slot->number % (uint32_t)options.sockets);
	slot->started_us = now_us();
	slot->answer_due = false;
	slot->answer_length = 0;
	state.busy_count++;
	switch (options.scenario) {
	case SCENARIO_OPTIONS:
		start_options(slot, index);
		break;
	case SCENARIO_REGISTER:
		start_register(slot, index);
		break;
	case SCENARIO_CALL:
		start_call(slot, index);
		break;
	}
}

static void finish(struct slot *slot, bool good)
{
	if (good)
		state.latencies_us[state.done++] = (uint32_t)(now_us() - slot->started_us);
	slot->stage = STAGE_FREE;
	slot->number = 0;
	state.free_slots[state.free_count++] = (uint32_t)(slot - state.slots);
	state.busy_count--;
}

/* ---- the caller ---------------------------------------------------------------------------- */

/* ACK or BYE in the dialog that the 200 `reply` made: its Contact, its Record-Route (one proxy, so
 * the order does not matter). Returns the length. */
static int dialog_request(struct slot *slot, char *to, const char *reply, const char *method,
			  int cseq)
{
	char routes[1024], line[1024];
	size_t length, used = 0;
	const char *contact = header_line(reply, "Contact:", &length);
	const char *open = contact ? memchr(contact, '<', length) : NULL;
	const char *close = open ? memchr(open, '>', length - (size_t)(open - contact)) : NULL;
	const char *to_line;
	size_t to_length;

	to_line = header_line(reply, "To:", &to_length);
	if (close == NULL || to_line == NULL)
		return 0;
	routes[0] = '\0';
	for (const char *at = header_line(reply, "Record-Route:", &length); at != NULL;
	     at = header_line(at, "Record-Route:", &length)) {
		int n = snprintf(line, sizeof(line), "Route:%.*s\r\n", (int)(length - 13), at + 13);
		if (n <= 0 || used + (size_t)n >= sizeof(routes))
			return 0;
		memcpy(routes + used, line, (size_t)n + 1);
		used += (size_t)n;
	}
	return snprintf(to, MESSAGE_SIZE,
		"%s %.*s SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bK%s%x.%x\r\n"
		"Max-Forwards: 70\r\n"
		"%s"
		"From: \"Caller\" <sip:caller@%s>;tag=f%x\r\n"
		"%.*s\r\n"
		"Call-ID: bench-%u-%u\r\n"
		"CSeq: %d %s\r\n"
		"User-Agent: bench\r\n"
		"Content-Length: 0\r\n\r\n",
		method, (int)(close - open - 1), open + 1, state.caller_ports[slot->socket], method,
		(unsigned)(slot - state.slots), slot->number, routes, options.server_text,
		slot->number, (int)to_length, to_line, (unsigned)(slot - state.slots), slot->number,
		cseq, method);
}

static void acknowledge(struct slot *slot, const char *reply)
{
	char ack[MESSAGE_SIZE];
	int length = dialog_request(slot, ack, reply, "ACK", 1);

	if (length > 0)
		send_to(state.callers[slot->socket], ack, (size_t)length, &options.server);
}

static void caller_receives(const char *message)
{
	struct slot *slot = slot_of(message);
	size_t length;
	const char *cseq = header_line(message, "CSeq:", &length);
	int status = strncmp(message, "SIP/2.0 ", 8) == 0 ? (int)strtol(message + 8, NULL, 10) : 0;
	bool to_invite = cseq != NULL && memmem(cseq, length, "INVITE", 6) != NULL;

	if (slot == NULL || slot->stage == STAGE_FREE) {
		state.repeated++;
		return;
	}
	if (status >= 100 && status < 200)
		slot->stage = slot->stage == STAGE_ASKED ? STAGE_RINGING : slot->stage;
	else if (status != 200) {
		if (state.wrong++ == 0)
			fprintf(stderr, "load: wrong answer: %.*s\n",
				(int)strcspn(message, "\r\n"), message);
		finish(slot, false);
	} else if (options.scenario != SCENARIO_CALL || !to_invite)
		finish(slot, true);
	else if (slot->stage == STAGE_ENDING) {
		state.repeated++;
		acknowledge(slot, message);
	} else {
		acknowledge(slot, message);
		slot->stage = STAGE_ENDING;
		send_request(slot, dialog_request(slot, slot->last, message, "BYE", 2));
	}
}

/* ---- the callee ---------------------------------------------------------------------------- */

/* A reply to `request` with the headers that a reply copies; returns the length. */
static size_t build_reply(char *to, const char *request, const struct slot *slot, const char *line,
			  bool with_body)
{
	int n = snprintf(to, MESSAGE_SIZE, "SIP/2.0 %s\r\n", line);
	size_t used = (size_t)n, length;
	const char *to_line = header_line(request, "To:", &length);
	bool has_tag = to_line != NULL && memmem(to_line, length, ";tag=", 5) != NULL;

	used += copy_lines(to + used, MESSAGE_SIZE - used, request, "Via:");
	used += copy_lines(to + used, MESSAGE_SIZE - used, request, "Record-Route:");
	used += copy_lines(to + used, MESSAGE_SIZE - used, request, "From:");
	n = snprintf(to + used, MESSAGE_SIZE - used, "%.*s", (int)length, to_line ? to_line : "");
	used += (size_t)n;
	if (!has_tag)
		used += (size_t)snprintf(to + used, MESSAGE_SIZE - used, ";tag=t%x", slot->number);
	used += (size_t)snprintf(to + used, MESSAGE_SIZE - used, "\r\n");
	used += copy_lines(to + used, MESSAGE_SIZE - used, request, "Call-ID:");
	used += copy_lines(to + used, MESSAGE_SIZE - used, request, "CSeq:");
	n = snprintf(to + used, MESSAGE_SIZE - used,
		     "Contact: <sip:callee@127.0.0.1:%d>\r\nUser-Agent: bench\r\n%s"
		     "Content-Length: %zu\r\n\r\n%s",
		     state.callee_ports[slot->socket],
		     with_body ? "Content-Type: application/sdp\r\n" : "",
		     with_body ? sizeof(sdp) - 1 : 0, with_body ? sdp : "");
	used += (size_t)n;
	if (used >= MESSAGE_SIZE)
		fail("reply too long");
	return used;
}

static void callee_receives(const char *message, const struct sockaddr_in *from)
{
	struct slot *slot = slot_of(message);
	char reply[MESSAGE_SIZE];
	size_t length;

	if (slot == NULL || slot->stage == STAGE_FREE) {
		state.repeated++;
		return;
	}
	if (strncmp(message, "INVITE ", 7) == 0) {
		if (slot->answer_length != 0) {
			state.repeated++;
			return;
		}
		slot->answer_to = *from;
		slot->answer_length = build_reply(slot->answer, message, slot, "200 OK", true);
		slot->answer_at_us = now_us() + options.ring_us;
		slot->answer_due = true;
		state.due[state.due_tail++ % (options.window * 2)] = (uint32_t)(slot - state.slots);
		length = build_reply(reply, message, slot, "180 Ringing", false);
	} else if (strncmp(message, "BYE ", 4) == 0)
		length = build_reply(reply, message, slot, "200 OK", false);
	else
		return;
	send_to(state.callees[slot->socket], reply, length, from);
}

/* Sends the answers whose ringing is over. */
static void answer_calls(uint64_t now)
{
	while (state.due_head != state.due_tail) {
		struct slot *slot = &state.slots[state.due[state.due_head % (options.window * 2)]];

		if (slot->answer_due && slot->answer_at_us > now)
			return;
		state.due_head++;
		if (slot->answer_due)
			send_to(state.callees[slot->socket], slot->answer, slot->answer_length,
				&slot->answer_to);
		slot->answer_due = false;
	}
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void read_socket(int fd, bool is_callee)
{
	static char bytes[BATCH][MESSAGE_SIZE * 2];
	struct sockaddr_in from[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	int count;

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) - 1 };
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
			.msg_namelen = sizeof(from[i]), .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		bytes[i][messages[i].msg_len] = '\0';
		if (is_callee)
			callee_receives(bytes[i], &from[i]);
		else
			caller_receives(bytes[i]);
	}
}

/* Retransmits what has no answer for long, gives up what never gets one. */
static void scan(uint64_t now)
{
	for (uint32_t i = 0; i < options.window; i++) {
		struct slot *slot = &state.slots[i];

		if (slot->stage == STAGE_FREE)
			continue;
		if (now - slot->started_us > GIVE_UP_US) {
			state.lost++;
			finish(slot, false);
		} else if (slot->stage == STAGE_RINGING && slot->answer_length != 0 &&
			   !slot->answer_due && now - slot->answer_at_us > RETRANSMIT_US) {
			state.retransmitted++;
			slot->answer_at_us = now;
			send_to(state.callees[slot->socket], slot->answer, slot->answer_length,
				&slot->answer_to);
		} else if (slot->stage != STAGE_RINGING && now - slot->sent_us > RETRANSMIT_US) {
			state.retransmitted++;
			slot->sent_us = now;
			send_to(state.callers[slot->socket], slot->last, slot->last_length,
				&options.server);
		}
	}
}

/* How many calls may be started now. */
static uint32_t allowance(uint64_t now, uint64_t begin)
{
	uint32_t left = options.calls - state.started;
	uint32_t room = state.free_count;

	if (options.rate != 0) {
		uint64_t due = (now - begin) * options.rate / 1000000 + 1;
		if (due <= state.started)
			return 0;
		if (due - state.started < room)
			room = (uint32_t)(due - state.started);
	}
	return room < left ? room : left;
}

static void run(void)
{
	struct pollfd polled[MAX_SOCKETS * 2];
	uint64_t begin = now_us(), scanned = begin;
	int count = 0;

	for (int i = 0; i < options.sockets; i++) {
		polled[count++] = (struct pollfd){ .fd = state.callers[i], .events = POLLIN };
		polled[count++] = (struct pollfd){ .fd = state.callees[i], .events = POLLIN };
	}
	while (state.started < options.calls || state.busy_count > 0) {
		uint64_t now = now_us();

		for (uint32_t n = allowance(now, begin); n > 0; n--)
			start_next();
		now = now_us();
		answer_calls(now);
		if (now - scanned > SCAN_US) {
			scan(now);
			scanned = now;
		}
		if (poll(polled, (nfds_t)count, 1) <= 0)
			continue;
		for (int i = 0; i < count; i++)
			if (polled[i].revents & POLLIN)
				read_socket(polled[i].fd, i % 2 == 1);
	}
}

/* ---- set-up and report --------------------------------------------------------------------- */

static int open_socket(int *out_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int buffer = 4 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) != 0)
		fail("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	*out_port = ntohs(address.sin_port);
	return fd;
}

static void prepare(void)
{
	state.slots = calloc(options.window, sizeof(*state.slots));
	state.free_slots = calloc(options.window, sizeof(*state.free_slots));
	state.due = calloc(options.window * 2, sizeof(*state.due));
	state.latencies_us = calloc(options.calls, sizeof(*state.latencies_us));
	if (!state.slots || !state.free_slots || !state.due || !state.latencies_us)
		fail("memory");
	for (uint32_t i = 0; i < options.window; i++)
		state.free_slots[state.free_count++] = options.window - 1 - i;
	for (int i = 0; i < options.sockets; i++) {
		state.callers[i] = open_socket(&state.caller_ports[i]);
		state.callees[i] = open_socket(&state.callee_ports[i]);
	}
}

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

static void report(uint64_t took_us)
{
	uint32_t n = state.done;

	qsort(state.latencies_us, n, sizeof(*state.latencies_us), compare);
	printf("done=%u lost=%u retransmitted=%u repeated=%u wrong=%u seconds=%.3f per_second=%.0f "
	       "p50_us=%u p99_us=%u\n", n, state.lost, state.retransmitted, state.repeated,
	       state.wrong, (double)took_us / 1e6, (double)n * 1e6 / (double)took_us,
	       n ? state.latencies_us[n / 2] : 0, n ? state.latencies_us[n * 99 / 100] : 0);
}

static bool read_server(const char *text)
{
	char host[64];
	unsigned port;

	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port > 65535)
		return false;
	options.server = (struct sockaddr_in){ .sin_family = AF_INET,
					       .sin_port = htons((uint16_t)port) };
	snprintf(options.server_text, sizeof(options.server_text), "%s", text);
	/* Loads go to this machine only. */
	return inet_pton(AF_INET, host, &options.server.sin_addr) == 1 &&
	       ntohl(options.server.sin_addr.s_addr) >> 24 == 127;
}

static bool read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "server", 1, NULL, 's' },	{ "calls", 1, NULL, 'n' },
		{ "window", 1, NULL, 'w' },	{ "rate", 1, NULL, 'r' },
		{ "ring", 1, NULL, 'g' },	{ "sockets", 1, NULL, 'k' },
		{ "first", 1, NULL, 'f' },	{ 0 },
	};
	bool has_server = false;
	int letter;

	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		uint32_t number = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;

		switch (letter) {
		case 's': has_server = read_server(optarg); break;
		case 'n': options.calls = number; break;
		case 'w': options.window = number; break;
		case 'r': options.rate = number; break;
		case 'g': options.ring_us = number * 1000; break;
		case 'k': options.sockets = (int)number; break;
		case 'f': options.first = number; break;
		default: return false;
		}
	}
	if (optind + 1 != argc)
		return false;
	for (size_t i = 0; i < sizeof(scenario_names) / sizeof(*scenario_names); i++)
		if (strcmp(argv[optind], scenario_names[i]) == 0) {
			options.scenario = (enum scenario)i;
			return has_server && options.calls > 0 && options.calls <= 10000000 &&
			       options.window > 0 && options.window <= MAX_WINDOW &&
			       options.sockets > 0 && options.sockets <= MAX_SOCKETS;
		}
	return false;
}

int main(int argc, char **argv)
{
	uint64_t begin;

	if (!read_options(argc, argv)) {
		fprintf(stderr, "usage: load options|register|call --server 127.x.y.z:PORT "
			"[--calls N] [--window W] [--rate R] [--ring MS] [--sockets N]\n");
		return 2;
	}
	prepare();
	begin = now_us();
	run();
	report(now_us() - begin);
	return state.lost || state.wrong ? 1 : 0;
}
