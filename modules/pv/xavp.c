/* SPDX-License-Identifier: BSD-2-Clause */
/* xavp: functions on single nodes of $xavp and $xavi lists. Nodes live in the message's arena and
 * are
 * never freed one by one, so copying may share texts. */
#include "modules/pv/pv.h"

#include "core/script/state.h"
#include "core/script/xavp_path.h"

struct xavp **xavp_roots(struct script_run *run, bool nocase)
{
	return nocase ? &run->msg->attributes.xavis : &run->msg->attributes.xavps;
}

/* ---- copying --------------------------------------------------------------------------------- */

struct copy_args {
	struct span source;
	int64_t source_index;
	struct span destination;
	int64_t destination_index;
};
static const struct field copy_fields[] = {
	FIELD(struct copy_args, source, "name of the list to copy from"),
	FIELD(struct copy_args, source_index, "which of its elements"),
	FIELD(struct copy_args, destination, "name of the list to copy to"),
};
static const struct field copy_over_fields[] = {
	FIELD(struct copy_args, source, "name of the list to copy from"),
	FIELD(struct copy_args, source_index, "which of its elements"),
	FIELD(struct copy_args, destination, "name of the list to copy to"),
	FIELD(struct copy_args, destination_index, "the element to replace"),
};
#define copy_over_args copy_args
SCRIPT_HANDLER(copy)
SCRIPT_HANDLER(copy_over)

/* A copy of a list in the same order. */
static bool copy_list(struct arena *arena, const struct xavp *from, struct xavp **out)
{
	for (*out = NULL; from; from = from->next, out = &(*out)->next) {
		struct xavp *node = ARENA_NEW(arena, struct xavp);
		if (!node)
			return false;
		*node = *from;
		node->next = NULL;
		*out = node;
		if (!copy_list(arena, from->children, &node->children))
			return false;
	}
	return true;
}

static const struct xavp *find_source(struct script_run *run, const struct copy_args *args)
{
	const struct xavp *source = NULL;
	if (args->source_index >= 0 && args->source_index <= INT32_MAX)
		source = xavp_find(*xavp_roots(run, false), args->source,
				   (unsigned)args->source_index, false);
	if (!source)
		log_info("xavp_copy: there is no $xavp(%.*s[%lld])\n", SPAN_ARGS(args->source),
			 (long long)args->source_index);
	return source;
}

static int copy(struct script_run *run, const struct copy_args *args)
{
	const struct xavp *source = find_source(run, args);
	struct xavp **last = xavp_roots(run, false), *children;
	if (!source || !args->destination.len ||
	    !copy_list(run->msg->arena, source->children, &children))
		return SCRIPT_FALSE;
	struct value value = source->value;
	bool has_children = source->has_children;
	while (*last)
		last = &(*last)->next;
	struct xavp *node = xavp_push(&run->msg->attributes, last, args->destination, value);
	if (!node)
		return SCRIPT_FALSE;
	node->children = children;
	node->has_children = has_children;
	return SCRIPT_TRUE;
}

static int copy_over(struct script_run *run, const struct copy_args *args)
{
	const struct xavp *source = find_source(run, args);
	struct xavp *target = NULL, *children;
	if (args->destination_index >= 0 && args->destination_index <= INT32_MAX)
		target = xavp_find(*xavp_roots(run, false), args->destination,
				   (unsigned)args->destination_index, false);
	if (!source || !target) {
		if (source)
			log_info("xavp_copy: there is no $xavp(%.*s[%lld]) to replace\n",
				 SPAN_ARGS(args->destination), (long long)args->destination_index);
		return SCRIPT_FALSE;
	}
	if (!copy_list(run->msg->arena, source->children, &children))
		return SCRIPT_FALSE;
	target->value = source->value;
	target->has_children = source->has_children;
	target->children = children;
	return SCRIPT_TRUE;
}

/* ---- children and removal -------------------------------------------------------------------- */

