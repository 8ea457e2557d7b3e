/* SPDX-License-Identifier: BSD-2-Clause */
/* database: AVPs that belong to users or to other things (UUID) in a table. */
#include "core/db/tables.h"
#include "modules/avpops/avpops.h"

/* Column `type`. */
enum { TYPE_VALUE_IS_NUMBER = 1, TYPE_NAME_IS_NUMBER = 2 };
enum { FOUND_NOTHING = -2 };

static struct {
	struct db *db;
	struct db_tables tables;
	bool is_used, needs_table;
} state = { .tables = { .module = "avpops" } };

/* ---- table ------------------------------------------------------------------------------------------ */

static const char *check_source(struct span text, int64_t number)
{
	const char *wrong = NULL;
	(void)number;
	state.is_used = true;
	return spec_read(SPEC_SOURCE, text, &wrong) ? NULL : wrong;
}

static bool is_scheme(struct span option)
{
	return option.len && option.at[0] == '$';
}

static const char *check_stored(struct span text, int64_t number)
{
	const char *wrong = NULL;
	const struct avp_spec *spec = spec_read(SPEC_STORED, text, &wrong);
	(void)number;
	if (!spec)
		return wrong;
	if (is_scheme(spec->option))
		return "a scheme can only be loaded";
	if (!spec->option.at)
		state.needs_table = true;
	return spec->option.at ? db_tables_note(&state.tables, spec->option) : NULL;
}

static const char *check_loaded(struct span text, int64_t number)
{
	const char *wrong = NULL;
	const struct avp_spec *spec = spec_read(SPEC_STORED, text, &wrong);
	if (!spec || !is_scheme(spec->option))
		return spec ? check_stored(text, number) : wrong;
	return spec->variable ? NULL : "what a scheme loads needs the name of an AVP";
}

SPEC_ACCEPT(check_list, SPEC_LIST)

static const char *note_query(struct span text, int64_t number)
{
	(void)number;
	state.is_used = true;
	return text.len ? NULL : "the query is empty";
}

struct stored_args {
	struct span source, name;
};
#define SOURCE FIELD(struct stored_args, source, "whose: \"$ru\", \"$avp(x)/uuid\", with /username, " \
		"/domain, /uri, /uuid", .literal = true, .accept = check_source)
static const struct field load_fields[] = {
	SOURCE,
	FIELD(struct stored_args, name, "AVP or a, s, i, with /table or /$scheme", .literal = true,
		.accept = check_loaded),
};
#define load_args stored_args
SCRIPT_HANDLER_OF(avp_db_load, load)
static const struct field stored_fields[] = {
	SOURCE,
	FIELD(struct stored_args, name, "AVP or a, s, i, with /table", .literal = true,
		.accept = check_stored),
};
SCRIPT_HANDLER_OF(avp_db_store, stored)
SCRIPT_HANDLER_OF(avp_db_delete, stored)

struct avp_db_query_args {
	struct span query, targets;
};
static const struct field avp_db_query_fields[] = {
	FIELD(struct avp_db_query_args, query, "query", .accept = note_query),
	FIELD(struct avp_db_query_args, targets, "variables, one for each column; else $avp(i:1) …",
		.optional = true, .literal = true, .accept = check_list),
};
SCRIPT_HANDLER(avp_db_query)

static const struct script_function functions[] = {
	FUNCTION_OF("avp_db_load", avp_db_load, load, IN_ANY,
		"Loads AVPs of somebody from the database; false when there are none."),
	FUNCTION_OF("avp_db_store", avp_db_store, stored, IN_ANY, "Stores AVPs in the database."),
	FUNCTION_OF("avp_db_delete", avp_db_delete, stored, IN_ANY, "Deletes AVPs in the database."),
	FUNCTION("avp_db_query", avp_db_query, IN_ANY,
		"Runs a query; AVPs get the columns of its rows, the first row on top. -2: no rows."),
};
const struct function_table database_functions = { functions, ARRAY_SIZE(functions) };

