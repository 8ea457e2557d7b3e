/* SPDX-License-Identifier: BSD-2-Clause */
/* kamctl: administers a SIP server: its subscribers and tables in the database, and, over RPC, the
 * server while it runs. The commands are those that operators know.
 *
 * Exit code: 0 done, 1 refused, 2 the server or database cannot be reached, 3 wrong usage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "utils/control/arguments.h"
#include "utils/kamctl/commands.h"

static const struct family *const tables[] = { subscriber_families, alias_families,
					       table_families,      location_families,
					       database_families,   server_families,
					       certificate_families };

static const char usage[] =
	"usage: kamctl [OPTION]... COMMAND [ARGUMENT]...\n"
	"\n"
	"  --help           this text; `kamctl COMMAND --help` tells about one command\n"
	"  --version        what this is\n"
	"  --json           results as JSON\n"
	"  --rc FILE        settings from FILE instead of the usual kamctlrc\n"
	"  --set NAME=VALUE a setting for this call\n"
	"  --settings       lists the settings of kamctlrc\n"
	"\n"
	"A user is NAME or NAME@DOMAIN; without a domain it is SIP_DOMAIN of kamctlrc.\n"
	"In parameters of RPC commands, s: makes a text of a number.\n";

static void print_command(const struct family *family, const struct command *command)
{
	char left[128];
	snprintf(left, sizeof(left), " %s%s%s%s%s ", family->name, *command->name ? " " : "",
		 command->name, *command->arguments ? " " : "", command->arguments);
	int room = 44 - (int)strlen(left);
	printf("%s", left);
	while (room-- > 0)
		putchar('.');
	printf(" %s\n", command->doc);
}

static void print_family(const struct family *family)
{
	printf("\n -- command '%s%s%s' - %s\n\n", family->name, family->other_name ? "|" : "",
	       family->other_name ? family->other_name : "", family->doc);
	for (unsigned i = 0; i < family->count; i++)
		print_command(family, &family->commands[i]);
}

static void print_usage(void)
{
	fputs(usage, stdout);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct family *family = tables[i]; family->name; family++)
			print_family(family);
	printf("\n`kamctl --settings` lists what kamctlrc may say. kamctl(8) is the manual.\n");
}

static const struct family *find_family(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct family *family = tables[i]; family->name; family++)
			if (strcmp(family->name, name) == 0 ||
			    (family->other_name && strcmp(family->other_name, name) == 0))
				return family;
	return NULL;
}

/* The row of a family, and the words that are left for it. */
static const struct command *find_command(const struct family *family, struct words *words)
{
	const struct command *whole = NULL;
	for (unsigned i = 0; i < family->count; i++) {
		const struct command *command = &family->commands[i];
		if (!*command->name) {
			whole = command;
		} else if (words->count && strcmp(command->name, words->at[0]) == 0) {
			words->at++;
			words->count--;
			return command;
		}
	}
	return whole;
}

static int misused(const struct family *family)
{
	fflush(stdout);
	dup2(2, 1); /* the table of a family is an error text here */
	print_family(family);
	return EXIT_USAGE;
}

static int run_command(const char *name, struct words words)
{
	const struct family *family = find_family(name);
	if (!family) {
		say_error("there is no command '%s'; `kamctl --help` lists them", name);
		return EXIT_USAGE;
	}
	if (words.count &&
	    (strcmp(words.at[0], "--help") == 0 || strcmp(words.at[0], "help") == 0)) {
		print_family(family);
		return EXIT_DONE;
	}
	const struct command *command = find_command(family, &words);
	if (!command) {
		if (words.count)
			say_error("%s - invalid command '%s'", name, words.at[0]);
		else
			say_error("%s - what?", name);
		return misused(family);
	}
	if (words.count < command->min || words.count > command->max) {
		say_error("%s%s%s - too %s parameters", name, *command->name ? " " : "",
			  command->name, words.count < command->min ? "few" : "many");
		return misused(family);
	}
	return command->run(command, words);
}

/* --complete [FAMILY]: what can stand next on the command line, each with a TAB and what it does; for the
 * completion of shells. */
static void print_candidates(const char *name)
{
	const struct family *found = name ? find_family(name) : NULL;
	for (size_t i = 0; !name && i < ARRAY_SIZE(tables); i++)
		for (const struct family *family = tables[i]; family->name; family++)
			printf("%s\t%s\n", family->name, family->doc);
	for (unsigned i = 0; found && i < found->count; i++)
		if (*found->commands[i].name)
			printf("%s\t%s\n", found->commands[i].name, found->commands[i].doc);
}

int main(int argc, char **argv)
{
	int at = 1;
	if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
		print_candidates(argc > 2 ? argv[2] : NULL);
		return EXIT_DONE;
	}
	enum arguments_result result = arguments_read(argc, argv, &at, "kamctl", print_usage);
	if (result != ARGUMENTS_GO_ON)
		return result == ARGUMENTS_ALL_DONE ? EXIT_DONE : EXIT_USAGE;
	if (at < argc && !argv[argc - 1])
		argc--;
	if (at >= argc || strcmp(argv[at], "help") == 0) {
		print_usage();
		return at >= argc ? EXIT_USAGE : EXIT_DONE;
	}
	return run_command(argv[at], (struct words){ (const char *const *)argv + at + 1,
						     (unsigned)(argc - at - 1) });
}
