/* SPDX-License-Identifier: BSD-2-Clause */
/* permissions: who may do what, by address, by trusted peer, and by rules for pairs of URIs. The rows
 * of the module. */
#include "modules/permissions/permissions.h"

#include "core/process/process.h"

static struct permissions_settings settings = {
	.default_allow_file = SPAN("permissions.allow"),
	.default_deny_file = SPAN("permissions.deny"),
	.check_all_branches = true,
	.allow_suffix = SPAN(".allow"),
	.deny_suffix = SPAN(".deny"),
	.address_table = SPAN("address"),
	.trusted_table = SPAN("trusted"),
	.grp_col = SPAN("grp"),
	.ip_addr_col = SPAN("ip_addr"),
	.mask_col = SPAN("mask"),
	.port_col = SPAN("port"),
	.source_col = SPAN("src_ip"),
	.proto_col = SPAN("proto"),
	.from_col = SPAN("from_pattern"),
	.ruri_col = SPAN("ruri_pattern"),
	.tag_col = SPAN("tag"),
	.priority_col = SPAN("priority"),
	.max_subnets = 512,
	.load_backends = 0xffff,
	.reload_delta = 5,
	.trusted_cleanup_interval = 60,
};
const struct permissions_settings *const permissions_settings = &settings;

static struct {
	const struct variable_ref *peer_tag;
} state;

static const struct field setting_fields[] = {
	FIELD(settings, default_allow_file, "file of allow_routing() with rules that allow"),
	FIELD(settings, default_deny_file, "file of allow_routing() with rules that deny"),
	FIELD(settings, check_all_branches, "allow_routing looks at every branch"),
	FIELD(settings, allow_suffix, "end of the names of files with rules that allow"),
	FIELD(settings, deny_suffix, "end of the names of files with rules that deny"),
	FIELD(settings, address_file, "file with addresses, in place of the table"),
	FIELD(settings, db_url, "database"),
	FIELD(settings, address_table, "table of addresses"),
	FIELD(settings, trusted_table, "table of trusted peers"),
	FIELD(settings, grp_col, "column of the group"),
	FIELD(settings, ip_addr_col, "column of the address"),
	FIELD(settings, mask_col, "column of the mask"),
	FIELD(settings, port_col, "column of the port"),
	FIELD(settings, source_col, "column of the peer's address"),
	FIELD(settings, proto_col, "column of the protocol"),
	FIELD(settings, from_col, "column of the pattern for From"),
	FIELD(settings, ruri_col, "column of the pattern for the Request-URI"),
	FIELD(settings, tag_col, "column of the tag"),
	FIELD(settings, priority_col, "column of the priority"),
	FIELD(settings, db_mode, "trusted peers: 0 the database is asked each time, 1 kept in memory",
		.max = 1),
	FIELD(settings, peer_tag_avp, "variable for the tag of what was found"),
	FIELD(settings, peer_tag_mode, "allow_trusted: 0 the first match, 1 all and their number",
		.max = 1),
	FIELD(settings, max_subnets, "subnets that are loaded", .min = 1, .max = 1 << 20),
	FIELD(settings, subnet_match_mode, "0 the first subnet, 1 the smallest", .max = 1),
	FIELD(settings, load_backends, "sum of 1 addresses, 2 trusted peers, 4 rules that allow, 8 deny",
		.max = 0xffff),
	FIELD(settings, reload_delta, "seconds between reloads at least", .max = 3600),
	FIELD(settings, trusted_cleanup_interval,
		"accepted: a replaced table is freed when nobody reads it", .min = 1, .max = INT32_MAX),
};

static const struct rpc_command commands[] = {
	{ "permissions.addressReload", address_reload, "Reads the addresses again." },
	{ "permissions.addressDump", address_dump, "Shows the addresses.", .returns_array = true },
	{ "permissions.subnetDump", subnet_dump, "Shows the subnets.", .returns_array = true },
	{ "permissions.domainDump", domain_dump, "Shows the domains among the addresses.",
		.returns_array = true },
	{ "permissions.trustedReload", trusted_reload, "Reads the trusted peers again." },
	{ "permissions.trustedDump", trusted_dump, "Shows the trusted peers.", .returns_array = true },
	{ "permissions.testUri", test_uri, "What do the rules say about this pair?",
		"{basename} {uri} {contact}" },
	{ "permissions.allowUri", test_uri, "The same as permissions.testUri.",
		"{basename} {uri} {contact}" },
};

const char *permissions_path(struct span name, struct arena *arena)
{
	const char *main_file = startup_options()->path;
	const char *slash = main_file ? strrchr(main_file, '/') : NULL;
	if (!slash || (name.len && name.at[0] == '/'))
		return arena_string(arena, name);
	return arena_printf(arena, "%.*s/%.*s", (int)(slash - main_file), main_file,
			    SPAN_ARGS(name))
		.at;
}

void permissions_tag(struct script_run *run, struct span tag)
{
	struct value value = VALUE_OF_TEXT(tag);
	if (state.peer_tag && tag.at && !variable_write(run, state.peer_tag, &value))
		log_error("peer_tag_avp is not set: memory is exhausted");
}

static bool prepare(struct diagnostics *diagnostics)
{
	struct db *db = NULL;
	if (!db_use_optional(settings.db_url, "permissions.db_url", diagnostics,
			     module_setting_position("permissions", "db_url"), &db))
		return false;
	if (settings.peer_tag_avp.len) {
		state.peer_tag =
			variable_compile(settings.peer_tag_avp, startup_arena(), diagnostics,
					 module_setting_position("permissions", "peer_tag_avp"));
		if (!state.peer_tag)
			return false;
	}
	return address_prepare(diagnostics, db) && trusted_prepare(diagnostics, db);
}

static bool start(void)
{
	bool is_good = address_start();
	is_good = trusted_start() && is_good;
	return routing_start() && is_good;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "permissions",
	.doc = "Who may do what, by address and by rules.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions = (const struct function_table *const[]){ &address_functions,
		&trusted_functions, &routing_functions, NULL },
	.commands = ROWS(commands),
	.prepare = prepare,
	.start = start,
};
