/* SPDX-License-Identifier: BSD-2-Clause */
/* core_functions: what the files of the language's own functions share. */
#pragma once

#include "core/process/process.h"

extern const struct function_table core_sending_functions;

/* "host[:port]", also with an IPv6 reference; the port is absent without one. */
void split_host_port(struct span text, struct span *out_host, struct span *out_port);
