/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of location_attrs. A binding holds them as one text: name, zero byte, 's' or 'i', value, zero
 * byte (contact_xavp.c of registrar writes it). */
#include "modules/usrloc/attributes.h"

#include "modules/usrloc/rows.h"

/* atype: what the value is. */
enum { TYPE_TEXT = 0, TYPE_NUMBER = 1 };

enum {
	ATTR_RUID,
	ATTR_USER,
	ATTR_DOMAIN,
	ATTR_NAME,
	ATTR_TYPE,
	ATTR_VALUE,
	ATTR_MODIFIED,
	ATTR_COUNT
};

static struct {
	struct db *database;
	struct span user, ruid, domain;
	struct arena arena;
	struct db_statement *load[USRLOC_DOMAINS_MOST], *insert[USRLOC_DOMAINS_MOST],
		*remove[USRLOC_DOMAINS_MOST];
	bool has_arena;
} state;

void attributes_prepare(struct db *database, struct span user, struct span ruid, struct span domain)
{
	state.database = database;
	state.user = user;
	state.ruid = ruid;
	state.domain = domain;
}

struct span attributes_table(struct arena *arena, unsigned domain)
{
	if (!state.has_arena)
		arena_init(&state.arena, 4096, 1 << 22);
	state.has_arena = true;
	return arena_printf(&state.arena, "%.*s_attrs", SPAN_ARGS(location_domain_name(domain)));
}

static bool prepare(unsigned domain)
{
	struct span table = attributes_table(&state.arena, domain);
	struct db_column columns[ATTR_COUNT] = {
		{ state.ruid, DB_TEXT },           { state.user, DB_TEXT },
		{ state.domain, DB_TEXT },         { SPAN("aname"), DB_TEXT },
		{ SPAN("atype"), DB_INT },         { SPAN("avalue"), DB_TEXT },
		{ SPAN("last_modified"), DB_TIME }
	};
	struct db_key keys[] = { { state.ruid, DB_EQUAL } };
	struct db_order order[] = { { state.ruid, false }, { SPAN("id"), false } };
	if (state.load[domain])
		return true;
	state.insert[domain] = db_prepare(state.database, &state.arena,
					  &(struct db_spec){ .verb = DB_INSERT,
							     .table = table,
							     .columns = columns,
							     .column_count = ATTR_COUNT });
	state.remove[domain] = db_prepare(
		state.database, &state.arena,
		&(struct db_spec){
			.verb = DB_DELETE, .table = table, .keys = keys, .key_count = 1 });
	state.load[domain] = db_prepare(state.database, &state.arena,
					&(struct db_spec){ .verb = DB_SELECT,
							   .table = table,
							   .columns = columns,
							   .column_count = ATTR_COUNT,
							   .order = order,
							   .order_count = 2 });
	return state.insert[domain] && state.remove[domain] && state.load[domain];
}

/* Gives the rows collected so far to their binding. */
static void hand_over(unsigned domain, struct span aor, struct span ruid, struct writer *values)
{
	if (values->len && !values->failed)
		location_restore_attributes(domain, aor, ruid, writer_result(values));
}

bool attributes_load(unsigned domain)
{
	struct db_rows rows;
	struct arena arena;
	struct span aor = { NULL, 0 }, ruid = { NULL, 0 };
	if (!prepare(domain) || db_run(state.load[domain], NULL, &rows) != DB_OK)
		return false;
	arena_init(&arena, 4096, 1 << 22);
	struct writer values = writer_in_arena(&arena, 256);
	while (db_next(&rows)) {
		const struct db_value *row = rows.values;
		if (!span_equal(row[ATTR_RUID].text, ruid)) {
			hand_over(domain, aor, ruid, &values);
			arena_clear(&arena);
			values = writer_in_arena(&arena, 256);
			ruid = arena_copy(&arena, row[ATTR_RUID].text);
			aor = row[ATTR_DOMAIN].text.len
				      ? arena_printf(&arena, "%.*s@%.*s",
						     SPAN_ARGS(row[ATTR_USER].text),
						     SPAN_ARGS(row[ATTR_DOMAIN].text))
				      : arena_copy(&arena, row[ATTR_USER].text);
		}
		writer_span(&values, row[ATTR_NAME].text);
		writer_char(&values, '\0');
		writer_char(&values, row[ATTR_TYPE].number == TYPE_TEXT ? 's' : 'i');
		writer_span(&values, row[ATTR_VALUE].text);
		writer_char(&values, '\0');
	}
	hand_over(domain, aor, ruid, &values);
	arena_free(&arena);
	return db_end(&rows) == DB_OK;
}

enum db_status attributes_write(struct db_transaction *transaction,
				const struct usrloc_contact *contact)
{
	unsigned domain = contact->domain_number;
	struct span rest = contact->attributes, name, value, host,
		    user = rows_split_aor(contact->aor, &host);
	struct db_value row[ATTR_COUNT] = { db_text(contact->ruid), db_text(user), db_text(host) };
	if (!prepare(domain))
		return DB_REJECTED;
	enum db_status status =
		contact->state == BINDING_NEW
			? DB_OK
			: db_execute_in(transaction, state.remove[domain], row, NULL);
	if (contact->state == BINDING_GONE)
		return status;
	while (status == DB_OK && rest.len && span_split(&rest, '\0', &name) &&
	       span_split(&rest, '\0', &value) && value.len) {
		row[ATTR_NAME] = db_text(name);
		row[ATTR_TYPE] = db_int(value.at[0] == 'i' ? TYPE_NUMBER : TYPE_TEXT);
		row[ATTR_VALUE] = db_text(span_slice(value, 1, value.len));
		row[ATTR_MODIFIED] = db_time(contact->modified_wall_s);
		status = db_execute_in(transaction, state.insert[domain], row, NULL);
	}
	return status;
}
