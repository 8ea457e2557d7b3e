/* SPDX-License-Identifier: BSD-2-Clause */
/* Every pair of state and event of the four machines, as RFC 3261 17, RFC 6026 and RFC 4320 want it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "modules/tm/machine.c"

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct pair {
	const char *why;
	int kind, state, event, next;
	unsigned actions;
};

#define I MACHINE_INVITE
#define O MACHINE_OTHER
static const struct pair client_pairs[] = {
	{ "17.1.1.2: a provisional stops repetition", I, CLIENT_CALLING, CLIENT_HEARS_1XX,
	  CLIENT_PROCEEDING, DO_STOP | DO_PASS },
	{ "6026 7.2: a 2xx is passed", I, CLIENT_CALLING, CLIENT_HEARS_2XX, CLIENT_ACCEPTED,
	  DO_STOP | DO_PASS },
	{ "17.1.1.2: a failure is acknowledged", I, CLIENT_CALLING, CLIENT_HEARS_FAILURE,
	  CLIENT_COMPLETED, DO_STOP | DO_ACK | DO_PASS },
	{ "timer A", I, CLIENT_CALLING, CLIENT_REPEATS, CLIENT_CALLING, DO_SEND },
	{ "timer B", I, CLIENT_CALLING, CLIENT_TIMES_OUT, CLIENT_TERMINATED, DO_STOP | DO_FAIL },
	{ "given up", I, CLIENT_CALLING, CLIENT_GIVES_UP, CLIENT_TERMINATED, DO_STOP },
	{ "further provisionals pass", I, CLIENT_PROCEEDING, CLIENT_HEARS_1XX, CLIENT_PROCEEDING,
	  DO_PASS },
	{ "6026 7.2", I, CLIENT_PROCEEDING, CLIENT_HEARS_2XX, CLIENT_ACCEPTED, DO_STOP | DO_PASS },
	{ "17.1.1.2", I, CLIENT_PROCEEDING, CLIENT_HEARS_FAILURE, CLIENT_COMPLETED,
	  DO_STOP | DO_ACK | DO_PASS },
	{ "no repetition after a provisional", I, CLIENT_PROCEEDING, CLIENT_REPEATS,
	  CLIENT_PROCEEDING, 0 },
	{ "timer C", I, CLIENT_PROCEEDING, CLIENT_TIMES_OUT, CLIENT_TERMINATED, DO_STOP | DO_FAIL },
	{ "given up", I, CLIENT_PROCEEDING, CLIENT_GIVES_UP, CLIENT_TERMINATED, DO_STOP },
	{ "a late provisional", I, CLIENT_ACCEPTED, CLIENT_HEARS_1XX, CLIENT_ACCEPTED, 0 },
	{ "6026 7.2: repeated 2xx pass", I, CLIENT_ACCEPTED, CLIENT_HEARS_2XX, CLIENT_ACCEPTED,
	  DO_PASS },
	{ "a failure after a 2xx is ignored", I, CLIENT_ACCEPTED, CLIENT_HEARS_FAILURE,
	  CLIENT_ACCEPTED, 0 },
	{ "nothing to repeat", I, CLIENT_ACCEPTED, CLIENT_REPEATS, CLIENT_ACCEPTED, 0 },
	{ "nothing to wait for", I, CLIENT_ACCEPTED, CLIENT_TIMES_OUT, CLIENT_ACCEPTED, 0 },
	{ "nothing to give up", I, CLIENT_ACCEPTED, CLIENT_GIVES_UP, CLIENT_ACCEPTED, 0 },
	{ "a late provisional", I, CLIENT_COMPLETED, CLIENT_HEARS_1XX, CLIENT_COMPLETED, 0 },
	{ "a 2xx after a failure is ignored", I, CLIENT_COMPLETED, CLIENT_HEARS_2XX,
	  CLIENT_COMPLETED, 0 },
	{ "17.1.1.2: every repetition is acknowledged", I, CLIENT_COMPLETED, CLIENT_HEARS_FAILURE,
	  CLIENT_COMPLETED, DO_ACK },
	{ "nothing to repeat", I, CLIENT_COMPLETED, CLIENT_REPEATS, CLIENT_COMPLETED, 0 },
	{ "nothing to wait for", I, CLIENT_COMPLETED, CLIENT_TIMES_OUT, CLIENT_COMPLETED, 0 },
	{ "nothing to give up", I, CLIENT_COMPLETED, CLIENT_GIVES_UP, CLIENT_COMPLETED, 0 },
	{ "too late", I, CLIENT_TERMINATED, CLIENT_HEARS_1XX, CLIENT_TERMINATED, 0 },
	{ "16.7, 5.: a 2xx made a dialog", I, CLIENT_TERMINATED, CLIENT_HEARS_2XX, CLIENT_ACCEPTED,
	  DO_PASS },
	{ "the callee waits for its ACK", I, CLIENT_TERMINATED, CLIENT_HEARS_FAILURE,
	  CLIENT_TERMINATED, DO_ACK },
	{ "over", I, CLIENT_TERMINATED, CLIENT_REPEATS, CLIENT_TERMINATED, 0 },
	{ "over", I, CLIENT_TERMINATED, CLIENT_TIMES_OUT, CLIENT_TERMINATED, 0 },
	{ "over", I, CLIENT_TERMINATED, CLIENT_GIVES_UP, CLIENT_TERMINATED, 0 },

	{ "17.1.2.2: repetition goes on at T2", O, CLIENT_CALLING, CLIENT_HEARS_1XX,
	  CLIENT_PROCEEDING, DO_SLOW | DO_PASS },
	{ "17.1.2.2", O, CLIENT_CALLING, CLIENT_HEARS_2XX, CLIENT_COMPLETED, DO_STOP | DO_PASS },
	{ "no ACK without INVITE", O, CLIENT_CALLING, CLIENT_HEARS_FAILURE, CLIENT_COMPLETED,
	  DO_STOP | DO_PASS },
	{ "timer E", O, CLIENT_CALLING, CLIENT_REPEATS, CLIENT_CALLING, DO_SEND },
	{ "timer F", O, CLIENT_CALLING, CLIENT_TIMES_OUT, CLIENT_TERMINATED, DO_STOP | DO_FAIL },
	{ "given up", O, CLIENT_CALLING, CLIENT_GIVES_UP, CLIENT_TERMINATED, DO_STOP },
	{ "further provisionals pass", O, CLIENT_PROCEEDING, CLIENT_HEARS_1XX, CLIENT_PROCEEDING,
	  DO_PASS },
	{ "17.1.2.2", O, CLIENT_PROCEEDING, CLIENT_HEARS_2XX, CLIENT_COMPLETED, DO_STOP | DO_PASS },
	{ "17.1.2.2", O, CLIENT_PROCEEDING, CLIENT_HEARS_FAILURE, CLIENT_COMPLETED,
	  DO_STOP | DO_PASS },
	{ "timer E at T2", O, CLIENT_PROCEEDING, CLIENT_REPEATS, CLIENT_PROCEEDING,
	  DO_SEND | DO_SLOW },
	{ "timer F", O, CLIENT_PROCEEDING, CLIENT_TIMES_OUT, CLIENT_TERMINATED, DO_STOP | DO_FAIL },
	{ "given up", O, CLIENT_PROCEEDING, CLIENT_GIVES_UP, CLIENT_TERMINATED, DO_STOP },
	{ "no such state", O, CLIENT_ACCEPTED, CLIENT_HEARS_1XX, CLIENT_ACCEPTED, 0 },
	{ "no such state", O, CLIENT_ACCEPTED, CLIENT_HEARS_2XX, CLIENT_ACCEPTED, 0 },
	{ "no such state", O, CLIENT_ACCEPTED, CLIENT_HEARS_FAILURE, CLIENT_ACCEPTED, 0 },
	{ "no such state", O, CLIENT_ACCEPTED, CLIENT_REPEATS, CLIENT_ACCEPTED, 0 },
	{ "no such state", O, CLIENT_ACCEPTED, CLIENT_TIMES_OUT, CLIENT_ACCEPTED, 0 },
	{ "no such state", O, CLIENT_ACCEPTED, CLIENT_GIVES_UP, CLIENT_ACCEPTED, 0 },
	{ "timer K absorbs", O, CLIENT_COMPLETED, CLIENT_HEARS_1XX, CLIENT_COMPLETED, 0 },
	{ "timer K absorbs", O, CLIENT_COMPLETED, CLIENT_HEARS_2XX, CLIENT_COMPLETED, 0 },
	{ "timer K absorbs", O, CLIENT_COMPLETED, CLIENT_HEARS_FAILURE, CLIENT_COMPLETED, 0 },
	{ "nothing to repeat", O, CLIENT_COMPLETED, CLIENT_REPEATS, CLIENT_COMPLETED, 0 },
	{ "nothing to wait for", O, CLIENT_COMPLETED, CLIENT_TIMES_OUT, CLIENT_COMPLETED, 0 },
	{ "nothing to give up", O, CLIENT_COMPLETED, CLIENT_GIVES_UP, CLIENT_COMPLETED, 0 },
	{ "4320 4.2: too late to forward", O, CLIENT_TERMINATED, CLIENT_HEARS_1XX,
	  CLIENT_TERMINATED, 0 },
	{ "4320 4.2: too late to forward", O, CLIENT_TERMINATED, CLIENT_HEARS_2XX,
	  CLIENT_TERMINATED, 0 },
	{ "4320 4.2: too late to forward", O, CLIENT_TERMINATED, CLIENT_HEARS_FAILURE,
	  CLIENT_TERMINATED, 0 },
	{ "over", O, CLIENT_TERMINATED, CLIENT_REPEATS, CLIENT_TERMINATED, 0 },
	{ "over", O, CLIENT_TERMINATED, CLIENT_TIMES_OUT, CLIENT_TERMINATED, 0 },
	{ "over", O, CLIENT_TERMINATED, CLIENT_GIVES_UP, CLIENT_TERMINATED, 0 },
};

static const struct pair server_pairs[] = {
	{ "17.2.1: the last provisional again", I, SERVER_PROCEEDING, SERVER_HEARS_AGAIN,
	  SERVER_PROCEEDING, DO_SEND },
	{ "17.2.1", I, SERVER_PROCEEDING, SERVER_SENDS_1XX, SERVER_PROCEEDING, DO_SEND },
	{ "6026 7.1", I, SERVER_PROCEEDING, SERVER_SENDS_2XX, SERVER_ACCEPTED,
	  DO_SEND | DO_FINISH },
	{ "17.2.1: timer G starts", I, SERVER_PROCEEDING, SERVER_SENDS_FAILURE, SERVER_COMPLETED,
	  DO_SEND | DO_REPEAT | DO_FINISH },
	{ "an ACK to nothing", I, SERVER_PROCEEDING, SERVER_HEARS_ACK, SERVER_PROCEEDING, 0 },
	{ "nothing to repeat", I, SERVER_PROCEEDING, SERVER_REPEATS, SERVER_PROCEEDING, 0 },
	{ "nothing to wait for", I, SERVER_PROCEEDING, SERVER_WAITED, SERVER_PROCEEDING, 0 },
	{ "the answer again", I, SERVER_ACCEPTED, SERVER_HEARS_AGAIN, SERVER_ACCEPTED, DO_SEND },
	{ "too late", I, SERVER_ACCEPTED, SERVER_SENDS_1XX, SERVER_ACCEPTED, DO_REFUSE },
	{ "6026 7.1: further 2xx pass", I, SERVER_ACCEPTED, SERVER_SENDS_2XX, SERVER_ACCEPTED,
	  DO_SEND },
	{ "too late", I, SERVER_ACCEPTED, SERVER_SENDS_FAILURE, SERVER_ACCEPTED, DO_REFUSE },
	{ "our own 2xx was confirmed", I, SERVER_ACCEPTED, SERVER_HEARS_ACK, SERVER_ACCEPTED,
	  DO_STOP },
	{ "our own 2xx again", I, SERVER_ACCEPTED, SERVER_REPEATS, SERVER_ACCEPTED, DO_SEND },
	{ "no ACK came", I, SERVER_ACCEPTED, SERVER_WAITED, SERVER_CONFIRMED, DO_STOP },
	{ "17.2.1: the failure again", I, SERVER_COMPLETED, SERVER_HEARS_AGAIN, SERVER_COMPLETED,
	  DO_SEND },
	{ "too late", I, SERVER_COMPLETED, SERVER_SENDS_1XX, SERVER_COMPLETED, DO_REFUSE },
	{ "16.7, 5.: a 2xx made a dialog", I, SERVER_COMPLETED, SERVER_SENDS_2XX, SERVER_ACCEPTED,
	  DO_SEND | DO_STOP },
	{ "one final reply", I, SERVER_COMPLETED, SERVER_SENDS_FAILURE, SERVER_COMPLETED,
	  DO_REFUSE },
	{ "17.2.1: timer G ends", I, SERVER_COMPLETED, SERVER_HEARS_ACK, SERVER_CONFIRMED,
	  DO_STOP },
	{ "timer G", I, SERVER_COMPLETED, SERVER_REPEATS, SERVER_COMPLETED, DO_SEND },
	{ "timer H", I, SERVER_COMPLETED, SERVER_WAITED, SERVER_CONFIRMED, DO_STOP },
	{ "timer I absorbs", I, SERVER_CONFIRMED, SERVER_HEARS_AGAIN, SERVER_CONFIRMED, 0 },
	{ "too late", I, SERVER_CONFIRMED, SERVER_SENDS_1XX, SERVER_CONFIRMED, DO_REFUSE },
	{ "16.7, 5.: a 2xx made a dialog", I, SERVER_CONFIRMED, SERVER_SENDS_2XX, SERVER_ACCEPTED,
	  DO_SEND },
	{ "one final reply", I, SERVER_CONFIRMED, SERVER_SENDS_FAILURE, SERVER_CONFIRMED,
	  DO_REFUSE },
	{ "timer I absorbs", I, SERVER_CONFIRMED, SERVER_HEARS_ACK, SERVER_CONFIRMED, 0 },
	{ "nothing to repeat", I, SERVER_CONFIRMED, SERVER_REPEATS, SERVER_CONFIRMED, 0 },
	{ "nothing to wait for", I, SERVER_CONFIRMED, SERVER_WAITED, SERVER_CONFIRMED, 0 },

	{ "17.2.2: the last provisional again", O, SERVER_PROCEEDING, SERVER_HEARS_AGAIN,
	  SERVER_PROCEEDING, DO_SEND },
	{ "17.2.2", O, SERVER_PROCEEDING, SERVER_SENDS_1XX, SERVER_PROCEEDING, DO_SEND },
	{ "17.2.2", O, SERVER_PROCEEDING, SERVER_SENDS_2XX, SERVER_COMPLETED, DO_SEND | DO_FINISH },
	{ "no repetition without INVITE", O, SERVER_PROCEEDING, SERVER_SENDS_FAILURE,
	  SERVER_COMPLETED, DO_SEND | DO_FINISH },
	{ "no ACK without INVITE", O, SERVER_PROCEEDING, SERVER_HEARS_ACK, SERVER_PROCEEDING, 0 },
	{ "nothing to repeat", O, SERVER_PROCEEDING, SERVER_REPEATS, SERVER_PROCEEDING, 0 },
	{ "nothing to wait for", O, SERVER_PROCEEDING, SERVER_WAITED, SERVER_PROCEEDING, 0 },
	{ "no such state", O, SERVER_ACCEPTED, SERVER_HEARS_AGAIN, SERVER_ACCEPTED, DO_SEND },
	{ "no such state", O, SERVER_ACCEPTED, SERVER_SENDS_1XX, SERVER_ACCEPTED, DO_REFUSE },
	{ "no such state", O, SERVER_ACCEPTED, SERVER_SENDS_2XX, SERVER_ACCEPTED, DO_REFUSE },
	{ "no such state", O, SERVER_ACCEPTED, SERVER_SENDS_FAILURE, SERVER_ACCEPTED, DO_REFUSE },
	{ "no such state", O, SERVER_ACCEPTED, SERVER_HEARS_ACK, SERVER_ACCEPTED, 0 },
	{ "no such state", O, SERVER_ACCEPTED, SERVER_REPEATS, SERVER_ACCEPTED, 0 },
	{ "no such state", O, SERVER_ACCEPTED, SERVER_WAITED, SERVER_ACCEPTED, 0 },
	{ "17.2.2: the final reply again", O, SERVER_COMPLETED, SERVER_HEARS_AGAIN,
	  SERVER_COMPLETED, DO_SEND },
	{ "17.2.2: one final reply", O, SERVER_COMPLETED, SERVER_SENDS_1XX, SERVER_COMPLETED,
	  DO_REFUSE },
	{ "17.2.2: one final reply", O, SERVER_COMPLETED, SERVER_SENDS_2XX, SERVER_COMPLETED,
	  DO_REFUSE },
	{ "17.2.2: one final reply", O, SERVER_COMPLETED, SERVER_SENDS_FAILURE, SERVER_COMPLETED,
	  DO_REFUSE },
	{ "no ACK without INVITE", O, SERVER_COMPLETED, SERVER_HEARS_ACK, SERVER_COMPLETED, 0 },
	{ "nothing to repeat", O, SERVER_COMPLETED, SERVER_REPEATS, SERVER_COMPLETED, 0 },
	{ "nothing to wait for", O, SERVER_COMPLETED, SERVER_WAITED, SERVER_COMPLETED, 0 },
	{ "no such state", O, SERVER_CONFIRMED, SERVER_HEARS_AGAIN, SERVER_CONFIRMED, 0 },
	{ "no such state", O, SERVER_CONFIRMED, SERVER_SENDS_1XX, SERVER_CONFIRMED, DO_REFUSE },
	{ "no such state", O, SERVER_CONFIRMED, SERVER_SENDS_2XX, SERVER_CONFIRMED, DO_REFUSE },
	{ "no such state", O, SERVER_CONFIRMED, SERVER_SENDS_FAILURE, SERVER_CONFIRMED, DO_REFUSE },
	{ "no such state", O, SERVER_CONFIRMED, SERVER_HEARS_ACK, SERVER_CONFIRMED, 0 },
	{ "no such state", O, SERVER_CONFIRMED, SERVER_REPEATS, SERVER_CONFIRMED, 0 },
	{ "no such state", O, SERVER_CONFIRMED, SERVER_WAITED, SERVER_CONFIRMED, 0 },
};

static void check_pair(const struct pair *pair, struct machine_step step)
{
	if (step.next != pair->next || step.actions != pair->actions)
		fail_msg("%s: machine %d, state %d, event %d: next %d actions %#x, wanted %d %#x",
			 pair->why, pair->kind, pair->state, pair->event, step.next, step.actions,
			 pair->next, pair->actions);
}

static void client_pairs_are_as_the_rfcs_want(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(client_pairs); i++) {
		const struct pair *pair = &client_pairs[i];
		check_pair(pair, client_step((enum machine_kind)pair->kind,
					     (enum client_state)pair->state,
					     (enum client_event)pair->event));
	}
}

static void server_pairs_are_as_the_rfcs_want(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(server_pairs); i++) {
		const struct pair *pair = &server_pairs[i];
		check_pair(pair, server_step((enum machine_kind)pair->kind,
					     (enum server_state)pair->state,
					     (enum server_event)pair->event));
	}
}

static void every_pair_is_listed_once(void **state)
{
	int clients_seen[MACHINE_KINDS][CLIENT_STATES][CLIENT_EVENTS] = { 0 };
	int servers_seen[MACHINE_KINDS][SERVER_STATES][SERVER_EVENTS] = { 0 };
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(client_pairs); i++)
		clients_seen[client_pairs[i].kind][client_pairs[i].state][client_pairs[i].event]++;
	for (size_t i = 0; i < ARRAY_LENGTH(server_pairs); i++)
		servers_seen[server_pairs[i].kind][server_pairs[i].state][server_pairs[i].event]++;
	for (int kind = 0; kind < MACHINE_KINDS; kind++) {
		for (int s = 0; s < CLIENT_STATES; s++)
			for (int event = 0; event < CLIENT_EVENTS; event++)
				assert_int_equal(clients_seen[kind][s][event], 1);
		for (int s = 0; s < SERVER_STATES; s++)
			for (int event = 0; event < SERVER_EVENTS; event++)
				assert_int_equal(servers_seen[kind][s][event], 1);
	}
}

static void codes_are_the_right_events(void **state)
{
	static const struct {
		unsigned code;
		enum client_event heard;
		enum server_event sent;
	} rows[] = {
		{ 100, CLIENT_HEARS_1XX, SERVER_SENDS_1XX },
		{ 199, CLIENT_HEARS_1XX, SERVER_SENDS_1XX },
		{ 200, CLIENT_HEARS_2XX, SERVER_SENDS_2XX },
		{ 299, CLIENT_HEARS_2XX, SERVER_SENDS_2XX },
		{ 300, CLIENT_HEARS_FAILURE, SERVER_SENDS_FAILURE },
		{ 699, CLIENT_HEARS_FAILURE, SERVER_SENDS_FAILURE },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		assert_int_equal(client_event_of(rows[i].code), rows[i].heard);
		assert_int_equal(server_event_of(rows[i].code), rows[i].sent);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_pairs_are_as_the_rfcs_want),
		cmocka_unit_test(server_pairs_are_as_the_rfcs_want),
		cmocka_unit_test(every_pair_is_listed_once),
		cmocka_unit_test(codes_are_the_right_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
