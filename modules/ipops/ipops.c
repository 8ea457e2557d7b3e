/* SPDX-License-Identifier: BSD-2-Clause */
/* ipops: functions about IP addresses: what kind one is, whether two are the same, whether one lies in a
 * network. An address in brackets is an IPv6 reference, as in URIs (RFC 3261 25.1). */
#include "modules/ipops/ipops.h"

/* Results of ip_type(). */
enum ip_kind { IP_NONE = -1, IP_V4 = 1, IP_V6 = 2, IP_V6_REFERENCE = 3 };

static enum ip_kind kind_of(struct span text, struct end_point *out)
{
	bool has_brackets = text.len > 2 && text.at[0] == '[';
	if (!end_point_parse_ip(text, out) || out->scope)
		return IP_NONE;
	if (out->family == AF_INET)
		return has_brackets ? IP_NONE : IP_V4;
	return has_brackets ? IP_V6_REFERENCE : IP_V6;
}

static int truth(bool condition)
{
	return condition ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- arguments --------------------------------------------------------------------------------------------- */

struct address_args {
	struct span address;
};
static const struct field address_fields[] = {
	FIELD(struct address_args, address, "IP address"),
};
SCRIPT_HANDLER_OF(is_ip, address)
SCRIPT_HANDLER_OF(is_pure_ip, address)
SCRIPT_HANDLER_OF(is_ipv4, address)
SCRIPT_HANDLER_OF(is_ipv6, address)
SCRIPT_HANDLER_OF(is_ipv6_reference, address)
SCRIPT_HANDLER_OF(ip_type, address)
SCRIPT_HANDLER_OF(is_rfc1918, address)

struct detail_args {
	struct span address;
	const struct variable_ref *result;
};
static const struct field detail_fields[] = {
	FIELD(struct detail_args, address, "IP address"),
	FIELD(struct detail_args, result, "variable for the kind"),
};
SCRIPT_HANDLER_OF(detail_any, detail)
SCRIPT_HANDLER_OF(detail_v4, detail)
SCRIPT_HANDLER_OF(detail_v6, detail)

struct pair_args {
	struct span first, second;
};
static const struct field pair_fields[] = {
	FIELD(struct pair_args, first, "IP address"),
	FIELD(struct pair_args, second, "IP address"),
};
SCRIPT_HANDLER_OF(compare, pair)
SCRIPT_HANDLER_OF(compare_pure, pair)

struct subnet_args {
	struct span address, networks;
};
static const struct field subnet_fields[] = {
	FIELD(struct subnet_args, address, "IP address"),
	FIELD(struct subnet_args, networks, "addresses and networks (address/bits), separated by commas"),
};
SCRIPT_HANDLER_OF(is_in_subnet, subnet)

static const struct script_function functions[] = {
	FUNCTION_OF("is_ip", is_ip, address, IN_ANY, "Is it an IPv4 or IPv6 address, also in brackets?"),
	FUNCTION_OF("is_pure_ip", is_pure_ip, address, IN_ANY, "Is it an IPv4 or IPv6 address, without brackets?"),
	FUNCTION_OF("is_ipv4", is_ipv4, address, IN_ANY, "Is it an IPv4 address?"),
	FUNCTION_OF("is_ipv6", is_ipv6, address, IN_ANY, "Is it an IPv6 address, without brackets?"),
	FUNCTION_OF("is_ipv6_reference", is_ipv6_reference, address, IN_ANY, "Is it an IPv6 address in brackets?"),
	FUNCTION_OF("ip_type", ip_type, address, IN_ANY, "1: IPv4; 2: IPv6; 3: IPv6 in brackets; -1: no address."),
	FUNCTION_OF("is_ip_rfc1918", is_rfc1918, address, IN_ANY, "Is it an IPv4 address for private use (RFC 1918)?"),
	FUNCTION_OF("detailed_ip_type", detail_any, detail, IN_ANY, "Puts the kind of the address into the variable: PUBLIC, PRIVATE, …"),
	FUNCTION_OF("detailed_ipv4_type", detail_v4, detail, IN_ANY, "The same for IPv4 addresses only."),
	FUNCTION_OF("detailed_ipv6_type", detail_v6, detail, IN_ANY, "The same for IPv6 addresses only."),
	FUNCTION_OF("compare_ips", compare, pair, IN_ANY, "Are they the same address, with or without brackets?"),
	FUNCTION_OF("compare_pure_ips", compare_pure, pair, IN_ANY, "Are they the same address, both without brackets?"),
	FUNCTION_OF("is_in_subnet", is_in_subnet, subnet, IN_ANY, "Does the address lie in one of the networks?"),
};

/* ---- kinds ---------------------------------------------------------------------------------------------------- */

static int is_ip(struct script_run *run, const struct address_args *args)
{
	struct end_point ip;
	(void)run;
	return truth(kind_of(args->address, &ip) != IP_NONE);
}

static int is_pure_ip(struct script_run *run, const struct address_args *args)
{
	struct end_point ip;
	enum ip_kind kind = kind_of(args->address, &ip);
	(void)run;
	return truth(kind == IP_V4 || kind == IP_V6);
}

static int is_ipv4(struct script_run *run, const struct address_args *args)
{
	struct end_point ip;
	(void)run;
	return truth(kind_of(args->address, &ip) == IP_V4);
}

static int is_ipv6(struct script_run *run, const struct address_args *args)
{
	struct end_point ip;
	(void)run;
	return truth(kind_of(args->address, &ip) == IP_V6);
}

static int is_ipv6_reference(struct script_run *run, const struct address_args *args)
{
	struct end_point ip;
	(void)run;
	return truth(kind_of(args->address, &ip) == IP_V6_REFERENCE);
}

static int ip_type(struct script_run *run, const struct address_args *args)
{
	struct end_point ip;
	(void)run;
	return kind_of(args->address, &ip);
}

/* A network with its name; the first that has the address counts. */
struct network {
	const char *address;
	unsigned bits;
	const char *name;
};

static const struct network private_networks[] = {
	{ "10.0.0.0", 8, NULL },
	{ "172.16.0.0", 12, NULL },
	{ "192.168.0.0", 16, NULL },
};
/* RFC 6890 and what came later. */
static const struct network v4_networks[] = {
	{ "10.0.0.0", 8, "PRIVATE" },
	{ "172.16.0.0", 12, "PRIVATE" },
	{ "192.168.0.0", 16, "PRIVATE" },
	{ "0.0.0.0", 8, "PRIVATE" },
	{ "100.64.0.0", 10, "SHARED" },
	{ "127.0.0.0", 8, "LOOPBACK" },
	{ "169.254.0.0", 16, "LINK-LOCAL" },
	{ "192.0.0.0", 24, "RESERVED" },
	{ "192.0.2.0", 24, "TEST-NET" },
	{ "192.88.99.0", 24, "6TO4-RELAY" },
	{ "198.18.0.0", 15, "RESERVED" },
	{ "198.51.100.0", 24, "TEST-NET" },
	{ "203.0.113.0", 24, "TEST-NET" },
	{ "224.0.0.0", 4, "MULTICAST" },
	{ "255.255.255.255", 32, "BROADCAST" },
	{ "240.0.0.0", 4, "RESERVED" },
};
static const struct network v6_networks[] = {
	{ "::", 128, "UNSPECIFIED" },
	{ "::1", 128, "LOOPBACK" },
	{ "::ffff:0:0", 96, "IPV4MAP" },
	{ "100::", 64, "DISCARD" },
	{ "2001::", 32, "TEREDO" },
	{ "2001:2::", 48, "BMWG" },
	{ "2001:db8::", 32, "DOCUMENTATION" },
	{ "2001:10::", 28, "ORCHID" },
	{ "2002::", 16, "6TO4" },
	{ "2000::", 3, "GLOBAL-UNICAST" },
	{ "fc00::", 7, "UNIQUE-LOCAL-UNICAST" },
	{ "fe80::", 10, "LINK-LOCAL-UNICAST" },
	{ "ff00::", 8, "MULTICAST" },
};

static const struct network *network_of(const struct end_point *ip, const struct network *networks,
					size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct end_point start;
		if (end_point_parse_ip(span_from(networks[i].address), &start) &&
		    end_point_in_network(ip, &start, networks[i].bits))
			return &networks[i];
	}
	return NULL;
}

