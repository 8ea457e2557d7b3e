/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal: what was answered is there after a restart, whatever happened to the files. */
#include "usrloc_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modules/usrloc/journal_files.h"

static char folder[64];

static void open_all(bool keeps_rows, size_t bytes)
{
	store_open(&(struct location_options){ .cseq_delay_s = 20, .keeps_rows = keeps_rows },
		   bytes);
	assert_true(journal_prepare(&(struct journal_options){
		.folder = span_from(folder), .compact_bytes = 1 << 16, .keeps_rows = keeps_rows }));
	journal_restore();
}

static void close_all(void)
{
	journal_finish();
	store_close();
}

static void restart(void)
{
	close_all();
	open_all(false, (size_t)64 << 20);
}

static int begin(void **unused)
{
	snprintf(folder, sizeof(folder), "/tmp/viaduct-journal-XXXXXX");
	assert_non_null(mkdtemp(folder));
	open_all(false, (size_t)64 << 20);
	return 0;
}

static int end(void **unused)
{
	char command[128];
	close_all();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void add(const char *aor, uint32_t cseq, int64_t expires_s)
{
	struct usrloc_change one = change("sip:a@10.0.0.1;transport=udp", "call", cseq, expires_s);
	assert_int_equal(apply(aor, &one), USRLOC_OK);
}

static unsigned count(const char *aor)
{
	struct usrloc_contact *found;
	return get(aor, &found);
}

/* The only file whose name begins so. */
static void find_file(const char *prefix, char out[512])
{
	DIR *entries = opendir(folder);
	struct dirent *entry;
	unsigned found = 0;
	while ((entry = readdir(entries)))
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
			snprintf(out, 512, "%s/%s", folder, entry->d_name);
			found++;
		}
	closedir(entries);
	assert_int_equal(found, 1);
}

/* ---- what comes back ---- */

static void a_binding_comes_back_whole(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@10.0.0.1", "call", 7, 600);
	struct usrloc_contact *c = &one.contact;
	c->received = SPAN_OF("sip:192.0.2.7:1024");
	c->path = SPAN_OF("<sip:p1;lr>");
	c->instance = SPAN_OF("<urn:uuid:1>");
	c->attributes = SPAN_OF("x");
	c->reg_id = 3;
	c->q = 500;
	c->cflags = 5;
	c->methods = 31;
	assert_int_equal(apply("a", &one), USRLOC_OK);
	restart();
	assert_int_equal(get("a", &found), 1);
	assert_true(span_equal(found->contact, c->contact) &&
		    span_equal(found->received, c->received));
	assert_true(span_equal(found->path, c->path) && span_equal(found->instance, c->instance));
	assert_true(span_equal(found->attributes, c->attributes) &&
		    span_equal(found->call_id, c->call_id));
	assert_true(span_equal(found->user_agent, c->user_agent));
	assert_true(found->reg_id == 3 && found->q == 500 && found->cflags == 5 &&
		    found->methods == 31);
	assert_true(found->expires_s > 590 && found->expires_s <= 600 && found->cseq == 7);
	/* The rule of increasing CSeq holds across the restart. */
	c->cseq = 6;
	assert_int_equal(apply("a", &one), USRLOC_BAD_CSEQ);
}

static void what_was_removed_or_expired_stays_away(void **unused)
{
	add("removed", 1, 600);
	add("removed", 2, 0);
	add("expired", 1, 60);
	add("forever", 1, USRLOC_PERMANENT);
	add("dropped", 1, 600);
	location_remove(0, SPAN_OF("dropped"), (struct span){ NULL, 0 });
	clock_advance(61000);
	restart();
	assert_int_equal(count("removed"), 0);
	assert_int_equal(count("expired"), 0);
	assert_int_equal(count("dropped"), 0);
	assert_int_equal(count("forever"), 1);
}

static void the_newest_version_counts_after_many_restarts(void **unused)
{
	struct usrloc_contact *found;
	for (uint32_t i = 1; i <= 5; i++) {
		add("a", i, 600 + i);
		restart();
		if (i % 2)
			journal_keep_small();
	}
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found->cseq, 5);
	assert_int_equal(found->version, 5);
}

static void removed_rows_are_remembered_for_the_database(void **unused)
{
	close_all();
	open_all(true, (size_t)64 << 20);
	struct usrloc_contact old = change("sip:a@1", "c", 1, 600).contact;
	old.aor = SPAN_OF("a");
	old.ruid = SPAN_OF("uloc-1");
	assert_true(location_restore(0, &old, BINDING_SYNC));
	assert_int_equal(location_remove(0, SPAN_OF("a"), (struct span){ NULL, 0 }), 1);
	for (int i = 0; i < 2; i++) {
		close_all();
		open_all(true, (size_t)64 << 20);
		assert_int_equal(count("a"), 0);
		assert_int_equal(shard_set_live(location_set()), 1);
		/* Also when a snapshot has replaced the journal. */
		journal_keep_small();
	}
}

/* ---- damage ---- */

static void a_torn_tail_costs_only_itself(void **unused)
{
	char path[512];
	struct stat status;
	add("a", 1, 600);
	add("b", 1, 600);
	find_file("location.journal", path);
	assert_int_equal(stat(path, &status), 0);
	for (off_t cut = 1; cut < 40; cut += 13) {
		close_all();
		assert_int_equal(truncate(path, status.st_size - cut), 0);
		open_all(false, (size_t)64 << 20);
		assert_int_equal(count("a"), 1);
		assert_int_equal(count("b"), 0);
		find_file("location.journal.1", path);
	}
}

