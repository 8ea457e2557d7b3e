/* SPDX-License-Identifier: BSD-2-Clause */
/* DNS by c-ares. SRV answers are decoded with libc's ns_parserr, because c-ares 1.18 loses their
 * TTLs; addresses come from ares_getaddrinfo, which knows TTLs and /etc/hosts. */
#include "core/net/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/loop/fiber.h"
#include "core/loop/loop.h"

#define CACHE_ENTRIES 1024 /* direct mapped: a newer name replaces an older one */
#define NAME_MOST 255
#define NEGATIVE_MS 60000
#define FAILURE_MS 5000    /* DNS itself was out of reach */
#define TTL_MOST_S 86400
#define TRY_MS 1000
#define TRIES 3

enum record_kind { RECORD_ADDRESS, RECORD_SERVICE };

struct entry {
	enum record_kind kind;
	char name[NAME_MOST + 1];
	size_t name_len;
	int64_t expires_ms;
	unsigned count; /* 0: there is none */
	union {
		struct end_point addresses[RESOLVER_RECORDS_MOST];
		struct resolved_service services[RESOLVER_RECORDS_MOST];
	} records;
};

/* One question on its way; lives on the stack of the fiber that waits. */
struct question {
	struct fiber_event answered;
	struct entry answer;
	int64_t ttl_s;
	bool has_failed; /* DNS did not answer */
};

static struct {
	ares_channel channel;
	pid_t owner; /* a channel does not survive a fork */
	struct loop_timer timer;
	struct entry *cache[CACHE_ENTRIES];
	struct resolver_figures figures;
} state = { .timer = LOOP_TIMER_INIT };

/* ---- c-ares on the loop ------------------------------------------------------------------------------- */

