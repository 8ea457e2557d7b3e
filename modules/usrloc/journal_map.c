/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of the journal in memory: a piece of it is reserved on the disk and mapped by each process
 * that writes, so that a record costs a copy and no system call. The pages belong to the file: they
 * outlive their process just as what write() took does. Room is reserved before it is touched, so a full
 * disk is an error here and no signal later; behind the last record there are zeros. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "modules/usrloc/journal_files.h"

/* A place is where the next record goes: the low bits of its journal's generation above the offset, so
 * that one addition reserves both. */
#define OFFSET_BITS 40
#define OFFSET_MASK (((uint64_t)1 << OFFSET_BITS) - 1)
#define TAG_MASK    (((uint64_t)1 << (64 - OFFSET_BITS)) - 1)

static struct {
	int fd;
	uint64_t generation;
	bool cannot_reserve; /* the file system does not know how */
	char *window;        /* mapped; NULL: nothing is */
	uint64_t window_at;
	size_t window_len;
} file = { .fd = -1 };

uint64_t journal_bytes(void)
{
	return journal_shared()->place & OFFSET_MASK;
}

void journal_move_to(uint64_t generation)
{
	struct journal_shared *shared = journal_shared();
	/* In this order: who has a place finds a generation that is not older. */
	shared->generation = generation;
	shared->place = (generation & TAG_MASK) << OFFSET_BITS | JOURNAL_HEADER_BYTES;
}

static uint64_t generation_of(uint64_t place)
{
	uint64_t newest = journal_shared()->generation;
	return newest - ((newest - (place >> OFFSET_BITS)) & TAG_MASK);
}

static void unmap(void)
{
	if (file.window)
		munmap(file.window, file.window_len);
	file.window = NULL;
	file.window_len = 0;
}

void journal_unmap(void)
{
	unmap();
	if (file.fd >= 0)
		close(file.fd);
	file.fd = -1;
}

static bool open_file(uint64_t generation)
{
	char path[PATH_MAX];
	if (file.fd >= 0 && file.generation == generation)
		return true;
	journal_unmap();
	journal_path(path, "journal", generation, "");
	file.fd = open(path, O_RDWR | O_CLOEXEC);
	file.generation = generation;
	file.cannot_reserve = false;
	return file.fd >= 0;
}

/* Maps the pieces in which `len` bytes at `at` lie; false when they cannot be reserved. */
static bool map_pieces(uint64_t at, size_t len)
{
	uint64_t begin = at - at % JOURNAL_PIECE;
	size_t size = (at + len - begin + JOURNAL_PIECE - 1) / JOURNAL_PIECE * JOURNAL_PIECE;
	int wrong;
	unmap();
	if (file.cannot_reserve)
		return false;
	while ((wrong = fallocate(file.fd, 0, (off_t)begin, (off_t)size)) < 0 && errno == EINTR)
		;
	file.cannot_reserve = wrong && errno == EOPNOTSUPP;
	void *window =
		wrong ? MAP_FAILED
		      : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, (off_t)begin);
	if (window == MAP_FAILED)
		return false;
	file.window = window;
	file.window_at = begin;
	file.window_len = size;
	return true;
}

static bool is_mapped(uint64_t at, size_t len)
{
	return file.window && at >= file.window_at && at + len <= file.window_at + file.window_len;
}

/* Where nothing can be reserved there may be room for these bytes. */
static bool write_at(uint64_t at, const char *bytes, size_t len)
{
	while (len) {
		ssize_t written = pwrite(file.fd, bytes, len, (off_t)at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		at += (uint64_t)written;
		len -= (size_t)written;
	}
	return true;
}

bool journal_put(const char *bytes, size_t len)
{
	struct journal_shared *shared = journal_shared();
	uint64_t place = atomic_fetch_add(&shared->place, len);
	uint64_t generation = generation_of(place), at = place & OFFSET_MASK;
	/* A journal that is gone was replaced by a snapshot with what these bytes say. */
	if (!open_file(generation))
		return errno == ENOENT && shared->generation != generation;
	if (!is_mapped(at, len) && !map_pieces(at, len))
		return write_at(at, bytes, len);
	memcpy(file.window + (at - file.window_at), bytes, len);
	return true;
}

void journal_trim(void)
{
	char path[PATH_MAX];
	journal_path(path, "journal", journal_shared()->generation, "");
	/* What stays longer than its records is read all the same. */
	if (truncate(path, (off_t)journal_bytes()) < 0)
		log_debug("the journal %s is not shortened: %m", path);
}
