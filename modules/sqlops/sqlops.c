/* SPDX-License-Identifier: BSD-2-Clause */
/* sqlops: queries of the script's own to any database. */
#include <stdlib.h>

#include "modules/sqlops/sqlops.h"

static struct {
	int64_t connect_mode, results_maxsize;
} settings = { .results_maxsize = 32 };

static const struct field setting_fields[] = {
	FIELD_ACCEPT("sqlcon", connection_add, "a connection: \"name=>url\""),
	FIELD_ACCEPT("sqlres", result_note, "name of a result that the script may use"),
	FIELD(settings, connect_mode, "0: the databases must be there when the server starts; 1: not",
		.min = 0, .max = 1),
	FIELD(settings, results_maxsize, "different results that the script may use",
		.min = 1, .max = 256),
	FIELD_IGNORED("tr_buf_size", "literals of {sql.val} are as long as they must be"),
	FIELD_IGNORED("log_buf_size", "queries are not written to the log, they may hold secrets"),
};

/* What the functions return. */
enum { FOUND = 1, NO_ROWS = 2, ROWS_NOT_ASKED = 3, FAILED = -1 };

/* ---- functions of the script ------------------------------------------------------------------------ */

#define QUERY(type)                                                                          \
	FIELD(struct type, connection, "name of the connection", .accept = connection_note), \
		FIELD(struct type, query, "query")

struct sql_query_args {
	struct span connection, query, result;
};
static const struct field sql_query_fields[] = {
	QUERY(sql_query_args),
	FIELD(struct sql_query_args, result, "name of the result, for $dbr", .optional = true,
		.accept = result_note),
};
SCRIPT_HANDLER(sql_query)

struct sql_xquery_args {
	struct span connection, query, xavp;
};
static const struct field sql_xquery_fields[] = {
	QUERY(sql_xquery_args),
	FIELD(struct sql_xquery_args, xavp, "name of the XAVP for the rows"),
};
SCRIPT_HANDLER(sql_xquery)

struct sql_pvquery_args {
	struct span connection, query, targets;
};
static const struct field sql_pvquery_fields[] = {
	QUERY(sql_pvquery_args),
	FIELD(struct sql_pvquery_args, targets, "variables, one for each column: \"$var(a);$avp(b)\"",
		.literal = true, .accept = targets_check),
};
SCRIPT_HANDLER(sql_pvquery)

struct sql_query_async_args {
	struct span connection, query;
};
static const struct field sql_query_async_fields[] = { QUERY(sql_query_async_args) };
SCRIPT_HANDLER(sql_query_async)

struct sql_result_free_args {
	struct span result;
};
static const struct field sql_result_free_fields[] = {
	FIELD(struct sql_result_free_args, result, "name of the result", .accept = result_note),
};
SCRIPT_HANDLER(sql_result_free)

static const struct script_function functions[] = {
	FUNCTION("sql_query", sql_query, IN_ANY,
		"Runs a query. 1 it brought rows, 2 none, 3 rows that nobody asked for; -1: it failed."),
	FUNCTION("sql_xquery", sql_xquery, IN_ANY,
		"Runs a query; its rows become XAVPs with the columns as members, the first row first."),
	FUNCTION("sql_pvquery", sql_pvquery, IN_ANY,
		"Runs a query; variables are assigned from its rows, the last row first."),
	FUNCTION("sql_query_async", sql_query_async, IN_ANY,
		"Runs a query beside the script, which does not wait for it."),
	FUNCTION("sql_result_free", sql_result_free, IN_ANY, "Forgets a result."),
};

static enum db_status run_query(struct script_run *run, const struct connection *connection,
				struct span query, struct db_rows *rows)
{
	const struct db_spec spec = { .verb = DB_RAW, .sql = query };
	if (!span_trim(query).len) {
		log_error("a query is empty");
		return DB_REJECTED;
	}
	const struct db_statement *statement = db_prepare(connection->db, run->arena, &spec);
	return statement ? db_run(statement, NULL, rows) : DB_REJECTED;
}

static int ask(struct script_run *run, struct span connection_name, struct span query,
	       struct row_set *set)
{
	struct db_rows rows;
	const struct connection *connection = connection_find(connection_name);
	*set = (struct row_set){ 0 };
	if (!connection)
		return FAILED;
	result_note_count(run, connection, -1);
	if (run_query(run, connection, query, &rows) != DB_OK)
		return FAILED;
	int64_t affected = rows.affected;
	if (!row_set_read(&rows, run->arena, set)) {
		*set = (struct row_set){ 0 };
		return FAILED;
	}
	result_note_count(run, connection, set->rows ? (int64_t)set->rows : affected);
	if (set->rows)
		return FOUND;
	*set = (struct row_set){ 0 };
	return NO_ROWS;
}