static void on_socket(int fd, unsigned events, void *owner)
{
	(void)owner;
	ares_process_fd(state.channel, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
		events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
}

static void on_timer(struct loop_timer *timer)
{
	(void)timer;
	ares_process_fd(state.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	(void)data;
	unsigned events = (readable ? LOOP_READ : 0u) | (writable ? LOOP_WRITE : 0u);
	if (!events)
		loop_unwatch(fd);
	else if (!loop_watch(fd, events, on_socket, NULL))
		log_error("a DNS socket cannot be watched; its questions time out");
}

static bool channel_ready(void)
{
	struct ares_options options = { .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket_state,
		.lookups = (char[]){ 'f', 'b', '\0' } };
	if (state.owner == getpid())
		return true;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
		ares_init_options(&state.channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
			ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS) != ARES_SUCCESS) {
		log_error("the resolver cannot be set up; host names are not found");
		return false;
	}
	state.owner = getpid();
	loop_timer_start(&state.timer, TRY_MS / 4, TRY_MS / 4, on_timer, NULL);
	return true;
}

/* ---- cache ------------------------------------------------------------------------------------------------ */

static struct entry **cache_place(enum record_kind kind, struct span name)
{
	return &state.cache[hash_mix(hash_span_nocase(name), kind) % CACHE_ENTRIES];
}

static const struct entry *cache_find(enum record_kind kind, struct span name)
{
	const struct entry *entry = *cache_place(kind, name);
	bool is_it = entry && entry->kind == kind && entry->expires_ms > clock_ms() &&
		span_equal_nocase(span_make(entry->name, entry->name_len), name);
	state.figures.hits += is_it;
	return is_it ? entry : NULL;
}

static void cache_keep(const struct question *question, struct span name)
{
	struct entry **place = cache_place(question->answer.kind, name);
	if (!*place) {
		*place = malloc(sizeof(struct entry));
		if (!*place)
			return; /* asked again next time */
		state.figures.entries++;
	}
	int64_t ttl_ms = question->has_failed ? FAILURE_MS : NEGATIVE_MS;
	if (question->answer.count)
		ttl_ms = (question->ttl_s > TTL_MOST_S ? TTL_MOST_S : question->ttl_s) * 1000;
	**place = question->answer;
	(*place)->expires_ms = clock_ms() + ttl_ms;
}

void resolver_flush(void)
{
	for (unsigned i = 0; i < CACHE_ENTRIES; i++) {
		free(state.cache[i]);
		state.cache[i] = NULL;
	}
	state.figures.entries = 0;
}

struct resolver_figures resolver_figures(void)
{
	return state.figures;
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static bool is_out_of_reach(int status)
{
	return status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED || status == ARES_ESERVFAIL ||
	       status == ARES_EREFUSED || status == ARES_ENOMEM;
}

static void on_addresses(void *data, int status, int timeouts, struct ares_addrinfo *result)
{
	struct question *question = data;
	(void)timeouts;
	question->has_failed = is_out_of_reach(status);
	question->ttl_s = TTL_MOST_S;
	for (const struct ares_addrinfo_node *node = result ? result->nodes : NULL; node; node = node->ai_next) {
		struct sockaddr_storage address = { 0 };
		if (question->answer.count == RESOLVER_RECORDS_MOST || (size_t)node->ai_addrlen > sizeof(address))
			continue;
		memcpy(&address, node->ai_addr, (size_t)node->ai_addrlen);
		end_point_from_sockaddr(&address, TRANSPORT_NONE,
			&question->answer.records.addresses[question->answer.count]);
		question->answer.records.addresses[question->answer.count++].port = 0;
		if (node->ai_ttl < question->ttl_s)
			question->ttl_s = node->ai_ttl > 0 ? node->ai_ttl : 1;
	}
	if (result)
		ares_freeaddrinfo(result);
	fiber_wake(&question->answered);
}

static void take_service(struct question *question, ns_msg *message, const ns_rr *record)
{
	const unsigned char *data = ns_rr_rdata(*record);
	char target[NS_MAXDNAME];
	if (ns_rr_type(*record) != ns_t_srv || ns_rr_rdlen(*record) < 7 ||
		question->answer.count == RESOLVER_RECORDS_MOST)
		return;
	int len = ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + 6, target, sizeof(target));
	size_t target_len = len < 0 ? 0 : strlen(target);
	struct resolved_service *service = &question->answer.records.services[question->answer.count];
	/* A target of "." means that the service is decidedly not offered. */
	if (target_len == 0 || target_len >= sizeof(service->target) || strcmp(target, ".") == 0)
		return;
	service->priority = (uint16_t)ns_get16(data);
	service->weight = (uint16_t)ns_get16(data + 2);
	service->port = (uint16_t)ns_get16(data + 4);
	memcpy(service->target, target, target_len);
	service->target_len = (uint16_t)target_len;
	question->answer.count++;
	if ((int64_t)ns_rr_ttl(*record) < question->ttl_s)
		question->ttl_s = ns_rr_ttl(*record);
}

static void on_services(void *data, int status, int timeouts, unsigned char *bytes, int len)
{
	struct question *question = data;
	ns_msg message;
	(void)timeouts;
	question->has_failed = is_out_of_reach(status);
	question->ttl_s = TTL_MOST_S;
	if (status == ARES_SUCCESS && ns_initparse(bytes, len, &message) == 0)
		for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
			ns_rr record;
			if (ns_parserr(&message, ns_s_an, i, &record) == 0)
				take_service(question, &message, &record);
		}
	fiber_wake(&question->answered);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static bool ask(enum record_kind kind, struct span name, int family, struct question *question)
{
	struct ares_addrinfo_hints hints = { .ai_family = family, .ai_flags = ARES_AI_NOSORT };
	*question = (struct question){ .answer = { .kind = kind, .name_len = name.len } };
	memcpy(question->answer.name, name.at, name.len);
	question->answer.name[name.len] = '\0';
	if (!channel_ready())
		return false;
	state.figures.queries++;
	if (kind == RECORD_ADDRESS)
		ares_getaddrinfo(state.channel, question->answer.name, NULL, &hints, on_addresses, question);
	else
		ares_query(state.channel, question->answer.name, ns_c_in, ns_t_srv, on_services, question);
	fiber_wait(&question->answered, -1); /* c-ares answers every question, in the end with a time-out */
	state.figures.failures += question->has_failed;
	return true;
}

/* The cached entry, after asking when that is possible; NULL when nothing can be told. */
static const struct entry *look_up(enum record_kind kind, struct span name)
{
	if (name.len && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > NAME_MOST || memchr(name.at, '\0', name.len))
		return NULL;
	const struct entry *entry = cache_find(kind, name);
	if (entry || !fiber_is_running())
		return entry;
	struct question question;
	if (!ask(kind, name, AF_INET, &question))
		return NULL;
	if (kind == RECORD_ADDRESS && question.answer.count == 0 && !question.has_failed &&
		!ask(kind, name, AF_INET6, &question))
		return NULL;
	cache_keep(&question, name);
	return cache_find(kind, name);
}

bool resolve_host(struct span name, struct resolved_addresses *out)
{
	const struct entry *entry = look_up(RECORD_ADDRESS, name);
	out->count = entry ? entry->count : 0;
	for (unsigned i = 0; i < out->count; i++)
		out->addresses[i] = entry->records.addresses[i];
	return out->count > 0;
}

/* RFC 2782: lower priorities first; among equals each is drawn with a chance that follows its weight. */
static void order_services(struct resolved_services *all)
{
	for (unsigned i = 0; i < all->count; i++) {
		unsigned best = i;
		uint32_t total = 0;
		for (unsigned j = i; j < all->count; j++)
			if (all->services[j].priority < all->services[best].priority)
				best = j;
		for (unsigned j = i; j < all->count; j++)
			if (all->services[j].priority == all->services[best].priority)
				total += all->services[j].weight + 1u;
		uint32_t drawn = random_below(total);
		for (unsigned j = i; j < all->count; j++) {
			if (all->services[j].priority != all->services[best].priority)
				continue;
			if (drawn <= all->services[j].weight) {
				best = j;
				break;
			}
			drawn -= all->services[j].weight + 1u;
		}
		struct resolved_service chosen = all->services[best];
		all->services[best] = all->services[i];
		all->services[i] = chosen;
	}
}

bool resolve_services(struct span name, struct resolved_services *out)
{
	const struct entry *entry = look_up(RECORD_SERVICE, name);
	out->count = entry ? entry->count : 0;
	for (unsigned i = 0; i < out->count; i++)
		out->services[i] = entry->records.services[i];
	order_services(out);
	return out->count > 0;
}
