/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements on the location tables. They are prepared for each table when it is first used in a
 * process. */
#include "modules/usrloc/rows.h"

#include "modules/usrloc/attributes.h"

#define LOCATION_VERSION   9
#define ATTRIBUTES_VERSION 1
/* Rows that one statement writes. */
#define MANY     32
#define PROGRESS 100000

struct table {
	bool is_prepared;
	struct db_statement *load, *find, *write, *write_many, *remove, *clean;
};

static struct {
	struct row_options options;
	struct arena arena; /* of the statements of this process */
	struct table tables[USRLOC_DOMAINS_MOST];
	bool has_arena;
} state;

void rows_prepare(const struct row_options *options)
{
	state.options = *options;
	attributes_prepare(options->database, options->columns[COLUMN_USER],
			   options->columns[COLUMN_RUID], options->columns[COLUMN_DOMAIN]);
}

/* ---- statements ---- */

static struct db_statement *prepare(unsigned domain, struct db_spec spec)
{
	spec.table = location_domain_name(domain);
	return db_prepare(state.options.database, &state.arena, &spec);
}

static void list_columns(struct db_column out[COLUMN_COUNT])
{
	static const enum db_kind kinds[COLUMN_COUNT] = {
		[COLUMN_RUID] = DB_TEXT,     [COLUMN_USER] = DB_TEXT,
		[COLUMN_DOMAIN] = DB_TEXT,   [COLUMN_CONTACT] = DB_TEXT,
		[COLUMN_RECEIVED] = DB_TEXT, [COLUMN_PATH] = DB_TEXT,
		[COLUMN_EXPIRES] = DB_TIME,  [COLUMN_Q] = DB_DOUBLE,
		[COLUMN_CALL_ID] = DB_TEXT,  [COLUMN_CSEQ] = DB_INT,
		[COLUMN_MODIFIED] = DB_TIME, [COLUMN_FLAGS] = DB_INT,
		[COLUMN_CFLAGS] = DB_INT,    [COLUMN_USER_AGENT] = DB_TEXT,
		[COLUMN_SOCKET] = DB_TEXT,   [COLUMN_METHODS] = DB_INT,
		[COLUMN_INSTANCE] = DB_TEXT, [COLUMN_REG_ID] = DB_INT,
		[COLUMN_SERVER_ID] = DB_INT, [COLUMN_CONNECTION] = DB_INT,
		[COLUMN_KEEPALIVE] = DB_INT, [COLUMN_PARTITION] = DB_INT,
	};
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		bool is_number = state.options.expires_is_number &&
				 (i == COLUMN_EXPIRES || i == COLUMN_MODIFIED);
		out[i] = (struct db_column){ state.options.columns[i],
					     is_number ? DB_INT : kinds[i] };
	}
}

static void prepare_table(unsigned domain, struct table *table)
{
	const struct span *names = state.options.columns;
	struct db_column columns[COLUMN_COUNT];
	struct db_key ruid[] = { { names[COLUMN_RUID], DB_EQUAL } };
	struct db_key user[] = { { names[COLUMN_USER], DB_EQUAL },
				 { names[COLUMN_DOMAIN], DB_EQUAL } };
	struct db_key own[] = { { names[COLUMN_SERVER_ID], DB_EQUAL } };
	struct db_key over[] = { { names[COLUMN_EXPIRES], DB_LESS },
				 { names[COLUMN_EXPIRES], DB_NOT_EQUAL },
				 { names[COLUMN_SERVER_ID], DB_EQUAL } };
	list_columns(columns);
	table->load =
		prepare(domain, (struct db_spec){ .verb = DB_SELECT,
						  .columns = columns,
						  .column_count = COLUMN_COUNT,
						  .keys = own,
						  .key_count = state.options.own_server_only });
	table->find =
		prepare(domain, (struct db_spec){ .verb = DB_SELECT,
						  .columns = columns,
						  .column_count = COLUMN_COUNT,
						  .keys = user,
						  .key_count = state.options.uses_domain ? 2 : 1 });
	struct db_spec write = { .verb = DB_UPSERT,
				 .columns = columns,
				 .column_count = COLUMN_COUNT,
				 .keys = ruid,
				 .key_count = 1 };
	table->write = prepare(domain, write);
	write.row_count = MANY;
	table->write_many = prepare(domain, write);
	table->remove = prepare(
		domain, (struct db_spec){ .verb = DB_DELETE, .keys = ruid, .key_count = 1 });
	table->clean = prepare(
		domain, (struct db_spec){ .verb = DB_DELETE,
					  .keys = over,
					  .key_count = state.options.own_server_only ? 3 : 2 });
	table->is_prepared = table->load && table->find && table->write && table->write_many &&
			     table->remove && table->clean;
}

