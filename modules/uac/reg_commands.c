/* SPDX-License-Identifier: BSD-2-Clause */
/* reg_commands: what script and administrator ask and tell about accounts. */
#include "modules/uac/accounts.h"

#include <stdatomic.h>

#include "core/shm/map.h"

enum {
	STATUS_ONLINE = 1,
	STATUS_UNKNOWN = -1,
	STATUS_ONGOING = -2,
	STATUS_DISABLED = -3,
	STATUS_WAITING = -99
};
enum { MODE_BY_USER = 1, MODE_HA1 = 2 };

static struct {
	const struct variable_ref *realm, *user, *password;
	_Atomic int64_t *reloaded_ms;
} state;

static bool compile(struct span text, const char *setting, struct diagnostics *diagnostics,
		    const struct variable_ref **out)
{
	if (text.len)
		*out = variable_compile(text, startup_arena(), diagnostics,
					module_setting_position("uac", setting));
	return !text.len || *out;
}

bool reg_commands_prepare(struct diagnostics *diagnostics)
{
	const struct uac_settings *s = uac_settings;
	state.reloaded_ms = shm_reserve(sizeof(*state.reloaded_ms), "uac");
	return state.reloaded_ms &&
	       compile(s->auth_realm_avp, "auth_realm_avp", diagnostics, &state.realm) &&
	       compile(s->auth_username_avp, "auth_username_avp", diagnostics, &state.user) &&
	       compile(s->auth_password_avp, "auth_password_avp", diagnostics, &state.password);
}

/* Attributes by which accounts are named. */
static bool attribute_of(struct span name, enum account_text *out)
{
	static const enum account_text allowed[] = { ACCOUNT_UUID, ACCOUNT_LOCAL_USER,
						     ACCOUNT_REMOTE_USER, ACCOUNT_AUTH_USER };
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (span_equal(name, span_from(account_names[allowed[i]]))) {
			*out = allowed[i];
			return true;
		}
	return false;
}

static bool enable(const struct account *account)
{
	return account_change(account->texts[ACCOUNT_UUID], ACCOUNT_DISABLED | ACCOUNT_ONGOING, 0,
			      clock_wall_s());
}

static bool disable(const struct account *account)
{
	return account_change(account->texts[ACCOUNT_UUID], ACCOUNT_ONLINE, ACCOUNT_DISABLED, -1);
}

/* ---- functions of the script ------------------------------------------------------------------------------------------ */

struct lookup_args {
	struct span what;
	const struct variable_ref *result;
};
static const struct field lookup_fields[] = {
	FIELD(struct lookup_args, what, "uuid, or URI"),
	FIELD(struct lookup_args, result, "variable for the local URI"),
};
SCRIPT_HANDLER_OF(lookup_uuid, lookup)
SCRIPT_HANDLER_OF(lookup_uri, lookup)

struct uuid_args {
	struct span uuid;
};
static const struct field uuid_fields[] = {
	FIELD(struct uuid_args, uuid, "uuid of the account"),
};
SCRIPT_HANDLER_OF(status, uuid)
SCRIPT_HANDLER_OF(refresh, uuid)

struct to_args {
	struct span user;
	int64_t mode;
};
static const struct field to_fields[] = {
	FIELD(struct to_args, user, "uuid, or local user"),
	FIELD(struct to_args, mode, "1: by local user; 2: with the HA1", .min = 0, .max = 3),
};
SCRIPT_HANDLER_OF(request_to, to)

struct filter_args {
	struct span attribute, value;
};
static const struct field filter_fields[] = {
	FIELD(struct filter_args, attribute, "l_uuid, l_username, r_username or auth_username"),
	FIELD(struct filter_args, value, "its value"),
};
SCRIPT_HANDLER_OF(script_enable, filter)
SCRIPT_HANDLER_OF(script_disable, filter)

static const struct script_function functions[] = {
	FUNCTION_OF("uac_reg_lookup", lookup_uuid, lookup, IN_ANY, "The local URI of the account with this uuid."),
	FUNCTION_OF("uac_reg_lookup_uri", lookup_uri, lookup, IN_ANY, "The local URI of the account with the user of this URI."),
	FUNCTION_OF("uac_reg_status", status, uuid, IN_ANY, "1: registered; -2: being registered; -3: disabled; -99: waiting; -1: unknown."),
	FUNCTION_OF("uac_reg_request_to", request_to, to, IN_ANY, "The request goes to the account's server, with its credentials for uac_auth()."),
	FUNCTION_OF("uac_reg_enable", script_enable, filter, IN_ANY, "Accounts are registered again."),
	FUNCTION_OF("uac_reg_disable", script_disable, filter, IN_ANY, "Accounts are not registered any more."),
	FUNCTION_OF("uac_reg_refresh", refresh, uuid, IN_ANY, "Reads the account from the table again."),
};
const struct function_table reg_functions = { functions, ARRAY_SIZE(functions) };

