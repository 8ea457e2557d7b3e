/* SPDX-License-Identifier: BSD-2-Clause */
/* What changed is what the bindings of one address-of-record are afterwards and were not before. Two changes
 * at the same time may be told twice. */
#include "modules/usrloc/observe.h"

#include "modules/usrloc/location.h"

#define OBSERVERS_MOST 4
#define ARENA_MOST     (4u << 20)

static struct {
	usrloc_observer all[OBSERVERS_MOST];
	unsigned count;
} state;

bool observers_add(usrloc_observer observer)
{
	if (state.count == OBSERVERS_MOST) {
		log_error("too many modules want to know of changed bindings");
		return false;
	}
	state.all[state.count++] = observer;
	return true;
}

static void tell(const struct observation *observation, enum usrloc_event event,
		 const struct usrloc_contact *contact)
{
	for (unsigned i = 0; i < state.count; i++)
		state.all[i](event, observation->domain, contact);
}

static const struct usrloc_contact *find(const struct usrloc_contact *contacts, unsigned count,
					 struct span ruid)
{
	for (unsigned i = 0; i < count; i++)
		if (span_equal(contacts[i].ruid, ruid))
			return &contacts[i];
	return NULL;
}

void observation_begin(struct observation *observation, unsigned domain, struct span aor)
{
	*observation = (struct observation){ .is_wanted = state.count && domain != USRLOC_NO_DOMAIN,
					     .domain = domain,
					     .aor = aor };
	if (!observation->is_wanted)
		return;
	arena_init(&observation->arena, 4096, ARENA_MOST);
	observation->count = location_get(domain, aor, &observation->arena, &observation->before);
}

void observation_end(struct observation *observation)
{
	struct usrloc_contact *after;
	if (!observation->is_wanted)
		return;
	unsigned count =
		location_get(observation->domain, observation->aor, &observation->arena, &after);
	for (unsigned i = 0; i < count; i++) {
		const struct usrloc_contact *old =
			find(observation->before, observation->count, after[i].ruid);
		if (!old)
			tell(observation, USRLOC_INSERTED, &after[i]);
		else if (old->version != after[i].version)
			tell(observation, USRLOC_UPDATED, &after[i]);
	}
	for (unsigned i = 0; i < observation->count; i++)
		if (!find(after, count, observation->before[i].ruid))
			tell(observation, USRLOC_REMOVED, &observation->before[i]);
	arena_free(&observation->arena);
}
