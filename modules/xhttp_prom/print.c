/* SPDX-License-Identifier: BSD-2-Clause */
/* Prometheus' text format, version 0.0.4: "NAME{LABEL="VALUE", …} NUMBER MILLISECONDS". */
#include "modules/xhttp_prom/prom.h"

#include <stdlib.h>

enum metadata { METADATA_TYPE = 1, METADATA_HELP = 2 };

struct page {
	const struct print_settings *settings;
	struct writer w;
	int64_t now_ms;
	bool has_labels; /* of the line at hand */
};

/* ---- lines ---- */

static void begin_name(struct page *page, struct span name)
{
	writer_span(&page->w, page->settings->beginning);
	writer_span(&page->w, name);
}

/* Names of our counters may hold characters that names of metrics may not. */
static void write_clean(struct writer *w, struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool is_good = ascii_is_alpha(c) || ascii_is_digit(c) || c == ':';
		writer_char(w, is_good ? c : '_');
	}
}

static void begin_labels(struct page *page)
{
	page->has_labels = false;
	if (!page->settings->tags.len)
		return;
	writer_char(&page->w, '{');
	writer_span(&page->w, page->settings->tags);
	page->has_labels = true;
}

static void write_label(struct page *page, struct span name, struct span value)
{
	writer_string(&page->w, page->has_labels ? ", " : "{");
	page->has_labels = true;
	writer_span(&page->w, name);
	writer_string(&page->w, "=\"");
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];
		if (c == '"' || c == '\\')
			writer_char(&page->w, '\\');
		if (c == '\n')
			writer_string(&page->w, "\\n");
		else if (c)
			writer_char(&page->w, c);
	}
	writer_char(&page->w, '"');
}

static void end_labels(struct page *page)
{
	writer_string(&page->w, page->has_labels ? "} " : " ");
}

static void end_line(struct page *page)
{
	struct span format = page->settings->timestamp_format;
	if (span_equal_nocase(format, SPAN_OF("ms")))
		writer_printf(&page->w, " %lld", (long long)page->now_ms);
	else if (span_equal_nocase(format, SPAN_OF("s")))
		writer_printf(&page->w, " %lld", (long long)(page->now_ms / 1000));
	writer_char(&page->w, '\n');
}

/* Six digits where they are exact, as the peer writes, else as many as are needed. */
static void write_number(struct writer *w, double number)
{
	char text[64];
	struct writer short_form = writer_fixed(text, sizeof(text));
	writer_printf(&short_form, "%f", number);
	const char *end = writer_terminate(&short_form);
	if (end && strtod(text, NULL) == number)
		writer_string(w, text);
	else
		writer_printf(w, "%.17g", number);
}

static void write_metadata(struct page *page, struct span name, const char *type, const char *help)
{
	int64_t flags = page->settings->metadata_flags;
	if (flags & METADATA_HELP && help) {
		writer_string(&page->w, "# HELP ");
		begin_name(page, name);
		writer_printf(&page->w, " %s\n", help);
	}
	if (flags & METADATA_TYPE) {
		writer_string(&page->w, "# TYPE ");
		begin_name(page, name);
		writer_printf(&page->w, " %s\n", type);
	}
}

/* ---- declared metrics ---- */

static void begin_series(struct page *page, const struct series_copy *series, const char *suffix)
{
	begin_name(page, series->metric->name);
	writer_string(&page->w, suffix);
	begin_labels(page);
	for (unsigned i = 0; i < series->metric->label_count; i++)
		write_label(page, series->metric->labels[i], series->labels[i]);
}

static void print_bucket(struct page *page, const struct series_copy *series, unsigned bucket,
			 uint64_t count)
{
	char bound[400] = "+Inf";
	struct writer w = writer_fixed(bound, sizeof(bound));
	begin_series(page, series, "_bucket");
	if (bucket < series->metric->bucket_count)
		writer_printf(&w, "%f", series->metric->buckets[bucket]);
	write_label(page, SPAN_OF("le"), w.len ? writer_result(&w) : SPAN_OF("+Inf"));
	end_labels(page);
	writer_uint(&page->w, count);
	end_line(page);
}

static void print_histogram(struct page *page, const struct series_copy *series)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i <= series->metric->bucket_count; i++) {
		sum += series->buckets[i];
		print_bucket(page, series, i, sum);
	}
	begin_series(page, series, "_sum");
	end_labels(page);
	write_number(&page->w, series->number);
	end_line(page);
	begin_series(page, series, "_count");
	end_labels(page);
	writer_int(&page->w, series->count);
	end_line(page);
}

