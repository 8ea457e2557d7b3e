/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings behind the cfg.* commands. Everything shared is guarded by one lock; whoever died
 * with it left at worst a row whose `used` is not set yet. */
#include "modules/cfg_rpc/store.h"

#include "core/shm/lock.h"
#include "core/shm/map.h"

#define INSTANCES_MOST  64
#define OWN_VALUES_MOST 256
#define STAGED_MOST     128
#define GROUP_MAX       64

struct kept_value {
	uint32_t kind; /* enum value_kind */
	uint32_t len;
	int64_t number;
	char text[LIVE_TEXT_MAX];
};

struct instance_row {
	bool used;
	uint32_t id;
	uint32_t group_len;
	char group[GROUP_MAX];
};

struct own_value_row {
	bool used;
	uint32_t instance; /* index of its row */
	uint32_t setting;
	struct kept_value value;
};

struct staged_row {
	uint32_t setting;
	bool has_instance, is_removal;
	uint32_t instance; /* its id */
	struct kept_value value;
};

static struct shared {
	struct lock lock;
	struct instance_row instances[INSTANCES_MOST];
	struct own_value_row values[OWN_VALUES_MOST];
	uint32_t staged_count;
	struct staged_row staged[STAGED_MOST];
} * shared;

bool store_prepare(void)
{
	shared = shm_reserve(sizeof(*shared), "cfg_rpc");
	if (shared)
		lock_init(&shared->lock, LOCK_LEAF);
	return shared != NULL;
}

static void take_lock(void)
{
	if (lock_take(&shared->lock) == LOCK_OWNER_DIED)
		lock_mark_consistent(&shared->lock);
}

static bool keep_value(struct kept_value *kept, const struct value *value)
{
	if (value->text.len > sizeof(kept->text))
		return false;
	kept->kind = value->kind;
	kept->number = value->number;
	kept->len = (uint32_t)value->text.len;
	if (value->text.len)
		memcpy(kept->text, value->text.at, value->text.len);
	return true;
}

static struct value recall_value(const struct kept_value *kept, struct arena *arena)
{
	if (kept->kind != VALUE_TEXT)
		return (struct value){ .kind = (enum value_kind)kept->kind,
				       .number = kept->number };
	struct span text = arena_printf(arena, "%.*s", (int)kept->len, kept->text);
	return VALUE_OF_TEXT(text);
}

/* ---- settings ------------------------------------------------------------------------------------------ */

static unsigned live_count(void)
{
	static unsigned count; /* constant once the server runs */
	while (live_at(count))
		count++;
	return count;
}

bool setting_at(unsigned index, struct setting *out)
{
	struct setting found = { .index = index, .live = live_at(index) };
	if (!found.live)
		found.custom = config_custom_at(index - live_count());
	if (!found.live && !found.custom)
		return false;
	*out = found;
	return true;
}

bool setting_find(struct span group, struct span name, struct setting *out)
{
	struct setting setting;
	for (unsigned i = 0; setting_at(i, &setting); i++)
		if (span_equal(setting_group(&setting), group) &&
		    span_equal(setting_name(&setting), name)) {
			*out = setting;
			return true;
		}
	return false;
}

bool setting_group_exists(struct span group)
{
	struct setting setting;
	for (unsigned i = 0; setting_at(i, &setting); i++)
		if (span_equal(setting_group(&setting), group))
			return true;
	return false;
}

struct span setting_group(const struct setting *setting)
{
	return setting->live ? span_from(setting->live->group) : setting->custom->group;
}

struct span setting_name(const struct setting *setting)
{
	return setting->live ? span_from(setting->live->name) : setting->custom->name;
}

struct span setting_doc(const struct setting *setting)
{
	return setting->live ? span_from(setting->live->field->doc) : setting->custom->description;
}

bool setting_is_text(const struct setting *setting)
{
	return setting->live ? live_is_text(setting->live)
			     : setting->custom->initial.kind == VALUE_TEXT;
}

