/* SPDX-License-Identifier: BSD-2-Clause */
/* What a record holds beside its fixed part: log_extra, db_extra, multi_leg_info, cdr_extra; and the
 * time as text. */
#include "modules/acc/acc.h"

#include <stdio.h>
#include <time.h>

/* ---- definitions ----------------------------------------------------------------------------- */

/* Takes the text before the next ";" that is outside parentheses and braces. */
static bool take_definition(struct span *rest, struct span *out)
{
	int depth = 0;
	size_t end = 0;
	if (!rest->at)
		return false;
	for (; end < rest->len; end++) {
		char c = rest->at[end];
		depth += (c == '(' || c == '{') - (c == ')' || c == '}');
		if (c == ';' && depth <= 0)
			break;
	}
	*out = span_trim(span_slice(*rest, 0, end));
	*rest = end < rest->len ? span_slice(*rest, end + 1, rest->len) : (struct span){ 0 };
	return true;
}

/* extra = definition *( ";" definition ) ; definition = name "=" variable */
bool fields_compile(const char *setting, struct span text, struct acc_fields *out,
		    struct diagnostics *diagnostics)
{
	struct source_position at = module_setting_position("acc", setting);
	struct span rest = text, item;
	bool is_right = true;
	while (text.len && take_definition(&rest, &item)) {
		size_t equals = span_find(item, '=', 0);
		if (!item.len)
			continue;
		if (equals == 0 || equals == item.len || out->count == ACC_MAX_FIELDS) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting", at,
				       out->count == ACC_MAX_FIELDS
					       ? "acc.%s: more than %d fields"
					       : "acc.%s is name=$variable;… (field %d)",
				       setting, (int)out->count + 1);
			return false;
		}
		struct acc_field *field = &out->list[out->count];
		field->name = span_trim(span_slice(item, 0, equals));
		field->variable =
			variable_compile(span_trim(span_slice(item, equals + 1, item.len)),
					 startup_arena(), diagnostics, at);
		if (field->variable)
			out->count++;
		else
			is_right = false;
	}
	return is_right;
}

static struct acc_fields legs;

bool fields_compile_legs(struct diagnostics *diagnostics)
{
	return fields_compile("multi_leg_info", acc_settings->multi_leg_info, &legs, diagnostics);
}

const struct acc_fields *fields_legs(void)
{
	return &legs;
}

/* ---- values ---------------------------------------------------------------------------------- */

bool field_read(struct script_run *run, const struct acc_field *field, struct span *out)
{
	struct value value;
	return variable_read(run, field->variable, &value) && value.kind != VALUE_NULL &&
	       value_to_text(run, &value, out);
}

/* The index-th value of a variable that may have several (AVPs); false when there is none. */
static bool leg_value(struct script_run *run, const struct acc_field *field, int index,
		      struct span *out)
{
	struct variable_ref indexed = *field->variable;
	struct acc_field one = { field->name, &indexed };
	indexed.index_kind = INDEX_NUMBER;
	indexed.index = index;
	return field_read(run, &one, out);
}

bool fields_read_leg(struct script_run *run, int set, struct span out_values[ACC_MAX_FIELDS])
{
	bool has_any = false;
	for (unsigned i = 0; i < legs.count; i++) {
		bool has_value = leg_value(run, &legs.list[i], set, &out_values[i]);
		if (!has_value)
			out_values[i] = (struct span){ NULL, 0 };
		has_any |= has_value;
	}
	return has_any;
}

struct span fields_format_time(int64_t wall_s, char buffer[160])
{
	char format[128];
	time_t now = (time_t)wall_s;
	struct tm parts;
	bool is_local = acc_settings->time_mode == ACC_TIME_LOCAL;
	snprintf(format, sizeof(format), "%.*s", SPAN_ARGS(acc_settings->time_format));
	bool known = is_local ? localtime_r(&now, &parts) != NULL : gmtime_r(&now, &parts) != NULL;
	return span_make(buffer, known ? strftime(buffer, 160, format, &parts) : 0);
}