static int is_rfc1918(struct script_run *run, const struct address_args *args)
{
	struct end_point ip;
	(void)run;
	return truth(kind_of(args->address, &ip) == IP_V4 &&
		     network_of(&ip, private_networks, ARRAY_SIZE(private_networks)));
}

static const char *name_of(const struct end_point *ip)
{
	bool is_v4 = ip->family == AF_INET;
	const struct network *found = is_v4 ? network_of(ip, v4_networks, ARRAY_SIZE(v4_networks))
					    : network_of(ip, v6_networks, ARRAY_SIZE(v6_networks));
	if (found)
		return found->name;
	return is_v4 ? "PUBLIC" : "RESERVED";
}

static int assign_detail(struct script_run *run, const struct detail_args *args, bool takes_v4,
			 bool takes_v6)
{
	struct end_point ip;
	enum ip_kind kind = kind_of(args->address, &ip);
	if (kind == IP_NONE || (kind == IP_V4 ? !takes_v4 : !takes_v6))
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(span_from(name_of(&ip)));
	return truth(variable_write(run, args->result, &value));
}

static int detail_any(struct script_run *run, const struct detail_args *args)
{
	return assign_detail(run, args, true, true);
}

static int detail_v4(struct script_run *run, const struct detail_args *args)
{
	return assign_detail(run, args, true, false);
}

