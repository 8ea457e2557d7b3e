/* SPDX-License-Identifier: BSD-2-Clause */
/* kamctlrc: assignments of a shell, read without running one. */
#include "utils/control/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/writer.h"
#include "utils/control/output.h"

#define FILE_MAX (1 << 20)

/* `value` is what a file or the command line said; NULL: nobody did. */
static struct variable {
	const char *name, *fallback, *doc;
	char *value;
	bool is_fixed; /* by the command line */
} variables[] = {
	{ "SIP_DOMAIN", "", "domain of user names that are given without one" },
	{ "DBENGINE", "SQLITE", "SQLITE, MYSQL or PGSQL" },
	{ "DBHOST", "localhost", "host of the database server" },
	{ "DBPORT", "", "its port, when it is not the usual one" },
	{ "DBNAME", "kamailio", "name of the database" },
	{ "DB_PATH", "/var/lib/viaduct/viaduct.db", "file of an SQLite database" },
	{ "DBRWUSER", "kamailio", "database user that may write" },
	{ "DBRWPW", "kamailiorw", "its password" },
	{ "DBROUSER", "kamailioro", "database user that may only read" },
	{ "DBROPW", "kamailioro", "its password" },
	{ "DBACCESSHOST", "", "another host from which the server may use the database" },
	{ "DBROOTUSER", "", "database administrator (root, postgres)" },
	{ "DBROOTPW", "", "its password; asked for when it is needed and not set" },
	{ "DBROOTHOST", "", "host for the administrator's connection, if it is not DBHOST" },
	{ "DBROOTPORT", "", "port for the administrator's connection" },
	{ "DBINITASK", "yes", "ask before tables are created; no: answer yes" },
	{ "CHARSET", "", "character set of a new MySQL database; asked for when empty" },
	{ "INSTALL_EXTRA_TABLES", "ask", "yes, no or ask: tables of EXTRA_MODULES" },
	{ "INSTALL_PRESENCE_TABLES", "ask", "yes, no or ask: tables for presence" },
	{ "INSTALL_DBUID_TABLES", "ask", "yes, no or ask: tables of the uid modules" },
	{ "STANDARD_MODULES",
	  "standard acc lcr domain group permissions registrar usrloc msilo alias_db "
	  "uri_db speeddial avpops auth_db pdt dialog dispatcher dialplan topos",
	  "groups of tables that `create` makes" },
	{ "EXTRA_MODULES",
	  "imc cpl siptrace domainpolicy carrierroute drouting userblocklist htable purple "
	  "uac pipelimit mtree sca mohqueue rtpproxy rtpengine secfilter",
	  "groups of tables that `extra` makes" },
	{ "SCHEMA_DIR", "", "folder with the schema files; empty: the installed one" },
	{ "MODULES_DIR", "", "folder with the database drivers; empty: the installed one" },
	{ "USERCOL", "username", "column with user names" },
	{ "ALIASES_TYPE", "",
	  "kamctl alias means: DB the table of alias_db, UL the location table aliases" },
	{ "CTLENGINE", "RPCFIFO", "how to talk to the server: RPCFIFO" },
	{ "RPCFIFOPATH", "/var/run/kamailio/kamailio_rpc.fifo", "FIFO of module jsonrpcs" },
	{ "CTLSOCKET", "/var/run/kamailio/kamailio_ctl",
	  "socket of module ctl, for `kamctl kamcmd`" },
	{ "VERIFY_ACL", "1", "1: only groups of ACL_GROUPS are granted" },
	{ "ACL_GROUPS", "local ld int voicemail free-pstn", "names of groups" },
	{ "VERIFY_USER", "1", "1: acl asks before it grants to users that do not exist" },
	{ "STORE_PLAINTEXT_PW", "1",
	  "0: the column password stays empty, HA1 is enough to authenticate" },
	{ "VERBOSE", "0", "1: shows statements on stderr" },
	{ "PID_FILE", "/var/run/kamailio/kamailio.pid", "for start, stop, restart" },
	{ "STARTUP_CONFIG_FILE", "/etc/viaduct/viaduct.cfg", "for start and restart" },
	{ "STARTOPTIONS", "", "more command line for start and restart" },
	{ "FOREVER", "2030-05-28 21:32:15", "accepted, not needed" },
	{ "DEFAULT_Q", "1.0", "q of contacts that `ul add` makes" },
	{ "CHROOT_DIR", "", "prefix of the paths of FIFO and PID file" },
};

static const char *const places[] = { "/etc/viaduct/kamctlrc", "/etc/kamailio/kamctlrc",
				      "/usr/local/etc/viaduct/kamctlrc",
				      "/usr/local/etc/kamailio/kamctlrc" };

static struct variable *find(struct span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (span_equal(span_from(variables[i].name), name))
			return &variables[i];
	return NULL;
}

static void assign(struct variable *variable, struct span value, bool is_fixed)
{
	if (variable->is_fixed && !is_fixed)
		return;
	free(variable->value);
	variable->value = strndup(value.len ? value.at : "", value.len);
	variable->is_fixed = is_fixed;
}

