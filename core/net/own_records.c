/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that the administrator knows better than DNS: a shared table with a slot per record. What is over
 * is dropped by whoever finds it. */
#include "core/net/own_records.h"

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/shm/map.h"
#include "core/shm/shard.h"

#define TTL_MOST_S 2147483647

struct entry {
	struct slot slot;
	uint64_t number; /* in the order of adding */
	int64_t expires_ms;
	enum own_kind kind;
	bool is_permanent, is_negative;
	uint16_t name_len;
	char name[DNS_NAME_MOST + 1];
	union {
		struct end_point address;
		struct dns_service service;
	};
};

static const struct shard_type entry_type = {
	.name = "dns_own",
	.slot_size = sizeof(struct entry),
};

static struct {
	struct shard_set *set; /* of one shard */
	uint64_t *last_number; /* shared; changed with the shard locked */
} table;

bool own_records_prepare(void)
{
	table.set = shard_set_new(&entry_type, 1);
	table.last_number = shm_reserve(sizeof(*table.last_number), "dns_own");
	return table.set && table.last_number;
}

static bool is_over(const struct entry *entry)
{
	return !entry->is_permanent && entry->expires_ms <= clock_ms();
}

static bool is_about(const struct entry *entry, enum own_kind kind, struct span name)
{
	return entry->kind == kind &&
	       span_equal_nocase(span_make(entry->name, entry->name_len), name);
}

/* The live entries of a name in the order of adding; what is over is freed. Lock held. */
static unsigned gather(struct shard *shard, enum own_kind kind, struct span name,
		       struct entry *out[DNS_RECORDS_MOST])
{
	unsigned count = 0;
	struct entry *entry = slot_first(shard, hash_span_nocase(name));
	while (entry) {
		struct entry *next = slot_next(shard, &entry->slot);
		if (is_over(entry)) {
			slot_free(shard, &entry->slot);
		} else if (is_about(entry, kind, name) && count < DNS_RECORDS_MOST) {
			unsigned at = count++;
			for (; at > 0 && out[at - 1]->number > entry->number; at--)
				out[at] = out[at - 1];
			out[at] = entry;
		}
		entry = next;
	}
	return count;
}

static void fill(struct entry *const *entries, unsigned count, struct own_answer *out)
{
	*out = (struct own_answer){ .expires_ms = INT64_MAX };
	for (unsigned i = 0; i < count; i++) {
		const struct entry *entry = entries[i];
		out->is_permanent = out->is_permanent || entry->is_permanent;
		if (!entry->is_permanent && entry->expires_ms < out->expires_ms)
			out->expires_ms = entry->expires_ms;
		if (entry->is_negative)
			continue;
		if (entry->kind == OWN_SRV)
			out->services[out->count++] = entry->service;
		else
			out->addresses[out->count++] = entry->address;
	}
}

bool own_record_find(enum own_kind kind, struct span name, struct own_answer *out)
{
	struct entry *entries[DNS_RECORDS_MOST];
	if (!table.set || shard_set_live(table.set) == 0)
		return false;
	struct shard *shard = shard_lock_number(table.set, 0);
	unsigned count = gather(shard, kind, name, entries);
	if (count)
		fill(entries, count, out);
	shard_unlock(shard);
	return count > 0;
}

bool own_records_each(uint32_t *cursor, enum own_kind *out_kind, char *out_name,
		      struct own_answer *out)
{
	struct entry *entries[DNS_RECORDS_MOST], *entry;
	if (!table.set)
		return false;
	struct shard *shard = shard_lock_number(table.set, 0);
	while ((entry = slot_each(shard, cursor))) {
		struct span name = span_make(out_name, entry->name_len);
		*out_kind = entry->kind;
		memcpy(out_name, entry->name, sizeof(entry->name));
		unsigned count = gather(shard, *out_kind, name, entries);
		/* The first of its records stands for the name. */
		if (count && entries[0] == entry) {
			fill(entries, count, out);
			break;
		}
	}
	shard_unlock(shard);
	return entry != NULL;
}

bool own_record_add(const struct own_record *record)
{
	struct entry *entries[DNS_RECORDS_MOST], *entry = NULL;
	if (!table.set || !record->name.len || record->name.len > DNS_NAME_MOST)
		return false;
	struct shard *shard = shard_lock_number(table.set, 0);
	unsigned count = gather(shard, record->kind, record->name, entries);
	bool is_full = count == DNS_RECORDS_MOST;
	for (unsigned i = 0; i < count && !is_full; i++) {
		if (entries[i]->is_negative == record->is_negative && !record->is_negative)
			continue;
		is_full = entries[i]->is_permanent;
		if (!is_full)
			slot_free(shard, &entries[i]->slot);
	}
	if (!is_full)
		entry = slot_new(shard, hash_span_nocase(record->name));
	if (entry) {
		entry->number = ++*table.last_number;
		entry->expires_ms = clock_ms() + record->ttl_s * 1000;
		entry->kind = record->kind;
		entry->is_permanent = record->is_permanent;
		entry->is_negative = record->is_negative;
		entry->name_len = (uint16_t)record->name.len;
		memcpy(entry->name, record->name.at, record->name.len);
		if (record->kind == OWN_SRV)
			entry->service = record->service;
		else
			entry->address = record->address;
		slot_publish(shard, &entry->slot);
	}
	shard_unlock(shard);
	return entry != NULL;
}

