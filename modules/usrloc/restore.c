/* SPDX-License-Identifier: BSD-2-Clause */
/* Bindings that journal or database tell of. */
#include "modules/usrloc/domain.h"
#include "modules/usrloc/location.h"

static struct binding *add(struct shard *shard, unsigned domain,
			   const struct usrloc_contact *contact, enum binding_state state)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	struct binding_owner owner = binding_owner(domain, contact->aor);
	unsigned before = location_collect(shard, &owner, found);
	struct binding *binding =
		binding_insert(shard, &owner, contact, location_next_order(found, before));
	if (!binding)
		return NULL;
	binding->state = (uint8_t)state;
	if (state == BINDING_GONE) {
		timer_disarm(shard, &binding->slot, TIMER_EXPIRY);
		return binding;
	}
	domain_count_contacts(domain, 1);
	location_count_users(domain, before, before + 1);
	return binding;
}

bool location_restore(unsigned domain, const struct usrloc_contact *contact,
		      enum binding_state state)
{
	uint64_t hash = binding_hash(domain, contact->aor);
	struct shard *shard = shard_lock(location_set(), hash);
	bool is_restored = location_find_ruid(shard, hash, contact->ruid) ||
			   add(shard, domain, contact, state);
	shard_unlock(shard);
	return is_restored;
}

/* Takes over what the row says; the version stays. */
static bool take_row(struct shard *shard, struct binding *binding, const struct usrloc_contact *row)
{
	struct usrloc_contact contact = *row;
	contact.attributes = binding_text(binding, TEXT_ATTRIBUTES);
	if (!binding_update(shard, binding, &contact))
		return false;
	binding->state = BINDING_SYNC;
	return true;
}

static bool says_the_same(const struct binding *binding, const struct usrloc_contact *row)
{
	return binding->modified_s == row->modified_wall_s && binding->cseq == row->cseq &&
	       span_equal(binding_text(binding, TEXT_CALL_ID), row->call_id);
}

bool location_restore_row(unsigned domain, const struct usrloc_contact *row)
{
	uint64_t hash = binding_hash(domain, row->aor);
	struct shard *shard = shard_lock(location_set(), hash);
	struct binding *known = location_find_ruid(shard, hash, row->ruid);
	bool is_done = true;
	if (!known)
		is_done = add(shard, domain, row, BINDING_SYNC) != NULL;
	else if (known->state != BINDING_GONE && row->modified_wall_s > known->modified_s)
		is_done = take_row(shard, known, row);
	else if (known->state != BINDING_GONE)
		known->state = says_the_same(known, row) ? BINDING_SYNC : BINDING_DIRTY;
	shard_unlock(shard);
	return is_done;
}

void location_restore_attributes(unsigned domain, struct span aor, struct span ruid,
				 struct span attributes)
{
	uint64_t hash = binding_hash(domain, aor);
	struct shard *shard = shard_lock(location_set(), hash);
	struct binding *binding = location_find_ruid(shard, hash, ruid);
	if (binding && binding->state == BINDING_SYNC && !binding->lengths[TEXT_ATTRIBUTES])
		(void)binding_set_attributes(shard, binding, attributes);
	shard_unlock(shard);
}

/* ---- the store as a copy of the database ---- */

void location_refresh_begin(unsigned domain, struct span aor)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	struct binding_owner owner = binding_owner(domain, aor);
	struct shard *shard = shard_lock(location_set(), owner.hash);
	unsigned count = location_collect(shard, &owner, found);
	for (unsigned i = 0; i < count; i++)
		found[i]->is_doubted = found[i]->state == BINDING_SYNC;
	shard_unlock(shard);
}

void location_refresh_row(unsigned domain, const struct usrloc_contact *row)
{
	uint64_t hash = binding_hash(domain, row->aor);
	struct shard *shard = shard_lock(location_set(), hash);
	struct binding *known = location_find_ruid(shard, hash, row->ruid);
	if (!known) {
		add(shard, domain, row, BINDING_SYNC);
	} else if (known->state == BINDING_SYNC) {
		take_row(shard, known, row);
		known->is_doubted = false;
	}
	shard_unlock(shard);
}

void location_refresh_end(unsigned domain, struct span aor)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	unsigned left = 0;
	struct binding_owner owner = binding_owner(domain, aor);
	struct shard *shard = shard_lock(location_set(), owner.hash);
	unsigned count = location_collect(shard, &owner, found);
	for (unsigned i = 0; i < count; i++) {
		if (!found[i]->is_doubted || found[i]->state != BINDING_SYNC) {
			left++;
			continue;
		}
		domain_count_contacts(domain, -1);
		slot_free(shard, &found[i]->slot);
	}
	shard_unlock(shard);
	location_count_users(domain, count, left);
}
