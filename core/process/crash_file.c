/* SPDX-License-Identifier: BSD-2-Clause */
/* Crash files in the run directory. */
#include "core/process/crash_file.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"

/* ---- secrets ---------------------------------------------------------------------------------- */

/* Lines that begin so are secret from there on, to the end of the line and of the lines that
 * continue it. */
static const struct span secret_lines[] = {
	SPAN("Authorization"), SPAN("Proxy-Authorization"), SPAN("a=crypto:"), SPAN("a=key-mgmt:"), SPAN("k="),
};

static bool is_secret_line(struct span line)
{
	for (size_t i = 0; i < sizeof(secret_lines) / sizeof(secret_lines[0]); i++)
		if (span_starts_with_nocase(line, secret_lines[i]))
			return true;
	return false;
}

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static size_t line_end(const char *bytes, size_t len, size_t at)
{
	while (at < len && bytes[at] != '\n' && bytes[at] != '\r')
		at++;
	return at;
}

static void hide(char *bytes, size_t from, size_t to)
{
	while (from < to && bytes[from] != ':' && bytes[from] != '=')
		from++;
	for (; from < to; from++)
		if (is_letter_or_digit(bytes[from]))
			bytes[from] = 'x';
}

void crash_file_redact(char *bytes, size_t len)
{
	bool is_secret = false;
	for (size_t at = 0; at < len;) {
		size_t end = line_end(bytes, len, at);
		bool continues = bytes[at] == ' ' || bytes[at] == '\t';
		if (!continues)
			is_secret = is_secret_line(span_make(bytes + at, end - at));
		if (is_secret && continues)
			for (size_t i = at; i < end; i++)
				bytes[i] = is_letter_or_digit(bytes[i]) ? 'x' : bytes[i];
		else if (is_secret)
			hide(bytes, at, end);
		while (end < len && (bytes[end] == '\n' || bytes[end] == '\r'))
			end++;
		at = end;
	}
}

/* ---- the file ----------------------------------------------------------------------------------- */

/* Program and modules lie at the same addresses in all processes, so names are found here. */
static void write_frames(FILE *file, const struct flight_record *record)
{
	if (record->frame_count)
		fprintf(file, "backtrace:\n");
	for (unsigned i = 0; i < record->frame_count && i < FLIGHT_FRAMES; i++) {
		Dl_info info;
		void *at = record->frames[i];
		if (!dladdr(at, &info) || !info.dli_fname)
			fprintf(file, "  %p\n", at);
		else if (info.dli_sname)
			fprintf(file, "  %s(+%#zx) %s+%#zx\n", info.dli_fname,
				(size_t)((char *)at - (char *)info.dli_fbase), info.dli_sname,
				(size_t)((char *)at - (char *)info.dli_saddr));
		else
			fprintf(file, "  %s(+%#zx)\n", info.dli_fname,
				(size_t)((char *)at - (char *)info.dli_fbase));
	}
}

static void write_message(FILE *file, const struct flight_record *record)
{
	char text[2][END_POINT_TEXT_MAX];
	char *copy = malloc(record->len);
	const struct end_point *ends[2] = { &record->source, &record->local };
	for (unsigned i = 0; i < 2; i++) {
		struct writer w = writer_fixed(text[i], END_POINT_TEXT_MAX - 1);
		end_point_write(&w, ends[i]);
		text[i][w.len] = '\0';
	}
	if (!copy)
		return;
	memcpy(copy, record->bytes, record->len);
	crash_file_redact(copy, record->len);
	fprintf(file, "from: %s\nto: %s\nmessage: %u bytes, secrets are written as x\n", text[0],
		text[1], record->len);
	fwrite(copy, 1, record->len, file);
	free(copy);
}

static bool write_report(FILE *file, const struct crash_report *report)
{
	const struct flight_record *record = report->record;
	fprintf(file,
		"viaduct crash file\nversion: " VIADUCT_VERSION "\nprocess: %s (%ld)\nend: %s\n",
		report->process, report->pid, report->how);
	if (record->signal)
		fprintf(file, "signal: %d, code %d, address %#llx\n", record->signal, record->code,
			(unsigned long long)record->address);
	write_frames(file, record);
	if (record->len)
		write_message(file, record);
	return !ferror(file);
}

static int is_crash_file(const struct dirent *entry)
{
	return strncmp(entry->d_name, "crash-", 6) == 0;
}

/* Names begin with the date, so the oldest is the first. */
static void remove_oldest(const char *directory, unsigned most)
{
	struct dirent **found;
	int count = scandir(directory, &found, is_crash_file, alphasort);
	for (int i = 0; i < count; i++) {
		char path[512];
		if (count - i > (int)most && snprintf(path, sizeof(path), "%s/%s", directory,
						      found[i]->d_name) < (int)sizeof(path))
			unlink(path);
		free(found[i]);
	}
	if (count >= 0)
		free(found);
}

static FILE *open_private(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file && fd >= 0)
		close(fd);
	return file;
}

const char *crash_file_write(const char *directory, unsigned most,
			     const struct crash_report *report)
{
	static char path[512];
	char date[32];
	struct tm utc;
	time_t now = (time_t)(clock_wall_us_now() / 1000000);
	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &utc);
	if (snprintf(path, sizeof(path), "%s/crash-%s-%ld.txt", directory, date, report->pid) >=
	    (int)sizeof(path))
		return NULL;
	FILE *file = open_private(path);
	bool is_written = file && write_report(file, report);
	if ((file && fclose(file) != 0) || !is_written) {
		log_error("cannot write the crash file %s: %m", path);
		if (file)
			unlink(path);
		return NULL;
	}
	remove_oldest(directory, most);
	return path;
}
