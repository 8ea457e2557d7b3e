/* SPDX-License-Identifier: BSD-2-Clause */
/* probe: asks destinations whether they live, and measures how fast they answer. */
#include "core/shm/map.h"
#include "modules/dispatcher/dispatcher.h"
#include "modules/tm/tm_api.h"

#define JOBS_CHUNK ((size_t)64 << 10)
#define JOBS_MOST  ((size_t)256 << 20)
/* The average covers about so many answers. */
#define AVERAGE_OVER 1000

enum probing_mode { PROBE_MARKED_ONCE, PROBE_ALL, PROBE_INACTIVE, PROBE_MARKED };

static struct {
	const struct tm_api *tm;
	_Atomic int64_t *is_on;
} state;

/* What a ping knows when it is answered. */
struct ping {
	int64_t set;
	int64_t sent_us;
	uint32_t uri_len;
	char uri[];
};

struct job {
	struct job *next;
	int64_t set;
	struct span uri, from, next_hop;
	const struct listener *socket;
};

bool probe_prepare(const void *tm)
{
	state.tm = tm;
	state.is_on = shm_reserve(sizeof(*state.is_on), "dispatcher");
	if (state.is_on)
		*state.is_on = 1;
	return state.is_on != NULL;
}

_Atomic int64_t *probe_switch(void)
{
	return state.is_on;
}

int64_t probe_period_ms(void)
{
	return dispatcher_settings->ping_interval * 1000;
}

/* ---- latency ------------------------------------------------------------------------------------------------ */

static void note_latency(struct latency *to, int64_t us)
{
	int64_t count = ++to->count;
	int64_t over = count < AVERAGE_OVER ? count : AVERAGE_OVER;
	int64_t delta = us - to->average;
	to->average += delta / over;
	/* Welford's, with the weight of the newest as for the average. */
	to->variance += (delta * (us - to->average) - to->variance) / over;
	if (count == 1)
		to->estimate = us;
	else
		to->estimate += (us - to->estimate) * dispatcher_settings->latency_alpha / 1000;
	if (us > to->most)
		to->most = us;
}

