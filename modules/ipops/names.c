/* SPDX-License-Identifier: BSD-2-Clause */
/* names: functions that ask DNS, and the variables with the answers. The fiber waits, not the worker.
 * Answers are kept beside the message that asked. */
#include <netdb.h>
#include <unistd.h>

#include "core/net/resolver.h"
#include "modules/ipops/ipops.h"

#define HOST_NAME_MOST 256

struct answer {
	struct answer *next;
	enum names_kind kind;
	struct span id, name;
	const void *
		found; /* by its kind: resolved_addresses, dns_services, dns_pointers; NULL: nothing */
};
static unsigned slot, life_slot; /* answers; seconds that they are kept */

static struct {
	char full[HOST_NAME_MOST];
	char address[END_POINT_TEXT_MAX];
	struct span name, domain; /* of `full` */
	bool is_known;
} host;

/* ---- this machine ------------------------------------------------------------------------------------------ */

static const char *const host_keys = "nfdi";

const char *names_bind_host(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	return ref->inner.len == 1 && strchr(host_keys, ref->inner.at[0])
		       ? NULL
		       : "$HN(n), $HN(f), $HN(d) and $HN(i) are known";
}

/* Looked up once, while the server starts: the configuration can use it already ("#!substdef"). */
static void find_host(void)
{
	struct addrinfo hints = { .ai_flags = AI_CANONNAME }, *found = NULL;
	if (host.is_known)
		return;
	host.is_known = true;
	if (gethostname(host.full, sizeof(host.full) - 1) != 0)
		return;
	if (getaddrinfo(host.full, NULL, &hints, &found) == 0) {
		struct end_point address;
		struct sockaddr_storage storage = { 0 };
		struct writer w = writer_fixed(host.address, sizeof(host.address) - 1);
		memcpy(&storage, found->ai_addr, found->ai_addrlen);
		end_point_from_sockaddr(&storage, TRANSPORT_UDP, &address);
		end_point_write_ip(&w, &address);
		struct span full = span_from(found->ai_canonname);
		if (full.len && full.len < sizeof(host.full))
			memcpy(host.full, full.at, full.len + 1);
		freeaddrinfo(found);
	}
	struct span rest = span_from(host.full);
	if (span_split(&rest, '.', &host.name))
		host.domain = rest;
}

bool names_get_host(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span key = variable_inner_text(run, ref);
	struct span text = { NULL, 0 };
	find_host();
	switch (key.len == 1 ? key.at[0] : '\0') {
	case 'n': text = host.name; break;
	case 'f': text = span_from(host.full); break;
	case 'd': text = host.domain; break;
	case 'i': text = span_from(host.address); break;
	default: break;
	}
	*out = text.len ? VALUE_OF_TEXT(text) : (struct value){ 0 };
	return true;
}

