/* SPDX-License-Identifier: BSD-2-Clause */
/* routing: may this user call there, or register that contact? Pairs of URIs are looked up in a file
 * of rules that allow and in one of rules that deny: all pairs in the first, else none in the
 * second. */
#include "modules/permissions/permissions.h"
#include "parser/name_addr.h"

#define FILES_MOST 64

static struct {
	struct span names[FILES_MOST]; /* that the script mentions, until `start` */
	unsigned count;
} state;

struct files {
	const struct rule_file *allow, *deny;
};

/* ---- files ------------------------------------------------------------------------------------------- */

static bool is_loaded(int64_t backend)
{
	return (permissions_settings->load_backends & backend) != 0;
}

static void remember(struct span name)
{
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(state.names[i], name))
			return;
	if (state.count < FILES_MOST)
		state.names[state.count++] = name;
}

static struct span with_suffix(struct arena *arena, struct span name, struct span suffix)
{
	return arena_printf(arena, "%.*s%.*s", SPAN_ARGS(name), SPAN_ARGS(suffix));
}

/* The name may be that of a file, or the beginning of two names: both are read when they are there. */
static const char *note_file(struct span name, int64_t number)
{
	(void)number;
	if (!name.len)
		return "the name of a file is missing";
	remember(arena_copy(startup_arena(), name));
	remember(with_suffix(startup_arena(), name, permissions_settings->allow_suffix));
	remember(with_suffix(startup_arena(), name, permissions_settings->deny_suffix));
	return NULL;
}

bool routing_start(void)
{
	bool is_good = true;
	if (!is_loaded(BACKEND_ALLOW | BACKEND_DENY))
		return true;
	remember(permissions_settings->default_allow_file);
	remember(permissions_settings->default_deny_file);
	for (unsigned i = 0; i < state.count; i++)
		if (!rules_load(state.names[i]))
			is_good = false;
	return is_good;
}

static struct files find_files(struct span allow, struct span deny)
{
	return (struct files){
		is_loaded(BACKEND_ALLOW) ? rules_find(allow) : NULL,
		is_loaded(BACKEND_DENY) ? rules_find(deny) : NULL,
	};
}

/* No name: the default files; one: the beginning of both names. */
static struct files files_of(struct arena *arena, struct span first, struct span second)
{
	const struct permissions_settings *s = permissions_settings;
	if (!first.at)
		return find_files(s->default_allow_file, s->default_deny_file);
	if (!second.at)
		return find_files(with_suffix(arena, first, s->allow_suffix),
				  with_suffix(arena, first, s->deny_suffix));
	return find_files(first, second);
}

/* ---- pairs -------------------------------------------------------------------------------------------- */

#define PAIRS_MOST 128

struct pairs {
	struct span left;
	struct span right[PAIRS_MOST];
	unsigned count;
};

