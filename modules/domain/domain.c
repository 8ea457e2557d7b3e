/* SPDX-License-Identifier: BSD-2-Clause */
/* domain: which domains this server is responsible for, from a database. */
#include "modules/domain/domain.h"

static struct domain_settings settings = {
	.db_url = SPAN("mysql://kamailioro:kamailioro@localhost/kamailio"),
	.domain_table = SPAN("domain"),
	.domain_attrs_table = SPAN("domain_attrs"),
	.did_col = SPAN("did"),
	.domain_col = SPAN("domain"),
	.name_col = SPAN("name"),
	.type_col = SPAN("type"),
	.value_col = SPAN("value"),
};
const struct domain_settings *const domain_settings = &settings;

static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database"),
	FIELD(settings, domain_table, "table of the domains"),
	FIELD(settings, domain_attrs_table, "table of the domains' attributes"),
	FIELD(settings, did_col, "column of the domain's id"),
	FIELD(settings, domain_col, "column of the domain's name"),
	FIELD(settings, name_col, "column of an attribute's name"),
	FIELD(settings, type_col, "column of an attribute's type: 0 number, 2 text"),
	FIELD(settings, value_col, "column of an attribute's value"),
	FIELD(settings, register_myself, "the domains are `myself`"),
};

/* ---- functions of the script ------------------------------------------------------------------------ */

struct is_domain_local_args {
	struct span domain;
};
static const struct field is_domain_local_fields[] = {
	FIELD(struct is_domain_local_args, domain, "domain"),
};
SCRIPT_HANDLER(is_domain_local)

struct lookup_domain_args {
	struct span domain;
	struct span prefix;
};
static const struct field lookup_domain_fields[] = {
	FIELD(struct lookup_domain_args, domain, "domain"),
	FIELD(struct lookup_domain_args, prefix, "of the names of the AVPs", .optional = true),
};
SCRIPT_HANDLER(lookup_domain)
SCRIPT_HANDLER_PLAIN(is_from_local)
SCRIPT_HANDLER_PLAIN(is_uri_host_local)

static const struct script_function functions[] = {
	FUNCTION_PLAIN("is_from_local", is_from_local, IN_ANY, "Is the host in From one of ours?"),
	FUNCTION_PLAIN("is_uri_host_local", is_uri_host_local, IN_ANY,
		"Is the host in the Request-URI one of ours?"),
	FUNCTION("is_domain_local", is_domain_local, IN_ANY, "Is the domain one of ours?"),
	FUNCTION("lookup_domain", lookup_domain, IN_ANY,
		"Is the domain one of ours? Then its id becomes $avp(did), its attributes AVPs."),
};

static bool is_local(struct span name)
{
	bool found = domain_find(domains_hold(), span_trim(name)) != NULL;
	domains_release();
	return found;
}

static int is_from_local(struct script_run *run)
{
	struct sip_uri uri;
	bool is_good = uri_parse(message_from_uri(run->msg), &uri) && !uri_is_tel(&uri);
	return is_good && is_local(uri.host) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_uri_host_local(struct script_run *run)
{
	struct sip_uri uri;
	bool is_good = message_parse_uri(run->msg, &uri) && !uri_is_tel(&uri);
	return is_good && is_local(uri.host) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_domain_local(struct script_run *run, const struct is_domain_local_args *args)
{
	(void)run;
	return is_local(args->domain) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* The newest AVP is read first, so the last attribute goes first. */
static bool add_avps(struct script_run *run, const struct domain *domain, struct span prefix)
{
	struct attributes *all = &run->msg->attributes;
	struct span did = arena_printf(run->arena, "%.*sdid", SPAN_ARGS(prefix));
	const struct avp_name did_name = { .text = did };
	bool is_good = avp_push(all, did_name, VALUE_OF_TEXT(domain->did));
	for (uint32_t i = domain->attribute_count; is_good && i-- > 0;) {
		const struct domain_attribute *attribute = &domain->attributes[i];
		const struct avp_name name = { .text = arena_printf(run->arena, "%.*s%.*s",
								    SPAN_ARGS(prefix),
								    SPAN_ARGS(attribute->name)) };
		is_good = name.text.at && avp_push(all, name, attribute->value);
	}
	return is_good;
}

static int lookup_domain(struct script_run *run, const struct lookup_domain_args *args)
{
	const struct domain *domain = domain_find(domains_hold(), span_trim(args->domain));
	bool is_good = domain && add_avps(run, domain, args->prefix);
	domains_release();
	return is_good ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool is_domain_myself(struct span host, uint16_t port, enum transport transport)
{
	(void)port;
	(void)transport;
	return is_local(host);
}

/* ---- commands --------------------------------------------------------------------------------------- */

static void reload(struct rpc_call *call)
{
	if (!domains_load())
		rpc_fault(call, 400, "Reload of domain tables failed; the log says why");
}

static void dump(struct rpc_call *call)
{
	const struct domain_set *set = domains_hold();
	struct rpc_node *top = rpc_add_struct(call, NULL, NULL);
	struct rpc_node *domains = rpc_add_array(call, top, "domains");
	for (uint32_t i = 0; set && i < set->count; i++) {
		struct rpc_node *one = rpc_add_struct(call, domains, NULL);
		rpc_add_text(call, one, "domain", set->domains[i].name);
		rpc_add_text(call, one, "did", set->domains[i].did);
	}
	struct rpc_node *dids = rpc_add_array(call, top, "attributes"), *names = NULL;
	for (uint32_t i = 0; set && i < set->attribute_count; i++) {
		const struct domain_attribute *attribute = &set->attributes[i];
		if (!i || !span_equal(attribute->did, attribute[-1].did)) {
			struct rpc_node *one = rpc_add_struct(call, dids, NULL);
			rpc_add_text(call, one, "did", attribute->did);
			names = rpc_add_array(call, one, "attrs");
		}
		rpc_add_text(call, names, NULL, attribute->name);
	}
	domains_release();
}

static const struct rpc_command commands[] = {
	{ "domain.reload", reload, "Reads the domains from the database again.", NULL, false },
	{ "domain.dump", dump, "Shows the domains and the names of their attributes.", NULL, false },
};

/* ---- module ----------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	if (!domains_prepare(diagnostics))
		return false;
	if (settings.register_myself)
		myself_register(is_domain_myself);
	return true;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "domain",
	.doc = "The domains that this server is responsible for, in a database.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = ROWS(commands),
	.prepare = prepare,
	.start = domains_start,
};
