/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of the script about profiles. */
#include "modules/dialog/profiles.h"

struct profile_args {
	struct span profile, value;
};
static const struct field profile_fields[] = {
	FIELD(struct profile_args, profile, "name of the profile"),
	FIELD(struct profile_args, value, "its value, of profiles that have values",
		.optional = true),
};
struct size_args {
	struct span profile;
	const struct text_template *value;
	const struct variable_ref *size;
};
static const struct field size_fields[] = {
	FIELD(struct size_args, profile, "name of the profile"),
	FIELD(struct size_args, value, "value to be counted; without it the variable for the number"),
	FIELD(struct size_args, size, "variable that takes the number", .optional = true),
};
struct by_profile_args {
	struct span profile, value, timeout;
};
static const struct field by_profile_fields[] = {
	FIELD(struct by_profile_args, profile, "name of the profile"),
	FIELD(struct by_profile_args, value, "value; without it the seconds"),
	FIELD(struct by_profile_args, timeout, "seconds that the dialogs live from now on",
		.optional = true),
};
struct remote_args {
	struct span cmd, profile, value, uid;
	int64_t expires;
};
static const struct field remote_fields[] = {
	FIELD(struct remote_args, cmd, "add or rm"),
	FIELD(struct remote_args, profile, "name of the profile"),
	FIELD(struct remote_args, value, "value; empty for profiles without values"),
	FIELD(struct remote_args, uid, "what names this member"),
	FIELD(struct remote_args, expires, "Unix time when it is removed"),
};

SCRIPT_HANDLER_OF(set_profile, profile)
SCRIPT_HANDLER_OF(unset_profile, profile)
SCRIPT_HANDLER_OF(is_in, profile)
SCRIPT_HANDLER(size)
SCRIPT_HANDLER(by_profile)
SCRIPT_HANDLER(remote)

static const struct script_function functions[] = {
	FUNCTION_OF("set_dlg_profile", set_profile, profile, IN_ANY,
		"Adds the dialog to a profile."),
	FUNCTION_OF("unset_dlg_profile", unset_profile, profile, IN_ANY,
		"Takes the dialog out of a profile."),
	FUNCTION_OF("is_in_profile", is_in, profile, IN_ANY, "Is the dialog in a profile?"),
	FUNCTION("get_profile_size", size, IN_ANY, "Counts the dialogs of a profile."),
	FUNCTION("dlg_set_timeout_by_profile", by_profile, IN_ANY,
		"All dialogs of a profile end after so many seconds."),
	FUNCTION("dlg_remote_profile", remote, IN_ANY,
		"Adds or removes a member that another server has."),
};
const struct function_table profile_functions = ROWS(functions);

static int result(bool is_done)
{
	return is_done ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool need_profile(struct span name, uint32_t *out_profile)
{
	*out_profile = profile_find(name);
	if (*out_profile != PROFILE_UNKNOWN)
		return true;
	log_error("there is no profile \"%.*s\"; dialog.profiles_with_value and "
		  "profiles_no_value define them",
		  SPAN_ARGS(name));
	return false;
}

/* The profile of a call; with a value where the profile has values. */
static bool need_member(const struct profile_args *args, bool wants_value, uint32_t *out_profile)
{
	if (!need_profile(args->profile, out_profile))
		return false;
	if (!wants_value || !profile_has_value(*out_profile) || args->value.at)
		return true;
	log_error("the profile %.*s needs a value", SPAN_ARGS(args->profile));
	return false;
}

static int set_profile(struct script_run *run, const struct profile_args *args)
{
	struct dialog_name name;
	uint32_t profile;
	if (!need_member(args, true, &profile))
		return SCRIPT_FALSE;
	if (context_find(run->msg, &name))
		return result(profile_join(name, profile, args->value));
	/* The dialog that dlg_manage makes later will be in it. */
	struct dialog_context *context = context_of(run->msg);
	struct pending_membership *pending =
		context ? ARENA_NEW(run->msg->arena, struct pending_membership) : NULL;
	if (!pending)
		return SCRIPT_FALSE;
	pending->profile = profile;
	pending->value = arena_copy(run->msg->arena, args->value);
	pending->next = context->memberships;
	context->memberships = pending;
	return SCRIPT_TRUE;
}

static int unset_profile(struct script_run *run, const struct profile_args *args)
{
	struct dialog_name name;
	uint32_t profile;
	return result(need_member(args, true, &profile) && context_find(run->msg, &name) &&
		      profile_leave(name, profile, args->value));
}

static int is_in(struct script_run *run, const struct profile_args *args)
{
	struct dialog_name name;
	uint32_t profile;
	return result(need_member(args, false, &profile) && context_find(run->msg, &name) &&
		      profile_has(name, profile, args->value));
}

/* A template that is one variable. */
static const struct variable_ref *only_variable(const struct text_template *text)
{
	return text->count == 1 ? text->parts[0].variable : NULL;
}

static int size(struct script_run *run, const struct size_args *args)
{
	uint32_t profile;
	struct span value = { NULL, 0 };
	const struct variable_ref *target = args->size ? args->size : only_variable(args->value);
	if (!need_profile(args->profile, &profile))
		return SCRIPT_FALSE;
	if (!target || !variable_is_writable(target)) {
		log_error("get_profile_size: the last argument takes the number and must be a "
			  "variable that can be set");
		return SCRIPT_FALSE;
	}
	if (args->size)
		value = template_text(run, args->value);
	return result(variable_write(run, target, &VALUE_OF_INT(profile_size(profile, value))));
}

static int by_profile(struct script_run *run, const struct by_profile_args *args)
{
	bool has_value = args->timeout.at != NULL;
	struct span number = has_value ? args->timeout : args->value;
	struct span value = has_value ? args->value : (struct span){ NULL, 0 };
	struct dialog_cursor cursor = { 0 };
	struct dialog_view view;
	struct arena arena;
	uint32_t profile;
	int64_t seconds;
	(void)run;
	if (!need_profile(args->profile, &profile))
		return SCRIPT_FALSE;
	if (!span_to_int64(span_trim(number), &seconds) || seconds < 0) {
		log_error("dlg_set_timeout_by_profile: \"%.*s\" is no number of seconds",
			  SPAN_ARGS(number));
		return SCRIPT_FALSE;
	}
	arena_init(&arena, 8192, 1 << 24);
	while (dialog_next(&cursor, &arena, &view)) {
		if (view.state != DIALOG_DELETED && view_is_in(&view, profile, value))
			(void)dialog_set_lifetime(view.name, seconds);
		arena_clear(&arena);
	}
	arena_free(&arena);
	return SCRIPT_TRUE;
}

static int remote(struct script_run *run, const struct remote_args *args)
{
	uint32_t profile;
	(void)run;
	if (!need_profile(args->profile, &profile))
		return SCRIPT_FALSE;
	if (span_equal_nocase(args->cmd, SPAN_OF("add")))
		return result(remote_add(profile, args->value, args->uid, args->expires));
	if (span_equal_nocase(args->cmd, SPAN_OF("rm")))
		return result(remote_remove(profile, args->value, args->uid));
	log_error("dlg_remote_profile: \"%.*s\" is neither add nor rm", SPAN_ARGS(args->cmd));
	return SCRIPT_FALSE;
}
