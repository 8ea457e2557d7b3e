/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding modules, taking over their tables and walking them through their life. */
#include "core/module/loader.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/db/driver.h"
#include "core/module/live.h"
#include "core/base/missing.h"
#include "core/shm/map.h"

#define MODULES_MOST     256
#define DIRECTORIES_MOST 16

#ifndef VIADUCT_MODULES_DIR
#define VIADUCT_MODULES_DIR "/usr/lib/viaduct/modules"
#endif
#ifndef VIADUCT_MODULES_BESIDE
#define VIADUCT_MODULES_BESIDE "lib/viaduct/modules" /* below the prefix that the program is in */
#endif

/* Where a setting was given, so that `prepare` can point at it. */
struct setting_place {
	struct setting_place *next;
	const struct module *module;
	const char *setting;
	struct source_position at;
};

static struct {
	const struct module *modules[MODULES_MOST];
	unsigned count;
	const struct module *ordered[MODULES_MOST]; /* needed ones before those that need them */
	unsigned ordered_count;
	struct span explicit[DIRECTORIES_MOST], others[DIRECTORIES_MOST];
	unsigned explicit_count, other_count;
	bool foreign_path_told;
	bool places_told; /* where modules were looked for */
	struct setting_place *places;
	struct arena arena;
} loader;

struct arena *startup_arena(void)
{
	if (!loader.arena.limit)
		arena_init(&loader.arena, 64u << 10, 1u << 30);
	return &loader.arena;
}

unsigned loader_count(void)
{
	return loader.count;
}

const struct module *loader_at(unsigned index)
{
	return loader.modules[index];
}

const struct module *loader_find(struct span name)
{
	for (unsigned i = 0; i < loader.count; i++)
		if (span_equal(span_from(loader.modules[i]->name), name))
			return loader.modules[i];
	return NULL;
}

bool module_is_loaded(const char *name)
{
	return loader_find(span_from(name)) != NULL;
}

/* ---- finding -------------------------------------------------------------------------------------- */

void loader_add_directories(struct span directories, bool is_explicit)
{
	struct span *list = is_explicit ? loader.explicit : loader.others;
	unsigned *count = is_explicit ? &loader.explicit_count : &loader.other_count;
	struct span one;
	while (span_split(&directories, ':', &one))
		if (one.len && *count < DIRECTORIES_MOST)
			list[(*count)++] = arena_copy(startup_arena(), one);
}

static bool file_in(struct span directory, struct span name, char *out_path, size_t size)
{
	snprintf(out_path, size, "%.*s/%.*s.so", SPAN_ARGS(directory), SPAN_ARGS(name));
	if (access(out_path, R_OK) == 0)
		return true;
	snprintf(out_path, size, "%.*s/%.*s/%.*s.so", SPAN_ARGS(directory), SPAN_ARGS(name),
		 SPAN_ARGS(name));
	return access(out_path, R_OK) == 0;
}

/* Beside the running program (a build directory), below the same prefix (an installation that was
 * moved), else where `make install` puts modules. */
static bool file_in_default(struct span name, char *out_path, size_t size)
{
	static const char *const places[] = { "modules", "../" VIADUCT_MODULES_BESIDE };
	char program[PATH_MAX], place[PATH_MAX + 128];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (len > 0) {
		program[len] = '\0';
		const char *directory = dirname(program);
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			snprintf(place, sizeof(place), "%s/%s", directory, places[i]);
			if (file_in(span_from(place), name, out_path, size))
				return true;
		}
	}
	return file_in(SPAN_OF(VIADUCT_MODULES_DIR), name, out_path, size);
}

static bool find_file(struct span name, char *out_path, size_t size)
{
	for (unsigned i = 0; i < loader.explicit_count; i++)
		if (file_in(loader.explicit[i], name, out_path, size))
			return true;
	if (file_in_default(name, out_path, size))
		return true;
	for (unsigned i = 0; i < loader.other_count; i++)
		if (file_in(loader.others[i], name, out_path, size))
			return true;
	return false;
}