/* ---- whose AVPs --------------------------------------------------------------------------------------- */

struct owner {
	bool has_uuid, has_user, has_domain; /* which columns count */
	struct span uuid, user, domain;
};

/* $ru and its kin are URIs, everything else is a UUID, unless the script says otherwise. */
static char kind_of(const struct avp_spec *spec)
{
	static const struct span uris[] = { SPAN("$ru"), SPAN("$fu"), SPAN("$tu"), SPAN("$ou") };
	if (spec->option.len)
		return span_equal_nocase(spec->option, SPAN_OF("uri")) ? 'r'
		       : ascii_lower(spec->option.at[2]) == 'i'        ? 'i'
								: ascii_lower(spec->option.at[0]);
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++)
		if (spec->variable && span_equal(spec->word, uris[i]))
			return 'r';
	return 'i';
}

static bool owner_of(struct script_run *run, const struct avp_spec *spec, struct owner *out)
{
	struct value value = VALUE_OF_TEXT(spec->word);
	struct span text;
	struct sip_uri uri;
	char kind = kind_of(spec);
	*out = (struct owner){ 0 };
	if (spec->variable &&
	    (!variable_read(run, spec->variable, &value) || value.kind == VALUE_NULL))
		return false;
	if (!value_to_text(run, &value, &text))
		return false;
	if (kind == 'i') {
		out->has_uuid = true;
		out->uuid = text;
		return true;
	}
	if (!uri_parse(text, &uri) || (kind != 'd' && !uri.user.len) ||
	    (kind == 'd' && !uri.host.len)) {
		log_debug("avpops: \"%.*s\" is no URI, or has no user", SPAN_ARGS(text));
		return false;
	}
	out->has_user = kind != 'd';
	out->user = uri.user;
	out->has_domain = kind == 'd' || (kind == 'r' && avpops_settings->use_domain);
	out->domain = uri.host.at ? uri.host : SPAN_OF("");
	return true;
}

/* ---- statements --------------------------------------------------------------------------------------- */

#define KEYS_MOST 4

/* A SELECT or DELETE that is being put together. */
struct request {
	struct db_key keys[KEYS_MOST];
	struct db_value values[KEYS_MOST];
	unsigned count;
	unsigned kind; /* names the set of keys */
};

static void request_add(struct request *request, struct span column, enum db_operator op,
			struct db_value value)
{
	request->keys[request->count] = (struct db_key){ column, op };
	request->values[request->count++] = value;
}

struct columns {
	struct span uuid, user, domain;
};

static void request_owner(struct request *request, const struct columns *columns,
			  const struct owner *owner)
{
	if (owner->has_uuid)
		request_add(request, columns->uuid, DB_EQUAL, db_text(owner->uuid));
	if (owner->has_user)
		request_add(request, columns->user, DB_EQUAL, db_text(owner->user));
	if (owner->has_domain)
		request_add(request, columns->domain, DB_EQUAL, db_text(owner->domain));
	request->kind =
		(owner->has_uuid ? 1 : 0) | (owner->has_user ? 2 : 0) | (owner->has_domain ? 4 : 0);
}

static struct span name_text(struct script_run *run, struct avp_name name)
{
	return name.is_number ? arena_printf(run->arena, "%lld", (long long)name.number)
			      : name.text;
}

/* The AVP's name, or for a class its bit in the type. */
static void request_name(struct script_run *run, struct request *request,
			 const struct avp_spec *spec)
{
	const struct avpops_settings *s = avpops_settings;
	const struct db_value bit = db_int(TYPE_NAME_IS_NUMBER);
	if (spec->variable) {
		request_add(request, s->attribute_column, DB_EQUAL,
			    db_text(name_text(run, avp_name_of(run, spec->variable))));
		request->kind |= 8;
	} else if (ascii_lower(spec->word.at[0]) == 's') {
		request_add(request, s->type_column, DB_LESS, bit);
		request->kind |= 16;
	} else if (ascii_lower(spec->word.at[0]) == 'i') {
		request_add(request, s->type_column, DB_GREATER_OR_EQUAL, bit);
		request->kind |= 24;
	}
}

