/* SPDX-License-Identifier: BSD-2-Clause */
/* The core parameters: one table of names, and what has a name of its own: listen and alias. */
#include "core/process/settings.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <syslog.h>

#include "core/net/dns_records.h"
#include "core/net/names.h"

static struct core_settings settings = {
	.fork = true, .rundir = SPAN("/var/run/kamailio"), .exit_timeout = 60, .shm_mem_size = 64,
	.debug = 0, .log_name = SPAN("viaduct"), .log_facility = SPAN("LOG_DAEMON"), .log_socket = SPAN("/dev/log"),
	.port = 5060, .auto_aliases = true, .server_signature = true,
	.phone2tel = true, .rfc_strict = 1, .max_branches = 12, .msg_recv_max_size = 65535,
	.loop_detection = 1,
	.dns_try_ipv6 = true, .dns_naptr_ignore_rfc = true, .dns_srv_lb = true, .dns_use_search_list = true,
	.dns_cache_init = true, .use_dns_cache = true, .dns_cache_mem = 500, .dns_cache_gc_interval = 120,
	.dns_cache_max_ttl = DNS_TTL_MOST_S, .dns_cache_negative_ttl = 60,
	.dst_blocklist_expire = 60, .dst_blocklist_mem = 250,
	.dns_udp_pref = 30, .dns_tcp_pref = 20, .dns_tls_pref = 10, .dns_sctp_pref = 20,
	.stream = { .connection_lifetime = 120, .connect_timeout = 10, .send_timeout = 10, .msg_read_timeout = 20,
		.max_connections = 2048, .tls_max_connections = 2048, .accept_iplimit = 1024, .rd_buf_size = 65535,
		.wq_max = 10 << 20, .conn_wq_max = 32 << 10, .crlf_ping = true, .async = true, .keepalive = true,
		.delayed_ack = true, .listen_backlog = 1024 },
	.max_while_loops = 100, .max_recursive_level = 256, .children = 8, .memlog = 3, .memdbg = 3,
	.confinement = 2, .watchdog_timeout = 2000, .crash_files = 20, .overload_delay = 100, .overload_age = 4000, .overload_retry_after = 5,
};

const struct core_settings *core_settings(void)
{
	return &settings;
}

void *core_setting_object(void)
{
	return &settings;
}

static const char *check_facility(struct span text, int64_t number)
{
	(void)number;
	return log_facility_from_name(text) < 0
		       ? "unknown facility; LOG_LOCAL0 … LOG_LOCAL7, LOG_DAEMON, LOG_USER are known"
		       : NULL;
}

static const char *check_large_proto(struct span text, int64_t number)
{
	enum transport transport = transport_from_span(text);
	return transport == TRANSPORT_UDP || transport == TRANSPORT_TCP ||
			       transport == TRANSPORT_TLS || transport == TRANSPORT_SCTP
		       ? NULL
		       : "expected UDP, TCP, TLS or SCTP";
}

static const char *check_networks(struct span text, int64_t number)
{
	return balancers_parse(text, NULL)
		       ? NULL
		       : "expected up to 64 networks \"ip[/bits]\" with commas between them";
}

