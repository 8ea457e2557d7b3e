/* SPDX-License-Identifier: BSD-2-Clause */
/* directory: which process has which stream connection. Shared by all processes, so that whoever
 * wants to send finds the owner; the entries of a dead process do not count and its successor
 * removes them. */
#pragma once

#include "core/net/address.h"

struct connection_entry {
	uint32_t id;          /* $conid; never 0 */
	uint32_t incarnation; /* of the process, when it made the entry */
	uint16_t process;
	bool is_outgoing;             /* we connected */
	struct end_point peer, local; /* `peer` of an alias has the alias port */
	int64_t opened_ms;
};

/* Names one row, for its removal. */
struct directory_row {
	uint32_t index, generation;
	uint16_t shard;
};

/* The keys under which a connection is found; all rows of a connection hold the same entry. */
enum directory_key {
	DIRECTORY_ID,
	DIRECTORY_PEER, /* address, port and transport; aliases too */
	DIRECTORY_IP,   /* all of one host, for counting */
};

/* Before the first fork. `incarnation` tells the current one of a process. */
[[nodiscard]] bool directory_init(uint32_t (*incarnation)(unsigned process));
/* Writes the current incarnation of its process into the entry. */
void directory_stamp(struct connection_entry *entry);
/* A connection number that nobody has. */
uint32_t directory_new_id(void);
/* False when shared memory is out. */
[[nodiscard]] bool directory_add(enum directory_key key, const struct connection_entry *entry,
				 struct directory_row *out_row);
void directory_remove(const struct directory_row *row);

/* The connection with this number. */
[[nodiscard]] bool directory_find_id(uint32_t id, struct connection_entry *out_entry);
/* A connection to this address, preferably one of `process`. With `local` its own address must be
 * that one. */
[[nodiscard]] bool directory_find_peer(const struct end_point *peer, const struct end_point *local,
				       unsigned process, struct connection_entry *out_entry);
/* Connections with the IP address of `peer`, counted up to `most`. */
unsigned directory_count_ip(const struct end_point *peer, unsigned most);
/* Every connection: start with *cursor = 0; false ends. */
bool directory_each(uint64_t *cursor, struct connection_entry *out_entry);
/* Removes what a predecessor of this process left. */
void directory_adopt(unsigned process);
