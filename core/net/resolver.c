/* SPDX-License-Identifier: BSD-2-Clause */
/* DNS by c-ares: questions, their answers, and the cache. Addresses come from ares_getaddrinfo, which
 * knows TTLs and /etc/hosts; SRV and NAPTR answers are read by dns_records. */
#include "core/net/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/hash.h"
#include "core/loop/fiber.h"
#include "core/loop/loop.h"
#include "core/net/own_records.h"
#include "core/shm/counters.h"

#define CACHE_ENTRIES 1024 /* direct mapped: a newer name replaces an older one */
#define FAILURE_S     5    /* DNS itself was out of reach */
#define TRY_MS        1000
#define TRIES         3

enum record_kind { RECORD_ADDRESS, RECORD_SERVICE, RECORD_POINTER };

/* What is known of a name. Only as much of `records` is allocated as there is; count 0: it does not
 * exist. */
struct entry {
	enum record_kind kind;
	char name[DNS_NAME_MOST + 1];
	size_t name_len;
	int64_t expires_ms; /* INT64_MAX: never */
	int64_t used_ms;    /* when it was last asked for; 0: unknown */
	size_t bytes;
	unsigned count;
	bool has_own_life; /* expires_ms was said by resolver_keep_for */
	union records {
		struct end_point addresses[DNS_RECORDS_MOST];
		struct dns_service services[DNS_RECORDS_MOST];
		struct dns_pointer pointers[DNS_RECORDS_MOST];
	} records;
};
static const size_t record_bytes[] = {
	[RECORD_ADDRESS] = sizeof(struct end_point),
	[RECORD_SERVICE] = sizeof(struct dns_service),
	[RECORD_POINTER] = sizeof(struct dns_pointer),
};

/* One question on its way; lives on the stack of the fiber that waits. */
struct question {
	struct question *next;    /* of those on their way, or of the waiters */
	struct question *waiters; /* others that ask the same; they get a copy of the answer */
	struct fiber_event answered;
	struct entry answer;
	int64_t ttl_s;
	bool has_failed; /* DNS did not answer */
};

static struct {
	ares_channel channel;
	pid_t owner; /* a channel does not survive a fork */
	struct loop_timer timer, sweeper;
	struct entry *cache[CACHE_ENTRIES];
	struct question *asking;
	struct resolver_figures figures;
	counter_id failed, slow;
	struct resolver_options options;
} state = {
	.timer = LOOP_TIMER_INIT,
	.sweeper = LOOP_TIMER_INIT,
	.options = { .ipv4 = true,
		     .ipv6 = true,
		     .use_cache = true,
		     .max_ttl_s = DNS_TTL_MOST_S,
		     .negative_ttl_s = 60,
		     .sweep_s = 120,
		     .bytes_most = 500 << 10,
		     .search = true,
		     .draws_services = true },
};

void resolver_configure(const struct resolver_options *options)
{
	state.options = *options;
}

const struct resolver_options *resolver_options(void)
{
	return &state.options;
}

void resolver_prepare(void)
{
	state.failed = counter_register("dns", "failed_dns_request",
					"questions that DNS did not answer", COUNTER_COUNT);
	state.slow = counter_register("dns", "slow_dns_request",
				      "answers slower than dns_slow_query_ms", COUNTER_COUNT);
}

/* ---- cache ------------------------------------------------------------------------------------------------ */

static struct entry **cache_place(enum record_kind kind, struct span name)
{
	return &state.cache[hash_mix(hash_span_nocase(name), kind) % CACHE_ENTRIES];
}

static void cache_drop(struct entry **place)
{
	if (!*place)
		return;
	state.figures.entries--;
	state.figures.bytes -= (*place)->bytes;
	free(*place);
	*place = NULL;
}

static const struct entry *cache_find(enum record_kind kind, struct span name)
{
	struct entry *entry = *cache_place(kind, name);
	bool is_it = entry && entry->kind == kind && entry->expires_ms > clock_ms() &&
		     span_equal_nocase(span_make(entry->name, entry->name_len), name);
	state.figures.hits += is_it;
	if (is_it)
		entry->used_ms = clock_ms();
	return is_it ? entry : NULL;
}