static void note_answer(int64_t set, struct span uri, int64_t us, bool is_timeout)
{
	const struct destination *to = set_find(list_set(list_hold(), set), uri);
	if (to && is_timeout)
		to->state->latency.timeouts++;
	else if (to)
		note_latency(&to->state->latency, us);
	list_release();
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

/* codes = item *( ";" item ), item = ( "code=" 3DIGIT ) / ( "class=" DIGIT ) */
static bool is_good_code(unsigned code)
{
	struct span rest = dispatcher_settings->ping_reply_codes, item, name;
	if (code == 200)
		return true;
	while (rest.len && span_split(&rest, ';', &item)) {
		int64_t number;
		if (!span_split(&item, '=', &name) || !item.at ||
		    !span_to_int64(span_trim(item), &number))
			continue;
		name = span_trim(name);
		if (span_equal_nocase(name, SPAN_OF("code")) && number == code)
			return true;
		if (span_equal_nocase(name, SPAN_OF("class")) &&
		    (number > 9 ? number / 100 : number) == code / 100)
			return true;
	}
	return false;
}

static uint32_t flags_after(bool is_good)
{
	static const uint32_t probing[] = {
		[PROBE_MARKED_ONCE] = 0,
		[PROBE_ALL] = DESTINATION_PROBING,
		[PROBE_INACTIVE] = 0,
		[PROBE_MARKED] = DESTINATION_PROBING,
	};
	enum probing_mode mode = (enum probing_mode)dispatcher_settings->probing_mode;
	if (is_good)
		return probing[mode];
	return DESTINATION_TRYING |
	       (mode == PROBE_INACTIVE ? (uint32_t)DESTINATION_PROBING : probing[mode]);
}

static bool is_disabled(int64_t set, struct span uri)
{
	const struct destination *to = set_find(list_set(list_hold(), set), uri);
	bool is_off = !to || to->state->flags & DESTINATION_DISABLED;
	list_release();
	return is_off;
}

static void on_answer(const struct tm_uac_result *result)
{
	struct ping ping;
	if (result->data_len < sizeof(ping))
		return;
	memcpy(&ping, result->data, sizeof(ping));
	if (ping.uri_len > result->data_len - sizeof(ping))
		return;
	struct span uri =
		span_make((const char *)result->data + offsetof(struct ping, uri), ping.uri_len);
	if (dispatcher_settings->latency_stats)
		note_answer(ping.set, uri, clock_us_now() - ping.sent_us,
			    !result->reply && result->code == 408);
	/* Whoever disabled it meanwhile meant it. */
	if (!is_disabled(ping.set, uri))
		state_mark(ping.set, uri, flags_after(is_good_code(result->code)), NULL);
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

static bool is_wanted(uint32_t flags)
{
	if (flags & DESTINATION_DISABLED)
		return false;
	switch ((enum probing_mode)dispatcher_settings->probing_mode) {
	case PROBE_ALL: return true;
	case PROBE_INACTIVE: return flags & DESTINATION_INACTIVE && flags & DESTINATION_PROBING;
	case PROBE_MARKED_ONCE:
	case PROBE_MARKED: break;
	}
	return flags & DESTINATION_PROBING;
}

static bool add_job(struct arena *arena, struct job ***end, int64_t set,
		    const struct destination *to)
{
	const struct dispatcher_settings *s = dispatcher_settings;
	struct job *job = ARENA_NEW(arena, struct job);
	if (!job)
		return false;
	job->set = set;
	job->uri = arena_copy(arena, to->uri);
	job->from = arena_copy(arena, to->ping_from.len ? to->ping_from : s->ping_from);
	job->next_hop =
		arena_copy(arena, to->outbound_proxy.len ? to->outbound_proxy : s->outbound_proxy);
	job->socket = to->socket ? to->socket : dispatcher_default_socket();
	**end = job;
	*end = &job->next;
	return job->uri.at && job->from.at;
}

static struct job *collect(struct arena *arena)
{
	struct job *first = NULL, **end = &first;
	const struct destination_list *list = list_hold();
	bool is_good = true;
	for (uint32_t i = 0; list && i < list->set_count && is_good; i++)
		for (uint32_t j = 0; j < list->sets[i].count && is_good; j++) {
			const struct destination *to = &list->sets[i].all[j];
			if (is_wanted(to->state->flags))
				is_good = add_job(arena, &end, list->sets[i].id, to);
		}
	list_release();
	return is_good ? first : NULL;
}

static void send_ping(struct arena *arena, const struct job *job)
{
	struct ping *ping = arena_alloc(arena, sizeof(*ping) + job->uri.len);
	if (!ping)
		return;
	*ping = (struct ping){ job->set, clock_us_now(), (uint32_t)job->uri.len };
	memcpy(ping->uri, job->uri.at, job->uri.len);
	struct tm_uac uac = { .method = dispatcher_settings->ping_method,
			      .uri = job->uri,
			      .to = job->uri,
			      .from = job->from,
			      .next_hop = job->next_hop,
			      .socket = job->socket,
			      .fr_ms = (uint32_t)dispatcher_settings->ping_fr_ms,
			      .done = on_answer,
			      .data = ping,
			      .data_len = sizeof(*ping) + job->uri.len };
	if (state.tm->uac(&uac, NULL))
		return;
	log_debug("the ping of %.*s could not be sent", SPAN_ARGS(job->uri));
	if (!is_disabled(job->set, job->uri))
		state_mark(job->set, job->uri, flags_after(false), NULL);
}

void probe_run(void)
{
	struct arena arena;
	if (!state.tm || !*state.is_on)
		return;
	arena_init(&arena, JOBS_CHUNK, JOBS_MOST);
	for (const struct job *job = collect(&arena); job; job = job->next)
		send_ping(&arena, job);
	arena_free(&arena);
}
