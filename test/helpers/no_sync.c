/* SPDX-License-Identifier: BSD-2-Clause */
/* Lets a throw-away database server believe that its files are on disk, which is most of what it waits
 * for. Loaded by LD_PRELOAD (test/sip/sipua/databases.py). */
#include <sys/mman.h>
#include <unistd.h>

int fsync(int fd)
{
	return 0;
}

int fdatasync(int fd)
{
	return 0;
}

int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags)
{
	return 0;
}

int syncfs(int fd)
{
	return 0;
}

void sync(void)
{
}

int msync(void *address, size_t len, int flags)
{
	return 0;
}