bool setting_can_change(const struct setting *setting)
{
	return !setting->live || setting->live->can_change;
}

struct value setting_value(const struct setting *setting)
{
	return setting->live ? live_get(setting->live) : setting->custom->value;
}

struct value setting_initial(const struct setting *setting)
{
	return setting->live ? setting->live->initial : setting->custom->initial;
}

const char *setting_check(const struct setting *setting, const struct value *value,
			  struct arena *arena)
{
	if (setting->live)
		return live_check(setting->live, value, arena);
	return value->text.len > 200 ? "the text is longer than 200 bytes" : NULL;
}

/* The log's threshold is more than its setting. */
static void follow_debug(const struct setting *setting, const struct value *value)
{
	if (span_equal(setting_group(setting), SPAN_OF("core")) &&
	    span_equal(setting_name(setting), SPAN_OF("debug")))
		log_set_threshold((int)value->number);
}

const char *setting_change(const struct setting *setting, const struct value *value,
			   struct arena *arena)
{
	const char *wrong = setting_check(setting, value, arena);
	if (wrong)
		return wrong;
	if (setting->live)
		wrong = live_set(setting->live, value, arena);
	else if (!config_custom_change(setting->custom->group, setting->custom->name, value))
		wrong = "the value has another kind";
	if (wrong)
		return wrong;
	follow_debug(setting, value);
	struct span group = setting_group(setting), name = setting_name(setting);
	if (value->kind == VALUE_INT)
		log_info("%.*s.%.*s has been changed to %lld", SPAN_ARGS(group), SPAN_ARGS(name),
			 (long long)value->number);
	else
		log_info("%.*s.%.*s has been changed to \"%.*s\"", SPAN_ARGS(group),
			 SPAN_ARGS(name), SPAN_ARGS(value->text));
	return NULL;
}

/* ---- places --------------------------------------------------------------------------------------------- */

bool place_parse(struct span text, struct place *out)
{
	size_t bracket = span_find(text, '[', 0);
	*out = (struct place){ .group = span_slice(text, 0, bracket) };
	if (bracket == text.len)
		return text.len > 0;
	out->has_instance = true;
	return bracket > 0 && text.at[text.len - 1] == ']' && bracket + 2 < text.len &&
	       span_to_uint32(span_slice(text, bracket + 1, text.len - bracket - 2),
			      &out->instance);
}

/* ---- instances ------------------------------------------------------------------------------------------ */

/* Under the lock: the row of a place, INSTANCES_MOST when there is none. */
static uint32_t find_instance(const struct place *place)
{
	for (uint32_t i = 0; i < INSTANCES_MOST; i++) {
		const struct instance_row *row = &shared->instances[i];
		if (row->used && row->id == place->instance &&
		    span_equal(span_make(row->group, row->group_len), place->group))
			return i;
	}
	return INSTANCES_MOST;
}

/* Under the lock: the own value of an instance, NULL when it has the group's. */
static struct own_value_row *find_own_value(uint32_t instance, unsigned setting)
{
	for (unsigned i = 0; i < OWN_VALUES_MOST; i++) {
		struct own_value_row *row = &shared->values[i];
		if (row->used && row->instance == instance && row->setting == setting)
			return row;
	}
	return NULL;
}

bool instance_exists(const struct place *place)
{
	take_lock();
	bool exists = find_instance(place) < INSTANCES_MOST;
	lock_release(&shared->lock);
	return exists;
}

static const char *add_row(const struct place *place)
{
	if (find_instance(place) < INSTANCES_MOST)
		return NULL;
	for (unsigned i = 0; i < INSTANCES_MOST; i++) {
		struct instance_row *row = &shared->instances[i];
		if (row->used)
			continue;
		memcpy(row->group, place->group.at, place->group.len);
		row->group_len = (uint32_t)place->group.len;
		row->id = place->instance;
		row->used = true;
		return NULL;
	}
	return "there are too many instances";
}

