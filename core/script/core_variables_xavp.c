/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_xavp: $xavp, $xavi (names in any case), $xavu (one value for each name), $cnt. */
#include "core/script/core_variables.h"
#include "core/script/xavp_path.h"

enum family { XAVP, XAVI, XAVU };

/* ---- paths ----------------------------------------------------------------------------------- */

static bool parse_level(struct span text, struct xavp_level *out)
{
	int64_t number;
	text = span_trim(text);
	size_t open = span_find(text, '[', 0);
	*out = (struct xavp_level){ .name = span_trim(span_slice(text, 0, open)) };
	if (open < text.len) {
		if (text.at[text.len - 1] != ']')
			return false;
		struct span index = span_trim(span_slice(text, open + 1, text.len - open - 2));
		out->has_index = true;
		out->is_all = span_equal(index, SPAN_OF("*"));
		if (!out->is_all) {
			if (!span_to_int64(index, &number) || number < INT32_MIN ||
			    number > INT32_MAX)
				return false;
			out->index = (int)number;
		}
	}
	return out->name.len > 0;
}

bool xavp_path_parse(struct span text, struct xavp_path *out_path)
{
	out_path->count = 0;
	for (;;) {
		size_t arrow = span_find_span(text, SPAN_OF("=>"));
		if (out_path->count == XAVP_MAX_LEVELS)
			return false;
		if (!parse_level(span_slice(text, 0, arrow), &out_path->levels[out_path->count++]))
			return false;
		if (arrow >= text.len)
			return true;
		text = span_slice(text, arrow + 2, text.len);
	}
}

static const char *bind_path(struct variable_ref *ref, struct arena *arena)
{
	struct xavp_path path;
	if (ref->inner_template)
		return NULL;
	if (!xavp_path_parse(ref->inner, &path))
		return "the name has the form root[n]=>field[m]";
	if (ref->row->selector == XAVU && path.count > 2)
		return "has two levels at most";
	struct xavp_path *kept = ARENA_NEW(arena, struct xavp_path);
	if (!kept)
		return "out of memory";
	*kept = path;
	ref->bound = kept;
	return NULL;
}

static const struct xavp_path *path_of(struct script_run *run, const struct variable_ref *ref,
				       struct xavp_path *scratch)
{
	if (ref->bound)
		return ref->bound;
	if (xavp_path_parse(variable_inner_text(run, ref), scratch))
		return scratch;
	log_error("%.*s: the name is no path\n", SPAN_ARGS(ref->text));
	return NULL;
}

static struct xavp **roots_of(struct attributes *all, enum family family)
{
	switch (family) {
	case XAVP: return &all->xavps;
	case XAVI: return &all->xavis;
	case XAVU: return &all->xavus;
	}
	return NULL;
}

