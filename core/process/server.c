/* SPDX-License-Identifier: BSD-2-Clause */
/* Start-up in order: options, configuration, modules, sockets, processes. */
#include "core/process/server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/module/live.h"
#include "core/module/describe.h"
#include "core/net/own_records.h"
#include "core/net/resolver.h"
#include "core/process/confine.h"
#include "core/process/options.h"
#include "core/process/process.h"
#include "core/script/config_names.h"
#include "core/script/core_rows.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"
#include "core/transport/refusal.h"

#define EXIT_WRONG 255

static struct {
	struct options options;
	struct script_options script;
	int argument_count;
	char **arguments;
	int ready_pipe; /* tells the waiting parent of a daemon how the start went; -1: none */
} server = { .ready_pipe = -1 };

const struct script_options *startup_options(void)
{
	return &server.script;
}

void startup_arguments(int *out_count, char ***out_arguments)
{
	*out_count = server.argument_count;
	*out_arguments = server.arguments;
}

/* ---- configuration ------------------------------------------------------------------------------------- */

static bool on_load_module(void *owner, struct span name, struct source_position at,
			   struct diagnostics *diagnostics)
{
	return loader_load(name, at, diagnostics);
}

static bool on_load_path(void *owner, struct span directories, struct source_position at,
			 struct diagnostics *diagnostics)
{
	loader_add_directories(directories, false);
	return true;
}

static bool on_module_param(void *owner, struct span modules, struct span name,
			    const struct config_value *value, struct source_position at,
			    struct diagnostics *diagnostics)
{
	return loader_set(modules, name, value, at, diagnostics);
}

/* Variables that need no message (defines, environment, …) have their value already while the
 * configuration is read; the others see a faked request. */
static struct span on_evaluate(void *owner, struct span text, struct source_position at,
			       struct diagnostics *diagnostics)
{
	struct script_run run;
	const struct text_template *compiled =
		template_compile(text, startup_arena(), diagnostics, at);
	struct message *msg =
		compiled && !compiled->is_constant ? script_faked_request(startup_arena()) : NULL;
	if (!msg || !script_run_init(&run, msg, ROUTE_EVENT, NULL))
		return text;
	return template_text(&run, compiled);
}

static bool on_global_param(void *owner, struct span name, const struct config_value *value,
			    struct source_position at, struct diagnostics *diagnostics)
{
	return core_setting_set(name, value, at, diagnostics);
}

static bool on_listen(void *owner, const struct listen_directive *listen,
		      struct diagnostics *diagnostics)
{
	return core_listen(listen, diagnostics);
}

static bool on_alias(void *owner, const struct listen_directive *alias,
		     struct diagnostics *diagnostics)
{
	return core_alias(alias, diagnostics);
}

static bool on_custom_param(void *owner, struct span group, struct span name,
			    const struct config_value *value, struct span description,
			    struct source_position at, struct diagnostics *diagnostics)
{
	struct value kept =
		value->is_number ? VALUE_OF_INT(value->number) : VALUE_OF_TEXT(value->text);
	return config_custom_set(group, name, &kept, description);
}

static const struct config_actions actions = {
	.load_module = on_load_module, .load_path = on_load_path, .module_param = on_module_param,
	.evaluate = on_evaluate,
	.global_param = on_global_param, .listen = on_listen, .alias = on_alias, .custom_param = on_custom_param,
};

/* --loadmodule and --modparam: applied as if they stood at the end of the file. */
static void apply_command_line_modules(struct diagnostics *diagnostics)
{
	struct source_position nowhere = { 0 };
	for (unsigned i = 0; i < server.options.module_count; i++)
		loader_load(span_from(server.options.modules[i]), nowhere, diagnostics);
	for (unsigned i = 0; i < server.options.setting_count; i++) {
		struct span rest = span_from(server.options.settings[i]), module, name, kind;
		struct config_value value = { 0 };
		if (!span_split(&rest, ':', &module) || !span_split(&rest, ':', &name) ||
		    !span_split(&rest, ':', &kind) || !rest.at || kind.len != 1 ||
		    (kind.at[0] != 's' && kind.at[0] != 'i')) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-option", nowhere,
				       "--modparam expects MODULE:PARAM:s|i:VALUE, not \"%s\"",
				       server.options.settings[i]);
			continue;
		}
		value.is_number = kind.at[0] == 'i';
		value.text = rest;
		if (value.is_number && !span_to_int64_any_base(rest, &value.number))
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-option", nowhere,
				       "--modparam: \"%.*s\" is no number", SPAN_ARGS(rest));
		else
			loader_set(module, name, &value, nowhere, diagnostics);
	}
}

