/* SPDX-License-Identifier: BSD-2-Clause */
/* jsonrpcs: JSON-RPC 2.0 over a FIFO and over datagrams, served by a process of its own, and from the
 * script. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "modules/jsonrpcs/json.h"

enum { TRANSPORT_BIT_HTTP = 1, TRANSPORT_BIT_FIFO = 2, TRANSPORT_BIT_DATAGRAM = 4, TRANSPORT_BIT_TCP = 8 };

static struct {
	int64_t transport, fifo_mode, dgram_mode, dgram_timeout;
	bool pretty_format;
	struct span fifo_name, fifo_user, fifo_group, fifo_reply_dir, dgram_socket, dgram_user, dgram_group, tcp_socket;
} settings = { .transport = 6, .fifo_mode = 0660, .dgram_mode = 0660, .dgram_timeout = 2000, .pretty_format = true,
	.fifo_name = SPAN("kamailio_rpc.fifo"), .fifo_reply_dir = SPAN("/tmp/"), .dgram_socket = SPAN("kamailio_rpc.sock") };

static const struct field setting_fields[] = {
	FIELD(settings, pretty_format, "answers over several lines"),
	FIELD(settings, transport, "bits: 1 HTTP, 2 FIFO, 4 datagram, 8 TCP; 0: all", .max = 15),
	FIELD(settings, fifo_name, "path of the FIFO, relative to the run directory; empty: none"),
	FIELD(settings, fifo_mode, "its permissions", .max = 0777), FIELD(settings, fifo_user, "its owner"),
	FIELD(settings, fifo_group, "its group"), FIELD(settings, fifo_reply_dir, "directory of the clients' reply FIFOs"),
	FIELD(settings, dgram_socket, "path of the datagram socket, or udp:ip:port; empty: none"),
	FIELD(settings, dgram_mode, "its permissions", .max = 0777), FIELD(settings, dgram_user, "its owner"),
	FIELD(settings, dgram_group, "its group"), FIELD(settings, dgram_timeout, "accepted: sending never waits"),
	FIELD_IGNORED("dgram_workers", "one process serves all clients"),
	FIELD(settings, tcp_socket, "JSON-RPC over TCP comes with the stream transports"),
};

static struct {
	int fifo_fd, fifo_writer_fd, datagram_fd;
	char *fifo_text; /* what came so far, until it is a whole document */
	size_t fifo_len;
	bool is_datagram_inet;
} state = { -1, -1, -1 };

static bool uses(unsigned bit)
{
	return settings.transport == 0 || (settings.transport & bit);
}

static bool path_in_rundir(struct span name, char *out_path, size_t size)
{
	struct span rundir = core_setting_text("rundir");
	bool is_absolute = name.len && name.at[0] == '/';
	int len = snprintf(out_path, size, "%.*s%s%.*s", is_absolute ? 0 : (int)rundir.len, rundir.at ? rundir.at : "",
		is_absolute ? "" : "/", SPAN_ARGS(name));
	return len > 0 && len < (int)size;
}

static void set_owner(const char *path, int64_t mode, struct span user, struct span group)
{
	char name[64];
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(user));
	struct passwd *account = user.len ? getpwnam(name) : NULL;
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(group));
	struct group *found = group.len ? getgrnam(name) : NULL;
	if (chmod(path, (mode_t)mode) < 0)
		log_warning("cannot set the permissions of %s: %m", path);
	if ((account || found) && chown(path, account ? account->pw_uid : (uid_t)-1, found ? found->gr_gid : (gid_t)-1) < 0)
		log_warning("cannot set the owner of %s: %m", path);
}

/* ---- one document in work ------------------------------------------------------------------------------- */

struct work {
	struct arena arena;
	struct span document;
	bool is_fifo;
	struct sockaddr_storage from;
	socklen_t from_len;
};

static struct work *work_new(struct span document)
{
	struct work *work = calloc(1, sizeof(*work));
	if (!work)
		return NULL;
	arena_init(&work->arena, 16u << 10, 256u << 20);
	work->document = arena_copy(&work->arena, document);
	return work;
}

static void work_free(struct work *work)
{
	arena_free(&work->arena);
	free(work);
}

