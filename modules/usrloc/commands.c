/* SPDX-License-Identifier: BSD-2-Clause */
/* The ul.* RPC commands. Names and order of members are what tools rely on. */
#include "modules/usrloc/commands.h"

#include "core/module/live.h"
#include "modules/usrloc/keeper.h"
#include "modules/usrloc/modes.h"
#include "parser/name_addr.h"

#define RPC_CALL_ID    "dfjrewr12386fd6-343@kamailio.rpc"
#define RPC_USER_AGENT "kamailio SIP Router - RPC Server"

static bool domain_counts;
static uint32_t nat_mask;

void commands_prepare(bool uses_domain, int nat_flag)
{
	domain_counts = uses_domain;
	nat_mask = nat_flag < 0 ? 0 : 1u << nat_flag;
}

static struct span or_not_set(struct span text)
{
	return text.len ? text : SPAN_OF("[not set]");
}

static void add_q(struct rpc_call *call, struct rpc_node *node, int32_t q)
{
	if (q == Q_UNSPECIFIED)
		rpc_add_int(call, node, "Q", -1);
	else
		rpc_add_double(call, node, "Q", q / 1000.0);
}

static const char *const state_names[] = {
	[BINDING_NEW] = "CS_NEW",
	[BINDING_SYNC] = "CS_SYNC",
	[BINDING_DIRTY] = "CS_DIRTY",
	[BINDING_GONE] = "CS_DIRTY",
};

static void add_contact(struct rpc_call *call, struct rpc_node *list,
			const struct usrloc_contact *c)
{
	struct rpc_node *node = rpc_add_struct(call, list, "Contact");
	rpc_add_text(call, node, "Address", c->contact);
	if (c->expires_s == USRLOC_PERMANENT)
		rpc_add_text(call, node, "Expires", SPAN_OF("permanent"));
	else
		rpc_add_int(call, node, "Expires", c->expires_s);
	add_q(call, node, c->q);
	rpc_add_text(call, node, "Call-ID", c->call_id);
	rpc_add_int(call, node, "CSeq", c->cseq);
	rpc_add_text(call, node, "User-Agent", c->user_agent.len ? c->user_agent : SPAN_OF("n/a"));
	rpc_add_text(call, node, "Received", or_not_set(c->received));
	rpc_add_text(call, node, "Path", or_not_set(c->path));
	rpc_add_text(call, node, "State", span_from(state_names[c->state]));
	rpc_add_int(call, node, "Flags", c->flags);
	rpc_add_int(call, node, "CFlags", c->cflags);
	rpc_add_text(call, node, "Socket",
		     or_not_set(c->socket ? c->socket->text : (struct span){ NULL, 0 }));
	rpc_add_int(call, node, "Methods", c->methods);
	rpc_add_text(call, node, "Ruid", or_not_set(c->ruid));
	rpc_add_text(call, node, "Instance", or_not_set(c->instance));
	rpc_add_int(call, node, "Reg-Id", c->reg_id);
	rpc_add_int(call, node, "Server-Id", c->server_id);
	rpc_add_int(call, node, "Tcpconn-Id", c->connection ? (int64_t)c->connection : -1);
	rpc_add_int(call, node, "Keepalive", (c->cflags & nat_mask) != 0);
	rpc_add_int(call, node, "Last-Keepalive", c->keepalive_wall_s);
	rpc_add_int(call, node, "KA-Roundtrip", c->roundtrip_us);
	rpc_add_int(call, node, "Last-Modified", c->modified_wall_s);
}

/* One address-of-record: contacts [0, count). */
static void add_aor(struct rpc_call *call, struct rpc_node *aors, unsigned domain,
		    const struct usrloc_contact *contacts, unsigned count, bool is_brief)
{
	if (is_brief) {
		rpc_add_text(call, aors, "AoR", contacts->aor);
		return;
	}
	struct rpc_node *info = rpc_add_struct(call, aors, "Info");
	rpc_add_text(call, info, "AoR", contacts->aor);
	rpc_add_int(call, info, "HashID", location_hash_id(domain, contacts->aor));
	struct rpc_node *list = rpc_add_array(call, info, "Contacts");
	for (unsigned i = 0; i < count; i++)
		add_contact(call, list, &contacts[i]);
}

static unsigned add_shard(struct rpc_call *call, struct rpc_node *aors, unsigned domain,
			  unsigned shard, bool is_brief)
{
	struct usrloc_contact *contacts;
	unsigned count = location_copy_shard(domain, shard, rpc_arena(call), &contacts),
		 records = 0, from = 0;
	for (unsigned i = 1; i <= count; i++)
		if (i == count || !span_equal(contacts[i].aor, contacts[from].aor)) {
			add_aor(call, aors, domain, contacts + from, i - from, is_brief);
			from = i;
			records++;
		}
	return records;
}

