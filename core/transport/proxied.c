/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients behind load balancers: two tables, by the client's address and by the balancer's. */
#include "core/transport/proxied.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/shm/counters.h"
#include "core/shm/shard.h"
#include "core/transport/send.h"
#include "parser/proxy_protocol.h"

#define SHARDS       8
#define CLIENTS_MOST 65536
#define KEPT_MS      (2 * 3600 * 1000)
#define SWEEP_MS     60000

struct entry {
	struct slot slot;
	struct end_point key, other; /* by client: the balancer; by balancer: the client */
	const struct listener *listener;
	int64_t used_ms;
	bool is_simple;
	char header[PROXY_SIMPLE_LEN]; /* what its answers begin with */
};

static const struct shard_type client_type = {
	.name = "udp_proxy_clients",
	.slot_size = sizeof(struct entry),
};
static const struct shard_type balancer_type = {
	.name = "udp_proxy_balancers",
	.slot_size = sizeof(struct entry),
};

static struct {
	struct proxied_options options;
	struct shard_set *clients, *balancers; /* NULL: off */
	int64_t swept_ms;
	counter_id received, sent, refused;
	char header[PROXY_SIMPLE_LEN]; /* of what is being sent */
} state;

static struct span detour(struct send_target *target);

bool proxied_prepare(const struct proxied_options *options)
{
	state.options = *options;
	if (!options->forms)
		return true;
	state.clients = shard_set_new(&client_type, SHARDS);
	state.balancers = shard_set_new(&balancer_type, SHARDS);
	state.received = counter_register(
		"udp", "proxy_received", "datagrams that a load balancer passed on", COUNTER_COUNT);
	state.sent = counter_register("udp", "proxy_sent", "datagrams that went to a load balancer",
				      COUNTER_COUNT);
	state.refused = counter_register("udp", "proxy_refused",
					 "malformed headers of load balancers", COUNTER_COUNT);
	send_set_detour(detour);
	if (!options->network_count)
		log_warning(
			"udp_accept_proxy: whoever sends a header is believed to be a load balancer; "
			"name yours by udp_proxy_networks");
	return state.clients && state.balancers;
}

bool proxied_is_on(void)
{
	return state.clients != NULL;
}

/* ---- the tables ----------------------------------------------------------------------------------------- */

static bool is_old(const struct entry *entry)
{
	return entry->used_ms + KEPT_MS <= clock_ms();
}

/* Lock held. */
static struct entry *find(struct shard *shard, uint64_t hash, const struct end_point *key)
{
	struct entry *entry = slot_first(shard, hash);
	while (entry && !(end_point_equal(&entry->key, key) && !is_old(entry)))
		entry = slot_next(shard, &entry->slot);
	return entry;
}

static bool look_up(struct shard_set *set, const struct end_point *key, struct entry *out_entry)
{
	uint64_t hash = end_point_hash(key);
	struct shard *shard = shard_lock(set, hash);
	const struct entry *entry = find(shard, hash, key);
	if (entry)
		*out_entry = *entry;
	shard_unlock(shard);
	return entry;
}

static unsigned sweep(struct shard_set *set, bool all)
{
	unsigned count = 0;
	for (unsigned i = 0; i < shard_count(set); i++) {
		uint32_t cursor = 0;
		struct entry *entry;
		struct shard *shard = shard_lock_number(set, i);
		while ((entry = slot_each(shard, &cursor)))
			if (all || is_old(entry)) {
				slot_free(shard, &entry->slot);
				count++;
			}
		shard_unlock(shard);
	}
	return count;
}

unsigned proxied_forget(bool all)
{
	if (!proxied_is_on())
		return 0;
	sweep(state.balancers, all);
	return sweep(state.clients, all);
}

/* A table grows only by new clients: they pay for the sweeping. */
static bool has_room(const struct shard_set *set)
{
	if (clock_ms() - state.swept_ms >= SWEEP_MS) {
		state.swept_ms = clock_ms();
		proxied_forget(false);
	}
	return shard_set_live(set) < CLIENTS_MOST;
}

static bool is_same(const struct entry *a, const struct entry *b)
{
	return end_point_equal(&a->other, &b->other) && a->listener == b->listener &&
	       a->is_simple == b->is_simple && memcmp(a->header, b->header, sizeof(a->header)) == 0;
}

static void take_content(struct entry *entry, const struct entry *news)
{
	const struct slot slot = entry->slot;
	*entry = *news;
	entry->slot = slot;
}

/* Keeps what was heard; false: the table is full. */
static bool note(struct shard_set *set, struct entry *news)
{
	uint64_t hash = end_point_hash(&news->key);
	bool may_grow = has_room(set);
	struct shard *shard = shard_lock(set, hash);
	struct entry *entry = find(shard, hash, &news->key);
	news->used_ms = clock_ms();
	if (entry && is_same(entry, news)) {
		entry->used_ms = news->used_ms;
	} else if (entry) {
		slot_change_begin(shard, &entry->slot);
		take_content(entry, news);
		slot_change_end(shard, &entry->slot);
	} else if (may_grow && (entry = slot_new(shard, hash))) {
		news->slot = entry->slot;
		take_content(entry, news);
		slot_publish(shard, &entry->slot);
	}
	shard_unlock(shard);
	return entry;
}

/* ---- receiving ---------------------------------------------------------------------------------------------- */