#define SET(member, text, ...) FIELD(settings, member, text, __VA_ARGS__)
#define NO_TCP(name, why)      FIELD_IGNORED(name, why)
#define TCP(member, text, ...) \
	FIELD_NAMED(settings, stream.member, "tcp_" #member, text, __VA_ARGS__)
#define TCP_LIVE(member, text, ...) TCP(member, text, .is_live = true, __VA_ARGS__)
#define NO_SCTP(name)               FIELD_IGNORED(name, "SCTP comes with a later release")
#define NO_NEED(name, why)          FIELD_IGNORED(name, why)

static const struct field fields[] = {
	SET(children, "upper bound of the number of workers; one per core is enough because they never wait", .min = 1, .max = 1024),
	SET(workers, "exact number of workers; 0: one per core", .max = 1024),
	SET(tcp_children, "accepted; workers serve streams too", .max = 1024),
	SET(fork, "run as supervisor and workers, in the background unless -D says otherwise"),
	SET(user, "user to run as"), SET(group, "group to run as"),
	SET(chroot, "directory to lock the processes into"), SET(workdir, "working directory"),
	SET(rundir, "directory of the control sockets"),
	SET(exit_timeout, "seconds that an orderly stop may take", .max = 3600),
	SET(open_files_limit, "raises the limit of open descriptors"),
	SET(shm_mem_size, "MB of shared memory", .min = 8, .max = 32768),
	SET(server_id, "number of this server in a cluster"),
	SET(confinement, "what the processes give up once all is open: 0 nothing, 1 capabilities and new privileges, 2 also "
		"system calls that a SIP server has no use for", .max = 2),
	SET(disable_core_dump, "no core files"), SET(shm_force_alloc, "take all shared memory at start"),
	SET(mlock_pages, "keep all memory from being swapped"),
	SET(watchdog_timeout, "ms after which a worker that does not come back to its event loop is replaced; 0: never", .max = 3600000),
	SET(overload_delay, "ms that a request may wait in the socket before new ones get 503; 0: none are refused", .max = 60000, .is_live = true),
	SET(overload_age, "ms after which a waiting request is not worked on, because its sender gave up; 0: never", .max = 60000, .is_live = true),
	SET(overload_retry_after, "seconds in the Retry-After of such a 503, at least; at most twice as many", .min = 1, .max = 3600, .is_live = true),
	SET(crash_files, "crash files kept in the run directory; 0: none are written", .max = 10000),
	SET(debug, "log threshold: -5 alert … -1 error, 0 warning, 1 notice, 2 info, 3 debug", .is_live = true),
	SET(log_prefix_mode, "0: evaluate log_prefix once per message; 1: for every line", .max = 1),
	SET(memlog, "accepted: memory reports come with SIGUSR1"), SET(memdbg, "accepted: there is no allocator to trace"),
	SET(log_stderror, "log to stderr instead of syslog"), SET(log_color, "coloured lines on stderr"),
	SET(log_facility, "syslog facility", .accept = check_facility), SET(log_name, "syslog tag"),
	SET(log_socket, "socket of the system's log"),
	SET(log_prefix, "text with variables put before every line of a message"),
	SET(port, "port of listen addresses without one", .max = 65535),
	SET(tos, "type of service of sent packets: a number, or IPTOS_LOWDELAY, _THROUGHPUT, _RELIABILITY, _MINCOST", .max = 255),
	SET(pmtu_discovery, "path MTU discovery of datagrams: 0 off, 1 on, 2 on with our own probes", .max = 2),
	SET(ip_free_bind, "listen addresses need not exist yet"),
	SET(mhomed, "choose the socket by the route to the destination", .max = 2),
	SET(auto_aliases, "names of the own addresses count as local"),
	SET(auto_bind_ipv6, "listen on all IPv6 addresses too"), SET(disable_tcp, "no TCP"), SET(enable_tls, "TLS on"),
	SET(advertised_address, "host to put into Via"), SET(advertised_port, "port to put into Via", .max = 65535),
	SET(force_rport, "answer every request to the port that it came from", .is_live = true),
	SET(local_rport, "rport in our own Via"), SET(check_via, "drop replies whose top Via is not ours", .is_live = true),
	SET(forward_stray_replies, "forward replies to requests that were not sent from here (RFC 6026 forbids it)", .is_live = true),
	SET(loop_detection, "482 when a request comes back unchanged so often (RFC 5393); 0: never", .min = 0, .max = 70, .is_live = true),
	SET(reply_to_via, "answer to the address in Via instead of the source, unless rport says otherwise"),
	SET(sip_warning, "add a Warning header to own replies"), SET(server_signature, "add Server or User-Agent to own messages"),
	SET(phone2tel, "user=phone makes a sip URI a telephone number"),
	SET(onsend_route_reply, "run onsend_route for replies too"),
	SET(http_reply_parse, "accept HTTP replies"),
	SET(server_header, "the whole Server header line"), SET(user_agent_header, "the whole User-Agent header line"),
	SET(max_branches, "destinations of one request", .min = 1, .max = 31),
	SET(msg_recv_max_size, "bytes of the largest message", .min = 1024, .max = 65535),
	SET(rfc_strict, "malformed messages never reach the script (400, 505): 0 off, 1 those that module sanity does "
		"not look at, 2 all; not 0: sanity_check() answers by RFC 3261 where Kamailio does not (416)", .max = 2),
	SET(proxy_require, "extensions in Proxy-Require that pass, with commas; others are answered 420. Empty: those of "
		"module sanity"),
	SET(max_while_loops, "rounds of a while loop; 0: no limit", .max = 1000000000),
	SET(max_recursive_level, "depth of route calls", .min = 1, .max = 10000),
	SET(received_route_mode, "1: event_route[core:msg-received] sees every message before it is parsed", .max = 3),
	SET(return_mode, "1: any non-zero return value is true"),
	SET(xavp_via_params, "XAVP whose members via_add_xavp_params() puts into our Via"),
	SET(xavp_via_reply_params, "XAVP whose members via_reply_add_xavp_params() puts into the top Via of our replies"),
	SET(xavp_via_fields, "XAVP whose address and port via_use_xavp_fields() puts into our Via"),

	TCP_LIVE(connection_lifetime, "seconds without traffic after which a connection is closed", .min = 1, .max = 1 << 30),
	TCP_LIVE(connect_timeout, "seconds that connecting may take", .min = 1, .max = 3600),
	TCP_LIVE(send_timeout, "seconds that a peer may take nothing", .min = 1, .max = 3600),
	TCP_LIVE(msg_read_timeout, "seconds from the first byte of a message to its last", .min = 1, .max = 3600),
	TCP_LIVE(max_connections, "connections of all workers together", .max = 1 << 24),
	TCP_LIVE(accept_iplimit, "accepted connections of one address; 0: no limit", .max = 1 << 24),
	TCP(rd_buf_size, "bytes of the largest message of a stream", .min = 1024, .max = 1 << 24),
	TCP_LIVE(wq_max, "bytes that may wait to be sent in one process", .max = 1ll << 40),
	TCP_LIVE(conn_wq_max, "bytes that may wait for one connection", .max = 1ll << 40),
	TCP_LIVE(no_connect, "1: never open a connection, only use what the peers opened"),
	TCP_LIVE(accept_aliases, "a Via with ;alias makes its port reachable over the connection"),
	TCP_LIVE(accept_no_cl, "a message without Content-Length has no body"),
	TCP(accept_haproxy, "accepted connections may begin with a PROXY header (versions 1 and 2) of those in udp_proxy_networks, "
		"which tells who the client is"),
	TCP_LIVE(crlf_ping, "answer keep-alives (RFC 5626)"),
	TCP(async, "accepted: nothing ever waits for a peer"),
	TCP_LIVE(connection_match, "1: a connection also has to have the address of the sending socket"),
	TCP(reuse_port, "connections leave from the port of the sending socket"),
	TCP_LIVE(keepalive, "probe idle connections"), TCP_LIVE(delayed_ack, "no: acknowledge at once"),
	TCP_LIVE(keepcnt, "lost probes that end a connection", .max = 1000), TCP_LIVE(keepidle, "idle seconds before the first probe", .max = 1 << 20),
	TCP_LIVE(keepintvl, "seconds between probes", .max = 1 << 20), TCP_LIVE(linger2, "seconds in FIN-WAIT2", .max = 1 << 20),
	TCP_LIVE(syncnt, "tries to connect", .max = 255), TCP(defer_accept, "seconds to wait for the first byte", .max = 1 << 20),
	TCP(listen_backlog, "connections that may wait to be accepted", .min = 1, .max = 65535),
	TCP(clone_rcvbuf, "accepted: a message never shares its bytes with the connection", .max = 1),
	TCP(source_ipv4, "address that IPv4 connections come from"), TCP(source_ipv6, "address that IPv6 connections come from"),
	FIELD_NAMED(settings, stream.tls_max_connections, "tls_max_connections", "TLS connections of all workers together", .max = 1 << 24),
	SET(udp_mtu, "larger requests leave by udp_mtu_try_proto; 0: never", .max = 65535),
	SET(udp_mtu_try_proto, "protocol for requests above udp_mtu", .accept = check_large_proto),
	SET(udp_accept_proxy, "headers of load balancers before datagrams, bits: 1 PROXY protocol 1 and 2, 2 Simple Proxy Protocol", .max = 3),
	SET(udp_proxy_networks, "addresses of the load balancers that are believed, also of tcp_accept_haproxy, \"ip[/bits],…\"; empty: all", .accept = check_networks),
	NO_TCP("tcp_wq_blk_size", "queued messages take what they need"),
	NO_TCP("tcp_accept_unique", "connections are told apart by their number"),
	NO_TCP("tcp_accept_hep3", "HEP is not understood on SIP ports"),
	NO_TCP("tcp_accept_protocols", "SIP and HTTP are told apart by their first line"),
	NO_TCP("tcp_check_timer", "each connection has its own deadline"),
	NO_TCP("tcp_fd_cache", "descriptors are never passed on"),
	NO_TCP("tcp_main_threads", "workers serve connections themselves"),
	NO_TCP("tcp_msg_data_timeout", "see tcp_msg_read_timeout"),
	NO_TCP("tcp_poll_method", "epoll"),
	NO_TCP("tcp_script_mode", "an error in the script closes no connection"),
	NO_TCP("tcp_wait_data", "nothing ever waits for a connection"),
	NO_TCP("tls_port_no", "give the port with listen=tls:"), NO_TCP("tls_threads_mode", "there are no threads"),
	NO_TCP("tls_connection_match_domain", "comes with the module tls"),
	NO_TCP("tls_method", "set it with modparam(\"tls\", …)"), NO_TCP("tls_verify", "see tls_method"),
	NO_TCP("tls_require_certificate", "see tls_method"), NO_TCP("tls_certificate", "see tls_method"),
	NO_TCP("tls_private_key", "see tls_method"), NO_TCP("tls_ca_list", "see tls_method"),
	NO_TCP("tls_handshake_timeout", "see tls_method"), NO_TCP("tls_send_timeout", "see tls_method"),
	NO_TCP("tls_log", "see tls_method"),

	SET(dns_try_ipv6, "look for IPv6 addresses of names that have no IPv4 one"),
	SET(dns_try_naptr, "let NAPTR records choose the transport (RFC 3263 4.1)"),
	SET(dns_naptr_ignore_rfc, "own preferences before the order of NAPTR records"),
	SET(dns_srv_lb, "draw SRV records of one priority by their weights (RFC 2782); else the heaviest is first"),
	SET(dns_retr_time, "seconds that a DNS server may take for an answer; 0: one", .max = 60),
	SET(dns_retr_no, "how often each DNS server is asked; 0: three times", .max = 20),
	SET(dns_servers_no, "how many of the system's DNS servers are asked; 0: all", .max = 100),
	SET(dns_servers, "DNS servers instead of the system's: \"address[:port],…\""),
	SET(dns_use_search_list, "complete short names by the search list of resolv.conf"),
	SET(dns_slow_query_ms, "count answers that take longer as dns.slow_dns_request; 0: none", .max = 3600000),
	SET(dns_cache_init, "have a cache of DNS answers"), SET(use_dns_cache, "use the cache of DNS answers"),
	SET(dns_cache_flags, "addresses: 1 only IPv4, 2 only IPv6, 4 IPv6 before IPv4", .max = 7),
	SET(dns_cache_mem, "KB of DNS answers that each process keeps", .min = 1, .max = 1000000),
	SET(dns_cache_del_nonexp, "a full cache forgets answers that still hold; else it keeps no new ones"),
	SET(dns_cache_gc_interval, "seconds after which expired answers are forgotten", .max = 86400),
	SET(dns_cache_min_ttl, "seconds that an answer is kept at least", .max = DNS_TTL_MOST_S),
	SET(dns_cache_max_ttl, "seconds that an answer is kept at most", .max = INT32_MAX),
	SET(dns_cache_negative_ttl, "seconds that a missing name is remembered", .max = DNS_TTL_MOST_S),
	SET(dns_udp_pref, "how much UDP is wanted when DNS leaves the choice; below 0: never", .min = -1000000, .max = 1000000),
	SET(dns_tcp_pref, "the same for TCP", .min = -1000000, .max = 1000000),
	SET(dns_tls_pref, "the same for TLS", .min = -1000000, .max = 1000000),
	SET(dns_sctp_pref, "the same for SCTP", .min = -1000000, .max = 1000000),
	SET(use_dns_failover, "try the next address of a name when one does not answer"),
	NO_NEED("dns_cache_rec_pref", "an answer replaces the older one"),
	NO_NEED("dns_search_full_match", "answers are matched with their question by the library"),
	NO_NEED("dns", "received= tells the address that a request came from"), NO_NEED("rev_dns", "see dns"),
	SET(use_dst_blocklist, "pass over destinations that did not answer (tm: blst_*)"),
	SET(dst_blocklist_expire, "seconds that a destination is passed over", .min = 1, .max = 86400),
	SET(dst_blocklist_mem, "KB of destinations that are remembered", .min = 1, .max = 1000000),
	NO_NEED("dst_blocklist_gc_interval", "what is over is dropped by whoever finds it"),
	NO_NEED("dst_blocklist_init", "the list costs nothing before it is used; see use_dst_blocklist"),

	NO_SCTP("enable_sctp"), NO_SCTP("disable_sctp"), NO_SCTP("sctp_children"), NO_SCTP("sctp_socket_rcvbuf"),
	NO_SCTP("sctp_socket_sndbuf"), NO_SCTP("sctp_autoclose"), NO_SCTP("sctp_send_ttl"), NO_SCTP("sctp_send_retries"),
	NO_SCTP("sctp_assoc_tracking"), NO_SCTP("sctp_assoc_reuse"), NO_SCTP("sctp_max_assocs"),
	NO_SCTP("sctp_srto_initial"), NO_SCTP("sctp_srto_max"), NO_SCTP("sctp_srto_min"), NO_SCTP("sctp_asocmaxrxt"),
	NO_SCTP("sctp_init_max_attempts"), NO_SCTP("sctp_init_max_timeo"), NO_SCTP("sctp_hbinterval"),
	NO_SCTP("sctp_pathmaxrxt"), NO_SCTP("sctp_sack_delay"), NO_SCTP("sctp_sack_freq"), NO_SCTP("sctp_max_burst"),

	NO_NEED("async_workers", "workers never wait, so that no others are needed"),
	NO_NEED("async_nonblock", "see async_workers"), NO_NEED("async_usleep", "see async_workers"),
	NO_NEED("async_workers_group", "see async_workers"), NO_NEED("async_tkv_evcb", "see async_workers"),
	NO_NEED("async_tkv_gname", "see async_workers"), NO_NEED("socket_workers", "all workers serve all sockets"),
	NO_NEED("udp_receiver_mode", "all workers serve all sockets"),
	NO_NEED("corelog", "core errors have the level that they deserve"),
	NO_NEED("fork_delay", "start-up needs no pauses"), NO_NEED("modinit_delay", "start-up needs no pauses"),
	NO_NEED("wait_worker1_mode", "start-up needs no pauses"), NO_NEED("wait_worker1_time", "start-up needs no pauses"),
	NO_NEED("wait_worker1_usleep", "start-up needs no pauses"),
	NO_NEED("real_time", "priorities are the init system's business"), NO_NEED("rt_prio", "see real_time"),
	NO_NEED("rt_policy", "see real_time"), NO_NEED("rt_timer1_prio", "see real_time"),
	NO_NEED("rt_timer1_policy", "see real_time"), NO_NEED("rt_timer2_prio", "see real_time"),
	NO_NEED("rt_timer2_policy", "see real_time"),
	NO_NEED("mem_join", "there is no heap to join"), NO_NEED("mem_safety", "there is no heap to guard"),
	NO_NEED("mem_summary", "memory reports come with SIGUSR1"), NO_NEED("mem_add_size", "there is no heap"),
	NO_NEED("mem_status_mode", "there is no heap"),
	NO_NEED("pv_buffer_size", "texts have no fixed size"), NO_NEED("pv_buffer_slots", "texts have no fixed number"),
	NO_NEED("pv_cache_limit", "variables are compiled"), NO_NEED("pv_cache_action", "variables are compiled"),
	NO_NEED("sql_buffer_size", "statements have no fixed size"),
	NO_NEED("msg_apply_changes_mode", "use msg_apply_changes()"), NO_NEED("msg_clone_extra_size", "nothing is cloned"),
	NO_NEED("sip_parser_log", "malformed messages are counted"), NO_NEED("sip_parser_mode", "one parser for all"),
	NO_NEED("sip_parser_log_oneline", "each error is one line"), NO_NEED("msg_time", "every message has its time"),
	NO_NEED("hdr_name_extra_chars", "header names follow the grammar"),
	NO_NEED("uri_host_extra_chars", "host names follow the grammar"), NO_NEED("ipv6_hex_style", "IPv6 is written in lower case"),
	NO_NEED("syn_branch", "branches are always unique"), NO_NEED("maxbuffer", "receive buffers are 4 MB"),
	NO_NEED("maxsndbuffer", "send buffers are the system's"),
	NO_NEED("mcast", "multicast is not served"), NO_NEED("mcast_loopback", "multicast is not served"),
	NO_NEED("mcast_ttl", "multicast is not served"), NO_NEED("udp4_raw", "ordinary sockets are fast enough"),
	NO_NEED("udp4_raw_mtu", "see udp4_raw"), NO_NEED("udp4_raw_ttl", "see udp4_raw"),
	NO_NEED("bind_ipv6_link_local", "scopes are kept"),
	NO_NEED("latency_log", "see the counters of route times"), NO_NEED("latency_cfg_log", "see latency_log"),
	NO_NEED("latency_limit_action", "see latency_log"), NO_NEED("latency_limit_db", "see latency_log"),
	NO_NEED("latency_limit_cfg", "see latency_log"), NO_NEED("route_locks_size", "transactions are served in order"),
	NO_NEED("log_engine_type", "the log goes to stderr or syslog"), NO_NEED("log_engine_data", "see log_engine_type"),
	NO_NEED("statistics", "statistics are always there"), NO_NEED("stats_name_separator", "names use _"),
	NO_NEED("stun_allow_fp", "the module stun comes later"), NO_NEED("stun_allow_stun", "the module stun comes later"),
	NO_NEED("stun_refresh_interval", "the module stun comes later"),
	NO_NEED("verbose_startup", "start-up says what matters"), NO_NEED("version_table", "the table is called version"),
	NO_NEED("rpc_exec_delta", "reloads do not disturb traffic"),
	NO_NEED("cfgengine", "routes are in the native language"),
	NO_NEED("kemi.onsend_route_callback", "routes are in the native language"),
	NO_NEED("kemi.reply_route_callback", "routes are in the native language"),
	NO_NEED("kemi.received_route_callback", "routes are in the native language"),
	NO_NEED("kemi.pre_routing_callback", "routes are in the native language"),
};

/* Other spellings of the same parameter. */
static const struct { const char *alias, *name; bool negate; } aliases[] = {
	{ "uid", "user" }, { "gid", "group" }, { "wdir", "workdir" }, { "run_dir", "rundir" },
	{ "ser_kill_timeout", "exit_timeout" }, { "mem_log", "memlog" }, { "mem_dbg", "memdbg" },
	{ "shm", "shm_mem_size" }, { "http_reply_hack", "http_reply_parse" }, { "tcp_buf_write", "tcp_async" },
	{ "tls_enable", "enable_tls" }, { "enable_tcp", "disable_tcp", true }, { "dns_cache_delete_nonexpired", "dns_cache_del_nonexp" },
	{ "dns_srv_loadbalancing", "dns_srv_lb" }, { "dns_udp_preference", "dns_udp_pref" },
	{ "dns_tcp_preference", "dns_tcp_pref" }, { "dns_tls_preference", "dns_tls_pref" },
	{ "dns_sctp_preference", "dns_sctp_pref" }, { "dns_use_cache", "use_dns_cache" },
	{ "dns_use_failover", "use_dns_failover" }, { "dns_rev_via", "rev_dns" },
	{ "dst_blacklist_expire", "dst_blocklist_expire" }, { "dst_blacklist_ttl", "dst_blocklist_expire" },
	{ "dst_blocklist_ttl", "dst_blocklist_expire" }, { "dst_blacklist_gc_interval", "dst_blocklist_gc_interval" },
	{ "dst_blacklist_init", "dst_blocklist_init" }, { "dst_blacklist_mem", "dst_blocklist_mem" },
	{ "use_dst_blacklist", "use_dst_blocklist" }, { "rt_ftimer_policy", "rt_timer1_policy" },
	{ "rt_fast_timer_prio", "rt_timer1_prio" }, { "rt_ftimer_prio", "rt_timer1_prio" },
	{ "rt_stimer_policy", "rt_timer2_policy" }, { "rt_stimer_prio", "rt_timer2_prio" },
	{ "ipfreebind", "ip_free_bind" }, { "ip_nonlocal_bind", "ip_free_bind" },
	{ "auto_domains", "auto_aliases" }, { "sctp_socket_receive_buffer", "sctp_socket_rcvbuf" },
	{ "sctp_socket_send_buffer", "sctp_socket_sndbuf" }, { "tcp_source_ipv4_address", "tcp_source_ipv4" },
	{ "disable_tls", "enable_tls", true }, { "tls_disable", "enable_tls", true },
	{ "log_stderr", "log_stderror" }, { "name", "log_name" },
};

struct field_table core_setting_fields(void)
{
	return (struct field_table)FIELDS(fields);
}

int64_t core_setting_int(const char *name)
{
	const struct field *field = field_find(core_setting_fields(), span_from(name));
	return field && (field->kind == FIELD_KIND_INT || field->kind == FIELD_KIND_BOOL)
		       ? field_get_int(field, &settings)
		       : 0;
}

struct span core_setting_text(const char *name)
{
	const struct field *field = field_find(core_setting_fields(), span_from(name));
	return field && field->kind == FIELD_KIND_TEXT ? field_get_text(field, &settings)
						       : (struct span){ NULL, 0 };
}

int server_id(void)
{
	return (int)settings.server_id;
}

static void tell_unknown(struct span name, struct source_position at,
			 struct diagnostics *diagnostics)
{
	const char *names[ARRAY_SIZE(fields) + ARRAY_SIZE(aliases)];
	size_t count = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		names[count++] = fields[i].name;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		names[count++] = aliases[i].alias;
	struct diagnostic *d = diagnostic_add(diagnostics, SEVERITY_ERROR, "unknown-parameter", at,
					      "unknown core parameter \"%.*s\"", SPAN_ARGS(name));
	const char *near = nearest_name(name, names, count);
	if (near)
		diagnostic_hint(diagnostics, d, "did you mean \"%s\"?", near);
}

bool core_setting_set(struct span name, const struct config_value *value, struct source_position at,
		      struct diagnostics *diagnostics)
{
	struct config_value copy = *value;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (span_equal_nocase(name, span_from(aliases[i].alias))) {
			name = span_from(aliases[i].name);
			copy.number = aliases[i].negate ? !copy.number : copy.number;
			break;
		}
	const struct field *field = field_find(core_setting_fields(), name);
	if (!field) {
		tell_unknown(name, at, diagnostics);
		return false;
	}
	const char *wrong;
	if (field->kind == FIELD_KIND_TEXT || !copy.is_number) {
		/* user=99 and the like: a number is as good as its text. */
		struct span text = copy.text.at ? copy.text
						: arena_printf(startup_arena(), "%lld",
							       (long long)copy.number);
		int64_t tos;
		bool is_tos = strcmp(field->name, "tos") == 0 && tos_from_name(text, &tos);
		wrong = is_tos ? field_set_int(field, &settings, tos, startup_arena())
			       : field_set_text(field, &settings, arena_copy(startup_arena(), text),
						startup_arena());
	} else {
		wrong = field_set_int(field, &settings, copy.number, startup_arena());
	}
	if (wrong)
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-parameter",
			       value->at.file ? value->at : at, "%s: %s", field->name, wrong);
	return !wrong;
}