static void run_dump(struct rpc_call *call)
{
	struct span mode = { NULL, 0 };
	bool is_brief = rpc_arg_text(call, 0, &mode) &&
			(span_equal(mode, SPAN_OF("brief")) || span_equal(mode, SPAN_OF("short")));
	struct rpc_node *all = rpc_add_struct(call, NULL, NULL);
	struct rpc_node *domains = rpc_add_array(call, all, "Domains");
	for (unsigned domain = 0; domain < location_domain_count(); domain++) {
		unsigned records = 0, most = 0;
		struct rpc_node *node = rpc_add_struct(call, domains, "Domain");
		rpc_add_text(call, node, "Domain", location_domain_name(domain));
		rpc_add_int(call, node, "Size", location_shard_count());
		struct rpc_node *aors = rpc_add_array(call, node, "AoRs");
		for (unsigned shard = 0; shard < location_shard_count(); shard++) {
			unsigned added = add_shard(call, aors, domain, shard, is_brief);
			records += added;
			most = added > most ? added : most;
		}
		struct rpc_node *stats = rpc_add_struct(call, node, "Stats");
		rpc_add_int(call, stats, "Records", records);
		rpc_add_int(call, stats, "Max-Slots", most);
	}
}

/* As the registrar writes it: without the domain when that does not count, in small letters unless
 * users Alice and alice differ. */
static struct span stored_aor(struct rpc_call *call, struct span text)
{
	const struct live_setting *differs =
		live_find(SPAN_OF("registrar"), SPAN_OF("case_sensitive"));
	if (!domain_counts)
		text = span_slice(text, 0, span_find(text, '@', 0));
	if (differs && live_get(differs).number)
		return text;
	struct writer w = writer_in_arena(rpc_arena(call), text.len);
	for (size_t i = 0; i < text.len; i++)
		writer_char(&w, ascii_lower(text.at[i]));
	return writer_result(&w);
}

static bool need_stored_aor(struct rpc_call *call, struct span *out_aor)
{
	struct span text;
	if (!rpc_need_text(call, 1, "address-of-record", &text))
		return false;
	*out_aor = stored_aor(call, text);
	return true;
}

/* Arguments table and address-of-record; false after a fault. */
static bool need_aor(struct rpc_call *call, unsigned *out_domain, struct span *out_aor)
{
	struct span table;
	if (!rpc_need_text(call, 0, "table", &table) || !need_stored_aor(call, out_aor))
		return false;
	*out_domain = location_domain_find(table);
	if (*out_domain == USRLOC_NO_DOMAIN)
		rpc_fault(call, 500, "Domain table not found");
	return *out_domain != USRLOC_NO_DOMAIN;
}

static void run_lookup(struct rpc_call *call)
{
	unsigned domain;
	struct span aor;
	struct usrloc_contact *contacts;
	if (!need_aor(call, &domain, &aor))
		return;
	unsigned count = modes_get(domain, aor, rpc_arena(call), &contacts);
	if (count == 0) {
		rpc_fault(call, 500, "AOR not found in location table");
		return;
	}
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, node, "AoR", aor);
	struct rpc_node *list = rpc_add_array(call, node, "Contacts");
	for (unsigned i = 0; i < count; i++)
		add_contact(call, list, &contacts[i]);
}

static void run_rm(struct rpc_call *call)
{
	unsigned domain;
	struct span aor;
	if (need_aor(call, &domain, &aor))
		modes_remove(domain, aor, (struct span){ NULL, 0 });
}

static void run_rm_contact(struct rpc_call *call)
{
	unsigned domain;
	struct span aor, contact;
	struct usrloc_contact *contacts;
	if (!need_aor(call, &domain, &aor) || !rpc_need_text(call, 2, "contact", &contact))
		return;
	unsigned count = modes_get(domain, aor, rpc_arena(call), &contacts), removed = 0;
	for (unsigned i = 0; i < count; i++)
		if (span_equal(contacts[i].contact, contact))
			removed += modes_remove(domain, aor, contacts[i].ruid);
	if (!removed)
		rpc_fault(call, 404, "%s not found", count ? "Contact" : "AOR");
}

static void run_flush(struct rpc_call *call)
{
	if (!keeper_flush())
		rpc_fault(
			call, 500,
			"the database did not take all bindings; they are kept and written later");
}