const char *instance_add(const struct place *place)
{
	if (!setting_group_exists(place->group))
		return "there is no such group";
	if (place->group.len > GROUP_MAX)
		return "the group's name is too long";
	take_lock();
	const char *wrong = add_row(place);
	lock_release(&shared->lock);
	return wrong;
}

/* Under the lock. */
static void drop_own_values(uint32_t instance)
{
	for (unsigned i = 0; i < OWN_VALUES_MOST; i++)
		if (shared->values[i].instance == instance)
			shared->values[i].used = false;
}

bool instance_remove(const struct place *place)
{
	take_lock();
	uint32_t instance = find_instance(place);
	if (instance < INSTANCES_MOST) {
		drop_own_values(instance);
		shared->instances[instance].used = false;
	}
	lock_release(&shared->lock);
	return instance < INSTANCES_MOST;
}

struct value instance_value(const struct place *place, const struct setting *setting,
			    struct arena *arena)
{
	struct kept_value kept;
	take_lock();
	const struct own_value_row *row = find_own_value(find_instance(place), setting->index);
	bool has_own = row != NULL;
	if (has_own)
		kept = row->value;
	lock_release(&shared->lock);
	return has_own ? recall_value(&kept, arena) : setting_value(setting);
}

static const char *set_own_value(uint32_t instance, unsigned setting, const struct value *value)
{
	struct own_value_row *row = find_own_value(instance, setting);
	if (instance == INSTANCES_MOST)
		return "there is no such instance";
	for (unsigned i = 0; !row && i < OWN_VALUES_MOST; i++)
		if (!shared->values[i].used)
			row = &shared->values[i];
	if (!row)
		return "instances have too many values of their own";
	row->used = false;
	row->instance = instance;
	row->setting = setting;
	row->used = keep_value(&row->value, value);
	return row->used ? NULL : "the text is too long";
}

const char *instance_change(const struct place *place, const struct setting *setting,
			    const struct value *value)
{
	take_lock();
	const char *wrong = set_own_value(find_instance(place), setting->index, value);
	lock_release(&shared->lock);
	return wrong;
}

void instance_forget(const struct place *place, const struct setting *setting)
{
	take_lock();
	uint32_t instance = find_instance(place);
	struct own_value_row *row = setting ? find_own_value(instance, setting->index) : NULL;
	if (row)
		row->used = false;
	else if (!setting)
		drop_own_values(instance);
	lock_release(&shared->lock);
}

/* ---- changes that wait -------------------------------------------------------------------------------------- */

const char *staged_add(const struct place *place, const struct setting *setting,
		       const struct value *value)
{
	const char *wrong = NULL;
	take_lock();
	struct staged_row *row =
		shared->staged_count < STAGED_MOST ? &shared->staged[shared->staged_count] : NULL;
	if (!row) {
		wrong = "too many changes wait; commit or roll back";
	} else {
		row->setting = setting->index;
		row->has_instance = place->has_instance;
		row->instance = place->instance;
		row->is_removal = !value;
		if (value && !keep_value(&row->value, value))
			wrong = "the text is too long";
		else
			shared->staged_count++;
	}
	lock_release(&shared->lock);
	return wrong;
}

bool staged_at(unsigned index, struct arena *arena, struct staged *out)
{
	struct staged_row row;
	take_lock();
	bool is_there = index < shared->staged_count;
	if (is_there)
		row = shared->staged[index];
	lock_release(&shared->lock);
	if (!is_there || !setting_at(row.setting, &out->setting))
		return false;
	out->has_instance = row.has_instance;
	out->is_removal = row.is_removal;
	out->instance = row.instance;
	out->value = row.is_removal ? (struct value){ .kind = VALUE_NULL }
				    : recall_value(&row.value, arena);
	return true;
}

void staged_clear(void)
{
	take_lock();
	shared->staged_count = 0;
	lock_release(&shared->lock);
}