static int decide(const struct files *files, const struct pairs *pairs)
{
	bool all_allowed = files->allow != NULL;
	for (unsigned i = 0; all_allowed && i < pairs->count; i++)
		all_allowed = rules_match(files->allow, pairs->left, pairs->right[i]);
	if (all_allowed)
		return SCRIPT_TRUE;
	for (unsigned i = 0; files->deny && i < pairs->count; i++)
		if (rules_match(files->deny, pairs->left, pairs->right[i]))
			return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

/* "sip:user@host", with the port when it was asked for: what rules are written for. */
static bool add_plain(struct pairs *pairs, struct arena *arena, struct span text, bool with_port)
{
	struct sip_uri uri;
	if (pairs->count == PAIRS_MOST || !uri_parse(text, &uri))
		return false;
	struct span plain = arena_printf(arena, "%.*s:%.*s%s%.*s", SPAN_ARGS(uri.scheme_text),
					 SPAN_ARGS(uri.user), uri.user.len ? "@" : "",
					 SPAN_ARGS(with_port ? uri.hostport : uri.host));
	pairs->right[pairs->count++] = plain;
	return plain.at != NULL;
}

/* ---- functions of the script ------------------------------------------------------------------------ */

struct files_args {
	struct span first;
	struct span second;
};
static const struct field any_files_fields[] = {
	FIELD(struct files_args, first, "file of rules that allow, or the beginning of both names",
		.optional = true, .literal = true, .accept = note_file),
	FIELD(struct files_args, second, "file of rules that deny", .literal = true, .accept = note_file),
};
static const struct field files_fields[] = {
	FIELD(struct files_args, first, "file of rules that allow, or the beginning of both names",
		.literal = true, .accept = note_file),
	FIELD(struct files_args, second, "file of rules that deny", .optional = true, .literal = true,
		.accept = note_file),
};
#define any_files_args files_args
SCRIPT_HANDLER_OF(allow_routing, any_files)
SCRIPT_HANDLER_OF(allow_register, files)
SCRIPT_HANDLER_OF(allow_register_port, files)

struct allow_uri_args {
	struct span files;
	struct span uri;
};
static const struct field allow_uri_fields[] = {
	FIELD(struct allow_uri_args, files, "beginning of the names of both files", .literal = true,
		.accept = note_file),
	FIELD(struct allow_uri_args, uri, "URI"),
};
SCRIPT_HANDLER(allow_uri)

static const struct script_function functions[] = {
	FUNCTION_OF("allow_routing", allow_routing, any_files, IN_REQUEST | IN_FAILURE,
		"May the user of From call all destinations?"),
	FUNCTION_OF("allow_register", allow_register, files, IN_REQUEST | IN_FAILURE,
		"May the user of To register all contacts? They are compared without port."),
	FUNCTION_OF("allow_register_include_port", allow_register_port, files, IN_REQUEST | IN_FAILURE,
		"The same, contacts compared with their port."),
	FUNCTION("allow_uri", allow_uri, IN_REQUEST | IN_FAILURE, "May the user of From use the URI?"),
};
const struct function_table routing_functions = { functions, ARRAY_SIZE(functions) };

static int allow_routing(struct script_run *run, const struct files_args *args)
{
	struct message *msg = run->msg;
	struct files files = files_of(run->arena, args->first, args->second);
	struct pairs pairs = { .left = message_from_uri(msg) };
	if (!pairs.left.len || !add_plain(&pairs, run->arena, message_uri(msg), false))
		return SCRIPT_FALSE;
	if (permissions_settings->check_all_branches)
		for (unsigned i = 0; i < msg->branch_count; i++)
			if (!add_plain(&pairs, run->arena, msg->branches[i].uri, false))
				return SCRIPT_FALSE;
	return decide(&files, &pairs);
}

static int check_register(struct script_run *run, const struct files_args *args, bool with_port)
{
	struct message *msg = run->msg;
	struct files files = files_of(run->arena, args->first, args->second);
	struct pairs pairs = { 0 };
	if (!add_plain(&pairs, run->arena, message_to_uri(msg), false))
		return SCRIPT_FALSE;
	pairs.left = pairs.right[0];
	pairs.count = 0;
	const struct sip_header *h = message_header(msg, HEADER_CONTACT);
	for (; h; h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr contact;
		enum list_result result;
		if (span_equal(rest, SPAN_OF("*")))
			continue;
		while ((result = name_addr_next(&rest, &contact)) == LIST_ITEM)
			if (!add_plain(&pairs, run->arena, contact.uri, with_port))
				return SCRIPT_FALSE;
		if (result == LIST_BAD)
			return SCRIPT_FALSE;
	}
	return pairs.count ? decide(&files, &pairs) : SCRIPT_TRUE;
}

static int allow_register(struct script_run *run, const struct files_args *args)
{
	return check_register(run, args, false);
}

static int allow_register_port(struct script_run *run, const struct files_args *args)
{
	return check_register(run, args, true);
}

static int allow_uri(struct script_run *run, const struct allow_uri_args *args)
{
	struct files files = files_of(run->arena, args->files, (struct span){ 0 });
	struct pairs pairs = { .left = message_from_uri(run->msg),
			       .right = { args->uri },
			       .count = 1 };
	if (!pairs.left.len || !args->uri.len)
		return SCRIPT_FALSE;
	return decide(&files, &pairs);
}

/* ---- command ------------------------------------------------------------------------------------------ */

void test_uri(struct rpc_call *call)
{
	struct span name, uri, contact;
	if (rpc_arg_count(call) < 3) {
		rpc_fault(call, 500, "Not enough parameters (basename, URI and contact)");
		return;
	}
	if (!rpc_need_text(call, 0, "basename", &name) || !rpc_need_text(call, 1, "uri", &uri) ||
	    !rpc_need_text(call, 2, "contact", &contact))
		return;
	struct files files = files_of(rpc_arena(call), name, (struct span){ 0 });
	struct pairs pairs = { .left = uri, .right = { contact }, .count = 1 };
	bool is_allowed = (files.allow || files.deny) && decide(&files, &pairs) == SCRIPT_TRUE;
	rpc_add_text(call, NULL, NULL, is_allowed ? SPAN_OF("Allowed") : SPAN_OF("Denied"));
}
