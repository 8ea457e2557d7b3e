/* SPDX-License-Identifier: BSD-2-Clause */
/* db_cluster: shared by the files of this module. */
#pragma once

#include "core/db/driver.h"
#include "core/module/module.h"

#define CLUSTER_CONNECTIONS_MOST 16
#define CLUSTER_MEMBERS_MOST     10
#define CLUSTERS_MOST            16

enum cluster_mode { CLUSTER_SERIAL = 's', CLUSTER_ROUND_ROBIN = 'r', CLUSTER_PARALLEL = 'p' };
struct cluster_role {
	unsigned priority; /* 0 … 9, the highest first */
	enum cluster_mode mode;
};
/* A database that a cluster uses. */
struct cluster_member {
	struct span connection; /* its name */
	struct cluster_role reads, writes;
	struct db *db; /* set when somebody uses the cluster */
};
struct cluster {
	struct span name;
	struct cluster_member members[CLUSTER_MEMBERS_MOST];
	unsigned count;
	unsigned turn; /* for round robin, in this process */
	/* Shared by all processes: when a database that failed, or was disabled, is preferred again. */
	_Atomic int64_t *inactive_until_ms; /* CLUSTER_MEMBERS_MOST of them */
};
/* The cluster of that name, its databases known; NULL after *out_wrong was set. */
struct cluster *cluster_find(struct span name, const char **out_wrong);
/* By number, NULL after the last. */
struct cluster *cluster_at(unsigned index);
struct span cluster_url_of(const struct cluster_member *member);
int64_t cluster_inactive_ms(void);

/* ---- commands.c ------------------------------------------------------------------------------ */
#define CLUSTER_COMMAND_COUNT 4
extern const struct rpc_command cluster_commands[CLUSTER_COMMAND_COUNT];

extern const struct db_driver cluster_driver;
