/* SPDX-License-Identifier: BSD-2-Clause */
/* options: the command line. */
#pragma once

#include "core/script/compile.h"

#define OPTION_LISTENS_MOST  64
#define OPTION_DEFINES_MOST  128
#define OPTION_SETTINGS_MOST 64

struct options {
	const char *config_path; /* -f */
	bool check_only;         /* -c */
	bool dump_code, dump_config, explain_all, describe;
	const char *explain; /* --explain CODE */
	int daemon_level;    /* number of D: 0 or 3 background, 1 and 2 foreground */
	bool to_stderr, use_colour;
	const char *pid_file, *group_file;
	const char *user, *group, *chroot, *workdir, *rundir;
	int64_t shm_mb, children, debug, server_id;
	bool has_debug;
	const char *module_path; /* -L */
	const char *listens[OPTION_LISTENS_MOST];
	unsigned listen_count;
	const char *aliases[OPTION_LISTENS_MOST];
	unsigned alias_count;
	struct script_define defines[OPTION_DEFINES_MOST];
	unsigned define_count;
	const char *modules[OPTION_SETTINGS_MOST]; /* --loadmodule */
	unsigned module_count;
	const char *settings[OPTION_SETTINGS_MOST]; /* --modparam module:param:s|i:value */
	unsigned setting_count;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads the command line. DONE: something was printed (--help, --version), exit 0. WRONG: a sentence
 * was printed, exit 255. */
enum options_result options_read(int count, char **arguments, struct options *out_options);
