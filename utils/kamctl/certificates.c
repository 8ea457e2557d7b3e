/* SPDX-License-Identifier: BSD-2-Clause */
/* kamctl tls: certificates for trying TLS out, and of a small authority of one's own, made by openssl(1).
 * What is there already is never written over: a key that is lost cannot be made again. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "utils/kamctl/process.h"

#define DAYS           "365"
#define AUTHORITY_DAYS "3650"
#define KEY            "rsa:2048"
#define OUTPUT_SHOWN   4096

#define TEXT(...)      arena_printf(tool_arena(), __VA_ARGS__).at

/* Runs openssl; what it says is shown when it fails. */
static bool run_openssl(const char *const *arguments)
{
	char text[OUTPUT_SHOWN];
	FILE *output = tmpfile();
	int code = output ? program_run(arguments, fileno(output)) : -1;
	if (code != 0) {
		say_error(code == 127 ? "openssl is not there: apt-get install openssl"
				      : "openssl failed:");
		if (output)
			rewind(output);
		size_t len = output ? fread(text, 1, sizeof(text), output) : 0;
		fwrite(text, 1, len, stderr);
	}
	if (output)
		fclose(output);
	return code == 0;
}

/* Host names, and users as sip:USER@HOST without "sip:". They become parts of file names, subjects and
 * extensions, so nothing else is let in. */
static bool is_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_@";
	if (*text && !strchr(".-@", *text) && strlen(text) <= 64 &&
	    text[strspn(text, allowed)] == '\0')
		return true;
	say_error(
		"\"%s\" is no name for a certificate: letters, digits, and . - _ @ inside, at most "
		"64 of them",
		text);
	return false;
}

/* RFC 5922 7.1: who it is for, as a host name or as a SIP URI. */
static const char *alternative_name(const char *name)
{
	return TEXT("subjectAltName=%s%s%c", strchr(name, '@') ? "URI:sip:" : "DNS:", name, 0);
}

static bool is_free(const char *path)
{
	if (access(path, F_OK) < 0)
		return true;
	say_error("%s is there already; move it away when a new one is wanted", path);
	return false;
}

static bool make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return true;
	say_error("cannot make %s: %s", path, strerror(errno));
	return false;
}

/* DIR, or the folder tls beside the configuration. */
static const char *folder_of(struct words words, unsigned index)
{
	if (index < words.count)
		return words.at[index];
	const char *file = setting("STARTUP_CONFIG_FILE"), *slash = strrchr(file, '/');
	return slash ? TEXT("%.*s/tls%c", (int)(slash - file), file, 0) : "tls";
}

/* A key that nobody else may read, and a certificate that signs itself; `extension` NULL: without one. */
static bool make_certificate(const char *days, const char *subject, const char *extension,
			     const char *key, const char *certificate)
{
	const char *arguments[] = { "openssl", "req",    "-x509",     "-newkey",
				    KEY,       "-nodes", "-sha256",   "-days",
				    days,      "-subj",  subject,     "-keyout",
				    key,       "-out",   certificate, extension ? "-addext" : NULL,
				    extension, NULL };
	umask(077);
	if (!run_openssl(arguments))
		return false;
	chmod(certificate, 0644);
	return true;
}

static int make_self_signed(const struct command *command, struct words words)
{
	char host[HOST_NAME_MAX + 1] = "localhost";
	const char *key = "kamailio-selfsigned.key", *certificate = "kamailio-selfsigned.pem";
	(void)command;
	if (!*setting("SIP_DOMAIN"))
		(void)gethostname(host, sizeof(host) - 1);
	const char *name = word_or(words, 0, *setting("SIP_DOMAIN") ? setting("SIP_DOMAIN") : host);
	if (!is_name(name))
		return EXIT_USAGE;
	if (!is_free(key) || !is_free(certificate))
		return EXIT_REFUSED;
	if (!make_certificate(DAYS, TEXT("/CN=%s%c", name, 0), alternative_name(name), key,
			      certificate))
		return EXIT_REFUSED;
	say_info("%s and %s for %s, good for " DAYS " days", certificate, key, name);
	return EXIT_DONE;
}

