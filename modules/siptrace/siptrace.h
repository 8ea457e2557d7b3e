/* SPDX-License-Identifier: BSD-2-Clause */
/* siptrace: what the files of the module share. */
#pragma once

#include "core/module/module.h"

/* Bits of trace_mode: where all traffic goes. */
enum { MODE_HEP = 1, MODE_DATABASE = 2, MODE_URI = 4 };

struct siptrace_settings {
	struct span db_url, table;
	struct span date_column, callid_column, traced_user_column, msg_column, method_column,
		status_column, fromip_column, toip_column, fromtag_column, totag_column,
		direction_column, time_us_column;
	int64_t trace_flag;
	bool trace_on, trace_to_database, hep_mode_on;
	bool xheaders_write, xheaders_read, trace_sl_acks, trace_delayed;
	int64_t trace_db_mode;
	struct span traced_user_avp, trace_table_avp, duplicate_uri, trace_local_ip;
	int64_t hep_version, hep_capture_id, trace_mode;
	struct span auth_key, send_sock_name, send_sock_addr, force_send_sock;
};
extern const struct siptrace_settings *const siptrace_settings;

/* One message, as it was seen; everything is borrowed. */
struct capture {
	struct span bytes;
	struct end_point from, to;
	int64_t wall_us;
	bool is_out;
	struct message *msg;        /* the same, parsed */
	unsigned sinks;             /* MODE_… bits */
	struct end_point collector; /* family 0: that of duplicate_uri */
	struct span correlation;    /* absent: none */
	struct span users;          /* one a line; absent: nobody in particular */
	struct span table;          /* absent: the setting's */
	bool runs_route;            /* event_route[siptrace:msg] may drop it */
};

/* ---- siptrace.c ------------------------------------------------------------------------------------------------ */

_Atomic int64_t *siptrace_switch(void);
const struct end_point *collector_default(void);
const struct listener *collector_socket(void);
/* HEP and copies go out; this one is not captured again. */
void siptrace_send(const struct end_point *to, struct span bytes);

/* ---- xheaders.c ---- */
/* Takes what the copy of another server says of its message; false: it says nothing. */
bool xheaders_read(struct capture *capture);
/* The bytes with these lines behind the headers. */
struct span xheaders_write(const struct capture *capture);

/* ---- hep.c: the wire format of Homer ------------------------------------------------------------------------------ */

enum { HEP_SIP = 1, HEP_LOG = 100 };
struct hep_packet {
	struct end_point from, to;
	int64_t wall_us;
	unsigned kind; /* HEP_SIP, HEP_LOG */
	uint32_t capture_id;
	struct span auth_key, correlation; /* absent: none */
	struct span payload;
};
/* Writes it in this version (1, 2 or 3); false when that version has no room for it. */
bool hep_write(struct writer *w, const struct hep_packet *packet, int64_t version);

/* ---- sink.c: where captures go ------------------------------------------------------------------------------------- */

bool sink_prepare(struct diagnostics *diagnostics);
bool sink_start(void);
/* May wait: for the database, or a route. */
void sink_take(const struct capture *capture);

/* ---- watch.c: transactions and dialogs that are traced --------------------------------------------------------------- */

bool watch_prepare(void);
/* What is remembered of a message that is traced on. */
struct watch {
	bool is_dialog;
	struct end_point collector;
	struct span correlation, users, table;
};
bool watch_add(const struct message *msg, const struct watch *watch);
/* Is anything watched? */
bool watch_is_on(void);
/* What is known for a message; texts are copied into `arena`. */
bool watch_find(const struct message *msg, struct arena *arena, struct watch *out);
int64_t watch_period_ms(void);
void watch_expire(void);
