/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots: the whole table in one file, so that journals before it can go. Changes go on meanwhile
 * into the next journal; a few hundred bindings at a time are copied under a shard's lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "modules/usrloc/journal_files.h"
#include "modules/usrloc/location.h"

#define CHUNK_BYTES    ((size_t)1 << 20)
#define CHUNK_BINDINGS 256
/* Between attempts that fail. */
#define RETRY_MS 2000

struct snapshot {
	int fd;
	char *bytes; /* CHUNK_BYTES */
	size_t len;
	uint64_t total, count;
	uint64_t generation;
};

/* The next bindings of a shard into the chunk; false when the shard has no more. */
static bool copy_some(struct snapshot *snapshot, unsigned number, uint32_t *cursor)
{
	struct shard *shard = shard_lock_number(location_set(), number);
	struct binding *binding = NULL;
	for (unsigned i = 0; i < CHUNK_BINDINGS; i++) {
		/* There is always room for the largest record. */
		if (CHUNK_BYTES - snapshot->len < JOURNAL_RECORD_MOST ||
		    !(binding = slot_each(shard, cursor)))
			break;
		struct journal_record record;
		if (binding->state != BINDING_GONE && binding_is_over(binding))
			continue;
		journal_describe(binding, &record);
		record.generation = snapshot->generation;
		snapshot->len += journal_encode(&record, snapshot->bytes + snapshot->len,
						CHUNK_BYTES - snapshot->len);
		snapshot->count++;
	}
	shard_unlock(shard);
	return binding != NULL || CHUNK_BYTES - snapshot->len < JOURNAL_RECORD_MOST;
}

static bool write_all(struct snapshot *snapshot)
{
	for (unsigned number = 0; number < location_shard_count(); number++) {
		uint32_t cursor = 0;
		bool has_more = true;
		while (has_more) {
			has_more = copy_some(snapshot, number, &cursor);
			if (!journal_write(snapshot->fd, snapshot->bytes, snapshot->len))
				return false;
			snapshot->total += snapshot->len;
			snapshot->len = 0;
		}
	}
	return fdatasync(snapshot->fd) == 0;
}

/* Writes the snapshot beside and puts it in place when it is whole. */
static bool write_snapshot(uint64_t generation)
{
	char path[PATH_MAX], new_path[PATH_MAX];
	struct snapshot snapshot = { .generation = generation, .bytes = malloc(CHUNK_BYTES) };
	journal_path(path, "snapshot", generation, "");
	journal_path(new_path, "snapshot", generation, ".new");
	snapshot.fd = snapshot.bytes ? journal_create(new_path, generation) : -1;
	bool is_written = snapshot.fd >= 0 && write_all(&snapshot);
	if (snapshot.fd >= 0 && !is_written)
		journal_fail("writing", new_path, errno);
	if (snapshot.fd >= 0)
		close(snapshot.fd);
	free(snapshot.bytes);
	if (is_written && rename(new_path, path) < 0) {
		journal_fail("renaming", new_path, errno);
		is_written = false;
	}
	if (!is_written) {
		unlink(new_path);
		return false;
	}
	journal_shared()->snapshot_bytes = snapshot.total;
	journal_shared()->snapshot = generation;
	log_debug("snapshot %llu of %llu bindings", (unsigned long long)generation,
		  (unsigned long long)snapshot.count);
	return true;
}

static bool is_time(const struct journal_shared *shared)
{
	uint64_t limit = shared->snapshot_bytes * 2;
	if (limit < (uint64_t)journal_options()->compact_bytes)
		limit = (uint64_t)journal_options()->compact_bytes;
	return shared->is_behind || shared->snapshot == 0 || journal_bytes() > limit;
}

/* A journal into which nothing was written yet is as good as a new one. */
static bool begin_next(struct journal_shared *shared, uint64_t *out_generation)
{
	bool is_empty = shared->generation && journal_bytes() == JOURNAL_HEADER_BYTES;
	*out_generation = shared->generation + !is_empty;
	return is_empty || journal_begin(*out_generation);
}

void journal_keep_small(void)
{
	static int64_t again_ms;
	struct journal_shared *shared = journal_shared();
	uint64_t generation;
	if (!journal_is_on() || !is_time(shared) || clock_ms() < again_ms)
		return;
	again_ms = clock_ms() + RETRY_MS;
	if (!begin_next(shared, &generation))
		return;
	/* From here on changes are noted again, and what was missed is in the snapshot. */
	shared->is_dropping = false;
	if (!write_snapshot(generation))
		return;
	journal_delete_before(generation);
	again_ms = 0;
	if (shared->is_behind && !shared->is_dropping) {
		shared->is_behind = false;
		log_notice("the journal of bindings is written again; nothing is missing in it");
	}
}
