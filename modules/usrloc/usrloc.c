/* SPDX-License-Identifier: BSD-2-Clause */
/* usrloc: the location service (RFC 3261 10): bindings in shared memory, served to registrar and
 * others through usrloc_api.h. */
#include "core/transport/udp.h"
#include "modules/usrloc/commands.h"
#include "modules/usrloc/journal.h"
#include "modules/usrloc/keeper.h"
#include "modules/usrloc/location.h"

#define EXPIRE_PERIOD_MS 1000
#define EXPIRE_BATCH     256

static struct {
	int64_t use_domain, desc_time_order, timer_interval, db_mode, matching_mode, cseq_delay,
		nat_bflag;
	struct span db_url, preload, xavp_contact;
	bool journal;
	struct span journal_dir;
	int64_t journal_size;
} settings = { .timer_interval = 60, .cseq_delay = 20, .nat_bflag = -1, .journal_size = 16 };

#define SET(member, text, ...) FIELD(settings, member, text, __VA_ARGS__)
#define DATABASE(name)         FIELD_IGNORED(name, "for database modes, which come with a later release")
#define KEEPALIVE(name)        FIELD_IGNORED(name, "keepalive of bindings comes with a later release")
static const struct field setting_fields[] = {
	SET(use_domain, "1: the key is user@domain", .max = 1),
	SET(desc_time_order, "1: newest binding first instead of the highest q", .max = 1),
	SET(timer_interval, "accepted: bindings expire to the second"),
	SET(db_mode, "0: memory only", .max = 4),
	SET(db_url, "database"),
	SET(matching_mode, "0 contact, 1 contact and Call-ID, 2 contact and path, 3 Call-ID",
	    .max = 3),
	SET(cseq_delay, "seconds in which the same CSeq is a retransmission", .max = 3600),
	SET(nat_bflag, "branch flag that means: behind a NAT", .max = 31),
	SET(preload, "domains that no script function names, separated by commas"),
	SET(journal, "keep bindings through a restart without a database"),
	SET(journal_dir, "folder of the journal; without it the run directory"),
	SET(journal_size, "MiB up to which the journal grows before a snapshot replaces it",
	    .min = 1, .max = 65536),
	SET(xavp_contact,
	    "XAVP whose values are stored with each binding and come back with lookup()"),
	FIELD_IGNORED("hash_size", "the table grows with its content"),
	FIELD_IGNORED("timer_procs", "each worker expires its own share"),
	FIELD_IGNORED("handle_lost_tcp", "for stream transports, which come with a later release"),
	FIELD_IGNORED("close_expired_tcp",
		      "for stream transports, which come with a later release"),
	DATABASE("db_load"),
	DATABASE("db_insert_update"),
	DATABASE("fetch_rows"),
	DATABASE("db_update_as_insert"),
	DATABASE("db_check_update"),
	DATABASE("db_ops_ruid"),
	DATABASE("expires_type"),
	DATABASE("db_raw_fetch_type"),
	DATABASE("db_insert_null"),
	DATABASE("skip_remote_socket"),
	DATABASE("db_timer_clean"),
	DATABASE("rm_expired_delay"),
	DATABASE("server_id_filter"),
	DATABASE("version_table"),
	DATABASE("load_rank"),
	DATABASE("db_clean_tcp"),
	DATABASE("user_column"),
	DATABASE("domain_column"),
	DATABASE("contact_column"),
	DATABASE("expires_column"),
	DATABASE("q_column"),
	DATABASE("callid_column"),
	DATABASE("cseq_column"),
	DATABASE("methods_column"),
	DATABASE("flags_column"),
	DATABASE("cflags_column"),
	DATABASE("user_agent_column"),
	DATABASE("received_column"),
	DATABASE("socket_column"),
	DATABASE("path_column"),
	DATABASE("ruid_column"),
	DATABASE("instance_column"),
	DATABASE("reg_id_column"),
	DATABASE("server_id_column"),
	DATABASE("connection_id_column"),
	DATABASE("keepalive_column"),
	DATABASE("partition_column"),
	KEEPALIVE("ka_mode"),
	KEEPALIVE("ka_method"),
	KEEPALIVE("ka_from"),
	KEEPALIVE("ka_domain"),
	KEEPALIVE("ka_filter"),
	KEEPALIVE("ka_timeout"),
	KEEPALIVE("ka_interval"),
	KEEPALIVE("ka_randomize"),
	KEEPALIVE("ka_loglevel"),
	KEEPALIVE("ka_logmsg"),
	KEEPALIVE("ka_reply_codes"),
};

static bool uses_domain(void)
{
	return settings.use_domain;
}

static bool by_time(void)
{
	return settings.desc_time_order;
}

static void linger(void)
{
	bindings_linger(settings.timer_interval * 1000);
}

static struct span xavp_contact(void)
{
	return settings.xavp_contact;
}

