/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_branch: destinations beside the Request-URI, and the scratch branch. */
#include "core/message/render.h"
#include "core/script/branch_variables.h"
#include "core/script/core_variables.h"

enum {
	BRANCH_URI,
	BRANCH_DST_URI,
	BRANCH_PATH,
	BRANCH_Q,
	BRANCH_SOCKET,
	BRANCH_COUNT,
	BRANCH_FLAGS,
	BRANCH_RUID,
	BRANCH_UA,
	BRANCH_INSTANCE,
	BRANCH_CONNECTION,
};
static const char *const branch_keys[] = {
	"uri", "dst_uri", "path", "q", "send_socket", "count", "flags", "ruid", "location_ua", "instance", "otcpid",
};

static const char *bind_branch(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, branch_keys, ARRAY_SIZE(branch_keys));
}

/* ---- $branch(...) and $sbranch(...) ---------------------------------------------------------- */

static int branch_index(struct script_run *run, const struct variable_ref *ref)
{
	int index;
	bool all;
	if (!variable_index(run, ref, &index, &all) || all)
		return 0;
	return index < 0 ? index + (int)run->msg->branch_count : index;
}

static struct branch *find_branch(struct script_run *run, const struct variable_ref *ref)
{
	if (ref->row->selector)
		return scratch_branch(run);
	int index = branch_index(run, ref);
	return index >= 0 && index < (int)run->msg->branch_count ? &run->msg->branches[index]
								 : NULL;
}

static bool get_branch(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct branch *branch = find_branch(run, ref);
	if (!branch)
		return true;
	switch (key_of(run, ref, branch_keys, ARRAY_SIZE(branch_keys))) {
	case BRANCH_URI: return give_nonempty(out, branch->uri);
	case BRANCH_DST_URI: return give_nonempty(out, branch->dst_uri);
	case BRANCH_PATH: return give_nonempty(out, branch->path);
	case BRANCH_Q: return branch->q < 0 || give_int(out, branch->q);
	case BRANCH_SOCKET: return !branch->socket || give_text(out, branch->socket->text);
	case BRANCH_COUNT: return give_int(out, run->msg->branch_count);
	case BRANCH_FLAGS: return give_int(out, branch->flags);
	case BRANCH_RUID: return give_nonempty(out, branch->ruid);
	case BRANCH_UA: return give_nonempty(out, branch->location_ua);
	case BRANCH_INSTANCE: return give_nonempty(out, branch->instance);
	case BRANCH_CONNECTION: return give_int(out, branch->connection);
	default: return false;
	}
}

static bool copy_text(struct message *msg, struct span text, struct span *out)
{
	struct span copy = text.len ? arena_copy(msg->arena, text) : (struct span){ 0 };
	if (text.len && !copy.at)
		return false;
	*out = copy;
	return true;
}

static bool set_branch_socket(struct branch *branch, struct span text)
{
	struct end_point address;
	const struct listener *found = NULL;
	if (text.len && end_point_parse(text, &address))
		found = listener_find(&address);
	if (text.len && !found)
		log_warning("no such socket: \"%.*s\"\n", SPAN_ARGS(text));
	if (!text.len || found)
		branch->socket = found;
	return true;
}

static bool set_branch(struct script_run *run, const struct variable_ref *ref,
		       const struct value *value)
{
	struct branch *branch = find_branch(run, ref);
	struct message *msg = run->msg;
	bool is_null = !value || value->kind == VALUE_NULL;
	int key = key_of(run, ref, branch_keys, ARRAY_SIZE(branch_keys));
	bool is_number = key == BRANCH_Q || key == BRANCH_FLAGS || key == BRANCH_CONNECTION;
	struct span text = { 0 };
	int64_t number = 0;
	if (!branch) {
		log_error("%.*s: there is no such branch\n", SPAN_ARGS(ref->text));
		return false;
	}
	if (!is_null &&
	    !(is_number ? value_to_int(value, &number) : value_to_text(run, value, &text)))
		return false;
	switch (key) {
	case BRANCH_URI:
		if (is_null && !ref->row->selector) {
			message_remove_branch(msg, (size_t)(branch - msg->branches));
			return true;
		}
		return copy_text(msg, text, &branch->uri);
	case BRANCH_DST_URI: return copy_text(msg, text, &branch->dst_uri);
	case BRANCH_PATH: return copy_text(msg, text, &branch->path);
	case BRANCH_Q:
		branch->q = is_null         ? Q_UNSPECIFIED
			    : number < 0    ? 0
			    : number > 1000 ? 1000
					    : (int32_t)number;
		return true;
	case BRANCH_SOCKET: return set_branch_socket(branch, text);
	case BRANCH_FLAGS: branch->flags = (uint32_t)number; return true;
	case BRANCH_CONNECTION: branch->connection = (uint32_t)number; return true;
	default: log_error("%.*s cannot be assigned\n", SPAN_ARGS(ref->text)); return false;
	}
}

/* ---- $br, $bR -------------------------------------------------------------------------------- */

static void write_branch(struct writer *w, const struct branch *branch)
{
	if (branch->q < 0) {
		writer_span(w, branch->uri);
		return;
	}
	writer_printf(w, "<%.*s>;q=", SPAN_ARGS(branch->uri));
	if (branch->q == 1000) {
		writer_char(w, '1');
		return;
	}
	unsigned digits = (unsigned)branch->q, width = 3;
	for (; width > 1 && digits % 10 == 0; width--)
		digits /= 10;
	writer_printf(w, "0.%0*u", (int)width, digits);
}

static bool get_first(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return run->msg->branch_count == 0 || give_text(out, run->msg->branches[0].uri);
}

static bool set_first(struct script_run *run, const struct variable_ref *ref,
		      const struct value *value)
{
	if (!value || value->kind != VALUE_TEXT || !value->text.len) {
		log_error("$br needs a text\n");
		return false;
	}
	struct branch branch = { .uri = value->text, .q = Q_UNSPECIFIED };
	return message_add_branch(run->msg, &branch);
}

static bool get_all(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct writer w = writer_in_arena(run->arena, 256);
	if (run->msg->branch_count == 0)
		return true;
	for (unsigned i = 0; i < run->msg->branch_count; i++) {
		writer_string(&w, i ? ", " : "");
		write_branch(&w, &run->msg->branches[i]);
	}
	return give_written(out, &w);
}

static const struct variable_row rows[] = {
	{ "br", INNER_NONE, get_first, set_first, .doc = "URI of the first further branch; assigning adds one." },
	{ "bR", INNER_NONE, get_all, .doc = "All further branches with their q." },
	{ "branch", INNER_NAME, get_branch, set_branch, bind_branch, .selector = 0, .takes_index = true, .doc = "A further branch: uri dst_uri path q send_socket count flags ruid location_ua instance otcpid." },
	{ "sbranch", INNER_NAME, get_branch, set_branch, bind_branch, .selector = 1, .doc = "The scratch branch of sbranch_append and sbranch_set_ruri." },
};
const struct variable_table branch_variables = ROWS(rows);