static void write_record(struct writer *w, const struct entry *entry, unsigned i)
{
	const struct dns_service *service = &entry->records.services[i];
	const struct dns_pointer *pointer = &entry->records.pointers[i];
	switch (entry->kind) {
	case RECORD_ADDRESS: end_point_write_ip(w, &entry->records.addresses[i]); return;
	case RECORD_SERVICE:
		writer_printf(w, "%u %u %u %.*s", service->priority, service->weight, service->port,
			      (int)service->target_len, service->target);
		return;
	case RECORD_POINTER:
		writer_printf(w, "%u %u %.*s %.*s", pointer->order, pointer->preference,
			      (int)pointer->service_len, pointer->service,
			      (int)pointer->replacement_len, pointer->replacement);
		return;
	}
}

static const char *type_name(const struct entry *entry)
{
	switch (entry->kind) {
	case RECORD_ADDRESS:
		return entry->count && entry->records.addresses[0].family == AF_INET6 ? "AAAA"
										      : "A";
	case RECORD_SERVICE: return "SRV";
	case RECORD_POINTER: return "NAPTR";
	}
	return "";
}

/* A line of resolver_list; nothing when the writer is full. */
static void write_line(struct writer *out, const struct entry *entry, const char *type)
{
	size_t before = out->len;
	bool is_permanent = entry->expires_ms == INT64_MAX;
	int64_t left_ms = is_permanent ? 0 : entry->expires_ms - clock_ms();
	int64_t used_ms = entry->used_ms ? clock_ms() - entry->used_ms : 0;
	if (left_ms < 0 || out->failed)
		return;
	writer_printf(out, "%s\t%.*s\t%lld\t%zu\t%lld\t%s", type, (int)entry->name_len, entry->name,
		      (long long)(left_ms + 999) / 1000, entry->bytes, (long long)used_ms / 1000,
		      is_permanent ? "yes" : "no");
	for (unsigned i = 0; i < entry->count; i++) {
		writer_char(out, '\t');
		write_record(out, entry, i);
	}
	writer_char(out, '\n');
	if (out->failed) /* no half lines */
		out->len = before;
}

void resolver_list(struct writer *out)
{
	for (unsigned i = 0; i < CACHE_ENTRIES && !out->failed; i++)
		if (state.cache[i] && state.cache[i]->expires_ms > clock_ms())
			write_line(out, state.cache[i], type_name(state.cache[i]));
}

/* ---- what the administrator says ------------------------------------------------------------------- */

static const struct {
	const char *type;
	enum record_kind kind;
} own_kinds[] = {
	[OWN_A] = { "A", RECORD_ADDRESS },
	[OWN_AAAA] = { "AAAA", RECORD_ADDRESS },
	[OWN_SRV] = { "SRV", RECORD_SERVICE },
};

static void entry_from_own(struct entry *entry, enum own_kind kind, struct span name,
			   const struct own_answer *own)
{
	entry->kind = own_kinds[kind].kind;
	entry->name_len = name.len;
	memmove(entry->name, name.at, name.len);
	entry->name[name.len] = '\0';
	entry->expires_ms = own->is_permanent ? INT64_MAX : own->expires_ms;
	entry->used_ms = 0;
	entry->count = own->count;
	entry->bytes = offsetof(struct entry, records) + own->count * record_bytes[entry->kind];
	if (kind == OWN_SRV)
		memcpy(entry->records.services, own->services,
		       own->count * sizeof(own->services[0]));
	else
		memcpy(entry->records.addresses, own->addresses,
		       own->count * sizeof(own->addresses[0]));
}

void resolver_list_own(struct writer *out)
{
	struct entry entry;
	struct own_answer own;
	enum own_kind kind;
	uint32_t cursor = 0;
	while (own_records_each(&cursor, &kind, entry.name, &own)) {
		entry_from_own(&entry, kind, span_from(entry.name), &own);
		write_line(out, &entry, own_kinds[kind].type);
	}
}

/* False: nothing is said of the name. Of the families that are of use the first with addresses counts. */
static bool own_says(enum record_kind kind, struct span name, struct entry *out)
{
	const struct resolver_options *options = &state.options;
	const enum own_kind first = options->prefers_ipv6 ? OWN_AAAA : OWN_A;
	const enum own_kind kinds[] = { kind == RECORD_SERVICE ? OWN_SRV : first,
					first == OWN_A ? OWN_AAAA : OWN_A };
	struct own_answer own;
	bool is_known = false;
	if (kind == RECORD_POINTER)
		return false;
	for (unsigned i = 0; i < (kind == RECORD_SERVICE ? 1u : 2u); i++) {
		bool is_useful =
			kinds[i] == OWN_A ? options->ipv4 : kinds[i] == OWN_SRV || options->ipv6;
		if (!is_useful || !own_record_find(kinds[i], name, &own))
			continue;
		if (!is_known || own.count)
			entry_from_own(out, kinds[i], name, &own);
		is_known = true;
		if (own.count)
			break;
	}
	return is_known;
}

