/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations of metrics: settings prom_counter, prom_gauge, prom_histogram. */
#include "modules/xhttp_prom/prom.h"

#include <stdlib.h>

static const double usual_buckets[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };
static const char *const kind_names[] = {
	[METRIC_COUNTER] = "prom_counter",
	[METRIC_GAUGE] = "prom_gauge",
	[METRIC_HISTOGRAM] = "prom_histogram",
};

static struct {
	struct metric *first, **last;
	unsigned count;
} state = { .last = &state.first };

const struct metric *metric_first(void)
{
	return state.first;
}

static const struct metric *find(struct span name)
{
	const struct metric *metric = state.first;
	while (metric && !span_equal(metric->name, name))
		metric = metric->next;
	return metric;
}

const struct metric *metric_find(struct span name, enum metric_kind kind, unsigned label_count)
{
	const struct metric *metric = find(name);
	if (!metric || metric->kind != kind)
		log_error("there is no %s \"%.*s\"", kind_names[kind], SPAN_ARGS(name));
	else if (metric->label_count != label_count)
		log_error("%.*s has %u labels, not %u", SPAN_ARGS(name), metric->label_count,
			  label_count);
	else
		return metric;
	return NULL;
}

/* ---- attributes ---- */

/* A name of Prometheus' data model; labels have no colons, and no digit in front. */
static bool is_name(struct span name, bool is_label)
{
	if (!name.len || (is_label && ascii_is_digit(name.at[0])))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_' && (is_label || c != ':'))
			return false;
	}
	return true;
}

static const char *set_name(struct metric *metric, struct span text)
{
	metric->name = text;
	if (!is_name(text, false))
		return "a name consists of letters, digits, '_' and ':'";
	return find(text) ? "a metric of this name was declared before" : NULL;
}

/* labels = name 0*2( ":" name ) */
static const char *set_labels(struct metric *metric, struct span text)
{
	struct span rest = text, label;
	while (span_split(&rest, ':', &label)) {
		if (metric->label_count == LABELS_MOST)
			return "a metric has three labels at most";
		if (!is_name(label, true))
			return "a label consists of letters, digits and '_', with no digit in front";
		metric->labels[metric->label_count++] = label;
	}
	return NULL;
}

/* buckets = number *( ":" number ) */
static const char *set_buckets(struct metric *metric, struct span text)
{
	struct span rest = text, item;
	if (metric->kind != METRIC_HISTOGRAM)
		return "only histograms have buckets";
	metric->bucket_count = 0;
	while (span_split(&rest, ':', &item)) {
		char *end, *number = arena_string(startup_arena(), span_trim(item));
		double bound = number ? strtod(number, &end) : 0;
		if (!number || end == number || *end)
			return "buckets are numbers with ':' between them";
		if (metric->bucket_count == BUCKETS_MOST)
			return "a histogram has 32 buckets at most";
		if (metric->bucket_count && bound <= metric->buckets[metric->bucket_count - 1])
			return "each bucket must be larger than the one before";
		metric->buckets[metric->bucket_count++] = bound;
	}
	return NULL;
}

static const struct {
	const char *name;
	const char *(*set)(struct metric *metric, struct span text);
} attributes[] = {
	{ "name", set_name },
	{ "label", set_labels },
	{ "buckets", set_buckets },
};

static const char *set_attribute(struct metric *metric, struct span text)
{
	size_t equals = span_find(text, '=', 0);
	struct span name = span_trim(span_slice(text, 0, equals));
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		if (span_equal_nocase(name, span_from(attributes[i].name)))
			return attributes[i].set(metric,
						 span_trim(span_slice(text, equals + 1, text.len)));
	return arena_printf(startup_arena(), "\"%.*s\" is none of name, label, buckets",
			    SPAN_ARGS(name))
		.at;
}

/* declaration = attribute *( ";" attribute ) [ ";" ]; attribute = name "=" value */
static const char *declare(struct span text, enum metric_kind kind)
{
	struct metric *metric = ARENA_NEW(startup_arena(), struct metric);
	struct span rest = text, attribute;
	const char *wrong = NULL;
	if (!text.at)
		return "expected name=NAME; label=LABEL:LABEL";
	if (!metric)
		return "out of memory";
	metric->kind = kind;
	memcpy(metric->buckets, usual_buckets, sizeof(usual_buckets));
	metric->bucket_count = ARRAY_SIZE(usual_buckets);
	while (!wrong && span_split(&rest, ';', &attribute))
		if (span_trim(attribute).len)
			wrong = set_attribute(metric, attribute);
	if (wrong)
		return wrong;
	if (!metric->name.len)
		return "the metric has no name";
	metric->number = state.count++;
	*state.last = metric;
	state.last = &metric->next;
	return NULL;
}

const char *metric_declare_counter(struct span text, int64_t number)
{
	return declare(text, METRIC_COUNTER);
}

const char *metric_declare_gauge(struct span text, int64_t number)
{
	return declare(text, METRIC_GAUGE);
}

const char *metric_declare_histogram(struct span text, int64_t number)
{
	return declare(text, METRIC_HISTOGRAM);
}
