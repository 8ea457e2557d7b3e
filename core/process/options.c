/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: the flags that operators of SIP Router know, and a few of ours. */
#include "core/process/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/log.h"

#ifndef VIADUCT_CONFIG
#define VIADUCT_CONFIG "/etc/kamailio/kamailio.cfg"
#endif

enum {
	LONG_ALIAS = 256,
	LONG_ATEXIT,
	LONG_ALL_ERRORS,
	LONG_CFG_PRINT,
	LONG_DEBUG,
	LONG_LOADMODULE,
	LONG_LOG_ENGINE,
	LONG_MODPARAM,
	LONG_SERVER_ID,
	LONG_SUBST,
	LONG_SUBSTDEF,
	LONG_SUBSTDEFS,
	LONG_DUMP_CODE,
	LONG_EXPLAIN,
	LONG_LINT,
	LONG_DESCRIBE
};

static const struct option long_options[] = {
	{ "alias", required_argument, NULL, LONG_ALIAS },
	{ "atexit", required_argument, NULL, LONG_ATEXIT },
	{ "all-errors", no_argument, NULL, LONG_ALL_ERRORS },
	{ "cfg-print", no_argument, NULL, LONG_CFG_PRINT },
	{ "debug", required_argument, NULL, LONG_DEBUG },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ "loadmodule", required_argument, NULL, LONG_LOADMODULE },
	{ "log-engine", required_argument, NULL, LONG_LOG_ENGINE },
	{ "modparam", required_argument, NULL, LONG_MODPARAM },
	{ "server-id", required_argument, NULL, LONG_SERVER_ID },
	{ "subst", required_argument, NULL, LONG_SUBST },
	{ "substdef", required_argument, NULL, LONG_SUBSTDEF },
	{ "substdefs", required_argument, NULL, LONG_SUBSTDEFS },
	{ "dump-code", no_argument, NULL, LONG_DUMP_CODE },
	{ "explain", required_argument, NULL, LONG_EXPLAIN },
	{ "lint", no_argument, NULL, LONG_LINT },
	{ "describe", no_argument, NULL, LONG_DESCRIBE },
	{ NULL, 0, NULL, 0 },
};
static const char short_options[] =
	":a:A:b:B:cdD::eEf:g:G:hIKl:L:m:M:n:N:O:P:Q:rRSt:Tu:vVw:W:x:X:Y:";

static const char help_text[] =
	"usage: viaduct [options]\n"
	"\n"
	"Configuration\n"
	"  -f FILE             configuration file (default " VIADUCT_CONFIG ")\n"
	"  -c                  check the configuration and exit: 0, or 255 when it is wrong\n"
	"  --lint              the same as -c\n"
	"  --cfg-print         print the configuration as it is after #!ifdef and includes, and exit\n"
	"  --dump-code         with -c: list the compiled script\n"
	"  --explain CODE      explain a diagnostic, e.g. --explain unknown-route; \"all\" lists them\n"
	"  -A NAME[=VALUE]     define a name, like #!define in the file\n"
	"  --subst=EXPR        as #!subst; likewise --substdef=EXPR and --substdefs=EXPR\n"
	"  -L DIR[:DIR…]       where modules are looked for first\n"
	"  --loadmodule=NAME   load a module besides those of the file\n"
	"  --modparam=MODULE:PARAM:s|i:VALUE   set a module parameter\n"
	"  --describe          print everything that core and modules of the file export, and exit\n"
	"\n"
	"Network\n"
	"  -l [PROTO:]HOST[:PORT][/ADVERTISED[:PORT]]   listen address, repeatable; (a,b) for several\n"
	"  --alias=[PROTO:]HOST[:PORT]                  a name that is ours\n"
	"\n"
	"Process\n"
	"  -D, -DD             stay in the foreground;  -DDD run in the background (default)\n"
	"  -E                  log to stderr;  -e  with colours\n"
	"  -d                  one more log level, repeatable;  --debug=LEVEL  set it\n"
	"  -n N                upper bound of the number of workers (default 8, at most one per core)\n"
	"  -m MB               shared memory (default 64)\n"
	"  -P FILE, -G FILE    write the process id / process group id\n"
	"  -u USER, -g GROUP   run as this user and group\n"
	"  -w DIR, -t DIR      working directory / chroot\n"
	"  -Y DIR              directory of the control sockets (default /var/run/kamailio)\n"
	"  --server-id=N       number of this server in a cluster\n"
	"  -v, -V, --version   version;  -I  build information;  -h, --help  this text\n"
	"\n"
	"Accepted without effect: -a -b -B -K -M -N -O -Q -r -R -S -T -W -x -X --all-errors --atexit\n"
	"--log-engine (memory managers, TCP children and the like have no counterpart here).\n";

