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

static size_t size_of(const char *path)
{
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	return (size_t)status.st_size;
}

static void a_torn_tail_costs_only_itself(void **unused)
{
	char path[512];
	add("a", 1, 600);
	add("b", 1, 600);
	find_file("location.journal", path);
	size_t size = journal_bytes();
	for (size_t cut = 1; cut < 40; cut += 13) {
		close_all();
		assert_int_equal(truncate(path, (off_t)(size - cut)), 0);
		open_all(false, (size_t)64 << 20);
		assert_int_equal(count("a"), 1);
		assert_int_equal(count("b"), 0);
		find_file("location.journal.1", path);
	}
}

/* What is left of a server that was killed: the file as it is, with the room that it had reserved. */
static void copy_folder(char out[64])
{
	char command[256];
	snprintf(out, 64, "%.48s.copy", folder);
	snprintf(command, sizeof(command), "cp -r --sparse=always %s %s", folder, out);
	assert_int_equal(system(command), 0);
}

static void start_with(const char *other)
{
	char command[256];
	close_all();
	snprintf(command, sizeof(command), "rm -rf %s && mv %s %s", folder, other, folder);
	assert_int_equal(system(command), 0);
	open_all(false, (size_t)64 << 20);
}

/* A process was killed while it copied its record, others went on behind it. `kept`: bytes of it that are
 * in the file. */
static void check_hole(size_t kept)
{
	static const char zeros[4096];
	char path[512], copy[64];
	add("a", 1, 600);
	size_t begin = journal_bytes() + kept;
	add("half", 1, 600);
	size_t end = journal_bytes();
	add("c", 1, 600);
	find_file("location.journal", path);
	int fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, zeros, end - begin, (off_t)begin), (ssize_t)(end - begin));
	close(fd);
	copy_folder(copy);
	start_with(copy);
	assert_int_equal(count("a"), 1);
	assert_int_equal(count("half"), 0);
	assert_int_equal(count("c"), 1);
}

static void a_record_that_was_half_copied_costs_only_itself(void **unused)
{
	check_hole(100);
}

static void a_record_that_was_not_copied_costs_only_itself(void **unused)
{
	check_hole(0);
}

static void room_that_was_reserved_is_no_damage(void **unused)
{
	char path[512], copy[64];
	size_t at = JOURNAL_HEADER_BYTES, skipped = 0;
	struct journal_record record;
	add("a", 1, 600);
	find_file("location.journal", path);
	assert_int_equal(size_of(path), JOURNAL_PIECE);
	char *bytes = malloc(JOURNAL_PIECE);
	int fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, bytes, JOURNAL_PIECE), (ssize_t)JOURNAL_PIECE);
	close(fd);
	struct span all = span_make(bytes, JOURNAL_PIECE);
	assert_int_equal(journal_decode(all, &at, &record, &skipped), JOURNAL_RECORD);
	assert_int_equal(journal_decode(all, &at, &record, &skipped), JOURNAL_END);
	assert_int_equal(skipped, 0);
	free(bytes);
	copy_folder(copy);
	start_with(copy);
	assert_int_equal(count("a"), 1);
}

/* Journals of releases that wrote each record by itself end with it, as one does after a clean stop. */
static void a_journal_without_reserved_room_is_read(void **unused)
{
	char path[512];
	add("a", 1, 600);
	add("b", 1, 600);
	find_file("location.journal", path);
	size_t size = journal_bytes();
	close_all();
	assert_int_equal(size_of(path), size);
	open_all(false, (size_t)64 << 20);
	assert_int_equal(count("a") + count("b"), 2);
}

static void a_journal_grows_by_pieces_and_shrinks_at_the_stop(void **unused)
{
	char path[512];
	find_file("location.journal", path);
	assert_int_equal(size_of(path), JOURNAL_HEADER_BYTES);
	for (uint32_t i = 1; journal_bytes() < 3 * JOURNAL_PIECE + JOURNAL_PIECE / 2; i++) {
		add(i % 2 ? "a" : "b", i, 600);
		assert_true(size_of(path) >= journal_bytes());
		assert_true(size_of(path) < journal_bytes() + 2 * JOURNAL_PIECE);
	}
	assert_int_equal(size_of(path), 4 * JOURNAL_PIECE);
	close_all();
	assert_in_range(size_of(path), 3 * JOURNAL_PIECE + JOURNAL_PIECE / 2,
			4 * JOURNAL_PIECE - 1);
	open_all(false, (size_t)64 << 20);
	assert_int_equal(count("a") + count("b"), 2);
}

/* Each process maps the file for itself; a place belongs to one of them. */
static void processes_that_write_at_once_lose_nothing(void **unused)
{
	enum { PROCESSES = 4, EACH = 2000 };
	pid_t children[PROCESSES];
	char copy[64];
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		for (int n = 0; n < EACH; n++) {
			char bytes[1024];
			struct usrloc_contact contact =
				change("sip:a@10.0.0.1", "call", 1, 600).contact;
			char aor[32], ruid[32];
			snprintf(aor, sizeof(aor), "user%d-%d", i, n);
			snprintf(ruid, sizeof(ruid), "ruid%d-%d", i, n);
			contact.aor = span_from(aor);
			contact.ruid = span_from(ruid);
			contact.domain = location_domain_name(0);
			size_t size = journal_encode(
				&(struct journal_record){ .kind = JOURNAL_KEEP,
							  .generation = 1,
							  .contact = contact,
							  .expires_wall_ms = INT64_MAX },
				bytes, sizeof(bytes));
			if (!size || !journal_put(bytes, size))
				_exit(1);
		}
		/* As if it were killed: nothing is closed or flushed. */
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	copy_folder(copy);
	start_with(copy);
	assert_int_equal(shard_set_live(location_set()), PROCESSES * EACH);
}

static void damage_in_the_middle_costs_one_record(void **unused)
{
	char path[512];
	add("a", 1, 600);
	find_file("location.journal", path);
	int fd = open(path, O_RDWR);
	off_t at = (off_t)journal_bytes();
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
	for (uint32_t i = 1; i < 20000; i++) {
		add(i % 2 ? "a" : "b", i, 600);
		if (i % 1000 == 0)
			journal_keep_small();
	}
	find_file("location.journal", path);
	assert_true(size_of(path) < 400000 + JOURNAL_PIECE);
	find_file("location.snapshot", path);
	assert_true(size_of(path) < 2000);
	restart();
	assert_int_equal(count("a") + count("b"), 2);
}

static void a_late_record_from_before_the_snapshot_is_ignored(void **unused)
{
	char path[512];
	add("a", 1, 600);
	find_file("location.journal", path);
	size_t size = journal_bytes() - JOURNAL_HEADER_BYTES;
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
		CASE(a_record_that_was_half_copied_costs_only_itself),
		CASE(a_record_that_was_not_copied_costs_only_itself),
		CASE(room_that_was_reserved_is_no_damage),
		CASE(a_journal_without_reserved_room_is_read),
		CASE(a_journal_grows_by_pieces_and_shrinks_at_the_stop),
		CASE(processes_that_write_at_once_lose_nothing),
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