bool names_prepare(struct diagnostics *diagnostics)
{
	(void)diagnostics;
	slot = message_slot("ipops");
	life_slot = message_slot("ipops life");
	find_host();
	return true;
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

struct match_args {
	struct span name, address;
};
static const struct field match_fields[] = {
	FIELD(struct match_args, name, "host name"),
	FIELD(struct match_args, address, "IP address"),
};
SCRIPT_HANDLER_OF(match_address, match)

struct query_args {
	struct span name, id;
};
static const struct field query_fields[] = {
	FIELD(struct query_args, name, "name in DNS"),
	FIELD(struct query_args, id, "name of the answer, for the variable"),
};
SCRIPT_HANDLER_OF(dns_query, query)
SCRIPT_HANDLER_OF(srv_query, query)
SCRIPT_HANDLER_OF(naptr_query, query)

struct ttl_args {
	int64_t seconds;
};
static const struct field ttl_fields[] = {
	FIELD(struct ttl_args, seconds, "seconds; 0: as the records say", .max = DNS_TTL_MOST_S),
};
SCRIPT_HANDLER_OF(set_ttl, ttl)

static const struct script_function functions[] = {
	FUNCTION_OF("dns_sys_match_ip", match_address, match, IN_ANY, "Is it an address of the host? -3: it is no address."),
	FUNCTION_OF("dns_int_match_ip", match_address, match, IN_ANY, "Same as dns_sys_match_ip."),
	FUNCTION_OF("dns_query", dns_query, query, IN_ANY, "Finds the addresses of a host, for $dns(...)."),
	FUNCTION_OF("srv_query", srv_query, query, IN_ANY, "Finds the SRV records of a name, for $srvquery(...)."),
	FUNCTION_OF("naptr_query", naptr_query, query, IN_ANY, "Finds the NAPTR records of SIP that have the flag s, for $naptrquery(...)."),
	FUNCTION_OF("dns_set_local_ttl", set_ttl, ttl, IN_ANY, "What this message asks DNS from now on is remembered for so long."),
};
const struct function_table names_functions = { functions, ARRAY_SIZE(functions) };

enum { QUERY_NO_ADDRESS = -3, QUERY_NOT_FOUND = -4 };

/* The addresses of a name, or the one that it is. */
static bool addresses_of(struct span name, struct resolved_addresses *out)
{
	if (!end_point_parse_ip(name, &out->addresses[0]))
		return resolve_host(name, out);
	out->count = 1;
	return true;
}

static int match_address(struct script_run *run, const struct match_args *args)
{
	struct resolved_addresses *found = ARENA_NEW(run->arena, struct resolved_addresses);
	struct end_point wanted;
	if (!found || !end_point_parse_ip(args->address, &wanted))
		return QUERY_NO_ADDRESS;
	if (!addresses_of(args->name, found))
		return QUERY_NOT_FOUND;
	for (unsigned i = 0; i < found->count; i++)
		if (end_point_same_ip(&found->addresses[i], &wanted))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

static struct answer *find(const struct script_run *run, enum names_kind kind, struct span id)
{
	for (struct answer *answer = run->msg->slots[slot]; answer; answer = answer->next)
		if (answer->kind == kind && span_equal(answer->id, id))
			return answer;
	return NULL;
}

/* The answer with this name, made or emptied; NULL when memory is exhausted. */
static struct answer *make(struct script_run *run, enum names_kind kind,
			   const struct query_args *args)
{
	struct answer *answer = find(run, kind, args->id);
	if (!answer) {
		answer = ARENA_NEW(run->arena, struct answer);
		if (!answer)
			return NULL;
		answer->kind = kind;
		answer->id = arena_copy(run->arena, args->id);
		answer->next = run->msg->slots[slot];
		run->msg->slots[slot] = answer;
	}
	answer->name = arena_copy(run->arena, args->name);
	answer->found = NULL;
	return answer;
}

static bool find_addresses(struct span name, void *out)
{
	return addresses_of(name, out);
}

static bool find_services(struct span name, void *out)
{
	return resolve_services(name, out);
}

static bool find_pointers(struct span name, void *out)
{
	return resolve_pointers(name, out);
}

static const struct question {
	size_t size; /* of what is found */
	bool (*ask)(struct span name, void *out);
} questions[] = {
	[NAMES_ADDRESSES] = { sizeof(struct resolved_addresses), find_addresses },
	[NAMES_SERVICES] = { sizeof(struct dns_services), find_services },
	[NAMES_POINTERS] = { sizeof(struct dns_pointers), find_pointers },
};

static int query(struct script_run *run, const struct query_args *args, enum names_kind kind)
{
	const int64_t *life_s = run->msg->slots[life_slot];
	struct answer *answer = make(run, kind, args);
	void *found = arena_zalloc(run->arena, 1, questions[kind].size);
	if (!answer || !found || !questions[kind].ask(args->name, found))
		return QUERY_NOT_FOUND;
	answer->found = found;
	if (life_s && *life_s)
		resolver_keep_for(args->name, *life_s);
	return SCRIPT_TRUE;
}

static int dns_query(struct script_run *run, const struct query_args *args)
{
	return query(run, args, NAMES_ADDRESSES);
}

static int srv_query(struct script_run *run, const struct query_args *args)
{
	return query(run, args, NAMES_SERVICES);
}

static int naptr_query(struct script_run *run, const struct query_args *args)
{
	return query(run, args, NAMES_POINTERS);
}

static int set_ttl(struct script_run *run, const struct ttl_args *args)
{
	int64_t *life_s = ARENA_NEW(run->arena, int64_t);
	if (!life_s)
		return SCRIPT_FALSE;
	*life_s = args->seconds;
	run->msg->slots[life_slot] = life_s;
	return SCRIPT_TRUE;
}

/* ---- variables -------------------------------------------------------------------------------------------------- */

/* inner = id "=>" key [ "[" index "]" ] */
struct inner {
	struct span id, key;
	bool has_index;
	int64_t index;
};

static bool inner_parse(struct span text, struct inner *out)
{
	size_t arrow = span_find_span(text, SPAN_OF("=>"));
	if (arrow == text.len)
		return false;
	*out = (struct inner){ .id = span_trim(span_slice(text, 0, arrow)),
			       .key = span_trim(span_slice(text, arrow + 2, text.len)) };
	size_t bracket = span_find(out->key, '[', 0);
	if (bracket < out->key.len) {
		struct span index = span_slice(out->key, bracket + 1, out->key.len);
		if (!span_ends_with(index, SPAN_OF("]")) ||
		    !span_to_int64(span_trim(span_slice(index, 0, index.len - 1)), &out->index))
			return false;
		out->has_index = true;
		out->key = span_trim(span_slice(out->key, 0, bracket));
	}
	return out->id.len && out->key.len;
}

/* Keys of the three kinds; those with an index are marked. */
static const struct key {
	enum names_kind kind;
	const char *name;
	bool has_index;
} keys[] = {
	{ NAMES_ADDRESSES, "count", false },  { NAMES_ADDRESSES, "ipv4", false },
	{ NAMES_ADDRESSES, "ipv6", false },   { NAMES_ADDRESSES, "hostname", false },
	{ NAMES_ADDRESSES, "addr", true },    { NAMES_ADDRESSES, "type", true },
	{ NAMES_SERVICES, "count", false },   { NAMES_SERVICES, "port", true },
	{ NAMES_SERVICES, "priority", true }, { NAMES_SERVICES, "target", true },
	{ NAMES_SERVICES, "weight", true },   { NAMES_POINTERS, "count", false },
	{ NAMES_POINTERS, "order", true },    { NAMES_POINTERS, "pref", true },
	{ NAMES_POINTERS, "flags", true },    { NAMES_POINTERS, "services", true },
	{ NAMES_POINTERS, "regex", true },    { NAMES_POINTERS, "replace", true },
};

const char *names_bind(struct variable_ref *ref, struct arena *arena)
{
	struct inner inner;
	(void)arena;
	if (ref->inner_template)
		return NULL;
	if (!inner_parse(ref->inner, &inner))
		return "this variable is $name(id=>key) or $name(id=>key[index])";
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].kind == (enum names_kind)ref->row->selector &&
		    span_equal_nocase(inner.key, span_from(keys[i].name)))
			return NULL;
	return "an answer has no such key";
}

