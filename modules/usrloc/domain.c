/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains of the location service (the table names of save() and lookup()) and their statistics. */
#include "core/shm/map.h"
#include "modules/usrloc/location.h"
#include "modules/usrloc/domain.h"

struct domain {
	char name[64];
	uint32_t length;
};

static struct {
	struct domain *rows; /* shared memory; a name is written before the count grows */
	_Atomic uint32_t *count;
	counter_id contacts[USRLOC_DOMAINS_MOST], users[USRLOC_DOMAINS_MOST],
		expired[USRLOC_DOMAINS_MOST], all_users;
} state;

bool domains_prepare(void)
{
	state.rows = shm_reserve(USRLOC_DOMAINS_MOST * sizeof(struct domain), "usrloc");
	state.count = shm_reserve(64, "usrloc");
	state.all_users = counter_register("usrloc", "registered_users",
					   "addresses-of-record with bindings now", COUNTER_GAUGE);
	return state.rows && state.count;
}

unsigned location_domain_find(struct span name)
{
	for (unsigned i = 0; i < *state.count; i++)
		if (span_equal(location_domain_name(i), name))
			return i;
	return USRLOC_NO_DOMAIN;
}

unsigned location_domain(struct span name)
{
	unsigned domain = location_domain_find(name);
	if (domain != USRLOC_NO_DOMAIN)
		return domain;
	/* Two processes may meet a new name at once: the lock of the first shard orders them. */
	struct shard *shard = shard_lock_number(location_set(), 0);
	domain = location_domain_find(name);
	uint32_t count = *state.count;
	if (domain == USRLOC_NO_DOMAIN && count < USRLOC_DOMAINS_MOST && name.len &&
	    name.len < sizeof(state.rows->name)) {
		memcpy(state.rows[count].name, name.at, name.len);
		state.rows[count].length = (uint32_t)name.len;
		*state.count = count + 1;
		domain = count;
	}
	shard_unlock(shard);
	return domain;
}

unsigned location_domain_count(void)
{
	return *state.count;
}

struct span location_domain_name(unsigned domain)
{
	return span_make(state.rows[domain].name, state.rows[domain].length);
}

static counter_id register_one(unsigned domain, const char *suffix, const char *doc,
			       enum counter_kind kind)
{
	char text[96];
	struct writer w = writer_fixed(text, sizeof(text) - 1);
	writer_printf(&w, "%.*s_%s", SPAN_ARGS(location_domain_name(domain)), suffix);
	return counter_register("usrloc", writer_terminate(&w), doc, kind);
}

void location_count_domain(unsigned domain)
{
	state.contacts[domain] = register_one(domain, "contacts", "bindings now", COUNTER_GAUGE);
	state.users[domain] = register_one(domain, "users", "addresses-of-record with bindings now",
					   COUNTER_GAUGE);
	state.expired[domain] =
		register_one(domain, "expires", "bindings that expired", COUNTER_COUNT);
}

void domain_count_contacts(unsigned domain, int64_t change)
{
	counter_add(state.contacts[domain], change);
}

void location_count_users(unsigned domain, unsigned before, unsigned after)
{
	int change = (after > 0) - (before > 0);
	if (change) {
		counter_add(state.users[domain], change);
		counter_add(state.all_users, change);
	}
}

void location_count_expired(unsigned domain)
{
	counter_inc(state.expired[domain]);
}
