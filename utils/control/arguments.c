/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of a tool: words, options, and the help of each level. */
#include "utils/control/arguments.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "utils/control/output.h"
#include "utils/control/settings.h"

static struct {
	const char *program, *file;
	void (*print_usage)(void);
} state;

static bool set_from(const char *text)
{
	char name[64];
	size_t len = strcspn(text, "=");
	if (len == 0 || len >= sizeof(name) || text[len] != '=') {
		say_error("--set wants NAME=VALUE, not \"%s\"", text);
		return false;
	}
	memcpy(name, text, len);
	name[len] = '\0';
	if (!setting_is_known(name)) {
		say_error("there is no setting %s; --settings lists them", name);
		return false;
	}
	settings_set(name, text + len + 1);
	return true;
}

enum option { OPTION_HELP, OPTION_VERSION, OPTION_SETTINGS, OPTION_JSON, OPTION_RC, OPTION_SET };

static const struct {
	const char *name, *letter;
	enum option option;
	bool takes_value;
} options[] = {
	{ "--help", "-h", OPTION_HELP, false },
	{ "--version", "-V", OPTION_VERSION, false },
	{ "--settings", NULL, OPTION_SETTINGS, false },
	{ "--json", NULL, OPTION_JSON, false },
	{ "--rc", NULL, OPTION_RC, true },
	{ "--set", NULL, OPTION_SET, true },
};

void arguments_print_version(void)
{
	printf("%s %s\n", state.program, VIADUCT_VERSION);
}

static enum arguments_result apply_option(enum option option, const char *value)
{
	switch (option) {
	case OPTION_HELP: state.print_usage(); return ARGUMENTS_ALL_DONE;
	case OPTION_VERSION: arguments_print_version(); return ARGUMENTS_ALL_DONE;
	case OPTION_SETTINGS: settings_list(); return ARGUMENTS_ALL_DONE;
	case OPTION_JSON: output_use_json(true); return ARGUMENTS_GO_ON;
	case OPTION_RC: state.file = value; return ARGUMENTS_GO_ON;
	case OPTION_SET: return set_from(value) ? ARGUMENTS_GO_ON : ARGUMENTS_WRONG;
	}
	return ARGUMENTS_WRONG;
}

/* Takes one option; `*at` goes behind it. */
static enum arguments_result take_option(int argc, char **argv, int *at)
{
	const char *word = argv[*at];
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, word) != 0 &&
		    (!options[i].letter || strcmp(options[i].letter, word) != 0))
			continue;
		if (options[i].takes_value && *at + 1 >= argc) {
			say_error("%s needs a value", word);
			return ARGUMENTS_WRONG;
		}
		const char *value = options[i].takes_value ? argv[*at + 1] : NULL;
		*at += 1 + options[i].takes_value;
		return apply_option(options[i].option, value);
	}
	say_error("there is no option %s; --help lists them", word);
	return ARGUMENTS_WRONG;
}

enum arguments_result arguments_read(int argc, char **argv, int *at, const char *program,
				     void (*print_usage)(void))
{
	state.program = program;
	state.print_usage = print_usage;
	/* What goes wrong is told by the tools, in their own words. */
	log_set_threshold(LOG_LEVEL_BUG);
	while (*at < argc && argv[*at][0] == '-') {
		enum arguments_result result = take_option(argc, argv, at);
		if (result != ARGUMENTS_GO_ON)
			return result;
	}
	if (*at < argc && strcmp(argv[argc - 1], "--json") == 0) {
		output_use_json(true);
		argv[argc - 1] = NULL;
	}
	return settings_read(state.file) ? ARGUMENTS_GO_ON : ARGUMENTS_WRONG;
}
