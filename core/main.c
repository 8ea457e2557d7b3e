/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon; everything is in core/process. */
#include "core/process/server.h"

int main(int count, char **arguments)
{
	return server_main(count, arguments);
}