/* $NAME or ${NAME}; the text before the name is already taken. */
static void expand(struct span *rest, struct writer *out)
{
	bool is_braced = rest->len && *rest->at == '{';
	size_t from = is_braced, len = from;
	while (len < rest->len && (isalnum((unsigned char)rest->at[len]) || rest->at[len] == '_'))
		len++;
	struct span name = span_slice(*rest, from, len - from);
	const struct variable *variable = find(name);
	char *copy = strndup(name.at, name.len);
	const char *value = variable && variable->value ? variable->value
			    : copy                      ? getenv(copy)
							: NULL;
	if (value)
		writer_string(out, value);
	free(copy);
	len += is_braced && len < rest->len && rest->at[len] == '}';
	*rest = span_slice(*rest, len, rest->len);
}

/* A word of the shell: parts in "…", '…' and bare ones; ends at white space, ; or #. Quotes may go
 * over several lines. False when a quote is not closed. */
static bool read_value(struct span *rest, struct writer *out)
{
	char quote = '\0';
	while (rest->len) {
		char c = *rest->at;
		if (!quote && (isspace((unsigned char)c) || c == ';'))
			return true;
		*rest = span_slice(*rest, 1, rest->len);
		if (quote ? c == quote : c == '"' || c == '\'')
			quote = quote ? '\0' : c;
		else if (c == '\\' && quote != '\'' && rest->len &&
			 (!quote || strchr("\"\\$`\n", *rest->at))) {
			if (*rest->at != '\n')
				writer_char(out, *rest->at);
			*rest = span_slice(*rest, 1, rest->len);
		} else if (c == '$' && quote != '\'')
			expand(rest, out);
		else
			writer_char(out, c);
	}
	return !quote;
}

static void skip_line(struct span *rest)
{
	*rest = span_slice(*rest, span_find(*rest, '\n', 0) + 1, rest->len);
}

static unsigned line_of(struct span whole, struct span rest)
{
	unsigned line = 1;
	for (const char *at = whole.at; at < rest.at; at++)
		line += *at == '\n';
	return line;
}

/* `export NAME=value` and `NAME=value`, one a line. What else a shell would do is not done here. */
static void read_assignments(const char *file, struct span whole)
{
	static char buffer[16384];
	struct span rest = whole;
	while (rest.len) {
		if (isspace((unsigned char)*rest.at) || *rest.at == ';') {
			rest = span_slice(rest, 1, rest.len);
			continue;
		}
		if (*rest.at == '#') {
			skip_line(&rest);
			continue;
		}
		if (span_starts_with(rest, SPAN_OF("export ")))
			rest = span_trim(span_slice(rest, 7, rest.len));
		size_t len = 0;
		while (len < rest.len &&
		       (isalnum((unsigned char)rest.at[len]) || rest.at[len] == '_'))
			len++;
		struct span name = span_slice(rest, 0, len);
		struct writer value = writer_fixed(buffer, sizeof(buffer));
		unsigned line = line_of(whole, rest);
		if (len == 0 || len == rest.len || rest.at[len] != '=') {
			say_warning(
				"%s:%u: not NAME=value; ignored, this file is not run by a shell",
				file, line);
			skip_line(&rest);
			continue;
		}
		rest = span_slice(rest, len + 1, rest.len);
		if (!read_value(&rest, &value) || value.failed)
			say_warning("%s:%u: the value of %.*s has no closing quote or is too long",
				    file, line, SPAN_ARGS(name));
		struct variable *variable = find(name);
		if (variable)
			assign(variable, writer_result(&value), false);
	}
}

static bool read_file(const char *name)
{
	FILE *file = fopen(name, "re");
	if (!file)
		return false;
	char *text = malloc(FILE_MAX);
	size_t len = text ? fread(text, 1, FILE_MAX, file) : 0;
	bool is_read = text && !ferror(file);
	fclose(file);
	if (is_read)
		read_assignments(name, span_make(text, len));
	free(text);
	return is_read;
}

bool settings_read(const char *file)
{
	if (file) {
		if (read_file(file))
			return true;
		say_error("cannot read %s: %s", file, strerror(errno));
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (read_file(places[i]))
			break;
	char own[4096];
	const char *home = getenv("HOME");
	if (home && snprintf(own, sizeof(own), "%s/.kamctlrc", home) < (int)sizeof(own))
		(void)read_file(own);
	return true;
}

void settings_set(const char *name, const char *value)
{
	struct variable *variable = find(span_from(name));
	bug_if(!variable, "unknown setting %s", name);
	assign(variable, span_from(value), true);
}

bool setting_is_known(const char *name)
{
	return find(span_from(name)) != NULL;
}

static const struct variable *known(const char *name)
{
	const struct variable *variable = find(span_from(name));
	bug_if(!variable, "unknown setting %s", name);
	return variable;
}

const char *setting(const char *name)
{
	const struct variable *variable = known(name);
	const char *outside = variable->value ? NULL : getenv(name);
	return variable->value ? variable->value : outside ? outside : variable->fallback;
}

bool setting_is_given(const char *name)
{
	return known(name)->value || getenv(name);
}

bool setting_is_on(const char *name)
{
	static const char *const words[] = { "1", "yes", "y", "on", "true" };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(setting(name), words[i]) == 0)
			return true;
	return false;
}

void settings_list(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		printf("  %-24s %s%s%s%s\n", variables[i].name, variables[i].doc,
		       *variables[i].fallback ? " [" : "", variables[i].fallback,
		       *variables[i].fallback ? "]" : "");
}
