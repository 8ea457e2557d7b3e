/* SPDX-License-Identifier: BSD-2-Clause */
/* lookup() and its kin: from an address-of-record to where its user is (RFC 3261 16.5). */
#include "core/transport/directory.h"
#include "modules/registrar/registrar.h"

struct domain_args {
	struct span domain, uri;
};
struct registered_args {
	struct span domain, uri;
	int64_t match, action;
};
struct unregister_args {
	struct span domain, uri, ruid;
};

/* ---- choosing ------------------------------------------------------------------------------------------- */

/* What an initial request needs the phone to understand. */
static bool method_fits(const struct message *msg, const struct usrloc_contact *contact)
{
	if (!registrar_settings->method_filtering || message_to_tag(msg).len)
		return true;
	return contact->methods & message_method(msg);
}

static bool is_temporary_gruu(const struct sip_uri *uri)
{
	struct span gr = uri_param_text(uri, SPAN_OF("gr"));
	return gr.at && gr.len == 0;
}

/* RFC 5627: a public GRUU names one instance; false when this binding is not it. */
static bool gruu_fits(const struct sip_uri *uri, const struct usrloc_contact *contact)
{
	struct span instance = contact->instance, gr = uri_param_text(uri, SPAN_OF("gr"));
	if (!gr.len)
		return true;
	if (instance.len > 2 && instance.at[0] == '<')
		instance = span_slice(instance, 1, instance.len - 2);
	return span_equal(instance, gr);
}

static bool flags_fit(const struct message *msg, const struct usrloc_contact *contact)
{
	int64_t wanted;
	return !(registrar_settings->lookup_filter_mode & 1) ||
	       !config_number(msg, SPAN_OF("rlf_bflags"), &wanted) ||
	       contact->cflags & (uint32_t)wanted;
}

/* Does the connection still stand by which the binding was made? Those by datagrams have none. */
static bool connection_fits(const struct usrloc_contact *contact)
{
	struct connection_entry entry;
	bool is_filtered =
		registrar_settings->lookup_filter_mode & 2 && contact->socket &&
		transport_is_reliable((enum transport)contact->socket->address.transport) &&
		contact->socket->address.transport != TRANSPORT_SCTP;
	return !is_filtered ||
	       (contact->connection && directory_find_id(contact->connection, &entry));
}

/* The Path of a binding and its first URI; with path_check_local without this server's own entry. */
static struct span path_to_follow(struct span path, struct span *out_first)
{
	struct span rest = path, none = { NULL, 0 };
	struct name_addr first;
	struct sip_uri uri;
	if (!path.len || name_addr_next(&rest, &first) != LIST_ITEM)
		return none;
	bool is_own = registrar_settings->path_check_local && uri_parse(first.uri, &uri) &&
		      is_myself(uri.host, uri_port(&uri), TRANSPORT_NONE);
	if (is_own) {
		path = span_trim(rest);
		while (path.len && (path.at[0] == ',' || ascii_is_space(path.at[0])))
			path = span_slice(path, 1, path.len);
		if (!path.len || name_addr_next(&rest, &first) != LIST_ITEM)
			return none;
	}
	*out_first = first.uri;
	return path;
}

static void to_branch(const struct usrloc_contact *contact, struct branch *out)
{
	*out = (struct branch){ .uri = contact->contact,
				.q = contact->q,
				.flags = contact->cflags,
				.ruid = contact->ruid,
				.instance = contact->instance,
				.location_ua = contact->user_agent.len ? contact->user_agent
								       : SPAN_OF("n/a"),
				.socket = contact->socket,
				.connection = contact->connection,
				.reg_id = contact->reg_id };
	/* The request first goes where the Path begins, else where the phone was seen. */
	out->path = path_to_follow(contact->path, &out->dst_uri);
	if (!out->path.len && contact->received.len)
		out->dst_uri = contact->received;
}

/* Puts a binding's details where scripts find them: $xavp(ulrcd=>ruid) and so on; those of a later
 * binding go on top in the same XAVP. */
