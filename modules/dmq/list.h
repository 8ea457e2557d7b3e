/* SPDX-License-Identifier: BSD-2-Clause */
/* list: the text by which nodes tell each other whom they know. */
#pragma once

#include "core/net/address.h"

#define NODE_HOST_MOST 128

enum node_status {
	NODE_ACTIVE,
	NODE_NOT_ACTIVE, /* did not answer lately; fail_count_enabled */
	NODE_DISABLED,   /* did not answer */
	NODE_TIMEOUT,    /* somebody says so */
	NODE_PENDING,    /* it has not answered yet */
	NODE_STATUS_COUNT,
};

struct node_entry {
	struct span host;         /* as written, IPv6 with brackets */
	uint16_t port;            /* 0: not written, 5060 or 5061 */
	enum transport transport; /* NONE: not written, UDP */
	enum node_status status;
};

const char *node_status_name(enum node_status status);
bool node_status_from(struct span name, enum node_status *out_status);

/* A node's URI, with its status perhaps. False: it is no URI of a node. */
[[nodiscard]] bool node_entry_parse(struct span text, struct node_entry *out_entry);
/* The next node of a list; lines that name none are skipped and counted. False at the end. */
bool node_list_next(struct span *rest, struct node_entry *out_entry, unsigned *skipped);

/* "sip:host:port;transport=tcp", port and transport only when written; `user` may be absent. */
void node_entry_write_uri(struct writer *w, struct span user, const struct node_entry *entry);
void node_entry_write_line(struct writer *w, const struct node_entry *entry);
bool node_entry_equal(const struct node_entry *a, const struct node_entry *b);
uint64_t node_entry_hash(const struct node_entry *entry);
