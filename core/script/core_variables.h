/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables: what the files with the core's variables share; private to them. Handlers return
 * true also for "unset": the value that they were given is null. */
#pragma once

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/script/script.h"
#include "core/script/template.h"
#include "core/script/variable.h"

extern const struct variable_table message_variables, header_variables, address_variables,
	uri_variables, branch_variables, network_variables, via_variables, flag_variables,
	avp_variables, xavp_variables, script_variables, time_variables, constant_variables,
	select_variables, known_variables;

/* Absent text is null. */
static inline bool give_text(struct value *out, struct span text)
{
	if (text.at)
		*out = VALUE_OF_TEXT(text);
	return true;
}

/* Absent or empty text is null. */
static inline bool give_nonempty(struct value *out, struct span text)
{
	if (text.len)
		*out = VALUE_OF_TEXT(text);
	return true;
}

static inline bool give_int(struct value *out, int64_t number)
{
	*out = VALUE_OF_INT(number);
	return true;
}

/* What a writer in run->arena holds; false when memory ran out. */
static inline bool give_written(struct value *out, const struct writer *w)
{
	if (w->failed)
		return false;
	*out = VALUE_OF_TEXT(writer_result(w));
	return true;
}

/* A number printed: values that are texts for the script although they look like numbers. */
static inline bool give_printed(struct script_run *run, struct value *out, int64_t number)
{
	struct value value = VALUE_OF_INT(number);
	struct span text;
	if (!value_to_text(run, &value, &text))
		return false;
	*out = VALUE_OF_TEXT(text);
	return true;
}

/* The keys of a variable like $via0(key): the place of `inner` in `names`, or -1. */
static inline int key_find(struct span inner, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal(inner, span_from(names[i])))
			return (int)i;
	return -1;
}

/* For `bind`: looks a constant key up and keeps its number + 1 in ref->bound. */
static inline const char *key_bind(struct variable_ref *ref, const char *const *names, size_t count)
{
	if (ref->inner_template)
		return NULL;
	int key = key_find(ref->inner, names, count);
	if (key < 0)
		return "there is no such key";
	ref->bound = (void *)(intptr_t)(key + 1);
	return NULL;
}

/* The number of the key of this use, -1 when a computed one is unknown. */
static inline int key_of(struct script_run *run, const struct variable_ref *ref,
			 const char *const *names, size_t count)
{
	if (ref->bound)
		return (int)(intptr_t)ref->bound - 1;
	return key_find(variable_inner_text(run, ref), names, count);
}