/* The node of one level; a negative index counts from the end. */
static struct xavp *find_level(struct xavp *list, const struct xavp_level *level, bool nocase)
{
	int index = level->is_all ? 0 : level->index;
	if (index < 0)
		index += (int)xavp_count(list, level->name, nocase);
	return index < 0 ? NULL : xavp_find(list, level->name, (unsigned)index, nocase);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool get_xavp(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct xavp_path scratch;
	const struct xavp_path *path = path_of(run, ref, &scratch);
	enum family family = (enum family)ref->row->selector;
	struct xavp *node = NULL;
	if (!path)
		return false;
	for (unsigned i = 0; i < path->count; i++) {
		struct xavp *list = i ? node->children : *roots_of(&run->msg->attributes, family);
		node = find_level(list, &path->levels[i], family == XAVI);
		if (!node)
			return true;
	}
	if (!node->has_children) {
		*out = node->value;
		return true;
	}
	struct writer w = writer_in_arena(run->arena, 32);
	writer_printf(&w, "<<xavp:%p>>", (void *)node);
	return give_written(out, &w);
}

/* ---- assigning ------------------------------------------------------------------------------- */

static bool put_value(struct attributes *all, struct xavp *node, const struct value *value)
{
	struct value kept = *value;
	if (kept.kind == VALUE_TEXT) {
		kept.text = arena_copy(all->arena, value->text);
		if (!kept.text.at)
			return false;
	}
	node->value = kept;
	node->children = NULL;
	node->has_children = false;
	return true;
}

/* The node that the path goes through, made where the rules allow it: a root without index is a new
 * one ($xavp, $xavi) or the only one ($xavu); deeper levels and index 0 are made when absent. */
static struct xavp *enter_level(struct attributes *all, struct xavp **list,
				const struct xavp_level *level, enum family family, bool is_root)
{
	bool is_new = is_root && !level->has_index && family != XAVU;
	struct xavp *node = is_new ? NULL : find_level(*list, level, family == XAVI);
	if (!node && (is_new || level->is_all || level->index == 0))
		node = xavp_push(all, list, level->name, (struct value){ .kind = VALUE_NULL });
	if (node && !node->has_children) {
		node->has_children = true;
		node->children = NULL;
		node->value = (struct value){ .kind = VALUE_NULL };
	}
	return node;
}

static bool put_last(struct attributes *all, struct xavp **list, const struct xavp_level *level,
		     const struct value *value, enum family family)
{
	bool replaces = level->has_index || family == XAVU;
	struct xavp *node = replaces ? find_level(*list, level, family == XAVI) : NULL;
	if (node)
		return put_value(all, node, value);
	if (level->has_index && !level->is_all && level->index != 0)
		return false;
	return xavp_push(all, list, level->name, *value) != NULL;
}

static void remove_path(struct attributes *all, const struct xavp_path *path, enum family family)
{
	struct xavp **list = roots_of(all, family);
	for (unsigned i = 0; i + 1 < path->count; i++) {
		struct xavp *node = find_level(*list, &path->levels[i], family == XAVI);
		if (!node)
			return;
		list = &node->children;
	}
	const struct xavp_level *last = &path->levels[path->count - 1];
	int index = last->index;
	if (index < 0)
		index += (int)xavp_count(*list, last->name, family == XAVI);
	if (last->is_all || index >= 0)
		xavp_remove(list, last->name, last->is_all ? -1 : index, family == XAVI);
}

static bool set_xavp(struct script_run *run, const struct variable_ref *ref,
		     const struct value *value)
{
	struct xavp_path scratch;
	const struct xavp_path *path = path_of(run, ref, &scratch);
	enum family family = (enum family)ref->row->selector;
	struct attributes *all = &run->msg->attributes;
	if (!path)
		return false;
	if (!value || value->kind == VALUE_NULL) {
		remove_path(all, path, family);
		return true;
	}
	struct xavp **list = roots_of(all, family);
	for (unsigned i = 0; i + 1 < path->count; i++) {
		struct xavp *node = enter_level(all, list, &path->levels[i], family, i == 0);
		if (!node) {
			log_error("%.*s: there is no such element\n", SPAN_ARGS(ref->text));
			return false;
		}
		list = &node->children;
	}
	if (put_last(all, list, &path->levels[path->count - 1], value, family))
		return true;
	log_error("%.*s cannot be assigned: no such element\n", SPAN_ARGS(ref->text));
	return false;
}

/* ---- $cnt ------------------------------------------------------------------------------------ */

static bool name_is(const struct variable_ref *ref, const char *name)
{
	return strcmp(ref->row->name, name) == 0;
}

static const char *bind_cnt(struct variable_ref *ref, struct arena *arena)
{
	static const char wrong[] = "needs $avp(...), $xavp(...) or $xavi(...) in its parentheses";
	const struct text_template *inner = ref->inner_template;
	if (!inner || inner->count != 1 || !inner->parts[0].variable)
		return wrong;
	const struct variable_ref *counted = inner->parts[0].variable;
	if (!name_is(counted, "avp") && !name_is(counted, "xavp") && !name_is(counted, "xavi") &&
	    !name_is(counted, "xavu"))
		return wrong;
	ref->bound = (void *)(uintptr_t)counted;
	return NULL;
}

/* Without index a level means all its elements. */
static unsigned count_path(struct xavp *list, const struct xavp_path *path, unsigned depth,
			   bool nocase)
{
	const struct xavp_level *level = &path->levels[depth];
	bool every = !level->has_index || level->is_all;
	unsigned count = 0;
	if (depth + 1 == path->count)
		return every ? xavp_count(list, level->name, nocase)
			     : find_level(list, level, nocase) != NULL;
	if (!every) {
		struct xavp *node = find_level(list, level, nocase);
		return node ? count_path(node->children, path, depth + 1, nocase) : 0;
	}
	struct xavp *node;
	for (unsigned i = 0; (node = xavp_find(list, level->name, i, nocase)); i++)
		count += count_path(node->children, path, depth + 1, nocase);
	return count;
}

static bool get_cnt(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct variable_ref *counted = ref->bound;
	struct attributes *all = &run->msg->attributes;
	struct xavp_path scratch;
	if (name_is(counted, "avp")) {
		struct avp_name name = counted->bound
					       ? *(const struct avp_name *)counted->bound
					       : avp_name_parse(variable_inner_text(run, counted));
		return give_int(out, avp_count(all, name));
	}
	const struct xavp_path *path = path_of(run, counted, &scratch);
	enum family family = (enum family)counted->row->selector;
	return path && give_int(out, count_path(*roots_of(all, family), path, 0, family == XAVI));
}

static const struct variable_row rows[] = {
	{ "xavp", INNER_NAME, get_xavp, set_xavp, bind_path, .selector = XAVP, .doc = "Lists of lists: root[n]=>field[m]; assigning without index adds." },
	{ "xavi", INNER_NAME, get_xavp, set_xavp, bind_path, .selector = XAVI, .doc = "The same with names in any case." },
	{ "xavu", INNER_NAME, get_xavp, set_xavp, bind_path, .selector = XAVU, .doc = "The same with one value for each name." },
	{ "cnt", INNER_NAME, get_cnt, NULL, bind_cnt, .doc = "Number of values of $avp(...), $xavp(...) or $xavi(...)." },
};
const struct variable_table xavp_variables = ROWS(rows);