static struct table *table_of(unsigned domain)
{
	struct table *table = &state.tables[domain];
	if (!state.has_arena)
		arena_init(&state.arena, 1 << 14, 1 << 24);
	state.has_arena = true;
	if (!table->is_prepared)
		prepare_table(domain, table);
	return table->is_prepared ? table : NULL;
}

bool rows_check(unsigned domain)
{
	int version = state.options.check_version ? LOCATION_VERSION : 0;
	if (!db_need_table(state.options.database, "usrloc", location_domain_name(domain), version))
		return false;
	return !state.options.has_attributes ||
	       db_need_table(state.options.database, "usrloc",
			     attributes_table(&state.arena, domain),
			     state.options.check_version ? ATTRIBUTES_VERSION : 0);
}

/* ---- a binding as a row ---- */

static struct db_value time_value(int64_t wall_s)
{
	return state.options.expires_is_number ? db_int(wall_s) : db_time(wall_s);
}

static bool has_nat_flag(const struct usrloc_contact *contact)
{
	return state.options.nat_flag >= 0 && contact->cflags & (1u << state.options.nat_flag);
}

struct span rows_split_aor(struct span aor, struct span *out_domain)
{
	*out_domain = (struct span){ NULL, 0 };
	if (!state.options.uses_domain)
		return aor;
	size_t at = span_find(aor, '@', 0);
	*out_domain = span_slice(aor, at < aor.len ? at + 1 : 0, aor.len);
	return span_slice(aor, 0, at < aor.len ? at : 0);
}

static struct db_value text_or_empty(struct span text)
{
	return db_text(text.at ? text : SPAN_OF(""));
}

static void row_of(const struct usrloc_contact *c, struct db_value out[COLUMN_COUNT])
{
	struct span domain, user = rows_split_aor(c->aor, &domain);
	bool is_permanent = c->expires_s == USRLOC_PERMANENT;
	out[COLUMN_RUID] = db_text(c->ruid);
	out[COLUMN_USER] = text_or_empty(user);
	out[COLUMN_DOMAIN] = db_text(domain);
	out[COLUMN_CONTACT] = db_text(c->contact);
	out[COLUMN_RECEIVED] = db_text(c->received);
	out[COLUMN_PATH] = db_text(c->path);
	out[COLUMN_EXPIRES] = time_value(is_permanent ? 0 : clock_wall_s() + c->expires_s);
	out[COLUMN_Q] = db_double(c->q < 0 ? -1.0 : c->q / 1000.0);
	out[COLUMN_CALL_ID] = text_or_empty(c->call_id);
	out[COLUMN_CSEQ] = db_int((int32_t)c->cseq);
	out[COLUMN_MODIFIED] = time_value(c->modified_wall_s);
	out[COLUMN_FLAGS] = db_int((int32_t)c->flags);
	out[COLUMN_CFLAGS] = db_int((int32_t)c->cflags);
	out[COLUMN_USER_AGENT] = db_text(c->user_agent.len ? c->user_agent : SPAN_OF("n/a"));
	out[COLUMN_SOCKET] = db_text(c->socket ? c->socket->text : (struct span){ NULL, 0 });
	out[COLUMN_METHODS] = c->methods == USRLOC_ANY_METHOD ? db_null() : db_int(c->methods);
	out[COLUMN_INSTANCE] = db_text(c->instance);
	out[COLUMN_REG_ID] = db_int(c->reg_id);
	out[COLUMN_SERVER_ID] = db_int(c->server_id);
	out[COLUMN_CONNECTION] = db_int(c->connection ? (int64_t)c->connection : -1);
	out[COLUMN_KEEPALIVE] = db_int(has_nat_flag(c));
	out[COLUMN_PARTITION] = db_int(0);
}

