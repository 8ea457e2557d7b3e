/* SPDX-License-Identifier: BSD-2-Clause */
/* What a connection has prepared: a short list by text of the statement, the most recently used
 * first. Servers use a few dozen statements, so walking it costs less than anything cleverer. */
#include <stdlib.h>

#include "core/db/driver.h"

struct db_cache_entry {
	struct db_cache_entry *next;
	uint64_t hash;
	void *handle;
	size_t len;
	char sql[];
};

void *db_cache_find(struct db_cache *cache, const struct db_statement *statement)
{
	struct db_cache_entry **at = &cache->first, *entry;
	for (; (entry = *at); at = &entry->next)
		if (entry->hash == statement->hash &&
		    span_equal(span_make(entry->sql, entry->len), statement->sql)) {
			*at = entry->next;
			entry->next = cache->first;
			cache->first = entry;
			return entry->handle;
		}
	return NULL;
}

static void drop(struct db_cache *cache, struct db_cache_entry **at)
{
	struct db_cache_entry *entry = *at;
	*at = entry->next;
	cache->count--;
	cache->drop(cache->owner, entry->handle);
	free(entry);
}

bool db_cache_add(struct db_cache *cache, const struct db_statement *statement, void *handle)
{
	struct db_cache_entry *entry = malloc(sizeof(*entry) + statement->sql.len);
	if (!entry)
		return false;
	if (cache->count >= cache->most && cache->first) {
		struct db_cache_entry **last = &cache->first;
		while ((*last)->next)
			last = &(*last)->next;
		drop(cache, last);
	}
	entry->hash = statement->hash;
	entry->handle = handle;
	entry->len = statement->sql.len;
	memcpy(entry->sql, statement->sql.at, statement->sql.len);
	entry->next = cache->first;
	cache->first = entry;
	cache->count++;
	return true;
}

void db_cache_remove(struct db_cache *cache, void *handle)
{
	for (struct db_cache_entry **at = &cache->first; *at; at = &(*at)->next)
		if ((*at)->handle == handle) {
			drop(cache, at);
			return;
		}
}

void db_cache_clear(struct db_cache *cache)
{
	while (cache->first)
		drop(cache, &cache->first);
}