/* ---- listen and alias ------------------------------------------------------------------------------- */

/* Adds a host that is an address, an interface, or a name with addresses. */
static bool listen_host(struct span host, enum transport transport, uint16_t port,
			const struct listen_directive *rest, const char **out_error)
{
	struct end_point address = { .transport = (uint8_t)transport, .port = port };
	if (span_equal(host, SPAN_OF("*")))
		host = (struct span){ NULL, 0 };
	if (host.len && end_point_parse_ip(host, &address)) {
		struct listener *added =
			end_point_is_any(&address) && address.family == AF_INET &&
					!rest->advertised_host.len
				? NULL
				: listener_add(&address, rest->name, rest->advertised_host,
					       rest->advertised_port, out_error);
		if (added)
			added->is_virtual = rest->is_virtual;
		return added ||
		       (end_point_is_any(&address) &&
			listeners_add_interface((struct span){ NULL, 0 }, transport, port));
	}
	if (listeners_add_interface(host, transport, port))
		return true;
	*out_error = "no such address, interface or host";
	if (!name_addresses(host, &address, 1))
		return false;
	address.transport = (uint8_t)transport;
	address.port = port;
	return listener_add(&address, rest->name, rest->advertised_host, rest->advertised_port,
			    out_error);
}

bool core_listen(const struct listen_directive *listen, struct diagnostics *diagnostics)
{
	const char *error = "no such address, interface or host";
	enum transport transport = transport_from_span(listen->proto);
	if (listen->proto.len && transport == TRANSPORT_NONE) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-listen", listen->at,
			       "unknown protocol \"%.*s\"", SPAN_ARGS(listen->proto));
		return false;
	}
	uint16_t port = listen->port ? listen->port : (uint16_t)settings.port;
	uint16_t last = listen->last_port > port ? listen->last_port : port;
	unsigned first = listener_count();
	for (unsigned p = port; p <= last; p++)
		if (!listen_host(listen->host,
				 transport == TRANSPORT_NONE ? TRANSPORT_UDP : transport,
				 (uint16_t)p, listen, &error)) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-listen", listen->at,
				       "cannot listen on \"%.*s\": %s", SPAN_ARGS(listen->host),
				       error);
			return false;
		}
	if (transport == TRANSPORT_NONE)
		listeners_mark_any(first);
	return true;
}

