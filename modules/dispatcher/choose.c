/* SPDX-License-Identifier: BSD-2-Clause */
/* choose: which destination of a set is next. Everything here is memory operations on the list. */
#include "modules/auth/auth_api.h"
#include "modules/dispatcher/dispatcher.h"
#include "parser/digest.h"

#define SHARES 100

/* ---- hashing: the peer's, so that a call finds the same destination there and here ----------------------- */

uint32_t dispatcher_hash(struct span first, struct span second)
{
	uint32_t sum = hash_portable(first, second);
	return sum ? sum : 1;
}

/* User, and unless it is to be the user only host with a port that is not the scheme's own. */
static bool hash_uri(struct span text, uint32_t *out)
{
	struct sip_uri uri;
	if (!uri_parse(text, &uri))
		return false;
	struct span place = uri.hostport, user = uri.user;
	uint16_t usual = uri.scheme == URI_SIPS ? 5061 : 5060;
	if (uri_is_tel(&uri)) {
		place = SPAN_OF("");
	} else if (!uri.has_port || uri.port == usual || uri.port == 0) {
		place = uri.host;
	}
	if (dispatcher_settings->flags & FLAG_HASH_USER)
		place = (struct span){ NULL, 0 };
	*out = dispatcher_hash(user, place);
	return true;
}

/* The user name of the credentials, without a domain. */
static bool hash_user(const struct message *msg, uint32_t *out)
{
	static const enum sip_header_id kinds[] = { HEADER_PROXY_AUTHORIZATION,
						    HEADER_AUTHORIZATION };
	struct auth_params params;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct span value = message_value(msg, kinds[i]), user, domain;
		if (!value.at || !auth_parse(value, &params) || !params.username.len)
			continue;
		auth_name_split(params.username, &user, &domain);
		*out = dispatcher_hash(user, (struct span){ NULL, 0 });
		return true;
	}
	return false;
}

static bool hash_variable(struct script_run *run, uint32_t *out)
{
	const struct text_template *text = dispatcher_hash_template();
	if (!text) {
		log_error("algorithm 7 needs the parameter hash_pvar of dispatcher");
		return false;
	}
	struct span value = template_text(run, text);
	*out = dispatcher_hash(value, (struct span){ NULL, 0 });
	return value.at != NULL;
}

bool choice_key(struct script_run *run, int64_t algorithm, struct choice_key *out_key)
{
	bool is_good = true;
	if (algorithm < 0 || algorithm > CHOOSE_LAST) {
		log_warning("there is no algorithm %lld; the first destination is taken",
			    (long long)algorithm);
		algorithm = CHOOSE_PRIORITY;
	}
	struct choice_key key = { (enum algorithm)algorithm, 0 };
	switch (key.algorithm) {
	case CHOOSE_HASH_CALL_ID:
		key.hash = dispatcher_hash(message_value(run->msg, HEADER_CALL_ID),
					   (struct span){ NULL, 0 });
		break;
	case CHOOSE_HASH_FROM: is_good = hash_uri(message_from_uri(run->msg), &key.hash); break;
	case CHOOSE_HASH_TO: is_good = hash_uri(message_to_uri(run->msg), &key.hash); break;
	case CHOOSE_HASH_RURI: is_good = hash_uri(message_uri(run->msg), &key.hash); break;
	case CHOOSE_HASH_VARIABLE: is_good = hash_variable(run, &key.hash); break;
	case CHOOSE_HASH_AUTH_USER:
		if (!hash_user(run->msg, &key.hash))
			key.algorithm = CHOOSE_ROUND_ROBIN;
		break;
	case CHOOSE_ROUND_ROBIN:
	case CHOOSE_RANDOM:
	case CHOOSE_PRIORITY:
	case CHOOSE_WEIGHT:
	case CHOOSE_LOAD:
	case CHOOSE_RELATIVE_WEIGHT:
	case CHOOSE_ALL:
	case CHOOSE_LATENCY: break;
	}
	if (is_good)
		*out_key = key;
	return is_good;
}

/* ---- among those that are usable --------------------------------------------------------------------------- */

/* Those that the algorithms choose from: with use_default the last one is kept for the end. */
static uint32_t ordinary_count(const struct destination_set *set)
{
	return dispatcher_settings->use_default && set->count > 1 ? set->count - 1 : set->count;
}

/* The first usable one from this place on, round the set. */
static uint32_t usable_from(const struct destination_set *set, uint32_t from)
{
	uint32_t count = ordinary_count(set);
	for (uint32_t i = 0; i < count; i++)
		if (destination_is_usable(&set->all[(from + i) % count]))
			return (from + i) % count;
	if (count < set->count && destination_is_usable(&set->all[count]))
		return count;
	return NOT_CHOSEN;
}

static uint32_t by_turn(const struct destination_set *set)
{
	uint32_t turn = atomic_load(set->turn), chosen;
	do
		chosen = usable_from(set, turn);
	while (chosen != NOT_CHOSEN &&
	       !atomic_compare_exchange_weak(set->turn, &turn, (chosen + 1) % ordinary_count(set)));
	return chosen;
}

/* The next of a hundred shares, in an order that mixes them: 37 and 100 have no common divisor. */
static uint32_t next_share(const struct destination_set *set)
{
	return atomic_fetch_add(set->turn, 1) % SHARES * 37 % SHARES;
}

