/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver: a statement goes to the databases of a cluster in the order of their priorities, until one
 * of them is not away. What a database refuses is refused: asking another would not help. */
#include <stdio.h>
#include <stdlib.h>

#include "modules/db_cluster/db_cluster.h"

struct connection {
	struct db_connection base;
	struct cluster *cluster;
	struct arena arena; /* the statement in the words of a member */
	struct db_rows rows;
	bool has_rows;
	struct span *names;
	unsigned name_room;
	/* the databases that take part in the transaction; none outside of one */
	struct db_transaction transactions[CLUSTER_MEMBERS_MOST];
	unsigned members[CLUSTER_MEMBERS_MOST];
	unsigned transaction_count;
	bool is_in_transaction;
};

/* ---- who is asked ---------------------------------------------------------------------------- */

/* The members in the order in which they are tried. */
struct order {
	unsigned members[CLUSTER_MEMBERS_MOST];
	unsigned count;
};

static const struct cluster_role *role_of(const struct cluster *cluster, unsigned member,
					  bool is_write)
{
	return is_write ? &cluster->members[member].writes : &cluster->members[member].reads;
}

static bool is_inactive(const struct cluster *cluster, unsigned member)
{
	return db_now_ms() < cluster->inactive_until_ms[member];
}

/* One priority: its members as they stand, or beginning with another one each time. */
static void add_priority(struct cluster *cluster, bool is_write, unsigned priority,
			 bool wants_inactive, struct order *order)
{
	unsigned first = order->count;
	bool is_turning = false;
	for (unsigned i = 0; i < cluster->count; i++) {
		const struct cluster_role *role = role_of(cluster, i, is_write);
		if (role->priority != priority || is_inactive(cluster, i) != wants_inactive)
			continue;
		is_turning |= role->mode == CLUSTER_ROUND_ROBIN;
		order->members[order->count++] = i;
	}
	unsigned count = order->count - first;
	if (!is_turning || count < 2)
		return;
	unsigned turned[CLUSTER_MEMBERS_MOST], shift = cluster->turn++ % count;
	for (unsigned i = 0; i < count; i++)
		turned[i] = order->members[first + (i + shift) % count];
	memcpy(&order->members[first], turned, count * sizeof(turned[0]));
}

/* Those that failed a short while ago come last. */
static struct order order_of(struct cluster *cluster, bool is_write)
{
	struct order order = { .count = 0 };
	for (int wants_inactive = 0; wants_inactive < 2; wants_inactive++)
		for (unsigned priority = 10; priority > 0; priority--)
			add_priority(cluster, is_write, priority - 1, wants_inactive, &order);
	return order;
}

static bool is_write(const struct db_spec *spec)
{
	struct span sql = span_trim(spec->sql);
	if (spec->verb != DB_RAW)
		return spec->verb != DB_SELECT;
	return !span_starts_with_nocase(sql, SPAN_OF("select")) &&
	       !span_starts_with_nocase(sql, SPAN_OF("show"));
}