bool core_alias(const struct listen_directive *alias, struct diagnostics *diagnostics)
{
	(void)diagnostics;
	alias_add(alias->host, alias->port, transport_from_span(alias->proto));
	return true;
}

static bool listen_one(struct span text, struct span proto, uint16_t port, struct span advertised)
{
	struct listen_directive listen = { .proto = proto, .host = text, .port = port };
	struct diagnostics ignored;
	size_t colon = span_find(advertised, ':', 0);
	uint32_t number;
	listen.advertised_host = span_slice(advertised, 0, colon);
	if (colon < advertised.len &&
	    span_to_uint32(span_slice(advertised, colon + 1, advertised.len), &number))
		listen.advertised_port = (uint16_t)number;
	diagnostics_init(&ignored, startup_arena());
	return core_listen(&listen, &ignored);
}

bool core_listen_text(struct span text)
{
	struct span advertised = { NULL, 0 }, proto = { NULL, 0 };
	uint16_t port = 0;
	size_t slash = span_find(text, '/', 0);
	if (slash < text.len) {
		advertised = span_slice(text, slash + 1, text.len);
		text = span_slice(text, 0, slash);
	}
	size_t colon = span_find(text, ':', 0);
	if (colon < text.len && transport_from_span(span_slice(text, 0, colon)) != TRANSPORT_NONE) {
		proto = span_slice(text, 0, colon);
		text = span_slice(text, colon + 1, text.len);
	}
	/* A last ":digits" is a port, unless the text is a bare IPv6 address. */
	struct end_point ip = { 0 };
	uint32_t number;
	for (size_t i = text.len; i > 0 && !end_point_parse_ip(text, &ip); i--)
		if (text.at[i - 1] == ':') {
			if (!span_to_uint32(span_slice(text, i, text.len), &number) ||
			    number > 65535)
				return false;
			port = (uint16_t)number;
			text = span_slice(text, 0, i - 1);
			break;
		}
	if (text.len > 2 && text.at[0] == '(') {
		struct span hosts = span_slice(text, 1, text.len - 2), host;
		bool is_good = true;
		while (span_split(&hosts, ',', &host))
			is_good = listen_one(span_trim(host), proto, port, advertised) && is_good;
		return is_good;
	}
	return listen_one(text, proto, port, advertised);
}