static int assign_local(struct script_run *run, const struct account *account,
			const struct variable_ref *result)
{
	struct span uri = arena_printf(run->arena, "sip:%.*s@%.*s",
				       SPAN_ARGS(account->texts[ACCOUNT_LOCAL_USER]),
				       SPAN_ARGS(account->texts[ACCOUNT_LOCAL_DOMAIN]));
	struct value value = VALUE_OF_TEXT(uri);
	return uri.at && variable_write(run, result, &value) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int lookup_uuid(struct script_run *run, const struct lookup_args *args)
{
	struct account account;
	if (!account_find(ACCOUNT_UUID, args->what, NO_SPAN, run->arena, &account))
		return SCRIPT_FALSE;
	return assign_local(run, &account, args->result);
}

static int lookup_uri(struct script_run *run, const struct lookup_args *args)
{
	struct account account;
	struct sip_uri uri;
	if (!uri_parse(args->what, &uri) || !uri.user.len ||
	    !account_find(ACCOUNT_REMOTE_USER, uri.user, uri.host, run->arena, &account))
		return SCRIPT_FALSE;
	return assign_local(run, &account, args->result);
}

static int status(struct script_run *run, const struct uuid_args *args)
{
	struct account account;
	if (!account_find(ACCOUNT_UUID, args->uuid, NO_SPAN, run->arena, &account))
		return STATUS_UNKNOWN;
	if (account.flags & ACCOUNT_DISABLED)
		return STATUS_DISABLED;
	if (account.flags & ACCOUNT_ONLINE && account.timer_wall_s > clock_wall_s())
		return STATUS_ONLINE;
	return account.flags & ACCOUNT_ONGOING ? STATUS_ONGOING : STATUS_WAITING;
}

static bool assign(struct script_run *run, const struct variable_ref *variable, struct span text)
{
	struct value value = VALUE_OF_TEXT(text);
	return variable && variable_write(run, variable, &value);
}

static int request_to(struct script_run *run, const struct to_args *args)
{
	struct account account;
	const struct span *texts = account.texts;
	if (!account_find(args->mode & MODE_BY_USER ? ACCOUNT_LOCAL_USER : ACCOUNT_UUID, args->user,
			  NO_SPAN, run->arena, &account))
		return SCRIPT_FALSE;
	struct span uri =
		arena_printf(run->arena, "sip:%.*s@%.*s", SPAN_ARGS(texts[ACCOUNT_REMOTE_USER]),
			     SPAN_ARGS(texts[ACCOUNT_REMOTE_DOMAIN]));
	if (!uri.at || !message_set_uri(run->msg, uri) ||
	    (texts[ACCOUNT_AUTH_PROXY].len &&
	     !message_set_dst_uri(run->msg, texts[ACCOUNT_AUTH_PROXY])))
		return SCRIPT_FALSE;
	struct span secret =
		texts[args->mode & MODE_HA1 ? ACCOUNT_AUTH_HA1 : ACCOUNT_AUTH_PASSWORD];
	if (assign(run, state.realm, texts[ACCOUNT_REALM]) &&
	    assign(run, state.user, texts[ACCOUNT_AUTH_USER]) &&
	    assign(run, state.password, secret))
		return SCRIPT_TRUE;
	log_error("uac_reg_request_to: set auth_realm_avp, auth_username_avp and auth_password_avp "
		  "of uac");
	return SCRIPT_FALSE;
}

static int change_one(struct script_run *run, const struct filter_args *args,
		      bool (*change)(const struct account *account))
{
	enum account_text by;
	struct account account;
	if (!attribute_of(args->attribute, &by)) {
		log_error("%.*s is no attribute that finds accounts", SPAN_ARGS(args->attribute));
		return SCRIPT_FALSE;
	}
	return account_find(by, args->value, NO_SPAN, run->arena, &account) && change(&account)
		       ? SCRIPT_TRUE
		       : SCRIPT_FALSE;
}

static int script_enable(struct script_run *run, const struct filter_args *args)
{
	return change_one(run, args, enable);
}

static int script_disable(struct script_run *run, const struct filter_args *args)
{
	return change_one(run, args, disable);
}

static int refresh(struct script_run *run, const struct uuid_args *args)
{
	(void)run;
	return accounts_are_on() && accounts_load_one(args->uuid) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- commands ------------------------------------------------------------------------------------------------------------ */

/* Secrets are not shown, only whether there are any. */
static struct span shown(const struct account *account, unsigned i)
{
	struct span text = account->texts[i];
	if (i == ACCOUNT_AUTH_PASSWORD || i == ACCOUNT_AUTH_HA1)
		return text.len ? SPAN_OF("***") : SPAN_OF("none");
	if (i == ACCOUNT_CONTACT && !text.len)
		return uac_settings->reg_contact_addr;
	return text;
}

static void add_account(struct rpc_call *call, const struct account *account)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	for (unsigned i = 0; i < ACCOUNT_CONTACT; i++)
		if (shown(account, i).len)
			rpc_add_text(call, node, account_names[i], shown(account, i));
		else
			rpc_add_null(call, node, account_names[i]);
	rpc_add_int(call, node, "expires", account->expires);
	rpc_add_int(call, node, "flags", account->flags);
	rpc_add_int(call, node, "diff_expires", account->timer_wall_s - clock_wall_s());
	rpc_add_int(call, node, "timer_expires", account->timer_wall_s);
	rpc_add_int(call, node, "reg_init", account->init_wall_s);
	rpc_add_int(call, node, "reg_delay", account->delay_s);
	rpc_add_text(call, node, "contact_addr", shown(account, ACCOUNT_CONTACT));
	if (account->texts[ACCOUNT_SOCKET].len)
		rpc_add_text(call, node, "socket", account->texts[ACCOUNT_SOCKET]);
	else
		rpc_add_null(call, node, "socket");
}

static void dump(struct rpc_call *call)
{
	unsigned count = 0;
	const struct account *all = accounts_copy(rpc_arena(call), &count);
	for (unsigned i = 0; all && i < count; i++)
		add_account(call, &all[i]);
}

/* The account that the two arguments name; false after a fault. */
static bool find_account(struct rpc_call *call, struct account *out)
{
	struct span attribute, value;
	enum account_text by;
	if (!rpc_arg_text(call, 0, &attribute) || !rpc_arg_text(call, 1, &value))
		rpc_fault(call, 400, "Invalid Parameters");
	else if (!attribute_of(attribute, &by))
		rpc_fault(call, 400, "Unsupported filter attribute");
	else if (!account_find(by, value, NO_SPAN, rpc_arena(call), out))
		rpc_fault(call, 404, "Record not found");
	else
		return true;
	return false;
}

static void info(struct rpc_call *call)
{
	struct account account;
	if (find_account(call, &account))
		add_account(call, &account);
}

static void run_enable(struct rpc_call *call)
{
	struct account account;
	if (find_account(call, &account) && !enable(&account))
		rpc_fault(call, 500, "Failed to enable the record");
}

static void run_disable(struct rpc_call *call)
{
	struct account account;
	if (find_account(call, &account) && !disable(&account))
		rpc_fault(call, 500, "Failed to disable the record");
}

static void run_unregister(struct rpc_call *call)
{
	struct account account;
	if (find_account(call, &account) && !register_end(&account))
		rpc_fault(call, 500, "Failed to send the request");
}

static void reload(struct rpc_call *call)
{
	int64_t now = clock_ms(), last = *state.reloaded_ms;
	if (!accounts_are_on()) {
		rpc_fault(call, 500, "there is no reg_db_url");
		return;
	}
	if (last && now - last < uac_settings->reg_gc_interval * 1000) {
		rpc_fault(call, 500,
			  "ongoing reload: at most one in %lld seconds (reg_gc_interval)",
			  (long long)uac_settings->reg_gc_interval);
		return;
	}
	*state.reloaded_ms = now ? now : 1;
	if (!accounts_load())
		rpc_fault(call, 500, "Failed to reload records; the log says why");
}

static void run_refresh(struct rpc_call *call)
{
	struct span uuid;
	if (!rpc_arg_text(call, 0, &uuid))
		rpc_fault(call, 400, "Invalid Parameters");
	else if (!accounts_are_on() || !accounts_load_one(uuid))
		rpc_fault(call, 404, "Record not found");
}

static void active(struct rpc_call *call)
{
	int64_t wanted;
	if (!rpc_arg_int(call, 0, &wanted)) {
		rpc_fault(call, 400, "Invalid Parameters");
		return;
	}
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "omode", atomic_exchange(register_switch(), wanted));
	rpc_add_int(call, node, "nmode", wanted);
}