/* The client made the FIFO before it asked; a name with a path would let it write anywhere. */
static void answer_fifo(const struct json_answer *answer)
{
	char path[512];
	if (!answer->reply_name.len || span_find(answer->reply_name, '/', 0) < answer->reply_name.len)
		return;
	snprintf(path, sizeof(path), "%.*s/%.*s", SPAN_ARGS(settings.fifo_reply_dir), SPAN_ARGS(answer->reply_name));
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode)) {
		log_error("cannot write the answer to %s: %m", path);
		if (fd >= 0)
			close(fd);
		return;
	}
	for (size_t done = 0; done < answer->text.len;) {
		ssize_t written = write(fd, answer->text.at + done, answer->text.len - done);
		if (written > 0)
			done += (size_t)written;
		else if (errno == EAGAIN && fiber_is_running() && fiber_wait_fd(fd, LOOP_WRITE, 2000))
			continue;
		else
			break;
	}
	close(fd);
}

static void on_answer(const struct json_answer *answer, void *owner)
{
	struct work *work = owner;
	if (answer->text.at && work->is_fifo)
		answer_fifo(answer);
	else if (answer->text.at && work->from_len && sendto(state.datagram_fd, answer->text.at, answer->text.len,
			MSG_DONTWAIT, (struct sockaddr *)&work->from, work->from_len) < 0)
		log_error("cannot send an answer of %zu bytes: %m", answer->text.len);
	work_free(work);
}

static void run_on_fiber(void *arg)
{
	struct work *work = arg;
	json_run(&work->arena, work->document, settings.pretty_format, on_answer, work);
}

static void work_run(struct work *work)
{
	if (work && !fiber_start(run_on_fiber, work))
		work_free(work);
}

/* ---- FIFO ------------------------------------------------------------------------------------------------ */

/* Length of the first whole JSON document, 0 while its end is missing. */
static size_t document_end(const char *text, size_t len)
{
	unsigned depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!in_string && (text[i] == '}' || text[i] == ']') && depth && --depth == 0)
			return i + 1;
	}
	return 0;
}

static void on_fifo(int fd, unsigned events, void *owner)
{
	size_t end;
	ssize_t got = read(fd, state.fifo_text + state.fifo_len, JSON_REQUEST_MOST - state.fifo_len);
	if (got <= 0)
		return;
	state.fifo_len += (size_t)got;
	while ((end = document_end(state.fifo_text, state.fifo_len))) {
		struct work *work = work_new(span_make(state.fifo_text, end));
		memmove(state.fifo_text, state.fifo_text + end, state.fifo_len - end);
		state.fifo_len -= end;
		if (work)
			work->is_fifo = true;
		work_run(work);
	}
	if (state.fifo_len == JSON_REQUEST_MOST) {
		log_error("a request in the FIFO is larger than %u bytes; it is dropped", JSON_REQUEST_MOST);
		state.fifo_len = 0;
	}
}

static bool fifo_start(void)
{
	char path[512];
	struct stat status;
	if (!settings.fifo_name.len || !uses(TRANSPORT_BIT_FIFO) || !path_in_rundir(settings.fifo_name, path, sizeof(path)))
		return true;
	if (lstat(path, &status) == 0 && S_ISFIFO(status.st_mode))
		unlink(path); /* left by a server that is gone */
	if (mkfifo(path, (mode_t)settings.fifo_mode) < 0) {
		log_error("cannot make the FIFO %s: %m", path);
		return false;
	}
	set_owner(path, settings.fifo_mode, settings.fifo_user, settings.fifo_group);
	state.fifo_text = malloc(JSON_REQUEST_MOST);
	state.fifo_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	/* Our own writer keeps the FIFO from ending whenever a client leaves. */
	state.fifo_writer_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return state.fifo_text && state.fifo_fd >= 0 && loop_watch(state.fifo_fd, LOOP_READ, on_fifo, NULL);
}

/* ---- datagrams --------------------------------------------------------------------------------------------- */

static void on_datagram(int fd, unsigned events, void *owner)
{
	static char bytes[65536];
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len);
	struct work *work = got > 0 ? work_new(span_make(bytes, (size_t)got)) : NULL;
	if (!work)
		return;
	work->from = from;
	/* A client that did not bind its socket cannot be answered. */
	work->from_len = from_len > sizeof(sa_family_t) ? from_len : 0;
	work_run(work);
}

static int open_unix_datagram(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (!path_in_rundir(settings.dgram_socket, address.sun_path, sizeof(address.sun_path)))
		return -1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 1 << 20;
	unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		log_error("cannot open the socket %s: %m", address.sun_path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* long listings are one datagram */
	set_owner(address.sun_path, settings.dgram_mode, settings.dgram_user, settings.dgram_group);
	return fd;
}

static int open_udp(struct span text)
{
	struct end_point end;
	struct sockaddr_storage address;
	if (!end_point_parse(text, &end)) {
		log_error("%.*s is no address", SPAN_ARGS(text));
		return -1;
	}
	socklen_t len = end_point_to_sockaddr(&end, &address);
	int fd = socket(end.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, len) < 0) {
		log_error("cannot open %.*s: %m", SPAN_ARGS(text));
		close(fd);
		return -1;
	}
	return fd;
}