static void cache_sweep(void)
{
	for (unsigned i = 0; i < CACHE_ENTRIES; i++)
		if (state.cache[i] && state.cache[i]->expires_ms <= clock_ms())
			cache_drop(&state.cache[i]);
}

/* Makes room for `bytes`; false when what is there still holds and must not go. */
static bool cache_make_room(size_t bytes)
{
	if (state.figures.bytes + bytes <= state.options.bytes_most)
		return true;
	cache_sweep();
	for (unsigned i = 0; i < CACHE_ENTRIES && state.options.drops_live; i++)
		if (state.figures.bytes + bytes > state.options.bytes_most)
			cache_drop(&state.cache[i]);
	return state.figures.bytes + bytes <= state.options.bytes_most;
}

static int64_t time_to_live_s(const struct question *question)
{
	const struct resolver_options *options = &state.options;
	if (question->has_failed)
		return FAILURE_S;
	if (question->answer.count == 0)
		return options->negative_ttl_s;
	int64_t ttl_s = question->ttl_s < options->min_ttl_s ? options->min_ttl_s : question->ttl_s;
	return ttl_s > options->max_ttl_s ? options->max_ttl_s : ttl_s;
}

static void cache_keep(const struct question *question, struct span name)
{
	const struct entry *answer = &question->answer;
	size_t bytes = offsetof(struct entry, records) + answer->count * record_bytes[answer->kind];
	struct entry **place = cache_place(answer->kind, name);
	cache_drop(place);
	struct entry *kept =
		state.options.use_cache && cache_make_room(bytes) ? malloc(bytes) : NULL;
	if (!kept)
		return; /* asked again next time */
	memcpy(kept, answer, bytes);
	kept->bytes = bytes;
	kept->used_ms = clock_ms();
	kept->expires_ms = clock_ms() + time_to_live_s(question) * 1000;
	*place = kept;
	state.figures.entries++;
	state.figures.bytes += bytes;
}

void resolver_keep_for(struct span name, int64_t seconds)
{
	for (unsigned i = 0; i < CACHE_ENTRIES; i++) {
		struct entry *entry = state.cache[i];
		if (!entry || entry->has_own_life ||
		    !span_equal_nocase(span_make(entry->name, entry->name_len), name))
			continue;
		entry->expires_ms = clock_ms() + seconds * 1000;
		entry->has_own_life = true;
	}
}

void resolver_forget(const char *type, struct span name)
{
	for (unsigned i = 0; i < CACHE_ENTRIES; i++) {
		const struct entry *entry = state.cache[i];
		if (entry && strcmp(type_name(entry), type) == 0 &&
		    span_equal_nocase(span_make(entry->name, entry->name_len), name))
			cache_drop(&state.cache[i]);
	}
}

void resolver_flush(void)
{
	for (unsigned i = 0; i < CACHE_ENTRIES; i++)
		cache_drop(&state.cache[i]);
}

struct resolver_figures resolver_figures(void)
{
	return state.figures;
}

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

