/* SPDX-License-Identifier: BSD-2-Clause */
/* transform: what the files with transformations share; private to them. */
#pragma once

#include "core/base/log.h"
#include "core/script/script.h"
#include "core/script/variable.h"

/* The tables, one per file. */
extern const struct transform_table transform_string_table;
extern const struct transform_table transform_slice_table;
extern const struct transform_table transform_codec_table;
extern const struct transform_table transform_uri_table;
extern const struct transform_table transform_list_table;
extern const struct transform_table transform_known_table;

/* The value as text, numbers printed. False: out of memory. */
static inline bool transform_input(struct script_run *run, const struct value *value,
				   struct span *out_text)
{
	return value_to_text(run, value, out_text);
}

static inline bool transform_text(struct value *value, struct span text)
{
	*value = VALUE_OF_TEXT((text.at ? text : SPAN_OF("")));
	return true;
}

static inline bool transform_int(struct value *value, int64_t number)
{
	*value = VALUE_OF_INT(number);
	return true;
}

static inline bool transform_null(struct value *value)
{
	*value = (struct value){ .kind = VALUE_NULL };
	return true;
}

/* The writer's text as the value; false when memory ran out. */
static inline bool transform_written(struct value *value, const struct writer *w)
{
	return !w->failed && transform_text(value, writer_result(w));
}

/* A numeric argument; blanks around it are allowed. False after logging when it is no number. */
static inline bool transform_number(struct span arg, int64_t *out_number)
{
	if (span_to_int64(span_trim(arg), out_number))
		return true;
	log_error("a transformation needs a number, not \"%.*s\"\n", SPAN_ARGS(arg));
	return false;
}

/* For `check`: every argument is a number. */
static inline const char *transform_check_numbers(const struct span *args, unsigned count)
{
	int64_t number;
	for (unsigned i = 0; i < count; i++)
		if (!span_to_int64(span_trim(args[i]), &number))
			return "the argument must be a number";
	return NULL;
}

/* For `check`: the first argument is a number. */
static inline const char *transform_check_number(const struct span *args, unsigned count)
{
	return transform_check_numbers(args, count ? 1 : 0);
}