static int nat_flag(void)
{
	return (int)settings.nat_bflag;
}

/* Expired bindings whose event routes run now: other modules have events of the same kind, so a
 * run's event is ours only when it points into one of these. Routes may wait, so there can be
 * several at once. */
struct expired_batch {
	struct expired_batch *next;
	const struct usrloc_contact *contacts;
	unsigned count;
};
static struct expired_batch *batches;

static const struct usrloc_contact *expired(const struct script_run *run)
{
	const struct usrloc_contact *event = run->event;
	for (const struct expired_batch *batch = batches; batch; batch = batch->next)
		if (event >= batch->contacts && event < batch->contacts + batch->count)
			return event;
	return NULL;
}

static void run_expired_routes(struct usrloc_contact *contacts, unsigned count)
{
	struct expired_batch batch = { .next = batches, .contacts = contacts, .count = count };
	batches = &batch;
	for (unsigned i = 0; i < count; i++)
		script_run_event("usrloc:contact-expired", NULL, &contacts[i], NULL);
	struct expired_batch **link = &batches;
	while (*link != &batch)
		link = &(*link)->next;
	*link = batch.next;
}

/* ---- expiry: each worker serves its own shards -------------------------------------------------------- */

static int64_t expire_period(void)
{
	return EXPIRE_PERIOD_MS;
}

static void expire(void)
{
	unsigned count;
	do {
		struct datagram *event = datagram_take();
		if (!event)
			return; /* too busy: the next second will do */
		struct usrloc_contact *contacts =
			ARENA_ARRAY(&event->arena, struct usrloc_contact, EXPIRE_BATCH);
		count = contacts ? location_expire(&event->arena, contacts, EXPIRE_BATCH) : 0;
		run_expired_routes(contacts, count);
		datagram_release(event);
	} while (count == EXPIRE_BATCH);
}

static bool prepare(struct diagnostics *diagnostics)
{
	const struct location_options options = {
		.matching = (enum matching_mode)settings.matching_mode,
		.cseq_delay_s = settings.cseq_delay,
		.by_time = settings.desc_time_order,
		.server_id = (uint32_t)server_id()
	};
	if (settings.db_mode != 0) {
		struct diagnostic *d =
			diagnostic_add(diagnostics, SEVERITY_ERROR, "no-database",
				       module_setting_position("usrloc", "db_mode"),
				       "usrloc: this release keeps bindings in memory only");
		diagnostic_hint(diagnostics, d,
				"set db_mode to 0; database modes come with a later release");
		return false;
	}
	if (!location_prepare(&options)) {
		log_critical("no shared memory for the location table; start with a larger -m");
		return false;
	}
	struct span names = settings.preload, name;
	location_count_domain(location_domain(SPAN_OF("location")));
	while (span_split(&names, ',', &name))
		if (span_trim(name).len &&
		    location_domain_find(span_trim(name)) == USRLOC_NO_DOMAIN)
			location_count_domain(location_domain(span_trim(name)));
	return true;
}

/* What happened before the last stop is put back before anybody is served. */
static bool start(void)
{
	if (!settings.journal)
		return true;
	const struct journal_options options = {
		.folder = settings.journal_dir.len ? settings.journal_dir
						   : core_setting_text("rundir"),
		.compact_bytes = settings.journal_size << 20,
	};
	if (journal_prepare(&options))
		journal_restore();
	return true;
}

static bool start_worker(void)
{
	journal_start_worker();
	return true;
}

bool keeper_wanted(void)
{
	return settings.journal;
}

static const struct usrloc_api api = {
	.domain = location_domain,
	.get = location_get,
	.apply = location_apply,
	.remove = location_remove,
	.uses_domain = uses_domain,
	.by_time = by_time,
	.expired = expired,
	.get_hash = location_get_hash,
	.get_with_expired = location_get_with_expired,
	.linger = linger,
	.xavp_contact = xavp_contact,
	.hash_id = location_hash_id,
	.nat_flag = nat_flag,
};
static const struct module_interface offers[] = { { "usrloc", USRLOC_API_VERSION, &api } };
static const struct module_role roles[] = { { "usrloc keeper", keeper_wanted, keeper_start } };
static const struct module_timer timers[] = { { "expire bindings", expire_period, expire, true } };
static const struct module_event events[] = {
	{ "usrloc:contact-expired", ROUTE_EVENT, "a binding expired; $ulc(exp=>…) shows it" },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "usrloc",
	.doc = "Keeps which contacts serve which address-of-record.",
	.settings = { &settings, FIELDS(setting_fields) },
	.events = ROWS(events),
	.timers = ROWS(timers),
	.offers = ROWS(offers),
	.commands = { usrloc_commands, USRLOC_COMMAND_COUNT },
	.roles = ROWS(roles),
	.prepare = prepare,
	.start = start,
	.start_worker = start_worker,
};
