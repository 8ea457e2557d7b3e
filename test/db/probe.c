/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that uses a database as a worker does, driven by lines on its standard input:
 *
 *   run SQL              on a fiber; prints "STATUS ROWS MILLISECONDS"
 *   need TABLE VERSION   as modules do at start; prints "yes" or "no"
 *   set NAME VALUE       a setting of the driver
 *
 * The log goes to standard error. Used by test_outage.py. */
#include "test/db/open.h"

static struct {
	struct db *db;
	char *line;
	size_t room;
} probe;

static void run(const char *sql)
{
	struct arena arena;
	struct db_rows rows;
	unsigned count = 0;
	int64_t start = clock_us_now();
	arena_init(&arena, 4096, 1 << 20);
	struct db_spec spec = { .verb = DB_RAW, .sql = span_from(sql) };
	enum db_status status = db_run(db_prepare(probe.db, &arena, &spec), NULL, &rows);
	while (db_next(&rows))
		count++;
	if (status == DB_OK)
		status = db_end(&rows);
	printf("%s %u %lld\n", db_status_name(status), count,
	       (long long)(clock_us_now() - start) / 1000);
	arena_free(&arena);
}

static void need(char *arguments)
{
	char table[256] = "";
	int version = 0;
	sscanf(arguments, "%255s %d", table, &version);
	printf("%s\n", db_need_table(probe.db, "probe", span_from(table), version) ? "yes" : "no");
	db_close_idle();
}

static void set(const char *arguments)
{
	struct span name = span_from(arguments);
	size_t space = span_find(name, ' ', 0);
	const char *wrong = set_driver(db_driver_at(probe.db), span_slice(name, 0, space),
				       span_slice(name, space + 1, name.len));
	printf("%s\n", wrong ? wrong : "yes");
}

static void on_fiber(void *line)
{
	run(line);
	fflush(stdout);
}

static void on_input(int fd, unsigned events, void *owner)
{
	ssize_t len = getline(&probe.line, &probe.room, stdin);
	if (len <= 0) {
		loop_stop();
		return;
	}
	probe.line[len - 1] = '\0';
	if (strncmp(probe.line, "run ", 4) == 0)
		fiber_start(on_fiber, probe.line + 4);
	else if (strncmp(probe.line, "need ", 5) == 0)
		need(probe.line + 5);
	else if (strncmp(probe.line, "set ", 4) == 0)
		set(probe.line + 4);
	fflush(stdout);
}

int main(int count, char **arguments)
{
	probe.db = open_database(count, arguments);
	if (!probe.db || !loop_init())
		return 2;
	setvbuf(stdin, NULL, _IONBF, 0);
	if (!loop_watch(0, LOOP_READ, on_input, NULL))
		return 2;
	loop_run();
	return 0;
}
