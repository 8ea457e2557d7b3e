/* SPDX-License-Identifier: BSD-2-Clause */
/* The store of bindings: reading and changing them for one address-of-record. */
#include "modules/usrloc/location.h"

#include <stdlib.h>

#include "core/shm/foresee.h"
#include "core/shm/map.h"
#include "modules/usrloc/domain.h"
#include "modules/usrloc/journal.h"
#include "parser/uri.h"

#define SHARDS 64

static struct {
	struct shard_set *set;
	struct location_options options;
	uint64_t foreseen; /* the hash before */
} store;

bool location_prepare(const struct location_options *options)
{
	store.options = *options;
	store.set = shard_set_new(&binding_type, SHARDS);
	return store.set && domains_prepare() && bindings_prepare(options->server_id);
}

struct shard_set *location_set(void)
{
	return store.set;
}

uint32_t location_hash_id(unsigned domain, struct span aor)
{
	return (uint32_t)(binding_hash(domain, aor) & 0x7fffffff);
}

#define BINDING_GUESS 256 /* bytes of the region of most bindings */

/* When the next message is looked at, the shard of the one before has come, and tells what is next. */
void location_foresee(unsigned domain, struct span aor)
{
	if (store.foreseen)
		shard_foresee_new(store.set, store.foreseen, BINDING_GUESS);
	store.foreseen = binding_hash(domain, aor);
	shard_foresee(store.set, store.foreseen);
}

/* ---- all bindings of an address-of-record ---- */

unsigned location_collect(struct shard *shard, const struct binding_owner *owner,
			  struct binding **out_bindings)
{
	unsigned count = 0;
	struct binding *binding = slot_first(shard, owner->hash);
	for (; binding && count < USRLOC_CONTACTS_MOST; binding = slot_next(shard, &binding->slot))
		if (binding->state != BINDING_GONE && binding_is_of(binding, owner))
			out_bindings[count++] = binding;
	return count;
}

void location_drop(struct shard *shard, struct binding *binding)
{
	domain_count_contacts(binding->domain, -1);
	if (store.options.keeps_rows && binding->state != BINDING_NEW && !binding->memory_only) {
		timer_disarm(shard, &binding->slot, TIMER_EXPIRY);
		binding->state = BINDING_GONE;
	} else {
		slot_free(shard, &binding->slot);
	}
}

static void remove_binding(struct shard *shard, struct binding *binding)
{
	journal_forget(binding);
	location_drop(shard, binding);
}

uint32_t location_next_order(struct binding *const *found, unsigned count)
{
	uint32_t order = 0;
	for (unsigned i = 0; i < count; i++)
		order = found[i]->order > order ? found[i]->order : order;
	return order + 1;
}

/* Best first: higher q, then the older one; with desc_time_order the one modified last. */
static int compare_bindings(const void *left, const void *right)
{
	const struct binding *a = *(struct binding *const *)left,
			     *b = *(struct binding *const *)right;
	if (store.options.by_time) {
		if (a->modified_s != b->modified_s)
			return a->modified_s > b->modified_s ? -1 : 1;
		return a->order > b->order ? -1 : 1;
	}
	if (a->q != b->q)
		return a->q > b->q ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* Copies the bindings that `found` names, best first; lock held. */
static unsigned copy_all(struct binding **found, unsigned count, bool with_expired,
			 struct arena *arena, struct usrloc_contact **out_contacts)
{
	unsigned copied = 0;
	struct usrloc_contact *contacts =
		count ? ARENA_ARRAY(arena, struct usrloc_contact, count) : NULL;
	if (count > 1)
		qsort(found, count, sizeof(found[0]), compare_bindings);
	for (unsigned i = 0; contacts && i < count; i++)
		if ((with_expired || !binding_is_over(found[i])) &&
		    binding_copy(found[i], arena, &contacts[copied]))
			copied++;
	*out_contacts = contacts;
	return copied;
}

static unsigned get(unsigned domain, struct span aor, bool with_expired, struct arena *arena,
		    struct usrloc_contact **out_contacts)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	if (domain == USRLOC_NO_DOMAIN)
		return 0;
	struct binding_owner owner = binding_owner(domain, aor);
	struct shard *shard = shard_lock(store.set, owner.hash);
	unsigned count = location_collect(shard, &owner, found);
	count = copy_all(found, count, with_expired, arena, out_contacts);
	shard_unlock(shard);
	return count;
}