static void add(struct rpc_call *call)
{
	static const enum account_text order[] = {
		ACCOUNT_UUID,	   ACCOUNT_LOCAL_USER,	  ACCOUNT_LOCAL_DOMAIN, ACCOUNT_REMOTE_USER, ACCOUNT_REMOTE_DOMAIN,
		ACCOUNT_REALM,	   ACCOUNT_AUTH_USER,	  ACCOUNT_AUTH_PASSWORD, ACCOUNT_AUTH_HA1,   ACCOUNT_AUTH_PROXY,
	};
	enum { FIRST_NUMBER = ARRAY_SIZE(order), SOCKET = FIRST_NUMBER + 3, CONTACT };
	struct account account = { .init_wall_s = clock_wall_s() };
	bool is_good = rpc_arg_int(call, FIRST_NUMBER, &account.expires) &&
		       rpc_arg_int(call, FIRST_NUMBER + 1, &account.flags) &&
		       rpc_arg_int(call, FIRST_NUMBER + 2, &account.delay_s) &&
		       rpc_arg_text(call, SOCKET, &account.texts[ACCOUNT_SOCKET]);
	for (unsigned i = 0; i < ARRAY_SIZE(order) && is_good; i++)
		is_good = rpc_arg_text(call, i, &account.texts[order[i]]);
	if (rpc_arg_count(call) > CONTACT)
		is_good = is_good && rpc_arg_text(call, CONTACT, &account.texts[ACCOUNT_CONTACT]);
	if (!is_good || !account.texts[ACCOUNT_UUID].len) {
		rpc_fault(call, 400, "Invalid Parameters");
		return;
	}
	for (unsigned i = 0; i < ACCOUNT_TEXTS; i++)
		if (span_equal(account.texts[i], SPAN_OF(".")))
			account.texts[i] = NO_SPAN;
	account.flags &= ACCOUNT_DISABLED;
	if (!account_put(&account, false))
		rpc_fault(call, 500, "Failed to add the record: no memory");
}

