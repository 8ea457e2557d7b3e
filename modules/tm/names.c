/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of routes that transactions remember, as small numbers. A number means the same name in every
 * process and for ever, so a route that was armed before a reload is found in the new image. */
#include "core/shm/lock.h"
#include "core/shm/map.h"
#include "modules/tm/transaction.h"

#define NAMES_MOST 1024
#define NAME_MOST  120

struct name {
	uint32_t len;
	uint32_t hash;
	char text[NAME_MOST];
};

static struct names {
	struct lock lock;
	_Atomic uint32_t count;
	struct name list[NAMES_MOST];
} * names;

bool names_prepare(void)
{
	names = shm_reserve(sizeof(*names), "tm route names");
	if (names)
		lock_init(&names->lock, LOCK_LEAF);
	return names != NULL;
}

static uint16_t find(struct span text, uint32_t hash, uint32_t from)
{
	uint32_t count = names->count;
	for (uint32_t i = from; i < count; i++)
		if (names->list[i].hash == hash && span_equal(route_name((uint16_t)(i + 1)), text))
			return (uint16_t)(i + 1);
	return 0;
}

static uint16_t add(struct span text, uint32_t hash)
{
	if (lock_take(&names->lock) == LOCK_OWNER_DIED)
		lock_mark_consistent(
			&names->lock); /* the count is stored last, so nothing is half done */
	uint16_t number = find(text, hash, 0);
	uint32_t count = names->count;
	if (!number && count < NAMES_MOST) {
		struct name *name = &names->list[count];
		memcpy(name->text, text.at, text.len);
		name->len = (uint32_t)text.len;
		name->hash = hash;
		names->count = count + 1;
		number = (uint16_t)(count + 1);
	}
	lock_release(&names->lock);
	return number;
}

bool route_number(struct span name, uint16_t *out_number)
{
	if (name.len == 0 || span_equal(name, SPAN_OF("0"))) {
		*out_number = 0;
		return true;
	}
	if (name.len > NAME_MOST) {
		log_error("the name of route %.*s is too long", SPAN_ARGS(name));
		return false;
	}
	uint32_t hash = (uint32_t)hash_span(name);
	uint16_t number = find(name, hash, 0);
	if (!number)
		number = add(name, hash);
	if (!number)
		log_error("too many different names of routes");
	else
		*out_number = number;
	return number != 0;
}

struct span route_name(uint16_t number)
{
	if (!number)
		return (struct span){ NULL, 0 };
	const struct name *name = &names->list[number - 1];
	return span_make(name->text, name->len);
}