/* A script that came with a reload may need what the one at start did not. */
static bool has_database(void)
{
	if (!state.db)
		log_error("avpops: there is no database; set the parameter db_url");
	return state.db;
}

static const struct db_statement *statement_for(struct script_run *run, unsigned kind,
						const struct db_spec *spec)
{
	const struct db_statement *statement = NULL;
	if (has_database())
		statement = db_tables_statement(&state.tables, state.db, kind, spec, run->arena);
	if (!statement)
		log_error("the table \"%.*s\" cannot be asked", SPAN_ARGS(spec->table));
	return statement;
}

static struct span table_of(const struct avp_spec *spec)
{
	return spec->option.at ? spec->option : avpops_settings->avp_table;
}

enum { KIND_SELECT = 0, KIND_DELETE = 32, KIND_INSERT = 64, KIND_SCHEME = 128 };

/* ---- loading ------------------------------------------------------------------------------------------- */

/* value, attribute, type */
static bool push_row(struct script_run *run, const struct db_value *row)
{
	struct span name = row[1].text;
	struct avp_name avp = { .text = name };
	struct value value = VALUE_OF_TEXT(row[0].text);
	if (!name.len || row[0].kind == DB_NULL)
		return false;
	avp.is_number = row[2].number & TYPE_NAME_IS_NUMBER;
	if (avp.is_number && !span_to_int64(name, &avp.number)) {
		log_error("avp_db_load: the type says that the name \"%.*s\" is a number",
			  SPAN_ARGS(name));
		return false;
	}
	if (row[2].number & TYPE_VALUE_IS_NUMBER) {
		value.kind = VALUE_INT;
		if (!span_to_int64(span_trim(row[0].text), &value.number)) {
			log_error(
				"avp_db_load: the type of \"%.*s\" says that its value is a number",
				SPAN_ARGS(name));
			return false;
		}
	}
	return avp_push(&run->msg->attributes, avp, value);
}

static int load_avps(struct script_run *run, const struct owner *owner, const struct avp_spec *name)
{
	const struct avpops_settings *s = avpops_settings;
	const struct columns own = { s->uuid_column, s->username_column, s->domain_column };
	const struct db_column columns[] = { { s->value_column, DB_TEXT },
					     { s->attribute_column, DB_TEXT },
					     { s->type_column, DB_INT } };
	struct request request = { 0 };
	struct db_rows rows;
	unsigned loaded = 0;
	request_owner(&request, &own, owner);
	request_name(run, &request, name);
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = table_of(name),
				      .columns = columns,
				      .column_count = ARRAY_SIZE(columns),
				      .keys = request.keys,
				      .key_count = request.count };
	const struct db_statement *statement =
		statement_for(run, KIND_SELECT | request.kind, &spec);
	if (!statement || db_run(statement, request.values, &rows) != DB_OK)
		return SCRIPT_FALSE;
	while (db_next(&rows))
		loaded += push_row(run, rows.values);
	return db_end(&rows) == DB_OK && loaded ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool push_value(struct script_run *run, const struct variable_ref *avp,
		       const struct db_value *from, bool is_number)
{
	struct value value = VALUE_OF_TEXT(from->text);
	if (from->kind == DB_NULL)
		return false;
	if (is_number) {
		value.kind = VALUE_INT;
		if (!span_to_int64(span_trim(from->text), &value.number))
			return false;
	}
	return avp_push(&run->msg->attributes, avp_name_of(run, avp), value);
}