static void override_text(const char *name, const char *text)
{
	struct diagnostics ignored;
	struct config_value value = { .text = span_from(text) };
	diagnostics_init(&ignored, startup_arena());
	if (text)
		core_setting_set(span_from(name), &value, (struct source_position){ 0 }, &ignored);
}

static void override_int(const char *name, int64_t number, bool is_set,
			 struct diagnostics *diagnostics)
{
	struct config_value value = { .is_number = true, .number = number };
	if (is_set)
		core_setting_set(span_from(name), &value, (struct source_position){ 0 },
				 diagnostics);
}

/* What the command line says wins over the file. */
static void apply_command_line(struct diagnostics *diagnostics)
{
	const struct options *o = &server.options;
	override_text("user", o->user);
	override_text("group", o->group);
	override_text("chroot", o->chroot);
	override_text("workdir", o->workdir);
	override_text("rundir", o->rundir);
	override_int("shm_mem_size", o->shm_mb, o->shm_mb != 0, diagnostics);
	override_int("children", o->children, o->children != 0, diagnostics);
	override_int("debug", o->debug, o->has_debug, diagnostics);
	override_int("server_id", o->server_id, o->server_id != 0, diagnostics);
	override_int("log_stderror", 1, o->to_stderr, diagnostics);
	override_int("log_color", 1, o->use_colour, diagnostics);
	for (unsigned i = 0; i < o->listen_count; i++)
		if (!core_listen_text(span_from(o->listens[i])))
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-listen",
				       (struct source_position){ 0 },
				       "-l %s: no such address, interface or host", o->listens[i]);
	for (unsigned i = 0; i < o->alias_count; i++) {
		struct end_point end = { 0 };
		if (end_point_parse(span_from(o->aliases[i]), &end))
			alias_add(span_from(o->aliases[i]), end.port,
				  (enum transport)end.transport);
		else
			alias_add(span_from(o->aliases[i]), 0, TRANSPORT_NONE);
	}
}

static void configure_log(void)
{
	const struct core_settings *settings = core_settings();
	struct log_options options = { .to_stderr = settings->log_stderror,
				       .use_colour = settings->log_color,
				       .facility = log_facility_from_name(settings->log_facility),
				       .name = arena_string(startup_arena(), settings->log_name),
				       .socket = arena_string(startup_arena(),
							      settings->log_socket) };
	log_set_threshold((int)settings->debug);
	log_configure(&options);
}

static void print_diagnostics(struct diagnostics *diagnostics)
{
	struct writer w = writer_in_arena(diagnostics->arena, 16384);
	diagnostics_write(diagnostics, &w);
	fwrite(w.data, 1, w.len, stderr);
}

/* ---- log_prefix ---------------------------------------------------------------------------------------------- */

static const struct text_template *log_prefix;
static unsigned log_prefix_slot;

static struct span log_prefix_text(void)
{
	struct message *msg = fiber_local();
	struct script_run run;
	bool is_kept = core_settings()->log_prefix_mode == 0;
	if (msg && is_kept && msg->slots[log_prefix_slot])
		return *(struct span *)msg->slots[log_prefix_slot];
	if (!msg || !script_run_init(&run, msg, ROUTE_EVENT, NULL))
		return (struct span){ NULL, 0 };
	struct span text = template_text(&run, log_prefix);
	struct span *kept = is_kept ? ARENA_NEW(msg->arena, struct span) : NULL;
	if (kept) {
		*kept = text;
		msg->slots[log_prefix_slot] = kept;
	}
	return text;
}