/* Are both of a group that is written to in parallel? */
static bool goes_together(const struct cluster *cluster, unsigned first, unsigned other)
{
	const struct cluster_role *a = role_of(cluster, first, true),
				  *b = role_of(cluster, other, true);
	return a->mode == CLUSTER_PARALLEL && b->mode == CLUSTER_PARALLEL &&
	       a->priority == b->priority;
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct span name_of(const struct db_url *url)
{
	struct span rest = url->rest;
	return span_starts_with(rest, SPAN_OF("//")) ? span_slice(rest, 2, rest.len) : rest;
}

static const char *check_url(const struct db_url *url)
{
	const char *wrong = NULL;
	return cluster_find(name_of(url), &wrong) ? NULL : wrong;
}

static void driver_close(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	for (unsigned i = 0; i < self->transaction_count; i++)
		db_rollback(&self->transactions[i]);
	arena_free(&self->arena);
	free(self->names);
	free(self);
}

static struct db_connection *driver_open(const struct db_url *url, char error[256],
					 enum db_status *out_status)
{
	const char *wrong = "no memory";
	struct connection *self = calloc(1, sizeof(*self));
	if (self)
		self->cluster = cluster_find(name_of(url), &wrong);
	if (!self || !self->cluster) {
		snprintf(error, 256, "%.250s", wrong);
		free(self);
		return NULL;
	}
	arena_init(&self->arena, 4096, 16u << 20);
	return &self->base;
}

/* ---- running --------------------------------------------------------------------------------- */

static enum db_status run_on_member(struct connection *self, unsigned member,
				    struct db_transaction *transaction, const struct db_spec *spec,
				    const struct db_value *values)
{
	struct db *db = self->cluster->members[member].db;
	struct db_statement *statement = db_prepare(db, &self->arena, spec);
	if (!statement)
		return db_fail(&self->base, DB_AWAY, "no memory");
	enum db_status status = transaction ? db_run_in(transaction, statement, values, &self->rows)
					    : db_run(statement, values, &self->rows);
	if (status == DB_AWAY)
		self->cluster->inactive_until_ms[member] = db_now_ms() + cluster_inactive_ms();
	if (status != DB_OK)
		return db_fail(&self->base, status, "%.*s: %.180s",
			       SPAN_ARGS(self->cluster->members[member].connection),
			       db_last_error(db));
	return DB_OK;
}

static bool announce_rows(struct connection *self)
{
	unsigned count = self->rows.count;
	if (count > self->name_room) {
		struct span *names = realloc(self->names, count * sizeof(*names));
		if (!names)
			return false;
		self->names = names;
		self->name_room = count;
	}
	for (unsigned i = 0; i < count; i++)
		self->names[i] = db_column_name(&self->rows, i);
	self->base.column_names = self->names;
	self->base.column_count = count;
	self->has_rows = true;
	return true;
}

/* After DB_OK of a member: keeps its rows to be read, or ends it. */
static enum db_status take_result(struct connection *self, struct db_outcome *out)
{
	out->affected = self->rows.affected;
	out->last_id = self->rows.last_id;
	if (!self->rows.count)
		return db_end(&self->rows);
	if (announce_rows(self))
		return DB_OK;
	(void)db_end(&self->rows);
	return db_fail(&self->base, DB_AWAY, "no memory");
}

/* The others of a parallel group get the same; that one of them worked is enough. */
static void run_on_others(struct connection *self, const struct order *order, unsigned from,
			  const struct db_spec *spec, const struct db_value *values)
{
	struct db_rows kept = self->rows;
	for (unsigned i = from + 1; i < order->count; i++)
		if (goes_together(self->cluster, order->members[from], order->members[i]) &&
		    run_on_member(self, order->members[i], NULL, spec, values) == DB_OK)
			(void)db_end(&self->rows);
	self->rows = kept;
}

static enum db_status run_in_transaction(struct connection *self, const struct db_spec *spec,
					 const struct db_value *values)
{
	enum db_status status = DB_AWAY;
	for (unsigned i = 0; i < self->transaction_count; i++) {
		status =
			run_on_member(self, self->members[i], &self->transactions[i], spec, values);
		if (status != DB_OK)
			return status;
		if (i + 1 < self->transaction_count)
			(void)db_end(&self->rows);
		if (!is_write(spec))
			break;
	}
	return status;
}

static enum db_status driver_run(struct db_connection *base, const struct db_statement *statement,
				 const struct db_value *values, struct db_outcome *out)
{
	struct connection *self = (struct connection *)base;
	const struct db_spec *spec = &statement->spec;
	enum db_status status = DB_AWAY;
	arena_clear(&self->arena);
	self->has_rows = false;
	if (self->is_in_transaction) {
		status = run_in_transaction(self, spec, values);
		return status == DB_OK ? take_result(self, out) : status;
	}
	struct order order = order_of(self->cluster, is_write(spec));
	for (unsigned i = 0; i < order.count; i++) {
		status = run_on_member(self, order.members[i], NULL, spec, values);
		if (status == DB_AWAY)
			continue;
		if (is_write(spec))
			run_on_others(self, &order, i, spec, values);
		break;
	}
	return status == DB_OK ? take_result(self, out) : status;
}

static enum db_status driver_next_row(struct db_connection *base, const struct db_value **out_row)
{
	struct connection *self = (struct connection *)base;
	*out_row = db_next(&self->rows) ? self->rows.values : NULL;
	return self->rows.status;
}

static void driver_end(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	if (self->has_rows)
		(void)db_end(&self->rows);
	self->has_rows = false;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static enum db_status begin(struct connection *self)
{
	struct order order = order_of(self->cluster, true);
	self->transaction_count = 0;
	for (unsigned i = 0; i < order.count; i++) {
		unsigned member = order.members[i], at = self->transaction_count;
		if (at && !goes_together(self->cluster, self->members[0], member))
			continue;
		if (db_begin(self->cluster->members[member].db, &self->transactions[at]) != DB_OK) {
			self->cluster->inactive_until_ms[member] =
				db_now_ms() + cluster_inactive_ms();
			continue;
		}
		self->members[at] = member;
		self->transaction_count++;
	}
	self->is_in_transaction = self->transaction_count > 0;
	return self->is_in_transaction
		       ? DB_OK
		       : db_fail(&self->base, DB_AWAY, "no database of it is there");
}

static enum db_status driver_control(struct db_connection *base, enum db_control what)
{
	struct connection *self = (struct connection *)base;
	enum db_status status = DB_OK;
	if (what == DB_BEGIN)
		return begin(self);
	for (unsigned i = 0; i < self->transaction_count; i++) {
		enum db_status one = DB_OK;
		if (what == DB_COMMIT)
			one = db_commit(&self->transactions[i]);
		else
			db_rollback(&self->transactions[i]);
		if (one != DB_OK)
			status = db_fail(base, one, "not everywhere committed");
	}
	self->transaction_count = 0;
	self->is_in_transaction = false;
	return status;
}

const struct db_driver cluster_driver = {
	.name = "cluster",
	.module = "db_cluster",
	.check_url = check_url,
	.open = driver_open,
	.close = driver_close,
	.run = driver_run,
	.next_row = driver_next_row,
	.end = driver_end,
	.control = driver_control,
};
