/* SPDX-License-Identifier: BSD-2-Clause */
/* Host names while the server starts. The system's resolver asks each server several times and cannot
 * be told when to stop, so that a child asks it: what the child has not said in time is not waited for. */
#include "core/net/names.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"

enum {
	PATIENCE_MS = 2000, /* for all names of a start that get no answer */
	TELL_MS = 500,
	GRACE_MS = 50, /* after that: enough for what /etc/hosts knows */
	/* A reload long after the start is patient anew. */
	FORGET_MS = 20000,
	ADDRESSES_MOST = 32,
};

static struct {
	int64_t since_ms;
	int64_t waited_ms;
} state;

struct answer {
	unsigned count;
	struct end_point addresses[ADDRESSES_MOST];
};

/* Is `name` this domain or below it? A dot at the end says that the name is complete. */
static bool is_below(struct span name, struct span domain)
{
	if (name.len && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len < domain.len)
		return false;
	struct span tail = span_slice(name, name.len - domain.len, domain.len);
	return span_equal_nocase(tail, domain) &&
	       (name.len == domain.len || name.at[name.len - domain.len - 1] == '.');
}

static unsigned loopback(struct end_point *out_addresses, unsigned most)
{
	static const struct end_point known[] = { { .family = AF_INET, .ip = { 127, 0, 0, 1 } },
						  { .family = AF_INET6, .ip = { [15] = 1 } } };
	unsigned count = 0;
	while (count < most && count < sizeof(known) / sizeof(known[0])) {
		out_addresses[count] = known[count];
		count++;
	}
	return count;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct answer ask_system(const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found = NULL;
	struct answer answer = { 0 };
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return answer;
	for (const struct addrinfo *one = found; one && answer.count < ADDRESSES_MOST;
	     one = one->ai_next) {
		struct sockaddr_storage address = { 0 };
		if (one->ai_family != AF_INET && one->ai_family != AF_INET6)
			continue;
		memcpy(&address, one->ai_addr, one->ai_addrlen);
		end_point_from_sockaddr(&address, TRANSPORT_NONE,
					&answer.addresses[answer.count++]);
	}
	freeaddrinfo(found);
	return answer;
}

static bool is_readable_within(int fd, int64_t ms)
{
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	int64_t end = now_ms() + ms;
	while (ms > 0) {
		if (poll(&waiting, 1, (int)ms) > 0)
			return true;
		ms = end - now_ms();
	}
	return false;
}

/* Whether the child has answered before our patience ends. */
static bool wait_answer(const char *name, int fd, struct answer *out_answer)
{
	int64_t begun = now_ms();
	if (begun - state.since_ms > FORGET_MS)
		state.waited_ms = 0;
	state.since_ms = begun;
	int64_t patience = PATIENCE_MS - state.waited_ms;
	if (patience < GRACE_MS)
		patience = GRACE_MS;
	bool is_there = is_readable_within(fd, patience < TELL_MS ? patience : TELL_MS);
	if (!is_there && patience > TELL_MS) {
		log_warning("waiting for the address of \"%s\": the name server does not answer",
			    name);
		is_there = is_readable_within(fd, patience - TELL_MS);
	}
	if (!is_there) {
		state.waited_ms += now_ms() - begun;
		log_error("no address of \"%s\" within %d s: the name server does not answer; "
			  "see /etc/resolv.conf, or write the address instead of the name",
			  name, PATIENCE_MS / 1000);
		return false;
	}
	return read(fd, out_answer, sizeof(*out_answer)) == sizeof(*out_answer);
}

static struct answer ask_child(const char *name)
{
	struct answer answer = { 0 }, heard;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ask_system(name);
	pid_t child = fork();
	if (child == 0) {
		answer = ask_system(name);
		_exit(write(ends[1], &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
	}
	close(ends[1]);
	if (child < 0)
		answer = ask_system(name);
	else if (wait_answer(name, ends[0], &heard))
		answer = heard;
	close(ends[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return answer;
}

unsigned name_addresses(struct span name, struct end_point *out_addresses, unsigned most)
{
	char copy[NI_MAXHOST];
	struct end_point literal = { 0 };
	if (most && end_point_parse_ip(name, &literal)) {
		out_addresses[0] = literal;
		return 1;
	}
	if (is_below(name, SPAN_OF("localhost")))
		return loopback(out_addresses, most);
	if (name.len == 0 || name.len >= sizeof(copy) || memchr(name.at, '\0', name.len) ||
	    is_below(name, SPAN_OF("invalid")))
		return 0;
	memcpy(copy, name.at, name.len);
	copy[name.len] = '\0';
	struct answer answer = ask_child(copy);
	unsigned count = answer.count < most ? answer.count : most;
	memcpy(out_addresses, answer.addresses, count * sizeof(*out_addresses));
	return count;
}