static void print_series(struct page *page, const struct series_copy *series)
{
	if (series->metric->kind == METRIC_HISTOGRAM) {
		print_histogram(page, series);
		return;
	}
	begin_series(page, series, "");
	end_labels(page);
	if (series->metric->kind == METRIC_COUNTER)
		writer_int(&page->w, series->count);
	else
		write_number(&page->w, series->number);
	end_line(page);
}

static bool print_all_series(struct page *page, struct arena *arena)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};
	size_t count;
	const struct series_copy *all = series_collect(arena, &count);
	if (!all)
		return false;
	writer_string(&page->w, "# User defined metrics\n");
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || all[i].metric != all[i - 1].metric)
			write_metadata(page, all[i].metric->name, types[all[i].metric->kind], NULL);
		print_series(page, &all[i]);
	}
	return true;
}

/* ---- counters of the server ---- */

struct listed {
	counter_id id;
	struct counter_info info;
};

static int compare_listed(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;
	int order = strcmp(a->info.group, b->info.group);
	return order ? order : strcmp(a->info.name, b->info.name);
}

static void print_counter(struct page *page, const struct listed *listed)
{
	char text[256];
	struct writer name = writer_fixed(text, sizeof(text));
	write_clean(&name, span_from(listed->info.group));
	writer_char(&name, '_');
	write_clean(&name, span_from(listed->info.name));
	write_metadata(page, writer_result(&name),
		       listed->info.kind == COUNTER_COUNT ? "counter" : "gauge", listed->info.doc);
	begin_name(page, writer_result(&name));
	begin_labels(page);
	end_labels(page);
	writer_int(&page->w, counter_read(listed->id));
	end_line(page);
}

/* "all", "group:" or "name". */
static bool print_counters(struct page *page, struct arena *arena)
{
	struct span stats = page->settings->stats, group = { NULL, 0 };
	bool is_all = span_equal(stats, SPAN_OF("all"));
	bool is_group = span_ends_with(stats, SPAN_OF(":"));
	struct listed *list = ARENA_ARRAY(arena, struct listed, COUNTERS_MOST);
	size_t count = 0;
	if (!list)
		return false;
	if (is_group)
		group = span_slice(stats, 0, stats.len - 1);
	for (counter_id id = counter_next(COUNTER_NONE, group);
	     id != COUNTER_NONE && count < COUNTERS_MOST; id = counter_next(id, group)) {
		list[count].id = id;
		if (counter_describe(id, &list[count].info) &&
		    (is_all || is_group || span_equal(stats, span_from(list[count].info.name))))
			count++;
	}
	qsort(list, count, sizeof(list[0]), compare_listed);
	if (is_all)
		writer_string(&page->w, "\n# Kamailio whole internal statistics\n");
	else
		writer_printf(&page->w, "\n# Kamailio statistics for%s: %.*s\n",
			      is_group ? " group" : "", SPAN_ARGS(stats));
	for (size_t i = 0; i < count; i++)
		print_counter(page, &list[i]);
	return true;
}

static void print_uptime(struct page *page)
{
	write_metadata(page, SPAN_OF("uptime"), "counter", "seconds since the start");
	begin_name(page, SPAN_OF("uptime"));
	begin_labels(page);
	end_labels(page);
	writer_int(&page->w, clock_wall_s() - server_start_wall_s());
	end_line(page);
}

static struct page page_new(const struct print_settings *settings, struct arena *arena)
{
	return (struct page){ .settings = settings,
			      .w = writer_in_arena(arena, 8192),
			      .now_ms = clock_wall_us_now() / 1000 };
}

static struct span page_end(const struct page *page, bool is_good)
{
	return is_good && !page->w.failed ? writer_result(&page->w) : (struct span){ NULL, 0 };
}

struct span print_metrics(const struct print_settings *settings, struct arena *arena)
{
	struct page page = page_new(settings, arena);
	return page_end(&page, print_all_series(&page, arena));
}

struct span print_page(const struct print_settings *settings, struct arena *arena)
{
	struct page page = page_new(settings, arena);
	bool is_good = print_all_series(&page, arena);
	if (is_good && settings->uptime_stat)
		print_uptime(&page);
	if (is_good && settings->stats.len)
		is_good = print_counters(&page, arena);
	return page_end(&page, is_good);
}