unsigned location_get(unsigned domain, struct span aor, struct arena *arena,
		      struct usrloc_contact **out_contacts)
{
	return get(domain, aor, false, arena, out_contacts);
}

unsigned location_get_with_expired(unsigned domain, struct span aor, struct arena *arena,
				   struct usrloc_contact **out_contacts)
{
	return get(domain, aor, true, arena, out_contacts);
}

unsigned location_get_hash(unsigned domain, uint64_t hash, struct arena *arena,
			   struct usrloc_contact **out_contacts)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	unsigned count = 0;
	if (domain == USRLOC_NO_DOMAIN)
		return 0;
	struct shard *shard = shard_lock(store.set, hash);
	for (struct binding *binding = slot_first(shard, hash);
	     binding && count < USRLOC_CONTACTS_MOST; binding = slot_next(shard, &binding->slot))
		if (binding->domain == domain && binding->state != BINDING_GONE)
			found[count++] = binding;
	count = copy_all(found, count, false, arena, out_contacts);
	shard_unlock(shard);
	return count;
}

struct binding *location_find_ruid(struct shard *shard, uint64_t hash, struct span ruid)
{
	struct binding *binding = slot_first(shard, hash);
	while (binding && !span_equal(binding_text(binding, TEXT_RUID), ruid))
		binding = slot_next(shard, &binding->slot);
	return binding;
}

/* NULL when it is gone. */
static struct binding *find_live_ruid(struct shard *shard, uint64_t hash, struct span ruid)
{
	struct binding *binding = location_find_ruid(shard, hash, ruid);
	return binding && binding->state != BINDING_GONE ? binding : NULL;
}

bool location_is_alive(unsigned domain, uint64_t hash, struct span ruid)
{
	struct shard *shard = shard_lock(store.set, hash);
	struct binding *binding = find_live_ruid(shard, hash, ruid);
	bool is_found = binding && binding->domain == domain;
	if (is_found)
		binding->keepalive_s = (uint32_t)clock_wall_s();
	shard_unlock(shard);
	return is_found;
}

bool location_answered(uint64_t hash, struct span ruid, uint32_t roundtrip_us)
{
	struct shard *shard = shard_lock(store.set, hash);
	struct binding *binding = find_live_ruid(shard, hash, ruid);
	if (binding) {
		binding->keepalive_s = (uint32_t)clock_wall_s();
		binding->roundtrip_us = roundtrip_us;
	}
	shard_unlock(shard);
	return binding != NULL;
}

void location_end_soon(uint64_t hash, struct span ruid, int64_t seconds)
{
	journal_make_room();
	struct shard *shard = shard_lock(store.set, hash);
	struct binding *binding = find_live_ruid(shard, hash, ruid);
	if (binding) {
		binding_end_soon(shard, binding, seconds);
		journal_keep(binding);
	}
	shard_unlock(shard);
	journal_changed();
}

unsigned location_remove(unsigned domain, struct span aor, struct span ruid)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	if (domain == USRLOC_NO_DOMAIN)
		return 0;
	journal_make_room();
	struct binding_owner owner = binding_owner(domain, aor);
	struct shard *shard = shard_lock(store.set, owner.hash);
	unsigned count = location_collect(shard, &owner, found), removed = 0;
	for (unsigned i = 0; i < count; i++)
		if (!ruid.len || span_equal(binding_text(found[i], TEXT_RUID), ruid)) {
			remove_binding(shard, found[i]);
			removed++;
		}
	shard_unlock(shard);
	journal_changed();
	location_count_users(domain, count, count - removed);
	return removed;
}

