/* SPDX-License-Identifier: BSD-2-Clause */
/* usrloc: the location service (RFC 3261 10): bindings in shared memory, served to registrar and
 * others through usrloc_api.h. */
#include "core/transport/udp.h"
#include "modules/usrloc/commands.h"
#include "modules/usrloc/journal.h"
#include "modules/usrloc/keepalive.h"
#include "modules/usrloc/keeper.h"
#include "modules/usrloc/observe.h"
#include "modules/usrloc/streams.h"

/* After a mass registration thousands end in the same second: a little at a time, so that nobody waits
 * for it, and often enough for 20,000 a second and worker. */
#define EXPIRE_PERIOD_MS    200
#define EXPIRE_BATCH        256
#define EXPIRE_BATCHES_MOST 16

static struct {
	int64_t use_domain, desc_time_order, timer_interval, db_mode, matching_mode, cseq_delay,
		nat_bflag;
	struct span db_url, preload, xavp_contact;
	int64_t db_load, expires_type, skip_remote_socket, db_timer_clean, rm_expired_delay,
		server_id_filter, version_table, db_clean_tcp, handle_lost_tcp, close_expired_tcp;
	int64_t ka_mode, ka_filter, ka_timeout, ka_loglevel;
	struct span ka_method, ka_from, ka_domain, ka_logmsg;
	struct span columns[COLUMN_COUNT];
	int64_t journal, journal_size;
	struct span journal_dir;
} settings = {
	.timer_interval = 60,
	.cseq_delay = 20,
	.nat_bflag = -1,
	.db_url = SPAN("mysql://kamailio:kamailiorw@localhost/kamailio"),
	.db_load = 1,
	.version_table = 1,
	.journal = -1,
	.journal_size = 16,
	.ka_loglevel = KEEPALIVE_NO_LOG,
	.ka_method = SPAN("OPTIONS"),
	.ka_from = SPAN("sip:server@kamailio.org"),
	.ka_domain = SPAN("kamailio.org"),
	.ka_logmsg = SPAN(" to-uri: [$tu] remote-addr: [$sas]"),
	.columns = {
		[COLUMN_RUID] = SPAN("ruid"),
		[COLUMN_USER] = SPAN("username"),
		[COLUMN_DOMAIN] = SPAN("domain"),
		[COLUMN_CONTACT] = SPAN("contact"),
		[COLUMN_RECEIVED] = SPAN("received"),
		[COLUMN_PATH] = SPAN("path"),
		[COLUMN_EXPIRES] = SPAN("expires"),
		[COLUMN_Q] = SPAN("q"),
		[COLUMN_CALL_ID] = SPAN("callid"),
		[COLUMN_CSEQ] = SPAN("cseq"),
		[COLUMN_MODIFIED] = SPAN("last_modified"),
		[COLUMN_FLAGS] = SPAN("flags"),
		[COLUMN_CFLAGS] = SPAN("cflags"),
		[COLUMN_USER_AGENT] = SPAN("user_agent"),
		[COLUMN_SOCKET] = SPAN("socket"),
		[COLUMN_METHODS] = SPAN("methods"),
		[COLUMN_INSTANCE] = SPAN("instance"),
		[COLUMN_REG_ID] = SPAN("reg_id"),
		[COLUMN_SERVER_ID] = SPAN("server_id"),
		[COLUMN_CONNECTION] = SPAN("connection_id"),
		[COLUMN_KEEPALIVE] = SPAN("keepalive"),
		[COLUMN_PARTITION] = SPAN("partition"),
	},
};
static struct db *database;