static bool datagram_start(void)
{
	if (!settings.dgram_socket.len || !uses(TRANSPORT_BIT_DATAGRAM))
		return true;
	bool is_udp = span_starts_with_nocase(settings.dgram_socket, SPAN_OF("udp:"));
	state.datagram_fd = is_udp ? open_udp(settings.dgram_socket) : open_unix_datagram();
	return state.datagram_fd >= 0 && loop_watch(state.datagram_fd, LOOP_READ, on_datagram, NULL);
}

static bool role_wanted(void)
{
	return uses(TRANSPORT_BIT_FIFO) || uses(TRANSPORT_BIT_DATAGRAM);
}

static bool role_start(void)
{
	/* What cannot be opened was told; the other transports and SIP go on. */
	fifo_start();
	datagram_start();
	return true;
}

/* ---- script --------------------------------------------------------------------------------------------------- */

struct exec_args { struct span document; };
static const struct field jsonrpc_exec_fields[] = { FIELD(struct exec_args, document, "JSON-RPC request") };
#define jsonrpc_exec_args exec_args
SCRIPT_HANDLER(jsonrpc_exec)
SCRIPT_HANDLER_PLAIN(jsonrpc_dispatch)

/* The last answer belongs to the message that asked. */
static unsigned answer_slot;

static void keep_answer(const struct json_answer *answer, void *owner)
{
	struct message *msg = owner;
	struct json_answer *kept = ARENA_NEW(msg->arena, struct json_answer);
	if (kept)
		*kept = *answer;
	msg->slots[answer_slot] = kept;
}

static int jsonrpc_exec(struct script_run *run, const struct jsonrpc_exec_args *args)
{
	run->msg->slots[answer_slot] = NULL;
	json_run(run->arena, args->document, settings.pretty_format, keep_answer, run->msg);
	return run->msg->slots[answer_slot] ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int jsonrpc_dispatch(struct script_run *run)
{
	log_error("jsonrpc_dispatch() answers HTTP requests; it needs module xhttp, which comes with a later release");
	return SCRIPT_FALSE;
}

static bool get_answer(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct json_answer *answer = run->msg->slots[answer_slot];
	struct span what = variable_inner_text(run, ref);
	*out = (struct value){ .kind = VALUE_NULL };
	if (!answer)
		return true;
	if (span_equal(what, SPAN_OF("code")))
		*out = VALUE_OF_INT(answer->code);
	else if (span_equal(what, SPAN_OF("text")))
		*out = VALUE_OF_TEXT(answer->code == 200 ? SPAN_OF("OK") : SPAN_OF("Error"));
	else if (answer->text.at)
		*out = VALUE_OF_TEXT(answer->text);
	return true;
}

static const char *bind_answer(struct variable_ref *ref, struct arena *arena)
{
	if (ref->inner.at && !span_equal(ref->inner, SPAN_OF("code")) && !span_equal(ref->inner, SPAN_OF("text")) &&
		!span_equal(ref->inner, SPAN_OF("body")))
		return "expects code, text or body";
	return NULL;
}

static void run_echo(struct rpc_call *call)
{
	struct span text;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_arg_text(call, i, &text))
			rpc_add_text(call, NULL, NULL, text);
}

static bool prepare(struct diagnostics *diagnostics)
{
	answer_slot = message_slot("jsonrpcs");
	return true;
}

static const struct script_function functions[] = {
	FUNCTION("jsonrpc_exec", jsonrpc_exec, IN_ANY, "Runs a JSON-RPC request; $jsonrpl shows the answer."),
	FUNCTION_PLAIN("jsonrpc_dispatch", jsonrpc_dispatch, IN_ANY, "Answers the JSON-RPC request of an HTTP message."),
};
static const struct variable_row variables[] = {
	{ .name = "jsonrpl", .inner = INNER_NAME, .get = get_answer, .bind = bind_answer,
	  .doc = "code, text or body of the last jsonrpc_exec()" },
};
static const struct rpc_command commands[] = {
	{ "jsonrpc.echo", run_echo, "Gives its arguments back.", "value …", true },
};
static const struct module_role roles[] = { { "JSONRPC-S", role_wanted, role_start } };

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "jsonrpcs",
	.doc = "JSON-RPC 2.0 over FIFO and datagrams.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.variables = ROWS(variables),
	.commands = ROWS(commands),
	.roles = ROWS(roles),
	.prepare = prepare,
};
