/* SPDX-License-Identifier: BSD-2-Clause */
/* xhttp_prom: what the files of the module share. A metric is what the configuration declares; a series is
 * a metric with values of its labels, in shared memory since its first use. */
#pragma once

#include "core/module/module.h"

#define LABELS_MOST  3
#define BUCKETS_MOST 32

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
	struct metric *next; /* in the order of the configuration */
	unsigned number;
	enum metric_kind kind;
	struct span name;
	struct span labels[LABELS_MOST];
	unsigned label_count;
	double buckets[BUCKETS_MOST]; /* upper bounds; +Inf follows */
	unsigned bucket_count;
};

/* ---- metric.c: declarations -------------------------------------------------------------------------- */
/* For settings: "name=x; label=a:b; buckets=1:2.5"; NULL, or what is wrong. */
const char *metric_declare_counter(struct span text, int64_t number);
const char *metric_declare_gauge(struct span text, int64_t number);
const char *metric_declare_histogram(struct span text, int64_t number);
const struct metric *metric_first(void);
/* NULL after it was logged: no such metric, another kind, or another number of labels. */
const struct metric *metric_find(struct span name, enum metric_kind kind, unsigned label_count);

/* ---- series.c: values ------------------------------------------------------------------------------------ */

enum series_change { SERIES_SET, SERIES_ADD, SERIES_OBSERVE };
struct series_update {
	const struct metric *metric;
	const struct span *labels; /* metric->label_count of them */
	enum series_change change;
	double number; /* of gauges and histograms */
	int64_t count; /* of counters */
};

/* A copy for printing; texts in the arena it was copied to. */
struct series_copy {
	const struct metric *metric;
	struct span labels[LABELS_MOST];
	int64_t count;     /* of counters; observations of histograms */
	double number;     /* of gauges; the sum of histograms */
	uint64_t *buckets; /* of histograms: those that were in each, +Inf last; not cumulative */
};

bool series_prepare(int64_t unused_ms);
/* False when shared memory is out (logged). */
bool series_update(const struct series_update *update);
/* All of them, by metric and labels; NULL when memory is out. */
struct series_copy *series_collect(struct arena *arena, size_t *out_count);
/* Drops what was not used for so long. */
void series_expire(void);

/* ---- print.c: the text format ------------------------------------------------------------------------------ */
struct print_settings {
	struct span stats, beginning, tags, timestamp_format;
	int64_t metadata_flags;
	bool uptime_stat;
};
/* The whole page; the absent span when it needs more memory than there is. */
struct span print_page(const struct print_settings *settings, struct arena *arena);
/* The declared metrics only. */
struct span print_metrics(const struct print_settings *settings, struct arena *arena);