static void run_remove(struct rpc_call *call)
{
	struct span uuid;
	if (!rpc_arg_text(call, 0, &uuid))
		rpc_fault(call, 400, "Invalid Parameters");
	else if (!account_remove(uuid))
		rpc_fault(call, 404, "Record not found");
}

const struct rpc_command reg_commands[REG_COMMANDS] = {
	{ "uac.reg_dump", dump, "All accounts.", NULL, true },
	{ "uac.reg_info", info, "One account.", "attribute value", false },
	{ "uac.reg_enable", run_enable, "The account is registered again.", "attribute value", false },
	{ "uac.reg_disable", run_disable, "The account is not registered any more.", "attribute value", false },
	{ "uac.reg_unregister", run_unregister, "Ends the registration and disables the account.", "attribute value", false },
	{ "uac.reg_reload", reload, "Reads the table again.", NULL, false },
	{ "uac.reg_refresh", run_refresh, "Reads one account from the table.", "l_uuid", false },
	{ "uac.reg_active", active, "Switches all registrations.", "0|1", false },
	{ "uac.reg_add", add, "Adds an account; a dot stands for no value.", "l_uuid l_username l_domain r_username r_domain realm auth_username auth_password auth_ha1 auth_proxy expires flags reg_delay socket [contact_addr]", false },
	{ "uac.reg_remove", run_remove, "Removes an account.", "l_uuid", false },
};

/* ---- counters --------------------------------------------------------------------------------------------------------------- */

static int64_t count(int64_t flags, int64_t wanted)
{
	struct arena arena;
	unsigned all = 0;
	int64_t found = 0;
	arena_init(&arena, (size_t)64 << 10, (size_t)256 << 20);
	const struct account *accounts = accounts_copy(&arena, &all);
	for (unsigned i = 0; accounts && i < all; i++)
		found += (accounts[i].flags & flags) == wanted;
	arena_free(&arena);
	return found;
}

static int64_t count_all(void)
{
	return count(0, 0);
}

static int64_t count_active(void)
{
	return count(ACCOUNT_ONLINE, ACCOUNT_ONLINE);
}

static int64_t count_disabled(void)
{
	return count(ACCOUNT_DISABLED, ACCOUNT_DISABLED);
}

const struct counter_row reg_counters[REG_COUNTERS] = {
	{ NULL, "regtotal", "Accounts.", NULL, count_all },
	{ NULL, "regactive", "Accounts that are registered.", NULL, count_active },
	{ NULL, "regdisabled", "Accounts that are disabled.", NULL, count_disabled },
};