enum own_removal own_record_remove(enum own_kind kind, struct span name)
{
	struct entry *entries[DNS_RECORDS_MOST];
	if (!table.set)
		return OWN_MISSING;
	struct shard *shard = shard_lock_number(table.set, 0);
	unsigned count = gather(shard, kind, name, entries);
	enum own_removal result = count ? OWN_REMOVED : OWN_MISSING;
	for (unsigned i = 0; i < count; i++)
		if (entries[i]->is_permanent)
			result = OWN_PERMANENT;
	for (unsigned i = 0; i < count && result == OWN_REMOVED; i++)
		slot_free(shard, &entries[i]->slot);
	shard_unlock(shard);
	return result;
}

void own_records_clear(bool by_force)
{
	uint32_t cursor = 0;
	struct entry *entry;
	if (!table.set)
		return;
	struct shard *shard = shard_lock_number(table.set, 0);
	while ((entry = slot_each(shard, &cursor)))
		if (by_force || !entry->is_permanent)
			slot_free(shard, &entry->slot);
	shard_unlock(shard);
}

/* ---- from text ------------------------------------------------------------------------------------- */

bool own_record_set_target(struct own_record *record, struct span text)
{
	if (record->kind == OWN_SRV) {
		if (!text.len || text.len > DNS_NAME_MOST)
			return false;
		record->service.target_len = (uint16_t)text.len;
		memcpy(record->service.target, text.at, text.len);
		record->service.target[text.len] = '\0';
		return true;
	}
	return end_point_parse_ip(text, &record->address) &&
	       (record->address.family == AF_INET6) == (record->kind == OWN_AAAA);
}

static bool take_kind(struct own_record *record, struct span text)
{
	static const char *const names[] = {
		[OWN_A] = "A", [OWN_AAAA] = "AAAA", [OWN_SRV] = "SRV"
	};
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (span_equal_nocase(text, span_from(names[i]))) {
			record->kind = (enum own_kind)i;
			return true;
		}
	return false;
}

/* own-record = attribute *( ";" attribute ) ; attribute = name "=" value */
const char *own_record_parse(struct span text, struct own_record *out)
{
	static const char *const keys[] = { "type",     "name",   "addr", "ttl",
					    "priority", "weight", "port", "flags" };
	enum { TYPE, NAME, ADDRESS, TTL, PRIORITY, WEIGHT, PORT, FLAGS };
	struct span values[ARRAY_SIZE(keys)] = { { NULL, 0 } }, part, key;
	int64_t numbers[ARRAY_SIZE(keys)] = { [TTL] = 3600 };
	while (text.len && span_split(&text, ';', &part)) {
		unsigned i = 0;
		part = span_trim(part);
		if (!part.len)
			continue;
		span_split(&part, '=', &key);
		while (i < ARRAY_SIZE(keys) &&
		       !span_equal_nocase(span_trim(key), span_from(keys[i])))
			i++;
		if (i == ARRAY_SIZE(keys))
			return "knows type, name, addr, ttl, priority, weight, port and flags";
		values[i] = span_trim(part);
		if (i >= TTL && (!span_to_int64(values[i], &numbers[i]) || numbers[i] < 0 ||
				 numbers[i] > (i == TTL ? TTL_MOST_S : UINT16_MAX)))
			return "ttl, priority, weight, port and flags are numbers";
	}
	*out = (struct own_record){ .name = values[NAME],
				    .ttl_s = numbers[TTL],
				    .is_negative = numbers[FLAGS] & 1,
				    .is_permanent = numbers[FLAGS] & 2 };
	if (!take_kind(out, values[TYPE]))
		return "type is A, AAAA or SRV";
	if (!out->name.len || out->name.len > DNS_NAME_MOST)
		return "needs a name";
	out->service.priority = (uint16_t)numbers[PRIORITY];
	out->service.weight = (uint16_t)numbers[WEIGHT];
	out->service.port = (uint16_t)numbers[PORT];
	if (!out->is_negative && !own_record_set_target(out, values[ADDRESS]))
		return "addr is an address of that type, or for SRV a host";
	return NULL;
}
