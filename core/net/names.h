/* SPDX-License-Identifier: BSD-2-Clause */
/* names: host names in the configuration, looked up once while the server starts. */
#pragma once

#include "core/net/address.h"

/* Writes the addresses of a name, or the one that it literally is, in the system's order, port 0 and no
 * transport; returns how many, 0 when it has none. Asks the system's resolver and waits for it, so it
 * is for start-up only (resolver.h is for workers). Names that get no answer are waited for 2 s in
 * all; the log says which. "localhost" and names below it are loopback, names
 * below "invalid" do not exist (RFC 6761 6.3, 6.4): for those nobody is asked. */
unsigned name_addresses(struct span name, struct end_point *out_addresses, unsigned most);
