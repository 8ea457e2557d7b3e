/* SPDX-License-Identifier: BSD-2-Clause */
/* replay: a plain main for a fuzz target: runs every file below the folders and files that are its
 * arguments through LLVMFuzzerTestOneInput. A crash is the failure; the last name printed with -v
 * tells the file. */
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "test/fuzz/fuzz.h"

#define MAX_INPUT (1u << 20)

static unsigned files;
static bool is_verbose;

/* The copy has exactly the input's size, so that the sanitizer sees a read beyond it. */
static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return 1;
	}
	static char buffer[MAX_INPUT];
	size_t len = fread(buffer, 1, sizeof(buffer), file);
	fclose(file);
	if (is_verbose)
		fprintf(stderr, "%s\n", path);
	uint8_t *input = malloc(len ? len : 1);
	if (!input)
		return 1;
	memcpy(input, buffer, len);
	(void)LLVMFuzzerTestOneInput(input, len);
	free(input);
	files++;
	return 0;
}

static int visit(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)place;
	return type == FTW_F ? replay_file(path) : 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-v") == 0) {
			is_verbose = true;
			continue;
		}
		if (nftw(argv[i], visit, 16, FTW_PHYS) != 0) {
			fprintf(stderr, "replay: cannot read %s\n", argv[i]);
			return 1;
		}
	}
	printf("%u inputs replayed\n", files);
	return files > 0 ? 0 : 1;
}
