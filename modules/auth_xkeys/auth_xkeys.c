/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_xkeys: servers that share a key recognize each other by a header with a digest of the key and
 * of what the script chooses, without a challenge. A group may have several keys, so that a new one
 * can be introduced while the old one is still good. */
#include "core/module/module.h"
#include "parser/params.h"

struct key {
	struct span value;
	struct key *older;
};
struct group {
	struct span id;
	struct key *newest;
	struct group *next;
};
static struct {
	struct group *groups;
} state;

static const struct {
	struct span name;
	enum digest_kind kind;
} algorithms[] = {
	{ SPAN("sha256"), DIGEST_SHA256 },
	{ SPAN("sha384"), DIGEST_SHA384 },
	{ SPAN("sha512"), DIGEST_SHA512 },
};

static struct group *group_find(struct span id)
{
	struct group *group = state.groups;
	while (group && !span_equal_nocase(group->id, id))
		group = group->next;
	return group;
}

/* ---- settings -------------------------------------------------------------------------------------- */

static const char *key_add(struct span id, struct span value)
{
	struct group *group = group_find(id);
	if (!group) {
		group = arena_alloc(startup_arena(), sizeof(*group));
		if (!group)
			return "memory is exhausted";
		*group = (struct group){ .id = id, .next = state.groups };
		state.groups = group;
	}
	struct key *key = arena_alloc(startup_arena(), sizeof(*key));
	if (!key)
		return "memory is exhausted";
	*key = (struct key){ .value = value, .older = group->newest };
	group->newest = key;
	return NULL;
}

#define KEY_FORM "a key is id=GROUP;name=KEY;value=SECRET;expires=SECONDS"

/* key = param *( ";" param ) with the names id, name, value and expires. Others mean nothing, as in the
 * peer, which does not look at expires either. */
static const char *accept_key(struct span text, int64_t number)
{
	struct span id = { 0 }, name = { 0 }, value = { 0 };
	struct param_list list = params_over(text, ';');
	enum list_result result;
	struct param param;
	(void)number;
	while ((result = params_next(&list, &param)) == LIST_ITEM) {
		if (span_equal_nocase(param.name, SPAN_OF("id")))
			id = param.value;
		else if (span_equal_nocase(param.name, SPAN_OF("name")))
			name = param.value;
		else if (span_equal_nocase(param.name, SPAN_OF("value")))
			value = quoted_unescape(startup_arena(), param.value);
	}
	if (result == LIST_BAD)
		return KEY_FORM "; other characters than letters and digits need quotes";
	if (!id.len || !name.len || !value.len)
		return KEY_FORM "; the first three are needed";
	return key_add(id, value);
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("xkey", accept_key,
		"a shared key: id=GROUP;name=KEY;value=SECRET; the last one of a group signs"),
};

/* ---- functions of the script ------------------------------------------------------------------------ */

struct key_args {
	struct span header;
	struct span group;
	struct span algorithm;
	struct span data;
};
static const struct field key_fields[] = {
	FIELD(struct key_args, header, "name of the header"),
	FIELD(struct key_args, group, "id of the group of keys"),
	FIELD(struct key_args, algorithm, "sha256, sha384 or sha512"),
	FIELD(struct key_args, data, "what is signed, with variables"),
};
SCRIPT_HANDLER_OF(add, key)
SCRIPT_HANDLER_OF(check, key)

static const struct script_function functions[] = {
	FUNCTION_OF("auth_xkeys_add", add, key, IN_ANY,
		"Appends a header with the digest of the group's newest key and the data."),
	FUNCTION_OF("auth_xkeys_check", check, key, IN_ANY,
		"Is the first header of this name the digest of one of the group's keys and the data?"),
};

/* What both functions need to know. */
struct question {
	const struct group *group;
	enum digest_kind kind;
};

static bool question_make(const char *function, const struct key_args *args, struct question *out)
{
	size_t row = 0;
	while (row < ARRAY_SIZE(algorithms) &&
	       !span_equal_nocase(algorithms[row].name, args->algorithm))
		row++;
	if (row == ARRAY_SIZE(algorithms)) {
		log_error("%s: the algorithm is \"%.*s\", not sha256, sha384 or sha512", function,
			  SPAN_ARGS(args->algorithm));
		return false;
	}
	const struct group *group = group_find(args->group);
	if (!group) {
		log_debug("%s: there is no key of group \"%.*s\"", function,
			  SPAN_ARGS(args->group));
		return false;
	}
	*out = (struct question){ group, algorithms[row].kind };
	return true;
}

/* digest = HEX( H( key ":" data ) ) */
static struct span sign(const struct question *question, const struct key *key, struct span data,
			char *hex)
{
	const struct span parts[] = { key->value, SPAN_OF(":"), data };
	return span_make(hex, digest_hex(question->kind, parts, ARRAY_SIZE(parts), hex));
}

static bool is_header_name(struct span name)
{
	struct cursor in = cursor_over(name);
	return name.len && cursor_take_while(&in, CHAR_TOKEN).len == name.len;
}

static int add(struct script_run *run, const struct key_args *args)
{
	struct question question;
	char hex[DIGEST_HEX_MAX];
	if (!is_header_name(args->header)) {
		log_error("auth_xkeys_add: \"%.*s\" is no name of a header",
			  SPAN_ARGS(args->header));
		return SCRIPT_FALSE;
	}
	if (!question_make("auth_xkeys_add", args, &question))
		return SCRIPT_FALSE;
	struct span signature = sign(&question, question.group->newest, args->data, hex);
	if (!signature.len)
		return SCRIPT_FALSE;
	struct span line = arena_printf(run->arena, "%.*s: %.*s\r\n", SPAN_ARGS(args->header),
					SPAN_ARGS(signature));
	return line.at && edit_append_header(run->msg, line) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* Digests are hexadecimal; ours are in lower case. */
static struct span lower_case(struct span text, char *out)
{
	for (size_t i = 0; i < text.len; i++)
		out[i] = text.at[i] >= 'A' && text.at[i] <= 'F' ? (char)(text.at[i] | 0x20)
								: text.at[i];
	return span_make(out, text.len);
}

static int check(struct script_run *run, const struct key_args *args)
{
	struct question question;
	char hex[DIGEST_HEX_MAX], folded[DIGEST_HEX_MAX];
	if (!question_make("auth_xkeys_check", args, &question))
		return SCRIPT_FALSE;
	const struct sip_header *header = message_header_named(run->msg, args->header);
	struct span given =
		header ? span_trim(message_header_value(run->msg, header)) : (struct span){ 0 };
	if (!given.len || given.len > sizeof(folded))
		return SCRIPT_FALSE;
	given = lower_case(given, folded);
	for (const struct key *key = question.group->newest; key; key = key->older) {
		struct span signature = sign(&question, key, args->data, hex);
		if (signature.len && digest_equal(signature, given))
			return SCRIPT_TRUE;
	}
	return SCRIPT_FALSE;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "auth_xkeys",
	.doc = "Servers that share keys recognize each other by a signed header.",
	.settings = { NULL, FIELDS(setting_fields) },
	.functions = ROWS(functions),
};