/* Texts borrow the row. False when the row is none of a binding that lives. */
static bool contact_of(const struct db_value *row, struct arena *arena, struct usrloc_contact *out)
{
	struct end_point local;
	int64_t expires = db_as_time(&row[COLUMN_EXPIRES]);
	double q = db_as_double(&row[COLUMN_Q]);
	struct span user = row[COLUMN_USER].text, domain = row[COLUMN_DOMAIN].text;
	*out = (struct usrloc_contact){ .ruid = row[COLUMN_RUID].text,
					.contact = row[COLUMN_CONTACT].text,
					.received = row[COLUMN_RECEIVED].text,
					.path = row[COLUMN_PATH].text,
					.call_id = row[COLUMN_CALL_ID].text,
					.user_agent = row[COLUMN_USER_AGENT].text,
					.instance = row[COLUMN_INSTANCE].text,
					.cseq = (uint32_t)row[COLUMN_CSEQ].number,
					.modified_wall_s = db_as_time(&row[COLUMN_MODIFIED]),
					.flags = (uint32_t)row[COLUMN_FLAGS].number,
					.cflags = (uint32_t)row[COLUMN_CFLAGS].number,
					.reg_id = (uint32_t)row[COLUMN_REG_ID].number,
					.server_id = (uint32_t)row[COLUMN_SERVER_ID].number,
					.version = 1 };
	out->aor = !state.options.uses_domain ? user
		   : !user.len
			   ? domain
			   : arena_printf(arena, "%.*s@%.*s", SPAN_ARGS(user), SPAN_ARGS(domain));
	out->expires_s = expires <= 0 ? USRLOC_PERMANENT : expires - clock_wall_s();
	out->q = q < 0 || q > 1 ? -1 : (int32_t)(q * 1000 + 0.5);
	out->methods = row[COLUMN_METHODS].kind == DB_NULL ? USRLOC_ANY_METHOD
							   : (uint32_t)row[COLUMN_METHODS].number;
	struct span socket = row[COLUMN_SOCKET].text;
	if (socket.len && end_point_parse(socket, &local))
		out->socket = listener_find(&local);
	if (span_equal(out->user_agent, SPAN_OF("n/a")))
		out->user_agent = (struct span){ NULL, 0 };
	return out->aor.len && out->ruid.len && out->contact.len && out->expires_s > 0;
}

/* ---- reading ---- */

/* After a start connections are gone: who registered over one has to come back by itself. */
static bool is_lost_stream(const struct db_value *row)
{
	struct span socket = row[COLUMN_SOCKET].text;
	return state.options.clean_streams && socket.len &&
	       !span_starts_with_nocase(socket, SPAN_OF("udp:"));
}

static bool is_wanted(const struct db_value *row, const struct usrloc_contact *contact)
{
	bool is_remote = row[COLUMN_SOCKET].text.len && !contact->socket;
	return !(state.options.skip_remote_socket && is_remote) && !is_lost_stream(row);
}