static int load_scheme(struct script_run *run, const struct owner *owner,
		       const struct avp_spec *name, const struct scheme *scheme)
{
	const struct avpops_settings *s = avpops_settings;
	const struct columns own = {
		scheme->uuid_column.len ? scheme->uuid_column : s->uuid_column,
		scheme->username_column.len ? scheme->username_column : s->username_column,
		scheme->domain_column.len ? scheme->domain_column : s->domain_column,
	};
	const struct db_column columns[] = { { scheme->value_column, DB_TEXT } };
	struct request request = { 0 };
	struct db_rows rows;
	unsigned loaded = 0;
	request_owner(&request, &own, owner);
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = scheme->table,
				      .columns = columns,
				      .column_count = 1,
				      .keys = request.keys,
				      .key_count = request.count };
	const struct db_statement *statement =
		statement_for(run, KIND_SCHEME * scheme->number | request.kind, &spec);
	if (!statement || db_run(statement, request.values, &rows) != DB_OK)
		return SCRIPT_FALSE;
	while (db_next(&rows))
		loaded += push_value(run, name->variable, rows.values, scheme->is_number);
	return db_end(&rows) == DB_OK && loaded ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int avp_db_load(struct script_run *run, const struct stored_args *args)
{
	struct owner owner;
	const struct avp_spec *source = spec_of(SPEC_SOURCE, args->source);
	const struct avp_spec *name = spec_of(SPEC_STORED, args->name);
	if (!source || !name || !owner_of(run, source, &owner))
		return SCRIPT_FALSE;
	if (!is_scheme(name->option))
		return load_avps(run, &owner, name);
	struct span scheme_name = span_slice(name->option, 1, name->option.len);
	const struct scheme *scheme = scheme_find(scheme_name);
	if (scheme)
		return load_scheme(run, &owner, name, scheme);
	log_error("avp_db_load: there is no db_scheme \"%.*s\"", SPAN_ARGS(scheme_name));
	return SCRIPT_FALSE;
}

/* ---- storing and deleting -------------------------------------------------------------------------------- */

static bool store_one(struct script_run *run, const struct db_statement *insert,
		      const struct owner *owner, const struct avp *avp)
{
	bool is_number = avp->value.kind == VALUE_INT;
	struct span text;
	if (!value_to_text(run, &avp->value, &text))
		return false;
	const struct avp_name name = { avp->name, avp->number_name, avp->name_is_number };
	const struct db_value values[] = {
		db_text(owner->uuid.at ? owner->uuid : SPAN_OF("")),
		db_text(owner->has_user ? owner->user : SPAN_OF("")),
		db_text(owner->has_domain ? owner->domain : SPAN_OF("")),
		db_text(name_text(run, name)),
		db_text(text),
		db_int((is_number ? TYPE_VALUE_IS_NUMBER : 0) |
			(avp->name_is_number ? TYPE_NAME_IS_NUMBER : 0)),
	};
	return db_execute(insert, values, NULL) == DB_OK;
}

static bool is_meant(const struct avp *avp, const struct avp_spec *spec, struct avp_name name)
{
	if (!spec->variable)
		return avp_is_of_class(avp, spec->word);
	if (avp->name_is_number != name.is_number)
		return false;
	return name.is_number ? avp->number_name == name.number : span_equal(avp->name, name.text);
}