/* ---- changes of a REGISTER ---- */

static bool has_contact(const struct binding *binding, struct span contact)
{
	struct span own = binding_text(binding, TEXT_CONTACT);
	return span_equal(own, contact) || uri_text_equal(own, contact);
}

static bool binding_matches(const struct binding *binding, const struct usrloc_contact *contact)
{
	if (contact->instance.len)
		return span_equal(binding_text(binding, TEXT_INSTANCE), contact->instance) &&
		       binding->reg_id == contact->reg_id;
	switch (store.options.matching) {
	case MATCH_CONTACT: return has_contact(binding, contact->contact);
	case MATCH_CONTACT_CALL_ID:
		return span_equal(binding_text(binding, TEXT_CALL_ID), contact->call_id) &&
		       has_contact(binding, contact->contact);
	case MATCH_CONTACT_PATH:
		return span_equal(binding_text(binding, TEXT_PATH), contact->path) &&
		       has_contact(binding, contact->contact);
	case MATCH_CALL_ID:
		return span_equal(binding_text(binding, TEXT_CALL_ID), contact->call_id);
	}
	return false;
}

/* A change with what it applies to. */
struct plan {
	struct binding *target; /* NULL: insert, or nothing to remove */
	bool is_repeat;         /* a retransmission: changes nothing */
};

static struct binding *find_match(struct binding *const *found, unsigned count,
				  const struct usrloc_contact *contact)
{
	for (unsigned i = 0; i < count; i++)
		if (!binding_is_over(found[i]) && binding_matches(found[i], contact))
			return found[i];
	return NULL;
}

static enum usrloc_result make_plans(struct binding *const *found, unsigned found_count,
				     const struct usrloc_change *changes, unsigned count,
				     struct plan *plans)
{
	for (unsigned i = 0; i < count; i++) {
		const struct usrloc_contact *contact = &changes[i].contact;
		struct binding *target = find_match(found, found_count, contact);
		plans[i] = (struct plan){ .target = target };
		if (!target || !span_equal(binding_text(target, TEXT_CALL_ID), contact->call_id))
			continue;
		if (contact->cseq < target->cseq)
			return USRLOC_BAD_CSEQ;
		plans[i].is_repeat =
			contact->cseq == target->cseq &&
			target->modified_s + store.options.cseq_delay_s > clock_wall_s();
	}
	return USRLOC_OK;
}

static unsigned count_after(struct binding *const *found, unsigned found_count,
			    const struct usrloc_change *changes, const struct plan *plans,
			    unsigned count, bool only_these)
{
	unsigned live = 0, added = 0, gone = 0;
	for (unsigned i = 0; i < found_count; i++)
		live += !binding_is_over(found[i]);
	for (unsigned i = 0; i < count; i++) {
		added += !changes[i].remove && !plans[i].target;
		gone += changes[i].remove && plans[i].target;
	}
	return only_these ? count : live + added - gone;
}

/* Refreshing and removing is always allowed, also when the limit was lowered meanwhile. */
static bool adds_bindings(const struct usrloc_change *changes, const struct plan *plans,
			  unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!changes[i].remove && !plans[i].target)
			return true;
	return false;
}

static bool is_planned(const struct binding *binding, const struct plan *plans, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (plans[i].target == binding)
			return true;
	return false;
}

static bool insert(struct shard *shard, const struct binding_owner *owner,
		   const struct usrloc_contact *contact, uint32_t order)
{
	struct binding *binding = binding_insert(shard, owner, contact, order);
	if (!binding)
		return false;
	domain_count_contacts(owner->domain, 1);
	journal_keep(binding);
	return true;
}

static bool update(struct shard *shard, struct binding *binding,
		   const struct usrloc_contact *contact)
{
	if (!binding_update(shard, binding, contact))
		return false;
	journal_keep(binding);
	return true;
}