/* The answer that is meant; negative indexes count from the end. */
static struct answer *answer_of(struct script_run *run, const struct variable_ref *ref,
				struct inner *inner, struct value *out)
{
	*out = (struct value){ 0 };
	if (!inner_parse(variable_inner_text(run, ref), inner))
		return NULL;
	return find(run, (enum names_kind)ref->row->selector, inner->id);
}

static bool place_index(struct inner *inner, unsigned count)
{
	if (inner->index < 0)
		inner->index += count;
	return inner->index >= 0 && inner->index < count;
}

static bool is_key(const struct inner *inner, const char *name)
{
	return span_equal_nocase(inner->key, span_from(name));
}

static bool has_family(const struct resolved_addresses *from, int family)
{
	for (unsigned i = 0; from && i < from->count; i++)
		if (from->addresses[i].family == family)
			return true;
	return false;
}

bool names_get_addresses(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct inner inner;
	char text[END_POINT_TEXT_MAX];
	struct answer *answer = answer_of(run, ref, &inner, out);
	const struct resolved_addresses *from = answer ? answer->found : NULL;
	if (!answer)
		return true;
	if (is_key(&inner, "count"))
		*out = VALUE_OF_INT(from ? from->count : 0);
	else if (is_key(&inner, "hostname"))
		*out = VALUE_OF_TEXT(answer->name);
	else if (is_key(&inner, "ipv4"))
		*out = VALUE_OF_INT(has_family(from, AF_INET));
	else if (is_key(&inner, "ipv6"))
		*out = VALUE_OF_INT(has_family(from, AF_INET6));
	else if (from && place_index(&inner, from->count)) {
		const struct end_point *ip = &from->addresses[inner.index];
		struct writer w = writer_fixed(text, sizeof(text));
		end_point_write_ip(&w, ip);
		if (is_key(&inner, "type"))
			*out = VALUE_OF_INT(ip->family == AF_INET ? 4 : 6);
		else
			*out = VALUE_OF_TEXT(arena_copy(run->arena, writer_result(&w)));
	}
	return true;
}

bool names_get_services(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct inner inner;
	struct answer *answer = answer_of(run, ref, &inner, out);
	const struct dns_services *from = answer ? answer->found : NULL;
	if (!from)
		return true;
	if (is_key(&inner, "count")) {
		*out = VALUE_OF_INT(from->count);
		return true;
	}
	if (!place_index(&inner, from->count))
		return true;
	const struct dns_service *service = &from->services[inner.index];
	if (is_key(&inner, "port"))
		*out = VALUE_OF_INT(service->port);
	else if (is_key(&inner, "priority"))
		*out = VALUE_OF_INT(service->priority);
	else if (is_key(&inner, "weight"))
		*out = VALUE_OF_INT(service->weight);
	else if (is_key(&inner, "target"))
		*out = VALUE_OF_TEXT(span_make(service->target, service->target_len));
	return true;
}

bool names_get_pointers(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct inner inner;
	struct answer *answer = answer_of(run, ref, &inner, out);
	const struct dns_pointers *from = answer ? answer->found : NULL;
	if (!from)
		return true;
	if (is_key(&inner, "count")) {
		*out = VALUE_OF_INT(from->count);
		return true;
	}
	if (!place_index(&inner, from->count))
		return true;
	const struct dns_pointer *pointer = &from->pointers[inner.index];
	if (is_key(&inner, "order"))
		*out = VALUE_OF_INT(pointer->order);
	else if (is_key(&inner, "pref"))
		*out = VALUE_OF_INT(pointer->preference);
	else if (is_key(&inner, "flags"))
		*out = VALUE_OF_TEXT(SPAN_OF("s"));
	else if (is_key(&inner, "services"))
		*out = VALUE_OF_TEXT(span_make(pointer->service, pointer->service_len));
	else if (is_key(&inner, "regex"))
		*out = VALUE_OF_TEXT(SPAN_OF(""));
	else if (is_key(&inner, "replace"))
		*out = VALUE_OF_TEXT(span_make(pointer->replacement, pointer->replacement_len));
	return true;
}
