/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing the journal. A change is encoded into its process's buffer under the shard's lock, and the
 * buffer is copied into the file before the answer leaves. Buffers are shared memory: what a killed
 * process had not written is written by its successor. */
#include "modules/usrloc/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "modules/usrloc/journal_files.h"
#include "modules/usrloc/location.h"

#define BUFFER_BYTES ((size_t)256 << 10)
/* More than this waits: it is written before the next change. */
#define BUFFER_FULL (BUFFER_BYTES / 2)
#define BUFFERS     64

struct buffer {
	_Atomic size_t len; /* whole records only: stored after each */
	char bytes[BUFFER_BYTES];
};

static struct {
	struct journal_options options;
	struct journal_shared *shared;
	struct buffer *buffers;
	int lock_fd;
	bool is_worker; /* flushed before bytes leave */
} state = { .lock_fd = -1 };

bool journal_is_on(void)
{
	return state.shared != NULL;
}

struct journal_shared *journal_shared(void)
{
	return state.shared;
}

const struct journal_options *journal_options(void)
{
	return &state.options;
}

/* ---- files ---- */

void journal_path(char out[PATH_MAX], const char *kind, uint64_t generation, const char *suffix)
{
	snprintf(out, PATH_MAX, "%.*s/location.%s.%llu%s", SPAN_ARGS(state.options.folder), kind,
		 (unsigned long long)generation, suffix);
}

void journal_fail(const char *what, const char *path, int error)
{
	if (!state.shared->is_behind) {
		errno = error;
		log_error(
			"the journal of bindings cannot be written: %s %s: %m; bindings are kept in memory "
			"and are written again as soon as it works",
			what, path);
	}
	state.shared->is_behind = true;
	state.shared->is_dropping = true;
}

bool journal_write(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t written = write(fd, bytes, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		len -= (size_t)written;
	}
	return true;
}

int journal_create(const char *path, uint64_t generation)
{
	char header[JOURNAL_HEADER_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0) {
		journal_fail("making", path, errno);
		return -1;
	}
	journal_header_write(generation, header);
	if (journal_write(fd, header, sizeof(header)))
		return fd;
	journal_fail("writing", path, errno);
	close(fd);
	unlink(path);
	return -1;
}

bool journal_begin(uint64_t generation)
{
	char path[PATH_MAX];
	journal_path(path, "journal", generation, "");
	int fd = journal_create(path, generation);
	if (fd < 0)
		return false;
	close(fd);
	journal_move_to(generation);
	return true;
}

void journal_each_file(void (*visit)(const char *kind, uint64_t generation, void *arg), void *arg)
{
	static const char *const kinds[] = { "journal", "snapshot" };
	char folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%.*s", SPAN_ARGS(state.options.folder));
	DIR *entries = opendir(folder);
	struct dirent *entry;
	while (entries && (entry = readdir(entries)))
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			char prefix[32];
			int64_t generation;
			int len = snprintf(prefix, sizeof(prefix), "location.%s.", kinds[i]);
			struct span name = span_from(entry->d_name);
			if (span_starts_with(name, span_make(prefix, (size_t)len)) &&
			    span_to_int64(span_slice(name, (size_t)len, name.len), &generation) &&
			    generation > 0)
				visit(kinds[i], (uint64_t)generation, arg);
		}
	if (entries)
		closedir(entries);
}

static void delete_old(const char *kind, uint64_t generation, void *arg)
{
	char path[PATH_MAX];
	if (generation >= *(uint64_t *)arg)
		return;
	journal_path(path, kind, generation, "");
	unlink(path);
}

void journal_delete_before(uint64_t generation)
{
	journal_each_file(delete_old, &generation);
}

/* ---- start ---- */