static void compile_log_prefix(struct diagnostics *diagnostics)
{
	if (core_settings()->log_prefix.len == 0)
		return;
	log_prefix = template_compile(core_settings()->log_prefix, startup_arena(), diagnostics,
				      (struct source_position){ 0 });
	log_prefix_slot = message_slot("log_prefix");
	if (log_prefix)
		log_set_prefix_source(log_prefix_text);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* Reads and builds; NULL when something is wrong (told). */
static const struct image *configure(struct diagnostics *diagnostics)
{
	static const struct script_memory memory = { shm_run_alloc, shm_run_free };
	loader_add(&core_module, diagnostics, (struct source_position){ 0 });
	core_rows_register();
	rpc_register(&core_commands);
	rpc_register(&core_commands_dns);
	rpc_register(&core_commands_tcp);
	stream_counters_prepare();
	refusal_counters_prepare();
	counters_prepare();
	forward_prepare();
	resolver_prepare();
	server.script = (struct script_options){ .path = server.options.config_path,
						 .defines = server.options.defines,
						 .define_count = server.options.define_count };
	struct script_source *source =
		script_read(&server.script, &actions, startup_arena(), diagnostics);
	if (!source)
		return NULL;
	apply_command_line_modules(diagnostics);
	apply_command_line(diagnostics);
	core_settings_apply();
	configure_log();
	if (!fault_prepare()) {
		log_critical("the file that %s names cannot be mapped", FAULT_PLAN_VARIABLE);
		return NULL;
	}
	if (!shm_init((size_t)core_settings()->shm_mem_size << 20)) {
		log_critical("cannot map %lld MB of shared memory: %m",
			     (long long)core_settings()->shm_mem_size);
		return NULL;
	}
	if (core_settings()->shm_force_alloc && !shm_touch())
		log_warning("not all of the shared memory could be taken at start");
	void *cell = shm_reserve(64, "image");
	if (!cell)
		return NULL;
	image_share(cell);
	if (!config_custom_share())
		return NULL;
	if (!own_records_prepare()) {
		log_critical("no shared memory for names of one's own; start with a larger -m");
		return NULL;
	}
	bool is_prepared = loader_prepare(diagnostics);
	compile_log_prefix(diagnostics);
	const struct image *image = script_build(source, &memory, diagnostics);
	return is_prepared && diagnostics->errors == 0 ? image : NULL;
}

/* ---- becoming a server ------------------------------------------------------------------------------------------ */

/* Answers the parent that waits in daemonize. */
static void tell_parent(char result)
{
	if (server.ready_pipe < 0)
		return;
	if (write(server.ready_pipe, &result, 1) < 0)
		log_debug("nobody waits for the start any more");
	close(server.ready_pipe);
	server.ready_pipe = -1;
}

/* Goes to the background. The parent waits until the server runs or has failed, so that its exit code
 * tells the truth; -1 in the child, else the exit code of the parent. */
static int daemonize(void)
{
	int ends[2];
	char result = 1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return EXIT_WRONG;
	pid_t pid = fork();
	if (pid < 0)
		return EXIT_WRONG;
	if (pid > 0) {
		close(ends[1]);
		return read(ends[0], &result, 1) == 1 && result == 0 ? 0 : EXIT_WRONG;
	}
	close(ends[0]);
	server.ready_pipe = ends[1];
	setsid();
	return -1;
}

static void close_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	if (!core_settings()->log_stderror) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	close(null);
}

static bool write_number(const char *path, long number)
{
	FILE *file = path ? fopen(path, "we") : NULL;
	if (path && !file) {
		log_critical("cannot write %s: %m", path);
		return false;
	}
	if (!file)
		return true;
	bool is_written = fprintf(file, "%ld\n", number) > 0;
	if (fclose(file) != 0 || !is_written) {
		/* An empty file would say that nobody runs; whoever waits for it is told by its absence. */
		log_error("cannot write %s: %m; make room there; goes on without it", path);
		unlink(path);
	}
	return true;
}

/* What a process opens besides connections: logs, control sockets, databases. */
#define OTHER_FILES 256

/* Without open_files_limit the soft limit grows to what the connections need, as far as it may. */
static void raise_open_files(void)
{
	rlim_t wanted = (rlim_t)core_settings()->stream.max_connections + OTHER_FILES;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug("the limit of open files stays as it is: %m");
}

