/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_api: what other modules may ask about credentials. Interface "auth", version 1. */
#pragma once

#include "core/message/message.h"

#define AUTH_API_VERSION 1

struct auth_api {
	/* The user name of the credentials in this request that were checked and found right; absent
	 * when none were. Borrowed from the message. */
	struct span (*authorized_user)(struct message *msg);
};
