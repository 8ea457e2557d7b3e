/* SPDX-License-Identifier: BSD-2-Clause */
/* table: reads domains and their attributes from the database into one block of shared memory, which
 * replaces the one before as a whole. */
#include <stdlib.h>

#include "core/shm/map.h"
#include "core/shm/published.h"
#include "modules/domain/domain.h"

#define DOMAIN_VERSION       2
#define DOMAIN_ATTRS_VERSION 1
#define LIST_CHUNK           (64 << 10)
#define LIST_MOST            ((size_t)512 << 20)

enum { TYPE_INT = 0, TYPE_TEXT = 2 };

static struct {
	struct db *db;
	struct db_statement *all_domains, *all_attributes;
	struct published *set;
} state;

/* What was read so far. */
struct list {
	struct arena *arena;
	struct domain *domains;
	struct domain_attribute *attributes;
	uint32_t count, capacity;
	uint32_t attribute_count, attribute_capacity;
	size_t text_size;
};

/* ---- reading ---------------------------------------------------------------------------------------- */

/* Room for one more row; NULL when memory is exhausted. */
static void *grow(struct arena *arena, void *rows, uint32_t count, uint32_t *capacity, size_t size)
{
	if (count < *capacity)
		return rows;
	uint32_t more = *capacity ? 2 * *capacity : 64;
	rows = arena_grow(arena, rows, *capacity * size, more * size);
	if (rows)
		*capacity = more;
	return rows;
}

static struct span keep(struct list *list, struct span text)
{
	list->text_size += text.len;
	return arena_copy(list->arena, text.at ? text : SPAN_OF(""));
}

static const char *add_domain(struct list *list, const struct db_value *row)
{
	struct span name = span_trim(row[1].text), did = row[0].text;
	if (!name.len)
		return "its name is empty";
	struct domain *rows =
		grow(list->arena, list->domains, list->count, &list->capacity, sizeof(*rows));
	if (!rows)
		return "memory is exhausted";
	list->domains = rows;
	rows[list->count] = (struct domain){
		.name = keep(list, name),
		.did = keep(list, did.len ? did : name),
	};
	return rows[list->count++].did.at ? NULL : "memory is exhausted";
}

static const char *add_attribute(struct list *list, const struct db_value *row)
{
	struct span did = row[0].text, name = row[1].text;
	struct value value = VALUE_OF_TEXT(row[3].text);
	if (!did.len || !name.len)
		return "did or name is empty";
	if (row[2].kind != DB_INT || (row[2].number != TYPE_INT && row[2].number != TYPE_TEXT))
		return "its type is neither 0 (number) nor 2 (text)";
	if (row[2].number == TYPE_INT) {
		value.kind = VALUE_INT;
		if (!span_to_int64(span_trim(row[3].text), &value.number))
			return "its type is 0, but its value is no number";
	}
	struct domain_attribute *rows = grow(list->arena, list->attributes, list->attribute_count,
					     &list->attribute_capacity, sizeof(*rows));
	if (!rows)
		return "memory is exhausted";
	list->attributes = rows;
	rows += list->attribute_count;
	*rows = (struct domain_attribute){ .did = keep(list, did),
					   .name = keep(list, name),
					   .number = list->attribute_count++ };
	if (value.kind == VALUE_TEXT)
		value.text = keep(list, value.text);
	rows->value = value;
	return rows->did.at && rows->name.at ? NULL : "memory is exhausted";
}

static bool read_rows(struct list *list, const struct db_statement *statement, struct span table,
		      const char *(*add)(struct list *list, const struct db_value *row))
{
	struct db_rows rows;
	bool is_good = true;
	if (db_run(statement, NULL, &rows) != DB_OK)
		return false;
	for (uint32_t number = 1; db_next(&rows); number++) {
		const char *wrong = add(list, rows.values);
		if (!wrong)
			continue;
		log_error("table %.*s, row %u (%.*s): %s", SPAN_ARGS(table), number,
			  SPAN_ARGS(rows.values[1].text), wrong);
		is_good = false;
	}
	return db_end(&rows) == DB_OK && is_good;
}

/* ---- building --------------------------------------------------------------------------------------- */

static int by_did(const void *left, const void *right)
{
	const struct domain_attribute *a = left, *b = right;
	int order = span_compare(a->did, b->did);
	return order ? order : a->number < b->number ? -1 : 1;
}

/* Moves a text to the end of the block. */
static void move_text(char **end, struct span *text)
{
	if (text->len)
		memcpy(*end, text->at, text->len);
	text->at = *end;
	*end += text->len;
}

