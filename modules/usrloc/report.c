/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks over the store: listings, and what expired. */
#include <stdlib.h>

#include "modules/usrloc/location.h"

unsigned location_shard_count(void)
{
	return shard_count(location_set());
}

static int compare_aors(const void *left, const void *right)
{
	const struct usrloc_contact *a = left, *b = right;
	int order = span_compare(a->aor, b->aor);
	return order ? order : (a->q < b->q) - (a->q > b->q);
}

unsigned location_copy_shard(unsigned domain, unsigned number, struct arena *arena,
			     struct usrloc_contact **out_contacts)
{
	uint32_t cursor = 0;
	unsigned count = 0;
	struct shard *shard = shard_lock_number(location_set(), number);
	uint32_t live = shard_live(location_set(), number);
	struct usrloc_contact *contacts = ARENA_ARRAY(arena, struct usrloc_contact, live + 1);
	struct binding *binding;
	while (contacts && count < live && (binding = slot_each(shard, &cursor)))
		if (binding->domain == domain && !binding_is_over(binding) &&
		    binding_copy(binding, arena, &contacts[count]))
			count++;
	shard_unlock(shard);
	if (count > 1)
		qsort(contacts, count, sizeof(*contacts), compare_aors);
	*out_contacts = contacts;
	return count;
}

/* Takes one binding whose time has come out of service. Returns true with a copy. */
static bool expire_one(struct shard *shard, struct binding *binding, struct arena *arena,
		       struct usrloc_contact *out)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	unsigned domain = binding->domain;
	const struct binding_owner owner = { domain, binding_text(binding, TEXT_AOR),
					     binding->slot.hash };
	unsigned before = location_collect(shard, &owner, found);
	bool is_copied = binding_copy(binding, arena, out);
	location_drop(shard, binding);
	location_count_users(domain, before, before - 1);
	location_count_expired(domain);
	return is_copied;
}

static unsigned expire_shard(unsigned number, struct arena *arena,
			     struct usrloc_contact *out_contacts, unsigned most)
{
	struct timer_due due[64];
	unsigned count = 0;
	struct shard *shard = shard_lock_number(location_set(), number);
	unsigned collected = wheel_collect(shard, clock_ms(), due,
					   most < ARRAY_SIZE(due) ? most : ARRAY_SIZE(due));
	for (unsigned i = 0; i < collected; i++) {
		struct binding *binding = (struct binding *)due[i].slot;
		if (binding->state == BINDING_GONE)
			continue;
		if (binding_cleared_ms(binding) <= clock_ms())
			count += expire_one(shard, binding, arena, &out_contacts[count]);
		else
			timer_arm(shard, &binding->slot, TIMER_EXPIRY, binding_cleared_ms(binding));
	}
	shard_unlock(shard);
	return count;
}

unsigned location_expire(struct arena *arena, struct usrloc_contact *out_contacts, unsigned most)
{
	unsigned count = 0, workers = worker_count();
	unsigned number = (unsigned)worker_index();
	for (; number < location_shard_count() && count < most; number += workers)
		while (count < most && shard_next_deadline(location_set(), number) <= clock_ms())
			count += expire_shard(number, arena, &out_contacts[count], most - count);
	return count;
}
