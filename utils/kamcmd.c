/* SPDX-License-Identifier: BSD-2-Clause */
/* kamcmd: sends one command to a running server over its control socket (binrpc) and prints the
 * answer; without a command it asks for commands.
 *
 * Exit code: 0 the answer was printed, 1 the server answered with an error, 255 no answer. */
#include <ctype.h>
#include <editline/readline.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/rpc/binrpc.h"

#define VERSION_TEXT     "kamcmd 1.5"
#define DEFAULT_SOCKET   "/var/run/kamailio/kamailio_ctl"
#define DEFAULT_PORT     "2049"
#define DATAGRAM_WAIT_MS 150000 /* commands that wait for a transaction take that long */
#define ANSWER_MAX       (1u << 30)
#define WORDS_MOST       64
#define EXIT_TROUBLE     255

enum how { OVER_UNIX_STREAM, OVER_UNIX_DATAGRAM, OVER_UDP, OVER_TCP };

static struct {
	const char *address;
	const char *reply_name, *reply_directory;
	const char *format;
	bool is_verbose;
} options = { .address = "unix:" DEFAULT_SOCKET, .reply_directory = "/tmp" };

static struct {
	enum how how;
	char name[256], port[16];
	int fd;
	char reply_path[108]; /* our end of unix datagrams; empty: none */
	uint32_t cookie;
	struct arena arena; /* of one call */
	char **methods;     /* for completion */
	unsigned method_count;
} state = { .fd = -1 };

/* Short names; `format` lays the values of an answer out, %v for each. */
static const struct alias {
	const char *name, *method, *format;
} aliases[] = {
	{ "ps", "core.ps", "%v\t%v\n" },
	{ "psx", "core.psx", NULL },
	{ "list", "system.listMethods", NULL },
	{ "ls", "system.listMethods", NULL },
	{ "ver", "core.version", NULL },
	{ "version", "core.version", NULL },
	{ "who", "ctl.who", "[%v] %v: %v %v -> %v %v\n" },
	{ "listen", "ctl.listen", "[%v] %v: %v %v\n" },
	{ "dns_mem_info", "dns.mem_info", "%v / %v\n" },
	{ "dns_debug", "dns.debug", "%v (%v): size=%v ref=%v expire=%vs last=%vs ago f=%v\n" },
	{ "dns_debug_all", "dns.debug_all",
	  "%v (%v) [%v]: size=%v ref=%v expire=%vs last=%vs ago f=%v\n\t\t%v:%v expire=%vs f=%v\n" },
	{ "dst_blacklist_mem_info", "dst_blocklist.mem_info", "%v / %v\n" },
	{ "dst_blacklist_debug", "dst_blocklist.debug", NULL },
};

static int do_help(unsigned count, char **words);
static int do_quit(unsigned count, char **words);
static int do_licence(unsigned count, char **words);

static const struct builtin {
	const char *name;
	int (*run)(unsigned count, char **words); /* an exit code */
} builtins[] = {
	{ "?", do_help },    { "help", do_help },        { "quit", do_quit },
	{ "exit", do_quit }, { "warranty", do_licence }, { "license", do_licence },
};

/* ---- address and connection ------------------------------------------------------------------------------ */

/* [proto:]name[:port]; without a protocol a name with a port is UDP, any other a unix socket. */
static bool parse_address(const char *text)
{
	static const struct {
		const char *prefix;
		enum how how;
	} prefixes[] = { { "unix:", OVER_UNIX_STREAM },
			 { "unixs:", OVER_UNIX_STREAM },
			 { "unixd:", OVER_UNIX_DATAGRAM },
			 { "udp:", OVER_UDP },
			 { "tcp:", OVER_TCP } };
	bool has_prefix = false;
	state.how = OVER_UNIX_STREAM;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes) && !has_prefix; i++)
		if (strncmp(text, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0) {
			state.how = prefixes[i].how;
			text += strlen(prefixes[i].prefix);
			has_prefix = true;
		}
	if (!has_prefix && strchr(text, ':') && !strchr(text, '/'))
		state.how = OVER_UDP;
	snprintf(state.name, sizeof(state.name), "%s", text);
	snprintf(state.port, sizeof(state.port), "%s", DEFAULT_PORT);
	if (state.how == OVER_UNIX_STREAM || state.how == OVER_UNIX_DATAGRAM)
		return *text && strlen(text) < sizeof(((struct sockaddr_un *)0)->sun_path);
	char *bracket = state.name[0] == '[' ? strchr(state.name, ']') : NULL;
	char *colon = strchr(bracket ? bracket : state.name, ':');
	if (colon) {
		size_t len = strlen(colon + 1);
		if (len == 0 || len > 5 || strspn(colon + 1, "0123456789") != len)
			return false;
		snprintf(state.port, sizeof(state.port), "%s", colon + 1);
		*colon = '\0';
	}
	if (bracket) {
		*bracket = '\0';
		memmove(state.name, state.name + 1, strlen(state.name));
	}
	return state.name[0] != '\0';
}

