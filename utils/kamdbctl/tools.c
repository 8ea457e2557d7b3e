/* SPDX-License-Identifier: BSD-2-Clause */
/* Running the dump programs of database servers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "utils/control/output.h"
#include "utils/kamdbctl/engine.h"

/* Starts a program; `input` and `output` are descriptors, -1 for what this process has. */
static pid_t start(const char *const *arguments, int input, int output, const char *variable,
		   const char *value)
{
	fflush(stdout);
	pid_t child = fork();
	if (child != 0)
		return child;
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	if (output >= 0)
		dup2(output, STDOUT_FILENO);
	if (*value)
		setenv(variable, value, 1);
	execvp(arguments[0], (char *const *)arguments);
	fprintf(stderr, "** ERROR: cannot run %s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

static bool has_ended_well(pid_t child)
{
	int status = 0;
	while (child > 0 && waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		say_error("cannot open %s: %s", name, strerror(errno));
	return fd;
}

bool run_tool(const char *const *arguments, const char *input, const char *output,
	      const char *variable, const char *value)
{
	int in = input ? open_file(input, O_RDONLY) : -1;
	int out = output ? open_file(output, O_WRONLY | O_CREAT | O_TRUNC) : -1;
	bool is_open = (!input || in >= 0) && (!output || out >= 0);
	bool is_done = is_open && has_ended_well(start(arguments, in, out, variable, value));
	if (is_open && !is_done)
		say_error("%s failed", arguments[0]);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return is_done;
}

bool run_pipe(const char *const *from, const char *const *to, const char *variable,
	      const char *value)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		say_error("cannot make a pipe: %s", strerror(errno));
		return false;
	}
	pid_t writer = start(from, -1, ends[1], variable, value);
	pid_t reader = start(to, ends[0], -1, variable, value);
	close(ends[0]);
	close(ends[1]);
	bool is_written = has_ended_well(writer), is_read = has_ended_well(reader);
	if (!is_written || !is_read)
		say_error("%s failed", is_written ? to[0] : from[0]);
	return is_written && is_read;
}

bool run_quoted(struct db *db, const char *sql, unsigned count, const struct db_value *values)
{
	const struct db_value *row = NULL;
	char buffer[32];
	enum db_status status =
		db_first(database_sql(db, span_from(sql), count), values, tool_arena(), &row);
	if (status != DB_OK || !row) {
		say_error("the database refused: %s", db_last_error(db));
		return false;
	}
	struct span statement = arena_copy(tool_arena(), db_as_text(row, buffer));
	return database_execute(
		db, database_prepare(db, &(struct db_spec){ .verb = DB_RAW, .sql = statement }),
		NULL, NULL);
}

bool find_row(struct db *db, const char *sql, struct db_value value, bool *out_found)
{
	const struct db_value *row = NULL;
	enum db_status status =
		db_first(database_sql(db, span_from(sql), 1), &value, tool_arena(), &row);
	if (status != DB_OK)
		say_error("%s", db_last_error(db));
	*out_found = row != NULL;
	return status == DB_OK;
}
