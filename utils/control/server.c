/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands to the running server, over the FIFO of module jsonrpcs. */
#include "utils/control/server.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "utils/control/database.h"
#include "utils/control/output.h"
#include "utils/control/settings.h"

#define ANSWER_WAIT_MS 150000 /* commands that wait for a transaction take that long */
#define ANSWER_MAX     (1u << 30)
#define REPLY_FOLDER   "/tmp/"

static struct {
	char reply_path[64]; /* empty: there is none */
} state;

static void remove_reply_fifo(void)
{
	if (*state.reply_path)
		unlink(state.reply_path);
	*state.reply_path = '\0';
}

static void explain_fifo(const char *path, int error)
{
	say_error("Error opening the server's FIFO %s: %s", path,
		  error == ENXIO ? "nobody reads it" : strerror(error));
	if (error == ENXIO)
		fprintf(stderr, "   The server is not running, or has died.\n");
	else if (error == ENOENT)
		fprintf(stderr,
			"   Is the server running, with module jsonrpcs, and is its fifo_name what "
			"RPCFIFOPATH of kamctlrc says?\n");
	else if (error == EACCES || error == EPERM)
		fprintf(stderr, "   This user may not use it: try root or the server's user.\n");
}

/* The FIFO into which the server writes its answer: the server runs as another user. */
static int make_reply_fifo(void)
{
	snprintf(state.reply_path, sizeof(state.reply_path), REPLY_FOLDER "kamctl_receiver_%ld",
		 (long)getpid());
	unlink(state.reply_path);
	if (mkfifo(state.reply_path, 0600) < 0 || chmod(state.reply_path, 0666) < 0) {
		say_error("cannot make %s: %s", state.reply_path, strerror(errno));
		*state.reply_path = '\0';
		return -1;
	}
	atexit(remove_reply_fifo);
	return open(state.reply_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static void write_word(struct writer *w, const char *word)
{
	const char *digits = word + (*word == '-');
	size_t len = strlen(digits);
	bool is_plain = len && len < 19 && isdigit((unsigned char)*digits) &&
			isdigit((unsigned char)digits[len - 1]);
	if (strncmp(word, "s:", 2) == 0)
		json_write_text(w, span_from(word + 2));
	else if (is_plain && strspn(digits, "0123456789.") == len &&
		 strchr(digits, '.') == strrchr(digits, '.') &&
		 (*digits != '0' || len == 1 || digits[1] == '.'))
		writer_string(w, word);
	else
		json_write_text(w, span_from(word));
}

static struct span request_text(const char *method, const char *const *words, unsigned count)
{
	struct writer w = writer_in_arena(tool_arena(), 512);
	writer_string(&w, "{\"jsonrpc\": \"2.0\", \"method\": ");
	json_write_text(&w, span_from(method));
	for (unsigned i = 0; i < count; i++) {
		writer_string(&w, i ? ", " : ", \"params\": [");
		write_word(&w, words[i]);
	}
	writer_printf(&w, "%s, \"reply_name\": \"%s\", \"id\": %ld}\n", count ? "]" : "",
		      state.reply_path + strlen(REPLY_FOLDER), (long)getpid());
	return writer_result(&w);
}

static bool send_request(struct span text)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s%s", setting("CHROOT_DIR"), setting("RPCFIFOPATH"));
	if (text.len > PIPE_BUF) {
		say_error("the command is longer than %d bytes", PIPE_BUF);
		return false;
	}
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat about;
	if (fd < 0) {
		explain_fifo(path, errno);
		return false;
	}
	bool is_fifo = fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
	ssize_t written = is_fifo ? write(fd, text.at, text.len) : -1;
	if (!is_fifo)
		say_error("%s is not a FIFO; did something write a file in its place?", path);
	else if (written != (ssize_t)text.len)
		say_error("cannot write to %s: %s", path, strerror(errno));
	close(fd);
	return is_fifo && written == (ssize_t)text.len;
}

/* Reads until the JSON document is whole; the writer may come and go. */
static struct span read_answer(int fd)
{
	struct writer w = writer_in_arena(tool_arena(), 65536);
	size_t whole = 0;
	for (;;) {
		struct pollfd poll_for = { .fd = fd, .events = POLLIN };
		int ready = poll(&poll_for, 1, ANSWER_WAIT_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || w.len > ANSWER_MAX || !writer_reserve(&w, 65536)) {
			say_error(ready <= 0 ? "the server did not answer"
					     : "the answer is too long");
			return (struct span){ 0 };
		}
		ssize_t got = read(fd, w.data + w.len, w.cap - w.len);
		w.len += got > 0 ? (size_t)got : 0;
		if (json_extent(writer_result(&w), &whole) == JSON_WHOLE)
			return writer_result(&w);
		if (got == 0 && (poll_for.revents & POLLHUP))
			usleep(1000); /* between two writes, nobody holds the other end */
	}
}

/* One exchange; the absent span after a message. */
static struct span exchange(const char *method, const char *const *words, unsigned count)
{
	struct span answer = { 0 };
	int fd = make_reply_fifo();
	if (fd >= 0 && send_request(request_text(method, words, count)))
		answer = read_answer(fd);
	if (fd >= 0)
		close(fd);
	remove_reply_fifo();
	return answer;
}

int server_call(const char *method, const char *const *words, unsigned count)
{
	const char *error = NULL;
	size_t at;
	struct span answer = exchange(method, words, count);
	if (!answer.at)
		return EXIT_UNREACHABLE;
	fwrite(answer.at, 1, answer.len, stdout);
	if (answer.at[answer.len - 1] != '\n')
		putchar('\n');
	const struct json_value *root = json_parse(answer, tool_arena(), &error, &at);
	return root && json_member(root, "error") ? EXIT_REFUSED : EXIT_DONE;
}

int server_ask(const char *method, const char *const *words, unsigned count,
	       const struct json_value **out_result)
{
	const char *error = NULL;
	size_t at;
	struct span answer = exchange(method, words, count);
	if (!answer.at)
		return EXIT_UNREACHABLE;
	const struct json_value *root = json_parse(answer, tool_arena(), &error, &at);
	const struct json_value *fault = root ? json_member(root, "error") : NULL;
	const struct json_value *result = root ? json_member(root, "result") : NULL;
	if (result) {
		*out_result = result;
		return EXIT_DONE;
	}
	const struct json_value *message = fault ? json_member(fault, "message") : NULL;
	say_error("%s: %.*s", method,
		  SPAN_ARGS(message ? message->text : SPAN_OF("the answer is no JSON-RPC")));
	return EXIT_REFUSED;
}
