/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables as files:
 *
 *   file   = header *row
 *   header = column *( SP column ) LF
 *   column = name "(" type [ "," "auto" ] [ "," "null" ] ")"
 *   type   = "int" / "double" / "string" / "str" / "blob" / "time" …  (the first letter decides)
 *   row    = field *( ":" field ) LF
 *   field  = *( any byte but ":", "\", LF, CR / "\" ( "n" / "r" / "t" / "\" / ":" / "0" ) )
 *
 * An empty field is NULL where the column allows it. Lines that are empty are skipped. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "modules/db_text/db_text.h"

#define FILE_MOST (256u << 20)

static void set_path(char path[PATH_MAX], struct span directory, struct span name,
		     const char *suffix)
{
	snprintf(path, PATH_MAX, "%.*s/%.*s%s", SPAN_ARGS(directory), SPAN_ARGS(name), suffix);
}

void text_table_free(struct text_table *table)
{
	if (!table)
		return;
	arena_free(&table->arena);
	free(table);
}

int text_table_column(const struct text_table *table, struct span name)
{
	for (unsigned i = 0; i < table->column_count; i++)
		if (span_equal_nocase(table->columns[i].name, name))
			return (int)i;
	return -1;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct db_value empty_value(const struct text_column *column)
{
	if (column->may_be_null && !(column->kind == DB_TEXT && text_settings->empty_is_text))
		return db_null();
	switch (column->kind) {
	case DB_INT: return db_int(0);
	case DB_DOUBLE: return db_double(0);
	default: return db_text(SPAN_OF(""));
	}
}

struct db_value *text_table_add(struct text_table *table)
{
	if (table->row_count == table->row_room) {
		unsigned room = table->row_room ? 2 * table->row_room : 64;
		struct db_value **rows =
			arena_grow(&table->arena, table->rows, table->row_room * sizeof(*rows),
				   room * sizeof(*rows));
		if (!rows)
			return NULL;
		table->rows = rows;
		table->row_room = room;
	}
	struct db_value *row = ARENA_ARRAY(&table->arena, struct db_value, table->column_count);
	if (!row)
		return NULL;
	for (unsigned i = 0; i < table->column_count; i++)
		row[i] = empty_value(&table->columns[i]);
	table->rows[table->row_count++] = row;
	return row;
}

bool text_table_set(struct text_table *table, struct db_value *row, unsigned column,
		    const struct db_value *value)
{
	char buffer[32];
	struct db_value *cell = &row[column];
	if (value->kind == DB_NULL) {
		*cell = table->columns[column].may_be_null ? db_null()
							   : empty_value(&table->columns[column]);
		return true;
	}
	switch (table->columns[column].kind) {
	case DB_INT: *cell = db_int(db_as_int(value)); return true;
	case DB_DOUBLE: *cell = db_double(db_as_double(value)); return true;
	default: break;
	}
	struct span copy = arena_copy(&table->arena, db_as_text(value, buffer));
	*cell = db_text(copy);
	return copy.at != NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool parse_column(struct span text, struct text_column *out)
{
	size_t open = span_find(text, '(', 0);
	struct span inner = span_slice(text, open + 1, text.len), word;
	*out = (struct text_column){ .name = span_slice(text, 0, open) };
	if (open == 0 || open == text.len || !span_ends_with(inner, SPAN_OF(")")))
		return false;
	inner.len--;
	if (!span_split(&inner, ',', &word) || !word.len)
		return false;
	switch (ascii_lower(word.at[0])) {
	case 'i':
	case 't':
	case 'd':
		out->kind = span_starts_with_nocase(word, SPAN_OF("do")) ? DB_DOUBLE : DB_INT;
		break;
	case 'f': out->kind = DB_DOUBLE; break;
	case 's':
	case 'b': out->kind = DB_TEXT; break;
	default: return false;
	}
	while (span_split(&inner, ',', &word)) {
		out->is_auto |= span_equal_nocase(word, SPAN_OF("auto"));
		out->may_be_null |= span_equal_nocase(word, SPAN_OF("null"));
	}
	return true;
}

static bool parse_header(struct text_table *table, struct span line)
{
	struct span word;
	unsigned most = 1;
	for (size_t i = 0; i < line.len; i++)
		most += line.at[i] == ' ' || line.at[i] == '\t';
	table->columns = ARENA_ARRAY(&table->arena, struct text_column, most);
	if (!table->columns)
		return false;
	for (size_t i = 0; i < line.len;) {
		size_t end = i;
		while (end < line.len && !ascii_is_space(line.at[end]))
			end++;
		word = span_slice(line, i, end - i);
		if (word.len && !parse_column(word, &table->columns[table->column_count++]))
			return false;
		i = end + 1;
	}
	return table->column_count > 0;
}

/* Takes one field off the line and removes its escapes where it stands. */
static bool take_field(struct span *rest, struct span *out)
{
	char *to = (char *)(uintptr_t)rest->at;
	size_t i = 0;
	if (!rest->at)
		return false;
	*out = span_make(rest->at, 0);
	for (; i < rest->len && rest->at[i] != text_settings->delimiter; i++) {
		char c = rest->at[i];
		if (c == '\\' && i + 1 < rest->len) {
			c = rest->at[++i];
			c = c == 'n'   ? '\n'
			    : c == 'r' ? '\r'
			    : c == 't' ? '\t'
			    : c == '0' ? '\0'
				       : c;
		}
		to[out->len++] = c;
	}
	*rest = i < rest->len ? span_slice(*rest, i + 1, rest->len) : (struct span){ 0 };
	return true;
}

static bool read_cell(const struct text_column *column, struct span text, struct db_value *cell)
{
	int64_t number;
	struct db_value as_text = db_text(text);
	if (!text.len)
		return true; /* the empty value is there already */
	switch (column->kind) {
	case DB_INT:
		if (!span_to_int64(text, &number))
			return false;
		*cell = db_int(number);
		return true;
	case DB_DOUBLE: *cell = db_double(db_as_double(&as_text)); return true;
	default: *cell = as_text; return true;
	}
}

static const char *parse_row(struct text_table *table, struct span line)
{
	struct span field;
	unsigned i = 0;
	struct db_value *row = text_table_add(table);
	if (!row)
		return "no memory for it";
	for (; take_field(&line, &field); i++) {
		if (i == table->column_count)
			return "it has more fields than the first line has columns";
		if (!read_cell(&table->columns[i], field, &row[i]))
			return "a field is no number";
	}
	return i == table->column_count ? NULL
					: "it has fewer fields than the first line has columns";
}

static const char *parse_table(struct text_table *table, struct span text, unsigned *out_line)
{
	struct span line;
	bool has_header = false;
	for (*out_line = 1; span_split(&text, '\n', &line); ++*out_line) {
		const char *wrong = NULL;
		if (span_ends_with(line, SPAN_OF("\r")))
			line.len--;
		if (!line.len)
			continue;
		if (has_header)
			wrong = parse_row(table, line);
		else if (!parse_header(table, line))
			wrong = "the first line is name(type) name(type) …";
		if (wrong)
			return wrong;
		has_header = true;
	}
	*out_line = 1;
	return has_header ? NULL : "it is empty";
}

static bool read_all(int fd, char *to, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(fd, to + got, size - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

/* The file's bytes, in the table's arena. */
static bool load(struct text_table *table, const char *path, struct span *out, char error[256])
{
	struct stat about;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_good = fd >= 0 && fstat(fd, &about) == 0;
	char *bytes = NULL;
	if (!is_good)
		snprintf(error, 256, "%.160s: %m", path);
	else if (!S_ISREG(about.st_mode) || about.st_size > FILE_MOST)
		snprintf(error, 256, "%.160s: no file, or too large", path);
	else if (!(bytes = arena_alloc(&table->arena, (size_t)about.st_size + 1)))
		snprintf(error, 256, "%.160s: no memory for it", path);
	else if (!read_all(fd, bytes, (size_t)about.st_size))
		snprintf(error, 256, "%.160s: %m", path);
	else
		*out = span_make(bytes, (size_t)about.st_size);
	if (is_good) {
		table->changed = about.st_mtim;
		table->size = about.st_size;
		table->inode = about.st_ino;
	}
	if (fd >= 0)
		close(fd);
	return out->at != NULL;
}

struct text_table *text_table_read(struct span directory, struct span name, char error[256])
{
	char path[PATH_MAX];
	struct span text = { 0 };
	unsigned line;
	struct text_table *table = calloc(1, sizeof(*table));
	if (!table) {
		snprintf(error, 256, "no memory");
		return NULL;
	}
	arena_init(&table->arena, 65536, 4 * (size_t)FILE_MOST);
	table->name = arena_copy(&table->arena, name);
	set_path(path, directory, name, "");
	if (load(table, path, &text, error)) {
		const char *wrong = parse_table(table, text, &line);
		if (!wrong)
			return table;
		snprintf(error, 256, "%.160s:%u: %.70s", path, line, wrong);
	}
	text_table_free(table);
	return NULL;
}

bool text_table_is_current(const struct text_table *table, struct span directory)
{
	char path[PATH_MAX];
	struct stat about;
	set_path(path, directory, table->name, "");
	return stat(path, &about) == 0 && about.st_ino == table->inode &&
	       about.st_size == table->size && about.st_mtim.tv_sec == table->changed.tv_sec &&
	       about.st_mtim.tv_nsec == table->changed.tv_nsec;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_escaped(FILE *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		char escape = c == '\n'   ? 'n'
			      : c == '\r' ? 'r'
			      : c == '\t' ? 't'
			      : c == '\0' ? '0'
					  : '\0';
		if (c == '\\' || c == text_settings->delimiter)
			escape = c;
		if (escape)
			putc('\\', out);
		putc(escape ? escape : c, out);
	}
}

static void write_header(FILE *out, const struct text_table *table)
{
	for (unsigned i = 0; i < table->column_count; i++) {
		const struct text_column *column = &table->columns[i];
		fprintf(out, "%.*s(%s%s%s) ", SPAN_ARGS(column->name),
			column->kind == DB_INT      ? "int"
			: column->kind == DB_DOUBLE ? "double"
						    : "string",
			column->is_auto ? ",auto" : "", column->may_be_null ? ",null" : "");
	}
	putc('\n', out);
}

static bool write_rows(FILE *out, const struct text_table *table)
{
	char buffer[32];
	write_header(out, table);
	for (unsigned i = 0; i < table->row_count; i++) {
		if (!table->rows[i])
			continue; /* deleted */
		for (unsigned j = 0; j < table->column_count; j++) {
			if (j)
				putc(text_settings->delimiter, out);
			write_escaped(out, db_as_text(&table->rows[i][j], buffer));
		}
		putc('\n', out);
	}
	return !ferror(out);
}

bool text_table_write(const struct text_table *table, struct span directory, char error[256])
{
	char path[PATH_MAX], draft[PATH_MAX];
	struct stat about;
	set_path(path, directory, table->name, "");
	set_path(draft, directory, table->name, ".new");
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool is_good =
		out != NULL && stat(path, &about) == 0 && fchmod(fd, about.st_mode & 0777) == 0;
	/* The owner stays, where we may decide that. */
	if (is_good && fchown(fd, about.st_uid, about.st_gid) < 0)
		errno = 0;
	is_good = is_good && write_rows(out, table);
	if (out)
		is_good = fclose(out) == 0 && is_good;
	else if (fd >= 0)
		close(fd);
	is_good = is_good && rename(draft, path) == 0;
	if (!is_good)
		snprintf(error, 256, "%.160s cannot be written: %m", path);
	return is_good;
}
