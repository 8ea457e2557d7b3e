/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the journal at start: all files are mapped, the newest record of each binding is found by
 * its ruid, and what has not expired is put back. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "modules/usrloc/journal_files.h"
#include "modules/usrloc/location.h"

#define FILES_MOST 256
#define PROGRESS   100000

/* The newest record of a ruid. */
struct place {
	uint64_t hash; /* of the ruid, never 0; 0: free */
	size_t at;
	uint32_t file;
	uint32_t version;
};

struct restore {
	uint64_t first;             /* generation of the newest snapshot */
	uint64_t last;              /* newest of all files */
	uint64_t files[FILES_MOST]; /* generations of journals from `first` on */
	unsigned file_count;
	struct span bytes[FILES_MOST + 1]; /* mapped: the snapshot, then the journals */
	unsigned mapped;
	struct place *places;
	size_t room, used;
	uint64_t records;
	size_t skipped;
};

/* ---- files ---- */

static void note_file(const char *kind, uint64_t generation, void *arg)
{
	struct restore *restore = arg;
	if (generation > restore->last)
		restore->last = generation;
	if (kind[0] == 's' && generation > restore->first)
		restore->first = generation;
}

static void note_journal(const char *kind, uint64_t generation, void *arg)
{
	struct restore *restore = arg;
	if (kind[0] == 'j' && generation >= restore->first && restore->file_count < FILES_MOST)
		restore->files[restore->file_count++] = generation;
}

static void map_file(struct restore *restore, const char *kind, uint64_t number)
{
	char path[PATH_MAX];
	const char *error = NULL;
	uint64_t generation;
	struct stat status;
	journal_path(path, kind, number, "");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_open = fd >= 0 && fstat(fd, &status) == 0;
	bool is_empty = is_open && status.st_size == 0; /* nothing came after its creation */
	void *at = is_open && !is_empty
			   ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
			   : MAP_FAILED;
	if (fd >= 0)
		close(fd);
	if (is_empty)
		return;
	if (at == MAP_FAILED) {
		log_error("the journal %s cannot be read: %m", path);
		return;
	}
	struct span bytes = span_make(at, (size_t)status.st_size);
	if (!journal_header_read(bytes, &generation, &error)) {
		log_error("the journal %s is not used: %s", path, error);
		munmap(at, (size_t)status.st_size);
		return;
	}
	restore->bytes[restore->mapped++] = bytes;
}

/* ---- the newest record of each ruid ---- */

static bool grow(struct restore *restore)
{
	size_t room = restore->room ? restore->room * 2 : 1 << 16;
	struct place *places = calloc(room, sizeof(*places));
	if (!places)
		return false;
	for (size_t i = 0; i < restore->room; i++) {
		size_t to = restore->places[i].hash & (room - 1);
		if (!restore->places[i].hash)
			continue;
		while (places[to].hash)
			to = (to + 1) & (room - 1);
		places[to] = restore->places[i];
	}
	free(restore->places);
	restore->places = places;
	restore->room = room;
	return true;
}

static bool note_record(struct restore *restore, const struct journal_record *record, uint32_t file)
{
	if (restore->used * 2 >= restore->room && !grow(restore))
		return false;
	uint64_t hash =
		hash_mix(hash_span(record->contact.ruid), hash_span(record->contact.domain)) | 1;
	size_t i = hash & (restore->room - 1);
	while (restore->places[i].hash && restore->places[i].hash != hash)
		i = (i + 1) & (restore->room - 1);
	struct place *place = &restore->places[i];
	if (place->hash && place->version > record->contact.version)
		return true;
	restore->used += !place->hash;
	*place = (struct place){
		.hash = hash, .at = record->at, .file = file, .version = record->contact.version
	};
	return true;
}

static bool read_file(struct restore *restore, uint32_t file)
{
	struct journal_record record;
	size_t at = JOURNAL_HEADER_BYTES;
	while (journal_decode(restore->bytes[file], &at, &record, &restore->skipped) ==
	       JOURNAL_RECORD) {
		/* Older changes are in the snapshot already. */
		if (record.generation >= restore->first && !note_record(restore, &record, file))
			return false;
		restore->records++;
	}
	return true;
}

/* ---- putting back ---- */

static bool put_back(const struct journal_record *record)
{
	struct usrloc_contact contact = record->contact;
	struct end_point local;
	int64_t left_ms = record->expires_wall_ms - clock_wall_s() * 1000;
	bool is_gone = record->kind == JOURNAL_FORGET;
	unsigned domain = location_domain(contact.domain);
	if (domain == USRLOC_NO_DOMAIN || !contact.aor.len || !contact.ruid.len)
		return false;
	if (is_gone ? !journal_options()->keeps_rows : left_ms <= 0)
		return false;
	contact.expires_s =
		record->expires_wall_ms == INT64_MAX ? USRLOC_PERMANENT : (left_ms + 999) / 1000;
	if (record->socket.len && end_point_parse(record->socket, &local))
		contact.socket = listener_find(&local);
	return location_restore(domain, &contact, is_gone ? BINDING_GONE : BINDING_NEW) && !is_gone;
}

static uint64_t put_all(struct restore *restore)
{
	uint64_t count = 0;
	for (size_t i = 0; i < restore->room; i++) {
		const struct place *place = &restore->places[i];
		struct journal_record record;
		size_t at = place->at, skipped = 0;
		if (!place->hash || journal_decode(restore->bytes[place->file], &at, &record,
						   &skipped) != JOURNAL_RECORD)
			continue;
		count += put_back(&record);
		if (count && count % PROGRESS == 0)
			log_notice("%llu bindings restored so far", (unsigned long long)count);
	}
	return count;
}

static void read_all(struct restore *restore)
{
	int64_t began_us = clock_us_now();
	for (uint32_t file = 0; file < restore->mapped; file++)
		if (!read_file(restore, file)) {
			log_error("no memory to read the journal of bindings");
			break;
		}
	uint64_t count = put_all(restore);
	if (restore->skipped)
		log_warning("the journal of bindings has %zu damaged bytes, which were skipped",
			    restore->skipped);
	log_notice("%llu bindings restored from %.*s in %.3f s (%llu records)",
		   (unsigned long long)count, SPAN_ARGS(journal_options()->folder),
		   (double)(clock_us_now() - began_us) / 1e6, (unsigned long long)restore->records);
}

static int compare_numbers(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

void journal_restore(void)
{
	struct restore restore = { 0 };
	if (!journal_is_on())
		return;
	journal_each_file(note_file, &restore);
	journal_each_file(note_journal, &restore);
	qsort(restore.files, restore.file_count, sizeof(restore.files[0]), compare_numbers);
	if (restore.first)
		map_file(&restore, "snapshot", restore.first);
	for (unsigned i = 0; i < restore.file_count; i++)
		map_file(&restore, "journal", restore.files[i]);
	if (restore.mapped)
		read_all(&restore);
	for (unsigned i = 0; i < restore.mapped; i++)
		munmap((void *)(uintptr_t)restore.bytes[i].at, restore.bytes[i].len);
	free(restore.places);
	journal_shared()->generation = restore.last;
	/* The files that were read stay until the keeper has written a snapshot of this run. */
	journal_begin(restore.last + 1);
}