/* weight = percents; the last that has some gets what is left, and who is beyond a hundred nothing. */
static uint32_t by_weight(const struct destination_set *set)
{
	uint32_t count = ordinary_count(set), share = next_share(set), sum = 0, last = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t weight = (uint32_t)set->all[i].weight;
		if (!weight || sum + weight > SHARES)
			continue;
		sum += weight;
		last = i;
		if (share < sum)
			return usable_from(set, i);
	}
	return usable_from(set, sum ? last : 0);
}

/* ---- relative weights and congestion ------------------------------------------------------------------------ */

/* How much slower than usual it answers, in milliseconds. */
static int64_t congestion_ms(const struct destination *destination)
{
	const struct latency *latency = &destination->state->latency;
	int64_t more = latency->estimate - latency->average;
	return destination->has_congestion_control && more > 0 ? more / 1000 : 0;
}

/* rweight, less a point for each millisecond of congestion; nothing beyond the threshold, the weight. */
static int64_t relative_weight(const struct destination *destination)
{
	int64_t congestion = congestion_ms(destination);
	if (!destination_is_usable(destination) || !destination->rweight)
		return 0;
	if (congestion && congestion >= destination->weight)
		return 0;
	return congestion < destination->rweight ? destination->rweight - congestion : 1;
}

/* All are congested: the less the more. */
static int64_t least_congested(const struct destination *destination)
{
	int64_t congestion = congestion_ms(destination);
	return destination_is_usable(destination) && destination->rweight
		       ? INT32_MAX / (congestion + 1)
		       : 0;
}

static uint32_t by_parts(const struct destination_set *set,
			 int64_t (*part)(const struct destination *destination))
{
	uint32_t count = ordinary_count(set), last = NOT_CHOSEN;
	int64_t total = 0, sum = 0;
	for (uint32_t i = 0; i < count; i++)
		total += part(&set->all[i]);
	if (!total)
		return NOT_CHOSEN;
	uint32_t share = next_share(set);
	for (uint32_t i = 0; i < count; i++) {
		int64_t own = part(&set->all[i]);
		if (!own)
			continue;
		/* Truncated to percents; the last fills them up. */
		sum += own * SHARES / total;
		last = i;
		if (share < sum)
			return i;
	}
	return last;
}

static uint32_t by_relative_weight(const struct destination_set *set)
{
	uint32_t chosen = by_parts(set, relative_weight);
	if (chosen == NOT_CHOSEN)
		chosen = by_parts(set, least_congested);
	return chosen == NOT_CHOSEN ? usable_from(set, 0) : chosen;
}

/* ---- latency and load ------------------------------------------------------------------------------------------- */

/* One point less each time that the latency is as large as the priority. */
static int64_t adjusted_priority(const struct destination *destination)
{
	int64_t ms = destination->has_congestion_control
			     ? congestion_ms(destination)
			     : destination->state->latency.estimate / 1000;
	if (!dispatcher_settings->latency_stats || destination->priority <= 0)
		return destination->priority;
	return destination->priority - ms / destination->priority;
}

static uint32_t by_latency(const struct destination_set *set)
{
	uint32_t count = ordinary_count(set), chosen = NOT_CHOSEN;
	int64_t best = INT64_MIN;
	uint32_t turn = *set->turn % count;
	/* The best after the turn, else the first of the best. */
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = (turn + i) % count;
		int64_t priority = adjusted_priority(&set->all[at]);
		if (!destination_is_usable(&set->all[at]) || priority <= best)
			continue;
		best = priority;
		chosen = at;
	}
	if (chosen == NOT_CHOSEN)
		return usable_from(set, 0);
	*set->turn = (chosen + 1) % count;
	return chosen;
}

bool destination_has_room(const struct destination *destination)
{
	return !destination->maxload || destination->state->load < destination->maxload;
}

static uint32_t by_load(const struct destination_set *set)
{
	uint32_t count = ordinary_count(set), chosen = NOT_CHOSEN;
	for (uint32_t i = 0; i < count; i++) {
		const struct destination *to = &set->all[i];
		if (!destination_is_usable(to) || !destination_has_room(to))
			continue;
		if (chosen == NOT_CHOSEN || to->state->load < set->all[chosen].state->load)
			chosen = i;
	}
	if (chosen != NOT_CHOSEN)
		return chosen;
	return count < set->count && destination_is_usable(&set->all[count]) ? count : NOT_CHOSEN;
}

uint32_t choose(const struct destination_set *set, const struct choice_key *key)
{
	if (!set->count)
		return NOT_CHOSEN;
	switch (key->algorithm) {
	case CHOOSE_HASH_CALL_ID:
	case CHOOSE_HASH_FROM:
	case CHOOSE_HASH_TO:
	case CHOOSE_HASH_RURI:
	case CHOOSE_HASH_AUTH_USER:
	case CHOOSE_HASH_VARIABLE: return usable_from(set, key->hash % ordinary_count(set));
	case CHOOSE_ROUND_ROBIN: return by_turn(set);
	case CHOOSE_RANDOM: return usable_from(set, random_below(ordinary_count(set)));
	case CHOOSE_WEIGHT: return by_weight(set);
	case CHOOSE_LOAD: return by_load(set);
	case CHOOSE_RELATIVE_WEIGHT: return by_relative_weight(set);
	case CHOOSE_LATENCY: return by_latency(set);
	case CHOOSE_PRIORITY:
	case CHOOSE_ALL: break;
	}
	return usable_from(set, 0);
}