/* "tm", "tm.so", "/somewhere/tm.so" → "tm". */
static struct span module_name_of(struct span text)
{
	for (size_t i = text.len; i > 0; i--)
		if (text.at[i - 1] == '/') {
			text = span_slice(text, i, text.len);
			break;
		}
	return span_ends_with(text, SPAN_OF(".so")) ? span_slice(text, 0, text.len - 3) : text;
}

/* ---- taking over ------------------------------------------------------------------------------------ */

static void register_counters(const struct module *module)
{
	for (uint32_t i = 0; i < module->counters.count; i++) {
		const struct counter_row *row = &module->counters.rows[i];
		const char *group = row->group ? row->group : module->name;
		if (row->compute)
			counter_register_computed(group, row->name, row->doc, row->compute);
		else
			*row->id = counter_register(group, row->name, row->doc, COUNTER_COUNT);
	}
}

bool loader_add(const struct module *module, struct diagnostics *diagnostics,
		struct source_position at)
{
	if (module->abi != MODULE_ABI) {
		diagnostic_add(
			diagnostics, SEVERITY_ERROR, "module-abi", at,
			"module %s was built for another version of the server (interface %u, this is %u)",
			module->name, module->abi, MODULE_ABI);
		return false;
	}
	if (loader.count == MODULES_MOST) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "too-many-modules", at,
			       "too many modules");
		return false;
	}
	loader.modules[loader.count++] = module;
	script_register_functions(module->name, module->functions.rows, module->functions.count);
	for (const struct function_table *const *more = module->more_functions; more && *more;
	     more++)
		script_register_functions(module->name, (*more)->rows, (*more)->count);
	script_register_variables(module->name, module->variables.rows, module->variables.count);
	script_register_transforms(module->name, module->transforms.rows, module->transforms.count);
	for (uint32_t i = 0; i < module->events.count; i++)
		script_register_event(module->name, module->events.rows[i].name,
				      module->events.rows[i].kind);
	register_counters(module);
	for (uint32_t i = 0; i < module->offers.count; i++)
		if (strcmp(module->offers.rows[i].name, DB_DRIVER) == 0 &&
		    module->offers.rows[i].version == DB_DRIVER_VERSION)
			db_driver_register(module->offers.rows[i].functions);
	live_add(module->name, module->settings.object, module->settings.fields);
	if (module->commands.count && !rpc_register(&module->commands))
		diagnostic_add(diagnostics, SEVERITY_ERROR, "duplicate-command", at,
			       "module %s has an RPC command that another module has too",
			       module->name);
	return true;
}

static void tell_missing(struct span name, struct source_position at,
			 struct diagnostics *diagnostics)
{
	struct diagnostic *d = diagnostic_add(diagnostics, SEVERITY_ERROR, "unknown-module", at,
					      "there is no module \"%.*s\"", SPAN_ARGS(name));
	const char *removed = known_removed_module(name);
	const char *looked =
		"looked in the directories of -L, beside the program, in " VIADUCT_MODULES_DIR
		" and in mpath";
	if (!removed && !loader.places_told)
		removed = looked;
	loader.places_told = loader.places_told || removed == looked;
	missing_module_told(diagnostics, name, d, removed);
}

bool loader_load(struct span text, struct source_position at, struct diagnostics *diagnostics)
{
	struct span name = module_name_of(text);
	char path[PATH_MAX];
	if (loader_find(name)) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "module-twice", at,
			       "module %.*s is loaded already", SPAN_ARGS(name));
		return false;
	}
	if (!find_file(name, path, sizeof(path))) {
		tell_missing(name, at, diagnostics);
		return false;
	}
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct module *module = handle ? dlsym(handle, "module_exports") : NULL;
	if (!module) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-module", at,
			       "%s is no module of this server: %s", path, dlerror());
		return false;
	}
	bool is_elsewhere =
		span_find(text, '/', 0) < text.len && !span_equal(text, span_from(path));
	if (is_elsewhere && !loader.foreign_path_told) {
		loader.foreign_path_told = true;
		log_info(
			"modules are taken from %s; paths of another product in loadmodule are understood by name",
			dirname(path));
	}
	return loader_add(module, diagnostics, at);
}

/* ---- settings ------------------------------------------------------------------------------------------ */