static int sql_query(struct script_run *run, const struct sql_query_args *args)
{
	struct row_set nobody;
	if (!args->result.len) {
		int found = ask(run, args->connection, args->query, &nobody);
		return found == FOUND ? ROWS_NOT_ASKED : found;
	}
	struct result *result = result_new(run, args->result);
	if (!result)
		return FAILED;
	int found = ask(run, args->connection, args->query, &result->set);
	result_keep(result);
	return found;
}

/* The newest XAVP is read first, so the last row and the last column go first. */
static int sql_xquery(struct script_run *run, const struct sql_xquery_args *args)
{
	struct attributes *all = &run->msg->attributes;
	struct row_set set;
	int found = ask(run, args->connection, args->query, &set);
	if (found != FOUND)
		return found;
	for (unsigned row = set.rows; row-- > 0;) {
		struct xavp *node = xavp_push(all, &all->xavps, args->xavp, VALUE_OF_INT(0));
		if (!node)
			return FAILED;
		node->has_children = true;
		for (unsigned i = set.columns; i-- > 0;)
			if (!xavp_push(all, &node->children, set.names[i],
				       row_value(run, row_set_at(&set, row, i))))
				return FAILED;
	}
	return FOUND;
}

/* An AVP gets no value from NULL and keeps those that it has; anything else becomes null. */
static bool assign(struct script_run *run, const struct variable_ref *target,
		   const struct value *value)
{
	if (value->kind == VALUE_NULL && strcmp(target->row->name, "avp") == 0)
		return true;
	if (variable_write(run, target, value))
		return true;
	log_error("sql_pvquery: %.*s is not set", SPAN_ARGS(target->text));
	return false;
}

static int assign_row(struct script_run *run, const struct targets *targets,
		      const struct row_set *set, unsigned row)
{
	for (unsigned i = 0; i < set->columns; i++) {
		if (i == targets->count) {
			log_error(
				"sql_pvquery: the query brings %u columns, but there are %u variables",
				set->columns, targets->count);
			return FAILED;
		}
		const struct value value = row_value(run, row_set_at(set, row, i));
		if (!assign(run, targets->variables[i], &value))
			return FAILED;
	}
	return FOUND;
}

static int sql_pvquery(struct script_run *run, const struct sql_pvquery_args *args)
{
	struct row_set set = { 0 };
	const struct targets *targets = targets_of(args->targets);
	int found = targets ? ask(run, args->connection, args->query, &set) : FAILED;
	for (unsigned row = set.rows; found == FOUND && row-- > 0;)
		found = assign_row(run, targets, &set, row);
	return found;
}

static int sql_result_free(struct script_run *run, const struct sql_result_free_args *args)
{
	result_clear(run->msg, args->result);
	return SCRIPT_TRUE;
}

/* ---- beside the script ------------------------------------------------------------------------------ */

struct errand {
	struct db *db;
	size_t length;
	char query[];
};

static void run_errand(void *arg)
{
	struct errand *errand = arg;
	struct arena arena;
	arena_init(&arena, errand->length + 1024, errand->length * 2 + (64 << 10));
	const struct db_spec spec = {
		.verb = DB_RAW, .sql = { errand->query, errand->length }
	};
	const struct db_statement *statement = db_prepare(errand->db, &arena, &spec);
	if (!statement || db_execute(statement, NULL, NULL) != DB_OK)
		log_error("sql_query_async: a query was not executed");
	arena_free(&arena);
	free(errand);
}

static int sql_query_async(struct script_run *run, const struct sql_query_async_args *args)
{
	const struct connection *connection = connection_find(args->connection);
	(void)run;
	if (!connection || !span_trim(args->query).len)
		return FAILED;
	struct errand *errand = malloc(sizeof(*errand) + args->query.len);
	if (!errand)
		return FAILED;
	errand->db = connection->db;
	errand->length = args->query.len;
	memcpy(errand->query, args->query.at, args->query.len);
	if (fiber_start(run_errand, errand))
		return SCRIPT_TRUE;
	log_error("sql_query_async: too many queries wait already");
	free(errand);
	return FAILED;
}

/* ---- module ----------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	return results_prepare() && connections_prepare(diagnostics);
}

static bool start(void)
{
	return results_start(settings.results_maxsize) &&
	       connections_start(settings.connect_mode == 1);
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "sqlops",
	.doc = "Queries of the script's own to any database.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.variables = ROWS(result_variables),
	.transforms = ROWS(quote_transforms),
	.prepare = prepare,
	.start = start,
};
