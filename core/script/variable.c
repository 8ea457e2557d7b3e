/* SPDX-License-Identifier: BSD-2-Clause */
/* variable: reading and assigning through bound references, and conversions of values. */
#include "core/script/variable.h"

#include "core/base/log.h"
#include "core/script/template.h"

#define MAX_ARGS 8

struct span variable_inner_text(struct script_run *run, const struct variable_ref *ref)
{
	if (!ref->inner_template)
		return ref->inner;
	struct span text = template_text(run, ref->inner_template);
	return text;
}

bool variable_index(struct script_run *run, const struct variable_ref *ref, int *out_index,
		    bool *out_all)
{
	*out_index = 0;
	*out_all = false;
	switch (ref->index_kind) {
	case INDEX_NONE: return false;
	case INDEX_NUMBER: *out_index = ref->index; return true;
	case INDEX_ALL: *out_all = true; return true;
	case INDEX_VARIABLE: {
		struct value value;
		int64_t number;
		if (!variable_read(run, ref->index_variable, &value) ||
		    !value_to_int(&value, &number))
			return false;
		*out_index = number > INT32_MAX || number < INT32_MIN ? INT32_MAX : (int)number;
		return true;
	}
	}
	return false;
}

static bool apply_transform(struct script_run *run, const struct transform_ref *transform,
			    struct value *value)
{
	const struct transform_row *row = transform->row;
	if (value->kind == VALUE_NULL && !row->takes_null)
		return true;
	if (transform->count == 0 || transform->is_constant)
		return row->apply(run, value, transform->constants, transform->count,
				  row->selector);
	struct span args[MAX_ARGS];
	for (unsigned i = 0; i < transform->count; i++) {
		args[i] = template_text_plain(run, &transform->args[i]);
		if (!args[i].at)
			return false;
	}
	return row->apply(run, value, args, transform->count, row->selector);
}

bool variable_transform(struct script_run *run, const struct variable_ref *ref, struct value *value)
{
	for (unsigned i = 0; i < ref->transform_count; i++) {
		if (!apply_transform(run, &ref->transforms[i], value)) {
			*value = (struct value){ .kind = VALUE_NULL };
			return false;
		}
	}
	return true;
}

bool variable_read(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	*out = (struct value){ .kind = VALUE_NULL };
	if (!ref->row->get || !ref->row->get(run, ref, out)) {
		*out = (struct value){ .kind = VALUE_NULL };
		return false;
	}
	return ref->transform_count ? variable_transform(run, ref, out) : true;
}

bool variable_write(struct script_run *run, const struct variable_ref *ref,
		    const struct value *value)
{
	if (!ref->row->set) {
		log_error("%.*s cannot be assigned", SPAN_ARGS(ref->text));
		return false;
	}
	return ref->row->set(run, ref, value);
}

bool variable_is_writable(const struct variable_ref *ref)
{
	return ref->row->set != NULL && ref->transform_count == 0;
}

bool value_to_text(struct script_run *run, const struct value *value, struct span *out_text)
{
	switch (value->kind) {
	case VALUE_NULL: break;
	case VALUE_TEXT: *out_text = value->text; return true;
	case VALUE_INT: {
		struct writer w = writer_in_arena(run->arena, 24);
		writer_int(&w, value->number);
		*out_text = w.failed ? (struct span){ 0 } : writer_result(&w);
		return !w.failed;
	}
	}
	*out_text = (struct span){ 0 };
	return false;
}

bool value_to_int(const struct value *value, int64_t *out_number)
{
	*out_number = 0;
	switch (value->kind) {
	case VALUE_NULL: return true;
	case VALUE_INT: *out_number = value->number; return true;
	case VALUE_TEXT: break;
	}
	if (span_to_int64(value->text, out_number))
		return true;
	*out_number = 0;
	log_warning("\"%.*s\" is no number: taken as 0", SPAN_ARGS(value->text));
	return false;
}
