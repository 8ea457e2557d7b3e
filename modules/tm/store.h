/* SPDX-License-Identifier: BSD-2-Clause */
/* store: what the files that make, find and lease transactions share. */
#pragma once

#include "modules/tm/transaction.h"

/* ---- store.c ---- */
/* The lease goes to this process. Lock held; it is free. */
void lease_take(struct transaction *tx);
/* Sets the timer to the earliest deadline. Lock held. */
void tx_arm(struct shard *shard, struct transaction *tx);

/* ---- keep.c ---- */
/* A room for a new transaction, with its request in it, `frozen` bytes. False: no memory. Lock held. */
bool room_open(struct shard *shard, struct transaction *tx, const struct message *msg,
	       size_t frozen);
/* The first reply, with room for those that follow; nothing when there is none. */
void room_place_reply(struct transaction *tx, const struct message *request, struct span reply);
/* The caller has heard the 2xx: it need not be repeated, when nothing else is kept. Lock held, lease free. */
void tx_confirm(struct shard *shard, struct transaction *tx);

/* ---- claims.c ---- */
/* What an INVITE, its CANCEL and its ACK share. */
uint64_t call_hash(struct span call_id, uint32_t cseq);
struct tx_key request_key(struct message *msg);
uint32_t tag_hash(struct message *msg); /* of From */
/* Lock held. */
struct transaction *find_locked(struct shard *shard, struct tx_key key, uint32_t method);
