/* SPDX-License-Identifier: BSD-2-Clause */
/* mailbox: small messages from process to process, in order for each sender. Many senders, one
 * receiver; bounded. A box belongs to a role, not to a process: what waits in it is received by the
 * successor of a dead worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mailbox;

#define MAILBOX_INLINE_MOST 240
#define MAILBOX_BLOCK_MOST  ((size_t)1 << 20)

struct mail {
	uint32_t type;
	uint16_t sender; /* box number of the sender's role, by its own word */
	uint16_t inline_len;
	uint8_t bytes[MAILBOX_INLINE_MOST];
	const void *block; /* the long part, in shared memory; NULL when there is none */
	size_t block_len;
	uint32_t block_index; /* these three: for mail_release */
	uint32_t block_generation;
	uint32_t block_shard;
};

/* Makes `count` boxes of `capacity` (a power of two) messages each, with an eventfd each; before the
 * first fork, once. False when memory or descriptors are out. */
[[nodiscard]] bool mailbox_init(unsigned count, unsigned capacity);
void mailbox_free(void);
/* Box number `number`; NULL beyond the last. */
struct mailbox *mailbox_at(unsigned number);
/* Readable when there is mail after mailbox_receive said that there was none. */
int mailbox_fd(const struct mailbox *box);

/* Copies the payload (at most MAILBOX_INLINE_MOST bytes). False when the box is full: the sender
 * decides whether to drop, count or try later. Never blocks. Better not inside a shard's lock: it may
 * make a system call to wake the receiver. */
[[nodiscard]] bool mailbox_send(struct mailbox *box, uint32_t type, uint16_t sender,
				const void *bytes, size_t len);
/* The same with a long part of up to MAILBOX_BLOCK_MOST bytes, which is copied once into shared
 * memory. False also when shared memory is out. Not inside a shard's lock. */
[[nodiscard]] bool mailbox_send_block(struct mailbox *box, uint32_t type, uint16_t sender,
				      const void *bytes, size_t len, const void *block,
				      size_t block_len);

/* Receiver only: takes the oldest message. False when there is none; from then on the next sender
 * makes the descriptor readable, so it is safe to sleep. A message with a block must be released. A
 * message is handed out once: one that kills its receiver does not kill the successor. */
[[nodiscard]] bool mailbox_receive(struct mailbox *box, struct mail *out_mail);
/* Frees the long part; nothing to do for messages without one. */
void mail_release(struct mail *mail);
/* A successor calls this first: empties the descriptor and frees the blocks that its predecessor
 * received but did not release. */
void mailbox_adopt(struct mailbox *box);
/* Messages that wait now. */
unsigned mailbox_waiting(const struct mailbox *box);
