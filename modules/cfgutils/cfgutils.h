/* SPDX-License-Identifier: BSD-2-Clause */
/* cfgutils: what the files of the module share. */
#pragma once

#include "core/module/module.h"

struct cfgutils_shared {
	uint32_t probability, initial_probability; /* percent */
	uint32_t flags;
	uint32_t lock_count;
	char file_hash[DIGEST_HEX_MAX + 1];
	uint64_t locks[]; /* who holds it since when; 0: nobody */
};
struct cfgutils_shared *cfgutils_shared(void);

/* ---- locks.c --------------------------------------------------------------------------------------- */
/* False after an error was logged: there are no locks, or this route cannot wait. */
bool lock_wait(struct span key);
bool lock_try(struct span key);
bool lock_release(struct span key);

/* ---- commands.c ------------------------------------------------------------------------------------ */
struct span cfgutils_hash_file(void);
/* MD5 of a file as text; false when it cannot be read. */
bool hash_of_file(struct span path, char out[DIGEST_HEX_MAX + 1]);
#define CFGUTILS_COMMANDS 10
extern const struct rpc_command cfgutils_commands[CFGUTILS_COMMANDS];