static void keep_record(struct message *msg, const struct usrloc_contact *contact)
{
	struct span root_name = registrar_settings->xavp_rcd;
	unsigned mask = (unsigned)registrar_settings->xavp_rcd_mask;
	if (!root_name.len)
		return;
	struct xavp *root = xavp_find(msg->attributes.xavps, root_name, 0, false);
	if (!root)
		root = xavp_push(&msg->attributes, &msg->attributes.xavps, root_name,
				 (struct value){ 0 });
	if (!root)
		return;
	root->has_children = true;
	const struct { unsigned bit; const char *name; struct span text; } fields[] = {
		{ 16, "path", contact->path }, { 8, "received", contact->received }, { 2, "contact", contact->contact },
		{ 1, "ruid", contact->ruid },
	};
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!(mask & fields[i].bit) && fields[i].text.len)
			xavp_push(&msg->attributes, &root->children, span_from(fields[i].name),
				  VALUE_OF_TEXT(fields[i].text));
	if (!(mask & 4))
		xavp_push(&msg->attributes, &root->children, SPAN_OF("expires"),
			  VALUE_OF_INT(contact->expires_s));
}

static unsigned get_bindings(struct script_run *run, unsigned domain, struct span aor,
			     struct usrloc_contact **out_contacts)
{
	return registrar_settings->use_expired_contacts
		       ? usrloc()->get_with_expired(domain, aor, run->arena, out_contacts)
		       : usrloc()->get(domain, aor, run->arena, out_contacts);
}