static void tell_unknown_setting(const struct module *module, struct span setting,
				 struct source_position at, struct diagnostics *diagnostics)
{
	struct field_table fields = module->settings.fields;
	const char **names = ARENA_ARRAY(startup_arena(), const char *, fields.count + 1);
	struct diagnostic *d = diagnostic_add(diagnostics, SEVERITY_ERROR, "unknown-setting", at,
					      "module %s has no parameter \"%.*s\"", module->name,
					      SPAN_ARGS(setting));
	for (uint32_t i = 0; names && i < fields.count; i++)
		names[i] = fields.rows[i].name;
	const char *near = names ? nearest_name(setting, names, fields.count) : NULL;
	if (near)
		diagnostic_hint(diagnostics, d, "did you mean \"%s\"?", near);
}

struct span loader_setting_text(const char *module, const char *setting)
{
	const struct module *found = loader_find(span_from(module));
	const struct field *field =
		found ? field_find(found->settings.fields, span_from(setting)) : NULL;
	return field && field->kind == FIELD_KIND_TEXT
		       ? field_get_text(field, found->settings.object)
		       : (struct span){ NULL, 0 };
}

static bool set_one(const struct module *module, struct span setting,
		    const struct config_value *value, struct source_position at,
		    struct diagnostics *diagnostics)
{
	const struct field *field = field_find(module->settings.fields, setting);
	if (!field) {
		tell_unknown_setting(module, setting, at, diagnostics);
		return false;
	}
	/* The text must outlive the configuration that it was read from. */
	struct span text = arena_copy(startup_arena(), value->text);
	const char *wrong = value->is_number ? field_set_int(field, module->settings.object,
							     value->number, startup_arena())
					     : field_set_text(field, module->settings.object, text,
							      startup_arena());
	if (wrong) {
		struct diagnostic *d = diagnostic_add(
			diagnostics, SEVERITY_ERROR, "bad-setting", value->at.file ? value->at : at,
			"%s: parameter \"%s\": %s", module->name, field->name, wrong);
		diagnostic_hint(diagnostics, d, "%s: %s", field->name, field->doc);
		return false;
	}
	struct setting_place *place = ARENA_NEW(startup_arena(), struct setting_place);
	if (place) {
		*place = (struct setting_place){ loader.places, module, field->name,
						 value->at.file ? value->at : at };
		loader.places = place;
	}
	return true;
}

struct source_position module_setting_position(const char *module, const char *setting)
{
	for (const struct setting_place *p = loader.places; p; p = p->next)
		if (strcmp(p->module->name, module) == 0 && strcmp(p->setting, setting) == 0)
			return p->at;
	return (struct source_position){ 0 };
}

/* Is one of "a|b|c" told to be missing? Then that diagnostic counts this parameter. */
static bool is_missing_module(struct span modules, struct span setting,
			      struct diagnostics *diagnostics)
{
	struct span one;
	while (span_split(&modules, '|', &one))
		if (missing_module_uses(diagnostics, one, MISSING_SETTING, setting))
			return true;
	return false;
}

bool loader_set(struct span modules, struct span setting, const struct config_value *value,
		struct source_position at, struct diagnostics *diagnostics)
{
	const struct module *exact = loader_find(modules);
	if (exact)
		return set_one(exact, setting, value, at, diagnostics);
	char *pattern = arena_string(startup_arena(),
				     arena_printf(startup_arena(), "^(%.*s)$", SPAN_ARGS(modules)));
	regex_t compiled;
	bool is_set = false, is_good = true;
	if (!pattern || regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-pattern", at,
			       "modparam: \"%.*s\" is neither a module nor a regular expression",
			       SPAN_ARGS(modules));
		return false;
	}
	for (unsigned i = 0; i < loader.count; i++)
		if (regexec(&compiled, loader.modules[i]->name, 0, NULL, 0) == 0) {
			is_set = true;
			is_good = set_one(loader.modules[i], setting, value, at, diagnostics) &&
				  is_good;
		}
	regfree(&compiled);
	if (is_set)
		return is_good;
	if (!is_missing_module(modules, setting, diagnostics)) {
		struct diagnostic *d = diagnostic_add(
			diagnostics, SEVERITY_ERROR, "module-not-loaded", at,
			"modparam: module \"%.*s\" is not loaded", SPAN_ARGS(modules));
		missing_module_told(diagnostics, modules, d,
				    "loadmodule must come before modparam");
	}
	return false;
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static const struct module *find_offer(const struct module_need *need, const void **out_functions)
{
	for (unsigned i = 0; i < loader.count; i++)
		for (uint32_t j = 0; j < loader.modules[i]->offers.count; j++) {
			const struct module_interface *offer = &loader.modules[i]->offers.rows[j];
			if (strcmp(offer->name, need->name) == 0 &&
			    offer->version == need->version) {
				*out_functions = offer->functions;
				return loader.modules[i];
			}
		}
	return NULL;
}

