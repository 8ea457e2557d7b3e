/* SPDX-License-Identifier: BSD-2-Clause */
/* SRV and NAPTR records. */
#include "core/net/dns_records.h"

#include <arpa/nameser.h>
#include <resolv.h>

#include "core/base/hash.h"

/* Uncompresses a name that begins at `at`; returns its bytes there, 0 when it is no name. */
static int read_name(const ns_msg *message, const unsigned char *at,
		     char out_name[DNS_NAME_MOST + 1], size_t *out_len)
{
	char name[NS_MAXDNAME];
	int used = ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), at, name,
				      sizeof(name));
	size_t len = used > 0 ? strlen(name) : 0;
	if (len == 0 || len > DNS_NAME_MOST)
		return 0;
	memcpy(out_name, name, len + 1);
	*out_len = len;
	return used;
}

/* SRV RDATA = priority weight port target. A target of "." says that the service is decidedly not
 * offered. */
static bool read_service(const ns_msg *message, const ns_rr *record, struct dns_service *out)
{
	const unsigned char *data = ns_rr_rdata(*record);
	size_t len;
	if (ns_rr_rdlen(*record) < 7 || !read_name(message, data + 6, out->target, &len) ||
	    strcmp(out->target, ".") == 0)
		return false;
	out->priority = (uint16_t)ns_get16(data);
	out->weight = (uint16_t)ns_get16(data + 2);
	out->port = (uint16_t)ns_get16(data + 4);
	out->target_len = (uint16_t)len;
	return true;
}

/* character-string = length *OCTET; false when it leaves the record. */
static bool take_string(const unsigned char **at, const unsigned char *end, struct span *out_text)
{
	if (*at >= end || *at + 1 + **at > end)
		return false;
	*out_text = span_make((const char *)*at + 1, **at);
	*at += 1 + **at;
	return true;
}

/* NAPTR RDATA = order preference flags services regexp replacement */
static bool read_pointer(const ns_msg *message, const ns_rr *record, struct dns_pointer *out)
{
	const unsigned char *data = ns_rr_rdata(*record), *end = data + ns_rr_rdlen(*record),
			    *at = data + 4;
	struct span flags, service, expression;
	size_t len;
	if (ns_rr_rdlen(*record) < 8 || !take_string(&at, end, &flags) ||
	    !take_string(&at, end, &service) || !take_string(&at, end, &expression) || at >= end)
		return false;
	if (!span_equal_nocase(flags, SPAN_OF("s")) || expression.len ||
	    service.len > sizeof(out->service) || !read_name(message, at, out->replacement, &len) ||
	    strcmp(out->replacement, ".") == 0)
		return false;
	out->order = (uint16_t)ns_get16(data);
	out->preference = (uint16_t)ns_get16(data + 2);
	out->service_len = (uint8_t)service.len;
	memcpy(out->service, service.at, service.len);
	out->replacement_len = (uint8_t)len;
	return true;
}

typedef void (*take_record)(const ns_msg *message, const ns_rr *record, void *list);

/* Gives every record of this type to `take`; returns the shortest TTL of all answers, also of the
 * aliases in front of them. */
static int64_t walk_answers(struct span answer, int type, take_record take, void *list)
{
	ns_msg message;
	int64_t ttl_s = DNS_TTL_MOST_S;
	if (answer.len > NS_MAXMSG ||
	    ns_initparse((const unsigned char *)answer.at, (int)answer.len, &message) != 0)
		return ttl_s;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		ns_rr record;
		if (ns_parserr(&message, ns_s_an, i, &record) != 0)
			break;
		if ((int64_t)ns_rr_ttl(record) < ttl_s)
			ttl_s = ns_rr_ttl(record);
		if ((int)ns_rr_type(record) == type)
			take(&message, &record, list);
	}
	return ttl_s;
}

static void take_service(const ns_msg *message, const ns_rr *record, void *list)
{
	struct dns_services *all = list;
	if (all->count < DNS_RECORDS_MOST &&
	    read_service(message, record, &all->services[all->count]))
		all->count++;
}

static void take_pointer(const ns_msg *message, const ns_rr *record, void *list)
{
	struct dns_pointers *all = list;
	if (all->count < DNS_RECORDS_MOST &&
	    read_pointer(message, record, &all->pointers[all->count]))
		all->count++;
}

void dns_read_services(struct span answer, struct dns_services *out_services, int64_t *out_ttl_s)
{
	out_services->count = 0;
	*out_ttl_s = walk_answers(answer, ns_t_srv, take_service, out_services);
}

void dns_read_pointers(struct span answer, struct dns_pointers *out_pointers, int64_t *out_ttl_s)
{
	out_pointers->count = 0;
	*out_ttl_s = walk_answers(answer, ns_t_naptr, take_pointer, out_pointers);
}

/* ---- order -------------------------------------------------------------------------------------------------- */

/* Of those from `from` on that have the priority of `best`. */
static unsigned draw(const struct dns_services *all, unsigned from, unsigned best)
{
	uint32_t total = 0;
	for (unsigned i = from; i < all->count; i++)
		if (all->services[i].priority == all->services[best].priority)
			total += all->services[i].weight + 1u;
	uint32_t drawn = random_below(total);
	for (unsigned i = from; i < all->count; i++) {
		if (all->services[i].priority != all->services[best].priority)
			continue;
		if (drawn <= all->services[i].weight)
			return i;
		drawn -= all->services[i].weight + 1u;
	}
	return best;
}

void dns_order_services(struct dns_services *all, bool draws)
{
	for (unsigned i = 0; i < all->count; i++) {
		unsigned best = i;
		for (unsigned j = i; j < all->count; j++) {
			const struct dns_service *one = &all->services[j],
						 *first = &all->services[best];
			if (one->priority < first->priority ||
			    (!draws && one->priority == first->priority &&
			     one->weight > first->weight))
				best = j;
		}
		if (draws)
			best = draw(all, i, best);
		struct dns_service chosen = all->services[best];
		all->services[best] = all->services[i];
		all->services[i] = chosen;
	}
}