static void damage_in_the_middle_costs_one_record(void **unused)
{
	char path[512];
	add("a", 1, 600);
	find_file("location.journal", path);
	int fd = open(path, O_RDWR);
	off_t at = lseek(fd, 0, SEEK_END);
	add("b", 1, 600);
	add("c", 1, 600);
	assert_int_equal(pwrite(fd, "LLLLLLLLLLLL", 12, at + 20), 12);
	close(fd);
	restart();
	assert_int_equal(count("a") + count("b") + count("c"), 2);
	assert_int_equal(count("b"), 0);
}

static void files_of_others_are_left_alone(void **unused)
{
	char path[512];
	close_all();
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/location.journal.%u", folder, 7 + i);
		FILE *file = fopen(path, "w");
		fputs(i ? "" : "something else entirely, longer than any header of ours", file);
		fclose(file);
	}
	open_all(false, (size_t)64 << 20);
	add("a", 1, 600);
	restart();
	assert_int_equal(count("a"), 1);
}

static void a_folder_serves_one_server_only(void **unused)
{
	/* A second server is another process. */
	pid_t child = fork();
	if (child == 0) {
		struct journal_options options = { .folder = span_from(folder) };
		log_configure(&(struct log_options){ .to_stderr = false });
		_exit(journal_prepare(&options) ? 1 : 0);
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- size and disk ---- */

static void snapshots_keep_the_journal_small(void **unused)
{
	char path[512];
	struct stat status;
	for (uint32_t i = 1; i < 20000; i++) {
		add(i % 2 ? "a" : "b", i, 600);
		if (i % 1000 == 0)
			journal_keep_small();
	}
	find_file("location.journal", path);
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_size < 400000);
	find_file("location.snapshot", path);
	assert_int_equal(stat(path, &status), 0);
	assert_true(status.st_size < 2000);
	restart();
	assert_int_equal(count("a") + count("b"), 2);
}

static void a_late_record_from_before_the_snapshot_is_ignored(void **unused)
{
	char path[512];
	struct stat status;
	add("a", 1, 600);
	find_file("location.journal", path);
	assert_int_equal(stat(path, &status), 0);
	size_t size = (size_t)status.st_size - JOURNAL_HEADER_BYTES;
	char *record = malloc(size);
	int fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, record, size, JOURNAL_HEADER_BYTES), (ssize_t)size);
	close(fd);
	add("a", 2, 0);
	journal_keep_small();
	/* Some process wrote what it had noted before. */
	find_file("location.journal", path);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, record, size), (ssize_t)size);
	close(fd);
	free(record);
	restart();
	assert_int_equal(count("a"), 0);
}

static void a_full_disk_is_survived_and_made_good(void **unused)
{
	struct rlimit old, tight = { 4096, RLIM_INFINITY };
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	tight.rlim_max = old.rlim_max;
	log_configure(&(struct log_options){ .to_stderr = false });
	setrlimit(RLIMIT_FSIZE, &tight);
	for (unsigned i = 0; i < 100; i++) {
		char aor[16];
		snprintf(aor, sizeof(aor), "user%u", i);
		add(aor, 1, 600);
	}
	assert_true(journal_shared()->is_behind);
	journal_keep_small();
	assert_true(journal_shared()->is_behind);
	/* Bindings are served meanwhile. */
	assert_int_equal(count("user99"), 1);
	setrlimit(RLIMIT_FSIZE, &old);
	clock_advance(10000);
	journal_keep_small();
	assert_false(journal_shared()->is_behind);
	add("late", 1, 600);
	restart();
	for (unsigned i = 0; i < 100; i++) {
		char aor[16];
		snprintf(aor, sizeof(aor), "user%u", i);
		assert_int_equal(count(aor), 1);
	}
	assert_int_equal(count("late"), 1);
}

static void a_hundred_thousand_bindings_come_back_in_a_second(void **unused)
{
	for (unsigned i = 0; i < 100000; i++) {
		char aor[16];
		snprintf(aor, sizeof(aor), "user%u", i);
		add(aor, 1, 600);
	}
	close_all();
	int64_t began = cpu_us();
	open_all(false, (size_t)64 << 20);
	int64_t taken_ms = (cpu_us() - began) / 1000;
	print_message("100000 bindings in %lld ms\n", (long long)taken_ms);
	assert_int_equal(shard_set_live(location_set()), 100000);
	assert_true(taken_ms < 1000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_binding_comes_back_whole),
		CASE(what_was_removed_or_expired_stays_away),
		CASE(the_newest_version_counts_after_many_restarts),
		CASE(removed_rows_are_remembered_for_the_database),
		CASE(a_torn_tail_costs_only_itself),
		CASE(damage_in_the_middle_costs_one_record),
		CASE(files_of_others_are_left_alone),
		CASE(a_folder_serves_one_server_only),
		CASE(snapshots_keep_the_journal_small),
		CASE(a_late_record_from_before_the_snapshot_is_ignored),
		CASE(a_full_disk_is_survived_and_made_good),
		CASE(a_hundred_thousand_bindings_come_back_in_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