/* What is to be done for one address-of-record; lock held. */
struct work {
	struct shard *shard;
	struct binding_owner owner;
	const struct usrloc_change *changes;
	unsigned count;
	struct plan plans[USRLOC_CONTACTS_MOST];
	struct binding *found[USRLOC_CONTACTS_MOST];
	unsigned found_count;
	struct usrloc_outcome outcome;
};

/* What needs memory comes first, so that a failure leaves the old bindings in place. */
static enum usrloc_result carry_out(struct work *work)
{
	uint32_t order = location_next_order(work->found, work->found_count);
	for (unsigned i = 0; i < work->count; i++) {
		struct plan *plan = &work->plans[i];
		if (work->changes[i].remove || plan->is_repeat)
			continue;
		const struct usrloc_contact *contact = &work->changes[i].contact;
		bool is_done = plan->target ? update(work->shard, plan->target, contact)
					    : insert(work->shard, &work->owner, contact, order++);
		if (!is_done)
			return USRLOC_NO_MEMORY;
		work->outcome.updated += plan->target != NULL;
		work->outcome.inserted += plan->target == NULL;
	}
	for (unsigned i = 0; i < work->count; i++) {
		struct binding *target = work->plans[i].target;
		if (!work->changes[i].remove || !target || target->slot.state != SLOT_LIVE ||
		    target->state == BINDING_GONE)
			continue;
		remove_binding(work->shard, target);
		work->outcome.removed++;
	}
	return USRLOC_OK;
}

static void remove_others(struct work *work)
{
	for (unsigned i = 0; i < work->found_count; i++)
		if (!is_planned(work->found[i], work->plans, work->count)) {
			remove_binding(work->shard, work->found[i]);
			work->outcome.removed++;
		}
}

/* What is there now, for who wants to know it. */
static void copy_result(struct work *work, struct arena *arena)
{
	if (!arena)
		return;
	struct binding *found[USRLOC_CONTACTS_MOST];
	unsigned count = location_collect(work->shard, &work->owner, found);
	work->outcome.count = copy_all(found, count, false, arena, &work->outcome.contacts);
}

enum usrloc_result location_apply(unsigned domain, struct span aor,
				  const struct usrloc_change *changes, unsigned count,
				  unsigned max_contacts, bool only_these,
				  struct usrloc_outcome *out_outcome)
{
	struct work work; /* its arrays are filled as far as their counts say */
	if (domain == USRLOC_NO_DOMAIN || count > USRLOC_CONTACTS_MOST)
		return USRLOC_NO_MEMORY;
	journal_make_room();
	work.owner = binding_owner(domain, aor);
	struct shard *shard = shard_lock(store.set, work.owner.hash);
	work.shard = shard;
	work.changes = changes;
	work.count = count;
	work.outcome = (struct usrloc_outcome){ .arena = out_outcome->arena };
	work.found_count = location_collect(shard, &work.owner, work.found);
	enum usrloc_result result =
		make_plans(work.found, work.found_count, changes, count, work.plans);
	unsigned most = max_contacts && max_contacts < USRLOC_CONTACTS_MOST ? max_contacts
									    : USRLOC_CONTACTS_MOST;
	if (result == USRLOC_OK && adds_bindings(changes, work.plans, count) &&
	    count_after(work.found, work.found_count, changes, work.plans, count, only_these) >
		    most)
		result = USRLOC_TOO_MANY;
	if (result == USRLOC_OK)
		result = carry_out(&work);
	if (result == USRLOC_OK && only_these)
		remove_others(&work);
	if (result == USRLOC_OK)
		copy_result(&work, out_outcome->arena);
	shard_unlock(shard);
	journal_changed();
	location_count_users(domain, work.found_count,
			     work.found_count + work.outcome.inserted - work.outcome.removed);
	if (result == USRLOC_OK)
		*out_outcome = work.outcome;
	return result;
}