enum visit { VISIT_NOT, VISIT_ACTIVE, VISIT_DONE };

static bool order_module(const struct module *module, enum visit *visits,
			 struct diagnostics *diagnostics)
{
	unsigned self = 0;
	bool is_good = true;
	while (loader.modules[self] != module)
		self++;
	if (visits[self] == VISIT_DONE)
		return true;
	if (visits[self] == VISIT_ACTIVE) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "module-cycle",
			       (struct source_position){ 0 },
			       "modules need each other in a circle, %s among them", module->name);
		return false;
	}
	visits[self] = VISIT_ACTIVE;
	for (uint32_t i = 0; i < module->needs.count; i++) {
		const struct module_need *need = &module->needs.rows[i];
		const struct module *provider = find_offer(need, need->out_functions);
		if (provider && !need->is_optional) {
			is_good = order_module(provider, visits, diagnostics) && is_good;
		} else if (!provider && !need->is_optional) {
			is_good = false;
			if (missing_module_uses(diagnostics, span_from(need->name), MISSING_MODULE,
						span_from(module->name)))
				continue;
			diagnostic_add(
				diagnostics, SEVERITY_ERROR, "module-needs",
				(struct source_position){ 0 },
				"module %s needs module %s: add loadmodule \"%s.so\" before it",
				module->name, need->name, need->name);
		}
	}
	visits[self] = VISIT_DONE;
	loader.ordered[loader.ordered_count++] = module;
	return is_good;
}

bool loader_prepare(struct diagnostics *diagnostics)
{
	enum visit visits[MODULES_MOST] = { VISIT_NOT };
	bool is_good = true;
	for (unsigned i = 0; i < loader.count; i++)
		is_good = order_module(loader.modules[i], visits, diagnostics) && is_good;
	for (unsigned i = 0; is_good && i < loader.ordered_count; i++) {
		const struct module *module = loader.ordered[i];
		unsigned before = diagnostics->errors;
		shm_set_owner(module->name);
		if (module->prepare && !module->prepare(diagnostics)) {
			if (diagnostics->errors == before)
				diagnostic_add(diagnostics, SEVERITY_ERROR, "module-failed",
					       (struct source_position){ 0 },
					       "module %s cannot work; see the log above",
					       module->name);
			is_good = false;
		}
	}
	shm_set_owner("core");
	return is_good;
}

bool loader_start(void)
{
	for (unsigned i = 0; i < loader.ordered_count; i++)
		if (loader.ordered[i]->start && !loader.ordered[i]->start()) {
			log_critical("module %s did not start", loader.ordered[i]->name);
			return false;
		}
	/* Connections of the checks at start are not for the children. */
	db_close_idle();
	return true;
}

bool loader_start_worker(void)
{
	for (unsigned i = 0; i < loader.ordered_count; i++)
		if (loader.ordered[i]->start_worker && !loader.ordered[i]->start_worker()) {
			log_critical("module %s did not start in this process",
				     loader.ordered[i]->name);
			return false;
		}
	return true;
}

void loader_stop_worker(void)
{
	for (unsigned i = loader.ordered_count; i > 0; i--)
		if (loader.ordered[i - 1]->stop_worker)
			loader.ordered[i - 1]->stop_worker();
}

void loader_finish(void)
{
	for (unsigned i = loader.ordered_count; i > 0; i--)
		if (loader.ordered[i - 1]->finish)
			loader.ordered[i - 1]->finish();
}
