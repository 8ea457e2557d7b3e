/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_api: digest authentication for modules that know where the passwords are. Interface "auth",
 * version 1.
 *
 *	enum auth_result result = auth->begin(run, &question, &attempt);
 *	if (result == AUTH_GO_ON)
 *		result = auth->verify(run, &attempt, ha1_of(&attempt), AUTH_SECRET_HA1); */
#pragma once

#include "core/base/digest.h"
#include "core/script/script.h"
#include "parser/digest.h"

#define AUTH_API_VERSION 1

/* What the functions of the script return. */
enum auth_result {
	AUTH_GO_ON = 2, /* only of `begin`: now look for the password */
	AUTH_OK = 1,
	AUTH_ERROR =
		-1, /* malformed credentials, a nonce that is not ours, no password to be had */
	AUTH_BAD_PASSWORD = -2,
	AUTH_NO_USER = -3,
	AUTH_STALE = -4,
	AUTH_NO_CREDENTIALS = -5,
	AUTH_REUSED = -6,
	AUTH_MISMATCH = -8, /* right, but for somebody else than the request says */
};

struct auth_question {
	struct span realm;  /* as the script gave it */
	bool is_proxy;      /* Proxy-Authorization instead of Authorization */
	struct span method; /* absent: of the request */
};

/* Credentials of a request that were found and whose nonce is good; everything is borrowed from the
 * message. */
struct auth_attempt {
	const struct sip_header *header;
	struct auth_params params;
	struct span realm;     /* without realm_prefix */
	struct span user_name; /* as the client means it: without quoting */
	struct span user;      /* user_name up to the @, without a scheme before it */
	struct span domain;    /* after it; absent without @ */
	struct span method;
	enum digest_kind digest;
};

enum auth_secret { AUTH_SECRET_PASSWORD, AUTH_SECRET_HA1 };

struct auth_api {
	/* The user name of the credentials in this request that were checked and found right; absent
	 * when none were. Borrowed from the message. */
	struct span (*authorized_user)(struct message *msg);
	/* Finds the credentials for the realm and checks their nonce; ACK, CANCEL and PRACK are AUTH_OK
	 * at once, because nobody can answer a challenge to them. Never waits. */
	enum auth_result (*begin)(struct script_run *run, const struct auth_question *question,
				  struct auth_attempt *out_attempt);
	/* Is the response right? Then the message is marked. AUTH_OK, AUTH_BAD_PASSWORD or AUTH_ERROR. */
	enum auth_result (*verify)(struct script_run *run, const struct auth_attempt *attempt,
				   struct span secret, enum auth_secret kind);
	/* Does the user (with this user name) make the request for himself? From names him; To of REGISTER and PUBLISH as well,
	 * and the Request-URI of PUBLISH. `with_domains`: their hosts must be the same too. */
	bool (*is_own_request)(const struct message *msg, struct span user_name, bool with_domains);
	/* The realm without realm_prefix. */
	struct span (*realm)(struct span realm);
};