static int make_authority(const struct command *command, struct words words)
{
	const char *folder = folder_of(words, 0), *root = TEXT("%s/rootCA%c", folder, 0);
	const char *private_folder = TEXT("%s/private%c", root, 0);
	const char *key = TEXT("%s/cakey.pem%c", private_folder, 0);
	const char *certificate = TEXT("%s/cacert.pem%c", root, 0);
	(void)command;
	if (!make_folder(folder, 0755) || !make_folder(root, 0755) ||
	    !make_folder(private_folder, 0700) || !is_free(key) || !is_free(certificate))
		return EXIT_REFUSED;
	if (!make_certificate(AUTHORITY_DAYS, "/CN=SIP root", NULL, key, certificate))
		return EXIT_REFUSED;
	say_info("the certificate of the authority is %s", certificate);
	say_info("its key is %s: keep it secret", key);
	return EXIT_DONE;
}

/* calist = the certificates that the holder trusts */
static bool copy_file(const char *from, const char *to)
{
	const char *arguments[] = { "openssl", "x509", "-in", from, "-out", to, NULL };
	return run_openssl(arguments);
}

static bool sign(const char *root, const char *request, const char *certificate)
{
	const char *arguments[] = { "openssl",
				    "x509",
				    "-req",
				    "-sha256",
				    "-days",
				    DAYS,
				    "-copy_extensions",
				    "copy",
				    "-CAcreateserial",
				    "-in",
				    request,
				    "-CA",
				    TEXT("%s/cacert.pem%c", root, 0),
				    "-CAkey",
				    TEXT("%s/private/cakey.pem%c", root, 0),
				    "-CAserial",
				    TEXT("%s/private/serial%c", root, 0),
				    "-out",
				    certificate,
				    NULL };
	return run_openssl(arguments);
}

static int make_user(const struct command *command, struct words words)
{
	const char *user = words.at[0], *folder = folder_of(words, 1);
	const char *root = TEXT("%s/rootCA%c", folder, 0);
	const char *authority = TEXT("%s/cacert.pem%c", root, 0);
	const char *base = TEXT("%s/%s/%s%c", folder, user, user, 0);
	const char *key = TEXT("%s-privkey.pem%c", base, 0);
	const char *request = TEXT("%s-cert_req.pem%c", base, 0);
	const char *certificate = TEXT("%s-cert.pem%c", base, 0);
	const char *list = TEXT("%s-calist.pem%c", base, 0);
	(void)command;
	if (!is_name(user))
		return EXIT_USAGE;
	if (access(authority, R_OK) < 0) {
		say_error("%s: %s; `kamctl tls rootCA %s` makes the authority", authority,
			  strerror(errno), folder);
		return EXIT_REFUSED;
	}
	if (!make_folder(TEXT("%s/%s%c", folder, user, 0), 0700) || !is_free(key) ||
	    !is_free(certificate))
		return EXIT_REFUSED;
	umask(077);
	const char *arguments[] = { "openssl", "req",
				    "-newkey", KEY,
				    "-nodes",  "-sha256",
				    "-subj",   TEXT("/CN=%s%c", user, 0),
				    "-addext", alternative_name(user),
				    "-keyout", key,
				    "-out",    request,
				    NULL };
	if (!run_openssl(arguments) || !sign(root, request, certificate) ||
	    !copy_file(authority, list))
		return EXIT_REFUSED;
	say_info("key:         %s", key);
	say_info("certificate: %s, good for " DAYS " days", certificate);
	say_info("authority:   %s", list);
	return EXIT_DONE;
}

static const struct command tls_commands[] = {
	{ "rootCA", "[DIR]", "makes an authority of your own in DIR", 0, 1, make_authority, NULL },
	{ "userCERT", "NAME [DIR]", "makes a key and a certificate that this authority signed", 1, 2,
	  make_user, NULL },
	{ "gen-certs", "[DOMAIN]", "makes kamailio-selfsigned.key and .pem here", 0, 1,
	  make_self_signed, NULL },
};
const struct family certificate_families[] = {
	FAMILY("tls", tls_commands, "keys and certificates"),
	{ 0 },
};
