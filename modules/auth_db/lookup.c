/* SPDX-License-Identifier: BSD-2-Clause */
/* lookup: finds subscribers in the database, with the columns that the script wants to see. */
#include "modules/auth_db/auth_db.h"

#define CREDENTIALS_MOST   32
#define SUBSCRIBER_VERSION 7

static struct db_tables tables = { .module = "auth_db", .version = SUBSCRIBER_VERSION };

static struct {
	struct db *db;
	unsigned count;
	struct span columns[CREDENTIALS_MOST];
	const struct variable_ref *targets[CREDENTIALS_MOST];
} state;

/* credential = [ variable "=" ] column; without a variable $avp(column) */
static bool add_credential(struct span text, struct diagnostics *diagnostics,
			   struct source_position at)
{
	size_t equals = span_find(text, '=', 0);
	struct span column =
		span_trim(equals < text.len ? span_slice(text, equals + 1, text.len) : text);
	struct span target = span_trim(span_slice(text, 0, equals));
	if (equals == text.len)
		target = arena_printf(startup_arena(), "$avp(%.*s)", SPAN_ARGS(column));
	if (!column.len || state.count == CREDENTIALS_MOST) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting", at,
			       column.len ? "load_credentials holds at most 32 columns"
					  : "load_credentials is a list: $avp(name)=column;column");
		return false;
	}
	const struct variable_ref *ref = variable_compile(target, startup_arena(), diagnostics, at);
	if (ref && !variable_is_writable(ref)) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting", at,
			       "%.*s cannot be assigned", SPAN_ARGS(target));
		return false;
	}
	state.columns[state.count] = column;
	state.targets[state.count++] = ref;
	return ref != NULL;
}

bool lookup_prepare(struct diagnostics *diagnostics)
{
	struct source_position at = module_setting_position("auth_db", "load_credentials");
	struct span rest = auth_db_settings->load_credentials, item;
	bool is_good = true;
	while (span_split(&rest, ';', &item)) {
		item = span_trim(item);
		if (item.len && !add_credential(item, diagnostics, at))
			is_good = false;
	}
	if (!auth_db_settings->version_table)
		tables.version = 0;
	state.db = db_use(auth_db_settings->db_url, "auth_db.db_url", diagnostics,
			  module_setting_position("auth_db", "db_url"));
	return is_good && state.db;
}

bool lookup_start(void)
{
	return db_tables_check(&tables, state.db);
}

const char *lookup_note_table(struct span table, int64_t number)
{
	(void)number;
	return db_tables_note(&tables, table);
}

static struct db_statement *statement_for(struct script_run *run, const struct lookup *lookup)
{
	const struct auth_db_settings *s = auth_db_settings;
	struct db_column columns[1 + CREDENTIALS_MOST] = {
		{ lookup->with_ha1b ? s->password_column_2 : s->password_column, DB_TEXT },
	};
	for (unsigned i = 0; i < state.count; i++)
		columns[1 + i] = (struct db_column){ .name = state.columns[i] };
	const struct db_key keys[] = { { s->user_column, DB_EQUAL },
				       { s->domain_column, DB_EQUAL } };
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = lookup->table,
				      .columns = columns,
				      .column_count = 1 + state.count,
				      .keys = keys,
				      .key_count = lookup->domain.at ? 2 : 1,
				      .limit = 1 };
	unsigned kind = (lookup->with_ha1b ? 2 : 0) + (lookup->domain.at ? 1 : 0);
	return db_tables_statement(&tables, state.db, kind, &spec, run->arena);
}

enum auth_result lookup_subscriber(struct script_run *run, const struct lookup *lookup,
				   struct subscriber *out)
{
	const struct db_value values[] = { db_text(lookup->user), db_text(lookup->domain) };
	const struct db_value *row;
	const struct db_statement *statement = statement_for(run, lookup);
	if (!statement) {
		log_error("the table \"%.*s\" cannot be asked", SPAN_ARGS(lookup->table));
		return AUTH_ERROR;
	}
	if (db_first(statement, values, run->arena, &row) != DB_OK)
		return AUTH_ERROR;
	if (!row)
		return AUTH_NO_USER;
	out->password = row[0].kind == DB_TEXT ? row[0].text : (struct span){ 0 };
	out->credentials = row + 1;
	return AUTH_OK;
}

/* Numbers stay numbers; NULL assigns nothing. */
void lookup_load(struct script_run *run, const struct subscriber *subscriber)
{
	for (unsigned i = 0; i < state.count; i++) {
		const struct db_value *field = &subscriber->credentials[i];
		char buffer[32];
		if (field->kind == DB_NULL)
			continue;
		struct value value = VALUE_OF_INT(field->number);
		if (field->kind != DB_INT)
			value = VALUE_OF_TEXT(arena_copy(run->arena, db_as_text(field, buffer)));
		if (!variable_write(run, state.targets[i], &value))
			log_error("%.*s is not set", SPAN_ARGS(state.targets[i]->text));
	}
}
