/* SPDX-License-Identifier: BSD-2-Clause */
/* settings: the core parameters (`children=8`). They are fields of one struct, like any module's. */
#pragma once

#include "core/module/loader.h"
#include "core/transport/stream.h"

struct core_settings {
	/* processes */
	int64_t children, workers, tcp_children;
	bool fork;
	struct span user, group, chroot, workdir, rundir;
	int64_t exit_timeout, open_files_limit, shm_mem_size, server_id;
	int64_t confinement;
	bool disable_core_dump, shm_force_alloc, mlock_pages;
	int64_t watchdog_timeout, crash_files;
	int64_t overload_delay, overload_age, overload_retry_after;
	/* log */
	int64_t debug, log_prefix_mode, memlog, memdbg;
	bool log_stderror, log_color;
	struct span log_facility, log_name, log_prefix, log_socket;
	/* network */
	int64_t port, tos, mhomed, pmtu_discovery;
	bool ip_free_bind;
	bool auto_aliases, auto_bind_ipv6, disable_tcp, enable_tls;
	struct stream_settings stream;
	int64_t udp_mtu;
	struct span udp_mtu_try_proto;
	int64_t udp_accept_proxy;
	struct span udp_proxy_networks;
	struct span advertised_address;
	int64_t advertised_port;
	/* DNS */
	bool dns_try_ipv6, dns_try_naptr, dns_naptr_ignore_rfc, dns_srv_lb, dns_use_search_list;
	bool dns_cache_init, use_dns_cache, dns_cache_del_nonexp, use_dns_failover;
	int64_t dns_retr_time, dns_retr_no, dns_servers_no, dns_slow_query_ms;
	int64_t dns_cache_flags, dns_cache_mem, dns_cache_gc_interval;
	int64_t dns_cache_min_ttl, dns_cache_max_ttl, dns_cache_negative_ttl;
	int64_t dns_udp_pref, dns_tcp_pref, dns_tls_pref, dns_sctp_pref;
	struct span dns_servers;
	bool use_dst_blocklist;
	int64_t dst_blocklist_expire, dst_blocklist_mem;
	/* messages */
	bool force_rport, local_rport, check_via, forward_stray_replies, reply_to_via, sip_warning,
		server_signature, phone2tel;
	bool onsend_route_reply, http_reply_parse;
	struct span server_header, user_agent_header, proxy_require;
	int64_t max_branches, msg_recv_max_size, rfc_strict, loop_detection;
	/* script */
	int64_t max_while_loops, max_recursive_level;
	bool return_mode;
	int64_t received_route_mode;
	struct span xavp_via_params, xavp_via_fields, xavp_via_reply_params;
};

const struct core_settings *core_settings(void);
/* The rows, for the core's `struct module`. */
struct field_table core_setting_fields(void);
void *core_setting_object(void);

/* global_param of config_actions. Aliases and old names are understood. */
bool core_setting_set(struct span name, const struct config_value *value, struct source_position at,
		      struct diagnostics *diagnostics);
/* listen= and alias=. */
bool core_listen(const struct listen_directive *listen, struct diagnostics *diagnostics);
bool core_alias(const struct listen_directive *alias, struct diagnostics *diagnostics);
/* A listen address of the command line "[proto:]host[:port][/advertised[:port]]", parentheses around
 * several hosts; false when it is no address. */
bool core_listen_text(struct span text);

/* After reading: log, Server header and limits as configured. */
void core_settings_apply(void);
/* Sockets, DNS and the blocklist as configured: before the sockets are opened, when all listen
 * addresses are known. False after logging when shared memory is out. */
[[nodiscard]] bool network_settings_apply(void);
/* Keeps the networks of load balancers; `out_count` may be NULL. False: malformed, or too many. */
bool balancers_parse(struct span text, unsigned *out_count);
/* "IPTOS_LOWDELAY" and the like; false when there is no such name. */
bool tos_from_name(struct span name, int64_t *out_tos);