struct child_int_args {
	struct span root, child;
	int64_t number;
};
static const struct field child_int_fields[] = {
	FIELD(struct child_int_args, root, "name of the root"),
	FIELD(struct child_int_args, child, "name of the child"),
	FIELD(struct child_int_args, number, "its value"),
};
struct child_text_args {
	struct span root, child, text;
};
static const struct field child_text_fields[] = {
	FIELD(struct child_text_args, root, "name of the root"),
	FIELD(struct child_text_args, child, "name of the child"),
	FIELD(struct child_text_args, text, "its value"),
};
struct child_args {
	struct span root, child;
};
static const struct field child_fields[] = {
	FIELD(struct child_args, root, "name of the root"),
	FIELD(struct child_args, child, "name of the child"),
};
struct name_args {
	struct span name;
};
static const struct field name_fields[] = {
	FIELD(struct name_args, name, "name of the list"),
};

/* The child's value is set; root and child are made when they are not there. */
static int set_child(struct script_run *run, struct span root, struct span child,
		     struct value value, bool nocase)
{
	struct attributes *all = &run->msg->attributes;
	struct xavp **roots = xavp_roots(run, nocase);
	struct xavp *node = xavp_find(*roots, root, 0, nocase);
	if (!root.len || !child.len)
		return SCRIPT_FALSE;
	if (!node)
		node = xavp_push(all, roots, root, (struct value){ .kind = VALUE_NULL });
	if (!node)
		return SCRIPT_FALSE;
	if (!node->has_children) {
		node->has_children = true;
		node->children = NULL;
		node->value = (struct value){ .kind = VALUE_NULL };
	}
	xavp_remove(&node->children, child, 0, nocase);
	return truth(xavp_push(all, &node->children, child, value) != NULL);
}

static int remove_child(struct script_run *run, const struct child_args *args, bool nocase)
{
	struct xavp *node = xavp_find(*xavp_roots(run, nocase), args->root, 0, nocase);
	if (node && node->has_children)
		xavp_remove(&node->children, args->child, 0, nocase);
	return SCRIPT_TRUE;
}

#define CHILD_HANDLERS(prefix, nocase)                                                               \
	static int prefix##_set_int_thunk(struct script_run *run, const void *args)                  \
	{                                                                                            \
		const struct child_int_args *a = args;                                               \
		return set_child(run, a->root, a->child, VALUE_OF_INT(a->number), nocase);           \
	}                                                                                            \
	static int prefix##_set_text_thunk(struct script_run *run, const void *args)                 \
	{                                                                                            \
		const struct child_text_args *a = args;                                              \
		return set_child(run, a->root, a->child, VALUE_OF_TEXT(a->text), nocase);            \
	}                                                                                            \
	static int prefix##_remove_child_thunk(struct script_run *run, const void *args)             \
	{                                                                                            \
		return remove_child(run, args, nocase);                                              \
	}                                                                                            \
	static int prefix##_remove_thunk(struct script_run *run, const void *args)                   \
	{                                                                                            \
		const struct name_args *a = args;                                                    \
		xavp_remove(xavp_roots(run, nocase), a->name, 0, nocase);                            \
		return SCRIPT_TRUE;                                                                  \
	}                                                                                            \
	static int prefix##_remove_all_thunk(struct script_run *run, const void *args)               \
	{                                                                                            \
		const struct name_args *a = args;                                                    \
		xavp_remove(xavp_roots(run, nocase), a->name, -1, nocase);                           \
		return SCRIPT_TRUE;                                                                  \
	}
CHILD_HANDLERS(xavp, false)
CHILD_HANDLERS(xavi, true)

#define xavp_set_int_args        child_int_args
#define xavp_set_int_fields      child_int_fields
#define xavi_set_int_args        child_int_args
#define xavi_set_int_fields      child_int_fields
#define xavp_set_text_args       child_text_args
#define xavp_set_text_fields     child_text_fields
#define xavi_set_text_args       child_text_args
#define xavi_set_text_fields     child_text_fields
#define xavp_remove_child_args   child_args
#define xavp_remove_child_fields child_fields
#define xavi_remove_child_args   child_args
#define xavi_remove_child_fields child_fields
#define xavp_remove_args         name_args
#define xavp_remove_fields       name_fields
#define xavi_remove_args         name_args
#define xavi_remove_fields       name_fields
#define xavp_remove_all_args     name_args
#define xavp_remove_all_fields   name_fields
#define xavi_remove_all_args     name_args
#define xavi_remove_all_fields   name_fields

/* ---- rotation, destination ------------------------------------------------------------------- */

struct shift_args {
	struct span name;
	int64_t index;
};
static const struct field shift_fields[] = {
	FIELD(struct shift_args, name, "name of the list"),
	FIELD(struct shift_args, index, "element that becomes the first"),
};
SCRIPT_HANDLER(shift)
SCRIPT_HANDLER_OF(push_destination, name)