bool proxied_is_believed(const struct end_point *source)
{
	for (unsigned i = 0; i < state.options.network_count; i++) {
		const struct proxied_network *network = &state.options.networks[i];
		if (source->family == network->address.family &&
		    end_point_in_network(source, &network->address, network->bits))
			return true;
	}
	return state.options.network_count == 0;
}

struct end_point proxied_end_point(const struct proxy_address *address, enum transport transport)
{
	struct end_point end = { .family = address->is_ipv6 ? AF_INET6 : AF_INET,
				 .transport = (uint8_t)transport,
				 .port = address->port };
	memcpy(end.ip, address->ip, address->is_ipv6 ? 16 : 4);
	return end;
}

/* A balancer of HAProxy's kind has a port for each client; the other kind tells them apart by headers. */
static bool note_both(const struct datagram *datagram, const struct proxy_header *header,
		      const struct end_point *client)
{
	struct entry news = { .key = *client,
			      .other = datagram->source,
			      .listener = datagram->listener,
			      .is_simple = header->form == PROXY_SIMPLE };
	if (news.is_simple)
		memcpy(news.header, datagram->bytes.at, sizeof(news.header));
	if (!note(state.clients, &news))
		return false;
	if (news.is_simple)
		return true;
	news.key = datagram->source;
	news.other = *client;
	return note(state.balancers, &news);
}

/* Without header: of a balancer that says only once who its client is, or of nobody's client. */
static void take_known(struct datagram *datagram)
{
	struct entry entry;
	if (!look_up(state.balancers, &datagram->source, &entry))
		return;
	struct entry news = entry;
	note(state.balancers, &news);
	news.key = entry.other;
	news.other = entry.key;
	note(state.clients, &news);
	datagram->source = entry.other;
	counter_inc(state.received);
}

static bool refuse(const struct datagram *datagram, const char *why)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write(&w, &datagram->source);
	log_debug("a datagram of the load balancer %.*s is dropped: %s",
		  SPAN_ARGS(writer_result(&w)), why);
	counter_inc(state.refused);
	return false;
}

bool proxied_receive(struct datagram *datagram)
{
	struct proxy_header header;
	unsigned forms = state.options.forms;
	if (!datagram->listener || datagram->listener->address.transport != TRANSPORT_UDP ||
	    !proxied_is_believed(&datagram->source))
		return true;
	if (!proxy_header_begins(datagram->bytes, forms)) {
		take_known(datagram);
		return true;
	}
	if (proxy_header_parse(datagram->bytes, forms, &header) != PARSE_OK)
		return refuse(datagram, "its header is malformed");
	if (header.has_addresses) {
		struct end_point client = proxied_end_point(&header.source, TRANSPORT_UDP);
		if (!note_both(datagram, &header, &client))
			return refuse(datagram, "too many clients, or no shared memory");
		datagram->source = client;
		counter_inc(state.received);
	}
	datagram->bytes = span_slice(datagram->bytes, header.len, datagram->bytes.len - header.len);
	return datagram->bytes.len > 0;
}

/* ---- sending -------------------------------------------------------------------------------------------------- */

/* What is for a client goes to its balancer; gives the header that it wants before it, or nothing. */
static struct span detour(struct send_target *target)
{
	struct entry entry;
	struct end_point client = target->to;
	if (client.transport == TRANSPORT_NONE)
		client.transport = target->from ? target->from->address.transport : TRANSPORT_UDP;
	if (client.transport != TRANSPORT_UDP || !look_up(state.clients, &client, &entry))
		return (struct span){ NULL, 0 };
	target->to = entry.other;
	target->from = entry.listener;
	counter_inc(state.sent);
	memcpy(state.header, entry.header, sizeof(state.header));
	return entry.is_simple ? span_make(state.header, sizeof(state.header))
			       : (struct span){ NULL, 0 };
}

const struct listener *proxied_listener(const struct end_point *client)
{
	struct entry entry;
	bool is_known = proxied_is_on() && client->transport == TRANSPORT_UDP &&
			look_up(state.clients, client, &entry);
	return is_known ? entry.listener : NULL;
}

/* ---- reports -------------------------------------------------------------------------------------------------- */

struct proxied_figures proxied_figures(void)
{
	if (!proxied_is_on())
		return (struct proxied_figures){ 0 };
	return (struct proxied_figures){
		.clients = (unsigned)shard_set_live(state.clients),
		.balancers = (unsigned)shard_set_live(state.balancers),
		.most = CLIENTS_MOST,
		.received = (uint64_t)counter_read(state.received),
		.sent = (uint64_t)counter_read(state.sent),
		.refused = (uint64_t)counter_read(state.refused),
	};
}

bool proxied_next(uint64_t *cursor, struct proxied_entry *out_entry)
{
	for (uint64_t number = *cursor >> 32;
	     proxied_is_on() && number < shard_count(state.clients); number++) {
		uint32_t inner = number == *cursor >> 32 ? (uint32_t)*cursor : 0;
		struct shard *shard = shard_lock_number(state.clients, (unsigned)number);
		const struct entry *entry = slot_each(shard, &inner);
		if (entry)
			*out_entry =
				(struct proxied_entry){ .client = entry->key,
							.balancer = entry->other,
							.listener = entry->listener,
							.is_simple = entry->is_simple,
							.idle_ms = clock_ms() - entry->used_ms };
		shard_unlock(shard);
		*cursor = number << 32 | inner;
		if (entry)
			return true;
	}
	return false;
}