static void on_sweep(struct loop_timer *timer)
{
	(void)timer;
	cache_sweep();
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

/* dns_servers_no: asks only the first servers of resolv.conf. */
static void limit_servers(void)
{
	struct ares_addr_port_node *servers;
	if (state.options.servers_most == 0 ||
	    ares_get_servers_ports(state.channel, &servers) != ARES_SUCCESS)
		return;
	struct ares_addr_port_node *last = servers;
	for (int64_t i = 1; last && i < state.options.servers_most; i++)
		last = last->next;
	struct ares_addr_port_node *rest = last ? last->next : NULL;
	if (rest) {
		last->next = NULL;
		ares_set_servers_ports(state.channel, servers);
		last->next = rest;
	}
	ares_free_data(servers);
}

static bool channel_ready(void)
{
	const struct resolver_options *chosen = &state.options;
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS |
		   ARES_OPT_FLAGS;
	struct ares_options options = { .timeout = chosen->try_ms ? (int)chosen->try_ms : TRY_MS,
					.tries = chosen->tries ? (int)chosen->tries : TRIES,
					.sock_state_cb = on_socket_state,
					.flags = chosen->search ? 0 : ARES_FLAG_NOSEARCH,
					.lookups = (char[]){ 'f', 'b', '\0' } };
	if (state.owner == getpid())
		return true;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
	    ares_init_options(&state.channel, &options, mask) != ARES_SUCCESS) {
		log_error("the resolver cannot be set up; host names are not found");
		return false;
	}
	if (chosen->servers &&
	    ares_set_servers_ports_csv(state.channel, chosen->servers) != ARES_SUCCESS)
		log_error(
			"dns_servers: \"%s\" is no list of addresses; those of the system are asked",
			chosen->servers);
	limit_servers();
	state.owner = getpid();
	loop_timer_start(&state.timer, TRY_MS / 4, TRY_MS / 4, on_timer, NULL);
	if (chosen->sweep_s > 0)
		loop_timer_start(&state.sweeper, chosen->sweep_s * 1000, chosen->sweep_s * 1000,
				 on_sweep, NULL);
	return true;
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
	question->ttl_s = DNS_TTL_MOST_S;
	for (const struct ares_addrinfo_node *node = result ? result->nodes : NULL; node;
	     node = node->ai_next) {
		struct sockaddr_storage address = { 0 };
		if (question->answer.count == DNS_RECORDS_MOST ||
		    (size_t)node->ai_addrlen > sizeof(address))
			continue;
		memcpy(&address, node->ai_addr, (size_t)node->ai_addrlen);
		end_point_from_sockaddr(
			&address, TRANSPORT_NONE,
			&question->answer.records.addresses[question->answer.count]);
		question->answer.records.addresses[question->answer.count++].port = 0;
		if (node->ai_ttl < question->ttl_s)
			question->ttl_s = node->ai_ttl > 0 ? node->ai_ttl : 1;
	}
	if (result)
		ares_freeaddrinfo(result);
	fiber_wake(&question->answered);
}

static void on_services(void *data, int status, int timeouts, unsigned char *bytes, int len)
{
	struct question *question = data;
	struct dns_services found = { .count = 0 };
	(void)timeouts;
	question->has_failed = is_out_of_reach(status);
	if (status == ARES_SUCCESS)
		dns_read_services(span_make((const char *)bytes, (size_t)len), &found,
				  &question->ttl_s);
	question->answer.count = found.count;
	memcpy(question->answer.records.services, found.services,
	       found.count * sizeof(found.services[0]));
	fiber_wake(&question->answered);
}