/* Rotates the values of one name; other names keep their places. */
static int shift(struct script_run *run, const struct shift_args *args)
{
	struct xavp *roots = *xavp_roots(run, false);
	unsigned count = xavp_count(roots, args->name, false);
	if (args->index < 0 || args->index >= count)
		return SCRIPT_FALSE;
	for (int64_t turn = 0; turn < args->index; turn++) {
		struct xavp *at = xavp_find(roots, args->name, 0, false);
		struct xavp first = *at;
		for (unsigned i = 1; i < count; i++) {
			struct xavp *next = xavp_find(roots, args->name, i, false);
			at->value = next->value;
			at->children = next->children;
			at->has_children = next->has_children;
			at = next;
		}
		at->value = first.value;
		at->children = first.children;
		at->has_children = first.has_children;
	}
	return SCRIPT_TRUE;
}

static struct span child_text(struct script_run *run, const struct xavp *root, const char *name)
{
	const struct xavp *child = xavp_find(root->children, span_from(name), 0, false);
	struct span text = { 0 };
	if (child && !value_to_text(run, &child->value, &text))
		return (struct span){ 0 };
	return text;
}

/* uri, dst, path, sock of the list's first element become those of the message. */
static int push_destination(struct script_run *run, const struct name_args *args)
{
	struct message *msg = run->msg;
	const struct xavp *root = xavp_find(*xavp_roots(run, false), args->name, 0, false);
	if (!root || !root->has_children) {
		log_error("xavp_push_dst: there is no list $xavp(%.*s)\n", SPAN_ARGS(args->name));
		return SCRIPT_FALSE;
	}
	struct span uri = child_text(run, root, "uri"), dst = child_text(run, root, "dst");
	struct span path = child_text(run, root, "path"), socket = child_text(run, root, "sock");
	struct end_point address;
	if ((uri.len && !message_set_uri(msg, uri)) || (dst.len && !message_set_dst_uri(msg, dst)))
		return SCRIPT_FALSE;
	if (path.len)
		msg->target.path = path;
	if (!socket.len)
		return SCRIPT_TRUE;
	const struct listener *listener =
		end_point_parse(socket, &address) ? listener_find(&address) : NULL;
	if (!listener)
		log_error("xavp_push_dst: no such socket: \"%.*s\"\n", SPAN_ARGS(socket));
	else
		msg->target.socket = listener;
	return truth(listener != NULL);
}

static const struct script_function functions[] = {
	FUNCTION("xavp_copy", copy, IN_ANY, "Appends a copy of one $xavp element to a list."),
	FUNCTION("xavp_copy", copy_over, IN_ANY, "Replaces one $xavp element by a copy of another."),
	FUNCTION("xavp_child_seti", xavp_set_int, IN_ANY, "Sets a child of a $xavp to a number."),
	FUNCTION("xavi_child_seti", xavi_set_int, IN_ANY, "Sets a child of a $xavi to a number."),
	FUNCTION("xavp_child_sets", xavp_set_text, IN_ANY, "Sets a child of a $xavp to a text."),
	FUNCTION("xavi_child_sets", xavi_set_text, IN_ANY, "Sets a child of a $xavi to a text."),
	FUNCTION("xavp_child_rm", xavp_remove_child, IN_ANY, "Removes a child of a $xavp."),
	FUNCTION("xavi_child_rm", xavi_remove_child, IN_ANY, "Removes a child of a $xavi."),
	FUNCTION("xavp_rm", xavp_remove, IN_ANY, "Removes the first $xavp element of a name."),
	FUNCTION("xavi_rm", xavi_remove, IN_ANY, "Removes the first $xavi element of a name."),
	FUNCTION("xavp_rm_all", xavp_remove_all, IN_ANY, "Removes all $xavp elements of a name."),
	FUNCTION("xavi_rm_all", xavi_remove_all, IN_ANY, "Removes all $xavi elements of a name."),
	FUNCTION("xavp_lshift", shift, IN_ANY, "Rotates a $xavp list so that an element is the first."),
	FUNCTION_OF("xavp_push_dst", push_destination, name, IN_ANY, "Takes uri, dst, path and sock of a $xavp as the destination."),
};
const struct function_table xavp_functions = ROWS(functions);