/* ---- applying ------------------------------------------------------------------------------------------ */

static struct span header_line(struct span configured, const char *name)
{
	if (!settings.server_signature)
		return (struct span){ NULL, 0 };
	if (configured.len)
		return arena_printf(startup_arena(), "%.*s\r\n", SPAN_ARGS(configured));
	struct utsname system;
	uname(&system);
	return arena_printf(startup_arena(), "%s: viaduct (%s (%s/linux))\r\n", name,
			    VIADUCT_VERSION, system.machine);
}

/* Without a protocol all of them are meant, and without listen= all addresses. disable_tcp may stand
 * behind listen=, so this waits until everything was read. */
static void settle_listeners(void)
{
	if (listener_count() == 0 &&
	    listeners_add_interface((struct span){ NULL, 0 }, TRANSPORT_UDP,
				    (uint16_t)settings.port))
		listeners_mark_any(0);
	settings.stream.is_off = settings.disable_tcp;
	/* A datagram buffer takes the message. */
	if (settings.stream.rd_buf_size > DATAGRAM_MAX)
		settings.stream.rd_buf_size = DATAGRAM_MAX;
	stream_configure(&settings.stream);
	if (!settings.disable_tcp)
		listeners_add_streams();
}

void core_settings_apply(void)
{
	struct render_options render = {
		.server_line = header_line(settings.server_header, "Server"),
		.user_agent_line = header_line(settings.user_agent_header, "User-Agent"),
		.sip_warning = settings.sip_warning, .reply_to_via = settings.reply_to_via,
		.server_id = settings.server_id, .udp_mtu = (size_t)settings.udp_mtu,
		.large_transport = transport_from_span(settings.udp_mtu_try_proto),
		.via_params_xavp = settings.xavp_via_params,
		.via_reply_params_xavp = settings.xavp_via_reply_params, .via_fields_xavp = settings.xavp_via_fields,
	};
	struct script_limits limits = {
		.max_while_loops = (int)settings.max_while_loops,
		.max_recursive_level = (int)settings.max_recursive_level,
		.return_mode = settings.return_mode,
		.phone2tel = settings.phone2tel,
	};
	settle_listeners();
	render_configure(&render);
	script_configure(&limits);
	message_set_max_branches((unsigned)settings.max_branches);
}