static struct span set_or_absent(struct span text)
{
	return text.len == 0 || span_equal(text, SPAN_OF("0")) || span_equal(text, SPAN_OF("."))
		       ? (struct span){ NULL, 0 }
		       : text;
}

static void run_add(struct rpc_call *call)
{
	struct span table, aor, path, received = { NULL, 0 }, socket = { NULL, 0 };
	double q;
	int64_t expires, flags, cflags, methods;
	struct usrloc_change change = { .contact = { .call_id = SPAN(RPC_CALL_ID),
						     .user_agent = SPAN(RPC_USER_AGENT) } };
	struct usrloc_contact *contact = &change.contact;
	struct usrloc_outcome outcome = { 0 };
	if (!rpc_need_text(call, 0, "table", &table) || !need_stored_aor(call, &aor) ||
	    !rpc_need_text(call, 2, "contact", &contact->contact) ||
	    !rpc_need_int(call, 3, "expires", &expires))
		return;
	if (!rpc_arg_double(call, 4, &q) || !rpc_need_text(call, 5, "path", &path) ||
	    !rpc_need_int(call, 6, "flags", &flags) || !rpc_need_int(call, 7, "cflags", &cflags) ||
	    !rpc_need_int(call, 8, "methods", &methods)) {
		rpc_fault(
			call, 400,
			"expected: table aor contact expires q path flags cflags methods [received [socket]]");
		return;
	}
	struct sip_uri uri;
	struct end_point local;
	if (!uri_parse(contact->contact, &uri)) {
		rpc_fault(call, 400, "contact is no URI");
		return;
	}
	if (rpc_arg_text(call, 9, &received))
		contact->received = set_or_absent(received);
	if (rpc_arg_text(call, 10, &socket) && end_point_parse(set_or_absent(socket), &local))
		contact->socket = listener_find(&local);
	contact->path = set_or_absent(path);
	contact->expires_s = expires == 0 ? USRLOC_PERMANENT : expires;
	contact->q = q < 0 ? Q_UNSPECIFIED : (int32_t)(q * 1000 + 0.5);
	contact->flags = (uint32_t)flags;
	contact->cflags = (uint32_t)cflags;
	contact->methods = methods <= 0 ? USRLOC_ANY_METHOD : (uint32_t)methods;
	contact->cseq = 1;
	contact->ruid =
		arena_printf(rpc_arena(call), "ulcx-%llx-%llx", (unsigned long long)clock_wall_s(),
			     (unsigned long long)random_uint64());
	if (modes_apply(location_domain(table), aor, &change, 1, 0, false, &outcome) != USRLOC_OK)
		rpc_fault(call, 500, "Internal error while adding the contact");
}

static void count_rows(struct rpc_call *call, enum row_count what)
{
	struct span table;
	int64_t count;
	if (modes_now() == MODE_MEMORY) {
		rpc_fault(call, 500, "the location table is kept in memory only (db_mode 0)");
		return;
	}
	if (!rpc_need_text(call, 0, "table", &table))
		return;
	unsigned domain = location_domain_find(table);
	if (domain == USRLOC_NO_DOMAIN)
		rpc_fault(call, 500, "Domain not found");
	else if (!rows_count(domain, what, &count))
		rpc_fault(call, 500, "the database cannot be asked now");
	else
		rpc_add_int(call, NULL, NULL, count);
}

static void run_db_users(struct rpc_call *call)
{
	count_rows(call, COUNT_USERS);
}

static void run_db_contacts(struct rpc_call *call)
{
	count_rows(call, COUNT_CONTACTS);
}

static void run_db_expired(struct rpc_call *call)
{
	count_rows(call, COUNT_EXPIRED);
}

const struct rpc_command usrloc_commands[USRLOC_COMMAND_COUNT] = {
	{ "ul.dump", run_dump, "Shows all bindings.", "[brief|short]" },
	{ "ul.lookup", run_lookup, "Shows the bindings of one address-of-record.", "table aor" },
	{ "ul.rm", run_rm, "Removes all bindings of an address-of-record.", "table aor" },
	{ "ul.rm_contact", run_rm_contact, "Removes one binding.", "table aor contact" },
	{ "ul.flush", run_flush, "Writes what is in memory to the database.", NULL },
	{ "ul.add", run_add, "Adds a binding.",
	  "table aor contact expires q path flags cflags methods [received [socket]]" },
	{ "ul.db_users", run_db_users, "Counts addresses-of-record in the database.", "table" },
	{ "ul.db_contacts", run_db_contacts, "Counts bindings in the database.", "table" },
	{ "ul.db_expired_contacts", run_db_expired, "Counts expired bindings in the database.",
	  "table" },
};