static int avp_db_store(struct script_run *run, const struct stored_args *args)
{
	const struct avpops_settings *s = avpops_settings;
	struct owner owner;
	const struct avp_spec *source = spec_of(SPEC_SOURCE, args->source);
	const struct avp_spec *spec = spec_of(SPEC_STORED, args->name);
	if (!source || !spec || !owner_of(run, source, &owner))
		return SCRIPT_FALSE;
	const struct db_column columns[] = {
		{ s->uuid_column, DB_TEXT },   { s->username_column, DB_TEXT },
		{ s->domain_column, DB_TEXT }, { s->attribute_column, DB_TEXT },
		{ s->value_column, DB_TEXT },  { s->type_column, DB_INT }
	};
	const struct db_spec insert = { .verb = DB_INSERT,
					.table = table_of(spec),
					.columns = columns,
					.column_count = ARRAY_SIZE(columns) };
	const struct db_statement *statement = statement_for(run, KIND_INSERT, &insert);
	struct avp_name name = { 0 };
	if (spec->variable)
		name = avp_name_of(run, spec->variable);
	unsigned stored = 0;
	for (const struct avp *avp = run->msg->attributes.avps; statement && avp; avp = avp->next) {
		if (!is_meant(avp, spec, name))
			continue;
		if (!store_one(run, statement, &owner, avp))
			return SCRIPT_FALSE;
		stored++;
	}
	return stored ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int avp_db_delete(struct script_run *run, const struct stored_args *args)
{
	const struct avpops_settings *s = avpops_settings;
	const struct columns own = { s->uuid_column, s->username_column, s->domain_column };
	struct owner owner;
	struct request request = { 0 };
	const struct avp_spec *source = spec_of(SPEC_SOURCE, args->source);
	const struct avp_spec *name = spec_of(SPEC_STORED, args->name);
	if (!source || !name || !owner_of(run, source, &owner))
		return SCRIPT_FALSE;
	request_owner(&request, &own, &owner);
	request_name(run, &request, name);
	const struct db_spec spec = { .verb = DB_DELETE,
				      .table = table_of(name),
				      .keys = request.keys,
				      .key_count = request.count };
	const struct db_statement *statement =
		statement_for(run, KIND_DELETE | request.kind, &spec);
	if (!statement || db_execute(statement, request.values, NULL) != DB_OK)
		return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

/* ---- queries --------------------------------------------------------------------------------------------- */

static bool give(struct script_run *run, const struct avp_spec *targets, unsigned column,
		 const struct value *value)
{
	if (value->kind == VALUE_NULL)
		return true;
	if (targets)
		return variable_write(run, targets->list[column], value);
	const struct avp_name name = avp_name_parse(arena_printf(run->arena, "i:%u", column + 1));
	return avp_push(&run->msg->attributes, name, *value);
}

static int avp_db_query(struct script_run *run, const struct avp_db_query_args *args)
{
	const struct db_spec spec = { .verb = DB_RAW, .sql = args->query };
	const struct avp_spec *targets = NULL;
	struct db_rows rows;
	struct row_set set;
	if (args->targets.len && !(targets = spec_of(SPEC_LIST, args->targets)))
		return SCRIPT_FALSE;
	const struct db_statement *statement = NULL;
	if (span_trim(args->query).len && has_database())
		statement = db_prepare(state.db, run->arena, &spec);
	if (!statement || db_run(statement, NULL, &rows) != DB_OK ||
	    !row_set_read(&rows, run->arena, &set))
		return SCRIPT_FALSE;
	unsigned columns = targets && targets->count < set.columns ? targets->count : set.columns;
	for (unsigned row = set.rows; row-- > 0;)
		for (unsigned i = 0; i < columns; i++) {
			const struct value value = row_value(run, row_set_at(&set, row, i));
			if (!give(run, targets, i, &value))
				return SCRIPT_FALSE;
		}
	return set.rows ? SCRIPT_TRUE : FOUND_NOTHING;
}

/* ---- start ------------------------------------------------------------------------------------------------ */

bool database_prepare(struct diagnostics *diagnostics)
{
	return db_use_optional(avpops_settings->db_url, "avpops.db_url", diagnostics,
			       module_setting_position("avpops", "db_url"), &state.db);
}

bool database_start(void)
{
	struct span table = avpops_settings->avp_table;
	if (!state.is_used)
		return true;
	if (!state.db) {
		log_error(
			"avpops: the script uses avp_db_… functions, which need the parameter db_url");
		return false;
	}
	if (state.needs_table && !table.len) {
		log_error("avpops: the script loads or stores AVPs without naming a table; set the "
			  "parameter avp_table, usually to usr_preferences");
		return false;
	}
	return (!state.needs_table || db_need_table(state.db, "avpops", table, 0)) &&
	       db_tables_check(&state.tables, state.db);
}