#define SET(member, text, ...) FIELD(settings, member, text, __VA_ARGS__)
#define COLUMN(which, name)    FIELD_NAMED(settings, columns[which], name, "name of a column")
static const struct field setting_fields[] = {
	SET(use_domain, "1: the key is user@domain", .max = 1),
	SET(desc_time_order, "1: newest binding first instead of the highest q", .max = 1),
	SET(timer_interval, "seconds between writes to the database (db_mode 2)", .min = 1,
	    .max = 86400),
	SET(db_mode, "0 memory, 1 write through, 2 write back, 3 database only, 4 read at start",
	    .max = 4),
	SET(db_url, "database"),
	SET(matching_mode, "0 contact, 1 contact and Call-ID, 2 contact and path, 3 Call-ID",
	    .max = 3),
	SET(cseq_delay, "seconds in which the same CSeq is a retransmission", .max = 3600),
	SET(nat_bflag, "branch flag that means: behind a NAT", .min = -1, .max = 31),
	SET(preload, "domains that no script function names, separated by commas"),
	SET(journal,
	    "1: keep bindings through a restart without a database; -1: with db_mode 1 and 2 only",
	    .min = -1, .max = 1),
	SET(journal_dir, "folder of the journal; without it the run directory"),
	SET(journal_size, "MiB up to which the journal grows before a snapshot replaces it",
	    .min = 1, .max = 65536),
	SET(xavp_contact,
	    "XAVP whose values are stored with each binding and come back with lookup()"),
	SET(db_load, "0: the database is not read at start", .max = 1),
	SET(expires_type, "1: times are numbers in the database (BIGINT)", .max = 1),
	SET(skip_remote_socket, "1: rows of sockets that are not ours are not read", .max = 1),
	SET(db_timer_clean, "1: expired rows are deleted from the database", .max = 1),
	SET(rm_expired_delay, "seconds that expired rows stay in the database", .max = 31536000),
	SET(server_id_filter, "1: only rows of this server_id are read and cleaned", .max = 1),
	SET(version_table, "0: the table's version is not checked", .max = 1),
	SET(db_clean_tcp, "1: bindings over streams are not read at start", .max = 1),
	COLUMN(COLUMN_RUID, "ruid_column"),
	COLUMN(COLUMN_USER, "user_column"),
	COLUMN(COLUMN_DOMAIN, "domain_column"),
	COLUMN(COLUMN_CONTACT, "contact_column"),
	COLUMN(COLUMN_RECEIVED, "received_column"),
	COLUMN(COLUMN_PATH, "path_column"),
	COLUMN(COLUMN_EXPIRES, "expires_column"),
	COLUMN(COLUMN_Q, "q_column"),
	COLUMN(COLUMN_CALL_ID, "callid_column"),
	COLUMN(COLUMN_CSEQ, "cseq_column"),
	COLUMN(COLUMN_MODIFIED, "last_modified_column"),
	COLUMN(COLUMN_FLAGS, "flags_column"),
	COLUMN(COLUMN_CFLAGS, "cflags_column"),
	COLUMN(COLUMN_USER_AGENT, "user_agent_column"),
	COLUMN(COLUMN_SOCKET, "socket_column"),
	COLUMN(COLUMN_METHODS, "methods_column"),
	COLUMN(COLUMN_INSTANCE, "instance_column"),
	COLUMN(COLUMN_REG_ID, "reg_id_column"),
	COLUMN(COLUMN_SERVER_ID, "server_id_column"),
	COLUMN(COLUMN_CONNECTION, "connection_id_column"),
	COLUMN(COLUMN_KEEPALIVE, "keepalive_column"),
	COLUMN(COLUMN_PARTITION, "partition_column"),
	FIELD_IGNORED("hash_size", "the table grows with its content"),
	FIELD_IGNORED("timer_procs",
		      "each worker expires its own share, one process writes to the database"),
	FIELD_IGNORED("db_insert_update", "a row that is there already is always updated"),
	FIELD_IGNORED("db_update_as_insert",
		      "a row is always written by insert or update, whichever fits"),
	FIELD_IGNORED("db_check_update", "a row that is missing is always inserted"),
	FIELD_IGNORED("db_ops_ruid", "rows are always found by their ruid"),
	FIELD_IGNORED("db_insert_null", "all columns are always written"),
	FIELD_IGNORED("db_raw_fetch_type", "for a database that has no driver here"),
	FIELD_IGNORED("fetch_rows", "rows are read as they come"),
	FIELD_IGNORED("load_rank", "the table is read before the first process begins"),
	FIELD(settings, handle_lost_tcp, "1: bindings end with the connection that made them",
	      .max = 1),
	FIELD(settings, close_expired_tcp, "1: the connection is closed when its binding expires",
	      .max = 1),
	SET(ka_mode, "requests to contacts each timer_interval: 1 all, 2 behind a NAT, 4 by UDP",
	    .max = KEEPALIVE_ALL | KEEPALIVE_NAT | KEEPALIVE_UDP),
	SET(ka_method, "method of these requests"),
	SET(ka_from, "URI in their From"),
	SET(ka_domain, "domain in their To when use_domain is 0"),
	SET(ka_filter, "1: only contacts that this server (server_id) registered",
	    .max = KEEPALIVE_OWN),
	SET(ka_timeout, "seconds without an answer after which a contact goes; 0: it stays",
	    .max = 86400),
	SET(ka_loglevel, "level of a line for each answer; 255: none", .min = LOG_LEVEL_ALERT,
	    .max = KEEPALIVE_NO_LOG),
	SET(ka_logmsg, "end of that line, with variables of the answer"),
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

static const struct usrloc_contact *expired(const struct script_run *run)
{
	return script_event_data(run, "usrloc");
}

static void run_expired_routes(struct usrloc_contact *contacts, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		script_run_event("usrloc:contact-expired", NULL, &contacts[i], NULL);
}

/* ---- expiry: each worker serves its own shards -------------------------------------------------------- */

static int64_t expire_period(void)
{
	return EXPIRE_PERIOD_MS;
}

static void expire(void)
{
	unsigned count, turns = 0;
	do {
		struct datagram *event = datagram_take();
		if (!event)
			return; /* too busy: the next time will do */
		/* Not zeroed: each is filled as a whole, and mostly there are none. */
		struct usrloc_contact *contacts =
			arena_alloc(&event->arena, EXPIRE_BATCH * sizeof(*contacts));
		count = contacts ? location_expire(&event->arena, contacts, EXPIRE_BATCH) : 0;
		streams_expired(contacts, count);
		run_expired_routes(contacts, count);
		streams_remove_lost(&event->arena);
		datagram_release(event);
	} while (count == EXPIRE_BATCH && ++turns < EXPIRE_BATCHES_MOST);
}

/* ---- life ---- */

static void prepare_rows(void)
{
	struct row_options options = {
		.database = database,
		.uses_domain = settings.use_domain,
		.expires_is_number = settings.expires_type,
		.skip_remote_socket = settings.skip_remote_socket,
		.own_server_only = settings.server_id_filter,
		.clean_streams = settings.db_clean_tcp,
		.has_attributes = settings.xavp_contact.len > 0,
		.nat_flag = (int)settings.nat_bflag,
		.server_id = (uint32_t)server_id(),
		.expired_delay_s = settings.rm_expired_delay,
		.check_version = settings.version_table,
	};
	memcpy(options.columns, settings.columns, sizeof(options.columns));
	rows_prepare(&options);
}

static void prepare_domains(void)
{
	struct span names = settings.preload, name;
	location_count_domain(location_domain(SPAN_OF("location")));
	while (span_split(&names, ',', &name))
		if (span_trim(name).len &&
		    location_domain_find(span_trim(name)) == USRLOC_NO_DOMAIN)
			location_count_domain(location_domain(span_trim(name)));
}

static bool prepare_keepalive(struct diagnostics *diagnostics)
{
	const struct keepalive_options options = {
		.mode = settings.db_mode == MODE_ONLY ? 0 : settings.ka_mode,
		.filter = settings.ka_filter,
		.timeout_s = settings.ka_timeout,
		.log_level = settings.ka_loglevel,
		.round_s = settings.timer_interval,
		.nat_flag = nat_flag(),
		.uses_domain = settings.use_domain,
		.method = settings.ka_method,
		.from = settings.ka_from,
		.domain = settings.ka_domain,
		.log_text = settings.ka_logmsg,
	};
	if (options.mode != settings.ka_mode)
		diagnostic_add(diagnostics, SEVERITY_WARNING, "no-effect",
			       module_setting_position("usrloc", "ka_mode"),
			       "ka_mode has no effect with db_mode 3: contacts are not in memory");
	return keepalive_prepare(&options, diagnostics);
}

static bool prepare(struct diagnostics *diagnostics)
{
	modes_prepare((enum db_mode)settings.db_mode);
	commands_prepare(settings.use_domain, nat_flag());
	streams_prepare(settings.handle_lost_tcp, settings.close_expired_tcp);
	const struct location_options options = {
		.matching = (enum matching_mode)settings.matching_mode,
		.cseq_delay_s = settings.cseq_delay,
		.by_time = settings.desc_time_order,
		.keeps_rows = modes_write(),
		.server_id = (uint32_t)server_id()
	};
	const struct keeper_options keeper = { .interval_s = settings.timer_interval,
					       .cleans_rows = settings.db_mode == MODE_ONLY ||
							      settings.db_timer_clean };
	if (settings.db_mode != MODE_MEMORY) {
		database = db_use(settings.db_url, "usrloc.db_url", diagnostics,
				  module_setting_position("usrloc", "db_url"));
		if (!database)
			return false;
		prepare_rows();
	}
	if (!location_prepare(&options) || !keeper_prepare(&keeper)) {
		log_critical("no shared memory for the location table; start with a larger -m");
		return false;
	}
	prepare_domains();
	return prepare_keepalive(diagnostics);
}

/* Write-back without a journal would lose what the database does not have yet. */
static bool wants_journal(void)
{
	return settings.journal == 1 ||
	       (settings.journal < 0 &&
		(settings.db_mode == MODE_THROUGH || settings.db_mode == MODE_BACK));
}

static bool load_database(void)
{
	bool is_read = settings.db_mode == MODE_LOAD ||
		       (settings.db_load && settings.db_mode != MODE_ONLY);
	for (unsigned domain = 0; domain < location_domain_count(); domain++)
		if (!rows_check(domain) || (is_read && !rows_load(domain)))
			return false;
	return true;
}

/* What happened before the last stop is put back before anybody is served. */
static bool start(void)
{
	const struct journal_options options = {
		.folder = settings.journal_dir.len ? settings.journal_dir
						   : core_setting_text("rundir"),
		.compact_bytes = settings.journal_size << 20,
		.keeps_rows = modes_write(),
	};
	if (wants_journal() && journal_prepare(&options))
		journal_restore();
	return settings.db_mode == MODE_MEMORY || load_database();
}

static bool start_worker(void)
{
	bindings_start_worker();
	journal_start_worker();
	return true;
}

static bool keeper_wanted(void)
{
	return wants_journal() || modes_write();
}

static void finish(void)
{
	keeper_finish();
	journal_finish();
}

static const struct usrloc_api api = {
	.domain = location_domain,
	.get = modes_get,
	.apply = streams_apply,
	.remove = modes_remove,
	.uses_domain = uses_domain,
	.by_time = by_time,
	.expired = expired,
	.get_hash = location_get_hash,
	.get_with_expired = modes_get_with_expired,
	.linger = linger,
	.xavp_contact = xavp_contact,
	.hash_id = location_hash_id,
	.nat_flag = nat_flag,
	.domain_count = location_domain_count,
	.part_count = location_shard_count,
	.copy_part = location_copy_shard,
	.is_alive = location_is_alive,
	.observe = observers_add,
	.apply_quietly = modes_apply_quietly,
	.remove_quietly = modes_remove_quietly,
	.foresee = location_foresee,
};
static const struct module_interface offers[] = { { "usrloc", USRLOC_API_VERSION, &api } };
static const struct module_role roles[] = { { "usrloc keeper", keeper_wanted, keeper_start } };
static const struct module_timer timers[] = {
	{ "expire bindings", expire_period, expire, true },
	{ "keepalive of bindings", keepalive_period_ms, keepalive_run, true },
};
static const struct claim claims[] = {
	{ .name = "usrloc keepalive", .order = 5, .reply = keepalive_answered },
};
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
	.claims = ROWS(claims),
	.offers = ROWS(offers),
	.commands = { usrloc_commands, USRLOC_COMMAND_COUNT },
	.roles = ROWS(roles),
	.prepare = prepare,
	.start = start,
	.start_worker = start_worker,
	.finish = finish,
};