static bool load_rows(unsigned domain, struct db_rows *rows, uint64_t *out_read, uint64_t *out_kept)
{
	struct arena arena;
	arena_init(&arena, 4096, 1 << 20);
	bool has_memory = true;
	while (has_memory && db_next(rows)) {
		struct usrloc_contact contact;
		arena_clear(&arena);
		if (++*out_read % PROGRESS == 0)
			log_notice("usrloc: %llu rows of %.*s read so far",
				   (unsigned long long)*out_read,
				   SPAN_ARGS(location_domain_name(domain)));
		if (!contact_of(rows->values, &arena, &contact) ||
		    !is_wanted(rows->values, &contact))
			continue;
		has_memory = location_restore_row(domain, &contact);
		*out_kept += has_memory;
	}
	arena_free(&arena);
	if (!has_memory)
		log_critical("no shared memory for the table %.*s; start with a larger -m",
			     SPAN_ARGS(location_domain_name(domain)));
	return has_memory;
}

bool rows_load(unsigned domain)
{
	struct table *table = table_of(domain);
	struct db_value own = db_int(state.options.server_id);
	struct db_rows rows;
	uint64_t read = 0, kept = 0;
	int64_t began_us = clock_us_now();
	if (!table || db_run(table->load, &own, &rows) != DB_OK)
		return false;
	bool is_loaded = load_rows(domain, &rows, &read, &kept);
	is_loaded = db_end(&rows) == DB_OK && is_loaded;
	if (is_loaded && state.options.has_attributes)
		is_loaded = attributes_load(domain);
	if (is_loaded)
		log_notice(
			"usrloc: %llu bindings restored from the table %.*s in %.3f s (%llu rows)",
			(unsigned long long)kept, SPAN_ARGS(location_domain_name(domain)),
			(double)(clock_us_now() - began_us) / 1e6, (unsigned long long)read);
	return is_loaded;
}

enum db_status rows_refresh(unsigned domain, struct span aor)
{
	struct table *table = table_of(domain);
	struct span host, user = rows_split_aor(aor, &host);
	struct db_value keys[] = { text_or_empty(user), db_text(host) };
	struct db_rows rows;
	struct arena arena;
	if (!table)
		return DB_REJECTED;
	location_refresh_begin(domain, aor);
	enum db_status status = db_run(table->find, keys, &rows);
	if (status != DB_OK)
		return status;
	arena_init(&arena, 4096, 1 << 20);
	while (db_next(&rows)) {
		struct usrloc_contact contact;
		arena_clear(&arena);
		if (contact_of(rows.values, &arena, &contact)) {
			/* The row was found by the database's idea of equal names. */
			contact.aor = aor;
			location_refresh_row(domain, &contact);
		}
	}
	arena_free(&arena);
	status = db_end(&rows);
	if (status == DB_OK)
		location_refresh_end(domain, aor);
	return status;
}

/* ---- writing ---- */

enum db_status rows_begin(struct db_transaction *out)
{
	return db_begin(state.options.database, out);
}

static enum db_status write_one(struct db_transaction *transaction, struct table *table,
				const struct usrloc_contact *contact)
{
	struct db_value values[COLUMN_COUNT];
	if (contact->state == BINDING_GONE) {
		values[0] = db_text(contact->ruid);
		return db_execute_in(transaction, table->remove, values, NULL);
	}
	row_of(contact, values);
	return db_execute_in(transaction, table->write, values, NULL);
}

static enum db_status write_many(struct db_transaction *transaction, struct table *table,
				 const struct usrloc_contact *contacts)
{
	struct db_value values[MANY * COLUMN_COUNT];
	for (unsigned i = 0; i < MANY; i++)
		row_of(&contacts[i], &values[i * COLUMN_COUNT]);
	return db_execute_in(transaction, table->write_many, values, NULL);
}

/* So many of the next contacts are of one table and are written, not deleted. */
static unsigned count_alike(const struct usrloc_contact *contacts, unsigned count)
{
	unsigned alike = 0;
	while (alike < count && contacts[alike].state != BINDING_GONE &&
	       contacts[alike].domain_number == contacts[0].domain_number)
		alike++;
	return alike;
}

