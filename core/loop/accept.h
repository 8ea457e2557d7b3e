/* SPDX-License-Identifier: BSD-2-Clause */
/* accept: takes connections also when descriptors run out: then one that was kept back is used to
 * refuse the connection at once, so that the client knows and the loop does not spin. */
#pragma once

#include <sys/socket.h>

/* Keeps a descriptor back; loop_init calls it. */
void loop_accept_prepare(void);
/* accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC. -1: none waits, or it was refused (logged once a
 * second). */
int loop_accept(int fd, struct sockaddr_storage *out_peer, socklen_t *out_len);