static int detail_v6(struct script_run *run, const struct detail_args *args)
{
	return assign_detail(run, args, false, true);
}

/* ---- comparing ------------------------------------------------------------------------------------------------ */

static int compare(struct script_run *run, const struct pair_args *args)
{
	struct end_point first, second;
	(void)run;
	return truth(kind_of(args->first, &first) != IP_NONE &&
		     kind_of(args->second, &second) != IP_NONE &&
		     end_point_same_ip(&first, &second));
}

static int compare_pure(struct script_run *run, const struct pair_args *args)
{
	struct end_point first, second;
	enum ip_kind kind = kind_of(args->first, &first);
	(void)run;
	return truth(kind != IP_NONE && kind != IP_V6_REFERENCE &&
		     kind_of(args->second, &second) == kind && end_point_same_ip(&first, &second));
}

/* network = address [ "/" bits ] */
static bool is_in_network(const struct end_point *ip, struct span network)
{
	struct end_point start;
	struct span address;
	int64_t bits;
	if (!span_split(&network, '/', &address))
		return false;
	enum ip_kind kind = kind_of(address, &start);
	if (kind == IP_NONE || kind == IP_V6_REFERENCE || start.family != ip->family)
		return false;
	if (!network.at)
		return end_point_same_ip(ip, &start);
	if (!span_to_int64(network, &bits) || bits < 0 || bits > (kind == IP_V4 ? 32 : 128))
		return false;
	return end_point_in_network(ip, &start, (unsigned)bits);
}

static int is_in_subnet(struct script_run *run, const struct subnet_args *args)
{
	struct end_point ip;
	struct span rest = args->networks, network;
	enum ip_kind kind = kind_of(args->address, &ip);
	(void)run;
	if (kind == IP_NONE || kind == IP_V6_REFERENCE)
		return SCRIPT_FALSE;
	while (rest.at && span_split(&rest, ',', &network))
		if (is_in_network(&ip, span_trim(network)))
			return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

static const struct function_table *const more_functions[] = { &names_functions, NULL };
static const struct variable_row variables[] = {
	{ .name = "dns", .inner = INNER_NAME, .get = names_get_addresses, .bind = names_bind,
		.selector = NAMES_ADDRESSES,
		.doc = "What dns_query() found: $dns(id=>count), hostname, ipv4, ipv6, addr[n], type[n]." },
	{ .name = "srvquery", .inner = INNER_NAME, .get = names_get_services, .bind = names_bind,
		.selector = NAMES_SERVICES,
		.doc = "What srv_query() found: $srvquery(id=>count), port[n], priority[n], target[n], weight[n]." },
	{ .name = "naptrquery", .inner = INNER_NAME, .get = names_get_pointers, .bind = names_bind,
		.selector = NAMES_POINTERS,
		.doc = "What naptr_query() found: $naptrquery(id=>count), order[n], pref[n], flags[n], services[n], regex[n], replace[n]." },
	{ .name = "HN", .inner = INNER_NAME, .get = names_get_host, .bind = names_bind_host,
		.doc = "This machine: $HN(n) name, $HN(f) full name, $HN(d) domain, $HN(i) address." },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "ipops",
	.doc = "IP addresses, and names in DNS.",
	.functions = ROWS(functions),
	.more_functions = more_functions,
	.variables = ROWS(variables),
	.prepare = names_prepare,
};