enum db_status rows_write(struct db_transaction *transaction, const struct usrloc_contact *contacts,
			  unsigned count)
{
	enum db_status status = DB_OK;
	for (unsigned i = 0; i < count && status == DB_OK;) {
		struct table *table = table_of(contacts[i].domain_number);
		unsigned step = count_alike(contacts + i, count - i) >= MANY ? MANY : 1;
		if (!table)
			return DB_REJECTED;
		status = step == MANY ? write_many(transaction, table, contacts + i)
				      : write_one(transaction, table, contacts + i);
		for (unsigned j = i;
		     state.options.has_attributes && status == DB_OK && j < i + step; j++)
			status = attributes_write(transaction, &contacts[j]);
		i += step;
	}
	return status;
}

enum db_status rows_clean(unsigned domain)
{
	struct table *table = table_of(domain);
	int64_t affected = 0;
	/* The time 0 means that a binding never expires. */
	struct db_value values[] = { time_value(clock_wall_s() - state.options.expired_delay_s),
				     time_value(0), db_int(state.options.server_id) };
	enum db_status status = table ? db_execute(table->clean, values, &affected) : DB_REJECTED;
	if (status == DB_OK && affected > 0)
		log_debug("%lld expired rows deleted", (long long)affected);
	return status;
}

/* ---- counting ---- */

/* Names of tables and columns that stand in SQL as they are. */
static bool is_plain_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alpha(name.at[i]) && !ascii_is_digit(name.at[i]) && name.at[i] != '_')
			return false;
	return name.len > 0;
}

bool rows_count(unsigned domain, enum row_count what, int64_t *out_count)
{
	const struct span *names = state.options.columns;
	struct span table = location_domain_name(domain);
	struct arena arena;
	const struct db_value *row = NULL;
	struct db_value now = time_value(clock_wall_s()), values[] = { now, time_value(0) };
	if (!is_plain_name(table) || !is_plain_name(names[COLUMN_USER]) ||
	    !is_plain_name(names[COLUMN_EXPIRES]) || !is_plain_name(names[COLUMN_DOMAIN]))
		return false;
	arena_init(&arena, 4096, 1 << 20);
	struct span key =
		!state.options.uses_domain
			? names[COLUMN_USER]
			: arena_printf(&arena, "%.*s, %.*s", SPAN_ARGS(names[COLUMN_USER]),
				       SPAN_ARGS(names[COLUMN_DOMAIN]));
	struct span sql =
		what == COUNT_USERS
			? arena_printf(
				  &arena,
				  "SELECT COUNT(*) FROM (SELECT DISTINCT %.*s FROM %.*s WHERE %.*s > ? OR %.*s = ?) AS t",
				  SPAN_ARGS(key), SPAN_ARGS(table),
				  SPAN_ARGS(names[COLUMN_EXPIRES]),
				  SPAN_ARGS(names[COLUMN_EXPIRES]))
			: arena_printf(&arena,
				       "SELECT COUNT(*) FROM %.*s WHERE %.*s %s ? %s %.*s %s ?",
				       SPAN_ARGS(table), SPAN_ARGS(names[COLUMN_EXPIRES]),
				       what == COUNT_EXPIRED ? "<=" : ">",
				       what == COUNT_EXPIRED ? "AND" : "OR",
				       SPAN_ARGS(names[COLUMN_EXPIRES]),
				       what == COUNT_EXPIRED ? "<>" : "=");
	struct db_statement *statement =
		db_prepare(state.options.database, &arena,
			   &(struct db_spec){ .verb = DB_RAW, .sql = sql, .value_count = 2 });
	bool is_counted = statement && db_first(statement, values, &arena, &row) == DB_OK && row;
	if (is_counted)
		*out_count = db_as_int(row);
	arena_free(&arena);
	return is_counted;
}
