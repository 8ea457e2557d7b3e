/* SPDX-License-Identifier: BSD-2-Clause */
/* Options and report. Prints one line of key=value pairs; with --stepwise first a line "ready" when
 * users are registered and the server is warm, and goes on with the next line of stdin. After
 * `ring` it prints its report and keeps the calls ringing until stdin ends.
 *
 * Exit status: 0 everything right, 1 calls lost or wrong, 2 could not run. */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "load.h"

static struct settings chosen = {
	.calls = 10000, .window = 64, .ring_us = 3000, .sockets = 2, .patience_us = 500 * 1000
};

const struct settings *settings(void)
{
	return &chosen;
}

static const char *const scenario_names[] = {
	[SCENARIO_OPTIONS] = "options",
	[SCENARIO_FORWARD] = "forward",
	[SCENARIO_REGISTER] = "register",
	[SCENARIO_REFRESH] = "refresh",
	[SCENARIO_CALL] = "call",
	[SCENARIO_RING] = "ring",
};

static const char usage[] =
	"usage: load options|forward|register|refresh|call|ring --server 127.x.y.z:PORT\n"
	"  --calls N     measured calls          --warm-up N   calls before, not measured\n"
	"  --users N     registered beforehand   --window N    calls in flight at most\n"
	"  --rate N      calls a second (0: as fast as the window allows)\n"
	"  --ring MS     until the callee answers\n"
	"  --patience MS until the first retransmission\n"
	"  --sockets N   of each side            --password TEXT of all users\n"
	"  --scatter     users in no order      --stepwise    says \"ready\", waits for a line\n";

static bool read_server(const char *text)
{
	char host[64];
	unsigned port;

	if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port > 65535)
		return false;
	chosen.server =
		(struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	snprintf(chosen.server_text, sizeof(chosen.server_text), "%s", text);
	/* Loads go to this machine only. */
	return inet_pton(AF_INET, host, &chosen.server.sin_addr) == 1 &&
	       ntohl(chosen.server.sin_addr.s_addr) >> 24 == 127;
}

static const struct option long_options[] = {
	{ "server", 1, NULL, 's' },   { "calls", 1, NULL, 'n' },   { "warm-up", 1, NULL, 'u' },
	{ "users", 1, NULL, 'U' },    { "window", 1, NULL, 'w' },  { "rate", 1, NULL, 'r' },
	{ "ring", 1, NULL, 'g' },     { "patience", 1, NULL, 'p' }, { "sockets", 1, NULL, 'k' },
	{ "stepwise", 0, NULL, 'S' }, { "scatter", 0, NULL, 'x' }, { "password", 1, NULL, 'P' }, { 0 },
};

static bool read_option(int letter, const char *text)
{
	uint32_t number = text ? (uint32_t)strtoul(text, NULL, 10) : 0;

	switch (letter) {
	case 's': return read_server(text);
	case 'n': chosen.calls = number; return true;
	case 'u': chosen.warm_up = number; return true;
	case 'U': chosen.users = number; return true;
	case 'w': chosen.window = number; return true;
	case 'r': chosen.rate = number; return true;
	case 'g': chosen.ring_us = number * 1000; return true;
	case 'p': chosen.patience_us = number * 1000; return true;
	case 'k': chosen.sockets = number; return true;
	case 'x': chosen.is_scattered = true; return true;
	case 'P': chosen.password = text; return true;
	case 'S': chosen.is_stepwise = true; return true;
	default: return false;
	}
}

static bool read_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!read_option(letter, optarg))
			return false;
	if (optind + 1 != argc)
		return false;
	for (size_t i = 0; i < sizeof(scenario_names) / sizeof(*scenario_names); i++)
		if (strcmp(argv[optind], scenario_names[i]) == 0) {
			chosen.scenario = (enum scenario)i;
			return chosen.server.sin_port && chosen.calls && chosen.calls <= 10000000 &&
			       chosen.users <= 10000000 && chosen.window &&
			       chosen.window <= WINDOW_MOST && chosen.sockets &&
			       chosen.sockets <= SOCKETS_MOST && chosen.patience_us;
		}
	return false;
}

/* Users and warm-up: all of them must succeed. */
static bool prepare(void)
{
	struct results results;
	bool is_good = true;

	if (chosen.users) {
		calls_run(SCENARIO_REFRESH, chosen.users, false, &results);
		is_good = results.done == chosen.users;
		free(results.latencies_us);
	}
	if (chosen.warm_up) {
		calls_run(chosen.scenario == SCENARIO_RING ? SCENARIO_CALL : chosen.scenario,
			  chosen.warm_up, false, &results);
		is_good = is_good && results.done == chosen.warm_up;
		free(results.latencies_us);
	}
	return is_good;
}

static void wait_for_line(void)
{
	int c;

	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

static double cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static void report(const struct results *r, double own_us)
{
	uint32_t n = r->done;

	qsort(r->latencies_us, n, sizeof(*r->latencies_us), compare);
	printf("done=%u lost=%u retransmitted=%u repeated=%u wrong=%u seconds=%.3f per_second=%.0f "
	       "p50_us=%u p99_us=%u own_us=%.2f refused=%u gap_us=%llu\n",
	       n, r->lost, r->retransmitted, r->repeated, r->wrong, (double)r->took_us / 1e6,
	       (double)n * 1e6 / (double)r->took_us, n ? r->latencies_us[n / 2] : 0,
	       n ? r->latencies_us[(uint64_t)n * 99 / 100] : 0, n ? own_us / n : 0, r->refused,
	       (unsigned long long)r->gap_us);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct results results;

	if (!read_options(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	wire_open();
	calls_prepare();
	bool is_good = prepare();
	if (!is_good)
		fputs("load: users or calls of the warm-up were refused or lost\n", stderr);
	if (chosen.is_stepwise) {
		puts("ready");
		fflush(stdout);
		wait_for_line();
	}
	double before = cpu_us();
	calls_run(chosen.scenario, chosen.calls, true, &results);
	report(&results, cpu_us() - before);
	if (chosen.scenario == SCENARIO_RING)
		while (getchar() != EOF)
			;
	return is_good && results.lost == 0 && results.wrong == 0 ? 0 : 1;
}
