/* SPDX-License-Identifier: BSD-2-Clause */
/* What a tool prints: tables, JSON, and errors that say what to do. */
#include "utils/control/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/rpc/json.h"

#define PASSWORD_MAX  1024
#define ARENA_MOST    (1u << 30)
#define ROWS_LAID_OUT 10000 /* more are printed with the widths of the first ones */

static struct {
	bool is_json, is_vertical;
	struct arena arena;
	const struct span *columns;
	unsigned count; /* columns */
	unsigned *widths;
	struct span **waiting; /* rows whose widths are still being measured */
	unsigned waiting_count, row_count;
	bool is_flowing; /* the head is printed */
} state;

void output_use_json(bool is_json)
{
	state.is_json = is_json;
}

bool output_is_json(void)
{
	return state.is_json;
}

static void say_marked(FILE *file, const char *mark, const char *format, va_list arguments)
{
	fprintf(file, "** %s: ", mark);
	vfprintf(file, format, arguments);
	fputc('\n', file);
}

void say_info(const char *format, ...)
{
	va_list arguments;
	if (state.is_json)
		return;
	va_start(arguments, format);
	say_marked(stdout, "INFO", format, arguments);
	va_end(arguments);
}

void say_warning(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say_marked(stderr, "WARNING", format, arguments);
	va_end(arguments);
}

void say_error(const char *format, ...)
{
	va_list arguments;
	fflush(stdout);
	va_start(arguments, format);
	say_marked(stderr, "ERROR", format, arguments);
	va_end(arguments);
}

void say(const char *format, ...)
{
	va_list arguments;
	if (state.is_json)
		return;
	va_start(arguments, format);
	vprintf(format, arguments);
	putchar('\n');
	va_end(arguments);
}

