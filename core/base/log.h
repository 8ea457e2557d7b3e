/* SPDX-License-Identifier: BSD-2-Clause */
/* log: lines for the operator. Levels and facility are the field's (ALERT -5 … DBG 3); a line that
 * is off costs one load and one predictable branch. Never log a secret: no password, HA1, nonce
 * secret or database URL at any level.
 *
 * stderr:  " 3(4711) ERROR: tm [t_relay.c:42]: t_relay(): text"
 * syslog:  "ERROR: tm [t_relay.c:42]: t_relay(): text" */
#pragma once

#include "core/base/span.h"

enum log_level {
	LOG_LEVEL_ALERT = -5,
	LOG_LEVEL_BUG = -4,
	LOG_LEVEL_CRITICAL = -1 - 1,
	LOG_LEVEL_ERROR = -1,
	LOG_LEVEL_WARNING = 0,
	LOG_LEVEL_NOTICE = 1,
	LOG_LEVEL_INFO = 2,
	LOG_LEVEL_DEBUG = 3,
};

/* Shown as the origin of a line; the build sets it to the module's name for modules. */
#ifndef LOG_ORIGIN
#define LOG_ORIGIN "core"
#endif

#define log_at(level, ...)                                                                     \
	do {                                                                                   \
		if (__builtin_expect(log_is_on(level), 0))                                     \
			log_write((level), LOG_ORIGIN, __FILE__, __LINE__, __func__, __VA_ARGS__); \
	} while (0)
#define log_critical(...) log_at(LOG_LEVEL_CRITICAL, __VA_ARGS__)
#define log_error(...)    log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)  log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)   log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)     log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)    log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* The threshold: lines with a level above it are off. Lives in shared memory once log_share ran. */
extern int *const *const log_threshold_address;
static inline bool log_is_on(int level)
{
	return level <= **log_threshold_address;
}

/* Writes one line; use the macros. One system call, so lines of processes never mix; it never waits:
 * a line that nobody takes is lost and counted. Control characters are shown as \n, \r, \x1b. */
[[gnu::format(printf, 6, 7), gnu::cold]] void log_write(int level, const char *origin,
							const char *file, int line,
							const char *function, const char *format,
							...);
/* A line of the script (xlog), as it is: no file, no function; `facility` < 0 means the configured one. */
void log_script(int level, int facility, struct span text);
/* The same with another text than "<script>: " in front. */
void log_script_prefixed(int level, int facility, struct span prefix, struct span text);
/* The terminal sequence that begins lines of a level; `sequence` is static or lives as long as the
 * server; before the first fork. False: no such level. */
bool log_set_level_colour(int level, const char *sequence);
/* Says that colour codes are wanted wherever lines go. */
void log_force_colour(void);
/* Do lines go to stderr, or are colours wanted anyway? ($C) */
bool log_shows_colour(void);
/* True when a script line of `level` would be printed. */
static inline bool log_script_is_on(int level)
{
	return log_is_on(level);
}

struct log_options {
	bool to_stderr; /* else syslog */
	bool use_colour;
	int facility;       /* LOG_LOCAL0 … of syslog.h */
	const char *name;   /* syslog tag; borrowed for the life of the process */
	const char *socket; /* of the system's log; NULL: /dev/log */
};
void log_configure(const struct log_options *options);
/* Sets the number and text that identify this process in a line. */
void log_process(int index);
void log_set_threshold(int level);
int log_get_threshold(void);
/* A threshold of this process alone (kex: setdebug), until log_reset_own_threshold. */
void log_set_own_threshold(int level);
void log_reset_own_threshold(void);
/* Moves the threshold into shared memory so that RPC can change it in all processes. */
void log_share(int *threshold);
/* Lines of all processes that were lost, because their reader was slow or the disk full. */
uint64_t log_lost(void);
/* Counts them in shared memory; before the first fork. */
void log_share_lost(uint64_t *cell);
/* Text put before every line (core parameter log_prefix): asked when a line is written, so that
 * lines that are off cost nothing. The result is borrowed until the next call; lines that `source`
 * itself writes have no prefix. NULL: none. */
void log_set_prefix_source(struct span (*source)(void));
/* "INFO", "ERROR" …; "?" for an unknown level. */
const char *log_level_name(int level);
/* The level for a name like "L_ERR", "ERROR", "dbg", "3"; false when there is none. */
bool log_level_from_name(struct span name, int *out_level);
/* Facility number of syslog.h for "LOG_LOCAL0" or "local0"; -1 when unknown. */
int log_facility_from_name(struct span name);
/* "DAEMON"; of the configured one when `facility` is negative. "?" for an unknown one. */
const char *log_facility_name(int facility);
