/* SPDX-License-Identifier: BSD-2-Clause */
/* xavp_lists: parameter lists ("a=1;b=2"), value lists ("a,b,c") and script variables to and from
 * $xavp and $xavu; listings in the log. */
#include "core/script/state.h"
#include "modules/pv/pv.h"
#include "parser/params.h"

/* ---- text to list ---------------------------------------------------------------------------- */

struct explode_args {
	struct span text, name;
};
static const struct field explode_fields[] = {
	FIELD(struct explode_args, text, "parameters: a=1;b=2"),
	FIELD(struct explode_args, name, "name of the root that takes them"),
};
struct xexplode_args {
	struct span text, separator, name;
};
static const struct field xexplode_fields[] = {
	FIELD(struct xexplode_args, text, "parameters: a=1;b=2"),
	FIELD(struct xexplode_args, separator, "character between them"),
	FIELD(struct xexplode_args, name, "name of the root that takes them"),
};
struct slist_args {
	struct span text, separator, mode, name;
};
static const struct field slist_fields[] = {
	FIELD(struct slist_args, text, "values: a,b,c"),
	FIELD(struct slist_args, separator, "characters between them"),
	FIELD(struct slist_args, mode, "t: without white space around the values"),
	FIELD(struct slist_args, name, "name of the root that takes them, as v[0], v[1] ..."),
};
SCRIPT_HANDLER(explode)
SCRIPT_HANDLER_OF(explode_unique, explode)
SCRIPT_HANDLER(xexplode)
SCRIPT_HANDLER(slist)

/* Appends the parameters in their order; false when one is malformed or memory is exhausted. A comma
 * outside of quotes ends them, as in {param.…}: of two header values the first counts. */
static bool append_params(struct script_run *run, struct span text, char separator,
			  struct xavp **last)
{
	const char *at = text.at, *end = text.at + text.len;
	for (;;) {
		struct param param;
		while (at < end && (*at == separator || ascii_is_space(*at)))
			at++;
		if (at == end || *at == ',')
			return true;
		at = param_read(text.at, at, end, separator, ',', &param);
		if (!at)
			return false;
		struct span value = param.has_value ? param.value : SPAN_OF("");
		struct xavp *node =
			xavp_push(&run->msg->attributes, last, param.name, VALUE_OF_TEXT(value));
		if (!node)
			return false;
		last = &node->next;
	}
}

static int explode_into(struct script_run *run, struct xavp **roots, struct span text,
			char separator, struct span name)
{
	struct xavp *children = NULL;
	if (!name.len || !text.len || !append_params(run, text, separator, &children) ||
	    !children) {
		log_error("\"%.*s\" is no list of parameters\n", SPAN_ARGS(text));
		return SCRIPT_FALSE;
	}
	struct xavp *root =
		xavp_push(&run->msg->attributes, roots, name, (struct value){ .kind = VALUE_NULL });
	if (!root)
		return SCRIPT_FALSE;
	root->has_children = true;
	root->children = children;
	return SCRIPT_TRUE;
}

static int explode(struct script_run *run, const struct explode_args *args)
{
	return explode_into(run, xavp_roots(run, false), args->text, ';', args->name);
}

static int explode_unique(struct script_run *run, const struct explode_args *args)
{
	struct xavp **roots = &run->msg->attributes.xavus;
	xavp_remove(roots, args->name, -1, false);
	return explode_into(run, roots, args->text, ';', args->name);
}

static int xexplode(struct script_run *run, const struct xexplode_args *args)
{
	if (args->separator.len != 1) {
		log_error("xavp_xparams_explode: the separator is one character\n");
		return SCRIPT_FALSE;
	}
	return explode_into(run, xavp_roots(run, false), args->text, args->separator.at[0],
			    args->name);
}

static int slist(struct script_run *run, const struct slist_args *args)
{
	struct attributes *all = &run->msg->attributes;
	bool trims = args->mode.len && memchr(args->mode.at, 't', args->mode.len);
	struct xavp *children = NULL, **last = &children;
	size_t start = 0;
	if (!args->separator.len || !args->name.len)
		return SCRIPT_FALSE;
	for (size_t i = 0; i <= args->text.len; i++) {
		if (i < args->text.len &&
		    !memchr(args->separator.at, args->text.at[i], args->separator.len))
			continue;
		struct span item = span_slice(args->text, start, i - start);
		start = i + 1;
		item = trims ? span_trim(item) : item;
		if (!item.len)
			continue;
		struct xavp *node = xavp_push(all, last, SPAN_OF("v"), VALUE_OF_TEXT(item));
		if (!node)
			return SCRIPT_FALSE;
		last = &node->next;
	}
	if (!children)
		return SCRIPT_FALSE;
	struct xavp *root = xavp_push(all, xavp_roots(run, false), args->name,
				      (struct value){ .kind = VALUE_NULL });
	if (!root)
		return SCRIPT_FALSE;
	root->has_children = true;
	root->children = children;
	return SCRIPT_TRUE;
}

/* ---- list to text ---------------------------------------------------------------------------- */

struct implode_args {
	struct span name;
	const struct variable_ref *variable;
};
static const struct field implode_fields[] = {
	FIELD(struct implode_args, name, "name of the root"),
	FIELD(struct implode_args, variable, "variable that takes the text"),
};
SCRIPT_HANDLER(implode)
SCRIPT_HANDLER_OF(implode_quoted, implode)
SCRIPT_HANDLER_OF(implode_unique, implode)

