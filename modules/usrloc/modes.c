/* SPDX-License-Identifier: BSD-2-Clause */
/* db_mode: in front of the store. In mode 3 the store is a copy of the database that is renewed for
 * each address-of-record before it is used. */
#include "modules/usrloc/modes.h"

#include "modules/usrloc/observe.h"
#include "modules/usrloc/writeback.h"

static enum db_mode mode;

void modes_prepare(enum db_mode wanted)
{
	mode = wanted;
}

enum db_mode modes_now(void)
{
	return mode;
}

bool modes_write(void)
{
	return mode == MODE_THROUGH || mode == MODE_BACK || mode == MODE_ONLY;
}

static bool renew(unsigned domain, struct span aor)
{
	return mode != MODE_ONLY || domain == USRLOC_NO_DOMAIN ||
	       rows_refresh(domain, aor) == DB_OK;
}

/* False when the database did not take it; it is written later then. */
static bool write_now(unsigned domain, struct span aor)
{
	bool is_due = mode == MODE_THROUGH || mode == MODE_ONLY;
	return !is_due || writeback_aor(domain, aor) == DB_OK;
}

unsigned modes_get(unsigned domain, struct span aor, struct arena *arena,
		   struct usrloc_contact **out_contacts)
{
	return renew(domain, aor) ? location_get(domain, aor, arena, out_contacts) : 0;
}

unsigned modes_get_with_expired(unsigned domain, struct span aor, struct arena *arena,
				struct usrloc_contact **out_contacts)
{
	return renew(domain, aor) ? location_get_with_expired(domain, aor, arena, out_contacts) : 0;
}

/* What waits for the database comes after the store was renewed. */
static enum usrloc_result apply_renewed(unsigned domain, struct span aor,
					const struct usrloc_change *changes, unsigned count,
					unsigned max_contacts, bool only_these,
					struct usrloc_outcome *out_outcome)
{
	enum usrloc_result result =
		location_apply(domain, aor, changes, count, max_contacts, only_these, out_outcome);
	if (result == USRLOC_OK && !write_now(domain, aor) && mode == MODE_ONLY)
		return USRLOC_NO_DATABASE;
	return result;
}

static unsigned remove_renewed(unsigned domain, struct span aor, struct span ruid)
{
	unsigned removed = location_remove(domain, aor, ruid);
	if (removed)
		(void)write_now(domain, aor);
	return removed;
}

enum usrloc_result modes_apply(unsigned domain, struct span aor,
			       const struct usrloc_change *changes, unsigned count,
			       unsigned max_contacts, bool only_these,
			       struct usrloc_outcome *out_outcome)
{
	struct observation observation;
	if (!renew(domain, aor))
		return USRLOC_NO_DATABASE;
	observation_begin(&observation, domain, aor);
	enum usrloc_result result =
		apply_renewed(domain, aor, changes, count, max_contacts, only_these, out_outcome);
	observation_end(&observation);
	return result;
}

unsigned modes_remove(unsigned domain, struct span aor, struct span ruid)
{
	struct observation observation;
	if (!renew(domain, aor))
		return 0;
	observation_begin(&observation, domain, aor);
	unsigned removed = remove_renewed(domain, aor, ruid);
	observation_end(&observation);
	return removed;
}

enum usrloc_result modes_apply_quietly(unsigned domain, struct span aor,
				       const struct usrloc_change *changes, unsigned count)
{
	struct usrloc_outcome outcome = { 0 };
	return renew(domain, aor) ? apply_renewed(domain, aor, changes, count, 0, false, &outcome)
				  : USRLOC_NO_DATABASE;
}

unsigned modes_remove_quietly(unsigned domain, struct span aor, struct span ruid)
{
	return renew(domain, aor) ? remove_renewed(domain, aor, ruid) : 0;
}