static void print_version(void)
{
	printf("version: viaduct %s (x86_64/linux)\ncompatible with: kamailio 5.6 configurations\n",
	       VIADUCT_VERSION);
}

static bool number_option(const char *text, int64_t *out_number, char flag)
{
	if (span_to_int64(span_from(text), out_number))
		return true;
	fprintf(stderr, "viaduct: -%c expects a number, not \"%s\"\n", flag, text);
	return false;
}

static bool push(const char **list, unsigned *count, unsigned most, const char *text)
{
	if (*count == most) {
		fprintf(stderr, "viaduct: too many options of one kind\n");
		return false;
	}
	list[(*count)++] = text;
	return true;
}

static bool define(struct options *options, int kind, const char *text)
{
	if (options->define_count == OPTION_DEFINES_MOST) {
		fprintf(stderr, "viaduct: more than %d defines\n", OPTION_DEFINES_MOST);
		return false;
	}
	options->defines[options->define_count++] = (struct script_define){ kind, span_from(text) };
	return true;
}

static void no_effect(int flag)
{
	if (flag < 256)
		log_info("option -%c is accepted, but has no effect here", flag);
	else
		log_info("a long option is accepted, but has no effect here");
}

/* One option; false when it is wrong. */
static bool take(int flag, const char *value, struct options *o)
{
	switch (flag) {
	case 'f': o->config_path = value; return true;
	case 'c':
	case LONG_LINT: o->check_only = true; return true;
	case LONG_DUMP_CODE: o->dump_code = true; return true;
	case LONG_CFG_PRINT: o->dump_config = true; return true;
	case LONG_DESCRIBE: o->describe = true; return true;
	case LONG_EXPLAIN: o->explain = value; return true;
	case 'A': return define(o, DEFINE_NAME, value);
	case LONG_SUBST: return define(o, DEFINE_SUBST, value);
	case LONG_SUBSTDEF: return define(o, DEFINE_SUBSTDEF, value);
	case LONG_SUBSTDEFS: return define(o, DEFINE_SUBSTDEFS, value);
	case 'L': o->module_path = value; return true;
	case LONG_LOADMODULE:
		return push(o->modules, &o->module_count, OPTION_SETTINGS_MOST, value);
	case LONG_MODPARAM:
		return push(o->settings, &o->setting_count, OPTION_SETTINGS_MOST, value);
	case 'l': return push(o->listens, &o->listen_count, OPTION_LISTENS_MOST, value);
	case LONG_ALIAS: return push(o->aliases, &o->alias_count, OPTION_LISTENS_MOST, value);
	case 'D': o->daemon_level += 1 + (value ? (int)strlen(value) : 0); return true;
	case 'E': o->to_stderr = true; return true;
	case 'e': o->use_colour = true; return true;
	case 'd':
		o->debug++;
		o->has_debug = true;
		return true;
	case LONG_DEBUG: o->has_debug = true; return number_option(value, &o->debug, 'd');
	case 'n': return number_option(value, &o->children, 'n');
	case 'm': return number_option(value, &o->shm_mb, 'm');
	case 'P': o->pid_file = value; return true;
	case 'G': o->group_file = value; return true;
	case 'u': o->user = value; return true;
	case 'g': o->group = value; return true;
	case 'w': o->workdir = value; return true;
	case 't': o->chroot = value; return true;
	case 'Y': o->rundir = value; return true;
	case LONG_SERVER_ID: return number_option(value, &o->server_id, 's');
	default: no_effect(flag); return true;
	}
}

enum options_result options_read(int count, char **arguments, struct options *out_options)
{
	int flag;
	*out_options = (struct options){ .config_path = VIADUCT_CONFIG };
	opterr = 0;
	while ((flag = getopt_long(count, arguments, short_options, long_options, NULL)) != -1) {
		switch (flag) {
		case 'h': fputs(help_text, stdout); return OPTIONS_DONE;
		case 'v':
		case 'V': print_version(); return OPTIONS_DONE;
		case 'I':
			print_version();
			printf("modules: beside the program, or as installed; interface 1\n");
			return OPTIONS_DONE;
		case '?':
			fprintf(stderr, "viaduct: unknown option \"%s\"; see viaduct --help\n",
				arguments[optind - 1]);
			return OPTIONS_WRONG;
		case ':':
			fprintf(stderr,
				"viaduct: option \"%s\" needs a value; see viaduct --help\n",
				arguments[optind - 1]);
			return OPTIONS_WRONG;
		default:
			if (!take(flag, optarg, out_options))
				return OPTIONS_WRONG;
		}
	}
	if (optind < count) {
		fprintf(stderr, "viaduct: unexpected argument \"%s\"; see viaduct --help\n",
			arguments[optind]);
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}