/* Two servers must not write the same files. The lock goes with the last process that has it. */
static bool take_lock(void)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%.*s/location.lock", SPAN_ARGS(state.options.folder));
	state.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (state.lock_fd < 0) {
		log_error(
			"usrloc: the journal needs a folder that can be written: %s: %m; set journal_dir or run_dir",
			path);
		return false;
	}
	if (flock(state.lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	log_error(
		"usrloc: another server uses the journal of this folder (%s); give each its own journal_dir",
		path);
	close(state.lock_fd);
	state.lock_fd = -1;
	return false;
}

static void *map_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

bool journal_prepare(const struct journal_options *options)
{
	state.options = *options;
	if (!take_lock())
		return false;
	state.buffers = map_shared(BUFFERS * sizeof(struct buffer));
	state.shared = map_shared(sizeof(*state.shared));
	if (state.buffers && state.shared)
		return true;
	state.shared = NULL;
	log_error("usrloc: no memory for the journal: %m");
	return false;
}

void journal_finish(void)
{
	if (!journal_is_on())
		return;
	journal_flush();
	journal_unmap();
	journal_trim();
	munmap(state.buffers, BUFFERS * sizeof(struct buffer));
	munmap(state.shared, sizeof(*state.shared));
	close(state.lock_fd);
	state.shared = NULL;
	state.lock_fd = -1;
}

void journal_start_worker(void)
{
	if (!journal_is_on())
		return;
	/* A file that may not grow is an error like a full disk, not the end of the process. */
	signal(SIGXFSZ, SIG_IGN);
	/* What the predecessor had not written. */
	journal_flush();
	state.is_worker = worker_index() >= 0;
	if (state.is_worker)
		send_set_before(journal_flush);
}

/* ---- changes ---- */

static struct buffer *own_buffer(void)
{
	return &state.buffers[process_index() % BUFFERS];
}

static struct span socket_text(const struct binding *binding)
{
	return binding->socket < listener_count() ? listener_at(binding->socket)->text
						  : (struct span){ NULL, 0 };
}

void journal_describe(const struct binding *binding, struct journal_record *out)
{
	bool is_gone = binding->state == BINDING_GONE;
	*out = (struct journal_record){ .kind = is_gone ? JOURNAL_FORGET : JOURNAL_KEEP,
					.generation = state.shared->generation,
					.socket = socket_text(binding) };
	out->expires_wall_ms = binding->expires_ms == INT64_MAX
				       ? INT64_MAX
				       : binding->expires_ms - clock_ms() + clock_wall_s() * 1000;
	out->contact =
		(struct usrloc_contact){ .aor = binding_text(binding, TEXT_AOR),
					 .contact = binding_text(binding, TEXT_CONTACT),
					 .received = binding_text(binding, TEXT_RECEIVED),
					 .path = binding_text(binding, TEXT_PATH),
					 .call_id = binding_text(binding, TEXT_CALL_ID),
					 .user_agent = binding_user_agent(binding),
					 .instance = binding_text(binding, TEXT_INSTANCE),
					 .ruid = binding_text(binding, TEXT_RUID),
					 .attributes = binding_text(binding, TEXT_ATTRIBUTES),
					 .domain = location_domain_name(binding->domain),
					 .modified_wall_s = binding->modified_s,
					 .version = binding->version,
					 .cseq = binding->cseq,
					 .flags = binding->flags,
					 .cflags = binding->cflags,
					 .methods = binding->methods,
					 .reg_id = binding->reg_id,
					 .server_id = binding->server_id,
					 .q = binding->q,
					 .memory_only = binding->memory_only };
}

static void append(const struct journal_record *record)
{
	struct buffer *buffer = own_buffer();
	size_t len = buffer->len;
	if (state.shared->is_dropping)
		return; /* the snapshot that ends this will contain it */
	size_t size = journal_encode(record, buffer->bytes + len, BUFFER_BYTES - len);
	if (size)
		buffer->len = len + size;
	else
		state.shared->is_behind = true;
}

void journal_keep(const struct binding *binding)
{
	struct journal_record record;
	if (!journal_is_on())
		return;
	journal_describe(binding, &record);
	append(&record);
}

/* Only what names the binding, its version being one that nobody has had. */
void journal_forget(const struct binding *binding)
{
	if (!journal_is_on())
		return;
	struct journal_record record = { .kind = JOURNAL_FORGET,
					 .generation = state.shared->generation,
					 .contact = {
						 .aor = binding_text(binding, TEXT_AOR),
						 .ruid = binding_text(binding, TEXT_RUID),
						 .contact = binding_text(binding, TEXT_CONTACT),
						 .call_id = binding_text(binding, TEXT_CALL_ID),
						 .domain = location_domain_name(binding->domain),
						 .version = binding->version + 1,
						 .modified_wall_s = clock_wall_s(),
						 .server_id = binding->server_id } };
	append(&record);
}

void journal_make_room(void)
{
	if (journal_is_on() && own_buffer()->len > BUFFER_FULL)
		journal_flush();
}

void journal_changed(void)
{
	if (journal_is_on() && !state.is_worker)
		journal_flush();
}

void journal_flush(void)
{
	struct buffer *buffer = own_buffer();
	size_t len = buffer->len;
	if (!len)
		return;
	if (!state.shared->is_dropping && !journal_put(buffer->bytes, len)) {
		char path[PATH_MAX];
		int error = errno;
		journal_path(path, "journal", state.shared->generation, "");
		journal_fail("writing", path, error);
	}
	buffer->len = 0;
}
