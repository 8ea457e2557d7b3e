/* SPDX-License-Identifier: BSD-2-Clause */
/* nathelper: what the files of the module share. */
#pragma once

#include "core/module/module.h"
#include "modules/usrloc/usrloc_api.h"

struct nathelper_settings {
	struct span force_socket, received_avp, sipping_from, sipping_method, nortpproxy_str,
		alias_name;
	int64_t natping_interval, natping_processes, sipping_bflag, natping_disable_bflag,
		keepalive_timeout, nat_addr_mode;
	bool ping_nated_only, ignore_path, append_sdp_oldmediaip, filter_server_id,
		udpping_from_path;
	const struct variable_ref *received; /* received_avp */
};
extern const struct nathelper_settings *const nathelper_settings;

/* Is it the text of a private IPv4 address? */
bool is_private_text(struct span text);

/* ---- contact.c ------------------------------------------------------------------------------------- */
/* The Contact that counts, its header and its URI; false when there is none that is a SIP URI. */
struct contact {
	const struct sip_header *header;
	struct name_addr address;
	struct sip_uri uri;
};
bool contact_of(const struct message *msg, struct contact *out);
extern const struct function_table contact_functions;

/* ---- sdp.c ----------------------------------------------------------------------------------------- */
enum sdp_trait { SDP_HAS_PRIVATE_ADDRESS, SDP_HAS_OTHER_ADDRESS };
/* Has a connection address that is private / that is not the one the message came from? */
bool sdp_address_is(const struct message *msg, enum sdp_trait trait);
extern const struct function_table sdp_functions;

/* ---- ping.c ---------------------------------------------------------------------------------------- */
/* `usrloc` is NULL when it is not loaded. */
bool ping_prepare(const struct usrloc_api *usrloc, struct diagnostics *diagnostics);
int64_t ping_period_ms(void);
void ping_contacts(void);
enum claim_result ping_reply(struct message *reply);
void run_enable_ping(struct rpc_call *call);
