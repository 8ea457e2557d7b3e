/* SPDX-License-Identifier: BSD-2-Clause */
/* cfgutils.*: the switches from outside. */
#include <stdio.h>
#include <stdlib.h>

#include "modules/cfgutils/cfgutils.h"

#define FILE_LARGEST (16u << 20)

/* ---- probability ----------------------------------------------------------------------------------- */

static void run_set_probability(struct rpc_call *call)
{
	int64_t percent;
	if (!rpc_arg_int(call, 0, &percent))
		rpc_fault(call, 500, "Invalid Parameters");
	else if (percent < 0 || percent > 100)
		rpc_fault(call, 500, "Percent must be between 0 and 100");
	else
		cfgutils_shared()->probability = (uint32_t)percent;
}

static void run_reset_probability(struct rpc_call *call)
{
	(void)call;
	cfgutils_shared()->probability = cfgutils_shared()->initial_probability;
}

static void run_get_probability(struct rpc_call *call)
{
	rpc_add_printf(call, NULL, NULL, "actual probability: %u percent",
		       cfgutils_shared()->probability);
}

/* ---- the file -------------------------------------------------------------------------------------- */

bool hash_of_file(struct span path, char out[DIGEST_HEX_MAX + 1])
{
	char name[4096];
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(path));
	FILE *file = fopen(name, "re");
	char *text = file ? malloc(FILE_LARGEST) : NULL;
	size_t len = text ? fread(text, 1, FILE_LARGEST, file) : 0;
	bool is_good = text && !ferror(file);
	if (is_good) {
		struct span part = span_make(text, len);
		out[digest_hex(DIGEST_MD5, &part, 1, out)] = '\0';
	}
	free(text);
	if (file)
		fclose(file);
	return is_good;
}

static bool has_file(struct rpc_call *call)
{
	if (!cfgutils_hash_file().len)
		rpc_fault(call, 500, "No hash file: set the parameter hash_file of cfgutils");
	return cfgutils_hash_file().len != 0;
}

static void run_check_hash(struct rpc_call *call)
{
	char now[DIGEST_HEX_MAX + 1];
	if (!has_file(call))
		return;
	if (!hash_of_file(cfgutils_hash_file(), now))
		rpc_fault(call, 500, "Failed to hash the file");
	else
		rpc_add_text(call, NULL, NULL,
			     strcmp(now, cfgutils_shared()->file_hash) == 0
				     ? SPAN_OF("Identical hash")
				     : SPAN_OF("Different hash"));
}

static void run_get_hash(struct rpc_call *call)
{
	if (has_file(call))
		rpc_add_text(call, NULL, NULL, span_from(cfgutils_shared()->file_hash));
}

/* ---- flags ----------------------------------------------------------------------------------------- */

/* A mask, decimal or hexadecimal; false after a fault. */
static bool read_mask(struct rpc_call *call, uint32_t *out)
{
	struct span text;
	int64_t number;
	if (!rpc_arg_text(call, 0, &text) || !span_to_int64_any_base(text, &number) || number < 0 ||
	    number > UINT32_MAX) {
		rpc_fault(call, 500, "Invalid Parameters");
		return false;
	}
	*out = (uint32_t)number;
	return true;
}

static void run_set_flags(struct rpc_call *call)
{
	uint32_t mask;
	if (read_mask(call, &mask))
		__atomic_fetch_or(&cfgutils_shared()->flags, mask, __ATOMIC_RELAXED);
}

static void run_reset_flags(struct rpc_call *call)
{
	uint32_t mask;
	if (read_mask(call, &mask))
		__atomic_fetch_and(&cfgutils_shared()->flags, ~mask, __ATOMIC_RELAXED);
}

static void run_is_flags(struct rpc_call *call)
{
	uint32_t mask;
	if (read_mask(call, &mask))
		rpc_add_text(call, NULL, NULL,
			     (cfgutils_shared()->flags & mask) == mask ? SPAN_OF("TRUE")
								       : SPAN_OF("FALSE"));
}

static void run_get_flags(struct rpc_call *call)
{
	uint32_t flags = cfgutils_shared()->flags;
	rpc_add_printf(call, NULL, NULL, "0x%X (%u)", flags, flags);
}

const struct rpc_command cfgutils_commands[CFGUTILS_COMMANDS] = {
	{ "cfgutils.rand_set_prob", run_set_probability, "Sets the probability of rand_event().", "{percent}" },
	{ "cfgutils.rand_set_prop", run_set_probability, "Same as cfgutils.rand_set_prob.", "{percent}" },
	{ "cfgutils.rand_reset_prob", run_reset_probability, "Sets the probability back to the initial one." },
	{ "cfgutils.rand_get_prob", run_get_probability, "Shows the probability." },
	{ "cfgutils.check_config_hash", run_check_hash, "Is the file as it was at the start?" },
	{ "cfgutils.get_config_hash", run_get_hash, "Shows the hash of the file." },
	{ "cfgutils.set_gflag", run_set_flags, "Sets global flags.", "{mask}" },
	{ "cfgutils.reset_gflag", run_reset_flags, "Clears global flags.", "{mask}" },
	{ "cfgutils.is_gflag", run_is_flags, "Are all these global flags set?", "{mask}" },
	{ "cfgutils.get_gflags", run_get_flags, "Shows the global flags." },
};