static void explain_connect(int error)
{
	if (error == ENOENT || error == ECONNREFUSED)
		fprintf(stderr,
			"Is the server running, with module ctl, and is this its control socket? "
			"-s chooses another one.\n");
	else if (error == EACCES || error == EPERM)
		fprintf(stderr,
			"This user may not use the control socket: try root or the server's user.\n");
}

/* Datagrams are answered to a socket with a name. */
static bool bind_reply_socket(void)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX };
	int len = options.reply_name
			  ? snprintf(own.sun_path, sizeof(own.sun_path), "%s", options.reply_name)
			  : snprintf(own.sun_path, sizeof(own.sun_path), "%s/kamcmd_%ld",
				     options.reply_directory, (long)getpid());
	if (len >= (int)sizeof(own.sun_path)) {
		fprintf(stderr, "ERROR: the name of the reply socket is too long\n");
		return false;
	}
	if (bind(state.fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		fprintf(stderr, "ERROR: cannot make the reply socket %s: %s [%d]\n", own.sun_path,
			strerror(errno), errno);
		return false;
	}
	memcpy(state.reply_path, own.sun_path, sizeof(state.reply_path));
	/* The server runs as another user; the folder decides who can reach this. */
	chmod(own.sun_path, 0666);
	return true;
}

static bool connect_unix(void)
{
	bool is_stream = state.how == OVER_UNIX_STREAM;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, state.name,
	       sizeof(address.sun_path) - 1); /* parse_address saw that it fits */
	state.fd = socket(AF_UNIX, is_stream ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (state.fd >= 0 && !is_stream && !bind_reply_socket())
		return false;
	if (state.fd < 0 || connect(state.fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;
		fprintf(stderr, "ERROR: connect_unix_sock: connect(%s): %s [%d]\n", state.name,
			strerror(error), error);
		explain_connect(error);
		return false;
	}
	return true;
}

static bool connect_host(void)
{
	struct addrinfo hints = { .ai_socktype = state.how == OVER_TCP ? SOCK_STREAM : SOCK_DGRAM },
			*found = NULL;
	int error = 0;
	if (getaddrinfo(state.name, state.port, &hints, &found) != 0) {
		fprintf(stderr, "ERROR: could not resolve %s\n", state.name);
		return false;
	}
	for (const struct addrinfo *one = found; one && state.fd < 0; one = one->ai_next) {
		int fd = socket(one->ai_family, one->ai_socktype, 0);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) == 0) {
			state.fd = fd;
		} else {
			error = errno;
			if (fd >= 0)
				close(fd);
		}
	}
	freeaddrinfo(found);
	if (state.fd >= 0)
		return true;
	fprintf(stderr, "ERROR: connect: %s\n", strerror(error));
	explain_connect(error);
	return false;
}

static void disconnect(void)
{
	if (state.fd >= 0)
		close(state.fd);
	state.fd = -1;
	if (state.reply_path[0])
		unlink(state.reply_path);
	state.reply_path[0] = '\0';
}

static bool connect_server(void)
{
	bool is_unix = state.how == OVER_UNIX_STREAM || state.how == OVER_UNIX_DATAGRAM;
	if (state.fd >= 0)
		return true;
	if (is_unix ? connect_unix() : connect_host())
		return true;
	disconnect();
	return false;
}

/* ---- one exchange ------------------------------------------------------------------------------------------ */

static bool is_stream(void)
{
	return state.how == OVER_UNIX_STREAM || state.how == OVER_TCP;
}

/* Digits are a number, digits with a dot are one too; s: makes anything a text. Numbers that need
 * more than 32 bits go as text, of which the server makes a number where it wants one. */