bool ask_yes_no(const char *question)
{
	char answer[16];
	if (!isatty(STDIN_FILENO)) {
		/* A pipe may answer too: `yes | kamdbctl create` is a habit. */
		if (fgets(answer, sizeof(answer), stdin))
			return *answer == 'y' || *answer == 'Y';
		say_error("%s - nobody there to answer; taken as no", question);
		return false;
	}
	fprintf(stderr, "%s (y/n): ", question);
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

const char *read_password(void)
{
	static char password[PASSWORD_MAX + 1];
	char *line = NULL;
	size_t room = 0;
	ssize_t len = getline(&line, &room, stdin);
	while (len > 0 && strchr("\r\n", line[len - 1]) && line[len - 1])
		len--;
	bool is_whole = len >= 0 && len <= PASSWORD_MAX && !memchr(line, '\0', (size_t)len);
	if (is_whole) {
		memcpy(password, line, (size_t)len);
		password[len] = '\0';
	} else if (len >= 0) {
		say_error("a password has at most %d bytes, and no zero byte among them",
			  PASSWORD_MAX);
	}
	if (line)
		explicit_bzero(line, room);
	free(line);
	return is_whole ? password : NULL;
}

const char *ask_password(const char *prompt)
{
	struct termios before, quiet;
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return NULL;
	quiet = before;
	quiet.c_lflag &= (tcflag_t)~ECHO;
	fprintf(stderr, "%s: ", prompt);
	fflush(stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	const char *password = read_password();
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return password;
}

/* ---- rows ------------------------------------------------------------------------------------- */

static void print_json(const struct span *values, const bool *is_number)
{
	struct writer w = writer_in_arena(&state.arena, 1024);
	writer_string(&w, state.row_count ? ",\n  {" : "\n  {");
	for (unsigned i = 0; i < state.count; i++) {
		writer_string(&w, i ? ", " : "");
		json_write_text(&w, state.columns[i]);
		writer_string(&w, ": ");
		if (!values[i].at)
			writer_string(&w, "null");
		else if (is_number[i])
			writer_span(&w, values[i]);
		else
			json_write_text(&w, values[i]);
	}
	writer_char(&w, '}');
	fwrite(w.data, 1, w.len, stdout);
}

static void print_vertical(const struct span *values)
{
	printf("*************************** %u. row ***************************\n",
	       state.row_count + 1);
	for (unsigned i = 0; i < state.count; i++)
		printf("%*.*s: %.*s\n", (int)state.widths[i], SPAN_ARGS(state.columns[i]),
		       SPAN_ARGS(values[i].at ? values[i] : SPAN_OF("NULL")));
}

static void print_tabs(const struct span *values)
{
	for (unsigned i = 0; i < state.count; i++)
		printf("%s%.*s", i ? "\t" : "",
		       SPAN_ARGS(values[i].at ? values[i] : SPAN_OF("NULL")));
	putchar('\n');
}

static void print_ruler(void)
{
	for (unsigned i = 0; i < state.count; i++) {
		putchar('+');
		for (unsigned k = 0; k < state.widths[i] + 2; k++)
			putchar('-');
	}
	puts("+");
}

static void print_columns(const struct span *values)
{
	for (unsigned i = 0; i < state.count; i++) {
		struct span value = values[i].at ? values[i] : SPAN_OF("NULL");
		int room = (int)state.widths[i] - (int)value.len;
		printf("| %.*s%*s ", SPAN_ARGS(value), room > 0 ? room : 0, "");
	}
	puts("|");
}

static void print_waiting(void)
{
	if (state.is_flowing || !state.waiting_count)
		return;
	state.is_flowing = true;
	print_ruler();
	print_columns(state.columns);
	print_ruler();
	for (unsigned i = 0; i < state.waiting_count; i++)
		print_columns(state.waiting[i]);
}

void rows_begin(const struct span *columns, unsigned count, bool is_vertical)
{
	arena_init(&state.arena, 65536, ARENA_MOST);
	struct span *names = ARENA_ARRAY(&state.arena, struct span, count + 1);
	unsigned *widths = ARENA_ARRAY(&state.arena, unsigned, count + 1);
	state.waiting = ARENA_ARRAY(&state.arena, struct span *, ROWS_LAID_OUT);
	if (!names || !widths || !state.waiting) {
		say_error("out of memory");
		exit(EXIT_REFUSED);
	}
	unsigned widest = 0;
	for (unsigned i = 0; i < count; i++) {
		names[i] = arena_copy(&state.arena, columns[i]);
		widths[i] = (unsigned)columns[i].len;
		widest = widths[i] > widest ? widths[i] : widest;
	}
	for (unsigned i = 0; is_vertical && i < count; i++)
		widths[i] = widest;
	state.columns = names;
	state.widths = widths;
	state.count = count;
	state.is_vertical = is_vertical;
	state.waiting_count = state.row_count = 0;
	state.is_flowing = false;
	if (state.is_json)
		putchar('[');
	else if (!is_vertical && !isatty(STDOUT_FILENO) && count)
		print_tabs(names);
}

static void keep_row(const struct span *values)
{
	struct span *copy = ARENA_ARRAY(&state.arena, struct span, state.count);
	for (unsigned i = 0; copy && i < state.count; i++) {
		unsigned width = values[i].at ? (unsigned)values[i].len : 4;
		copy[i] = arena_copy(&state.arena, values[i]);
		state.widths[i] = width > state.widths[i] ? width : state.widths[i];
	}
	if (copy)
		state.waiting[state.waiting_count++] = copy;
	if (!copy || state.waiting_count == ROWS_LAID_OUT)
		print_waiting();
}

void rows_add(const struct span *values, const bool *is_number)
{
	if (state.is_json)
		print_json(values, is_number);
	else if (state.is_vertical)
		print_vertical(values);
	else if (!isatty(STDOUT_FILENO))
		print_tabs(values);
	else if (state.is_flowing)
		print_columns(values);
	else
		keep_row(values);
	state.row_count++;
}

void rows_end(void)
{
	if (state.is_json)
		puts(state.row_count ? "\n]" : "]");
	print_waiting();
	if (state.is_flowing)
		print_ruler();
	arena_free(&state.arena);
}