static void set_limits(void)
{
	const struct core_settings *settings = core_settings();
	struct rlimit limit;
	if (!settings->open_files_limit)
		raise_open_files();
	if (settings->open_files_limit) {
		limit.rlim_cur = limit.rlim_max = (rlim_t)settings->open_files_limit;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			log_warning("cannot raise the limit of open files to %lld: %m",
				    (long long)settings->open_files_limit);
	}
	if (settings->disable_core_dump) {
		limit.rlim_cur = limit.rlim_max = 0;
		setrlimit(RLIMIT_CORE, &limit);
	}
	if (settings->mlock_pages && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_warning("cannot lock the memory: %m");
}

struct identity {
	uid_t user;
	gid_t group;
	bool has_user, has_group;
	char name[64];
};

static bool find_identity(struct identity *out)
{
	*out = (struct identity){ 0 };
	uint32_t number;
	struct span user = core_settings()->user, group = core_settings()->group;
	snprintf(out->name, sizeof(out->name), "%.*s", SPAN_ARGS(user));
	struct passwd *account = user.len ? getpwnam(out->name) : NULL;
	if (!account && user.len && span_to_uint32(user, &number))
		account = getpwuid(number);
	if (user.len && !account) {
		log_critical("there is no user \"%s\" on this machine", out->name);
		return false;
	}
	if (account) {
		*out = (struct identity){ .user = account->pw_uid,
					  .group = account->pw_gid,
					  .has_user = true,
					  .has_group = true };
		snprintf(out->name, sizeof(out->name), "%s", account->pw_name);
	}
	if (group.len) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(group));
		struct group *found = getgrnam(name);
		if (!found && span_to_uint32(group, &number))
			found = getgrgid(number);
		if (!found) {
			log_critical("there is no group \"%s\" on this machine", name);
			return false;
		}
		out->group = found->gr_gid;
		out->has_group = true;
	}
	return true;
}

static bool make_rundir(const struct identity *identity)
{
	const char *path = arena_string(startup_arena(), core_settings()->rundir);
	if (mkdir(path, 0770) < 0 && errno != EEXIST) {
		log_warning("cannot make the run directory %s: %m; control sockets will be missing",
			    path);
		return true;
	}
	if (identity->has_group &&
	    chown(path, identity->has_user ? identity->user : (uid_t)-1, identity->group) < 0)
		log_warning("cannot give %s to the server's user: %m", path);
	return true;
}

static bool drop_privileges(const struct identity *identity)
{
	if (core_settings()->chroot.len) {
		const char *root = arena_string(startup_arena(), core_settings()->chroot);
		if (chroot(root) < 0 || chdir("/") < 0) {
			log_critical("cannot lock into %s: %m", root);
			return false;
		}
	}
	if (core_settings()->workdir.len &&
	    chdir(arena_string(startup_arena(), core_settings()->workdir)) < 0) {
		log_critical("cannot change to the working directory: %m");
		return false;
	}
	if (identity->has_group && getegid() != identity->group && setgid(identity->group) < 0) {
		log_critical("cannot become group %u: %m", identity->group);
		return false;
	}
	if (identity->has_user && geteuid() != identity->user &&
	    (initgroups(identity->name, identity->group) < 0 || setuid(identity->user) < 0)) {
		log_critical("cannot become user %s: %m", identity->name);
		return false;
	}
	/* After setuid the processes could no longer be dumped or watched by their own user. */
	if (identity->has_user && !core_settings()->disable_core_dump)
		prctl(PR_SET_DUMPABLE, 1);
	return true;
}

/* The names of this machine's own addresses count as local too. */
static void add_automatic_aliases(void)
{
	char name[256];
	if (core_settings()->auto_aliases && gethostname(name, sizeof(name)) == 0)
		alias_add(span_from(name), 0, TRANSPORT_NONE);
}

static void print_addresses(void)
{
	if (!core_settings()->log_stderror && server.ready_pipe < 0)
		return;
	fprintf(stdout, "Listening on\n");
	for (unsigned i = 0; i < listener_count(); i++)
		fprintf(stdout, "             %.*s\n", SPAN_ARGS(listener_at(i)->text));
	fprintf(stdout, "Aliases:\n");
	for (unsigned i = 0; i < alias_count(); i++)
		fprintf(stdout, "             %.*s\n", SPAN_ARGS(alias_text(i)));
	fprintf(stdout, "\n");
	fflush(stdout);
}

static bool share_state(void)
{
	int64_t *offset = shm_reserve(sizeof(*offset), "clock");
	int *threshold = shm_reserve(sizeof(*threshold), "log");
	uint64_t *lost = shm_reserve(sizeof(*lost), "log");
	if (!offset || !threshold || !lost)
		return false;
	live_add_all("tcp", "tcp_", core_setting_object(), core_setting_fields());
	live_add_all("core", "", core_setting_object(), core_setting_fields());
	if (!live_start())
		return false;
	clock_share(offset);
	log_share(threshold);
	log_share_lost(lost);
	return true;
}

/* Root in a directory that belongs to somebody else. */
static bool needs_files_of_others(void)
{
	struct stat at;
	const char *rundir = arena_string(startup_arena(), core_settings()->rundir);
	bool is_other = geteuid() == 0 && rundir && stat(rundir, &at) == 0 && at.st_uid != 0;
	if (is_other)
		log_notice(
			"runs as root and keeps its rights to all files, because %s belongs to somebody else; "
			"user= (or -u) makes that needless",
			rundir);
	return is_other;
}

