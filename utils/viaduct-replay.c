/* SPDX-License-Identifier: BSD-2-Clause */
/* viaduct-replay: sends the message of a crash file to a server and shows what comes back, so that a
 * crash can be seen again under a debugger. The message goes as it is; secrets in it were written as
 * x when the file was made. */
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MOST 65536

static const char usage[] =
	"usage: viaduct-replay CRASH-FILE HOST[:PORT] [SECONDS]\n"
	"Sends the message of the file by UDP, prints replies for SECONDS (1).\n"
	"Exit status: 0 a reply came, 1 none came, 2 could not send.\n";

/* Reads the lines up to "message: N bytes", then N bytes. */
static size_t read_message(const char *path, char *out_message)
{
	char line[4096];
	size_t len = 0, got = 0;
	FILE *file = fopen(path, "rb");
	if (!file || !fgets(line, sizeof(line), file) ||
	    strcmp(line, "viaduct crash file\n") != 0) {
		fprintf(stderr, "viaduct-replay: %s is no crash file\n", path);
		len = 0;
	} else {
		while (!len && fgets(line, sizeof(line), file))
			if (strncmp(line, "message: ", 9) == 0)
				len = strtoul(line + 9, NULL, 10);
		if (len && len <= MESSAGE_MOST)
			got = fread(out_message, 1, len, file);
		if (!len)
			fprintf(stderr,
				"viaduct-replay: no message was being worked on when %s was written\n",
				path);
		else if (got != len)
			fprintf(stderr, "viaduct-replay: %s is cut off\n", path);
	}
	if (file)
		fclose(file);
	return len && got == len ? len : 0;
}

static int connect_to(char *target)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *found;
	char *port = strrchr(target, ':');
	const char *service = "5060";
	if (port && (strchr(target, ':') == port || target[0] == '[')) {
		*port = '\0';
		service = port + 1;
	}
	size_t len = strlen(target);
	if (target[0] == '[' && len && target[len - 1] == ']') {
		target[len - 1] = '\0';
		target++;
	}
	int error = getaddrinfo(target, service, &hints, &found);
	if (error) {
		fprintf(stderr, "viaduct-replay: %s: %s\n", target, gai_strerror(error));
		return -1;
	}
	int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd < 0)
		perror("viaduct-replay");
	return fd;
}

static int print_replies(int fd, int wait_ms)
{
	static char bytes[MESSAGE_MOST];
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	int count = 0;
	while (poll(&wanted, 1, wait_ms) > 0) {
		ssize_t len = recv(fd, bytes, sizeof(bytes), 0);
		if (len < 0) {
			perror("viaduct-replay");
			return count;
		}
		fwrite(bytes, 1, (size_t)len, stdout);
		putchar('\n');
		fflush(stdout);
		count++;
	}
	return count;
}

int main(int count, char **arguments)
{
	static char message[MESSAGE_MOST];
	if (count < 3 || count > 4) {
		fputs(usage, stderr);
		return 2;
	}
	size_t len = read_message(arguments[1], message);
	int fd = len ? connect_to(arguments[2]) : -1;
	if (fd < 0)
		return 2;
	if (send(fd, message, len, 0) < 0) {
		perror("viaduct-replay");
		return 2;
	}
	/* Replies go to the address in Via, where nobody listens, unless rport asks for ours. */
	return print_replies(fd, count == 4 ? (int)(strtod(arguments[3], NULL) * 1000) : 1000) ? 0
											       : 1;
}