static int implode_list(struct script_run *run, struct xavp *roots, const struct implode_args *args,
			bool is_quoted)
{
	const struct xavp *root = xavp_find(roots, args->name, 0, false);
	if (!root || !root->has_children)
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, 256);
	for (const struct xavp *child = root->children; child; child = child->next) {
		if (child->has_children || child->value.kind == VALUE_NULL)
			continue;
		writer_span(&w, child->name);
		if (child->value.kind == VALUE_INT || child->value.text.len || is_quoted) {
			writer_string(&w, is_quoted ? "=\"" : "=");
			value_write(&child->value, &w);
			writer_string(&w, is_quoted ? "\"" : "");
		}
		writer_char(&w, ';');
	}
	struct value text = VALUE_OF_TEXT(writer_result(&w));
	return truth(!w.failed && variable_write(run, args->variable, &text));
}

static int implode(struct script_run *run, const struct implode_args *args)
{
	return implode_list(run, *xavp_roots(run, false), args, false);
}

static int implode_quoted(struct script_run *run, const struct implode_args *args)
{
	return implode_list(run, *xavp_roots(run, false), args, true);
}

static int implode_unique(struct script_run *run, const struct implode_args *args)
{
	return implode_list(run, run->msg->attributes.xavus, args, false);
}

/* ---- $var to and from $xavp ------------------------------------------------------------------ */

struct var_args {
	struct span variable, name;
};
static const struct field var_fields[] = {
	FIELD(struct var_args, variable, "name of the $var, or * for all"),
	FIELD(struct var_args, name, "name of the root"),
};
struct root_args {
	struct span name;
};
static const struct field root_fields[] = {
	FIELD(struct root_args, name, "name of the root"),
};
SCRIPT_HANDLER_OF(var_to_xavp, var)
SCRIPT_HANDLER_OF(xavp_to_var, root)

static int var_to_xavp(struct script_run *run, const struct var_args *args)
{
	struct attributes *all = &run->msg->attributes;
	bool every = span_equal(args->variable, SPAN_OF("*"));
	struct xavp *root = xavp_push(all, xavp_roots(run, false), args->name,
				      (struct value){ .kind = VALUE_NULL });
	if (!root)
		return SCRIPT_FALSE;
	root->has_children = true;
	enum script_var_kind kind;
	struct span name;
	for (unsigned i = 0; script_var_name_at(i, &kind, &name); i++) {
		if (kind != SCRIPT_VAR_ZERO || (!every && !span_equal(name, args->variable)))
			continue;
		struct value value = script_var_get(run, script_var_slot(kind, name));
		if (!xavp_push(all, &root->children, name, value))
			return SCRIPT_FALSE;
	}
	return SCRIPT_TRUE;
}

static int xavp_to_var(struct script_run *run, const struct root_args *args)
{
	const struct xavp *root = xavp_find(*xavp_roots(run, false), args->name, 0, false);
	if (!root || !root->has_children)
		return SCRIPT_FALSE;
	for (const struct xavp *child = root->children; child; child = child->next)
		if (!child->has_children &&
		    !script_var_set(run, script_var_slot(SCRIPT_VAR_ZERO, child->name),
				    &child->value))
			return SCRIPT_FALSE;
	return SCRIPT_TRUE;
}

/* ---- listings -------------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(print_xavps)
SCRIPT_HANDLER_PLAIN(print_xavus)
SCRIPT_HANDLER_PLAIN(print_xavis)

static void print_list(struct script_run *run, const char *title, const struct xavp *list,
		       unsigned depth)
{
	for (; list && depth < 16; list = list->next) {
		struct writer w = writer_in_arena(run->arena, 128);
		if (!list->has_children)
			value_write(&list->value, &w);
		log_info("%s %*s%.*s%s%.*s\n", title, (int)depth * 4, "", SPAN_ARGS(list->name),
			 list->has_children ? " =>" : " = ", (int)w.len, w.data ? w.data : "");
		print_list(run, title, list->children, depth + 1);
	}
}

static int print_xavps(struct script_run *run)
{
	print_list(run, "xavp", run->msg->attributes.xavps, 0);
	return SCRIPT_TRUE;
}

static int print_xavus(struct script_run *run)
{
	print_list(run, "xavu", run->msg->attributes.xavus, 0);
	return SCRIPT_TRUE;
}

static int print_xavis(struct script_run *run)
{
	print_list(run, "xavi", run->msg->attributes.xavis, 0);
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION("xavp_params_explode", explode, IN_ANY, "Parameters as children of a new $xavp."),
	FUNCTION("xavp_xparams_explode", xexplode, IN_ANY, "Parameters with their own separator as children of a new $xavp."),
	FUNCTION_OF("xavu_params_explode", explode_unique, explode, IN_ANY, "Parameters as children of a $xavu."),
	FUNCTION("xavp_slist_explode", slist, IN_ANY, "A list of values as children v of a new $xavp."),
	FUNCTION("xavp_params_implode", implode, IN_ANY, "The children of a $xavp as parameters."),
	FUNCTION_OF("xavp_params_implode_qval", implode_quoted, implode, IN_ANY, "The children of a $xavp as parameters with quoted values."),
	FUNCTION_OF("xavu_params_implode", implode_unique, implode, IN_ANY, "The children of a $xavu as parameters."),
	FUNCTION_OF("pv_var_to_xavp", var_to_xavp, var, IN_ANY, "Script variables as children of a new $xavp."),
	FUNCTION_OF("pv_xavp_to_var", xavp_to_var, root, IN_ANY, "The children of a $xavp as script variables."),
	FUNCTION_PLAIN("pv_xavp_print", print_xavps, IN_ANY, "All $xavp in the log."),
	FUNCTION_PLAIN("pv_xavu_print", print_xavus, IN_ANY, "All $xavu in the log."),
	FUNCTION_PLAIN("pv_xavi_print", print_xavis, IN_ANY, "All $xavi in the log."),
};
const struct function_table xavp_list_functions = ROWS(functions);
