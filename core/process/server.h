/* SPDX-License-Identifier: BSD-2-Clause */
/* server: from the command line to a running server. */
#pragma once

/* Does everything; returns the exit code: 0, or 255 when command line or configuration are wrong. */
int server_main(int count, char **arguments);
