/* SPDX-License-Identifier: BSD-2-Clause */
/* address: addresses in groups, from the table `address` or from a file; allow_address and its
 * kin, and the commands that show and reload them. */
#include <errno.h>
#include <stdio.h>

#include "core/shm/map.h"
#include "core/shm/published.h"
#include "modules/permissions/permissions.h"

#define ADDRESS_VERSION 6
#define LIST_CHUNK      (64 << 10)
#define LIST_MOST       ((size_t)512 << 20)

static struct {
	struct db *db; /* NULL: none, or the file is used */
	struct db_statement *all;
	struct published *set;
	_Atomic int64_t *last_reload_ms;
} state;

/* ---- loading --------------------------------------------------------------------------------------- */

static bool load_from_table(struct address_list *list)
{
	struct db_rows rows;
	char buffer[32];
	if (db_run(state.all, NULL, &rows) != DB_OK)
		return false;
	while (db_next(&rows)) {
		const struct db_value *v = rows.values;
		struct span address = db_as_text(&v[1], buffer);
		const char *wrong = address_list_add(
			list, v[0].number, span_trim(address), v[2].number, v[3].number,
			v[4].kind == DB_NULL ? (struct span){ 0 } : v[4].text);
		if (wrong)
			log_error("address %.*s of group %lld is left out: %s", SPAN_ARGS(address),
				  (long long)v[0].number, wrong);
	}
	return db_end(&rows) == DB_OK;
}

static struct span next_word(struct span *rest)
{
	size_t start = 0;
	while (start < rest->len && ascii_is_space(rest->at[start]))
		start++;
	size_t end = start;
	while (end < rest->len && !ascii_is_space(rest->at[end]))
		end++;
	struct span word = span_slice(*rest, start, end - start);
	*rest = span_slice(*rest, end, rest->len);
	return word;
}

/* line = group address [ mask [ port [ tag ] ] ] */
static const char *add_line(struct address_list *list, struct span line)
{
	int64_t group, bits = 0, port = 0;
	struct span words[5];
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = next_word(&line);
	if (!words[1].len)
		return "a line is: group address [mask [port [tag]]]";
	if (!span_to_int64(words[0], &group))
		return "the group is no number";
	if (words[2].len && !span_to_int64(words[2], &bits))
		return "the mask is no number";
	if (words[3].len && !span_to_int64(words[3], &port))
		return "the port is no number";
	return address_list_add(list, group, words[1], bits, port,
				words[4].len ? words[4] : (struct span){ 0 });
}

static bool load_from_file(struct address_list *list)
{
	const char *path = permissions_path(permissions_settings->address_file, list->arena);
	FILE *file = path ? fopen(path, "r") : NULL;
	char text[1024];
	bool is_good = true;
	if (!file) {
		log_error("address_file %s: %s", path ? path : "", strerror(errno));
		return false;
	}
	for (unsigned line = 1; fgets(text, sizeof(text), file); line++) {
		struct span content = span_trim(span_from(text));
		if (!content.len || content.at[0] == '#')
			continue;
		const char *wrong = add_line(list, content);
		if (wrong) {
			log_error("%s:%u: %s", path, line, wrong);
			is_good = false;
		}
	}
	fclose(file);
	return is_good;
}

/* Builds the set beside the current one and puts it in its place. */
static bool load(void)
{
	struct arena arena;
	arena_init(&arena, LIST_CHUNK, LIST_MOST);
	struct address_list list = { .arena = &arena };
	bool is_file = permissions_settings->address_file.len > 0;
	struct address_set *set = NULL;
	if (is_file ? load_from_file(&list) : load_from_table(&list)) {
		set = address_set_build(&list);
		if (!set)
			log_error("%u addresses do not fit into shared memory; raise -m",
				  list.count);
	}
	if (set)
		published_put(state.set, set);
	arena_free(&arena);
	return set != NULL;
}

static bool is_wanted(void)
{
	return (permissions_settings->load_backends & BACKEND_ADDRESS) &&
	       (state.db || permissions_settings->address_file.len);
}

bool address_prepare(struct diagnostics *diagnostics, struct db *db)
{
	const struct permissions_settings *s = permissions_settings;
	(void)diagnostics;
	state.db = s->address_file.len ? NULL : db;
	state.set = published_new("permissions addresses");
	state.last_reload_ms = shm_reserve(sizeof(*state.last_reload_ms), "permissions");
	if (state.db) {
		const struct db_column columns[] = { { s->grp_col, DB_INT },
						     { s->ip_addr_col, DB_TEXT },
						     { s->mask_col, DB_INT },
						     { s->port_col, DB_INT },
						     { s->tag_col, DB_TEXT } };
		const struct db_spec spec = { .verb = DB_SELECT,
					      .table = s->address_table,
					      .columns = columns,
					      .column_count = ARRAY_SIZE(columns) };
		state.all = db_prepare(state.db, startup_arena(), &spec);
	}
	return state.set && state.last_reload_ms && (!state.db || state.all);
}

bool address_start(void)
{
	if (!is_wanted())
		return true;
	return (!state.db || db_need_table(state.db, "permissions",
					   permissions_settings->address_table, ADDRESS_VERSION)) &&
	       load();
}

/* ---- functions of the script ---------------------------------------------------------------------- */

struct allow_address_args {
	int64_t group;
	struct span address;
	int64_t port;
};
static const struct field allow_address_fields[] = {
	FIELD(struct allow_address_args, group, "group"),
	FIELD(struct allow_address_args, address, "IP address or domain"),
	FIELD(struct allow_address_args, port, "port"),
};
SCRIPT_HANDLER(allow_address)