/* The bindings that serve the request, best first. */
static enum lookup_result find(struct script_run *run, struct span domain, struct span uri_text,
			       struct usrloc_contact **out_contacts, unsigned *out_count)
{
	struct sip_uri uri;
	struct usrloc_contact *all = NULL;
	struct span text = uri_text.len ? uri_text : message_uri(run->msg);
	struct span aor = address_key(run->arena, text);
	unsigned number = usrloc()->domain(domain), kept = 0, refused = 0, count = 0;
	if (!aor.len || !uri_parse(text, &uri) || number == USRLOC_NO_DOMAIN)
		return LOOKUP_ERROR;
	if (is_temporary_gruu(&uri)) {
		all = ARENA_NEW(run->arena, struct usrloc_contact);
		count = 1;
		if (!all || !gruu_find_temporary(run, number, uri.user, all))
			return LOOKUP_ERROR;
	} else {
		count = get_bindings(run, number, aor, &all);
	}
	for (unsigned i = 0; i < count; i++) {
		if (!gruu_fits(&uri, &all[i]) || !flags_fit(run->msg, &all[i]) ||
		    !connection_fits(&all[i]))
			continue;
		if (method_fits(run->msg, &all[i]))
			all[kept++] = all[i];
		else
			refused++;
	}
	*out_contacts = all;
	*out_count = kept;
	return kept ? LOOKUP_FOUND : refused ? LOOKUP_NO_METHOD : LOOKUP_NONE;
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

static const struct field domain_fields[] = {
	FIELD(struct domain_args, domain, "domain (table) of the location service", .literal = true),
	FIELD(struct domain_args, uri, "address-of-record; without it the Request-URI", .optional = true),
};
SCRIPT_HANDLER_OF(lookup, domain)
SCRIPT_HANDLER_OF(lookup_to_dset, domain)

static int append_from(struct script_run *run, const struct usrloc_contact *contacts, unsigned from,
		       unsigned count)
{
	for (unsigned i = from; i < count; i++) {
		struct branch branch;
		to_branch(&contacts[i], &branch);
		if (!message_add_branch(run->msg, &branch)) {
			log_debug("not all bindings fit into the destination set (max_branches)");
			break;
		}
		contact_attributes_restore(run->msg, &contacts[i]);
	}
	return SCRIPT_TRUE;
}

static int lookup(struct script_run *run, const struct domain_args *args)
{
	struct usrloc_contact *contacts;
	struct branch first;
	unsigned count;
	enum lookup_result result = find(run, args->domain, args->uri, &contacts, &count);
	if (result != LOOKUP_FOUND)
		return result;
	to_branch(&contacts[0], &first);
	if (!message_set_uri(run->msg, first.uri))
		return LOOKUP_ERROR;
	first.uri = run->msg->target.uri;
	first.flags |= run->msg->target.flags;
	if (!first.socket)
		first.socket = run->msg->target.socket;
	run->msg->target = first;
	keep_record(run->msg, &contacts[0]);
	contact_attributes_restore(run->msg, &contacts[0]);
	return registrar_settings->append_branches ? append_from(run, contacts, 1, count)
						   : SCRIPT_TRUE;
}

static int lookup_to_dset(struct script_run *run, const struct domain_args *args)
{
	struct usrloc_contact *contacts;
	unsigned count;
	enum lookup_result result = find(run, args->domain, args->uri, &contacts, &count);
	return result == LOOKUP_FOUND ? append_from(run, contacts, 0, count) : (int)result;
}

struct one_domain_args {
	struct span domain;
};
static const struct field one_domain_fields[] = {
	FIELD(struct one_domain_args, domain, "domain (table) of the location service", .literal = true) };
SCRIPT_HANDLER_OF(lookup_branches, one_domain)

/* Has the branch nothing but its URI? Others were made by somebody who knows where they go. */
static bool is_bare(const struct branch *branch)
{
	return !branch->dst_uri.len && !branch->path.len && !branch->socket && !branch->ruid.len &&
	       !branch->flags;
}

/* The Request-URI and every bare branch are replaced by their bindings. */
static int lookup_branches(struct script_run *run, const struct one_domain_args *args)
{
	struct message *msg = run->msg;
	unsigned before = msg->branch_count;
	const struct domain_args main = { .domain = args->domain };
	int result = lookup(run, &main);
	for (unsigned i = 0; i < before; i++) {
		struct usrloc_contact *contacts;
		struct branch first;
		unsigned count;
		if (!is_bare(&msg->branches[i]) || find(run, args->domain, msg->branches[i].uri,
							&contacts, &count) != LOOKUP_FOUND)
			continue;
		to_branch(&contacts[0], &first);
		msg->branches[i] = first;
		keep_record(msg, &contacts[0]);
		contact_attributes_restore(msg, &contacts[0]);
		if (registrar_settings->append_branches)
			append_from(run, contacts, 1, count);
		result = SCRIPT_TRUE;
	}
	return result;
}

static const struct field registered_fields[] = {
	FIELD(struct registered_args, domain, "domain (table) of the location service", .literal = true),
	FIELD(struct registered_args, uri, "address-of-record; without it the Request-URI, in replies the URI of To", .optional = true),
	FIELD(struct registered_args, match, "bits: 1 Call-ID, 2 received, 4 contact", .optional = true, .max = 7),
	FIELD(struct registered_args, action, "bits: 1 restore the binding's XAVP (xavp_contact), 2 no record details", .optional = true, .max = 3),
};
SCRIPT_HANDLER(registered)

/* reg_callid_avp, as older configurations set it. */
static bool call_id_fits(struct script_run *run, const struct usrloc_contact *contact)
{
	struct value value = { .kind = VALUE_NULL };
	if (!registrar_settings->reg_callid ||
	    !variable_read(run, registrar_settings->reg_callid, &value) ||
	    value.kind != VALUE_TEXT || !value.text.len)
		return true;
	return span_equal(value.text, contact->call_id);
}

static bool binding_matches(const struct message *msg, const struct usrloc_contact *contact,
			    int64_t match)
{
	struct span wanted;
	if ((match & 1) && (wanted = config_text(msg, SPAN_OF("match_callid"))).len &&
	    !span_equal(wanted, contact->call_id))
		return false;
	if ((match & 2) && (wanted = config_text(msg, SPAN_OF("match_received"))).len &&
	    !span_equal(wanted, contact->received))
		return false;
	return !(match & 4) || !(wanted = config_text(msg, SPAN_OF("match_contact"))).len ||
	       span_equal(wanted, contact->contact);
}

static int registered(struct script_run *run, const struct registered_args *args)
{
	struct span own =
		message_is_request(run->msg) ? message_uri(run->msg) : message_to_uri(run->msg);
	struct span aor = address_key(run->arena, args->uri.len ? args->uri : own);
	struct usrloc_contact *contacts;
	if (!aor.len)
		return SCRIPT_FALSE;
	unsigned count = get_bindings(run, usrloc()->domain(args->domain), aor, &contacts);
	for (unsigned i = 0; i < count; i++) {
		if (!binding_matches(run->msg, &contacts[i], args->match) ||
		    !call_id_fits(run, &contacts[i]))
			continue;
		if (args->action & 1)
			contact_attributes_restore(run->msg, &contacts[i]);
		if (!(args->action & 2))
			keep_record(run->msg, &contacts[i]);
		return SCRIPT_TRUE;
	}
	return SCRIPT_FALSE;
}

static const struct field unregister_fields[] = {
	FIELD(struct unregister_args, domain, "domain (table) of the location service", .literal = true),
	FIELD(struct unregister_args, uri, "address-of-record"),
	FIELD(struct unregister_args, ruid, "one binding only", .optional = true),
};
SCRIPT_HANDLER(unregister)
enum { UNREGISTER_NOT_FOUND = -3 };

static int unregister(struct script_run *run, const struct unregister_args *args)
{
	struct span aor = address_key(run->arena, args->uri);
	if (!aor.len)
		return SCRIPT_FALSE;
	/* Nothing to remove is no failure, unless one binding was named. */
	unsigned removed = usrloc()->remove(usrloc()->domain(args->domain), aor, args->ruid);
	return args->ruid.len && !removed ? UNREGISTER_NOT_FOUND : SCRIPT_TRUE;
}

struct reg_from_user_args {
	struct span domain, uri;
	int64_t mode;
};
static const struct field reg_from_user_fields[] = {
	FIELD(struct reg_from_user_args, domain, "domain (table) of the location service", .literal = true),
	FIELD(struct reg_from_user_args, uri, "address-of-record"),
	FIELD(struct reg_from_user_args, mode, "0: address and port, 1: address only", .max = 3),
};
SCRIPT_HANDLER(reg_from_user)

/* Was the message sent from where one of the user's bindings is? */
static int reg_from_user(struct script_run *run, const struct reg_from_user_args *args)
{
	struct span aor = address_key(run->arena, args->uri);
	struct usrloc_contact *contacts;
	unsigned count =
		aor.len ? usrloc()->get(usrloc()->domain(args->domain), aor, run->arena, &contacts)
			: 0;
	for (unsigned i = 0; i < count; i++) {
		struct span place =
			contacts[i].received.len ? contacts[i].received : contacts[i].contact;
		struct sip_uri uri;
		struct end_point end = { 0 };
		if (!uri_parse(place, &uri) || !end_point_parse_ip(uri.host, &end) ||
		    !end_point_same_ip(&end, &run->msg->from.source))
			continue;
		if ((args->mode & 1) || uri_port(&uri) == run->msg->from.source.port)
			return SCRIPT_TRUE;
	}
	return SCRIPT_FALSE;
}

static const struct script_function functions[] = {
	FUNCTION_OF("lookup", lookup, domain, ROUTE_REQUEST | ROUTE_FAILURE, "Replaces the Request-URI by where the user is."),
	FUNCTION_OF("lookup_to_dset", lookup_to_dset, domain, ROUTE_REQUEST | ROUTE_FAILURE, "Adds where the user is to the destinations."),
	FUNCTION_OF("lookup_branches", lookup_branches, one_domain, ROUTE_REQUEST | ROUTE_FAILURE, "Looks up every destination."),
	FUNCTION("registered", registered, IN_ANY, "Has the user a binding?"),
	FUNCTION("unregister", unregister, IN_ANY, "Removes bindings of a user."),
	FUNCTION("reg_from_user", reg_from_user, IN_ANY, "Does the message come from a binding's place?"),
};
const struct function_table lookup_functions = ROWS(functions);
