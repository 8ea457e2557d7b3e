/* SPDX-License-Identifier: BSD-2-Clause */
/* set: addresses in one block of shared memory, found by a hash or, for subnets, one after the
 * other. */
#include <stdlib.h>

#include "core/shm/map.h"
#include "modules/permissions/permissions.h"

static uint64_t hash_ip(const struct end_point *ip)
{
	return hash_mix(hash_bytes(ip->ip, sizeof(ip->ip)), ip->family);
}

static uint64_t hash_row(const struct address_row *row)
{
	return row->kind == ADDRESS_DOMAIN ? hash_span(row->domain) : hash_ip(&row->ip);
}

static bool read_ip(struct span text, struct end_point *out)
{
	if (text.len > 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
		text = span_slice(text, 1, text.len - 2);
	return end_point_parse_ip(text, out);
}

/* A mask of 0 means the whole address, as one of all its bits does. */
static const char *classify(struct address_row *row, int64_t bits)
{
	int64_t whole = row->ip.family == AF_INET ? 32 : 128;
	if (bits < 0 || bits > whole)
		return "the mask is too large";
	row->bits = (uint32_t)(bits ? bits : whole);
	row->kind = bits && bits < whole ? ADDRESS_SUBNET : ADDRESS_HOST;
	return NULL;
}

const char *address_list_add(struct address_list *list, int64_t group, struct span address,
			     int64_t bits, int64_t port, struct span tag)
{
	struct address_row row = { .kind = ADDRESS_DOMAIN };
	if (group < 1 || group > INT32_MAX)
		return "the group is no positive number";
	if (port < 0 || port > UINT16_MAX)
		return "the port is not between 0 and 65535";
	if (!address.len)
		return "the address is empty";
	if (read_ip(address, &row.ip)) {
		const char *wrong = classify(&row, bits);
		if (wrong)
			return wrong;
	}
	if (row.kind == ADDRESS_SUBNET && list->subnets++ >= permissions_settings->max_subnets)
		return "there are more subnets than max_subnets";
	if (list->count == list->capacity) {
		uint32_t more = list->capacity ? 2 * list->capacity : 64;
		struct address_row *rows = arena_grow(
			list->arena, list->rows, list->capacity * sizeof(row), more * sizeof(row));
		if (!rows)
			return "memory is exhausted";
		list->rows = rows;
		list->capacity = more;
	}
	row.group = (uint32_t)group;
	row.port = (uint16_t)port;
	row.domain =
		row.kind == ADDRESS_DOMAIN ? arena_copy(list->arena, address) : (struct span){ 0 };
	row.tag = arena_copy(list->arena, tag);
	row.next = list->count; /* its place, until the set is built */
	list->rows[list->count++] = row;
	return NULL;
}

static int by_group(const void *left, const void *right)
{
	const struct address_row *a = left, *b = right;
	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return a->next < b->next ? -1 : 1;
}

/* Copies a text to the end of the block. */
static struct span keep(char **end, struct span text)
{
	if (!text.at)
		return text;
	char *at = *end;
	if (text.len)
		memcpy(at, text.at, text.len);
	*end += text.len;
	return span_make(at, text.len);
}

struct address_set *address_set_build(struct address_list *list)
{
	size_t texts = 0;
	uint32_t bucket_count = 1;
	while (bucket_count < list->count)
		bucket_count *= 2;
	for (uint32_t i = 0; i < list->count; i++)
		texts += list->rows[i].domain.len + list->rows[i].tag.len;
	struct address_set *set =
		shm_run_alloc(sizeof(*set) + list->count * sizeof(struct address_row) +
				      (bucket_count + list->count) * sizeof(uint32_t) + texts + 1,
			      "addresses");
	if (!set)
		return NULL;
	if (list->count)
		qsort(list->rows, list->count, sizeof(*list->rows), by_group);
	struct address_row *rows = (struct address_row *)(void *)(set + 1);
	uint32_t *buckets = (uint32_t *)(void *)(rows + list->count);
	uint32_t *subnets = buckets + bucket_count;
	char *end = (char *)(subnets + list->count);
	memset(buckets, 0, bucket_count * sizeof(*buckets));
	*set = (struct address_set){ list->count, bucket_count, rows, buckets, 0, subnets };
	/* From the last to the first, so that the first stands first in its bucket. */
	for (uint32_t i = list->count; i-- > 0;) {
		rows[i] = list->rows[i];
		rows[i].domain = keep(&end, rows[i].domain);
		rows[i].tag = keep(&end, rows[i].tag);
		rows[i].next = 0;
		if (rows[i].kind == ADDRESS_SUBNET)
			continue;
		uint32_t *bucket = &buckets[hash_row(&rows[i]) & (bucket_count - 1)];
		rows[i].next = *bucket;
		*bucket = i + 1;
	}
	for (uint32_t i = 0; i < list->count; i++)
		if (rows[i].kind == ADDRESS_SUBNET)
			subnets[set->subnet_count++] = i;
	return set;
}

static bool suits(const struct address_row *row, uint32_t group, int64_t port)
{
	return (!group || row->group == group) && (!row->port || row->port == port);
}

static const struct address_row *find_subnet(const struct address_set *set, uint32_t group,
					     const struct end_point *ip, int64_t port)
{
	const struct address_row *best = NULL;
	for (uint32_t i = 0; i < set->subnet_count; i++) {
		const struct address_row *row = &set->rows[set->subnets[i]];
		if (!suits(row, group, port) || !end_point_in_network(ip, &row->ip, row->bits))
			continue;
		if (!permissions_settings->subnet_match_mode)
			return row;
		if (!best || row->bits > best->bits)
			best = row;
	}
	return best;
}

const struct address_row *address_find(const struct address_set *set, uint32_t group,
				       struct span address, int64_t port)
{
	struct end_point ip;
	if (!set || !address.len)
		return NULL;
	bool is_ip = read_ip(address, &ip);
	uint64_t hash = is_ip ? hash_ip(&ip) : hash_span(address);
	uint32_t at = set->buckets[hash & (set->bucket_count - 1)];
	for (; at; at = set->rows[at - 1].next) {
		const struct address_row *row = &set->rows[at - 1];
		bool is_same =
			is_ip ? row->kind == ADDRESS_HOST && end_point_same_ip(&row->ip, &ip)
			      : row->kind == ADDRESS_DOMAIN && span_equal(row->domain, address);
		if (is_same && suits(row, group, port))
			return row;
	}
	return is_ip ? find_subnet(set, group, &ip, port) : NULL;
}