struct allow_source_args {
	int64_t group;
};
static const struct field allow_source_fields[] = {
	FIELD(struct allow_source_args, group, "group; 1 when absent", .optional = true),
};
SCRIPT_HANDLER(allow_source)
SCRIPT_HANDLER_PLAIN(source_group)

struct address_group_args {
	struct span address;
	int64_t port;
};
static const struct field address_group_fields[] = {
	FIELD(struct address_group_args, address, "IP address or domain"),
	FIELD(struct address_group_args, port, "port"),
};
SCRIPT_HANDLER(address_group)

static const struct script_function functions[] = {
	FUNCTION("allow_address", allow_address, IN_ANY, "Does the address belong to the group?"),
	FUNCTION("allow_source_address", allow_source, IN_ANY,
		"Does the source of the message belong to the group?"),
	FUNCTION_PLAIN("allow_source_address_group", source_group, IN_ANY,
		"The group of the source of the message; -1 without."),
	FUNCTION("allow_address_group", address_group, IN_ANY,
		"The group of the address; -1 without."),
};
const struct function_table address_functions = { functions, ARRAY_SIZE(functions) };

/* The group that has the address, -1 when none has; `group` 0 asks for any. */
static int find(struct script_run *run, int64_t group, struct span address, int64_t port)
{
	if (group < 0 || group > INT32_MAX)
		return SCRIPT_FALSE;
	const struct address_set *set = published_hold(state.set, process_index());
	const struct address_row *row = address_find(set, (uint32_t)group, address, port);
	int found = row ? (int)row->group : SCRIPT_FALSE;
	struct span tag =
		row && row->tag.at ? arena_copy(run->arena, row->tag) : (struct span){ 0 };
	published_release(state.set, process_index());
	permissions_tag(run, tag);
	return found;
}

static int find_source(struct script_run *run, int64_t group)
{
	char text[64];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write_ip(&w, &run->msg->from.source);
	return find(run, group, writer_result(&w), run->msg->from.source.port);
}

static int allow_address(struct script_run *run, const struct allow_address_args *args)
{
	if (args->group < 1)
		return SCRIPT_FALSE;
	return find(run, args->group, args->address, args->port) > 0 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int allow_source(struct script_run *run, const struct allow_source_args *args)
{
	return find_source(run, args->group ? args->group : 1) > 0 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int source_group(struct script_run *run)
{
	return find_source(run, 0);
}

static int address_group(struct script_run *run, const struct address_group_args *args)
{
	return find(run, 0, args->address, args->port);
}

/* ---- commands ---------------------------------------------------------------------------------------- */

void permissions_reload(struct rpc_call *call, _Atomic int64_t *last_ms, bool (*load_now)(void))
{
	int64_t now = clock_ms(), last = *last_ms;
	if (last && now - last < permissions_settings->reload_delta * 1000) {
		rpc_fault(call, 500, "ongoing reload: at most one in %lld seconds",
			  (long long)permissions_settings->reload_delta);
		return;
	}
	*last_ms = now ? now : 1;
	if (load_now())
		rpc_add_text(call, NULL, NULL, SPAN_OF("Reload OK"));
	else
		rpc_fault(call, 500, "Reload failed; the log says why");
}

void address_reload(struct rpc_call *call)
{
	if (!is_wanted())
		rpc_fault(call, 500, "Reload failed: there is no db_url and no address_file");
	else
		permissions_reload(call, state.last_reload_ms, load);
}

static void add_item(struct rpc_call *call, struct rpc_node *node, const struct address_row *row)
{
	char text[64];
	struct writer w = writer_fixed(text, sizeof(text));
	struct rpc_node *item = rpc_add_struct(call, node, "item");
	if (row->kind == ADDRESS_DOMAIN) {
		rpc_add_text(call, item, "domain_name", row->domain);
	} else {
		end_point_write_ip(&w, &row->ip);
		rpc_add_text(call, item, "ip", writer_result(&w));
	}
	if (row->kind == ADDRESS_SUBNET)
		rpc_add_int(call, item, "mask", row->bits);
	rpc_add_int(call, item, "port", row->port);
	/* The peer's commands differ in this. */
	struct span none = row->kind == ADDRESS_SUBNET ? SPAN_OF("") : SPAN_OF("NULL");
	rpc_add_text(call, item, "tag", row->tag.at ? row->tag : none);
}

static uint32_t bucket_of(const struct address_set *set, uint32_t number)
{
	for (uint32_t bucket = 0; bucket < set->bucket_count; bucket++)
		for (uint32_t at = set->buckets[bucket]; at; at = set->rows[at - 1].next)
			if (at == number + 1)
				return bucket;
	return 0;
}

static void dump(struct rpc_call *call, enum address_kind kind)
{
	const struct address_set *set = published_hold(state.set, process_index());
	uint32_t id = 0;
	for (uint32_t i = 0; set && i < set->count; i++) {
		if (set->rows[i].kind != kind)
			continue;
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		if (kind == ADDRESS_SUBNET)
			rpc_add_int(call, node, "id", id++);
		else
			rpc_add_int(call, node, "table", bucket_of(set, i));
		rpc_add_int(call, node, "group", set->rows[i].group);
		add_item(call, node, &set->rows[i]);
	}
	published_release(state.set, process_index());
}

void address_dump(struct rpc_call *call)
{
	dump(call, ADDRESS_HOST);
}

void subnet_dump(struct rpc_call *call)
{
	dump(call, ADDRESS_SUBNET);
}

void domain_dump(struct rpc_call *call)
{
	dump(call, ADDRESS_DOMAIN);
}