static void write_argument(struct writer *w, const char *word)
{
	char *end;
	const char *digits = word + (*word == '-' || *word == '+');
	size_t len = strlen(digits);
	if (strncmp(word, "s:", 2) == 0) {
		binrpc_write_text(w, span_from(word + 2));
		return;
	}
	if (len && strspn(digits, "0123456789") == len) {
		errno = 0;
		long long number = strtoll(word, &end, 10);
		if (errno == 0 && number >= INT32_MIN && number <= INT32_MAX) {
			binrpc_write_int(w, number);
			return;
		}
	} else if (len && isdigit((unsigned char)*digits) && strspn(digits, "0123456789.") == len &&
		   strchr(digits, '.') == strrchr(digits, '.')) {
		binrpc_write_double(w, strtod(word, &end));
		return;
	}
	binrpc_write_text(w, span_from(word));
}

static bool send_request(const char *method, unsigned count, char **words)
{
	struct writer body = writer_in_arena(&state.arena, 1024),
		      w = writer_in_arena(&state.arena, 1024);
	uint8_t bytes[BINRPC_HEADER_MAX];
	binrpc_write_text(&body, span_from(method));
	for (unsigned i = 0; i < count; i++)
		write_argument(&body, words[i]);
	state.cookie++;
	struct binrpc_header header = {
		.type = BINRPC_REQUEST,
		.body_len = (uint32_t)body.len,
		.cookie = { (uint8_t)(state.cookie >> 24), (uint8_t)(state.cookie >> 16),
			    (uint8_t)(state.cookie >> 8), (uint8_t)state.cookie },
		.cookie_len = 4
	};
	writer_bytes(&w, bytes, binrpc_header_write(&header, bytes));
	writer_span(&w, writer_result(&body));
	if (w.failed || body.failed)
		return false;
	for (size_t done = 0; done < w.len;) {
		ssize_t sent = send(state.fd, w.data + done, w.len - done, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		done += (size_t)sent;
	}
	return true;
}

/* One read; 0: the server closed or did not answer (errno). */
static size_t receive(char *at, size_t room)
{
	struct pollfd poll_for = { .fd = state.fd, .events = POLLIN };
	for (;;) {
		int ready = poll(&poll_for, 1, is_stream() ? -1 : DATAGRAM_WAIT_MS);
		if (ready == 0)
			errno = ETIMEDOUT;
		if (ready <= 0 && errno == EINTR)
			continue;
		ssize_t got = ready > 0 ? recv(state.fd, at, room, 0) : -1;
		if (got < 0 && ready > 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = ECONNRESET;
		return got > 0 ? (size_t)got : 0;
	}
}

static bool is_our_answer(const struct binrpc_header *header)
{
	uint32_t cookie = 0;
	for (unsigned i = 0; i < header->cookie_len; i++)
		cookie = cookie << 8 | header->cookie[i];
	return header->type != BINRPC_REQUEST && cookie == state.cookie;
}

/* Reads until the answer to our request is complete; its memory is the call's arena. */
static bool receive_answer(struct binrpc_header *out_header, struct span *out_body)
{
	struct writer w = writer_in_arena(&state.arena, 65536);
	for (;;) {
		struct binrpc_header header;
		enum binrpc_result result = binrpc_header_read(writer_result(&w), &header);
		size_t whole =
			result == BINRPC_OK ? header.header_len + (size_t)header.body_len : 0;
		if (result == BINRPC_BAD) {
			errno = EPROTO;
			return false;
		}
		if (result == BINRPC_OK && w.len >= whole && is_our_answer(&header)) {
			*out_header = header;
			*out_body = span_make(w.data + header.header_len, header.body_len);
			return true;
		}
		if (result == BINRPC_OK &&
		    w.len >= whole) { /* an answer that came too late for its question */
			memmove(w.data, w.data + whole, w.len - whole);
			w.len -= whole;
			continue;
		}
		if (!writer_reserve(&w, 65536)) {
			errno = ENOMEM;
			return false;
		}
		size_t got = receive(w.data + w.len, 65536);
		if (!got)
			return false;
		w.len += got;
	}
}

/* ---- printing ------------------------------------------------------------------------------------------------ */

static void print_value(const struct binrpc_value *value, struct span name)
{
	if (name.at)
		printf("%.*s: ", SPAN_ARGS(name));
	switch (value->kind) {
	case BINRPC_INT: printf("%lld", (long long)value->number); return;
	case BINRPC_DOUBLE:
		if (value->real == (double)(long long)value->real)
			printf("%lld", (long long)value->real);
		else
			printf("%f", value->real);
		return;
	case BINRPC_TEXT:
	case BINRPC_BYTES:
	case BINRPC_MEMBER: printf("%.*s", SPAN_ARGS(value->text)); return;
	case BINRPC_STRUCT: putchar('{'); return;
	case BINRPC_ARRAY: putchar('['); return;
	case BINRPC_STRUCT_END: putchar('}'); return;
	case BINRPC_ARRAY_END: putchar(']'); return;
	}
}

static bool is_begin(const struct binrpc_value *value)
{
	return value->kind == BINRPC_STRUCT || value->kind == BINRPC_ARRAY;
}

static bool is_end(const struct binrpc_value *value)
{
	return value->kind == BINRPC_STRUCT_END || value->kind == BINRPC_ARRAY_END;
}

/* The next value with the name in front of it. */
static enum binrpc_result next_value(struct span *body, struct binrpc_value *out_value,
				     struct span *out_name)
{
	*out_name = (struct span){ NULL, 0 };
	enum binrpc_result result = binrpc_value_read(body, out_value);
	if (result == BINRPC_OK && out_value->kind == BINRPC_MEMBER) {
		*out_name = out_value->text;
		result = binrpc_value_read(body, out_value);
		if (result == BINRPC_MORE)
			result = BINRPC_BAD;
	}
	return result;
}

static bool print_plain(struct span body)
{
	struct binrpc_value value;
	struct span name;
	enum binrpc_result result;
	unsigned depth = 0;
	while ((result = next_value(&body, &value, &name)) == BINRPC_OK) {
		if (is_end(&value) && depth)
			depth--;
		for (unsigned i = 0; i < depth; i++)
			putchar('\t');
		print_value(&value, name);
		putchar('\n');
		if (is_begin(&value))
			depth++;
	}
	return result == BINRPC_MORE;
}

static void print_escape(char c)
{
	static const char from[] = "nrtabfve0\\", to[] = "\n\r\t\a\b\f\v\033\0\\";
	const char *found = c ? strchr(from, c) : NULL;
	if (found)
		putchar(to[found - from]);
	else
		printf("\\%c", c);
}

/* Prints the format up to the next %v and returns what follows it; NULL at the end of the format. */
static const char *print_format(const char *format)
{
	for (; *format; format++) {
		if (format[0] == '%' && format[1] == 'v')
			return format + 2;
		if (format[0] == '%' && format[1] == '%')
			putchar(*format++);
		else if (format[0] == '\\' && format[1])
			print_escape(*++format);
		else
			putchar(*format);
	}
	return NULL;
}

/* The format begins again as long as there are values. */
static bool print_formatted(struct span body, const char *format)
{
	struct binrpc_value value;
	struct span name;
	enum binrpc_result result;
	const char *rest = NULL;
	if (!strstr(format, "%v")) {
		print_format(format);
		return true;
	}
	while ((result = next_value(&body, &value, &name)) == BINRPC_OK) {
		if (!rest || !(rest = print_format(rest)))
			rest = print_format(format);
		print_value(&value, name);
	}
	while (rest) /* what is left of the format stands for nothing */
		rest = print_format(rest);
	return result == BINRPC_MORE;
}

static bool print_fault(struct span body)
{
	struct binrpc_value code, text;
	if (binrpc_value_read(&body, &code) != BINRPC_OK ||
	    binrpc_value_read(&body, &text) != BINRPC_OK)
		return false;
	printf("error: %lld - %.*s\n", (long long)code.number, SPAN_ARGS(text.text));
	return true;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

/* Sends and receives; a server that was restarted between two commands is tried once more. */
static bool exchange(const char *method, unsigned count, char **words, struct binrpc_header *header,
		     struct span *body)
{
	bool was_connected = state.fd >= 0;
	arena_clear(&state.arena);
	if (!connect_server())
		return false;
	bool is_sent = send_request(method, count, words);
	if (is_sent && receive_answer(header, body))
		return true;
	int error = errno;
	disconnect();
	if (was_connected && is_stream() && (error == EPIPE || error == ECONNRESET)) {
		arena_clear(&state.arena);
		if (connect_server() && send_request(method, count, words) &&
		    receive_answer(header, body))
			return true;
		error = errno;
	}
	fprintf(stderr, "ERROR: %s failed: %s (%d)\n", is_sent ? "read reply" : "send request",
		strerror(error), error);
	return false;
}

static int run_method(const char *method, const char *format, unsigned count, char **words)
{
	struct binrpc_header header;
	struct span body;
	if (!exchange(method, count, words, &header, &body))
		return EXIT_TROUBLE;
	bool is_fault = header.type == BINRPC_FAULT;
	bool is_good = is_fault ? print_fault(body)
		       : format ? print_formatted(body, format)
				: print_plain(body);
	fflush(stdout);
	if (!is_good) {
		fprintf(stderr, "ERROR: the server's answer is damaged\n");
		return EXIT_TROUBLE;
	}
	if (options.is_verbose)
		printf(".\n");
	return is_fault ? 1 : 0;
}

/* Forgets the names and asks for them again. */
static void read_methods(void)
{
	struct binrpc_header header;
	struct span body;
	struct binrpc_value value;
	if (state.methods || !exchange("system.listMethods", 0, NULL, &header, &body))
		return;
	while (header.type == BINRPC_REPLY && binrpc_value_read(&body, &value) == BINRPC_OK) {
		char **methods =
			realloc(state.methods, (state.method_count + 1) * sizeof(*methods));
		if (!methods || value.kind != BINRPC_TEXT)
			break;
		state.methods = methods;
		state.methods[state.method_count] = strndup(value.text.at, value.text.len);
		if (!state.methods[state.method_count])
			break;
		state.method_count++;
	}
}

static int do_help(unsigned count, char **words)
{
	if (count > 1)
		return run_method("system.methodHelp", options.format, 1, words + 1);
	int code = run_method("system.listMethods", NULL, 0, NULL);
	for (size_t i = 0; code == 0 && i < ARRAY_SIZE(aliases); i++)
		printf("alias: %s\n", aliases[i].name);
	for (size_t i = 0; code == 0 && i < ARRAY_SIZE(builtins); i++)
		printf("builtin: %s\n", builtins[i].name);
	return code;
}

static int do_quit(unsigned count, char **words)
{
	disconnect();
	exit(0);
}

static int do_licence(unsigned count, char **words)
{
	printf("%s (viaduct %s)\n\n"
	       "Two-clause BSD licence: use, change and pass on freely; keep the copyright notice and\n"
	       "this disclaimer. There is no warranty of any kind, express or implied, and nobody is\n"
	       "liable for damage that arises from the use of this program.\n",
	       VERSION_TEXT, VIADUCT_VERSION);
	return 0;
}

static int run_words(unsigned count, char **words)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (strcmp(words[0], builtins[i].name) == 0)
			return builtins[i].run(count, words);
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(words[0], aliases[i].name) == 0)
			return run_method(aliases[i].method,
					  options.format ? options.format : aliases[i].format,
					  count - 1, words + 1);
	return run_method(words[0], options.format, count - 1, words + 1);
}

/* ---- the prompt --------------------------------------------------------------------------------------------------- */

/* Splits at blanks, in place; quotes of both kinds keep blanks together. */
static unsigned split_line(char *line, char *words[WORDS_MOST])
{
	unsigned count = 0;
	while (count < WORDS_MOST) {
		while (isspace((unsigned char)*line))
			line++;
		if (!*line)
			break;
		words[count++] = line;
		char *to = line, quote = '\0';
		for (; *line && (quote || !isspace((unsigned char)*line)); line++) {
			if (quote ? *line == quote : (*line == '"' || *line == '\''))
				quote = quote ? '\0' : *line;
			else
				*to++ = *line;
		}
		if (*line)
			line++;
		*to = '\0';
	}
	return count;
}

/* The index-th of all names that a command line can begin with. */
static const char *name_at(size_t index)
{
	if (index < state.method_count)
		return state.methods[index];
	index -= state.method_count;
	if (index < ARRAY_SIZE(aliases))
		return aliases[index].name;
	index -= ARRAY_SIZE(aliases);
	return index < ARRAY_SIZE(builtins) ? builtins[index].name : NULL;
}

static char *next_match(const char *prefix, int again)
{
	static size_t index;
	const char *name;
	if (!again)
		index = 0;
	while ((name = name_at(index))) {
		index++;
		if (strncmp(name, prefix, strlen(prefix)) == 0)
			return strdup(name);
	}
	return NULL;
}

/* Names stand first, and after the commands that take a name. */
static char **complete(const char *text, int start, int end)
{
	const char *line = rl_line_buffer;
	rl_attempted_completion_over = 1;
	while (isspace((unsigned char)*line))
		line++;
	bool takes_name = strncmp(line, "help ", 5) == 0 || strncmp(line, "? ", 2) == 0 ||
			  strncmp(line, "system.methodHelp ", 18) == 0;
	if (line - rl_line_buffer != start && !takes_name)
		return NULL;
	return rl_completion_matches(text, next_match);
}

static void run_line(char *line)
{
	char *words[WORDS_MOST];
	unsigned count = split_line(line, words);
	if (count)
		run_words(count, words);
}

static int run_prompt(void)
{
	char *line = NULL;
	size_t size = 0;
	if (!isatty(STDIN_FILENO)) {
		while (getline(&line, &size, stdin) > 0)
			run_line(line);
		free(line);
		return 0;
	}
	printf("%s (viaduct %s)\nhelp lists the commands, the tabulator key completes them.\n",
	       VERSION_TEXT, VIADUCT_VERSION);
	read_methods();
	rl_readline_name = "kamcmd";
	rl_attempted_completion_function = complete;
	using_history();
	while ((line = readline("kamcmd> "))) {
		if (line[strspn(line, " \t")])
			add_history(line);
		run_line(line);
		free(line);
	}
	putchar('\n');
	return 0;
}

/* ---- command line --------------------------------------------------------------------------------------------------- */

static const char usage[] =
	"Usage: kamcmd [options] [-s address] [command [arguments]]\n"
	"Options:\n"
	"    -s address  control socket of the server; default " DEFAULT_SOCKET "\n"
	"    -R name     name of our reply socket, when the address is a unix datagram socket\n"
	"    -D dir      folder of our reply socket, when -R gives no name\n"
	"    -f format   prints the answer with this format: %v stands for the next value, %%v for\n"
	"                the text %v; \\n \\t and the like are understood\n"
	"    -v          verbose: a line with a dot ends each answer\n"
	"    -V, --version  version number\n"
	"    -h, --help     this text\n"
	"Address:\n"
	"    [proto:]name[:port]   proto is unix or unixs, unixd, udp or tcp; the default port is " DEFAULT_PORT
	"\n"
	"Arguments:\n"
	"    texts or numbers; s: in front makes a text of a number (s:1234), and -- before the first\n"
	"    argument lets negative numbers through\n"
	"Without a command kamcmd asks for commands.\n"
	"Examples:\n"
	"    kamcmd core.version\n"
	"    kamcmd -f 'pid: %v is %v\\n' core.ps\n"
	"    kamcmd -s tcp:localhost:" DEFAULT_PORT " ul.lookup location s:1001\n";

static int read_options(int count, char **arguments)
{
	static const struct option names[] = { { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	int option;
	opterr = 0;
	while ((option = getopt_long(count, arguments, ":s:R:D:f:vVh", names, NULL)) >= 0)
		switch (option) {
		case 's': options.address = optarg; break;
		case 'R': options.reply_name = optarg; break;
		case 'D': options.reply_directory = optarg; break;
		case 'f': options.format = optarg; break;
		case 'v': options.is_verbose = true; break;
		case 'V':
			printf("version: %s (viaduct %s)\n", VERSION_TEXT, VIADUCT_VERSION);
			exit(0);
		case 'h':
			printf("version: %s (viaduct %s)\n%s", VERSION_TEXT, VIADUCT_VERSION,
			       usage);
			exit(0);
		case ':':
			fprintf(stderr, "Option `-%c' requires an argument.\n", optopt);
			return EXIT_TROUBLE;
		default:
			fprintf(stderr, "Unknown option `%s'; -h lists them.\n",
				arguments[optind - 1]);
			return EXIT_TROUBLE;
		}
	return 0;
}

int main(int count, char **arguments)
{
	int code = read_options(count, arguments);
	if (code)
		return code;
	if (!parse_address(options.address)) {
		fprintf(stderr, "ERROR: error parsing server socket address %s\n", options.address);
		return EXIT_TROUBLE;
	}
	arena_init(&state.arena, 1u << 16, ANSWER_MAX);
	state.cookie = (uint32_t)getpid() << 8;
	if (optind < count)
		code = run_words((unsigned)(count - optind), arguments + optind);
	else if (connect_server())
		code = run_prompt();
	else
		code = EXIT_TROUBLE;
	disconnect();
	arena_free(&state.arena);
	return code;
}