static void on_pointers(void *data, int status, int timeouts, unsigned char *bytes, int len)
{
	struct question *question = data;
	struct dns_pointers found = { .count = 0 };
	(void)timeouts;
	question->has_failed = is_out_of_reach(status);
	if (status == ARES_SUCCESS)
		dns_read_pointers(span_make((const char *)bytes, (size_t)len), &found,
				  &question->ttl_s);
	question->answer.count = found.count;
	memcpy(question->answer.records.pointers, found.pointers,
	       found.count * sizeof(found.pointers[0]));
	fiber_wake(&question->answered);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static void send_question(struct question *question, int family)
{
	struct ares_addrinfo_hints hints = { .ai_family = family, .ai_flags = ARES_AI_NOSORT };
	const char *name = question->answer.name;
	switch (question->answer.kind) {
	case RECORD_ADDRESS:
		ares_getaddrinfo(state.channel, name, NULL, &hints, on_addresses, question);
		return;
	case RECORD_SERVICE:
		ares_query(state.channel, name, ns_c_in, ns_t_srv, on_services, question);
		return;
	case RECORD_POINTER:
		ares_query(state.channel, name, ns_c_in, ns_t_naptr, on_pointers, question);
		return;
	}
}

static void ask(int family, struct question *question)
{
	int64_t asked_ms = clock_ms();
	question->has_failed = false;
	state.figures.queries++;
	send_question(question, family);
	fiber_wait(&question->answered,
		   -1); /* c-ares answers every question, in the end with a time-out */
	state.figures.failures += question->has_failed;
	if (question->has_failed)
		counter_inc(state.failed);
	if (state.options.slow_ms && clock_ms() - asked_ms > state.options.slow_ms)
		counter_inc(state.slow);
}

/* Asks for the families that are of use, until one has an address. */
static void ask_addresses(struct question *question)
{
	const struct resolver_options *options = &state.options;
	const int families[] = { options->prefers_ipv6 ? AF_INET6 : AF_INET,
				 options->prefers_ipv6 ? AF_INET : AF_INET6 };
	for (unsigned i = 0; i < 2 && question->answer.count == 0 && !question->has_failed; i++)
		if (families[i] == AF_INET ? options->ipv4 : options->ipv6)
			ask(families[i], question);
}

static struct question *find_asking(enum record_kind kind, struct span name)
{
	struct question *one = state.asking;
	while (one && (one->answer.kind != kind ||
		       !span_equal_nocase(span_make(one->answer.name, one->answer.name_len), name)))
		one = one->next;
	return one;
}

static void forget_asking(struct question *question)
{
	struct question **link = &state.asking;
	while (*link != question)
		link = &(*link)->next;
	*link = question->next;
}

/* Asks DNS, or waits for the answer to a question that is already on its way. */
static void ask_once(enum record_kind kind, struct span name, struct question *question)
{
	struct question *same = find_asking(kind, name);
	*question = (struct question){ .answer = { .kind = kind, .name_len = name.len } };
	memcpy(question->answer.name, name.at, name.len);
	question->answer.name[name.len] = '\0';
	if (same) {
		question->next = same->waiters;
		same->waiters = question;
		fiber_wait(&question->answered, -1);
		return;
	}
	question->next = state.asking;
	state.asking = question;
	if (kind == RECORD_ADDRESS)
		ask_addresses(question);
	else
		ask(AF_UNSPEC, question);
	forget_asking(question);
	cache_keep(question, name);
	for (struct question *waiter = question->waiters, *next; waiter; waiter = next) {
		next = waiter->next; /* a waiter that runs takes its question away */
		waiter->answer = question->answer;
		fiber_wake(&waiter->answered);
	}
}

/* What is known of the name, after asking when that is possible: the cached entry, or `scratch`. NULL
 * when nothing can be told. */
static const struct entry *look_up(enum record_kind kind, struct span name,
				   struct question *scratch)
{
	if (name.len && name.at[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > DNS_NAME_MOST || memchr(name.at, '\0', name.len))
		return NULL;
	if (own_says(kind, name, &scratch->answer))
		return &scratch->answer;
	const struct entry *entry = cache_find(kind, name);
	if (entry || !fiber_is_running() || !channel_ready())
		return entry;
	ask_once(kind, name, scratch);
	return &scratch->answer;
}

bool resolve_host(struct span name, struct resolved_addresses *out)
{
	struct question scratch;
	const struct entry *entry = look_up(RECORD_ADDRESS, name, &scratch);
	out->count = entry ? entry->count : 0;
	for (unsigned i = 0; i < out->count; i++)
		out->addresses[i] = entry->records.addresses[i];
	return out->count > 0;
}

bool resolve_services(struct span name, struct dns_services *out)
{
	struct question scratch;
	const struct entry *entry = look_up(RECORD_SERVICE, name, &scratch);
	out->count = entry ? entry->count : 0;
	for (unsigned i = 0; i < out->count; i++)
		out->services[i] = entry->records.services[i];
	dns_order_services(out, state.options.draws_services);
	return out->count > 0;
}

bool resolve_pointers(struct span name, struct dns_pointers *out)
{
	struct question scratch;
	const struct entry *entry = look_up(RECORD_POINTER, name, &scratch);
	out->count = entry ? entry->count : 0;
	for (unsigned i = 0; i < out->count; i++)
		out->pointers[i] = entry->records.pointers[i];
	return out->count > 0;
}

bool resolver_show(const char *type, struct span name, struct writer *out)
{
	struct question scratch;
	enum record_kind kind = strcmp(type, "SRV") == 0     ? RECORD_SERVICE
				: strcmp(type, "NAPTR") == 0 ? RECORD_POINTER
							     : RECORD_ADDRESS;
	const struct entry *entry = look_up(kind, name, &scratch);
	if (!entry || !entry->count || strcmp(type_name(entry), type) != 0)
		return false;
	if (entry == &scratch.answer && !entry->expires_ms) /* asked now; it may be in the cache */
		entry = cache_find(kind, name) ? cache_find(kind, name) : entry;
	write_line(out, entry, type);
	return true;
}