static bool start(const struct image *image)
{
	struct identity identity;
	if (listener_count() == 0) {
		log_critical("this machine has no address to listen on; set listen=");
		return false;
	}
	add_automatic_aliases();
	set_limits();
	if (!network_settings_apply() || !find_identity(&identity) || !listeners_open())
		return false;
	make_rundir(&identity);
	if (!write_number(server.options.pid_file, getpid()) ||
	    !write_number(server.options.group_file, getpgrp()))
		return false;
	if (!drop_privileges(&identity) || !share_state() || !roles_prepare() ||
	    !counters_start(role_count()))
		return false;
	counters_select(0);
	image_publish(image);
	receive_prepare();
	print_addresses();
	return loader_start() &&
	       confine((enum confinement)core_settings()->confinement, needs_files_of_others());
}

/* --cfg-print: nothing is acted upon, so that a file prints also where its modules are not installed. */
static int print_config(void)
{
	struct diagnostics diagnostics;
	struct writer w = writer_in_arena(startup_arena(), 65536);
	struct script_options options = { .path = server.options.config_path,
					  .defines = server.options.defines,
					  .define_count = server.options.define_count,
					  .quiet_lints = true,
					  .echo = &w };
	diagnostics_init(&diagnostics, startup_arena());
	struct script_source *source = script_read(&options, NULL, startup_arena(), &diagnostics);
	fwrite(w.data, 1, w.len, stdout);
	print_diagnostics(&diagnostics);
	return source ? 0 : EXIT_WRONG;
}

static int explain(const char *code)
{
	if (strcmp(code, "all") == 0) {
		for (unsigned i = 0; script_explain_code(i); i++)
			printf("%s\n", script_explain_code(i));
		return 0;
	}
	const char *text = script_explain(code);
	if (!text) {
		fprintf(stderr,
			"viaduct: no diagnostic has the code \"%s\"; --explain all lists them\n",
			code);
		return EXIT_WRONG;
	}
	printf("%s\n", text);
	return 0;
}

static void dump_code(const struct image *image)
{
	struct writer w = writer_in_arena(startup_arena(), 65536);
	image_dump(image, &w);
	fwrite(w.data, 1, w.len, stdout);
}

/* The tables are complete also when something in the file is wrong. */
static int describe(void)
{
	struct describe_core core = { core_setting_object(), core_setting_fields() };
	struct writer w = writer_in_arena(startup_arena(), 1u << 20);
	describe_write(&core, &w);
	fwrite(w.data, 1, w.len, stdout);
	return w.failed ? EXIT_WRONG : 0;
}

static int run(const struct image *image)
{
	bool background = core_settings()->fork &&
			  (server.options.daemon_level == 0 || server.options.daemon_level > 2);
	if (background) {
		int code = daemonize();
		if (code >= 0)
			return code;
	}
	if (!start(image)) {
		tell_parent(1);
		return EXIT_WRONG;
	}
	if (background)
		close_terminal();
	tell_parent(0);
	int code = supervisor_run();
	loader_finish();
	if (server.options.pid_file)
		unlink(server.options.pid_file);
	return code;
}

int server_main(int count, char **arguments)
{
	struct diagnostics diagnostics;
	server.argument_count = count;
	server.arguments = arguments;
	hash_init();
	clock_refresh();
	switch (options_read(count, arguments, &server.options)) {
	case OPTIONS_DONE: return 0;
	case OPTIONS_WRONG: return EXIT_WRONG;
	case OPTIONS_RUN: break;
	}
	if (server.options.explain)
		return explain(server.options.explain);
	if (server.options.dump_config)
		return print_config();
	if (server.options.module_path)
		loader_add_directories(span_from(server.options.module_path), true);
	diagnostics_init(&diagnostics, startup_arena());
	const struct image *image = configure(&diagnostics);
	if (server.options.describe)
		return describe();
	print_diagnostics(&diagnostics);
	if (!image || diagnostics.errors) {
		fprintf(stderr, "viaduct: bad configuration %s\n", server.options.config_path);
		return EXIT_WRONG;
	}
	if (server.options.dump_code)
		dump_code(image);
	if (server.options.check_only) {
		fprintf(stderr, "viaduct: config file ok, exiting...\n");
		return 0;
	}
	return server.options.dump_code ? 0 : run(image);
}
