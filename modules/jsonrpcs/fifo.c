/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests through a FIFO: the member reply_name says in which FIFO the client waits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "modules/jsonrpcs/jsonrpcs.h"

/* The rest of a document that stopped in the middle is not waited for longer than this. */
#define REST_MS       5000
#define OPEN_TRIES    100
#define OPEN_PAUSE_MS 20

static struct {
	int fd;
	char path[256];
	char *bytes; /* what came and is no whole document yet */
	size_t len;
	int64_t last_ms;
} fifo = { .fd = -1 };

void jsonrpcs_fifo_open(void)
{
	struct stat info;
	struct span name = jsonrpcs_settings->fifo_name;
	if (name.len == 0)
		return;
	if (!jsonrpcs_path(name, fifo.path, sizeof(fifo.path))) {
		log_error("the path of the FIFO is too long: %.*s", SPAN_ARGS(name));
		return;
	}
	if (lstat(fifo.path, &info) == 0 && S_ISFIFO(info.st_mode))
		unlink(fifo.path); /* left by a server that is gone */
	if (mkfifo(fifo.path, 0600) < 0) {
		log_error("cannot make the FIFO %s: %m", fifo.path);
		return;
	}
	jsonrpcs_set_access(fifo.path, &jsonrpcs_settings->fifo);
	/* Open for writing as well, so that it does not end whenever a client leaves. */
	fifo.fd = open(fifo.path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fifo.fd < 0)
		log_error("cannot open the FIFO %s: %m", fifo.path);
}

void jsonrpcs_fifo_close(void)
{
	if (fifo.fd < 0)
		return;
	close(fifo.fd);
	fifo.fd = -1;
	unlink(fifo.path);
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

/* The client may open its FIFO after it asked, so there are several tries. */
static int open_reply(const char *path)
{
	struct stat info;
	for (unsigned i = 0; i < OPEN_TRIES; i++) {
		int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && (fstat(fd, &info) < 0 || !S_ISFIFO(info.st_mode))) {
			close(fd);
			errno = EINVAL;
			return -1;
		}
		if (fd >= 0 || errno != ENXIO)
			return fd;
		fiber_sleep_ms(OPEN_PAUSE_MS);
	}
	return -1;
}

static bool write_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t written = write(fd, bytes.at, bytes.len);
		if (written > 0)
			bytes = span_slice(bytes, (size_t)written, bytes.len);
		else if (written < 0 && errno == EAGAIN) {
			if (!fiber_wait_fd(fd, LOOP_WRITE, JSONRPCS_STALL_MS))
				return false;
		} else if (written == 0 || errno != EINTR)
			return false;
	}
	return true;
}

/* A name with a path in it would let clients write to places that only the server reaches. */
static void answer(struct span reply_name, struct span body)
{
	char path[512];
	struct span directory = jsonrpcs_settings->fifo_reply_dir;
	if (memchr(reply_name.at, '/', reply_name.len) || span_equal(reply_name, SPAN_OF("..")) ||
	    span_equal(reply_name, SPAN_OF("."))) {
		log_error("reply_name \"%.*s\" must be a name without a path",
			  SPAN_ARGS(reply_name));
		return;
	}
	int len = snprintf(path, sizeof(path), "%.*s/%.*s", SPAN_ARGS(directory),
			   SPAN_ARGS(reply_name));
	int fd = len < (int)sizeof(path) ? open_reply(path) : -1;
	if (fd < 0) {
		log_error("cannot open the reply FIFO %s: %m", path);
		return;
	}
	if (!write_all(fd, body))
		log_warning("the answer in %s was not read to its end", path);
	close(fd);
}

static void document_run(void *arg)
{
	struct span *text = arg, reply_name, body;
	struct arena arena;
	bool is_good = jsonrpcs_run(*text, &arena, &reply_name, &body);
	free(text);
	if (is_good && reply_name.len)
		answer(reply_name, body);
	arena_free(&arena);
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

static void start(struct span text)
{
	struct span *copy = malloc(sizeof(*copy) + text.len);
	if (!copy)
		return;
	*copy = span_make((char *)(copy + 1), text.len);
	memcpy(copy + 1, text.at, text.len);
	if (!fiber_start(document_run, copy))
		free(copy);
}

static void forget(size_t len)
{
	memmove(fifo.bytes, fifo.bytes + len, fifo.len - len);
	fifo.len -= len;
}

/* Goes on behind the next line end. */
static void skip_garbage(void)
{
	const char *end = memchr(fifo.bytes, '\n', fifo.len);
	log_error("what came through the FIFO is no JSON document");
	forget(end ? (size_t)(end - fifo.bytes) + 1 : fifo.len);
}

static void take_documents(void)
{
	size_t len;
	for (;;) {
		switch (json_extent(span_make(fifo.bytes, fifo.len), &len)) {
		case JSON_MORE: return;
		case JSON_GARBAGE:
			while (fifo.len && ascii_is_space(fifo.bytes[0]))
				forget(1);
			skip_garbage();
			break;
		case JSON_WHOLE:
			start(span_make(fifo.bytes, len));
			forget(len);
			break;
		}
	}
}

static void on_fifo(int fd, unsigned events, void *owner)
{
	clock_refresh();
	if (fifo.len && clock_ms() - fifo.last_ms > REST_MS)
		fifo.len = 0;
	ssize_t got = read(fd, fifo.bytes + fifo.len, JSONRPCS_REQUEST_MAX - fifo.len);
	if (got <= 0)
		return;
	fifo.len += (size_t)got;
	fifo.last_ms = clock_ms();
	take_documents();
	if (fifo.len == JSONRPCS_REQUEST_MAX) {
		log_error("a request in the FIFO has more than %u bytes; it is dropped",
			  JSONRPCS_REQUEST_MAX);
		fifo.len = 0;
	}
}

bool jsonrpcs_fifo_serve(void)
{
	if (fifo.fd < 0)
		return true;
	fifo.bytes = malloc(JSONRPCS_REQUEST_MAX);
	return fifo.bytes && loop_watch(fifo.fd, LOOP_READ, on_fifo, NULL);
}