/* The attributes of a did among all that are sorted by it. */
static void find_attributes(const struct domain_set *set, struct domain *domain)
{
	uint32_t low = 0, high = set->attribute_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (span_compare(set->attributes[middle].did, domain->did) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	domain->attributes = set->attributes + low;
	while (low < set->attribute_count && span_equal(set->attributes[low].did, domain->did))
		low++;
	domain->attribute_count = (uint32_t)(set->attributes + low - domain->attributes);
}

static struct domain_set *build(struct list *list)
{
	uint32_t bucket_count = 1;
	while (bucket_count < list->count)
		bucket_count *= 2;
	size_t domains_size = list->count * sizeof(struct domain);
	size_t attributes_size = list->attribute_count * sizeof(struct domain_attribute);
	struct domain_set *set =
		shm_run_alloc(sizeof(*set) + domains_size + attributes_size +
				      bucket_count * sizeof(uint32_t) + list->text_size + 1,
			      "domains");
	if (!set)
		return NULL;
	struct domain *domains = (struct domain *)(void *)(set + 1);
	struct domain_attribute *attributes = (void *)(domains + list->count);
	uint32_t *buckets = (void *)(attributes + list->attribute_count);
	char *end = (char *)(buckets + bucket_count);
	memset(buckets, 0, bucket_count * sizeof(*buckets));
	*set = (struct domain_set){ list->count,  list->attribute_count,
				    bucket_count, domains,
				    attributes,   buckets };
	if (attributes_size) {
		qsort(list->attributes, list->attribute_count, sizeof(*attributes), by_did);
		memcpy(attributes, list->attributes, attributes_size);
	}
	for (uint32_t i = 0; i < set->attribute_count; i++) {
		move_text(&end, &attributes[i].did);
		move_text(&end, &attributes[i].name);
		if (attributes[i].value.kind == VALUE_TEXT)
			move_text(&end, &attributes[i].value.text);
	}
	for (uint32_t i = 0; i < set->count; i++) {
		domains[i] = list->domains[i];
		move_text(&end, &domains[i].name);
		move_text(&end, &domains[i].did);
		find_attributes(set, &domains[i]);
		uint32_t *bucket = &buckets[hash_span_nocase(domains[i].name) & (bucket_count - 1)];
		domains[i].next = *bucket;
		*bucket = i + 1;
	}
	return set;
}

bool domains_load(void)
{
	struct arena arena;
	struct domain_set *set = NULL;
	arena_init(&arena, LIST_CHUNK, LIST_MOST);
	struct list list = { .arena = &arena };
	if (read_rows(&list, state.all_domains, domain_settings->domain_table, add_domain) &&
	    read_rows(&list, state.all_attributes, domain_settings->domain_attrs_table,
		      add_attribute)) {
		set = build(&list);
		if (!set)
			log_error("%u domains do not fit into shared memory; raise -m", list.count);
	}
	if (set)
		published_put(state.set, set);
	arena_free(&arena);
	return set;
}

/* ---- asking ----------------------------------------------------------------------------------------- */

const struct domain_set *domains_hold(void)
{
	return published_hold(state.set, process_index());
}

void domains_release(void)
{
	published_release(state.set, process_index());
}

const struct domain *domain_find(const struct domain_set *set, struct span name)
{
	if (!set || !name.len)
		return NULL;
	uint32_t at = set->buckets[hash_span_nocase(name) & (set->bucket_count - 1)];
	while (at && !span_equal_nocase(set->domains[at - 1].name, name))
		at = set->domains[at - 1].next;
	return at ? &set->domains[at - 1] : NULL;
}

/* ---- start ------------------------------------------------------------------------------------------ */

static struct db_statement *select_all(struct span table, const struct db_column *columns,
				       unsigned count)
{
	const struct db_spec spec = {
		.verb = DB_SELECT, .table = table, .columns = columns, .column_count = count
	};
	return db_prepare(state.db, startup_arena(), &spec);
}

bool domains_prepare(struct diagnostics *diagnostics)
{
	const struct domain_settings *s = domain_settings;
	const struct db_column domain[] = { { s->did_col, DB_TEXT }, { s->domain_col, DB_TEXT } };
	const struct db_column attribute[] = { { s->did_col, DB_TEXT },
					       { s->name_col, DB_TEXT },
					       { s->type_col, DB_INT },
					       { s->value_col, DB_TEXT } };
	state.db = db_use(s->db_url, "domain.db_url", diagnostics,
			  module_setting_position("domain", "db_url"));
	if (!state.db)
		return false;
	state.all_domains = select_all(s->domain_table, domain, ARRAY_SIZE(domain));
	state.all_attributes = select_all(s->domain_attrs_table, attribute, ARRAY_SIZE(attribute));
	state.set = published_new("domains");
	if (state.all_domains && state.all_attributes && state.set)
		return true;
	log_error("domain: the name of a table or column is empty, or memory is exhausted");
	return false;
}

bool domains_start(void)
{
	const struct domain_settings *s = domain_settings;
	return db_need_table(state.db, "domain", s->domain_table, DOMAIN_VERSION) &&
	       db_need_table(state.db, "domain", s->domain_attrs_table, DOMAIN_ATTRS_VERSION) &&
	       domains_load();
}
